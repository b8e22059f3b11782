"""Turns numbers into a script for the interpreter, and executes it at the same time in the model.

Any list of number tuples gives a valid script: each operation picks among what there is at that moment. So whatever
Hypothesis draws, and whatever it leaves out when it looks for the smallest failing case, means something.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .kernel import Handle, Kernel, Node, Process

AT_FDCWD = -100
SLOTS = range(100, 106)
NEW_NAMES = ("n0", "n1", "n2")
QUEUE = 4

READ_FLAGS = (os.O_RDONLY, os.O_RDONLY, os.O_RDONLY | os.O_CLOEXEC, os.O_RDONLY | os.O_NOFOLLOW)
WRITE_FLAGS = (
    os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    os.O_RDWR,
    os.O_WRONLY,
    os.O_WRONLY | os.O_APPEND,
    os.O_RDWR | os.O_CREAT,
    os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    os.O_RDWR | os.O_CREAT | os.O_APPEND,
    os.O_RDWR | os.O_TRUNC,
    os.O_WRONLY | os.O_TRUNC,
    os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC,
    os.O_RDWR | os.O_CREAT | os.O_EXCL,
    os.O_RDONLY | os.O_TRUNC,
    os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND,
    os.O_RDWR | os.O_APPEND,
)
GLANCE_FLAGS = (os.O_RDONLY, os.O_PATH, os.O_RDONLY, os.O_RDONLY | os.O_CLOEXEC, os.O_RDONLY | os.O_NOFOLLOW)
REOPEN_FLAGS = (os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND)
KINDS = ("fork", "fork", "vfork", "thread", "thread", "files", "fs", "untraced", "clone3")

Numbers = tuple[int, int, int, int]


@dataclass
class Frame:
    """A block under way. `shares`: a vfork child that has not called exec yet, in its parent's memory."""

    process: Process
    kind: str
    shares: bool = False


@dataclass
class Tree:
    """One tree of processes in a directory of its own: the script's lines, and the model with the truth."""

    number: int
    kernel: Kernel
    lines: list[str] = field(default_factory=list)

    def mark(self, process: int) -> str:
        """How the script names a process."""
        return f"{self.number}.{process}"


def furnish(kernel: Kernel, number: int) -> None:
    """What stands in a tree's directory before the run."""
    for name in ("a", "b", "c", "d/f", "d/g"):
        if name == "d/f":
            kernel.put("d")
        kernel.put(name, content=f"{number}-{name}-before\n".encode() * (1 + len(name) + number % 3))
    kernel.put("e", content=b"")
    kernel.put("d/dd")
    kernel.put("l", link="a")
    kernel.put("ld", link="d")
    kernel.put("h", hard="c")


def build(number: int, root: str, numbers: Sequence[Numbers]) -> Tree:
    """The tree that the numbers describe."""
    tree = Tree(number, Kernel(root))
    furnish(tree.kernel, number)
    _Writer(tree).write(numbers)
    return tree


