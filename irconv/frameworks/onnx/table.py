"""ONNX ops <-> IR layers. Rows of inputs stand in the op's order. `lower` has run: paddings are numbers where sizes are
known, BatchNorm has all its operands, a biased Linear of rank 3 or more is a product and a sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from irconv.codec import Codec, Draft, Row, Table, Workpiece
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import Clip, Elu, Gelu, HardSigmoid, LeakyRelu, Softmax, ThresholdedRelu
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Flatten, Identity, Mul, Pad, Reduce, Reshape
from irconv.rows import TUPLE, Attribute, ConstantInput, Derived, Fixed, Input, InputCount, Iso, Only, Rank, Weight

LOWEST_OPSET = 18
"""Pad takes its axes as an input from here on, which keeps onnxruntime 1.31 from fusing a Pad into a MaxPool."""

FLAG = Iso(bool, int)


@dataclass(frozen=True)
class OnnxPadding(Row):
    """``pads`` (all befores, then all afters), or ``auto_pad`` for a rule whose numbers depend on unknown sizes."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        rule, pads = native.config.pop("auto_pad", "NOTSET"), native.config.pop("pads", None)
        if rule in ("SAME_UPPER", "SAME_LOWER"):
            draft.fields["padding"] = rule.lower()
        elif rule == "NOTSET" and pads is not None:
            half = len(pads) // 2
            draft.fields["padding"] = tuple(zip(pads[:half], pads[half:], strict=True))
        else:
            raise draft.refuse(f"expected pads, or auto_pad SAME_UPPER or SAME_LOWER, got {rule}")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding = draft.fields.pop("padding")
        if padding in ("same_upper", "same_lower"):
            native.config["auto_pad"] = padding.upper()
        elif isinstance(padding, str):
            raise draft.refuse(f"ONNX has no padding {padding} for sizes that are not known")
        else:
            native.config["pads"] = [before for before, _ in padding] + [after for _, after in padding]


@dataclass(frozen=True)
class ShapeInput(Row):
    """The shape of a Reshape: 0 copies the input's size, and one other unknown size is -1."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        shape, given = draft.fields.pop("shape"), draft.types["x"].shape
        sizes = [0 if not isinstance(n, int) and given[i : i + 1] == (n,) else n for i, n in enumerate(shape)]
        unknown = [n for n in sizes if not isinstance(n, int)]
        if len(unknown) > 1:
            raise draft.refuse(f"ONNX's Reshape takes one unknown size, got {', '.join(unknown)}")
        values = np.array([n if isinstance(n, int) else -1 for n in sizes], np.int64)
        ConstantInput("shape", "numbers", "int64").encode(_with_field(draft, "numbers", values), native)


def _with_field(draft: Draft, name: str, value: Any) -> Draft:
    draft.fields[name] = value
    return draft


@dataclass(frozen=True)
class AllAxes(Row):
    """The ``axes`` of Pad: every axis. Stated though optional, see `LOWEST_OPSET`."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        axes = list(range(len(draft.types["x"].shape)))
        ConstantInput("axes", "axes", "int64").encode(_with_field(draft, "axes", axes), native)


def _kernel_shape(draft: Draft) -> Any:
    return list(draft.types["kernel"].shape[2:])


def _flat(pairs: Any) -> list[int]:
    return [before for before, _ in pairs] + [after for _, after in pairs]


def _paired(flat: Any) -> tuple[tuple[int, int], ...]:
    half = len(flat) // 2
    return tuple(zip(flat[:half], flat[half:], strict=True))


def _unary(native: str, layer: str, *rows: Row, since: int = 0) -> Codec:
    return Codec(native, layer_class(layer), Input("x"), *rows, since=since)


def _window(native: str, layer: type[Any], *rows: Row) -> Codec:
    kernel, stride = Attribute("kernel_shape", "kernel", TUPLE), Attribute("strides", "stride", TUPLE)
    return Codec(native, layer, Input("x"), kernel, stride, OnnxPadding(), Attribute("ceil_mode", iso=FLAG), *rows)


