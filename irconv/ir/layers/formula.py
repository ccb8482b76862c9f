"""Writes a decomposition as a formula is written, naming the values in between."""

from collections.abc import Mapping
from typing import Any

from irconv.ir.layers.base import Decomposition, Layer, LiteralOperand, Step, ValueType
from irconv.ir.layers.tensor_ops import Constant, Reshape


class Formula:
    """The steps so far. Calling it with a layer and the values it takes adds a step and gives the value it makes.

    >>> from irconv.ir.layers.tensor_ops import Mul
    >>> f = Formula(Mul(), {"x": ValueType("float32", (2,))})
    >>> [step.layer.type for step in f.ends(Mul(), f(Mul(), "x", "x"), f.number(3.0))]
    ['Mul', 'Constant', 'Mul']
    """

    def __init__(self, composite: Layer, given: Mapping[str, ValueType]) -> None:
        self._composite, self._given = composite, given
        self._steps: list[Step] = []

    def __call__(self, layer: Layer, *values: str, **operands: str) -> str:
        """One step, and its first result.

        `values` are for its slots, then for its operands as far as they are computed; `operands` maps roles of the step
        to roles of the composite, whose operands it takes over.
        """
        return self._add(layer, values, operands, f"t{len(self._steps)}")

    def number(self, literal: float | int | bool | list[Any], dtype: str = "") -> str:
        """A literal, of the type of the first input unless said."""
        operand = LiteralOperand(literal=literal, dtype=dtype or next(iter(self._given.values())).dtype)
        return self(Constant(operands={"value": operand}))

    def operand(self, role: str) -> str:
        """An operand of the composite as a value, whether stored or computed."""
        return self(Constant(), value=role) if role in self._composite.operands else role

    def along(self, role: str, axes: tuple[int, ...], rank: int) -> str:
        """A stored operand, its axes laid along `axes` (ascending) of a value of this rank."""
        sizes = dict(zip(axes, self._given[role].shape, strict=True))
        shape = tuple(sizes.get(axis, 1) for axis in range(rank))
        return self(Reshape(shape=shape[min(axes) :]), self.operand(role))

    def result(self, name: str, layer: Layer, *values: str) -> str:
        """One step that makes a result of the composite."""
        return self._add(layer, values, {}, name)

    def ends(self, layer: Layer, *values: str, **operands: str) -> Decomposition:
        """The last step, which makes the result `y`, and all before it."""
        self._add(layer, values, operands, "y")
        return self._steps

    def _add(self, layer: Layer, values: tuple[str, ...], operands: Mapping[str, str], result: str) -> str:
        slots = [f"x{i}" for i in range(len(values))] if layer.VARIADIC else [*layer.SLOTS, *layer.PARAMETERS]
        self._steps.append(
            Step(layer, dict(zip(slots, values, strict=False)), {next(iter(layer.RESULTS)): result}, operands)
        )
        return result
