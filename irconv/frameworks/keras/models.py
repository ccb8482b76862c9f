"""Models: Sequential and Functional, nested to any depth, as the layers in them.

A model is placed as any other layer is. Its layers are placed once, under names that begin with its own, and used once
for each of its calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from irconv.errors import DamagedFile, Refused
from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.calls import Call, Reference, leaves, read_calls, references
from irconv.frameworks.keras.inputs import input_port
from irconv.frameworks.keras.own import is_own
from irconv.frameworks.keras.run_order import run_order
from irconv.frameworks.keras.variables import MODELS, layers_of, segment, shown
from irconv.ir.layers.base import Origin
from irconv.options import said_shape


def sequential(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """Layers in a chain. The outermost one has to say what it takes."""
    entries = layers_of(layer.config)
    if not entries:
        raise DamagedFile(builder.place_of(layer), "expected at least one layer, got none")
    if not layer.name:
        entries = _with_input(builder, layer, entries)
    values = [call.inputs for call in layer.calls]
    parts = _split(layer.tensors, [_name(entry) for entry in entries])
    for entry in entries:
        if entry.get("class_name") == "InputLayer":
            values = values if layer.name else [(_graph_input(builder, entry),)]
            continue
        calls = [KerasCall(call.index, given, {}, given) for call, given in zip(layer.calls, values, strict=True)]
        values = list(builder.add(_inner(builder, layer, entry, parts[_name(entry)], calls)))
    return values


def functional(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """Layers with inbound nodes. They are stored by depth, so each is placed once all its inputs are known."""
    return _Functional(builder, layer).run()


#: How files of tf.keras call an operator of TensorFlow between layers.
TENSORFLOW_OPERATORS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")

EXPANSIONS = {"Sequential": sequential, "Functional": functional, "Model": functional}


#: Arguments by name that are tensors. Initial states are not among them: an array may stand in their place.
_TENSORS = frozenset(
    ("mask", "query", "key", "value", "query_mask", "key_mask", "value_mask", "attention_mask", "constants")
)


_TAKES_MASKS_OFF = ("MultiHeadAttention",)
"""Layers of Keras 3 after whose call the values that they took have no mask any more."""


class _Functional:
    """A Functional model while its layers are placed."""

    def __init__(self, builder: Builder, layer: KerasLayer) -> None:
        self.builder, self.layer = builder, layer
        self.entries: dict[str, Mapping[str, Any]] = {entry["name"]: entry for entry in layer.config["layers"]}
        self.calls = {name: read_calls(entry, self.entries) for name, entry in self.entries.items()}
        self.inputs = references(layer.config["input_layers"])
        self.outputs = references(layer.config["output_layers"])
        self.first = self._first_calls()
        self.outputs = [self._as_listed(output) for output in self.outputs]
        if builder.facts.version >= 3 and any(kind_of(entry) in _TAKES_MASKS_OFF for entry in self.entries.values()):
            order = run_order(self.calls, self.outputs)
            self.entries = {name: self.entries[name] for name in order}
        self.parts = _split(layer.tensors, self.entries)
        self.results = self._results()
        self.made: dict[tuple[str, int, int], Outputs] = {}
        """(layer, call, call of this model) -> values."""

    def run(self) -> list[Outputs]:
        self._take_inputs()
        done = dict.fromkeys((name for name in self.entries if name not in {r.layer for r in self.inputs}), 0)
        while done:
            before = dict(done)
            for name in before:
                done[name] = self._advance(name, done[name])
                if done[name] == len(self.calls[name]):
                    del done[name]
            if done == before:
                stuck = ", ".join(done)
                what = f"expected inputs of layers {stuck} that some layer makes"
                raise DamagedFile(self.builder.place_of(self.layer), what)
        outer = [call.index for call in self.layer.calls]
        return [tuple(self._value(reference, index) for reference in self.outputs) for index in outer]

    def _first_calls(self) -> dict[str, int]:
        """The number of each layer's first listed call: a model's call on its own inputs, number 0, is not listed by
        Keras 1 and 2. Every listed call is used, so the highest number tells."""
        if any(isinstance(node, Mapping) for entry in self.entries.values() for node in entry.get("inbound_nodes", [])):
            return dict.fromkeys(self.entries, 0)
        used: dict[str, int] = {}
        for reference in [r for calls in self.calls.values() for call in calls for r in call.references] + self.outputs:
            used[reference.layer] = max(used.get(reference.layer, 0), reference.call)
        return {
            name: 1 if _is_model(entry) and used.get(name, 0) >= len(self.calls[name]) else 0
            for name, entry in self.entries.items()
        }

    def _results(self) -> dict[str, int]:
        """How many results each layer has, as far as others take them."""
        found: dict[str, int] = {}
        for reference in [r for calls in self.calls.values() for call in calls for r in call.references] + self.outputs:
            found[reference.layer] = max(found.get(reference.layer, 1), reference.output + 1)
        return found

    def _as_listed(self, output: Reference) -> Reference:
        """Keras 3 counts the calls of a Functional from 1 among the outputs, and from 0 everywhere else."""
        entry = self.entries[output.layer]
        keras3 = any(isinstance(node, Mapping) for node in entry.get("inbound_nodes", []))
        counted = keras3 and entry.get("class_name") in ("Functional", "Model")
        return output._replace(call=output.call - 1) if counted else output

    def _take_inputs(self) -> None:
        builder, layer = self.builder, self.layer
        names = [reference.layer for reference in self.inputs]
        if not layer.name:
            for name in names:
                self.made[name, 0, 0] = (_graph_input(builder, self.entries[name]),)
            return
        for call in layer.calls:
            given = _arranged(call, layer.config["input_layers"], names)
            if len(given) != len(names):
                raise DamagedFile(builder.place_of(layer), f"takes {len(names)} inputs, got {len(given)}")
            self.made |= {(name, 0, call.index): (value,) for name, value in zip(names, given, strict=True)}

    def _advance(self, name: str, done: int) -> int:
        """Place the calls of a layer whose inputs are there; how many calls are done then."""
        calls = self.calls[name][done:]
        waits = (any(not self._is_made(r) for r in call.references) for call in calls)
        ready = next((i for i, waiting in enumerate(waits) if waiting), len(calls))
        if not ready:
            return done
        many, first = len(self.calls[name]), self.first[name]
        places = [(outer.index, done + i) for outer in self.layer.calls for i in range(ready)]
        taken = [self._resolved(name, self.calls[name][i], outer, outer * many + i) for outer, i in places]
        self._without_numbers(name, taken)
        placed = _inner(self.builder, self.layer, self.entries[name], self.parts[name], taken)
        for (outer, i), values in zip(places, self.builder.add(placed), strict=True):
            self.made[name, first + i, outer] = values
        return done + ready

    def _without_numbers(self, name: str, calls: Sequence[KerasCall]) -> None:
        """Note a problem for what only operators take: arguments that are no tensors."""
        kind = kind_of(self.entries[name])
        if kind.startswith("ops.") or kind in TENSORFLOW_OPERATORS:
            return
        where = f"{self.builder.facts.path}: layer {name} ({kind})"
        given = {repr(leaf) for call in calls for leaf in leaves(call.arguments) if not isinstance(leaf, Value | None)}
        given |= {
            f"an array as its {word}"
            for call in calls
            for word in _TENSORS & call.keywords.keys()
            if not all(isinstance(leaf, Value | None) for leaf in leaves(call.keywords[word]))
        }
        for what in sorted(given):
            self.builder.problems.add(where, f"is called on {what}, which irconv does not read")

    def _is_made(self, reference: Reference) -> bool:
        return (reference.layer, reference.call, self.layer.calls[0].index) in self.made

    def _value(self, reference: Reference, outer: int) -> Value:
        made = self.made[reference.layer, reference.call, outer]
        if reference.output < len(made):
            return made[reference.output]
        inner = f"{self.layer.name}/{reference.layer}" if self.layer.name else reference.layer
        what = f"is taken to have a result {reference.output}, but it has {len(made)} as irconv reads it"
        self.builder.problem(inner, what)
        return value_name(inner, reference.call, reference.output)

    def _resolved(self, name: str, call: Call, outer: int, index: int) -> KerasCall:
        arguments = tuple(self._filled(argument, outer) for argument in call.arguments)
        values = tuple(leaf for leaf in leaves(arguments) if isinstance(leaf, Value))
        keywords = self._filled(call.keywords, outer)
        return KerasCall(index, values, keywords, arguments, self.results.get(name, 1))

    def _filled(self, value: Any, outer: int) -> Any:
        """Arguments with values in the place of references."""
        if isinstance(value, Reference):
            return self._value(value, outer)
        if isinstance(value, Mapping):
            return {key: self._filled(part, outer) for key, part in value.items()}
        return [self._filled(part, outer) for part in value] if isinstance(value, list) else value


def _inner(
    builder: Builder,
    layer: KerasLayer,
    entry: Mapping[str, Any],
    tensors: Mapping[str, Any],
    calls: Sequence[KerasCall],
) -> KerasLayer:
    """A layer of a model, under a name that is unique in the outermost one."""
    name, kind, config = _name(entry), kind_of(entry), entry["config"]
    unique = builder.named(f"{layer.name}/{name}" if layer.name else name)
    builder.where[unique] = f"{builder.facts.path}: layer {unique} ({kind})"
    builder.scope = layer.name
    settings = {} if kind in MODELS or not isinstance(config, Mapping) else dict(config)
    origin = Origin(framework="keras", type=kind, name=name, config=settings, split_from=None)
    body = config if isinstance(config, Mapping) else {"layers": config}
    return KerasLayer(kind, unique, dict(body), tensors, tuple(calls), origin)


def _is_model(entry: Mapping[str, Any]) -> bool:
    """Whether a layer is a model, be it of a class of the user's own."""
    config = entry.get("config")
    return entry.get("class_name") in MODELS or (isinstance(config, Mapping) and isinstance(config.get("layers"), list))


