"""How what must not reach a terminal is written: a name can neither send commands to it nor make a line of its own."""

from __future__ import annotations


def escape(char: str) -> str:
    r"""A character as text that a terminal does not act on, such as `\n` or `\u202e`; an undecodable byte as `\xff`."""
    code = ord(char)
    if char in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[char]
    if 0xDC80 <= code <= 0xDCFF:  # PEP 383: one undecodable byte
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
