"""The evidence of two graphs: what feeds a unit, what takes its value, and by which ports."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property

from irconv.align.evidence import FED, FED_THROUGH, TAKEN, TAKEN_THROUGH
from irconv.align.network import Edge, Network
from irconv.align.partition import Partition
from irconv.data_classes import dataclass

Feature = Callable[["Items", Sequence[int], int], Hashable]


@dataclass(frozen=True)
class Items:
    """The things of a graph: its units first, by their numbers, then its other nodes."""

    network: Network
    exact: bool = False
    """Whether what is on the way counts with all its settings, as it does within one network."""

    @cached_property
    def joins(self) -> tuple[int, ...]:
        """The nodes that use no unit."""
        return tuple(index for index, node in enumerate(self.network.nodes) if node.unit is None)

    @cached_property
    def of_node(self) -> tuple[int, ...]:
        """Node -> thing."""
        place = {node: len(self.network.units) + number for number, node in enumerate(self.joins)}
        nodes = enumerate(self.network.nodes)
        return tuple(place[index] if node.unit is None else node.unit for index, node in nodes)

    def nodes(self, item: int) -> Sequence[int]:
        """Thing -> its nodes."""
        units = len(self.network.units)
        return self.network.uses.get(item, ()) if item < units else (self.joins[item - units],)

    def labels(self, ports: bool) -> list[Hashable]:
        """Of units their family and size; of other nodes what they do, and with `ports` which input or output it is."""
        found: list[Hashable] = [unit.label for unit in self.network.units]
        for index in self.joins:
            node = self.network.nodes[index]
            numbered = ports and node.label in ("input", "output")
            found.append((node.exact if self.exact or numbered else node.label,))
        return found

    def way(self, edge: Edge) -> tuple[str, ...]:
        """What is on the way."""
        return edge.exact if self.exact else edge.trail

    @cached_property
    def edges(self) -> Mapping[tuple[int, int], list[tuple[str, tuple[str, ...]]]]:
        """(Thing, thing that takes it) -> ports and what is on the way."""
        found: dict[tuple[int, int], list[tuple[str, tuple[str, ...]]]] = {}
        for index, node in enumerate(self.network.nodes):
            for edge in node.inputs:
                key = self.of_node[edge.source], self.of_node[index]
                found.setdefault(key, []).append((edge.port, self.way(edge)))
        return found


def _given(items: Items, colours: Sequence[int], item: int) -> Hashable:
    uses = []
    for node in items.nodes(item):
        edges = items.network.nodes[node].inputs
        uses.append(tuple(sorted((edge.port, colours[items.of_node[edge.source]]) for edge in edges)))
    return tuple(sorted(uses))


def _taken(items: Items, colours: Sequence[int], item: int) -> Hashable:
    takers = [taker for node in items.nodes(item) for taker in items.network.takers[node]]
    return tuple(sorted((edge.port, colours[items.of_node[index]]) for index, edge in takers))


def _given_on_the_way(items: Items, colours: Sequence[int], item: int) -> Hashable:
    uses = []
    for node in items.nodes(item):
        edges = items.network.nodes[node].inputs
        found = [(edge.port, items.way(edge), colours[items.of_node[edge.source]]) for edge in edges]
        uses.append(tuple(sorted(found)))
    return tuple(sorted(uses))


def _taken_on_the_way(items: Items, colours: Sequence[int], item: int) -> Hashable:
    takers = [taker for node in items.nodes(item) for taker in items.network.takers[node]]
    return tuple(sorted((edge.port, items.way(edge), colours[items.of_node[index]]) for index, edge in takers))


_FEATURES: Sequence[tuple[Feature, str]] = (
    (_given, FED),
    (_taken, TAKEN),
    (_given_on_the_way, FED_THROUGH),
    (_taken_on_the_way, TAKEN_THROUGH),
)


def start(source: Items, target: Items) -> Partition:
    """All things of two graphs by their labels; inputs and outputs by their numbers where there are as many."""
    counts = [
        [sum(node.label == label for node in side.network.nodes) for label in ("input", "output")]
        for side in (source, target)
    ]
    ports = counts[0] == counts[1]
    return Partition.of(source.labels(ports), target.labels(ports))


def refine(partition: Partition, source: Items, target: Items) -> None:
    """Tell things apart by their neighbours until nothing changes; plain neighbours go before what is on the way."""
    number = 0
    while number < len(_FEATURES):
        feature, reason = _FEATURES[number]
        values = [
            [feature(items, colours, item) for item in range(len(colours))]
            for items, colours in ((source, partition.source), (target, partition.target))
        ]
        number = 0 if partition.split(values[0], values[1], reason) else number + 1


def broken(pairs: Mapping[int, int], source: Items, target: Items, way: bool = False) -> set[tuple[int, int]]:
    """The edges of the target (as pairs of things) between things that have a partner, of which the partners have no
    such edge. With `way` what is on the way must be the same, too."""
    found = set()
    for (giver, taker), edges in target.edges.items():
        if giver not in pairs or taker not in pairs:
            continue
        there = source.edges.get((pairs[giver], pairs[taker]), [])
        if sorted(edges if way else [(port,) for port, _ in edges]) != sorted(
            there if way else [(port,) for port, _ in there]
        ):
            found.add((giver, taker))
    return found
