"""Convolutions, affine maps, pools, norms and resizing, with the fields that PyTorch's modules have."""

from __future__ import annotations

from typing import Any

from irconv.errors import Refused
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.ir.layers.adaptive_pooling import AdaptiveAveragePool, AdaptiveMaxPool
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import Conv, ConvTranspose, Linear
from irconv.ir.layers.normalisation import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.reparametrisation import WeightNorm
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.tensor_ops import Reduce


def _each(value: Any, count: int, absent: int) -> tuple[int, ...]:
    listed = [absent] if value in (None, []) else [value] if isinstance(value, int) else list(value)
    return tuple(listed * count) if len(listed) == 1 else tuple(listed)


def _weights(reader: ProgramReader, call: Call, names: dict[str, str]) -> dict[str, str]:
    return {role: reader.value(call.get(name)) for role, name in names.items() if call.get(name) is not None}


def _linear(reader: ProgramReader, call: Call) -> None:
    found = _weights(reader, call, {"x": "input", "kernel": "weight", "bias": "bias"})
    reader.place(call, Linear(), **found)


def _conv(reader: ProgramReader, call: Call) -> None:
    spatial = len(reader.shape(call.arguments["weight"])) - 2
    padding = call.get("padding")
    stride, dilation = (_each(call.get(name), spatial, 1) for name in ("stride", "dilation"))
    pads: Any = "same_upper" if padding == "same" else ((0, 0),) * spatial
    if padding not in ("same", "valid"):
        pads = tuple((n, n) for n in _each(padding, spatial, 0))
    layer = Conv(stride=stride, dilation=dilation, groups=call.get("groups", 1), padding=pads)
    reader.place(call, layer, **_weights(reader, call, {"x": "input", "kernel": "weight", "bias": "bias"}))


def _transposed(reader: ProgramReader, call: Call) -> None:
    spatial = len(reader.shape(call.arguments["weight"])) - 2
    layer = ConvTranspose(
        stride=_each(call.get("stride"), spatial, 1),
        dilation=_each(call.get("dilation"), spatial, 1),
        groups=call.get("groups", 1),
        padding=tuple((n, n) for n in _each(call.get("padding"), spatial, 0)),
        output_padding=_each(call.get("output_padding"), spatial, 0),
        output_size=None,
    )
    reader.place(call, layer, **_weights(reader, call, {"x": "input", "kernel": "weight", "bias": "bias"}))


