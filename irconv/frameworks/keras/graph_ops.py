"""Operators as ``TensorFlowOpLayer`` of TensorFlow 1.15: one node of a graph, some of whose inputs are constants."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from math import frexp
from typing import Any

from irconv.data_classes import dataclass

TYPES = {"float32": "DT_FLOAT", "int32": "DT_INT32", "int64": "DT_INT64", "bool": "DT_BOOL", "float64": "DT_DOUBLE",
         "uint8": "DT_UINT8", "int8": "DT_INT8", "float16": "DT_HALF"}  # fmt: skip
CONSTANTS = ("float32", "int32", "bool")
"""What the numbers of such a layer become, as Python has them."""
_INDEX = {"type": "DT_INT32"}

#: Builds the name and settings of a node -> inputs after the values, attributes.
_Rest = Callable[[Mapping[str, Any]], "tuple[list[Any], dict[str, Any]]"]


def _nothing(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return [], {}


@dataclass(frozen=True)
class Op:
    """A TensorFlow op that does what an operator of ``keras.ops`` does."""

    name: str
    rest: _Rest = field(default=_nothing)
    type_of: str = "T"
    """The attribute that says the type of `typed`; empty where there is none."""
    typed: tuple[int, int | None] = (0, None)
    """Which of its values have that type: from one place to another."""
    indices: str = ""
    """The attribute that says the type of the others."""
    first: bool = False
    """Whether settings that are inputs stand before the values."""


def _reduction(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return [config["axis"]], {"Tidx": _INDEX, "keep_dims": {"b": bool(config.get("keepdims"))}}


def _with(setting: str, attribute: str) -> _Rest:
    """A setting that is an input of the node, and the attribute that says its type."""
    return lambda config: ([config[setting]], {attribute: _INDEX})


def _one_axis(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    axis = config["axis"]
    return [axis[0] if isinstance(axis, list) and len(axis) == 1 else axis], {"Tdim": _INDEX}


def _squeezed(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return [], {"squeeze_dims": {"list": {"i": [str(axis) for axis in config["axis"]]}}}


def _padded(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return [config["pad_width"], config.get("constant_values") or 0.0], {"Tpaddings": _INDEX}


def _clipped(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    low, high = config["x_min"], config["x_max"]
    return [float("-inf") if low is None else low, float("inf") if high is None else high], {}


def _sliced(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    masks = {"begin_mask": 0, "end_mask": 0}
    columns: dict[str, list[int]] = {"start": [], "stop": [], "step": []}
    for axis, part in enumerate(config["key"]):
        masks["begin_mask"] |= (part["start"] is None) << axis
        masks["end_mask"] |= (part["stop"] is None) << axis
        for name, numbers in columns.items():
            numbers.append(part[name] if part[name] is not None else int(name == "step"))
    attributes = {name: {"i": str(bits)} for name, bits in masks.items()}
    zero = {mask: {"i": "0"} for mask in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")}
    return list(columns.values()), {"Index": _INDEX, **attributes, **zero}


def _pieces(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return [config["axis"]], {"num_split": {"i": str(config["indices_or_sections"])}}


def _blocks(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    layout = "NHWC" if config.get("data_format", "channels_last") == "channels_last" else "NCHW"
    return [], {"block_size": {"i": str(config["block_size"])}, "data_format": {"s": _text(layout)}}


def _text(text: str) -> str:
    return b64encode(text.encode()).decode()  # as JSON has the bytes of a protocol buffer


def _taken(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return [config["axis"]], {"Taxis": _INDEX, "batch_dims": {"i": "0"}}


_UNARY = (
    "Absolute=Abs Abs=Abs Negative=Neg Sign=Sign Square=Square Floor=Floor Ceil=Ceil Round=Round Sqrt=Sqrt Rsqrt=Rsqrt "
    "Reciprocal=Reciprocal Exp=Exp Expm1=Expm1 Log=Log Log1p=Log1p Sin=Sin Cos=Cos Tan=Tan Arcsin=Asin Arccos=Acos "
    "Arctan=Atan Sinh=Sinh Cosh=Cosh Tanh=Tanh Arcsinh=Asinh Arccosh=Acosh Arctanh=Atanh Erf=Erf Sigmoid=Sigmoid "
    "Relu=Relu Relu6=Relu6 Softplus=Softplus Softsign=Softsign Selu=Selu"
)
_BINARY = (
    "Add=AddV2 Subtract=Sub Multiply=Mul TrueDivide=RealDiv Divide=RealDiv FloorDivide=FloorDiv Power=Pow Mod=FloorMod "
    "Maximum=Maximum Minimum=Minimum Equal=Equal NotEqual=NotEqual Less=Less LessEqual=LessEqual Greater=Greater "
    "GreaterEqual=GreaterEqual Matmul=BatchMatMulV2"
)
_REDUCTIONS = "Sum=Sum Mean=Mean Max=Max Amax=Max Min=Min Amin=Min Prod=Prod"


def _words(text: str) -> list[tuple[str, str]]:
    return [(kind, name) for kind, _, name in (word.partition("=") for word in text.split())]


_OPS: Mapping[str, Op] = {
    **{kind: Op(name) for kind, name in _words(f"{_UNARY} {_BINARY}")},
    **{kind: Op(name, _reduction) for kind, name in _words(_REDUCTIONS)},
    "Concatenate": Op("ConcatV2", _with("axis", "Tidx")),
    "Stack": Op("Pack", lambda config: ([], {"axis": {"i": str(config["axis"])}})),
    "Transpose": Op("Transpose", _with("axes", "Tperm")),
    "Reshape": Op("Reshape", _with("newshape", "Tshape")),
    "ExpandDims": Op("ExpandDims", _one_axis),
    "Squeeze": Op("Squeeze", _squeezed),
    "Tile": Op("Tile", _with("repeats", "Tmultiples")),
    "Pad": Op("PadV2", _padded),
    "Clip": Op("ClipByValue", _clipped),
    "Flip": Op("ReverseV2", _with("axis", "Tidx")),
    "GetItem": Op("StridedSlice", _sliced),
    "Cast": Op("Cast", lambda config: ([], {"DstT": {"type": TYPES[config["dtype"]]}}), "SrcT"),
    "BroadcastTo": Op("BroadcastTo", _with("shape", "Tidx")),
    "Where": Op("SelectV2", typed=(1, None)),
    "Take": Op("GatherV2", _taken, "Tparams", (0, 1), "Tindices"),
    "Split": Op("Split", _pieces, first=True),
    "LogicalAnd": Op("LogicalAnd", type_of=""),
    "LogicalOr": Op("LogicalOr", type_of=""),
    "LogicalNot": Op("LogicalNot", type_of=""),
    "DepthToSpace": Op("DepthToSpace", _blocks),
    "SpaceToDepth": Op("SpaceToDepth", _blocks),
}


def has(kind: str) -> bool:
    """Whether a node can be an operator of ``keras.ops``."""
    return kind in _OPS


def typed(kind: str, arguments: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The arguments of an operator that have one type, and those that have another of their own."""
    op = _OPS[kind]
    same = arguments[slice(*op.typed)]
    return same, [part for part in arguments if not any(part is other for other in same)]


