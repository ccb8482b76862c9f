"""The way back for what came from Theano: the architecture as it was, with the arrays in the places they had.

It is taken only where reading it again gives this very bundle; any other bundle is written like a foreign one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from irconv.codec import NativeModel
from irconv.data_classes import dataclass
from irconv.errors import IrconvError
from irconv.frameworks.theano.architecture import FORMAT, parse
from irconv.frameworks.theano.arrays import Arrays, Stored
from irconv.frameworks.theano.normalise import normalise
from irconv.frameworks.theano.read import bundle_of
from irconv.frameworks.theano.weights import Weights
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Port
from irconv.ir.layers.base import ValueType
from irconv.options import ReadOptions
from irconv.passes import channels_last


@dataclass(frozen=True)
class Restored:
    """An architecture that gives the bundle again."""

    data: dict[str, Any]
    model: NativeModel
    types: dict[str, ValueType]
    weights: Weights


def restore(bundle: Bundle) -> Restored | None:
    """The architecture of a bundle that was read from Theano and has not been changed since; None for any other."""
    if bundle.source.framework not in ("theano", "lasagne") or bundle.graph is None:
        return None
    if any(port.axes != port.source_axes for port in (*bundle.graph.inputs, *bundle.graph.outputs)):
        return None  # its ports have other axes now
    try:
        data = _architecture(bundle)
        architecture = parse(data, "architecture")
        found = _arrays(bundle)
        weights = Weights(architecture, found, "architecture")
        builder = normalise(architecture, weights, ReadOptions())
        again = channels_last.run(bundle_of(builder, bundle.source))
    except IrconvError:
        return None
    same = again.layers == bundle.layers and _same_graph(again.graph, bundle.graph)
    records = {key: tensor.record for key, tensor in again.tensors.items()}
    same = same and records == {key: tensor.record for key, tensor in bundle.tensors.items()}
    return Restored(data, builder.model(), builder.importer.types, weights) if same else None


def _architecture(bundle: Bundle) -> dict[str, Any]:
    """The layers as their origins have them, each once, in the order of the graph."""
    assert bundle.graph is not None, "the caller has looked"
    layers: dict[str, dict[str, Any]] = {}
    places: dict[str, dict[str, Any]] = {}
    owner: dict[str, str] = {port.value: port.name for port in bundle.graph.inputs}
    for node in bundle.graph.nodes:
        origin = bundle.layers[node.layer].origin
        if origin is None:
            continue
        owner |= dict.fromkeys(node.outputs.values(), origin.name)
        if origin.split_from is None:
            layers[origin.name] = {name: value for name, value in origin.config.items() if name != "places"}
            places |= origin.config.get("places", {})
    outputs = [{"name": p.name, "layer": owner.get(p.value, p.value)} for p in bundle.graph.outputs]
    facts = {fact.name: fact.value for fact in bundle.source.facts}
    return {
        "format": FORMAT,
        "framework": bundle.source.framework,
        "version": bundle.source.version,
        "floatX": facts.get("floatX", "float32"),
        "inputs": [_input(port) for port in bundle.graph.inputs],
        "layers": list(layers.values()),
        "outputs": outputs,
        "weights": {"arrays": places},
    }


def _input(port: Port) -> dict[str, Any]:
    """An input; the letters of its axes are those that give its unknown sizes their names."""
    letters = port.axes if len(port.axes) == len(port.shape) else "NCHWDTEFGK"[: len(port.shape)]
    layout = [n if isinstance(n, str) and len(n) == 1 else x for n, x in zip(port.shape, letters, strict=True)]
    shape = [size if isinstance(size, int) else None for size in port.shape]
    return {"name": port.name, "shape": shape, "layout": "".join(layout), "dtype": port.dtype}


def _arrays(bundle: Bundle) -> Arrays:
    """The arrays as their files had them."""
    found: dict[str, Stored] = {}
    for tensor in bundle.tensors.values():
        source = tensor.record.source
        if source is not None:
            found[source.name] = Stored(source.file, (source.name,), source.name, tensor.native())
    return Arrays(Path("arrays"), "h5", (), tuple(found.values()))


def _same_graph(one: Graph | None, other: Graph | None) -> bool:
    """Whether two graphs have the same nodes and ports, but for the letters of axes."""
    if one is None or other is None:
        return False

    def ports(graph: Graph) -> list[tuple[Any, ...]]:
        return [(p.name, p.value, p.dtype, p.shape) for p in (*graph.inputs, *graph.outputs)]

    return one.nodes == other.nodes and ports(one) == ports(other)
