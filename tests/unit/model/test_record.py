"""The run record: its sections, and that it holds what happened."""

from __future__ import annotations

from datetime import date
from typing import get_args

import pytest

from shark import events as ev
from shark import jsontext
from shark.kinds import GapKind
from shark.model.coverage import KINDS
from shark.model.facts import Facts, Header, text, time_text
from shark.model.manifest import manifests
from shark.model.record import build_record, set_attached
from shark.model.run import GAP_LIMIT, RunModel
from shark.values import Gap, Usage

from .events_builder import DIRECTORY, SYMLINK, Run, at, before, final, stat


def edges(record) -> set[tuple[str, str]]:
    paths = {entry["n"]: entry["path"] for entry in record["files"]}
    return {(edge["access"], paths[edge["file"]]) for edge in record["edges"]}


def test_equal_events_and_facts_give_equal_bytes():
    def one() -> bytes:
        run = Run("prog", "--x")
        run.read("/w/a", stat(1))
        run.create("/w/out", 2)
        return jsontext.dumps(run.end().record(final(run)))

    assert one() == one()


def test_the_head_says_what_it_was_told_and_nothing_empty():
    run = Run("prog").end()
    record = run.record(name="n", tags={"k": "v"}, parent="p", continues="c")
    assert list(record)[:6] == ["schema", "id", "name", "tags", "parent", "continues"]
    assert not {"name", "tags", "parent", "continues", "subruns", "network", "git"} & set(run.record())


def test_context_stands_in_the_record():
    record = Run("prog").end().record(Facts(context={"git": [{"root": "/w"}], "host": {"name": "h"}, "ci": {}}))
    assert record["git"] == [{"root": "/w"}]
    assert record["host"] == {"name": "h"}
    assert "ci" not in record


def test_the_command_with_its_status_and_times():
    run = Run("prog", "a b")
    run.finish(1, 3)
    command = run.end().record()["command"]
    assert command["argv"] == ["prog", "a b"]
    assert command["cwd"] == "/w"
    assert command["exit"] == 3
    assert command["seconds"] == 1.0
    assert run.record(Facts(seconds=1.5))["command"]["seconds"] == 1.5


def test_a_killed_command_has_a_signal_instead_of_an_exit_status():
    run = Run("prog")
    run.finish(1, -1, 9)
    command = run.end().record()["command"]
    assert command["signal"] == 9
    assert "exit" not in command


def test_secrets_are_masked_in_arguments():
    run = Run("curl", "http://u:secret@h/")
    run.observe(ev.SubRun, 1, "r2", (b"secret",))
    record = run.end().record(mask=lambda argument: argument.replace("secret", "***"))
    assert b"secret" not in jsontext.dumps(record)
    record = run.record(mask_argv=lambda argv: ["…"] * len(argv))
    assert record["command"]["argv"] == ["…", "…"]


def test_paths_that_are_no_text_survive():
    run = Run("prog")
    run.observe(
        ev.Opened, 1, ev.READ, ev.Sighting(b"/w/a\xff", b"/w/a\xff", stat(1)), False, False, False, None, "open"
    )
    record = jsontext.loads(jsontext.dumps(run.end().record(final(run))))
    assert "/w/a\udcff" in {entry["path"] for entry in record["files"]}


