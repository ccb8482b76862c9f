"""From an alignment to the values of every parameter of the target, or to all reasons why not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from typing import cast

import numpy as np

from irconv.adoption import flatten
from irconv.adoption.differences import differences, prepares_input
from irconv.adoption.filling import Filled, Fold, filled, with_bias
from irconv.adoption.result import Adoption, Placed, Sure
from irconv.adoption.weights import Weights, computed, described, joined, native
from irconv.align import Alignment, Match, Unit
from irconv.align.evidence import strength
from irconv.align.fused import rows
from irconv.align.network import KERNEL, MATRIX, NORM
from irconv.align.norms import norm_behind, taker
from irconv.data_classes import dataclass
from irconv.errors import Problems, Refused
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.tensors import LazyTensor

_TOLD = "Say which with --map; --plan writes a file to begin with."


@dataclass(frozen=True)
class Wanted:
    """What the target has besides its units: all of its tensors, by name, in order."""

    dtypes: Mapping[str, str]
    kept: tuple[str, ...] = ()
    """Those without weights: counters, indices."""


@dataclass
class _Places:
    """The values found so far, by unit and role of the target."""

    values: dict[tuple[int, str], Filled] = field(default_factory=dict)
    matches: dict[int, Match] = field(default_factory=dict)
    untouched: list[str] = field(default_factory=list)


def place(
    source: Weights,
    target: Weights,
    wanted: Wanted,
    alignment: Alignment,
    folds: Mapping[int, Fold],
    sizes: Mapping[str, tuple[int, ...]],
    partial: bool,
    apart: Collection[int] = (),
) -> Adoption:
    """The values of every parameter of the target.

    `folds` names norms of the source that become part of a unit, `sizes` the extents that a flattened input had
    (``--flatten``), `apart` the units of the target that the user wants untouched. Raises `Refused` and `MissingFact`,
    with every reason at once.
    """
    problems = Problems()
    _refuse_open(alignment, problems)
    _refuse_rest(source, alignment, partial, apart, problems)
    turned = flatten.turned(alignment, sizes, problems)
    places = _Places()
    moved = {} if not alignment.matches else _moved_biases(alignment)
    for match in alignment.matches:
        unit = turned.get(match.target, alignment.source.units[match.source])
        with problems.collect():
            wanted_unit = alignment.target.units[match.target]
            _same_kind(unit, wanted_unit)
            _same_rows(alignment, match)
            values, missing = filled(source, unit, wanted_unit, folds.get(match.source), match.target in moved)
            _refuse_unused_behind(alignment, match.source, values)
            _note(places, match, wanted_unit, values, missing, partial, problems)
    for layer, norm in moved.items():
        bias = alignment.source.units[alignment.pairs[layer]].parts["bias"]
        if (norm, "mean") in places.values:
            places.values[norm, "mean"] = with_bias(places.values[norm, "mean"], source, bias)
    places.untouched += [
        part.name for index in alignment.missing for part in alignment.target.units[index].parts.values()
    ]
    problems.raise_any()
    placed, tensors = _assembled(places, alignment, target, wanted, source)
    left = [part.name for index in alignment.left for part in alignment.source.units[index].parts.values()]
    return Adoption(
        tuple(placed),
        tensors,
        tuple(name for name in dict.fromkeys(places.untouched)),
        tuple(name for name in wanted.kept),
        tuple(left),
        tuple(differences(alignment)),
        (*alignment.source.notes, *alignment.target.notes, *_uncompared(alignment), *_by_name_alone(alignment)),
    )


def _uncompared(alignment: Alignment) -> Iterator[str]:
    """What the list of differences leaves out."""
    sides = (("the source", alignment.source), ("the target", alignment.target))
    without = [name for name, side in sides if not side.has_graph and not any(unit.settings for unit in side.units)]
    if without:
        yield f"{' and '.join(without)} {'have' if len(without) > 1 else 'has'} no graph: settings are not compared"


def _by_name_alone(alignment: Alignment) -> Iterator[str]:
    """The matrices that were cut in three because of their name, which the other side has apart."""
    found: dict[str, None] = {}
    for t, s in alignment.pairs.items():
        pairs = ((alignment.source, s, alignment.target, t), (alignment.target, t, alignment.source, s))
        for network, index, other, partner in pairs:
            kernel = network.units[index].parts.get("kernel")
            apart = all(part.piece is None for part in other.units[partner].parts.values())
            if kernel is not None and kernel.piece and apart and not network.has_graph and "in_proj" not in kernel.name:
                found[kernel.name] = None
    for name in found:
        yield f"{name} is taken for query, key and value, one after the other, as its name says and no graph shows"


def _refuse_open(alignment: Alignment, problems: Problems) -> None:
    unrun = f" {alignment.target.notes[0][0].upper()}{alignment.target.notes[0][1:]}." if alignment.target.notes else ""
    for choice in alignment.open:
        names = [alignment.target.units[index].name for index in choice.target]
        could = [alignment.source.units[index].name for index in choice.source]
        subject = f"target {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
        listed = f"{', '.join(could[:8])}{', ...' if len(could) > 8 else ''}"
        problems.add(subject, f"could be {listed} of the source: {choice.why}", _TOLD + unrun)


def _refuse_rest(
    source: Weights, alignment: Alignment, partial: bool, apart: Collection[int], problems: Problems
) -> None:
    """What one side has and the other lacks; some of it is never left out, as what remains would compute something
    else."""
    remedy = "With --partial it stays as it is."
    for index in () if partial else (index for index in alignment.missing if index not in apart):
        unit = alignment.target.units[index]
        problems.add(f"target {described(unit)}", "the source has nothing of this type and shape", remedy)
    norms = {index for index in alignment.left if alignment.source.units[index].family == NORM}
    lost = norms and not any(unit.family == NORM for unit in alignment.target.units)
    for index in alignment.left:
        unit = alignment.source.units[index]
        if index in norms and lost:
            what = "the target has no norms, and this one cannot be folded into the layer before it"
            problems.add(f"source {described(unit)}", what, "A file that has the graph and the epsilons is needed.")
        elif not partial and not prepares_input(alignment.source, index) and not _is_idle(source, alignment, index):
            what = "the target has no use for it"
            problems.add(f"source {described(unit)}", what, "With --partial it is left out.")


def _is_idle(source: Weights, alignment: Alignment, index: int) -> bool:
    """Whether a unit is a first state of zeros, which every recurrent layer begins with."""
    network, unit = alignment.source, alignment.source.units[index]
    taken = any(network.takers[node] for node in network.uses.get(index, ()))
    return unit.kind == "Constant" and not taken and not np.any(source.canonical(unit.parts["value"]).numpy())


def _same_kind(source: Unit, target: Unit) -> None:
    """Refuse a pair whose types are known and are not the same. Of several norms and matrices only files without a
    graph do not know it."""
    if source.kind and target.kind and source.kind != target.kind and not _alike(source, target):
        what = f"has the shape of {source.name} in the source, but is {target.kind}, not {source.kind}"
        raise Refused(f"target {target.name}", what, _TOLD)


def _same_rows(alignment: Alignment, match: Match) -> None:
    """Refuse a pair of several layers in one whose rows the two graphs take apart in other ways."""
    there, here = rows(alignment.source, match.source), rows(alignment.target, match.target)
    if there is not None and here is not None and there != here:
        unit, partner = alignment.target.units[match.target], alignment.source.units[match.source]
        what = f"is several layers in one, and its graph takes their rows in another order than that of {partner.name}"
        raise Refused(f"target {unit.name}", what, "Cut it into its layers, or write them as the source does.")


def _alike(source: Unit, target: Unit) -> bool:
    tables = {"Embedding", "EmbeddingBag", "PositionalEmbedding"}
    return {source.kind, target.kind} <= tables


def _moved_biases(alignment: Alignment) -> dict[int, int]:
    """Layer of the target without a bias that its partner has -> the norm of the target whose mean takes it up.

    The norm's partner must be what the source has right behind the layer; the target's own graph, where it has one,
    must have the norm there, too.
    """
    found = {}
    partners = {s: t for t, s in alignment.pairs.items()}
    for t, s in alignment.pairs.items():
        source, target = alignment.source.units[s], alignment.target.units[t]
        if source.family in (KERNEL, MATRIX) and "bias" in source.parts and "bias" not in target.parts:
            norm = norm_behind(alignment.source, s)
            behind = partners.get(norm) if norm is not None else None
            own = norm_behind(alignment.target, t) if alignment.target.has_graph else behind
            if behind is not None and behind == own:
                found[t] = behind
    return found


def _refuse_unused_behind(alignment: Alignment, s: int, values: Mapping[str, Filled]) -> None:
    """Refuse to fill a bias with zeros where the source has something behind the layer that is not placed: it may be
    that bias."""
    behind = taker(alignment.source, s) if alignment.source.has_graph else None
    if behind in alignment.left and "bias" in values and not values["bias"].sources:
        names = f"{alignment.source.units[s].name} and {alignment.source.units[behind].name}"
        raise Refused(f"source {names}", "stand one behind the other, but the target has a bias and no second layer")


def _note(
    places: _Places,
    match: Match,
    unit: Unit,
    values: Mapping[str, Filled],
    missing: list[str],
    partial: bool,
    problems: Problems,
) -> None:
    places.matches[match.target] = match
    for role, value in values.items():
        part = unit.parts[role]
        if value.data.shape != part.shape:
            what = f"expected shape {part.shape}, but {', '.join(value.sources)} has {value.data.shape}"
            problems.add(f"target {part.name}", what)
        places.values[match.target, role] = value
    for role in missing:
        places.untouched.append(unit.parts[role].name)
        if not partial:
            what = f"the source has no {role} for it"
            problems.add(f"target {unit.parts[role].name}", what, "With --partial it stays as it is.")


def _assembled(
    places: _Places, alignment: Alignment, target: Weights, wanted: Wanted, source: Weights
) -> tuple[list[Placed], dict[str, LazyTensor]]:
    """Every parameter of the target whole, in its own layout and type."""
    pieces: dict[str, dict[int, tuple[LazyTensor, Filled, Match]]] = {}
    counts: dict[str, int] = {}
    back: dict[str, tuple[str, ...]] = {}
    for (index, role), value in places.values.items():
        part = alignment.target.units[index].parts[role]
        which, count = part.piece or (0, 1)
        counts[part.name] = count
        back[part.name] = tuple(f"{step.target} -> {step.source}" for step in reversed(target.steps(part)))
        data = native(value.data, part)
        pieces.setdefault(part.name, {})[which] = (data, value, places.matches[index])
    placed, tensors = list[Placed](), dict[str, LazyTensor]()
    for name in wanted.dtypes:
        found = pieces.get(name, {})
        if not found:
            continue
        if len(found) < counts[name]:
            places.untouched.append(name)
            continue
        ordered = [found[which] for which in sorted(found)]
        data = ordered[0][0] if len(ordered) == 1 else joined([data for data, _, _ in ordered])
        steps = tuple(dict.fromkeys(step for _, value, _ in ordered for step in value.steps))
        if len(ordered) > 1:
            steps = (*steps, f"{len(ordered)} joined along the first axis")
        steps = _without_detours((*steps, *back[name]))
        if data.dtype != wanted.dtypes[name]:
            steps = (*steps, f"{data.dtype} -> {wanted.dtypes[name]}")
            data = _cast(data, wanted.dtypes[name])
        tensors[name] = data
        placed.append(_placed(name, data, steps, ordered, alignment, target, source))
    return placed, tensors


def _without_detours(steps: tuple[str, ...]) -> tuple[str, ...]:
    """The steps without pairs of which the second takes the first back."""
    found: list[str] = []
    for step in steps:
        before, arrow, after = step.partition(" -> ")
        if arrow and found and found[-1] == f"{after} -> {before}":
            found.pop()
        else:
            found.append(step)
    return tuple(found)


def _cast(data: LazyTensor, dtype: str) -> LazyTensor:
    return computed(dtype, data.shape, lambda: data.numpy().astype(numpy_dtype(dtype)))


def _placed(
    name: str,
    data: LazyTensor,
    steps: tuple[str, ...],
    ordered: list[tuple[LazyTensor, Filled, Match]],
    alignment: Alignment,
    target: Weights,
    source: Weights,
) -> Placed:
    matches = [match for _, _, match in ordered]
    why = tuple(dict.fromkeys(reason for match in matches for reason in match.why))
    others = dict.fromkeys(alignment.source.units[i].name for match in matches for i in match.others)
    free = dict.fromkeys(alignment.target.units[i].name for match in matches for i in match.exchangeable)
    sources = tuple(dict.fromkeys(name for _, value, _ in ordered for name in value.sources))
    sure = cast(Sure, strength(why))
    return Placed(name, data.shape, sources, steps, why, sure, tuple(others), tuple(free))
