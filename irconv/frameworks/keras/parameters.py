"""Parameters that no layer of Keras holds become weights of layers, so that training changes them as it did.

A factor along the last axes is the kernel of an EinsumDense, a matrix that values are multiplied with that of a Dense.
Any other parameter is the kernel of a Dense that is given ones. Values that depend on no input but have its batch size
are made of an input, too: Keras knows no other way to that size.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
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
        elif layer.kind == "ops.Add" and self._bias(layer, constant, value):
            pass
        elif layer.kind in _ELEMENTWISE and self._per_sample(constant, call.outputs[0]):
            rank = len(self.types[call.outputs[0]].shape)
            held = self._hold(layer, constant, rank)
            call.arguments = [held if part is constant else part for part in call.arguments]

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
            layer.kind, layer.config = "ops.Add", {}
            call.arguments = [self._hold(layer, constant, len(shape)), LazyTensor.of(np.zeros((), np.float32))]
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
        same = found is not None and data.source is constant.source and data.shape == found.shape
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

    def _per_sample(self, constant: LazyTensor, result: Value) -> bool:
        """Whether a parameter is the same for all samples of a result, whose first axis is that of an input."""
        shape = self.types[result].shape
        leading = constant.shape[: len(constant.shape) - len(shape) + 1]
        return bool(shape) and set(leading) <= {1} and self._anchor(shape[0]) is not None

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

    def _hold(self, layer: Outlined, constant: LazyTensor, rank: int) -> Value:
        """The value of a Dense whose kernel a parameter is: (n, ...), of so many axes."""
        if id(constant) in self.held:
            return self.held[id(constant)]
        shape = ((1,) * rank + tuple(constant.shape))[-rank + 1 :] if rank > 1 else ()
        anchor = self._anchor(self.types[layer.calls[0].outputs[0]].shape[0])
        assert anchor is not None, "the caller has looked"
        scope, count = layer.calls[0].scope, prod(shape)
        ones = self._ones(layer, anchor, 2, "ops.OnesLike", constant.dtype)
        config = {"units": count, "use_bias": False, "activation": "linear"}
        value = self._put(layer, "Dense", f"{layer.name}.parameter", config, ones, scope)
        kernel = LazyTensor.of(constant.numpy().reshape(1, count))
        self.model.layers[self._place(layer) - 1].weights["kernel"] = NativeWeight(f"{value}/kernel", kernel, True)
        batch = self.types[anchor].shape[0]
        self.types[value] = ValueType(constant.dtype, (batch, count))
        if shape != (count,):
            value = self._put(layer, "Reshape", f"{value}.shaped", {"target_shape": list(shape)}, value, scope)
            self.types[value] = ValueType(constant.dtype, (batch, *shape))
        self.held[id(constant)] = value
        return value

    def _put(self, before: Outlined, kind: str, name: str, config: dict[str, Any], taken: Value, scope: str) -> Value:
        value = Value(name)
        made = Outlined(kind, name, config, {}, [Call([taken], (value,), scope=scope)])
        self.model.layers.insert(self._place(before), made)
        return value

    def _place(self, layer: Outlined) -> int:
        return next(i for i, other in enumerate(self.model.layers) if other is layer)
