"""Recurrent layers that are written out step after step, as layers again.

A chain of cells (`irconv.passes.recompose.cells`) with the same weights, each given the state of the one before. What
they take at each step becomes a sequence, what they give the indices of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.layers.base import Layer
from irconv.ir.layers.recurrent_base import UNDROPPED
from irconv.ir.layers.slicing import Flip, Select, Stack
from irconv.ir.layers.tensor_ops import Concat, Transpose
from irconv.log import timed
from irconv.passes import unused
from irconv.passes.recompose.cells import Cell, Finder, Gate
from irconv.passes.recompose.gathering import Gathered
from irconv.passes.recompose.sums import Body, is_zero
from irconv.passes.recompose.weighing import CLASSES, weighed

_MOST = 64
"""More layers than any graph has written out."""


@dataclass(frozen=True)
class _Step:
    cell: Cell
    before: tuple[str, ...]
    """The states that it is given, h first."""
    after: tuple[str, ...]
    """Those that it gives."""

    @property
    def sources(self) -> tuple[str, ...]:
        """What it takes besides."""
        return tuple(product.source for product in self.cell.gates[0].inputs)

    def same_as(self, other: _Step) -> bool:
        """Whether two steps differ in nothing but their values."""
        mine, theirs = (_weights(step.cell) for step in (self, other))
        return (self.cell.type, self.cell.settings, mine) == (other.cell.type, other.cell.settings, theirs)


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function with recurrent layers in the place of chains of cells."""
    for _ in range(_MOST):
        changed = None if bundle.graph is None else _rolled_up(bundle, bundle.graph)
        if changed is None:
            break
        bundle = unused.run(changed)
    return bundle


def _rolled_up(bundle: Bundle, graph: Graph) -> Bundle | None:
    """The bundle with the first chain as a layer; None where there is none."""
    if not any(bundle.layers[node.layer].type in ("Add", "Concat") for node in graph.nodes):
        return None
    body = Body(bundle, graph, {})
    steps: dict[tuple[str, ...], list[_Step]] = {}
    for step in _steps(body):
        steps.setdefault(step.before, []).append(step)
    for first in [step for group in steps.values() for step in group]:
        if any(first.same_as(step) for group in steps.values() for step in group if step.after == first.before):
            continue
        chain = [first]
        while (following := next(filter(first.same_as, steps.get(chain[-1].after, ())), None)) is not None:
            chain.append(following)
            if len(chain) > len(graph.nodes):
                break
        if len(chain) > 1 and (found := _layer(bundle, graph, body, chain)) is not None:
            return found
    return None


def _steps(body: Body) -> Iterator[_Step]:
    """Every cell in a graph, whatever state it is given."""
    activated: dict[str, list[str]] = {}
    for node in body.graph.nodes:
        for value in node.outputs.values():
            if len(node.inputs) == 1:
                activated.setdefault(next(iter(node.inputs.values())), []).append(value)
    users: dict[str, list[str]] = {}
    for node in body.graph.nodes:
        if body.bundle.layers[node.layer].type == "Mul":
            for taken in node.inputs.values():
                users.setdefault(taken, []).extend(node.outputs.values())
    for node in body.graph.nodes:
        for value in node.outputs.values():
            body.refresh()
            try:
                yield from _gated(body, value, activated, users)
                yield from _simple(body, value)
            except ValueError:  # a size that is not known
                continue


def _gated(
    body: Body, value: str, activated: Mapping[str, list[str]], users: Mapping[str, list[str]]
) -> Iterator[_Step]:
    """The LSTM's and GRU's steps that the sum of two products may belong to: which value is the state is not said."""
    inner = Finder(body, {}, ()).clipped(value)[1]
    if not body.is_a(inner, "Add") or not all(body.is_a(taken, "Mul") for taken in body.inputs(inner)):
        return
    states = dict.fromkeys(taken for product in body.inputs(inner) for taken in body.inputs(product))
    outputs = [made for a in activated.get(value, ()) for made in users.get(a, ())]
    for state in states:
        finder = Finder(body, {state: value}, ())
        if body.types[state].shape != body.types[value].shape or finder.activation(state) is not None:
            continue
        yield from (_Step(cell, (state,), (value,)) for cell in finder.cells())
        for output in outputs:
            for source in _sources(body, finder, body.inputs(output)):
                if source == state or body.types[source].shape != body.types[output].shape:
                    continue
                for cell in Finder(body, {state: value, source: output}, ()).cells():
                    if cell.type == "LSTM":
                        yield _Step(cell, (source, state), (output, value))


