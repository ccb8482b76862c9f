"""Convolutions and pools: TensorFlow ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.layers.base import ValueType
from irconv.ir.shapes import Size
from irconv.rows import Axes, Ignored, Input, Only, Weight
from irconv.vocabularies.tensorflow.rows import (
    IMAGE,
    VOLUME,
    Kernel,
    NumbersInput,
    Spatial,
    WindowPadding,
    of_rank,
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


_IMAGES, _VOLUMES = of_rank(4, "images"), of_rank(5, "volumes")
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
]
