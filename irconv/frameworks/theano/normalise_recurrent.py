"""Recurrent layers of an architecture: packed weights or one matrix a gate, initial states, one direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irconv.codec import NativeWeight
from irconv.frameworks.theano.builder import Part

_SLOTS = ("x", "initial_h", "initial_c", "mask")


def _lstm(part: Part, layer: Any) -> str:
    config = {"outgate_peephole": layer.outgate_peephole, "forget_bias": layer.forget_bias}
    return _recurrent(part, layer, "ifco", config, ("initial_h", "initial_c"), ("peep_i", "peep_f", "peep_o"))


def _gru(part: Part, layer: Any) -> str:
    config = {"reset_after": layer.reset_after, "update": layer.update}
    return _recurrent(part, layer, "ruc", config, ("initial_h",))


def _rnn(part: Part, layer: Any) -> str:
    return _recurrent(part, layer, "", {}, ("initial_h",))


def _recurrent(
    part: Part, layer: Any, letters: str, config: dict[str, Any], states: tuple[str, ...], more: tuple[str, ...] = ()
) -> str:
    if layer.activation not in (None, "linear"):
        raise part.refuse("a recurrent layer has its activations inside", "Say activation_in and gate_activation.")
    config = {**config, "backwards": layer.backwards, "activation_in": _step(layer.activation_in)}
    tensors = part.tensors("W", "U", "b", "b_u", *more)
    if letters:
        order = layer.gate_order
        if sorted(order) != sorted(letters):
            raise part.refuse(f"expected gate_order to name the gates {', '.join(letters)} once each, got {order!r}")
        config |= {"gate_order": order, "gate_activation": _step(layer.gate_activation)}
        if "W" not in tensors:
            tensors |= _gates(part, order)
    units = tensors["U"].data.shape[0] if tensors["U"].data.shape else 0
    inputs, named = part.inputs, layer.inputs_are or ["x"]
    if len(named) != len(inputs) or named[0] != "x":
        raise part.refuse(f"expected inputs_are to say what each of {len(inputs)} inputs is, got {named}")
    given = dict(zip(named, inputs, strict=True))
    _initial_states(part, layer, states, units, given)
    last = max(_SLOTS.index(slot) for slot in given)
    if missing := [slot for slot in _SLOTS[:last] if slot not in given]:
        # slots are taken in order: a mask without initial states cannot be said by position
        for slot in missing:
            if slot not in states:
                raise part.refuse(f"has no {slot}")
            given[slot] = _zeros(part, given["x"], units, slot)
    values = [given[slot] for slot in _SLOTS if slot in given]
    if layer.return_sequences:
        return part.add(layer.kind, config, values, tensors, main=True)
    return part.add(layer.kind, config, values, tensors, main=True, result=1)


def _initial_states(part: Part, layer: Any, states: tuple[str, ...], units: int, given: dict[str, str]) -> None:
    """States that the layer starts with, the same for every member of the batch."""
    wanted = [slot for slot in states if _ARRAY[slot] in layer.arrays]
    if not wanted:
        return
    batch = part.shape(given["x"])[0]
    for slot in states[: states.index(wanted[-1]) + 1]:
        if slot in given:
            if slot in wanted:
                raise part.refuse(f"expected {slot} as an input or as the array {_ARRAY[slot]}, got both")
            continue
        if slot not in wanted:
            given[slot] = _zeros(part, given["x"], units, slot)
            continue
        tensor = part.tensor(_ARRAY[slot])
        if tensor.data.shape not in ((units,), (1, units)):
            raise part.refuse(f"expected {_ARRAY[slot]} to have shape ({units},), got {tensor.data.shape}")
        value = part.add("parameter", {}, [], {"value": tensor}, name=_ARRAY[slot])
        given[slot] = part.add("broadcast", {"shape": [batch, units]}, [value], name=f"first_{slot[-1]}")


_ARRAY = {"initial_h": "h0", "initial_c": "c0"}


def _zeros(part: Part, x: str, units: int, slot: str) -> str:
    shape, dtype = [part.shape(x)[0], units], part.type_of(x).dtype
    return part.add("full", {"shape": shape, "value": 0.0, "dtype": dtype}, [], name=f"first_{slot[-1]}")


def _gates(part: Part, order: str) -> dict[str, NativeWeight]:
    """One matrix a gate, side by side in the order of the gates."""
    weights, arrays = part.builder.weights, part.layer.arrays
    found = {role: weights.side_by_side([arrays[f"{gate}_{role}"] for gate in order]) for role in "WU"}
    biased = [gate for gate in order if f"{gate}_b" in arrays]
    if biased and len(biased) != len(order):
        raise part.refuse(f"expected a bias for every gate or for none, got those of {', '.join(biased)}")
    return found | ({"b": weights.side_by_side([arrays[f"{gate}_b"] for gate in order])} if biased else {})


def _step(said: Any) -> Any:
    """An activation inside, in the words of the table; elu has an alpha of 1 unless said."""
    word = said if isinstance(said, str) else said.get("kind")
    if word == "elu":
        return {"kind": "elu", "alpha": 1.0, **({} if isinstance(said, str) else said)}
    return said


RECURRENT: dict[str, Callable[[Part, Any], str]] = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}
"""Kind -> how it is taken apart."""
