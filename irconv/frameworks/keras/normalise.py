"""Many spellings become one: Keras configs of all 2.x versions and both model classes as one list of layers and uses.

What this file makes equal: Sequential and Functional; settings that an older version did not have; lists where others
have numbers; fused activations (split off as layers of their own); the backend, which becomes the knob
``kernel_order`` of every layer whose kernel Theano keeps turned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from irconv.codec import Native, NativeWeight
from irconv.errors import DamagedFile, Problems, Refused
from irconv.frameworks.keras.calls import read_calls
from irconv.frameworks.keras.weights import local_name
from irconv.ir.dtypes import SAFETENSORS_CODES
from irconv.ir.graph import Port
from irconv.ir.layers.base import Origin
from irconv.translate import NativeModel, NativeUse

_MODELS = ("Model", "Functional", "Sequential")

_IMAGE_LAST = {"data_format": "channels_last"}
_GLOBAL_POOL = {"keepdims": False, **_IMAGE_LAST}

#: Settings that later versions added, with the value that says what older ones did.
_ADDED: Mapping[str, dict[str, Any]] = {
    "Conv1D": {"groups": 1, **_IMAGE_LAST, "dilation_rate": [1]},
    "Conv2D": {"groups": 1, **_IMAGE_LAST, "dilation_rate": [1, 1]},
    "Conv3D": {"groups": 1, **_IMAGE_LAST, "dilation_rate": [1, 1, 1]},
    "DepthwiseConv2D": {**_IMAGE_LAST, "dilation_rate": [1, 1]},
    "SeparableConv2D": {**_IMAGE_LAST, "dilation_rate": [1, 1]},
    "Flatten": _IMAGE_LAST,  # before 2.1.6: C order, whatever the data format
    **{f"{pool}Pooling{n}D": _IMAGE_LAST for pool in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Global{pool}Pooling{n}D": _GLOBAL_POOL for pool in ("Max", "Average") for n in (1, 2, 3)},
    "Normalization": {"invert": False},
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
}

#: Layers with one axis, which some versions write as a list.
_ONE_AXIS = {"BatchNormalization", "Normalization"}

#: Settings that Keras 3 renamed, by the name they had before.
_RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}

#: Names of activations that mean another function since Keras 3, and the word of the table for it.
_NEW_MEANING = {"hard_sigmoid": "hard_sigmoid_of_keras_3"}

#: Layers with a fused activation, which becomes a layer of its own.
_FUSED = {"Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D", "Dense"}

#: Layers whose kernel Keras on Theano keeps turned by 180 degrees: Theano computes the mathematical convolution.
#: DepthwiseConv2D and SeparableConv2D are not among them, their backend functions turn it back.
_TURNED_ON_THEANO = {"Conv1D", "Conv2D", "Conv3D"}

#: How Keras on Theano pads SAME: other than TensorFlow for even windows and for some strides.
_SAME_ON_THEANO = {
    **{f"Conv{n}D": "theano_half" for n in (1, 2, 3)},
    "DepthwiseConv2D": "theano_half",
    **{f"{pool}Pooling{n}D": "theano_pool_same" for pool in ("Max", "Average") for n in (1, 2, 3)},
}

#: Settings of SeparableConv2D that go to its two parts.
_DEPTHWISE = ("kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier", "trainable")
_POINTWISE = ("filters", "data_format", "use_bias", "activation", "trainable")


@dataclass(frozen=True)
class Facts:
    """What a file says about itself as a whole."""

    path: str
    backend: str
    version: int
    """The major version of Keras."""


@dataclass
class _Model:
    """What has been normalised so far."""

    path: str
    backend: str
    version: int
    weights: Mapping[str, Mapping[str, NativeWeight]]
    problems: Problems = field(default_factory=Problems)
    layers: dict[str, Native] = field(default_factory=dict)
    uses: list[NativeUse] = field(default_factory=list)
    where: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, Port] = field(default_factory=dict)


def normalise(config: dict[str, Any], weights: Mapping[str, Mapping[str, NativeWeight]], facts: Facts) -> NativeModel:
    """The model as one list of layers and uses.

    Raises one error naming every layer whose structure irconv does not read (nested models, calls with arguments).
    """
    model = _Model(facts.path, facts.backend, facts.version, weights)
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
    for entry in waiting.values():
        if entry.get("class_name") in _MODELS:
            model.problems.add(_where(model, entry), "is a model inside a model, which irconv does not read yet")
    model.problems.raise_any()
    calls = {name: read_calls(entry, _where(model, entry), model.problems) for name, entry in waiting.items()}
    model.problems.raise_any()
    made: dict[tuple[str, int], str] = {}
    done: dict[str, int] = dict.fromkeys(waiting, 0)
    order = list(waiting)
    while order:
        left = []
        for name in order:
            inbound = calls[name][done[name] :]
            ready = next(
                (i for i, call in enumerate(inbound) if any(s not in made for s in call.sources)), len(inbound)
            )
            if ready:
                first = done[name]
                taken = [[made[a] if isinstance(a, tuple) else a for a in call.arguments] for call in inbound[:ready]]
                values = _layer(model, waiting[name], taken, first)
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


def _where(model: _Model, entry: Mapping[str, Any]) -> str:
    return f"{model.path}: layer {entry['name']} ({entry.get('class_name')})"


def _layer(model: _Model, entry: Mapping[str, Any], taken: list[list[str | float]], first: int = 0) -> list[str]:
    """Add a layer and some of its calls; the names of the values they make."""
    name, kind, config = entry["name"], str(entry.get("class_name")), dict(entry["config"])
    model.where[name] = _where(model, entry)
    calls = [[_value(model, argument) for argument in call] for call in taken]
    values = [name if first + i == 0 else f"{name}#{first + i}" for i in range(len(calls))]
    if kind == "InputLayer":
        model.inputs[name] = _input(model, name, config)
        return values
    if kind == "SeparableConv2D":
        return _separable(model, name, config, calls, values)
    if kind == "Rescaling":
        return _rescaling(model, name, config, calls, values)
    origin = Origin(framework="keras", type=kind, name=name, config=dict(config), split_from=None)
    fused = config.get("activation", "linear") if kind in _FUSED else "linear"
    if fused != "linear":
        config["activation"] = "linear"
    suffix = "" if fused == "linear" else ".linear"
    tensors = _tensors(model, name, config)
    if kind == "DepthwiseConv2D" and "kernel" in tensors:  # Keras 3 and tf.keras 2.13 renamed it
        tensors["depthwise_kernel"] = tensors.pop("kernel")
    model.layers[name] = Native(kind, name, _spelling(model, kind, config), tensors, origin=origin)
    for call, value in zip(calls, values, strict=True):
        model.uses.append(NativeUse(name, tuple(call), (f"{value}{suffix}",)))
    if suffix:
        _activation(model, name, fused, origin, values)
    return values


def _separable(
    model: _Model, name: str, config: dict[str, Any], calls: list[list[str]], values: list[str]
) -> list[str]:
    """A SeparableConv2D as its two convolutions: each channel for itself, then a 1x1 convolution."""
    config = _ADDED["SeparableConv2D"] | config
    tensors, first, second = _tensors(model, name, config), f"{name}.depthwise", f"{name}.pointwise"
    if model.backend == "theano" and config["padding"] == "same" and any(k % 2 == 0 for k in config["kernel_size"]):
        # Keras 2.2.4 cuts by the 1x1 kernel, so that the result is larger than the input
        what = "pads an even kernel as no other framework does: its result is one larger than its input"
        model.problems.add(model.where[name], what, "irconv does not copy this fault of Keras on Theano.")
    origin = Origin(framework="keras", type="SeparableConv2D", name=name, config=dict(config), split_from=None)
    depthwise = {key: config[key] for key in _DEPTHWISE if key in config} | {"name": first, "use_bias": False}
    pointwise = {key: config[key] for key in _POINTWISE if key in config}
    pointwise |= {"name": second, "kernel_size": [1, 1], "strides": [1, 1], "padding": "valid"}
    parts = [
        ("DepthwiseConv2D", first, depthwise, {"depthwise_kernel": tensors.pop("depthwise_kernel", None)}),
        ("Conv2D", second, pointwise, {"kernel": tensors.pop("pointwise_kernel", None), **tensors}),
    ]
    for kind, part, settings, weights in parts:
        given = {key: weight for key, weight in weights.items() if weight is not None}
        own = origin if part == first else origin.model_copy(update={"config": {}, "split_from": name})
        model.where[part] = model.where[name]
        model.layers[part] = Native(kind, part, _spelling(model, kind, settings), given, origin=own)
    if model.backend == "theano":
        model.layers[second] = replace(
            model.layers[second], config={**model.layers[second].config, "kernel_order": "correlation"}
        )
    activation = pointwise.get("activation", "linear")
    for call, value in zip(calls, values, strict=True):
        model.uses.append(NativeUse(first, tuple(call), (f"{value}.depthwise",)))
        result = value if activation == "linear" else f"{value}.linear"
        model.uses.append(NativeUse(second, (f"{value}.depthwise",), (result,)))
    if activation != "linear":
        model.layers[second] = replace(
            model.layers[second], config={**model.layers[second].config, "activation": "linear"}
        )
        _activation(model, name, activation, origin, values)
    return values


def _rescaling(
    model: _Model, name: str, config: dict[str, Any], calls: list[list[str]], values: list[str]
) -> list[str]:
    """``x scale + offset`` as a product and a sum with constants; lists lie along the last axis."""
    origin = Origin(framework="keras", type="Rescaling", name=name, config=dict(config), split_from=None)
    part = origin.model_copy(update={"config": {}, "split_from": name})
    constants = [_constant(model, f"{name}.{key}", config[key]) for key in ("scale", "offset")]
    for kind, layer, own in (("Multiply", f"{name}.product", origin), ("Add", f"{name}.sum", part)):
        model.layers[layer] = Native(kind, layer, {}, origin=own)
        model.where[layer] = model.where[name]
    for call, value in zip(calls, values, strict=True):
        model.uses.append(NativeUse(f"{name}.product", (*call, constants[0]), (f"{value}.product",)))
        model.uses.append(NativeUse(f"{name}.sum", (f"{value}.product", constants[1]), (value,)))
    return values


def _activation(model: _Model, name: str, activation: Any, origin: Origin, values: list[str]) -> None:
    """The fused activation of a layer as a layer of its own, on the layer's values without it."""
    split = f"{name}.activation"
    own = origin.model_copy(update={"config": {}, "split_from": name})
    settings = _spelling(model, "Activation", {"activation": activation, "name": split})
    model.layers[split] = Native("Activation", split, settings, origin=own)
    model.where[split] = model.where[name]
    model.uses += [NativeUse(split, (f"{value}.linear",), (value,)) for value in values]


