"""What is done around a command because settings ask for it, and how it comes into the run's record.

`Around.before` works in the process that becomes the command; all the rest in the scribe, to which what was found out
before is carried by the fork.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from shark.errors import EXIT_RUN, ConditionFailed
from shark.extras import Extras, redactor_of, trusting
from shark.store.home import Store
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from shark.content.hooks import Ran

    Done = tuple[str, Mapping[str, Any], Ran]


class Around:
    """One run's: made by `before`. `kept` are entries of the record for files that are in the store already."""

    def __init__(self, extras: Extras, environ: Mapping[bytes, bytes], cwd: bytes) -> None:
        self.extras = extras
        self.kept: list[Mapping[str, Any]] = []
        self._environ = environ
        self._cwd = cwd
        self._done: list[Done] = []
        self._finished = False

    @classmethod
    def before(cls, extras: Extras, environ: Mapping[bytes, bytes], cwd: bytes, *, within: bool, quiet: bool) -> Around:
        """Warn, and run the commands that come before. `within` another run only those that are required.

        Raises ConditionFailed (125) if one that must succeed does not.
        """
        if not quiet:
            for warning in extras.warnings:
                _say(f"shark: warning: {warning}")
        if extras.required_untrusted:
            raise ConditionFailed(
                f"{extras.required_untrusted} has a command that must succeed before a run, and is not trusted",
                f"Look at it, then: {trusting(extras.required_untrusted)}",
                EXIT_RUN,
            )
        around = cls(extras, environ, cwd)
        outside = {name: value for name, value in environ.items() if name != b"SHARK_RUN_ID"}
        for command in extras.before:
            if command["required"] or not within:
                around._hook("before", command, outside)
        return around

    def _hook(self, when: str, command: Mapping[str, Any], environ: Mapping[bytes, bytes]) -> None:
        from shark.content.hooks import run_hook

        ran = run_hook(command["command"], cwd=self._cwd, environ=environ, seconds=command["timeout"])
        self._done.append((when, command, ran))
        if ran.status and when == "before" and command["required"]:
            words = " ".join(command["command"])
            why = ran.why or f"it ended with {ran.status}"
            said = ran.stderr.decode("utf-8", "replace").strip().splitlines()[-3:]
            raise ConditionFailed(f"refused, since {words!r} must succeed: {why}", "\n".join(said), EXIT_RUN)

    # --- in the scribe

    def finish(self, store: Store) -> dict[str, Any]:
        """After the command: run what comes after; gives the record's sections. Those of the command's end are in the
        first record only, if descendants make a second one. Raises OSError.
        """
        if self._finished:
            return {"settings": dict(self.extras.used)} if self.extras.used else {}
        self._finished = True
        for command in self.extras.after:
            self._hook("after", command, self._environ)
        return self.sections(store)

    def sections(self, store: Store) -> dict[str, Any]:
        """Sections of the record: settings, kept files, what commands said. Raises OSError."""
        found: dict[str, Any] = {
            "settings": dict(self.extras.used),
            "kept": self.kept,
            "hooks": [self._entry(store, *done) for done in self._done],
        }
        return {name: section for name, section in found.items() if section}

    def _entry(self, store: Store, when: str, command: Mapping[str, Any], ran: Ran) -> dict[str, Any]:
        from shark.content.masking import mask_argv

        entry: dict[str, Any] = {"when": when, "argv": mask_argv(command["command"]), "seconds": round(ran.seconds, 3)}
        if command["name"]:
            entry["name"] = command["name"]
        if ran.status >= 0:
            entry["exit"] = ran.status
        else:
            entry["why"] = ran.why
        for name, text in (("stdout", ran.stdout), ("stderr", ran.stderr)):
            if text:
                entry[f"{name}_sha256"] = store.put_object(self._hidden(text))
        if ran.cut:
            entry["cut"] = True
        return entry

    def _hidden(self, said: bytes) -> bytes:
        """What a command said, without secrets and what shall not be known."""
        from shark.content.concealing import secrets_in, without
        from shark.content.masking import mask_text

        lines = said.decode("utf-8", "surrogateescape").splitlines(keepends=True)
        redactor = redactor_of(self.extras)
        known = secrets_in({os.fsdecode(name): os.fsdecode(value) for name, value in self._environ.items()})
        shown = (mask_text(without(line, known)) for line in lines)
        return "".join(redactor.text(line) if redactor else line for line in shown).encode("utf-8", "surrogateescape")

    def tell(self, record: Mapping[str, Any], store: Store) -> None:
        """Tell whom the settings want to be told, after everything else; delays nothing."""
        if self.extras.notify:
            from shark.notifying import body_of, notify

            notify(self.extras.notify, body_of(record), store, self._environ)


def _say(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
