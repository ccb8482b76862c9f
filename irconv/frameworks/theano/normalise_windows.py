"""Convolutions and pools of an architecture, and layers that shift and scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irconv.frameworks.theano.builder import Part
from irconv.frameworks.theano.rows import border_pairs


def _conv(part: Part, layer: Any) -> str:
    spatial = int(layer.kind[4])
    (x,) = part.inputs
    if layer.pre_pad:
        x = part.add("pad", {"pads": _all_axes(part, x, layer.pre_pad), "value": 0.0}, [x], name="pre_pad")
    config = _config(part, layer, spatial) | {"groups": layer.groups}
    if spatial == 1:
        # What a dilated filter pads with half or full is said nowhere else: the filter's own size, without dilation.
        window = part.tensor("W").data.shape[2:]
        config["border_mode"] = [list(pair) for pair in _borders(part, config["border_mode"], window)]
    return _biased(part, layer, f"conv{spatial}d", config, x)


def _causal(part: Part, layer: Any) -> str:
    config = _config(part, layer, 1) | {"groups": layer.groups}
    window = part.tensor("W").data.shape[2:]
    before = (window[0] - 1) * config["dilation"][0] if window else 0
    config["border_mode"] = [[before, 0]]
    return _biased(part, layer, "conv1d", config, part.inputs[0])


def _config(part: Part, layer: Any, spatial: int) -> dict[str, Any]:
    """The fields that all convolutions have, one entry for each spatial axis."""
    config = {
        "stride": _each(part, layer.stride, spatial, 1, "stride"),
        "dilation": _each(part, getattr(layer, "dilation", []), spatial, 1, "dilation"),
        "filter_flip": layer.filter_flip,
    }
    if hasattr(layer, "border_mode"):
        config["border_mode"] = layer.border_mode
    return config


def _biased(part: Part, layer: Any, kind: str, config: dict[str, Any], x: str) -> str:
    """The layer with its bias: a vector, or a number for each place (untied), which is added after it."""
    tensors = part.tensors("W", "b")
    untied = "b" in tensors and len(tensors["b"].data.shape) > 1
    bias = tensors.pop("b") if untied else None
    y = part.add(kind, config, [x], tensors, main=True)
    if bias is None:
        return y
    value = part.add("parameter", {}, [], {"value": bias}, name="b")
    return part.add("add", {}, [y, value], name="untied_bias")


def _separable(part: Part, layer: Any) -> str:
    (x,) = part.inputs
    config = _config(part, layer, 2)
    depthwise = part.add(
        "conv2d", config | {"groups": layer.num_channels}, [x], {"W": part.tensor("depthwise")}, name="depthwise"
    )
    pointwise = {"W": part.tensor("pointwise"), **part.tensors("b")}
    plain = {"stride": [1, 1], "dilation": [1, 1], "border_mode": "valid", "groups": 1}
    return part.add("conv2d", plain | {"filter_flip": layer.filter_flip}, [depthwise], pointwise, main=True)


def _transposed(part: Part, layer: Any) -> str:
    spatial = int(layer.kind[4])
    config = _config(part, layer, spatial) | {"groups": layer.groups, "output_size": layer.output_size}
    if layer.output_size is None or len(layer.output_size) != spatial:
        raise part.refuse(f"expected output_size with {spatial} sizes, got {layer.output_size}")
    return part.add(layer.kind, config, part.inputs, part.tensors("W", "b"), main=True)


def _pool(part: Part, layer: Any) -> str:
    spatial = int(layer.kind[4])
    ws = _each(part, layer.ws, spatial, 1, "ws")
    if layer.ignore_border is None:
        raise part.refuse(
            "expected ignore_border: true leaves out windows that are only partly inside, false keeps them"
        )
    config = {
        "ws": ws,
        "stride": ws if layer.stride is None else _each(part, layer.stride, spatial, 1, "stride"),
        "pad": _each(part, layer.pad or [], spatial, 0, "pad"),
        "ignore_border": layer.ignore_border,
        "mode": layer.mode,
    }
    return part.add(layer.kind, config, part.inputs, main=True)


def _each(part: Part, given: Sequence[int], count: int, default: int, name: str) -> list[int]:
    """One number for each spatial axis."""
    if not given:
        return [default] * count
    if len(given) != count:
        raise part.refuse(f"expected {count} numbers in {name}, got {list(given)}")
    return list(given)


def _borders(part: Part, mode: Any, window: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    try:
        return border_pairs(mode, window)
    except ValueError as error:
        raise part.refuse(f"border_mode: {error}") from error


def _all_axes(part: Part, value: str, pairs: Sequence[Any]) -> list[list[Any]]:
    """Padding of the last axes as padding of all."""
    rank = part.rank(value)
    if len(pairs) > rank or any(len(pair) != 2 for pair in pairs):
        raise part.refuse(f"expected (before, after) for at most {rank} axes, got {pairs}")
    return [[0, 0]] * (rank - len(pairs)) + [list(pair) for pair in pairs]


def _pad(part: Part, layer: Any) -> str:
    (x,) = part.inputs
    return part.add("pad", {"pads": _all_axes(part, x, layer.pads), "value": layer.value}, [x], main=True)


def _crop(part: Part, layer: Any) -> str:
    (x,) = part.inputs
    if len(layer.crops) > part.rank(x) - 2:
        raise part.refuse(f"expected (before, after) for {part.rank(x) - 2} spatial axes, got {layer.crops}")
    axes = [2 + i for i in range(len(layer.crops))]
    starts = [before for before, _ in layer.crops]
    stops = [-after if after else None for _, after in layer.crops]
    config = {"axes": axes, "starts": starts, "stops": stops, "steps": [1] * len(axes)}
    return part.add("subtensor", config, [x], main=True)


def _batch_norm(part: Part, layer: Any) -> str:
    tensors = part.tensors("mean", "gamma", "beta", "var", "std", "inv_std")
    epsilon = 0.0 if "std" in tensors else layer.epsilon or 0.0
    return part.add("batch_norm", {"axis": layer.axis, "epsilon": epsilon}, part.inputs, tensors, main=True)


def _number(part: Part, layer: Any) -> str:
    """``scale`` and ``shift``: a number times or plus the value."""
    (x,) = part.inputs
    dtype = part.type_of(x).dtype
    value = part.add("number", {"value": layer.value, "dtype": dtype}, [], name="value")
    return part.add("mul" if layer.kind == "scale" else "add", {}, [x, value], main=True)


WINDOWS: dict[str, Callable[[Part, Any], str]] = {
    "conv1d": _conv,
    "conv2d": _conv,
    "conv3d": _conv,
    "causal_conv1d": _causal,
    "separable_conv2d": _separable,
    "conv1d_transpose": _transposed,
    "conv2d_transpose": _transposed,
    "conv3d_transpose": _transposed,
    "pool1d": _pool,
    "pool2d": _pool,
    "pool3d": _pool,
    "pad": _pad,
    "crop": _crop,
    "batch_norm": _batch_norm,
    "scale": _number,
    "shift": _number,
}
"""Kind -> how it is taken apart; each gives the value before the activation."""
