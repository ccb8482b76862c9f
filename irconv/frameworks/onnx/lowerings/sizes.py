"""Sizes that are not known until the model runs: a field such as ``("N", "2*T + 1")`` becomes a computed input.

A symbol is the size of the first value that has an axis of it; expressions over symbols become integer arithmetic on
int64 vectors of one element, and a list of dimensions their Concat. Rows that take such a field (`SizesInput`) then
find an input of the field's name. Each size is computed once in a graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from irconv.errors import Problems
from irconv.frameworks.onnx.table import TABLE
from irconv.frameworks.onnx.table.rows import SizesInput
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.arithmetic import Div, Mod, Sub
from irconv.ir.layers.base import Layer, LiteralOperand, ValueType
from irconv.ir.layers.shape_ops import SizeOf, Squeeze
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Mul
from irconv.ir.shapes import Dimension, Size, quotient

_ROWS: dict[type[Layer], list[SizesInput]] = {}
for _codec in TABLE.codecs:
    _known = _ROWS.setdefault(_codec.layer, [])
    _known += [row for row in _codec.rows if isinstance(row, SizesInput) and row not in _known]


def run(bundle: Bundle) -> Bundle:
    """The bundle with every size of its graph that depends on an input computed.

    Raises one `Refused` that names every layer with a symbol that is the size of no value before it.
    """
    if bundle.graph is None or not any(_ROWS.get(type(layer)) for layer in bundle.layers.values()):
        return bundle
    graph, problems, types = bundle.graph, Problems(), infer_types(bundle)
    computed = _computed(bundle, graph, types)
    sizes = _Sizes(f"{graph.outputs[0].value}/sizes")
    for port in graph.inputs:
        sizes.note(port.value, types[port.value])
    for node in graph.nodes:
        layer, inputs = bundle.layers[node.layer], dict(node.inputs)
        for row in computed.get(node.layer, ()):
            flat = row.flat(layer.settings(), {slot: types[value] for slot, value in node.inputs.items()})
            try:
                inputs[row.field] = sizes.scalar(flat[0]) if row.scalar else sizes.vector(flat)
            except KeyError as missing:
                where = f"layer {node.layer} ({layer.type})"
                problems.add(where, f"its {row.field} depends on {missing.args[0]}, which is the size of no value")
        sizes.nodes.append(node.model_copy(update={"inputs": inputs}))
        for value in node.outputs.values():
            sizes.note(value, types[value])
    problems.raise_any()
    changed = graph.model_copy(update={"nodes": tuple(sizes.nodes)})
    return replace(bundle, layers={**bundle.layers, **sizes.layers}, graph=changed)


def _computed(bundle: Bundle, graph: Graph, types: Mapping[str, ValueType]) -> dict[str, list[SizesInput]]:
    """The rows of each layer that need an input; one use that needs it makes every use have it."""
    found: dict[str, list[SizesInput]] = {}
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        given = {slot: types[value] for slot, value in node.inputs.items()}
        for row in _ROWS.get(type(layer), ()):
            unknown = any(isinstance(size, str) for size in row.flat(layer.settings(), given))
            if unknown and row not in found.setdefault(node.layer, []):
                found[node.layer].append(row)
    return found


class _Sizes:
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
