"""Is what was recorded still so? What `shark verify` and `shark status` answer with."""
