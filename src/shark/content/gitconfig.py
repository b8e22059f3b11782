"""The remotes that a repository's own settings name, read from the file: no process, and without git too."""

from __future__ import annotations

import re

from shark.content.masking import mask_text

_SECTION = re.compile(r'\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:\\.|[^"\\])*)")?\s*\]')
_VARIABLE = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?$")
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b"}


def remotes(text: str) -> dict[str, str]:
    """Name → URL of the remotes in a configuration file (git-config(1), "Syntax"), credentials masked.

    Of a remote with several URLs the first, which is the one that is fetched from. Included files are not followed.
    """
    found: dict[str, str] = {}
    name = ""
    for line in re.sub(r"\\\r?\n", "", text).splitlines():
        rest = line
        if section := _SECTION.match(line):
            is_remote = section[1].lower() == "remote" and section[2] is not None
            name = re.sub(r"\\(.)", r"\1", section[2]) if is_remote else ""
            rest = line[section.end() :]
        variable = _VARIABLE.match(rest) if name else None
        if variable and variable[1].lower() == "url" and (url := _value(variable[2] or "")):
            found.setdefault(name, mask_text(url))
    return found


def _value(text: str) -> str:
    """A value without its comment, its quotes and the white space around it."""
    value, quoted, kept = "", False, 0
    characters = iter(text)
    for character in characters:
        if character == '"':
            quoted = not quoted
            kept = len(value)
        elif character == "\\":
            escaped = next(characters, "")
            value += _ESCAPES.get(escaped, escaped)
            kept = len(value)
        elif character in "#;" and not quoted:
            break
        else:
            value += character
            kept = len(value) if quoted or not character.isspace() else kept
    return value[:kept]
