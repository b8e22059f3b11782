"""What goes wrong is said in two lines, with the right exit status, and never as a traceback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from .conftest import Shark

FULL = "/dev/full"


def told(done: subprocess.CompletedProcess[bytes], status: int) -> str:
    """The complaint, which must have the form that the contract asks for."""
    text = done.stderr.decode(errors="replace")
    assert done.returncode == status, text
    assert "Traceback" not in text
    assert "internal error" not in text
    assert re.match(r"shark: .+\n", text)
    return text


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["inspect"],
        ["inspect", "--nonsense", "x"],
        ["inspect", "nowhere"],
        ["inspect", "nowhere/else"],
        ["inspect", "\0"[:0] + "x" * 5000],
        ["log", "-n", "-1"],
        ["log", "-n", "many"],
        ["log", "--tag", "=x"],
        ["inspect", ""],
        ["lineage", ""],
        ["completion", "tcsh"],
        ["strip", "nowhere"],
        ["import-strace", "nowhere"],
        ["import-strace", "."],
        ["show", "@0"],
        ["show", "@x"],
        ["ci"],
        ["ci", "--hash", "perhaps", "--", "true"],
        ["ci", "--summary", "/proc/none/x", "--", "true"],
        ["ci", "--manifests", "/proc/none", "--", "true"],
        ["lineage", "--depth", "many", "x"],
        ["impact", "--depth", "-1", "x"],
        ["config", "--trust", ".", "--untrust", "."],
        ["show", "--json", "--patch", "@1"],
        ["show", "--json", "--stdout", "@1"],
        ["show", "--patch", "--stderr", "@1"],
    ],
    ids=" ".join,
)
def test_wrong_usage_and_trouble(shark: Shark, arguments):
    """2, and what to do on the second line."""
    text = told(shark(*arguments), 2)
    assert len(text.splitlines()) >= 2


FORGED = "nl\nshark: fake"


@pytest.mark.parametrize(
    "arguments",
    [
        ["diff", FORGED, "plain"],
        ["graph", FORGED],
        ["show", FORGED],
        ["inspect", "no" + FORGED],
        ["verify", "no" + FORGED],
        ["status", "no" + FORGED],
        ["lineage", "no" + FORGED],
        ["strip", "no" + FORGED],
        ["import-strace", "no" + FORGED],
        ["graph", "plain", "-o", FORGED],
        ["run", "--" + FORGED, "true"],
        ["run", "--json", "no" + FORGED + "/x", "--", "true"],
        ["run", "--", "no" + FORGED],
        ["run", "--", "./no" + FORGED],
        ["record", "--" + FORGED, "x"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_name_forges_no_line(shark: Shark, arguments):
    """A name may hold a newline, and be that of somebody else's file: it is shown, in messages and in advice."""
    for name in (FORGED, "plain"):
        (shark.work / name).write_text("x\n")
    done = shark(*arguments)
    text = done.stderr.decode()
    assert done.returncode
    assert r"nl\nshark: fake" in text
    assert not [line for line in text.splitlines() if line.startswith("shark: fake")]


