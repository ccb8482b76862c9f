"""Convolutions and affine maps: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.table.rows import OnnxPadding, flat_pads, paired_pads
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.convolution import Conv, ConvTranspose, Linear
from irconv.ir.layers.deformable import DeformConv
from irconv.rows import TUPLE, Attribute, Derived, Fixed, Input, Iso, Rank, Weight


def _kernel_shape(draft: Draft) -> Any:
    return list(draft.types["kernel"].shape[2:])


@dataclass(frozen=True)
class _Crops(Row):
    """The ``pads`` and ``output_padding`` of a ConvTranspose, which no rule leaves open: numbers whatever the size.

    onnxruntime takes an ``output_padding`` below the stride only. Decoding keeps the rule of ``auto_pad``; without one
    and with ``output_shape``, the larger half comes first.
    """

    def decode(self, native: Workpiece, draft: Draft) -> None:
        rank = len(draft.given[0].shape) - 2
        rule, size = native.config.pop("auto_pad", "NOTSET"), native.config.pop("output_shape", None)
        more = tuple(native.config.pop("output_padding", None) or (0,) * rank)
        pads = native.config.pop("pads", None) or (0,) * (2 * rank)
        if rule == "VALID" or (rule == "NOTSET" and size is None):
            draft.fields["padding"] = tuple(zip(pads[:rank], pads[rank:], strict=True))
        elif rule in ("NOTSET", "SAME_UPPER", "SAME_LOWER") and not any(more):
            draft.fields["padding"] = "same_upper" if rule == "SAME_UPPER" else "same_lower"
        else:
            raise draft.refuse(f"expected pads without a rule, got auto_pad {rule} and output_padding {more}")
        draft.fields["output_padding"] = more
        draft.fields["output_size"] = None if size is None else tuple(size)

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        assert isinstance(layer, ConvTranspose)
        crops = layer.crops(given["x"].shape[2:], given["kernel"].shape[2:])
        return all(-after < stride for (_, after), stride in zip(crops, layer.stride, strict=True))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        layer = ConvTranspose(**draft.fields)
        crops = layer.crops(draft.types["x"].shape[2:], draft.types["kernel"].shape[2:])
        for field in ("padding", "output_padding", "output_size"):
            del draft.fields[field]
        pads = tuple((before, max(after, 0)) for before, after in crops)
        more = tuple(max(-after, 0) for _, after in crops)
        if not isinstance(layer.padding, str) and all(
            count < stride for count, stride in zip(layer.output_padding, layer.stride, strict=True)
        ):
            pads, more = layer.padding, layer.output_padding
        native.config |= {"pads": flat_pads(pads), "output_padding": list(more)}


@dataclass(frozen=True)
class _KernelAlone(Row):
    """MatMul has no bias, and does not transpose a kernel that the graph computes."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return "kernel" in layer.operands and "bias" not in given


CODECS: list[Codec] = [
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
        "ConvTranspose",
        ConvTranspose,
        Input("x"),
        Weight("weight", "kernel", "in out *k", positional=True),
        Weight("bias", "bias", "out", positional=True),
        _Crops(),
        Attribute("strides", "stride", TUPLE),
        Attribute("dilations", "dilation", TUPLE),
        Attribute("group", "groups"),
        Derived("kernel_shape", _kernel_shape),
    ),
    Codec(
        "DeformConv",
        DeformConv,
        Input("x"),
        Weight("weight", "kernel", "out in *k", positional=True),
        Input("offset"),
        Weight("bias", "bias", "out", positional=True),
        Weight("mask", "mask", "n d *s", positional=True),
        Attribute("strides", "stride", TUPLE),
        Attribute("dilations", "dilation", TUPLE),
        Attribute("group", "groups"),
        Attribute("offset_group", "offset_groups"),
        Attribute("pads", "padding", Iso(paired_pads, flat_pads)),
        Derived("kernel_shape", _kernel_shape),
        since=19,
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
    Codec("MatMul", Linear, _KernelAlone(), Input("x"), Weight("weight", "kernel", "in out", positional=True)),
]
