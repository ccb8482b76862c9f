"""Padding rules become numbers where sizes are known; what a target cannot say becomes a Pad of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from irconv.errors import Problems, Refused
from irconv.ir.bundle import Bundle, made
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.ranges import written_out
from irconv.ir.layers.tensor_ops import Constant, Mul, Pad, SamePad
from irconv.ir.layers.window import ExplicitPadding, Padding, explicit_padding, window_outputs
from irconv.ir.shapes import Shape, static
from irconv.ir.tensors import LazyTensor
from irconv.log import timed
from irconv.passes import bodies

_Window = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


#: (Layer, its spatial sizes, kernel, stride, dilation) -> its padding as the target says it, or None where it cannot.
NativePadding: TypeAlias = Callable[[Layer, Shape, _Window], "Padding | None"]


@timed
def run(bundle: Bundle, symmetric: bool, native: NativePadding | None = None) -> Bundle:
    """Every padding rule as numbers where the sizes are known.

    With `symmetric`, for targets whose layers pad both sides alike (PyTorch), other paddings become a layer in front:
    zeros for a convolution, minus infinity for a maximum; an average that does not count its padding gets its divisors
    corrected by a constant. `native` is for targets that pad by rules of their own, and by no numbers. Raises one
    `Refused` naming every layer whose padding depends on an unknown size in a way the target cannot compute.
    """
    if bundle.graph is None:
        return bundle
    return bodies.everywhere(bundle, lambda part: _Padding(part, symmetric, native).run())


class _Padding:
    def __init__(self, bundle: Bundle, symmetric: bool, native: NativePadding | None) -> None:
        self.bundle, self.symmetric, self.native = bundle, symmetric or native is not None, native
        self.types = infer_types(bundle)
        self.uses = Counter(node.layer for node in bundle.graph.nodes) if bundle.graph else Counter[str]()
        self.layers = dict(bundle.layers)
        self.tensors = dict(bundle.tensors)
        self.nodes: list[Node] = []
        self.placed: dict[str, Layer] = {}

    def run(self) -> Bundle:
        assert self.bundle.graph is not None
        problems = Problems()
        for node in self.bundle.graph.nodes:
            layer = self.bundle.layers[node.layer]
            if isinstance(layer, Conv | MaxPool | AveragePool):
                with problems.collect():
                    self._window(node, layer)
            else:
                self.nodes.append(node)
        problems.raise_any()
        used = {node.layer for node in self.nodes}
        layers = {name: layer for name, layer in self.layers.items() if name in used}
        graph = self.bundle.graph.model_copy(update={"nodes": tuple(self.nodes)})
        return replace(self.bundle, layers=layers, graph=graph, tensors=self.tensors)

    def _window(self, node: Node, layer: Conv | MaxPool | AveragePool) -> None:
        kernel, stride, dilation = window = self._sizes(node, layer)
        shape = self.types[node.inputs["x"]].shape
        padding = explicit_padding(layer.padding, shape[2:], kernel, stride, dilation)
        said = self.native(layer, shape[2:], window) if self.native else None
        if said is not None:
            self._put(node, layer, {"padding": said})
        elif padding is None:
            self._unknown(node, layer, window)
        elif not self.symmetric or (self.native is None and self._says(node, layer, kernel, padding)):
            self._put(node, layer, {"padding": padding})
        elif isinstance(layer, AveragePool) and not layer.count_padding:
            self._average(node, layer, padding)
        else:
            fill = float("-inf") if isinstance(layer, MaxPool) else 0.0
            pad = Pad(pads=((0, 0), (0, 0), *padding), mode="constant", value=fill)
            self._in_front(node, layer, pad)

    def _sizes(self, node: Node, layer: Conv | MaxPool | AveragePool) -> _Window:
        if isinstance(layer, Conv):
            known = self.bundle.operand_types(layer)
            shape = (known["kernel"] if "kernel" in known else self.types[node.inputs["kernel"]]).shape
            if (sizes := static(shape[2:])) is None:
                raise Refused(f"layer {node.layer} ({layer.type})", f"its kernel's shape {shape} is not known")
            return sizes, layer.stride, layer.dilation
        return layer.kernel, layer.stride, layer.dilation if isinstance(layer, MaxPool) else (1,) * len(layer.kernel)

    def _says(self, node: Node, layer: Layer, kernel: tuple[int, ...], padding: ExplicitPadding) -> bool:
        """Whether PyTorch's layer can pad like this: both sides alike, pools by half a window at most, and every use of
        a shared layer alike."""
        if any(before != after for before, after in padding):
            return False
        if isinstance(layer, Conv):
            return not isinstance(layer.padding, str) or self.uses[node.layer] == 1
        return all(2 * before <= k for (before, _), k in zip(padding, kernel, strict=True))

    def _unknown(self, node: Node, layer: Conv | MaxPool | AveragePool, window: _Window) -> None:
        if not self.symmetric and layer.padding in ("same_upper", "same_lower"):
            self.nodes.append(node)
        elif self.symmetric and layer.padding == "same_upper" and not isinstance(layer, AveragePool):
            fill = float("-inf") if isinstance(layer, MaxPool) else 0.0
            kernel, stride, dilation = window
            self._in_front(node, layer, SamePad(kernel=kernel, stride=stride, dilation=dilation, value=fill))
        else:
            sizes = self.types[node.inputs["x"]].shape[2:]
            raise Refused(
                f"layer {node.layer} ({layer.type})",
                f"its padding {layer.padding} depends on the input's size, which is {sizes}",
                "This target needs sizes that are known.",
            )

    def _put(self, node: Node, layer: Layer, update: Mapping[str, object]) -> None:
        """Add the node with changed settings, as a layer of its own if another use of the layer has others."""
        changed, name = layer.model_copy(update=dict(update)), node.layer
        if self.placed.get(name, changed) != changed:
            name = f"{name}.{node.outputs['y']}"
        self.layers[name] = self.placed[name] = changed
        self.nodes.append(node.model_copy(update={"layer": name}))

    def _in_front(self, node: Node, layer: Layer, pad: Layer) -> None:
        value = f"{node.outputs['y']}.padded"
        self._add(f"{node.outputs['y']}.pad", pad, node.scope, {"x": node.inputs["x"]}, value)
        zeros = ((0, 0),) * (len(self.types[node.inputs["x"]].shape) - 2)
        self._put(node.model_copy(update={"inputs": {**node.inputs, "x": value}}), layer, {"padding": zeros})

    def _average(self, node: Node, layer: AveragePool, padding: ExplicitPadding) -> None:
        """Average with the padding counted, times window size / elements inside, which is a constant."""
        sizes = static(self.types[node.inputs["x"]].shape[2:])
        if sizes is None:
            self._unknown(node, layer.model_copy(update={"padding": "same_upper"}), self._sizes(node, layer))
            return
        result = node.outputs["y"]
        counted = node.model_copy(update={"outputs": {"y": f"{result}.counted"}})
        pad = Pad(pads=((0, 0), (0, 0), *padding), mode="constant", value=0.0)
        self._in_front(counted, layer, pad)
        try:
            factor = _window_factors(sizes, layer, padding)
        except ValueError as error:
            raise Refused(f"layer {node.layer} ({layer.type})", str(error)) from error
        key = f"{result}.correction"
        self.tensors[f"{key}.value"] = made(LazyTensor.of(factor), "constant", trainable=False, axes="n c *s")
        constant = Constant(operands={"value": StoredOperand(tensor=f"{key}.value")})
        self._add(key, constant, node.scope, {}, key)
        self._add(f"{result}.corrected", Mul(), node.scope, {"x0": f"{result}.counted", "x1": key}, result)

    def _add(self, name: str, layer: Layer, scope: str, inputs: dict[str, str], value: str) -> None:
        self.layers[name] = layer
        self.nodes.append(Node(layer=name, scope=scope, inputs=inputs, outputs={"y": value}))


def _window_factors(sizes: tuple[int, ...], layer: AveragePool, padding: ExplicitPadding) -> npt.NDArray[np.float32]:
    """The elements of each window that a pool counts behind the padding, over those inside the input; what lies beyond
    the padding, where the last windows may end, it counts not. Shape (1, 1, \\*outputs)."""
    factor = np.ones((), np.float64)
    counts = window_outputs(sizes, layer.kernel, layer.stride, (1,) * len(sizes), padding, layer.ceil_mode)
    written_out(float(prod(static(counts) or ())), f"the number of elements in each window of {sizes}")
    for size, kernel, stride, (before, after) in zip(sizes, layer.kernel, layer.stride, padding, strict=True):
        (outputs,) = window_outputs((size,), (kernel,), (stride,), (1,), ((before, after),), layer.ceil_mode)
        starts = np.arange(int(outputs)) * stride - before
        inside = np.minimum(starts + kernel, size) - np.maximum(starts, 0)
        counted = np.minimum(starts + kernel, size + after) - starts
        factor = np.multiply.outer(factor, counted / inside)
    return factor.astype(np.float32)[None, None]
