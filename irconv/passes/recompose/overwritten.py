"""Stretches of a value that are written over at places known beforehand, as a join of what stays and what is new.

PyTorch's exporters write ``x[:, 2:4] = y`` as a scatter with an index for every row, the newer one between two turns
that bring the axis to the front (see `unturning`). Places that follow each other leave a part before and a part behind;
others take the new rows from behind all old ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from math import prod

import numpy as np

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, LiteralOperand
from irconv.ir.layers.indexing import Gather, ScatterElements, ScatterND
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Concat, Constant, Reshape
from irconv.ir.shapes import static
from irconv.layout import Array
from irconv.log import timed
from irconv.passes import unused
from irconv.passes.recompose.matcher import Work

_MOST = 1 << 20
"""Indices that are looked at."""


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function without the scatters that are found."""
    graph = bundle.graph
    if graph is None or not any(isinstance(layer, ScatterND | ScatterElements) for layer in bundle.layers.values()):
        return bundle
    work = Work.of(bundle)
    made = _Nodes(work, dict(bundle.layers))
    changed = False
    for node in graph.nodes:
        box = _box(work, node)
        if box is None:
            made.nodes.append(node)
            continue
        made.over(node, *box)
        changed = True
    if not changed:
        return bundle
    graph = graph.model_copy(update={"nodes": tuple(made.nodes)})
    return unused.run(replace(bundle, layers=made.layers, graph=graph))


def _box(work: Work, node: Node) -> tuple[int, Array] | None:
    """The one axis along which a scatter leaves something as it was, and the places of that axis that it writes over,
    in ascending order."""
    layer = work.layers[node.layer]
    if not isinstance(layer, ScatterND | ScatterElements) or layer.reduction != "none":
        return None
    shape, operand = static(work.types[node.inputs["x"]].shape), work.operand(node.inputs["indices"])
    sizes = static(work.types[node.inputs["indices"]].shape)
    if shape is None or operand is None or sizes is None or not 0 < prod(sizes) <= _MOST:
        return None
    indices = work.array(operand).reshape(sizes)
    if isinstance(layer, ScatterElements):
        return _along(indices, shape, layer.axis)
    places = indices.reshape(-1, sizes[-1])
    kept = [np.unique(places[:, i]) for i in range(sizes[-1])]
    grid = np.stack(np.meshgrid(*kept, indexing="ij"), -1).reshape(-1, sizes[-1])
    if not np.array_equal(grid, places) or any(part[0] < 0 for part in kept):
        return None
    partial = [axis for axis, part in enumerate(kept) if len(part) != shape[axis]]
    return (partial[0], kept[partial[0]]) if len(partial) == 1 else None


def _along(indices: Array, shape: tuple[int, ...], axis: int) -> tuple[int, Array] | None:
    """The places where every row of an axis is written over as a whole."""
    first = indices[tuple(slice(None) if place == axis else 0 for place in range(indices.ndim))]
    others = [[size for place, size in enumerate(sizes) if place != axis] for sizes in (indices.shape, shape)]
    ascending = bool((first[1:] > first[:-1]).all()) and first[0] >= 0 and len(first) < shape[axis]
    if others[0] != others[1] or not ascending:
        return None
    every = indices == first.reshape([-1 if place == axis else 1 for place in range(indices.ndim)])
    return (axis, first) if bool(every.all()) else None


@dataclass
class _Nodes:
    work: Work
    layers: dict[str, Layer]
    nodes: list[Node] = field(default_factory=list)

    def over(self, node: Node, axis: int, places: Array) -> None:
        """Put what takes the place of a scatter."""
        (result,), source = node.outputs.values(), node.inputs["x"]
        shape = [size for size in self.work.types[source].shape if isinstance(size, int)]
        size, count = shape[axis], len(places)
        box = (*shape[:axis], count, *shape[axis + 1 :])
        new = node.inputs["updates"]
        if self.work.types[new].shape != box:
            new = self.put(node, Reshape(shape=box), {"x": new}, "new")
        first, last = int(places[0]), int(places[-1]) + 1
        if last - first == count:
            parts = [
                self.put(node, _cut(axis, None, first), {"x": source}, "before") if first else "",
                new,
                self.put(node, _cut(axis, last, None), {"x": source}, "behind") if last < size else "",
            ]
            whole = {f"x{i}": part for i, part in enumerate(part for part in parts if part)}
            self.put(node, Concat(axis=axis), whole, "", result)
            return
        order = np.arange(size)
        order[places] = np.arange(size, size + count)
        both = self.put(node, Concat(axis=axis), {"x0": source, "x1": new}, "both")
        literal = LiteralOperand(literal=order.tolist(), dtype="int64")
        chosen = self.put(node, Constant(operands={"value": literal}), {}, "order")
        self.put(node, Gather(axis=axis), {"x": both, "indices": chosen}, "", result)

    def put(self, node: Node, layer: Layer, inputs: Mapping[str, str], suffix: str, result: str = "") -> str:
        """Add a node, under the scatter's name where it gives the result; the value that it makes."""
        value = result or f"{next(iter(node.outputs.values()))}/{suffix}"
        name = node.layer if result and self.work.uses[node.layer] == 1 else value
        while not (result and name == node.layer) and name in self.layers:
            name += "_"
        self.layers[name] = layer
        self.nodes.append(Node(layer=name, scope=node.scope, inputs=dict(inputs), outputs={"y": value}))
        return value


def _cut(axis: int, start: int | None, end: int | None) -> Slice:
    return Slice(axes=(axis,), starts=(start,), ends=(end,), steps=(1,))
