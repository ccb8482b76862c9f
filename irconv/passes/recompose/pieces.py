"""Cuts that together are all of an axis, as one Split; and a piece that is gated by the other, as a Glu."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer
from irconv.ir.layers.composite_activations import Glu
from irconv.ir.layers.slicing import Slice, Split
from irconv.log import timed
from irconv.passes import unused


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function; a value is cut once where it was cut into all its pieces one by one."""
    if bundle.graph is None or not any(isinstance(layer, Slice | Split) for layer in bundle.layers.values()):
        return bundle
    return _gated(_split(bundle))


def _split(bundle: Bundle) -> Bundle:
    graph = bundle.graph
    assert graph is not None, "the caller has looked"
    cuts: dict[tuple[str, int], dict[tuple[int, int], Node]] = {}
    twice: set[tuple[str, int]] = set()
    types = infer_types(bundle)
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        if not isinstance(layer, Slice) or layer.steps != (1,):
            continue
        size = types[node.inputs["x"]].shape[layer.axes[0]]
        stretch = _stretch(layer, size) if isinstance(size, int) else None
        if stretch is not None:
            found = cuts.setdefault((node.inputs["x"], layer.axes[0]), {})
            twice |= {(node.inputs["x"], layer.axes[0])} if stretch in found else set()
            found[stretch] = node
    layers, changed = dict(bundle.layers), dict[int, list[Node]]()
    for (value, axis), pieces in cuts.items():
        sizes = _tiles(list(pieces), types[value].shape[axis])
        if sizes is None or (value, axis) in twice:
            continue
        outputs = [pieces[stretch].outputs["y"] for stretch in sorted(pieces)]
        name = f"{outputs[0]}.split"
        while name in layers:
            name += "_"
        layers[name] = Split(axis=axis, sizes=sizes)
        first = next(node for node in graph.nodes if any(node is piece for piece in pieces.values()))
        made = {f"y{i}": output for i, output in enumerate(outputs)}
        changed |= {id(piece): [] for piece in pieces.values()}
        changed[id(first)] = [Node(layer=name, scope=first.scope, inputs={"x": value}, outputs=made)]
    return _replaced(bundle, layers, changed)


def _stretch(layer: Slice, size: int) -> tuple[int, int] | None:
    """Where a cut begins and ends, from 0; None where that is a symbol's."""
    ends = [(layer.starts[0], 0), (layer.ends[0], size)]
    whole = [default if bound is None else bound for bound, default in ends]
    start, end = (bound + size if isinstance(bound, int) and bound < 0 else bound for bound in whole)
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= size:
        return None
    return start, end


def _tiles(stretches: Sequence[tuple[int, int]], size: object) -> tuple[int, ...] | None:
    """The sizes of stretches that lie end to end over a whole axis; None where they do not, or are one alone."""
    ordered = sorted(stretches)
    ends = [0, *(end for _, end in ordered)]
    if len(ordered) < 2 or [start for start, _ in ordered] != ends[:-1] or ends[-1] != size:
        return None
    return tuple(end - start for start, end in ordered)


def _gated(bundle: Bundle) -> Bundle:
    graph = bundle.graph
    assert graph is not None, "the caller has looked"
    taken = Counter(value for node in graph.nodes for value in node.inputs.values())
    taken.update(port.value for port in graph.outputs)
    users = {value: node for node in graph.nodes for value in node.inputs.values()}
    uses = Counter(node.layer for node in graph.nodes)
    layers, changed = dict(bundle.layers), dict[int, list[Node]]()
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        if not isinstance(layer, Split) or len(layer.sizes) != 2 or layer.sizes[0] != layer.sizes[1]:
            continue
        a, b = node.outputs.get("y0", ""), node.outputs.get("y1", "")
        product, gate = users.get(a), users.get(b)
        if product is None or gate is None or taken[a] != 1 or taken[b] != 1:
            continue
        sigmoid = gate.outputs.get("y", "")
        of_both = set(product.inputs.values()) == {a, sigmoid} and taken[sigmoid] == 1
        kinds = bundle.layers[product.layer].type, bundle.layers[gate.layer].type
        if kinds != ("Mul", "Sigmoid") or not of_both or uses[product.layer] > 1:
            continue
        layers[product.layer] = Glu(axis=layer.axis)
        changed |= {id(node): [], id(gate): []}
        changed[id(product)] = [product.model_copy(update={"inputs": {"x": node.inputs["x"]}})]
    return _replaced(bundle, layers, changed)


def _replaced(bundle: Bundle, layers: dict[str, Layer], changed: Mapping[int, Sequence[Node]]) -> Bundle:
    assert bundle.graph is not None, "the callers have looked"
    if not changed:
        return bundle
    nodes = [new for node in bundle.graph.nodes for new in changed.get(id(node), [node])]
    return unused.run(replace(bundle, layers=layers, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)})))