def _simple(body: Body, value: str) -> Iterator[_Step]:
    """Simple steps from their activation."""
    found = Finder(body, {}, ()).activation(value)
    if found is None or found.span is not None or len(body.types[value].shape) != 2:
        return
    products = body.sum_of(found.value).products
    for product in products if len(products) > 1 else ():
        if body.types[product.source].shape == body.types[value].shape:
            for cell in Finder(body, {product.source: value}, ()).cells():
                yield _Step(cell, (product.source,), (value,))


def _sources(body: Body, finder: Finder, values: Sequence[str]) -> list[str]:
    """What the gates among some values multiply."""
    found: dict[str, None] = {}
    for value in values:
        gate = finder.activation(value)
        if gate is not None:
            found |= dict.fromkeys(p.source for p in body.sum_of(gate.value, gate.span).products)
    return list(found)


def _weights(cell: Cell) -> list[object]:
    def of(gate: Gate) -> object:
        weights = [(p.weight, p.span) for p in (*gate.inputs, *gate.states)]
        return weights, gate.vectors, gate.state_vectors, gate.peephole

    return [*map(of, cell.gates), cell.projection and cell.projection.weight]


def _layer(bundle: Bundle, graph: Graph, body: Body, chain: Sequence[_Step]) -> Bundle | None:
    """A chain as a layer and the indices of what it gives; None where something else needs what is inside it."""
    first, last = chain[0], chain[-1]
    cell = first.cell
    if any(p.weight is None for gate in cell.gates for p in gate.inputs) or not first.sources:
        return None
    if len({tuple(p.source for p in gate.inputs) for gate in cell.gates}) != 1:
        return None
    name = _name(body, first, bundle.layers)
    gathered = Gathered(body, name, "", dict(bundle.layers), dict(bundle.tensors), inside=False)
    width = range(len(first.sources))
    parts = [_sequence(body, [step.sources[i] for step in chain], gathered) for i in width]
    x = (
        parts[0]
        if len(parts) == 1
        else gathered.place(Concat(axis=2), "input", **{f"x{i}": p for i, p in enumerate(parts)})
    )
    try:
        if not weighed(cell, gathered):
            return None
    except ValueError:
        return None
    inputs = {"x": x, **gathered.inputs}
    for state, value in zip(("h", "c"), first.before, strict=False):
        if not is_zero(bundle, body.maker.get(value)):
            inputs[f"initial_{state}"] = value
    gathered.layers[name] = CLASSES[cell.type](
        reverse=False, order="time", masked_output="zero", **UNDROPPED, **cell.settings, operands=gathered.operands
    )
    outputs = {"y": f"{name}/y", "h": f"{name}/h"} | ({"c": last.after[1]} if len(last.after) > 1 else {})
    nodes = [*gathered.nodes, Node(layer=name, scope="", inputs=inputs, outputs=outputs)]
    for index, step in enumerate(chain):
        gathered.layers[f"{name}/{index}"] = Select(axis=1, index=index)
        nodes.append(Node(layer=f"{name}/{index}", scope="", inputs={"x": outputs["y"]}, outputs={"y": step.after[0]}))
    made = {value for node in nodes for value in node.outputs.values()}
    rest = [node for node in graph.nodes if not made & set(node.outputs.values())]
    ordered = _ordered(graph, _needed([*nodes, *rest], [port.value for port in graph.outputs]))
    if ordered is None:
        return None
    whole = _stacked(graph.model_copy(update={"nodes": tuple(ordered)}), gathered.layers, name, len(chain))
    return replace(bundle, layers=gathered.layers, tensors=gathered.tensors, graph=whole)


def _name(body: Body, step: _Step, layers: Mapping[str, Layer]) -> str:
    """The scope of the first step."""
    base = body.maker[step.after[0]].layer.rpartition("/")[0] or step.cell.type.lower()
    number, found = 1, base
    while found in layers:
        number += 1
        found = f"{base}_{number}"
    return found


