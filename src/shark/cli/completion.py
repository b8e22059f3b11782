"""`shark completion`: the script that lets a shell complete shark's commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from shark.cli.common import VARIABLE, Voice, command, write_text
from shark.errors import SharkError

if TYPE_CHECKING:
    from shark.view.documents import CompletionScript


@command(
    "completion",
    ('eval "$(shark completion bash)"', "In ~/.bashrc; the same with zsh in ~/.zshrc"),
    ("shark completion fish > ~/.config/fish/completions/shark.fish", "For fish"),
    short_help="Print the completion script for a shell.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(voice: Voice, shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print the completion script for a shell."""
    import sys

    from click.shell_completion import get_completion_class

    from shark.cli.app import shark

    kind = get_completion_class(shell)
    if kind is None:
        raise SharkError(f"no completion for {shell}", "There is one for bash, zsh and fish.")
    # Not source(): for bash it runs this machine's bash to warn about its age, which need not be the one that reads.
    complete = kind(shark, {}, "shark", VARIABLE)
    script = complete.source_template % complete.source_vars()
    if voice.as_json:
        document: CompletionScript = {"schema": "shark/completion/1", "shell": shell, "script": script}
        voice.document(document)
    else:
        write_text(sys.stdout, script + "\n")
    return 0
