"""Recurrence over an axis, and layers that irconv cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from irconv.ir.graph import Graph
from irconv.ir.layers.base import Layer, ValueType


class Scan(Layer):
    """Runs a body once for each index of axis 1, carrying values along: what every recurrent layer decomposes to.

    ``carried, y_t = body(carried, x_t)`` for t ascending, or descending with `reverse` (each y_t is still put at index
    t). The body is a graph over the bundle's own layers. Its inputs are the carried values, then one slice of each
    scanned input; its outputs the new carried values, then one slice of each stacked output.

    Slots: ``carried0``... (initial values), ``scanned0``... (n, t, ...). Results: ``carried0``... (the last values),
    ``stacked0``... (n, t, ...). Values of the body may not refer to the outer graph: what it needs is carried.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {}
    RESULTS: ClassVar[Mapping[str, str]] = {}

    type: Literal["Scan"] = "Scan"
    body: Graph
    carried: int
    scanned: int
    reverse: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        steps = given["scanned0"].shape[1]
        results = {f"carried{i}": given[f"carried{i}"] for i in range(self.carried)}
        for i, port in enumerate(self.body.outputs[self.carried :]):
            batch, *rest = port.shape
            results[f"stacked{i}"] = ValueType(port.dtype, (batch, steps, *rest))
        return results


class Opaque(Layer):
    """A layer irconv cannot read, archived only on request: nothing but its own framework can be given it back.

    `native_config` is the framework's own description; code in it is inert text. Its result types are as declared.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True

    type: Literal["Opaque"] = "Opaque"
    native_type: str
    native_config: dict[str, Any]
    results: dict[str, tuple[str, tuple[int | str, ...]]]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {slot: ValueType(dtype, shape) for slot, (dtype, shape) in self.results.items()}
