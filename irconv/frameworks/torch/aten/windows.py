"""Convolutions, affine maps, pools, norms and resizing, with the fields that PyTorch's modules have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from irconv.errors import Refused
from irconv.frameworks.torch.aten.batches import unbatched
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.ir.layers.adaptive_pooling import AdaptiveAveragePool, AdaptiveMaxPool
from irconv.ir.layers.arithmetic import Div, Sub
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import Bilinear, Conv, ConvTranspose, Linear
from irconv.ir.layers.elementwise import Sqrt
from irconv.ir.layers.normalisation import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from irconv.ir.layers.patches import Fold, Unfold
from irconv.ir.layers.pooling import AveragePool, MaxPool, MaxPoolWithIndices, MaxUnpool, SumPool
from irconv.ir.layers.reductions import Variance
from irconv.ir.layers.reparametrisation import WeightNorm
from irconv.ir.layers.resampling import AffineGrid, GridSample, Resize
from irconv.ir.layers.tensor_ops import Add, Mul, Pad, Reduce, Reshape


def _each(value: Any, count: int, absent: int) -> tuple[int, ...]:
    listed = [absent] if value in (None, []) else [value] if isinstance(value, int) else list(value)
    return tuple(listed * count) if len(listed) == 1 else tuple(listed)


def _weights(reader: ProgramReader, call: Call, names: dict[str, str]) -> dict[str, str]:
    return {role: reader.value(call.get(name)) for role, name in names.items() if call.get(name) is not None}


def _linear(reader: ProgramReader, call: Call) -> None:
    found = _weights(reader, call, {"x": "input", "kernel": "weight", "bias": "bias"})
    reader.place(call, Linear(), **found)


def _convolution(reader: ProgramReader, call: Call) -> None:
    """What all convolutions become in programs of core ATen."""
    (_transposed if call.arguments.get("transposed") else _conv)(reader, call)


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
    if call.arguments.get("training") and call.get("running_mean") is None:
        _own_statistics(reader, call)
        return
    if call.arguments.get("training"):
        what = "normalises by the statistics of the batch it is given, as in training"
        raise Refused(call.where, what, "Export the module in eval mode.")
    names = {"x": "input", "gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}
    momentum = call.get("momentum")
    layer = BatchNorm(epsilon=float(call.get("eps", 1e-5)), momentum=1 - momentum if momentum is not None else None)
    reader.place(call, layer, **_weights(reader, call, names))


def _own_statistics(reader: ProgramReader, call: Call) -> None:
    """A norm that keeps no statistics takes those of what it is given, in evaluation, too; of one member of a batch
    these are the instance's."""
    found = _weights(reader, call, {"x": "input", "gamma": "weight", "beta": "bias"})
    dtype, shape = reader.importer.type_of(found["x"])
    epsilon = float(call.get("eps", 1e-5))
    if shape[0] == 1 and len(shape) > 2:
        reader.place(call, InstanceNorm(epsilon=epsilon), **found)
        return
    axes = (0, *range(2, len(shape)))
    mean = reader.place(call, Reduce(op="mean", axes=axes, keepdims=True), "mean", x=found["x"])
    variance = reader.place(call, Variance(axes=axes, keepdims=True, correction=0), "variance", x=found["x"])
    small = reader.number(call, epsilon, dtype, "epsilon")
    spread = reader.place(call, Sqrt(), "spread", x=reader.place(call, Add(), "padded", x0=variance, x1=small))
    value = reader.place(call, Sub(), "centred", x0=found["x"], x1=mean)
    value = reader.place(call, Div(), "" if len(found) == 1 else "norm", x0=value, x1=spread)
    for role, layer in (("gamma", Mul()), ("beta", Add())):
        if role not in found:
            continue
        along = Reshape(shape=(shape[1], *(1,) * (len(shape) - 2)))
        operand = reader.place(call, along, f"{role}/along", x=found[role])
        last = role == "beta" or "beta" not in found
        value = reader.place(call, layer, "" if last else "scaled", x0=value, x1=operand)


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


def _native(norm: Handler) -> Handler:
    """A norm that also gives the statistics it used, which only training reads."""

    def read(reader: ProgramReader, call: Call) -> None:
        arguments = dict(call.arguments)
        if "group" in arguments:
            arguments["num_groups"] = arguments["group"]
        norm(reader, replace(call, arguments=arguments))

    return read


