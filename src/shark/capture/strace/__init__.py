"""Logs that strace has written, read as events: the same as a live trace gives, as far as a log can tell.

`lines` takes a line apart, `words` a call's arguments; `tables` models what a log does not repeat at every call (open
descriptors, working directories, processes), since there is no kernel left to ask; `calls` decodes the calls of
capture/table.py; `reader` puts it together. The forms that strace writes are described in strace(1).
"""

from shark.capture.strace.reader import read_strace

__all__ = ["read_strace"]