def _reduce(native: str, op: str) -> Codec:
    axes, keepdims = ConstantInput("axes", "axes", "int64", TUPLE), Attribute("keepdims", iso=FLAG)
    return Codec(native, Reduce, Input("x"), axes, keepdims, Only("op", op))


TABLE = Table(
    "ONNX",
    [
        Codec(
            "Conv",
            Conv,
            Input("x"),
            Weight("weight", "kernel", "out in *k", positional=True),
            Weight("bias", "bias", "out", positional=True),
            Attribute("strides", "stride", TUPLE),
            Attribute("dilations", "dilation", TUPLE),
            Attribute("group", "groups"),
            OnnxPadding(),
            Derived("kernel_shape", _kernel_shape),
        ),
        Codec(
            "Gemm",
            Linear,
            Rank((2,)),
            Input("x"),
            Weight("weight", "kernel", "out in", positional=True),
            Weight("bias", "bias", "out", positional=True),
            Fixed("transB", 1),
        ),
        Codec("MatMul", Linear, Input("x"), Weight("weight", "kernel", "in out", positional=True)),
        Codec(
            "BatchNormalization",
            BatchNorm,
            Input("x"),
            Weight("scale", "gamma", "c", positional=True),
            Weight("bias", "beta", "c", positional=True),
            Weight("mean", "mean", "c", positional=True),
            Weight("variance", "variance", "c", positional=True),
            Attribute("epsilon"),
            Attribute("momentum"),
        ),
        _window("MaxPool", MaxPool, Attribute("dilations", "dilation", TUPLE)),
        _window("AveragePool", AveragePool, Attribute("count_include_pad", "count_padding", FLAG)),
        _reduce("ReduceMean", "mean"),
        _reduce("ReduceSum", "sum"),
        _reduce("ReduceMax", "max"),
        _reduce("ReduceMin", "min"),
        Codec("Flatten", Flatten, Input("x"), Fixed("axis", 1), Only("start_axis", 1)),
        Codec("Reshape", Reshape, Input("x"), ShapeInput()),
        _unary("Transpose", "Transpose", Attribute("perm", "permutation", TUPLE)),
        Codec("Add", Add, InputCount(2)),
        Codec("Sum", Add),
        Codec("Mul", Mul, InputCount(2)),
        Codec("Concat", Concat, Attribute("axis")),
        Codec("Constant", Constant, Weight("value", "value", "*a")),
        Codec(
            "Pad",
            Pad,
            Input("x"),
            ConstantInput("pads", "pads", "int64", Iso(_paired, _flat)),
            ConstantInput("value", "value", "float32"),
            AllAxes(),
        ),
        Codec("Identity", Identity, Input("x")),
        _unary("Relu", "Relu"),
        Codec("LeakyRelu", LeakyRelu, Input("x"), Attribute("alpha", "slope")),
        Codec("ThresholdedRelu", ThresholdedRelu, Input("x"), Attribute("alpha", "threshold")),
        Codec(
            "Clip", Clip, Input("x"), ConstantInput("min", "low", "float32"), ConstantInput("max", "high", "float32")
        ),
        Codec("Elu", Elu, Input("x"), Attribute("alpha")),
        _unary("Selu", "Selu"),
        _unary("Sigmoid", "Sigmoid"),
        Codec("HardSigmoid", HardSigmoid, Input("x"), Attribute("alpha", "slope"), Attribute("beta", "offset")),
        _unary("Tanh", "Tanh"),
        _unary("Softplus", "Softplus"),
        _unary("Softsign", "Softsign"),
        _unary("Exp", "Exp"),
        Codec("Gelu", Gelu, Input("x"), Attribute("approximate", "approximation"), since=20),
        Codec("Softmax", Softmax, Input("x"), Attribute("axis")),
    ],
)
"""Every ONNX op irconv writes."""