def _batch_norm(reader: ProgramReader, call: Call) -> None:
    if call.arguments.get("training"):
        what = "normalises by the statistics of the batch it is given, as in training"
        raise Refused(call.where, what, "Export the module in eval mode.")
    names = {"x": "input", "gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}
    momentum = call.get("momentum")
    layer = BatchNorm(epsilon=float(call.get("eps", 1e-5)), momentum=1 - momentum if momentum is not None else None)
    reader.place(call, layer, **_weights(reader, call, names))


def _instance_norm(reader: ProgramReader, call: Call) -> None:
    if not call.arguments.get("use_input_stats"):
        _batch_norm(reader, call)
        return
    names = {"x": "input", "gamma": "weight", "beta": "bias"}
    reader.place(call, InstanceNorm(epsilon=float(call.get("eps", 1e-5))), **_weights(reader, call, names))


def _layer_norm(layer: type[LayerNorm] | type[RMSNorm], epsilon: float) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        rank, count = len(reader.shape(call.arguments["input"])), len(call.arguments["normalized_shape"])
        made = layer(axes=tuple(range(rank - count, rank)), epsilon=float(call.get("eps", epsilon)))
        reader.place(call, made, **_weights(reader, call, {"x": "input", "gamma": "weight", "beta": "bias"}))

    return read


def _group_norm(reader: ProgramReader, call: Call) -> None:
    layer = GroupNorm(groups=call.arguments["num_groups"], epsilon=float(call.get("eps", 1e-5)))
    reader.place(call, layer, **_weights(reader, call, {"x": "input", "gamma": "weight", "beta": "bias"}))


def _pool(spatial: int, maximum: bool) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        kernel = _each(call.arguments["kernel_size"], spatial, 1)
        common: dict[str, Any] = {
            "kernel": kernel,
            "stride": _each(call.get("stride"), spatial, 1) if call.get("stride") else kernel,
            "padding": tuple((n, n) for n in _each(call.get("padding"), spatial, 0)),
            "ceil_mode": bool(call.get("ceil_mode", False)),
        }
        if call.get("divisor_override") is not None:
            raise Refused(call.where, "divides by a number of its own, which irconv does not read here")
        layer: Layer = (
            MaxPool(dilation=_each(call.get("dilation"), spatial, 1), **common)
            if maximum
            else AveragePool(count_padding=bool(call.get("count_include_pad", True)), **common)
        )
        reader.place(call, layer, x=reader.value(call.arguments["self"]))

    return read


def _adaptive(spatial: int, maximum: bool) -> Handler:
    """To a size of 1 it is the mean or the maximum of all."""

    def read(reader: ProgramReader, call: Call) -> None:
        sizes, rank = _each(call.arguments["output_size"], spatial, 1), len(reader.shape(call.arguments["self"]))
        value = reader.value(call.arguments["self"])
        if all(size == 1 for size in sizes):
            axes = tuple(range(rank - spatial, rank))
            reader.place(call, Reduce(op="max" if maximum else "mean", axes=axes, keepdims=True), x=value)
            return
        layer = AdaptiveMaxPool(output_size=sizes) if maximum else AdaptiveAveragePool(output_size=sizes)
        reader.place(call, layer, x=value)

    return read


_MODES: dict[str, Any] = {
    "nearest": "nearest",
    "_nearest_exact": "nearest",
    "linear": "linear",
    "bilinear": "linear",
    "trilinear": "linear",
    "bicubic": "cubic",
}


def _resized(word: str) -> Handler:
    """Nearest elements lie at asymmetric places, exact ones and all others at half pixels or aligned corners."""
    mode = _MODES[word]

    def read(reader: ProgramReader, call: Call) -> None:
        size, factors = call.get("output_size"), call.get("scale_factors")
        corners, exact = bool(call.get("align_corners", False)), word == "_nearest_exact"
        coordinates: Any = "align_corners" if corners else "half_pixel"
        if word == "nearest":
            coordinates = "asymmetric"
        rounding: Any = None
        if mode == "nearest":
            rounding = "round_prefer_ceil" if exact else "floor"
        layer = Resize(
            mode=mode,
            sizes=tuple(size) if size else None,
            scales=None if size else tuple(float(factor) for factor in factors),
            coordinates=coordinates,
            rounding=rounding,
            cubic_coefficient=-0.75 if mode == "cubic" else None,
            exclude_outside=False,
            antialias=False,
        )
        reader.place(call, layer, x=reader.value(call.get("input") or call.get("self")))

    return read


def _weight_norm(reader: ProgramReader, call: Call) -> None:
    rank, kept = len(reader.shape(call.arguments["v"])), call.get("dim", 0)
    axes = tuple(axis for axis in range(rank) if kept == -1 or axis != kept % rank)
    direction, magnitude = (reader.value(call.arguments[name]) for name in ("v", "g"))
    reader.place(call, WeightNorm(axes=axes), v=direction, g=magnitude)


_RANKS = ("1d", "2d", "3d")
HANDLERS: dict[str, Handler] = {
    "linear.default": _linear,
    **{f"conv{rank}.{form}": _conv for rank in _RANKS for form in ("default", "padding")},
    **{f"conv_transpose{rank}.{form}": _transposed for rank in _RANKS for form in ("default", "input")},
    "batch_norm.default": _batch_norm,
    "_native_batch_norm_legit_no_training.default": _batch_norm,
    "instance_norm.default": _instance_norm,
    "layer_norm.default": _layer_norm(LayerNorm, 1e-5),
    "rms_norm.default": _layer_norm(RMSNorm, 1.1920928955078125e-07),
    "group_norm.default": _group_norm,
    **{f"max_pool{n}d.default": _pool(n, True) for n in (1, 2, 3)},
    **{f"avg_pool{n}d.default": _pool(n, False) for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d.default": _adaptive(n, True) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d.default": _adaptive(n, False) for n in (1, 2, 3)},
    **{f"upsample_{word}{n}d.vec": _resized(word) for n in (1, 2, 3) for word in ("nearest", "_nearest_exact")},
    "upsample_linear1d.vec": _resized("linear"),
    "upsample_bilinear2d.vec": _resized("bilinear"),
    "upsample_trilinear3d.vec": _resized("trilinear"),
    "upsample_bicubic2d.vec": _resized("bicubic"),
    "_weight_norm.default": _weight_norm,
}
