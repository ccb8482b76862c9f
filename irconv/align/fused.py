"""Several layers in one, such as query, key and value: cut apart where the other side has them so, by what its graph
takes of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from irconv.align.attention import attention_tags, cut
from irconv.align.network import MATRIX, Edge, Network, Node, Unit

Taken = tuple[int, Edge]


def alike(source: Network, target: Network) -> tuple[Network, Network]:
    """Both networks with their units cut as far as the other side's are."""
    there, here = _fused(source), _fused(target)
    first = _cut(source, _wanted(source, there, target, here))
    second = _cut(target, _wanted(target, here, source, there))
    return _whole(first, second), _whole(second, first)


def rows(network: Network, unit: int) -> frozenset[object] | None:
    """Which of a unit's rows its graph takes together; None where that is not known."""
    found = [edge.axes.rows if edge.axes else None for _, edge in _takers(network, unit)]
    return frozenset(found) if found and None not in found else None


def _fused(network: Network) -> dict[int, int]:
    """Unit -> of how many equal pieces its rows are, where its graph takes each of these alone."""
    found = {}
    for index, unit in enumerate(network.units):
        pieces = [edge.axes.piece if edge.axes else None for _, edge in _takers(network, index)]
        counts = {piece[1] for piece in pieces if piece}
        whole = unit.core and all(
            edge.axes.channels == unit.core[0] for _, edge in _takers(network, index) if edge.axes
        )
        if unit.family == MATRIX and whole and None not in pieces and len(counts) == 1 and counts != {1}:
            found[index] = counts.pop()
    return found


def _takers(network: Network, unit: int) -> list[Taken]:
    return [taker for node in network.uses.get(unit, ()) for taker in network.takers[node]]


def _wanted(network: Network, fused: Mapping[int, int], other: Network, theirs: Mapping[int, int]) -> dict[int, int]:
    """The units that are to be cut: the other side has theirs in pieces, or cuts its own of this size, too."""
    labels = {unit.label for unit in other.units}
    both = {other.units[index].label for index in theirs}
    found = {}
    for index, count in fused.items():
        unit = network.units[index]
        single = (unit.family, (unit.core[0] // count, *unit.core[1:]))
        if unit.label in both or (unit.label not in labels and single in labels):
            found[index] = count
    return found


def _cut(network: Network, wanted: Mapping[int, int]) -> Network:
    if not wanted:
        return network
    units: list[Unit] = []
    place: dict[int, int] = {}
    for index, unit in enumerate(network.units):
        place[index] = len(units)
        units += cut(unit, _tags(network, index, wanted[index])) if index in wanted else [unit]
    nodes: list[Node] = []
    numbers: dict[int, int] = {}
    for number, node in enumerate(network.nodes):
        inputs = tuple(_moved(network, edge, numbers, wanted) for edge in node.inputs)
        numbers[number] = len(nodes)
        if node.unit is None or node.unit not in wanted:
            nodes.append(replace(node, inputs=inputs, unit=None if node.unit is None else place[node.unit]))
            continue
        for which in range(wanted[node.unit]):
            nodes.append(replace(node, inputs=inputs, unit=place[node.unit] + which, value=f"{node.value}/{which}"))
    alternatives = {place[index]: other for index, other in network.alternatives.items()}
    return replace(network, units=tuple(units), nodes=tuple(nodes), alternatives=alternatives)


def _moved(network: Network, edge: Edge, numbers: Mapping[int, int], wanted: Mapping[int, int]) -> Edge:
    piece = edge.axes.piece if edge.axes and network.nodes[edge.source].unit in wanted else None
    if piece is None or edge.axes is None:
        return replace(edge, source=numbers[edge.source])
    axes = replace(edge.axes, channels=edge.axes.channels // piece[1], offset=0)
    return replace(edge, source=numbers[edge.source] + piece[0], axes=axes)


def _tags(network: Network, index: int, count: int) -> Sequence[str]:
    """What each piece is in attention: query and key are multiplied, and the value with what comes of that."""
    found: dict[int, str] = {}
    for number, edge in _takers(network, index):
        node = network.nodes[number]
        if node.label != "matmul" or edge.axes is None or edge.axes.piece is None:
            return attention_tags(network.units[index], count)
        others = [other for other in node.inputs if other is not edge]
        weighted = any(network.nodes[other.source].label == "matmul" for other in others)
        found[edge.axes.piece[0]] = "v" if weighted else "qk"[edge.port == "1"]
    fits = count == 3 and sorted(found.values()) == ["k", "q", "v"]
    return [found[which] for which in range(count)] if fits else attention_tags(network.units[index], count)


def _whole(network: Network, other: Network) -> Network:
    """A side without a graph, whose names alone say what was cut, as the other side has it."""
    if network.has_graph:
        return network
    labels = {unit.label for unit in other.units}
    units: list[Unit] = []
    for unit in network.units:
        pieces = {part.piece for part in unit.parts.values()}
        which, count = next(iter(pieces)) or (0, 1)
        whole = (unit.family, (unit.core[0] * count, *unit.core[1:])) if count > 1 and len(pieces) == 1 else None
        if whole is None or whole not in labels or unit.label in labels:
            units.append(unit)
        elif which == 0:
            units.append(_joined(unit, count))
    return replace(network, units=tuple(units), stored=network.stored if len(units) == len(network.units) else None)


def _joined(unit: Unit, count: int) -> Unit:
    parts = {
        role: replace(part, shape=(part.shape[0] * count, *part.shape[1:]), piece=None)
        for role, part in unit.parts.items()
    }
    return replace(unit, name=unit.name.rpartition(".")[0], parts=parts, tag="")
