"""Convolutions and pools."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from irconv.frameworks.theano.kinds.base import BorderMode, Count, Described, Pair, Positive

_BORDER = (
    "valid, full (size of the filter less one on every side), half (half the filter, rounded down), one number, one "
    "number for each axis, or (before, after) for each axis."
)


class _Filtered(Described):
    STATED: ClassVar[tuple[str, ...]] = ("filter_flip", "border_mode", "stride")

    border_mode: BorderMode | None = Field("valid", description=_BORDER)
    stride: list[Positive] | None = Field([], description="Theano's subsample; one for each axis unless said.")
    filter_flip: bool | None = Field(
        None, description="Whether the filters are turned by 180 degrees. There is no default: it must be stated."
    )


class _Conv(_Filtered):
    ROLES: ClassVar[tuple[str, ...]] = ("W",)
    OPTIONAL: ClassVar[tuple[str, ...]] = ("b",)

    dilation: list[Positive] = Field([])
    groups: Positive = 1
    pre_pad: list[Pair] | None = Field(None, description="Zeros put around the spatial axes before all else.")


class Conv1d(_Conv):
    """A convolution over one axis, (n, c, t)."""

    kind: Literal["conv1d"]


class Conv2d(_Conv):
    """``T.nnet.conv2d``: W (out, in / groups, rows, columns); b (out), or untied (out, rows, columns)."""

    kind: Literal["conv2d"]


class Conv3d(_Conv):
    """``T.nnet.conv3d``."""

    kind: Literal["conv3d"]


class CausalConv1d(Described):
    """A convolution over one axis with all zeros before it."""

    ROLES: ClassVar[tuple[str, ...]] = ("W",)
    OPTIONAL: ClassVar[tuple[str, ...]] = ("b",)
    STATED: ClassVar[tuple[str, ...]] = ("filter_flip", "stride")

    kind: Literal["causal_conv1d"]
    stride: list[Positive] | None = Field([])
    dilation: list[Positive] = Field([])
    groups: Positive = 1
    filter_flip: bool | None = None


class SeparableConv2d(_Filtered):
    """``separable_conv2d``: depthwise (c m, 1, rows, columns), pointwise (out, c m, 1, 1), b (out)."""

    ROLES: ClassVar[tuple[str, ...]] = ("depthwise", "pointwise")
    OPTIONAL: ClassVar[tuple[str, ...]] = ("b",)

    kind: Literal["separable_conv2d"]
    num_channels: Positive
    dilation: list[Positive] = Field([], description="Of the depthwise filters.")


class _ConvTranspose(_Filtered):
    ROLES: ClassVar[tuple[str, ...]] = ("W",)
    OPTIONAL: ClassVar[tuple[str, ...]] = ("b",)
    STATED: ClassVar[tuple[str, ...]] = ("filter_flip", "border_mode", "stride", "output_size")

    dilation: list[Positive] = Field([])
    groups: Positive = 1
    output_size: list[Positive] | None = None


class Conv2dTranspose(_ConvTranspose):
    """``conv2d_grad_wrt_inputs``: W (in, out / groups, rows, columns), of the convolution it turns round."""

    kind: Literal["conv2d_transpose"]


class _Pool(Described):
    STATED: ClassVar[tuple[str, ...]] = ("ignore_border", "mode")

    ws: list[Positive]
    stride: list[Positive] | None = Field(None, description="The window's own size unless said.")
    pad: list[Count] | None = None
    ignore_border: bool | None = Field(None, description="False keeps windows that are only partly inside.")
    mode: Literal["max", "sum", "average_inc_pad", "average_exc_pad"] | None = "max"


class Pool1d(_Pool):
    """A pool over one axis, (n, c, t)."""

    kind: Literal["pool1d"]


class Pool2d(_Pool):
    """``theano.tensor.signal.pool.pool_2d``."""

    kind: Literal["pool2d"]


class Pool3d(_Pool):
    """``theano.tensor.signal.pool.pool_3d``."""

    kind: Literal["pool3d"]


class Conv1dTranspose(_ConvTranspose):
    """`Conv2dTranspose` over one axis."""

    kind: Literal["conv1d_transpose"]


class Conv3dTranspose(_ConvTranspose):
    """`Conv2dTranspose` over three axes."""

    kind: Literal["conv3d_transpose"]
