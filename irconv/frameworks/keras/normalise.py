"""Many spellings become one: Keras configs of all 2.x versions and both model classes as one list of layers and uses.

The structure of the model is read here; what single layers become is in `composites` (several native layers, or one)
and `spelling` (their settings).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from irconv.codec import NativeWeight
from irconv.errors import DamagedFile, Refused
from irconv.frameworks.keras import composites
from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Value, value_name
from irconv.frameworks.keras.calls import Call, read_calls
from irconv.frameworks.keras.facts import Facts
from irconv.frameworks.keras.weights import local_name
from irconv.ir.dtypes import SAFETENSORS_CODES
from irconv.ir.graph import Port
from irconv.ir.layers.base import Origin
from irconv.translate import NativeModel

_MODELS = ("Model", "Functional", "Sequential")


class _Model(Builder):
    """A builder with the file's weights."""

    def __init__(self, facts: Facts, weights: Mapping[str, Mapping[str, NativeWeight]]) -> None:
        super().__init__(facts)
        self.weights = weights


def normalise(config: dict[str, Any], weights: Mapping[str, Mapping[str, NativeWeight]], facts: Facts) -> NativeModel:
    """The model as one list of layers and uses.

    Raises one error naming every layer whose structure irconv does not read (nested models, calls with arguments).
    """
    model = _Model(facts, weights)
    path = facts.path
    kind, body = config.get("class_name"), config["config"]
    if kind == "Sequential":
        outputs = _sequential(model, body)
    elif kind in _MODELS:
        outputs = _functional(model, body)
    else:
        raise Refused(f"{path}: model", f"expected one of {', '.join(_MODELS)}, got {kind!r}")
    if not outputs:
        model.problems.add(f"{path}: model", "expected at least one output, got none", kind=DamagedFile)
    used = {name for name, named in weights.items() if named} - set(model.where)
    for name in sorted(used):
        model.problems.add(f"{path}: weights of {name}", "expected a layer of this name in the model, but it has none")
    model.problems.raise_any()
    ports = tuple(Port(name=v.split("#")[0], value=v, dtype="", shape=(), axes="", source_axes="") for v in outputs)
    return NativeModel(model.layers, tuple(model.uses), tuple(model.inputs.values()), ports, model.where)


def _sequential(model: _Model, body: Any) -> list[Value]:
    """Layers in a chain. Up to 2.0.8 the config is the list itself; before 2.2.5 there is no InputLayer."""
    entries = body if isinstance(body, list) else body["layers"]
    if not entries:
        raise DamagedFile(f"{model.facts.path}: model", "expected at least one layer, got none")
    if entries[0].get("class_name") != "InputLayer":
        first = entries[0].get("config", {})
        if "batch_input_shape" not in first:
            raise Refused(
                f"{model.facts.path}: layer {first.get('name')}",
                "expected batch_input_shape on the first layer of a Sequential model, but it was never built",
            )
        name = f"{first.get('name')}_input"
        shape = {"batch_input_shape": first["batch_input_shape"], "dtype": first.get("dtype", "float32"), "name": name}
        entries = [{"class_name": "InputLayer", "config": shape}, *entries]
    values: tuple[Value, ...] = ()
    for entry in entries:
        values = _layer(model, {**entry, "name": entry["config"]["name"]}, [KerasCall(0, values)])[0]
    return list(values)


def _functional(model: _Model, body: Mapping[str, Any]) -> list[Value]:
    """Layers with inbound nodes. They are stored by depth, so each is placed once all its inputs are known."""
    waiting = {entry["name"]: entry for entry in body["layers"]}
    for entry in waiting.values():
        if entry.get("class_name") in _MODELS:
            model.problems.add(_where(model, entry), "is a model inside a model, which irconv does not read yet")
    model.problems.raise_any()
    calls = {name: read_calls(entry, _where(model, entry), model.problems) for name, entry in waiting.items()}
    model.problems.raise_any()
    made: dict[tuple[str, int], tuple[Value, ...]] = {}
    done: dict[str, int] = dict.fromkeys(waiting, 0)
    order = list(waiting)
    while order:
        left = []
        for name in order:
            inbound = calls[name][done[name] :]
            ready = next(
                (i for i, call in enumerate(inbound) if any(s[:2] not in made for s in call.sources)), len(inbound)
            )
            if ready:
                first = done[name]
                taken = [_call(model, call, first + i, made) for i, call in enumerate(inbound[:ready])]
                values = _layer(model, waiting[name], taken)
                made |= {(name, first + i): outputs for i, outputs in enumerate(values)}
                done[name] += ready
            if ready < len(inbound):
                left.append(name)
        if left == order:
            raise DamagedFile(f"{model.facts.path}: layers {', '.join(left)}", "expected inputs that some layer makes")
        order = left
    inputs = [made[name, 0][0] for name, _, _ in _references(body["input_layers"])]
    model.inputs = {value: model.inputs[value] for value in inputs} | model.inputs
    return [made[name, call][output] for name, call, output in _references(body["output_layers"])]


