"""What one call of a package's layer computes, drawn step by step as operators of Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import Parameter, signature
from typing import Any, TypeAlias

from irconv.codec import NativeWeight, OfShape, SizeOf
from irconv.errors import MALFORMED
from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.composites.operators import add
from irconv.frameworks.keras.packages.variables import INSIDE
from irconv.ir.shapes import Dimension
from irconv.layout import Array

Sizes: TypeAlias = tuple[Dimension, ...]
Rule: TypeAlias = Callable[..., "Value | Outputs"]
"""Takes a `Drawing` and the arguments of the layer's call by the names that the layer gives them; gives its result."""
Expansion: TypeAlias = Callable[[Builder, KerasLayer], list[Outputs]]

#: Layers inside of others -> the setting that is the last size of their kernel.
_SIZED = {"Conv1D": "filters", "Conv2D": "filters", "Dense": "units"}


class Drawing:
    """One call of a layer while it becomes operators; see the module."""

    def __init__(self, builder: Builder, layer: KerasLayer, call: KerasCall) -> None:
        self.builder, self.layer, self.call = builder, layer, call
        self.config: Mapping[str, Any] = layer.config
        self._steps = 0

    def __call__(self, kind: str, *tensors: Any, **settings: Any) -> Value:
        """The value of an operator of `keras.ops`: values, numbers and lists of them are its tensors."""
        return self.many(kind, 1, *tensors, **settings)[0]

    def many(self, kind: str, results: int, *tensors: Any, **settings: Any) -> Outputs:
        """The values of an operator that makes so many."""
        self._steps += 1
        part = f"{kind.lower()}_{self._steps}"
        return add(self.builder, self.layer, self.call.index, kind, tensors, settings, part, results)

    def has(self, name: str) -> bool:
        """Whether the layer has a weight of this name."""
        return name in self.layer.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a weight. Raises `KeyError`."""
        return self.layer.tensors[name].data.shape

    def weight(self, name: str) -> Value:
        """A weight of the layer as a value, the same for all its calls."""
        made = Value(f"{self.layer.name}.{name}")
        if made not in self.builder.layers:
            weight = self.layer.tensors[name]
            self.builder.place("variable", made, {}, {"value": weight}, self.layer.part, of=self.layer.name)
            self.builder.use(made, (), (made,))
        return made

    def numbers(self, array: Any, dtype: str = "float32") -> Value:
        """Numbers that follow from the settings alone."""
        return self._constant(array, dtype)

    def worked_out(self, value: Value, rule: Callable[[Sizes], Array], dtype: str = "float32") -> Value:
        """Numbers that follow from the shape of a value, too."""
        return self._constant(OfShape(value, rule), dtype)

    def size(self, value: Value, axis: int) -> SizeOf:
        """A size of a value, for settings."""
        return SizeOf(value, axis)

    def of_shape(self, value: Value, rule: Callable[[Sizes], Any]) -> OfShape:
        """What a rule makes of the shape of a value, for settings."""
        return OfShape(value, rule)

    def parts(self, *names: str) -> dict[str, NativeWeight]:
        """Some of the layer's weights, by the last part of their names."""
        return {name.rpartition("/")[2]: self.layer.tensors[name] for name in names if name in self.layer.tensors}

    def inner(self, path: str, *inputs: Value, calling: Mapping[str, Any] | None = None, **settings: Any) -> Value:
        """The result of a layer inside of this one, whose weights are those under `path`; `settings` of it that the
        config does not say, and arguments by name."""
        entry = self._entry(path)
        config = {"dtype": self.config.get("dtype"), **entry["config"], **settings}
        if entry["class_name"] in _SIZED:  # what the kernel says, too
            config.setdefault(_SIZED[entry["class_name"]], self.shape(f"{path}/kernel")[-1])
        call = KerasCall(self.call.index, inputs, dict(calling or {}), inputs)
        made = self.builder.sublayer(self.layer, {**entry, "config": config}, path, (call,))
        return self.builder.add(made)[0][0]

    def _entry(self, path: str) -> Mapping[str, Any]:
        """The layer at a path below this one, whose parts may be attributes of a list: ``layers/0``."""
        kind, config, left = self.layer.kind, self.config, path
        while True:
            found = dict(INSIDE[kind](config))
            head = next(key for key in found if left == key or left.startswith(f"{key}/"))
            if left == head:
                return found[head]
            kind, config, left = str(found[head]["class_name"]), found[head]["config"], left[len(head) + 1 :]

    def own(
        self,
        kind: str,
        part: str,
        config: Mapping[str, Any],
        *inputs: Value,
        path: str | None = None,
        tensors: Mapping[str, NativeWeight] | None = None,
    ) -> Value:
        """The result of a layer of Keras with the weights under `path`, which is its part unless said. With the empty
        path they are those of this layer itself, or `tensors`."""
        call = KerasCall(self.call.index, inputs, {}, inputs)
        name = f"{self.layer.name}/{part}"
        entry = {"class_name": kind, "config": {"dtype": self.config.get("dtype"), **config}}
        made = self.builder.sublayer(self.layer, entry, path or part, (call,), name)
        if path == "":
            made = replace(made, tensors=self.layer.tensors if tensors is None else tensors)
        return self.builder.add(made)[0][0]

    def activation(self, word: Any, value: Value) -> Value:
        """A value after the activation that a setting names."""
        if word in (None, "linear"):
            return value
        self._steps += 1
        return self.own("Activation", f"activation_{self._steps}", {"activation": word}, value)

    def problem(self, what: str) -> None:
        """Note why the layer cannot be read."""
        self.builder.problem(self.layer.name, what)

    def _constant(self, value: Any, dtype: str) -> Value:
        self._steps += 1
        call = f"#{self.call.index}" if self.call.index else ""
        name = Value(f"{self.layer.name}.numbers_{self._steps}{call}")
        self.builder.place("numbers", name, {}, origin=self.layer.part, of=self.layer.name)
        native = self.builder.layers[name]
        config = {"value": value, "dtype": dtype, "name": str(name)}
        self.builder.layers[name] = replace(native, config=config)
        self.builder.use(name, (), (name,))
        return name


