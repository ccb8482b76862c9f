"""Values computed from constants that training does not change: Keras calls its layers and operators on values only.

What is computed from parameters stays, because training could not change these any more, or is left to ``--merge``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Node
from irconv.ir.layers.activations import Tanh
from irconv.ir.layers.arithmetic import Div, Maximum, Minimum, Sub
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand
from irconv.ir.layers.comparisons import And, Cast, Equal, Greater, GreaterOrEqual, Less, LessOrEqual
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.elementwise import Cos, Neg, Sin, Sqrt
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.shape_ops import Range, Squeeze, Unsqueeze
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Mul, Reshape, Transpose
from irconv.ir.shapes import static
from irconv.layout import Array, turned
from irconv.passes import fold_constants

_Rule = Callable[[Any, list[Array]], Array]


class _Left(Exception):
    """A value that is not computed here."""


def fold(bundle: Bundle, parameters: bool = False) -> Bundle:
    """The bundle with all such values as constants that rules here compute.

    With `parameters` those are computed, too, that depend on parameters: of a loop that was written out, what its first
    step makes of a constant state. The other steps keep the parameters.
    """
    if bundle.graph is None:
        return bundle
    changing = {
        value
        for node in bundle.graph.nodes
        if _changes(bundle, bundle.layers[node.layer], parameters)
        for value in node.outputs.values()
    }

    def chosen(node: Node) -> bool:
        layer = bundle.layers[node.layer]
        ruled = type(layer) in _RULES or (isinstance(layer, Linear) and "kernel" in layer.operands)
        return ruled and changing.isdisjoint((*node.inputs.values(), *node.outputs.values()))

    try:
        return fold_constants.run(bundle, partial(_evaluate, parameters=parameters), chosen)
    except _Left:
        return bundle


def _changes(bundle: Bundle, layer: Layer, parameters: bool) -> bool:
    """Whether training changes what a layer holds."""
    stored = (operand for operand in layer.operands.values() if isinstance(operand, StoredOperand))
    records = (bundle.tensors[operand.tensor].record for operand in stored)
    return not parameters and any(record.role == "parameter" and record.trainable is not False for record in records)


def _evaluate(part: Bundle, parameters: bool) -> dict[str, Array]:
    assert part.graph is not None, "the caller gives a graph"
    makers = {value: node for node in part.graph.nodes for value in node.outputs.values()}
    return {port.name: _value(part, makers, port.value, parameters) for port in part.graph.outputs}


def _value(part: Bundle, makers: Mapping[str, Node], value: str, parameters: bool) -> Array:
    node = makers[value]
    layer = part.layers[node.layer]
    if isinstance(layer, Constant):
        return _held(part, layer.operands["value"], parameters)
    rule = _RULES.get(type(layer))
    if rule is None and not (isinstance(layer, Linear) and set(layer.operands) >= {"kernel"}):
        raise _Left
    given = [_value(part, makers, taken, parameters) for taken in node.inputs.values()]
    if rule is not None:
        return rule(layer, given)
    held = {role: _held(part, operand, parameters) for role, operand in layer.operands.items()}
    return np.asarray(given[0] @ turned(held["kernel"], (1, 0)) + held.get("bias", 0), given[0].dtype)


def _held(part: Bundle, operand: StoredOperand | LiteralOperand, parameters: bool) -> Array:
    if not isinstance(operand, StoredOperand):
        return np.asarray(operand.literal, numpy_dtype(operand.dtype))
    tensor = part.tensors[operand.tensor]
    if tensor.record.role == "parameter" and tensor.record.trainable is not False and not parameters:
        raise _Left
    return tensor.data.numpy()


def _reshaped(layer: Reshape, given: list[Array]) -> Array:
    shape = static(layer.shape)
    if shape is None:
        raise _Left
    return given[0].reshape(shape)


def _of_two(function: Any) -> _Rule:
    def rule(layer: Any, given: list[Array]) -> Array:
        result = given[0]
        for other in given[1:]:
            result = function(result, other)
        return np.asarray(result)

    return rule


def _counted(layer: Range, given: list[Array]) -> Array:
    if not all(isinstance(size, int) for size in (layer.start, layer.limit, layer.step)):
        raise _Left
    return np.arange(int(layer.start), int(layer.limit), int(layer.step))


_RULES: Mapping[type[Any], _Rule] = {
    Add: _of_two(np.add),
    And: _of_two(np.logical_and),
    Concat: lambda layer, given: np.concatenate(given, axis=layer.axis),
    Cos: lambda _, given: np.cos(given[0]),
    Gather: lambda layer, given: given[0].take(given[1].astype(np.int64), axis=layer.axis),
    Neg: lambda _, given: np.negative(given[0]),
    Range: _counted,
    Sin: lambda _, given: np.sin(given[0]),
    Squeeze: lambda layer, given: np.squeeze(given[0], layer.axes),
    Tanh: lambda _, given: np.tanh(given[0]),
    Transpose: lambda layer, given: turned(given[0], layer.permutation),
    Unsqueeze: lambda layer, given: np.expand_dims(given[0], layer.axes),
    Cast: lambda layer, given: given[0].astype(numpy_dtype(layer.dtype)),
    Div: _of_two(np.divide),
    Equal: _of_two(np.equal),
    Greater: _of_two(np.greater),
    GreaterOrEqual: _of_two(np.greater_equal),
    Less: _of_two(np.less),
    LessOrEqual: _of_two(np.less_equal),
    Maximum: _of_two(np.maximum),
    Minimum: _of_two(np.minimum),
    Mul: _of_two(np.multiply),
    Reshape: _reshaped,
    Sqrt: lambda _, given: np.sqrt(given[0]),
    Sub: _of_two(np.subtract),
}
