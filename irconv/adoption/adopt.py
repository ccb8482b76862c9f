"""The verb: align two sides, fill the target, say everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from irconv.adoption import flatten
from irconv.adoption.folding import folded
from irconv.adoption.placing import Wanted, place
from irconv.adoption.result import Adoption
from irconv.adoption.weights import Weights
from irconv.align import Alignment, align


@dataclass(frozen=True)
class Told:
    """What the user said of the placement."""

    units: Mapping[int, int] = field(default_factory=dict)
    """Unit of the target -> unit of the source."""
    untouched: frozenset[int] = frozenset()
    """Units of the target that are to stay as they are."""


def aligned(source: Weights, target: Weights, told: Mapping[int, int] | None = None) -> Alignment:
    """The alignment of two sides, norms folded where the target has none."""
    network, _ = folded(source.network, target.network)
    return align(network, target.network, told)


def adopt(
    source: Weights, target: Weights, wanted: Wanted, flattened: tuple[str, ...] = (), partial: bool = False
) -> Adoption:
    """The weights of the source in the places of the target.

    Raises `Refused` and `MissingFact` with every reason: what could be several things, what the source lacks, what the
    target has no place for.
    """
    sizes = flatten.parse(flattened)
    network, folds = folded(source.network, target.network)
    alignment = align(network, target.network)
    return place(replace(source, network=network), target, wanted, alignment, folds, sizes, partial)
