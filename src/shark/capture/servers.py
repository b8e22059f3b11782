"""Servers that start on demand in the background and then wait for somebody: no run is over when they are."""

from __future__ import annotations

from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_NAMES: Final = frozenset(
    # GnuPG's tools start these when they need them, and leave them for the next one.
    b"gpg-agent dirmngr keyboxd scdaemon "
    # They keep keys until the session ends.
    b"ssh-agent gnome-keyring-daemon "
    # The desktop's libraries start these (D-Bus activation), also for a program without any window.
    b"dbus-daemon dconf-service gvfsd gvfsd-metadata at-spi-bus-launcher at-spi2-registryd".split()
)
"""By the file name of the program. They have done what the run wanted of them when they have answered; none of them
makes files that somebody waits for. Not in here is what works on when its client has gone, as a compiler's server may.
"""


def idles(image: bytes) -> bool:
    """Whether a process that executes the file at this path is such a server; b"" is a program that is hidden."""
    return image.rpartition(b"/")[2] in _NAMES
