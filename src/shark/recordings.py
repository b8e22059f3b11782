"""Recording what this very Python process does: `with shark.recording("name") as rec:` and `@shark.recorded`.

Everything counts that the process does until the block is left: all its threads, the processes that it starts or has
started before, and C libraries. Outside of blocks nothing is traced and nothing costs anything. shark's own trouble is
a warning (`SharkWarning`), and the block runs all the same, unless it is `strict`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from math import isfinite
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast, overload

from shark.errors import ConditionFailed, SharkError

if TYPE_CHECKING:
    from shark.runs import Run
    from shark.sessions import Asked

P = ParamSpec("P")
T = TypeVar("T")

Attach = Literal["auto", "xattr", "sidecar", "none"]
Hash = Literal["auto", "full", "off"]

LONGEST = 1000
"""Characters that are kept of an argument's, a result's or an exception's text."""

_LONGEST_TEXT = 10_000
_stack = threading.local()


class SharkWarning(UserWarning):
    """What shark could not do; the program goes on as without it."""


class Recording:
    """A block that is, or was, recorded. Made by `recording`; as a context manager it can be entered once.

    `name` is its name; `id` the run's id, None before the beginning and if it could not be recorded.
    """

    def __init__(self, about: dict[str, Any], *, strict: bool) -> None:
        self.name: str = about["options"].get("name", "")
        self.id: str | None = None
        self._about = about
        self._strict = strict
        self._values: dict[str, Any] = {}
        self._asked: Asked | None = None
        self._entered = False
        self._owner = 0

    def __repr__(self) -> str:
        return f"<shark recording {self.name!r}, run {self.id}>"

    def __setitem__(self, key: str, value: Any) -> None:
        """Note a value, such as a parameter or a result, in the run's record.

        Numbers, texts, None, booleans, and lists and dictionaries of these are kept as such, all else as its text.
        """
        self._values[str(key)] = _plain(value)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __enter__(self) -> Recording:
        """Begin to record. Raises SharkError if that is not possible and the recording is `strict`, or if what the
        settings demand is not so.
        """
        if self._entered:
            raise RuntimeError("this recording was entered before: make a new one")
        self._entered = True
        self._owner = os.getpid()
        try:
            self._begin()
        except ConditionFailed:  # that the program should not go on then is what the user wants
            raise
        except (SharkError, OSError) as problem:
            self._trouble(f"not recorded: {_said(problem)}", problem)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, where: TracebackType | None
    ) -> None:
        """Stop recording, and wait for the record and the outputs' manifests. Exceptions pass."""
        asked, self._asked = self._asked, None
        if asked is None or os.getpid() != self._owner:
            return  # in a forked child the block goes on, until its parent leaves it
        with contextlib.suppress(ValueError):  # a generator may be ended by another thread
            _enclosing().remove(asked.run)
        told = self._about["recording"]
        told["outcome"] = "raised" if problem is not None else "returned"
        if problem is not None:
            told["exception"] = _exception(problem)
        try:
            done = asked.end({"recording": told, "values": self._values})
        except (SharkError, OSError) as trouble:
            self._trouble(_said(trouble), None if problem is not None else trouble)
            return
        self._tell(done, within=problem is not None)

    def returned(self, value: object) -> None:
        """Note what the block came to; the decorator does it for a function's result."""
        self._about["recording"]["returned"] = _text(value)

    @property
    def run(self) -> Run:
        """The run as it is in the store, once the block is left. Raises NotFound if it was not recorded."""
        from shark.errors import NotFound
        from shark.runs import Run

        if self.id is None:
            raise NotFound("this block was not recorded", "A warning told why.")
        return Run(self.id)

    def _begin(self) -> None:
        from shark import sessions

        self._about["argv"] = [*sys.orig_argv]
        self._about["cwd"] = _working_directory()
        self._about["sources"] = _loaded_modules()
        inside = _enclosing()
        if inside:
            self._about["parent"] = inside[-1]
        self._asked = sessions.ask(self._about)
        self.id = self._asked.run
        inside.append(self.id)

    def _tell(self, done: Mapping[str, Any], *, within: bool) -> None:
        for line in done["lines"]:
            warnings.warn(line.removeprefix("shark: warning: "), SharkWarning, stacklevel=3)
        if self._strict and not within and (not done["kept"] or done["unattached"]):
            what = "a manifest could not be written" if done["kept"] else "the record could not be written"
            raise SharkError(f"{what}: {'; '.join(done['lines']) or 'see the warnings'}")

    def _trouble(self, message: str, problem: Exception | None) -> None:
        if self._strict and problem is not None:
            raise problem
        warnings.warn(message, SharkWarning, stacklevel=3)


