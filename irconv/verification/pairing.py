"""Which value of one model is which of another whose names are different, by the alignment of their graphs."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.align import align, network
from irconv.errors import IrconvError
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node


def paired_values(a: Bundle | None, b: Bundle | None) -> dict[str, str]:
    """Value of A -> the value of B that stands in its place, for those that alignment pairs and what is made of them by
    layers of one input and one type; empty where a side has no graph.

    It says which numbers are to be compared, not whether they are the same.
    """
    if a is None or b is None or a.graph is None or b.graph is None:
        return {}
    try:
        found = align(network(b), network(a))
    except IrconvError:
        return {}
    nodes = ((found.target.nodes[mine].value, found.source.nodes[other].value) for mine, other in found.nodes.items())
    pairs = {mine: other for mine, other in nodes if mine and other}
    pairs |= dict(zip(_values(a.graph, "inputs"), _values(b.graph, "inputs"), strict=False))
    _follow(a, b, a.graph, b.graph, pairs)
    return {mine: other for mine, other in pairs.items() if mine not in _values(a.graph, "inputs")}


def _values(graph: Graph, kind: str) -> list[str]:
    return [port.value for port in getattr(graph, kind)]


def _follow(a: Bundle, b: Bundle, mine: Graph, other: Graph, pairs: dict[str, str]) -> None:
    """Pair what only one layer of its type makes of values that are paired."""
    takers = [_takers(bundle, graph) for bundle, graph in ((a, mine), (b, other))]
    for node in mine.nodes:
        if len(node.inputs) != 1 or len(node.outputs) != 1:
            continue
        (value,), (made,) = node.inputs.values(), node.outputs.values()
        kind = a.layers[node.layer].type
        alike = [takers[0].get((value, kind), []), takers[1].get((pairs.get(value, ""), kind), [])]
        if made not in pairs and [len(one) for one in alike] == [1, 1]:
            (pairs[made],) = alike[1][0].outputs.values()


def _takers(bundle: Bundle, graph: Graph) -> Mapping[tuple[str, str], list[Node]]:
    """Value and type of layer -> the nodes of this type that take the value alone."""
    found: dict[tuple[str, str], list[Node]] = {}
    for node in graph.nodes:
        if len(node.inputs) == len(node.outputs) == 1:
            found.setdefault((next(iter(node.inputs.values())), bundle.layers[node.layer].type), []).append(node)
    return found
