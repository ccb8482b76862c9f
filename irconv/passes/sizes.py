"""Sizes that are not known until the model runs, as nodes that compute them: for targets that take sizes as inputs.

A symbol is the size of the first value that has an axis of it; expressions over symbols become integer arithmetic on
int64 vectors of one element, and a list of dimensions their Concat. Each size is computed once in a graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from irconv.ir.graph import Node
from irconv.ir.layers.arithmetic import Div, Mod, Sub
from irconv.ir.layers.base import Layer, LiteralOperand, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.shape_ops import SizeOf, Squeeze
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Mul, Reshape
from irconv.ir.shapes import Dimension, Size, quotient


class SizeNodes:
    """Makes the nodes of one graph; a size that is there already is used again."""

    def __init__(self, within: str) -> None:
        self.within = within
        self.places: dict[str, tuple[str, int]] = {}
        self.layers: dict[str, Layer] = {}
        self.nodes: list[Node] = []
        self.made: set[str] = set()

    def note(self, value: str, kind: ValueType) -> None:
        """Remember the symbols that are sizes of a value."""
        for axis, size in enumerate(kind.shape):
            if isinstance(size, str):
                self.places.setdefault(size, (value, axis))

    def vector(self, sizes: Sequence[Dimension]) -> str:
        """An int64 vector of these sizes."""
        groups: list[list[Dimension]] = []
        for size in sizes:
            if groups and isinstance(size, int) and isinstance(groups[-1][0], int):
                groups[-1].append(size)
            else:
                groups.append([size])
        pieces = [self._constant(g) if isinstance(g[0], int) else self.size(Size.of(g[0])) for g in groups]
        if len(pieces) == 1:
            return pieces[0]
        return self._make(f"({', '.join(map(str, sizes))})", Concat(axis=0), *pieces)

    def scalar(self, size: Dimension) -> str:
        """The same for one size, without an axis."""
        return self._make(f"{size} alone", Squeeze(axes=(0,)), self.vector([size]), slot="x")

    def table(self, rows: Sequence[Sequence[Dimension]], width: int) -> str:
        """The same for rows of so many sizes, one below another."""
        flat = [size for row in rows for size in row]
        return self._make(f"{flat} in rows", Reshape(shape=(len(rows), width)), self.vector(flat), slot="x")

    def cast(self, value: str, dtype: str) -> str:
        """A value that was made here in another type."""
        return self._make(f"{value.removeprefix(f'{self.within}/')} as {dtype}", Cast(dtype=dtype), value, slot="x")

    def size(self, size: Size) -> str:
        """An int64 vector of this one element. Raises `KeyError` for a symbol that no value has had so far."""
        if str(size) in self.places:
            value, axis = self.places[str(size)]
            return self._make(str(size), SizeOf(axis=axis), value, slot="x")
        total, value = Size.of(0), ""
        for monomial, factor in size.terms.items():
            term = Size({monomial: factor})
            total += term
            made = self._term(monomial, factor)
            value = self._make(str(total), Add(), value, made) if value else made
        return value or self._constant([0])

    def _term(self, monomial: Iterable[str], factor: int) -> str:
        done, value = Size.of(1), ""
        for atom in monomial:
            done *= atom
            made = self._atom(atom)
            value = self._make(str(done), Mul(), value, made) if value else made
        if not value:
            return self._constant([factor])
        return value if factor == 1 else self._make(str(done * factor), Mul(), value, self._constant([factor]))

    def _atom(self, atom: str) -> str:
        parts = quotient(atom)
        if parts is None or atom in self.places:
            value, axis = self.places[atom]
            return self._make(atom, SizeOf(axis=axis), value, slot="x")
        dividend, divisor = parts
        value, by = self.size(dividend), self._constant([divisor])
        if any(factor < 0 for factor in dividend.terms.values()):  # ONNX's own division cuts off towards zero
            rest = self._make(f"{dividend} % {divisor}", Mod(sign="divisor"), value, by)
            value = self._make(f"{dividend} - {dividend} % {divisor}", Sub(), value, rest)
        return self._make(atom, Div(), value, by)

    def _constant(self, numbers: Sequence[Dimension]) -> str:
        value = LiteralOperand(literal=list(numbers), dtype="int64")
        return self._make(str(list(numbers)), Constant(operands={"value": value}))

    def _make(self, text: str, layer: Layer, *values: str, slot: str = "") -> str:
        name = f"{self.within}/{text}"
        if name not in self.made:
            self.made.add(name)
            self.layers[name] = layer
            inputs = {slot: values[0]} if slot else {f"x{i}": value for i, value in enumerate(values)}
            self.nodes.append(Node(layer=name, scope="", inputs=inputs, outputs={"y": name}))
        return name
