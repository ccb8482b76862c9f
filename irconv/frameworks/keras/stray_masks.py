"""Masks that would travel on their own: Keras sends the mask that a recurrent layer is given with its results, and the
next layer that can obey one does. Where the graph says that it does not, an operator that changes nothing stands
between the two: operators send no masks.
"""

from __future__ import annotations

from collections.abc import Iterator

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.masks import PASSING, PASSING_IN_KERAS_3
from irconv.frameworks.keras.outlined import Argument, Call, Outline, Outlined, values_in

_SENDING = {
    *("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "CuDNNLSTM", "CuDNNGRU"),
    *("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
}
_OBEYING = {*_SENDING, "BatchNormalization", "GlobalAveragePooling1D", "Softmax", "TimeDistributed"}
_LOOKING = {"Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"}
"""Layers that look at the masks of all that they are given, whatever they are told by name."""
_HANDING_ON = {
    *(PASSING | PASSING_IN_KERAS_3 | {"TimeDistributed", "Concatenate"}),
    *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"),
}


def cut(model: Outline) -> None:
    """Put an operator behind each sequence whose mask would be obeyed where it must not; changes the model in place."""
    makers = [(layer, call) for layer in model.layers if layer.kind in _SENDING for call in layer.calls]
    masked = [(layer, call) for layer, call in makers if call.keywords.get("mask") is not None]
    for layer, call in reversed(masked):
        for value in call.outputs[:2]:
            if value in model.types and len(model.types[value].shape) > 2 and _is_obeyed(model, value):
                _cut(model, layer, call, value)


def _is_obeyed(model: Outline, value: Value) -> bool:
    """Whether a layer would obey the mask of a value, or of one that it is handed on with, though it is told none."""
    sent = {value}
    for layer, call in _calls(model):
        if not sent & set(values_in(call.arguments)):
            continue
        if layer.kind in _LOOKING or (layer.kind in _OBEYING and call.keywords.get("mask") is None):
            return True
        if layer.kind in _HANDING_ON:
            sent |= set(call.outputs)
    return False


def _calls(model: Outline) -> Iterator[tuple[Outlined, Call]]:
    for layer in model.layers:
        for call in layer.calls:
            yield layer, call


def _cut(model: Outline, layer: Outlined, call: Call, value: Value) -> None:
    free = Value(f"{value}.unmasked")
    model.types = {**model.types, free: model.types[value]}
    for other, taken in _calls(model):
        if other is not layer:
            taken.arguments = [_replaced(argument, value, free) for argument in taken.arguments]
            taken.keywords = {key: _replaced(given, value, free) for key, given in taken.keywords.items()}
    axes = list(range(len(model.types[value].shape)))
    between = Outlined("ops.Transpose", str(free), {"axes": axes}, {}, [Call([value], (free,), scope=call.scope)])
    model.layers.insert(model.layers.index(layer) + 1, between)


def _replaced(argument: Argument, value: Value, other: Value) -> Argument:
    if isinstance(argument, Value):
        return other if argument == value else argument
    if isinstance(argument, list | tuple):
        parts = [_replaced(part, value, other) for part in argument]
        return tuple(parts) if isinstance(argument, tuple) else parts
    return argument
