"""Transposed convolutions as PyTorch has them: cropped alike on both sides, and less at the end by `output_padding`.

What must go beyond that is sliced off afterwards.
"""

from __future__ import annotations

from dataclasses import replace

from irconv.errors import Problems
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import ConvTranspose
from irconv.ir.layers.slicing import Slice


def run(bundle: Bundle) -> Bundle:
    """The graph with every transposed convolution padded by numbers.

    Raises one `Refused` naming every layer whose crop depends on a size that is not known.
    """
    if bundle.graph is None or not any(isinstance(layer, ConvTranspose) for layer in bundle.layers.values()):
        return bundle
    types, problems = infer_types(bundle), Problems()
    layers, nodes, placed = dict(bundle.layers), list[Node](), dict[str, Layer]()
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if not isinstance(layer, ConvTranspose):
            nodes.append(node)
            continue
        operands = bundle.operand_types(layer)
        kernel = (operands["kernel"] if "kernel" in operands else types[node.inputs["kernel"]]).shape[2:]
        try:
            crops = layer.crops(types[node.inputs["x"]].shape[2:], kernel)
        except ValueError as error:
            problems.add(f"layer {node.layer} (ConvTranspose)", str(error), "This target needs sizes that are known.")
            continue
        changed, ends = _said(layer, crops)
        name = node.layer if placed.get(node.layer, changed) == changed else f"{node.layer}.{node.outputs['y']}"
        layers[name] = placed[name] = changed
        nodes += _placed(node, name, ends, layers)
    problems.raise_any()
    used = {node.layer for node in nodes}
    graph = bundle.graph.model_copy(update={"nodes": tuple(nodes)})
    return replace(bundle, layers={n: layer for n, layer in layers.items() if n in used}, graph=graph)


def _said(layer: ConvTranspose, crops: tuple[tuple[int, int], ...]) -> tuple[ConvTranspose, list[tuple[int, int]]]:
    """The layer in PyTorch's terms, and what is still to be cut off before and after."""
    padding, more, ends = list[tuple[int, int]](), list[int](), list[tuple[int, int]]()
    for (before, after), stride, dilation in zip(crops, layer.stride, layer.dilation, strict=True):
        longer = before - after
        both = before if 0 <= longer < max(stride, dilation) else max(min(before, after), 0)
        padding.append((both, both))
        more.append(longer if both == before and longer > 0 else max(both - after, 0))
        ends.append((before - both, after - both + more[-1]))
    update = {"padding": tuple(padding), "output_padding": tuple(more), "output_size": None}
    return layer.model_copy(update=update), ends


def _placed(node: Node, name: str, ends: list[tuple[int, int]], layers: dict[str, Layer]) -> list[Node]:
    if not any(map(any, ends)):
        return [node.model_copy(update={"layer": name})]
    result = node.outputs["y"]
    whole, cut = f"{result}.whole", f"{result}.crop"
    axes = [axis for axis, pair in enumerate(ends) if any(pair)]
    layers[cut] = Slice(
        axes=tuple(axis + 2 for axis in axes),
        starts=tuple(ends[axis][0] for axis in axes),
        ends=tuple(-ends[axis][1] or None for axis in axes),
        steps=(1,) * len(axes),
    )
    return [
        node.model_copy(update={"layer": name, "outputs": {"y": whole}}),
        Node(layer=cut, scope=node.scope, inputs={"x": whole}, outputs={"y": result}),
    ]
