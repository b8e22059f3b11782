"""Shell pipelines with redirections."""

from __future__ import annotations

from collections.abc import Callable

from harness import Run, World, digest, need, sha256
from real.packages import deb


def test_awk_and_sort(shark_run: Callable[..., Run], world: World) -> None:
    """awk | sort > file: the input flows through the pipe into the output."""
    need("awk", "sort")
    table = world.write("table.txt", "b 2\na 1\nc 3\n")
    names = world.write("names.txt", "a alpha\nb beta\n")
    script = "awk 'NR == FNR { n[$1] = $2; next } $1 in n { print n[$1], $2 }' names.txt table.txt | sort -r > out.txt"
    run = shark_run(["sh", "-c", script])
    assert run.status == 0, run.stderr
    assert world.read("out.txt") == b"beta 2\nalpha 1\n"
    assert run.outputs == {"out.txt": sha256(world.work / "out.txt")}
    assert run.inputs("out.txt", role=None) == {"table.txt": table, "names.txt": names}
    assert run.software["deb", "coreutils"] == deb("coreutils")
    assert run.gaps == set()


def test_redirection_by_the_caller(world: World, mode: str) -> None:
    """`shark run -- sort < a > b`, by a shell outside of the run."""
    a = world.write("a", "2\n1\n")
    command = " ".join(f"'{word}'" for word in world.command(["sort"], mode=mode))
    outer = world.run(["sh", "-c", "true"], mode=mode)  # the store exists
    known = world.record_paths()
    import subprocess

    subprocess.run(["sh", "-c", f"{command} < a > b"], cwd=world.work, env=world.env, check=True, timeout=60)
    run = world.finished(0, b"", b"", known=known)
    assert run.record["id"] > outer.record["id"]
    assert run.outputs == {"b": digest(b"1\n2\n")}
    assert run.inputs("b") == {"a": a}


def test_sed_in_place(shark_run: Callable[..., Run], world: World) -> None:
    """sed -i writes aside and renames: the new file comes from the old one."""
    old = world.write("data.txt", "one\ntwo\n")
    run = shark_run(["sed", "-i", "s/one/1/", "data.txt"])
    assert run.outputs == {"data.txt": digest(b"1\ntwo\n")}
    assert run.inputs("data.txt") == {"data.txt": old}


def test_here_document_and_append(shark_run: Callable[..., Run], world: World) -> None:
    """Here-documents, append, a loop over files, a subshell."""
    first = world.write("a.txt", "1\n")
    second = world.write("b.txt", "2\n")
    script = """
    cat > head.txt <<EOF
    made here
EOF
    ( cat head.txt; for f in *.txt; do case $f in [ab].txt) cat "$f";; esac; done ) > all.txt
    echo end >> all.txt
    rm head.txt
    """
    run = shark_run(["sh", "-c", script])
    assert run.status == 0, run.stderr
    assert run.outputs == {"all.txt": sha256(world.work / "all.txt")}
    assert run.inputs("all.txt") == {"a.txt": first, "b.txt": second}


def test_tar_there_and_back(shark_run: Callable[..., Run], world: World) -> None:
    """An archive from files, and files from an archive; tar keeps mtimes in the past."""
    need("tar")
    parts = {name: world.write(name, name * 3) for name in ("d/one", "d/two")}
    run = shark_run(["tar", "-czf", "d.tar.gz", "d"])
    assert run.status == 0, run.stderr
    assert run.outputs == {"d.tar.gz": sha256(world.work / "d.tar.gz")}
    assert run.inputs("d.tar.gz") == parts

    (world.work / "x").mkdir()
    run = shark_run(["tar", "-xzf", "../d.tar.gz"], cwd=world.work / "x")
    assert run.status == 0, run.stderr
    assert run.outputs == {f"x/{name}": sha for name, sha in parts.items()}
    assert run.inputs("x/d/one") == {"d.tar.gz": sha256(world.work / "d.tar.gz")}
