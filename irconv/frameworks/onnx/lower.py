"""What ONNX cannot say as it stands, in IR it can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv.frameworks.onnx.lowerings import recurrent, sizes
from irconv.frameworks.onnx.table import TABLE
from irconv.ir.bundle import Bundle
from irconv.ir.layers.arithmetic import Div, Sub
from irconv.ir.layers.base import Decomposition, Layer, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.elementwise import Sqrt, Square
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.indexing import GatherND, ScatterND
from irconv.ir.layers.normalisation import BatchNorm, InstanceNorm
from irconv.ir.layers.tensor_ops import Add, Reduce
from irconv.passes import (
    bodies,
    compose_transposes,
    decompose,
    fill_operands,
    padding,
    remove_identity,
    stored_operands,
    widen,
)


def prepared(bundle: Bundle) -> Bundle:
    """The same layers, but for identities, casts of weights, and numbers of bfloat16, which few ops take (Conv from
    opset 22)."""
    return widen.run(remove_identity.run(stored_operands.run(bundle)))


def lower(bundle: Bundle, execution: bool = False) -> Bundle:
    """What is `prepared` in types, operands and paddings that the table can write.

    With `execution`, in ops that onnx's reference evaluator runs right, too: recurrent layers become Scans.
    """
    if not execution:
        bundle = bodies.everywhere(bundle, recurrent.run)
    bundle = compose_transposes.run(decompose.run(bundle, _has, _split))
    bundle = padding.run(bundle, symmetric=False)
    bundle = fill_operands.run(bundle, {"BatchNorm": ("gamma", "beta"), "InstanceNorm": ("gamma", "beta")})
    return bodies.everywhere(_with_momentum(bundle), sizes.run)


def _has(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    """Whether ONNX has a layer as it is, once operands that it lacks have been filled in."""
    if isinstance(layer, InstanceNorm) and not isinstance(given["x"].shape[1], int):
        return {"gamma", "beta"} <= given.keys() and TABLE.has(layer, given)
    return not _is_narrow(layer, given) and TABLE.has(layer, given)


def _is_narrow(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    """Whether places are spelt in fewer bits than ONNX takes there."""
    return isinstance(layer, GatherND | ScatterND) and given["indices"].dtype != "int64"


def _split(layer: Layer, given: Mapping[str, ValueType]) -> Decomposition | None:
    """What a layer is made of; of a norm whose factors would be as many as nobody knows, the arithmetic."""
    if _is_narrow(layer, given):
        f = Formula(layer, given)
        wide = f(Cast(dtype="int64"), "indices")
        return f.ends(layer, *(wide if slot == "indices" else slot for slot in layer.SLOTS))
    if not isinstance(layer, InstanceNorm) or {"gamma", "beta"} & given.keys():
        return decompose.by_class(layer, given)
    f, axes = Formula(layer, given), tuple(range(2, len(given["x"].shape)))
    middle = f(Sub(), "x", f(Reduce(op="mean", axes=axes, keepdims=True), "x"))
    variance = f(Reduce(op="mean", axes=axes, keepdims=True), f(Square(), middle))
    return f.ends(Div(), middle, f(Sqrt(), f(Add(), variance, f.number(layer.epsilon))))


def _with_momentum(bundle: Bundle) -> Bundle:
    """A cumulative average (momentum None) has no ONNX spelling; inference does not use it: the default is written."""
    layers = {
        name: layer.model_copy(update={"momentum": 0.9})
        if isinstance(layer, BatchNorm) and layer.momentum is None
        else layer
        for name, layer in bundle.layers.items()
    }
    return replace(bundle, layers=layers)
