"""What was different between two runs or files, and in which order it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shark.model.comparison import Difference, Side, compare, outputs_of

ONE, TWO = "1" * 64, "2" * 64


def entry(path: str, sha256: str = ONE, role: str = "data", **more: Any) -> dict[str, Any]:
    return {"path": path, "sha256": sha256, "size": 9, "role": role, **more}


BASE = Side(
    "run",
    ["Rscript", "fit.R", "in.csv"],
    "/home/ada",
    [],
    [entry("/home/ada/fit.R", role="code"), entry("/home/ada/in.csv")],
    ["pkg:deb/debian/r-base-core@4.2.2-1?arch=amd64", "pkg:cran/mgcv@1.8"],
    [{"root": "/home/ada", "commit": "c" * 40, "branch": "main"}],
    {"LANG": "C.UTF-8"},
    {"name": "laptop", "os": "Debian 12", "machine": "x86_64"},
    outputs={"/home/ada/out.csv": ONE},
)


def told(a: Side, b: Side) -> list[str]:
    """`section name change`, in brackets what hardly explains anything."""
    return [_said(one) for one in compare(a, b)]


def _said(one: Difference) -> str:
    said = f"{one.section} {one.name} {one.change}"
    return said if one.explains else f"({said})"


def test_nothing() -> None:
    assert told(BASE, replace(BASE, run="other")) == []


def test_the_order_of_reasons() -> None:
    """Command, code with its commit, inputs, software, environment, network, host; then what hardly matters."""
    other = Side(
        "other",
        ["Rscript", "fit.R", "in.csv", "--fast"],
        "/home/bob",
        [],
        [entry("/home/bob/fit.R", TWO, "code"), entry("/home/bob/in.csv", TWO), entry("/home/bob/more.csv")],
        ["pkg:deb/debian/r-base-core@4.2.2-2?arch=amd64"],
        [{"root": "/home/bob", "commit": "d" * 40, "branch": "main"}],
        {"LANG": "de_DE.UTF-8", "SHARK_HOME": "/x"},
        {"name": "server", "os": "Debian 12", "machine": "aarch64"},
        network=[{"family": "inet", "address": "10.0.0.1", "port": 5432}],
        outputs={"/home/bob/out.csv": TWO},
        ending="exit 1",
    )
    assert told(BASE, other) == [
        "command argv changed",
        "code /home/ada/fit.R changed",
        "git /home/ada changed",
        "inputs /home/ada/in.csv changed",
        "inputs /home/bob/more.csv added",
        "software pkg:cran/mgcv removed",
        "software pkg:deb/debian/r-base-core changed",
        "environment LANG changed",
        "network 10.0.0.1:5432 added",
        "host machine changed",
        "(environment SHARK_HOME added)",
        "(host name changed)",
        "(place directory changed)",
        "(ending end changed)",
    ]


class TestCommand:
    def test_only_the_output_is_called_otherwise(self) -> None:
        """Two files have two names: that the command says so is no reason for a difference."""
        a = replace(BASE, argv=["sort", "in.csv", "-o", "one.csv"], outputs={"/home/ada/one.csv": ONE})
        b = replace(BASE, argv=["sort", "in.csv", "-o", "/home/ada/two.csv"], outputs={"/home/ada/two.csv": TWO})
        assert told(a, b) == ["(command argv changed)"]
        c = replace(b, argv=["sort", "-r", "in.csv", "-o", "two.csv"])
        assert told(a, c) == ["command argv changed"]

    def test_inside_a_shell_line(self) -> None:
        a = replace(BASE, argv=["sh", "-c", "sort in.csv > a"], outputs={"/home/ada/a": ONE})
        b = replace(BASE, argv=["sh", "-c", "sort in.csv > b"], outputs={"/home/ada/b": ONE})
        assert told(a, b) == ["(command argv changed)"]
        assert told(a, replace(b, argv=["sh", "-c", "sort in.bsv > b"])) == ["command argv changed"]

    def test_the_place(self) -> None:
        a = replace(BASE, argv=["x", "/home/ada/in.csv"])
        b = replace(
            BASE, argv=["x", "/srv/in.csv"], cwd="/srv", inputs=[entry("/srv/fit.R", role="code"), entry("/srv/in.csv")]
        )
        assert told(a, b) == ["(command argv changed)", "(place directory changed)"]

    def test_the_process_that_wrote_it(self) -> None:
        """Of two outputs of one run: the step tells them apart."""
        a = replace(BASE, writer=["gcc", "-O1", "-o", "out.csv"])
        b = replace(BASE, writer=["gcc", "-O2", "-o", "out.csv"])
        assert told(a, b) == ["command written by changed"]


class TestInputs:
    def test_moved(self) -> None:
        b = replace(BASE, inputs=[BASE.inputs[0], entry("/mnt/copy/in.csv")])
        assert told(BASE, b) == ["(inputs /home/ada/in.csv moved)"]

    def test_at_another_place_and_changed(self) -> None:
        """By its name, where that is told apart from all others."""
        b = replace(BASE, inputs=[BASE.inputs[0], entry("/mnt/copy/in.csv", TWO)])
        assert told(BASE, b) == ["inputs /home/ada/in.csv changed"]

    def test_two_contents_of_one_file(self) -> None:
        """A file that was changed during the run is an input twice; each goes with its like."""
        a = replace(BASE, inputs=[entry("/log", ONE), entry("/log", TWO)])
        assert told(a, a) == []
        assert told(a, replace(a, inputs=[entry("/log", ONE), entry("/log", "3" * 64)])) == ["inputs /log changed"]

    def test_without_digests(self) -> None:
        """Sizes tell if they differ; that they do not proves nothing, and is not told."""
        plain = {"path": "/x", "role": "data", "size": 1}
        a, b = replace(BASE, inputs=[plain]), replace(BASE, inputs=[{**plain, "size": 2}])
        assert told(a, a) == []
        assert [(one.a, one.b) for one in compare(a, b)] == [("1 bytes", "2 bytes")]
        assert told(a, replace(BASE, inputs=[{"path": "/x", "role": "data"}])) == []


class TestGit:
    def test_a_commit_without_effect(self) -> None:
        """Another commit explains nothing while no file differs that was read."""
        b = replace(BASE, git=[{"root": "/home/ada", "commit": "d" * 40}])
        assert told(BASE, b) == ["(git /home/ada changed)"]

    def test_a_patch(self) -> None:
        b = replace(BASE, git=[{"root": "/home/ada", "commit": "c" * 40, "dirty": True, "patch_sha256": TWO}])
        assert [(one.a, one.b) for one in compare(BASE, b)] == [("c" * 40, "c" * 40 + " with patch 2222222222")]

    def test_a_clone_elsewhere(self) -> None:
        """Repositories correspond by their remotes, where their roots are not the same."""
        remotes = {"origin": "https://example.org/x"}
        a = replace(BASE, git=[{"root": "/a", "commit": "c" * 40, "remotes": remotes}, {"root": "/b", "commit": "e"}])
        b = replace(BASE, git=[{"root": "/b", "commit": "e"}, {"root": "/z", "commit": "c" * 40, "remotes": remotes}])
        assert told(a, b) == []


def test_outputs() -> None:
    a = replace(BASE, outputs={"/home/ada/x": ONE, "/home/ada/y": ONE, "/home/ada/z": ONE})
    b = replace(BASE, cwd="/srv", outputs={"/srv/x": ONE, "/srv/y": TWO})
    assert sorted(outputs_of(a, b)) == [
        ("/home/ada/x", "/srv/x", ONE, ONE),
        ("/home/ada/y", "/srv/y", ONE, TWO),
        ("/home/ada/z", "", ONE, ""),
    ]
    assert outputs_of(replace(a, outputs={"/a": ONE}), replace(b, outputs={"/b": TWO})) == [("/a", "/b", ONE, TWO)]


paths = st.sampled_from(["/w/a", "/w/b", "/w/sub/a", "/x/a", "/x/b"])
entries = st.lists(st.builds(entry, paths, st.sampled_from([ONE, TWO]), st.sampled_from(["data", "code"])), max_size=6)
sides = st.builds(
    Side,
    st.just("run"),
    st.lists(st.sampled_from(["sort", "a", "/w/a", "-o", "b"]), max_size=4),
    st.sampled_from(["/w", "/x", ""]),
    st.just([]),
    entries,
    st.lists(st.sampled_from(["pkg:deb/debian/a@1", "pkg:deb/debian/a@2", "pkg:pypi/b@1"]), max_size=3),
    st.just([]),
    st.dictionaries(st.sampled_from(["LANG", "PATH"]), st.sampled_from(["x", "y"])),
    outputs=st.dictionaries(paths, st.sampled_from([ONE, TWO]), max_size=3),
)
MIRROR = {"added": "removed", "removed": "added"}


@given(sides, sides)
def test_the_other_way_round(a: Side, b: Side) -> None:
    """What differs does so in both directions, and nothing differs from itself; each entry is told of once."""
    assert compare(a, a) == []
    there, back = compare(a, b), compare(b, a)
    assert sorted((one.section, one.change, one.a, one.b) for one in there) == sorted(
        (one.section, MIRROR.get(one.change, one.change), one.b, one.a) for one in back
    )
    for side, pick in ((a, 0), (b, 1)):
        seen = [one.entries[pick] for one in there if one.entries is not None and one.entries[pick]]
        assert len({id(one) for one in seen}) == len(seen) <= len(side.inputs)
