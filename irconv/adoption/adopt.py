"""The verb: align two sides, fill the target, say everything."""

from __future__ import annotations

from dataclasses import replace

from irconv.adoption import flatten, mapfile
from irconv.adoption.filling import Fold
from irconv.adoption.folding import folded
from irconv.adoption.mapfile import Told
from irconv.adoption.placing import Wanted, place
from irconv.adoption.result import Adoption
from irconv.adoption.ties import tied
from irconv.adoption.weights import Weights
from irconv.align import Alignment, align
from irconv.align.fused import alike
from irconv.data_classes import dataclass


@dataclass(frozen=True)
class Aligned:
    """Two sides, and which unit is which; norms of the source that the target has not are folded away."""

    source: Weights
    target: Weights
    alignment: Alignment
    folds: dict[int, Fold]
    apart: frozenset[int]
    """Units of the target that the user wants to stay as they are."""


def aligned(source: Weights, target: Weights, told: Told) -> Aligned:
    """The alignment of two sides. Raises `MissingFact` for names of the user's that neither has."""
    source = tied(source, target.network)
    given, wanted = alike(source.network, target.network)
    network, folds = folded(given, wanted)
    fixed = mapfile.fixed(told, network, wanted)
    alignment = align(network, wanted, fixed.pairs, fixed.apart)
    sides = replace(source, network=network), replace(target, network=wanted)
    return Aligned(*sides, alignment, folds, fixed.apart)


def adopt(found: Aligned, wanted: Wanted, flattened: tuple[str, ...] = (), partial: bool = False) -> Adoption:
    """The weights of the source in the places of the target.

    Raises `Refused` and `MissingFact` with every reason: what could be several things, what the source lacks, what the
    target has no place for.
    """
    sizes = flatten.parse(flattened)
    return place(found.source, found.target, wanted, found.alignment, found.folds, sizes, partial, found.apart)
