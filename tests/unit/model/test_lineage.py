"""From what each output of a run derives: one small pipeline a rule."""

from __future__ import annotations

import pytest

from shark import events as ev
from shark.model.facts import Facts, Owner
from shark.model.lineage import by_output, chains
from shark.model.manifest import manifests

from .events_builder import FIFO, Run, at, before, final, stat

R, W = ev.READ, ev.WRITE


class Pipeline(Run):
    """A run of which snapshots are told."""

    def __init__(self, *argv: str) -> None:
        super().__init__(*argv)
        self.read_so_far: dict[int, int] = {}
        self.hold()

    def hold(self, process: int = 1, *held: tuple[str, str, int], read: int = 1, written: int = 1) -> None:
        """A snapshot. `read` and `written` are what was moved since the last one."""
        total = self.read_so_far[process] = self.read_so_far.get(process, 0) + read
        things = tuple(ev.Held(kind, key.encode(), access) for kind, key, access in held)
        self.observe(ev.Holding, process, things, total, total if written else 0)

    def gain(self, process: int, *held: tuple[str, str, int]) -> None:
        self.observe(ev.Gained, process, tuple(ev.Held(kind, key.encode(), access) for kind, key, access in held))

    def child(self, parent: int, child: int, *held: tuple[str, str, int], idle: bool = True, shares: int = 0) -> None:
        """A fork, with the snapshot of the parent that is taken there."""
        self.hold(parent, *held, read=0 if idle else 1)
        self.observe(ev.ProcessStarted, child, parent, 100 + child, 10**18 + self.clock, shares)

    def flows(self, facts: Facts | None = None) -> dict[str, tuple[set[str], set[str]]]:
        """Inputs and controls of each output, by the last part of the path."""
        record = self.end().record(facts or final(self))
        found = {}
        for manifest in manifests(record, by_output):
            assert manifest["scope"] == "output"
            found[name(manifest["output"]["path"])] = (
                {name(entry["path"]) for entry in manifest["inputs"]} - {"prog"},
                {name(entry["path"]) for entry in manifest.get("controls", [])} - {"prog"},
            )
        return found


def name(path: str) -> str:
    return path.rpartition("/")[2]


def pipe(n: int, access: int) -> tuple[str, str, int]:
    return "pipe", f"pipe:[{n}]", access


def held(ino: int, access: int) -> tuple[str, str, int]:
    return "file", f"1:{ino}", access


def test_each_output_has_what_its_own_process_read():
    run = Pipeline()
    for child in (2, 3):
        run.child(1, child)
        run.read(f"/w/in{child}", stat(child), process=child)
        run.create(f"/w/out{child}", 10 + child, process=child)
        run.finish(child)
    assert run.flows() == {"out2": ({"in2"}, set()), "out3": ({"in3"}, set())}


def test_what_was_read_after_the_output_was_closed_does_not_flow_into_it():
    run = Pipeline()
    run.read("/w/a", stat(1))
    run.create("/w/out1", 11)
    run.hold(1)
    run.read("/w/b", stat(2))
    run.create("/w/out2", 12)
    assert run.flows() == {"out1": ({"a"}, set()), "out2": ({"a", "b"}, set())}


def test_an_output_that_was_opened_first_receives_what_is_read_later():
    run = Pipeline()
    run.create("/w/out", 11)
    run.read("/w/a", stat(1))
    assert run.flows() == {"out": ({"a"}, set())}


def test_calls_that_overlap_let_data_flow():
    run = Pipeline()
    run.create("/w/out", 11)
    run.observe(ev.Holding, 1, (), 5, 5)
    run.overlap(run.clock - 1, run.clock + 1).read("/w/a", stat(1))
    run.create("/w/other", 12)
    assert run.flows()["out"] == ({"a"}, set())


def test_an_exec_keeps_code_and_what_stays_open_as_input_the_rest_decided_what_runs():
    run = Pipeline()
    run.read("/w/script.sh", stat(1))
    run.read("/w/list", stat(2))
    run.read("/w/stdin", stat(3))
    run.execute(1, "/usr/bin/prog", "prog")
    run.hold(1, held(3, R))
    run.create("/w/out", 11)
    assert run.flows() == {"out": ({"script.sh", "stdin"}, {"list"})}


