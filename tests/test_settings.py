"""Settings at work in runs: what is refused, recorded, kept, told and left out."""

from __future__ import annotations

import http.server
import json
import os
import re
import select
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import NOBODY, SHARK, Run, World, attached, digest, load, need_root

pytestmark = pytest.mark.parametrize("mode", ["filter"], indirect=True)
SharkRun = Callable[..., Run]


def shark(world: World, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SHARK, *words], env=world.env, cwd=world.work, capture_output=True, text=True, **how)


def project(world: World, text: str, *, trusted: bool = True) -> None:
    world.write("shark.toml", text, mode=0o644)
    if trusted:
        assert shark(world, "config", "--trust", ".").returncode == 0


def object_of(world: World, sha256: str) -> bytes:
    return (world.store / "objects" / sha256[:2] / sha256).read_bytes()


def quiet(world: World) -> None:
    """Wait until nobody is at work. Two looks: in the moment of a fork, one may see neither parent nor child."""
    for _ in range(3):
        world.settle(60)
        select.select([], [], [], 0.05)


@pytest.fixture(autouse=True)
def state(world: World) -> None:
    world.env["XDG_STATE_HOME"] = str(world.root / "state")


def test_a_mistake_refuses_the_run(shark_run: SharkRun, world: World) -> None:
    project(world, 'atach = "none"', trusted=False)
    run = shark_run(["touch", "out"])
    assert run.status == 125
    assert (
        run.stderr.decode() == f"shark: {world.work}/shark.toml: atach: there is no such key\nDid you mean 'attach'?\n"
    )
    assert not (world.work / "out").exists()


def test_what_is_no_pattern_refuses_the_run(shark_run: SharkRun, world: World) -> None:
    """At its end the record would be lost."""
    run = shark_run(["touch", "out"], "--ignore", "!")
    assert run.status == 125
    assert run.stderr.startswith(b"shark: --ignore takes a gitignore pattern, and '!' is none\n")
    project(world, '[roles]\n"!" = "data"', trusted=False)
    run = shark_run(["touch", "out"])
    assert run.status == 125
    assert f"{world.work}/shark.toml: roles: takes gitignore patterns, and '!' is none\n" in run.stderr.decode()
    assert "'!' is none" in shark(world, "config").stderr
    assert not (world.work / "out").exists()


def test_a_block_refuses_what_is_no_pattern(world: World, mode: str) -> None:
    """It is told before the block, instead of a record that is lost."""
    code = "import shark\nwith shark.recording(ignore=['!'], strict=True): pass\n"
    done = subprocess.run([SHARK[0], "-c", code], env=world.env, cwd=world.work, capture_output=True, text=True)
    assert "`ignore` takes gitignore patterns, and '!' is none" in done.stderr


def test_somebody_elses_file_refuses_the_run(shark_run: SharkRun, world: World) -> None:
    need_root()
    project(world, "", trusted=False)
    os.chown(world.work / "shark.toml", NOBODY, NOBODY)
    assert shark_run(["true"]).status == 125
    assert shark_run(["true"], env={"SHARK_SETTINGS": ""}).status == 0


def test_files_variables_and_options(shark_run: SharkRun, world: World) -> None:
    """The option wins over the variable, that over the project's file; the record has what was used."""
    project(world, 'attach = "none"\nignore = ["/skipped"]\n[run.n]\ntags = {x = "1"}')
    made = ["sh", "-c", "echo > out; echo > skipped"]
    assert attached(world.work / "out") is None
    run = shark_run(made, "--name", "n")
    assert run.record["tags"] == {"x": "1"}
    assert attached(world.work / "out") is None
    values = {name: value for name, value in run.record["settings"]["values"].items() if name != "recorder"}
    assert values == {"attach": "none", "ignore": ["/skipped"], "tags": {"x": "1"}}
    [file] = run.record["settings"]["files"]
    assert file == {"path": f"{world.work}/shark.toml", "sha256": digest((world.work / "shark.toml").read_bytes())}
    shark_run(made, env={"SHARK_ATTACH": "sidecar"})
    assert (world.work / ".out.shark").exists()
    (world.work / ".out.shark").unlink()
    shark_run(made, "--attach", "none", env={"SHARK_ATTACH": "sidecar"})
    assert not (world.work / ".out.shark").exists()