class TestProcesses:
    def test_tree_images_usage(self):
        run = Run("sh")
        run.fork(1, 2)
        run.fork(2, 3)
        run.execute(3, "/usr/bin/sort", "sort", "x")
        run.finish(3, 0, usage=Usage(1.0, 0.5, 100, 5, 6))
        record = run.end().record()
        first, second, third = record["processes"]
        assert [process["parent"] for process in record["processes"]] == [0, 1, 2]
        assert first["images"][0]["argv"] == ["sh"]
        assert second["images"][0]["forked"] == {"process": 1, "image": 0}
        assert [image.get("argv") for image in third["images"]] == [None, ["sort", "x"]]
        assert (third["cpu_seconds"], third["max_rss"], third["read_bytes"], third["written_bytes"]) == (1.5, 100, 5, 6)
        assert third["order"] == [9, 14]

    def test_figures_that_the_kernel_did_not_give_are_absent(self):
        run = Run("sh")
        run.finish(1, 0, usage=Usage(-1, -1, -1, -1, -1))
        [process] = run.end().record()["processes"]
        assert not {"cpu_seconds", "max_rss", "read_bytes", "written_bytes"} & set(process)

    def test_what_a_child_read_is_not_its_parents(self):
        """Linux adds a child's bytes to those of the parent that waits for it: in the record each has its own."""
        run = Run("sh")
        run.fork(1, 2)
        run.fork(2, 3)
        run.finish(3, 0, usage=Usage(0.25, 0.25, 300, 1000, 10))
        run.finish(2, 0, usage=Usage(0.5, 0.0, 200, 1100, 10))
        run.fork(1, 4)
        run.finish(4, 0, usage=Usage(-1, -1, -1, -1, -1))
        run.finish(1, 0, usage=Usage(1.0, 0.5, 100, 1105, 12))
        record = run.end().record()
        own = {p["n"]: (p.get("read_bytes"), p.get("written_bytes")) for p in record["processes"]}
        assert own == {1: (5, 2), 2: (100, 0), 3: (1000, 10), 4: (None, None)}
        assert record["resources"] == {
            "user_seconds": 1.75, "system_seconds": 0.75, "cpu_seconds": 2.5, "read_bytes": 1105, "written_bytes": 12,
            "max_rss": 300, "processes": 4,
        }  # fmt: skip

    def test_a_child_that_outlives_its_parent_takes_nothing_from_it(self):
        run = Run("sh")
        run.fork(1, 2)
        run.finish(1, 0, usage=Usage(0.0, 0.0, 100, 7, 7))
        run.finish(2, 0, usage=Usage(0.0, 0.0, 100, 5, 9))
        parent, child = run.end().record()["processes"]
        assert (parent["read_bytes"], parent["written_bytes"], child["read_bytes"]) == (7, 7, 5)

    def test_without_figures_a_run_has_no_resources(self):
        assert "resources" not in Run("sh").end().record()

    def test_what_a_child_shares(self):
        run = Run("sh")
        run.observe(ev.ProcessStarted, 2, 1, 102, 10**18, ev.SHARES_MEMORY | ev.SHARES_FILES)
        assert run.end().record()["processes"][1]["shares"] == ["memory", "files"]

    def test_a_process_told_of_late_keeps_what_it_did(self):
        run = Run("sh")
        run.read("/w/a", stat(1), 7)
        run.execute(7, "/usr/bin/cat", "cat")
        run.fork(1, 7)
        process = run.end().record()["processes"][1]
        assert process["parent"] == 1
        assert process["images"][0]["argv"] == ["cat"]


