import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shark.content.gitpatch import MAX_PATCH, new_file, select, split
from shark.content.gitsettled import Part, join

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs the program git")

ONE = b"diff --git a/x.py b/x.py\nindex 1..2 100644\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+diff --git a/no b/no\n"
TWO = b'diff --git "a/new\\nline \\303\\251" "b/new\\nline \\303\\251"\nold mode 100644\nnew mode 100755\n'


def test_a_patch_is_taken_apart_by_files():
    assert split(ONE + TWO) == [Part("x.py", ONE), Part("new\nline é", TWO)]
    assert split(b"") == []
    assert split(b"* Unmerged path x\n" + ONE)[0].path == "x.py"


def test_a_patch_has_the_same_bytes_whatever_the_order():
    assert join(split(ONE + TWO)) == join(split(TWO + ONE))


def test_a_binary_file_is_in_no_patch():
    with pytest.raises(ValueError, match="binary"):
        new_file("x", b"a\0b")


PATHS = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in {".", ".."} and not name.lower().startswith(".git") and len(name.encode()) < 200
)
CONTENTS = st.lists(st.sampled_from([b"a", b" ", b"\n", b"\r\n", b"\\", b"-", b"+", b"diff --git a/x b/x"])).map(
    b"".join
)


@needs_git
@settings(max_examples=25, deadline=None)
@given(path=PATHS, content=CONTENTS, executable=st.booleans())
def test_git_makes_the_file_of_the_patch_that_makes_it(tmp_path_factory, path, content, executable):
    """Whatever a file is called and holds, applying its part gives the same file."""
    root = tmp_path_factory.mktemp("work")
    part = new_file(path, content, 0o100755 if executable else 0o100644)
    assert split(part.text) == [part]
    apply(root, part.text)
    [made] = [place for place in root.iterdir() if place.name != ".git"]
    assert (made.name, made.read_bytes(), os.access(made, os.X_OK)) == (path, content, executable)
    shutil.rmtree(root)


@needs_git
def test_a_symbolic_link_is_made_by_its_patch(tmp_path):
    apply(tmp_path, new_file("link", b"there", 0o120000).text)
    assert os.readlink(tmp_path / "link") == "there"


def apply(root, patch):
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    for arguments in (["init", "-q"], ["apply", "--whitespace=nowarn"]):
        done = subprocess.run(["git", *arguments], cwd=root, input=patch, env=environ, capture_output=True)
        assert done.returncode == 0, (done.stderr, patch)


def test_what_may_hold_credentials_is_left_out_and_named():
    token = b"+key = 'ghp_0123456789abcdefghijABCDEFGHIJ'\n"
    parts = [
        Part("plot.py", ONE),
        Part("settings/.env", ONE),
        Part("upload.py", ONE + token),
        Part("tests/id_rsa", ONE),
        Part("huge.py", b"x" * (MAX_PATCH + 1)),
        Part("tokenizer.py", TWO),
    ]
    kept, left_out = select(parts)
    assert [part.path for part in kept] == ["plot.py", "tokenizer.py"]
    assert dict(left_out) == {
        "settings/.env": "it is called as files with credentials are",
        "upload.py": "it holds what looks like a credential",
        "tests/id_rsa": "it is called as files with credentials are",
        "huge.py": "the patch would be too large",
    }