def kind_of(entry: Mapping[str, Any]) -> str:
    """The kind of a serialised layer: operators of Keras 3 are ``ops.Add`` and so on."""
    kind = str(entry.get("class_name"))
    return f"ops.{kind}" if is_operator(entry) else kind


#: What is no operator of `keras.ops` though its config does not say whether it is trained: layers of Keras 3, and
#: activations called as functions.
WITHOUT_TRAINABLE = ("Discretization", "ReLU", *(f"SpatialDropout{n}D" for n in (1, 2, 3)))


def is_operator(entry: Mapping[str, Any]) -> bool:
    """Whether this is an operator of Keras 3, not a layer: HDF5 files of Keras 3 leave out its module, but every layer
    has a config that says whether it is trained."""
    module, nodes = str(entry.get("module", "")), entry.get("inbound_nodes") or []
    if module:
        return is_own(entry) and (".ops." in module or module == "keras.ops")
    keras3 = bool(nodes) and isinstance(nodes[0], Mapping) and {"args", "kwargs"} <= set(nodes[0])
    layers = (*MODELS, *WITHOUT_TRAINABLE)
    return keras3 and entry["class_name"] not in layers and "trainable" not in entry["config"]


def _name(entry: Mapping[str, Any]) -> str:
    config = entry["config"]
    return str(entry.get("name") or (config["name"] if isinstance(config, Mapping) else ""))


