"""Operators of TensorFlow between the layers of tf.keras as operators of `keras.ops`.

From 2.4 on a layer (``TFOpLambda``, ``SlicingOpLambda``) names a function, and its calls have that function's
arguments. Up to 2.3 a ``TensorFlowOpLayer`` holds one node of a graph: the op, its attributes, and which of its inputs
are constants. Both become the arguments of a function, and `tensorflow_functions` says what that is in Keras.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Outputs, value_name
from irconv.frameworks.keras.calls import leaves
from irconv.frameworks.keras.composites.graph_ops import GRAPH_OPS, GraphOp
from irconv.frameworks.keras.composites.tensorflow_call import Arguments, Call, Steps
from irconv.frameworks.keras.composites.tensorflow_functions import FUNCTIONS, Function
from irconv.frameworks.keras.composites.tensorflow_written import FIRST

#: Arguments that change nothing here: names, checks, and what TensorFlow works out for itself.
_WITHOUT_EFFECT = {"name", "validate_indices", "conjugate", "dtype_hint", "use_cudnn_on_gpu", "explicit_paddings"}


def _function(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """A ``TFOpLambda`` or ``SlicingOpLambda``: a function of TensorFlow, its first argument given by position."""
    name = str(layer.config.get("function", "")).removeprefix("compat.v1.")
    steps = FUNCTIONS.get(name)
    made = []
    for call in layer.calls:
        if steps is None or not call.arguments:
            made.append(_unknown(builder, layer, call, f"tf.{name}"))
            continue
        first = _first_parameter(name, steps)
        made.append(_placed(builder, layer, call, steps, {first: call.arguments[0], **call.keywords}))
    return made


def _unknown(builder: Builder, layer: KerasLayer, call: KerasCall, kind: str) -> Outputs:
    """A function without a rule, under a kind of its own, which the table refuses by name unless it is taught."""
    builder.place(kind, layer.name, {**layer.config, **call.keywords}, origin=layer.origin)
    value = value_name(layer.name, call.index)
    builder.use(layer.name, call.inputs, (value,))
    return (value,)


def _first_parameter(name: str, steps: Steps) -> str:
    """The name of the argument that is given by position."""
    if isinstance(steps, Function):
        return steps.tensors[0]
    listed = [entry.inputs[0] for entry in GRAPH_OPS.values() if entry.function == name]
    return _FIRST.get(name) or listed[0]


_FIRST = {
    **FIRST,
    "__operators__.getitem": "tensor",
    **dict.fromkeys(("add_n", "math.add_n"), "inputs"),
    "clip_by_value": "t",
    "fill": "dims",
    "image.resize": "images",
    **dict.fromkeys(("linalg.l2_normalize", "math.l2_normalize", "nn.l2_normalize"), "x"),
    **dict.fromkeys(("nn.avg_pool2d", "nn.max_pool2d"), "input"),
    "range": "start",
    **dict.fromkeys(("rank", "shape", "size"), "input"),
    **dict.fromkeys(("ones", "zeros"), "shape"),
    "split": "value",
    "unstack": "value",
}


def _placed(builder: Builder, layer: KerasLayer, call: KerasCall, steps: Steps, given: Arguments) -> Outputs:
    outputs = steps(Call(builder, layer, call.index, call.results), given)
    left = {key: value for key, value in given.items() if value not in (None, False) and key not in _WITHOUT_EFFECT}
    if left:
        builder.problem(layer.name, f"is called with the arguments {left}, which irconv does not read")
    return outputs


def _node(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """A ``TensorFlowOpLayer``: a node of a graph, some of its inputs constants."""
    node = layer.config["node_def"]
    found = GRAPH_OPS.get(str(node.get("op"))) if isinstance(node, Mapping) else None
    if found is None:
        op = node.get("op") if isinstance(node, Mapping) else node
        return [_unknown(builder, layer, call, f"tf.raw_ops.{op}") for call in layer.calls]
    attributes = {key: _attribute(value) for key, value in node.get("attr", {}).items()}
    settings = {name: attributes[key] for name, key in found.attributes.items() if key in attributes}
    return [
        _placed(builder, layer, call, FUNCTIONS[found.function], _arguments(found, layer, call) | settings)
        for call in layer.calls
    ]


def _arguments(found: GraphOp, layer: KerasLayer, call: KerasCall) -> Arguments:
    """The inputs of a node by the names of its function; a name that ends in a star takes all that are not named."""
    constants = {int(place): value for place, value in layer.config.get("constants", {}).items()}
    values, tensors = [], iter(leaves(call.arguments))
    for place in range(len(constants) + len(call.inputs)):
        values.append(constants[place] if place in constants else next(tensors))
    given: Arguments = {}
    names = list(found.inputs)
    for i, name in enumerate(names):
        if name.endswith("*"):
            rest = len(values) - (len(names) - i - 1)
            given[name[:-1]], values = values[:rest], values[rest:]
        elif values:
            given[name] = values.pop(0)
    return given


_DTYPES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_HALF": "float16",
    "DT_BOOL": "bool",
    "DT_BFLOAT16": "bfloat16",
}


def _attribute(value: Mapping[str, Any]) -> Any:
    """An attribute of a node as JSON has it."""
    match next(iter(value.items()), ("", None)):
        case ("i", number):
            return int(number)
        case ("s", text):
            return base64.b64decode(text).decode("utf-8", "replace")
        case ("type", word):
            return _DTYPES.get(word, str(word).removeprefix("DT_").lower())
        case ("list", parts):
            return [_attribute({kind: part}) for kind, listed in parts.items() for part in listed]
        case (_, plain):
            return plain


EXPANSIONS = {"TFOpLambda": _function, "SlicingOpLambda": _function, "TensorFlowOpLayer": _node}
