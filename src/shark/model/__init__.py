"""Pure functions and small state machines: no file system, no clock, no environment."""