def _split(tensors: Mapping[str, Any], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The tensors of each layer of a model."""
    parts: dict[str, dict[str, Any]] = {segment(name): {} for name in names}
    for path, weight in tensors.items():
        name, _, local = path.partition("/")
        if name in parts:
            parts[name][local] = weight
    return {shown(name): found for name, found in parts.items()}


def _arranged(call: KerasCall, input_layers: Any, names: Sequence[str]) -> list[Value]:
    """The values that a call gives to the inputs of a model; a mapping names them."""
    given = call.arguments[0] if len(call.arguments) == 1 else None
    if not isinstance(given, Mapping):
        return list(call.inputs)
    keys = sorted(input_layers) if isinstance(input_layers, Mapping) else names
    return [given[key] for key in keys if key in given]


def _graph_input(builder: Builder, entry: Mapping[str, Any]) -> Value:
    name = _name(entry)
    builder.where[name] = f"{builder.facts.path}: layer {name} (InputLayer)"
    if name not in builder.inputs:
        builder.inputs[name] = input_port(builder, name, entry["config"])
    return value_name(name)


def _entrance(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of what says the shape of a model's one input: an InputLayer, or the first layer of a chain."""
    config, entries = model["config"], layers_of(model["config"])
    if model.get("class_name") in MODELS and isinstance(config, Mapping) and config.get("input_layers"):
        named = references(config["input_layers"])[0].layer
        entries = [entry for entry in entries if _name(entry) == named]
    if not entries:
        return {}
    first = entries[0]
    if first.get("class_name") in MODELS and not (first.get("config") or {}):
        return {}
    if first.get("class_name") in MODELS:
        return _entrance(first)
    return first["config"] if isinstance(first.get("config"), Mapping) else {}


def _with_input(builder: Builder, layer: KerasLayer, entries: list[Any]) -> list[Any]:
    """The layers of the outermost Sequential, the first of which is an InputLayer (there is none before 2.2.5)."""
    first = entries[0]
    if first.get("class_name") == "InputLayer":
        return entries
    settings = first["config"] if isinstance(first["config"], Mapping) else {}
    if first.get("class_name") in MODELS:
        settings = _entrance(first) or settings
    body = layer.config if isinstance(layer.config, Mapping) else {}
    shape = settings.get("batch_input_shape") or settings.get("batch_shape") or body.get("build_input_shape")
    name, dtype = f"{_name(first)}_input", settings.get("dtype", "float32")
    if not shape and builder.facts.input_shape:
        _, sizes = said_shape(builder.facts.input_shape[0].partition(":")[0])
        shape = [size if isinstance(size, int) else None for size in sizes]
    if not shape:
        what = "expected batch_input_shape on the first layer of a Sequential model, but it was never built"
        raise Refused(f"{builder.facts.path}: layer {_name(first)}", what, "Give --input-shape, such as N,28,28,1.")
    config = {"batch_input_shape": shape, "dtype": dtype if isinstance(dtype, str) else "float32", "name": name}
    return [{"class_name": "InputLayer", "config": config}, *entries]
