"""A norm of instances by running statistics, as PyTorch's exporter writes it: samples and channels merged to one axis,
and the vectors repeated for every sample. It is a BatchNorm."""

from __future__ import annotations

from irconv.ir.shapes import size_product
from irconv.passes.recompose.matcher import Made, Match, Operand, Rule, Work
from irconv.passes.recompose.patterns import Var, op

_ROLES = ("gamma", "beta", "mean", "variance")


def _once(work: Work, value: str, channels: object) -> Operand | None:
    """The vector of so many channels whose repetition a value is."""
    while True:
        place = work.maker.get(value)
        node = None if place is None else work.nodes.get(place)
        if node is None:
            return None
        layer, source = work.layers[node.layer], node.inputs.get("x", "")
        same = layer.type == "Expand" and work.types[source].shape == work.types[value].shape
        if layer.type != "Tile" and not same:
            break
        value = source
    return work.operand(value) if work.types[value].shape == (channels,) else None


def _normed(match: Match) -> Made | None:
    """The norm of the value as it was, with the vectors as they were."""
    work, shape, node = match.work, match.type_of("x").shape, match.nodes["norm"]
    (merged,), (result,) = match.nodes["merged"].outputs.values(), match.nodes["apart"].outputs.values()
    if len(shape) < 3 or work.types[result].shape != shape:
        return None
    if work.types[merged].shape != (1, size_product(shape[:2]).dimension, *shape[2:]):
        return None
    layer = work.layers[node.layer]
    found = {role: _once(work, node.inputs.get(role, ""), shape[1]) for role in _ROLES}
    if layer.operands or any(operand is None for operand in found.values()):
        return None
    operands = {role: operand for role, operand in found.items() if operand is not None}
    return Made(layer.model_copy(update={"operands": operands}), {"x": match.values["x"]}, node.layer)


_NORM = op("BatchNorm", op("Reshape", Var("x"), name="merged"), *(Var(role) for role in _ROLES), name="norm")
INSTANCES = [Rule("running statistics of instances", op("Reshape", _NORM, name="apart"), _normed)]
