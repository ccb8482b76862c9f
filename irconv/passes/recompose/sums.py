"""Values of a loop's body as sums of products with weights: ``W x + U h + b``, whatever the order it is written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from itertools import accumulate
from typing import TypeAlias

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import infer_types
from irconv.ir.layers import HANDED_ON
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType
from irconv.ir.layers.shape_ops import Full
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.shapes import static

Operand: TypeAlias = StoredOperand | LiteralOperand
Span: TypeAlias = tuple[int, int]
"""From where to where along an axis."""
_MOST = 600
"""More than any cell has sums and products; less than Python's own limit of calls in calls."""


@dataclass(frozen=True)
class Base:
    """Something fixed: an operand of a layer, or a value of the body that nothing but constants and what the loop does
    not change is needed for."""

    value: str = ""
    operand: Operand | None = None


@dataclass(frozen=True)
class Matrix:
    """A block of a fixed matrix, regarded as (out, in)."""

    base: Base
    turned: bool
    """Whether it lies as (in, out)."""
    outs: Span
    ins: Span


@dataclass(frozen=True)
class Vector:
    """A stretch of a fixed vector."""

    base: Base
    span: Span


@dataclass(frozen=True)
class Product:
    """A matrix times a value; without a matrix the stretch of the value itself."""

    source: str
    weight: Matrix | None
    span: Span


@dataclass(frozen=True)
class Sum:
    """The sum of products, vectors, a number, and of values times a vector, element by element."""

    products: tuple[Product, ...] = ()
    vectors: tuple[Vector, ...] = ()
    scaled: tuple[tuple[str, Vector], ...] = ()
    number: float = 0.0

    def plus(self, other: Sum) -> Sum:
        """Both together."""
        number = self.number + other.number
        return Sum(self.products + other.products, self.vectors + other.vectors, self.scaled + other.scaled, number)


