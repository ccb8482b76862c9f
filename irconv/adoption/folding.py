"""Norms of the source that become part of the layer before them, because the target has none."""

from __future__ import annotations

from irconv.adoption.filling import Fold
from irconv.align import Network
from irconv.align.network import KERNEL, MATRIX, NORM
from irconv.align.norms import norm_behind
from irconv.align.skeleton import without_units


def folded(source: Network, target: Network) -> tuple[Network, dict[int, Fold]]:
    """The source without the norms that are to be folded, and the fold of each unit that takes one up.

    Where the target has norms with running statistics, nothing is folded.
    """
    if not source.has_graph or any("mean" in unit.parts for unit in target.units):
        return source, {}
    folds: dict[int, Fold] = {}
    gone: set[int] = set()
    for index, unit in enumerate(source.units):
        norm = norm_behind(source, index) if unit.family in (KERNEL, MATRIX) else None
        if norm is None:
            continue
        found = source.units[norm]
        epsilon = found.settings.get("epsilon")
        if (
            found.family == NORM
            and found.kind == "BatchNorm"
            and "variance" in found.parts
            and isinstance(epsilon, float)
        ):
            folds[index] = Fold(found, epsilon)
            gone.add(norm)
    kept = [index for index in range(len(source.units)) if index not in gone]
    place: dict[int, int | None] = {index: number for number, index in enumerate(kept)}
    place |= dict.fromkeys(gone)
    network = Network(
        tuple(source.units[index] for index in kept), without_units(source.nodes, place), notes=source.notes
    )
    return network, {number: folds[index] for number, index in enumerate(kept) if index in folds}
