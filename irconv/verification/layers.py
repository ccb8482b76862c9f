"""Where two sides part: the first layer whose result the other side does not have, and all that follows differs.

A value of A *agrees* where B makes the same numbers somewhere on its way, whatever they are called there. One that B
does not make is no fault while something made of it agrees: B may calculate two layers as one, or in another form. The
first layer at which the sides part is therefore the first value of A that does not agree, and of which nothing that
agrees is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from irconv.data_classes import dataclass
from irconv.layout import Array
from irconv.verification.compare import Difference, difference
from irconv.verification.matching import Known, aligned
from irconv.verification.report import number
from irconv.verification.trace import Trace

_AT_ONCE = 512
"""Values of A that are looked at at a time; of a larger model, as many spread over it, then those before the first that
differs."""

_FOLDED = frozenset({"BatchNorm", "ChannelAffine"})
"""Layers that others compute together with the one before."""


@dataclass(frozen=True)
class Row:
    """A value of A."""

    layer: str
    value: str
    other: str
    """The value of B that has its numbers, or else its name or place; empty where there is none."""
    agrees: bool
    difference: Difference | None
    """None where B has no value of this name or place and size."""


@dataclass(frozen=True)
class Parting:
    """The first layer at which the sides part."""

    layer: str
    together: tuple[str, ...]
    """This layer, and those after it that B may compute in one step with it: the fault may be in any of them."""
    row: Row
    other: str
    """The first value of B that A does not make; empty where there is none."""


@dataclass(frozen=True)
class Layers:
    """The layers of two sides, compared."""

    rows: tuple[Row, ...]
    """In A's order; of a large model those that were looked at."""
    parting: Parting | None
    """None where the outputs agree."""
    unseen: int
    """Values of A that were not looked at."""
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The layers as JSON."""
        rows = [_document(row) for row in self.rows]
        found = self.parting
        together = {"layer": found.layer, "together": list(found.together), "b": found.other} if found else None
        return {
            "first": {**_document(found.row), **together} if found and together else None,
            "layers": rows,
            "not_looked_at": self.unseen,
        }


def _document(row: Row) -> dict[str, Any]:
    d = row.difference
    numbers = {"max_abs": number(d.max_abs), "relative": number(d.relative)} if d else {}
    return {"layer": row.layer, "value": row.value, "b": row.other, "agrees": row.agrees, **numbers}


def parted(a: Trace, b: Trace, allowed: float, agree: bool, pairs: Mapping[str, str] | None = None) -> Layers:
    """Compare what both sides make on the way. `agree` says whether their outputs do; `pairs` which value of B stands
    in the place of one of A that B has no namesake of. Raises `MissingFact`."""
    search = _Search(a, b, allowed, pairs or {})
    wanted = list(range(len(a.values)))
    while True:
        search.look_at(_spread(wanted, _AT_ONCE), everything=len(wanted) <= _AT_ONCE)
        if agree:
            return Layers(search.rows(), None, len(a.values) - len(search.seen))
        first = search.first()
        if first is None:
            return Layers(search.rows(), None, len(a.values) - len(search.seen))
        wanted = [place for place in search.doubtful(first) if place not in search.seen]
        if not wanted:
            return Layers(search.rows(), search.parting(first), len(a.values) - len(search.seen))


def _spread(places: Sequence[int], count: int) -> list[int]:
    """So many of the places, evenly spread, the last among them."""
    step = max(1, -(-len(places) // count))
    return list(places[::-step])[::-1]


class _Search:
    """What is known of the values so far."""

    def __init__(self, a: Trace, b: Trace, allowed: float, pairs: Mapping[str, str]) -> None:
        self.a, self.b, self.allowed = a, b, allowed
        self.seen: dict[int, Row] = {}
        self.mine: set[int] = set()
        """The values of B that A makes, too."""
        self.followers: list[list[int]] = [[] for _ in a.values]
        for place, value in enumerate(a.values):
            for before in value.made_of:
                self.followers[before].append(place)
        self.by_name = {value.name: place for place, value in enumerate(b.values)}
        mine = {value.name for value in a.values}
        paired = {name: other for name, other in pairs.items() if name not in self.by_name and other not in mine}
        self.others_name = {**{name: name for name in mine}, **paired}
        """Value of A -> the name of the one of B that stands in its place, if B has it."""
        self.own_name = {other: name for name, other in self.others_name.items() if other in self.by_name}

    def look_at(self, places: Sequence[int], everything: bool) -> None:
        """Compare some values of A with all of B, or with those of their names alone."""
        known = Known(self.allowed)
        for portion in self.a.fetched(places):
            for place, array in portion:
                known.add(place, self.a.values[place], array)
        others: Iterable[int] = range(len(self.b.values))
        if not everything:
            names = [self.others_name[self.a.values[place].name] for place in places]
            others = [self.by_name[name] for name in names if name in self.by_name] or others
        namesakes: dict[int, Difference] = {}
        for portion in self.b.fetched(list(others)):
            for place, array in portion:
                if matches := known.match(array, self.b.values[place].name):
                    self.mine.add(place)
                    known.found(matches, self.b.values[place].name)
                elif (own := known.named(self.own_name.get(self.b.values[place].name, ""))) is not None:
                    namesakes[own] = _apart(known.arrays[own], array)
        for place in known.arrays:
            value = self.a.values[place]
            agreeing = known.partners.get(place)
            other = agreeing or (self.others_name[value.name] if place in namesakes else "")
            self.seen[place] = Row(
                value.layer, value.name, other, agreeing is not None, self._number(known, place, namesakes)
            )

    def _number(self, known: Known, place: int, namesakes: Mapping[int, Difference]) -> Difference | None:
        return known.differences.get(place) or namesakes.get(place)

    def rows(self) -> tuple[Row, ...]:
        """All that was looked at, in A's order."""
        return tuple(self.seen[place] for place in sorted(self.seen))

    def first(self) -> int | None:
        """The first value that does not agree, and of which nothing that agrees is made."""
        fine = self._before({place for place, row in self.seen.items() if row.agrees})
        return next((place for place in sorted(self.seen) if place not in fine), None)

    def doubtful(self, first: int) -> list[int]:
        """The values that `first` is made of, itself among them, and of which nothing that agrees is made."""
        fine = self._before({place for place, row in self.seen.items() if row.agrees})
        return sorted(self._before({first}) - fine)

    def _before(self, places: set[int]) -> set[int]:
        """The places, and all that they are made of."""
        found, waiting = set(places), list(places)
        while waiting:
            for place in self.a.values[waiting.pop()].made_of:
                if place not in found:
                    found.add(place)
                    waiting.append(place)
        return found

    def parting(self, first: int) -> Parting:
        """What there is to say about the first value that does not agree."""
        row = self.seen[first]
        together = [row.layer]
        following = self.followers[first]
        while len(following) == 1 and self.a.values[following[0]].type in _FOLDED and not self._named(following[0]):
            together.append(self.a.values[following[0]].layer)
            following = self.followers[following[0]]
        return Parting(row.layer, tuple(dict.fromkeys(together)), row, self._others_first())

    def _named(self, place: int) -> bool:
        """Whether B has a value of this name, or one that stands in its place."""
        return self.others_name[self.a.values[place].name] in self.by_name

    def _others_first(self) -> str:
        """The first value of B that A does not make and of which nothing that A makes is made."""
        fine, waiting = set(self.mine), list(self.mine)
        while waiting:
            for place in self.b.values[waiting.pop()].made_of:
                if place not in fine:
                    fine.add(place)
                    waiting.append(place)
        return next((value.name for place, value in enumerate(self.b.values) if place not in fine), "")


def _apart(a: Array, b: Array) -> Difference:
    """How far two values of one name are apart, in the axes in which they are closest."""
    return min(
        (difference(a, other) for other in aligned(b, a.shape)), key=lambda one: one.relative, default=difference(a, b)
    )
