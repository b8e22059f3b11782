"""What is an input, with which digest, and which gaps there are when it cannot be known. Never is one missed."""

from __future__ import annotations

import pytest

from shark import events as ev
from shark.model.facts import Facts, Header, Owner
from shark.model.manifest import manifests
from shark.model.questions import compiled_source, hash_plan, is_sidecar
from shark.values import FileId, Stat

from .events_builder import CHARACTER, DIGEST, DIRECTORY, FIFO, Run, at, before, explained, final, stat


def with_output(run: Run) -> Run:
    run.create("/w/out", 999)
    return run.end()


def of(run: Run, facts: Facts | None = None, output: str = "/w/out", **header) -> dict[str, dict]:
    """The inputs of one output by path, without the program itself."""
    record = run.record(facts or final(run), **header)
    [manifest] = [manifest for manifest in manifests(record) if manifest["output"]["path"] == output]
    return {entry["path"]: entry for entry in manifest["inputs"] if not entry["path"].startswith("/usr/bin/")}


def gaps(run: Run, facts: Facts | None = None, **header) -> list[tuple[str, str]]:
    coverage = run.record(facts or final(run), **header)["coverage"]
    assert coverage["complete"] == (not coverage["gaps"])
    return [(gap["kind"], gap["detail"]) for gap in coverage["gaps"]]


def test_a_file_that_was_read_is_an_input_with_its_final_digest():
    run = Run("prog")
    run.read("/w/a", stat(1))
    facts = final(with_output(run))
    found = of(run, facts)
    assert found["/w/a"] == {"path": "/w/a", "sha256": DIGEST(run.file("/w/a").n), "size": 10, "role": "data"}


def test_the_path_as_used_is_told_when_a_link_led_elsewhere():
    run = Run("prog")
    run.read("/w/a", stat(1), used="/w/link")
    assert of(with_output(run))["/w/a"]["as"] == "/w/link"


@pytest.mark.parametrize("runs", [["r1"], ["r1", "r2"]])
def test_the_run_that_made_it_is_named_only_if_it_is_certain(runs):
    run = Run("prog")
    run.read("/w/a", stat(1))
    facts = final(with_output(run))
    facts.input_runs = {run.file("/w/a").n: runs}
    entry = of(run, facts)["/w/a"]
    assert (entry.get("run"), entry.get("runs")) == (("r1", None) if len(runs) == 1 else (None, runs))


def test_a_change_in_place_makes_the_old_content_an_input():
    run = Run("gdaladdo")
    run.write("/w/t.tif", stat(2), access=ev.READ | ev.WRITE, was=before(stat(2), 7))
    found = of(run.end(), final(run, t_tif=stat(2, 50, 9_000)), "/w/t.tif")
    assert found["/w/t.tif"] == {"path": "/w/t.tif", "sha256": DIGEST(7), "size": 10, "role": "data"}


def test_an_appended_file_is_its_own_input_but_not_that_of_others():
    run = Run("prog")
    run.write("/w/sum", stat(2), append=True, was=before(stat(2), 7))
    with_output(run)
    facts = final(run, sum=stat(2, 50, 9_000))
    assert of(run, facts, "/w/sum")["/w/sum"]["sha256"] == DIGEST(7)
    assert "/w/sum" not in of(run, facts)


def test_what_reads_a_file_changed_in_place_derives_from_its_old_content():
    run = Run("prog")
    run.write("/w/x", stat(2), was=before(stat(2), 7))
    run.read("/w/x", stat(2, 12, 5_000), 2)
    assert of(with_output(run), final(run))["/w/x"]["sha256"] == DIGEST(7)


def test_nothing_derives_from_an_empty_file_that_was_only_written():
    run = Run("sort")
    run.read("/w/a", stat(1), via="inherited")
    run.write("/w/b", stat(2, 0), was=before(stat(2, 0)), via="inherited")
    assert list(of(run.end(), final(run, b=stat(2, 10, 9_000)), "/w/b")) == ["/w/a"]


def test_an_empty_file_that_was_read_is_an_input():
    run = Run("prog")
    run.read("/w/a", stat(1, 0))
    assert "/w/a" in of(with_output(run))


def test_a_truncated_file_is_no_input():
    run = Run("prog")
    run.write("/w/x", stat(2, 0, 5_000), truncated=True, was=before(stat(2)))
    assert not of(run.end(), output="/w/x")


