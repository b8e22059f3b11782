"""Random shell scripts of which one knows from what each of their files may derive.

Every file has a word of its own from before; commands pass on whole files. So the words that stand in a file in the end
are the proof of what reached it, and the model here says what more may be listed: what a shell has read itself can be
in all that it writes itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Numbers = tuple[int, int, int, int]
NAMES = ("a", "b", "c", "d", "e", "f", "g", "h")
GIVEN = NAMES[:5]
"""Files that are there before the run."""
HOWS = ("append", "end", "memory", "pair", "unix", "tcp")
FILTERS = ("cat", "sort", "sed p", "awk 1", "tac")

Words = frozenset[str]


def word(number: int, name: str) -> str:
    """The word of a file from before."""
    return f"script{number}file{name}"


class Script:
    """A script in the making. `may` are the files of which each file may derive, `shell` those that the shell read."""

    def __init__(self, shell: str, mixer: str) -> None:
        self.shell_name = shell
        self.mixer = mixer
        self.lines: list[str] = []
        self.may: dict[str, Words] = {name: frozenset(name) for name in GIVEN}
        self.shell: Words = frozenset()
        self.pending: dict[str, Words] = {}  # what programs in the background write
        # What the shell itself had open and closed since it started a program: nobody knows which it wrote to.
        self.loose: set[str] = set()
        self.fifos = 0
        self.wrote = False  # since then; what it opens after that may have been open before
        # What it has read by itself: that it does not hold that any more is only seen when others open it for writing.
        self.held: set[str] = set()
        self.busy: set[str] = set()  # files that programs in the background read

    def line(self, text: str) -> None:
        self.lines.append(text)

    def writes(self, *names: str) -> None:
        """The shell itself writes."""
        for name in {*self.loose, *names} & self.may.keys():
            self.may[name] |= self.shell
        self.loose.update(names)
        self.wrote = True

    def opens(self, name: str, words: Words, *, wrote: bool) -> None:
        """The shell opens a file, for itself or for a program, and closes it; `wrote` is as it was before that."""
        self.may[name] = words | self.shell if wrote else words
        self.loose.add(name)
        if name in self.held:
            self.shell |= self.may[name]

    def there(self, a: int) -> str:
        """A file that is there."""
        names = [name for name in NAMES if name in self.may and name not in self.pending]
        return names[a % len(names)]

    def other(self, a: int, *but: str) -> str:
        """A name that is free to be written to."""
        names = [name for name in NAMES if name not in but and name not in {*self.pending, *self.busy}]
        return names[a % len(names)]

    # --- commands that write to their output: the text, what may be in it, and the files that it reads by name

    def source(self, a: int, b: int) -> tuple[str, Words, set[str]]:
        """What the shell has just written may have gone into a pipe: nobody saw that it made it later."""
        before = self.shell if self.wrote else frozenset[str]()
        text, words, used = self._source(a, b)
        return text, words | before if "|" in text or "<(" in text else words, used

    def _source(self, a: int, b: int) -> tuple[str, Words, set[str]]:
        one, other = self.there(a), self.there(a // 8)
        self.loose.clear()
        self.wrote = False
        both = self.may[one] | self.may[other]
        kind = b % 9
        tool = FILTERS[b // 9 % len(FILTERS)]
        if kind == 0:
            return f"{tool} {one}", self.may[one], {one}
        if kind == 1:
            return f"{tool} < {one}", self.may[one], {one}
        if kind == 2:
            return f"cat {one} {other}", both, {one, other}
        if kind == 3:
            return f"cat {one} | {tool}", self.may[one], {one}
        if kind == 4:
            return f"{{ cat {one}; {tool} {other}; }}", both, {one, other}
        if kind == 5:
            return f"( cat {one}; {tool} {other} )", both, {one, other}
        if kind == 6:
            return f"cat {one} | {tool} | cat - {other}", both, {one, other}
        if kind == 7:
            return f'{tool} {one} | while read l; do echo "$l"; done', self.may[one] | self.shell, {one}
        if self.shell_name == "bash":
            self.shell |= self.may[one]  # it holds the pipe until the command is over, and may read from it
            return f"cat <({tool} {one}) {other}", both, {one, other}
        return f"cat {one} | sh -c 'cat - {other}'", both, {one, other}

    # --- statements

    def redirect(self, a: int, b: int, c: int) -> None:
        wrote = self.wrote
        text, words, used = self.source(a, b)
        to = self.other(c, *used)
        self.line(f"{text} > {to}")
        self.opens(to, words, wrote=wrote)

    def append(self, a: int, b: int, c: int) -> None:
        wrote = self.wrote
        text, words, used = self.source(a, b)
        to = self.other(c, *used)
        self.line(f"{text} >> {to}")
        self.opens(to, self.may.get(to, frozenset()) | words, wrote=wrote)

    def tee(self, a: int, b: int, c: int) -> None:
        wrote = self.wrote
        text, words, used = self.source(a, b)
        one = self.other(c, *used)
        other = self.other(c // 8, *used, one)
        self.line(f"{text} | tee {one} > {other}")
        words |= self.shell if wrote else frozenset()
        self.may[one] = words
        self.opens(other, words, wrote=wrote)

    def descriptor(self, a: int, b: int, c: int) -> None:
        wrote = self.wrote
        text, words, used = self.source(a, b)
        more, again, also = self.source(c, a)
        to = self.other(b // 7, *used, *also)
        self.line(f"exec 3> {to}; {text} >&3; {more} >&3; exec 3>&-")
        self.opens(to, words | again, wrote=wrote)

    def variable(self, a: int, b: int, c: int) -> None:
        text, words, _ = self.source(a, b)
        if c % 3:
            self.line(f"x=$( {text} )")  # two parentheses would begin a sum
            self.shell |= words
        else:
            name = self.there(a)
            self.line(f"read x < {name}")
            self.shell |= self.may[name]
            self.held.add(name)

    def echo(self, a: int, b: int, c: int) -> None:
        to = self.other(c)
        if a % 3 == 0:
            self.line(f'echo "$x" > {to}')
            self.may[to] = self.shell
        elif a % 3 == 1:
            self.line(f'echo "$x" >> {to}')
            self.may[to] = self.may.get(to, frozenset()) | self.shell
        else:
            # bash leaves a short text in a pipe before the program takes its place; longer ones go into a file.
            here = (f"cat > {to} <<E", f"tee {to} > /dev/null <<E", f"sed -n 'w {to}' <<E")[b % 3]
            self.line(f"{here}\n$x\nE")
            self.may[to] = self.shell
        self.writes(to)

    def mixed(self, a: int, b: int, c: int) -> None:
        """The shell and a program write to one file."""
        text, words, used = self.source(a, b)
        to = self.other(c, *used)
        order = (f'echo "$x"; {text}', f'{text}; echo "$x"')[a % 2]
        frame = (f"{{ {order}; }} > {to}", f"( {order} ) > {to}", f'( echo "$x"; exec cat {self.there(a)} ) > {to}')
        if to == self.there(a):
            return
        self.line(frame[b // 5 % 3])
        self.opens(to, self.shell | words | self.may[self.there(a)], wrote=False)
        self.writes(to)

    def loop(self, a: int, b: int, c: int) -> None:
        """A loop that reads by itself."""
        name = self.there(a)
        to = self.other(c, name)
        self.line(f'while read l; do echo "$l"; done < {name} > {to}')
        self.shell |= self.may[name]
        self.held.add(name)
        self.may[to] = self.shell
        self.writes(to)

    def each(self, a: int, b: int, c: int) -> None:
        one, other = self.there(a), self.there(b)
        to = self.other(c, one, other)
        self.line(f"for f in {one} {other}; do cat $f; done > {to}")
        self.opens(to, self.may[one] | self.may[other], wrote=self.wrote)
        self.wrote = False

    def in_place(self, a: int, b: int, c: int) -> None:
        name = self.there(a)
        if name in self.busy:
            return
        self.line((f"sort -o {name} {name}", f"sed -i s/q/q/ {name}", f"touch {name}", f"chmod 600 {name}")[b % 4])

    def overwrite(self, a: int, b: int, c: int) -> None:
        """A part of a file is replaced: it derives from what it was."""
        name = self.there(a)
        to = self.other(c, name)
        self.line(f"dd if={name} of={to} conv=notrunc oflag=append status=none")
        self.may[to] = self.may.get(to, frozenset()) | self.may[name]

    def mix(self, a: int, b: int, c: int) -> None:
        name, how = self.there(a), HOWS[b % len(HOWS)]
        to = self.other(c, name)
        self.line(f"{self.mixer} {how} {name} {to}")
        kept = self.may.get(to, frozenset()) if how in {"append", "end"} else frozenset()
        self.may[to] = kept | self.may[name]

    def background(self, a: int, b: int, c: int) -> None:
        text, words, used = self.source(a, b)
        to = self.other(c, *used)
        if len(self.pending) >= 3 or any(name not in self.may for name in used):
            return
        redirection = ">>" if a % 3 == 0 else ">"
        if "|" in text or "<(" in text:
            self.shell |= words  # it had the pipes, and nobody saw it close them: it does not wait
        self.line(f"{text} {redirection} {to} &")
        kept = self.may.get(to, frozenset()) if redirection == ">>" else frozenset()
        self.pending[to] = kept | words
        self.busy |= used

    def wait(self, a: int, b: int, c: int) -> None:
        if self.pending:
            self.line("wait")
            self.settle()

    def settle(self) -> None:
        """What ran in the background is over."""
        self.may.update(self.pending)
        self.pending, self.busy = {}, set()

    def races(self, a: int, b: int, c: int) -> None:
        """One reads what another one is writing: whether it sees that, nobody knows."""
        name, another = self.there(a), self.there(b)
        middle = self.other(c, name, another)
        to = self.other(a // 8, name, another, middle)
        before = self.may.get(middle, frozenset())
        kept = a % 2 and middle in self.may
        self.line(
            f"cat {name} {'>>' if kept else '>'} {middle} & cat {middle} {another} > {to} 2> /dev/null & wait $!; wait"
        )
        self.may[to] = before | self.may[name] | self.may[another]
        self.may[middle] = (before if kept else frozenset()) | self.may[name]
        self.settle()

    def shared_output(self, a: int, b: int, c: int) -> None:
        """Two at once append to one file."""
        name, another = self.there(a), self.there(b)
        to = self.other(c, name, another)
        self.line(f"cat {name} >> {to} & cat {another} >> {to} & wait")
        self.may[to] = self.may.get(to, frozenset()) | self.may[name] | self.may[another]
        self.settle()

    def fifo(self, a: int, b: int, c: int) -> None:
        text, words, used = self.source(a, b)
        to = self.other(c, *used)
        self.fifos += 1  # none is removed: the next one would have its inode number
        self.line(f"mkfifo fifo{self.fifos}; {text} > fifo{self.fifos} & cat fifo{self.fifos} > {to}; wait")
        self.opens(to, words, wrote=False)
        self.settle()

    def move(self, a: int, b: int, c: int) -> None:
        name = self.there(a)
        to = self.other(b, name)
        if name in self.busy:
            return
        self.line(f"{('mv', 'cp', 'ln -f')[c % 3]} {name} {to}")
        self.may[to] = self.may[name]
        if name in self.held and c % 3 != 1:
            self.held.add(to)
        if c % 3 == 0:
            del self.may[name]
        elif c % 3 == 2:  # two names of one file would have to be known from here on
            self.line(f"rm {name}")
            del self.may[name]

    def remove(self, a: int, b: int, c: int) -> None:
        name = self.there(a)
        if len(self.may) > 3 and name not in self.busy:
            self.line(f"rm {name}")
            del self.may[name]

    def nested(self, a: int, b: int, c: int) -> None:
        """A shell in the shell, which begins anew: only what its program reads reaches what it writes."""
        wrote = self.wrote
        text, words, used = self.source(a, b)
        to = self.other(c, *used)
        self.line(f"{self.shell_name} -c '{text}' > {to}" if "'" not in text else f"{text} > {to}")
        self.opens(to, words, wrote=wrote)


_WEIGHTS: tuple[tuple[int, Callable[[Script, int, int, int], None]], ...] = (
    (5, Script.redirect),
    (4, Script.append),
    (2, Script.tee),
    (2, Script.descriptor),
    (4, Script.variable),
    (4, Script.echo),
    (2, Script.mixed),
    (2, Script.loop),
    (1, Script.each),
    (3, Script.in_place),
    (2, Script.overwrite),
    (3, Script.mix),
    (3, Script.background),
    (2, Script.wait),
    (2, Script.races),
    (2, Script.shared_output),
    (2, Script.fifo),
    (2, Script.move),
    (1, Script.remove),
    (2, Script.nested),
)
STATEMENTS = tuple(statement for weight, statement in _WEIGHTS for _ in range(weight))
"""Each kind of statement as often as its weight says."""


def script(numbers: Sequence[Numbers], mixer: str) -> Script:
    """The script that the numbers describe; the first of them chooses the shell."""
    made = Script(("dash", "bash")[numbers[0][0] % 2], mixer)
    for kind, a, b, c in numbers:
        STATEMENTS[kind % len(STATEMENTS)](made, a, b, c)
    made.wait(0, 0, 0)
    made.line("true")  # or the shell would become its last program
    return made
