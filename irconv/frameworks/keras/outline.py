"""A Keras model on its way out: layers with their calls, before a dialect spells them.

`outline` makes it of what `irconv.translate.encode` gives; `irconv.frameworks.keras.joins` then puts together what
reading took apart, and `irconv.frameworks.keras.nesting` makes models inside the model again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from irconv.codec import Native, NativeModel, NativeUse
from irconv.errors import Refused
from irconv.frameworks.keras import attention_calls
from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.composites.recurrent import STATES
from irconv.frameworks.keras.outlined import Argument, Call, Outline, Outlined, values_in
from irconv.frameworks.keras.recurrent_calls import Pending, settle
from irconv.ir.graph import Port
from irconv.ir.layers.base import ValueType, broadcast
from irconv.ir.shapes import Shape
from irconv.ir.tensors import LazyTensor

#: Layers whose call takes a list of values.
MERGES = frozenset(["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"])

#: Merge layers -> the operator that does the same to two values, with numpy's broadcasting.
_OPERATORS = {kind: f"ops.{kind}" for kind in ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Concatenate")}

#: Operators whose function takes a list of values.
_LISTED = frozenset(["ops.Concatenate", "ops.Stack", "ops.Hstack", "ops.Vstack", "ops.Dstack", "ops.Meshgrid"])


def uses_of(layers: Sequence[Outlined]) -> Counter[str]:
    """How often each value is taken by a call."""
    return Counter(
        value
        for layer in layers
        for call in layer.calls
        for value in values_in([*call.arguments, *call.keywords.values()])
    )


def outline(
    name: str, model: NativeModel, types: Mapping[str, ValueType], constants: Mapping[str, LazyTensor]
) -> Outline:
    """The layers of a native model in the order of their first calls; constants stand in the calls themselves."""
    maker = _Maker(model, types, constants)
    for port in model.inputs:
        maker.input(port)
    for use in model.uses:
        maker.add(use)
    maker.settle()
    maker.drop_unused()
    outputs = [Value(port.value) for port in model.outputs]
    inputs = [Value(port.value) for port in model.inputs]
    return Outline(name, list(maker.layers.values()), inputs, outputs, maker.types)


def taken_for_bias(first: Shape, second: Shape) -> bool:
    """Whether Keras' ``add`` on TensorFlow lays the second value along a wrong axis of the first.

    Keras 3.15.1, ``backend/tensorflow/numpy.py``: what has one axis of several elements is a bias of the last axis of
    the first value, or of its axis 1, where either is as long, wherever numpy's rules put it.
    """
    long = [i - len(second) for i, size in enumerate(second) if size != 1]
    if len(long) != 1 or len(first) < 2 or not isinstance(size := second[long[0]], int):
        return False
    if size not in (first[1], first[-1]):
        return False
    axis = -1 if first[-1] == size else 1 - len(first)
    return axis != long[0] or len(second) > len(first)


class _Maker:
    def __init__(self, model: NativeModel, types: Mapping[str, ValueType], constants: Mapping[str, LazyTensor]) -> None:
        self.model, self.types, self.constants = model, dict(types), constants
        self.layers: dict[str, Outlined] = {}
        self.pending: dict[str, Pending] = {}

    def input(self, port: Port) -> None:
        shape = [size if isinstance(size, int) else None for size in port.shape]
        config = {"batch_input_shape": shape, "dtype": port.dtype}
        made = Outlined("InputLayer", port.value, config, {}, [Call([], (Value(port.value),))])
        self.layers[f"{port.value}/InputLayer"] = made  # a layer may be called as an input is

    def add(self, use: NativeUse) -> None:
        native = self.model.layers[use.layer]
        if native.type == "constant" or all(value in self.constants for value in use.outputs):
            return
        given = [self.constants.get(value, Value(value)) for value in use.inputs]
        if native.type in STATES:
            pending = self.pending.setdefault(use.layer, Pending(native, use.layer))
            pending.calls.append((given, use.outputs, use.scope))
            return
        outputs = tuple(Value(value) for value in use.outputs)
        if native.type in attention_calls.KINDS:
            layer = self._layer(native, use.layer)
            narrow = partial(self._narrow, scope=use.scope)
            layer.calls.append(attention_calls.call(layer, given, outputs, use.scope, narrow))
            return
        several = len(given) > 2 and native.type in _OPERATORS.values() and native.type not in _LISTED
        if several or (native.type in MERGES and not self._merges(native, given)):
            self._operators(native, use, given, outputs)
            return
        if native.type == "ops.Add":
            given = self._added(use.layer, given)
        listed = native.type in MERGES or native.type in _LISTED
        self._layer(native, use.layer).calls.append(Call([given] if listed else given, outputs, scope=use.scope))

    def _narrow(self, mask: Value, scope: str) -> Value:
        """A mask without its axis of queries, which has one element."""
        widened = (layer for layer in self.layers.values() if layer.kind == "ops.ExpandDims")
        for layer in widened:
            for call in layer.calls:
                if mask in call.outputs and layer.config["axis"] == [1] and isinstance(call.arguments[0], Value):
                    return call.arguments[0]
        value, kind = Value(f"{mask}.narrow"), self.types[mask]
        made = Outlined("ops.Squeeze", str(value), {"axis": [1]}, {}, [Call([mask], (value,), scope=scope)])
        self.layers.setdefault(f"{value}/ops.Squeeze", made)
        self.types[value] = ValueType(kind.dtype, (kind.shape[0], *kind.shape[2:]))
        return value

    def settle(self) -> None:
        """Make the layers that have to know all of their calls."""
        for name, pending in self.pending.items():
            self.layers |= {f"{name}/{layer.kind}": layer for layer in settle(pending, self.types)}

    def drop_unused(self) -> None:
        """Leave out what nobody takes, such as the wide form of a mask that a layer takes narrow."""
        wanted = uses_of([*self.layers.values()])
        wanted.update(port.value for port in self.model.outputs)
        for name, layer in reversed(list(self.layers.items())):
            made = {value for call in layer.calls for value in call.outputs}
            if layer.kind != "InputLayer" and not layer.weights and not any(wanted[value] for value in made):
                wanted.subtract(uses_of([layer]))
                del self.layers[name]

    def _layer(self, native: Native, name: str) -> Outlined:
        made = Outlined(native.type, name, dict(native.config), dict(native.tensors), origin=native.origin)
        return self.layers.setdefault(name, made)

    def _merges(self, native: Native, given: Sequence[Argument]) -> bool:
        """Whether Keras' merge layer does what the IR means: it takes values only, pads ranks in its own way, and
        spreads no batch of one."""
        if native.type not in _OPERATORS:
            return True
        if not all(isinstance(argument, Value) for argument in given):
            return False
        shapes = [self.types[value].shape for value in given if isinstance(value, Value)]
        batches = {shape[0] for shape in shapes if shape and isinstance(shape[0], int)}
        if len({len(shape) for shape in shapes}) > 1 or len(batches) > 1:
            return False
        return native.type != "Add" or not any(taken_for_bias(shapes[0], shape) for shape in shapes[1:])

    def _added(self, name: str, given: Sequence[Argument]) -> list[Argument]:
        """Two values to add, in an order in which Keras' ``add`` spreads neither along another axis than the IR."""
        shapes = [self.types[x].shape if isinstance(x, Value) else x.shape for x in given]
        if not taken_for_bias(*shapes):
            return list(given)
        if taken_for_bias(*reversed(shapes)):
            what = f"adds shapes {shapes[0]} and {shapes[1]}, of which Keras' add on TensorFlow takes one for a bias"
            raise Refused(f"layer {name}", what, "Give one of them an axis more.")
        return list(reversed(given))

    def _operators(self, native: Native, use: NativeUse, given: Sequence[Argument], outputs: tuple[Value, ...]) -> None:
        """A merge as operators on two values, or on a list where the operator takes one."""
        kind, (result,) = _OPERATORS.get(native.type, native.type), outputs
        if kind in _LISTED:
            made = Outlined(kind, str(result), {"axis": native.config["axis"]}, {}, origin=native.origin)
            made.calls.append(Call([list(given)], outputs, scope=use.scope))
            self.layers[f"{result}/{kind}"] = made
            return
        left = given[0]
        for position, right in enumerate(given[1:], 1):
            value = result if position == len(given) - 1 else Value(f"{result}.{position}")
            made = Outlined(kind, str(value), {}, {}, origin=native.origin)
            both = self._added(use.layer, [left, right]) if kind == "ops.Add" else [left, right]
            made.calls.append(Call(both, (value,), scope=use.scope))
            shape = broadcast([self.types[x].shape if isinstance(x, Value) else x.shape for x in (left, right)])
            self.types.setdefault(value, ValueType(self.types[result].dtype, shape))
            self.layers[f"{value}/{kind}"], left = made, value
