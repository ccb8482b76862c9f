"""keras-cv-attention-models (kecam) 1.4: factors, tokens, standardised kernels, patches. Tables of places are in
`kecam_positions`.

The package registers its classes under the names of the models they were first written for: ``resmlp>ChannelAffine``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.composites.drawing import Drawing, Expansion, Sizes, drawn
from irconv.frameworks.keras.packages import kecam_positions
from irconv.ir.layers.ranges import written_out

_WHOLE: dict[str, Any] = {"start": None, "stop": None, "step": None}


def _affine(factor: str, bias: str) -> Callable[..., Value]:
    """``x factor + bias``; the bias may be missing."""

    def rule(o: Drawing, inputs: Value) -> Value:
        made = o("Multiply", inputs, o.weight(factor)) if o.has(factor) else inputs
        return o("Add", made, o.weight(bias)) if o.has(bias) else made

    return rule


def _divided(o: Drawing, inputs: Value) -> Value:
    return o("TrueDivide", inputs, o("Maximum", o.weight("weight"), float(o.config["min_value"])))


def _exponential(o: Drawing, inputs: Value) -> Value:
    """``x exp(min(scale, most))``."""
    return o("Multiply", inputs, o("Exp", o("Minimum", o.weight("gamma"), float(o.config["max_value"]))))


def _class_token(o: Drawing, inputs: Value) -> Value:
    """Learned tokens before a sequence, or behind it."""
    count, features = o.shape("tokens")[1:]
    tokens = o("BroadcastTo", o.weight("tokens"), shape=[o.size(inputs, 0), count, features])
    return o("Concatenate", [inputs, tokens] if o.config.get("is_at_end") else [tokens, inputs], axis=1)


def _weighted_sum(o: Drawing, inputs: list[Value]) -> Value:
    """The sum of values, each times its share of the positive gains."""
    gain = o("Relu", o.weight("gain"))
    shares = o("TrueDivide", gain, o("Sum", gain, axis=0, keepdims=True))
    total = None
    for i, x in enumerate(inputs):
        part = o("Multiply", x, o("GetItem", shares, key=[i]))
        total = part if total is None else o("Add", total, part)
    assert total is not None, "the layer is called on some values"
    return total


def _drop_connect(o: Drawing, inputs: list[Value]) -> Value:
    return o("Add", *inputs)


def _rms(o: Drawing, inputs: Value) -> Value:
    """``gamma x / sqrt(mean(x^2) + epsilon)``; the factor lies along the last axis, whatever the mean is over."""
    mean = o("Mean", o("Square", inputs), axis=o.config.get("axis", -1), keepdims=True)
    normal = o("Multiply", inputs, o("Rsqrt", o("Add", mean, float(o.config["epsilon"]))))
    return o("Multiply", normal, o.weight("gamma"))


def _standardised(o: Drawing, inputs: Value) -> Value:
    """A convolution whose kernel is ``(k - mean) gain gamma / sqrt(max(variance fan_in, eps))`` over all but its last
    axis (NFNets)."""
    kernel, shape = o.weight("kernel"), o.shape("kernel")
    fan = float(shape[0] * shape[1] * shape[2])
    mean = o("Mean", kernel, axis=[0, 1, 2], keepdims=True)
    variance = o("Var", kernel, axis=[0, 1, 2], keepdims=True)
    scale = o("Rsqrt", o("Maximum", o("Multiply", variance, fan), float(o.config["eps"])))
    scale = o("Multiply", scale, o("Multiply", o.weight("gain"), float(o.config["gamma"])))
    kernel = o("Multiply", o("Subtract", kernel, mean), scale)
    said = {key: o.config[key] for key in ("strides", "padding", "dilation_rate", "data_format")}
    made = o("Conv", inputs, kernel, **said)
    made = o("Add", made, o.weight("bias")) if o.has("bias") else made
    return o.activation(o.config.get("activation"), made)


#: The settings of Keras' Conv2D that say what it computes.
_OF_CONV = (
    *("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups"),
    *("activation", "use_bias", "trainable", "dtype"),
)


def _resampled(o: Drawing, inputs: Value) -> Value:
    """Keras' own Conv2D; what it has besides is for loading weights of another size."""
    said = {key: o.config[key] for key in _OF_CONV if key in o.config}
    return o.own("Conv2D", "patches", said, inputs, path="")