def test_a_pipe_carries_what_its_writer_had_read_and_nothing_to_who_only_holds_it():
    run = Pipeline()
    run.read("/w/script.sh", stat(9))
    ends = pipe(1, R), pipe(1, W)
    run.child(1, 2, *ends)
    run.child(1, 3, *ends)
    run.hold(1, read=0)  # the shell has closed its ends, and read nothing
    for child, end in ((2, ends[1]), (3, ends[0])):
        run.execute(child, "/usr/bin/prog", "prog")
        run.hold(child, end, read=0, written=0)
    run.read("/w/a", stat(1), process=2)
    run.create("/w/out", 11, process=3)
    run.finish(2)
    run.finish(3)
    run.create("/w/later", 12)
    assert run.flows() == {"out": ({"a", "script.sh"}, set()), "later": ({"script.sh"}, set())}


def test_a_reader_that_ends_before_its_writers_next_snapshot_has_read():
    run = Pipeline()
    first, second = (pipe(1, R), pipe(1, W)), (pipe(2, R), pipe(2, W))
    run.child(1, 2, *first, *second)
    run.child(1, 3, *first, *second)
    run.child(1, 4, *first, *second)
    run.read("/w/a", stat(1), process=2)
    run.create("/w/out", 11, process=4)
    run.finish(4)
    run.finish(2)
    assert run.flows()["out"] == ({"a"}, set())


def test_tokens_of_a_job_server_carry_nothing():
    run = Pipeline()
    ends = pipe(1, R), pipe(1, W)
    run.child(1, 2, *ends)
    run.child(1, 3, *ends)
    run.observe(ev.Tokens, 2, b"pipe:[1]")
    run.read("/w/a", stat(1), process=2)
    run.create("/w/out", 11, process=3)
    assert run.flows() == {"out": (set(), set())}


@pytest.mark.parametrize("meeting", [b"socket:[2]", b"tcp:127.0.0.1:80"])
def test_a_connection_carries_both_ways_between_its_ends_only(meeting):
    run = Pipeline()
    run.child(1, 2)
    run.child(1, 3)
    run.child(1, 4)
    run.gain(2, ("socket", "socket:[1]", R | W))
    run.gain(3, ("socket", "socket:[2]", R | W))
    run.observe(ev.Joined, 2, b"socket:[1]", meeting)
    if meeting.startswith(b"tcp"):
        run.observe(ev.Joined, 3, b"socket:[2]", meeting)
    run.gain(4, ("socket", "socket:[3]", R | W))
    run.read("/w/a", stat(1), process=2)
    for child in (3, 4):
        run.create(f"/w/out{child}", 10 + child, process=child)
    assert run.flows() == {"out3": ({"a"}, set()), "out4": (set(), set())}


def test_holders_of_the_same_end_of_a_connection_do_not_hear_each_other():
    run = Pipeline()
    end, other = ("socket", "socket:[1]", R | W), ("socket", "socket:[2]", R | W)
    run.gain(1, end, other)
    run.observe(ev.Joined, 1, b"socket:[1]", b"socket:[2]")
    run.child(1, 2, end, other)
    run.child(1, 3, end, other)
    run.hold(1)
    run.hold(2, end)
    run.hold(3, end)
    run.read("/w/a", stat(1), process=2)
    run.create("/w/out", 11, process=3)
    assert run.flows() == {"out": (set(), set())}


def test_shared_memory_carries_both_ways_until_an_exec():
    run = Pipeline()
    memory = ("memory", "memory:1.0", R | W)
    run.gain(1, memory)
    run.child(1, 2, memory)
    run.child(1, 3, memory)
    run.execute(3, "/usr/bin/prog", "prog")
    run.read("/w/a", stat(1), process=2)
    run.create("/w/out", 11)
    run.create("/w/apart", 12, process=3)
    assert run.flows() == {"out": ({"a"}, set()), "apart": (set(), set())}


