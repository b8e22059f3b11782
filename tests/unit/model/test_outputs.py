"""What is an output, by the contract's definitions."""

from __future__ import annotations

import pytest

from shark import events as ev
from shark.model.facts import Facts, Owner
from shark.values import FileId, Stat

from .events_builder import DIGEST, FIFO, SYMLINK, Run, before, final, stat


def outputs(run: Run, facts: Facts | None = None, **header) -> dict[str, dict]:
    record = run.record(facts or final(run), **header)
    return {output["path"]: output for output in record["outputs"]}


def test_a_created_file_is_an_output_even_if_it_is_empty():
    run = Run("prog")
    run.create("/w/x", 2)
    assert list(outputs(run.end())) == ["/w/x"]


def test_the_idiom_of_careful_programs_gives_one_output():
    run = Run("prog")
    run.create("/w/x.tmp", 2)
    run.rename("/w/x.tmp", "/w/x", stat(2, 30, 9_000), before(stat(3)))
    assert list(outputs(run.end())) == ["/w/x"]


def test_a_hard_link_that_replaces_a_temporary_name_gives_one_output():
    run = Run("prog")
    run.create("/w/x.tmp", 2)
    run.link("/w/x.tmp", "/w/x", stat(2, 30, 9_000, nlink=2))
    run.remove("/w/x.tmp", before(stat(2, 30, 9_000, nlink=2)))
    assert list(outputs(run.end())) == ["/w/x"]


def test_so_does_it_where_inodes_are_not_known():
    """As in an imported strace log, whose removals cannot tell how many names are left."""
    run = Run("prog")
    run.write("/w/x.tmp", None, created=True)
    run.link("/w/x.tmp", "/w/x", None)
    run.remove("/w/x.tmp", before(Stat(FileId(0, 0, 0), 0o100000, -1, 0, 1)))
    run.end()
    assert list(outputs(run, final(run, x=stat(2)))) == ["/w/x"]


def test_two_names_of_one_file_are_one_output():
    run = Run("prog")
    run.create("/w/x", 2)
    run.link("/w/x", "/w/y", stat(2, 30, 9_000, nlink=2))
    found = outputs(run.end())
    assert list(found) == ["/w/x"]
    assert found["/w/x"]["names"] == ["/w/x", "/w/y"]


def test_an_unnamed_temporary_file_is_an_output_once_it_is_linked():
    run = Run("prog")
    run.write("/w/#12 (deleted)", stat(2, 0, nlink=0), created=True)
    run.link("", "/w/x", stat(2, 5, 9_000))
    assert list(outputs(run.end())) == ["/w/x"]


def test_an_unnamed_temporary_file_without_a_name_is_none():
    run = Run("prog")
    run.write("/w/#12 (deleted)", stat(2, 0, nlink=0), created=True)
    record = run.end().record(final(run))
    assert not record["outputs"]
    assert record["coverage"]["complete"]


def test_a_file_made_and_removed_is_an_intermediate():
    run = Run("prog")
    run.create("/w/x", 2)
    run.remove("/w/x", before(stat(2, 30, 9_000)))
    assert not outputs(run.end())


def test_a_file_only_renamed_is_no_output():
    run = Run("prog")
    run.rename("/w/x", "/w/y", stat(2))
    assert not outputs(run.end())


def test_a_file_only_touched_is_no_output():
    run = Run("prog")
    run.read("/w/x", stat(2))
    run.touch("/w/x", stat(2, mtime=5_000))
    record = run.end().record(final(run))
    assert not record["outputs"]
    assert record["coverage"]["complete"]


def test_a_truncated_file_is_an_output_also_with_the_same_bytes():
    run = Run("prog")
    run.write("/w/x", stat(2, 0, 5_000), truncated=True, was=before(stat(2)))
    assert list(outputs(run.end())) == ["/w/x"]


def test_a_directory_rename_moves_the_outputs_below_it():
    run = Run("prog")
    run.create("/w/tmp/deep/x", 2)
    run.rename("/w/tmp", "/w/final", stat(9, mode=0o040755))
    assert list(outputs(run.end())) == ["/w/final/deep/x"]


def test_an_exchange_swaps_the_outputs():
    run = Run("prog")
    run.create("/w/new", 2)
    run.read("/w/old", stat(3))
    run.rename("/w/new", "/w/old", stat(2, 0, 9_000), before(stat(3), 7), exchanged=True)
    record = run.end().record(final(run))
    assert [output["path"] for output in record["outputs"]] == ["/w/old"]
    assert [entry["path"] for entry in record["files"] if entry["id"][1] == 3] == ["/w/new"]


