"""Telling somebody that a run has ended: a command, or an HTTP POST, with a JSON body.

It happens after the command's parent has gone on, in a process of its own. What could not be delivered waits on disk
and is tried again after later runs. There only the body is kept, and a digest of whom it is for: the address may hold a
secret, and is looked up in the settings again.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shark import jsontext
from shark.store import files
from shark.store.home import Store

SCHEMA: Final = "shark/notification/1"
_PAUSES: Final = (0.0, 1.0, 5.0)
"""Seconds before each attempt."""
_CLAIMED: Final = b".sending"
_STALE: Final = 600
_OLDEST: Final = 7 * 86400
_MOST: Final = 200
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def body_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a run: from its record, in which nothing is that shall not be known."""
    keys = ("name", "tags", "command")
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "run": record["id"],
        **{key: record[key] for key in keys if key in record},
    }
    found["failed"] = _failed(record)
    found["outputs"] = len(record["outputs"])
    found["gaps"] = len(record["coverage"]["gaps"])
    host = record.get("host", {})
    found["host"] = {key: host[key] for key in ("name", "user") if key in host}
    return found


def _failed(record: Mapping[str, Any]) -> bool:
    """Whether a command, or a block of a program, came to a bad end. A process that lives on has come to none."""
    command, block = record["command"], record.get("recording")
    if "signal" in command or command.get("exit", 0):
        return True
    return block.get("outcome") in ("raised", "lost") if block else "exit" not in command


def notify(
    targets: Sequence[Mapping[str, Any]], body: Mapping[str, Any], store: Store, environ: Mapping[bytes, bytes]
) -> None:
    """Deliver in a process of its own, which is nobody's child here. Never raises for the delivery's sake."""
    when = "failure" if body["failed"] else "success"
    wanted = [target for target in targets if target["when"] in ("always", when)]
    directory = os.path.join(store.local, b"notifications")
    if not wanted and not os.path.isdir(directory):
        return
    try:
        middle = os.fork()
    except OSError:
        return
    if middle:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(middle, 0)
        return
    try:
        if os.fork() == 0:
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # a terminal that is held would not end
            _deliver_all(wanted, targets, body, directory, environ)
    finally:
        os._exit(0)


def _deliver_all(
    wanted: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    body: Mapping[str, Any],
    directory: bytes,
    environ: Mapping[bytes, bytes],
) -> None:
    files.make_private(directory)
    text = jsontext.dumps(body)
    for number, target in enumerate(wanted):
        name = f"{body['run']}.{number}.{_digest(target)}.json".encode()
        files.write_whole(os.path.join(directory, name), text)  # first of all: whatever happens now, it is not lost
    known = {_digest(target): target for target in targets}
    for name in sorted(os.listdir(directory), reverse=True)[_MOST:]:
        os.unlink(os.path.join(directory, name))
    for name in sorted(map(_unclaimed, _waiting(directory))):
        _deliver(os.path.join(directory, name), known, environ, patient=name.startswith(str(body["run"]).encode()))


def _waiting(directory: bytes) -> list[bytes]:
    return [os.path.join(directory, name) for name in os.listdir(directory)]


def _unclaimed(path: bytes) -> bytes:
    """What somebody claimed and, since he was ended, did not send is free again; gives the name."""
    if path.endswith(_CLAIMED):
        with contextlib.suppress(OSError):
            if time.time() - os.stat(path).st_ctime > _STALE:
                os.rename(path, path.removesuffix(_CLAIMED))
                return os.path.basename(path.removesuffix(_CLAIMED))
    return os.path.basename(path)


def _digest(target: Mapping[str, Any]) -> str:
    import hashlib

    return hashlib.sha256(jsontext.dumps(dict(target), sort=True)).hexdigest()[:16]


def _deliver(
    path: bytes, known: Mapping[str, Mapping[str, Any]], environ: Mapping[bytes, bytes], *, patient: bool
) -> None:
    """Deliver what waits in a file, if its target is known still; older ones get one attempt each."""
    parts = os.path.basename(path).split(b".")
    target = known.get(os.fsdecode(parts[-2])) if len(parts) == 4 else None
    claimed = path + _CLAIMED
    try:
        too_old = time.time() - os.stat(path).st_mtime > _OLDEST
        if target is None:
            if too_old:
                os.unlink(path)
            return
        os.rename(path, claimed)  # no other run's process sends it as well
        with open(claimed, "rb") as file:
            text = file.read()
    except OSError:
        return  # another one has it
    for pause in _PAUSES if patient else _PAUSES[:1]:
        time.sleep(pause)
        if _sent(target, text, environ):
            os.unlink(claimed)
            return
    if too_old:
        os.unlink(claimed)
    else:
        os.rename(claimed, path)


def _sent(target: Mapping[str, Any], text: bytes, environ: Mapping[bytes, bytes]) -> bool:
    if target["command"]:
        from shark.content.hooks import run_hook

        ran = run_hook(target["command"], cwd=_place(text), environ=environ, seconds=target["timeout"], stdin=text)
        return ran.status == 0
    return _posted(target, text, environ)


def _place(text: bytes) -> str:
    """The working directory of the run that a body tells of; the root if it is gone, or redacted."""
    from shark.view.reading import text as text_of

    try:
        body = jsontext.loads(text)
    except ValueError:
        return "/"
    cwd = text_of(body, "command", "cwd") if isinstance(body, dict) else ""
    return cwd if os.path.isabs(cwd) and os.path.isdir(cwd) else "/"


def _posted(target: Mapping[str, Any], text: bytes, environ: Mapping[bytes, bytes]) -> bool:
    """POST it; True also where the other side will never take it (a 4xx that is not about the time)."""
    import http.client
    import urllib.error
    import urllib.request

    headers = {"Content-Type": "application/json", "User-Agent": "shark"}
    headers |= {name: _filled(value, environ) for name, value in target["headers"].items()}
    try:
        request = urllib.request.Request(_filled(target["url"], environ), data=text, headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=target["timeout"]) as answer:
            return bool(200 <= answer.status < 300)
    except urllib.error.HTTPError as refused:
        return 400 <= refused.code < 500 and refused.code not in (408, 425, 429)
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _filled(text: str, environ: Mapping[bytes, bytes]) -> str:
    """With `${NAME}` replaced by the variable of that name, so that no file of settings need hold a secret."""
    return _VARIABLE.sub(lambda match: os.fsdecode(environ.get(match[1].encode(), b"")), text)
