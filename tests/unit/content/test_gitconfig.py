import pytest

from shark.content.gitconfig import remotes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[remote "origin"]\n\turl = git@example.org:a/b.git\n\tfetch = +x\n', {"origin": "git@example.org:a/b.git"}),
        ('[Remote "o"]\nURL=a\nurl = b\npushurl = c\n[branch "x"]\nurl = d\n', {"o": "a"}),
        ('[remote "o"] url = "a b;c" # comment\n', {"o": "a b;c"}),
        ('[remote "o"]\nurl = a ; comment\n[remote "p"]\nurl = b \\\n c\n', {"o": "a", "p": "b  c"}),
        ('[remote "q\\"uote\\\\"]\nurl = \\"x\\t\n', {'q"uote\\': '"x\t'}),
        ("[remote]\nurl = a\n[core]\nurl = b\n", {}),
        ('[remote "o"]\nurl\nurl =\n# url = x\n', {}),
        ('[remote "o"]\nurl = https://me:hunter2@example.org/x\n', {"o": "https://me:***@example.org/x"}),
        ("", {}),
    ],
)
def test_remotes_are_read_as_git_reads_them(text, expected):
    assert remotes(text) == expected