def recording(
    name: str = "",
    *,
    tags: Mapping[str, str] | None = None,
    attach: Attach = "auto",
    hash: Hash = "auto",  # noqa: A002  the option's name everywhere
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> Recording:
    """Record what this process reads and writes during a `with` block, as a run of its own.

    The options are those of `shark run`. Outputs carry their manifests when the block is left. With `strict` it is an
    error (SharkError), and not only a warning, if the block cannot be recorded or a manifest not be written.

    >>> import shark
    >>> with shark.recording("double") as rec:
    ...     rec["factor"] = 2
    ...     number = int(open("number.txt").read())
    ...     with open("doubled.txt", "w") as file:
    ...         _ = file.write(str(rec["factor"] * number))
    >>> [os.path.basename(source) for source in shark.inspect("doubled.txt").inputs("data")]
    ['number.txt']
    """
    frame = inspect.currentframe()
    caller = frame.f_back if frame else None
    place = {"file": _path(caller.f_code.co_filename), "line": caller.f_lineno} if caller else {}
    return _recording(name, {"kind": "block", **place}, tags, attach, hash, ignore, strict)


def record_cell(source: str, *, name: str, tags: Mapping[str, str], strict: bool) -> Recording:
    """A recording of a notebook's cell; `source` is its text."""
    about = {"kind": "cell", "source": source if len(source) <= _LONGEST_TEXT else f"{source[:_LONGEST_TEXT]}…"}
    return _recording(name, about, tags, "auto", "auto", (), strict)


def _recording(
    name: str,
    about: dict[str, Any],
    tags: Mapping[str, str] | None,
    attach: str,
    hashing: str,
    ignore: Sequence[str],
    strict: bool,
) -> Recording:
    options: dict[str, Any] = {"name": name} if name else {}
    options |= {key: value for key, value in (("attach", attach), ("hash", hashing)) if value != "auto"}
    options |= {"ignore": list(ignore)} if ignore else {}
    options |= {"tags": {str(key): str(value) for key, value in tags.items()}} if tags else {}
    return Recording({"options": options, "recording": about}, strict=strict)


@overload
def recorded(function: Callable[P, T], /) -> Callable[P, T]: ...


@overload
def recorded(
    *,
    name: str = "",
    tags: Mapping[str, str] | None = None,
    attach: Attach = "auto",
    hash: Hash = "auto",
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> Callable[[Callable[P, T]], Callable[P, T]]: ...


def recorded(
    function: Callable[P, T] | None = None,
    /,
    *,
    name: str = "",
    tags: Mapping[str, str] | None = None,
    attach: Attach = "auto",
    hash: Hash = "auto",  # noqa: A002
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> Callable[P, T] | Callable[[Callable[P, T]], Callable[P, T]]:
    """Record each call of a function, as a run of its own: its name, file and line, arguments, result or exception.

    Coroutines are recorded until they are finished, generators from the first item to the last (or to their closing):
    what others do in between is recorded too. The options are those of `recording`; the run is called after the
    function unless there is a `name`.

    >>> import shark
    >>> @shark.recorded
    ... def copy(source, target):
    ...     with open(source) as file, open(target, "w") as out:
    ...         return out.write(file.read())
    >>> copy("number.txt", "copy.txt")
    3
    >>> shark.inspect("copy.txt").run.recording["arguments"]
    {'source': "'number.txt'", 'target': "'copy.txt'"}
    """

    def decorate(called: Callable[P, T]) -> Callable[P, T]:
        def begin(arguments: tuple[Any, ...], named: dict[str, Any]) -> Recording:
            about = {"kind": "function", **_about_function(called), "arguments": _arguments(called, arguments, named)}
            shown = name or getattr(called, "__qualname__", repr(called))
            return _recording(shown, about, tags, attach, hash, ignore, strict)

        return _wrapped(called, begin)

    return decorate(function) if function is not None else decorate


def _wrapped(called: Callable[P, T], begin: Callable[[tuple[Any, ...], dict[str, Any]], Recording]) -> Callable[P, T]:
    """A function that does the same inside of a recording, of the same kind as the one that is called."""
    function: Any = called
    if inspect.iscoroutinefunction(function):

        async def coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
            with begin(args, kwargs) as rec:
                result = await function(*args, **kwargs)
                rec.returned(result)
            return result

        wrapper: Any = coroutine
    elif inspect.isasyncgenfunction(function):

        async def items(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
            with begin(args, kwargs):
                inner = function(*args, **kwargs)
                step = inner.__anext__()
                while True:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                    try:
                        step = inner.asend((yield item))
                    except GeneratorExit:
                        await inner.aclose()
                        raise
                    except BaseException as thrown:  # noqa: BLE001  whatever it is, it is meant for the inner one
                        step = inner.athrow(thrown)

        wrapper = items
    elif inspect.isgeneratorfunction(function):

        def generator(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
            with begin(args, kwargs) as rec:
                result = yield from function(*args, **kwargs)
                rec.returned(result)
            return result

        wrapper = generator
    else:

        def plain(*args: P.args, **kwargs: P.kwargs) -> T:
            with begin(args, kwargs) as rec:
                result = called(*args, **kwargs)
                rec.returned(result)
            return result

        wrapper = plain
    return cast("Callable[P, T]", functools.wraps(called)(wrapper))


# --- what is told of a block


def _about_function(function: Callable[..., Any]) -> dict[str, Any]:
    inner = inspect.unwrap(function)
    about = {"function": f"{inner.__module__}.{getattr(inner, '__qualname__', repr(inner))}"}
    if isinstance(inner, FunctionType):
        about["file"] = _path(inner.__code__.co_filename)
        return about | {"line": inner.__code__.co_firstlineno}
    return about


def _arguments(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, str]:
    """Each parameter's value as text, those with a default too."""
    try:
        bound = inspect.signature(function).bind(*arguments, **named)
    except (TypeError, ValueError):  # the call will say what is wrong with it
        return {}
    bound.apply_defaults()
    return {key: _text(value) for key, value in bound.arguments.items()}


def _text(value: object) -> str:
    """A value as the interpreter shows it, shortened, whatever its `__repr__` does."""
    from reprlib import Repr

    short = Repr()
    short.maxlevel, short.maxstring, short.maxother = 4, LONGEST, LONGEST
    short.maxlist = short.maxtuple = short.maxset = short.maxfrozenset = short.maxdict = short.maxarray = 50
    try:
        text = short.repr(value)
    except Exception as problem:  # noqa: BLE001  a program's own repr may raise anything
        text = f"<{type(value).__name__}, whose repr raises {type(problem).__name__}>"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _exception(problem: BaseException) -> dict[str, str]:
    import traceback

    lines = "".join(traceback.format_exception(problem))
    if len(lines) > _LONGEST_TEXT:
        half = _LONGEST_TEXT // 2
        lines = f"{lines[:half]}\n…\n{lines[-half:]}"
    kind = type(problem)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return {"type": name, "message": _message(problem), "traceback": lines}


def _message(problem: BaseException) -> str:
    try:
        return str(problem)[:LONGEST]
    except Exception as other:  # noqa: BLE001  a program's own exception may fail at telling itself
        return f"<cannot be told: {type(other).__name__}>"


def _plain(value: Any) -> Any:
    """A value as JSON has it; what JSON lacks, as text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 1 << 53 else str(value)
    if isinstance(value, float):
        return float(value) if isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    number = getattr(value, "item", None)  # a number of numpy's
    if callable(number) and getattr(value, "shape", None) == ():
        return _plain(number())
    return _text(value)


def _said(problem: Exception) -> str:
    hint = getattr(problem, "hint", "")
    return f"{problem}; {hint}" if hint else str(problem)


def _path(name: str) -> str:
    return name if name.startswith("<") else os.path.abspath(name)


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def _loaded_modules() -> list[str]:
    """The files of the modules that were imported before: the code that runs in the block."""
    return list(dict.fromkeys(_module_files()))


def _module_files() -> Iterator[str]:
    own = os.path.dirname(os.path.abspath(__file__)) + os.sep
    for module in tuple(sys.modules.values()):
        try:
            name = getattr(module, "__file__", None)
        except Exception:  # noqa: BLE001, S112  a module that is not there before it is used may raise anything
            continue
        if isinstance(name, str) and os.path.isabs(name) and not name.startswith(own):
            yield name


def _enclosing() -> list[str]:
    """The ids of the blocks that this thread is in, innermost last."""
    runs: list[str] = _stack.__dict__.setdefault("runs", [])
    return runs
