"""The evidence of names: equal ones, equal words, and which norm belongs to which layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from irconv.align.evidence import COMPANION, SAME_NAME, WORDS
from irconv.align.names import Token, common_prefix, parent, tokens, without_type
from irconv.align.network import KERNEL, MATRIX, NORM, Network
from irconv.align.partition import Partition
from irconv.align.solver import best_pairs

Names = list[tuple[Token, ...]]

_OF_NOTHING: Mapping[int, int] = {}
_ENOUGH = 0.75
"""The share of their words that two names must have in common."""


def same_names(partition: Partition, source: Network, target: Network) -> bool:
    """Cut the classes in which every unit of the target has the name of one of the source, but for what stands in front
    of all names of a side; or by the one scope of the larger side in which all of the smaller one is found."""
    changed = False
    s_bare, t_bare = _bare(source), _bare(target)
    for s_units, t_units in partition.open_among(len(source.units), len(target.units)):
        s_names, t_names = {s_bare[unit] for unit in s_units}, {t_bare[unit] for unit in t_units}
        unique = len(s_names) == len(s_units) and len(t_names) == len(t_units)
        if unique and t_names <= s_names:
            changed |= partition.split(s_bare, t_bare, SAME_NAME, members=(s_units, t_units))
    found = _in_a_scope(source, target)
    if found is not None:
        s_values = _of_all(found[0], len(partition.source))
        changed |= partition.split(s_values, _of_all(found[1], len(partition.target)), SAME_NAME)
    return changed


def _of_all(names: Names, count: int) -> list[Hashable]:
    """What is known of things, of which the first are units."""
    return [*names, *[None] * (count - len(names))]


def _in_a_scope(source: Network, target: Network) -> tuple[Names, Names] | None:
    """The names of both sides as they stand in the larger one; nothing where none or several of its scopes have units
    of all names, families and sizes of the smaller one, or names are no more than numbers."""
    sides = [[(tokens(unit.name), unit.label) for unit in network.units] for network in (source, target)]
    small, large = sorted(sides, key=len)
    if not small or len(set(small)) < len(small):
        return None
    known, (first, label) = set(large), small[0]
    scopes = {
        name[: len(name) - len(first)] for name, other in large if other == label and name[-len(first) :] == first
    }
    fitting = [scope for scope in scopes if all((scope + name, label) in known for name, label in small)]
    if len(fitting) != 1 or all(isinstance(token, int) for name, _ in small for token in name):
        return None
    scoped, plain = [fitting[0] + name for name, _ in small], [name for name, _ in large]
    return (plain, scoped) if small is sides[1] else (scoped, plain)


def _bare(network: Network) -> list[tuple[Token, ...]]:
    names = [unit.name for unit in network.units]
    skip = common_prefix(names)
    return [tokens(name)[skip:] for name in names]


def same_words(partition: Partition, source: Network, target: Network) -> bool:
    """Cut classes by the words in names, numbers left out: those of one side are paired with the most similar of the
    other, where that leaves no choice."""
    changed = False
    for s_units, t_units in partition.open_among(len(source.units), len(target.units)):
        if len(s_units) != len(t_units):
            continue
        s_words, t_words = _distinct(source, s_units), _distinct(target, t_units)
        if len(set(s_words.values())) != len(set(t_words.values())) or len(set(s_words.values())) < 2:
            continue
        chosen = _paired(sorted(set(s_words.values())), sorted(set(t_words.values())))
        if chosen is None:
            continue
        s_values: list[Hashable] = [s_words.get(unit) for unit in range(len(partition.source))]
        t_values: list[Hashable] = [chosen.get(t_words.get(unit, ())) for unit in range(len(partition.target))]
        changed |= partition.split(s_values, t_values, WORDS, whole=True, members=(s_units, t_units))
    return changed


def _distinct(network: Network, units: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The words of each unit's name that not all of these units have."""
    words = {u: tuple(w for w in without_type(network.units[u].name) if isinstance(w, str) and w != "@") for u in units}
    shared = set.intersection(*(set(found) for found in words.values()))
    return {unit: tuple(word for word in found if word not in shared) for unit, found in words.items()}


def _paired(
    first: list[tuple[str, ...]], second: list[tuple[str, ...]]
) -> dict[tuple[str, ...], tuple[str, ...]] | None:
    """The only best pairing of two lists of as many; None where two are as good, or where some pair has not nearly all
    of its words in common: a word that two names share may be chance."""
    scores = [[_similarity(one, other) for other in second] for one in first]
    pairs = best_pairs(scores)
    if pairs is None or any(scores[i][j] < _ENOUGH for i, j in pairs):
        return None
    return {second[j]: first[i] for i, j in pairs}


