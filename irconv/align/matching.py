"""Which unit of one network is which of another: all evidence in order, and what it leaves open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import field, replace
from math import prod

from irconv.align import graphs, orders, wording
from irconv.align.evidence import (
    ATTENTION,
    DIRECTION,
    SAME_NAME,
    SEQUENCE,
    SHAPE,
    SIGNATURE,
    TOLD,
    TYPE,
    by_graphs_alone,
    by_order,
)
from irconv.align.graphs import Items
from irconv.align.network import CONSTANT, KERNEL, MATRIX, NORM, REVERSE, Network, Unit
from irconv.align.partition import Partition
from irconv.align.symmetry import settle
from irconv.data_classes import dataclass
from irconv.ir.manifest import LayoutStep

_ALIKE = "types, shapes, graphs, names and order do not tell them apart"


@dataclass(frozen=True)
class Match:
    """A unit of the target and the unit of the source that it is; both by their numbers."""

    target: int
    source: int
    why: tuple[str, ...]
    """The evidence, strongest first."""
    others: tuple[int, ...]
    """Other units of the source that have its family and size."""
    exchangeable: tuple[int, ...] = ()
    """Units of the target that could have been given its partner without any effect on the function."""


@dataclass(frozen=True)
class Choice:
    """Units of the target and those of the source that they may be, which evidence does not tell apart."""

    target: tuple[int, ...]
    source: tuple[int, ...]
    why: str


@dataclass(frozen=True)
class Alignment:
    """Two networks, and what became of every unit of both."""

    source: Network
    target: Network
    matches: tuple[Match, ...]
    open: tuple[Choice, ...]
    missing: tuple[int, ...]
    """Units of the target that the source has nothing for."""
    left: tuple[int, ...]
    """Units of the source that the target has no use for."""
    nodes: Mapping[int, int] = field(default_factory=dict)
    """Node of the target -> node of the source, where both have graphs; joins are among them."""

    @property
    def pairs(self) -> dict[int, int]:
        """Unit of the target -> unit of the source."""
        return {match.target: match.source for match in self.matches}


def align(
    source: Network, target: Network, told: Mapping[int, int] | None = None, apart: Collection[int] = ()
) -> Alignment:
    """Align two networks; `told` fixes units of the target, and those `apart` have no partner.

    Nothing is guessed: what two placements explain equally well stays in `Alignment.open`.
    """
    source, target = _read_alike(source, target)
    both = source.has_graph and target.has_graph
    items = (Items(source), Items(target)) if both else None
    partition = graphs.start(*items) if items else Partition.of(*(_labels(side) for side in (source, target)))
    for t_unit, s_unit in (told or {}).items():
        partition.pair(s_unit, t_unit, TOLD)
    for t_unit in apart:
        partition.set_apart(t_unit)
    free = _decide(partition, source, target, items)
    doubts = _doubts(partition, source, target, items)
    return _result(partition, source, target, items, free, doubts)


def _labels(network: Network) -> list[Hashable]:
    return [unit.label for unit in network.units]


def _read_alike(source: Network, target: Network) -> tuple[Network, Network]:
    """The networks with the readings of their units that the other side has a counterpart for."""
    for _ in range(2):
        source, target = _read_as(source, target), _read_as(target, source)
    return source, target


def _read_as(network: Network, other: Network) -> Network:
    there = {unit.label for unit in other.units} | {u.label for units in other.alternatives.values() for u in units}
    units = list(network.units)
    for index, unit in enumerate(network.units):
        others = (*_as_matrix(unit), *_as_slope(unit), *_as_rows(unit), *_as_table(unit))
        readings = (unit, *network.alternatives.get(index, ()), *others)
        fitting = [reading for reading in readings if reading.label in there]
        units[index] = fitting[0] if fitting else unit
    return replace(network, units=tuple(units))


def _as_matrix(unit: Unit) -> tuple[Unit, ...]:
    """A convolution as the matrix that it is where its window has one element, or is as large as its image."""
    if unit.family != KERNEL or unit.kind == "ConvTranspose" or "kernel" not in unit.parts:
        return ()
    kernel = unit.parts["kernel"]
    window = " ".join(f"k{axis}" for axis in range(len(unit.core) - 2))
    sizes = {f"k{axis}": size for axis, size in enumerate(unit.core[2:])}
    step = LayoutStep(
        source=f"out in {window}", target=f"out (in {window})", orders={}, sizes={**sizes, "in": unit.core[1]}
    )
    flat = replace(kernel, shape=(unit.core[0], prod(unit.core[1:])), steps=(*kernel.steps, step))
    return (replace(unit, family=MATRIX, parts={**unit.parts, "kernel": flat}, kind=""),)


def _as_slope(unit: Unit) -> tuple[Unit, ...]:
    """A vector without a class as the slopes of a PRelu."""
    if unit.family != NORM or unit.kind or unit.parts.keys() != {"gamma"}:
        return ()
    return (replace(unit, family="PRelu", parts={"slope": unit.parts["gamma"]}),)


def _as_table(unit: Unit) -> tuple[Unit, ...]:
    """A constant of a graph as the whole of a table, of which an exporter has looked up every row."""
    if unit.family != CONSTANT or unit.kind != "Constant" or len(unit.core) != 2:
        return ()
    return (replace(unit, family=MATRIX, parts={"table": unit.parts["value"]}, kind="Embedding"),)


def _as_rows(unit: Unit) -> tuple[Unit, ...]:
    """A convolution of an image of one channel as one over a sequence: one of its axes has the channels."""
    if unit.family != KERNEL or unit.kind == "ConvTranspose" or len(unit.core) != 4 or unit.core[1] != 1:
        return ()
    kernel = unit.parts["kernel"]
    first, last = unit.core[2:]
    made = []
    for words, shape in (("out one k in", (unit.core[0], last, first)), ("out one in k", (unit.core[0], first, last))):
        step = LayoutStep(source=words, target="out (one in) k", orders={}, sizes={"one": 1, "in": shape[1]})
        part = replace(kernel, shape=shape, steps=(*kernel.steps, step))
        made.append(replace(unit, parts={**unit.parts, "kernel": part}))
    return tuple(made) if first != last else ()


def window_of(unit: Unit) -> int | None:
    """How many places the window of a convolution has that is read as a matrix; None for a matrix."""
    for step in unit.parts["kernel"].steps if "kernel" in unit.parts else ():
        if step.source.startswith("out in k0"):
            return prod(size for name, size in step.sizes.items() if name != "in")
    return None


def _decide(
    partition: Partition, source: Network, target: Network, items: tuple[Items, Items] | None
) -> dict[int, list[int]]:
    """Let all evidence speak, strong before weak, until none of it says anything more."""
    free: dict[int, list[int]] = {}

    def settled() -> bool:
        if items is None:
            return False
        found = settle(partition, *items)
        free.update(found)
        return bool(found)

    def refined() -> bool:
        before = partition.copy()
        if items is not None:
            graphs.refine(partition, *items)
        return before.target != partition.target

    steps: Sequence[Callable[[], bool]] = (
        refined,
        lambda: _by_value(partition, source, target, SIGNATURE, lambda u: u.signature, True),
        lambda: _by_value(partition, source, target, TYPE, lambda u: u.kind or None, True),
        lambda: _by_value(partition, source, target, DIRECTION, lambda u: u.tag if u.tag == REVERSE else None, False),
        lambda: _by_value(partition, source, target, ATTENTION, lambda u: u.tag or None, False),
        settled,
        lambda: wording.same_names(partition, source, target),
        lambda: orders.by_rank(partition, source, target),
        lambda: wording.by_companion(partition, source, target),
        lambda: wording.same_words(partition, source, target),
        lambda: items is None and _by_sequence(partition, source, target),
    )
    number = 0
    while number < len(steps):
        number = 0 if steps[number]() else number + 1
    return free


def _by_value(
    partition: Partition,
    source: Network,
    target: Network,
    reason: str,
    value: Callable[[Unit], Hashable],
    whole: bool,
) -> bool:
    values: list[list[Hashable]] = []
    for network, colours in ((source, partition.source), (target, partition.target)):
        known: list[Hashable] = [value(unit) for unit in network.units]
        values.append(known + [None] * (len(colours) - len(known)))
    return partition.split(values[0], values[1], reason, whole)


def _by_sequence(partition: Partition, source: Network, target: Network) -> bool:
    """Cut classes of which one side has more than the other by the sequence of all units, if that is complete."""
    uneven = [(s, t) for s, t in partition.open() if len(s) != len(t)]
    first, second = _sequence(source), _sequence(target)
    if not uneven or first is None or second is None:
        return False
    found = orders.sequence(first, partition.source, second, partition.target)
    changed = False
    for s_units, t_units in uneven:
        for unit in t_units:
            if len(found.get(unit, ())) == 1 and len(s_units) + len(t_units) > 2:
                (partner,) = found[unit]
                partition.pair(partner, unit, SEQUENCE)
                changed = True
    return changed


def _sequence(network: Network) -> Sequence[int] | None:
    """All units in a row, by the graph or by the numbers in their names; else as the file has them."""
    everything = range(len(network.units))
    for _, order in orders.orders(network):
        groups = orders.levels(everything, order)
        if groups is not None and all(len(group) == 1 for group in groups):
            return [group[0] for group in groups]
    return network.stored


def _doubts(
    partition: Partition, source: Network, target: Network, items: tuple[Items, Items] | None
) -> dict[int, str]:
    """The units of the target whose place the rest of the mapping speaks against, and why.

    What has its type and shape alone, or was told, is not doubted.
    """
    pairs = partition.pairs()
    s_count, t_count = (Counter(unit.label for unit in side.units) for side in (source, target))
    units = {t: s for t, s in pairs.items() if t < len(target.units)}
    sure = {t for t in units if s_count[target.units[t].label] == t_count[target.units[t].label] == 1}
    sure |= {t for t in units if TOLD in partition.why.get(t, [])}
    found: dict[int, str] = {}
    if items is None:
        ranked = {t for t in units if by_order(partition.why.get(t, ()))}
        against = orders.contradictions(units, source, target)
        return dict.fromkeys((against & ranked) - sure, "the orders of the two sides contradict each other")
    broken = graphs.broken(pairs, *items)
    good: dict[int, list[bool]] = {}
    for giver, taker in items[1].edges:
        if giver in pairs and taker in pairs:
            held = (giver, taker) not in broken
            good.setdefault(taker, [True, True, False, False])[0] &= held
            good.setdefault(giver, [True, True, False, False])[1] &= held
            good[taker][2] |= held
            good[giver][3] |= held
    for unit in set(units) - sure:
        if SAME_NAME in partition.why.get(unit, []):
            continue
        label = target.units[unit].label
        if s_count[label] != t_count[label] and broken:
            found[unit] = "the source has more of its kind, and the graphs do not fit together as a whole"
        elif by_graphs_alone(partition.why.get(unit, ())) and not _holds(good.get(unit)):
            found[unit] = "neither what feeds it nor what takes its value is the same on both sides"
    return found


def _holds(good: Sequence[bool] | None) -> bool:
    """Whether all edges on one side of a unit are there in the source, too, and there are some."""
    return good is not None and ((good[0] and good[2]) or (good[1] and good[3]))


def _result(
    partition: Partition,
    source: Network,
    target: Network,
    items: tuple[Items, Items] | None,
    free: Mapping[int, list[int]],
    doubts: Mapping[int, str],
) -> Alignment:
    alike: dict[Hashable, list[int]] = {}
    for index, unit in enumerate(source.units):
        alike.setdefault(unit.label, []).append(index)
    matches, choices, missing = list[Match](), list[Choice](), list[int]()
    doubted: dict[tuple[Hashable, str], list[int]] = {}
    taken: set[int] = set()
    for s_things, t_things in partition.classes().values():
        s_units = [thing for thing in s_things if thing < len(source.units)]
        t_units = [thing for thing in t_things if thing < len(target.units)]
        if not s_units:
            missing += t_units
        elif len(s_units) == len(t_units) == 1 and t_units[0] not in doubts:
            (t,), (s,) = t_units, s_units
            others = tuple(i for i in alike.get(target.units[t].label, []) if i != s)
            why = tuple(partition.why.get(t, [])) or (SHAPE,)
            matches.append(Match(t, s, why, others, tuple(free.get(t, ()))))
            taken.add(s)
        elif t_units:
            for t in t_units:
                doubted.setdefault((target.units[t].label, doubts.get(t, _ALIKE)), []).append(t)
    for (label, why_not), t_open in doubted.items():
        s_open = tuple(unit for unit in alike.get(label, []) if unit not in taken)
        choices.append(Choice(tuple(sorted(t_open)), s_open, why_not))
        taken |= set(s_open)
    left = tuple(index for index in range(len(source.units)) if index not in taken)
    nodes = _node_pairs(partition, items) if items else {}
    matches.sort(key=lambda match: match.target)
    return Alignment(source, target, tuple(matches), tuple(choices), tuple(sorted(missing)), left, nodes)


def _node_pairs(partition: Partition, items: tuple[Items, Items]) -> dict[int, int]:
    found: dict[int, int] = {}
    for t, s in partition.pairs().items():
        found |= dict(zip(items[1].nodes(t), items[0].nodes(s), strict=False))
    return found