def test_a_file_that_two_processes_map_is_memory_of_both():
    run = Pipeline()
    run.create("/w/shm", 11)
    run.gain(1, ("memory", "1:11", R | W))
    run.child(1, 2, ("memory", "1:11", R | W))
    run.read("/w/a", stat(1), process=2)
    run.create("/w/out", 12)
    assert run.flows() == {"shm": ({"a"}, set()), "out": ({"a"}, set())}


def test_a_child_in_its_parents_memory_passes_on_what_it_read():
    run = Pipeline()
    run.child(1, 2, shares=ev.SHARES_MEMORY)
    run.read("/w/a", stat(1), process=2)
    run.execute(2, "/usr/bin/prog", "prog")
    run.read("/w/b", stat(2), process=2)
    run.create("/w/out", 11)
    assert run.flows() == {"out": ({"a"}, set())}


def test_versions_of_one_file_are_kept_apart():
    """Made, read, made again from something else: each reader has what it read."""
    run = Pipeline()
    for number, child in enumerate((2, 4)):
        run.child(1, child)
        run.read(f"/w/in{number}", stat(1 + number), process=child)
        if number:
            run.write("/w/t", stat(11, 0, 7000), process=child, truncated=True, was=before(stat(11, 5, 6000), 3))
        else:
            run.create("/w/t", 11, process=child)
        run.finish(child)
        run.child(1, child + 1)
        run.read("/w/t", stat(11, 5, 6000 + 2000 * number), process=child + 1)
        run.create(f"/w/out{number}", 12 + number, process=child + 1)
        run.finish(child + 1)
    assert run.flows() == {"t": ({"in1"}, set()), "out0": ({"in0"}, set()), "out1": ({"in1"}, set())}


def test_a_file_changed_in_place_keeps_what_was_in_it_version_by_version():
    run = Pipeline()
    sizes = [10, 20, 30]
    for number, child in enumerate((2, 3)):
        run.child(1, child)
        run.read(f"/w/in{number}", stat(1 + number), process=child)
        was = before(stat(11, sizes[number], 1000 + number), 7)
        run.write("/w/t", stat(11, sizes[number], 1000 + number), process=child, access=R | W, was=was)
        run.finish(child)
    facts = final(run, t=stat(11, 30, 9000))
    assert run.flows(facts) == {"t": ({"in0", "in1", "t"}, set())}


def test_a_log_that_the_command_inherited_is_no_input_of_itself_but_of_its_readers():
    run = Pipeline()
    run.write("/w/log", stat(11), append=True, was=before(stat(11), 7), via="inherited")
    run.read("/w/a", stat(1))
    run.child(1, 2)
    run.read("/w/log", stat(11, 20, 8000), process=2)
    run.create("/w/out", 12, process=2)
    assert run.flows() == {"log": ({"a"}, set()), "out": ({"a", "log"}, set())}


def test_a_compiled_module_that_the_run_made_counts_as_its_source_alone():
    run = Pipeline()
    run.child(1, 2)
    run.read("/w/m.py", stat(1), process=2)
    run.read("/w/secret", stat(2), process=2)
    run.create("/w/__pycache__/m.cpython-311.pyc", 11, process=2)
    run.finish(2)
    run.child(1, 3)
    run.read("/w/__pycache__/m.cpython-311.pyc", stat(11, 5, 9000), process=3)
    run.create("/w/out", 12, process=3)
    assert run.flows()["out"] == ({"m.py"}, set())


def test_what_a_shell_opens_for_a_command_it_does_not_read():
    run = Pipeline("sh")
    run.read("/w/in", stat(1))
    run.child(1, 2, held(1, R))
    run.execute(2, "/usr/bin/prog", "prog")
    run.hold(2, held(1, R), read=0)
    run.create("/w/out", 11, process=2)
    run.finish(2)
    run.child(1, 3)
    run.execute(3, "/usr/bin/prog", "prog")
    run.create("/w/other", 12, process=3)
    flows = run.flows()
    assert flows["out"][0] - {"sh"} == {"in"}
    assert flows["other"][0] - {"sh"} == set()
    assert flows["other"][1] == set()


