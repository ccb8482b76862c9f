"""Pools as targets have them that know no padding that is counted, and no sizes that are rounded up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv.errors import Problems, Refused
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.pooling import AveragePool, MaxPool, MaxPoolWithIndices
from irconv.ir.layers.tensor_ops import Pad
from irconv.ir.layers.window import window_outputs
from irconv.ir.shapes import Shape, static


def without_counted_padding(bundle: Bundle) -> Bundle:
    """Averages that count their padding, as averages of padded values, which then are elements as others are.

    What rounding up adds behind the padding stays uncounted: padding of another kind, of the padded values.
    """
    averages = [layer for layer in bundle.layers.values() if isinstance(layer, AveragePool)]
    if bundle.graph is None or not any(layer.count_padding for layer in averages):
        return bundle
    types, layers, nodes = infer_types(bundle), dict(bundle.layers), list[Node]()
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if isinstance(layer, AveragePool) and layer.count_padding and not isinstance(layer.padding, str):
            changed = _of_padded(node.layer, layer, types[node.inputs["x"]].shape[2:])
            if layers[node.layer] not in (layer, changed):
                raise Refused(f"layer {node.layer}", "is shared by values of several sizes, which it rounds unlike")
            if any(map(any, layer.padding)):
                value = f"{node.outputs['y']}.with_padding"
                pads = ((0, 0), (0, 0), *layer.padding)
                layers[value] = Pad(pads=pads, mode="constant", value=0.0)
                nodes.append(Node(layer=value, scope=node.scope, inputs=_x(node), outputs={"y": value}))
                nodes.append(node.model_copy(update={"inputs": {"x": value}}))
            else:
                nodes.append(node)
            layers[node.layer] = changed
        else:
            nodes.append(node)
    return replace(bundle, layers=layers, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)}))


def _of_padded(name: str, layer: AveragePool, shape: Shape) -> AveragePool:
    """The average of values that have been padded as the layer says. A window that would begin in the padding behind
    is none, as long as the padding is no element."""
    none = ((0, 0),) * len(layer.kernel)
    if not layer.ceil_mode:
        return layer.model_copy(update={"padding": none, "count_padding": False})
    sizes, ones = static(shape), (1,) * len(layer.kernel)
    if sizes is None or isinstance(layer.padding, str):
        what = f"rounds its output sizes up, and its input's size {shape} is not known"
        raise Refused(f"layer {name} ({layer.type})", what)
    counts = static(window_outputs(sizes, layer.kernel, layer.stride, ones, layer.padding, ceil_mode=True)) or ()
    rows = zip(counts, layer.stride, layer.kernel, sizes, layer.padding, strict=True)
    more = tuple((0, max((count - 1) * s + k - n - sum(pads), 0)) for count, s, k, n, pads in rows)
    return layer.model_copy(update={"padding": more, "count_padding": False, "ceil_mode": False})


def _x(node: Node) -> Mapping[str, str]:
    return {"x": node.inputs["x"]}


def without_indices(bundle: Bundle) -> Bundle:
    """Pools that say where they found what they give, and that nobody asks, as plain pools."""
    graph = bundle.graph
    if graph is None or not any(isinstance(layer, MaxPoolWithIndices) for layer in bundle.layers.values()):
        return bundle
    taken = {value for node in graph.nodes for value in node.inputs.values()} | {port.value for port in graph.outputs}
    asked = {node.layer for node in graph.nodes if node.outputs.get("indices", "") in taken}
    layers, nodes = dict(bundle.layers), list[Node]()
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        if isinstance(layer, MaxPoolWithIndices) and node.layer not in asked:
            settings = {name: getattr(layer, name) for name in ("kernel", "stride", "dilation", "padding", "ceil_mode")}
            layers[node.layer] = MaxPool(**settings, origin=layer.origin)
            nodes.append(node.model_copy(update={"outputs": {"y": node.outputs["y"]}}))
        else:
            nodes.append(node)
    return replace(bundle, layers=layers, graph=graph.model_copy(update={"nodes": tuple(nodes)}))


def without_ceil_mode(bundle: Bundle) -> Bundle:
    """Pools that round their output sizes up, as pools that pad as much more at the end."""
    pools = [layer for layer in bundle.layers.values() if isinstance(layer, MaxPool | AveragePool)]
    if bundle.graph is None or not any(layer.ceil_mode for layer in pools):
        return bundle
    types, layers, problems = infer_types(bundle), dict(bundle.layers), Problems()
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if isinstance(layer, MaxPool | AveragePool) and layer.ceil_mode:
            with problems.collect():
                changed = rounding_down(node.layer, layer, types[node.inputs["x"]].shape[2:])
                if layers[node.layer] not in (layer, changed):
                    raise Refused(f"layer {node.layer}", "is shared by values of several sizes, which it rounds unlike")
                layers[node.layer] = changed
    problems.raise_any()
    return replace(bundle, layers=layers)


def rounding_down(name: str, layer: MaxPool | AveragePool, shape: Shape) -> MaxPool | AveragePool:
    """One such pool; `name` is for what is refused."""
    where, sizes = f"layer {name} ({layer.type})", static(shape)
    if isinstance(layer.padding, str):
        return layer.model_copy(update={"ceil_mode": False})
    if sizes is None:
        raise Refused(where, f"rounds its output sizes up, and its input's size {shape} is not known")
    dilation = layer.dilation if isinstance(layer, MaxPool) else (1,) * len(sizes)
    window = (layer.kernel, layer.stride, dilation)
    outputs = static(window_outputs(sizes, *window, layer.padding, ceil_mode=True)) or ()
    pads = []
    for size, count, k, s, d, (before, after) in zip(sizes, outputs, *window, layer.padding, strict=True):
        needed = (count - 1) * s + (k - 1) * d + 1 - size - before
        pads.append((before, max(after, needed)))
    if isinstance(layer, AveragePool) and layer.count_padding and tuple(pads) != layer.padding:
        raise Refused(where, "rounds its output sizes up and counts its padding, but not what rounding adds")
    return layer.model_copy(update={"ceil_mode": False, "padding": tuple(pads)})
