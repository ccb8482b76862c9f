"""Which unit of one side is which of the other: by name, then by content, then by order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Literal, TypeAlias

from irconv.comparison.digests import Digests, kind
from irconv.comparison.names import nested, same_words, spelt_alike
from irconv.comparison.sides import Side, Unit
from irconv.data_classes import dataclass

if TYPE_CHECKING:
    from irconv.align import Network

How = Literal["name", "content", "order"]


@dataclass(frozen=True)
class UnitPair:
    """A unit of each side that are the same, and how that is known."""

    a: Unit
    b: Unit
    how: How
    renamed: bool
    """Whether the names differ by more than what their frameworks make of one name."""


@dataclass(frozen=True)
class Paired:
    """All units, each once."""

    pairs: tuple[UnitPair, ...]
    only_a: tuple[Unit, ...]
    only_b: tuple[Unit, ...]
    spellings: tuple[Callable[[str], str], ...]
    """What makes two names one."""

    def differ(self, a: Unit, b: Unit) -> bool:
        """Whether two units' names differ by more than what their frameworks make of one."""
        called = bool(a.called or b.called)
        return self._apart(a.stems, b.stems) if called else self._apart(a.names, b.names)

    def retitled(self, a: Unit, b: Unit) -> bool:
        """Whether somebody has called one of two layers otherwise, whatever its tensors are called. Of layers without
        any, the results say that they had one name."""
        if not (a.called or b.called) or not self._apart((a.title,), (b.title,)):
            return False
        return bool(a.operands and b.operands) or not self._apart(a.names, b.names)

    def _apart(self, a: tuple[str, ...], b: tuple[str, ...]) -> bool:
        if any({*map(spell, a)} & {*map(spell, b)} for spell in self.spellings):
            return False
        return same_words not in self.spellings or not nested(a[0], b[0])


def paired(a: Side, b: Side, digests: Digests) -> Paired:
    """The units of both sides, matched."""
    left, right = list(a.units.values()), list(b.units.values())
    spellings = SPELLINGS if a.dialect != b.dialect else SPELLINGS[:-1]
    found: dict[str, tuple[Unit, Unit, How]] = {}
    for find in (_by_name, _by_content, _by_alignment, _by_order):
        rest_a = [unit for unit in left if unit.name not in found]
        taken = {other.name for _, other, _ in found.values()}
        rest_b = [unit for unit in right if unit.name not in taken]
        for unit, other, how in find(rest_a, rest_b, list(found.values()), Means(spellings, digests, a, b)):
            found[unit.name] = (unit, other, how)
    names = Paired((), (), (), spellings)
    pairs = [UnitPair(u, v, how, names.differ(u, v)) for u, v, how in found.values()]
    pairs.sort(key=lambda pair: pair.a.place)
    rest_a, rest_b = _rest(left, right, pairs)
    return Paired(tuple(pairs), tuple(rest_a), tuple(rest_b), spellings)


def _rest(left: Iterable[Unit], right: Iterable[Unit], pairs: Iterable[UnitPair]) -> tuple[list[Unit], list[Unit]]:
    taken_a, taken_b = {pair.a.name for pair in pairs}, {pair.b.name for pair in pairs}
    return [u for u in left if u.name not in taken_a], [u for u in right if u.name not in taken_b]


SPELLINGS: tuple[Callable[[str], str], ...] = (str, spelt_alike, same_words)
"""What two names have in common, the strictest first; the last holds between two frameworks alone."""
_Found: TypeAlias = tuple[Unit, Unit, How]


@dataclass(frozen=True)
class Means:
    """What units are matched by."""

    spellings: Sequence[Callable[[str], str]]
    digests: Digests
    a: Side
    b: Side


def _by_name(left: Sequence[Unit], right: Sequence[Unit], pairs: Sequence[_Found], means: Means) -> list[_Found]:
    """Units of the same name, and of names that differ in what their frameworks make of names alone."""
    found: list[_Found] = []
    for spell, weights in product(means.spellings, ({True}, {False}, {True, False})):
        taken_a, taken_b = {u.name for u, _, _ in found}, {v.name for _, v, _ in found}
        known_a = _unique((u for u in left if u.name not in taken_a and bool(u.operands) in weights), spell)
        known_b = _unique((v for v in right if v.name not in taken_b and bool(v.operands) in weights), spell)
        for name, unit in known_a.items():
            other = known_b.get(name)
            fresh = other is not None and unit.name not in taken_a and other.name not in taken_b
            if other is not None and fresh and _comparable(unit, other):
                found.append((unit, other, "name"))
                taken_a.add(unit.name)
                taken_b.add(other.name)
    found += _below_a_prefix(left, right, found)
    return found if _names_hold(left, right, found, means) else []


def _below_a_prefix(left: Sequence[Unit], right: Sequence[Unit], found: Sequence[_Found]) -> list[_Found]:
    """Units whose names on one side are those of the other below one more module, the same for most."""
    taken_a, taken_b = {u.name for u, _, _ in found}, {v.name for _, v, _ in found}
    rest_a = {u.name: u for u in left if u.operands and u.name not in taken_a}
    rest_b = {v.name: v for v in right if v.operands and v.name not in taken_b}
    for longer, shorter, forth in ((rest_a, rest_b, True), (rest_b, rest_a, False)):
        prefixes = Counter(
            name[:cut] for name in longer for cut in _cuts(name) if name[cut:].removesuffix(_INNER) in shorter
        )
        for prefix, count in prefixes.most_common(1):
            if count * 2 > min(len(longer), len(shorter)):
                below = {name: name.removeprefix(prefix).removesuffix(_INNER) for name in longer}
                pairs = [(longer[n], shorter[b]) for n, b in below.items() if n.startswith(prefix) and b in shorter]
                return [(u, v, "name") if forth else (v, u, "name") for u, v in pairs]
    return []


