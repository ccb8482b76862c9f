"""The config of a model in a dialect: what ``model_config``, ``config.json`` and ``model.to_json()`` hold.

Keras 2 writes a call as ``[[layer, call, output, keywords], ...]``, Keras 3 as ``args`` and ``kwargs`` in which each
value is a ``__keras_tensor__``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from irconv.errors import Problems
from irconv.frameworks.keras import functions, graph_ops
from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.dialect import UNSAID, UNTRAINED, Dialect, Unsayable, operator, operator_settings, spell
from irconv.frameworks.keras.naming import OPERATOR_PREFIX
from irconv.frameworks.keras.outlined import Argument, Call, Outline, Outlined, values_in
from irconv.frameworks.keras.training import masked_queries, training_settings
from irconv.frameworks.keras.weights_write import has_all_weights
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.base import ValueType
from irconv.ir.shapes import symbols
from irconv.ir.tensors import LazyTensor


def model_config(model: Outline, dialect: Dialect) -> dict[str, Any]:
    """The model as JSON. Raises `Refused` naming every layer that the dialect cannot say."""
    problems = Problems()
    config = _Writer(dialect, problems).model(model)
    problems.raise_any()
    return config


class _Writer:
    def __init__(self, dialect: Dialect, problems: Problems) -> None:
        self.dialect, self.problems = dialect, problems
        self.makers: dict[str, tuple[Outlined, int, int]] = {}
        self.types: Mapping[str, ValueType] = {}

    def model(self, model: Outline) -> dict[str, Any]:
        """A model with all its layers."""
        outer = self.makers, self.types
        self.makers, self.types = model.makers(), model.types
        entries = [self._layer(layer, model.sequential) for layer in model.layers]
        if model.sequential and self.dialect.name in ("2.3", "1.15"):  # the first layer says what the model takes
            said, *entries = entries
            taken = {key: said["config"][key] for key in ("batch_input_shape", "dtype")}
            entries[0]["config"] = {**entries[0]["config"], **taken}
        body: dict[str, Any] = {"name": model.name, "layers": entries}
        if self.dialect.name in ("2.15", "3"):
            body = {"name": model.name, "trainable": True, "layers": entries}
        if not model.sequential:
            flat = self.dialect.is_keras_3
            body["input_layers"] = _single([self._reference(value) for value in model.inputs], flat)
            body["output_layers"] = _single([self._reference(value) for value in model.outputs], flat)
        self.makers, self.types = outer
        return self._entry("Sequential" if model.sequential else self.dialect.model, body)

    def _entry(self, kind: str, config: dict[str, Any]) -> dict[str, Any]:
        if not self.dialect.is_keras_3:
            return {"class_name": kind, "config": config}
        if kind == self.dialect.model:
            return {
                "module": "keras.src.models.functional",
                "class_name": kind,
                "config": config,
                "registered_name": kind,
            }
        module = "keras" if kind == "Sequential" else "keras.layers"
        return {"module": module, "class_name": kind, "config": config, "registered_name": None}

    def _layer(self, layer: Outlined, in_a_chain: bool) -> dict[str, Any]:
        try:
            entry, calls = self._described(layer), None
            for call in layer.calls:
                if layer.kind != "InputLayer" and not values_in([*call.arguments, *call.keywords.values()]):
                    raise Unsayable(self._of_constants(call))
            if not in_a_chain:
                calls = [self._call(layer, call) for call in layer.calls if layer.kind != "InputLayer"]
        except Unsayable as error:
            self.problems.add(f"layer {layer.name} ({layer.kind})", str(error))
            return {"class_name": layer.kind, "config": {}}
        if calls is not None:
            entry |= {"name": layer.name, "inbound_nodes": calls}
        return entry

    def _of_constants(self, call: Call) -> str:
        """What is to be done of a value that no input goes into; it is merged once its sizes are numbers."""
        sizes = [size for value in call.outputs if value in self.types for size in self.types[value].shape]
        if not (left := sorted(set[str]().union(*map(symbols, sizes)))):
            return "is computed from constants alone, and --merge computes it"
        return (
            f"is computed from constants and from {' and '.join(left)} alone, which the inputs leave open; "
            "--input-shape with numbers for them makes it a constant"
        )

    def _described(self, layer: Outlined) -> dict[str, Any]:
        """A layer without its calls."""
        if layer.model is not None:
            return self.model(layer.model)
        if layer.kind == "InputLayer":
            return self._entry("InputLayer", self._input(layer))
        if layer.kind.startswith("ops."):
            return self._operator(layer)
        if layer.weights and not has_all_weights(layer):
            raise Unsayable(f"irconv does not know where {self.dialect} keeps its weights")
        config: dict[str, Any] = {"name": layer.name, "trainable": True, "dtype": self._policy(layer)}
        if self.dialect.is_keras_3 and layer.kind in UNTRAINED:
            del config["trainable"]
        settings = masked_queries(layer, self.dialect, training_settings(layer, self.dialect))
        config |= settings | spell(self.dialect, layer.kind, layer.config)
        return self._entry(layer.kind, config | {"name": layer.name})

    def _policy(self, layer: Outlined) -> str:
        """The floating type that a layer computes in. Raises `Unsayable` for one that is not written yet."""
        given = {self.types[value].dtype for call in layer.calls for value in call.outputs if value in self.types}
        floats = given & {"float16", "bfloat16", "float64"}
        kept = {weight.data.dtype for weight in layer.weights.values()}
        if not floats and kept <= {"float32", "int64", "int32"}:
            return "float32"
        halves = ({"float16"}, {"bfloat16"}) if self.dialect.is_keras_3 else ({"float16"},)
        if floats in (*halves, {"float64"}) and given == floats and kept <= floats:
            return floats.pop()
        types = ", ".join(sorted(floats | kept))
        raise Unsayable(f"computes in {types}, which irconv does not write for {self.dialect} yet")

    def _input(self, layer: Outlined) -> dict[str, Any]:
        shape, dtype = layer.config["batch_input_shape"], layer.config["dtype"]
        if self.dialect.is_keras_3:
            return {"batch_shape": shape, "dtype": dtype, "sparse": False, "ragged": False, "name": layer.name}
        ragged = {} if self.dialect.name == "2.3" else {"ragged": False}
        return {"batch_input_shape": shape, "dtype": dtype, "sparse": False, **ragged, "name": layer.name}

    def _operator(self, layer: Outlined) -> dict[str, Any]:
        kind = layer.kind.removeprefix("ops.")
        if not self.dialect.has_operator(kind):
            raise Unsayable(f"{self.dialect} has no layer for the operator {kind}")
        if not self.dialect.is_keras_3:
            if self.dialect.operators == "TensorFlowOpLayer":
                return self._entry("TensorFlowOpLayer", self._node(layer)[0])
            return self._entry(*functions.layer(kind, layer.name))
        module, settings = operator(kind)
        said = operator_settings(kind, layer.config)
        config = {"name": layer.name} | {key: value for key, value in said.items() if key in settings}
        return {"module": module, "class_name": kind, "config": config, "registered_name": kind}

    # calls --------------------------------------------------------------------------------------------------------

    def _call(self, layer: Outlined, call: Call) -> Any:
        if self.dialect.is_keras_3:
            arguments, keywords = call.arguments, dict(call.keywords)
            if layer.kind.startswith("ops."):
                kind = layer.kind.removeprefix("ops.")
                settings = operator(kind)[1]
                left = {
                    key: value for key, value in operator_settings(kind, layer.config).items() if key not in settings
                }
                for key in [*UNSAID.get(kind, {})][: len(arguments) - 1]:
                    del left[key]  # said in its place
                keywords |= {key: _slices(value) if key == "key" else value for key, value in left.items()}
                keywords.pop("cuts", None)
            encoded = {key: self._keras3(value) for key, value in keywords.items()}
            typed = layer.kind.startswith("ops.Bitwise")  # these ask a plain number for its element type
            return {"args": [self._keras3(argument, typed) for argument in arguments], "kwargs": encoded}
        if layer.kind.startswith("ops."):
            return self._function_call(layer, call)
        listed = [value for part in call.arguments for value in (part if isinstance(part, list) else [part])]
        listed += call.keywords.get("initial_state", [])
        if isinstance(call.keywords.get("mask"), list):
            raise Unsayable(f"{layer.kind} of {self.dialect} takes masks from the layers before it only")
        keywords = {key: self._keras2(value) for key, value in call.keywords.items() if key != "initial_state"}
        if not all(isinstance(value, Value) for value in listed):
            raise Unsayable(f"a layer of {self.dialect} cannot be called on a constant")
        return [[*self._reference(value), keywords] for value in listed]

    def _function_call(self, layer: Outlined, call: Call) -> Any:
        """A call of ``TFOpLambda``: the first argument stands for itself, the others are keywords."""
        if self.dialect.operators == "TensorFlowOpLayer":
            return [[*self._reference(value), {}] for value in self._node(layer)[1]]
        kind = layer.kind.removeprefix("ops.")
        first, keywords = functions.call(kind, layer.config, [self._keras2(part) for part in call.arguments])
        if isinstance(call.arguments[0], list):
            made = zip(call.arguments[0], first, strict=True)
            return [
                [*said, keywords] if isinstance(part, Value) else ["_CONSTANT_VALUE", -1, said, keywords]
                for part, said in made
            ]
        if isinstance(call.arguments[0], Value):
            return [*first, keywords]
        return ["_CONSTANT_VALUE", -1, first, keywords]

    def _node(self, layer: Outlined) -> tuple[dict[str, Any], list[Any]]:
        """The config of a ``TensorFlowOpLayer``, which holds its constants, and the values it is called on."""
        kind = layer.kind.removeprefix("ops.")
        if len(layer.calls) != 1:
            raise Unsayable(f"{self.dialect} calls a {kind} once, got {len(layer.calls)} calls")
        (call,) = layer.calls
        name = layer.name.removeprefix(OPERATOR_PREFIX)
        same, others = graph_ops.typed(kind, call.arguments)
        dtypes = {self.types[value].dtype for value in values_in(list(same))}
        constant = any(
            not isinstance(value, Value) for part in same for value in (part if isinstance(part, list) else [part])
        )
        if len(dtypes) != 1 or dtypes - graph_ops.TYPES.keys() or (constant and dtypes - {*graph_ops.CONSTANTS}):
            got = ", ".join(sorted(dtypes)) or "constants alone"
            raise Unsayable(f"{self.dialect} takes a value and float32 constants in a {kind}, got {got}")
        if kind == "Cast" and layer.config["dtype"] not in graph_ops.TYPES:
            raise Unsayable(f"{self.dialect} casts to {', '.join(graph_ops.TYPES)}, got {layer.config['dtype']}")
        arguments = [list(map(_given, part)) if isinstance(part, list) else _given(part) for part in call.arguments]
        (dtype,) = dtypes
        places = next((self.types[value].dtype for value in values_in(list(others))), "int32")
        if kind == "Split" and not isinstance(layer.config["indices_or_sections"], int):
            raise Unsayable(f"{self.dialect} splits into pieces of one size")
        return graph_ops.node(
            kind, layer.config, name, (dtype, places), arguments, lambda part: not isinstance(part, Value)
        )

    def _reference(self, value: Value) -> list[Any]:
        layer, call, output = self.makers[value]
        # a model of Keras 2 counts the call that made itself
        return [layer.name, call + (layer.model is not None and not self.dialect.is_keras_3), output]

    def _keras2(self, argument: Argument) -> Any:
        if isinstance(argument, Value):
            return self._reference(argument)
        if isinstance(argument, list):
            return [self._keras2(part) for part in argument]
        return plain(argument)

    def _keras3(self, argument: Argument, typed: bool = False) -> Any:
        if isinstance(argument, Value):
            kind = self.types[argument]
            shape = [size if isinstance(size, int) else None for size in kind.shape]
            history = {"shape": shape, "dtype": kind.dtype, "keras_history": self._reference(argument)}
            return {"class_name": "__keras_tensor__", "config": history}
        if isinstance(argument, list):
            return [self._keras3(part) for part in argument]
        if isinstance(argument, slice):
            parts = {"start": argument.start, "stop": argument.stop, "step": argument.step}
            return {"class_name": "__slice__", "config": parts}
        if argument is Ellipsis:
            return {"class_name": "__ellipsis__", "config": {}}
        if isinstance(argument, LazyTensor) and (argument.shape or typed):
            return {"class_name": "__numpy__", "config": {"value": plain(argument), "dtype": argument.dtype}}
        return plain(argument)


def plain(argument: Argument) -> Any:
    """A constant as JSON has it: the shortest decimals that are the same numbers."""
    return shortest_float32(np.asarray(argument.numpy())) if isinstance(argument, LazyTensor) else argument


def _given(argument: Argument) -> Any:
    """A value as it is, and a constant as JSON has it."""
    return argument if isinstance(argument, Value) else plain(argument)


def _slices(key: list[Any]) -> list[Any]:
    """What stands between brackets, with the slices that irconv keeps as plain data."""
    words = {"...": Ellipsis}
    return [slice(*part.values()) if isinstance(part, Mapping) else words.get(part, part) for part in key]


def _single(references: list[list[Any]], flat: bool) -> Any:
    """Keras 3 leaves out the list where there is one."""
    return references[0] if flat and len(references) == 1 else references