def _references(listed: Any) -> list[tuple[str, int, int]]:
    """``["a", 0, 0]`` where there is one, ``[["a", 0, 0], ...]`` where there are several."""
    return [tuple(entry) for entry in ([listed] if listed and isinstance(listed[0], str) else listed)]


def _where(model: _Model, entry: Mapping[str, Any]) -> str:
    return f"{model.facts.path}: layer {entry['name']} ({entry.get('class_name')})"


def _call(model: _Model, call: Call, index: int, made: Mapping[tuple[str, int], tuple[Value, ...]]) -> KerasCall:
    """A call with the values it takes, numbers as constants of the graph."""
    inputs = [
        made[given[0], given[1]][given[2]] if isinstance(given, tuple) else model.constant(f"constant_{given!r}", given)
        for given in call.arguments
    ]
    return KerasCall(index, tuple(inputs))


def _layer(model: _Model, entry: Mapping[str, Any], calls: list[KerasCall]) -> list[tuple[Value, ...]]:
    """Add a layer and some of its calls; the values that each makes."""
    name, kind, config = entry["name"], str(entry.get("class_name")), dict(entry["config"])
    model.where[name] = _where(model, entry)
    if kind == "InputLayer":
        model.inputs[name] = _input(model, name, config)
        return [(value_name(name, call.index),) for call in calls]
    origin = Origin(framework="keras", type=kind, name=name, config=config, split_from=None)
    layer = KerasLayer(kind, name, config, _tensors(model, name, config), tuple(calls), origin)
    return composites.place(model, layer)


def _tensors(model: _Model, name: str, config: Mapping[str, Any]) -> dict[str, NativeWeight]:
    """The layer's weights by local name, such as ``kernel``."""
    trainable = bool(config.get("trainable", True))
    found: dict[str, NativeWeight] = {}
    for full, weight in model.weights.get(name, {}).items():
        local = local_name(full)
        if local in found:
            model.problem(name, f"has two weights that end in {local!r}: {found[local].path}, {weight.path}")
        found[local] = NativeWeight(weight.path, weight.data, trainable)
    return found


def _input(model: _Model, name: str, config: Mapping[str, Any]) -> Port:
    """A graph input; an unknown batch size is ``N``, other unknown sizes are named by their place."""
    if config.get("sparse") or config.get("ragged"):
        model.problems.add(model.where[name], "expected a dense input, got a sparse or ragged one")
    sizes = config.get("batch_shape") or config["batch_input_shape"]  # Keras 3, Keras 2
    suffix = f"_{len(model.inputs) + 1}" if model.inputs else ""
    names = _unknown_names(sizes)
    shape = tuple(
        size if size is not None else f"{letter}{suffix if axis else ''}"
        for axis, (size, letter) in enumerate(zip(sizes, names, strict=True))
    )
    dtype = config.get("dtype") or "float32"
    if dtype not in SAFETENSORS_CODES:
        model.problems.add(model.where[name], f"expected an input of numbers, got dtype {dtype!r}")
    return Port(name=name, value=name, dtype=dtype, shape=shape, axes="", source_axes="")


def _unknown_names(sizes: Iterable[int | None]) -> list[str]:
    """Symbols for the sizes of an input, of which those are used whose size is unknown."""
    sizes = list(sizes)
    unknown = [axis for axis, size in enumerate(sizes) if size is None and axis]
    images = {(4, (1, 2)): "NHWC", (4, (2, 3)): "NCHW", (3, (1,)): "NTC"}
    return list(images.get((len(sizes), tuple(unknown)), ["N", *(f"D{axis}" for axis in range(1, len(sizes)))]))
