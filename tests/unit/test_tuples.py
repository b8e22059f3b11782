"""Our named tuples are those of `typing`, as far as shark uses them."""

from __future__ import annotations

import copy
import pickle
from typing import Any, NamedTuple, get_type_hints

import pytest

from shark import tuples


class Theirs(NamedTuple):
    """As typing makes it."""

    a: int
    b: bytes
    c: str = "c"
    d: tuple[int, ...] = ()

    @property
    def both(self) -> tuple[int, bytes]:
        """A method stays one."""
        return self.a, self.b


class Ours(tuples.NamedTuple):
    """As we make it."""

    a: int
    b: bytes
    c: str = "c"
    d: tuple[int, ...] = ()

    @property
    def both(self) -> tuple[int, bytes]:
        """A method stays one."""
        return self.a, self.b


BOTH = pytest.mark.parametrize("kind", [Theirs, Ours])


@BOTH
def test_what_a_named_tuple_can(kind: Any) -> None:
    """Fields, defaults, methods, copies: the same of both."""
    one = kind(1, b"b")
    assert one == (1, b"b", "c", ()) == kind(b=b"b", a=1) == kind(1, b"b", d=())
    assert (one.a, one.b, one.c, one.d, one.both) == (1, b"b", "c", (), (1, b"b"))
    assert kind._fields == kind.__match_args__ == ("a", "b", "c", "d")
    assert kind._field_defaults == {"c": "c", "d": ()}
    assert one._replace(a=2, d=(3,)) == kind(2, b"b", "c", (3,))
    assert type(one._replace()) is type(kind._make(one)) is type(copy.copy(one)) is kind
    assert pickle.loads(pickle.dumps(one)) == one
    assert one._asdict() == {"a": 1, "b": b"b", "c": "c", "d": ()}
    assert repr(one) == f"{kind.__name__}(a=1, b=b'b', c='c', d=())"
    assert hash(one) == hash((1, b"b", "c", ()))
    assert get_type_hints(kind) == {"a": int, "b": bytes, "c": str, "d": tuple[int, ...]}
    assert isinstance(one, tuple)
    assert not hasattr(one, "__dict__")
    match one:
        case kind(a, c="c"):
            assert a == 1
        case _:
            pytest.fail("it does not match")


@BOTH
@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1,), {}), ((1, b"", "", (), 5), {}), ((1, b""), {"a": 1}), ((1, b""), {"e": 1}), ((), {"a": 1})],
)
def test_wrong_arguments(kind: Any, values: Any, named: Any) -> None:
    """Too few, too many, twice, unknown."""
    with pytest.raises(TypeError):
        kind(*values, **named)


@BOTH
def test_wrong_replacements(kind: Any) -> None:
    """A name that is no field, and a sequence that is too short; a value cannot be changed."""
    one = kind(1, b"")
    with pytest.raises(ValueError, match="e"):
        one._replace(e=1)
    with pytest.raises(TypeError):
        kind._make([1])
    with pytest.raises(AttributeError):
        one.a = 2


def test_a_default_in_the_middle() -> None:
    """It is refused when the class is made."""
    with pytest.raises(TypeError, match="without a default"):

        class Odd(tuples.NamedTuple):
            a: int = 1
            b: int