def _spelling(model: _Model, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """The settings as the newest Keras 2 spells them."""
    config = _ADDED.get(kind, {}) | {_RENAMED.get((kind, key), key): value for key, value in config.items()}
    if kind == "Activation" and model.version >= 3 and config["activation"] in _NEW_MEANING:
        config["activation"] = _NEW_MEANING[config["activation"]]
    if config.get("quantization_config") is None:
        config.pop("quantization_config", None)
    if isinstance(config.get("dtype"), dict):  # Keras 3 writes a policy
        config["dtype"] = config["dtype"].get("config", {}).get("name")
    if config.get("dtype", "float32") not in ("float32", "float64"):
        where = f"{model.path}: layer {config.get('name')} ({kind})"
        model.problems.add(where, f"computes in {config['dtype']}, and irconv reads float32 and float64 layers")
    if kind in _ONE_AXIS and isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
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


def _value(model: _Model, argument: str | float) -> str:
    """The name of a value; a number becomes a constant of the graph."""
    if isinstance(argument, str):
        return argument
    return _constant(model, f"constant_{argument!r}", argument)


def _constant(model: _Model, name: str, value: Any) -> str:
    """A number, or a list of them, as a value of the graph."""
    if name not in model.layers:
        model.layers[name] = Native("constant", name, {"value": value})
        model.where[name] = f"{model.path}: constant {name}"
        model.uses.append(NativeUse(name, (), (name,)))
    return name


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