class _Writer:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.k = tree.kernel
        first = self.k.spawn(None, "fork")
        self.frames = [Frame(first, "fork")]
        self.replaced: set[int] = set()  # processes whose first thread was replaced by another one's exec
        self.pinned: set[int] = {id(self.k.root)}
        self.texts = 0
        self.said: list[str] = []  # paths that were glanced at

    @property
    def p(self) -> Process:
        return self.frames[-1].process

    def write(self, numbers: Sequence[Numbers]) -> None:
        root = self.k.root_path
        self.line("tree", root, self.tree.mark(0))
        for op, a, b, c in numbers:
            if not self.frames:
                break
            OPERATIONS[op % len(OPERATIONS)](self, a, b, c)
        while self.frames:
            self.end(0, 0, 0)

    def line(self, *words: object) -> None:
        self.tree.lines.append(" ".join(map(str, words)))

    # --- blocks

    def start(self, a: int, b: int, c: int) -> None:
        kind = KINDS[a % len(KINDS)]
        if len(self.frames) > 5:
            return
        if kind == "thread" and any(frame.shares for frame in self.frames):
            kind = "fork"
        process = self.p if kind == "thread" else self.k.spawn(self.p, kind)
        self.frames.append(Frame(process, kind, shares=kind == "vfork"))
        self.line("proc", kind, self.tree.mark(process.number))

    def end(self, a: int, b: int, c: int) -> None:
        frame = self.frames.pop()
        self.line("end")
        if frame.process.number in self.replaced and frame.kind == "thread":
            self.end(0, 0, 0)

    def exec(self, a: int, b: int, c: int) -> None:
        frame = self.frames[-1]
        self.line("exec", "at" if a % 4 == 0 else "plain")
        self.k.exec(self.p)
        frame.shares = False
        if frame.kind == "thread":
            self.replaced.add(self.p.number)

    # --- what there is

    def directories(self) -> list[Node]:
        return [node for node in self.k.nodes if node.kind == "dir" and self.k.attached(node)]

    def place(self, a: int) -> tuple[Node, str]:
        """A directory and a name in it, mostly one that is there."""
        places = [(d, name) for d in self.directories() for name in d.entries]
        free = [(d, name) for d in self.directories() for name in NEW_NAMES if name not in d.entries]
        every = places * 2 + free
        return every[a % len(every)]

    def free_place(self, a: int) -> tuple[Node, str]:
        free = [(d, name) for d in self.directories() for name in NEW_NAMES if name not in d.entries]
        return free[a % len(free)] if free else self.place(a)

    def file_place(self, a: int) -> tuple[Node, str]:
        """A place at which a file or a link is."""
        places = [(d, n) for d in self.directories() for n, node in d.entries.items() if node.kind != "dir"]
        return places[a % len(places)] if places else self.place(a)

    def say(self, place: tuple[Node, str], style: int, *, dirfd: bool = True) -> tuple[int, Node, str]:
        """A way to name a place: the descriptor or AT_FDCWD, the directory that it stands for, and the path's text."""
        directory, name = place
        here = self.k.path(directory)
        slots = [fd for fd, h in self.p.files.open.items() if h.node.kind == "dir" and self.k.attached(h.node)]
        way = style % 7
        if way == 0:
            return AT_FDCWD, self.k.root, f"{here}/{name}"
        if way == 1 and slots and dirfd:
            fd = slots[style // 7 % len(slots)]
            base = self.p.files.open[fd].node
            return fd, base, os.path.join(os.path.relpath(here, self.k.path(base)), name)
        if way == 2:
            for link in self.k.nodes:
                if link.kind == "link" and link.names:
                    parent, own = link.names[0]
                    if self.k.attached(parent) and self.k.resolve(parent, own, follow=True)[3] is directory:
                        return AT_FDCWD, self.k.root, f"{self.k.path(parent)}/{own}/{name}"
        if way == 6:
            for link in self.k.nodes:
                if link.kind == "link" and link.names:
                    parent, own = link.names[0]
                    led = self.k.resolve(parent, own, follow=True)[3] if self.k.attached(parent) else None
                    if led is not None and led.kind == "dir" and led.parent is directory:
                        return AT_FDCWD, self.k.root, f"{self.k.path(parent)}/{own}/../{name}"
        relative = os.path.relpath(here, self.k.path(self.p.cwd.node))
        path = f"{relative}/./{name}" if way == 5 else os.path.normpath(os.path.join(relative, name))
        return AT_FDCWD, self.p.cwd.node, path

    def slot(self, a: int, fits: Callable[[Handle], bool]) -> int | None:
        """One of the open descriptors that fit."""
        found = [fd for fd, handle in sorted(self.p.files.open.items()) if fits(handle)]
        return found[a % len(found)] if found else None

    def text(self, c: int) -> str:
        self.texts += 1
        return f"{self.tree.number}w{self.texts}." * (1 + c % 4)

    # --- open

    def open_with(self, place: tuple[Node, str], flags: int, a: int, b: int) -> None:
        at, base, path = self.say(place, b)
        to = SLOTS[a % len(SLOTS)]
        how = ("at", "2", "plain", "at")[b // 7 % 4] if at == AT_FDCWD else ("at", "2")[b // 7 % 2]
        if how == "plain" and flags == os.O_WRONLY | os.O_CREAT | os.O_TRUNC:
            how = "creat"
        problem = self.k.open(self.p, to, base, path, flags)
        self.line("open", how, to, at, path, flags, problem)

    def open_read(self, a: int, b: int, c: int) -> None:
        place = self.file_place(a) if c % 5 else self.place(a)
        if (held := place[0].entries.get(place[1])) is not None and held.kind == "dir":
            return self.open_directory(a, b, c)
        return self.open_with(place, READ_FLAGS[c // 5 % len(READ_FLAGS)], c // 20, b)

    def open_write(self, a: int, b: int, c: int) -> None:
        place = self.place(a) if c % 3 else self.file_place(a)
        self.open_with(place, WRITE_FLAGS[c % len(WRITE_FLAGS)], c // len(WRITE_FLAGS), b)
        if b % 3:
            self.write_to(a, b // 3, c)

    def glance(self, a: int, b: int, c: int) -> None:
        """Open and close at once, once or more, with several flags: often what was glanced at before."""
        if self.said and c % 3:
            path = self.said[-1 - a % min(4, len(self.said))]
        else:
            _, _, path = self.say(self.file_place(a) if c // 3 % 4 else self.free_place(a), b, dirfd=False)
            self.said.append(path)
        base = self.k.root if path.startswith("/") else self.p.cwd.node
        for turn in range(1 + b // 7 % 3):
            flags = GLANCE_FLAGS[(b // 21 + turn) % len(GLANCE_FLAGS)]
            how = ("at", "at", "plain", "2")[c // 12 % 4]
            self.line("glance", how, AT_FDCWD, path, flags, self.k.glance(self.p, base, path, flags))

    def peek(self, a: int, b: int, c: int) -> None:
        """The same from a directory that is opened for it."""
        directory, name = self.file_place(a) if c % 4 else self.free_place(a)
        path = self.k.path(directory)
        flags = os.O_DIRECTORY | (os.O_PATH if b % 2 else os.O_RDONLY)
        more = GLANCE_FLAGS[b // 2 % len(GLANCE_FLAGS)]
        how = ("at", "2")[c // 4 % 2]
        self.line("peek", how, path, flags, name, more, self.k.glance(self.p, directory, name, more))

    def open_directory(self, a: int, b: int, c: int) -> None:
        directories = self.directories()
        node = directories[a % len(directories)]
        if node is self.k.root:
            at, base, path = AT_FDCWD, self.k.root, self.k.path(node)
        else:
            at, base, path = self.say(node.names[0], b)
        flags = os.O_DIRECTORY | (os.O_PATH if c % 2 else os.O_RDONLY)
        to = SLOTS[c // 2 % len(SLOTS)]
        self.pinned.add(id(node))
        self.line("open", "at", to, at, path, flags, self.k.open(self.p, to, base, path, flags))

    def open_path(self, a: int, b: int, c: int) -> None:
        self.open_with(self.file_place(a), os.O_PATH, c, b)

    def open_unnamed(self, a: int, b: int, c: int) -> None:
        directories = self.directories()
        path = self.k.path(directories[a % len(directories)])
        flags = os.O_TMPFILE | (os.O_RDWR, os.O_WRONLY)[b % 2] | (os.O_EXCL if b % 5 == 0 else 0)
        to = SLOTS[c % len(SLOTS)]
        self.line("open", "at", to, AT_FDCWD, path, flags, self.k.open(self.p, to, self.k.root, path, flags))

    def reopen(self, a: int, b: int, c: int) -> None:
        fd = self.slot(a, lambda handle: handle.node.kind == "file")
        if fd is not None:
            flags, to = REOPEN_FLAGS[b % len(REOPEN_FLAGS)], SLOTS[c % len(SLOTS)]
            how = "plain" if b % 8 > 5 else "at"
            self.line("open", how, to, AT_FDCWD, f"/proc/self/fd/{fd}", flags, self.k.reopen(self.p, to, fd, flags))

    # --- descriptors

    def write_to(self, a: int, b: int, c: int) -> None:
        fd = self.slot(a, lambda handle: "w" in handle.mode and handle.node.kind == "file")
        if fd is None:
            return
        handle, text = self.p.files.open[fd], self.text(c)
        room = len(handle.node.data) - len(text)
        if b % 4 == 1:
            self.line("pwrite", fd, b % 30, text)
            self.k.write(self.p, fd, text.encode(), at=b % 30)
        elif b % 4 == 2 and handle.mode == "rw" and room >= 0:
            self.line("map", fd, b % (room + 1), text)
            self.k.map_write(self.p, fd, b % (room + 1), text.encode())
        else:
            self.line("write", fd, text)
            self.k.write(self.p, fd, text.encode())

    def read_from(self, a: int, b: int, c: int) -> None:
        fd = self.slot(a, lambda handle: "r" in handle.mode and handle.node.kind == "file")
        if fd is not None:
            self.line("read", fd)
            self.k.read(self.p, fd)

    def copy(self, a: int, b: int, c: int) -> None:
        source = self.slot(a, lambda handle: handle.mode in {"r", "rw"} and handle.node.kind == "file")
        if source is None:
            return
        node = self.p.files.open[source].node
        to = self.slot(b, lambda h: h.mode in {"w", "rw"} and not h.append and h.node is not node)
        if to is not None:
            self.line("copy", source, to)
            self.k.copy(self.p, source, to)

    def duplicate(self, a: int, b: int, c: int) -> None:
        fd, to = self.slot(a, lambda _: True), SLOTS[b % len(SLOTS)]
        if fd is not None and fd != to:
            self.line("dup", fd, to)
            self.k.dup(self.p, fd, to)

    def close(self, a: int, b: int, c: int) -> None:
        fd = self.slot(a, lambda _: True)
        if fd is not None:
            self.line("close", fd)
            self.k.close(self.p, fd)

    def ftruncate(self, a: int, b: int, c: int) -> None:
        fd = self.slot(a, lambda handle: "w" in handle.mode and handle.node.kind == "file")
        if fd is not None:
            length = (0, 3, b)[b % 3]
            self.line("ftruncate", fd, length)
            self.k.ftruncate(self.p, fd, length)

    def truncate(self, a: int, b: int, c: int) -> None:
        _, base, path = self.say(self.file_place(a), b, dirfd=False)
        length = (0, 5, c)[c % 3]
        self.line("truncate", path, length, self.k.truncate(self.p, base, path, length))

    def pass_on(self, a: int, b: int, c: int) -> None:
        pair = self.p.files.pair
        if pair is None:
            self.line("pair", 0)
            self.k.pair(self.p)
            return
        fd = self.slot(a, lambda handle: handle.mode != "path")
        if pair.queue and (b % 2 or fd is None):
            to = SLOTS[c % len(SLOTS)]
            self.line("take", to)
            self.k.take(self.p, to)
        elif fd is not None and len(pair.queue) < QUEUE:
            self.line("give", fd)
            self.k.give(self.p, fd)

    # --- names

    def doomed(self, node: Node | None) -> bool:
        """True for a directory that someone still uses: it is not removed, since nothing below it could be named."""
        return node is not None and id(node) in self.pinned

    def rename(self, a: int, b: int, c: int) -> None:
        old = self.place(a) if c % 2 else self.file_place(a)
        new = self.free_place(b) if c // 2 % 2 else self.place(b)
        flags = (0, 0, 0, 1, 2)[c // 4 % 5]
        if flags != 2 and self.doomed(new[0].entries.get(new[1])):
            return
        at, base, path = self.say(old, c)
        at2, base2, path2 = self.say(new, c // 6)
        self.line("rename", at, path, at2, path2, flags, self.k.rename(self.p, base, path, base2, path2, flags))

    def link(self, a: int, b: int, c: int) -> None:
        at, base, path = self.say(self.file_place(a), c)
        at2, base2, path2 = self.say(self.free_place(b) if c % 3 else self.place(b), c // 6)
        self.line("link", at, path, at2, path2, self.k.link(self.p, base, path, base2, path2))

    def link_descriptor(self, a: int, b: int, c: int) -> None:
        def fits(handle: Handle) -> bool:
            node = handle.node
            return node.kind == "file" and bool(node.names or (handle.temporary and not node.paths))

        fd = self.slot(a, fits)
        if fd is not None:
            at, base, path = self.say(self.free_place(b), c)
            self.line("linkfd", fd, at, path, self.k.link_handle(self.p, fd, base, path))

    def symlink(self, a: int, b: int, c: int) -> None:
        names = ("a", "b", "d", "d/f", "n0", "n1/n0", "f")
        at, base, path = self.say(self.free_place(b), c)
        target = names[a % len(names)]
        self.line("symlink", target, at, path, self.k.symlink(self.p, target, base, path))

    def unlink(self, a: int, b: int, c: int) -> None:
        at, base, path = self.say(self.file_place(a) if c % 4 else self.place(a), b)
        self.line("unlink", at, path, self.k.unlink(self.p, base, path))

    def directory(self, a: int, b: int, c: int) -> None:
        if b % 3 == 0:
            directories = [node for node in self.directories() if not self.doomed(node)]
            if directories:
                at, base, path = self.say(directories[a % len(directories)].names[0], c)
                self.line("rmdir", at, path, self.k.rmdir(self.p, base, path))
        elif len(self.directories()) < 7:
            at, base, path = self.say(self.free_place(a), c)
            self.line("mkdir", at, path, self.k.mkdir(self.p, base, path))

    def chdir(self, a: int, b: int, c: int) -> None:
        directories = self.directories()
        node = directories[a % len(directories)]
        self.pinned.add(id(node))
        fds = [fd for fd, handle in self.p.files.open.items() if handle.node is node]
        if fds:
            self.line("fchdir", fds[0])
            self.p.cwd.node = node
        else:
            path = self.k.path(node)
            self.line("chdir", path, self.k.chdir(self.p, path))

    def attributes(self, a: int, b: int, c: int) -> None:
        at, base, path = self.say(self.file_place(a), b)
        self.line(("touch", "chmod")[c % 2], at, path, self.k.check(base, path))


_WEIGHTS: tuple[tuple[int, Callable[[_Writer, int, int, int], None]], ...] = (
    (9, _Writer.open_read),
    (12, _Writer.open_write),
    (12, _Writer.write_to),
    (2, _Writer.read_from),
    (4, _Writer.copy),
    (3, _Writer.duplicate),
    (3, _Writer.close),
    (2, _Writer.ftruncate),
    (3, _Writer.truncate),
    (4, _Writer.pass_on),
    (2, _Writer.open_directory),
    (1, _Writer.open_path),
    (9, _Writer.glance),
    (3, _Writer.peek),
    (2, _Writer.open_unnamed),
    (3, _Writer.reopen),
    (10, _Writer.rename),
    (3, _Writer.link),
    (2, _Writer.link_descriptor),
    (2, _Writer.symlink),
    (6, _Writer.unlink),
    (3, _Writer.directory),
    (2, _Writer.chdir),
    (2, _Writer.attributes),
    (8, _Writer.start),
    (4, _Writer.end),
    (3, _Writer.exec),
)
OPERATIONS = tuple(operation for weight, operation in _WEIGHTS for _ in range(weight))
"""Each operation as often as its weight says."""