def _is_turned_over(divisor: Any) -> bool:
    """Whether TensorFlow's optimiser would multiply by the reciprocal of a constant, which is another number.

    It does so where the op is a ``RealDiv``; ``DivNoNan`` is the same where no divisor is 0. That of a power of two is
    exact.
    """
    numbers = list(_flattened(divisor))
    return all(numbers) and any(abs(frexp(number)[0]) != 0.5 for number in numbers)


def _flattened(value: Any) -> Iterator[float]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _flattened(part)
    elif isinstance(value, int | float):
        yield float(value)


def node(
    kind: str,
    config: Mapping[str, Any],
    name: str,
    dtypes: tuple[str, str],
    inputs: Sequence[Any],
    constant: Callable[[Any], bool],
) -> tuple[dict[str, Any], list[Any]]:
    """The config of the layer, and the inputs that are values; `dtypes` are those of what `typed` gives.

    Raises `KeyError` for an element type that TensorFlow 1.15 would not take.
    """
    op = _OPS[kind]
    rest, attributes = op.rest(config)
    listed = [part for value in inputs for part in (value if kind in ("Concatenate", "Stack") else [value])]
    if kind in ("Concatenate", "Stack"):
        attributes["N"] = {"i": str(len(listed))}
    every = [*rest, *listed] if op.first else [*listed, *rest]
    own = range(len(rest)) if op.first else range(len(listed), len(every))
    constants = {str(i): part for i, part in enumerate(every) if i in own or constant(part)}
    named = [f"{name}/{i}" if str(i) in constants else f"input_{i}" for i in range(len(every))]
    types = {op.type_of: dtypes[0], op.indices: dtypes[1]}
    attributes = {**{key: {"type": TYPES[dtype]} for key, dtype in types.items() if key}, **attributes}
    exact = op.name == "RealDiv" and dtypes[0] in ("float32", "float64") and _is_turned_over(constants.get("1"))
    definition = {"name": name, "op": "DivNoNan" if exact else op.name, "input": named, "attr": attributes}
    values = [part for i, part in enumerate(every) if str(i) not in constants]
    return {"name": name, "trainable": True, "dtype": None, "node_def": definition, "constants": constants}, values
