"""Layers around layers: both directions of a sequence, and every step of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any, TypeAlias

from irconv.codec import SizeOf
from irconv.frameworks.keras import masks
from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.composites import recurrent
from irconv.frameworks.keras.composites.fused import refuse_keywords

Recipe: TypeAlias = Callable[[], Value | None]

#: The most results that any Bidirectional has: two sequences, and two states of each direction.
_MOST = 6

_MERGES = {"concat": "Concatenate", "sum": "Add", "mul": "Multiply", "ave": "Average"}

#: Layers that are the same for each step as for all at once, whatever axes stand in front.
_POINTWISE = {
    *("Dense", "Dropout", "Embedding", "Identity", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"),
    *("GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "Rescaling"),
}
#: The same along axes that they name.
_ALONG_AXES = {"Softmax", "BatchNormalization", "LayerNormalization"}


def _bidirectional(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """Two recurrent layers, the second from the last step to the first, and what joins their results."""
    refuse_keywords(builder, layer, "initial_state", "mask")
    forward_entry = layer.config["layer"]
    backward_entry = layer.config.get("backward_layer") or _turned(forward_entry)
    forward = replace(builder.sublayer(layer, forward_entry, "forward_layer", ()), origin=layer.origin)
    backward = builder.sublayer(layer, backward_entry, "backward_layer", ())
    for part in (forward, backward):
        if part.kind not in recurrent.EXPANSIONS:
            builder.problem(layer.name, f"is around a {part.kind}, and irconv knows Keras' own recurrent layers")
            return [tuple(value_name(layer.name, call.index, i) for i in range(_MOST)) for call in layer.calls]
    sequences = bool(forward.config.get("return_sequences"))
    if builder.facts.is_tensorflow or builder.facts.version >= 3:  # whatever the settings say
        forward, backward = (_with_zeros(part) for part in (forward, backward))
    cells = recurrent.place_cells(builder, forward), recurrent.place_cells(builder, backward, in_time=sequences)
    return [_both(builder, layer, (forward, backward), cells, call) for call in layer.calls]


def _with_zeros(part: KerasLayer) -> KerasLayer:
    """A direction whose sequence holds zeros where it is masked, its last output not."""
    zero = bool(part.config.get("return_sequences"))
    return replace(part, config={**part.config, "zero_output_for_mask": zero})


def _both(
    builder: Builder,
    layer: KerasLayer,
    parts: tuple[KerasLayer, KerasLayer],
    cells: tuple[list[recurrent.Cell], list[recurrent.Cell]],
    call: KerasCall,
) -> Outputs:
    """One call: both sequences joined, then the states of both."""
    value, mask, x = value_name(layer.name, call.index), masks.mask_of(builder, call), call.inputs[0]
    states = recurrent.initial_states(builder, parts[0].kind, layer.name, call)
    joined = layer.config["merge_mode"] is not None
    half, counts = len(states) // 2, [sum(cell.states for cell in listed) for listed in cells]
    names = [value_name(layer.name, call.index, i + (1 if joined else 2)) for i in range(sum(counts))]
    first = Value(f"{value}.forward") if joined else value
    second = Value(f"{value}.backward") if joined else value_name(layer.name, call.index, 1)
    sequences = bool(parts[0].config.get("return_sequences"))
    turns = sequences and not (len(cells[1]) == 1 and cells[1][0].reverse)
    back = Value(f"{second}.turned") if turns else second
    y, *after = recurrent.run(builder, parts[0], cells[0], x, states[:half], mask, first, names[: counts[0]])
    y2, *after2 = recurrent.run(builder, parts[1], cells[1], x, states[half:], mask, back, names[counts[0] :])
    if turns:
        y2 = masks.operator(builder, layer.name, "Flip", second, (y2,), axis=1)
    return (*_merged(builder, layer, value, y, y2), *after, *after2)


def _turned(entry: Mapping[str, Any]) -> dict[str, Any]:
    config = entry["config"]
    return {**entry, "config": {**config, "go_backwards": not config.get("go_backwards", False)}}


def _merged(builder: Builder, layer: KerasLayer, value: Value, first: Value, second: Value) -> Outputs:
    mode = layer.config["merge_mode"]
    if mode is not None and mode not in _MERGES:
        builder.problem(layer.name, f"expected merge_mode to be one of {', '.join(_MERGES)} or None, got {mode!r}")
    if mode not in _MERGES:
        return first, second
    name = f"{layer.name}.merge"
    builder.place(_MERGES[mode], name, {"axis": -1} if mode == "concat" else {}, origin=layer.part, of=layer.name)
    builder.use(name, (first, second), (value,))
    return (value,)


def _time_distributed(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """A layer or model applied to every step: at once where it acts alike on any axes, else with the steps as batch."""
    refuse_keywords(builder, layer, "mask")
    entry = layer.config["layer"]
    if _is_pointwise(entry):
        calls = [replace(call, keywords={}) for call in layer.calls]
        inner = builder.sublayer(layer, entry, "layer", calls, name=layer.name)
        made = builder.add(_shifted(replace(inner, origin=layer.origin)))
        for call, values in zip(layer.calls, made, strict=True):
            own = builder.masks.pop(values[0], None)
            sent = masks.OfSteps(own) if own and inner.kind == "Embedding" and inner.config.get("mask_zero") else None
            _send(builder, layer, call, values, sent)
        return made
    calls = [_each_step(builder, layer, call) for call in layer.calls]
    made = builder.add(builder.sublayer(layer, entry, "layer", calls))
    return [_steps_again(builder, layer, call, values) for call, values in zip(layer.calls, made, strict=True)]


def _send(builder: Builder, layer: KerasLayer, call: KerasCall, values: Outputs, own: masks.OfSteps | None) -> None:
    """Give the results their masks: Keras from 2.2 on those that the layer makes of its steps, if it makes some, where
    the batch is open; else the sequence's own, of which one number is left for each step."""
    given = builder.masks.get(call.inputs[0])
    asks = (2, 2) <= builder.facts.numbers < (3, 0) and not builder.fixed_batch
    sent = own if asks and own is not None else given
    for value in values:
        if asks and sent is given and isinstance(given, masks.OfSteps):
            builder.masks[value] = partial(_any_of, builder, layer, given, value)
        elif sent is not None:
            builder.masks[value] = sent