def test_a_truncated_file_is_none_even_if_its_former_state_is_not_known():
    run = Run("prog")
    run.write("/w/x", stat(2, 0, 5_000), truncated=True)
    record = run.end().record(final(run))
    [entry] = [entry for entry in record["files"] if entry["path"] == "/w/x"]
    assert "size" not in entry["versions"][0]
    assert not of(run, output="/w/x")


def test_a_file_read_and_then_overwritten_is_an_input_with_the_digest_from_before():
    run = Run("prog")
    run.read("/w/x", stat(2))
    run.write("/w/x", stat(2, 0, 5_000), truncated=True, was=before(stat(2), 7))
    assert of(run.end(), output="/w/x")["/w/x"]["sha256"] == DIGEST(7)
    assert not gaps(run)


def test_a_file_read_and_then_replaced_by_a_rename_is_an_input_with_the_digest_from_before():
    run = Run("sed")
    run.read("/w/x", stat(2))
    run.create("/w/sedA", 3)
    run.rename("/w/sedA", "/w/x", stat(3, 30, 9_000), before(stat(2), 7))
    assert of(run.end(), output="/w/x")["/w/x"]["sha256"] == DIGEST(7)


def test_a_file_read_and_then_removed_is_an_input_with_the_digest_from_before():
    run = Run("prog")
    run.read("/w/x", stat(2))
    run.remove("/w/x", before(stat(2), 7))
    assert of(with_output(run))["/w/x"]["sha256"] == DIGEST(7)


def test_an_input_renamed_after_reading_is_the_same_input_at_its_new_place():
    run = Run("prog")
    run.read("/w/x", stat(2))
    run.rename("/w/x", "/w/x.bak", stat(2))
    found = of(with_output(run))
    assert found["/w/x.bak"]["as"] == "/w/x"
    assert found["/w/x.bak"]["sha256"]


def test_an_input_that_got_a_further_name_or_other_times_stays_the_same_input():
    run = Run("prog")
    run.read("/w/x", stat(2))
    run.link("/w/x", "/w/y", stat(2, nlink=2))
    run.touch("/w/x", stat(2, nlink=2, mtime=7_000))
    run.read("/w/y", stat(2, nlink=2, mtime=7_000))
    assert list(of(with_output(run))) == ["/w/x"]
    assert not gaps(run)


def test_what_the_run_made_is_no_input():
    run = Run("prog")
    run.create("/w/x", 2)
    run.read("/w/x", stat(2, 20, 9_000), 2)
    assert not of(with_output(run))


def test_a_removed_name_of_which_others_live_on_keeps_the_input():
    run = Run("prog")
    run.read("/w/x", stat(2, nlink=2))
    run.remove("/w/x", before(stat(2, nlink=2), 7))
    run.read("/w/y", stat(2))
    assert of(with_output(run))["/w/y"]["sha256"]


class TestInodeNumbersAreReused:
    def test_a_new_file_under_the_number_of_a_removed_one_is_another_file(self):
        run = Run("prog")
        run.read("/w/x", stat(2))
        run.remove("/w/x", before(stat(2), 7))
        run.create("/w/y", 2)
        found = of(run.end(), output="/w/y")
        assert found["/w/x"]["sha256"] == DIGEST(7)
        assert "/w/y" not in found

    def test_also_when_nobody_was_seen_to_create_it(self):
        run = Run("prog")
        run.create("/w/x", 2)
        run.remove("/w/x", before(stat(2, 3, 3)))
        run.read("/w/y", stat(2, 9, 9))
        assert "/w/y" in of(with_output(run))

    def test_a_descriptor_of_the_removed_file_still_means_the_removed_file(self):
        run = Run("prog")
        run.create("/w/x", 2)
        run.remove("/w/x", before(stat(2, 3, 3)))
        run.read("/w/x", stat(2, 3, 3, nlink=0))
        assert not of(with_output(run))

    def test_a_file_replaced_by_an_outsider_under_the_same_number_is_another_file(self):
        run = Run("prog")
        run.read("/w/x", stat(2))
        run.create("/w/y", 2)
        assert "/w/x" in {entry["path"] for entry in run.end().record(final(run))["files"]}
        assert run.file("/w/y").n != run.file("/w/x").n


