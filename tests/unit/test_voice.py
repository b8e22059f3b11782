"""What the supervisor says, to whom, and when it must be silent."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import pytest

from shark.scribing import in_one_line
from shark.voice import Voice

RECORD: Any = {
    "id": "0193-abcdef12",
    "outputs": [{"attached": "xattr"}, {"attached": "none"}, {}],
    "coverage": {"gaps": [{}, {}]},
}


class Listener:
    """A pipe that a voice speaks into."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    @property
    def identity(self) -> tuple[int, int]:
        about = os.fstat(self.reading)
        return about.st_dev, about.st_ino

    def heard(self) -> str:
        os.set_blocking(self.reading, False)
        try:
            return os.read(self.reading, 1 << 16).decode()
        except BlockingIOError:
            return ""

    def at_end(self) -> bool:
        os.set_blocking(self.reading, True)
        return os.read(self.reading, 1) == b""


@pytest.fixture
def listener():
    made = Listener()
    yield made
    os.close(made.reading)


def voice(listener: Listener, *, quiet: bool = False, verbose: bool = False) -> Voice:
    return Voice(listener.writing, listener.identity, quiet=quiet, verbose=verbose)


def test_warnings(listener: Listener) -> None:
    """One line each; control characters, which could do things to a terminal, are not passed on."""
    voice(listener).warn("a\x1b[31mb \udcff")
    assert listener.heard() == "shark: warning: a?[31mb ?\n"
    voice(listener).warn("no manifest on a\nshark: b")
    assert listener.heard() == "shark: warning: no manifest on a\\nshark: b\n"


def test_quiet(listener: Listener) -> None:
    """Says nothing at all."""
    speaker = voice(listener, quiet=True, verbose=True)
    speaker.warn("a")
    speaker.summary(in_one_line(RECORD))
    assert listener.heard() == ""


def test_summary(listener: Listener) -> None:
    """One line, and only on a terminal or when asked for."""
    voice(listener).summary(in_one_line(RECORD))
    assert listener.heard() == ""
    voice(listener, verbose=True).summary(in_one_line(RECORD))
    assert listener.heard() == "shark: 1 output with a manifest, 2 outputs recorded only, 2 gaps; shark show abcdef12\n"
    voice(listener, verbose=True).summary(in_one_line({**RECORD, "outputs": [], "coverage": {"gaps": [{}]}}))
    assert listener.heard() == "shark: no outputs, 1 gap; shark show abcdef12\n"


def test_faults(listener: Listener) -> None:
    """A line; with -v, what the developers need."""
    with pytest.raises(ValueError, match="odd") as raised:
        int("odd")
    voice(listener).fault_of(raised.value)
    assert listener.heard().startswith("shark: warning: a fault of shark itself: ValueError: invalid literal")
    voice(listener, verbose=True).fault_of(raised.value)
    assert "Traceback" in listener.heard()


@pytest.mark.parametrize("for_long", [True, False])
def test_borrowing(listener: Listener, for_long: bool) -> None:
    """What could not be said before is said once the command's own standard error can be had; then it is given back."""
    saved = os.dup(2)
    speaker = Voice(None, listener.identity, quiet=False, verbose=False)
    speaker.warn("early")
    assert speaker.descriptors == ()
    try:
        os.dup2(listener.writing, 2)
        speaker.borrow(os.getpid(), for_long=for_long)
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    if not (speaker.descriptors or listener.heard()):
        pytest.skip("pidfd_getfd(2) is not allowed here")
    os.close(listener.writing)
    if for_long:
        assert listener.heard() == "shark: warning: early\n"
        speaker.close()
    assert speaker.descriptors == ()
    assert listener.at_end()


def test_another_standard_error_is_not_borrowed(listener: Listener) -> None:
    """The command may have redirected its own: that file is not ours to write into."""
    speaker = Voice(None, (0, 0), quiet=False, verbose=False)
    speaker.warn("early")
    speaker.borrow(os.getpid(), for_long=True)
    assert speaker.descriptors == ()


def test_borrowing_for_a_line(listener: Listener) -> None:
    """Without one of its own, it speaks to that of any holder, at once, and keeps nothing."""
    speaker = Voice(None, listener.identity, quiet=False, verbose=False)
    speaker.holders = lambda: [os.getpid()]
    speaker.warn("late")
    assert listener.heard() == "shark: warning: late\n"
    assert speaker.descriptors == ()
    os.close(listener.writing)
    assert listener.at_end()
    speaker.close()
    speaker.warn("too late")


def test_nobody_makes_room(listener: Listener) -> None:
    """A pipe that is full is not waited for: the command might be waiting for us. Said is it when there is room."""
    os.set_blocking(listener.writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(listener.writing, b"." * 4096)
    speaker = Voice(None, listener.identity, quiet=False, verbose=False)
    speaker.holders = lambda: [os.getpid()]
    speaker.warn("one")
    while listener.heard().startswith("."):
        pass
    speaker.warn("two")
    os.close(listener.writing)
    assert listener.heard() == "shark: warning: one\nshark: warning: two\n"


def test_a_pipe_is_kept_until_the_command_begins(listener: Listener) -> None:
    """Then the command has it, and a reader waits for the end of that."""
    speaker = Voice(os.dup(listener.writing), listener.identity, quiet=False, verbose=False, lasting=False)
    os.close(listener.writing)
    speaker.warn("early")
    speaker.begin()
    assert speaker.descriptors == ()
    assert listener.heard() == "shark: warning: early\n"
    assert listener.at_end()


def test_nobody_listens() -> None:
    """A reader that is gone is no fault."""
    reading, writing = os.pipe()
    os.close(reading)
    speaker = Voice(writing, (0, 0), quiet=False, verbose=False)
    speaker.warn("a")
    speaker.warn("b")
    speaker.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writing)
