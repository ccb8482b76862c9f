"""Computes what depends on constants alone: merged weight norm, pruning masks, dequantised or tied-through-a-transpose
weights. The results are new tensors without a source, so this is done on request only and cannot be undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TypeAlias

from irconv.containers.budget import unpacked
from irconv.errors import Refused
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.dtypes import item_size, logical_name
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType, symbols_in
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.manifest import TensorRecord
from irconv.ir.shapes import static
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array
from irconv.log import timed
from irconv.passes import bodies

Evaluate: TypeAlias = Callable[[Bundle], Mapping[str, Array]]
"""Runs a bundle that has no inputs; its outputs by port name."""
Chosen: TypeAlias = Callable[[Node], bool]
"""Whether a node that takes constants alone is computed."""


@timed
def run(bundle: Bundle, evaluate: Evaluate, chosen: Chosen = lambda _: True) -> Bundle:
    """The same function with every computable value a Constant, and computed operands among those of their layer."""
    if bundle.graph is None:
        return bundle
    known = _known(bundle, bundle.graph, chosen)
    nodes = [node for node in bundle.graph.nodes if not set(node.outputs.values()) <= known]
    wanted = {value for node in nodes for value in node.inputs.values()} | {p.value for p in bundle.graph.outputs}
    constants = {n.outputs["y"] for n in bundle.graph.nodes if isinstance(bundle.layers[n.layer], Constant)}
    results = [value for value in sorted(wanted & known) if value not in constants]
    layers, tensors = dict(bundle.layers), dict(bundle.tensors)
    types = infer_types(bundle) if results else {}
    _check_size(bundle, {value: found for value, found in types.items() if value in known})
    arrays = evaluate(_subgraph(bundle, bundle.graph, known, results, types)) if results else {}
    made: list[Node] = [n for n in bundle.graph.nodes if n.outputs.get("y") in constants & wanted]
    for value in results:
        key, name = f"{value}.value", f"{value}.constant"
        tensors[key] = _tensor(arrays[value])
        layers[name] = Constant(operands={"value": StoredOperand(tensor=key)})
        made.append(Node(layer=name, scope="", inputs={}, outputs={"y": value}))
    holders = {node.outputs["y"]: layers[node.layer] for node in made}
    nodes = [_with_operands(node, layers, holders) for node in nodes]
    return _without_unused(replace(bundle, layers=layers, tensors=tensors), bundle.graph, made + nodes)


def _known(bundle: Bundle, graph: Graph, chosen: Chosen) -> set[str]:
    """The values that depend on no input, nor on its sizes."""
    known: set[str] = set()
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        if all(value in known for value in node.inputs.values()) and not _sized(layer):
            known |= set(node.outputs.values()) if isinstance(layer, Constant) or chosen(node) else set()
    return known


def _sized(layer: Layer) -> bool:
    """Whether a layer has a size that only an input tells, such as the length of a Range."""
    return bool(symbols_in(layer, (*layer.SIZES, *layer.MAKES)))


def _check_size(bundle: Bundle, known: Mapping[str, ValueType]) -> None:
    """Raise `Refused` where what is computed is out of all proportion to what is stored."""
    stored = sum(nbytes(tensor.record.dtype, tensor.record.shape) for tensor in bundle.tensors.values())
    for value, (dtype, shape) in known.items():
        sizes = static(shape)
        if sizes is not None and nbytes(dtype, sizes) > unpacked(stored):
            what = f"is computed from constants and takes {nbytes(dtype, sizes)} bytes, with {stored} bytes of weights"
            raise Refused(f"value {value}", f"{what}; irconv computes {unpacked(stored)} at most")


def nbytes(dtype: str, shape: Sequence[int]) -> int:
    """The bytes of a tensor."""
    return prod(shape) * (item_size(dtype) if dtype != "string" else 8)


def _subgraph(
    bundle: Bundle, graph: Graph, known: set[str], results: list[str], types: Mapping[str, ValueType]
) -> Bundle:
    nodes = tuple(node for node in graph.nodes if set(node.outputs.values()) <= known)
    outputs = tuple(
        Port(name=v, value=v, dtype=types[v].dtype, shape=types[v].shape, axes="", source_axes="") for v in results
    )
    return replace(bundle, graph=Graph(inputs=(), outputs=outputs, nodes=nodes))


def _tensor(array: Array) -> Tensor:
    dtype = logical_name(array.dtype)
    assert dtype is not None, "the runtimes give element types that a bundle can hold"
    record = TensorRecord(
        role="constant", trainable=None, dtype=dtype, shape=array.shape, axes="", letters="", source=None, steps=()
    )
    return Tensor(record, LazyTensor.of(array))


def _with_operands(node: Node, layers: dict[str, Layer], holders: Mapping[str, Layer]) -> Node:
    """The node with the operands that are constants now moved from its inputs to its layer."""
    layer = layers[node.layer]
    moved: dict[str, StoredOperand | LiteralOperand] = {
        role: holders[value].operands["value"]
        for role, value in node.inputs.items()
        if role in layer.PARAMETERS and value in holders
    }
    if not moved:
        return node
    name = f"{node.layer}.{next(iter(node.outputs.values()))}" if layer.operands.keys() & moved.keys() else node.layer
    layers[name] = layer.model_copy(update={"operands": {**layer.operands, **moved}})
    inputs = {slot: value for slot, value in node.inputs.items() if slot not in moved}
    return node.model_copy(update={"layer": name, "inputs": inputs})


def _without_unused(bundle: Bundle, graph: Graph, nodes: list[Node]) -> Bundle:
    """The graph without constants, layers and tensors that nothing uses any more."""
    used = {value for node in nodes for value in node.inputs.values()} | {port.value for port in graph.outputs}
    nodes = [n for n in nodes if not isinstance(bundle.layers[n.layer], Constant) or n.outputs["y"] in used]
    names = set(bodies.used(bundle.layers, graph.model_copy(update={"nodes": tuple(nodes)})))
    layers = {name: layer for name, layer in bundle.layers.items() if name in names}
    stored = (o for layer in layers.values() for o in layer.operands.values() if isinstance(o, StoredOperand))
    keys = {operand.tensor for operand in stored}
    tensors = {key: tensor for key, tensor in bundle.tensors.items() if key in keys}
    return replace(bundle, layers=layers, tensors=tensors, graph=graph.model_copy(update={"nodes": tuple(nodes)}))
