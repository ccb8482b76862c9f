"""Convolutions, pools, matrix products, norms and resizing: TensorFlow ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.ir.layers.base import ValueType
from irconv.ir.shapes import Size
from irconv.rows import Attribute, Axes, Fixed, Ignored, Input, Only, Rank, Selects, Weight
from irconv.vocabularies.tensorflow.rows import (
    FLOAT32,
    IMAGE,
    VOLUME,
    Kernel,
    NumbersInput,
    Spatial,
    TupleInput,
    WindowPadding,
    op,
)


@dataclass(frozen=True)
class Groups(Row):
    """The groups follow from the channels and the kernel. Stands after the kernel's row and before the axes'."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        shape, taken = draft.given[0].shape, draft.types["kernel"].shape[1]
        channels = shape[-1 if native.config["data_format"][-1] == "C" else 1]
        if not isinstance(channels, int) or not isinstance(taken, int) or channels % taken:
            raise draft.refuse(f"a kernel for {taken} channels does not fit an input of {channels}")
        draft.fields["groups"] = channels // taken

    def takes(self, layer: Any, given: Mapping[str, Any]) -> bool:
        """See `Row.takes`: TensorFlow's kernels for processors know no groups."""
        return bool(layer.groups == 1)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (groups := draft.fields.pop("groups")) != 1:
            raise draft.refuse(f"has {groups} groups, of which TensorFlow's kernel for processors knows none")


@dataclass(frozen=True)
class DepthwiseGroups(Row):
    """One group for each channel. Stands after the kernel's row and before the axes'."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        shape = draft.given[0].shape
        channels = shape[-1 if native.config["data_format"][-1] == "C" else 1]
        if not isinstance(channels, int):
            raise draft.refuse("expected a number of channels that is known")
        draft.fields["groups"] = channels

    def takes(self, layer: Any, given: Mapping[str, Any]) -> bool:
        """See `Row.takes`."""
        return bool(layer.groups > 1 and given["kernel"].shape[1] == 1)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        groups, (out, taken, *_) = draft.fields.pop("groups"), draft.types["kernel"].shape
        if taken != 1 or not isinstance(out, int) or out % groups:
            raise draft.refuse(f"is depthwise only with one input channel for each of its {groups} groups")
        native.config["multiplier"] = out // groups


@dataclass(frozen=True)
class _Multiplier(Row):
    """The number of results for each channel, which other rows left and the op does not say. Stands after theirs."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config.pop("multiplier")


@dataclass(frozen=True)
class _DepthwiseFilter(Weight):
    """A kernel that the graph computes is turned where it has one result for each channel."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if self.role in draft.data or native.config["multiplier"] != 1:
            super().encode(draft, native)
            return
        native.inputs.append(self.role)
        draft.input_axes[self.role] = ("*k out in", "out in *k")


@dataclass(frozen=True)
class _Momentum(Row):
    """Training's alone, which the graph of inference does not say."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields["momentum"] = 0.99

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.fields.pop("momentum")


def _of_rank(rank: int, what: str, slot: str = "x") -> Kernel:
    return Kernel(f"takes {what} only", lambda _, given: len(given[slot].shape) == rank)


