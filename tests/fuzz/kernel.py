"""A small file system and its processes in Python: the truth about what a script of operations reads and makes.

It shares nothing with shark. Every call returns the errno that the real call must give (0 for success), and the real
tree is compared with this one after each run, so that the model itself is tested, too.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

LINKS = 40

Kind = Literal["file", "dir", "link"]


@dataclass(eq=False)
class Node:
    """An inode. `original` is a file's content from before the run, None for a file that the run created."""

    kind: Kind
    original: bytes | None = None
    data: bytearray = field(default_factory=bytearray)
    target: str = ""
    entries: dict[str, Node] = field(default_factory=dict)
    parent: Node | None = None
    names: list[tuple[Node, str]] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)  # every path at which it ever was
    unmet: set[str] = field(default_factory=set)  # names from before by which no call has named it yet
    made: bool = False  # the run made its content
    perhaps: bool = False  # a call was made of which file systems differ in whether it changes the mtime
    based: bool = False  # its content continues the original
    tainted: set[Node] = field(default_factory=set)  # originals from which its content derives
    controls: set[Node] = field(default_factory=set)  # others, that were only known before an exec
    orphan_read: bool = False  # its original content was opened only when it had no name any more

    @property
    def gives(self) -> set[Node]:
        """The originals that whoever reads it now has read."""
        return self.tainted | {self} if self.based and self.original else set(self.tainted)

    def emptied(self) -> None:
        """Its content is thrown away by the run."""
        self.data.clear()
        self.tainted = set()
        self.controls = set()
        self.based = False
        self.made = True


@dataclass(eq=False)
class Handle:
    """An open file description."""

    node: Node
    mode: Literal["r", "w", "rw", "path"]
    append: bool = False
    position: int = 0
    name: str = ""  # the name by which it was opened
    temporary: bool = False  # made by O_TMPFILE, so that it can be given a name


@dataclass(eq=False)
class Directory:
    """What CLONE_FS shares."""

    node: Node


@dataclass(eq=False)
class Socketpair:
    """A socketpair through which descriptors go."""

    queue: deque[Handle] = field(default_factory=deque)


@dataclass
class Files:
    """What CLONE_FILES shares: descriptors, those closed by exec, and the pair."""

    open: dict[int, Handle] = field(default_factory=dict)
    cloexec: set[int] = field(default_factory=set)
    pair: Socketpair | None = None

    def copy(self) -> Files:
        """What fork gives."""
        return Files(dict(self.open), set(self.cloexec), self.pair)


@dataclass(eq=False)
class Process:
    """A process (threads share it). `taint` are the originals that it has read, or was forked with."""

    number: int
    files: Files
    cwd: Directory
    taint: set[Node] = field(default_factory=set)
    controls: set[Node] = field(default_factory=set)  # what it knew before an exec


@dataclass
class Truth:
    """What must be recorded."""

    accesses: list[tuple[int, str, Node]] = field(default_factory=list)  # process number, r w rw x, node
    missing: list[tuple[int, str, str]] = field(default_factory=list)  # process number, path without links, and as said
    moved: bool = False  # a directory has got another path
    inputs: set[Node] = field(default_factory=set)  # original contents that were read
    may: set[Node] = field(default_factory=set)  # others that may be listed