def _sequence(body: Body, values: Sequence[str], gathered: Gathered) -> str:
    """Values of steps as a sequence: what they are the indices of, or else stacked."""
    owners = {index_of(body, value) for value in values}
    places = [index_of(body, value) for value in values]
    whole = places[0][0] if places[0] is not None else ""
    axis = places[0][1] if places[0] is not None else 0
    order = [(whole, axis, index) for index in range(len(values))]
    if None not in owners and places in (order, order[::-1]):
        shape = body.types[whole].shape
        if shape[axis] == len(values) and len(shape) == 3 and axis < 2:
            turned = Transpose(permutation=(1, 0, 2))
            whole = whole if axis == 1 else gathered.place(turned, "sequence", x=whole)
            return whole if places == order else gathered.place(Flip(axes=(1,)), "backwards", x=whole)
    return gathered.place(Stack(axis=1), "sequence", **{f"x{i}": value for i, value in enumerate(values)})


def index_of(body: Body, value: str) -> tuple[str, int, int] | None:
    """Of what, along which axis, and where a value is one index."""
    layer = body.layer(value)
    if layer is None:
        return None
    node, settings = body.maker[value], layer.settings()
    if layer.type == "Unstack":
        return node.inputs["x"], settings["axis"], list(node.outputs.values()).index(value)
    if layer.type == "Select":
        size = body.types[node.inputs["x"]].shape[settings["axis"]]
        index = settings["index"]
        return node.inputs["x"], settings["axis"], index + size if index < 0 and isinstance(size, int) else index
    inner = node.inputs.get("x", "")
    if layer.type == "Split" and settings["axis"] == 0 and body.is_a(inner, "Reshape"):
        whole = body.maker[inner].inputs.get("x", "")
        shape, steps = body.types[whole].shape, len(node.outputs)
        if len(shape) == 3 and shape[0] == steps and body.types[value].shape == shape[1:]:
            return whole, 0, list(node.outputs.values()).index(value)
    if layer.type in ("Squeeze", "Reshape") and body.is_a(inner, "Split") and len(body.types[value].shape) == 2:
        split, axis = body.maker[inner], body.bundle.layers[body.maker[inner].layer].settings()["axis"]
        if axis < 2 and body.types[inner].shape[axis] == 1:
            return split.inputs["x"], axis, list(split.outputs.values()).index(inner)
    return None


def _needed(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    """The nodes that outputs need, in the order in which they stand."""
    maker = {value: node for node in nodes for value in node.outputs.values()}
    waiting, seen = list(outputs), set()
    while waiting:
        node = maker.get(waiting.pop())
        if node is not None and id(node) not in seen:
            seen.add(id(node))
            waiting += node.inputs.values()
    return [node for node in nodes if id(node) in seen]


def _ordered(graph: Graph, nodes: Sequence[Node]) -> list[Node] | None:
    """The nodes with each behind what it takes; None where they wait for one another."""
    maker = {value: node for node in nodes for value in node.outputs.values()}
    done = {port.value for port in graph.inputs}
    found: list[Node] = []
    opened: set[int] = set()
    for start in nodes:
        waiting = [start]
        while waiting:
            node = waiting[-1]
            if set(node.outputs.values()) <= done:
                waiting.pop()
                continue
            missing = [maker[v] for v in node.inputs.values() if v not in done and v in maker]
            if not missing:
                found.append(node)
                done |= set(node.outputs.values())
                waiting.pop()
            elif id(node) in opened and any(id(other) in opened for other in missing):
                return None
            else:
                opened.add(id(node))
                waiting += missing[:1]
    return found


def _stacked(graph: Graph, layers: dict[str, Layer], name: str, count: int) -> Graph:
    """The graph in which all indices of a sequence, stacked again, are the sequence."""
    places: dict[str, int] = {}
    for node in graph.nodes:
        taken = layers[node.layer]
        if isinstance(taken, Select) and node.inputs == {"x": f"{name}/y"}:
            places[node.outputs["y"]] = taken.index
    renamed: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        layer, inputs = layers[node.layer], {s: renamed.get(v, v) for s, v in node.inputs.items()}
        if isinstance(layer, Stack) and [places.get(v) for v in inputs.values()] == list(range(count)):
            if layer.axis == 1:
                renamed[node.outputs["y"]] = f"{name}/y"
                continue
            if layer.axis == 0:
                turned = f"{name}/turned/{len(nodes)}"
                layers[turned] = Transpose(permutation=(1, 0, 2))
                nodes.append(Node(layer=turned, scope=node.scope, inputs={"x": f"{name}/y"}, outputs=node.outputs))
                continue
        nodes.append(node.model_copy(update={"inputs": inputs}))
    outputs = [port.model_copy(update={"value": renamed.get(port.value, port.value)}) for port in graph.outputs]
    return graph.model_copy(update={"nodes": tuple(nodes), "outputs": tuple(outputs)})
