"""The data classes of irconv behave as Python's own."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from typing import Any

import pytest

from irconv.data_classes import dataclass

Make = Callable[..., Any]


def _both(define: Callable[[Make], Any]) -> tuple[Any, Any]:
    return define(dataclass), define(dataclasses.dataclass)


def _plain(make: Make) -> Any:
    @make(frozen=True)
    class Kind:
        first: int
        second: tuple[str, ...] = ("a",)
        third: dict[str, int] = field(default_factory=dict, compare=False)
        fourth: float = field(default=0.5, repr=False)

    return Kind


def _changing(make: Make) -> Any:
    @make
    class Kind:
        first: int
        made: list[int] = field(default_factory=list)
        total: int = field(init=False)

        def __post_init__(self) -> None:
            self.total = self.first + len(self.made)

    return Kind


def _empty(make: Make) -> Any:
    @make(frozen=True)
    class Kind:
        """No fields."""

    return Kind


def _own(make: Make) -> Any:
    @make(frozen=True)
    class Kind:
        first: int
        second: int = 7

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Kind) and other.first == self.first

        def __hash__(self) -> int:
            return 3

        def __repr__(self) -> str:
            return f"<{self.first}>"

    return Kind


def _inherited(make: Make) -> Any:
    @make(frozen=True)
    class Base:
        first: int
        second: int = 2

    @make(frozen=True)
    class Kind(Base):
        third: str = "x"
        second: int = 5

    return Kind


def _by_identity(make: Make) -> Any:
    @make(frozen=True, eq=False, repr=False)
    class Kind:
        first: int

    return Kind


def _with_slots(make: Make) -> Any:
    @make(frozen=True, slots=True)
    class Kind:
        first: int
        second: int = 2

    return Kind


ALL = (_plain, _changing, _empty, _own, _inherited, _by_identity, _with_slots)


@pytest.mark.parametrize("define", ALL)
def test_instances_are_made_shown_and_compared_as_those_of_python(define: Callable[[Make], Any]) -> None:
    ours, pythons = _both(define)
    given = [()] if define is _empty else [(1,), (2,)]
    for one in given:
        made, other = ours(*one), pythons(*one)
        if define is not _by_identity:
            assert repr(made).split(".")[-1] == repr(other).split(".")[-1]
            assert (made == ours(*one)) is (other == pythons(*one)) is True
        assert (made == other) is False
        assert asdict(made) == asdict(other)
        assert [each.name for each in fields(made)] == [each.name for each in fields(other)]
    firsts, others = ([kind(*one) for one in given] for kind in (ours, pythons))
    assert [left == right for left in firsts for right in firsts] == [a == b for a in others for b in others]


@pytest.mark.parametrize("define", ALL)
def test_hashes_exist_where_those_of_python_do(define: Callable[[Make], Any]) -> None:
    ours, pythons = (kind(*(() if define is _empty else (1,))) for kind in _both(define))
    if define is _changing:
        for made in (ours, pythons):
            with pytest.raises(TypeError, match="unhashable type: 'Kind'"):
                hash(made)
    elif define is not _by_identity:
        assert hash(ours) == hash(copy.copy(ours))


def test_what_is_not_compared_is_not_hashed() -> None:
    kind = _plain(dataclass)
    assert kind(1, third={"a": 1}) == kind(1, third={"b": 2})
    assert hash(kind(1, third={"a": 1})) == hash(kind(1))
    assert kind(1, fourth=1.0) != kind(1)


@pytest.mark.parametrize("make", [dataclass, dataclasses.dataclass])
def test_a_frozen_one_takes_no_changes(make: Make) -> None:
    made = _inherited(make)(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'first'"):
        made.first = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'first'"):
        del made.first
    assert (made.first, made.second, made.third) == (1, 5, "x")


@pytest.mark.parametrize("make", [dataclass, dataclasses.dataclass])
def test_one_with_fields_changed_is_made_anew(make: Make) -> None:
    made = replace(_plain(make)(1), first=3, second=())
    assert (made.first, made.second, made.third, made.fourth) == (3, (), {}, 0.5)
    changing = _changing(make)(4)
    changing.made.append(1)
    assert (changing.total, _changing(make)(4).made) == (4, [])


@pytest.mark.parametrize("make", [dataclass, dataclasses.dataclass])
def test_what_is_missing_or_too_much_is_told_by_name(make: Make) -> None:
    with pytest.raises(TypeError, match=r"Kind\.__init__\(\) missing 1 required positional argument: 'first'"):
        _plain(make)()
    with pytest.raises(TypeError, match=r"Kind\.__init__\(\) got an unexpected keyword argument 'other'"):
        _plain(make)(1, other=2)


@dataclass(frozen=True)
class Kept:
    """One that a pickle finds by its name."""

    number: int
    inner: Kept | None = None


def test_one_survives_a_pickle_and_a_copy() -> None:
    made = Kept(1, Kept(2))
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made
    assert repr(made) == "Kept(number=1, inner=Kept(number=2, inner=None))"


def test_one_that_holds_itself_is_shown() -> None:
    made = _changing(dataclass)(1)
    made.made.append(made)
    assert "made=[...]" in repr(made)
