"""Ops that move, join and cut values: TensorFlow ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.containers.graph_def import ElementType
from irconv.data_classes import dataclass
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.shapes import Dimension, Size
from irconv.rows import Attribute, Axes, Fixed, Input, Inputs, Only, choices
from irconv.vocabularies.tensorflow.rows import (
    IMAGE,
    AxesInput,
    AxisInput,
    Count,
    FloatInput,
    Kernel,
    NumberInput,
    NumbersInput,
    PadsInput,
    ShapeInput,
    TupleInput,
    given_or_constant,
    op,
    within,
)


@dataclass(frozen=True)
class _NewAxis(NumbersInput):
    """The axis that is put in, counted in the result."""

    def read(self, value: object, draft: Draft) -> object:
        (axis,) = value if isinstance(value, list) else (value,)
        rank = draft.ranks[0] + 1
        if not isinstance(axis, int) or not -rank <= axis < rank:
            raise draft.refuse(f"expected {self.native} between {-rank} and {rank - 1}, got {axis!r}")
        return (axis % rank,)

    def write(self, value: object, draft: Draft) -> object:
        assert isinstance(value, tuple), "axes are a tuple"
        if len(value) != 1:
            raise draft.refuse(f"puts in one axis, got {value}")
        return value[0]


@dataclass(frozen=True)
class _Squeezed(Row):
    """The axes that go; all of length 1 where none is named."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        named, shape = native.config.pop("squeeze_dims"), draft.given[0].shape
        axes = [within(draft, "squeeze_dims", axis) for axis in named]
        if not axes and any(not isinstance(size, int) for size in shape):
            raise draft.refuse(f"takes out all axes of length 1, but the shape {shape} does not say which these are")
        draft.fields["axes"] = tuple(sorted(axes)) or tuple(i for i, size in enumerate(shape) if size == 1)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["squeeze_dims"] = tuple(draft.fields.pop("axes"))


@dataclass(frozen=True)
class _StackAxis(Row):
    """The axis of a Pack, counted in the result."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        axis, rank = native.config.pop("axis"), draft.ranks[0] + 1
        if not -rank <= axis < rank:
            raise draft.refuse(f"expected axis between {-rank} and {rank - 1}, got {axis}")
        draft.fields["axis"] = axis % rank

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["axis"] = draft.fields.pop("axis")


@dataclass(frozen=True)
class _UnstackAxis(Row):
    """The axis of an Unpack, and how many values it makes."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields["axis"] = within(draft, "axis", native.config.pop("axis"))
        draft.fields["count"] = native.config.pop("num")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config |= {"axis": draft.fields.pop("axis"), "num": draft.fields.pop("count")}


@dataclass(frozen=True)
class _EqualParts(Row):
    """So many equal pieces. Stands after the axis' row."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        count, size = native.config.pop("num_split"), draft.given[0].shape[draft.fields["axis"]]
        if isinstance(size, int) and size % count:
            raise draft.refuse(f"expected a size that {count} pieces divide, got {size}")
        draft.fields["sizes"] = (Size.of(size).floor_divide(count).dimension,) * count  # TensorFlow sees to the rest

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return len(set(layer.settings()["sizes"])) == 1

    def encode(self, draft: Draft, native: Workpiece) -> None:
        sizes = draft.fields.pop("sizes")
        if len(set(sizes)) != 1:
            raise draft.refuse(f"cuts into equal pieces, got {sizes}")
        native.config["num_split"] = len(sizes)


@dataclass(frozen=True)
class _Parts(NumbersInput):
    """The sizes of the pieces, one of which may be -1. Stands before the axis' row."""

    def read(self, value: object, draft: Draft) -> object:
        assert isinstance(value, list), "sizes are a list"
        return tuple(value)

    def write(self, value: object, draft: Draft) -> object:
        assert isinstance(value, tuple), "sizes are a tuple"
        return list(value)


