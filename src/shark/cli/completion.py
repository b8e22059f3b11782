"""`shark completion`: the script that lets a shell complete shark's commands and options."""

from __future__ import annotations

import click

from shark.cli.common import VARIABLE, Voice, command, write_text
from shark.errors import SharkError


@command(
    "completion",
    ('eval "$(shark completion bash)"', "In ~/.bashrc; the same with zsh in ~/.zshrc"),
    ("shark completion fish > ~/.config/fish/completions/shark.fish", "For fish"),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(voice: Voice, shell: str) -> int:
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
        voice.document({"schema": "shark/completion/1", "shell": shell, "script": script})
    else:
        write_text(sys.stdout, script + "\n")
    return 0
