"""shark: where did this file come from?

The Python interface: `shark.run` runs a command, `shark.recording` and `shark.recorded` record a part of this very
program, `shark.inspect`, `shark.lineage` and `shark.impact` tell where files come from. `import shark` alone costs
nothing: what is used is imported when it is used. docs/python.md has it all.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False  # as type checkers understand it; the module typing alone would take half of the import
if TYPE_CHECKING:
    from shark.errors import NotFound as NotFound
    from shark.errors import SharkError as SharkError
    from shark.recordings import Recording as Recording
    from shark.recordings import SharkWarning as SharkWarning
    from shark.recordings import recorded as recorded
    from shark.recordings import recording as recording
    from shark.runs import Provenance as Provenance
    from shark.runs import Run as Run
    from shark.runs import impact as impact
    from shark.runs import inspect as inspect
    from shark.runs import inspect_all as inspect_all
    from shark.runs import lineage as lineage
    from shark.runs import run as run

_PLACES = {
    **dict.fromkeys(("NotFound", "SharkError"), "shark.errors"),
    **dict.fromkeys(("Recording", "SharkWarning", "recorded", "recording"), "shark.recordings"),
    **dict.fromkeys(("Provenance", "Run", "impact", "inspect", "inspect_all", "lineage", "run"), "shark.runs"),
}

__all__ = ["__version__", *_PLACES]  # noqa: PLE0604  names, all of them


def __getattr__(name: str) -> object:
    """Import a name of the interface when it is first used (PEP 562)."""
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'shark' has no attribute {name!r}")
    import importlib

    found = globals()[name] = getattr(importlib.import_module(place), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})


def load_ipython_extension(shell: object) -> None:
    """Add the cell magic `%%shark` to an IPython shell: what `%load_ext shark` calls."""
    from shark.magic import load

    load(shell)
