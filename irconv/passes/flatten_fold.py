"""Which Flattens may take their axes in any order, because every path from them ends in weights that can follow.

A Flatten of channels-last maps gives features in the order (h w c). If each path goes through pointwise layers,
BatchNorm and Concat to a Linear, the maps may stay channels-first: the features then come as (c h w), and the columns
of the Linear and the vectors of BatchNorm are put into the same order once, as a recorded step; behind a Concat those
of them that are this Flatten's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.graph import Graph, Node
from irconv.ir.layers.base import ChannelFirst, Layer, Pointwise, StoredOperand, ValueType
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.tensor_ops import Concat, Flatten
from irconv.ir.layers.training import Dropout
from irconv.ir.manifest import LayoutStep
from irconv.ir.shapes import static


@dataclass(frozen=True)
class Target:
    """A tensor that follows a Flatten."""

    key: str
    axes: str
    """In words, with ``features`` where the features are."""
    before: int
    """How many features stand before those of the Flatten, from other inputs of a Concat."""
    after: int


@dataclass(frozen=True)
class Fold:
    """The tensors that follow a Flatten."""

    targets: tuple[Target, ...]
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
            targets = _targets(bundle, node.outputs["y"], consumers, types, uses, outputs)
            if targets and all(owners[target.key] == 1 for target in targets):
                folds[index] = Fold(tuple(targets), sizes)
    return folds


def tensor_owners(bundle: Bundle) -> Counter[str]:
    """How many operands each tensor is; one that is several is tied."""
    operands = (operand for layer in bundle.layers.values() for operand in layer.operands.values())
    return Counter(operand.tensor for operand in operands if isinstance(operand, StoredOperand))


def _targets(
    bundle: Bundle,
    start: str,
    consumers: Mapping[str, Sequence[Node]],
    types: Mapping[str, ValueType],
    uses: Mapping[str, int],
    outputs: set[str],
) -> list[Target] | None:
    """The tensors on all paths, or None where a path ends elsewhere."""
    found: list[Target] = []
    waiting = [(start, 0, 0)]
    while waiting:
        value, before, after = waiting.pop()
        if value in outputs or value not in consumers:
            return None
        for node in {id(node): node for node in consumers[value]}.values():
            layer = bundle.layers[node.layer]
            stored = {r: o.tensor for r, o in layer.operands.items() if isinstance(o, StoredOperand)}
            if isinstance(layer, Concat):
                places = _places(node, layer, value, types)
                if places is None:
                    return None
                waiting += [(node.outputs["y"], first + before, after + last) for first, last in places]
            elif len(node.inputs) != 1 or len(stored) != len(layer.operands) or (stored and uses[node.layer] > 1):
                return None
            elif isinstance(layer, Linear):
                found.append(Target(stored["kernel"], "out features", before, after))
            elif not stored and (isinstance(layer.BEHAVIOUR, Pointwise) or _drops_elements(layer)):
                waiting += [(result, before, after) for result in node.outputs.values()]
            elif isinstance(layer.BEHAVIOUR, ChannelFirst):
                found += [Target(key, "features", before, after) for key in stored.values()]
                waiting += [(result, before, after) for result in node.outputs.values()]
            else:
                return None
    return found


def _drops_elements(layer: Layer) -> bool:
    """Whether it is a dropout of each element for itself."""
    return isinstance(layer, Dropout) and not layer.shared


def _places(node: Node, layer: Concat, value: str, types: Mapping[str, ValueType]) -> list[tuple[int, int]] | None:
    """How many features a Concat puts before and after each of a value's, or None where it joins something else."""
    sizes = static([types[given].shape[1] for given in node.inputs.values()])
    if layer.axis != 1 or sizes is None:
        return None
    here = [place for place, given in enumerate(node.inputs.values()) if given == value]
    return [(sum(sizes[:place]), sum(sizes[place + 1 :])) for place in here]


def apply_fold(tensors: Mapping[str, Tensor], fold: Fold, order: Sequence[int]) -> dict[str, Tensor]:
    """The fold's tensors, following a Flatten whose merged axes now come in `order` (0 is the first merged axis)."""
    if list(order) == list(range(len(order))):
        return {}
    names = _names(order)
    here, there = f"({' '.join(names)})", f"({' '.join(names[axis] for axis in order)})"
    changed: dict[str, Tensor] = {}
    for target in fold.targets:
        others = {name: size for name, size in (("before", target.before), ("after", target.after)) if size}
        first, last = "before " if target.before else "", " after" if target.after else ""
        features = f"[{first}%s{last}]" if first or last else "%s"
        source, goal = (target.axes.replace("features", features % part) for part in (here, there))
        sizes = dict(zip(names, fold.sizes, strict=True)) | others
        tensor = changed.get(target.key, tensors[target.key])
        step = LayoutStep(source=source, target=goal, orders={}, sizes=sizes)
        changed[target.key] = tensor.relayout(step, axes=tensor.record.axes)
    return changed


def _names(order: Sequence[int]) -> list[str]:
    """Names for the merged axes; channels moved to the front or the end of images have the customary ones."""
    known = {
        (2, 0, 1): ["h", "w", "c"],
        (1, 2, 0): ["c", "h", "w"],
        (1, 0): ["w", "c"],
        (3, 0, 1, 2): ["d", "h", "w", "c"],
        (1, 2, 3, 0): ["c", "d", "h", "w"],
    }
    return known.get(tuple(order), [f"a{axis}" for axis in range(len(order))])