class TestCallsThatOverlap:
    def test_a_reader_told_of_before_the_creator_read_the_creators_file(self):
        run = Run("prog")
        run.overlap(20, 30).read("/w/x", stat(2, 0), 2)
        run.overlap(10, 40).create("/w/x", 2)
        assert not of(with_output(run))

    def test_a_reader_that_saw_the_truncated_file_before_the_call_was_told_of(self):
        run = Run("prog")
        run.read("/w/x", stat(2))
        run.overlap(20, 30).read("/w/x", stat(2, 0, 8_000), 2)
        run.overlap(10, 40).write("/w/x", stat(2, 0, 8_000), truncated=True, was=before(stat(2), 7))
        assert of(with_output(run))["/w/x"]["sha256"] == DIGEST(7)
        assert not gaps(run)

    def test_a_reader_that_saw_the_content_in_change_derives_from_the_old_one_too(self):
        run = Run("prog")
        run.read("/w/x", stat(2))
        run.overlap(20, 30).read("/w/x", stat(2, 12, 8_000), 2)
        run.overlap(10, 40).write("/w/x", stat(2, 12, 8_000), was=before(stat(2), 7))
        assert of(with_output(run))["/w/x"]["sha256"] == DIGEST(7)
        assert not gaps(run)

    def test_two_creators_at_once_made_one_file(self):
        run = Run("prog")
        run.overlap(10, 40).create("/w/x", 2)
        run.overlap(20, 50).create("/w/x", 2, 2)
        assert [entry["path"] for entry in run.end().record(final(run))["outputs"]] == ["/w/x"]

    def test_a_reader_during_the_removal_read_the_removed_file(self):
        run = Run("prog")
        run.create("/w/x", 2)
        run.overlap(20, 30).remove("/w/x", before(stat(2, 3, 3)))
        run.overlap(10, 40).read("/w/x", stat(2, 3, 3), 2)
        assert not of(with_output(run))


class TestChangedOutside:
    def test_between_reading_and_the_end(self):
        run = Run("prog")
        run.read("/w/x", stat(2))
        facts = final(with_output(run), x=stat(2, 11, 9_000))
        assert "sha256" not in of(run, facts)["/w/x"]
        assert [kind for kind, _ in gaps(run, facts)] == ["changed-outside"]

    def test_between_two_readings_gives_two_inputs(self):
        run = Run("prog")
        run.read("/w/x", stat(2))
        run.read("/w/x", stat(2, 11, 9_000))
        facts = final(with_output(run))
        record = run.record(facts)
        entries = [entry for entry in next(manifests(record))["inputs"] if entry["path"] == "/w/x"]
        assert [(entry["size"], "sha256" in entry) for entry in entries] == [(10, False), (11, True)]
        assert [kind for kind, _ in gaps(run, facts)] == ["changed-outside"]

    def test_before_the_run_changed_it(self):
        run = Run("prog")
        run.read("/w/x", stat(2))
        run.write("/w/x", stat(2, 0, 9_900), truncated=True, was=before(stat(2, 11, 9_000), 7))
        facts = final(with_output(run))
        assert "sha256" not in of(run, facts)["/w/x"]
        assert [kind for kind, _ in gaps(run, facts)] == ["changed-outside"]

    def test_replaced_by_another_file(self):
        run = Run("prog")
        run.read("/w/x", stat(2))
        run.read("/w/x", stat(3))
        record = with_output(run).record(final(run))
        inputs = [entry for entry in next(manifests(record))["inputs"] if entry["path"] == "/w/x"]
        assert ["sha256" in entry for entry in inputs] == [False, True]
        assert [gap["kind"] for gap in record["coverage"]["gaps"]] == ["changed-outside"]

    def test_removed(self):
        run = Run("prog")
        run.read("/w/x", stat(2))
        facts = final(with_output(run), x=None)
        assert "sha256" not in of(run, facts)["/w/x"]
        assert [kind for kind, _ in gaps(run, facts)] == ["changed-outside"]

    def test_a_touch_that_shows_another_size(self):
        run = Run("prog")
        run.read("/w/x", stat(2))
        run.touch("/w/x", stat(2, 99, 9_000))
        assert [kind for kind, _ in gaps(with_output(run))] == ["changed-outside"]

    def test_time_and_again_stays_bounded(self):
        run = Run("prog")
        for n in range(300):
            run.read("/w/x", stat(2, n, n))
        assert len(run.file("/w/x").versions) < 100
        assert "/w/x" in of(with_output(run))


