"""From a row's operation to the function that decodes it."""

from __future__ import annotations

from collections.abc import Callable

from shark.capture import channels, execs, names, opens, others
from shark.capture.tasks import Finish, Task
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from shark.capture.supervisor import Supervisor

Enter = Callable[["Supervisor", Task, tuple[int, ...]], "Finish | None"]
"""Looks at a call at its entry stop; returns what is to be done at its exit stop, or None if that does not matter."""

IN_LOOP: Final = frozenset(
    {
        others.enter_clone,
        others.enter_clone3,
        channels.enter_accept,
        channels.enter_attach,
        channels.enter_connect,
        channels.enter_ipc,
        channels.enter_map,
        channels.enter_bind,
        channels.enter_datagrams,
        channels.enter_old_map,
        channels.enter_queue,
        channels.enter_read_process,
        channels.enter_send_message,
        channels.enter_take_message,
        channels.enter_write_process,
        channels.enter_socketpair,
        channels.enter_control,
        channels.enter_uncounted,
        channels.enter_wait,
        others.enter_fanotify,
        others.enter_io_uring,
        others.enter_own_filter,
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
    "connect": channels.enter_connect,
    "accept": channels.enter_accept,
    "socketpair": channels.enter_socketpair,
    "datagrams": channels.enter_datagrams,
    "bind": channels.enter_bind,
    "map": channels.enter_map,
    "old_map": channels.enter_old_map,
    "attach": channels.enter_attach,
    "queue": channels.enter_queue,
    "send_message": channels.enter_send_message,
    "take_message": channels.enter_take_message,
    "ipc": channels.enter_ipc,
    "read_process": channels.enter_read_process,
    "write_process": channels.enter_write_process,
    "uncounted": channels.enter_uncounted,
    "control": channels.enter_control,
    "wait": channels.enter_wait,
    "socketcall": others.enter_socketcall,
    "ptrace": others.enter_ptrace,
    "own_filter": others.enter_own_filter,
    "io_uring": others.enter_io_uring,
    "fanotify": others.enter_fanotify,
}
