"""Masks that let a query see the keys up to its own place, however they are written, as `causal` of the attention.

A mask that depends on no input is followed as two numbers: what stands on and below the diagonal of its last two axes,
and what stands above. That needs no sizes, so masks that are computed from symbolic ones are found, too. Masks of truth
values that were made numbers to be added are truth values again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

import numpy as np

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, Pointwise, ValueType
from irconv.ir.layers.matrix import Trilu
from irconv.ir.layers.shape_ops import Full, Range
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.shapes import static
from irconv.layout import Array
from irconv.log import timed
from irconv.passes import unused
from irconv.passes.recompose.matcher import Made, Match, Rule, Work
from irconv.passes.recompose.patterns import Var, op

_CERTAIN = -1e30
"""Beside a number from here on a score is nothing in float32, so that a query that may attend to nothing averages."""
_MOST, _DEEP = 1 << 24, 24
_MOVES = ("Expand", "Unsqueeze", "Squeeze", "Reshape", "Slice", "Identity")
"""Layers that leave what is the same everywhere the same; of triangles those are passed that keep the last two axes."""
_Pair = tuple[Array, Array]


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function with fewer masks."""
    if bundle.graph is None or not any(hasattr(layer, "causal") for layer in bundle.layers.values()):
        return bundle
    work = Work.of(bundle)
    return unused.run(work.bundle()) if work.apply({kind: [rule] for kind, rule in _RULES.items()}) else bundle


def _plain(match: Match) -> Made | None:
    work, node = match.work, match.nodes["attention"]
    mask, layer = match.values["mask"], work.layers[node.layer]
    without = {slot: value for slot, value in node.inputs.items() if slot != "mask"}
    shape = tuple(work.types[node.inputs[slot]].shape[-2] for slot in ("query", "key"))
    pair = _triangle(work, mask, _DEEP) if work.types[mask].shape[-2:] == shape else None
    if pair is not None and layer.settings()["causal"] in ("none", "first") and _is_causal(pair):
        return Made(layer.model_copy(update={"causal": "first"}), without, node.layer)
    truths = _truths(work, mask)
    if truths is None:
        return None
    changed = layer.model_copy(update={"fully_masked": "average"})
    return Made(changed, {**without, "mask": truths}, node.layer)


def _is_causal(pair: _Pair) -> bool:
    """Whether keys up to the query's place count as they are, and later ones are left out for certain."""
    seen, later = (float(part) for part in pair)
    if pair[0].dtype == bool:
        return bool(pair[0]) and not bool(pair[1])
    return seen == 0.0 and later <= _CERTAIN


def _truths(work: Work, value: str) -> str | None:
    """The truth values of a mask that adds 0 where they are true, and a finite number beside which all is nothing
    elsewhere."""
    place = work.maker.get(value)
    node = None if place is None else work.nodes.get(place)
    if node is None or work.layers[node.layer].type != "Where":
        return None
    seen, number = work.number(node.inputs["x0"]), work.number(node.inputs["x1"])
    barred = number is not None and float("-inf") < number <= _CERTAIN
    same = work.types[node.inputs["condition"]].shape == work.types[value].shape
    return node.inputs["condition"] if seen == 0.0 and barred and same else None


def _triangle(work: Work, value: str, depth: int) -> _Pair | None:
    """What a value holds on and below the diagonal, and above; None where it holds anything else."""
    operand = work.operand(value)
    if operand is not None:
        shape = static(work.types[value].shape)
        small = shape is not None and prod(shape) <= _MOST
        return _of_array(work.array(operand).reshape(shape)) if small else None
    place = work.maker.get(value)
    node = None if place is None else work.nodes.get(place)
    if node is None or not depth or len(node.outputs) != 1:
        return None
    layer = work.layers[node.layer]
    if isinstance(layer, Full):
        return np.asarray(layer.value), np.asarray(layer.value)
    sides = [_side(work, taken) for taken in node.inputs.values()]
    below = _COMPARED.get(" ".join((layer.type, *sides)))
    if below is not None:
        return np.asarray(below), np.asarray(not below)
    parts = {slot: _triangle(work, taken, depth - 1) for slot, taken in node.inputs.items()}
    known = {slot: pair for slot, pair in parts.items() if pair is not None}
    if len(known) < len(parts) or not parts:
        return None
    return _through(work, layer, node, known)