def test_an_input_whose_hashing_failed_is_a_gap():
    run = Run("prog")
    run.read("/w/x", stat(2))
    facts = final(with_output(run))
    facts.digests = {}
    facts.unhashed = {run.file("/w/x").n: "over the limit"}
    assert gaps(run, facts) == [("unhashed", "/w/x: over the limit")]
    assert "sha256" not in of(run, facts)["/w/x"]


def test_an_input_whose_former_content_could_not_be_hashed_is_a_gap():
    run = Run("prog")
    run.read("/w/x", stat(2))
    run.remove("/w/x", before(stat(2), why="over the limit"))
    assert gaps(with_output(run)) == [("unhashed", "/w/x: over the limit")]


def test_an_input_whose_former_content_nobody_hashed_is_a_gap():
    run = Run("prog")
    run.read("/w/x", stat(2))
    run.remove("/w/x", before(stat(2)))
    [(kind, detail)] = gaps(with_output(run))
    assert kind == "unhashed"
    assert "before its content was hashed" in detail


def test_ignored_inputs_are_listed_but_neither_hashed_nor_a_gap():
    run = Run("prog")
    run.read("/w/x", stat(2))
    with_output(run)
    header = {"ignored": lambda path: path == b"/w/x"}
    facts = final(run)
    plan = hash_plan(run.model, facts, Header("r", "0", **header))
    assert b"/w/x" not in {task.path for task in plan}
    facts.digests = {}
    assert not gaps(run, facts, **header)


class TestCompiledModules:
    PYC = "/w/__pycache__/m.cpython-311.pyc"

    @pytest.mark.parametrize(
        ("path", "source"),
        [
            (b"/w/__pycache__/m.cpython-311.opt-1.pyc", b"/w/m.py"),
            (b"/w/m.pyc", b"/w/m.py"),
            (b"/w/m.py", None),
        ],
    )
    def test_the_source(self, path, source):
        assert compiled_source(path) == source

    def test_reading_one_counts_as_reading_its_source(self):
        run = Run("prog")
        run.read(self.PYC, stat(5))
        run.read(self.PYC, stat(5), 2)
        with_output(run)
        source = next(question for question in run.model.questions() if question.path == b"/w/m.py")
        assert explained(run.model.files[source.n]) is None
        facts = final(run, m_py=stat(6, 33))
        found = of(run, facts)
        assert found["/w/m.py"] == {
            "path": "/w/m.py",
            "as": self.PYC,
            "sha256": DIGEST(source.n),
            "size": 33,
            "role": "code",
        }
        assert self.PYC not in found

    def test_without_a_source_it_is_itself_the_input(self):
        run = Run("prog")
        run.read(self.PYC, stat(5))
        assert of(with_output(run), final(run, m_py=None))[self.PYC]["role"] == "code"

    def test_a_source_that_was_read_too_is_one_input(self):
        run = Run("prog")
        run.read("/w/m.py", stat(6))
        run.read(self.PYC, stat(5))
        assert list(of(with_output(run))) == ["/w/m.py"]

    def test_the_package_that_owns_the_source_is_the_software(self):
        run = Run("prog")
        run.read(self.PYC, stat(5))
        facts = final(with_output(run), m_py=stat(6))
        facts.owners[b"/w/m.py"] = Owner("pkg:pypi/m@1", modified=False)
        assert run.record(facts)["software"] == ["pkg:pypi/m@1"]
        assert not of(run, facts)


class TestRolesDecide:
    def test_packages_are_software_and_their_changed_files_inputs(self):
        run = Run("prog")
        run.read("/usr/lib/p/a.dat", stat(5))
        run.read("/usr/lib/p/b.dat", stat(6))
        facts = final(with_output(run))
        facts.owners[b"/usr/lib/p/a.dat"] = Owner("pkg:deb/debian/p@1", modified=False)
        facts.owners[b"/usr/lib/p/b.dat"] = Owner("pkg:deb/debian/q@1", modified=True)
        record = run.record(facts)
        assert record["software"] == ["pkg:deb/debian/p@1"]
        assert list(of(run, facts)) == ["/usr/lib/p/b.dat"]
        plan = {task.path for task in hash_plan(run.model, facts, Header("r", "0"))}
        assert b"/usr/lib/p/b.dat" in plan
        assert b"/usr/lib/p/a.dat" not in plan

    def test_system_files_and_caches_are_neither_listed_nor_hashed(self):
        run = Run("prog")
        run.read("/etc/ld.so.cache", stat(5))
        run.read("/w/.git/HEAD", stat(6))
        run.read("/proc/self/maps", stat(7))
        with_output(run)
        assert not of(run)
        plan = {task.path for task in hash_plan(run.model, final(run), Header("r", "0"))}
        assert plan == {b"/usr/bin/prog", b"/w/out"}

    def test_a_script_named_by_an_argument_is_code(self):
        run = Run("Rscript", "x.txt")
        run.read("/w/x.txt", stat(5))
        run.read("/w/y.txt", stat(6))
        found = of(with_output(run))
        assert (found["/w/x.txt"]["role"], found["/w/y.txt"]["role"]) == ("code", "data")

    def test_a_script_of_a_hash_bang_line_is_code_and_the_loader_is_executed_too(self):
        run = Run("sh")
        run.execute(1, "/usr/bin/sh", "./job", scripts=[at("/w/job", stat(5))], loader=at("/w/ld.so", stat(6)))
        found = of(with_output(run))
        assert found["/w/job"]["role"] == "code"
        assert "/w/ld.so" in found
        [process] = run.record(final(run))["processes"]
        assert process["images"][1]["script"] == "/w/job"


