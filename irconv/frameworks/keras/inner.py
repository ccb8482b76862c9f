"""Weights of an outer model with the JSON of a model inside it: multi_gpu_model, GANs, Sequential(base, head).

HDF5 lists the weights of an inner model under one group, by names that begin with those of its layers.
"""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import NativeWeight
from irconv.data_classes import dataclass
from irconv.errors import MissingFact, Refused
from irconv.frameworks.keras.files import Named
from irconv.frameworks.keras.matching import by_name
from irconv.frameworks.keras.variables import Tree
from irconv.ir.manifest import Fact, Omitted, given_fact


@dataclass(frozen=True)
class Inner:
    """The group of an outer model's weights that is the model's."""

    tensors: Mapping[str, NativeWeight]
    """By layer and local name."""
    fact: Fact
    omitted: tuple[Omitted, ...]
    """The weights of other groups."""


def inner(tree: Tree, named: Named, wanted: str | None, path: str) -> Inner | None:
    """The group of weights that fits the model as a whole, if the groups are not its layers.

    Of several that fit, the one that has the model's name; else `wanted` has to say. Raises `MissingFact` naming them.
    """
    groups = {name: weights for name, weights in named.items() if weights}
    layers = {child.tree.name for child in tree.children}
    if wanted is None and groups.keys() <= layers:
        return None
    fitting = {name: found for name, weights in groups.items() if (found := _fits(tree, weights)) is not None}
    if wanted is not None and wanted not in fitting:
        what = f"expected a group whose weights fit the model, got {', '.join(fitting) or 'none that does'}"
        raise MissingFact(f"--submodel {wanted}", what)
    chosen = wanted or (tree.name if tree.name in fitting else next(iter(fitting)) if len(fitting) == 1 else "")
    if not chosen:
        if not fitting:
            return None
        what = f"holds weights of several models that fit: {', '.join(fitting)}"
        raise MissingFact(path, what, f"Give --submodel with one of them, such as --submodel {next(iter(fitting))}.")
    seen = Fact(name="submodel", value=chosen, evidence="its weights fit the model by their names")
    rest = [weight for name, weights in groups.items() if name != chosen for weight in weights.values()]
    reason = f"of another part of the outer model than {chosen}"
    return Inner(
        fitting[chosen],
        given_fact("submodel", chosen) if wanted else seen,
        tuple(Omitted(name=weight.path, reason=reason) for weight in rest),
    )


def _fits(tree: Tree, weights: Mapping[str, NativeWeight]) -> dict[str, NativeWeight] | None:
    """The weights by local name, if they are those of the model, each told apart by its name."""
    if len(tree.variables()) != len(weights):
        return None
    try:
        return by_name(tree, weights, tree.name)
    except Refused:
        return None
