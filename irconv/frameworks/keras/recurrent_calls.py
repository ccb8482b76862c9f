"""Recurrent layers on the way out: which of their results they return, what they start with, in which order they give.

A native recurrent layer has all results, the sequence and the states (see `irconv.frameworks.keras.table.recurrent`);
a Keras layer says by ``return_sequences`` and ``return_state`` which it returns.
"""

from __future__ import annotations

from dataclasses import field

from irconv.codec import Native
from irconv.data_classes import dataclass
from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.composites.recurrent import STATES
from irconv.frameworks.keras.outlined import Argument, Call, Outlined
from irconv.ir.layers.base import ValueType


@dataclass
class Pending:
    """A recurrent layer whose calls are still being collected."""

    native: Native
    name: str
    calls: list[tuple[list[Argument], tuple[str, ...], str]] = field(default_factory=list)
    """What it is called on, what it gives (empty where nobody wants it), and the scope."""


def is_recurrent(kind: str) -> bool:
    """Whether a native layer is one of these."""
    return kind in STATES


def settle(pending: Pending, types: dict[str, ValueType]) -> list[Outlined]:
    """The Keras layer, and a Flip of its sequence where the IR has it in another order."""
    native, count = pending.native, STATES[pending.native.type]
    config = dict(native.config)
    in_time = config.pop("output_order") == "time" and config["go_backwards"]
    results = [[*outputs, *[""] * (1 + count - len(outputs))] for _, outputs, _ in pending.calls]
    sequences = any(outputs[0] for outputs in results)
    states = any(any(outputs[1 if sequences else 2 :]) for outputs in results)
    config |= {"return_sequences": sequences, "return_state": states}
    if not any(len(given) > 1 + count for given, _, _ in pending.calls):
        config.pop("zero_output_for_mask")  # without a mask it says nothing, and Keras 2 has no such setting
    weights = {f"cell/{name}": weight for name, weight in native.tensors.items()}
    layer = Outlined(native.type, pending.name, config, weights, origin=native.origin)
    flip = Outlined("ops.Flip", f"{pending.name}.in_time", {"axis": [1]}, {}, origin=None)
    for index, ((given, _, scope), outputs) in enumerate(zip(pending.calls, results, strict=True)):
        named = [Value(name or f"{pending.name}#{index}:{i}.unused") for i, name in enumerate(outputs)]
        main = named[0] if sequences else Value(f"{named[1]}.last") if states else named[1]
        if sequences and in_time and outputs[0]:
            main = Value(f"{outputs[0]}.backwards")
            types[main] = types[outputs[0]]
            flip.calls.append(Call([main], (named[0],), scope=scope))
        made = (main, *named[1:]) if states else (main,)
        layer.calls.append(Call([given[0]], made, _keywords(given[1:], count), scope))
    return [layer, flip] if flip.calls else [layer]


def _keywords(given: list[Argument], count: int) -> dict[str, Argument]:
    """The initial states and the mask by name."""
    start, mask = [part for part in given[:count] if part], given[count:]
    found: dict[str, Argument] = {"initial_state": start} if start else {}
    return found | ({"mask": mask[0]} if mask and mask[0] else {})