def test_sidecars_are_never_inputs():
    assert is_sidecar(b"/w/.x.shark")
    assert not is_sidecar(b"/w/x.shark")
    assert not is_sidecar(b"/w/.shark")
    run = Run("prog")
    run.read("/w/.x.shark", stat(5))
    assert not of(with_output(run))


def test_directories_and_devices_are_no_inputs():
    run = Run("prog")
    run.list("/w", stat(5, mode=DIRECTORY))
    run.read("/dev/null", stat(6, mode=CHARACTER))
    run.write("/dev/null", stat(6, mode=CHARACTER), access=ev.READ | ev.WRITE)
    run.read("/w/tty", stat(7, mode=CHARACTER))
    assert not of(with_output(run))


def test_a_fifo_from_outside_is_an_input_without_a_digest_and_one_of_the_runs_own_is_none():
    run = Run("prog")
    run.read("/w/from-outside", stat(5, 0, mode=FIFO))
    run.read("/w/own", stat(6, 0, mode=FIFO))
    run.write("/w/own", stat(6, 0, mode=FIFO))
    found = of(with_output(run))
    assert found == {"/w/from-outside": {"path": "/w/from-outside", "role": "data"}}
    assert not gaps(run)


def test_a_pipe_opened_through_dev_fd_has_no_name_and_is_no_input():
    run = Run("prog")
    run.read("pipe:[4711]", stat(5, 0, mode=FIFO), used="/dev/fd/63")
    assert not of(with_output(run))


def test_a_log_is_no_input_of_itself_unless_it_is_read():
    run = Run("prog")
    run.write("/w/log", stat(2), append=True, was=before(stat(2)), via="inherited")
    with_output(run)
    facts = final(run, log=stat(2, 20, 9_000))
    assert not of(run, facts, "/w/log")
    assert not of(run, facts)


def test_a_log_that_is_read_is_an_input():
    run = Run("prog")
    run.write("/w/log", stat(2), append=True, was=before(stat(2)), via="inherited")
    run.read("/w/log", stat(2), 2)
    with_output(run)
    facts = final(run, log=stat(2, 20, 9_000))
    assert "/w/log" in of(run, facts)


def test_a_version_that_a_write_open_left_as_it_was_counts_as_the_given_one():
    run = Run("prog")
    run.write("/w/db", stat(2), access=ev.READ | ev.WRITE, was=before(stat(2), 7))
    run.read("/w/db", stat(2), 2)
    facts = final(with_output(run))
    facts.digests[run.file("/w/db").n] = DIGEST(7)
    assert of(run, facts)["/w/db"]["sha256"] == DIGEST(7)


def test_unchanged_versions_are_seen_through_to_the_first():
    run = Run("prog")
    run.write("/w/db", stat(2), was=before(stat(2), 7))
    run.write("/w/db", stat(2), 2, was=before(stat(2)))
    run.write("/w/db", stat(2), 3, was=before(stat(2)))
    facts = final(with_output(run))
    facts.digests[run.file("/w/db").n] = DIGEST(7)
    record = run.record(facts)
    assert [output["path"] for output in record["outputs"]] == ["/w/out"]
    facts.digests[run.file("/w/db").n] = DIGEST(8)
    assert of(run, facts, "/w/db")["/w/db"]["sha256"] == DIGEST(7)


