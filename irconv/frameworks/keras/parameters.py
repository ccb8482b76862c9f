"""Parameters that no layer of Keras holds become weights of layers, so that training changes them as it did.

A factor along the last axes is the kernel of an EinsumDense, a matrix that values are multiplied with that of a Dense.
Any other parameter is the kernel of an EinsumDense that is given a one, in the shape that it has: Keras calls layers on
values alone, and the one is made of an input. So is what has the batch size of an input but depends on nothing else.
Reading takes such ones away again (`irconv.frameworks.keras.held`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irconv.codec import NativeWeight
from irconv.data_classes import dataclass
from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.outline import uses_of
from irconv.frameworks.keras.outlined import Argument, Call, Outline, Outlined
from irconv.ir.layers.base import ValueType
from irconv.ir.shapes import static
from irconv.ir.tensors import LazyTensor
from irconv.layout import with_ones

#: Operators of two values that take them element by element.
_ELEMENTWISE = {
    f"ops.{kind}" for kind in ("Add", "Subtract", "Multiply", "TrueDivide", "Divide", "Maximum", "Minimum", "Power")
}
_LETTERS = "hijklm"
_KERNEL = "bcdefghi"
"""Letters for the axes of a parameter that is the value of a layer."""
_SPREAD = "nopqrstu"
"""Letters for axes that an ellipsis would stand for."""


@dataclass(frozen=True)
class Trained:
    """A parameter as the operators take it."""

    data: LazyTensor
    key: str
    """In the bundle; the weight of its layer keeps it where it lies as it did."""
    shape: tuple[int, ...]
    """The shape that the source had it in."""


def give_layers(model: Outline, trained: Sequence[Trained]) -> None:
    """Put layers in the place of operators on parameters, and of constants of a size not known; changes the model."""
    maker = _Maker(model, trained)
    for layer in list(model.layers):
        if layer.kind == "ops.BroadcastTo":
            maker.broadcast(layer)
        elif layer.kind.startswith("ops."):
            maker.operator(layer)
        if any(layer is other for other in model.layers):
            maker.hold(layer)


def _reshaped(constant: LazyTensor, shape: tuple[int, ...]) -> LazyTensor:
    """The same in a shape that has other axes of one."""
    change = with_ones(constant.shape, shape)
    return LazyTensor.of(constant.numpy().reshape(shape)) if change is None else constant.relayout(change)


class _Maker:
    def __init__(self, model: Outline, trained: Sequence[Trained]) -> None:
        self.model, self.trained = model, trained
        self.types: dict[str, ValueType] = dict(model.types)
        model.types = self.types
        self.held: dict[int, Value] = {}
        """A parameter -> its value, for each sample of a batch."""

    def operator(self, layer: Outlined) -> None:
        """An operator on a parameter, as a layer or on the value of a layer."""
        call = layer.calls[0]
        constants = [part for part in call.arguments if self._is_trained(part)]
        values = [part for part in call.arguments if isinstance(part, Value)]
        if len(layer.calls) != 1 or len(call.arguments) != 2 or len(constants) != 1 or len(values) != 1:
            return
        (constant,), (value,) = constants, values
        if layer.kind == "ops.Multiply" and (axes := self._trailing(constant, value)):
            self._scale(layer, constant, value, axes)
        elif layer.kind == "ops.Matmul" and len(constant.shape) == 2 and call.arguments[0] is value:
            layer.config = {"units": constant.shape[1], "use_bias": False, "activation": "linear"}
            self._become(layer, "Dense", constant, value)
        elif layer.kind == "ops.Einsum":
            if call.arguments[0] is value:
                self._einsum(layer, constant, value)
        elif layer.kind == "ops.Add":
            self._bias(layer, constant, value)

    def hold(self, layer: Outlined) -> None:
        """What a layer takes that is a parameter becomes the value of a layer, and what it is called on a value, where
        it would be called on constants alone."""
        for call in layer.calls:
            call.arguments = [self._value(layer, part) for part in call.arguments]
            call.keywords = {name: self._value(layer, part) for name, part in call.keywords.items()}
            first = call.arguments[0] if call.arguments else None
            if layer.weights and len(call.arguments) == 1 and isinstance(first, LazyTensor):
                call.arguments = [self._known(layer, first)]

    def _value(self, layer: Outlined, argument: Argument) -> Argument:
        if isinstance(argument, list | tuple):
            return [self._value(layer, part) for part in argument]
        held = self._hold(layer, argument) if isinstance(argument, LazyTensor) and self._is_trained(argument) else None
        return argument if held is None else held

    def _known(self, layer: Outlined, constant: LazyTensor) -> Argument:
        """Whole numbers that are known, as a value; those of another kind stay as they are."""
        one = self._one(layer, constant.dtype, "ops.ZerosLike") if constant.dtype in ("int32", "int64") else None
        if one is None or not constant.shape:
            return constant
        name = f"{layer.name}.known"
        value = self._put(layer, "ops.Add", name, {}, one, layer.calls[0].scope)
        self.model.layers[self._place(layer) - 1].calls[0].arguments.append(constant)
        self.types[value] = ValueType(constant.dtype, tuple(constant.shape))
        return value

    def broadcast(self, layer: Outlined) -> None:
        """A constant spread over a shape with the size of the batch."""
        (call,), shape = layer.calls[:1], layer.config["shape"]
        constant = call.arguments[0]
        if len(layer.calls) != 1 or not isinstance(constant, LazyTensor):
            return
        if not constant.shape and (like := self._alike(layer, shape)) is not None:
            number = constant.numpy().item()
            layer.kind, layer.config = "ops.FullLike", {"fill_value": number, "dtype": constant.dtype}
            call.arguments = [like]
            return
        anchor, rest = self._anchor(shape[0]) if shape else None, static(tuple(shape[1:]))
        if anchor is None or rest is None:
            return
        if self._is_trained(constant) and tuple(constant.shape) in (rest, (1, *rest)):
            zeros = self._ones(layer, anchor, len(shape), "ops.ZerosLike", constant.dtype)
            layer.kind, layer.config = "ops.Add", {}
            call.arguments = [constant, zeros]
        elif not self._is_trained(constant):
            filled = np.broadcast_to(constant.numpy(), (1, *rest)).copy()
            zeros = self._ones(layer, anchor, len(shape), "ops.ZerosLike", constant.dtype)
            # TensorFlow has no sums of truth values
            layer.kind, layer.config = "ops.LogicalOr" if constant.dtype == "bool" else "ops.Add", {}
            call.arguments = [zeros, LazyTensor.of(filled)]

    def _is_trained(self, argument: Argument) -> bool:
        return isinstance(argument, LazyTensor) and any(argument is part.data for part in self.trained)

    def _weight(self, constant: LazyTensor, data: LazyTensor, name: str) -> NativeWeight:
        """A parameter as a weight, under its own key where it is what the source had."""
        found = next((part for part in self.trained if part.data is constant), None)
        # reading takes axes of one in front of a parameter away again, and no others
        alike = found is not None and data.shape[len(data.shape) - len(found.shape) :] == found.shape
        same = alike and data.source is constant.source
        return NativeWeight(found.key if found is not None and same else name, data, True)

    def _trailing(self, constant: LazyTensor, value: Value) -> tuple[int, ...]:
        """The shape of a parameter that lies along the last axes of a value; empty where it does not."""
        shape = tuple(constant.shape)
        while shape[:1] == (1,):
            shape = shape[1:]
        whole = self.types[value].shape
        alike = 0 < len(shape) < len(whole) and whole[len(whole) - len(shape) :] == shape
        return shape if alike and len(constant.shape) <= len(whole) else ()

    def _scale(self, layer: Outlined, constant: LazyTensor, value: Value, axes: tuple[int, ...]) -> None:
        letters = _LETTERS[: len(axes) - 1] + "c"
        equation = f"...{letters},{letters}->...{letters}"
        sizes: list[int | None] = list(axes)
        whole = self.types[value].shape
        if len(whole) > len(axes) + 2:  # Keras takes the axes of an ellipsis in reverse order where it infers shapes
            spread = _SPREAD[: len(whole) - len(axes)]
            equation = f"{spread}{letters},{letters}->{spread}{letters}"
            sizes = [size if isinstance(size, int) else None for size in whole[1:]]
        layer.config = {"equation": equation, "output_shape": sizes, "bias_axes": None, "activation": "linear"}
        self._become(layer, "EinsumDense", constant, value, _reshaped(constant, axes))

    def _einsum(self, layer: Outlined, constant: LazyTensor, value: Value) -> None:
        """A product that an EinsumDense can be."""
        equation = str(layer.config["subscripts"])
        terms, _, result = equation.partition("->")
        left, _, right = terms.partition(",")
        dots = left.startswith("...") and result.startswith("...")
        if dots:
            left, result = left[3:], result[3:]
        sizes = self.types[layer.calls[0].outputs[0]].shape
        shape = static(sizes[len(sizes) - len(result) :] if dots else sizes[1:])
        once = all(part.isalpha() and len(set(part)) == len(part) for part in (left, right, result))
        known = set(right) <= {*left, *result} and set(result) <= {*left, *right}
        if not (once and known and shape) or (not dots and left[0] != result[0]):
            return
        layer.config = {"equation": equation, "output_shape": list(shape), "bias_axes": None, "activation": "linear"}
        self._become(layer, "EinsumDense", constant, value)

    def _bias(self, layer: Outlined, constant: LazyTensor, value: Value) -> bool:
        """A parameter added to what a Dense or EinsumDense without a bias gives is its bias; whether it is one."""
        maker = next((other for other in self.model.layers if value in other.calls[0].outputs), None)
        alone = uses_of(self.model.layers)[value] == 1 and value not in self.model.outputs
        if maker is None or not alone or len(maker.calls) != 1 or "bias" in maker.weights:
            return False
        shape = self.types[value].shape
        if self.types[layer.calls[0].outputs[0]].shape != shape or len(constant.shape) > len(shape):
            return False
        spread = (1,) * (len(shape) - len(constant.shape)) + tuple(constant.shape)
        axes = [axis for axis, size in enumerate(spread) if size != 1]
        if not axes:
            return False
        if maker.kind == "Dense" and maker.config["use_bias"] is False and axes == [len(shape) - 1]:
            maker.config["use_bias"] = True
        elif maker.kind == "EinsumDense" and maker.config["bias_axes"] is None:
            result = maker.config["equation"].partition("->")[2]
            names = result.removeprefix("...")
            if axes[0] < len(shape) - len(names):
                return False
            maker.config["bias_axes"] = "".join(names[axis - len(shape)] for axis in axes)
        else:
            return False
        shape = spread[axes[0] :]
        maker.weights["bias"] = self._weight(constant, _reshaped(constant, shape), f"{maker.name}/bias")
        maker.calls[0].outputs, maker.name = layer.calls[0].outputs, layer.name
        self.model.layers[:] = [other for other in self.model.layers if other is not layer]
        return True

    def _become(
        self, layer: Outlined, kind: str, constant: LazyTensor, value: Value, kernel: LazyTensor | None = None
    ) -> None:
        data = constant if kernel is None else kernel
        layer.kind, layer.weights = kind, {"kernel": self._weight(constant, data, f"{layer.name}/kernel")}
        layer.calls[0].arguments = [value]

    def _anchor(self, batch: Any) -> Value | None:
        """An input with this batch size."""
        found = (value for value in self.model.inputs if self.types[value].shape[:1] == (batch,))
        return None if isinstance(batch, int) else next(found, None)

    def _alike(self, layer: Outlined, shape: Sequence[Any]) -> Value | None:
        """A value of this shape that is made before a layer is called."""
        for other in self.model.layers:
            if other is layer:
                return None
            for value in (value for call in other.calls for value in call.outputs):
                known = self.types[value].shape
                if known == tuple(shape) and any(not isinstance(size, int) for size in known):
                    return value
        return None

    def _ones(self, layer: Outlined, anchor: Value, rank: int, kind: str, dtype: str) -> Value:
        """Ones or zeros (n, 1, 1...), made of an input."""
        batch, scope, stem = self.types[anchor].shape[0], layer.calls[0].scope, f"{layer.name}.each"
        value = anchor
        if len(self.types[anchor].shape) > 1:
            first: list[dict[str, int | None]] = [{"start": None, "stop": None, "step": None}]
            first += [{"start": 0, "stop": 1, "step": None}] * (len(self.types[anchor].shape) - 1)
            value = self._put(layer, "ops.GetItem", f"{stem}.first", {"key": first}, value, scope)
            self.types[value] = ValueType(self.types[anchor].dtype, (batch, *(1 for _ in self.types[anchor].shape[1:])))
        value = self._put(layer, "ops.Reshape", f"{stem}.flat", {"newshape": [-1] + [1] * (rank - 1)}, value, scope)
        self.types[value] = ValueType(self.types[anchor].dtype, (batch, *(1 for _ in range(rank - 1))))
        value = self._put(layer, kind, stem, {"dtype": dtype}, value, scope)
        self.types[value] = ValueType(dtype, (batch, *(1 for _ in range(rank - 1))))
        return value

    def _hold(self, layer: Outlined, constant: LazyTensor) -> Value | None:
        """The value of an EinsumDense whose kernel a parameter is; None where there is no input to make a one of."""
        if id(constant) in self.held:
            return self.held[id(constant)]
        shape = tuple(constant.shape)
        whole = shape if len(shape) > 2 and shape[0] == 1 else (1,) * max(1, 3 - len(shape)) + shape
        one = self._one(layer, constant.dtype, "ops.OnesLike")
        if one is None or len(whole) > len(_KERNEL):
            return None
        scope, letters = layer.calls[0].scope, _KERNEL[: len(whole)]
        equation = f"a{letters[0]},{letters}->a{letters[1:]}"
        config = {"equation": equation, "output_shape": list(whole[1:]), "bias_axes": None, "activation": "linear"}
        value = self._put(layer, "EinsumDense", f"{layer.name}.parameter", config, one, scope)
        weight = self._weight(constant, _reshaped(constant, whole), f"{value}/kernel")
        self.model.layers[self._place(layer) - 1].weights["kernel"] = weight
        self.types[value] = ValueType(constant.dtype, whole)
        if shape != whole:
            value = self._put(layer, "ops.Reshape", f"{value}.shaped", {"newshape": list(shape)}, value, scope)
            self.types[value] = ValueType(constant.dtype, shape)
        self.held[id(constant)] = value
        return value

    def _one(self, layer: Outlined, dtype: str, kind: str) -> Value | None:
        """A one or a zero (1, 1), made of an input."""
        anchor = next((value for value in self.model.inputs if self.types[value].shape), None)
        if anchor is None:
            return None
        scope, beside = layer.calls[0].scope, [other.name for other in self.model.layers]
        number = sum(name.startswith(f"{layer.name}.one") for name in beside)
        stem, given = f"{layer.name}.one{number or ''}", self.types[anchor]
        first: list[dict[str, int | None]] = [{"start": 0, "stop": 1, "step": None}] * len(given.shape)
        value = self._put(layer, "ops.GetItem", f"{stem}.first", {"key": first}, anchor, scope)
        self.types[value] = ValueType(given.dtype, (1,) * len(given.shape))
        value = self._put(layer, "ops.Reshape", f"{stem}.flat", {"newshape": [1, 1]}, value, scope)
        self.types[value] = ValueType(given.dtype, (1, 1))
        value = self._put(layer, kind, stem, {"dtype": dtype}, value, scope)
        self.types[value] = ValueType(dtype, (1, 1))
        return value

    def _put(self, before: Outlined, kind: str, name: str, config: dict[str, Any], taken: Value, scope: str) -> Value:
        value = Value(name)
        made = Outlined(kind, name, config, {}, [Call([taken], (value,), scope=scope)])
        self.model.layers.insert(self._place(before), made)
        return value

    def _place(self, layer: Outlined) -> int:
        return next(i for i, other in enumerate(self.model.layers) if other is layer)