def test_advice_can_be_pasted(shark: Shark):
    """What is to be typed is quoted as a shell needs it, and a name that begins with a dash is no option."""
    for name in ("-dash", "a b", FORGED):
        (shark.work / name).write_text("x\n")
    for command in (["diff", "--", "a b", "-dash"], ["graph", "--", "a b"], ["show", "--", "a b"]):
        assert "See `shark inspect 'a b'`." in shark(*command).stderr.decode()
    for command in (["diff", "--", "-dash", "a b"], ["graph", "--", "-dash"], ["show", "--", "-dash"]):
        assert "See `shark inspect -- -dash`." in shark(*command).stderr.decode()
    assert r"See `shark inspect $'nl\nshark: fake'`." in shark("graph", FORGED).stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["isnpect", "x"], "Did you mean `shark inspect`?"),
        (["frobnicate"], "`shark --help` lists them."),
        (["log", "--nmae", "x"], "Did you mean --name?"),
        (["log", "--bogus"], "See `shark log --help`."),
        (["completion"], "See `shark completion --help`."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_guess_only_when_it_is_near(shark: Shark, arguments, hint):
    """A mistyped word is recognised; for one that is like nothing, there is the help."""
    text = told(shark(*arguments), 2)
    assert text.splitlines()[1].startswith(hint)
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "x" * 300], f"shark: {'x' * 300}: file name too long\nCheck the path.\n"),
        (["lineage", "--depth", "x", "y"], "shark: invalid value for '--depth': 'x' is no number, 0 or more\n"),
        (["diff", "nowhere", "b.csv"], "shark: 'nowhere' is neither a file nor a run in the store\n"),
        (["graph", "b.csv", "-o", "no/x.svg"], "shark: no/x.svg: No such file or directory\nCheck the path.\n"),
        (["graph", "b.csv", "-o", ""], "shark: '': the ending does not say which format is meant\n"),
        (["import-strace", "a.csv"], "shark: a.csv: this is no log of strace\n"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_was_wrong_is_named_as_the_user_named_it(runs: Shark, arguments, said):
    """The path that was given, not one of shark's own; and advice that fits."""
    assert told(runs(*arguments), 2).startswith(said)


def test_a_link_to_itself(shark: Shark):
    """Permissions are not what is wrong with it."""
    (shark.work / "loop").symlink_to("loop")
    said = told(shark("inspect", "loop"), 2)
    assert said == "shark: loop: too many levels of symbolic links\nCheck the path.\n"


def test_neither_a_file_nor_a_run(runs: Shark):
    """Where both may stand, both are said to be missing."""
    assert told(runs("show", "nowhere"), 1).startswith("shark: 'nowhere' is neither a file nor a run in the store\n")


def test_a_command_without_a_name(shark: Shark):
    """An empty word can be seen in the message."""
    assert told(shark("run", "--", ""), 127) == "shark: '': command not found\n"


def test_strip_of_nothing_there(shark: Shark):
    """Where a path is wrong, it is not said besides that there are no manifests."""
    assert shark("strip", "nowhere").stdout == b""


def test_other_files_are_shown_nevertheless(runs: Shark):
    """A path that does not exist does not hide the others."""
    done = runs("inspect", "nowhere", "b.csv")
    assert "nowhere: no such file" in told(done, 2)
    assert b"sort a.csv" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["log"], ["show", "@1"], ["inspect", "b.csv"], ["show", "--json", "@1"], ["man"]]
)
def test_a_full_disk(runs: Shark, arguments):
    """Output that cannot be written is an error."""
    with open(FULL, "wb") as full:
        done = runs(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert "No space left" in told(done, 2)


@pytest.mark.parametrize("arguments", [["show", "@1"], ["inspect", "--json", "b.csv"], ["log"]])
def test_a_closed_pipe(runs: Shark, arguments):
    """A reader that went away ends it, silently, as other programs."""
    reader, writer = os.pipe()
    os.close(reader)
    done = runs(*arguments, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


@pytest.mark.parametrize("arguments", [["log"], ["show", "--json", "@1"], ["man"], ["--version"]])
def test_a_closed_standard_output(runs: Shark, arguments):
    """Output that cannot be written is an error there too; who is quiet has none."""
    done = runs_closed(runs, *arguments)
    assert "Bad file descriptor" in told(done, 2)
    assert runs_closed(runs, "log", "-q").returncode == 0


def runs_closed(runs: Shark, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Call shark with its standard output closed."""
    line = ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-m", "shark", *arguments]
    return subprocess.run(line, cwd=runs.work, env=runs.environ, capture_output=True, check=False)


@pytest.mark.parametrize("closed", ["1", "2"])
def test_closed_descriptors(runs: Shark, closed):
    """Called with stdout or stderr closed: nobody listens, and nothing else goes wrong."""
    line = f'"$1" -m shark log {closed}>&-; "$1" -m shark show nonsense {closed}>&-'
    done = subprocess.run(
        ["sh", "-c", line, "sh", sys.executable], cwd=runs.work, env=runs.environ, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1


def test_interrupted(shark: Shark):
    """^C ends it by the signal, so that a shell's loop ends too."""
    code = "import os, signal; from shark.cli import log, app; log.log.callback = lambda **_: os.kill(0, signal.SIGINT)"
    program = f"{code}; from shark.__main__ import main; import sys; sys.argv = ['shark', 'log']; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=shark.environ, capture_output=True, start_new_session=True, check=False
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_a_damaged_record(shark: Shark, edit_record):
    """Not JSON, of a later schema, or of wrong types: a message, or a page with what can be shown."""
    shark.run("sh", "-c", "echo > out")

    def newer(record):
        record["schema"] = "shark/run/9"

    def odd(record):
        record.update(processes={"a": 1}, files=[1, None, {"n": "x"}], edges=7, outputs=[[]], coverage=3, command=[])

    edit_record(odd)
    assert shark("show", "@1").returncode in (0, 2)
    assert b"internal error" not in shark("show", "@1").stderr
    edit_record(newer)
    assert "shark/run/9" in told(shark("show", "@1"), 2)
    assert "read it with that version" in told(shark("index"), 1)
    path = max((shark.root / "store" / "runs").rglob("*.json.gz"))
    path.write_bytes(b"not gzip")
    assert "damaged" in told(shark("show", "@1"), 2)
    assert "or `shark forget` it" in told(shark("index"), 1)


def test_captured_output_that_was_damaged(shark: Shark):
    """What is not what was captured is not written as if it were."""
    shark.run("echo", "right", options=("--capture-output",))
    objects = (path for path in (shark.root / "store" / "objects").rglob("*") if path.is_file())
    (kept,) = (path for path in objects if path.read_bytes() == b"right\n")
    kept.write_bytes(b"wrong\n")
    done = shark("show", "--stdout", "@1")
    assert "is damaged" in told(done, 2)
    assert done.stdout == b""


def test_an_index_that_cannot_be_a_file(shark: Shark):
    """It is said in words what is wrong with it, and all is answered from the records."""
    shark.run("true")
    index = shark.root / "store" / "index.sqlite"
    index.unlink(missing_ok=True)
    index.mkdir()
    done = shark("log")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert done.stderr.decode() == f"shark: the index {index} cannot be used (is a directory): reading all records\n"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"\xff\x00", b'{"schema": "shark/manifest/1", "output": 3}', b"[" * 2000]
)
def test_a_damaged_attribute(shark: Shark, damage):
    """Garbage in the attribute: the file is shown with what is wrong."""
    (shark.work / "x").write_text("x")
    try:
        os.setxattr(shark.work / "x", "user.shark", damage)
    except OSError:
        pytest.skip("this file system keeps no user attributes")
    done = shark("inspect", "x")
    assert done.returncode == 1
    assert b"internal error" not in done.stderr
    assert done.stdout


def test_an_internal_error_says_so(shark: Shark):
    """A bug in shark is told as one, with how to get the traceback."""
    code = "from shark.cli import log; log.log.callback = lambda **_: 1 / 0"
    program = f"{code}; from shark.__main__ import main; import sys; sys.argv = ['shark', 'log']; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", program], env=shark.environ, capture_output=True, check=False)
    assert (done.returncode, done.stderr.startswith(b"shark: internal error: ZeroDivisionError")) == (2, True)
    assert b"Traceback" not in done.stderr
    debug = {**shark.environ, "SHARK_DEBUG": "1"}
    assert (
        b"Traceback"
        in subprocess.run([sys.executable, "-c", program], env=debug, capture_output=True, check=False).stderr
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_directory_that_may_not_be_entered(shark: Shark):
    """Without the permission to look: a message, and the other files are shown."""
    secret = shark.work / "secret"
    secret.mkdir()
    (secret / "x").write_text("x")
    secret.chmod(0)
    try:
        assert "ermission" in told(shark("inspect", "secret/x"), 2)
        assert shark("inspect", "secret").returncode == 1
    finally:
        secret.chmod(0o700)


def test_run_is_dispatched_before_click():
    """`shark run` does not pay for the command line's library: 40 ms of the 100 that it may take."""
    program = "import sys, shark.__main__, shark.cli.run; print('click' in sys.modules, 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False False\n"


def test_pages_for_pipes_do_without_rich(runs: Shark):
    """rich is for terminals."""
    program = "import sys; from shark.cli.app import main; main(['log']); print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=runs.environ, capture_output=True, check=True)
    assert done.stdout.endswith(b"False\n")
