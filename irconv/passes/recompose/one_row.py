"""Windows that slide along sequences which were made images of one row, as windows over sequences.

TensorFlow has convolutions and pools of images alone: an axis of length 1 is put in, the window has length 1 there, and
the axis is taken out again. Between the two stand windows, and what acts on each element or channel alone; everything
is left as it is where another node needs a value in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, Pointwise, StoredOperand
from irconv.ir.layers.convolution import Conv, ConvTranspose
from irconv.ir.layers.normalisation import BatchNorm, ChannelAffine
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.tensor_ops import Transpose
from irconv.ir.turns import turning
from irconv.log import timed
from irconv.passes import unused
from irconv.passes.recompose.matcher import Work

_WINDOWS = (Conv, ConvTranspose, MaxPool, AveragePool)
_OF_CHANNELS = (BatchNorm, ChannelAffine)
"""Layers with operands along axis 1."""
_SPATIAL = ("kernel", "stride", "dilation", "padding", "output_padding", "output_size")


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function without axes that are put in for a window's sake."""
    if bundle.graph is None or not any(isinstance(layer, Squeeze) for layer in bundle.layers.values()):
        return bundle
    work, found = Work.of(bundle), False
    for node in list(work.nodes.values()):
        layer = work.layers[node.layer]
        if isinstance(layer, Squeeze) and len(layer.axes) == 1 and (steps := _way(work, node, layer.axes[0])):
            _shorten(work, node, steps)
            found = True
    return unused.run(work.bundle()) if found else bundle


@dataclass(frozen=True)
class _Step:
    """A node on the way, and the axis of length 1 in what it takes."""

    node: Node
    axis: int


def _way(work: Work, node: Node, axis: int) -> list[_Step] | None:
    """The nodes before the axis is taken out, last first, down to the one that puts it in; None where there is no such
    way, or no window on it."""
    steps: list[_Step] = []
    value = node.inputs["x"]
    while work.users[value] == 1 and (place := work.maker.get(value)) is not None:
        node = work.nodes[place]
        layer = work.layers[node.layer]
        if isinstance(layer, Unsqueeze):
            windows = any(isinstance(work.layers[step.node.layer], _WINDOWS) for step in steps)
            return [*steps, _Step(node, axis)] if layer.axes == (axis,) and windows else None
        axis = layer.permutation[axis] if isinstance(layer, Transpose) else axis
        if len(node.outputs) != 1 or set(node.inputs) != {"x"} or not _keeps(work, node, layer, axis):
            return None
        steps.append(_Step(node, axis))
        value = node.inputs["x"]
    return None


def _keeps(work: Work, node: Node, layer: Layer, axis: int) -> bool:
    """Whether a layer does to a value without this axis what it does to one with it, its settings there left out."""
    if isinstance(layer, Transpose):
        return True
    if work.uses[node.layer] > 1:
        return False
    if isinstance(layer, _WINDOWS):
        return axis >= 2 and len(work.types[node.inputs["x"]].shape) > 3 and _is_open(work, layer, axis - 2)
    return (isinstance(layer, _OF_CHANNELS) and axis != 1) or (
        isinstance(layer.BEHAVIOUR, Pointwise) and not layer.operands
    )


def _is_open(work: Work, layer: Layer, place: int) -> bool:
    """Whether a window has length 1 along a spatial axis, and nothing is added to that."""
    fields, kernel = layer.settings(), layer.operands.get("kernel")
    if isinstance(layer, Conv | ConvTranspose):
        if not isinstance(kernel, StoredOperand) or work.shape_of(kernel)[2 + place] != 1:
            return False
    elif fields["kernel"][place] != 1:
        return False
    if isinstance(layer, ConvTranspose):
        size = fields["output_size"]
        if fields["stride"][place] != 1 or fields["output_padding"][place] or (size and size[place] != 1):
            return False
    return isinstance(fields["padding"], str) or fields["padding"][place] == (0, 0)


def _shorten(work: Work, last: Node, steps: Sequence[_Step]) -> None:
    """Take an axis out of all nodes on the way, and the nodes that put it in and take it out."""
    first = steps[-1].node
    value = first.inputs["x"]
    for step in reversed(steps[:-1]):
        place = work.maker[next(iter(step.node.outputs.values()))]
        name, (slot, result) = step.node.layer, next(iter(step.node.outputs.items()))
        layer = work.layers[name]
        if isinstance(layer, Transpose):
            name = turning(work.layers, _without(layer.permutation, step.axis))
        elif isinstance(layer, _WINDOWS):
            work.layers[name] = _shorter(work, layer, step.axis - 2)
        result = next(iter(last.outputs.values())) if step is steps[0] else result
        work.nodes[place] = step.node.model_copy(
            update={"layer": name, "inputs": {"x": value}, "outputs": {slot: result}}
        )
        value = result
    del work.nodes[work.maker[next(iter(last.outputs.values()))]]
    del work.nodes[work.maker[next(iter(first.outputs.values()))]]


def _without(order: Sequence[int], axis: int) -> tuple[int, ...]:
    return tuple(place - (place > axis) for place in order if place != axis)


def _shorter(work: Work, layer: Layer, place: int) -> Layer:
    """A window without one of its spatial axes."""
    changed: dict[str, Any] = {
        name: value[:place] + value[place + 1 :]
        for name, value in layer.settings().items()
        if name in _SPATIAL and isinstance(value, tuple)
    }
    kernel = layer.operands.get("kernel")
    if isinstance(kernel, StoredOperand):
        shape = work.shape_of(kernel)
        whole = work.regrouped(kernel, (*shape[: 2 + place], *shape[3 + place :]), _axes(layer))
        assert whole is not None, "an axis of length 1 can always be left out"
        changed["operands"] = {**layer.operands, "kernel": whole}
    return layer.model_copy(update=changed)


def _axes(layer: Layer) -> str:
    parameters: Mapping[str, Any] = layer.PARAMETERS
    return str(parameters["kernel"].axes)
