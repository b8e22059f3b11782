"""Manifests from a record alone, their folding, and their summary."""

from __future__ import annotations

import hashlib

from shark import events as ev
from shark import jsontext
from shark.model import folding
from shark.model.derivation import Derivation
from shark.model.folding import LIMIT, Folder, fold_inputs
from shark.model.manifest import SUMMARY_LIMIT, attachments, manifests, summary

from .events_builder import DIGEST, Run, before, final, stat


def one(run: Run) -> dict:
    [manifest] = manifests(run.record(final(run)))
    return manifest


def simple(*argv: str) -> Run:
    run = Run(*(argv or ("prog", "x")))
    run.read("/w/a", stat(1))
    run.create("/w/out", 2)
    return run.end()


def test_the_fields_in_their_order():
    assert list(one(simple())) == [
        "schema", "scope", "run", "made", "output", "inputs", "software", "command", "process", "coverage", "shark",
    ]  # fmt: skip


def test_a_record_read_back_gives_the_same_bytes():
    run = simple()
    record = run.record(final(run))
    again = jsontext.loads(jsontext.dumps(record))
    assert [jsontext.dumps(m) for m in manifests(again)] == [jsontext.dumps(m) for m in manifests(record)]


def test_without_outputs_there_are_none():
    assert list(manifests(Run("prog").end().record())) == []


def test_an_output_without_a_known_state_has_no_time():
    run = Run("prog")
    run.write("/w/out", None, created=True)
    manifest = next(manifests(run.end().record()))
    assert "made" not in manifest
    assert manifest["output"] == {"path": "/w/out"}


def test_only_what_shall_be_attached():
    run = Run("prog")
    run.create("/w/out", 2)
    run.create("/w/__pycache__/x", 3)
    record = run.end().record(final(run))
    assert len(list(manifests(record))) == 2
    assert [output["path"] for output, _ in attachments(record)] == ["/w/out"]


def test_another_choice_of_inputs_can_be_put_in():
    run = simple()
    control = {"path": "/w/list", "role": "data"}

    def derive(record):
        return lambda output: Derivation("output", [], [control], [])

    [manifest] = manifests(run.record(final(run)), derive)
    assert manifest["scope"] == "output"
    assert manifest["controls"] == [control]
    assert summary(manifest)["counts"] == {"inputs": 0, "controls": 1, "software": 0}


class TestTheProcessThatWrote:
    def writer(self, run: Run, path: str = "/w/out") -> dict:
        record = run.end().record(final(run))
        return next(m for m in manifests(record) if m["output"]["path"] == path).get("process", {})

    def test_a_shells_redirection_names_the_program_that_it_became(self):
        run = Run("sh")
        run.fork(1, 2)
        run.create("/w/out", 2, 2)
        run.execute(2, "/usr/bin/sort", "sort", "x", cwd="/w")
        process = self.writer(run)
        assert (process["n"], process["argv"], process["exe"]) == (2, ["sort", "x"], "/usr/bin/sort")

    def test_a_program_that_wrote_before_it_became_another_is_named_itself(self):
        run = Run("sh")
        run.create("/w/out", 2)
        run.execute(1, "/usr/bin/sort", "sort")
        assert self.writer(run)["argv"] == ["sh"]

    def test_a_worker_is_named_by_the_program_that_forked_it(self):
        run = Run("python3")
        run.fork(1, 2)
        run.fork(2, 3)
        run.create("/w/out", 2, 3)
        assert self.writer(run)["argv"] == ["python3"]

    def test_a_process_of_which_little_is_known(self):
        run = Run("sh")
        run.create("/w/out", 2, 7)
        assert self.writer(run)["argv"] == []
        run = Run("sh")
        run.observe(ev.ProcessStarted, 8, 7, 1, 1, 0)
        run.create("/w/out", 2, 8)
        assert self.writer(run)["argv"] == []