class Kernel:
    """One tree's file system below `root` (an absolute path), its processes, and the truth."""

    def __init__(self, root: str) -> None:
        self.root_path = root
        self.root = Node("dir")
        self.root.parent = self.root
        self.nodes: list[Node] = [self.root]
        self.truth = Truth()
        self.processes = 0

    # --- before the run

    def put(self, path: str, *, content: bytes | None = None, link: str = "", hard: str = "") -> None:
        """Something that is there before the run: a file, a symbolic link, a hard link, or a directory."""
        directory, _, name = path.rpartition("/")
        parent = self.find(directory)
        if hard:
            node = self.find(hard)
            node.unmet = {hard.rpartition("/")[2], name}
            self._enter(parent, name, node)
            return
        node = Node("link", target=link) if link else Node("dir") if content is None else Node("file", content)
        if content is not None:
            node.data[:] = content
            node.based = True
        self._new(parent, name, node)

    def find(self, path: str) -> Node:
        """The node at a relative path without links."""
        node = self.root
        for part in filter(None, path.split("/")):
            node = node.entries[part]
        return node

    def spawn(self, parent: Process | None, kind: str) -> Process:
        """A new process."""
        number, self.processes = self.processes, self.processes + 1
        if parent is None:
            return Process(number, Files(), Directory(self.root))
        files = parent.files if kind == "files" else parent.files.copy()
        cwd = parent.cwd if kind == "fs" else Directory(parent.cwd.node)
        return Process(number, files, cwd, set(parent.taint), set(parent.controls))

    # --- names

    def path(self, node: Node) -> str:
        """The path of a directory that has one."""
        parts: list[str] = []
        while node is not self.root:
            [(parent, name)] = node.names
            parts.append(name)
            node = parent
        return "/".join([self.root_path, *reversed(parts)])

    def attached(self, node: Node) -> bool:
        """True if a directory can still be reached from the root."""
        while node is not self.root:
            if not node.names:
                return False
            node = node.names[0][0]
        return True

    def resolve(self, base: Node, path: str, *, follow: bool) -> tuple[int, Node, str, Node | None]:
        """errno, the directory, the name in it, and what stands there (None if nothing does)."""
        left = LINKS
        node = base
        if path.startswith(self.root_path + "/") or path == self.root_path:
            node, path = self.root, path[len(self.root_path) :]
        parts = deque(part for part in path.split("/") if part)
        directory, name = node, "."
        while parts:
            name = parts.popleft()
            if node.kind != "dir":
                return errno.ENOTDIR, directory, name, None
            directory = node
            if name == ".":
                continue
            if name == "..":
                assert node.parent is not None
                node = node.parent
                continue
            found = node.entries.get(name)
            if found is None:
                return (errno.ENOENT if parts else 0), directory, name, None
            if found.kind == "link" and (follow or parts):
                left -= 1
                if left < 0:
                    return errno.ELOOP, directory, name, None
                parts.extendleft(reversed([part for part in found.target.split("/") if part]))
                continue
            node = found
        return 0, directory, name, node

    def _enter(self, parent: Node, name: str, node: Node) -> None:
        self._put(parent, name, node)
        self._remember(node)

    @staticmethod
    def _put(parent: Node, name: str, node: Node) -> None:
        parent.entries[name] = node
        node.names.append((parent, name))
        if node.kind == "dir":
            node.parent = parent

    def _leave(self, parent: Node, name: str) -> Node:
        node = parent.entries.pop(name)
        node.names.remove((parent, name))
        return node

    def _remember(self, node: Node) -> None:
        for parent, name in node.names:
            node.paths.add(f"{self.path(parent)}/{name}")
        for child in node.entries.values():
            self._remember(child)

    def _new(self, parent: Node, name: str, node: Node) -> Node:
        self.nodes.append(node)
        self._enter(parent, name, node)
        return node

    @staticmethod
    def known(node: Node) -> bool:
        """True if a call of the run named the file by a name that it still has."""
        return any(name not in node.unmet for _, name in node.names)

    # --- open

    def open(self, p: Process, to: int, base: Node, path: str, flags: int) -> int:
        """open(2), the descriptor moved to `to`. `base` is the directory from which a relative path goes."""
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            return self._open_unnamed(p, to, base, path, flags)
        exclusive = bool(flags & os.O_CREAT and flags & os.O_EXCL)
        problem, parent, name, node = self.resolve(base, path, follow=not (exclusive or flags & os.O_NOFOLLOW))
        if problem:
            if problem in {errno.ENOENT, errno.ENOTDIR} and not flags & os.O_PATH:
                self._missed(p, base, path, f"{self.path(parent)}/{name}")
            return problem
        if node is None and not flags & os.O_CREAT:
            if not flags & os.O_PATH:
                self._missed(p, base, path, f"{self.path(parent)}/{name}")
            return errno.ENOENT
        if node is None:
            node = self._new(parent, name, Node("file", made=True))
            return self._opened(p, to, node, flags & ~os.O_TRUNC, name)
        if exclusive:
            return errno.EEXIST
        if node.kind == "link":
            return errno.ELOOP if not flags & os.O_PATH else self._opened(p, to, node, flags, name)
        if node.kind == "dir" and (flags & os.O_ACCMODE or flags & (os.O_CREAT | os.O_TRUNC)):
            return errno.EISDIR
        if node.kind == "file" and flags & os.O_DIRECTORY:
            return errno.ENOTDIR
        if not flags & os.O_PATH:
            node.unmet.discard(name)
        return self._opened(p, to, node, flags, name)

    def _missed(self, p: Process, base: Node, said: str, true: str) -> None:
        self.truth.missing.append((p.number, true, os.path.normpath(os.path.join(self.path(base), said))))

    def glance(self, p: Process, base: Node, path: str, flags: int) -> int:
        """open(2) and close(2)."""
        number = -1
        problem = self.open(p, number, base, path, flags)
        if not problem:
            self.close(p, number)
        return problem

    def _open_unnamed(self, p: Process, to: int, base: Node, path: str, flags: int) -> int:
        problem, _, _, node = self.resolve(base, path, follow=True)
        if problem or node is None:
            return problem or errno.ENOENT
        if node.kind != "dir":
            return errno.ENOTDIR
        made = Node("file", made=True)
        self.nodes.append(made)
        self._opened(p, to, made, flags & ~os.O_DIRECTORY & ~os.O_TRUNC, "")
        p.files.open[to].temporary = not flags & os.O_EXCL
        return 0

    def reopen(self, p: Process, to: int, fd: int, flags: int) -> int:
        """open(2) of /proc/self/fd/FD: of a regular file, which may have lost its names."""
        handle = p.files.open[fd]
        handle.node.unmet.discard(handle.name)
        return self._opened(p, to, handle.node, flags, handle.name)

    def _opened(self, p: Process, to: int, node: Node, flags: int, name: str) -> int:
        mode: Literal["r", "w", "rw"] = ("r", "w", "rw")[flags & os.O_ACCMODE]  # type: ignore[assignment]
        handle = Handle(node, "path" if flags & os.O_PATH else mode, bool(flags & os.O_APPEND), name=name)
        if flags & os.O_TRUNC and node.kind == "file" and not flags & os.O_PATH:
            node.emptied()
        self._hold(p, to, handle, cloexec=bool(flags & os.O_CLOEXEC))
        self._gained(p, handle)
        return 0

    def _hold(self, p: Process, to: int, handle: Handle, *, cloexec: bool = False) -> None:
        p.files.open[to] = handle
        p.files.cloexec.discard(to)
        if cloexec:
            p.files.cloexec.add(to)

    def _gained(self, p: Process, handle: Handle) -> None:
        """A process got access to a file: what that alone tells."""
        node = handle.node
        if node.kind != "file" or handle.mode == "path":
            return
        self.truth.accesses.append((p.number, handle.mode, node))
        if node.original and node.based:
            reads = "r" in handle.mode
            (self.truth.inputs if reads and not node.perhaps else self.truth.may).add(node)
            node.orphan_read = node.orphan_read or not node.names
        if "r" in handle.mode:
            self._learns(p, node)

    @staticmethod
    def _learns(p: Process, node: Node) -> None:
        p.taint |= node.gives
        p.controls |= node.controls

    # --- descriptors

    def dup(self, p: Process, fd: int, to: int) -> None:
        """dup2(2)."""
        self._hold(p, to, p.files.open[fd])

    def close(self, p: Process, fd: int) -> None:
        """close(2)."""
        del p.files.open[fd]
        p.files.cloexec.discard(fd)

    def read(self, p: Process, fd: int) -> None:
        """read(2) to the end."""
        handle = p.files.open[fd]
        handle.position = max(handle.position, len(handle.node.data))
        self._learns(p, handle.node)

    def write(self, p: Process, fd: int, data: bytes, at: int | None = None) -> None:
        """write(2), or pwrite(2), which on Linux appends to a file opened with O_APPEND."""
        handle = p.files.open[fd]
        node = handle.node
        position = len(node.data) if handle.append else handle.position if at is None else at
        if not data:
            return
        if position > len(node.data):
            node.data.extend(bytes(position - len(node.data)))
        node.data[position : position + len(data)] = data
        if at is None:
            handle.position = position + len(data)
        node.made = True
        self._tells(p, node)

    @staticmethod
    def _tells(p: Process, node: Node) -> None:
        node.tainted |= p.taint
        node.controls |= p.controls

    def copy(self, p: Process, source: int, to: int) -> None:
        """sendfile(2) to the end."""
        handle = p.files.open[source]
        data = bytes(handle.node.data[handle.position :])
        self.read(p, source)
        self.write(p, to, data)

    def ftruncate(self, p: Process, fd: int, length: int) -> None:
        """ftruncate(2)."""
        self._cut(p, p.files.open[fd].node, length)

    def truncate(self, p: Process, base: Node, path: str, length: int) -> int:
        """truncate(2)."""
        problem, _, name, node = self.resolve(base, path, follow=True)
        if problem or node is None:
            return problem or errno.ENOENT
        if node.kind == "dir":
            return errno.EISDIR
        node.unmet.discard(name)
        self.truth.accesses.append((p.number, "w", node))
        if node.original and node.based:
            self.truth.may.add(node)
        self._cut(p, node, length)
        return 0

    def _cut(self, p: Process, node: Node, length: int) -> None:
        if length == len(node.data):
            node.perhaps = True
        elif length == 0:
            node.emptied()
        elif length < len(node.data):
            del node.data[length:]
            node.made = True
        else:
            node.data.extend(bytes(length - len(node.data)))
            node.made = True

    def pair(self, p: Process) -> None:
        """socketpair(2)."""
        p.files.pair = Socketpair()

    def give(self, p: Process, fd: int) -> None:
        """sendmsg(2) with a descriptor."""
        assert p.files.pair is not None
        p.files.pair.queue.append(p.files.open[fd])

    def take(self, p: Process, to: int) -> None:
        """recvmsg(2) with a descriptor."""
        assert p.files.pair is not None
        handle = p.files.pair.queue.popleft()
        self._hold(p, to, handle)
        self._gained(p, handle)

    def exec(self, p: Process) -> None:
        """execve(2) of the same program: descriptors are no longer shared, some are closed."""
        p.files = p.files.copy()
        for fd in list(p.files.cloexec):
            self.close(p, fd)
        p.controls, p.taint = p.controls | p.taint, set()
        for handle in p.files.open.values():
            if handle.node.kind == "file" and handle.mode in {"r", "rw"}:
                self._learns(p, handle.node)  # what stays open can be read again

    # --- names change

    def rename(self, p: Process, old_base: Node, old: str, new_base: Node, new: str, flags: int) -> int:
        """renameat2(2); flags 1 is NOREPLACE, 2 EXCHANGE."""
        problem, from_, name, node = self.resolve(old_base, old, follow=False)
        problem2, to, target, other = self.resolve(new_base, new, follow=False)
        if problem or problem2:
            return problem or problem2
        if node is None:
            return errno.ENOENT
        if flags == 1 and other is not None:
            return errno.EEXIST
        if flags == 2 and other is None:
            return errno.ENOENT
        if self._within(to, node) and node.kind == "dir":
            return errno.EINVAL
        if other is not None and other.kind == "dir" and self._within(from_, other):
            return errno.EINVAL if flags == 2 else errno.ENOTEMPTY
        if node is other:
            return 0
        self.truth.moved = self.truth.moved or node.kind == "dir" or (other is not None and other.kind == "dir")
        node.unmet.discard(target)
        if flags == 2:
            assert other is not None
            other.unmet.discard(name)
            self._leave(from_, name)
            self._leave(to, target)
            self._put(to, target, node)
            self._put(from_, name, other)
            self._remember(node)
            self._remember(other)
            return 0
        if other is not None:
            if node.kind == "dir" and other.kind != "dir":
                return errno.ENOTDIR
            if node.kind != "dir" and other.kind == "dir":
                return errno.EISDIR
            if other.entries:
                return errno.ENOTEMPTY
            self._leave(to, target)
        self._leave(from_, name)
        self._enter(to, target, node)
        return 0

    def _within(self, inner: Node, outer: Node) -> bool:
        while inner is not outer:
            if inner is self.root or inner.parent is None:
                return False
            inner = inner.parent
        return True

    def link(self, p: Process, old_base: Node, old: str, new_base: Node, new: str) -> int:
        """linkat(2) without flags."""
        problem, _, source, node = self.resolve(old_base, old, follow=False)
        if problem or node is None:
            return problem or errno.ENOENT
        problem, to, name, other = self.resolve(new_base, new, follow=False)
        if problem or other is not None:
            return problem or errno.EEXIST
        if node.kind == "dir":
            return errno.EPERM
        node.unmet -= {source, name}
        self._enter(to, name, node)
        return 0

    def link_handle(self, p: Process, fd: int, base: Node, new: str) -> int:
        """linkat(2) of /proc/self/fd/FD, which gives an unnamed file a name."""
        node = p.files.open[fd].node
        problem, to, name, other = self.resolve(base, new, follow=False)
        if problem or other is not None:
            return problem or errno.EEXIST
        node.unmet.discard(name)
        self._enter(to, name, node)
        return 0

    def symlink(self, p: Process, target: str, base: Node, path: str) -> int:
        """symlinkat(2)."""
        problem, to, name, other = self.resolve(base, path, follow=False)
        if problem or other is not None:
            return problem or errno.EEXIST
        self._new(to, name, Node("link", target=target))
        return 0

    def unlink(self, p: Process, base: Node, path: str) -> int:
        """unlinkat(2)."""
        problem, parent, name, node = self.resolve(base, path, follow=False)
        if problem or node is None:
            return problem or errno.ENOENT
        if node.kind == "dir":
            return errno.EISDIR
        self._leave(parent, name)
        return 0

    def rmdir(self, p: Process, base: Node, path: str) -> int:
        """unlinkat(2) with AT_REMOVEDIR."""
        problem, parent, name, node = self.resolve(base, path, follow=False)
        if problem or node is None:
            return problem or errno.ENOENT
        if node.kind != "dir":
            return errno.ENOTDIR
        if node.entries:
            return errno.ENOTEMPTY
        self._leave(parent, name)
        return 0

    def mkdir(self, p: Process, base: Node, path: str) -> int:
        """mkdirat(2)."""
        problem, parent, name, node = self.resolve(base, path, follow=False)
        if problem or node is not None:
            return problem or errno.EEXIST
        self._new(parent, name, Node("dir"))
        return 0

    def chdir(self, p: Process, path: str) -> int:
        """chdir(2)."""
        problem, _, _, node = self.resolve(p.cwd.node, path, follow=True)
        if problem or node is None:
            return problem or errno.ENOENT
        if node.kind != "dir":
            return errno.ENOTDIR
        p.cwd.node = node
        return 0

    def map_write(self, p: Process, fd: int, at: int, data: bytes) -> None:
        """A write through a shared mapping, within the file."""
        node = p.files.open[fd].node
        node.data[at : at + len(data)] = data
        node.made = True
        self._tells(p, node)

    def check(self, base: Node, path: str) -> int:
        """What a call gives that follows the path and changes no content (chmod, utimensat)."""
        problem, _, _, node = self.resolve(base, path, follow=True)
        return problem or (errno.ENOENT if node is None else 0)