class TestEdges:
    def test_every_kind_of_access(self):
        run = Run("prog")
        run.read("/w/a", stat(1))
        run.write("/w/b", stat(2), was=before(stat(2)))
        run.create("/w/c", 3)
        run.remove("/w/c", before(stat(3)))
        run.rename("/w/b", "/w/bb", stat(2))
        run.list("/w", stat(4, mode=DIRECTORY))
        run.observe(ev.Missing, 1, b"/w/none", False)
        run.observe(ev.Missing, 1, b"/w/none", False)
        run.observe(ev.DirectoryMade, 1, b"/w/d")
        run.list("/w/d", stat(5, mode=DIRECTORY))
        run.observe(ev.Symlinked, 1, b"a", b"/w/s")
        record = run.end().record(final(run))
        assert edges(record) == {
            ("exec", "/usr/bin/prog"),
            ("read", "/w/a"),
            ("write", "/w/bb"),
            ("create", "/w/c"),
            ("remove", "/w/c"),
            ("rename", "/w/bb"),
            ("list", "/w"),
            ("missing", "/w/none"),
            ("create", "/w/d"),
            ("list", "/w/d"),
            ("create", "/w/s"),
        }
        kinds = {entry["path"]: entry.get("kind") for entry in record["files"]}
        assert (kinds["/w/none"], kinds["/w/d"], kinds["/w/s"]) == ("missing", "directory", "symlink")
        assert [entry["target"] for entry in record["files"] if "target" in entry] == ["a"]
        assert not any(entry["versions"] for entry in record["files"] if entry.get("kind") == "missing")

    def test_repeated_accesses_are_one_edge_with_first_and_last(self):
        run = Run("prog")
        for _ in range(3):
            run.read("/w/a", stat(1))
        run.overlap(2, 100).read("/w/a", stat(1))
        edge = run.end().record(final(run))["edges"][-1]
        assert (edge["order"], edge["last"], edge["count"]) == ([2, 100], [2, 100], 4)

    def test_images_of_one_process_are_told_apart(self):
        run = Run("sh")
        run.read("/w/a", stat(1))
        run.execute(1, "/usr/bin/cat", "cat")
        run.read("/w/a", stat(1))
        record = run.end().record(final(run))
        assert [edge["image"] for edge in record["edges"] if edge["access"] == "read"] == [0, 1]

    def test_a_descriptor_that_was_inherited_says_so(self):
        run = Run("cat")
        run.read("/w/a", stat(1), via="inherited")
        assert run.end().record()["edges"][-1]["inherited"]

    def test_removing_what_was_made_without_an_identity(self):
        run = Run("prog")
        run.observe(ev.Symlinked, 1, b"a", b"/w/s")
        run.remove("/w/s", before(stat(5, mode=SYMLINK)))
        run.observe(ev.DirectoryMade, 1, b"/w/d")
        run.remove("/w/d", before(stat(6, mode=DIRECTORY, nlink=2)))
        assert not {b"/w/s", b"/w/d"} & set(run.model.files.names.at)

    def test_a_rename_of_one_name_onto_another_of_the_same_file_does_nothing(self):
        run = Run("prog")
        run.read("/w/a", stat(1, nlink=2))
        run.rename("/w/a", "/w/b", stat(1, nlink=2), before(stat(1, nlink=2)))
        assert run.file("/w/a").n
        run.rename("/w/a", "/w/a", stat(1, nlink=2), None, exchanged=True)
        assert run.file("/w/a").n


def test_many_writers_of_one_file_stay_bounded_and_nothing_is_lost():
    run = Run("prog")
    run.read("/w/in", stat(8))
    for n in range(400):
        run.write("/w/log", stat(2, n, n), n % 2 + 1, was=before(stat(2, n, n)))
    assert len(run.file("/w/log").versions) < 100
    record = run.end().record(final(run))
    writers = {edge["process"] for edge in record["edges"] if edge["access"] == "write"}
    assert writers == {1, 2}


def test_a_shell_loop_that_appends_makes_one_version():
    run = Run("sh")
    run.create("/w/log", 2)
    for n in range(100):
        run.write("/w/log", stat(2, n, n), append=True, was=before(stat(2, n, n)))
    assert len(run.file("/w/log").versions) == 1


def test_network_is_listed_once_per_address():
    run = Run("prog")
    for _ in range(2):
        run.observe(ev.Connected, 1, "inet", "10.0.0.1", 5432)
    run.observe(ev.Connected, 1, "unix", "/run/db", 0)
    run.create("/w/out", 2)
    record = run.end().record(final(run))
    assert record["network"] == [
        {"family": "inet", "address": "10.0.0.1", "process": 1, "port": 5432},
        {"family": "unix", "address": "/run/db", "process": 1},
    ]
    assert next(manifests(record))["network"] == [
        {"family": "inet", "address": "10.0.0.1", "port": 5432},
        {"family": "unix", "address": "/run/db"},
    ]


