"""Convolutions of several steps, and those whose weights have changed names."""

from __future__ import annotations

from dataclasses import replace

from irconv.frameworks.keras.builder import Builder, KerasLayer, Value, value_name
from irconv.frameworks.keras.composites.fused import activate, before_activation, plain, refuse_keywords
from irconv.frameworks.keras.spelling import ADDED

#: Settings of a separable convolution that go to its two parts.
_DEPTHWISE = ("kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier", "trainable")
_POINTWISE = ("filters", "data_format", "use_bias", "trainable")


def _depthwise(builder: Builder, layer: KerasLayer) -> list[tuple[Value, ...]]:
    """Keras 3 and tf.keras 2.13 renamed the kernel."""
    tensors = {"depthwise_kernel" if name == "kernel" else name: weight for name, weight in layer.tensors.items()}
    return plain(builder, replace(layer, tensors=tensors))


def _separable(builder: Builder, layer: KerasLayer) -> list[tuple[Value, ...]]:
    """A separable convolution as its two: each channel for itself, then a convolution with a kernel of size 1."""
    config, spatial = ADDED[layer.kind] | layer.config, len(layer.config["kernel_size"])
    on_theano = builder.facts.backend == "theano"
    if on_theano and config["padding"] == "same" and any(k % 2 == 0 for k in config["kernel_size"]):
        # Keras 2.2.4 cuts by the 1x1 kernel, so that the result is larger than the input
        what = "pads an even kernel as no other framework does: its result is one larger than its input"
        builder.problem(layer.name, what, "irconv does not copy this fault of Keras on Theano.")
    refuse_keywords(builder, layer)
    tensors, activation = dict(layer.tensors), config.get("activation") or "linear"
    first, second = f"{layer.name}.depthwise", f"{layer.name}.pointwise"
    depthwise = {key: config[key] for key in _DEPTHWISE if key in config} | {"name": first, "use_bias": False}
    pointwise = {key: config[key] for key in _POINTWISE if key in config} | {"activation": "linear"}
    pointwise |= {"name": second, "kernel_size": [1] * spatial, "strides": [1] * spatial, "padding": "valid"}
    own = {name: tensors.pop(name) for name in ("depthwise_kernel",) if name in tensors}
    rest = {"kernel" if name == "pointwise_kernel" else name: weight for name, weight in tensors.items()}
    builder.place(f"DepthwiseConv{spatial}D", first, depthwise, own, layer.origin, of=layer.name)
    builder.place(f"Conv{spatial}D", second, pointwise, rest, layer.part, of=layer.name)
    if on_theano:  # the 1x1 kernel is the same turned, so that neither way is wrong; the file's own spelling is kept
        native = builder.layers[second]
        builder.layers[second] = replace(native, config={**native.config, "kernel_order": "correlation"})
    values = [value_name(layer.name, call.index) for call in layer.calls]
    for call, value, result in zip(layer.calls, values, before_activation(values, activation), strict=True):
        builder.use(first, call.inputs, (f"{value}.depthwise",))
        builder.use(second, (f"{value}.depthwise",), (result,))
    activate(builder, layer, activation, values)
    return [(value,) for value in values]


def _locally_connected(builder: Builder, layer: KerasLayer) -> list[tuple[Value, ...]]:
    """The data format also says in which order the kernel has the elements of a window."""
    order = layer.config.get("data_format") or "channels_last"
    if order == "channels_first" and "bias" in layer.tensors:
        what = "adds a bias to a channels_first value, where Keras reads the bias in another order than it has"
        builder.problem(layer.name, what, "irconv does not copy this fault of Keras.")
    return plain(builder, replace(layer, config={**layer.config, "window_order": order, "data_format": order}))


EXPANSIONS = {
    **{f"DepthwiseConv{spatial}D": _depthwise for spatial in (1, 2)},
    **{f"SeparableConv{spatial}D": _separable for spatial in (1, 2)},
    **{f"LocallyConnected{spatial}D": _locally_connected for spatial in (1, 2)},
}
