"""Settings: where they are looked for, which level wins, what is refused and how that is said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shark.errors import SharkError
from shark.model import schema
from shark.settings import places
from shark.settings.documents import SettingsFile
from shark.settings.gitignore import is_pattern
from shark.settings.keys import BY_VARIABLE, KEYS
from shark.settings.levels import of_file
from shark.settings.loading import VARIABLES, everything, load
from shark.settings.trust import is_trusted, trust


@pytest.fixture
def world(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "project" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "config" / "shark").mkdir(parents=True)
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "WORK": str(tmp_path / "project" / "deep" / "er"),
    }


def write(world: dict[str, str], name: str, text: str) -> Path:
    path = Path(world["HOME"]) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    return path


def values(world: dict[str, str], options: dict[str, Any] | None = None, name: str = "") -> dict[str, Any]:
    return everything(world["WORK"], world, options or {}, name).effective.given()


class TestPlaces:
    def test_nothing_is_said_without_files_and_variables(self, world):
        assert load(world["WORK"], {**world, "SHARK_HOME": "/x", "SHARK_RUN_ID": "y"}, {"attach": "none"}) is None

    def test_looking_without_a_file_opens_nothing(self, world, monkeypatch):
        monkeypatch.setattr(os, "open", lambda *_: pytest.fail("something was opened"))
        assert load(world["WORK"], world, {}) is None

    def test_the_nearest_project_file_is_taken_alone(self, world):
        write(world, "project/shark.toml", 'attach = "none"\nhash = "off"')
        write(world, "project/deep/shark.toml", 'attach = "sidecar"')
        assert values(world) == {"attach": "sidecar"}

    def test_a_pyproject_counts_if_it_speaks_of_shark(self, world):
        write(world, "project/pyproject.toml", '[tool.shark]\nattach = "none"')
        write(world, "project/deep/pyproject.toml", '[project]\nname = "sharks"\n[tool.ruff]\nline-length = 9')
        assert values(world) == {"attach": "none"}

    def test_a_broken_pyproject_without_settings_is_other_peoples_business(self, world):
        write(world, "project/pyproject.toml", "shark = [")
        assert load(world["WORK"], world, {}) is None

    def test_a_broken_pyproject_with_settings_is_an_error(self, world):
        write(world, "project/pyproject.toml", '[project]\nname = [\n\n[tool.shark]\nattach = "none"')
        with pytest.raises(SharkError, match=r"pyproject\.toml is no TOML"):
            values(world)

    def test_patterns_of_the_users_file_are_relative_to_the_working_directory(self, world):
        write(world, "config/shark/shark.toml", 'keep = ["*.lock"]')
        loaded = load(world["WORK"], world, {})
        assert [piece.level.base for piece in loaded.effective.pieces("keep")] == [world["WORK"]]

    def test_shark_toml_goes_before_pyproject(self, world):
        write(world, "project/pyproject.toml", '[tool.shark]\nattach = "none"')
        write(world, "project/shark.toml", 'attach = "sidecar"')
        assert values(world) == {"attach": "sidecar"}

    def test_a_variable_names_another_file_or_none(self, world):
        write(world, "project/shark.toml", 'attach = "none"')
        other = write(world, "other.toml", 'attach = "xattr"')
        assert values({**world, "SHARK_SETTINGS": str(other)}) == {"attach": "xattr"}
        assert values({**world, "SHARK_SETTINGS": ""}) == {}
        with pytest.raises(SharkError, match="No such file"):
            values({**world, "SHARK_SETTINGS": "gone.toml"})

    def test_a_relative_xdg_directory_does_not_count(self, world):
        assert (
            places.user_file({"XDG_CONFIG_HOME": "config", "HOME": "/home/ada"}) == "/home/ada/.config/shark/shark.toml"
        )
        assert places.user_file({"XDG_CONFIG_HOME": "config"}) is None

    @pytest.mark.parametrize("kind", ["directory", "fifo", "large", "loop"])
    def test_what_is_no_plain_small_file_is_refused(self, world, kind):
        path = Path(world["WORK"]) / "shark.toml"
        match kind:
            case "directory":
                path.mkdir()
            case "fifo":
                os.mkfifo(path)
            case "large":
                path.write_text("#" * (1 << 20) + "\n")
            case "loop":
                path.symlink_to(path)
        with pytest.raises(SharkError):
            values(world)

    def test_a_file_that_everybody_may_change_is_refused(self, world):
        write(world, "project/shark.toml", "").chmod(0o646)
        with pytest.raises(SharkError, match="may be changed by everybody") as refused:
            values(world)
        assert "chmod o-w" in refused.value.hint

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    def test_a_file_of_somebody_else_is_refused(self, world):
        path = write(world, "project/shark.toml", "")
        os.chown(path, 12345, 0)
        with pytest.raises(SharkError, match="neither to you nor to root"):
            values(world)
        os.chown(path, 0, 12345)
        assert values(world) == {}


class TestPrecedence:
    def test_from_the_users_file_to_the_options(self, world):
        keys = ["attach", "hash", "linger", "io-uring", "quiet"]
        write(
            world,
            "config/shark/shark.toml",
            'attach = "none"\nhash = "off"\nlinger = 1\nio-uring = "deny"\nquiet = true',
        )
        write(world, "project/shark.toml", 'attach = "xattr"\nhash = "full"\nlinger = 2\n[run.n]\nattach = "sidecar"\n')
        said = everything(world["WORK"], {**world, "SHARK_LINGER": "3"}, {"quiet": False}, "n").effective
        assert [said.value(key) for key in keys] == ["sidecar", "full", 3.0, "deny", False]
        sources = [said.pieces(key)[0].level.source for key in keys]
        assert sources == ["project", "project", "variable", "user", "option"]
        assert said.pieces("attach")[0].level.place.endswith("shark.toml [run.n]")

    def test_overrides_hold_for_that_name_only(self, world):
        write(world, "project/shark.toml", '[run.nightly]\nattach = "none"')
        assert values(world) == {}
        assert values(world, name="other") == {}
        assert values(world, name="nightly") == {"attach": "none"}

    def test_lists_and_tables_add_up(self, world):
        write(world, "config/shark/shark.toml", 'ignore = "*.log"\nredact = ["user"]\ntags = {a = "1", b = "1"}')
        write(world, "project/shark.toml", 'ignore = ["*.log", "/x"]\nredact = ["host"]\ntags = {b = 2}')
        found = values({**world, "SHARK_TAGS": "c=3,d=4"}, {"ignore": ["y"]})
        assert found["ignore"] == ["*.log", "/x", "y"]
        assert found["redact"] == ["user", "host"]
        assert found["tags"] == {"a": "1", "b": "2", "c": "3", "d": "4"}

    def test_patterns_are_relative_to_their_file(self, world):
        write(world, "project/shark.toml", 'ignore = ["/x"]')
        [project, option] = everything(world["WORK"], world, {"ignore": ["/y"]}).effective.pieces("ignore")
        assert project.level.base == f"{world['HOME']}/project"
        assert option.level.base == world["WORK"]


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "key", "said"),
        [
            ('atach = "none"', "atach", "'attach'"),
            ("hash_limit = 3", "hash_limit", "'hash-limit'"),
            ("attach = 3", "attach", "auto, xattr, sidecar or none"),
            ('linger = "soon"', "linger", "seconds"),
            ("linger = true", "linger", "seconds"),
            ("linger = nan", "linger", "seconds"),
            ('strict = "yes"', "strict", "true or false"),
            ('hash-limit = "3 parsecs"', "hash-limit", "16 GiB"),
            ("hash-limit = -1", "hash-limit", "16 GiB"),
            ("ignore = [1]", "ignore", "list of strings"),
            ('ignore = ["*.x", "!"]', "ignore", "gitignore patterns, and '!' is none"),
            ('include = ["x\\\\"]', "include", "is none"),
            ('ignore = ["[z-a]"]', "ignore", "'[z-a]' is none"),
            ('[run.n]\nroles = {"!" = "data"}', "run.n.roles", "'!' is none"),
            ('roles = {"*.x" = "dta"}', "roles.*.x", "library, system, cache, code, config or data"),
            ('redact = ["usr"]', "redact", "user, host, home, env or network"),
            ("tags = {a = [1]}", "tags.a", "a string"),
            ('before = [{comand = "x"}]', "before.1.comand", "'command'"),
            ('before = ["ok", {name = "x"}]', "before.2", "no `command`"),
            ('before = ["a \'b"]', "before.1.command", "quotation"),
            ('after = [{command = "x", timeout = -1}]', "after.1.timeout", "seconds"),
            ('notify = ["ftp://x"]', "notify.1.url", "http or https"),
            ('notify = [{url = "https://x", command = "y"}]', "notify.1", "either"),
            ("run = 3", "run", "tables"),
            ('[run.n]\nhsh = "off"', "run.n.hsh", "'hash'"),
        ],
    )
    def test_name_file_key_and_what_was_meant(self, world, text, key, said):
        path = write(world, "project/shark.toml", text)
        with pytest.raises(SharkError) as wrong:
            values(world)
        assert wrong.value.message.startswith(f"{path}: {key}: ")
        assert said in f"{wrong.value.message} {wrong.value.hint}"

    def test_in_a_pyproject_the_key_is_named_whole(self, world):
        write(world, "project/pyproject.toml", "[tool.shark]\natach = 1")
        with pytest.raises(SharkError, match=r"tool\.shark\.atach"):
            values(world)

    def test_what_is_no_toml_is_told_with_its_place(self, world):
        write(world, "project/shark.toml", "a = 1\nattach =\n")
        with pytest.raises(SharkError, match=r"shark\.toml is no TOML: .*line 2"):
            values(world)

    def test_a_variable_is_named(self, world):
        with pytest.raises(SharkError, match="SHARK_LINGER takes seconds"):
            values({**world, "SHARK_LINGER": "soon"})
        with pytest.raises(SharkError, match="SHARK_IGNORE takes gitignore patterns, and '!' is none"):
            values({**world, "SHARK_IGNORE": "!"})

    def test_what_looks_odd_is_a_pattern_too(self, world, recwarn):
        patterns = ["!kept", "[a-z]", "\\!x", "a[", "**", "/", "#", "[[a]", ""]
        assert list(filter(is_pattern, patterns)) == patterns
        assert not recwarn.list


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("SHARK_STRICT", "yes", "strict", True),
        ("SHARK_STRICT", "0", "strict", False),
        ("SHARK_HASH_LIMIT", "1.5 GiB", "hash-limit", 3 << 29),
        ("SHARK_HASH_LIMIT", "1000", "hash-limit", 1000),
        ("SHARK_IGNORE", "*.log, /x ,", "ignore", ["*.log", "/x"]),
        ("SHARK_IGNORE", '["a,b"]', "ignore", ["a,b"]),
        ("SHARK_ROLES", "*.dat=config", "roles", {"*.dat": "config"}),
        ("SHARK_BEFORE", "uv pip freeze", "before", ["uv", "pip", "freeze"]),
    ],
)
def test_variables(world, variable, text, key, value):
    found = values({**world, variable: text})[key]
    assert (found[0]["command"] if key == "before" else found) == value


class TestTrust:
    TEXT = 'before = [{command = "make check", required = true}]\ntags = {a = "1"}'

    def test_commands_of_a_project_hold_only_once_trusted(self, world):
        path = write(world, "project/shark.toml", self.TEXT)
        loaded = everything(world["WORK"], world, {})
        assert loaded.effective.given() == {"tags": {"a": "1"}}
        assert (loaded.untrusted, loaded.required) == (("before",), True)
        trust(str(path), path.read_bytes(), world)
        loaded = everything(world["WORK"], world, {})
        assert (loaded.untrusted, loaded.required) == ((), False)
        assert loaded.effective.value("before")[0]["command"] == ["make", "check"]

    def test_a_changed_file_must_be_trusted_again(self, world):
        path = write(world, "project/shark.toml", self.TEXT)
        trust(str(path), path.read_bytes(), world)
        path.write_text(self.TEXT + "\n")
        assert everything(world["WORK"], world, {}).untrusted == ("before",)

    def test_it_can_be_taken_back(self, world):
        path = write(world, "project/shark.toml", self.TEXT)
        trust(str(path), path.read_bytes(), world)
        trust(str(path), None, world)
        assert not is_trusted(str(path), path.read_bytes(), world)

    def test_what_others_could_have_written_tells_nothing(self, world):
        path = write(world, "project/shark.toml", self.TEXT)
        trust(str(path), path.read_bytes(), world)
        (Path(world["XDG_STATE_HOME"]) / "shark" / "trusted.json").chmod(0o666)
        assert not is_trusted(str(path), path.read_bytes(), world)

    @pytest.mark.parametrize("damage", [b"", b"[]", b'{"files": 3}', b"\xff"])
    def test_a_damaged_memory_trusts_nothing(self, world, damage):
        path = write(world, "project/shark.toml", self.TEXT)
        trust(str(path), path.read_bytes(), world)
        (Path(world["XDG_STATE_HOME"]) / "shark" / "trusted.json").write_bytes(damage)
        assert not is_trusted(str(path), path.read_bytes(), world)

    def test_users_and_environments_commands_need_no_trust(self, world):
        write(world, "config/shark/shark.toml", 'after = "nvidia-smi"')
        loaded = everything(world["WORK"], {**world, "SHARK_BEFORE": "uv pip freeze"}, {})
        assert loaded.untrusted == ()
        assert {"before", "after"} <= loaded.effective.given().keys()

    def test_commands_for_other_runs_need_no_trust_for_this_one(self, world):
        write(world, "project/shark.toml", '[run.nightly]\nbefore = "x"')
        assert everything(world["WORK"], world, {}).untrusted == ()
        assert everything(world["WORK"], world, {}, "nightly").untrusted == ("before",)


class TestOneTable:
    """The keys stand in several places, for different readers: they must say the same."""

    hints = SettingsFile.__annotations__

    def test_the_fast_list_of_variables_is_that_of_the_keys(self):
        assert frozenset(BY_VARIABLE) == VARIABLES

    def test_the_schema_has_the_keys(self):
        found = self.schema["$defs"]["SettingsFile"]["properties"]
        assert set(found) == {key.name for key in KEYS} | {"run"}

    def test_defaults_are_values_of_their_kind(self):
        for key in KEYS:
            assert key.kind.take(key.default) == key.default

    words = st.sampled_from(["command", "url", "name", "required", "timeout", "*.x"])
    leaf = st.one_of(
        st.sampled_from(["auto", "none", "full", "gap", "user", "data", "code", "echo x", "https://x", "2 GiB", ""]),
        st.integers(-2, 3),
        st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=9),
        st.booleans(),
    )
    anything = st.recursive(
        leaf,
        lambda inner, words=words: st.one_of(
            st.lists(inner, max_size=2),
            st.dictionaries(words, inner, max_size=2),
        ),
        max_leaves=4,
    )

    schema = schema.schema(SettingsFile, "settings-1")

    @settings(deadline=None)  # the first example imports the validator
    @given(st.sampled_from([key.name for key in KEYS]), anything)
    def test_what_is_taken_fits_the_schema(self, name, value):
        """An editor that checks by the schema never complains of what shark takes."""
        try:
            of_file("project", "shark.toml", "/", {name: value})
        except SharkError:
            return
        jsonschema.validate({name: value}, self.schema)

    def test_unknown_keys_do_not_fit_the_schema(self):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"atach": "auto"}, self.schema)


def test_the_documentation_has_every_key():
    text = (Path(__file__).parents[3] / "docs" / "settings.md").read_text()
    for key in KEYS:
        assert f"`{key.name}`" in text
        assert f"`{key.variable}`" in text