def _natural(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    """Whether SAME or VALID gives the size: a convolution of it gives back the size of x."""
    padding, stride, more = fields["padding"], fields["stride"], fields["output_padding"]
    if padding == "same_upper":
        n, m = given["x"].shape[2:], fields["output_size"]
        less = [(Size.of(a) * s - b).dimension for a, b, s in zip(n, m, stride, strict=True)] if m else []
        return all(isinstance(by, int) and 0 <= by < s for by, s in zip(less, stride, strict=False))
    zeros = not isinstance(padding, str) and not any(map(any, padding)) and fields["output_size"] is None
    return zeros and all(u < s for u, s in zip(more, stride, strict=True))


def _undilated(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    return all(step == 1 for step in fields["dilation"])


def _square(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    return len(set(fields["stride"])) == 1


def _in_float32(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    vectors = "variance" in given and given["mean"].dtype == "float32"
    return vectors and given["x"].dtype in ("float32", "float16", "bfloat16")


def _float32(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    return given["x"].dtype == "float32"


_MATRICES = Kernel("multiplies matrices", lambda _, given: len(given["x"].shape) > 1)
_MATRIX_PAIRS = Kernel(
    "multiplies matrices", lambda _, given: min(len(given["left"].shape), len(given["right"].shape)) > 1
)
_IMAGES, _VOLUMES = _of_rank(4, "images"), _of_rank(5, "volumes")
_DENSE = Kernel("knows no dilation", _undilated)


def _multiplier(config: Mapping[str, Any]) -> Mapping[str, int]:
    return {"one": 1, **({"m": config["multiplier"]} if "multiplier" in config else {})}


@dataclass(frozen=True)
class TransposedSizes(NumbersInput):
    """The whole shape of the result, which with the padding's rule says what is cut off.

    VALID: the natural size, and zeros after it where the shape asks for more. Stands before the kernel's row; the
    padding is worked out by `TransposedPadding`.
    """

    def read(self, value: Any, draft: Draft) -> Any:
        return tuple(value)

    def write(self, value: Any, draft: Draft) -> Any:
        n, *_ = draft.types["x"].shape
        return [n, *draft.types["y"].shape[2:], draft.types["y"].shape[1]]


@dataclass(frozen=True)
class TransposedPadding(Row):
    """The padding's rule of a transposed convolution, and the size it gives. Stands before the axes' row."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        word, sizes = native.config.pop("padding"), draft.fields.pop("output_size")
        native.config.pop("explicit_paddings", None)
        last = native.config["data_format"][-1] == "C"
        wanted = sizes[1:-1] if last else sizes[2:]
        spatial = len(wanted)
        draft.fields |= {"output_padding": (0,) * spatial, "output_size": wanted, "padding": "same_upper"}
        if word == "VALID":
            shape = draft.given[0].shape
            given, kernel = shape[1:-1] if last else shape[2:], draft.types["kernel"].shape[2:]
            draft.fields |= {"padding": ((0, 0),) * spatial, "output_size": None}
            draft.fields["output_padding"] = tuple(
                self._more(draft, *axis)
                for axis in zip(given, wanted, kernel, draft.fields["stride"], draft.fields["dilation"], strict=True)
            )
        elif word != "SAME":
            raise draft.refuse(f"expected padding SAME or VALID, got {word}")

    def _more(self, draft: Draft, size: Any, wanted: Any, kernel: Any, stride: int, dilation: int) -> int:
        """How much longer the result is than the windows reach."""
        natural = (Size.of(size) - 1) * stride + (Size.of(kernel) - 1) * dilation + 1
        more = (Size.of(wanted) - natural).dimension
        if not isinstance(more, int) or more < 0:
            raise draft.refuse(f"expected a result of at least {natural}, got {wanted}")
        return more

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding, more = draft.fields.pop("padding"), draft.fields.pop("output_padding")
        if padding == "same_upper":
            native.config["padding"] = "SAME"
        elif not isinstance(padding, str) and not any(map(any, padding)):
            native.config["padding"] = "VALID"
        else:
            raise draft.refuse(f"takes SAME and VALID padding only, got {padding} and {more} more")


def _conv(native: str, formats: Mapping[Any, str], *more: Row) -> Codec:
    return op(
        native,
        "Conv",
        *([_IMAGES] if native == "Conv2D" else [_VOLUMES, _DENSE]),
        Input("x"),
        Weight("filter", "kernel", "*k in out", positional=True),
        Spatial("strides", "stride"),
        Spatial("dilations", "dilation"),
        WindowPadding(explicit=native == "Conv2D"),
        Groups(),
        Axes("data_format", formats),
        *more,
    )


def _transposed(native: str, formats: Mapping[Any, str], *more: Row) -> Codec:
    return op(
        native,
        "ConvTranspose",
        *([_IMAGES] if native == "Conv2DBackpropInput" else [_VOLUMES]),
        _DENSE,
        Kernel("pads by SAME or not at all", _natural),
        TransposedSizes("input_sizes", "output_size"),
        Weight("filter", "kernel", "*k out in", positional=True),
        Input("x"),
        Spatial("strides", "stride"),
        Spatial("dilations", "dilation"),
        TransposedPadding(),
        Only("groups", 1),
        Axes("data_format", formats),
        *more,
    )


def _pool(native: str, formats: Mapping[Any, str]) -> Codec:
    maximum = native.startswith("Max")
    rest = [Only("dilation", (1,) * (len(next(iter(formats))) - 2))] if maximum else [Only("count_padding", False)]
    return op(
        native,
        "MaxPool" if maximum else "AveragePool",
        _VOLUMES if native.endswith("3D") else _IMAGES,
        Input("x"),
        Spatial("ksize", "kernel"),
        Spatial("strides", "stride"),
        WindowPadding(),
        Only("ceil_mode", False),
        *rest,
        Axes("data_format", formats),
    )


def _norm(native: str) -> Codec:
    return op(
        native,
        "BatchNorm",
        _IMAGES,
        Kernel("has its vectors in float32", _in_float32),
        Input("x"),
        Weight("scale", "gamma", "c", positional=True),
        Weight("offset", "beta", "c", positional=True),
        Weight("mean", "mean", "c", positional=True),
        Weight("variance", "variance", "c", positional=True),
        Attribute("epsilon", iso=FLOAT32),
        Selects("is_training", False),
        Ignored("exponential_avg_factor"),
        _Momentum(),
        Axes("data_format", IMAGE),
        types="T=x" if native == "FusedBatchNorm" else "T=x U=float32",
    )


_RESIZED: Mapping[str, Any] = {
    "scales": None,
    "cubic_coefficient": None,
    "exclude_outside": False,
    "antialias": False,
    "rounding": None,
}


def _resize(native: str, corners: bool, centers: bool, mode: str, *rows: Row, **more: Any) -> Codec:
    """TensorFlow's three rules for where an element is read: aligned corners, half pixels, or neither."""
    fields = {**_RESIZED, "mode": mode, **more}
    return op(
        native,
        "Resize",
        _IMAGES,
        *([] if mode == "nearest" else [Kernel("gives float32", _float32)]),
        Input("x"),
        TupleInput("size", "sizes"),
        Selects("align_corners", corners),
        Selects("half_pixel_centers", centers),
        *(Only(name, value) for name, value in fields.items()),
        *rows,
        _LastChannels(),
    )


@dataclass(frozen=True)
class _LastChannels(Row):
    """An op for images with the channels last, always."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.input_axes["x"] = draft.output_axes["y"] = ("n *s c", "n c *s")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.input_axes["x"] = draft.output_axes["y"] = ("n *s c", "n c *s")


@dataclass(frozen=True)
class _OnTheGrid(Row):
    """TensorFlow's cubic weights stand in a table for 1024 places between two elements; sizes that need places in
    between give other numbers than the formula does, by 5e-4 of the largest, and are refused."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        half = Fraction(1, 2) if draft.fields["coordinates"] == "half_pixel" else Fraction(0)
        sizes, wanted = draft.given[0].shape[1:3], draft.fields["sizes"]
        for size, count in zip(sizes, wanted, strict=True):
            if not isinstance(size, int) or not isinstance(count, int):
                raise draft.refuse("resizes an image of unknown size by bicubic interpolation")
            step = Fraction(size, count)
            if any(((i + half) * step - half) * 1024 % 1 for i in range(count)):
                what = "expected sizes that halve, as TensorFlow rounds the places of others to 1/1024 of an element"
                raise draft.refuse(f"bicubic: {what}")


@dataclass(frozen=True)
class _Radius(Row):
    """As many neighbours before as after."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields["before"] = draft.fields["after"] = native.config.pop("depth_radius")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        before, after = draft.fields.pop("before"), draft.fields.pop("after")
        if before != after:
            raise draft.refuse(f"takes as many channels before as after, got {before} and {after}")
        native.config["depth_radius"] = before


CODECS: list[Codec] = [
    _conv("Conv2D", IMAGE, Ignored("use_cudnn_on_gpu")),
    _conv("Conv3D", VOLUME),
    op(
        "DepthwiseConv2dNative",
        "Conv",
        _IMAGES,
        _DENSE,
        Kernel("has strides that are equal", _square),
        Input("x"),
        Spatial("strides", "stride"),
        Spatial("dilations", "dilation"),
        WindowPadding(),
        DepthwiseGroups(),
        _DepthwiseFilter("filter", "kernel", "*k c (m one)", target="(c m) one *k", sizes=_multiplier, positional=True),
        _Multiplier(),
        Axes("data_format", IMAGE),
    ),
    _transposed("Conv2DBackpropInput", IMAGE, Ignored("use_cudnn_on_gpu")),
    _transposed("Conv3DBackpropInputV2", VOLUME, Ignored("Tshape")),
    *(_pool(native, IMAGE) for native in ("MaxPool", "AvgPool")),
    *(_pool(native, VOLUME) for native in ("MaxPool3D", "AvgPool3D")),
    op(
        "BiasAdd",
        "ChannelAffine",
        Kernel("adds vectors", lambda _, given: "scale" not in given and "shift" in given),
        Input("x"),
        Weight("bias", "shift", "c", positional=True),
        Axes("data_format", IMAGE),
    ),
    *(_norm(native) for native in ("FusedBatchNormV3", "FusedBatchNormV2", "FusedBatchNorm")),
    op(
        "MatMul",
        "Linear",
        Rank((2,)),
        Input("x"),
        Weight("b", "kernel", "in out", positional=True),
        Fixed("transpose_a", False),
        Fixed("transpose_b", False),
        Ignored("grad_a grad_b"),
    ),
    op(
        "MatMul",
        "MatMul",
        Rank((2,), "left"),
        Rank((2,), "right"),
        Input("left"),
        Input("right"),
        Fixed("transpose_a", False),
        Fixed("transpose_b", False),
        Ignored("grad_a grad_b"),
        types="T=left",
    ),
    *(
        codec
        for native in ("BatchMatMulV2", "BatchMatMulV3", "BatchMatMul")
        for codec in (
            op(
                native,
                "Linear",
                _MATRICES,
                Input("x"),
                Weight("b", "kernel", "in out", positional=True),
                Fixed("adj_x", False),
                Fixed("adj_y", False),
                Ignored("grad_x grad_y"),
            ),
            op(
                native,
                "MatMul",
                _MATRIX_PAIRS,
                Input("left"),
                Input("right"),
                Fixed("adj_x", False),
                Fixed("adj_y", False),
                Ignored("grad_x grad_y"),
                types="T=left" if native != "BatchMatMulV3" else "Ta=left Tb=left Tout=left",
            ),
        )
    ),
    _resize("ResizeBilinear", False, False, "linear", coordinates="asymmetric"),
    _resize("ResizeBilinear", True, False, "linear", coordinates="align_corners"),
    _resize("ResizeBilinear", False, True, "linear", coordinates="half_pixel"),
    _resize("ResizeNearestNeighbor", False, False, "nearest", coordinates="asymmetric", rounding="floor"),
    _resize("ResizeNearestNeighbor", True, False, "nearest", coordinates="align_corners", rounding="round_prefer_ceil"),
    _resize("ResizeNearestNeighbor", False, True, "nearest", coordinates="half_pixel", rounding="round_prefer_ceil"),
    _resize(
        "ResizeBicubic",
        False,
        True,
        "cubic",
        _OnTheGrid(),
        coordinates="half_pixel",
        cubic_coefficient=-0.5,
        exclude_outside=True,
    ),
    _resize("ResizeBicubic", False, False, "cubic", _OnTheGrid(), coordinates="asymmetric", cubic_coefficient=-0.75),
    op(
        "LRN",
        "LocalResponseNorm",
        _IMAGES,
        Kernel("computes in float32", _float32),
        Input("x"),
        _Radius(),
        Attribute("bias", "k", FLOAT32),
        Attribute("alpha", iso=FLOAT32),
        Attribute("beta", iso=FLOAT32),
        Only("alpha_of", "element"),
        _LastChannels(),
    ),
]
