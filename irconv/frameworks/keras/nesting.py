"""Models inside the model again, as the source had them: the graph of a bundle is flat, its uses name their scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.data_classes import dataclass
from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.outlined import Argument, Call, Outline, Outlined, values_in


def nest(model: Outline, structure: Mapping[str, Any], scope: str = "") -> None:
    """Put the layers of each model that the structure names into a layer of its own; changes the model in place.

    A model whose calls no longer are alike, because a pass changed what is around them, stays flat.
    """
    for name, inner in structure.get("models", {}).items():
        place = f"{scope}/{name}" if scope else name
        _own_scopes(model, place)
        members = [layer for layer in model.layers if layer.calls and _inside(layer.calls[0].scope, place)]
        made = _Folding(model, members, inner, place).run() if members else None
        if made is not None and made.model is not None:
            position = model.layers.index(members[0])
            model.layers[position] = made
            model.layers[:] = [layer for layer in model.layers if layer not in members]
            nest(made.model, inner, place)
    if structure.get("class") == "Sequential":
        model.sequential = _is_chain(model)


def _inside(scope: str, place: str) -> bool:
    return scope == place or scope.startswith(f"{place}/")


def _own_scopes(model: Outline, place: str) -> None:
    """A layer without weights that is called inside and outside, such as a Permute, becomes two."""
    for layer in list(model.layers):
        inside = [call for call in layer.calls if _inside(call.scope, place)]
        if inside and len(inside) < len(layer.calls) and not layer.weights:
            layer.calls[:] = [call for call in layer.calls if call not in inside]
            copy = Outlined(layer.kind, layer.name, dict(layer.config), {}, inside, layer.origin)
            model.layers.insert(model.layers.index(layer) + 1, copy)


@dataclass(frozen=True)
class _Slot:
    """A place in the first call of a model: a layer in it, which of its calls, and which of the values there."""

    layer: int
    call: int
    position: int


class _Folding:
    """The making of one model out of the calls of its layers."""

    def __init__(self, model: Outline, members: list[Outlined], structure: Mapping[str, Any], place: str) -> None:
        self.model, self.members, self.structure, self.place = model, members, structure, place
        counts = structure.get("calls") or {}
        self.many = [counts.get(layer.name.rsplit("/", maxsplit=1)[-1].split(".")[0], 1) for layer in members]
        """How often the model calls each layer when it is called once."""

    def run(self) -> Outlined | None:
        times = {len(layer.calls) / many for layer, many in zip(self.members, self.many, strict=True)}
        if len(times) != 1 or not (calls := times.pop()).is_integer():
            return None
        per_call = [self._part(index) for index in range(int(calls))]
        inputs = [self._inputs(part) for part in per_call]
        outputs = self._outputs(per_call)
        if any(list(found) != list(inputs[0]) for found in inputs) or not inputs[0] or not outputs:
            return None
        values = [self._distinct(list(found.values())) for found in inputs]
        if any(pattern != values[0][1] for _, pattern in values):
            return None
        inner = self._model(per_call[0], values[0][0], outputs)
        name = self.place
        made = Outlined("Model", name, {}, {}, model=inner)
        for part, (given, _) in zip(per_call, values, strict=True):
            results = tuple(part[slot.layer][slot.call].outputs[slot.position] for slot in outputs)
            arguments: list[Argument] = [given] if len(given) > 1 else list(given)
            made.calls.append(Call(arguments, results, scope=self.place.rpartition("/")[0]))
        return made

    def _part(self, index: int) -> list[list[Call]]:
        """The calls of each layer that belong to one call of the model."""
        return [
            layer.calls[index * many : (index + 1) * many] for layer, many in zip(self.members, self.many, strict=True)
        ]

    def _inputs(self, part: list[list[Call]]) -> dict[_Slot, Value]:
        """The values from outside, by where they are taken."""
        made = {value for calls in part for call in calls for value in call.outputs}
        return {
            _Slot(layer, number, position): value
            for layer, calls in enumerate(part)
            for number, call in enumerate(calls)
            for position, value in enumerate(values_in([*call.arguments, *call.keywords.values()]))
            if value not in made
        }

    def _outputs(self, per_call: list[list[list[Call]]]) -> list[_Slot]:
        """Where the values are made that somebody outside takes, in the order in which the source listed them."""
        wanted = set(self.model.outputs)
        for layer in self.model.layers:
            if layer not in self.members:
                wanted |= {v for call in layer.calls for v in values_in([*call.arguments, *call.keywords.values()])}
        found = [
            (layer, number, position)
            for layer, calls in enumerate(per_call[0])
            for number, call in enumerate(calls)
            for position in range(len(call.outputs))
            if any(part[layer][number].outputs[position] in wanted for part in per_call)
        ]
        listed = {str(entry[0]): rank for rank, entry in enumerate(self._listed())}

        def rank(slot: tuple[int, int, int]) -> int:
            value = per_call[0][slot[0]][slot[1]].outputs[slot[2]]
            return listed.get(value.removeprefix(f"{self.place}/").split("#")[0].split(":")[0], len(listed))

        return [_Slot(*slot) for slot in sorted(found, key=rank)]

    def _listed(self) -> list[Any]:
        outputs = self.structure.get("outputs") or []
        return [outputs] if outputs and isinstance(outputs[0], str) else list(outputs)

    def _distinct(self, given: list[Value]) -> tuple[list[Value], list[int]]:
        """The values once each, and which of them each place takes."""
        distinct = list(dict.fromkeys(given))
        return distinct, [distinct.index(value) for value in given]

    def _model(self, part: list[list[Call]], given: list[Value], outputs: list[_Slot]) -> Outline:
        names = self.structure.get("inputs") or []
        names = names if len(names) == len(given) else [f"input_{i + 1}" for i in range(len(given))]
        renamed = {value: Value(f"{self.place}/{name}") for value, name in zip(given, names, strict=True)}
        types = dict(self.model.types)
        layers: list[Outlined] = []
        for value, inner in renamed.items():
            types[inner] = kind = self.model.types[value]
            shape = [size if isinstance(size, int) else None for size in kind.shape]
            config = {"batch_input_shape": [None, *shape[1:]], "dtype": kind.dtype}
            layers.append(Outlined("InputLayer", inner, config, {}, [Call([], (inner,))]))
        for layer, calls in zip(self.members, part, strict=True):
            taken = [
                Call(_renamed(call.arguments, renamed), call.outputs, _renamed(call.keywords, renamed), call.scope)
                for call in calls
            ]
            layers.append(Outlined(layer.kind, layer.name, layer.config, layer.weights, taken, layer.origin))
        results = [part[slot.layer][slot.call].outputs[slot.position] for slot in outputs]
        return Outline(self.place, layers, list(renamed.values()), results, types)


def _renamed(argument: Any, names: Mapping[Value, Value]) -> Any:
    if isinstance(argument, Value):
        return names.get(argument, argument)
    if isinstance(argument, list):
        return [_renamed(part, names) for part in argument]
    if isinstance(argument, Mapping):
        return {key: _renamed(part, names) for key, part in argument.items()}
    return argument


def _is_chain(model: Outline) -> bool:
    """Whether each layer takes what the one before gives, and nothing else."""
    first, *others = model.layers
    if first.kind != "InputLayer" or not others or len(model.inputs) != 1 or len(model.outputs) != 1:
        return False
    value = model.inputs[0]
    for layer in others:
        taken = layer.calls[0].arguments if len(layer.calls) == 1 else []
        results = layer.calls[0].outputs
        if layer.kind.startswith("ops.") or taken != [value] or layer.calls[0].keywords or len(results) != 1:
            return False
        value = results[0]
    return value == model.outputs[0]