def _pool_with_places(spatial: int) -> Handler:
    """A maximum pool that says where in its channel each element was; plain where nobody asks."""
    plain = _pool(spatial, True)

    def read(reader: ProgramReader, call: Call) -> None:
        if len(call.outputs) < 2 or reader.aliases.last_read.get(call.outputs[1], -1) < 0:
            plain(reader, call)
            return
        kernel = _each(call.arguments["kernel_size"], spatial, 1)
        layer = MaxPoolWithIndices(
            kernel=kernel,
            stride=_each(call.get("stride"), spatial, 1) if call.get("stride") else kernel,
            padding=tuple((n, n) for n in _each(call.get("padding"), spatial, 0)),
            ceil_mode=bool(call.get("ceil_mode", False)),
            dilation=_each(call.get("dilation"), spatial, 1),
            counted="plane",
        )
        reader.several(call, layer, x=reader.value(call.arguments["self"]))

    return read


def _unpool(reader: ProgramReader, call: Call) -> None:
    value, places = (reader.value(call.arguments[name]) for name in ("self", "indices"))
    reader.place(call, MaxUnpool(output_size=tuple(call.arguments["output_size"])), x=value, indices=places)


def _columns(reader: ProgramReader, call: Call) -> None:
    """``im2col``."""
    window = {name: tuple(call.arguments[name]) for name in ("kernel_size", "dilation", "padding", "stride")}
    layer = Unfold(
        kernel=_each(list(window["kernel_size"]), 2, 1),
        stride=_each(list(window["stride"]), 2, 1),
        dilation=_each(list(window["dilation"]), 2, 1),
        padding=tuple((n, n) for n in _each(list(window["padding"]), 2, 0)),
    )
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def _summed_columns(reader: ProgramReader, call: Call) -> None:
    """``col2im``."""
    layer = Fold(
        output_size=tuple(call.arguments["output_size"]),
        kernel=_each(call.arguments["kernel_size"], 2, 1),
        stride=_each(call.arguments["stride"], 2, 1),
        dilation=_each(call.arguments["dilation"], 2, 1),
        padding=tuple((n, n) for n in _each(call.arguments["padding"], 2, 0)),
    )
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def _sampled(reader: ProgramReader, call: Call) -> None:
    """``grid_sampler``: modes and borders are numbers."""
    modes: tuple[Any, ...] = ("linear", "nearest", "cubic")
    borders: tuple[Any, ...] = ("zeros", "border", "reflection")
    layer = GridSample(
        mode=modes[call.arguments["interpolation_mode"]],
        outside=borders[call.arguments["padding_mode"]],
        align_corners=bool(call.arguments["align_corners"]),
    )
    reader.place(call, layer, x=reader.value(call.arguments["input"]), grid=reader.value(call.arguments["grid"]))


def _affine_grid(reader: ProgramReader, call: Call) -> None:
    sizes = tuple(call.arguments["size"])[2:]
    layer = AffineGrid(sizes=sizes, align_corners=bool(call.arguments["align_corners"]))
    reader.place(call, layer, theta=reader.value(call.arguments["theta"]))


def _bilinear(reader: ProgramReader, call: Call) -> None:
    found = _weights(reader, call, {"left": "input1", "right": "input2", "kernel": "weight", "bias": "bias"})
    reader.place(call, Bilinear(), **found)


def _edges(mode: str) -> Handler:
    """``reflection_pad2d`` and its like: pairs from the last axis on."""

    def read(reader: ProgramReader, call: Call) -> None:
        rank, flat = len(reader.shape(call.arguments["self"])), call.arguments["padding"]
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        pads = tuple([(0, 0)] * (rank - len(pairs)) + pairs[::-1])
        reader.place(call, Pad(pads=pads, mode=mode, value=None), x=reader.value(call.arguments["self"]))

    return read


def _pool(spatial: int, maximum: bool) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        kernel = _each(call.arguments["kernel_size"], spatial, 1)
        layer: Layer
        common: dict[str, Any] = {
            "kernel": kernel,
            "stride": _each(call.get("stride"), spatial, 1) if call.get("stride") else kernel,
            "padding": tuple((n, n) for n in _each(call.get("padding"), spatial, 0)),
            "ceil_mode": bool(call.get("ceil_mode", False)),
        }
        if call.get("divisor_override") is not None:
            layer = SumPool(divisor=float(call.arguments["divisor_override"]), **common)
            reader.place(call, layer, x=reader.value(call.arguments["self"]))
            return
        layer = (
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
        scales = [call.get(name) for name in ("scales_d", "scales_h", "scales_w", "scales") if name in call.arguments]
        if size and any(scale is not None for scale in scales):
            _check_scales(reader, call, tuple(size), scales)
        corners, exact, smooth = bool(call.get("align_corners")), word == "_nearest_exact", "_aa" in call.op
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
            cubic_coefficient=(-0.5 if smooth else -0.75) if mode == "cubic" else None,
            exclude_outside=smooth,
            antialias=smooth,
        )
        reader.place(call, layer, x=reader.value(call.get("input") or call.get("self")))

    return read