def test_roles_and_inclusion(shark_run: SharkRun, world: World) -> None:
    """A role by pattern; a file of a package that shall be an input all the same; one that is never ignored."""
    project(
        world,
        'roles = {"*.dat" = "config"}\ninclude = ["/usr/lib/os-release", "kept.tmp"]\nignore = "*.tmp"',
    )
    world.write("a.dat")
    run = shark_run(["sh", "-c", "cat a.dat /etc/os-release > out; cp out kept.tmp; cp out left.tmp"])
    roles = {entry["path"]: entry["role"] for entry in run.manifest("out")["inputs"]}
    assert roles[f"{world.work}/a.dat"] == "config"
    assert roles["/usr/lib/os-release"] == "data"
    assert run.input("out", "a.dat")["sha256"]
    assert attached(world.work / "kept.tmp") is not None
    assert attached(world.work / "left.tmp") is None


def test_further_variables(shark_run: SharkRun, world: World) -> None:
    project(world, 'env = ["FISH_*"]')
    run = shark_run(["true"], env={"FISH_KIND": "cod", "FISH_TOKEN": "hunter2hunter2"})
    assert run.record["env"]["FISH_KIND"] == "cod"
    assert run.record["env"]["FISH_TOKEN"] == "***"


def test_files_are_kept_as_they_were_before(shark_run: SharkRun, world: World) -> None:
    project(world, 'keep = ["uv.lock", "params/**/*.yaml", "none.*"]')
    world.write("uv.lock", "before\n")
    world.write("params/deep/p.yaml", "p\n")
    os.mkfifo(world.work / "params" / "q.yaml")
    run = shark_run(["sh", "-c", "echo after > uv.lock"], "--keep", "params/deep/p.*")
    kept = {entry["path"].removeprefix(f"{world.work}/"): entry for entry in run.record["kept"]}
    assert object_of(world, kept["uv.lock"]["sha256"]) == b"before\n"
    assert object_of(world, kept["params/deep/p.yaml"]["sha256"]) == b"p\n"
    assert kept["params/q.yaml"]["why"] == "it is no regular file"
    assert kept["none.*"]["why"] == "there is no such file"
    assert len(kept) == 4


class TestHooks:
    def test_what_they_say_is_recorded_and_hides_secrets(self, shark_run: SharkRun, world: World) -> None:
        secret = "ghp_" + "a1B2" * 9
        project(
            world,
            f'before = [{{command = "echo v1 {secret}", name = "versions"}}]\nafter = "sh -c \'cat out; exit 3\'"',
        )
        run = shark_run(["sh", "-c", "echo made > out"])
        before, after = run.record["hooks"]
        assert (before["when"], before["name"], before["exit"]) == ("before", "versions", 0)
        assert object_of(world, before["stdout_sha256"]) == b"v1 ***\n"
        assert (after["when"], after["exit"], object_of(world, after["stdout_sha256"])) == ("after", 3, b"made\n")
        assert run.status == 0
        everything = b"".join(path.read_bytes() for path in world.store.rglob("*") if path.is_file())
        assert secret.encode() not in everything
        assert len(run.processes) == 1  # they are no part of the traced run

    def test_one_that_must_succeed_refuses_the_run(self, shark_run: SharkRun, world: World) -> None:
        project(world, "before = [{command = \"sh -c 'echo because >&2; exit 9'\", required = true}]")
        run = shark_run(["touch", "out"])
        assert (run.status, run.record) == (125, {})
        assert "must succeed: it ended with 9\nbecause\n" in run.stderr.decode()
        assert not (world.work / "out").exists()

    def test_one_that_hangs_is_ended(self, shark_run: SharkRun, world: World) -> None:
        project(world, 'before = [{command = "sleep 1000", timeout = 0.2}]')
        [hook] = shark_run(["true"]).record["hooks"]
        assert hook["why"] == "it took longer than 0.2 s"
        assert "exit" not in hook

    def test_without_trust_nothing_is_run(self, shark_run: SharkRun, world: World) -> None:
        project(world, 'before = "touch ran"\nafter = "touch ran"', trusted=False)
        run = shark_run(["true"])
        assert run.status == 0
        assert b"is not trusted, so its commands are not run (after, before)" in run.stderr
        assert not (world.work / "ran").exists()
        assert run.record["settings"]["untrusted"] == ["after", "before"]
        assert shark_run(["true"], "-q").stderr == b""

    def test_a_required_one_without_trust_refuses(self, shark_run: SharkRun, world: World) -> None:
        project(world, 'before = [{command = "true", required = true}]', trusted=False)
        run = shark_run(["true"])
        assert run.status == 125
        assert b"shark config --trust" in run.stderr

    def test_the_advice_can_be_pasted(self, shark_run: SharkRun, world: World) -> None:
        """Whatever the folder is called."""
        folder = world.work / "my study's"
        folder.mkdir()
        (folder / "shark.toml").write_text('before = [{command = "true", required = true}]')
        run = shark_run(["true"], cwd=folder)
        assert run.status == 125
        words = shlex.split(run.stderr.decode().splitlines()[-1])
        assert words[-3:] == ["config", "--trust", str(folder)]