class TestOpenedForWritingWithItsContentKept:
    def run(self, **more) -> Run:
        run = Run("prog")
        run.write("/w/x", stat(2), access=ev.READ | ev.WRITE, was=before(stat(2), 7), **more)
        return run.end()

    def test_not_changed_is_no_output(self):
        run = self.run()
        facts = final(run)
        facts.digests = dict.fromkeys(facts.digests, DIGEST(7))
        assert not outputs(run, facts)

    def test_another_mtime_is_an_output(self):
        run = self.run()
        assert list(outputs(run, final(run, x=stat(2, mtime=5_000)))) == ["/w/x"]

    def test_a_rewrite_within_the_clocks_tick_is_an_output_since_the_digests_differ(self):
        run = self.run()
        facts = final(run)
        facts.digests = dict.fromkeys(facts.digests, DIGEST(8))
        assert list(outputs(run, facts)) == ["/w/x"]

    def test_the_digest_is_taken_past_the_cache(self):
        from shark.model.facts import Header
        from shark.model.questions import hash_plan

        run = self.run()
        [task] = [task for task in hash_plan(run.model, final(run), Header("r", "0")) if task.path == b"/w/x"]
        assert task.fresh

    def test_without_digests_the_same_state_is_no_output(self):
        run = self.run()
        facts = final(run)
        facts.digests = {}
        assert not outputs(run, facts)

    @pytest.mark.parametrize(("digest", "expected"), [(7, []), (8, ["/w/x"]), (0, ["/w/x"])])
    def test_a_set_mtime_proves_nothing(self, digest, expected):
        run = Run("prog")
        run.write("/w/x", stat(2), was=before(stat(2), 7))
        run.touch("/w/x", stat(2, mtime=4_000))
        facts = final(run.end())
        facts.digests = dict.fromkeys(facts.digests, DIGEST(digest)) if digest else {}
        assert list(outputs(run, facts)) == expected

    def test_a_second_opening_that_shows_another_state_is_an_output(self):
        run = Run("prog")
        run.write("/w/x", stat(2), was=before(stat(2), 7))
        run.write("/w/x", stat(2, mtime=6_000), was=before(stat(2, mtime=6_000), 8))
        assert list(outputs(run.end())) == ["/w/x"]

    def test_a_touch_that_shows_another_size_is_an_output(self):
        run = Run("prog")
        run.write("/w/x", stat(2), was=before(stat(2), 7))
        run.touch("/w/x", stat(2, size=11, mtime=4_000))
        facts = final(run.end())
        facts.digests = {}
        assert list(outputs(run, facts)) == ["/w/x"]


class TestChangedWithoutAWrite:
    def test_truncation_is_an_output(self):
        run = Run("prog")
        run.change("/w/x", stat(2, 4, 5_000), before(stat(2), 7))
        [output] = run.end().record(final(run))["outputs"]
        assert output["path"] == "/w/x"

    def test_an_allocation_that_changes_nothing_is_none(self):
        run = Run("prog")
        run.change("/w/x", stat(2), before(stat(2), 7))
        facts = final(run.end())
        facts.digests = dict.fromkeys(facts.digests, DIGEST(7))
        assert not outputs(run, facts)

    def test_without_a_state_from_before_it_counts_as_changed(self):
        run = Run("prog")
        run.change("/w/x", stat(2), None)
        assert list(outputs(run.end())) == ["/w/x"]

    def test_what_is_no_regular_file_is_not_followed(self):
        run = Run("prog")
        run.change("/w/x", stat(2, mode=FIFO), None)
        assert not outputs(run.end())


class TestInheritedDescriptors:
    def test_a_redirection_is_an_output(self):
        run = Run("sort")
        run.read("/w/a", stat(1), via="inherited")
        run.write("/w/b", stat(2, 0), was=before(stat(2, 0)), via="inherited")
        found = outputs(run.end(), final(run, b=stat(2, 10, 9_000)))
        assert list(found) == ["/w/b"]
        assert "attached" not in found["/w/b"]

    def test_a_redirection_that_stays_empty_is_none(self):
        run = Run("sort")
        run.write("/w/b", stat(2, 0), was=before(stat(2, 0)), via="inherited")
        facts = final(run.end())
        facts.digests = {}
        assert not outputs(run, facts)

    def test_a_log_is_recorded_but_not_attached(self):
        run = Run("prog")
        run.write("/w/log", stat(2), append=True, was=before(stat(2)), via="inherited")
        found = outputs(run.end(), final(run, log=stat(2, 20, 9_000)))
        assert found["/w/log"]["attached"] == "none"
        assert "log" in found["/w/log"]["why"]

    def test_a_log_that_the_run_opens_itself_is_an_ordinary_output(self):
        run = Run("prog")
        run.write("/w/log", stat(2), append=True, was=before(stat(2)), via="inherited")
        run.write("/w/log", stat(2, 12, 6_000), append=True, was=before(stat(2, 12, 6_000), 3))
        found = outputs(run.end(), final(run, log=stat(2, 20, 9_000)))
        assert "attached" not in found["/w/log"]


