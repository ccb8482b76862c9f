"""Which numbers an input may hold, read from what the graph does with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from irconv.data_classes import dataclass
from irconv.errors import IrconvError
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType
from irconv.ir.layers.control import Scan

_BYTES = 1 / 64
"""A factor at most this large on an image says that the image has bytes."""


@dataclass(frozen=True)
class Domain:
    """What an input may hold."""

    bound: int | None = None
    """Integers from 0 up to, not including, this."""
    lengths: bool = False
    """Whether the integers count the steps of a sequence, so that they begin at 1."""
    image: bool = False
    scale: float = 1.0
    """The largest value of an image."""


#: Layers that hand an input's numbers on, moved or rounded at most.
_PASSED = frozenset(
    """
    Augmentation Cast Clip Concat Dropout Expand Flatten Floor GaussianNoise Identity Repeat Reshape Round Select Slice
    Split Squeeze Stack Tile Transpose Trunc Unsqueeze Unstack
    """.split()  # noqa: SIM905
)


_COMPARISONS = frozenset({"Greater", "GreaterOrEqual", "Less", "LessOrEqual"})


def domains(bundle: Bundle) -> dict[str, Domain]:
    """The domain of each input, by its name."""
    graph = bundle.graph
    if graph is None:
        return {}
    try:
        types: Mapping[str, ValueType] = infer_types(bundle)
    except IrconvError:
        types = {}
    return {port.name: _domain(bundle, port, graph, types) for port in graph.inputs}


def _domain(bundle: Bundle, port: Port, graph: Graph, types: Mapping[str, ValueType]) -> Domain:
    bounds: list[int] = []
    lengths = False
    factors: list[float] = []
    for node, slot in _reached(bundle, port.value, graph):
        layer = bundle.layers[node.layer]
        if layer.type == "Mul":
            factors += [factor for value in node.inputs.values() if (factor := _constant(bundle, value)) is not None]
        if (steps := _steps(bundle, port, node, slot, types)) is not None:
            bounds, lengths = [*bounds, *([steps + 1] if steps else [])], True
        elif (bound := _bound(bundle, layer, node, slot, types)) is not None:
            bounds.append(bound)
    space = sum(letter in "DHW" for letter in port.axes)
    image = port.dtype.startswith(("float", "bfloat")) and "C" in port.axes and space >= 2
    scale = 255.0 if any(0 < abs(factor) <= _BYTES for factor in factors) else 1.0
    return Domain(min(bounds, default=None), lengths, image, scale)


def _steps(bundle: Bundle, port: Port, node: Node, slot: str, types: Mapping[str, ValueType]) -> int | None:
    """How many steps the sequences have whose lengths an input says here; 0 where that is not known, None where it says
    no lengths: these order a sequence, or are compared with its places, one after the other or all at once."""
    layer = bundle.layers[node.layer]
    if slot == "lengths":  # of ReverseSequence, and of recurrent layers, whose time is axis 1
        return _size(types, node.inputs["x"], layer.settings().get("time_axis", 1))
    if not port.dtype.startswith(("int", "uint")) or len([size for size in port.shape if size != 1]) > 1:
        return None
    if isinstance(layer, Scan):
        if not slot.startswith("carried"):
            return None
        entered = layer.body.inputs[int(slot.removeprefix("carried"))].value
        compared = any(
            bundle.layers[used.layer].type in _COMPARISONS for used, _ in _reached(bundle, entered, layer.body)
        )
        return _size(types, node.inputs["scanned0"], 1) if compared else None
    result = next(iter(node.outputs.values()), "")
    if layer.type in _COMPARISONS and result in types and len(types[result].shape) > 1:
        return _size(types, result, -1)
    return None


def _size(types: Mapping[str, ValueType], value: str, axis: int) -> int:
    """The size of an axis; 0 where it is not known."""
    size = types[value].shape[axis] if value in types else None
    return size if isinstance(size, int) else 0


def _reached(bundle: Bundle, value: str, graph: Graph) -> Iterator[tuple[Node, str]]:
    """Every use of a value in a graph, also after layers that only hand it on."""
    uses: dict[str, list[tuple[Node, str]]] = {}
    for user in graph.nodes:
        for slot, taken in user.inputs.items():
            uses.setdefault(taken, []).append((user, slot))
    waiting, seen = [value], {value}
    while waiting:
        for node, slot in uses.get(waiting.pop(), ()):
            yield node, slot
            if bundle.layers[node.layer].type in _PASSED:
                new = [made for made in node.outputs.values() if made not in seen]
                waiting += new
                seen |= set(new)


def _bound(bundle: Bundle, layer: Layer, node: Node, slot: str, types: Mapping[str, ValueType]) -> int | None:
    found = _BOUNDS.get((layer.type, slot))
    if found is None:
        return None
    size = found(layer, bundle.operand_types(layer), {s: types[v] for s, v in node.inputs.items() if v in types})
    return size if isinstance(size, int) and size > 0 else None


_Types = Mapping[str, ValueType]


def _rows(layer: Layer, operands: _Types, inputs: _Types) -> object:
    table = operands.get("table") or inputs.get("table")
    return table.shape[0] if table else None


def _gathered(layer: Layer, operands: _Types, inputs: _Types) -> object:
    x = inputs.get("x") or operands.get("x")
    return x.shape[layer.settings()["axis"]] if x else None


def _depth(layer: Layer, operands: _Types, inputs: _Types) -> object:
    return layer.settings()["depth"]


#: Layer type and slot -> how many integers it takes there.
_BOUNDS: Mapping[tuple[str, str], Callable[[Layer, _Types, _Types], object]] = {
    ("Embedding", "x"): _rows,
    ("EmbeddingBag", "x"): _rows,
    ("Gather", "indices"): _gathered,
    ("GatherElements", "indices"): _gathered,
    ("OneHot", "x"): _depth,
    ("CategoryEncoding", "x"): _depth,
}


def _constant(bundle: Bundle, value: str) -> float | None:
    """The largest magnitude of a value that is a constant."""
    assert bundle.graph is not None, "the caller has looked"
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if value in node.outputs.values() and layer.type == "Constant":
            operand = layer.operands["value"]
            if isinstance(operand, LiteralOperand):
                return float(np.abs(np.asarray(operand.literal, np.float64)).max(initial=0.0))
            assert isinstance(operand, StoredOperand), "an operand is one or the other"
            return float(np.abs(bundle.tensors[operand.tensor].data.numpy().astype(np.float64)).max(initial=0.0))
        if value in node.outputs.values() and layer.type not in _PASSED:
            return None
        if value in node.outputs.values():
            return _constant(bundle, node.inputs["x"]) if "x" in node.inputs else None
    return None