@dataclass
class Body:
    """The body of a loop, or a graph, and what its values are."""

    bundle: Bundle
    graph: Graph
    unchanged: Mapping[str, str]
    """Inputs that every step gives on as they are -> the value that they are outside."""
    types: dict[str, ValueType] = field(init=False)
    maker: dict[str, Node] = field(init=False)
    _fixed: dict[str, bool] = field(default_factory=dict)
    _same: dict[str, str] = field(default_factory=dict)
    """Fixed value -> the first one that is computed in the same way."""
    _pieces: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    """Result of a Split -> its axis, and where it begins."""
    _how: dict[object, str] = field(default_factory=dict)
    _looks: int = 0
    """How often values were looked at: sums of sums can be many in a small file."""

    def __post_init__(self) -> None:
        self.types = infer_types(self.bundle, self.graph)
        self.maker = {value: node for node in self.graph.nodes for value in node.outputs.values()}

    def refresh(self) -> None:
        """Look at another value with all patience."""
        self._looks = 0

    def layer(self, value: str) -> Layer | None:
        """The layer that makes a value; None for inputs."""
        node = self.maker.get(value)
        return None if node is None else self.bundle.layers[node.layer]

    def inputs(self, value: str) -> list[str]:
        """What the layer that makes a value takes."""
        return list(self.maker[value].inputs.values())

    def is_a(self, value: str, *types: str) -> bool:
        """Whether a layer of one of these types makes a value."""
        layer = self.layer(value)
        return layer is not None and layer.type in types

    def size(self, value: str) -> int:
        """The length of the last axis. Raises `ValueError` where it is not known."""
        shape = self.types[value].shape
        if not shape or not isinstance(shape[-1], int):
            raise ValueError(f"{value} of shape {shape}")
        return shape[-1]

    def is_fixed(self, value: str) -> bool:
        """Whether a value is the same in every step and for every input."""
        waiting = [value]
        while waiting:
            name = waiting[-1]
            node = self.maker.get(name)
            if name in self._fixed or node is None:
                self._fixed.setdefault(name, name in self.unchanged)
                waiting.pop()
                continue
            inputs = list(node.inputs.values())
            missing = [taken for taken in inputs if taken not in self._fixed]
            if missing:
                waiting += missing
                continue
            self._fixed[name] = all(self._fixed[taken] for taken in inputs)
            waiting.pop()
        return self._fixed[value]

    def number(self, value: str) -> float | None:
        """The number that a constant of one element is."""
        layer = self.layer(value)
        if not isinstance(layer, Constant) or any(size != 1 for size in self.types[value].shape):
            return None
        operand = layer.operands["value"]
        if isinstance(operand, LiteralOperand):
            literal = operand.literal
            while isinstance(literal, list):
                literal = literal[0]
            return float(literal)
        return float(self.bundle.tensors[operand.tensor].data.numpy().reshape(-1)[0])

    # weights

    def matrix(self, value: str) -> Matrix | None:
        """A fixed value of two axes that stand as (in, out), cuts and turns seen through."""
        if not self.is_fixed(value) or len(self.types[value].shape) != 2:
            return None
        rows, columns = self.types[value].shape
        if not isinstance(rows, int) or not isinstance(columns, int):
            return None
        spans, turned = [(0, rows), (0, columns)], True
        while (node := self.maker.get(value)) is not None:
            cut = self._cut(value)
            if cut is not None:
                axis, start = cut
                axis = axis if turned else 1 - axis
                spans[axis] = (spans[axis][0] + start, spans[axis][1] + start)
            elif self.is_a(value, "Transpose") and self.bundle.layers[node.layer].settings()["permutation"] == (1, 0):
                turned = not turned
            else:
                break
            value = self.inputs(value)[0]
        return Matrix(self.base(value), turned, spans[1], spans[0])

    def vector(self, value: str) -> Vector | None:
        """A fixed value that lies along the last axis alone."""
        shape = self.types[value].shape
        if not self.is_fixed(value) or not shape or not isinstance(shape[-1], int) or any(n != 1 for n in shape[:-1]):
            return None
        span = (0, shape[-1])
        while len(shape) == 1 and (cut := self._cut(value)) is not None:
            span = (span[0] + cut[1], span[1] + cut[1])
            value = self.inputs(value)[0]
        return Vector(self.base(value), span)

    def base(self, value: str) -> Base:
        """A fixed value as it is."""
        layer = self.layer(value)
        if isinstance(layer, Constant):
            return Base(operand=layer.operands["value"])
        return Base(self._first(value))

    def _first(self, value: str) -> str:
        """The first of all fixed values that are computed in the same way."""
        waiting = [value]
        while waiting:
            name = waiting[-1]
            node = self.maker.get(name)
            missing = [v for v in node.inputs.values() if v not in self._same] if node is not None else []
            if name not in self._same and missing:
                waiting += missing
                continue
            waiting.pop()
            if name in self._same:
                continue
            how: object = name
            if node is not None:
                layer = self.bundle.layers[node.layer].model_copy(update={"origin": None})
                inputs = [(slot, self._same[v]) for slot, v in node.inputs.items()]
                how = (layer.model_dump_json(), str(inputs), next(s for s, v in node.outputs.items() if v == name))
            self._same[name] = self._how.setdefault(how, name)
        return self._same[value]

    def _cut(self, value: str) -> tuple[int, int] | None:
        """The axis along which a value is a stretch of what its layer takes, and where that begins."""
        layer = self.layer(value)
        if isinstance(layer, Split):
            return self._piece(value, layer)
        if layer is None:
            return None
        settings = layer.settings()
        if layer.type == "Slice" and settings["steps"] == (1,):
            (axis,), (start,) = settings["axes"], settings["starts"]
            size = self.types[self.inputs(value)[0]].shape[axis]
            if isinstance(size, int) and (start is None or isinstance(start, int)):
                return axis, (start or 0) + (size if (start or 0) < 0 else 0)
        return None

    def _piece(self, value: str, layer: Split) -> tuple[int, int] | None:
        """The same for one of many pieces, which are all looked at together."""
        if value not in self._pieces:
            sizes = static(layer.sizes)
            starts = None if sizes is None else dict(enumerate(accumulate(sizes, initial=0)))
            for slot, piece in self.maker[value].outputs.items():
                self._pieces[piece] = None if starts is None else (layer.axis, starts[int(slot[1:])])
        return self._pieces[value]

    # sums

    def sum_of(self, value: str, span: Span | None = None) -> Sum:
        """A value of shape (n, m), or a stretch of it, as a sum. Raises `ValueError` where sizes are not known."""
        self._looks += 1
        if self._looks > _MOST:
            raise ValueError("sums of sums without end")
        start, stop = span or (0, self.size(value))
        layer = self.layer(value)
        whole = Sum((Product(value, None, (start, stop)),))
        if layer is None or len(self.types[value].shape) != 2:
            return whole
        node, inputs = self.maker[value], self.inputs(value)
        if layer.type == "Add":
            return self._added(inputs, (start, stop), value)
        if layer.type in HANDED_ON:
            return self.sum_of(inputs[0], (start, stop))
        if layer.type in ("Split", "Slice"):
            cut = self._cut(value)
            if cut is not None and cut[0] == 1:
                return self.sum_of(inputs[0], (start + cut[1], stop + cut[1]))
        if layer.type == "ChannelAffine" and not self._has(node, layer, "scale"):
            shift = self._role(node, layer, "shift")
            if shift is not None:
                return self.sum_of(node.inputs["x"], (start, stop)).plus(Sum(vectors=(_stretch(shift, start, stop),)))
        if layer.type == "Linear":
            return self._linear(node, layer, (start, stop)) or whole
        if layer.type == "MatMul":
            matrix = self.matrix(node.inputs["right"])
            if matrix is not None and len(self.types[node.inputs["left"]].shape) == 2:
                return Sum(self._products(node.inputs["left"], _rows(matrix, start, stop)))
        if layer.type == "Mul":
            for factor, other in (inputs, inputs[::-1]):
                vector = self.vector(factor)
                if vector is not None and self.size(factor) == self.size(value):
                    return Sum(scaled=((other, _stretch(vector, start, stop)),))
        return whole

    def _added(self, inputs: Sequence[str], span: Span, value: str) -> Sum:
        total = Sum()
        for taken in inputs:
            number = self.number(taken)
            vector = self.vector(taken) if number is None else None
            if number is not None:
                total = total.plus(Sum(number=number))
            elif vector is not None and self.size(taken) == self.size(value):
                total = total.plus(Sum(vectors=(_stretch(vector, *span),)))
            elif self.types[taken].shape == self.types[value].shape:
                total = total.plus(self.sum_of(taken, span))
            else:
                return Sum((Product(value, None, span),))
        return total

    def _linear(self, node: Node, layer: Layer, span: Span) -> Sum | None:
        x = node.inputs["x"]
        kernel = layer.operands.get("kernel")
        if kernel is not None:
            outs, ins = self.bundle.operand_types(layer)["kernel"].shape
            matrix: Matrix | None = Matrix(Base(operand=kernel), False, (0, int(outs)), (0, int(ins)))
        else:
            turned = self.matrix(node.inputs["kernel"])
            matrix = None if turned is None else Matrix(turned.base, not turned.turned, turned.ins, turned.outs)
        if matrix is None or len(self.types[x].shape) != 2:
            return None
        vectors: tuple[Vector, ...] = ()
        if self._has(node, layer, "bias"):
            bias = self._role(node, layer, "bias")
            if bias is None:
                return None
            vectors = (_stretch(bias, *span),)
        return Sum(self._products(x, _rows(matrix, *span)), vectors)

    def _products(self, source: str, matrix: Matrix) -> tuple[Product, ...]:
        """A product; that of values side by side is one of each."""
        while self.is_a(source, *HANDED_ON):
            source = self.inputs(source)[0]
        if self.is_a(source, "Concat") and len(self.types[source].shape) == 2:
            found: tuple[Product, ...] = ()
            start = matrix.ins[0]
            for part in self.inputs(source):
                stop = start + self.size(part)
                found += self._products(part, replace(matrix, ins=(start, stop)))
                start = stop
            return found
        return (Product(source, matrix, (0, self.size(source))),)

    def _has(self, node: Node, layer: Layer, role: str) -> bool:
        return role in layer.operands or role in node.inputs

    def _role(self, node: Node, layer: Layer, role: str) -> Vector | None:
        operand = layer.operands.get(role)
        if operand is None:
            return self.vector(node.inputs[role]) if role in node.inputs else None
        (size,) = self.bundle.operand_types(layer)[role].shape
        return Vector(Base(operand=operand), (0, int(size)))


def _stretch(vector: Vector, start: int, stop: int) -> Vector:
    return Vector(vector.base, (vector.span[0] + start, vector.span[0] + stop))


def _rows(matrix: Matrix, start: int, stop: int) -> Matrix:
    return replace(matrix, outs=(matrix.outs[0] + start, matrix.outs[0] + stop))


def is_zero(bundle: Bundle, node: Node | None) -> bool:
    """Whether a node makes zeros alone."""
    layer: Layer | None = None if node is None else bundle.layers[node.layer]
    if isinstance(layer, Full):
        return layer.value == 0
    if isinstance(layer, Constant) and isinstance(operand := layer.operands["value"], LiteralOperand):
        return _all_zero(operand.literal)
    return False


def _all_zero(literal: object) -> bool:
    return all(map(_all_zero, literal)) if isinstance(literal, list) else literal == 0