class TestCoverage:
    def test_gaps_that_capture_saw(self):
        run = Run("prog")
        for _ in range(2):
            run.observe(ev.GapSeen, 1, "io_uring", "a ring")
        run.observe(ev.GapSeen, 0, "strange", "news")
        gaps = run.end().record(Facts(gaps=[Gap("other", "more")]))["coverage"]["gaps"]
        assert gaps == [
            {"kind": "io_uring", "detail": "a ring", "process": 1},
            {"kind": "other", "detail": "strange: news"},
            {"kind": "other", "detail": "more"},
        ]

    def test_endless_gaps_are_only_counted(self):
        run = Run("prog")
        for n in range(GAP_LIMIT + 5):
            run.observe(ev.GapSeen, 1, "other", str(n))
        gaps = run.end().record()["coverage"]["gaps"]
        assert len(gaps) == GAP_LIMIT + 1
        assert "5 further gaps" in gaps[-1]["detail"]

    def test_a_mount_of_which_several_processes_tell_is_one_gap(self):
        run = Run("prog")
        run.fork(1, 2)
        for n in (1, 2):
            run.observe(ev.GapSeen, n, "namespace", f"files below M{ev.EXAMPLE}/x{n}")
            run.observe(ev.GapSeen, n, "namespace", "paths may be others")
        gaps = [(gap["detail"], gap["process"]) for gap in run.end().record()["coverage"]["gaps"]]
        assert gaps == [(f"files below M{ev.EXAMPLE}/x1", 1), ("paths may be others", 1), ("paths may be others", 2)]

    def test_a_stream_that_breaks_off(self):
        run = Run("prog")
        record = run.record()
        assert [gap["kind"] for gap in record["coverage"]["gaps"]] == ["journal-lost"]
        assert "end" not in record["command"]
        told = run.record(Facts(gaps=[Gap("journal-lost", "known")]))
        assert [gap["detail"] for gap in told["coverage"]["gaps"]] == ["known"]

    def test_nothing_at_all(self):
        record = build_record(RunModel(), Facts(), Header("r", "0"))
        assert record["command"]["argv"] == []
        assert not record["coverage"]["complete"]

    def test_a_run_without_its_first_event_goes_by_the_first_image(self):
        run = Run("prog", "x")
        run.model.started = None
        assert run.record()["command"]["argv"] == ["prog", "x"]

    def test_processes_that_live_on(self):
        run = Run("prog")
        run.fork(1, 2)
        run.finish(1)
        run.observe(ev.RunEnded, 10**18)
        record = run.record()
        assert [(gap["kind"], gap["process"]) for gap in record["coverage"]["gaps"]] == [("still-running", 2)]
        run.observe(ev.GapSeen, 2, "still-running", "a daemon")
        assert [gap["detail"] for gap in run.record()["coverage"]["gaps"]] == ["a daemon"]

    def test_many_files_with_one_reason_are_one_gap(self):
        run = Run("prog")
        for n in range(50):
            run.read(f"/w/{n:02}", stat(n + 1))
        run.create("/w/out", 99)
        facts = final(run.end())
        facts.unhashed = dict.fromkeys(facts.digests, "hashing is off")
        facts.digests = {}
        [gap] = run.record(facts)["coverage"]["gaps"]
        assert gap["detail"].startswith("52 files: hashing is off")


class TestSetAttached:
    def test_it_is_noted(self):
        run = Run("prog")
        run.create("/w/out", 2)
        record = run.end().record(final(run))
        file = record["outputs"][0]["file"]
        set_attached(record, file, "xattr")
        assert record["outputs"][0]["attached"] == "xattr"
        set_attached(record, file, "none", "a full disk")
        assert record["outputs"][0]["why"] == "a full disk"
        set_attached(record, file, "sidecar")
        assert "why" not in record["outputs"][0]

    def test_an_unknown_output(self):
        with pytest.raises(KeyError):
            set_attached(Run("prog").end().record(), 1, "xattr")


