"""A bundle as a `Network`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

from irconv.align.axes import Axes
from irconv.align.network import CONSTANT, KERNEL, MATRIX, NORM, REVERSE, Network, Part, Unit, Window
from irconv.align.norms import taker
from irconv.align.settings import label_of, plain
from irconv.align.skeleton import Skeleton, without_units
from irconv.align.views import axes_of
from irconv.errors import IrconvError
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node as Use
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.layers.convolution import Conv, ConvTranspose
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.tensor_ops import Pad
from irconv.ir.layers.window import explicit_padding
from irconv.ir.manifest import LayoutStep

FAMILIES: Mapping[str, str] = {
    "Conv": KERNEL,
    "ConvTranspose": KERNEL,
    "Linear": MATRIX,
    "Embedding": MATRIX,
    "EmbeddingBag": MATRIX,
    "PositionalEmbedding": MATRIX,
    "BatchNorm": NORM,
    "LayerNorm": NORM,
    "GroupNorm": NORM,
    "InstanceNorm": NORM,
    "RMSNorm": NORM,
    "Constant": CONSTANT,
}
"""The family of a type of the IR; any other is one of its own."""

#: Types of the IR whose common name is not their own in small letters.
_COMMON = {"Maximum": "max", "Minimum": "min", "Concatenate": "concat", "Swish": "silu", "Subtract": "sub"}

_PROJECTIONS = {"query": "q", "key": "k", "value": "v", "output": "o"}


def network(bundle: Bundle) -> Network:
    """The network of a bundle that has a graph: a unit for each layer with stored parameters, in the graph's order.

    Multi-head attention is four units, one for each projection. The `Part.name` is the key of the tensor.
    """
    assert bundle.graph is not None, "weights without a graph are read by the conventions of their framework"
    made = _Made(bundle)
    for number, port in enumerate(bundle.graph.inputs):
        made.skeleton.input(port.value, number)
    for node in bundle.graph.nodes:
        made.add(node)
    for number, port in enumerate(bundle.graph.outputs):
        made.skeleton.output(port.value, number)
    return with_biases(Network(tuple(made.units), made.skeleton.finish()))


def with_biases(network: Network) -> Network:
    """The network with the shifts that stand right behind a layer without a bias (TensorFlow's BiasAdd) as its bias."""
    units = list(network.units)
    gone: set[int] = set()
    for index, unit in enumerate(units):
        if unit.family not in (KERNEL, MATRIX) or "bias" in unit.parts:
            continue
        behind = taker(network, index)
        if behind is not None and network.units[behind].parts.keys() == {"shift"}:
            units[index] = replace(unit, parts={**unit.parts, "bias": network.units[behind].parts["shift"]})
            gone.add(behind)
    kept = [index for index in range(len(units)) if index not in gone]
    place: dict[int, int | None] = {index: number for number, index in enumerate(kept)}
    place |= dict.fromkeys(gone)
    return replace(network, units=tuple(units[index] for index in kept), nodes=without_units(network.nodes, place))


class _Made:
    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.units: list[Unit] = []
        self.known: dict[tuple[str, str], int] = {}
        self.owners: dict[str, int] = {}
        self.of_layer: dict[str, list[int]] = {}
        self.skeleton = Skeleton()

    def add(self, node: Use) -> None:
        layer = self.bundle.layers[node.layer]
        self._place(node, layer)
        self.skeleton.axes |= self._axes(node, layer)

    def _axes(self, node: Use, layer: Layer) -> dict[str, Axes | None]:
        """What is known of the axes of a node's results."""
        taken = [value for value in node.inputs.values() if value in self.skeleton.values]
        outputs = list(node.outputs.values())
        if not all(value in self.types for value in (*taken, *outputs)):
            return {}
        given = [self.skeleton.axes.get(value) for value in taken]
        first = self.types[taken[0]].shape if taken else ()
        found = axes_of(layer, given, first, [self.types[value].shape for value in outputs])
        return dict(zip(outputs, found, strict=True))

    def _place(self, node: Use, layer: Layer) -> None:
        parts = self._parts(layer)
        inputs, outputs = list(node.inputs.values()), list(node.outputs.values())
        exact = f"{layer.type} {layer.settings()}"
        if layer.type in ("MultiHeadAttention", "GroupedQueryAttention") and parts:
            self._attention(node, layer, parts, exact)
        elif layer.type in ("ScaledDotProductAttention", "DotProductAttention", "AdditiveAttention"):
            query, key, value = (node.inputs[slot] for slot in ("query", "key", "value"))
            self.skeleton.attention(query, key, value, outputs[0], exact, layer.settings())
        elif layer.type == "Constant":
            if parts:
                self.skeleton.constant(outputs[0], self._units(node.layer, layer, parts)[0])
        elif parts:
            window = self._window(node, layer)
            for unit in self._units(node.layer, layer, parts):
                self.skeleton.unit(unit, inputs[:1], outputs[0], exact, window)
                inputs = outputs[:1]
            for output in outputs[1:]:
                self.skeleton.alias(outputs[0], output)
        elif len(inputs) == 1:
            label, settings = label_of(layer) or _common(layer.type), plain(layer, self._rank(inputs[0]))
            window = self._window(node, layer)
            self.skeleton.pass_through(label, inputs[0], outputs, exact, window=window, settings=settings)
        elif inputs:
            self.skeleton.join(_common(layer.type), inputs, outputs, exact, plain(layer, self._rank(inputs[0])))

    def _attention(self, node: Use, layer: Layer, parts: Mapping[str, Part], exact: str) -> None:
        units = {}
        for word, tag in _PROJECTIONS.items():
            own = {name: parts[f"{word}_{name}"] for name in ("kernel", "bias") if f"{word}_{name}" in parts}
            name = f"{node.layer}.{word}"
            found = self.known.setdefault((node.layer, tag), len(self.units))
            if found == len(self.units):
                self.units.append(Unit(name, MATRIX, own, "Linear", tag, layer.settings()))
            units[tag] = found
        y = node.outputs["y"]
        for tag, slot in (("q", "query"), ("k", "key"), ("v", "value")):
            self.skeleton.unit(units[tag], [node.inputs.get(slot, node.inputs["query"])], f"{y}/{tag}")
        self.skeleton.attention(f"{y}/q", f"{y}/k", f"{y}/v", f"{y}/attended", exact, layer.settings())
        self.skeleton.unit(units["o"], [f"{y}/attended"], y)

    def _units(self, name: str, layer: Layer, parts: Mapping[str, Part]) -> list[int]:
        """The units of a layer. What another layer has, too, is that one's unit; what is left then stands alone."""
        if name in self.of_layer:
            return self.of_layer[name]
        shared = [self.owners[part.name] for part in parts.values() if part.name in self.owners]
        rest = {role: part for role, part in parts.items() if part.name not in self.owners}
        if shared:
            found = list(dict.fromkeys(shared))
            for role, part in rest.items():
                self.units.append(Unit(f"{name}.{role}", CONSTANT, {"value": part}, "Constant"))
                found.append(len(self.units) - 1)
        else:
            found = [self._unit(name, layer, parts)]
        for part in rest.values():
            self.owners[part.name] = found[-1]
        self.of_layer[name] = found
        return found

    def _unit(self, name: str, layer: Layer, parts: Mapping[str, Part]) -> int:
        found = self.known.setdefault((name, ""), len(self.units))
        if found == len(self.units):
            family = FAMILIES.get(layer.type, layer.type)
            tag = REVERSE if getattr(layer, "reverse", False) else ""
            self.units.append(Unit(name, family, parts, layer.type, tag, plain(layer, None)))
        return found

    def _rank(self, value: str) -> int | None:
        return len(self.types[value].shape) if value in self.types else None

    def _window(self, node: Use, layer: Layer) -> Window | None:
        """How a layer goes over the spatial axes."""
        if isinstance(layer, Pad):
            pads = [pad for pad in layer.pads[2:] if all(isinstance(size, int) for size in pad)]
            fits = len(pads) == len(layer.pads) - 2 and layer.mode == "constant"
            return Window("pad", padding=tuple((int(a), int(b)) for a, b in pads)) if fits and pads else None
        if isinstance(layer, Conv):
            kernel = self._kernel(node, layer)
            return self._padded(node, "conv", layer, tuple(size for size in kernel if isinstance(size, int)))
        if isinstance(layer, ConvTranspose):
            return self._cropped(node, layer)
        if isinstance(layer, MaxPool | AveragePool):
            return self._padded(node, layer.type.lower(), layer, layer.kernel)
        return None

    def _kernel(self, node: Use, layer: Layer) -> tuple[int | str, ...]:
        """The spatial sizes of a kernel, which may be a value of the graph."""
        stored = self.bundle.operand_types(layer).get("kernel") or self.types.get(node.inputs["kernel"])
        return stored.shape[2:] if stored else ()

    def _padded(self, node: Use, kind: str, layer: Conv | MaxPool | AveragePool, kernel: tuple[int, ...]) -> Window:
        dilation = (1,) * len(kernel) if isinstance(layer, AveragePool) else layer.dilation
        padding = layer.padding
        if isinstance(padding, str):
            sizes = self.types[node.inputs["x"]].shape[2:] if node.inputs["x"] in self.types else ()
            known = explicit_padding(padding, sizes, kernel, layer.stride, dilation) if sizes else None
            padding = known or padding
        counted = isinstance(layer, AveragePool) and layer.count_padding
        ceil_mode = not isinstance(layer, Conv) and layer.ceil_mode
        return Window(kind, kernel, layer.stride, padding, dilation, counted, ceil_mode)

    def _cropped(self, node: Use, layer: ConvTranspose) -> Window:
        kernel = self._kernel(node, layer)
        x = self.types.get(node.inputs["x"])
        padding: tuple[tuple[int, int], ...] | str = str(layer.padding)
        with suppress(ValueError):
            padding = layer.crops(x.shape[2:] if x else ("S",) * len(kernel), kernel)
        window = tuple(size for size in kernel if isinstance(size, int))
        return Window("convtranspose", window, layer.stride, padding, layer.dilation)

    @cached_property
    def types(self) -> Mapping[str, ValueType]:
        """The types of all values, as far as they are known: a rule of padding needs sizes."""
        try:
            return infer_types(self.bundle)
        except IrconvError:
            return {}

    def _parts(self, layer: Layer) -> dict[str, Part]:
        """The stored operands; a constant only where training would change it."""
        found = {}
        for role, operand in layer.operands.items():
            if isinstance(operand, StoredOperand):
                record = self.bundle.tensors[operand.tensor].record
                if record.role != "constant" or layer.type != "Constant":
                    found[role] = (
                        _slope(operand.tensor, record.shape) if role == "slope" else Part(operand.tensor, record.shape)
                    )
        return found


def _slope(name: str, shape: tuple[int, ...]) -> Part:
    """One slope for each channel, which some files give the spatial axes of one place, too."""
    if len(shape) < 2 or set(shape[1:]) != {1}:
        return Part(name, shape)
    axes = " ".join(f"s{axis}" for axis in range(1, len(shape)))
    sizes = {f"s{axis}": 1 for axis in range(1, len(shape))}
    return Part(name, shape[:1], (LayoutStep(source=f"c {axes}", target=f"(c {axes})", orders={}, sizes=sizes),))


def _common(kind: str) -> str:
    return _COMMON.get(kind, kind.lower())