class TestAnOverlayCopiesUp:
    def lower(self, size: int = 10, mtime: int = 1_000) -> Stat:
        return stat(2, size, mtime, birth=1)

    def upper(self, size: int = 10, mtime: int = 1_000) -> Stat:
        return stat(2, size, mtime, birth=2)

    def test_and_the_file_stays_the_same_when_it_is_opened_for_writing(self):
        run = Run("prog")
        run.read("/w/x", self.lower())
        run.write("/w/x", self.upper(0, 5_000), truncated=True, was=before(self.lower(), 7))
        assert of(run.end(), output="/w/x")["/w/x"]["sha256"] == DIGEST(7)

    def test_and_when_only_its_state_shows_it(self):
        run = Run("prog")
        run.read("/w/x", self.lower())
        run.read("/w/x", self.upper())
        assert len(of(with_output(run))) == 1
        assert not gaps(run)

    def test_and_when_it_is_truncated_by_name(self):
        run = Run("prog")
        run.read("/w/x", self.lower())
        run.change("/w/x", self.upper(4, 5_000), before(self.lower(), 7))
        assert of(run.end(), output="/w/x")["/w/x"]["sha256"] == DIGEST(7)


def test_a_file_replaced_between_look_and_call_is_listed_as_well():
    run = Run("prog")
    run.write("/w/x", stat(3, 5, 5_000), was=before(stat(2), 7))
    record = run.end().record(final(run, x=stat(3, 6, 6_000)))
    assert {entry.get("sha256") for entry in next(manifests(record))["inputs"] if entry["path"] == "/w/x"} >= {
        DIGEST(7)
    }


def test_an_unlinked_file_that_was_inherited_is_an_input_without_a_digest():
    run = Run("cat")
    run.read("/tmp/heredoc (deleted)", stat(5, nlink=0), via="inherited")
    assert "sha256" not in of(with_output(run))["/tmp/heredoc"]


class TestWithoutInodeNumbers:
    """A parsed strace log knows paths only."""

    def test_files_are_told_by_their_paths(self):
        run = Run("prog")
        run.read("/w/a", None)
        run.write("/w/x.tmp", None, created=True)
        run.rename("/w/x.tmp", "/w/x", None)
        run.read("/w/x", None)
        run.end()
        facts = final(run)
        facts.stats = {n: stat(50 + n) for n in facts.stats}
        assert list(of(run, facts, "/w/x")) == ["/w/a"]

    def test_a_file_removed_and_made_again_is_another_one(self):
        nothing = Stat(FileId(0, 0, 0), 0, 0, 0, 1)
        run = Run("prog")
        run.read("/w/x", nothing)
        run.remove("/w/x", ev.Before(nothing, "", ""))
        run.write("/w/x", nothing, created=True)
        run.end()
        facts = final(run)
        facts.stats = {n: stat(50 + n) for n in facts.stats}
        assert "sha256" not in of(run, facts, "/w/x")["/w/x"]

    def test_what_was_written_after_the_run_is_not_what_the_run_read(self):
        run = Run("prog")
        run.read("/w/a", None)
        run.write("/w/x", None, created=True)
        run.end()
        facts = final(run)
        facts.stats = dict.fromkeys(facts.stats, stat(50, mtime=run.model.ended.time + 1))
        facts.digests = dict.fromkeys(facts.stats, DIGEST(1))
        assert "sha256" not in of(run, facts, "/w/x")["/w/a"]
        assert "changed-outside" in {kind for kind, _ in gaps(run, facts)}
        assert "sha256" not in run.record(facts)["outputs"][0]

    def test_a_file_made_anew_without_a_removal_is_another_one(self):
        run = Run("prog")
        run.read("/w/x", None)
        run.write("/w/x", None, created=True)
        run.end()
        record = run.record(Facts())
        assert [entry["path"] for entry in record["files"]].count("/w/x") == 2
        assert len(record["outputs"]) == 1


def test_questions_leave_out_what_cannot_matter():
    run = Run("prog")
    run.read("/proc/1/stat", stat(5))
    run.read("/proc/1/stat", stat(6))
    run.read("/w/gone", stat(7))
    run.remove("/w/gone", before(stat(7)))
    run.list("/w", stat(8, mode=DIRECTORY))
    run.rename("/w/a", "/w/b", stat(9))
    run.touch("/w/never-seen", stat(10))
    assert [question.path for question in run.model.questions()] == [b"/usr/bin/prog"]
    assert sum(file.path == b"/proc/1/stat" for file in run.model.files.all) == 1
