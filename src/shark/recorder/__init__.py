"""File calls of hot processes, written down by the process itself instead of stopping it (ARCHITECTURE, "Recorder").

The seam to the rest is narrow: the supervisor asks `tiering` at each stop of an open whether the process should go on
without stopping, and tells `recorder` of forks, execs and ends; what comes back are the events that a stop would have
given.
"""
