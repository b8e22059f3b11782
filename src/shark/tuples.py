"""Named tuples as `typing.NamedTuple` makes them, without importing `typing`.

`typing` and what it brings take 4 ms to import, and each class that its NamedTuple makes another 0.1 ms, since it
compiles a function: of what a short command waits for that would be a tenth. Type checkers see the original; at run
time the classes have the same methods, are as fast, and take a sixth of the time to make.

Modules that are imported on the way to a command take `TYPE_CHECKING` from here, too.
"""

from __future__ import annotations

from operator import itemgetter

__all__ = ["TYPE_CHECKING", "NamedTuple"]

TYPE_CHECKING = False
"""As in `typing`: type checkers know the name, wherever it comes from."""

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    try:
        from _collections import _tuplegetter as _getter
    except ImportError:  # an implementation detail of CPython's

        def _getter(index, doc):
            return property(itemgetter(index), doc=doc)

    _new = tuple.__new__

    class _Meta(type):
        """Makes a tuple's subclass out of a class body's annotations."""

        def __new__(cls, name, bases, space):
            if not bases:
                return super().__new__(cls, name, bases, space)
            fields = tuple(space.get("__annotations__", ()))
            defaults = {field: space[field] for field in fields if field in space}
            if tuple(defaults) != fields[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default follows one with a default")
            for index, field in enumerate(fields):
                space[field] = _getter(index, f"Field {index}")
            space.update(__slots__=(), __match_args__=fields, _fields=fields, _field_defaults=defaults)
            space["__new__"] = _maker(name, fields, defaults)
            for method in (_asdict, _replace, __repr__, __getnewargs__):
                space.setdefault(method.__name__, method)
            space["_make"] = classmethod(_make)
            return type(name, (tuple,), space)

    def _maker(name, fields, defaults):
        """The `__new__` of a class: positional and all there, in the common case."""
        count = len(fields)

        def __new__(cls, /, *values, **named):  # noqa: N807
            if named or len(values) != count:
                values = _complete(name, fields, defaults, values, named)
            return _new(cls, values)

        return __new__

    def _complete(name, fields, defaults, values, named):
        """All values in their order. Raises TypeError as a function with these parameters would."""
        if len(values) > len(fields):
            raise TypeError(f"{name} takes {len(fields)} values, not {len(values)}")
        given = dict(zip(fields, values, strict=False))
        for field, value in named.items():
            if field not in fields or field in given:
                what = "several values for" if field in given else "an unknown field"
                raise TypeError(f"{name} got {what} {field!r}")
            given[field] = value
        missing = [field for field in fields if field not in given and field not in defaults]
        if missing:
            raise TypeError(f"{name} lacks {', '.join(missing)}")
        return tuple(given[field] if field in given else defaults[field] for field in fields)

    def _make(cls, values):
        """A new one from a sequence of all values."""
        made = _new(cls, values)
        if len(made) != len(cls._fields):
            raise TypeError(f"expected {len(cls._fields)} values, got {len(made)}")
        return made

    def _asdict(self):
        """The fields' names and values."""
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, /, **named):
        """The same with other values for some fields. Raises ValueError for a name that is no field."""
        made = _new(type(self), [named.pop(field, value) for field, value in zip(self._fields, self, strict=True)])
        if named:
            raise ValueError(f"unknown fields: {', '.join(named)}")
        return made

    def __repr__(self):  # noqa: N807
        values = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({values})"

    def __getnewargs__(self):  # noqa: N807
        return tuple(self)

    class NamedTuple(metaclass=_Meta):
        """What classes of named tuples derive from."""
