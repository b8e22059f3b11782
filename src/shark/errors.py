"""What goes wrong, said for people: the fault, what to do about it, and the exit code that scripts see."""

EXIT_USAGE = 2
"""Wrong usage, or trouble, for every command but `run` (docs/manifest.md; also click's own usage code)."""

EXIT_RUN = 125
"""shark's own failure before the command of `shark run` was started (as in env(1), nohup(1), timeout(1))."""

EXIT_NOT_EXECUTABLE = 126
"""The command of `shark run` was found but could not be executed (POSIX shell, 2.8.2)."""

EXIT_NOT_FOUND = 127
"""The command of `shark run` was not found (POSIX shell, 2.8.2)."""


class SharkError(Exception):
    """A fault that the user can do something about.

    `message` says what was wrong (and what was expected); `hint` says what to do; `exit_code` is the status with which
    the command line ends.
    """

    def __init__(self, message: str, hint: str = "", exit_code: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class ConditionFailed(SharkError):
    """What the user demands before anything is run is not so: uncommitted changes, a command that must succeed."""


class RecordDamaged(SharkError):
    """A run record, manifest or journal that cannot be read back: truncated, not JSON, or of the wrong shape."""


class NotFound(SharkError):
    """A run or file that nothing is known of."""

    def __init__(self, message: str, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message, hint, exit_code)