class TestRecordedButNotAttached:
    def one(self, path: str, facts_of=final, **header) -> dict:
        run = Run("prog")
        run.create(path, 2)
        run.end()
        return outputs(run, facts_of(run), **header)[path]

    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("/w/__pycache__/m.cpython-311.pyc", "role cache"),
            ("/etc/x", "role system"),
            ("/w/.git/index", "role cache"),
        ],
    )
    def test_caches_and_the_systems_files(self, path, why):
        assert self.one(path)["why"] == why

    def test_ignored_files(self):
        assert self.one("/w/x.log", ignored=lambda path: path.endswith(b".log"))["why"] == "ignored"

    def test_an_installation(self):
        def facts_of(run):
            facts = final(run)
            facts.owners[b"/usr/share/p/x"] = Owner("pkg:deb/debian/p@1", modified=False)
            return facts

        assert self.one("/usr/share/p/x", facts_of)["why"] == "owned by a package"

    def test_a_packages_file_that_the_run_changed_is_attached(self):
        def facts_of(run):
            facts = final(run)
            facts.owners[b"/etc/p.conf"] = Owner("pkg:deb/debian/p@1", modified=True)
            return facts

        assert "attached" not in self.one("/etc/p.conf", facts_of)


def test_sidecars_are_never_outputs():
    run = Run("prog")
    run.create("/w/.x.shark", 2)
    assert not outputs(run.end())


def test_an_output_that_someone_else_removed_is_a_gap():
    run = Run("prog")
    run.create("/w/x", 2)
    record = run.end().record(final(run, x=None))
    assert not record["outputs"]
    assert [gap["kind"] for gap in record["coverage"]["gaps"]] == ["changed-outside"]


def test_an_output_that_someone_else_replaced_is_none():
    run = Run("prog")
    run.create("/w/x", 2)
    assert not outputs(run.end(), final(run, x=stat(99)))


def test_an_output_on_an_overlay_may_have_another_birth_afterwards():
    run = Run("prog")
    run.create("/w/x", 2)
    run.end()
    seen = run.file("/w/x").current
    other_birth = Stat(FileId(1, 2, 8), 0o100644, seen.size, seen.mtime, 1)
    assert list(outputs(run, final(run, x=other_birth))) == ["/w/x"]
    assert not outputs(run, final(run, x=Stat(FileId(1, 2, 8), 0o100644, 77, 77, 1)))


def test_a_file_that_was_not_looked_at_is_believed_to_be_there():
    run = Run("prog")
    run.create("/w/x", 2)
    assert list(outputs(run.end(), Facts())) == ["/w/x"]


@pytest.mark.parametrize("path", ["/proc/7/oom_score_adj", "/sys/fs/cgroup/x/cgroup.procs", "/dev/cpu_dma_latency"])
def test_what_is_said_to_the_kernel_is_written_and_no_output(path: str):
    run = Run("prog")
    run.write(path, stat(2, 0), was=before(stat(2, 0)), truncated=True)
    run.create("/dev/shm/x", 3)
    run.create("/w/x", 4)
    record = run.end().record(final(run))
    assert [output["path"] for output in record["outputs"]] == ["/dev/shm/x", "/w/x"]
    [written] = [entry["n"] for entry in record["files"] if entry["path"] == path]
    assert [edge["access"] for edge in record["edges"] if edge["file"] == written] == ["write"]
    assert record["coverage"]["complete"]


def test_memory_files_are_the_runs_own_and_no_outputs():
    run = Run("prog")
    run.write("/memfd:x (deleted)", stat(2, 0, nlink=0), access=ev.READ | ev.WRITE)
    record = run.end().record(final(run))
    assert not record["outputs"]
    assert record["files"][-1]["versions"][0]["n"] == 1


def test_a_link_that_takes_over_the_inode_of_an_unnamed_file_is_no_output():
    """No call removes a file of O_TMPFILE: it ends when it is closed, and its number may be another's at once."""
    run = Run("prog")
    run.write("/w/#7", stat(7, 0, nlink=0), created=True)
    run.observe(ev.Symlinked, 1, b"target", b"/w/link")
    run.rename("/w/link", "/w/link2", stat(7, 6, mode=SYMLINK))
    assert outputs(run.end()) == {}
    assert run.file("/w/link2").kind == "symlink"
