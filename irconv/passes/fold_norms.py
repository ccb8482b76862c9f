"""Merges each BatchNorm into the convolution or matrix before it (``--fold-bn``), as runtimes for inference do.

With ``q = gamma / sqrt(variance + epsilon)``, along the outputs: ``kernel' = q kernel``, ``bias' = q (bias - mean) +
beta``; computed in float64 and rounded once. What a merge demands:

1. Nothing else takes what the layer before gives, and it is no output of the graph.
2. Both layers are used once, and their operands are stored.
3. The norm's channels are the layer's outputs: of a matrix where its input has two axes alone.

The norms that stay are named, each with its reason. This cannot be undone, so it is done on request only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cached_property

import numpy as np

from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.ir.bundle import Bundle, made
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand
from irconv.ir.layers.convolution import Conv, ConvTranspose, Linear
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.manifest import made_fact
from irconv.ir.tensors import AtOnce, LazyTensor
from irconv.layout import Array, customary
from irconv.log import timed
from irconv.passes import unused

_FLAG = "--fold-bn"


@dataclass(frozen=True)
class _Scaled(AtOnce):
    """A kernel times a factor for each output. A `irconv.ir.tensors.Source`."""

    kernel: LazyTensor
    factors: Array
    layer: Layer

    @property
    def dtype(self) -> str:
        return self.kernel.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.kernel.shape

    @cached_property
    def _whole(self) -> Array:
        kernel = self.kernel.numpy()
        if isinstance(self.layer, ConvTranspose):  # its outputs lie group by group behind its inputs
            groups = self.layer.groups
            parts = kernel.astype(np.float64).reshape(groups, -1, *kernel.shape[1:])
            scaled = parts * self.factors.reshape(groups, 1, kernel.shape[1], *(1,) * (kernel.ndim - 2))
        else:
            scaled = kernel.astype(np.float64) * self.factors.reshape(-1, *(1,) * (kernel.ndim - 1))
        return scaled.reshape(kernel.shape).astype(kernel.dtype)


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function with fewer norms. Raises `Refused` where the model has no graph, or no norm."""
    if bundle.graph is None:
        raise Refused(_FLAG, "the weights have no graph, which says what stands before a norm", "Leave it out.")
    work = _Work(bundle, bundle.graph)
    norms = [node for node in bundle.graph.nodes if isinstance(bundle.layers[node.layer], BatchNorm)]
    if not norms:
        raise Refused(_FLAG, "has no effect: the model has no BatchNorm", "Leave it out.")
    left = [f"{node.layer}, as {reason}" for node in norms if (reason := work.merged(node))]
    value = f"{len(norms) - len(left)} of {len(norms)} norms are merged into the layers before them"
    fact = made_fact("norms", value, f"left are {'; '.join(left)}" if left else f"{_FLAG} was given")
    graph = bundle.graph.model_copy(update={"nodes": tuple(work.nodes.values())})
    facts = (*bundle.source.facts, fact)
    source = bundle.source.model_copy(update={"facts": facts})
    made = replace(bundle, source=source, graph=graph, layers=work.layers, tensors=work.tensors, checks=())
    return unused.run(made)


