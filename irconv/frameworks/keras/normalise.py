"""Many spellings become one: Keras configs of all 2.x versions and both model classes as one list of layers and uses.

What this file makes equal: Sequential and Functional; settings that an older version did not have; lists where others
have numbers; fused activations (split off as layers of their own); the backend, which becomes the knob
``kernel_order`` of every layer whose kernel Theano keeps turned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from irconv.codec import Native, NativeWeight
from irconv.errors import DamagedFile, Problems, Refused
from irconv.frameworks.keras.weights import local_name
from irconv.ir.graph import Port
from irconv.ir.layers.base import Origin
from irconv.translate import NativeModel, NativeUse

_MODELS = ("Model", "Functional", "Sequential")

#: Settings that later versions added, with the value that says what older ones did.
_ADDED: Mapping[str, dict[str, Any]] = {
    "Conv2D": {"groups": 1, "data_format": "channels_last", "dilation_rate": [1, 1]},
    "Flatten": {"data_format": "channels_last"},  # before 2.1.6: C order, whatever the data format
    "GlobalAveragePooling2D": {"keepdims": False, "data_format": "channels_last"},
    "GlobalMaxPooling2D": {"keepdims": False, "data_format": "channels_last"},
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
}

#: Layers with a fused activation, which becomes a layer of its own.
_FUSED = {"Conv2D", "Dense"}

#: Layers whose kernel Keras on Theano keeps turned by 180 degrees: Theano computes the mathematical convolution.
#: DepthwiseConv2D and SeparableConv2D are not among them, their backend functions turn it back.
_TURNED_ON_THEANO = {"Conv2D"}

#: How Keras on Theano pads SAME: other than TensorFlow for even windows and for some strides.
_SAME_ON_THEANO = {"Conv2D": "theano_half", "MaxPooling2D": "theano_pool_same", "AveragePooling2D": "theano_pool_same"}


@dataclass
class _Model:
    """What has been normalised so far."""

    path: str
    backend: str
    weights: Mapping[str, Mapping[str, NativeWeight]]
    problems: Problems = field(default_factory=Problems)
    layers: dict[str, Native] = field(default_factory=dict)
    uses: list[NativeUse] = field(default_factory=list)
    where: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, Port] = field(default_factory=dict)


def normalise(
    config: dict[str, Any], weights: Mapping[str, Mapping[str, NativeWeight]], backend: str, path: str
) -> NativeModel:
    """The model as one list of layers and uses.

    Raises one error naming every layer whose structure irconv does not read (nested models, calls with arguments).
    """
    model = _Model(path, backend, weights)
    kind, body = config.get("class_name"), config["config"]
    if kind == "Sequential":
        outputs = _sequential(model, body)
    elif kind in _MODELS:
        outputs = _functional(model, body)
    else:
        raise Refused(f"{path}: model", f"expected one of {', '.join(_MODELS)}, got {kind!r}")
    used = {name for name, named in weights.items() if named} - set(model.where)
    for name in sorted(used):
        model.problems.add(f"{path}: weights of {name}", "expected a layer of this name in the model, but it has none")
    model.problems.raise_any()
    ports = tuple(Port(name=v.split("#")[0], value=v, dtype="", shape=(), axes="", source_axes="") for v in outputs)
    return NativeModel(model.layers, tuple(model.uses), tuple(model.inputs.values()), ports, model.where)


def _sequential(model: _Model, body: Any) -> list[str]:
    """Layers in a chain. Up to 2.0.8 the config is the list itself; before 2.2.5 there is no InputLayer."""
    entries = body if isinstance(body, list) else body["layers"]
    if not entries:
        raise DamagedFile(f"{model.path}: model", "expected at least one layer, got none")
    if entries[0].get("class_name") != "InputLayer":
        first = entries[0].get("config", {})
        if "batch_input_shape" not in first:
            raise Refused(
                f"{model.path}: layer {first.get('name')}",
                "expected batch_input_shape on the first layer of a Sequential model, but it was never built",
            )
        name = f"{first.get('name')}_input"
        shape = {"batch_input_shape": first["batch_input_shape"], "dtype": first.get("dtype", "float32"), "name": name}
        entries = [{"class_name": "InputLayer", "config": shape}, *entries]
    value = ""
    for entry in entries:
        value = _layer(model, {**entry, "name": entry["config"]["name"]}, [[value] if value else []])[0]
    return [value]


def _functional(model: _Model, body: Mapping[str, Any]) -> list[str]:
    """Layers with inbound nodes. They are stored by depth, so each is placed once all its inputs are known."""
    waiting = {entry["name"]: entry for entry in body["layers"]}
    for name, entry in waiting.items():
        if entry.get("class_name") in _MODELS:
            where = f"{model.path}: layer {name} ({entry['class_name']})"
            model.problems.add(where, "is a model inside a model, which irconv does not read yet")
    model.problems.raise_any()
    calls = {name: _calls(model, entry) for name, entry in waiting.items()}
    made: dict[tuple[str, int], str] = {}
    done: dict[str, int] = dict.fromkeys(waiting, 0)
    order = list(waiting)
    while order:
        left = []
        for name in order:
            inbound = calls[name][done[name] :]
            ready = next(
                (i for i, call in enumerate(inbound) if any(source not in made for source in call)), len(inbound)
            )
            if ready:
                first = done[name]
                values = _layer(model, waiting[name], [[made[s] for s in call] for call in inbound[:ready]], first)
                made |= {(name, first + i): value for i, value in enumerate(values)}
                done[name] += ready
            if ready < len(inbound):
                left.append(name)
        if left == order:
            raise DamagedFile(f"{model.path}: layers {', '.join(left)}", "expected inputs that some layer makes")
        order = left
    wanted = [(name, node) for name, node, _ in _references(body["output_layers"])]
    model.inputs = {
        made[name, 0]: model.inputs[made[name, 0]] for name, _, _ in _references(body["input_layers"])
    } | model.inputs
    return [made[reference] for reference in wanted]


def _references(listed: Any) -> list[tuple[str, int, int]]:
    """``["a", 0, 0]`` where there is one, ``[["a", 0, 0], ...]`` where there are several."""
    return [tuple(entry) for entry in ([listed] if listed and isinstance(listed[0], str) else listed)]


def _calls(model: _Model, entry: Mapping[str, Any]) -> list[list[tuple[str, int]]]:
    """For each call of a layer, the (layer, call) its inputs come from. An InputLayer has one call without inputs."""
    where = f"{model.path}: layer {entry['name']} ({entry.get('class_name')})"
    calls: list[list[tuple[str, int]]] = []
    for node in entry["inbound_nodes"]:
        sources: list[tuple[str, int]] = []
        for reference in node:
            name, index, tensor, *keywords = reference
            if any(keywords):
                model.problems.add(where, f"is called with the arguments {keywords[0]}, which irconv does not read")
            if tensor:
                model.problems.add(where, f"takes output {tensor} of {name}, and irconv reads layers of one output")
            sources.append((name, index))
        calls.append(sources)
    return calls or [[]]


def _layer(model: _Model, entry: Mapping[str, Any], calls: list[list[str]], first: int = 0) -> list[str]:
    """Add a layer and some of its calls; the names of the values they make."""
    name, kind, config = entry["name"], str(entry.get("class_name")), dict(entry["config"])
    model.where[name] = f"{model.path}: layer {name} ({kind})"
    values = [name if first + i == 0 else f"{name}#{first + i}" for i in range(len(calls))]
    if kind == "InputLayer":
        model.inputs[name] = _input(model, name, config)
        return values
    if kind in _MODELS:
        model.problems.add(model.where[name], "is a model inside a model, which irconv does not read yet")
        return values
    origin = Origin(framework="keras", type=kind, name=name, config=dict(config), split_from=None)
    if kind in _FUSED and config.get("activation", "linear") != "linear":
        split = f"{name}.activation"
        activation = {"activation": config["activation"], "name": split}
        model.layers[split] = Native(
            "Activation", split, activation, origin=origin.model_copy(update={"config": {}, "split_from": name})
        )
        model.where[split] = model.where[name]
        config["activation"] = "linear"
        uses = [NativeUse(name, tuple(call), (f"{value}.linear",)) for call, value in zip(calls, values, strict=True)]
        uses += [NativeUse(split, (f"{value}.linear",), (value,)) for value in values]
    else:
        uses = [NativeUse(name, tuple(call), (value,)) for call, value in zip(calls, values, strict=True)]
    model.layers[name] = Native(
        kind, name, _spelling(model, kind, config), _tensors(model, name, config), origin=origin
    )
    model.uses += uses
    return values


def _spelling(model: _Model, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """The settings as the newest Keras 2 spells them."""
    config = _ADDED.get(kind, {}) | config
    if kind == "BatchNormalization" and isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]  # tf.keras 1.15 and later write a list
    if kind in _TURNED_ON_THEANO:
        config["kernel_order"] = "convolution" if model.backend == "theano" else "correlation"
    if model.backend == "theano" and kind in _SAME_ON_THEANO and config.get("padding") == "same":
        config["padding"] = _SAME_ON_THEANO[kind]
    return config


def _tensors(model: _Model, name: str, config: Mapping[str, Any]) -> dict[str, NativeWeight]:
    """The layer's weights by local name, such as ``kernel``."""
    trainable = bool(config.get("trainable", True))
    found: dict[str, NativeWeight] = {}
    for full, weight in model.weights.get(name, {}).items():
        local = local_name(full)
        if local in found:
            model.problems.add(
                f"{model.where[name]}", f"has two weights that end in {local!r}: {found[local].path}, {weight.path}"
            )
        found[local] = NativeWeight(weight.path, weight.data, trainable)
    return found


