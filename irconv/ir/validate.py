"""What a bundle promises beyond its schema: names that resolve, tensors with one outcome, shapes that fit."""

from __future__ import annotations

from collections import Counter

from irconv.errors import BundleInvalid, Problems
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import ELEMENT_TYPES
from irconv.ir.graph import Graph, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import StoredOperand
from irconv.ir.layers.control import Scan
from irconv.ir.shapes import Size


def validate(bundle: Bundle) -> Problems:
    """Every broken promise, with its place in the manifest."""
    problems = Problems()
    used = _operands(bundle, problems)
    for group in bundle.groups:
        used.update(key for key in group.tensors.values())
    for key, tensor in bundle.tensors.items():
        where, record = f"tensors.{key}", tensor.record
        if tensor.data.dtype != record.dtype or tensor.data.shape != record.shape:
            got = f"{tensor.data.dtype} {tensor.data.shape}"
            problems.add(where, f"expected {record.dtype} {record.shape}, got {got}", kind=BundleInvalid)
        if key not in used and record.role != "optimizer":
            problems.add(where, "belongs to no layer and no group", kind=BundleInvalid)
        _provenance(bundle, key, problems)
    if bundle.graph is not None and not problems:
        _graph(bundle, bundle.graph, problems)
    return problems


def _operands(bundle: Bundle, problems: Problems) -> Counter[str]:
    used: Counter[str] = Counter()
    for name, layer in bundle.layers.items():
        for role, operand in layer.operands.items():
            where = f"layers.{name}.operands.{role}"
            if role not in layer.PARAMETERS:
                problems.add(where, f"{layer.type} has no operand {role}", kind=BundleInvalid)
            if isinstance(operand, StoredOperand):
                used[operand.tensor] += 1
                if operand.tensor not in bundle.tensors:
                    problems.add(where, f"expected a tensor {operand.tensor!r}, which is missing", kind=BundleInvalid)
    return used


def _provenance(bundle: Bundle, key: str, problems: Problems) -> None:
    tensor = bundle.tensors[key]
    source = tensor.record.source
    if source is None:
        return
    try:
        shape = tensor.native().shape
    except ValueError as error:
        problems.add(f"tensors.{key}.steps", f"cannot be undone: {error}", kind=BundleInvalid)
        return
    if shape != source.shape:
        what = f"undone, they give shape {shape}, but the source had {source.shape}"
        problems.add(f"tensors.{key}.steps", what, kind=BundleInvalid)


def _port(port: Port, where: str, problems: Problems) -> None:
    if not port.value:
        problems.add(where, "is a value without a name", kind=BundleInvalid)
    if port.dtype not in ELEMENT_TYPES:
        problems.add(where, f"expected an element type, got {port.dtype!r}", kind=BundleInvalid)
    for size in port.shape:
        try:
            Size.of(size)
        except ValueError as error:
            problems.add(where, str(error), kind=BundleInvalid)


def _ports(graph: Graph, problems: Problems, place: str) -> None:
    for kind, ports in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        for port in ports:
            _port(port, f"{place}.{kind}.{port.name}", problems)
        for name, count in Counter(port.name for port in ports).items():
            if count > 1 and place == "graph":
                problems.add(f"{place}.{kind}.{name}", f"is a name that {count} of them have", kind=BundleInvalid)
    if len({port.value for port in graph.inputs}) < len(graph.inputs):
        problems.add(f"{place}.inputs", "expected a value of its own for each", kind=BundleInvalid)


def _graph(bundle: Bundle, graph: Graph, problems: Problems, place: str = "graph") -> None:
    _ports(graph, problems, place)
    made = {port.value for port in graph.inputs}
    for number, node in enumerate(graph.nodes):
        where = f"{place}.nodes.{number}"
        if node.layer not in bundle.layers:
            problems.add(where, f"expected a layer {node.layer!r}, which is missing", kind=BundleInvalid)
        for value in node.inputs.values():
            if value not in made:
                problems.add(where, f"takes {value!r} before any node makes it", kind=BundleInvalid)
        for value in node.outputs.values():
            if value in made or not value:
                what = f"makes {value!r}, which is there already" if value else "makes a value without a name"
                problems.add(where, what, kind=BundleInvalid)
            made.add(value)
    for port in graph.outputs:
        if port.value not in made:
            problems.add(f"{place}.outputs.{port.name}", f"no node makes {port.value!r}", kind=BundleInvalid)
    for node in graph.nodes:
        layer = bundle.layers.get(node.layer)
        if isinstance(layer, Scan):
            _graph(bundle, layer.body, problems, f"layers.{node.layer}.body")
    if problems:
        return
    with problems.collect():
        types = infer_types(bundle, graph)
        for port in graph.outputs:
            if (port.dtype, port.shape) != types[port.value]:
                got = f"{types[port.value].dtype} {types[port.value].shape}"
                what = f"expected {port.dtype} {port.shape}, but its layers give {got}"
                problems.add(f"{place}.outputs.{port.name}", what, kind=BundleInvalid)
