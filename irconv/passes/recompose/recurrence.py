"""Loops that are recurrent layers, as these: a cell after the other is taken out of a `Scan` until nothing is left.

What a cell needs: its products are with values that are sequences outside of the loop, and nothing else in the loop
needs its states. What is left of a loop stays one, fed with the sequence that the layer gives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.layers.base import Layer
from irconv.ir.layers.control import Scan
from irconv.ir.layers.recurrent_base import UNDROPPED
from irconv.ir.layers.shape_ops import Squeeze
from irconv.ir.layers.tensor_ops import Concat
from irconv.log import timed
from irconv.passes import bodies, unused
from irconv.passes.recompose.cells import Cell, Finder, Mask
from irconv.passes.recompose.gathering import Gathered
from irconv.passes.recompose.hoisting import hoisted, needed
from irconv.passes.recompose.sinking import sunk
from irconv.passes.recompose.sums import Base, Body, is_zero
from irconv.passes.recompose.weighing import CLASSES, weighed

_LOOPS = re.compile(r"(/while(_\d+)?|/while_context)+$")
_MOST = 64
"""More layers than any loop holds."""


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function with recurrent layers in the place of the loops that are such."""
    for _ in range(_MOST):
        if bundle.graph is None or not bodies.scans(bundle.layers, bundle.graph):
            break
        changed = next((found for node in bundle.graph.nodes if (found := _found(bundle, node))), None)
        if changed is None:
            break
        bundle = unused.run(changed)
    return bundle


def _found(bundle: Bundle, node: Node) -> Bundle | None:
    """The bundle with one cell of a loop as a layer, which may have its products before the loop, or else with what
    needs no loop before it."""
    within = _taken_out(bundle, node)
    if within is not None or not isinstance(bundle.layers[node.layer], Scan):
        return within
    changed = sunk(bundle, node)
    found = None if changed is None else _taken_out(*changed)
    return hoisted(bundle, node) if found is None else found


def _taken_out(bundle: Bundle, node: Node) -> Bundle | None:
    """The bundle with one cell of a loop as a layer; None where it holds none."""
    scan, graph = bundle.layers[node.layer], bundle.graph
    if not isinstance(scan, Scan) or graph is None or scan.reverse or scan.order != "time":
        return None
    loop = _Loop.of(bundle, graph, node, scan)
    for cell in Finder(loop.body, loop.after, loop.counters).cells():
        try:
            found = loop.without(cell)
        except ValueError:  # a size that is not known
            continue
        if found is not None:
            return found
    return None