def _input(model: _Model, name: str, config: Mapping[str, Any]) -> Port:
    """A graph input; an unknown batch size is ``N``, other unknown sizes are named by their place."""
    if config.get("sparse") or config.get("ragged"):
        model.problems.add(model.where[name], "expected a dense input, got a sparse or ragged one")
    sizes = config["batch_input_shape"]
    suffix = f"_{len(model.inputs) + 1}" if model.inputs else ""
    names = _unknown_names(sizes)
    shape = tuple(
        size if size is not None else f"{letter}{suffix if axis else ''}"
        for axis, (size, letter) in enumerate(zip(sizes, names, strict=True))
    )
    return Port(name=name, value=name, dtype=config.get("dtype") or "float32", shape=shape, axes="", source_axes="")


def _unknown_names(sizes: Iterable[int | None]) -> list[str]:
    """Symbols for the sizes of an input, of which those are used whose size is unknown."""
    sizes = list(sizes)
    unknown = [axis for axis, size in enumerate(sizes) if size is None and axis]
    images = {(4, (1, 2)): "NHWC", (4, (2, 3)): "NCHW", (3, (1,)): "NTC"}
    return list(images.get((len(sizes), tuple(unknown)), ["N", *(f"D{axis}" for axis in range(1, len(sizes)))]))
