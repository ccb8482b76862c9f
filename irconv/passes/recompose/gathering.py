"""Weights of a cell put together for a recurrent layer: blocks of the matrices that a graph multiplies with.

Where all gates are blocks of one stored tensor, that tensor is the operand, its gates in the layer's order; what is cut
out of one or joined of several is computed by nodes over constants, so that every array keeps its name and bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace

from irconv.data_classes import dataclass
from irconv.ir.bundle import Tensor
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.layers.shape_ops import Full
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Transpose
from irconv.ir.manifest import LayoutStep
from irconv.layout import customary
from irconv.passes.recompose.sums import Base, Body, Matrix, Operand, Span, Vector


@dataclass
class Gathered:
    """The nodes that make what a recurrent layer needs, and what it needs."""

    body: Body
    prefix: str
    scope: str
    layers: dict[str, Layer]
    tensors: dict[str, Tensor]
    inside: bool = True
    """Whether the values of the body are those of a loop, and not of the graph itself."""
    nodes: list[Node] = field(default_factory=list)
    operands: dict[str, Operand] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    _values: dict[Base, str] = field(default_factory=dict)
    _hoisted: dict[str, str] = field(default_factory=dict)

    def place(self, layer: Layer, what: str, **inputs: str) -> str:
        """A node of the graph around the loop; its result."""
        name, number = f"{self.prefix}/{what}", 1
        while name in self.layers:
            number += 1
            name = f"{self.prefix}/{what}_{number}"
        self.layers[name] = layer
        self.nodes.append(Node(layer=name, scope=self.scope, inputs=inputs, outputs={"y": name}))
        return name

    # roles

    def matrices(self, role: str, parts: Sequence[Matrix], order: str) -> None:
        """An operand of gates one below the other; `order` are the layer's gates, empty for a single one."""
        first = parts[0]
        if isinstance(first.base.operand, StoredOperand) and not first.turned and all(
            (p.base, p.turned, p.ins) == (first.base, first.turned, first.ins) for p in parts
        ):  # fmt: skip
            base = self._ordered(first.base.operand, [p.outs for p in parts], order)
            (_, width) = self.tensors[first.base.operand.tensor].data.shape
            if base is not None and first.ins == (0, width):
                self.operands[role] = base
                return
            if base is not None:
                whole = self.place(Constant(operands={"value": base}), f"{role}/whole")
                self.inputs[role] = self._cut(whole, (1, first.ins, width), role)
                return
        made = [self._block(part, role) for part in _joined(parts)]
        self.inputs[role] = self._concatenated(made, role)

    def vectors(self, role: str, parts: Sequence[Vector | None], units: int, dtype: str, order: str) -> None:
        """The same of vectors; None stands for zeros."""
        known = [part for part in parts if part is not None]
        if not known:
            return
        first = known[0].base.operand
        if isinstance(first, StoredOperand) and len(known) == len(parts) and {p.base for p in known} == {known[0].base}:
            base = self._ordered(first, [p.span for p in known], order)
            if base is not None:
                self.operands[role] = base
                return
        made = []
        for part in parts:
            if part is None:
                made.append(self.place(Full(shape=(units,), value=0.0, dtype=dtype), f"{role}/zeros"))
            else:
                size = self._length(part.base)
                made.append(self._cut(self.value(part.base, flat=True), (0, part.span, size), role))
        self.inputs[role] = self._concatenated(made, role)

    def sums_of_vectors(self, role: str, parts: Sequence[Sequence[Vector]], units: int, dtype: str) -> None:
        """Of every gate the sum of some vectors."""
        made = []
        for vectors in parts:
            cut = [self._cut(self.value(v.base, flat=True), (0, v.span, self._length(v.base)), role) for v in vectors]
            total = cut[0] if cut else self.place(Full(shape=(units,), value=0.0, dtype=dtype), f"{role}/zeros")
            for other in cut[1:]:
                total = self.place(Add(), f"{role}/sum", x0=total, x1=other)
            made.append(total)
        self.inputs[role] = self._concatenated(made, role)

    # how

    def _ordered(self, operand: StoredOperand, spans: Sequence[Span], order: str) -> StoredOperand | None:
        """A stored operand with its gates in the layer's order; None where the spans are not all of its blocks."""
        tensor = self.tensors[operand.tensor]
        rows, size = tensor.data.shape[0], spans[0][1] - spans[0][0]
        starts = [start for start, _ in spans]
        if rows != size * len(spans) or sorted(starts) != [size * k for k in range(len(spans))]:
            return None
        rank = len(tensor.data.shape)
        axes = "(gate unit) in" if rank == 2 else "(gate unit)"
        if len(spans) == 1 or starts == sorted(starts):
            return operand
        theirs = "".join(order[starts.index(size * k)] for k in range(len(spans)))
        key = f"{operand.tensor}/{order}"
        step = LayoutStep(source=axes, target=axes, orders={"gate": (theirs, order)}, sizes={"gate": len(order)})
        turned = tensor.relayout(step)
        record = replace(turned.record, axes=axes, letters=customary(axes, rank))
        self.tensors[key] = Tensor(record, turned.data)
        return StoredOperand(tensor=key)

    def value(self, base: Base, flat: bool = False) -> str:
        """Something fixed as a value of the graph around the loop."""
        if base.operand is not None:
            if base not in self._values:
                self._values[base] = self.place(Constant(operands={"value": base.operand}), "weights")
            return self._values[base]
        return self._hoist(base.value) if self.inside else base.value

    def _hoist(self, value: str) -> str:
        """A fixed value of the body, with all that makes it, before the loop."""
        waiting = [value]
        while waiting:
            name = waiting[-1]
            if name in self._hoisted or name in self.body.unchanged:
                self._hoisted.setdefault(name, self.body.unchanged.get(name, name))
                waiting.pop()
                continue
            node = self.body.maker[name]
            missing = [taken for taken in node.inputs.values() if taken not in self._hoisted]
            if missing:
                waiting += missing
                continue
            outputs = {slot: f"{self.prefix}/{made}" for slot, made in node.outputs.items()}
            inputs = {slot: self._hoisted[taken] for slot, taken in node.inputs.items()}
            self.nodes.append(node.model_copy(update={"inputs": inputs, "outputs": outputs}))
            self._hoisted |= {made: outputs[slot] for slot, made in node.outputs.items()}
            waiting.pop()
        return self._hoisted[value]

    def _length(self, base: Base) -> int:
        if base.operand is not None:
            (size, *more) = self.body.bundle.operand_types(Constant(operands={"value": base.operand}))["value"].shape
            if more or not isinstance(size, int):
                raise ValueError("a vector of several axes")
            return size
        shape = self.body.types[base.value].shape
        if len(shape) != 1 or not isinstance(shape[0], int):
            raise ValueError("a vector of several axes")
        return shape[0]

    def _block(self, part: Matrix, role: str) -> str:
        value = self.value(part.base)
        shape = self._shape(part.base)
        spans = (part.ins, part.outs) if part.turned else (part.outs, part.ins)
        for axis, span in enumerate(spans):
            value = self._cut(value, (axis, span, shape[axis]), role)
        return self.place(Transpose(permutation=(1, 0)), f"{role}/turned", x=value) if part.turned else value

    def _shape(self, base: Base) -> tuple[int, ...]:
        if base.operand is not None:
            found = self.body.bundle.operand_types(Constant(operands={"value": base.operand}))["value"].shape
        else:
            found = self.body.types[base.value].shape
        if len(found) != 2 or not all(isinstance(size, int) for size in found):
            raise ValueError("a matrix of unknown size")
        return tuple(int(size) for size in found)

    def _cut(self, value: str, of: tuple[int, Span, int], role: str) -> str:
        axis, (start, stop), size = of
        if (start, stop) == (0, size):
            return value
        return self.place(Slice(axes=(axis,), starts=(start,), ends=(stop,), steps=(1,)), f"{role}/part", x=value)

    def _concatenated(self, values: Sequence[str], role: str) -> str:
        if len(values) == 1:
            return values[0]
        return self.place(Concat(axis=0), role, **{f"x{i}": value for i, value in enumerate(values)})


def _joined(parts: Sequence[Matrix]) -> list[Matrix]:
    """Blocks that follow one another in one matrix as one."""
    found: list[Matrix] = []
    for part in parts:
        last = found[-1] if found else None
        if last is not None and (last.base, last.turned, last.ins, last.outs[1]) == (
            part.base, part.turned, part.ins, part.outs[0]
        ):  # fmt: skip
            found[-1] = Matrix(part.base, part.turned, (last.outs[0], part.outs[1]), part.ins)
        else:
            found.append(part)
    return found