class _Work:
    """A bundle under change."""

    def __init__(self, bundle: Bundle, graph: Graph) -> None:
        self.nodes = {id(node): node for node in graph.nodes}
        self.layers, self.tensors = dict(bundle.layers), dict(bundle.tensors)
        self.types = infer_types(bundle)
        self.makers = {value: node for node in graph.nodes for value in node.outputs.values()}
        self.takers = Counter(value for node in graph.nodes for value in node.inputs.values())
        self.takers.update(port.value for port in graph.outputs)
        self.uses = Counter(node.layer for node in graph.nodes)
        self.held = Counter(
            operand.tensor
            for layer in bundle.layers.values()
            for operand in layer.operands.values()
            if isinstance(operand, StoredOperand)
        )

    def merged(self, node: Node) -> str:
        """Merge a norm into what is before it; the reason where it stays."""
        norm, value = self.layers[node.layer], node.inputs["x"]
        maker = self.makers.get(value)
        layer = self.layers[maker.layer] if maker is not None else None
        if maker is None or not isinstance(layer, Conv | ConvTranspose | Linear):
            return "no convolution or matrix is before it"
        if self.takers[value] > 1:
            return f"{maker.layer} gives to others, too"
        if self.uses[node.layer] > 1 or self.uses[maker.layer] > 1:
            return "a layer is used more than once"
        if isinstance(layer, Linear) and len(self.types[value].shape) != 2:
            return "it stands across the outputs of a matrix"
        channels = self.types[value].shape[1]
        if not isinstance(channels, int) or "kernel" not in layer.operands:
            return f"the kernel of {maker.layer} is computed"
        if {*node.inputs, *maker.inputs} != {"x"}:
            return "an operand is computed"
        factors, shift = self._map(norm, channels)
        operands = dict(layer.operands)
        bias = self._vector(layer, "bias", channels)
        dtype = self.types[value].dtype
        operands["kernel"] = self._scaled(maker.layer, layer, factors)
        moved = np.ascontiguousarray(factors * bias + shift, numpy_dtype(dtype))
        operands["bias"] = self._put(maker.layer, layer, "bias", LazyTensor.of(moved))
        self.layers[maker.layer] = layer.model_copy(update={"operands": operands})
        last = maker.model_copy(update={"outputs": {"y": node.outputs["y"]}})
        self.nodes[id(maker)] = last
        del self.nodes[id(node)]
        self.makers[node.outputs["y"]] = maker
        return ""

    def _map(self, norm: Layer, channels: int) -> tuple[Array, Array]:
        """The norm as ``y = factors x + shift``."""
        assert isinstance(norm, BatchNorm), "the caller has looked"
        gamma, beta, mean = (self._vector(norm, role, channels) for role in ("gamma", "beta", "mean"))
        kind = next(role for role in ("variance", "std", "inv_std") if role in norm.operands)
        spread = self._vector(norm, kind, channels)
        if kind == "variance":
            spread = np.sqrt(spread + norm.epsilon)
        elif kind == "std":
            spread = spread + norm.epsilon
        factors = np.asarray(gamma * spread if kind == "inv_std" else gamma / spread)
        return factors, np.asarray(beta - factors * mean)

    def _vector(self, layer: Layer, role: str, channels: int) -> Array:
        """An operand in float64; what is absent has the value that stands for it."""
        operand = layer.operands.get(role)
        if isinstance(operand, StoredOperand):
            return self.tensors[operand.tensor].data.numpy().astype(np.float64)
        value = operand.literal if isinstance(operand, LiteralOperand) else layer.PARAMETERS[role].fill
        return np.broadcast_to(np.asarray(value, np.float64), (channels,))

    def _scaled(self, name: str, layer: Layer, factors: Array) -> StoredOperand:
        kernel = layer.operands["kernel"]
        if isinstance(kernel, LiteralOperand):
            data = LazyTensor.of(np.asarray(kernel.literal, numpy_dtype(kernel.dtype)))
        else:
            data = self.tensors[kernel.tensor].data
        return self._put(name, layer, "kernel", LazyTensor(_Scaled(data, factors, layer)))

    def _put(self, name: str, layer: Layer, role: str, data: LazyTensor) -> StoredOperand:
        """Store an operand: in the place of the old one where no other layer has that."""
        old = layer.operands.get(role)
        own = isinstance(old, StoredOperand) and self.held[old.tensor] == 1
        key = old.tensor if isinstance(old, StoredOperand) and own else f"{name}.{role}"
        while not own and key in self.tensors:
            key += ".folded"
        axes = layer.PARAMETERS[role].axes
        trainable = self.tensors[key].record.trainable if key in self.tensors else None
        letters = customary(axes, len(data.shape))
        self.tensors[key] = made(data, trainable=trainable, axes=axes, letters=letters)
        return StoredOperand(tensor=key)