def _similarity(one: Sequence[str], other: Sequence[str]) -> float:
    if not one and not other:
        return 1.0
    shared = sum((Counter(one) & Counter(other)).values())
    near = sum(any(_near(word, there) for there in other) for word in one if word not in other)
    return (shared + near) / max(len(one), len(other), 1)


def _near(word: str, other: str) -> bool:
    """Whether one word begins with the other, as ``downsample`` does with ``down``."""
    short, long = sorted((word, other), key=len)
    return len(short) >= 4 and long.startswith(short)


def by_companion(partition: Partition, source: Network, target: Network) -> bool:
    """Cut classes of norms by the layer that each belongs to, and layers by their norms.

    Both sides must say it of every norm, and each norm must be as wide as its layer; else nothing is cut.
    """
    s_found, t_found = companions(source), companions(target)
    if s_found is None or t_found is None:
        return False
    s_values = _colours(partition.source, s_found)
    t_values = _colours(partition.target, t_found)
    return partition.split(s_values, t_values, COMPANION, whole=True)


def companions(network: Network) -> Mapping[int, int] | None:
    """Norm -> the layer whose result it normalises, by the graph or by names; None where that is not known of all."""
    found = _by_graph(network) if network.has_graph else _by_names(network)
    norms = [index for index, unit in enumerate(network.units) if unit.family == NORM]
    if not norms or any(norm not in found for norm in norms) or len(set(found.values())) < len(norms):
        return None
    fits = all(network.units[norm].core == (_width(network, layer),) for norm, layer in found.items())
    return found if fits else None


def _width(network: Network, layer: int) -> int:
    unit = network.units[layer]
    return unit.core[1 if unit.kind == "ConvTranspose" else 0]


def _by_graph(network: Network) -> Mapping[int, int]:
    found = {}
    for norm, nodes in network.uses.items():
        if network.units[norm].family == NORM and len(nodes) == 1:
            edges = network.nodes[nodes[0]].inputs
            giver = network.nodes[edges[0].source].unit if edges else None
            if giver is not None and not edges[0].exact and network.units[giver].family in (KERNEL, MATRIX):
                found[norm] = giver
    return found


def _by_names(network: Network) -> Mapping[int, int]:
    """A layer and a norm whose names differ in the word for their type alone (``conv1``, ``bn1``); in a numbered list,
    a norm and the layer right before it."""
    norms = [i for i, unit in enumerate(network.units) if unit.family == NORM]
    for families in ((KERNEL,), (KERNEL, MATRIX)):
        layers = [i for i, unit in enumerate(network.units) if unit.family in families]
        found = _by_keys(network, layers, norms)
        if len(found) == len(norms):
            return found
    return _in_lists(network, norms)


def _by_keys(network: Network, layers: Sequence[int], norms: Sequence[int]) -> Mapping[int, int]:
    """Names that are but a type and a count (``conv2d_3``) belong together only if every layer has its norm."""
    keys = Counter(without_type(network.units[i].name) for i in layers)
    named = {without_type(network.units[i].name): i for i in layers}
    found = {}
    for norm in norms:
        key = without_type(network.units[norm].name)
        counted = not any(isinstance(token, str) and token != "@" for token in key)
        if keys[key] == 1 and "@" in key and (not counted or len(layers) == len(norms)):
            found[norm] = named[key]
    return found


def _in_lists(network: Network, norms: Sequence[int]) -> Mapping[int, int]:
    found = {}
    for norm in norms:
        scope, last = parent(network.units[norm].name)
        if not last.isdigit():
            return _OF_NOTHING
        before = [
            (int(other), i)
            for i, unit in enumerate(network.units)
            for there, other in [parent(unit.name)]
            if there == scope and other.isdigit() and int(other) < int(last)
        ]
        if before and network.units[max(before)[1]].family in (KERNEL, MATRIX):
            found[norm] = max(before)[1]
    return found


def _colours(colours: Sequence[int], found: Mapping[int, int]) -> list[Hashable]:
    back = {layer: norm for norm, layer in found.items()}
    return [
        ("of", colours[found[thing]])
        if thing in found
        else ("with", colours[back[thing]])
        if thing in back
        else ("alone",)
        for thing in range(len(colours))
    ]
