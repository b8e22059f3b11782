"""What a user who is not root may not do; as root these run in a child that became somebody else."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shark.store.attach import Attacher
from shark.store.home import Store
from shark.store.read import read_attached
from shark.store.strip import strip

from . import example

NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    # Not tmp_path: its parents are closed to others.
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


def as_somebody(act: Callable[[], None]) -> None:
    """Run `act` in a child without root's powers; what it raises fails the test."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            act()
            status = 0
        except BaseException:  # noqa: BLE001 (a child must end here, whatever happened)
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_a_read_only_file_gets_a_sidecar_and_stays_read_only(place: Path) -> None:
    def act() -> None:
        path = os.fsencode(place / "out")
        (place / "out").write_bytes(b"hello\n")
        assert Attacher(example.summary).attach(path, example.manifest(run=example.run_id(1))).where == "xattr"
        os.chmod(path, 0o444)
        assert Attacher(example.summary).attach(path, example.manifest()).where == "sidecar"
        assert os.stat(path).st_mode & 0o777 == 0o444
        assert Attacher(example.summary, "xattr").attach(path, example.manifest()).where == "none"
        assert strip(path).freed == ("sidecar",)
        assert "permission" in strip(path).why, "the attribute cannot be removed"
        os.chmod(path, 0o644)
        assert strip(path) == (("xattr",), "")

    as_somebody(act)


def test_a_read_only_file_in_a_read_only_directory_gets_none(place: Path) -> None:
    def act() -> None:
        os.mkdir(place / "d")
        (place / "d" / "out").write_bytes(b"hello\n")
        os.chmod(place / "d" / "out", 0o444)
        os.chmod(place / "d", 0o555)
        attached = Attacher(example.summary).attach(os.fsencode(place / "d" / "out"), example.manifest())
        assert attached.where == "none"
        assert "permission denied" in attached.why
        os.chmod(place / "d", 0o755)

    as_somebody(act)


def test_a_file_that_may_not_be_read_gets_a_sidecar_as_private_as_itself(place: Path) -> None:
    def act() -> None:
        (place / "out").write_bytes(b"hello\n")
        os.chmod(place / "out", 0o200)
        assert Attacher(example.summary).attach(os.fsencode(place / "out"), example.manifest()).where == "sidecar"
        assert os.stat(place / ".out.shark").st_mode & 0o777 == 0o600
        assert read_attached(os.fsencode(place / "out")).source == "sidecar"

    as_somebody(act)


def test_a_store_that_cannot_be_written_is_replaced_by_a_temporary_one_with_a_warning(place: Path) -> None:
    def act() -> None:
        os.mkdir(place / "home", 0o500)
        environ = {"SHARK_HOME": str(place / "home" / "store"), "TMPDIR": str(place)}
        store = Store.open(environ, write=True)
        assert len(store.warnings) == 1
        assert os.fsdecode(store.root) in store.warnings[0]
        assert str(place / "home" / "store") in store.warnings[0]
        store.write_record({"schema": "shark/run/1", "id": example.RUN})
        assert store.read_record(example.RUN)["id"] == example.RUN
        os.chmod(place / "home", 0o700)

    as_somebody(act)


def test_a_record_that_the_store_cannot_take_is_rescued(place: Path) -> None:
    def act() -> None:
        environ = {"SHARK_HOME": str(place / "store"), "TMPDIR": str(place)}
        store = Store.open(environ, write=True)
        os.chmod(place / "store" / "runs", 0o500)
        path = store.write_record({"schema": "shark/run/1", "id": example.RUN})
        assert os.path.exists(path)
        assert not path.startswith(store.root)
        assert os.fsdecode(path).startswith(str(place))
        assert len(store.warnings) == 1
        os.chmod(place / "store" / "runs", 0o700)

    as_somebody(act)