@dataclass(frozen=True)
class _RestOfParts(Row):
    """The size that is left open, and the number of the pieces. Stands after the axis' row."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        native.config.pop("num_split")
        sizes, whole = draft.fields["sizes"], draft.given[0].shape[draft.fields["axis"]]
        if -1 in sizes:
            if not isinstance(whole, int) or not all(isinstance(size, int) for size in sizes):
                raise draft.refuse(f"expected sizes that are known, got {sizes} of {whole}")
            rest = whole - sum(size for size in sizes if size != -1)
            draft.fields["sizes"] = tuple(rest if size == -1 else size for size in sizes)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["num_split"] = sum(slot[:1] == "y" for slot in draft.types)


_ONE_OR_TWO = Kernel("takes one or two values", lambda _, given: sum(slot[:1] == "x" for slot in given) < 3)
_WITH_RESULT = Kernel("names the axes of its result", lambda fields, _: "->" in fields["equation"])
_ONE_AXIS = Kernel("puts in one axis", lambda fields, _: len(fields["axes"]) == 1)
_IMAGES = Kernel("takes images only", lambda _, given: len(given["x"].shape) == 4)
_MODES = choices(REFLECT="reflect", SYMMETRIC="symmetric")


@dataclass(frozen=True)
class _CastTo(Row):
    """The element type that a Cast gives."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields["dtype"] = str(native.config.pop("DstT"))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["DstT"] = ElementType(draft.fields.pop("dtype"))


@dataclass(frozen=True)
class _Expanded(NumbersInput):
    """The shape of the result, which IR layers give with a 1 for each size that stays."""

    def write(self, value: object, draft: Draft) -> object:
        return list(draft.types["y"].shape)


@dataclass(frozen=True)
class _Cuts(Row):
    """Bounds and steps of every axis, and bits for those that are open: ``x[begin:end:strides]``."""

    def wanted(self, draft: Draft) -> dict[str, list[Dimension]]:
        """See `NumbersInput.wanted`."""
        fields, rank = draft.fields, len(draft.types["x"].shape)
        found: dict[str, list[Dimension]] = {"starts": [0] * rank, "ends": [0] * rank}
        for name, values in found.items():
            for axis, bound in zip(fields["axes"], fields[name], strict=True):
                values[axis] = 0 if bound is None else bound
        return found

    def encode(self, draft: Draft, native: Workpiece) -> None:
        wanted, fields, rank = self.wanted(draft), draft.fields, len(draft.types["x"].shape)
        strides = [1] * rank
        masks = {"begin_mask": (1 << rank) - 1, "end_mask": (1 << rank) - 1}
        for axis, start, end, step in zip(*(fields[n] for n in ("axes", "starts", "ends", "steps")), strict=True):
            strides[axis] = step
            masks["begin_mask"] &= ~(1 << axis) if start is not None else -1
            masks["end_mask"] &= ~(1 << axis) if end is not None else -1
        for name, field in (("begin", "starts"), ("end", "ends")):
            given_or_constant(name, field, wanted[field], "int32", draft, native)
        given_or_constant("strides", "steps", strides, "int32", draft, native)
        for name in ("axes", "starts", "ends", "steps"):
            fields.pop(name)
        native.config |= {**masks, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0}


@dataclass(frozen=True)
class _Band(Row):
    """How many diagonals below and above the main one are kept; -1 keeps all."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`: the main diagonal is kept."""
        settings = layer.settings()
        return bool(settings["diagonal"] <= 0 if settings["upper"] else settings["diagonal"] >= 0)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        upper, diagonal = draft.fields.pop("upper"), draft.fields.pop("diagonal")
        bounds = {"num_lower": -diagonal if upper else -1, "num_upper": -1 if upper else diagonal}
        if bounds["num_lower"] < -1 or bounds["num_upper"] < -1:
            raise draft.refuse(f"keeps the main diagonal, got upper={upper} from diagonal {diagonal}")
        for name, number in bounds.items():
            given_or_constant(name, name, number, "int64", draft, native)