def _any_of(builder: Builder, layer: KerasLayer, of: masks.OfSteps, value: Value) -> Value | None:
    """Whether anything of a step is left."""
    mask = of()
    if mask is None:
        return None
    return masks.operator(builder, layer.name, "Any", f"{value}.mask", (mask,), axis=-1, keepdims=False)


def _is_pointwise(entry: Mapping[str, Any]) -> bool:
    kind, config = entry.get("class_name"), entry["config"]
    return kind in _POINTWISE or kind in _ALONG_AXES or (kind == "Activation" and isinstance(config["activation"], str))


def _shifted(layer: KerasLayer) -> KerasLayer:
    """A layer on values with the steps as one more axis in front of its own."""
    if layer.kind not in _ALONG_AXES:
        return layer
    axes = layer.config.get("axis", -1)
    moved = [axis + 1 if axis > 0 else axis for axis in (axes if isinstance(axes, list) else [axes])]
    return replace(layer, config={**layer.config, "axis": moved if isinstance(axes, list) else moved[0]})


#: Layers that would obey a mask inside a TimeDistributed; Keras hands them one of another shape than they take, but
#: where the steps are sequences with masks of their own.
_OBEYING = {"GlobalAveragePooling1D", "Bidirectional", *recurrent.EXPANSIONS}


def _each_step(builder: Builder, layer: KerasLayer, call: KerasCall) -> KerasCall:
    """The same call with the steps among the batch."""
    value = value_name(layer.name, call.index)
    kind = layer.config["layer"].get("class_name")
    given = builder.masks.get(call.inputs[0])
    of_steps = isinstance(given, masks.OfSteps) and "mask" not in call.keywords
    if kind in _OBEYING and (given or "mask" in call.keywords) and not of_steps:
        builder.problem(layer.name, f"applies a {kind} to the steps of a masked sequence, which irconv does not read")
    if len(call.inputs) != 1:
        builder.problem(layer.name, f"is called on {len(call.inputs)} values, and irconv reads one")
    steps = (_merged_steps(builder, layer, "steps", call.inputs[0], f"{value}.steps"),)
    if of_steps and given is not None and not builder.fixed_batch:
        builder.masks[steps[0]] = cache(partial(_mask_of_steps, builder, layer, given, value))
    return KerasCall(call.index, steps, {}, steps)


def _mask_of_steps(builder: Builder, layer: KerasLayer, of: Recipe, value: Value) -> Value | None:
    mask = of()
    return mask and _merged_steps(builder, layer, "steps.mask", mask, f"{value}.steps.mask")


def _merged_steps(builder: Builder, layer: KerasLayer, part: str, given: str, value: str) -> Value:
    """A value with the steps among the batch."""
    name = f"{layer.name}.{part}"
    if name not in builder.layers:
        builder.place("merge_steps", name, {}, origin=layer.origin if part == "steps" else layer.part, of=layer.name)
    builder.use(name, (given,), (value,))
    return Value(value)


def _split_steps(builder: Builder, layer: KerasLayer, call: KerasCall, given: str, value: Value) -> Value:
    """A value with an axis for the steps again."""
    name = f"{value}.again"
    sizes = {"batch": SizeOf(call.inputs[0], 0), "steps": SizeOf(call.inputs[0], 1)}
    builder.place("split_steps", name, sizes, origin=layer.part, of=layer.name)
    builder.use(name, (given,), (value,))
    return value


def _steps_again(builder: Builder, layer: KerasLayer, call: KerasCall, values: Outputs) -> Outputs:
    """The results with an axis for the steps again."""
    made = []
    for output, given in enumerate(values):
        value = _split_steps(builder, layer, call, given, value_name(layer.name, call.index, output))
        _send(builder, layer, call, (value,), _mask_again(builder, layer, call, given, value))
        made.append(value)
    return tuple(made)


def _mask_again(
    builder: Builder, layer: KerasLayer, call: KerasCall, given: Value, value: Value
) -> masks.OfSteps | None:
    """The mask that the wrapped layer gives its result, with an axis for the steps again."""
    inner = builder.masks.get(given)
    if inner is None:
        return None

    def recipe() -> Value | None:
        mask = inner()
        return mask and _split_steps(builder, layer, call, mask, Value(f"{value}.mask"))

    return masks.OfSteps(cache(recipe))


EXPANSIONS = {"Bidirectional": _bidirectional, "TimeDistributed": _time_distributed}
