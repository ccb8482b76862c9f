"""Bidirectional layers again: two recurrent layers on the same sequence, one from its end, and what joins them."""

from __future__ import annotations

from typing import Any

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.composites.recurrent import STATES
from irconv.frameworks.keras.dialect import Dialect, Unsayable, spell
from irconv.frameworks.keras.outline import uses_of
from irconv.frameworks.keras.outlined import Call, Outline, Outlined
from irconv.frameworks.keras.training import training_settings

_MODES = {"Concatenate": "concat", "Add": "sum", "Multiply": "mul", "Average": "ave"}


def join_directions(model: Outline, dialect: Dialect) -> None:
    """Join what the dialect can say as one layer again; changes the model in place."""
    for merge in [layer for layer in model.layers if layer.kind in _MODES]:
        parts = _parts(model, merge)
        if parts is None:
            continue
        forward, backward, flip = parts
        if not _masked_alike(forward, dialect):
            continue
        try:
            inner = _inner(forward, dialect)
        except Unsayable:
            continue
        assert forward.origin is not None, "the parts were found by it"
        weights = {f"forward_layer/{name}": weight for name, weight in forward.weights.items()}
        weights |= {f"backward_layer/{name}": weight for name, weight in backward.weights.items()}
        config = {"layer": inner, "merge_mode": _MODES[merge.kind]}
        made = Outlined("Bidirectional", forward.origin.name, config, weights, origin=forward.origin)
        for first, last in zip(forward.calls, merge.calls, strict=True):
            made.calls.append(Call(first.arguments, last.outputs, first.keywords, first.scope))
        model.layers[model.layers.index(merge)] = made
        gone = [forward, backward, *([flip] if flip else [])]
        model.layers[:] = [layer for layer in model.layers if not any(layer is part for part in gone)]


def _parts(model: Outline, merge: Outlined) -> tuple[Outlined, Outlined, Outlined | None] | None:
    """The layers of both directions and the Flip behind the second, where they may be one layer."""
    listed = merge.calls[0].arguments[0]
    if merge.origin is None or not isinstance(listed, list) or len(listed) != 2:
        return None
    forward, second = _maker(model, listed[0]), _maker(model, listed[1])
    flip = second if second is not None and second.kind == "ops.Flip" else None
    backward = _maker(model, flip.calls[0].arguments[0]) if flip is not None else second
    if forward is None or backward is None or not _mirrored(merge, forward, backward):
        return None
    if bool(forward.config["return_sequences"]) != (flip is not None) or not _alone(
        model, merge, forward, backward, flip
    ):
        return None
    return forward, backward, flip


def _masked_alike(forward: Outlined, dialect: Dialect) -> bool:
    """Whether a Bidirectional of the dialect gives for masked steps what its directions are to give.

    That of tf.keras and Keras 3 gives zeros in sequences, that of Keras 2.3.1 repeats the step before.
    """
    if "zero_output_for_mask" not in forward.config:
        return True
    zeros = dialect.name != "2.3" and bool(forward.config["return_sequences"])
    return bool(forward.config["zero_output_for_mask"]) == zeros


def _maker(model: Outline, value: Any) -> Outlined | None:
    return next((layer for layer in model.layers if any(value in call.outputs for call in layer.calls)), None)


def _mirrored(merge: Outlined, forward: Outlined, backward: Outlined) -> bool:
    """Whether both are alike but for their direction, and were one Bidirectional."""
    origin = forward.origin
    if forward.kind not in STATES or forward.kind != backward.kind or origin is None or merge.origin is None:
        return False
    if origin.type != "Bidirectional" or merge.origin.split_from != origin.name or forward is backward:
        return False
    ways = forward.config["go_backwards"], backward.config["go_backwards"]
    same = {**forward.config, "go_backwards": True} == {**backward.config, "go_backwards": True}
    return ways == (False, True) and same and not forward.config["return_state"]


def _alone(model: Outline, merge: Outlined, forward: Outlined, backward: Outlined, flip: Outlined | None) -> bool:
    """Whether each call of one has its counterpart, and nobody else takes what goes on between them."""
    uses = uses_of(model.layers)
    if len(forward.calls) != len(backward.calls) or len(forward.calls) != len(merge.calls):
        return False
    for index, (first, second, last) in enumerate(zip(forward.calls, backward.calls, merge.calls, strict=True)):
        between: list[Value] = [first.outputs[0], second.outputs[0]]
        after = flip.calls[index] if flip is not None and index < len(flip.calls) else None
        joined = [first.outputs[0], after.outputs[0] if after is not None else second.outputs[0]]
        between += after.outputs if after is not None else []
        alike = first.arguments == second.arguments and first.keywords == second.keywords
        if not alike or "initial_state" in first.keywords or last.arguments != [joined]:
            return False
        if any(uses[value] != 1 or value in model.outputs for value in between):
            return False
    return True


def _inner(layer: Outlined, dialect: Dialect) -> dict[str, Any]:
    """The layer of the first direction, as the config of the wrapper holds it. Raises `Unsayable`."""
    settings = {"name": layer.kind.lower(), "trainable": True, "dtype": "float32"}
    settings |= training_settings(layer, dialect)
    entry = {"class_name": layer.kind, "config": settings | spell(dialect, layer.kind, layer.config)}
    if not dialect.is_keras_3:
        return entry
    return {"module": "keras.layers", **entry, "registered_name": None}
