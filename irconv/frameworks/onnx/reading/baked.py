"""Sizes that a graph leaves open at its inputs, and that its exporter wrote as numbers further on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from irconv.ir.bundle import Bundle
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.shape_ops import Expand
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Concat
from irconv.ir.manifest import Fact, baked_fact
from irconv.ir.shapes import Dimension, Shape, Size, quotient, size_product


class Baked(Exception):
    """A symbol can have one value alone; the model is read again with that."""

    def __init__(self, symbol: str, size: int, where: str) -> None:
        super().__init__(f"{where}: {symbol} is {size}")
        self.symbol, self.size, self.where = symbol, size, where


def check_elements(found: Shape, wanted: tuple[Dimension, ...], where: str) -> None:
    """Raise `Baked` where two shapes have as many elements for one value of one symbol alone.

    >>> check_elements(("N", 4, "T"), (2, 4, "T"), "y")
    Traceback (most recent call last):
    ...
    irconv.frameworks.onnx.reading.baked.Baked: y: N is 2
    """
    solved = _solved(size_product(found) - size_product(wanted))
    if solved is not None:
        raise Baked(*solved, where)


def _solved(size: Size) -> tuple[str, int] | None:
    """The symbol, and the positive number for it, that make a size 0 whatever the others are."""
    if len(size.terms) != 2:
        return None
    (left, a), (right, b) = sorted(size.terms.items(), key=lambda term: -len(term[0]))
    rest = list(left)
    for atom in right:
        if atom not in rest:
            return None
        rest.remove(atom)
    if len(rest) != 1 or quotient(rest[0]) is not None or -b % a or -b // a < 1:
        return None
    return rest[0], -b // a


def check_model(bundle: Bundle, file: str) -> tuple[Fact, ...]:
    """What is to be told of open sizes of the inputs that a layer takes as one number, or as 1, which it broadcasts.

    Raises `Baked` for one that a layer takes as one number alone.
    """
    graph = bundle.graph
    assert graph is not None, "models of ONNX are graphs"
    opened = {size for port in graph.inputs for size in port.shape if isinstance(size, str)}
    if not opened:
        return ()
    types, found = infer_types(bundle), dict[str, Fact]()
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        given = {slot: types[value] for slot, value in node.inputs.items()} | bundle.operand_types(layer)
        named = (layer.origin.name, layer.origin.type) if layer.origin is not None else (node.layer, layer.type)
        where = f"{file}: node {named[0]} ({named[1]})"
        for symbol, size in _alone(layer, given):
            if symbol in opened:
                raise Baked(symbol, size, where)
        for symbol, size in _broadcast(layer, given):
            if symbol in opened:
                found.setdefault(symbol, baked_fact(symbol, size, where, " but 1"))
    return tuple(found.values())


def _alone(layer: Layer, given: Mapping[str, ValueType]) -> Iterator[tuple[str, int]]:
    """Symbols, and the one number that a layer takes for each."""
    wanted: list[tuple[Dimension, int]] = []
    if isinstance(layer, Concat):
        for axis, here in enumerate(zip(*(value.shape for value in given.values()), strict=True)):
            numbers = {size for size in here if isinstance(size, int)}
            if axis != layer.axis and len(numbers) == 1:
                wanted += [(size, min(numbers)) for size in here if isinstance(size, str)]
    elif isinstance(layer, Split):
        pieces = [size for size in layer.sizes if isinstance(size, int)]
        if len(pieces) == len(layer.sizes):
            wanted.append((given["x"].shape[layer.axis], sum(pieces)))
    elif isinstance(layer, Linear) and isinstance(features := given["kernel"].shape[1], int):
        wanted.append((given["x"].shape[-1], features))
    for size, number in wanted:
        if (solved := _solved(Size.of(size) - number)) is not None:
            yield solved


def _broadcast(layer: Layer, given: Mapping[str, ValueType]) -> Iterator[tuple[str, int]]:
    """Symbols that meet a number other than 1 where sizes of 1 are broadcast."""
    groups = [list(group) for group in layer.together(given)]
    if isinstance(layer, Expand):
        groups.append([given["x"].shape, layer.shape])
    if isinstance(layer, MatMul):
        groups.append([value.shape[:-2] for value in given.values()])
    for shapes in groups:
        for position in range(1, max(map(len, shapes), default=0) + 1):
            sizes = [shape[-position] for shape in shapes if len(shape) >= position]
            numbers = [size for size in sizes if isinstance(size, int) and size != 1]
            if numbers:
                yield from ((size, numbers[0]) for size in sizes if isinstance(size, str))
