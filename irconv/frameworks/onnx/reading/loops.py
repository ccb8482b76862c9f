"""Scan as the IR's Scan, and Loop as its rounds one after the other, where their number is known while reading."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.graph import Graph, Port
from irconv.ir.known import numeric
from irconv.ir.layers.control import Scan
from irconv.ir.layers.slicing import Stack
from irconv.ir.layers.tensor_ops import Transpose

_MOST_ROUNDS = 256
"""A loop of more is not written out."""


@dataclass
class _Body:
    """The body of a Scan while it is read: the reader's values and importer are those of the body for so long."""

    reader: ModelReader
    op: Op

    def read(self) -> None:
        """The Scan, between transposes where it scans another axis than the second."""
        reader, op, graph = self.reader, self.op, self.op.attributes["body"]
        scans = op.attributes["num_scan_inputs"]
        states = len(op.inputs) - scans
        reverse, order = self._directions(scans, len(op.outputs) - states)
        scanned = [self._second(value, i, scans) for i, value in enumerate(op.inputs[states:])]
        outer, values, inner = reader.importer, dict(reader.values), reader.importer.nested()
        reader.importer = inner
        try:
            ports = [self._port(port, value, i >= states) for i, (port, value) in enumerate(
                zip(graph.input, (*op.inputs[:states], *scanned), strict=True))]  # fmt: skip
            reader.body(graph)
            results = [reader.values.get(port.name, port.name) for port in graph.output]
            for value in results:
                inner.settle(value)
            typed = [_port(value, inner.type_of(value)) for value in results]
        finally:
            reader.importer, reader.values = outer, values
        captured = [_port(value, inner.types[value]) for value in inner.captured]
        body = Graph(
            inputs=(*ports[:states], *captured, *ports[states:]),
            outputs=(*typed[:states], *captured, *typed[states:]),
            nodes=tuple(inner.nodes),
        )
        count = states + len(captured)
        layer = Scan(body=body, carried=count, scanned=scans, reverse=reverse, order=order)
        starts = [*op.inputs[:states], *(port.value for port in captured)]
        inputs = {f"carried{i}": value for i, value in enumerate(starts)}
        inputs |= {f"scanned{i}": value for i, value in enumerate(scanned)}
        outputs = {f"carried{i}": outer.fresh(f"{op.name}/last{i}", op.outputs) for i in range(count)}
        outputs |= {f"carried{i}": name for i, name in enumerate(op.outputs[:states]) if name}
        stacks = range(len(op.outputs) - states)
        stacked = {f"stacked{i}": outer.fresh(f"{op.name}/all{i}", op.outputs) for i in stacks}
        outer.use(layer, inputs, outputs | stacked, op.name, op.where)
        for i, name in enumerate(op.outputs[states:]):
            if name:
                self._turned(stacked[f"stacked{i}"], name, self._axis("scan_output_axes", i, name))

    def _directions(self, scans: int, stacks: int) -> tuple[bool, Any]:
        inputs = self.op.attribute("scan_input_directions") or [0] * scans
        outputs = self.op.attribute("scan_output_directions") or [0] * stacks
        if len(set(inputs)) > 1 or len(set(outputs)) > 1:
            raise Refused(self.op.where, "scans some sequences forwards and some backwards, which irconv does not read")
        reverse, backwards = bool(inputs and inputs[0]), bool(outputs and outputs[0])
        if backwards and not reverse:
            raise Refused(self.op.where, "puts the first of its results last, which irconv does not read")
        return reverse, "time" if backwards or not reverse else "processing"

    def _axis(self, attribute: str, index: int, value: str) -> int:
        axes = self.op.attribute(attribute)
        return int(axes[index]) if axes else 0

    def _second(self, value: str, index: int, scans: int) -> str:
        """A sequence with the axis that is scanned second."""
        rank = len(self.reader.shape(value))
        axis = self._axis("scan_input_axes", index, value) % rank
        if rank < 2:
            raise Refused(self.op.where, f"scans a value of shape {self.reader.shape(value)}, which has no batch")
        if axis == 1:
            return value
        rest = [i for i in range(rank) if i != axis]
        order = (rest[0], axis, *rest[1:])
        return self.reader.place(self.op, Transpose(permutation=order), f"sequence{index}", x=value)

    def _turned(self, value: str, result: str, axis: int) -> None:
        """A stacked result with the axis of the steps where it is wanted."""
        reader, rank = self.reader, len(self.reader.importer.type_of(value).shape)
        rest = [i for i in range(rank) if i != 1]
        order = [*rest[: axis % rank], 1, *rest[axis % rank :]]
        reader.importer.place(Transpose(permutation=tuple(order)), {"x": value}, [result], where=self.op.where)

    def _port(self, port: Any, value: str, is_slice: bool) -> Port:
        """An input of the body, by the type of what it is given."""
        dtype, shape = (self.reader.importer.outer or self.reader.importer).type_of(value)
        if is_slice:
            shape = (shape[0], *shape[2:])
        made = Port(name=port.name, value=port.name, dtype=dtype, shape=shape, axes="", source_axes="")
        self.reader.values[port.name] = self.reader.importer.input(made)
        return made


