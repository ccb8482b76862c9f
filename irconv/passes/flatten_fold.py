"""Which Flattens may take their axes in any order, because every path from them ends in weights that can follow.

A Flatten of channels-last maps gives features in the order (h w c). If each path goes through pointwise layers and
BatchNorm to a Linear, the maps may stay channels-first: the features then come as (c h w), and the columns of the
Linear and the vectors of BatchNorm are put into the same order once, as a recorded step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.graph import Graph, Node
from irconv.ir.layers.base import ChannelFirst, Pointwise, StoredOperand, ValueType
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.tensor_ops import Flatten
from irconv.ir.manifest import LayoutStep
from irconv.ir.shapes import static


@dataclass(frozen=True)
class Fold:
    """The tensors that follow a Flatten: (key, axes as words with ``features`` where the features are)."""

    targets: tuple[tuple[str, str], ...]
    sizes: tuple[int, ...]
    """The lengths of the axes that the Flatten merges."""


def find_folds(bundle: Bundle, graph: Graph, types: Mapping[str, ValueType]) -> dict[int, Fold]:
    """The foldable Flattens by the index of their node."""
    consumers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for value in node.inputs.values():
            consumers.setdefault(value, []).append(node)
    uses = Counter(node.layer for node in graph.nodes)
    owners = tensor_owners(bundle)
    outputs = {port.value for port in graph.outputs}
    folds: dict[int, Fold] = {}
    for index, node in enumerate(graph.nodes):
        layer = bundle.layers[node.layer]
        sizes = static(types[node.inputs["x"]].shape[1:]) if isinstance(layer, Flatten) else None
        if isinstance(layer, Flatten) and layer.start_axis == 1 and sizes:
            targets = _targets(bundle, node.outputs["y"], consumers, uses, outputs)
            if targets and all(owners[key] == 1 for key, _ in targets):
                folds[index] = Fold(tuple(targets), sizes)
    return folds


def tensor_owners(bundle: Bundle) -> Counter[str]:
    """How many operands each tensor is; one that is several is tied."""
    operands = (operand for layer in bundle.layers.values() for operand in layer.operands.values())
    return Counter(operand.tensor for operand in operands if isinstance(operand, StoredOperand))


def _targets(
    bundle: Bundle, start: str, consumers: Mapping[str, Sequence[Node]], uses: Mapping[str, int], outputs: set[str]
) -> list[tuple[str, str]] | None:
    """The tensors on all paths, or None where a path ends elsewhere."""
    found: list[tuple[str, str]] = []
    waiting = [start]
    while waiting:
        value = waiting.pop()
        if value in outputs or value not in consumers:
            return None
        for node in consumers[value]:
            layer = bundle.layers[node.layer]
            stored = {r: o.tensor for r, o in layer.operands.items() if isinstance(o, StoredOperand)}
            if len(node.inputs) != 1 or len(stored) != len(layer.operands) or (stored and uses[node.layer] > 1):
                return None
            if isinstance(layer, Linear):
                found.append((stored["kernel"], "out features"))
            elif isinstance(layer.BEHAVIOUR, Pointwise) and not stored:
                waiting += node.outputs.values()
            elif isinstance(layer.BEHAVIOUR, ChannelFirst):
                found += [(key, "features") for key in stored.values()]
                waiting += node.outputs.values()
            else:
                return None
    return found


def apply_fold(tensors: Mapping[str, Tensor], fold: Fold, order: Sequence[int]) -> dict[str, Tensor]:
    """The fold's tensors, following a Flatten whose merged axes now come in `order` (0 is the first merged axis)."""
    if list(order) == list(range(len(order))):
        return {}
    names = _names(order)
    before, after = f"({' '.join(names)})", f"({' '.join(names[axis] for axis in order)})"
    sizes = dict(zip(names, fold.sizes, strict=True))
    changed: dict[str, Tensor] = {}
    for key, axes in fold.targets:
        source, target = axes.replace("features", before), axes.replace("features", after)
        step = LayoutStep(source=source, target=target, orders={}, sizes=sizes)
        changed[key] = tensors[key].relayout(step, axes=tensors[key].record.axes)
    return changed


def _names(order: Sequence[int]) -> list[str]:
    """Names for the merged axes; channels moved to the front of images have the customary ones."""
    known = {(2, 0, 1): ["h", "w", "c"], (1, 0): ["w", "c"], (3, 0, 1, 2): ["d", "h", "w", "c"]}
    return known.get(tuple(order), [f"a{axis}" for axis in range(len(order))])
