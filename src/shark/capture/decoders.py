"""From a row's operation to the function that decodes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from shark.capture import execs, names, opens, others
from shark.capture.tasks import Finish, Task

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor

Enter = Callable[["Supervisor", Task, tuple[int, ...]], "Finish | None"]
"""Looks at a call at its entry stop; returns what is to be done at its exit stop, or None if that does not matter."""

IN_LOOP: Final = frozenset(
    {
        others.enter_clone,
        others.enter_clone3,
        others.enter_connect,
        others.enter_io_uring,
        others.enter_listener,
        others.enter_ptrace,
        others.enter_receive,
        others.enter_receive_many,
        others.enter_socketcall,
    }
)
"""What is done by the loop's own thread in any case: it makes ptrace requests, or looks at no file."""

DECODERS: Final[dict[str, Enter]] = {
    "open": opens.enter_open,
    "open2": opens.enter_open2,
    "creat": opens.enter_creat,
    "open_by_handle": opens.enter_open_by_handle,
    "memfd": opens.enter_memfd,
    "take_descriptor": opens.enter_take_descriptor,
    "receive": others.enter_receive,
    "receive_many": others.enter_receive_many,
    "exec": execs.enter_exec,
    "clone": others.enter_clone,
    "clone3": others.enter_clone3,
    "rename": names.enter_rename,
    "link": names.enter_link,
    "symlink": names.enter_symlink,
    "remove": names.enter_remove,
    "mkdir": names.enter_mkdir,
    "mknod": names.enter_mknod,
    "truncate": names.enter_truncate,
    "empty": names.enter_empty,
    "touch": names.enter_touch,
    "view": others.enter_view,
    "connect": others.enter_connect,
    "socketcall": others.enter_socketcall,
    "ptrace": others.enter_ptrace,
    "listener": others.enter_listener,
    "io_uring": others.enter_io_uring,
}
