"""The evidence of order: numbers in names, which units depend on which, and the sequence in a file."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from itertools import accumulate

from irconv.align.evidence import GRAPH_ORDER, NUMBERS
from irconv.align.names import compare
from irconv.align.network import Network
from irconv.align.partition import Partition

Compare = Callable[[int, int], "int | None"]
"""Which of two units comes first: -1 or 1; None where nothing is known."""


def orders(network: Network) -> list[tuple[str, Compare]]:
    """What is known of the order of units: by the graph where there is one, and by the numbers in their names."""
    found: list[tuple[str, Compare]] = []
    if network.has_graph:
        before = network.before

        def depends(one: int, other: int) -> int | None:
            first, second = one in before[other], other in before[one]
            return None if first == second else -1 if first else 1

        found.append((GRAPH_ORDER, depends))
    names = [unit.name for unit in network.units]
    found.append((NUMBERS, lambda one, other: compare(names[one], names[other]) or None))
    return found


def levels(units: Sequence[int], order: Compare) -> list[list[int]] | None:
    """The units in groups, each before the next, where inside a group nothing is known; None where that is not so of
    all pairs."""
    known = cache(order)
    rest, found = list(units), list[list[int]]()
    for unit in rest:
        tied = [group for group in found if any(known(other, unit) is None for other in group)]
        merged = [other for group in tied for other in group] + [unit]
        found = [group for group in found if group not in tied] + [merged]
    for i, group in enumerate(found):
        for other in found[i + 1 :]:
            if len({known(one, two) for one in group for two in other}) > 1:
                return None
    ranks = {
        id(group): sum(known(other[0], group[0]) == -1 for other in found if other is not group) for group in found
    }
    if sorted(ranks.values()) != list(range(len(found))):
        return None
    return sorted(found, key=lambda group: ranks[id(group)])


def by_rank(partition: Partition, source: Network, target: Network) -> bool:
    """Cut the classes that both sides have alike into the first, the second and so on, as far as both orders go.

    Where the orders of one side contradict each other in a class, it stays as it is.
    """
    changed = False
    for s_units, t_units in partition.open_among(len(source.units), len(target.units)):
        if len(s_units) != len(t_units):
            continue
        results = []
        for s_reason, s_order in orders(source):
            for t_reason, t_order in orders(target):
                ranks = _common(levels(s_units, s_order), levels(t_units, t_order))
                if ranks is not None and len(set(ranks[0].values())) > 1:
                    results.append((s_reason, t_reason, ranks))
        if not results or not _agree([ranks for _, _, ranks in results]):
            continue
        s_reason, t_reason, ranks = max(results, key=lambda result: len(set(result[2][0].values())))
        reason = s_reason if s_reason == t_reason else f"{s_reason} and {t_reason}"
        s_values: list[Hashable] = [ranks[0].get(unit) for unit in range(len(partition.source))]
        t_values: list[Hashable] = [ranks[1].get(unit) for unit in range(len(partition.target))]
        changed |= partition.split(s_values, t_values, reason, members=(s_units, t_units))
    return changed


Ranks = tuple[dict[int, int], dict[int, int]]


def _common(source: list[list[int]] | None, target: list[list[int]] | None) -> Ranks | None:
    """The finest ranks that groups of both sides can be cut into: where as many units lie before."""
    if source is None or target is None:
        return None
    cuts = [set(accumulate(map(len, groups))) for groups in (source, target)]
    both = sorted(cuts[0] & cuts[1])
    found: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for ranks, groups in zip(found, (source, target), strict=True):
        count = 0
        for group in groups:
            count += len(group)
            ranks.update(dict.fromkeys(group, sum(cut < count for cut in both)))
    return found


def _agree(results: Sequence[Ranks]) -> bool:
    """Whether no pair of units is together by one result and apart by another that is as fine."""
    for source, target in results:
        for other_source, other_target in results:
            for s, rank in source.items():
                there = {t for t, t_rank in target.items() if t_rank == rank}
                elsewhere = {t for t, t_rank in other_target.items() if t_rank == other_source[s]}
                if not there & elsewhere:
                    return False
    return True


def contradictions(pairs: dict[int, int], source: Network, target: Network) -> set[int]:
    """The units of the target whose partner lies on the other side of another unit's partner than they of that unit."""
    found: set[int] = set()
    for _, s_order in orders(source):
        for _, t_order in orders(target):
            for one, s_one in pairs.items():
                for other, s_other in pairs.items():
                    if one < other and {t_order(one, other), s_order(s_one, s_other)} == {-1, 1}:
                        found |= {one, other}
    return found


def sequence(
    units: Sequence[int], labels: Sequence[Hashable], others: Sequence[int], theirs: Sequence[Hashable]
) -> dict[int, set[int]]:
    """Global alignment of two sequences of units: for each unit of the second those of the first that it is in one of
    the longest alignments of equal labels. Nothing where more could be placed if the order were another."""
    first, second = [labels[unit] for unit in units], [theirs[unit] for unit in others]
    ahead = _longest(first, second)
    back = _longest(first[::-1], second[::-1])
    length = ahead[-1][-1]
    possible = sum(min(first.count(label), second.count(label)) for label in set(first))
    if length < possible:
        return {}
    found: dict[int, set[int]] = {}
    for i, label in enumerate(first):
        for j, other in enumerate(second):
            if label == other and ahead[i][j] + 1 + back[len(first) - i - 1][len(second) - j - 1] == length:
                found.setdefault(others[j], set()).add(units[i])
    return found


def _longest(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[list[int]]:
    """The length of the longest common subsequence of each pair of beginnings."""
    table = [[0] * (len(second) + 1)]
    for one in first:
        row, above = [0], table[-1]
        for j, other in enumerate(second):
            row.append(above[j] + 1 if one == other else max(row[j], above[j + 1]))
        table.append(row)
    return table