def test_what_a_shell_opened_is_read_if_a_child_reads_it_without_an_exec():
    run = Pipeline("sh")
    run.read("/w/in", stat(1))
    run.child(1, 2, held(1, R))
    run.create("/w/out", 11, process=2)
    run.hold(2, held(11, W))
    assert run.flows()["out"][0] - {"sh"} == {"in"}


def test_a_reader_known_to_have_let_go_does_not_see_later_versions():
    run = Pipeline()
    run.child(1, 2)
    run.read("/w/dep", stat(11))
    run.model.released(ev.Released(run.clock + 1, run.clock + 1, 1, b"1:11"))
    run.clock += 1
    run.read("/w/a", stat(1), process=2)
    run.write("/w/dep", stat(11, 0, 7000), process=2, truncated=True, was=before(stat(11), 3))
    run.finish(2)
    run.create("/w/out", 12)
    assert run.flows() == {"dep": ({"a"}, set()), "out": ({"dep"}, set())}


def test_a_reader_that_may_hold_the_file_still_sees_later_versions():
    run = Pipeline()
    run.read("/w/dep", stat(11))
    run.child(1, 2)
    run.read("/w/a", stat(1), process=2)
    run.write("/w/dep", stat(11, 0, 7000), process=2, truncated=True, was=before(stat(11), 3))
    run.finish(2)
    run.create("/w/out", 12)
    assert run.flows()["out"] == ({"a", "dep"}, set())


def test_a_fifo_into_which_the_run_writes_is_a_channel_one_from_outside_an_input():
    run = Pipeline()
    run.read("/w/outside", stat(21, mode=FIFO))
    run.child(1, 2)
    run.child(1, 3)
    run.read("/w/a", stat(1), process=2)
    run.write("/w/fifo", stat(22, mode=FIFO), process=2)
    run.gain(2, ("fifo", "1:22", W))
    run.read("/w/fifo", stat(22, mode=FIFO), process=3)
    run.gain(3, ("fifo", "1:22", R))
    run.create("/w/out", 11, process=3)
    assert run.flows() == {"out": ({"a", "outside"}, set())}


def test_software_is_that_of_the_steps_that_led_to_the_output():
    run = Pipeline()
    for child in (2, 3):
        run.child(1, child)
        run.execute(child, f"/usr/bin/tool{child}", "tool", seen=stat(50 + child))
        run.create(f"/w/out{child}", 10 + child, process=child)
        run.finish(child)
    run.end()
    facts = final(run)
    facts.owners = {b"/usr/bin/tool%d" % n: Owner(f"pkg:deb/debian/tool{n}@1", False) for n in (2, 3)}
    record = run.record(facts)
    software = {name(m["output"]["path"]): m["software"] for m in manifests(record, by_output)}
    assert software == {"out2": ["pkg:deb/debian/tool2@1"], "out3": ["pkg:deb/debian/tool3@1"]}


def test_the_chain_of_an_output_are_the_processes_from_which_something_reached_it():
    run = Pipeline()
    run.child(1, 2)
    run.create("/w/t", 11, process=2)
    run.finish(2)
    run.child(1, 3)
    run.create("/w/apart", 12, process=3)
    run.finish(3)
    run.child(1, 4)
    run.read("/w/t", stat(11, 5, 9000), process=4)
    run.create("/w/out", 13, process=4)
    run.finish(4)
    record = run.end().record(final(run))
    chain = chains(record)
    assert {name(output["path"]): chain(output) for output in record["outputs"]} == {
        "t": [1, 2],
        "apart": [1, 3],
        "out": [1, 2, 4],
    }


def test_a_record_that_does_not_tell_what_was_held_falls_back_to_the_whole_run():
    run = Run()
    run.read("/w/a", stat(1))
    run.create("/w/out", 11)
    record = run.end().record(final(run))
    [manifest] = manifests(record, by_output)
    assert manifest["scope"] == "run"
    assert [chains(record)(output) for output in record["outputs"]] == [[]]


