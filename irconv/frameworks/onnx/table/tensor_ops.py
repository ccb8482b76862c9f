"""Ops that move or combine values: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.table.rows import FLAG, AllAxes, SizesInput, flat_pads, paired_pads, unary
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.reductions import ReduceAlong
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Flatten, Identity, Mul, Pad, Reduce, Reshape
from irconv.ir.shapes import Dimension, counted, symbols
from irconv.rows import TUPLE, Attribute, ConstantInput, Counted, Fixed, Input, InputCount, Iso, Only, Selects, Weight


def _reduce(native: str, op: str, since: int = 0) -> Codec:
    axes, keepdims = ConstantInput("axes", "axes", "int64", TUPLE), Attribute("keepdims", iso=FLAG)
    return Codec(native, Reduce, Input("x"), axes, keepdims, Only("op", op), since=since)


_EMPTY = Iso(lambda none: "none" if none else "all", lambda empty: int(empty == "none"))


def _reduce_along(native: str, op: str, since: int = 0) -> Codec:
    rows = Attribute("keepdims", iso=FLAG), Attribute("noop_with_empty_axes", "empty", _EMPTY), Only("op", op)
    return Codec(native, ReduceAlong, Input("x"), Input("axes"), *rows, Counted("sizes"), since=since)


Reduction: TypeAlias = Literal["mean", "sum", "max", "min", "prod", "l1", "l2", "sum_square", "log_sum", "log_sum_exp"]
REDUCTIONS: Mapping[str, Reduction] = {
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "max",
    "ReduceMin": "min",
    "ReduceProd": "prod",
    "ReduceL1": "l1",
    "ReduceL2": "l2",
    "ReduceSumSquare": "sum_square",
    "ReduceLogSum": "log_sum",
    "ReduceLogSumExp": "log_sum_exp",
}


@dataclass(frozen=True)
class _PadValue(Row):
    """The constant that Pad puts, of the type of the value; none for its other modes.

    Negative padding is left to slices: onnx's reference evaluator has none.
    """

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        assert isinstance(layer, Pad)
        return not any(isinstance(size, int) and size < 0 for pair in layer.pads for size in pair)

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given = native.tensors.pop("value", None)
        constant = native.config.get("mode", "constant") == "constant"
        draft.fields["value"] = None if not constant else float(given.data.numpy()) if given else 0.0

    def encode(self, draft: Draft, native: Workpiece) -> None:
        ConstantInput("value", "value", draft.types["x"].dtype).encode(draft, native)


def _pad(mode: str, since: int = 0) -> Codec:
    return Codec(
        "Pad",
        Pad,
        Input("x"),
        SizesInput("pads", "pads", _flat_pads, paired_pads),
        _PadValue(),
        AllAxes(),
        Selects("mode", mode),
        Only("mode", mode),
        since=since,
    )


def _flat_pads(fields: Mapping[str, Any], types: Mapping[str, ValueType]) -> list[Dimension]:
    return [*flat_pads(fields["pads"])]


def _empty(shape: Sequence[Dimension]) -> bool:
    """Whether a size is 0, or several are open that may be: then 0 is to mean no elements."""
    unknown = [size for size in shape if isinstance(size, str)]
    return 0 in shape or (len(unknown) > 1 and any(counted(symbol) for size in unknown for symbol in symbols(size)))


@dataclass(frozen=True)
class _AllowZero(Row):
    """Whether a 0 in the shape of a Reshape is a size, and not that of the value."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        native.config.pop("allowzero", None)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if _empty(draft.fields["shape"]):
            native.config["allowzero"] = 1


def _reshaped(fields: Mapping[str, Any], types: Mapping[str, ValueType]) -> list[Dimension]:
    """0 copies the input's size, and one other unknown size is -1: no need to compute."""
    shape, given = fields["shape"], types["x"].shape
    if _empty(shape):
        return list(shape)
    sizes = [0 if not isinstance(n, int) and given[i : i + 1] == (n,) else n for i, n in enumerate(shape)]
    unknown = [n for n in sizes if not isinstance(n, int)]
    return [n if isinstance(n, int) else -1 for n in sizes] if len(unknown) == 1 else sizes


CODECS: list[Codec] = [
    *(_reduce(native, op) for native, op in REDUCTIONS.items()),
    *(_reduce_along(native, op) for native, op in REDUCTIONS.items()),
    _reduce_along("ReduceMax", "any", since=20),
    _reduce_along("ReduceMin", "all", since=20),
    _reduce("ReduceMax", "any", since=20),
    _reduce("ReduceMin", "all", since=20),
    Codec("Flatten", Flatten, Input("x"), Fixed("axis", 1), Only("start_axis", 1)),
    Codec("Reshape", Reshape, Input("x"), _AllowZero(), SizesInput("shape", "shape", _reshaped)),
    unary("Transpose", "Transpose", Attribute("perm", "permutation", TUPLE)),
    Codec("Add", Add, InputCount(2)),
    Codec("Sum", Add),
    Codec("Mul", Mul, InputCount(2)),
    Codec("Concat", Concat, Attribute("axis")),
    Codec("Constant", Constant, Weight("value", "value", "*a")),
    _pad("constant"),
    _pad("reflect"),
    _pad("edge"),
    _pad("wrap", since=19),
    Codec("Identity", Identity, Input("x")),
]