@dataclass
class _Loop:
    bundle: Bundle
    graph: Graph
    node: Node
    scan: Scan
    body: Body
    after: dict[str, str]
    """Input of the body that steps change -> what it is in the next step."""
    counters: list[str]

    @staticmethod
    def of(bundle: Bundle, graph: Graph, node: Node, scan: Scan) -> _Loop:
        ports = scan.body.inputs[: scan.carried]
        pairs = {port.value: out.value for port, out in zip(ports, scan.body.outputs, strict=False)}
        starts = {port.value: node.inputs[f"carried{i}"] for i, port in enumerate(ports)}
        unchanged = {value: starts[value] for value, after in pairs.items() if value == after}
        body = Body(bundle, scan.body, unchanged)
        after = {value: following for value, following in pairs.items() if value not in unchanged}
        outer = {value: made for made in graph.nodes for value in made.outputs.values()}
        counters = []
        for value, following in after.items():
            inputs = body.inputs(following) if body.is_a(following, "Add") else []
            counts = value in inputs and [body.number(other) for other in inputs if other != value] == [1.0]
            if counts and is_zero(bundle, outer.get(starts[value])):
                counters.append(value)
        return _Loop(bundle, graph, node, scan, body, after, counters)

    # what is around

    def start(self, port: str) -> str:
        """What a carried value is at first."""
        ports = [p.value for p in self.scan.body.inputs]
        return self.node.inputs[f"carried{ports.index(port)}"]

    def sequence(self, port: str) -> str | None:
        """The sequence whose steps an input of the body is; None for carried ones."""
        ports = [p.value for p in self.scan.body.inputs]
        place = ports.index(port) - self.scan.carried if port in ports else -1
        return self.node.inputs[f"scanned{place}"] if place >= 0 else None

    def starts_at_zero(self, port: str) -> bool:
        """Whether a carried value is zeros at first."""
        made = next((n for n in self.graph.nodes if self.start(port) in n.outputs.values()), None)
        return is_zero(self.bundle, made)

    def _uses(self, value: str) -> int:
        return sum(value == taken for n in self.graph.nodes for taken in n.inputs.values()) + sum(
            value == port.value for port in self.graph.outputs
        )

    # taking a cell out

    def without(self, cell: Cell) -> Bundle | None:
        """The bundle with the cell before the loop as a layer; None where something else needs what is inside it."""
        given = self._given(cell)
        sources = {tuple(p.source for p in gate.inputs) for gate in cell.gates}
        if given is None or len(sources) != 1:
            return None
        base = _LOOPS.sub("", self.node.layer) or self.node.layer
        layers = dict(self.bundle.layers)
        name = _free(base, layers)
        gathered = Gathered(self.body, name, self.node.scope, layers, dict(self.bundle.tensors))
        x = self._input(cell, gathered)
        if x is None or not weighed(cell, gathered):
            return None
        layers, inputs = gathered.layers, {"x": x, **gathered.inputs}
        for state, port in cell.states.items():
            if not self.starts_at_zero(port):
                inputs[f"initial_{state}"] = self.start(port)
        if cell.mask is not None:
            mask = self._mask(cell.mask, gathered)
            if mask is None:
                return None
            inputs["lengths" if cell.mask.by_lengths else "mask"] = mask
        layer = CLASSES[cell.type](
            reverse=False,
            order="time",
            masked_output=given.masked,
            **UNDROPPED,
            **cell.settings,
            operands=gathered.operands,
        )
        layers[name] = layer
        outputs = {"y": f"{name}/y"} | {state: f"{name}/{state}" for state in cell.states}
        made = Node(layer=name, scope=self.node.scope, inputs=inputs, outputs=outputs)
        return self._rest(cell, given, made, gathered)

    def _given(self, cell: Cell) -> _Given | None:
        """The values of the body that the layer's sequence is, and what it holds at masked steps."""
        if cell.mask is None:
            return _Given(frozenset({cell.raw}), "zero", ())
        h, body = cell.states["h"], self.body
        repeats: set[str] = set()
        zeros: set[str] = set()
        before: list[str] = []
        for node in body.graph.nodes:
            for value in node.outputs.values() if body.is_a(next(iter(node.outputs.values())), "Where") else ():
                for other in node.inputs.values():
                    finder = Finder(body, self.after, self.counters)
                    if finder.selected(value, other) != (cell.raw, cell.mask):
                        continue
                    if other == h and self.starts_at_zero(h):
                        repeats.add(value)
                    elif self.after.get(other) == value and other != h and self.starts_at_zero(other):
                        repeats.add(value)
                        before.append(other)
                    elif body.is_fixed(other) and self._is_zero(other):
                        zeros.add(value)
        states = {self.after[port] for port in cell.states.values()}
        shown = [value for value in repeats - states if self._is_shown(value)]
        if zeros and shown:
            return None
        if not zeros and any(self._is_stacked(value) for value in repeats):
            shown.append(cell.raw)
        if shown:
            return _Given(frozenset({*repeats, cell.raw}), "repeat", tuple(before))
        return _Given(frozenset({*zeros, cell.raw}), "zero", tuple(before))

    def _is_shown(self, value: str) -> bool:
        """Whether anything but a state is given by it."""
        outputs = self.scan.body.outputs[self.scan.carried :]
        return any(value == port.value for port in outputs) or any(
            value in node.inputs.values() for node in self.body.graph.nodes
        )

    def _is_stacked(self, value: str) -> bool:
        return any(value == port.value for port in self.scan.body.outputs[self.scan.carried :])

    def _is_zero(self, value: str) -> bool:
        if self.body.number(value) == 0.0 or is_zero(self.bundle, self.body.maker.get(value)):
            return True
        outside = self.body.unchanged.get(value)
        made = next((n for n in self.graph.nodes if outside in n.outputs.values()), None)
        return is_zero(self.bundle, made)

    def _mask(self, mask: Mask, gathered: Gathered) -> str | None:
        if mask.by_lengths:
            return gathered.value(Base(mask.root))
        sequence = self.sequence(mask.root)
        if sequence is None:
            return None
        rank = len(self.body.types[mask.root].shape)
        if rank == 1:
            return sequence
        if rank != 2 or self.body.types[mask.root].shape[1] != 1:
            return None
        made = next((n for n in self.graph.nodes if sequence in n.outputs.values()), None)
        if made is not None and self.bundle.layers[made.layer].type == "Unsqueeze":
            return made.inputs["x"]
        return gathered.place(Squeeze(axes=(2,)), "mask", x=sequence)

    # its weights

    def _input(self, cell: Cell, gathered: Gathered) -> str | None:
        """The sequence that all gates' products are with."""
        found = [self.sequence(product.source) for product in cell.gates[0].inputs]
        sequences = [sequence for sequence in found if sequence is not None]
        if len(sequences) != len(found) or not found:
            return None
        if any(product.weight is None for gate in cell.gates for product in gate.inputs):
            return None
        if len(sequences) == 1:
            return sequences[0]
        return gathered.place(Concat(axis=2), "input", **{f"x{i}": value for i, value in enumerate(sequences)})

    # what is left

    def _rest(self, cell: Cell, given: _Given, made: Node, gathered: Gathered) -> Bundle | None:
        """The graph with the layer, and with a loop of what is left, if anything is."""
        scan, node, step = self.scan, self.node, f"{made.layer}/step"
        gone = {*cell.states.values(), *given.before}
        swap = dict.fromkeys(given.values, step)
        body = [n.model_copy(update={"inputs": _swapped(n.inputs, swap)}) for n in scan.body.nodes]
        outs = [port.model_copy(update={"value": swap.get(port.value, port.value)}) for port in scan.body.outputs]
        renamed = self._results(cell, given, made)
        keep = [i for i, port in enumerate(scan.body.inputs[: scan.carried]) if port.value not in gone]
        stacked = range(scan.carried, len(outs))
        left = [i for i in stacked if outs[i].value != step]
        for i in stacked:
            result = node.outputs.get(f"stacked{i - scan.carried}")
            if i not in left and result is not None:
                renamed[result] = made.outputs["y"]
        wanted = {name for name in node.outputs.values() if self._uses(name) and name not in renamed}
        still = [i for i in left if node.outputs.get(f"stacked{i - scan.carried}") in wanted]
        kept_states = [i for i in keep if node.outputs.get(f"carried{i}") in wanted]
        if (
            wanted
            - {node.outputs.get(f"stacked{i - scan.carried}") for i in still}
            - {node.outputs.get(f"carried{i}") for i in kept_states}
        ):
            return None
        nodes, lost = [*gathered.nodes, made], False
        if still or kept_states:
            rest = self._loop_of(cell, (body, outs), keep, left, made)
            lost = rest is None or not self._only_running(cell, given)
            nodes += [] if rest is None else [rest[1]]
            if rest is not None:
                gathered.layers[node.layer] = rest[0]
        if lost:
            return None
        return self._replaced(nodes, renamed, gathered)

    def _results(self, cell: Cell, given: _Given, made: Node) -> dict[str, str]:
        """What the loop gives of the cell's states -> what the layer gives."""
        ports = [port.value for port in self.scan.body.inputs]
        found = {}
        alike = given.before if self.starts_at_zero(cell.states["h"]) else ()
        for state, port in (*(("h", port) for port in alike), *cell.states.items()):
            result = self.node.outputs.get(f"carried{ports.index(port)}")
            if result is not None:
                found[result] = made.outputs[state]
        return found

    def _loop_of(
        self,
        cell: Cell,
        changed: tuple[Sequence[Node], Sequence[Port]],
        keep: Sequence[int],
        left: Sequence[int],
        made: Node,
    ) -> tuple[Scan, Node] | None:
        """The loop without the cell; None where it needs what only the cell knew."""
        scan, node, (body, outs), step = self.scan, self.node, changed, f"{made.layer}/step"
        carried, scanned = scan.body.inputs[: scan.carried], scan.body.inputs[scan.carried :]
        dtype, shape = self.body.types[cell.raw]
        port = Port(name=step, value=step, dtype=dtype, shape=shape, axes="", source_axes="")
        inputs = (*(carried[i] for i in keep), *scanned, port)
        outputs = (*(outs[i] for i in keep), *(outs[i] for i in left))
        inner = needed(body, [out.value for out in outputs])
        have = {p.value for p in inputs} | {value for n in inner for value in n.outputs.values()}
        if any(value not in have for n in inner for value in n.inputs.values()):
            return None
        if any(out.value not in have for out in outputs):
            return None
        graph = Graph(inputs=inputs, outputs=outputs, nodes=tuple(inner))
        layer = scan.model_copy(update={"body": graph, "carried": len(keep), "scanned": len(scanned) + 1})
        given = {f"carried{k}": node.inputs[f"carried{i}"] for k, i in enumerate(keep)}
        given |= {f"scanned{k}": node.inputs[f"scanned{k}"] for k in range(len(scanned))}
        given[f"scanned{len(scanned)}"] = made.outputs["y"]
        results = {f"carried{k}": node.outputs[f"carried{i}"] for k, i in enumerate(keep)}
        for k, i in enumerate(left):
            results[f"stacked{k}"] = node.outputs[f"stacked{i - scan.carried}"]
        return layer, node.model_copy(update={"inputs": given, "outputs": results})

    def _only_running(self, cell: Cell, given: _Given) -> bool:
        """Whether what the cell gives at masked steps is used at these alone where it does not count."""
        if cell.mask is None:
            return True
        finder = Finder(self.body, self.after, self.counters)
        inside = set(given.values) - {cell.raw}
        waiting, seen = [cell.raw], {cell.raw}
        outputs = {port.value for port in self.scan.body.outputs}
        while waiting:
            value = waiting.pop()
            if value in outputs:
                return False
            for node in self.body.graph.nodes:
                if value not in node.inputs.values():
                    continue
                for made in node.outputs.values():
                    others = [finder.selected(made, other) for other in node.inputs.values()]
                    stopped = made in inside or any(found == (value, cell.mask) for found in others)
                    if not stopped and made not in seen:
                        seen.add(made)
                        waiting.append(made)
        return True

    def _replaced(self, nodes: Sequence[Node], renamed: Mapping[str, str], gathered: Gathered) -> Bundle:
        place = self.graph.nodes.index(self.node)
        after = [n.model_copy(update={"inputs": _swapped(n.inputs, renamed)}) for n in self.graph.nodes[place + 1 :]]
        outputs = [p.model_copy(update={"value": renamed.get(p.value, p.value)}) for p in self.graph.outputs]
        whole = (*self.graph.nodes[:place], *nodes, *after)
        graph = self.graph.model_copy(update={"nodes": whole, "outputs": tuple(outputs)})
        return replace(self.bundle, layers=gathered.layers, tensors=gathered.tensors, graph=graph)


@dataclass(frozen=True)
class _Given:
    """What of a body a layer gives."""

    values: frozenset[str]
    masked: str
    before: tuple[str, ...]
    """Carried values that hold the output of the step before."""


def _swapped(inputs: Mapping[str, str], swap: Mapping[str, str]) -> dict[str, str]:
    return {slot: swap.get(value, value) for slot, value in inputs.items()}


def _free(name: str, layers: Mapping[str, Layer]) -> str:
    number, found = 1, name
    while found in layers:
        number += 1
        found = f"{name}_{number}"
    return found