def _alone(argument: Any) -> Any:
    """An argument without the list round a value that is its only one."""
    only = isinstance(argument, list) and len(argument) == 1 and isinstance(argument[0], Value)
    return argument[0] if only else argument


def drawn(rule: Rule, masks: bool = False) -> Expansion:
    """How a layer whose calls compute what a rule says is placed; `masks`: it hands the mask of its first input on."""
    parameters = list(signature(rule).parameters.values())[1:]
    names = [parameter.name for parameter in parameters]

    def expansion(builder: Builder, layer: KerasLayer) -> list[Outputs]:
        return [_one(builder, layer, call) for call in layer.calls]

    def _one(builder: Builder, layer: KerasLayer, call: KerasCall) -> Outputs:
        given = dict(zip(names, map(_alone, call.arguments), strict=False)) | dict(call.keywords)
        given = {name: value for name, value in given.items() if value is not None}
        first = call.inputs[0] if call.inputs else next(v for v in given.values() if isinstance(v, Value))
        mask = builder.masks.get(first)
        result = value_name(layer.name, call.index)
        needed = [p.name for p in parameters if p.default is Parameter.empty and p.name not in given]
        beyond = {name: value for name, value in given.items() if name not in names}
        if beyond or needed or len(call.arguments) > len(names):
            said = f"the arguments {beyond}" if beyond else f"{len(call.arguments)} values"
            builder.problem(layer.name, f"is called with {said}, which irconv does not read")
            return (result,)
        try:
            made = rule(Drawing(builder, layer, call), **given)
        except MALFORMED as error:
            what = "expected the weights and settings of its package, but something is missing or of another kind"
            what = f"{what}: {error!r}"
            builder.problem(layer.name, what)
            return (result,)
        values = (made,) if isinstance(made, Value) else made
        if masks and mask is not None:
            builder.masks[result] = mask
        builder.place("ops.Copy", layer.name, {}, origin=layer.origin)
        builder.use(layer.name, (values[0],), (result,))
        return (result, *values[1:])

    return expansion