def _port(value: str, of: Any) -> Port:
    return Port(name=value, value=value, dtype=of.dtype, shape=of.shape, axes="", source_axes="")


def _scan(reader: ModelReader, op: Op) -> None:
    if op.version < 9:
        raise Refused(op.where, "is Scan as it was before opset 9, which irconv does not read")
    _Body(reader, op).read()


def _loop(reader: ModelReader, op: Op) -> None:
    """The rounds of a loop one after the other, as long as its condition is known to hold."""
    graph = op.attributes["body"]
    most = reader.numbers(op, 0) if op.given(0) else None
    condition, state = op.given(1), list(op.inputs[2:])
    collected: list[list[str]] = [[] for _ in op.outputs[len(state) :]]
    rounds = 0
    while (most is None or rounds < most[0]) and _holds(reader, op, condition):
        if rounds >= _MOST_ROUNDS:
            raise Refused(op.where, f"runs for more than {_MOST_ROUNDS} rounds, which irconv does not write out")
        condition, state, more = _round(reader, op, graph, rounds, condition, state)
        for values, value in zip(collected, more, strict=True):
            values.append(value)
        rounds += 1
    for index, value in enumerate(state):
        if op.outputs[index]:
            reader.gives(op, value, index)
    for name, values in zip(op.outputs[len(state) :], collected, strict=True):
        if name and not values:
            raise Refused(op.where, "collects the values of no round at all")
        if name:
            inputs = {f"x{i}": value for i, value in enumerate(values)}
            reader.importer.place(Stack(axis=0), inputs, [name], where=op.where)


def _holds(reader: ModelReader, op: Op, condition: str) -> bool:
    if not condition:
        return True
    known = reader.importer.known(condition)
    if known is None or not numeric(known):
        what = f"goes on for as long as {condition} holds, which is not known before the model runs"
        raise Refused(op.where, what, "A loop that ends by its data has no counterpart; cut before it with --outputs.")
    return bool(known.reshape(-1)[0])


def _round(
    reader: ModelReader, op: Op, graph: Any, number: int, condition: str, state: list[str]
) -> tuple[str, list[str], list[str]]:
    """One round: the condition, the state and the collected values after it. Its values have names of their own."""
    outer, prefix = dict(reader.values), f"{op.name}/{number}/"
    reader.prefixes.append(prefix)
    try:
        given = reader.importer.constant(f"{prefix}number", np.asarray(number, np.int64))
        if not condition:
            condition = reader.importer.constant(f"{prefix}goes_on", np.asarray(True))
        for port, value in zip(graph.input, (given, condition, *state), strict=True):
            reader.values[port.name] = value
        reader.body(graph)
        results = [reader.values.get(port.name, port.name) for port in graph.output]
    finally:
        reader.prefixes.pop()
        reader.values = outer
    return results[0], results[1 : 1 + len(state)], results[1 + len(state) :]


HANDLERS: dict[str, Handler] = {"Scan": _scan, "Loop": _loop}
