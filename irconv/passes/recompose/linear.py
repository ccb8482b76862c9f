"""Biases that stand behind their layer, and reshapes that are Flattens."""

from __future__ import annotations

from irconv.ir.layers.base import StoredOperand
from irconv.ir.layers.tensor_ops import Flatten, Identity, Reshape, Transpose
from irconv.ir.shapes import size_product, static
from irconv.layout import factor_groups, invert
from irconv.passes.recompose.matcher import Build, Made, Match, Operand, Rule
from irconv.passes.recompose.patterns import Op, Var, Weights, op

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


def _turned_affine(match: Match) -> Made | None:
    """The bias of a Linear that was added with its axis turned to the second place."""
    there, back = match.settings("there")["permutation"], match.settings("back")["permutation"]
    affine = match.work.layers[match.nodes["affine"].layer]
    if list(affine.operands) != ["shift"] or there[1] != len(there) - 1 or back != invert(there):
        return None
    return _with_bias(match, affine.operands["shift"])


def _added(axis: int) -> Build:
    def build(match: Match) -> Made | None:
        (result,) = match.nodes["layer"].outputs.values()
        shape = match.work.types[result].shape
        bias = match.vector("bias", axis % len(shape), len(shape))
        fits = bias is not None and match.work.length(bias) == shape[axis]
        return _with_bias(match, bias) if fits else None

    return build


def _tensordot(match: Match) -> Made | None:
    """A Linear over rows that were merged for it, and cut apart again behind it: one over the last axis, which may have
    been merged with others in the same step."""
    shape, (result,) = match.type_of("x").shape, match.nodes["apart"].outputs.values()
    layer, wanted = match.work.layers[match.nodes["layer"].layer], match.work.types[result].shape
    (merged,) = match.nodes["merged"].outputs.values()
    rows = match.work.types[merged].shape
    lead = wanted[:-1]
    if len(shape) < 3 or len(rows) != 2 or len(wanted) < 3 or shape[: len(lead)] != lead:
        return None
    if rows != (size_product(lead).dimension, size_product(shape[len(lead) :]).dimension):
        return None
    joined = () if len(shape) == len(wanted) else (Reshape(shape=(*lead, rows[1])),)
    return Made(layer, {"x": match.values["x"]}, match.nodes["layer"].layer, before={"x": joined})


def _apart(match: Match) -> Made | None:
    """Axes that are cut apart behind a turn: they are so before it, where they have been merged."""
    shape, order = match.type_of("x").shape, match.settings("turned")["permutation"]
    (merged,), (result,) = (match.nodes[name].outputs.values() for name in ("merged", "apart"))
    before, after = match.work.types[merged].shape, match.work.types[result].shape
    numbers = [static(sizes) for sizes in (tuple(before[axis] for axis in order), after)]
    groups = None if None in numbers else factor_groups(*numbers)  # type: ignore[arg-type]
    if groups is None or any(len(axes) != 1 for axes, _ in groups) or len(after) <= len(before):
        return None
    parts = {order[axes[0]]: places for axes, places in groups}
    places = [place for axis in range(len(before)) for place in parts[axis]]
    finer = tuple(after[place] for place in places)
    turned = Transpose(permutation=tuple(places.index(place) for place in range(len(after))))
    return Made(turned, {"x": match.values["x"]}, before={"x": () if finer == shape else (Reshape(shape=finer),)})


def _rules() -> list[Rule]:
    rows = Op("Linear", (op("Reshape", Var("x"), name="merged"),), name="layer")
    made = [
        Rule("tensordot", op("Reshape", rows, name="apart"), _tensordot),
        Rule(
            "axes cut apart behind a turn",
            op("Reshape", op("Transpose", op("Reshape", Var("x"), name="merged"), name="turned"), name="apart"),
            _apart,
        ),
        Rule("flatten", op("Reshape", Var("x"), name="reshape"), _flattened),
    ]
    turned = op("Transpose", Op("Linear", (Var("x"),), name="layer"), name="there")
    behind = op("ChannelAffine", turned, name="affine")
    made.append(Rule("bias of a turned Linear", op("Transpose", behind, name="back"), _turned_affine))
    for type_, axis in _BIASED.items():
        for inputs in ((Var("x"),), (Var("x"), Var("kernel"))):
            layer = Op(type_, inputs, name="layer")
            made.append(Rule(f"bias of {type_}", op("ChannelAffine", layer, name="affine"), _affine))
            made.append(Rule(f"sum behind {type_}", op("Add", layer, Weights("bias")), _added(axis)))
    return made


LINEAR = _rules()
