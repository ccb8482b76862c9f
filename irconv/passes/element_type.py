"""Another floating element type for the whole model (``--dtype``): weights, what is computed of them, and the ports.

1. Every floating tensor, number and setting becomes the type, and so do inputs and outputs; integers and truth values
   stay as they are.
2. A weight that the type cannot hold is refused by name; a constant of the graph, such as the -1e9 of a mask, becomes
   the largest or lowest number of the type, which is told.
3. The result is typed anew: a layer that does not take the type is refused by name.

Rounding is to the nearest, halves to even. This cannot be undone, so it is done on request only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from irconv.data_classes import dataclass
from irconv.errors import Problems
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.dtypes import FLOATS, numpy_dtype
from irconv.ir.graph import Graph, Port
from irconv.ir.inference import check_types
from irconv.ir.layers.base import Layer, LiteralOperand
from irconv.ir.layers.control import Scan
from irconv.ir.tensors import LazyTensor, Source
from irconv.layout import Array, Box
from irconv.log import timed
from irconv.tiles import tiles

_BLOCK = 2**20
"""Elements that are looked at together."""
_LARGEST_BFLOAT16 = float(2 - 2**-7) * 2.0**127


@dataclass(frozen=True)
class _Rounded:
    """Stored elements as another type. A `irconv.ir.tensors.Source`."""

    stored: Source
    dtype: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `irconv.ir.tensors.Source.read`."""
        return self.stored.read(atoms, box).astype(numpy_dtype(self.dtype))


@dataclass(frozen=True)
class Cast:
    """A model in another element type, and what that did to its weights."""

    bundle: Bundle
    rounding: float
    """The largest change of a weight, relative to the largest weight of its tensor."""
    clipped: tuple[str, ...]
    """The constants with numbers beyond the type, which have become its largest."""


@timed
def run(bundle: Bundle, dtype: str) -> Cast:
    """The model in the type. Raises `Refused` naming every weight that the type cannot hold, and every layer."""
    problems, tensors, worst, clipped = Problems(), dict[str, Tensor](), 0.0, list[str]()
    for key, tensor in bundle.tensors.items():
        tensors[key] = tensor
        if tensor.record.dtype not in FLOATS or tensor.record.dtype == dtype:
            continue
        rounded, beyond = _rounding(tensor.data, dtype)
        if beyond and tensor.record.role != "constant":
            what = f"holds {beyond:.4g}, which is beyond {dtype}"
            problems.add(f"tensor {key}", what, "Choose bf16, which has the range of f32.")
            continue
        worst = max(worst, rounded)
        clipped += [key] if beyond else []
        tensors[key] = _cast(tensor, dtype, bool(beyond))
    problems.raise_any()
    layers = {name: _layer(name, layer, dtype, clipped) for name, layer in bundle.layers.items()}
    graph = None if bundle.graph is None else _graph(bundle.graph, dtype)
    made = replace(bundle, tensors=tensors, layers=layers, graph=graph, checks=(), probe=None)
    if graph is not None:
        check_types(made)
    return Cast(made, worst, tuple(dict.fromkeys(clipped)))


def _rounding(data: LazyTensor, dtype: str) -> tuple[float, float]:
    """How far rounding moves an element, relative to the largest; and a finite number beyond the type, or 0. A block
    of the tensor is in memory at a time."""
    largest = apart = 0.0
    source = data.source  # a change of layout moves elements, and this is the same for all orders
    axes = range(len(source.shape))
    for box in tiles(source.shape, axes, (None,) * len(axes), _BLOCK):
        exact = source.read(source.shape, box).astype(np.float64)
        finite = exact[np.isfinite(exact)]
        if not finite.size:
            continue
        furthest = float(finite[np.argmax(np.abs(finite))])
        largest = max(largest, furthest, key=abs)
        with np.errstate(over="ignore"):
            moved = np.abs(finite.astype(numpy_dtype(dtype)).astype(np.float64) - finite)
        apart = max(apart, float(moved.max()))
    if not np.isfinite(apart):
        return 0.0, largest
    return (apart / abs(largest) if largest else 0.0), 0.0


def _cast(tensor: Tensor, dtype: str, clip: bool) -> Tensor:
    data = tensor.data
    if clip:
        made = LazyTensor.of(_clipped(data.numpy(), dtype))
    else:
        made = LazyTensor(_Rounded(data.source, dtype), data.changes)
    return Tensor(replace(tensor.record, dtype=dtype), made)


def _clipped(array: Array, dtype: str) -> Array:
    """The nearest of the type; infinities stay."""
    kind = numpy_dtype(dtype)
    with np.errstate(over="ignore"):
        cast = array.astype(kind)
    largest = _largest(dtype)
    inside = np.clip(array.astype(np.float64), -largest, largest).astype(kind)
    return np.asarray(np.where(np.isfinite(array), inside, cast))


def _largest(dtype: str) -> float:
    return _LARGEST_BFLOAT16 if dtype == "bfloat16" else float(np.finfo(numpy_dtype(dtype)).max)


def _layer(name: str, layer: Layer, dtype: str, clipped: list[str]) -> Layer:
    """The layer with its numbers and settings in the type; notes the layer where a number is beyond it."""
    update: dict[str, Any] = {}
    operands = {role: _operand(name, operand, dtype, clipped) for role, operand in layer.operands.items()}
    if operands != layer.operands:
        update["operands"] = operands
    if getattr(layer, "dtype", None) in FLOATS:
        update["dtype"] = dtype
    if isinstance(layer, Scan):
        update["body"] = _graph(layer.body, dtype)
    if layer.origin is not None:  # its settings are those of the other type
        update["origin"] = None
    return layer.model_copy(update=update) if update else layer


def _operand(name: str, operand: Any, dtype: str, clipped: list[str]) -> Any:
    if not isinstance(operand, LiteralOperand) or operand.dtype not in FLOATS:
        return operand
    numbers = np.asarray(operand.literal, np.float64)
    if bool((np.isfinite(numbers) & (np.abs(numbers) > _largest(dtype))).any()):
        clipped.append(name)
        numbers = _clipped(numbers, dtype).astype(np.float64)
    return LiteralOperand(literal=numbers.tolist(), dtype=dtype)


def _graph(graph: Graph, dtype: str) -> Graph:
    inputs, outputs = (tuple(_port(port, dtype) for port in ports) for ports in (graph.inputs, graph.outputs))
    return graph.model_copy(update={"inputs": inputs, "outputs": outputs})


def _port(port: Port, dtype: str) -> Port:
    return port.model_copy(update={"dtype": dtype}) if port.dtype in FLOATS else port
