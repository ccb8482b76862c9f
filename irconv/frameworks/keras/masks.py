"""Keras' masks: truth values that travel beside the values of a graph, one for each step of a sequence.

`Builder.masks` holds a recipe for the mask of a value; its layers are added when some layer obeys the mask, so that a
mask that nobody reads leaves no trace. Most layers hand the mask of their only input on; those of `PASSING` do so in
every version (the others drop it, or Keras 2 refused to build the model). The rest is one rule a kind.

Where masks meet, Keras 2 takes what all say (and passes over inputs without one), Keras 3 what any says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from irconv.codec import SizeOf, TypeOf
from irconv.data_classes import dataclass
from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Outputs, Value

Rule: TypeAlias = Callable[[Builder, KerasLayer, KerasCall, Outputs], None]


@dataclass(frozen=True)
class OfSteps:
    """How to make a mask whose every step is a mask itself, of what stands in that step: `TimeDistributed` makes it."""

    recipe: Callable[[], Value | None]

    def __call__(self) -> Value | None:
        return self.recipe()


#: Layers that hand on the mask of their first input; `TimeDistributed` does so by itself.
PASSING = {
    *("Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dense", "Dropout", "ELU"),
    *(
        "GaussianDropout",
        "GaussianNoise",
        "GroupNormalization",
        "GroupQueryAttention",
        "GroupedQueryAttention",
        "Identity",
    ),
    *("LayerNormalization", "LeakyReLU", "MultiHeadAttention", "PReLU", "ReLU", "Softmax", "SpatialDropout1D"),
    *("SpatialDropout2D", "SpatialDropout3D", "ThresholdedReLU", "UnitNormalization"),
    *("Attention", "AdditiveAttention"),
}

#: Layers that hand it on in Keras 3 only.
PASSING_IN_KERAS_3 = {"Normalization", "Rescaling"}

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")


def propagate(builder: Builder, layer: KerasLayer, made: Sequence[Outputs]) -> None:
    """Give the values that a layer has made the masks that Keras gives them."""
    rule = RULES.get(layer.kind)
    if rule is None and (layer.kind in PASSING or (layer.kind in PASSING_IN_KERAS_3 and builder.facts.version >= 3)):
        rule = _pass_on
    if rule is not None:
        for call, values in zip(layer.calls, made, strict=True):
            rule(builder, layer, call, values)


def mask_of(builder: Builder, call: KerasCall, name: str = "mask") -> Value | None:
    """The mask of a call's first input: the one given by name, else the one that travels with it.

    Keras 3 looks for the latter only where the call has no other tensors, such as initial states.
    """
    given = call.keywords.get(name)
    given = given[0] if isinstance(given, list | tuple) and given else given
    if isinstance(given, Value):
        return given
    alone = len(call.inputs) == 1 and "initial_state" not in call.keywords
    return builder.mask(call.inputs[0]) if alone or builder.facts.version < 3 else None


def operator(builder: Builder, of: str, kind: str, name: str, inputs: Sequence[str], **settings: object) -> Value:
    """Add an operator that irconv needs for the layer `of`, once for each name; its only result has that name."""
    operation = f"{name}.{kind.lower()}"
    if operation not in builder.layers:
        builder.place(f"ops.{kind}", operation, settings, of=of)
        builder.use(operation, inputs, (name,))
    return Value(name)


def full_like(builder: Builder, of: str, name: str, value: Value, fill: float | bool, dtype: str | TypeOf) -> Value:
    """A value of the shape of another whose every element is `fill`."""
    operation = f"{name}.full"
    builder.place("full_like", operation, {"shape": SizeOf(value, None), "value": fill}, of=of)
    native = builder.layers[operation]
    builder.layers[operation] = replace(native, config={**native.config, "dtype": dtype})  # not the policy of a layer
    builder.use(operation, (), (name,))
    return Value(name)


def number(builder: Builder, value: float) -> Value:
    """A number as a value of the graph."""
    return builder.constant(f"constant_{float(value)!r}", float(value))


def _pass_on(builder: Builder, layer: KerasLayer, call: KerasCall, values: Outputs) -> None:
    if call.inputs and call.inputs[0] in builder.masks:
        builder.masks[values[0]] = builder.masks[call.inputs[0]]


def _embedding(builder: Builder, layer: KerasLayer, call: KerasCall, values: Outputs) -> None:
    """Not zero, as given: a 0.4 that the table takes for 0 is not masked."""
    if layer.config.get("mask_zero"):
        name = f"{values[0]}.mask"
        builder.masks[values[0]] = lambda: operator(
            builder, layer.name, "NotEqual", name, (call.inputs[0], number(builder, 0))
        )


def _recurrent(builder: Builder, layer: KerasLayer, call: KerasCall, values: Outputs) -> None:
    if layer.config.get("return_sequences"):
        _sequence(builder, call, values[0])


def _bidirectional(builder: Builder, layer: KerasLayer, call: KerasCall, values: Outputs) -> None:
    if layer.config["layer"]["config"].get("return_sequences"):
        for value in values[: 1 if layer.config.get("merge_mode") else 2]:
            _sequence(builder, call, value)


def _sequence(builder: Builder, call: KerasCall, value: Value) -> None:
    """The mask by name counts in Keras 2; in Keras 3 the one that travels with the sequence."""
    given = call.keywords.get("mask")
    if isinstance(given, Value) and builder.facts.version < 3:
        builder.masks[value] = lambda: given
    elif call.inputs[0] in builder.masks:
        builder.masks[value] = builder.masks[call.inputs[0]]


def _merge(builder: Builder, layer: KerasLayer, call: KerasCall, values: Outputs) -> None:
    masked = [value for value in call.inputs if value in builder.masks]
    if masked and (builder.facts.version < 3 or len(masked) == len(call.inputs)):
        builder.masks[values[0]] = lambda: _combined(builder, layer, masked, values[0])


def _combined(builder: Builder, layer: KerasLayer, masked: Sequence[Value], value: Value) -> Value:
    kind = "LogicalOr" if builder.facts.version >= 3 else "LogicalAnd"
    masks = list(dict.fromkeys(mask for v in masked if (mask := builder.mask(v)) is not None))
    result = masks[0]
    for i, other in enumerate(masks[1:], 1):
        result = operator(builder, layer.name, kind, f"{value}.mask{i if i > 1 else ''}", (result, other))
    return result


def _concatenate(builder: Builder, layer: KerasLayer, call: KerasCall, values: Outputs) -> None:
    """Along the features, masks meet as in a sum, but in Keras 3 an input without one masks nothing; along the steps
    they follow each other."""
    masked = [value for value in call.inputs if value in builder.masks]
    axis, everywhere = layer.config.get("axis", -1), len(masked) == len(call.inputs)
    if axis in (1, -2) and masked:
        builder.masks[values[0]] = lambda: _joined(builder, layer, call, values[0])
    elif masked and (everywhere or builder.facts.version < 3):
        builder.masks[values[0]] = lambda: _combined(builder, layer, masked, values[0])


def _joined(builder: Builder, layer: KerasLayer, call: KerasCall, value: Value) -> Value:
    parts = []
    for i, given in enumerate(call.inputs):
        name, mask = f"{value}.mask{i}", builder.mask(given)
        if mask is None:
            ones = full_like(builder, layer.name, f"{name}.ones", given, True, "bool")
            mask = operator(builder, layer.name, "Any", name, (ones,), axis=-1, keepdims=False)
        parts.append(mask)
    return operator(builder, layer.name, "Concatenate", f"{value}.mask", parts, axis=1)


def _masking(builder: Builder, layer: KerasLayer, call: KerasCall, values: Outputs) -> None:
    builder.masks[values[0]] = lambda: some_unlike(builder, layer, call, values[0])


def some_unlike(builder: Builder, layer: KerasLayer, call: KerasCall, value: Value) -> Value:
    """Where some feature of a step is not Masking's value."""
    wanted = number(builder, layer.config.get("mask_value", 0.0))
    unlike = operator(builder, layer.name, "NotEqual", f"{value}.unlike", (call.inputs[0], wanted))
    return operator(builder, layer.name, "Any", f"{value}.mask", (unlike,), axis=-1, keepdims=False)


RULES: Mapping[str, Rule] = {
    "Bidirectional": _bidirectional,
    "Concatenate": _concatenate,
    "Embedding": _embedding,
    "Masking": _masking,
    **dict.fromkeys(_MERGES, _merge),
    **dict.fromkeys(_RECURRENT, _recurrent),
}
