"""What the options of `shark run` do, seen from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from harness import Compiler, Run, World, attached, digest

SharkRun = Callable[..., Run]


@pytest.mark.parametrize("pattern", ["*.tmp", "/cache/", "cache/**"])
def test_ignored_files_are_recorded_and_left_alone(shark_run: SharkRun, world: World, pattern: str) -> None:
    """--ignore, in gitignore syntax: in the record, without a digest, without a manifest, no input of others."""
    (world.work / "cache").mkdir()
    world.write("cache/given.tmp")
    run = shark_run(["sh", "-c", "cat cache/given.tmp > cache/made.tmp; echo x > out"], f"--ignore={pattern}")
    [made] = [entry for entry in run.record["files"] if entry["path"].endswith("made.tmp")]
    assert all("sha256" not in version for version in made["versions"])
    assert attached(world.work / "cache/made.tmp") is None
    assert attached(world.work / "out") is not None


@pytest.mark.parametrize(("how", "attribute", "sidecar"), [("xattr", True, False), ("sidecar", False, True)])
def test_where_manifests_go(shark_run: SharkRun, world: World, how: str, attribute: bool, sidecar: bool) -> None:
    """--attach chooses; the store has the record in any case."""
    run = shark_run(["sh", "-c", "echo x > out"], "--attach", how)
    assert ("user.shark" in os.listxattr(world.work / "out")) is attribute
    assert (world.work / ".out.shark").exists() is sidecar
    assert run.outputs == {"out": digest(b"x\n")}


def test_attach_none(shark_run: SharkRun, world: World) -> None:
    """--attach none leaves nothing on or beside the output."""
    run = shark_run(["sh", "-c", "echo x > out"], "--attach", "none")
    assert attached(world.work / "out") is None
    assert sorted(path.name for path in world.work.iterdir()) == ["out"]
    assert run.outputs == {"out": digest(b"x\n")}


def test_hash_off(shark_run: SharkRun, world: World) -> None:
    """--hash off takes no digest at all, not even of what is about to be lost."""
    world.write("in")
    run = shark_run(["sh", "-c", "cat in > out; echo more >> in"], "--hash", "off")
    assert set(run.outputs) == {"in", "out"}
    assert not [v for entry in run.record["files"] for v in entry.get("versions", ()) if "sha256" in v]
    assert "unhashed" in run.gaps


class TestJson:
    """--json to something else than a file."""

    def test_a_fifo_that_nobody_reads(self, shark_run: SharkRun, world: World) -> None:
        """It is a warning, and the command's end is told all the same."""
        os.mkfifo(world.root / "fifo")
        run = shark_run(["sh", "-c", "exit 3"], "--json", str(world.root / "fifo"), timeout=30)
        assert run.status == 3
        assert run.stderr.decode().endswith(f"the record could not be written to {world.root}/fifo: nobody reads it\n")
        assert run.record["command"]["exit"] == 3

    def test_a_reader_who_comes_when_the_command_has_ended(self, world: World, mode: str) -> None:
        """It gets all of it."""
        os.mkfifo(world.root / "fifo")
        argv = world.command(["sh", "-c", "echo ended"], "--json", str(world.root / "fifo"), mode=mode)
        with subprocess.Popen(argv, cwd=world.work, env=world.env, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.read() == b"ended\n"  # to its end
            document = json.loads((world.root / "fifo").read_bytes())
        assert document["command"]["exit"] == 0

    def test_a_descriptor_of_the_callers(self, shark_run: SharkRun, world: World) -> None:
        """/dev/stdout, after what the command wrote there; what a shell makes of >(...)."""
        run = shark_run(["echo", "x"], "--json", "/dev/stdout")
        assert run.stdout.startswith(b"x\n")
        assert json.loads(run.stdout[2:]) == run.record
        script = 'exec "$@" --json >(cat > got) -- true'
        argv = world.command(["true"])[:-2]
        subprocess.run(["bash", "-c", script, "bash", *argv], cwd=world.work, env=world.env, check=True)
        world.settle()
        assert json.loads((world.work / "got").read_bytes())["command"]["argv"] == ["true"]

    def test_a_descriptor_that_is_not_open(self, shark_run: SharkRun) -> None:
        """It is said before the command starts."""
        run = shark_run(["true"], "--json", "/dev/fd/987")
        assert run.status == 125
        assert b"there is no open descriptor 987" in run.stderr


def test_secrets_in_tags_are_masked(shark_run: SharkRun) -> None:
    """What looks like a credential stands in no file of shark, wherever it was said."""
    secret = "ghp_" + "a1B2" * 9
    run = shark_run(["true"], "--tag", f"token={secret}", "--tag", f"note=with {secret}", "--name", f"n {secret}")
    assert secret not in str(run.record)


def test_name_and_tags(shark_run: SharkRun) -> None:
    """--name and --tag stand in the record."""
    record = shark_run(["true"], "--name", "nightly", "--tag", "a=1", "--tag", "b=x=y").record
    assert record["name"] == "nightly"
    assert record["tags"] == {"a": "1", "b": "x=y"}


class TestStrict:
    """--strict: 125 if a manifest could not be written and the command exited 0; all else as without it."""

    def test_success(self, shark_run: SharkRun) -> None:
        """A run whose manifests are all written exits as its command does."""
        assert shark_run(["sh", "-c", "echo x > out"], "--strict").status == 0
        assert shark_run(["sh", "-c", "echo x > out; exit 7"], "--strict").status == 7

    def test_a_manifest_that_cannot_be_written(self, shark_run: SharkRun, world: World) -> None:
        """The one way to get 125: the command succeeded, and there is an output without a manifest."""
        link = world.work / ("n" * 255)  # no room for a sidecar's name
        run = shark_run(["sh", "-c", f"echo x > {link}"], "--strict", "--attach", "sidecar")
        assert run.status == 125
        assert b"no manifest on" in run.stderr
        failing = shark_run(["sh", "-c", f"echo y > {link}; exit 3"], "--strict", "--attach", "sidecar")
        assert failing.status == 3

    def test_killed_by_a_signal(self, shark_run: SharkRun) -> None:
        """The parent sees the signal that ended the command."""
        assert shark_run(["sh", "-c", "kill -TERM $$"], "--strict").status == -signal.SIGTERM

    @pytest.mark.parametrize("target", ["front", "group"])
    def test_a_signal_comes_once(self, world: World, tracee: Compiler, mode: str, target: str) -> None:
        """A signal to the front is passed on; one to the whole group is not delivered twice."""
        command = world.command([tracee("count_signals")], "--strict", mode=mode)
        with subprocess.Popen(
            command,
            cwd=world.work,
            env=world.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            if target == "front":
                os.kill(process.pid, signal.SIGUSR1)
            else:
                os.killpg(process.pid, signal.SIGUSR1)
            os.kill(process.pid, signal.SIGUSR2)  # the front passes signals on one after the other
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, b"1\n"), err