def _of_array(array: Array) -> _Pair | None:
    """An array as the two numbers that it holds."""
    first = array.reshape(-1)[:1]
    if not array.size or bool((array == first).all()):
        return (first[0], first[0]) if array.size else None
    if array.ndim < 2:
        return None
    matrices = array.reshape(-1, *array.shape[-2:])
    low = np.tri(*array.shape[-2:]) > 0
    below, above = matrices[:, low], matrices[:, ~low]
    if not (below == below[0, 0]).all() or not (above == above[0, 0]).all():
        return None
    return below[0, 0], above[0, 0]


def _through(work: Work, layer: Layer, node: Node, known: Mapping[str, _Pair]) -> _Pair | None:
    """What a layer makes of what its inputs hold."""
    (value,) = node.outputs.values()
    result = work.types[value].shape
    flat = all(bool(below == above) for below, above in known.values())
    below, above = known.get("x", next(iter(known.values())))
    if isinstance(layer, Trilu):
        zero = np.zeros((), below.dtype)
        if not layer.upper and layer.diagonal == 0:
            return below, zero
        return (zero, above) if layer.upper and layer.diagonal == 1 else None
    if layer.type in _MOVES:
        shape = work.types[node.inputs["x"]].shape
        stays = len(shape) >= 2 and shape[-2:] == result[-2:] and not isinstance(layer, Slice)
        return (below, above) if flat or stays or _from_the_start(layer, len(shape)) else None
    if not isinstance(layer.BEHAVIOUR, Pointwise) or layer.operands:
        return None
    for slot, (low, high) in known.items():
        if bool(low != high) and work.types[node.inputs[slot]].shape[-2:] != result[-2:]:
            return None
    given = {slot: ValueType(work.types[taken].dtype, ()) for slot, taken in node.inputs.items()}
    sides = [layer.fold(given, {slot: pair[side] for slot, pair in known.items()}) for side in (0, 1)]
    found = [np.asarray(side["y"]) for side in sides if side is not None]
    return (found[0], found[1]) if len(found) == 2 else None


def _from_the_start(layer: Layer, rank: int) -> bool:
    """Whether a Slice takes the first rows and columns, in their order."""
    if not isinstance(layer, Slice) or rank < 2:
        return False
    cuts = zip(layer.axes, layer.starts, layer.steps, strict=True)
    return all(axis < rank - 2 or (start in (0, None) and step == 1) for axis, start, step in cuts)


def _side(work: Work, value: str) -> str:
    """Whether a value counts the rows of a matrix from 0, or the columns; empty for any other."""
    shape = work.types[value].shape
    place = work.maker.get(value)
    node = None if place is None else work.nodes.get(place)
    while node is not None and work.layers[node.layer].type in ("Unsqueeze", "Reshape", "Squeeze"):
        node = work.nodes.get(work.maker.get(node.inputs["x"], (-1, ())))
    if node is None or sum(size != 1 for size in shape) > 1:
        return ""
    layer = work.layers[node.layer]
    counts = isinstance(layer, Range) and (layer.start, layer.step) == (0, 1)
    operand = layer.operands.get("value") if isinstance(layer, Constant) else None
    if operand is not None and prod(work.shape_of(operand)) <= _MOST:
        numbers = work.array(operand).reshape(-1)
        counts = np.array_equal(numbers, np.arange(numbers.size))
    if not counts or not shape:
        return ""
    return "columns" if shape[-1] != 1 else "rows" if len(shape) > 1 and shape[-2] != 1 else ""


_COMPARED = {
    "GreaterOrEqual rows columns": True,
    "LessOrEqual columns rows": True,
    "Less rows columns": False,
    "Greater columns rows": False,
}
"""Whether a comparison of places holds on and below the diagonal; else it holds above."""


def _rules() -> Iterator[Rule]:
    for kind in ("ScaledDotProductAttention", "MultiHeadAttention", "GroupedQueryAttention"):
        given = (Var("query"), Var("key"), Var("value"), Var("mask"))
        yield Rule("mask", op(kind, *given, name="attention"), _plain)


_RULES = {rule.roots[0]: rule for rule in _rules()}
