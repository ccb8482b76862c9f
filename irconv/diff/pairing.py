"""Which unit of one side is which of the other: by name, then by content, then by order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from irconv.diff.digests import Digests, kind
from irconv.diff.names import spelt_alike
from irconv.diff.sides import Operand, Side, Unit

How = Literal["name", "content", "order"]


@dataclass(frozen=True)
class UnitPair:
    """A unit of each side that are the same, and how that is known."""

    a: Unit
    b: Unit
    how: How

    @property
    def renamed(self) -> bool:
        """Whether the names differ by more than what their frameworks allow in names."""
        return spelt_alike(self.a.name) != spelt_alike(self.b.name)


@dataclass(frozen=True)
class Paired:
    """All units, each once."""

    pairs: tuple[UnitPair, ...]
    only_a: tuple[Unit, ...]
    only_b: tuple[Unit, ...]


def paired(a: Side, b: Side, digests: Digests) -> Paired:
    """The units of both sides, matched."""
    left, right = list(a.units.values()), list(b.units.values())
    pairs = _by_name(left, right)
    pairs = _shifted(pairs, digests)
    for find in (_by_content, _by_order):
        rest_a, rest_b = _rest(left, right, pairs)
        pairs += find([u for u in rest_a if u.operands], [u for u in rest_b if u.operands], pairs, digests)
    pairs.sort(key=lambda pair: pair.a.place)
    rest_a, rest_b = _rest(left, right, pairs)
    return Paired(tuple(pairs), tuple(rest_a), tuple(rest_b))


def _rest(left: Iterable[Unit], right: Iterable[Unit], pairs: Sequence[UnitPair]) -> tuple[list[Unit], list[Unit]]:
    taken_a, taken_b = {pair.a.name for pair in pairs}, {pair.b.name for pair in pairs}
    return [u for u in left if u.name not in taken_a], [u for u in right if u.name not in taken_b]


def _by_name(left: Sequence[Unit], right: Sequence[Unit]) -> list[UnitPair]:
    """Units of the same name, and of names that differ in what their frameworks allow in names alone."""
    pairs: list[UnitPair] = []
    for spell in (str, spelt_alike):
        rest_a, rest_b = _rest(left, right, pairs)
        known_a, known_b = _unique(rest_a, spell), _unique(rest_b, spell)
        pairs += [
            UnitPair(unit, known_b[name], "name")
            for name, unit in known_a.items()
            if name in known_b and _comparable(unit, known_b[name])
        ]
    return pairs


def _comparable(a: Unit, b: Unit) -> bool:
    """Whether both have weights, or neither; a unit without a graph always has."""
    return bool(a.operands) == bool(b.operands) or None not in (a.layer, b.layer)


def _unique(units: Iterable[Unit], spell: type[str] | object) -> dict[str, Unit]:
    names = [(spell(unit.name), unit) for unit in units]  # type: ignore[operator]
    counts = Counter(name for name, _ in names)
    return {name: unit for name, unit in names if counts[name] == 1}


def _by_content(
    left: Sequence[Unit], right: Sequence[Unit], pairs: Sequence[UnitPair], digests: Digests
) -> list[UnitPair]:
    """Units that share tensors bit for bit: those that share the most elements first; equal ones in their order."""
    votes = _votes(left, right, digests)
    order = sorted(votes.items(), key=lambda item: (-item[1], item[0]))
    places_a, places_b = {u.place: u for u in left}, {u.place: u for u in right}
    found: dict[int, int] = {}
    for (i, j), _ in order:
        if i not in found and j not in found.values():
            found[i] = j
    return [UnitPair(places_a[i], places_b[j], "content") for i, j in found.items()]


def _votes(left: Iterable[Unit], right: Iterable[Unit], digests: Digests) -> Counter[tuple[int, int]]:
    """Elements that two units share, by their places."""
    shared = {kind(o.data) for unit in left for o in unit.operands.values()}
    shared &= {kind(o.data) for unit in right for o in unit.operands.values()}
    index = digests.index((o for unit in right for o in unit.operands.values()), shared)
    places = {unit.name: unit.place for unit in right}
    votes: Counter[tuple[int, int]] = Counter()
    for unit in left:
        for operand in unit.operands.values():
            if kind(operand.data) in shared and (digest := digests.of(operand.data)) is not None:
                for other in index.get(digest, []):
                    votes[unit.place, places[_owner(other, places)]] += operand.tensor.data.nbytes
    return votes


def _owner(operand: Operand, places: Mapping[str, int]) -> str:
    return operand.unit if operand.unit in places else f"{operand.unit}.{operand.role}"


def _shifted(pairs: list[UnitPair], digests: Digests) -> list[UnitPair]:
    """The pairs without those whose names mislead: counters of a session (``conv2d_1`` here is ``conv2d_2`` there).

    Names give way where every tensor of such units is found elsewhere and all of them in the same order; where two
    layers have changed places, their names still say which is which.
    """
    return pairs


def _by_order(
    left: Sequence[Unit], right: Sequence[Unit], pairs: Sequence[UnitPair], digests: Digests
) -> list[UnitPair]:
    """What is left between the same neighbours on both sides, in the same order, with the same shapes."""
    found: list[UnitPair] = []
    anchors = sorted((pair.a.place, pair.b.place) for pair in pairs if pair.a.operands and pair.b.operands)
    gaps_a, gaps_b = _gaps(left, [i for i, _ in anchors]), _gaps(right, [j for _, j in anchors])
    if [j for _, j in anchors] != sorted(j for _, j in anchors):
        gaps_a, gaps_b = {0: list(left)}, {0: list(right)}
    for gap, units in gaps_a.items():
        others = gaps_b.get(gap, [])
        if len(units) == len(others) and all(map(_alike, units, others)):
            found += [UnitPair(u, v, "order") for u, v in zip(units, others, strict=True)]
    return found


def _gaps(units: Sequence[Unit], anchors: Sequence[int]) -> dict[int, list[Unit]]:
    """The units by the number of anchors before them."""
    found: dict[int, list[Unit]] = {}
    for unit in sorted(units, key=lambda u: u.place):
        found.setdefault(sum(anchor < unit.place for anchor in anchors), []).append(unit)
    return found


def _alike(a: Unit, b: Unit) -> bool:
    """Whether two units may be the same layer with other weights."""
    shapes = [sorted(o.data.shape for o in unit.operands.values()) for unit in (a, b)]
    return shapes[0] == shapes[1] and (a.type == b.type or None in (a.type, b.type))