_INNER = ".base_layer"
"""What a low-rank adapter puts around the layer that it adapts."""


def _cuts(name: str) -> list[int]:
    """Where a name may go on after a module's name."""
    return [0, *(match.end() for match in re.finditer(r"[./]", name))]


def _names_hold(left: Sequence[Unit], right: Sequence[Unit], found: Sequence[_Found], means: Means) -> bool:
    """Whether names say which unit is which. They are mere counters (``conv2d_1`` is ``conv2d_2`` in another session)
    where a unit without a namesake has the content of one that has another namesake, and the content of all goes in one
    order on both sides; two units that have changed places are no such case."""
    taken_a, taken_b = {u.name for u, _, _ in found}, {v.name for _, v, _ in found}
    rest_a = [u for u in left if u.operands and u.name not in taken_a]
    rest_b = [v for v in right if v.operands and v.name not in taken_b]
    if not rest_a or not rest_b or not _votes(rest_a, [v for _, v, _ in found], means.digests):
        return True
    content = _by_content(left, right, (), means)
    places = sorted((u.place, v.place) for u, v, _ in content)
    return [j for _, j in places] != sorted(j for _, j in places) or len(content) <= len(found) // 2


def _comparable(a: Unit, b: Unit) -> bool:
    """Whether two units of one name may be one: both have weights or neither, or they are of one type."""
    if a.type is not None and b.type is not None and (a.type == "Constant") != (b.type == "Constant"):
        return False
    return bool(a.operands) == bool(b.operands) or (a.type is not None and a.type == b.type)


def _unique(units: Iterable[Unit], spell: Callable[[str], str]) -> dict[str, Unit]:
    names = [(name, unit) for unit in units for name in dict.fromkeys(map(spell, unit.names))]
    counts = Counter(name for name, _ in names)
    return {name: unit for name, unit in names if counts[name] == 1}


def _by_content(left: Sequence[Unit], right: Sequence[Unit], pairs: Sequence[_Found], means: Means) -> list[_Found]:
    """Units that share tensors bit for bit: those that share the most first; equal ones in their order."""
    places_a, places_b = {u.place: u for u in left}, {u.place: u for u in right}
    votes = _votes(left, right, means.digests)
    taken_a: set[int] = set()
    taken_b: set[int] = set()
    found: list[_Found] = []
    for (i, j), _ in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if i not in taken_a and j not in taken_b:
            taken_a.add(i)
            taken_b.add(j)
            found.append((places_a[i], places_b[j], "content"))
    return found


def _votes(left: Iterable[Unit], right: Iterable[Unit], digests: Digests) -> Counter[tuple[int, int]]:
    """Bytes that two units share, by their places."""
    shared = {kind(o.data) for unit in left for o in unit.operands.values()}
    shared &= {kind(o.data) for unit in right for o in unit.operands.values()}
    votes: Counter[tuple[int, int]] = Counter()
    index: dict[bytes, list[tuple[int, int]]] = {}
    for unit in right:
        for operand in unit.operands.values():
            if kind(operand.data) in shared and (digest := digests.of(operand.data)) is not None:
                index.setdefault(digest, []).append((unit.place, operand.data.nbytes))
    for unit in left:
        for operand in unit.operands.values():
            if kind(operand.data) in shared and (digest := digests.of(operand.data)) is not None:
                for place, nbytes in index.get(digest, []):
                    votes[unit.place, place] += nbytes
    return votes


def _by_alignment(left: Sequence[Unit], right: Sequence[Unit], pairs: Sequence[_Found], means: Means) -> list[_Found]:
    """What graphs, shapes and order leave one place for, given what is known already."""
    if not any(u.operands for u in left) or not any(u.operands for u in right):
        return []
    from irconv.align import align  # takes a while to import
    from irconv.frameworks.networks import network_of

    source, target = network_of(means.a.bundle), network_of(means.b.bundle)
    places_a, places_b = ({unit.name: n for n, unit in enumerate(side.units)} for side in (source, target))
    told = {
        places_b[v.name]: places_a[u.name]
        for u, v, _ in pairs
        if u.name in places_a and v.name in places_b and _same_core(source, target, places_a[u.name], places_b[v.name])
    }
    names_a, names_b = {u.name: u for u in left}, {u.name: u for u in right}
    found: list[_Found] = []
    for j, i in align(source, target, told).pairs.items():
        unit, other = names_a.get(source.units[i].name), names_b.get(target.units[j].name)
        if unit is not None and other is not None:
            found.append((unit, other, "order"))
    return found


def _same_core(source: Network, target: Network, i: int, j: int) -> bool:
    return source.units[i].label == target.units[j].label


def _by_order(left: Sequence[Unit], right: Sequence[Unit], pairs: Sequence[_Found], means: Means) -> list[_Found]:
    """What is left between the same neighbours on both sides, in the same order, with the same shapes."""
    left, right = ([u for u in units if u.operands] for units in (left, right))
    anchors = sorted((u.place, v.place) for u, v, _ in pairs if u.operands and v.operands)
    gaps_a, gaps_b = _gaps(left, [i for i, _ in anchors]), _gaps(right, [j for _, j in anchors])
    if [j for _, j in anchors] != sorted(j for _, j in anchors):
        gaps_a, gaps_b = {0: list(left)}, {0: list(right)}
    found: list[_Found] = []
    for gap, units in gaps_a.items():
        others = gaps_b.get(gap, [])
        if len(units) == len(others) and all(map(_alike, units, others)):
            found += [(u, v, "order") for u, v in zip(units, others, strict=True)]
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
