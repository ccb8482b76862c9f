"""The types of all values of a graph, from those of its inputs."""

from __future__ import annotations

from irconv.errors import Problems
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph
from irconv.ir.layers.base import ValueType, size_fields, symbols_in
from irconv.ir.layers.control import Scan
from irconv.ir.shapes import symbols

MISFIT = "its inputs do not fit"
"""How the reason begins that a layer does not take what it is given."""

_KEPT = "_types"
"""Where a bundle keeps them, beside its fields: `dataclasses.replace` takes the fields alone."""


def infer_types(bundle: Bundle, graph: Graph | None = None) -> dict[str, ValueType]:
    """Element type and shape of every value, by name; a bundle, of which nothing changes, remembers those of its graph.

    Raises `Refused` naming every layer whose inputs do not fit; values after such a layer are not looked at.
    """
    graph = graph or bundle.graph
    if graph is None:
        return {}
    if graph is not bundle.graph:
        return inferred(bundle, graph)
    kept = vars(bundle)
    if _KEPT not in kept:
        kept[_KEPT] = inferred(bundle, graph)
    return dict(kept[_KEPT])


def inferred(bundle: Bundle, graph: Graph) -> dict[str, ValueType]:
    """What `infer_types` says, without a look at what is known."""
    types = {port.value: ValueType(port.dtype, port.shape) for port in graph.inputs}
    problems = Problems()
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        if any(value not in types for value in node.inputs.values()):
            continue
        given = {slot: types[value] for slot, value in node.inputs.items()} | bundle.operand_types(layer)
        try:
            if why := layer.unlike(given):
                raise ValueError(why)
            results = layer.infer(given)
        except (ValueError, KeyError, IndexError) as error:
            problems.add(f"layer {node.layer} ({layer.type})", f"{MISFIT}: {error}")
            continue
        types |= {value: results[slot] for slot, value in node.outputs.items()}
    problems.raise_any()
    return types


def check_sizes(bundle: Bundle) -> None:
    """Raise `Refused` naming every layer with a setting that depends on a size which nothing in the model has."""
    graph = bundle.graph
    if graph is None:
        return
    bodies = [layer.body for layer in bundle.layers.values() if isinstance(layer, Scan)]
    ports = [port for one in (graph, *bodies) for port in one.inputs]
    known = {symbol for port in ports for size in port.shape for symbol in symbols(size)}
    problems = Problems()
    for layer in bundle.layers.values():
        known |= symbols_in(layer, layer.MAKES)
    for name, layer in bundle.layers.items():
        if missing := symbols_in(layer, size_fields(type(layer))) - known:
            what = f"depends on the size {', '.join(sorted(missing))}, which nothing in the model has"
            problems.add(f"layer {name} ({layer.type})", what)
    problems.raise_any()


def check_types(bundle: Bundle) -> None:
    """Raise `Refused` naming every layer that is given numbers of several floating types where it takes one.

    Only a model in which there are several is looked at.
    """
    graph = bundle.graph
    if graph is None:
        return
    found = {tensor.record.dtype for tensor in bundle.tensors.values()} | {port.dtype for port in graph.inputs}
    if sum("float" in dtype for dtype in found) < 2:
        return
    types, problems = infer_types(bundle), Problems()
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        given = {slot: types[value] for slot, value in node.inputs.items()} | bundle.operand_types(layer)
        if why := layer.unlike(given, whole=True):
            problems.add(f"layer {node.layer} ({layer.type})", f"{MISFIT}: {why}")
    problems.raise_any()