def _evo(o: Drawing, inputs: Value) -> Value:
    """EvoNorm: B0 divides by ``max(batch deviation, v x + instance deviation)``, S0 multiplies by ``sigmoid(v x)`` and
    divides by the deviation of groups of channels; without the nonlinearity one of them is left out."""
    groups, epsilon = int(o.config["num_groups"]), float(o.config["epsilon"])
    if o.config.get("data_format") == "channels_first":
        o.problem("is for channels first, and irconv reads it for channels last")
    x = inputs
    if groups > 0:
        channels = o.shape("gamma")[-1]
        groups = next(n for n in range(min(groups, channels), 0, -1) if channels % n == 0)
        value = o("Multiply", x, o("Sigmoid", o("Multiply", o.weight("vv"), x))) if o.config["nonlinearity"] else x
        x = o("TrueDivide", value, _group_deviation(o, inputs, groups, channels, epsilon))
    elif o.config["nonlinearity"]:
        batch = o("Sqrt", o("Add", o.weight("moving_variance"), epsilon))
        instance = o("Sqrt", o("Add", o("Var", x, axis=[1, 2], keepdims=True), epsilon))
        right = o("Add", o("Multiply", o.weight("vv"), x), instance)
        x = o("TrueDivide", x, o("Maximum", batch, right))
    return o("Add", o("Multiply", x, o.weight("gamma")), o.weight("beta"))


def _group_deviation(o: Drawing, x: Value, groups: int, channels: int, epsilon: float) -> Value:
    """(n, 1, 1, c): the deviation of the group of each channel."""
    apart = o("Reshape", x, newshape=o.of_shape(x, lambda sizes: [*sizes[:-1], groups, channels // groups]))
    deviation = o("Sqrt", o("Add", o("Var", apart, axis=[1, 2, 4], keepdims=True), epsilon))
    wide = o("Repeat", deviation, repeats=channels // groups, axis=-1)
    return o("Reshape", wide, newshape=o.of_shape(x, lambda sizes: [sizes[0], 1, 1, channels]))


def _patches(o: Drawing, inputs: Value) -> Value:
    """The window round each place as features: its rows, then its columns, then channels."""
    size, step = (_middle(o.config[name]) for name in ("sizes", "strides"))
    written_out(256 * size * size, f"a window of {size} x {size}")
    rates = o.config["rates"]
    rates = (rates if len(rates) == 2 else rates[1:3]) if isinstance(rates, list) else (rates, rates)
    before = size // 2 if str(o.config["padding"]).lower() == "same" else 0
    x = inputs
    if before:
        x = o("Pad", x, pad_width=[[0, 0], [before, before], [before, before], [0, 0]], mode="constant")
    parts = []
    for row in range(size):
        for column in range(size):
            places = ((1, row, rates[0]), (2, column, rates[1]))
            cuts = [_cut(o, x, axis, place * rate, (size - 1) * rate + 1, step) for axis, place, rate in places]
            parts.append(o("GetItem", x, key=[_WHOLE, *cuts]))
    if o.config["compressed"]:
        return o("Concatenate", parts, axis=-1)
    stacked = o("Stack", parts, axis=3)
    return o("Reshape", stacked, newshape=o.of_shape(stacked, lambda s: [*s[:3], size, size, s[4]]))


def _middle(said: Any) -> int:
    return int(said[1] if isinstance(said, list) else said)


def _cut(o: Drawing, x: Value, axis: int, first: int, span: int, step: int) -> dict[str, Any]:
    def last(sizes: Sizes) -> int:
        size = sizes[axis]
        if not isinstance(size, int):
            raise ValueError(f"expected a known height and width, got {', '.join(map(str, sizes))}")
        return first + (size - span) // step * step + 1

    return {"start": first, "stop": o.of_shape(x, last), "step": step}


def _gain(o: Drawing, inputs: Value) -> Value:
    """A learned value, whatever is given."""
    return o.weight("gain")


EXPANSIONS: Mapping[str, Expansion] = {
    **kecam_positions.EXPANSIONS,
    "beit>PatchConv2DWithResampleWeights": drawn(_resampled),
    "efficientdet>ReluWeightedSum": drawn(_weighted_sum),
    "kecam/cmt>BiasPositionalEmbedding": drawn(_affine("", "positional_embedding")),
    "kecam/llama2>RMSNorm": drawn(_rms),
    "kecam>ExpLogitScale": drawn(_exponential),
    "kecam>PureWeigths": drawn(_gain),
    "kecamCommon>CompatibleExtractPatches": drawn(_patches),
    "kecamCommon>EvoNormalization": drawn(_evo),
    "model_surgery>DropConnect": drawn(_drop_connect),
    "nfnets>ScaledStandardizedConv2D": drawn(_standardised),
    "nfnets>ZeroInitGain": drawn(_affine("gain", "bias")),
    "resmlp>ChannelAffine": drawn(_affine("weight", "bias")),
    "swinv2>DivideScale": drawn(_divided),
    "volo>BiasLayer": drawn(_affine("", "bias")),
    "volo>ClassToken": drawn(_class_token),
    "volo>PositionalEmbedding": drawn(_affine("", "positional_embedding")),
}