class TestSummary:
    def test_it_stays_small_whatever_the_command(self):
        for argv in (["x" * 100_000], ['ä\n"' * 50] * 1000, ["prog"]):
            manifest = one(simple(*["prog", *argv]))
            found = summary(manifest)
            assert len(jsontext.dumps(found)) < SUMMARY_LIMIT
            assert found["command"].get("cut", False) == (argv != ["prog"])

    def test_it_tells_which_manifest_it_is_of(self):
        manifest = one(simple())
        found = summary(manifest)
        assert found["manifest_sha256"] == hashlib.sha256(jsontext.dumps(manifest)).hexdigest()
        assert found["output"] == {"sha256": manifest["output"]["sha256"], "size": manifest["output"]["size"]}
        assert found["counts"] == {"inputs": 2, "software": 0}
        assert found["command"]["exit"] == 0


def with_inputs(*inputs: dict, **more) -> dict:
    return {"inputs": list(inputs), "software": [], "command": {"argv": []}, "coverage": {"gaps": []}, **more}


def entry(path: str, n: int = 1, **more) -> dict:
    return {"path": path, "sha256": DIGEST(n), "size": n, "role": "data", **more}


class TestFolding:
    def test_a_small_manifest_stays_as_it_is(self):
        manifest = with_inputs(entry("/a/x"))
        assert fold_inputs(manifest) is manifest
        empty = with_inputs()
        assert fold_inputs(empty) is empty

    def test_a_large_one_folds_by_directory_as_sha256sum_would_say(self):
        inputs = [entry(f"/a/{n:04}", n) for n in range(1, 1001)]
        folded = fold_inputs(with_inputs(*inputs, entry("/b/x")))
        lines = sorted(f"{DIGEST(n)}  {n:04}\n" for n in range(1, 1001))
        assert folded["inputs"] == [
            {
                "path": "/a",
                "files": 1000,
                "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
                "size": sum(range(1, 1001)),
                "role": "data",
            },
            entry("/b/x"),
        ]

    def test_the_record_keeps_them_one_by_one(self):
        run = Run("prog")
        for n in range(1000):
            run.read(f"/w/in/{n:04}", stat(n + 10))
        run.create("/w/out", 2)
        record = run.end().record(final(run))
        manifest = next(manifests(record))
        assert len(jsontext.dumps(manifest)) <= LIMIT
        assert [(e["path"], e.get("files")) for e in manifest["inputs"]] == [("/usr/bin/prog", None), ("/w/in", 1000)]
        assert summary(manifest)["counts"]["inputs"] == 1001
        assert len(record["files"]) == 1002

    def test_an_outputs_own_earlier_content_is_never_folded(self):
        run = Run("prog")
        for n in range(1000):
            run.read(f"/w/in/{n:04}", stat(n + 10))
        for n in range(3):
            run.write(f"/w/in/log{n}", stat(5000 + n), append=True, was=before(stat(5000 + n), 7))
        record = run.end().record(final(run, **{f"log{n}": stat(5000 + n, 20, 9_000) for n in range(3)}))
        every = list(manifests(record))
        assert len(every) == 3
        for n, manifest in enumerate(every):
            assert len(jsontext.dumps(manifest)) <= LIMIT
            assert [(e["path"], e.get("files")) for e in manifest["inputs"]] == [
                ("/usr/bin/prog", None), ("/w/in", 1000), (f"/w/in/log{n}", None),
            ]  # fmt: skip

    def test_roles_are_never_mixed(self):
        inputs = [entry(f"/a/{n}", n, role="code" if n % 2 else "data") for n in range(1, 2001)]
        folded = fold_inputs(with_inputs(*inputs))["inputs"]
        assert [(e["path"], e["files"], e["role"]) for e in folded] == [("/a", 1000, "code"), ("/a", 1000, "data")]

    def test_many_directories_fold_into_their_parents(self):
        inputs = [entry(f"/a/b{n:04}/c/x{m}", n) for n in range(1000) for m in range(2)]
        folded = fold_inputs(with_inputs(*inputs))
        assert len(jsontext.dumps(folded)) <= LIMIT
        assert [(e["path"], e["files"]) for e in folded["inputs"]] == [("/a", 2000)]

    def test_below_the_root_there_is_nothing_left_to_fold(self):
        inputs = [entry(f"/{n:04}", n) for n in range(1, 1001)]
        assert [e["path"] for e in fold_inputs(with_inputs(*inputs))["inputs"]] == ["/"]
        lone = [entry(f"/d{n}", n, role=f"r{n}") for n in range(1000)]
        assert len(fold_inputs(with_inputs(*lone))["inputs"]) == 1000

    def test_without_all_digests_there_is_none_of_the_whole(self):
        inputs = [entry(f"/a/{n}", n) for n in range(1, 1001)]
        for entry_without in inputs:
            del entry_without["role"]
        del inputs[7]["sha256"]
        assert fold_inputs(with_inputs(*inputs))["inputs"] == [{"path": "/a", "files": 1000, "size": 500_500}]

    def test_the_runs_that_made_them_are_kept(self):
        inputs = [entry(f"/a/{n}", n, run="r2" if n % 2 else "r1") for n in range(1, 1001)]
        inputs[3] = entry("/a/4", 4, runs=["r3"])
        assert fold_inputs(with_inputs(*inputs))["inputs"][0]["runs"] == ["r1", "r2", "r3"]

    def test_names_with_newlines_are_written_as_sha256sum_does(self):
        inputs = [entry(f"/a/{n}\n\\", n) for n in range(1, 1001)]
        lines = sorted(f"\\{DIGEST(n)}  {n}\\n\\\\\n" for n in range(1, 1001))
        expected = hashlib.sha256("".join(lines).encode()).hexdigest()
        assert fold_inputs(with_inputs(*inputs))["inputs"][0]["sha256"] == expected

    def test_controls_fold_too(self):
        controls = [entry(f"/a/{n}", n) for n in range(1, 1001)]
        folded = fold_inputs(with_inputs(entry("/b/x"), controls=controls))
        assert folded["inputs"] == [entry("/b/x")]
        assert folded["controls"][0]["files"] == 1000

    def test_no_more_is_folded_than_must_be(self):
        many = [entry(f"/many/{n}", n) for n in range(1, 1001)]
        few = [entry(f"/few/{n}", n) for n in range(10)]
        folded = fold_inputs(with_inputs(*many, *few))["inputs"]
        assert len(folded) == 11

    def test_lists_that_only_one_output_has_are_not_kept(self):
        folder = Folder()
        for n in range(300):
            manifest = with_inputs(entry(f"/a/{n}"))
            assert folder.fold(manifest) is manifest
        assert len(folder._serialiser._parts) < 100

    def test_lists_that_grow_out_of_each_other_are_folded_as_each_by_itself(self, monkeypatch):
        folded_digest = folding.folded_digest
        hashed = []
        monkeypatch.setattr(folding, "folded_digest", lambda *group: hashed.append(group) or folded_digest(*group))
        inputs = [entry(f"/in/{n // 100}/{n % 100:02}", n, role="code" if n % 7 == 0 else "data") for n in range(2000)]
        folder = Folder()
        lists = [sorted(inputs[:count], key=lambda e: e["path"]) for count in range(1000, 2001, 10)]
        together = [folder.fold(with_inputs(*some))["inputs"] for some in lists]
        assert len(hashed) < 400, "each directory once, and the one that grows a few times"
        assert together == [fold_inputs(with_inputs(*some))["inputs"] for some in lists]

    def test_software_alone_can_be_large(self):
        manifest = with_inputs(software=["pkg:deb/debian/x@1"] * 5000)
        assert fold_inputs(manifest)["inputs"] == []
