"""Functions that move, join, choose or reduce values <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.torch.table.rows import (
    DTYPE,
    LIST,
    KeepsIntegers,
    LastAxisFirst,
    ReshapeSizes,
    Sizes,
    Taken,
    When,
    Written,
    attributes,
    computed,
    function,
    is_float,
    unary,
)
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.matrix import Einsum
from irconv.ir.layers.shape_ops import Full, Range
from irconv.ir.layers.slicing import Slice, Stack
from irconv.ir.layers.tensor_ops import Concat, Flatten, Pad, Reduce, Reshape, SamePad, Transpose
from irconv.rows import Attribute, Only, choices


@dataclass(frozen=True)
class _PositiveSteps(Row):
    """PyTorch's slices only walk forwards."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return min(layer.settings()["steps"], default=1) > 0


def _reduce(native: str, op: str, *rows: Row) -> Codec:
    some = When(lambda layer, _: bool(layer.axes))
    return Codec(
        native, Reduce, some, Attribute("dim", "axes", LIST), Attribute("keepdim", "keepdims"), *rows, Only("op", op)
    )


def _expanded(draft: Draft) -> Any:
    """-1 for the value's own size."""
    shape, own = draft.fields["shape"], draft.types["x"].shape
    new = len(shape) - len(own)
    sizes = [own[i - new] if i >= new and size == 1 else size for i, size in enumerate(shape)]
    kept = tuple(-1 if i >= new and size == own[i - new] else size for i, size in enumerate(sizes))
    return computed(((-1,) * -new if new < 0 else ()) + kept)


def _shared_pad(mode: str) -> Any:
    """Whether F.pad has the mode for these axes: one to three spatial ones, padded by numbers."""

    def holds(layer: Pad, given: Mapping[str, ValueType]) -> bool:
        sizes = given["x"].shape
        leading, pairs = layer.pads[:2], layer.pads[2:]
        if any(map(any, leading)) or len(sizes) not in (3, 4, 5) or "float" not in given["x"].dtype:
            return False
        limits = [size - (mode == "reflect") if isinstance(size, int) else 0 for size in sizes[2:]]
        return all(
            isinstance(n, int) and 0 <= n <= (limit if mode != "edge" else n)
            for pair, limit in zip(pairs, limits, strict=True)
            for n in pair
        ) and all(map(any, pairs))

    return holds


@dataclass(frozen=True)
class _SpatialPad(LastAxisFirst):
    """`LastAxisFirst` for the modes that want every spatial axis named."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        pairs = draft.fields.pop("pads")
        native.config["pad"] = tuple(n for pair in reversed(pairs[2:]) for n in pair)


def _mode_pad(mode: str, native: str) -> Codec:
    return Codec(
        "F.pad",
        Pad,
        When(_shared_pad(mode)),
        Only("mode", mode),
        Only("value", None),
        _SpatialPad(),
        Written("mode", lambda _: native),
    )


@dataclass(frozen=True)
class _PadValue(Row):
    """The number that is put there, of the type of the value."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields["value"] = float(native.config.pop("value"))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value, dtype = draft.fields.pop("value"), draft.types["x"].dtype
        native.config["value"] = bool(value) if dtype == "bool" else int(value) if "int" in dtype else value


_SCATTER = "x indices updates"
_REDUCTIONS = choices(sum="add", prod="mul", amax="max", amin="min")
_LONG = Written("long", lambda draft: draft.types["indices"].dtype != "int64")
"""Whether indices are still to become int64, which is what PyTorch takes."""

