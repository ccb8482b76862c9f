"""Patterns matched from the last layer backwards, and the graph while matches are replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle, Tensor, literal_shape
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.manifest import LayoutStep
from irconv.ir.shapes import static
from irconv.ir.turns import turning
from irconv.layout import Array, customary, invert, regrouped
from irconv.passes.recompose.patterns import COMMUTATIVE, Either, Number, Op, Pattern, Var, Weights, roots_of

Operand: TypeAlias = StoredOperand | LiteralOperand
Place: TypeAlias = "tuple[int, tuple[int, ...]]"
"""The number of a node in the graph it came from, and its place among those that it has become."""
_SHAPED = ("Reshape", "Unsqueeze", "Squeeze")
"""Layers that give a constant another shape."""
_CLOSE = 1e-6
"""How far a float32 number may be from the one that a pattern names."""


@dataclass
class Match:
    """What a pattern has been matched with so far."""

    work: Work
    values: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    """Name -> the value of a Constant."""
    nodes: dict[str, Node] = field(default_factory=dict)
    inside: list[Node] = field(default_factory=list)
    """All nodes that the pattern has matched, constants left out."""

    def type_of(self, name: str) -> ValueType:
        """The type of a value that is known by name."""
        return self.work.types[self.values[name]]

    def vector(self, name: str, axis: int, rank: int) -> Operand | None:
        """A constant as a vector, where it broadcasts along one axis (from 0) of a value of this rank alone."""
        value = self.weights[name]
        shape = self.work.types[value].shape
        here = axis - (rank - len(shape))
        if here < 0 or len(shape) > rank or any(size != 1 for i, size in enumerate(shape) if i != here):
            return None
        return self.work.reshaped(value, (shape[here],), "c")

    def along(self, name: str, axes: Sequence[int], rank: int) -> Operand | None:
        """A constant under the shape of some axes (ascending), where it broadcasts along these alone."""
        value = self.weights[name]
        shape = self.work.types[value].shape
        at = {axis: shape[axis - rank + len(shape)] if axis - rank + len(shape) >= 0 else 1 for axis in range(rank)}
        if len(shape) > rank or any(size != 1 for axis, size in at.items() if axis not in axes):
            return None
        return self.work.reshaped(value, [at[axis] for axis in axes], "c" if len(axes) == 1 else "*k")

    def settings(self, name: str) -> dict[str, Any]:
        """The settings of a layer that is known by name."""
        return self.work.layers[self.nodes[name].layer].settings()


@dataclass(frozen=True)
class Made:
    """What a match becomes: a layer with its inputs, by slot or role, between transposes where its axes say so."""

    layer: Layer
    inputs: Mapping[str, str]
    name: str = ""
    """What the layer is called; empty: as the last layer of the match was."""
    turned: tuple[int, ...] = ()
    """How the axes of its first input are permuted before it, and back behind it."""
    before: Mapping[str, Sequence[Layer]] = field(default_factory=dict)
    """What other inputs go through before it, by slot."""


Build: TypeAlias = Callable[[Match], "Made | None"]


@dataclass(frozen=True)
class Rule:
    """A pattern, and what it becomes where `build` agrees."""

    name: str
    pattern: Op | Either
    build: Build

    @property
    def roots(self) -> tuple[str, ...]:
        """The types of the last layer."""
        return tuple(dict.fromkeys(roots_of(self.pattern)))


@dataclass
class Work:
    """A graph while matches are replaced."""

    source: Bundle
    graph: Graph
    layers: dict[str, Layer]
    tensors: dict[str, Tensor]
    types: dict[str, ValueType]
    nodes: dict[Place, Node]
    """By place; in order of places."""
    maker: dict[str, Place]
    users: Counter[str]
    uses: Counter[str]
    """How many nodes use a layer."""

    @staticmethod
    def of(bundle: Bundle) -> Work:
        """The graph of a bundle."""
        graph = bundle.graph
        assert graph is not None, "only graphs are matched"
        nodes: dict[Place, Node] = {(number, ()): node for number, node in enumerate(graph.nodes)}
        users = Counter(value for node in graph.nodes for value in node.inputs.values())
        users.update(port.value for port in graph.outputs)
        return Work(
            bundle,
            graph,
            dict(bundle.layers),
            dict(bundle.tensors),
            infer_types(bundle),
            nodes,
            {value: number for number, node in nodes.items() for value in node.outputs.values()},
            users,
            Counter(node.layer for node in graph.nodes),
        )

    def bundle(self) -> Bundle:
        """The bundle as it stands."""
        graph = self.graph.model_copy(update={"nodes": tuple(self.nodes[place] for place in sorted(self.nodes))})
        return replace(self.source, layers=self.layers, tensors=self.tensors, graph=graph)

    def apply(self, rules: Mapping[str, Sequence[Rule]]) -> bool:
        """Try the rules at every node, first node first; whether anything was replaced."""
        changed = False
        for number in list(self.nodes):
            node = self.nodes.get(number)
            for rule in rules.get(self.layers[node.layer].type, ()) if node is not None else ():
                if node is not None and self._replaced(rule, number, node):
                    changed = True
                    break
        return changed

    def _replaced(self, rule: Rule, number: Place, root: Node) -> bool:
        for match in self.matches(rule.pattern, next(iter(root.outputs.values())), Match(self)):
            made = rule.build(match) if self.is_closed(match, root) else None
            if made is not None:
                self._put(number, root, match, made)
                return True
        return False

    def is_closed(self, match: Match, root: Node) -> bool:
        """Whether nothing outside a match uses what is made inside it."""
        inside = {id(node): node for node in match.inside}.values()
        taken = Counter(value for node in inside for value in node.inputs.values())
        made = (value for node in inside if node is not root for value in node.outputs.values())
        return all(self.users[value] == taken[value] for value in made)

    def _put(self, number: Place, root: Node, match: Match, made: Made) -> None:
        gone = {self.maker[value] for node in match.inside for value in node.outputs.values()}
        for index in gone:
            node = self.nodes.pop(index)
            self.users.subtract(node.inputs.values())
            self.uses[node.layer] -= 1
        result, inputs = next(iter(root.outputs.values())), dict(made.inputs)
        name = made.name or root.layer
        name = name if not self.uses[name] else self._free(f"{name}/{made.layer.type.lower()}")
        inner = result
        if made.turned:
            slot = next(iter(inputs))
            before = self._turn(inputs[slot], made.turned, f"{result}/x", root.scope)
            inputs[slot], inner = next(iter(before.outputs.values())), f"{result}/y"
            self._insert(number, before, 0)
        steps = [(slot, layer) for slot, layers in made.before.items() for layer in layers]
        for count, (slot, layer) in enumerate(steps):
            value = f"{result}/{slot}/{layer.type.lower()}"
            step = self._free(value)
            node = Node(layer=step, scope=root.scope, inputs={"x": inputs[slot]}, outputs={"y": value})
            self.types[value] = layer.infer({"x": self.types[inputs[slot]]})["y"]
            self.layers[step], inputs[slot] = layer, value
            self._insert((number[0], (*number[1], 0)), node, count)
        outputs = {next(iter(made.layer.RESULTS)): inner}
        self.layers[name] = made.layer
        self._insert(number, Node(layer=name, scope=root.scope, inputs=inputs, outputs=outputs), 1)
        if made.turned:
            self._insert(number, self._turn(inner, invert(made.turned), result, root.scope), 2)

    def _free(self, name: str) -> str:
        number, found = 1, name
        while self.uses[found]:
            number += 1
            found = f"{name}_{number}"
        return found

    def _turn(self, value: str, order: Sequence[int], result: str, scope: str) -> Node:
        return Node(layer=turning(self.layers, order), scope=scope, inputs={"x": value}, outputs={"y": result})

    def _insert(self, number: Place, node: Node, place: int) -> None:
        """Put a node where another was; there is room for three."""
        key = number[0], number[1] + (place,)
        self.nodes[key] = node
        self.maker |= dict.fromkeys(node.outputs.values(), key)
        self.users.update(node.inputs.values())
        self.uses[node.layer] += 1

    # matching

    def matches(self, pattern: Pattern, value: str, so_far: Match) -> Iterator[Match]:
        """Every way in which a value can be the pattern's result."""
        if isinstance(pattern, Var):
            if so_far.values.get(pattern.name, value) == value:
                yield replace(so_far, values={**so_far.values, pattern.name: value})
        elif isinstance(pattern, Number):
            number = self.number(value)
            if number is not None and (pattern.value is None or _close(number, pattern.value)):
                if not pattern.name:
                    yield so_far
                elif so_far.numbers.get(pattern.name, number) == number:
                    yield replace(so_far, numbers={**so_far.numbers, pattern.name: number})
        elif isinstance(pattern, Weights):
            if self.is_constant(value) and so_far.weights.get(pattern.name, value) == value:
                yield replace(so_far, weights={**so_far.weights, pattern.name: value})
        elif isinstance(pattern, Either):
            for part in pattern.patterns:
                yield from self.matches(part, value, so_far)
        else:
            yield from self._matches_op(pattern, value, so_far)

    def _matches_op(self, pattern: Op, value: str, so_far: Match) -> Iterator[Match]:
        number = self.maker.get(value)
        node = None if number is None else self.nodes.get(number)
        if node is None or so_far.nodes.get(pattern.name, node) is not node:
            return
        layer = self.layers[node.layer]
        if self.uses[node.layer] > 1 and layer.type != "Transpose":  # one layer is all transposes of its axes
            return
        if layer.type != pattern.type or len(node.inputs) != len(pattern.inputs) or len(node.outputs) != 1:
            return
        settings = layer.settings()
        if any(not _agrees(settings[key], wanted) for key, wanted in pattern.settings.items()):
            return
        nodes = {**so_far.nodes, pattern.name: node} if pattern.name else so_far.nodes
        given = list(node.inputs.values())
        seen = replace(so_far, nodes=nodes, inside=[*so_far.inside, node])
        for order in dict.fromkeys(permutations(given)) if layer.type in COMMUTATIVE else [tuple(given)]:
            yield from self._matches_all(list(zip(pattern.inputs, order, strict=True)), seen)

    def _matches_all(self, pairs: Sequence[tuple[Pattern, str]], so_far: Match) -> Iterator[Match]:
        if not pairs:
            yield so_far
            return
        (pattern, value), *rest = pairs
        for match in self.matches(pattern, value, so_far):
            yield from self._matches_all(rest, match)

    # constants

    def constant(self, value: str) -> Constant | None:
        """The layer that makes a value out of its operand alone, but for axes of length 1 and the like."""
        number = self.maker.get(value)
        node = None if number is None else self.nodes.get(number)
        while node is not None and self.layers[node.layer].type in _SHAPED and list(node.inputs) == ["x"]:
            number = self.maker.get(node.inputs["x"])
            node = None if number is None else self.nodes.get(number)
        layer = None if node is None else self.layers[node.layer]
        return layer if isinstance(layer, Constant) and "value" in layer.operands else None

    def is_constant(self, value: str) -> bool:
        """Whether a value is a constant."""
        return self.constant(value) is not None

    def number(self, value: str) -> float | None:
        """The number that a constant of one element is."""
        layer = self.constant(value)
        if layer is None or any(size != 1 for size in self.types[value].shape):
            return None
        return float(self.array(layer.operands["value"]).reshape(-1)[0])

    def array(self, operand: Operand) -> Array:
        """The elements of an operand."""
        if isinstance(operand, StoredOperand):
            return self.tensors[operand.tensor].data.numpy()
        return np.asarray(operand.literal, numpy_dtype(operand.dtype))

    def operand(self, value: str) -> Operand | None:
        """The operand of a constant."""
        layer = self.constant(value)
        return None if layer is None else layer.operands["value"]

    def shape_of(self, operand: Operand) -> tuple[int, ...]:
        """The shape of an operand."""
        if isinstance(operand, StoredOperand):
            return self.tensors[operand.tensor].data.shape
        return literal_shape(operand)

    def length(self, operand: Operand) -> int:
        """The number of elements of a vector."""
        return self.shape_of(operand)[0]

    def named(self, operand: StoredOperand, axes: str) -> StoredOperand:
        """A stored operand with other words for its axes."""
        tensor = self.tensors[operand.tensor]
        letters = customary(axes, len(tensor.data.shape))
        if tensor.record.axes == axes:
            return operand
        key = f"{operand.tensor}/{axes.replace(' ', '')}"
        record = replace(tensor.record, axes=axes, letters=letters)
        self.tensors[key] = replace(tensor, record=record)
        return StoredOperand(tensor=key)

    def reshaped(self, value: str, shape: Sequence[Any], axes: str) -> Operand | None:
        """A constant under another shape, with words for its axes."""
        operand, wanted = self.operand(value), static(shape)
        return None if operand is None or wanted is None else self.regrouped(operand, wanted, axes)

    def regrouped(self, operand: Operand, wanted: tuple[int, ...], axes: str) -> Operand | None:
        """An operand under another shape, with words for its axes."""
        if isinstance(operand, LiteralOperand):
            if literal_shape(operand) == wanted:
                return operand
            return LiteralOperand(literal=self.array(operand).reshape(wanted).tolist(), dtype=operand.dtype)
        tensor = self.tensors[operand.tensor]
        if tensor.data.shape == wanted:
            return self.named(operand, axes)
        step = regrouped(tensor.data.shape, wanted)
        if step is None:
            return None
        key = f"{operand.tensor}/{axes.replace(' ', '')}"
        layout = LayoutStep(source=step[0], target=step[1], orders={}, sizes=step[2])
        self.tensors[key] = tensor.relayout(layout, axes)
        return StoredOperand(tensor=key)


def _close(number: float, wanted: float) -> bool:
    return abs(number - wanted) <= _CLOSE * max(abs(wanted), 1e-30)


def _agrees(found: Any, wanted: Any) -> bool:
    return bool(wanted(found)) if callable(wanted) else found == wanted
