"""Matrices that the source's file holds twice, because its framework gave up that they are one (words in and out)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from irconv.adoption.weights import Weights
from irconv.align import Network
from irconv.align.network import MATRIX


def tied(source: Weights, target: Network) -> Weights:
    """The source with equal matrices as one unit, of the sizes that the target has fewer of."""
    network = source.network
    there = Counter(unit.label for unit in network.units)
    here = Counter(unit.label for unit in target.units)
    alone = [i for i, unit in enumerate(network.units) if unit.family == MATRIX and len(unit.parts) == 1]
    scarce = [
        i for i in alone if network.has_graph and 0 < here[network.units[i].label] < there[network.units[i].label]
    ]
    same: dict[int, int] = {}
    for number, index in enumerate(scarce):
        first = next((i for i in scarce[:number] if i not in same and _equal(source, i, index)), None)
        if first is not None:
            same[index] = first
    return replace(source, network=_as_one(network, same)) if same else source


def _equal(source: Weights, one: int, other: int) -> bool:
    units = [source.network.units[index] for index in (one, other)]
    if units[0].label != units[1].label:
        return False
    a, b = (source.canonical(next(iter(unit.parts.values()))).numpy() for unit in units)
    return a.dtype == b.dtype and bool(np.array_equal(a, b))


def _as_one(network: Network, same: Mapping[int, int]) -> Network:
    kept = [index for index in range(len(network.units)) if index not in same]
    place = {index: number for number, index in enumerate(kept)}
    nodes = tuple(
        node if node.unit is None else replace(node, unit=place[same.get(node.unit, node.unit)])
        for node in network.nodes
    )
    alternatives = {place[i]: units for i, units in network.alternatives.items() if i in place}
    units = tuple(network.units[index] for index in kept)
    return replace(network, units=units, nodes=nodes, alternatives=alternatives)
