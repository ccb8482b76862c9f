"""Units that graphs cannot tell apart, because the network computes the same whichever of them is which."""

from __future__ import annotations

from irconv.align.evidence import FREE
from irconv.align.graphs import Items, broken, refine, start
from irconv.align.partition import Partition

_MOST = 64
"""Choices of one unit that are tried."""
_DEEPEST = 400
"""Choices made one after the other."""


def settle(partition: Partition, source: Items, target: Items) -> dict[int, list[int]]:
    """Decide what only a choice can decide; returns the units of the target that may as well be one another.

    A choice is made where every unit of the class would give a mapping that respects all edges, and where the target's
    own graph, with all settings, maps onto itself with these units exchanged. Else the class stays open.
    """
    free: dict[int, list[int]] = {}
    refused: set[int] = set()
    for _ in range(_DEEPEST):
        chosen = next((c for c in _choices(partition, target) if c[1][0] not in refused), None)
        if chosen is None:
            break
        sources, targets = chosen
        first = targets[0]
        tried = {s: _with(partition, source, target, s, first) for s in sources[:_MOST]}
        possible = {s: made for s, made in tried.items() if made is not None}
        if len(possible) == 1:
            (made,) = possible.values()
        elif possible and all(interchangeable(target, first, other) for other in targets[1:]):
            made = next(iter(possible.values()))
            free[first] = targets[1:]
        else:
            refused.add(first)
            continue
        partition.source, partition.target, partition.why = made.source, made.target, made.why
    return free


def interchangeable(items: Items, first: int, second: int) -> bool:
    """Whether a network maps onto itself, all settings included, with one unit in the place of another."""
    own = Items(items.network, exact=True)
    if items.network.units[first].signature != items.network.units[second].signature:
        return False
    partition = start(own, own)
    partition.split(_exact(own), _exact(own), "settings")
    if partition.source[first] != partition.target[second]:
        return False
    return _completed(partition, own, second, first)


def _completed(partition: Partition, own: Items, source: int, target: int) -> bool:
    """Whether a mapping of a network onto itself goes on from one pair to a whole that respects every edge."""
    partition.pair(source, target, "")
    for _ in range(_DEEPEST):
        refine(partition, own, own)
        rest = next(iter(partition.open()), None)
        if rest is None:
            break
        sources, targets = rest
        if len(sources) != len(targets):
            return False
        partition.pair(targets[0] if targets[0] in sources else sources[0], targets[0], "")
    pairs = partition.pairs()
    return len(pairs) == len(partition.target) and not broken(pairs, own, own, way=True)


def _exact(items: Items) -> list[object]:
    """The settings of each thing, in the words of its own side."""
    units = len(items.network.units)
    return [
        tuple(items.network.nodes[node].exact for node in items.nodes(item)) for item in range(units + len(items.joins))
    ]


def _choices(partition: Partition, target: Items) -> list[tuple[list[int], list[int]]]:
    """The classes of units that are as many on both sides, the smallest first."""
    units = len(target.network.units)
    used = target.network.uses
    even = [(s, t) for s, t in partition.open() if len(s) == len(t) and all(u < units and u in used for u in t)]
    return sorted(even, key=lambda both: (len(both[1]), both[1][0]))


def _with(partition: Partition, source: Items, target: Items, s: int, t: int) -> Partition | None:
    """The classes after one choice and all that follows from it; None where no mapping respects the edges."""
    made = partition.copy()
    made.pair(s, t, FREE)
    refine(made, source, target)
    before = len(broken(partition.pairs(), source, target))
    return made if len(broken(made.pairs(), source, target)) <= before else None