SHAPES: list[Codec] = [
    Codec("torch.flatten", Flatten, Attribute("start_dim", "start_axis")),
    Codec("torch.reshape", Reshape, ReshapeSizes()),
    Codec("torch.permute", Transpose, Attribute("dims", "permutation", LIST)),
    Codec(
        "slice",
        Slice,
        _PositiveSteps(),
        Attribute("axes", iso=LIST),
        Sizes("starts", "starts"),
        Sizes("ends", "ends"),
        Attribute("steps", iso=LIST),
    ),
    Codec(
        "strided_slice",
        Slice,
        Attribute("axes", iso=LIST),
        Sizes("starts", "starts"),
        Sizes("ends", "ends"),
        Attribute("steps", iso=LIST),
    ),
    Codec("torch.cat", Concat, Attribute("dim", "axis")),
    Codec("torch.stack", Stack, Attribute("dim", "axis")),
    Codec(
        "F.pad",
        Pad,
        Only("mode", "constant"),
        LastAxisFirst(),
        _PadValue(),
    ),
    _mode_pad("reflect", "reflect"),
    _mode_pad("edge", "replicate"),
    _mode_pad("wrap", "circular"),
    Codec("pad_by_rule", Pad, Only("value", None), Sizes("pads", "pads"), Attribute("mode")),
    Codec(
        "same_pad",
        SamePad,
        Attribute("kernel_size", "kernel", LIST),
        Attribute("stride", iso=LIST),
        Attribute("dilation", iso=LIST),
        Attribute("value"),
    ),
    unary("torch.squeeze", "Squeeze", Attribute("dim", "axes", LIST)),
    unary("unsqueeze", "Unsqueeze", Attribute("axes", iso=LIST)),
    unary("expand", "Expand", Written("sizes", _expanded), Taken(("shape",))),
    unary("torch.tile", "Tile", Sizes("dims", "repeats")),
    unary("torch.repeat_interleave", "Repeat", *attributes("repeats", "dim=axis")),
    unary("size_of", "SizeOf", Attribute("axis")),
    unary("shape_of", "ShapeOf"),
    Codec("torch.full", Full, Sizes("size", "shape"), Attribute("value"), Attribute("dtype", iso=DTYPE)),
    Codec("torch.arange", Range, Sizes("start", "start"), Sizes("limit", "limit"), Attribute("step")),
    unary("eye_like", "EyeLike", Attribute("diagonal")),
    unary("torch.split", "Split", Sizes("sizes", "sizes"), Attribute("dim", "axis")),
    unary("torch.unbind", "Unstack", Attribute("dim", "axis"), Taken(("count",))),
    unary("select", "Select", *attributes("dim=axis", "index")),
    unary("torch.flip", "Flip", Attribute("dims", "axes", LIST)),
    unary("torch.roll", "Roll", Attribute("shifts", iso=LIST), Attribute("dims", "axes", LIST)),
]

REDUCTIONS: list[Codec] = [
    _reduce("torch.mean", "mean", is_float("x")),
    _reduce("torch.sum", "sum", KeepsIntegers()),
    _reduce("torch.amax", "max"),
    _reduce("torch.amin", "min"),
    _reduce("torch.all", "all"),
    _reduce("torch.any", "any"),
    _reduce("torch.logsumexp", "log_sum_exp", is_float("x")),
    _reduce("l1_norm", "l1", KeepsIntegers()),
    _reduce("torch.linalg.vector_norm", "l2", is_float("x")),
    _reduce("sum_of_squares", "sum_square", KeepsIntegers()),
    _reduce("log_of_sum", "log_sum", is_float("x")),
    _reduce("prod", "prod"),
    unary("torch.var", "Variance", *attributes("dim=axes", "correction", "keepdim=keepdims")),
    unary("torch.std", "StandardDeviation", *attributes("dim=axes", "correction", "keepdim=keepdims")),
]

INDEXING: list[Codec] = [
    function("gather", "Gather", "x indices", _LONG, Attribute("axis")),
    function("torch.gather", "GatherElements", "x indices", _LONG, Attribute("dim", "axis")),
    function("gather_nd", "GatherND", "x indices", Attribute("batch_axes")),
    function("torch.scatter", "ScatterElements", _SCATTER, _LONG, Attribute("dim", "axis"), Only("reduction", "none")),
    function(
        "torch.scatter_reduce",
        "ScatterElements",
        _SCATTER,
        _LONG,
        Attribute("dim", "axis"),
        Attribute("reduction", iso=_REDUCTIONS),
    ),
    function("scatter_nd", "ScatterND", _SCATTER, Attribute("reduction")),
    function(
        "top_k",
        "TopK",
        "x",
        Sizes("k", "k"),
        Attribute("dim", "axis"),
        Attribute("largest"),
        Taken(("sorted",)),
        results="values indices",
    ),
    function("torch.sort", "Sort", "x", Attribute("dim", "axis"), Attribute("descending"), results="values indices"),
    unary("torch.argmax", "ArgMax", Only("ties", "first"), *attributes("dim=axis", "keepdim=keepdims")),
    unary("torch.argmin", "ArgMin", Only("ties", "first"), *attributes("dim=axis", "keepdim=keepdims")),
    unary("last_argmax", "ArgMax", Only("ties", "last"), *attributes("dim=axis", "keepdim=keepdims")),
    unary("last_argmin", "ArgMin", Only("ties", "last"), *attributes("dim=axis", "keepdim=keepdims")),
    function("reverse_sequence", "ReverseSequence", "x lengths", *attributes("batch_axis", "time_axis")),
]

MATRICES: list[Codec] = [
    function("torch.matmul", "MatMul", "left right"),
    Codec("torch.einsum", Einsum, Attribute("equation")),
    unary("torch.linalg.det", "Determinant"),
    unary("torch.triu", "Trilu", Only("upper", True), Attribute("diagonal")),
    unary("torch.tril", "Trilu", Only("upper", False), Attribute("diagonal")),
]
