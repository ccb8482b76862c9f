"""Lets a pass that knows one graph reach the graphs nested in it, the bodies of Scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.layers.control import Scan


def everywhere(bundle: Bundle, change: Callable[[Bundle], Bundle]) -> Bundle:
    """The bundle with `change` made to its graph and to every body, each as if it were the only graph.

    Where a body's use of a layer ends up with other settings than its other uses, it gets a layer of its own.
    """
    bundle = inside(bundle, change)
    return keep(bundle, change(bundle))


def inside(bundle: Bundle, change: Callable[[Bundle], Bundle]) -> Bundle:
    """The same with `change` made to the bodies alone."""
    if bundle.graph is None:
        return bundle
    for name in scans(bundle.layers, bundle.graph):
        scan = bundle.layers[name]
        assert isinstance(scan, Scan)
        others = set(used(bundle.layers, bundle.graph, without=name))
        done = everywhere(replace(bundle, graph=scan.body), change)
        assert done.graph is not None
        own = {n: f"{name}.{n}" for n, layer in done.layers.items() if n in others and bundle.layers.get(n) != layer}
        nodes = tuple(n.model_copy(update={"layer": own.get(n.layer, n.layer)}) for n in done.graph.nodes)
        body = done.graph.model_copy(update={"nodes": nodes})
        changed = {own.get(n, n): layer for n, layer in done.layers.items()}
        layers = {**bundle.layers, **changed, name: scan.model_copy(update={"body": body})}
        bundle = replace(bundle, layers=layers, tensors={**bundle.tensors, **done.tensors})
    return bundle


def keep(before: Bundle, after: Bundle) -> Bundle:
    """`after` with the layers that its bodies name and their tensors, for a pass that drops what its own graph does not
    use."""
    if after.graph is None:
        return after
    names = used({**before.layers, **after.layers}, after.graph)
    missing = {name: before.layers[name] for name in names if name not in after.layers}
    operands = [operand for layer in missing.values() for operand in layer.operands.values()]
    keys = [operand.tensor for operand in operands if isinstance(operand, StoredOperand)]
    tensors = {key: before.tensors[key] for key in keys if key not in after.tensors}
    layers = {**after.layers, **missing}
    return replace(after, layers=layers, tensors={**after.tensors, **tensors}) if missing else after


def scans(layers: Mapping[str, Layer], graph: Graph) -> list[str]:
    """The Scans that a graph uses, each once."""
    return list(dict.fromkeys(node.layer for node in graph.nodes if isinstance(layers[node.layer], Scan)))


def used(layers: Mapping[str, Layer], graph: Graph, without: str = "") -> Iterator[str]:
    """The layers that a graph and its bodies use, but for those inside the Scan `without`."""
    for node in graph.nodes:
        layer = layers[node.layer]
        yield node.layer
        if isinstance(layer, Scan) and node.layer != without:
            yield from used(layers, layer.body, without)
