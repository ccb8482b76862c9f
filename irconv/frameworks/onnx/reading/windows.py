"""Convolutions, pools, norms and resizing."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading import resizing
from irconv.frameworks.onnx.reading.baked import Baked
from irconv.frameworks.onnx.reading.computed import Steps, is_computed
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.dtypes import numpy_dtype, shortest_float32
from irconv.ir.layers.arithmetic import Div, FloorDiv, Mod, Sub
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import Conv, ConvTranspose
from irconv.ir.layers.elementwise import Reciprocal, Sqrt, Square
from irconv.ir.layers.normalisation import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from irconv.ir.layers.plain_norms import LocalResponseNorm, UnitNorm
from irconv.ir.layers.pooling import AveragePool, LpPool, MaxPool, MaxPoolWithIndices
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.shape_ops import Repeat, SizeOf
from irconv.ir.layers.tensor_ops import Add, Mul, Pad, Reduce
from irconv.ir.layers.window import Padding
from irconv.ir.shapes import static


def _padding(op: Op, spatial: int) -> Padding:
    rule, pads = op.attribute("auto_pad", "NOTSET"), op.attribute("pads") or [0] * (2 * spatial)
    if rule in ("SAME_UPPER", "SAME_LOWER"):
        return "same_upper" if rule == "SAME_UPPER" else "same_lower"
    if rule == "VALID":
        return ((0, 0),) * spatial
    if len(pads) != 2 * spatial:
        raise Refused(op.where, f"expected pads for {spatial} axes, got {pads}")
    return tuple(zip(pads[:spatial], pads[spatial:], strict=True))


def explicit_pads(op: Op, spatial: int) -> tuple[tuple[int, int], ...]:
    """The padding of an op that has no rule for it."""
    rule = _padding(op, spatial)
    if isinstance(rule, str):
        raise Refused(op.where, f"expected pads, got auto_pad {op.attribute('auto_pad')}")
    return rule


def of_axes(op: Op, name: str, spatial: int) -> tuple[int, ...]:
    """An attribute with a number for each axis, which are ones where it is absent."""
    return tuple(op.attribute(name) or (1,) * spatial)


def conv_settings(op: Op, spatial: int) -> dict[str, Any]:
    """The fields of a Conv, by the attributes of one of the ops that convolve."""
    return {
        "stride": of_axes(op, "strides", spatial),
        "dilation": of_axes(op, "dilations", spatial),
        "groups": op.attribute("group", 1),
        "padding": _padding(op, spatial),
    }


def _conv(reader: ModelReader, op: Op) -> None:
    layer = Conv(**conv_settings(op, len(reader.shape(op.given(1))) - 2))
    reader.place(op, layer, x=op.given(0), kernel=op.given(1), bias=op.given(2))


def _transposed(reader: ModelReader, op: Op) -> None:
    spatial = len(reader.shape(op.given(1))) - 2
    rule, size = op.attribute("auto_pad", "NOTSET"), op.attribute("output_shape")
    more = tuple(op.attribute("output_padding") or (0,) * spatial)
    padding: Padding = _padding(op, spatial)
    if size is not None and rule in ("NOTSET", "SAME_LOWER"):
        # with a wanted size the larger half of what is cut off comes first, unless the rule is SAME_UPPER
        padding = "same_lower"
    output_size = None if size is None else tuple(size[-spatial:])
    if isinstance(padding, str) and any(more):
        padding, output_size = _pads_of_rule(reader, op, padding, more, output_size), None
    layer = ConvTranspose(
        stride=of_axes(op, "strides", spatial),
        dilation=of_axes(op, "dilations", spatial),
        groups=op.attribute("group", 1),
        padding=padding,
        output_padding=more,
        output_size=output_size,
    )
    reader.place(op, layer, x=op.given(0), kernel=op.given(1), bias=op.given(2))


def _pads_of_rule(
    reader: ModelReader, op: Op, rule: str, more: tuple[int, ...], wanted: tuple[int, ...] | None
) -> Padding:
    """What a rule cuts off of an output that is longer by so much: the wanted size, or the stride times the input, is
    left."""
    pads = []
    kernel, given = reader.shape(op.given(1))[2:], reader.shape(op.given(0))[2:]
    strides, dilations = of_axes(op, "strides", len(more)), of_axes(op, "dilations", len(more))
    for axis, (size, here) in enumerate(zip(kernel, given, strict=True)):
        if not isinstance(size, int) or (wanted is not None and not isinstance(here, int)):
            raise Refused(op.where, f"adds {more} to what it makes of {given} by {kernel}, which irconv does not read")
        total = (size - 1) * dilations[axis] + 1 - strides[axis] + more[axis]
        if wanted is not None and isinstance(here, int):
            total += here * strides[axis] - wanted[axis]
        if total < 0:
            raise Refused(op.where, f"wants a longer output than a kernel of {kernel} makes of {given}")
        pads.append((total // 2, total - total // 2) if rule == "same_upper" else (total - total // 2, total // 2))
    return tuple(pads)


def _grid_sample(reader: ModelReader, op: Op) -> None:
    """Before opset 20 the rules have other names."""
    mode = op.attribute("mode")
    reader.add(op, mode={"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode) if op.version < 20 else mode)


def _max_pool(reader: ModelReader, op: Op) -> None:
    kernel = tuple(op.attributes["kernel_shape"])
    settings: dict[str, Any] = {
        "kernel": kernel,
        "stride": of_axes(op, "strides", len(kernel)),
        "dilation": of_axes(op, "dilations", len(kernel)),
        "padding": _padding(op, len(kernel)),
        "ceil_mode": bool(op.attribute("ceil_mode", 0)),
    }
    if len(op.outputs) > 1 and op.outputs[1]:
        layer = MaxPoolWithIndices(counted="tensor", **settings)
        if op.attribute("storage_order"):
            _by_columns(reader, op, layer)
        else:
            reader.results(op, layer, op.outputs, x=op.given(0))
    else:
        reader.place(op, MaxPool(**settings), x=op.given(0))


def _by_columns(reader: ModelReader, op: Op, layer: MaxPoolWithIndices) -> None:
    """Indices that count the elements of an image column by column: ``w height + h`` for those at ``h width + w``."""
    s, x = Steps(reader, op), op.given(0)
    shape = reader.shape(x)
    if len(shape) != 4:
        raise Refused(op.where, f"counts the columns of shape {shape}, which irconv does for images only")
    found = f"{op.outputs[1]}/by rows"
    reader.results(op, layer, (op.outputs[0] or f"{op.outputs[1]}/pooled", found), x=x)
    height, width = (s(SizeOf(axis=axis), x) for axis in (2, 3))
    inside = s(Mod(sign="divisor"), found, s(Mul(), height, width))
    row, column = s(FloorDiv(), inside, width), s(Mod(sign="divisor"), inside, width)
    turned = s(Add(), s(Mul(), column, height), row)
    reader.gives(op, s(Add(), s(Sub(), found, inside), turned), 1)


def _average_apart(reader: ModelReader, op: Op, kernel: tuple[int, ...]) -> None:
    """An average of elements that lie apart: their sum, a convolution with ones for each channel, by how many count."""
    dtype, shape = reader.type_of(op.given(0))
    sizes, rule, channels = static(shape[2:]), _padding(op, len(kernel)), shape[1]
    if sizes is None or isinstance(rule, str) or not isinstance(channels, int):
        raise Refused(
            op.where, f"is an average of elements that lie apart, of a value of shape {shape}, padding {rule}"
        )
    stride, dilation = of_axes(op, "strides", len(kernel)), of_axes(op, "dilations", len(kernel))
    pads: list[tuple[int, int]] = [(int(before), int(after)) for before, after in rule]
    extra = [0] * len(kernel)
    if op.attribute("ceil_mode", 0):
        for i, (n, k, s, d) in enumerate(zip(sizes, kernel, stride, dilation, strict=True)):
            room = n + sum(pads[i]) - (k - 1) * d - 1
            count = -(-room // s) + 1
            count -= (count - 1) * s >= n + pads[i][0]  # none begins behind what is there
            extra[i] = max(0, (count - 1) * s - room)
    whole = tuple((before, after + more) for (before, after), more in zip(pads, extra, strict=True))
    conv = Conv(stride=stride, dilation=dilation, groups=1, padding=((0, 0),) * len(kernel))
    each = conv.model_copy(update={"groups": channels})
    x = reader.place(op, Pad(pads=((0, 0), (0, 0), *whole), mode="constant", value=0.0), "padded", x=op.given(0))
    ones = reader.constant(op, np.ones((channels, 1, *kernel)), "ones", dtype)
    total = reader.place(op, each, "sums", x=x, kernel=ones)
    counts = op.attribute("count_include_pad", 0)
    there = np.pad(np.ones(sizes), pads, constant_values=float(bool(counts)))
    there = np.pad(there, [(0, more) for more in extra])[None, None]
    seen = reader.constant(op, there, "there", dtype)
    one = reader.constant(op, np.ones((1, 1, *kernel)), "one", dtype)
    reader.place(op, Div(), x0=total, x1=reader.place(op, conv, "counts", x=seen, kernel=one))


def _average_pool(reader: ModelReader, op: Op) -> None:
    kernel = tuple(op.attributes["kernel_shape"])
    if any(size != 1 for size in op.attribute("dilations") or ()):
        _average_apart(reader, op, kernel)
        return
    layer = AveragePool(
        kernel=kernel,
        stride=of_axes(op, "strides", len(kernel)),
        padding=_padding(op, len(kernel)),
        ceil_mode=bool(op.attribute("ceil_mode", 0)),
        count_padding=bool(op.attribute("count_include_pad", 0)),
    )
    reader.place(op, layer, x=op.given(0))


def _global(how: Any) -> Handler:
    def read(reader: ModelReader, op: Op) -> None:
        axes = tuple(range(2, len(reader.shape(op.given(0)))))
        reader.place(op, Reduce(op=how, axes=axes, keepdims=True), x=op.given(0))

    return read


def _batch_norm(reader: ModelReader, op: Op) -> None:
    if op.attribute("training_mode") or (op.version >= 7 and sum(map(bool, op.outputs)) > 1):
        raise Refused(op.where, "is in training mode, and normalises by the statistics of the batch it is given")
    if op.attribute("spatial", 1) != 1:
        raise Refused(op.where, "has statistics for each element (spatial=0), which irconv does not read")
    layer: Layer = BatchNorm(epsilon=_float(op, "epsilon"), momentum=_float(op, "momentum"))
    roles = dict(zip(("x", "gamma", "beta", "mean", "variance"), op.inputs, strict=False))
    reader.place(op, layer, **roles)


def _instance_norm(reader: ModelReader, op: Op) -> None:
    roles = dict(zip(("x", "gamma", "beta"), op.inputs, strict=False))
    reader.place(op, InstanceNorm(epsilon=_float(op, "epsilon")), **roles)


def _statistics(reader: ModelReader, op: Op, axes: tuple[int, ...]) -> None:
    """The second and third result of a LayerNormalization, where they are wanted: mean and inverse deviation."""
    wanted = (*op.outputs[1:], "", "")[:2]
    if not any(wanted):
        return
    average = Reduce(op="mean", axes=axes, keepdims=True)
    mean = reader.place(op, average, "mean", x=op.given(0))
    if wanted[0]:
        reader.gives(op, mean, 1)
    if wanted[1]:
        centred = reader.place(op, Sub(), "centred", x0=op.given(0), x1=mean)
        variance = reader.place(op, average, "variance", x=reader.place(op, Square(), "squares", x=centred))
        epsilon = reader.constant(op, _float(op, "epsilon"), "epsilon", reader.type_of(mean).dtype)
        spread = reader.place(op, Sqrt(), "spread", x=reader.place(op, Add(), "least", x0=variance, x1=epsilon))
        reader.gives(op, reader.place(op, Reciprocal(), "inverse", x=spread), 2)


def _layer_norm(reader: ModelReader, op: Op) -> None:
    rank = len(reader.shape(op.given(0)))
    axes = tuple(range(op.attributes["axis"] % rank, rank))
    _statistics(reader, op, axes)
    roles = dict(zip(("x", "gamma", "beta"), op.inputs, strict=False))
    reader.place(op, LayerNorm(axes=axes, epsilon=_float(op, "epsilon")), **roles)


def _group_norm(reader: ModelReader, op: Op) -> None:
    """Before opset 21 gamma and beta are one for each group."""
    groups, channels = op.attributes["num_groups"], reader.shape(op.given(0))[1]
    roles = dict(zip(("x", "gamma", "beta"), op.inputs, strict=False))
    if reader.shape(op.given(1)) == (groups,) and channels != groups:
        if not isinstance(channels, int):
            raise Refused(op.where, f"has one scale for each group, and {channels} channels, which have to be known")
        each = Repeat(axis=0, repeats=channels // groups)
        roles |= {role: reader.place(op, each, role, x=roles[role]) for role in ("gamma", "beta")}
    reader.place(op, GroupNorm(groups=groups, epsilon=_float(op, "epsilon")), **roles)


def _response_norm(reader: ModelReader, op: Op) -> None:
    size = op.attributes["size"]
    layer = LocalResponseNorm(
        before=(size - 1) // 2,
        after=size // 2,
        alpha=_float(op, "alpha"),
        alpha_of="window",
        beta=_float(op, "beta"),
        k=_float(op, "bias"),
    )
    reader.place(op, layer, x=op.given(0))


def _unit_norm(reader: ModelReader, op: Op) -> None:
    dtype, shape = reader.type_of(op.given(0))
    tiny = float(np.finfo(numpy_dtype(dtype)).tiny)  # zeros stay zeros
    axis = op.attributes["axis"] % len(shape)
    layer = UnitNorm(axes=(axis,), order=op.attributes["p"], epsilon=tiny, least="norm")
    reader.place(op, layer, x=op.given(0))


def _lp_pool(reader: ModelReader, op: Op) -> None:
    kernel = tuple(op.attributes["kernel_shape"])
    layer = LpPool(
        kernel=kernel,
        stride=of_axes(op, "strides", len(kernel)),
        dilation=of_axes(op, "dilations", len(kernel)),
        padding=_padding(op, len(kernel)),
        ceil_mode=bool(op.attribute("ceil_mode", 0)),
        p=float(op.attributes["p"]),
        formula="absolute",
    )
    reader.place(op, layer, x=op.given(0))


def _resize(reader: ModelReader, op: Op) -> None:
    """Resize of opsets 10 (asymmetric, floor), 11 and later (a rule for places and rounding), and Upsample before."""
    scales_at, sizes_at = (1 if op.version < 11 else 2), 3
    if any(is_computed(reader, op, i) for i in (scales_at, sizes_at)):
        resizing.resize(reader, op, scales_at, sizes_at)
        return
    shape = reader.shape(op.given(0))
    rank, mode = (
        len(shape),
        {"bilinear": "linear", "trilinear": "linear"}.get(op.attribute("mode"), op.attribute("mode")),
    )
    old = op.version < 11
    coordinates = "asymmetric" if old else op.attribute("coordinate_transformation_mode", "half_pixel")
    if coordinates in ("tf_crop_and_resize", "tf_half_pixel_for_nn"):
        raise Refused(op.where, f"reads at places by the rule {coordinates}, which irconv does not")
    if op.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Refused(
            op.where, f"keeps proportions by {op.attribute('keep_aspect_ratio_policy')}, which irconv does not"
        )
    sizes, scales = _asked(reader, op, rank)
    for wanted, here in zip((sizes or ())[:2], shape, strict=False):
        if isinstance(wanted, int) and isinstance(here, str) and here.isidentifier():
            raise Baked(here, wanted, op.where)
    if any(number != 1 for number in (scales or ())[:2]) or any(
        wanted != here for wanted, here in zip((sizes or ())[:2], shape, strict=False)
    ):
        raise Refused(op.where, f"resizes batch or channels: sizes {sizes}, scales {scales}")
    whole = static(shape[2:])
    if scales is not None and whole is not None and coordinates == "align_corners":
        sizes, scales = (*shape[:2], *(int(np.floor(n * s)) for n, s in zip(whole, scales[2:], strict=True))), None
    nearest = mode == "nearest"
    layer = Resize(
        mode=mode,
        sizes=None if sizes is None else tuple(sizes[2:]),
        scales=None if scales is None else tuple(map(shortest_float32, scales[2:])),
        coordinates=coordinates,
        rounding=("floor" if old else op.attribute("nearest_mode", "round_prefer_floor")) if nearest else None,
        cubic_coefficient=_float(op, "cubic_coeff_a") if mode == "cubic" else None,
        exclude_outside=bool(op.attribute("exclude_outside", 0)),
        antialias=bool(op.attribute("antialias", 0)),
    )
    reader.place(op, layer, x=op.given(0))


def _asked(reader: ModelReader, op: Op, rank: int) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
    """Sizes or scales of all axes."""
    if op.type == "Upsample" and op.version < 9:
        return None, tuple(op.attributes["scales"])
    place = 1 if op.version < 11 else 2
    axes = op.attribute("axes")
    found = reader.known(op, place) if op.given(place) else None
    scales = None if found is None or not found.size else [float(number) for number in found]
    sizes = reader.dimensions(op, 3) if scales is None else None
    if axes is not None:
        places = [axis % rank for axis in axes]
        shape = reader.shape(op.given(0))
        if scales is not None:
            scales = [dict(zip(places, scales, strict=True)).get(axis, 1.0) for axis in range(rank)]
        elif sizes is not None:
            sizes = tuple(dict(zip(places, sizes, strict=True)).get(axis, shape[axis]) for axis in range(rank))
    return sizes, None if scales is None else tuple(scales)


def _float(op: Op, name: str) -> float:
    return float(shortest_float32(float(op.attributes[name])))


HANDLERS: dict[str, Handler] = {
    "Conv": _conv,
    "ConvTranspose": _transposed,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "LpPool": _lp_pool,
    "GlobalAveragePool": _global("mean"),
    "GlobalMaxPool": _global("max"),
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "LRN": _response_norm,
    "LpNormalization": _unit_norm,
    "GridSample": _grid_sample,
    "Resize": _resize,
    "Upsample": _resize,
}