class TestSubRuns:
    def run(self) -> Run:
        run = Run("sh")
        run.read("/w/before", stat(1))
        run.create("/w/given", 2)
        run.fork(1, 2)
        run.read("/w/shark-itself", stat(3), 2)
        self.event = run.observe(ev.SubRun, 2, "run-2", (b"sort", b"given"))
        run.execute(2, "/usr/bin/sort", "sort", "given", cwd="/w/sub")
        run.read("/w/given", stat(2, 30, 9_000), 2)
        run.create("/w/result", 4, 2)
        run.fork(2, 3)
        run.create("/w/childs", 5, 3)
        run.observe(ev.Connected, 1, "inet", "10.0.0.1", 1)
        run.finish(3)
        run.finish(2, 4)
        return run.end()

    def test_the_outer_record_lists_it(self):
        record = (run := self.run()).record(final(run))
        assert record["subruns"] == [{"run": "run-2", "process": 2, "argv": ["sort", "given"]}]
        assert record["processes"][1]["run"] == "run-2"
        assert {output["path"] for output in record["outputs"]} == {"/w/given", "/w/result", "/w/childs"}

    def test_it_has_a_record_of_its_own(self):
        run = self.run()
        record = build_record(run.model, final(run), Header("run-2", "0", parent="run-1"), within=self.event)
        assert (record["id"], record["parent"]) == ("run-2", "run-1")
        assert record["command"]["argv"] == ["sort", "given"]
        assert record["command"]["exit"] == 4
        assert [process["n"] for process in record["processes"]] == [2, 3]
        assert record["processes"][0]["parent"] == 0
        assert record["processes"][0]["images"][0]["argv"] == ["sh"]
        assert {output["path"] for output in record["outputs"]} == {"/w/result", "/w/childs"}
        assert not {"subruns", "network"} & set(record)

    def test_what_was_made_around_it_is_its_input(self):
        run = self.run()
        record = build_record(run.model, final(run), Header("run-2", "0"), within=2)
        paths = {entry["path"] for entry in next(manifests(record))["inputs"]}
        assert "/w/given" in paths
        assert not {"/w/before", "/w/shark-itself"} & paths

    def test_a_process_that_starts_none(self):
        run = self.run()
        with pytest.raises(KeyError):
            build_record(run.model, Facts(), Header("run-2", "0"), within=3)

    def test_an_output_that_the_outer_run_changed_later_gets_no_manifest(self):
        run = Run("sh")
        run.fork(1, 2)
        run.observe(ev.SubRun, 2, "run-2", (b"prog",))
        run.execute(2, "/usr/bin/prog", "prog")
        run.create("/w/x", 4, 2)
        run.write("/w/x", stat(4, 9, 9_000), append=True, was=before(stat(4, 9, 9_000), 5))
        [output] = run.end().record(final(run, x=stat(4, 20, 9_900)), within=2)["outputs"]
        assert (output["attached"], output["why"]) == ("none", "changed later")
        assert output["sha256"].endswith("5")


def test_texts():
    assert text(b"\xc3\xa4\xff") == "ä\udcff"
    assert time_text(10**18).startswith("2001-09-09T01:46:40.000")
    assert time_text(10**30) == "9999-12-31T23:59:59.999+00:00"
    assert time_text(-(10**30)) == "0001-01-01T00:00:00.000+00:00"


def test_every_date_is_that_of_the_calendar() -> None:
    """The days of four centuries, and the ends of the calendar, are those of datetime."""
    days = [*range(146_100), *range(-719_162, -718_000), *range(2_932_000, 2_932_897)]
    for day in days:
        assert time_text(day * 86_400_000_000_000)[:10] == date.fromordinal(day + 719_163).isoformat()


def test_the_kinds_of_gaps_are_those_of_the_type() -> None:
    """The list that is there at run time has the words that type checkers know."""
    assert frozenset(get_args(GapKind)) == KINDS


def test_the_model_takes_events_only():
    with pytest.raises(KeyError):
        RunModel().observe(("no", "event"))  # type: ignore[arg-type]


def test_a_long_run_of_equal_opens_needs_no_memory():
    run = Run("prog")
    run.read("/w/a", stat(1))
    size = len(run.model.accesses)
    event = ev.Opened(90, 91, 1, ev.READ, at("/w/a", stat(1)), False, False, False, None, "open")
    for _ in range(1000):
        run.model.observe(event)
    assert len(run.model.accesses) == size


def test_a_time_that_is_not_known_is_absent():
    """An strace log without times gives no start in 1970."""
    model = RunModel()
    model.observe(ev.RunStarted(1, 1, 0, "", (b"prog",), b"/w"))
    model.observe(ev.ProcessStarted(1, 1, 1, 0, 100, 0, 0))
    model.observe(ev.ProcessEnded(2, 2, 1, 0, 0, -1, None))
    model.observe(ev.RunEnded(3, 3, 0))
    command = build_record(model, Facts(), Header("run-1", "0.1.0"))["command"]
    assert not {"start", "end", "seconds"} & set(command)
