"""Recurrent layers of one module, each over what the last one gave, as one ``num_layers=``."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from irconv.codec import Native, NativeModel, NativeUse
from irconv.frameworks.torch.directions import TYPES
from irconv.frameworks.torch.keys import key_of
from irconv.ir.kept import Names

_OF_LAYER = re.compile(r"(.+)\.\w+?_l(\d+)(?:_reverse)?")
_KINDS = {**{kind: (kind, 1) for kind in TYPES}, **{both: (kind, 2) for kind, both in TYPES.items()}}
"""Native type -> the module that it is, and how many directions it has."""


def stacked(model: NativeModel, names: Names) -> NativeModel:
    """The model with layers whose tensors are called ``lstm.weight_ih_l0``, ``lstm.weight_ih_l1``... as one module."""
    found = model
    while (pair := _pair(found, names)) is not None:
        below, above, between = pair
        if between is not None:
            found = _without(found, between)
            above = next(use for use in found.uses if use.layer == above.layer)
        found = _joined(found, below, above, _rate(model, between))
    return found


def _without(model: NativeModel, between: NativeUse) -> NativeModel:
    """The model without a use of a dropout, whose value is then the one that it took."""
    (source,), (dropped,) = between.inputs, between.outputs
    uses = [old for old in model.uses if old is not between]
    uses = [
        replace(old, inputs=tuple(source if value == dropped else value for value in old.inputs))
        if dropped in old.inputs
        else old
        for old in uses
    ]
    layers = {name: layer for name, layer in model.layers.items() if name != between.layer}
    return replace(model, layers=layers, uses=tuple(uses))


def _rate(model: NativeModel, between: NativeUse | None) -> float:
    return 0.0 if between is None else float(model.layers[between.layer].config["p"])


def _pair(model: NativeModel, names: Names) -> tuple[NativeUse, NativeUse, NativeUse | None] | None:
    """A layer, the one over it, and the dropout between them, if there is one."""
    counts = Counter(use.layer for use in model.uses)
    users = Counter(value for use in model.uses for value in use.inputs)
    users.update(port.value for port in model.outputs)
    makers = {use.outputs[0]: use for use in model.uses if _kind(model.layers[use.layer]) is not None}
    drops = {use.outputs[0]: use for use in model.uses if model.layers[use.layer].type == "nn.Dropout"}
    for use in model.uses:
        above, source = model.layers[use.layer], use.inputs[0] if use.inputs else ""
        between = drops.get(source)
        if between is not None and (counts[between.layer] > 1 or users[source] > 1):
            continue
        below = makers.get(source if between is None else between.inputs[0])
        if below is None or _kind(above) is None or counts[use.layer] > 1 or counts[below.layer] > 1:
            continue
        under = model.layers[below.layer]
        alike = _kind(above) == _kind(under) and _settings(above) == _settings(under)
        one, other = _place(under, names), _place(above, names)
        follows = one is not None and other is not None and one[0] == other[0] and one[1] + 1 == other[1]
        states = bool(len(use.inputs) > 1) == bool(len(below.inputs) > 1)
        one_rate = under.config.get("num_layers", 1) == 1 or under.config["dropout"] == _rate(model, between)
        if alike and follows and states and one_rate and users[below.outputs[0]] == 1:
            return below, use, between
    return None


def _kind(layer: Native) -> tuple[str, int] | None:
    return _KINDS.get(layer.type.partition(" of ")[0])


def _settings(layer: Native) -> dict[str, object]:
    return {name: value for name, value in layer.config.items() if name not in ("input_size", "num_layers", "dropout")}


def _place(layer: Native, names: Names) -> tuple[str, int] | None:
    """The module that the tensors are of, and the last layer that they are there; None where they do not say one."""
    found = [_OF_LAYER.fullmatch(key_of(names, slot, weight)) for slot, weight in layer.tensors.items()]
    parts = [match.group(1, 2) for match in found if match is not None]
    modules = {module for module, _ in parts}
    return (modules.pop(), max(int(n) for _, n in parts)) if len(modules) == 1 and len(parts) == len(found) else None


def _joined(model: NativeModel, below: NativeUse, above: NativeUse, rate: float) -> NativeModel:
    under, over = model.layers[below.layer], model.layers[above.layer]
    kind, directions = _kind(under) or ("", 1)
    count = under.config.get("num_layers", 1)
    tensors = dict(under.tensors)
    tensors |= {slot.replace("_l0", f"_l{count}"): weight for slot, weight in over.tensors.items()}
    config = {**under.config, "num_layers": count + 1, "dropout": rate}
    merged = replace(under, type=f"{kind} of {(count + 1) * directions}", config=config, tensors=tensors)
    states = 2 if kind == "nn.LSTM" else 1

    def beside(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
        """The states of both, hidden ones before cells."""
        ones, others = count * directions, directions
        first = (*first, *[""] * (states * ones - len(first)))
        second = (*second, *[""] * (states * others - len(second)))
        groups = ((*first[i * ones : (i + 1) * ones], *second[i * others : (i + 1) * others]) for i in range(states))
        return tuple(value for group in groups for value in group)

    given = beside(below.inputs[1:], above.inputs[1:]) if len(above.inputs) > 1 else ()
    results = [above.outputs[0], *beside(below.outputs[1:], above.outputs[1:])]
    while not results[-1]:
        results.pop()
    use = NativeUse(below.layer, (below.inputs[0], *given), tuple(results), below.scope)
    uses = [use if old is above else old for old in model.uses if old is not below]
    # What needed a state of the lower layer stands behind both.
    place = uses.index(use)
    late = _needing(uses[:place], set(below.outputs) - {""})
    early = [old for old in uses[:place] if old not in late]
    layers = {name: layer for name, layer in model.layers.items() if name != above.layer}
    return replace(model, layers={**layers, below.layer: merged}, uses=(*early, use, *late, *uses[place + 1 :]))


def _needing(uses: list[NativeUse], made: set[str]) -> list[NativeUse]:
    """The uses that need some values, by others or themselves."""
    found: list[NativeUse] = []
    for use in uses:
        if not made.isdisjoint(use.inputs):
            found.append(use)
            made |= set(use.outputs) - {""}
    return found
