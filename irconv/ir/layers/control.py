"""Recurrence over an axis, and layers that irconv cannot read."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from irconv.ir.graph import Graph
from irconv.ir.layers.base import Layer, Parameter, ValueType
from irconv.ir.layers.ranges import Count
from irconv.ir.shapes import may_agree


class Scan(Layer):
    """Runs a body once for each index of axis 1, carrying values along: what every recurrent layer decomposes to.

    ``carried, y_t = body(carried, x_t)`` for t ascending, or descending with `reverse`. With `order` ``time`` each y_t
    is put at index t; with ``processing`` the first one made stands first, which with `reverse` is that of the last t
    (Keras' ``go_backwards``). The body is a graph over the bundle's own layers. Its inputs are the carried values, then
    one slice of each scanned input; its outputs the new carried values, then one slice of each stacked output.

    Slots: ``carried0``... (initial values), ``scanned0``... (n, t, ...), one at least. Results: ``carried0``... (the
    last values), ``stacked0``... (n, t, ...). Values of the body may not refer to the outer graph: what it needs is
    carried. Carried values keep their type and shape.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {}
    RESULTS: ClassVar[Mapping[str, str]] = {}

    type: Literal["Scan"] = "Scan"
    body: Graph
    carried: Count
    scanned: Count
    reverse: bool
    order: Literal["time", "processing"]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        ports, steps = self.body.inputs, given["scanned0"].shape[1]
        if len(ports) != self.carried + self.scanned or len(self.body.outputs) < self.carried:
            raise ValueError(f"a body of {len(ports)} inputs does not carry {self.carried} and scan {self.scanned}")
        for i, port in enumerate(ports[self.carried :]):
            shape = given[f"scanned{i}"].shape
            if len(shape) != len(port.shape) + 1 or not may_agree(shape[1:2], (steps,)):
                raise ValueError(f"the body takes {port.shape} of each of {steps} steps, got {shape}")
        results: dict[str, ValueType] = {}
        for i, (before, after) in enumerate(zip(ports[: self.carried], self.body.outputs, strict=False)):
            value = results[f"carried{i}"] = given[f"carried{i}"]
            if any(port.dtype != value.dtype or len(port.shape) != len(value.shape) for port in (before, after)):
                raise ValueError(f"the body turns a carried {before.dtype} {before.shape} into another type")
        for i, port in enumerate(self.body.outputs[self.carried :]):
            batch, *rest = port.shape
            results[f"stacked{i}"] = ValueType(port.dtype, (batch, steps, *rest))
        return results


class _OwnWeights(dict[str, Parameter]):
    """Operands with the names that a framework gives them; values of the graph are ``x0``, ``x1`` and so on."""

    def __missing__(self, role: str) -> Parameter:
        if re.fullmatch(r"x\d+", role):
            raise KeyError(role)
        return Parameter("*a", optional=True)

    def __contains__(self, role: object) -> bool:
        return isinstance(role, str) and re.fullmatch(r"x\d+", role) is None


class Opaque(Layer):
    """A layer irconv cannot read, archived only on request: nothing but its own framework can be given it back.

    `native_config` is the framework's own description; code in it is inert text. Its result types are as declared.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = _OwnWeights()
    """Weights have the names and layouts that they have there."""

    type: Literal["Opaque"] = "Opaque"
    native_type: str
    native_config: dict[str, Any]
    results: dict[str, tuple[str, tuple[int | str, ...]]]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {slot: ValueType(dtype, shape) for slot, (dtype, shape) in self.results.items()}