def test_a_process_that_shares_its_parents_descriptors_writes_where_that_one_does():
    run = Pipeline()
    run.child(1, 2, shares=ev.SHARES_FILES)
    run.create("/w/out", 11)
    run.read("/w/a", stat(1), process=2)
    assert run.flows() == {"out": ({"a"}, set())}


def test_a_child_writes_to_what_its_parent_had_open():
    run = Pipeline()
    run.create("/w/out", 11)
    run.child(1, 2, held(11, W))
    run.hold(1)
    run.execute(2, "/usr/bin/prog", "prog")
    run.read("/w/a", stat(1), process=2)
    run.finish(2)
    run.read("/w/b", stat(2))
    assert run.flows() == {"out": ({"a"}, set())}


def test_a_program_that_the_run_made_brings_what_it_was_made_from():
    run = Pipeline()
    run.child(1, 2)
    run.read("/w/x.c", stat(1), process=2)
    run.create("/w/x", 11, process=2)
    run.finish(2)
    run.child(1, 3)
    run.execute(3, "/w/x", "x", seen=stat(11, 5, 9000))
    run.create("/w/out", 12, process=3)
    assert run.flows()["out"] == ({"x.c"}, set())


def test_at_a_path_whose_file_was_replaced_the_reader_has_what_it_opened():
    run = Pipeline()
    run.child(1, 2)
    run.read("/w/t", stat(1))
    run.read("/w/a", stat(2), process=2)
    run.create("/w/t.tmp", 11, process=2)
    run.rename("/w/t.tmp", "/w/t", stat(11, 5, 9000), before(stat(1), 4), process=2)
    run.finish(2)
    run.create("/w/out", 12)
    flows = run.flows()
    assert flows["t"] == ({"a"}, set())
    assert flows["out"] == ({"t"}, set())
    assert at("/w/t", None).path == b"/w/t"


def writers(run: Pipeline) -> dict[str, list[str]]:
    """Who wrote each output last, by the last part of its path."""
    record = run.end().record(final(run))
    return {name(found["output"]["path"]): found["process"]["argv"] for found in manifests(record, by_output)}


def test_the_command_that_a_shell_started_is_the_writer_and_not_the_shell_that_opened():
    """`sort in > out`, in a shell that opens first and forks then; it writes nothing itself."""
    run = Pipeline("sh", "-c", "sort in > out; true")
    run.create("/w/out", 11)
    run.child(1, 2, held(11, W))
    run.hold(1, written=0)
    run.execute(2, "/usr/bin/sort", "sort", "in")
    run.hold(2, held(11, W))
    run.hold(2, held(11, W))
    run.finish(2)
    assert writers(run) == {"out": ["sort", "in"]}


def test_a_subshell_wrote_what_it_closed_before_its_exec():
    """`(echo x > out; exec true)`."""
    run = Pipeline("sh", "-c", "(echo x > out; exec true)")
    run.child(1, 2)
    run.create("/w/out", 11, process=2)
    run.hold(2)
    run.execute(2, "/bin/true", "true")
    run.hold(2)
    run.finish(2)
    assert writers(run) == {"out": ["sh", "-c", "(echo x > out; exec true)"]}


def test_who_keeps_it_open_across_an_exec_writes_as_the_new_program():
    """`exec sort in > out`."""
    run = Pipeline("sh", "-c", "exec sort in > out")
    run.create("/w/out", 11)
    run.execute(1, "/usr/bin/sort", "sort", "in")
    run.hold(1, held(11, W))
    assert writers(run) == {"out": ["sort", "in"]}


def test_the_one_who_holds_it_longest_is_the_last():
    """`{ sort in; echo done; } > out`: the shell writes after its child has ended."""
    run = Pipeline("sh", "-c", "{ sort in; echo done; } > out")
    run.create("/w/out", 11)
    run.child(1, 2, held(11, W), idle=False)
    run.execute(2, "/usr/bin/sort", "sort", "in")
    run.hold(2, held(11, W))
    run.finish(2)
    run.hold(1, held(11, W))
    assert writers(run) == {"out": ["sh", "-c", "{ sort in; echo done; } > out"]}
