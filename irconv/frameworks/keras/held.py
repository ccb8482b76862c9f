"""Parameters that were made values of layers, as the constants that they are (`irconv.frameworks.keras.parameters`).

An EinsumDense that is given a one has its kernel as its value, numbers that a zero is added to are these numbers. Keras
has no other way to a weight that no layer has; a bundle needs neither.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.matrix import Einsum
from irconv.ir.layers.shape_ops import Expand, Full
from irconv.ir.layers.tensor_ops import Add, Constant, Reshape
from irconv.ir.manifest import LayoutStep
from irconv.ir.shapes import static
from irconv.log import timed
from irconv.passes import unused

_ITSELF = re.compile(r"(\w)(\w),\2(\w+)->\1\3")
"""The equation of a product with one number that gives the other factor."""

_WHOLE = ("int32", "int64")


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function with parameters in the place of what is computed of them and a one."""
    if bundle.graph is None or not any(isinstance(layer, Full) for layer in bundle.layers.values()):
        return bundle
    work = _Work(bundle)
    nodes = [made for node in bundle.graph.nodes if (made := work.node(node)) is not None]
    if not work.renamed and nodes == [*bundle.graph.nodes]:
        return bundle
    ports = tuple(
        port.model_copy(update={"value": work.renamed.get(port.value, port.value)}) for port in bundle.graph.outputs
    )
    graph = bundle.graph.model_copy(update={"nodes": tuple(nodes), "outputs": ports})
    return unused.run(replace(bundle, layers=work.layers, tensors=work.tensors, graph=graph))


class _Work:
    def __init__(self, bundle: Bundle) -> None:
        assert bundle.graph is not None, "the caller has looked"
        self.layers, self.tensors = dict(bundle.layers), dict(bundle.tensors)
        self.types: Mapping[str, ValueType] = infer_types(bundle)
        self.makers: dict[str, Layer] = {}
        self.users = Counter(value for node in bundle.graph.nodes for value in node.inputs.values())
        self.users.update(port.value for port in bundle.graph.outputs)
        self.renamed: dict[str, str] = {}
        """The result of a node that is left out -> what is in its place."""

    def node(self, node: Node) -> Node | None:
        """A node as it is from now on; None where its result is another value."""
        given = {slot: self.renamed.get(value, value) for slot, value in node.inputs.items()}
        layer = self.layers[node.layer]
        same = self._same(node, layer, given)
        if same is not None:
            for value in node.outputs.values():
                self.renamed[value] = same
            return None
        node = node.model_copy(update={"inputs": given}) if given != node.inputs else node
        if isinstance(layer, Cast) and (cast := self._cast(layer, given["x"])) is not None:
            self.layers[node.layer] = cast
            node = node.model_copy(update={"inputs": {}})
        if isinstance(layer, Add) and (spread := self._spread(node, given)) is not None:
            node = spread
        self.makers |= dict.fromkeys(node.outputs.values(), self.layers[node.layer])
        return node

    def _same(self, node: Node, layer: Layer, given: Mapping[str, str]) -> str | None:
        """The value that a node's result is, if it is one that there is already."""
        if isinstance(layer, Einsum) and len(given) == 2 and self._is(given["x0"], 1):
            found = given["x1"]
            whole = isinstance(self.makers.get(found), Constant) and self.types[found].shape[:1] == (1,)
            alike = self.types[found].dtype == self.types[node.outputs["y"]].dtype
            return found if whole and alike and _ITSELF.fullmatch(layer.equation) else None
        if isinstance(layer, Add):
            found = next((value for value in given.values() if not self._is(value, 0)), "")
            known = isinstance(self.makers.get(found), Constant)
            zero = len(given) == 2 and any(self._is(value, 0) for value in given.values())
            return found if known and zero and self.types[found] == self.types[node.outputs["y"]] else None
        maker = self.makers.get(given.get("x", ""))
        if not isinstance(maker, Constant) or not isinstance(layer, Reshape):
            return None
        return given["x"] if self._reshaped(given["x"], maker, layer) else None

    def _is(self, value: str, number: int) -> bool:
        """Whether a value is this number and has two axes of one."""
        maker = self.makers.get(value)
        return isinstance(maker, Full) and maker.shape == (1, 1) and maker.value == number

    def _cast(self, layer: Cast, value: str) -> Constant | None:
        """Whole numbers as those of another type: a file of Keras' does not say which type its numbers have."""
        maker = self.makers.get(value)
        operand = maker.operands["value"] if isinstance(maker, Constant) else None
        if not isinstance(operand, LiteralOperand) or layer.dtype not in _WHOLE or not _whole(operand.literal):
            return None
        return Constant(operands={"value": LiteralOperand(literal=operand.literal, dtype=layer.dtype)})

    def _reshaped(self, value: str, maker: Constant, layer: Reshape) -> bool:
        """Whether a stored constant that is used once could be given a shape without its leading axes of one."""
        operand, shape = maker.operands["value"], static(layer.shape)
        before = self.types[value].shape
        if not isinstance(operand, StoredOperand) or self.users[value] > 1 or not shape:
            return False
        count = len(before) - len(shape)
        if count < 1 or before != (*(1,) * count, *shape):
            return False
        ones, rest = (" ".join(f"{side}{axis}" for axis in range(n)) for side, n in (("u", count), ("a", len(shape))))
        first, _, others = rest.partition(" ")
        step = LayoutStep(
            source=f"{ones} {rest}",
            target=f"({ones} {first}) {others}".strip(),
            orders={},
            sizes=dict.fromkeys(ones.split(), 1),
        )
        self.tensors[operand.tensor] = self.tensors[operand.tensor].relayout(step)
        self.types = {**self.types, value: ValueType(self.types[value].dtype, shape)}
        return True

    def _spread(self, node: Node, given: Mapping[str, str]) -> Node | None:
        """A parameter for each sample of a batch, where zeros for each were added to it."""
        zeros = next((v for v in given.values() if isinstance(f := self.makers.get(v), Full) and f.value == 0), None)
        found = next((value for value in given.values() if value != zeros), "")
        result = self.types[node.outputs["y"]]
        if zeros is None or not isinstance(self.makers.get(found), Constant) or self.types[found].dtype != result.dtype:
            return None
        self.layers[node.layer] = Expand(shape=result.shape)
        return node.model_copy(update={"inputs": {"x": found}})


def _whole(literal: object) -> bool:
    if isinstance(literal, list | tuple):
        return all(_whole(part) for part in literal)
    return isinstance(literal, int) and not isinstance(literal, bool)
