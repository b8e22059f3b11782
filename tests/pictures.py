"""Screenshots of the pages of `shark graph`, to be looked at: `python tests/pictures.py FOLDER`. Needs chromium."""

from __future__ import annotations

import sys
from pathlib import Path

from browser import chromium
from graphs import build, nasty, pipeline, written


def main(folder: Path) -> None:
    """Small and large, light and dark, with something chosen; the keys that are pressed before are in the table."""
    for name, run, keys in (
        ("small", pipeline(), ""),
        ("chosen", pipeline(), "/tmp\r"),
        ("nasty", nasty(), ""),
        ("large", build(1630), ""),
        ("large-files", build(1630), "2"),
        ("large-all", build(1630), "40"),
        ("large-chosen", build(1630), "2/f777.o\r"),
    ):
        path = written(run, folder / f"{name}.html")
        with chromium(folder / "browser") as browser:
            for dark in (False, True):
                browser.dark(dark)
                browser.open(path)
                for key in keys:
                    browser.key({"\r": "Enter"}.get(key, key))
                browser.frame()
                browser.screenshot(folder / f"{name}{'-dark' if dark else ''}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