def _check_scales(reader: ProgramReader, call: Call, size: tuple[Any, ...], scales: list[float | None]) -> None:
    """Refuse scales that are not the quotient of the sizes: PyTorch then samples by the scale, not by the sizes."""
    shape = reader.shape(call.get("input") or call.get("self"))[2:]
    for wanted, given, scale in zip(size, shape, scales, strict=True):
        if scale is not None and (not isinstance(given, int) or abs(given * scale - wanted) > 1e-6 * wanted):
            raise Refused(call.where, f"samples {given} elements at a scale of {scale} into {wanted}")


def _weight_norm(reader: ProgramReader, call: Call) -> None:
    rank, kept = len(reader.shape(call.arguments["v"])), call.get("dim", 0)
    axes = tuple(axis for axis in range(rank) if kept == -1 or axis != kept % rank)
    direction, magnitude = (reader.value(call.arguments[name]) for name in ("v", "g"))
    reader.place(call, WeightNorm(axes=axes), v=direction, g=magnitude)


_FORMS = ("vec", "default")
HANDLERS: dict[str, Handler] = {
    "linear.default": _linear,
    **{f"conv{n}d.{form}": unbatched(n, _conv, "input") for n in (1, 2, 3) for form in ("default", "padding")},
    **{
        f"conv_transpose{n}d.{form}": unbatched(n, _transposed, "input")
        for n in (1, 2, 3)
        for form in ("default", "input")
    },
    "batch_norm.default": _batch_norm,
    "_native_batch_norm_legit_no_training.default": _batch_norm,
    "instance_norm.default": _instance_norm,
    "layer_norm.default": _layer_norm(LayerNorm, 1e-5),
    "rms_norm.default": _layer_norm(RMSNorm, 1.1920928955078125e-07),
    "group_norm.default": _group_norm,
    **{f"max_pool{n}d.default": unbatched(n, _pool(n, True)) for n in (1, 2, 3)},
    **{f"avg_pool{n}d.default": unbatched(n, _pool(n, False)) for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d.default": unbatched(n, _adaptive(n, True)) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d.default": unbatched(n, _adaptive(n, False)) for n in (1, 2, 3)},
    **{f"upsample_nearest{n}d.vec": _resized("nearest") for n in (1, 2, 3)},
    "upsample_linear1d.vec": _resized("linear"),
    "upsample_bilinear2d.vec": _resized("bilinear"),
    "upsample_trilinear3d.vec": _resized("trilinear"),
    "upsample_bicubic2d.vec": _resized("bicubic"),
    "_weight_norm.default": _weight_norm,
    "_weight_norm_interface.default": _weight_norm,
    **dict.fromkeys(("convolution.default", "_convolution.default"), _convolution),
    **dict.fromkeys(
        ("_native_batch_norm_legit.default", "_native_batch_norm_legit.no_stats", "native_batch_norm.default"),
        _batch_norm,
    ),
    "native_layer_norm.default": _native(_layer_norm(LayerNorm, 1e-5)),
    "native_group_norm.default": _native(_group_norm),
    "_fused_rms_norm.default": _native(_layer_norm(RMSNorm, 1.1920928955078125e-07)),
    **{f"max_pool{n}d_with_indices.default": unbatched(n, _pool_with_places(n)) for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d.default": unbatched(n, _adaptive(n, False)) for n in (2, 3)},
    **{f"max_unpool{n}d.default": _unpool for n in (2, 3)},
    "im2col.default": _columns,
    "col2im.default": _summed_columns,
    **dict.fromkeys(("grid_sampler.default", "grid_sampler_2d.default", "grid_sampler_3d.default"), _sampled),
    "affine_grid_generator.default": _affine_grid,
    "bilinear.default": _bilinear,
    **{f"reflection_pad{n}d.default": _edges("reflect") for n in (1, 2, 3)},
    **{f"replication_pad{n}d.default": _edges("edge") for n in (1, 2, 3)},
    **{f"upsample_nearest{n}d.default": _resized("nearest") for n in (1, 2, 3)},
    **{
        f"_upsample_nearest_exact{n}d.{form}": _resized("_nearest_exact")
        for n in (1, 2, 3)
        for form in ("vec", "default")
    },
    "upsample_linear1d.default": _resized("linear"),
    "upsample_trilinear3d.default": _resized("trilinear"),
    **{f"upsample_{word}2d.default": _resized(word) for word in ("bilinear", "bicubic")},
    **{
        f"_upsample_{word}2d_aa.{form}": _resized(word)
        for word in ("bilinear", "bicubic")
        for form in ("vec", "default")
    },
}