class TestRedaction:
    def test_nothing_that_was_written_tells(self, shark_run: SharkRun, world: World) -> None:
        """User, host, home, variables: in no record, manifest, object, journal or index; the run itself is whole."""
        need_root()
        who = world.become_nobody()
        home = world.home
        (home / "in").write_text("x\n")
        os.chown(home / "in", NOBODY, NOBODY)
        env = {"SHARK_REDACT": "user,host,home,env,network", "FISH": "cod", "SHARK_ENV": "FISH"}
        script = f"sort {home}/in > {home}/out; ls /proc/self >/dev/null"
        run = shark_run(["sh", "-c", script, "for", "nobody"], "--tag", "who=nobody", env=env, **who)
        assert run.status == 0, run.stderr
        words = [b"nobody", os.uname().nodename.encode(), os.fsencode(home), b"cod"]
        written = {path: path.read_bytes() for path in world.store.rglob("*.sqlite*")}
        written["record"] = json.dumps(run.record).encode()  # type: ignore[index]
        manifest = attached(home / "out")
        assert manifest is not None
        written["manifest"] = json.dumps(manifest).encode()  # type: ignore[index]
        for where, text in written.items():
            for word in words:
                assert not re.search(rb"(?<![A-Za-z0-9_])" + re.escape(word) + rb"(?![A-Za-z0-9_])", text), (
                    where,
                    word,
                )
        assert [entry["path"] for entry in manifest["inputs"]] == ["~/in"]
        assert manifest["inputs"][0]["sha256"] == digest(b"x\n")
        assert run.record["tags"] == {"who": "***"}
        assert "env" not in run.record

    def test_a_killed_run_is_recovered_with_true_paths(self, world: World, mode: str) -> None:
        world.env["HOME"] = str(world.work)
        world.write("in", "x\n")
        command = world.command(["sh", "-c", "sort in > out; echo made; read x"], "--redact", "home")
        with subprocess.Popen(
            command,
            env=world.env,
            cwd=world.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            [journal] = world.store.glob("journals/*.journal")
            for path in world.store.glob("journals/*"):
                assert os.fsencode(world.work) not in path.read_bytes(), path
            tracer = int(Path(f"/proc/{process.pid}/status").read_text().partition("TracerPid:")[2].split()[0])
            os.kill(tracer, 9)
            process.wait(30)
        world.settle()
        assert journal.exists()
        assert shark(world, "recover").returncode == 0
        manifest = attached(world.work / "out")
        assert manifest is not None
        assert manifest["output"] == {"path": "~/out", "sha256": digest(b"x\n"), "size": 2}
        assert [entry["path"] for entry in manifest["inputs"]] == ["~/in"]


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what is POSTed."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, dict(self.headers), json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()
        self.server.came.release()  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as found:
        found.received = []  # type: ignore[attr-defined]
        found.came = threading.Semaphore(0)  # type: ignore[attr-defined]
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


class TestNotification:
    def test_of_an_address(self, shark_run: SharkRun, world: World, server: Any) -> None:
        address = f"http://127.0.0.1:{server.server_port}/${{PLACE}}"
        project(world, f'[[notify]]\nurl = "{address}"\nheaders = {{X-Token = "T ${{TOKEN}}"}}')
        run = shark_run(["sh", "-c", "echo > out; exit 3"], "--name", "n", env={"PLACE": "hook", "TOKEN": "s3cr3t"})
        assert server.came.acquire(timeout=30)
        [(path, headers, body)] = server.received
        assert (path, headers["X-Token"]) == ("/hook", "T s3cr3t")
        assert body["schema"] == "shark/notification/1"
        assert (body["run"], body["name"], body["failed"], body["outputs"]) == (run.record["id"], "n", True, 1)
        assert body["command"]["exit"] == 3
        quiet(world)
        assert list((world.store / "notifications").iterdir()) == []

    def test_what_could_not_be_delivered_waits(self, shark_run: SharkRun, world: World, server: Any) -> None:
        """Without the network the run is as ever; after a later one both arrive. No address is on the disk."""
        text = '[[notify]]\nurl = "http://${{WHERE}}/hook"\nwhen = "{when}"'
        project(world, text.format(when="always"))
        first = shark_run(["true"], env={"WHERE": "127.0.0.1:9"})
        assert (first.status, first.stderr) == (0, b"")
        quiet(world)
        [waiting] = (world.store / "notifications").iterdir()
        assert b"127.0.0.1" not in waiting.read_bytes()
        second = shark_run(["true"], env={"WHERE": f"127.0.0.1:{server.server_port}"})
        for _ in range(2):
            assert server.came.acquire(timeout=30)
        assert {body["run"] for _, _, body in server.received} == {first.record["id"], second.record["id"]}
        quiet(world)
        assert list((world.store / "notifications").iterdir()) == []

    def test_by_a_command(self, shark_run: SharkRun, world: World) -> None:
        told = world.root / "told"
        project(world, f"notify = [{{command = ['sh', '-c', 'cat > {told}'], when = 'success'}}]")
        shark_run(["false"])
        quiet(world)
        assert not told.exists()
        run = shark_run(["true"])
        quiet(world)
        assert json.loads(told.read_text())["run"] == run.record["id"]

    def test_a_command_runs_where_the_run_did(self, shark_run: SharkRun, world: World) -> None:
        """So a project can bring its own, and it can leave something beside the results."""
        world.write("tell.sh", "#!/bin/sh\ncat > told\n", mode=0o755)
        project(world, 'notify = [{command = "./tell.sh"}]')
        run = shark_run(["true"])
        quiet(world)
        assert json.loads((world.work / "told").read_text())["run"] == run.record["id"]


class TestValues:
    RECORD = " ".join([*SHARK, "record"])

    def test_numbers_strings_and_json(self, shark_run: SharkRun, world: World) -> None:
        lines = ["loss 0.5", "loss -1e-3", "n 3", "done true", "name cod", "--string id 007", "obj '{\"a\":[1,null]}'"]
        script = "; ".join(f"{self.RECORD} {line}" for line in [*lines, "api_key hunter2"])
        run = shark_run(["sh", "-c", f"{script}; sort < /dev/null > out"])
        assert (run.status, run.stderr, run.stdout) == (0, b"", b"")
        assert run.record["values"] == {
            "loss": -1e-3, "n": 3, "done": True, "name": "cod", "id": "007", "obj": {"a": [1, None]}, "api_key": "***",
        }  # fmt: skip
        assert [entry["value"] for entry in run.record["recorded"] if entry["key"] == "loss"] == [0.5, -1e-3]
        assert not run.gaps

    def test_it_leaves_no_trace_in_what_was_made(self, shark_run: SharkRun, world: World) -> None:
        """Neither its file nor its program is an input or output of the run's work."""
        run = shark_run(["sh", "-c", f"{self.RECORD} a 1; echo x > out"])
        assert not [path for path in run.accessed_anywhere("read", "write", "create", "missing") if ".values" in path]
        assert set(run.outputs) == {"out"}
        if run.manifest("out")["scope"] == "output":  # else all that the run read counts
            assert not [path for path in run.code("out") if "shark" in path]

    def test_numbers_that_are_too_large(self, shark_run: SharkRun) -> None:
        """They are kept as they were written: as infinity, which JSON lacks, they would be lost."""
        run = shark_run(["sh", "-c", f"{self.RECORD} a 1e999; {self.RECORD} b '[1, {{\"c\": -1e999}}]'"])
        assert (run.status, run.stderr) == (0, b"")
        assert run.record["values"] == {"a": "1e999", "b": '[1, {"c": -1e999}]'}

    def test_many_at_once(self, shark_run: SharkRun, world: World) -> None:
        script = f"for i in $(seq 12); do {self.RECORD} k $i & done; wait"
        run = shark_run(["sh", "-c", script], timeout=120)
        assert sorted(entry["value"] for entry in run.record["recorded"]) == list(range(1, 13))

    def test_in_a_run_inside_of_another(self, shark_run: SharkRun, world: World) -> None:
        inner = " ".join([*world.shark, "run", "--", "sh", "-c"])
        run = shark_run(["sh", "-c", f"{self.RECORD} a 1; {inner} '{self.RECORD} b 2'"])
        outer, inside = run.records
        assert (outer["values"], inside["values"]) == ({"a": 1}, {"b": 2})

    def test_in_a_run_inside_of_another_with_another_store(self, shark_run: SharkRun, world: World) -> None:
        """The run around it makes the record, so its store has name, tags and values; the other one is not touched."""
        other = world.root / "other"
        (other / "journals").mkdir(parents=True)
        inner = shlex.join([*world.shark, "run", "--name", "inner", "--tag", "a=b", "--", "sh", "-c"])
        run = shark_run(["sh", "-c", f"SHARK_HOME={other} {inner} '{self.RECORD} b 2; echo > out'"])
        outer, inside = run.records
        assert (inside["name"], inside["tags"], inside["values"]) == ("inner", {"a": "b"}, {"b": 2})
        assert "values" not in outer
        assert set(run.outputs) == {"out"}
        assert [path.name for path in other.rglob("*")] == ["journals"]
        assert list((world.store / "journals").iterdir()) == []

    def test_a_file_of_values_is_no_output(self, shark_run: SharkRun, world: World) -> None:
        """Wherever an older shark puts it."""
        name = f"{world.root}/other/journals/01932f3e-7d4b-7c3a-8f00-0123456789ab.values"
        (world.root / "other/journals").mkdir(parents=True)
        run = shark_run(["sh", "-c", f"echo > {name}; echo > own.values"])
        assert [os.path.basename(output["path"]) for output in run.record["outputs"]] == ["own.values"]

    @pytest.mark.parametrize(
        ("words", "env", "said"),
        [
            (["a", "1"], {}, "not inside a run"),
            (["a", "1"], {"SHARK_RUN_ID": "x"}, "no run's id"),
            (["a", "1"], {"SHARK_RUN_ID": "01932f3e-7d4b-7c3a-8f00-0123456789ab"}, "is not going on"),
            (["a"], {}, "takes a key and a value"),
            (["--strng", "a", "b"], {}, "Did you mean --string"),
            (["", "b"], {}, "printable characters"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, world: World, mode: str, words: list[str], env: dict[str, str], said: str
    ) -> None:
        world.env.update(env)
        done = shark(world, "record", *words)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_snapshot(world: World, mode: str) -> None:
    project(world, 'before = "echo v1"\nkeep = "a.lock"\nredact = ["user"]\nenv = "FISH"')
    world.write("a.lock", "l\n")
    world.env["FISH"] = "cod"
    document = json.loads(shark(world, "snapshot", "--json").stdout)
    assert document["schema"] == "shark/snapshot/1"
    assert document["cwd"].rpartition("/")[2] == world.work.name  # the user's name may be in what is before
    assert document["env"]["FISH"] == "cod"
    assert "user" not in document["host"]
    assert object_of(world, document["kept"][0]["sha256"]) == b"l\n"
    assert object_of(world, document["hooks"][0]["stdout_sha256"]) == b"v1\n"
    assert world.record_paths() == []
    page = shark(world, "snapshot").stdout
    assert "Circumstances in" in page
    assert "a.lock" in page


def test_config_shows_values_and_sources(world: World, mode: str) -> None:
    project(world, 'attach = "none"\nbefore = "make check"', trusted=False)
    world.env["SHARK_LINGER"] = "2"
    page = shark(world, "config").stdout
    assert "NOT TRUSTED" in page
    assert "SHARK_LINGER" in page
    said = shark(world, "config", "--trust", ".").stdout
    assert said.splitlines()[1:] == ["  before: make check"]
    document = json.loads(shark(world, "config", "--json").stdout)
    found = {setting["key"]: setting for setting in document["settings"]}
    assert (found["attach"]["value"], found["attach"]["pieces"][0]["source"]) == ("none", "project")
    assert (found["linger"]["value"], found["linger"]["pieces"][0]["place"]) == (2.0, "SHARK_LINGER")
    assert found["hash"] == {**found["hash"], "value": "auto", "pieces": []}
    assert found["before"]["value"][0]["command"] == ["make", "check"]
    assert json.loads(shark(world, "config", "--trust", ".", "--json").stdout)["files"][0]["trusted"] is True
    shark(world, "config", "--untrust", ".")
    assert json.loads(shark(world, "config", "--json").stdout)["files"][0]["trusted"] is False


BLOCK = "import shark\nwith shark.recording('n'):\n    open('out', 'w').write(open('in').read())\n"


def test_recordings_and_runs_of_python_heed_settings(world: World, mode: str) -> None:
    """What is not said in the call is left to the settings."""
    project(world, 'attach = "sidecar"\n[run.n]\ntags = {a = "1"}\nredact = "user"')
    world.write("in", "x\n")
    done = subprocess.run([SHARK[0], "-c", BLOCK], env=world.env, cwd=world.work, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    world.settle()
    [path] = world.record_paths()
    record = load(path)
    assert (world.work / ".out.shark").exists()
    assert record["tags"] == {"a": "1"}
    assert record["settings"]["values"]["redact"] == ["user"]
    assert "user" not in record["host"]
    (world.work / ".out.shark").unlink()
    code = "import shark; shark.run(['touch', 'made'], name='n')"
    subprocess.run([SHARK[0], "-c", code], env=world.env, cwd=world.work, check=True)
    assert (world.work / ".made.shark").exists()
