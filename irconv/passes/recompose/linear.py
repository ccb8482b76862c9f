"""Biases that stand behind their layer, and reshapes that are Flattens."""

from __future__ import annotations

from irconv.ir.layers.base import StoredOperand
from irconv.ir.layers.tensor_ops import Flatten, Identity
from irconv.ir.shapes import size_product
from irconv.passes.recompose.matcher import Build, Made, Match, Op, Operand, Rule, Var, Weights, op

_BIASED = {"Conv": 1, "ConvTranspose": 1, "Linear": -1}
"""Layers with an operand `bias`, and the axis of their results that it lies along."""


def _flattened(match: Match) -> Made | None:
    """A Reshape that keeps the first axis and merges the rest; one that changes nothing is an Identity."""
    shape, (result,) = match.type_of("x").shape, match.nodes["reshape"].outputs.values()
    wanted = match.work.types[result].shape
    if wanted == shape:
        return Made(Identity(), {"x": match.values["x"]})
    if len(shape) < 3 or wanted != (shape[0], size_product(shape[1:]).dimension):
        return None
    return Made(Flatten(start_axis=1), {"x": match.values["x"]})


def _with_bias(match: Match, bias: Operand | None) -> Made | None:
    """The layer with the vector as its bias."""
    node = match.nodes["layer"]
    layer = match.work.layers[node.layer]
    if bias is None or "bias" in layer.operands or "bias" in node.inputs:
        return None
    if isinstance(bias, StoredOperand):
        bias = match.work.named(bias, "out")
    return Made(layer.model_copy(update={"operands": {**layer.operands, "bias": bias}}), node.inputs, node.layer)


def _affine(match: Match) -> Made | None:
    affine = match.work.layers[match.nodes["affine"].layer]
    return _with_bias(match, affine.operands.get("shift")) if list(affine.operands) == ["shift"] else None


def _added(axis: int) -> Build:
    def build(match: Match) -> Made | None:
        (result,) = match.nodes["layer"].outputs.values()
        shape = match.work.types[result].shape
        bias = match.vector("bias", axis % len(shape), len(shape))
        fits = bias is not None and match.work.length(bias) == shape[axis]
        return _with_bias(match, bias) if fits else None

    return build


def _rules() -> list[Rule]:
    made = [Rule("flatten", op("Reshape", Var("x"), name="reshape"), _flattened)]
    for type_, axis in _BIASED.items():
        for inputs in ((Var("x"),), (Var("x"), Var("kernel"))):
            layer = Op(type_, inputs, name="layer")
            made.append(Rule(f"bias of {type_}", op("ChannelAffine", layer, name="affine"), _affine))
            made.append(Rule(f"sum behind {type_}", op("Add", layer, Weights("bias")), _added(axis)))
    return made


LINEAR = _rules()