CODECS: list[Codec] = [
    op("MatrixBandPart", "Trilu", Input("x"), _Band(), types="T=x Tindex=int64"),
    op("MatrixDeterminant", "Determinant", Input("x")),
    op("Einsum", "Einsum", _ONE_OR_TWO, _WITH_RESULT, Inputs(), Attribute("equation"), Count(), types="T=x0"),
    op("StridedSlice", "Slice", Input("x"), _Cuts(), types="T=x Index=int32"),
    op("Shape", "ShapeOf", Input("x"), types="T=x out_type=int64"),
    op("BroadcastTo", "Expand", Input("x"), _Expanded("shape", "shape"), types="T=x Tidx=int32"),
    op(
        "Range",
        "Range",
        NumberInput("start", "start", "int64"),
        NumberInput("limit", "limit", "int64"),
        NumberInput("delta", "step", "int64"),
        types="Tidx=int64",
    ),
    op("Reshape", "Reshape", Input("x"), ShapeInput("shape", "shape"), types="T=x Tshape=int32"),
    op("Transpose", "Transpose", Input("x"), TupleInput("perm", "permutation"), types="T=x Tperm=int32"),
    op("ExpandDims", "Unsqueeze", _ONE_AXIS, Input("x"), _NewAxis("dim", "axes"), types="T=x Tdim=int32"),
    op("Squeeze", "Squeeze", Input("x"), _Squeezed()),
    op("ConcatV2", "Concat", Inputs(), AxisInput("axis", "axis"), Count(), types="T=x0 Tidx=int32"),
    op("Concat", "Concat", AxisInput("concat_dim", "axis"), Inputs(), Count(), types="T=x0"),
    op("Pack", "Stack", Inputs(), _StackAxis(), Count(), types="T=x0"),
    op("Unpack", "Unstack", Input("x"), _UnstackAxis()),
    op("Split", "Split", AxisInput("split_dim", "axis"), Input("x"), _EqualParts()),
    op(
        "SplitV",
        "Split",
        Input("x"),
        _Parts("size_splits", "sizes"),
        AxisInput("split_dim", "axis"),
        _RestOfParts(),
        types="T=x Tlen=int32",
    ),
    op("Tile", "Tile", Input("x"), TupleInput("multiples", "repeats"), types="T=x Tmultiples=int32"),
    op(
        "Pad",
        "Pad",
        Input("x"),
        PadsInput("paddings", "pads"),
        Only("mode", "constant"),
        Only("value", 0.0),
        types="T=x Tpaddings=int32",
    ),
    op(
        "PadV2",
        "Pad",
        Input("x"),
        PadsInput("paddings", "pads"),
        FloatInput("constant_values", "value"),
        Only("mode", "constant"),
        types="T=x Tpaddings=int32",
    ),
    op(
        "MirrorPad",
        "Pad",
        Kernel("mirrors", lambda fields, _: fields["mode"] in ("reflect", "symmetric")),
        Input("x"),
        PadsInput("paddings", "pads"),
        Attribute("mode", iso=_MODES),
        Only("value", None),
        types="T=x Tpaddings=int32",
    ),
    op("ReverseV2", "Flip", Input("x"), AxesInput("axis", "axes"), types="T=x Tidx=int32"),
    op("Cast", "Cast", Input("x"), _CastTo(), Fixed("Truncate", False), types="SrcT=x"),
    op(
        "DepthToSpace",
        "DepthToSpace",
        _IMAGES,
        Input("x"),
        Attribute("block_size", "block"),
        Only("mode", "DCR"),
        Axes("data_format", IMAGE),
    ),
    op(
        "SpaceToDepth",
        "SpaceToDepth",
        _IMAGES,
        Input("x"),
        Attribute("block_size", "block"),
        Only("mode", "DCR"),
        Axes("data_format", IMAGE),
    ),
]
