"""Attention between heads that is written out: ``softmax(scale query keyᵀ + mask) value`` as one layer.

Queries, keys and values have their heads as an axis. Keys may be turned for the product in one step from where their
heads were (n, s, heads, d). Numbers may scale the scores, the queries or the keys.
What projects them stays as it is; where that belongs to the layer, too, see `irconv.passes.recompose.attention`.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import numpy as np

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import shortest_float32
from irconv.ir.graph import Node
from irconv.ir.layers.attention import ScaledDotProductAttention
from irconv.ir.layers.base import Layer
from irconv.ir.layers.shape_ops import Full
from irconv.ir.layers.tensor_ops import Reshape, Transpose
from irconv.ir.shapes import Dimension, size_product
from irconv.passes.recompose import causal
from irconv.passes.recompose.attention import BARRED, KEYS_TURNED, LAST_TURNED, TURNED, Walk, behind_softmax
from irconv.passes.recompose.matcher import Made, Match, Rule, Work
from irconv.passes.recompose.patterns import Var, op


def run(bundle: Bundle) -> Bundle:
    """The same function with a `ScaledDotProductAttention` in the place of each that is written out."""
    return causal.run(behind_softmax(bundle, "MatMul", _RULE))


_KEEPS = ("Add", "Sub", "Mul", "Cast", "Reshape", "Unsqueeze", "Expand", "Tile", "Transpose")
"""Layers that make finite numbers of numbers that are not large."""


@dataclass
class _Scaled(Walk):
    """A walk that passes any number of factors."""

    def unscaled(self, value: str) -> str:
        """What a value was before it was multiplied by numbers."""
        before = ""
        while before != value:
            self.scaled, before = False, value
            value = super().unscaled(value)
        return value


@dataclass(frozen=True)
class _Scores:
    """What scores are products of."""

    query: str
    key: str
    before: tuple[Layer, ...] = ()
    """What the keys go through to have their heads as an axis in front of their places."""


def _scores(walk: _Scaled, value: str) -> _Scores | None:
    pair = walk.product(walk.unscaled(value))
    if pair is None:
        return None
    query, right = walk.unscaled(pair[0]), walk.unscaled(pair[1])
    key = walk.turned(right, KEYS_TURNED)
    if key is not None:
        return _Scores(query, walk.unscaled(key), (Transpose(permutation=TURNED),))
    key = walk.turned(right, LAST_TURNED)
    if key is not None:
        return _Scores(query, walk.unscaled(key))
    return _merged(walk, query, right)


def _merged(walk: _Scaled, query: str, right: str) -> _Scores | None:
    """Keys turned while samples and heads are one axis: (n heads, s, d), which become (n, heads, d, s)."""
    apart, shape = walk.node(right, "Reshape"), walk.work.types[right].shape
    key = None if apart is None else walk.turned(walk.passed(apart).inputs["x"], (0, 2, 1))
    if key is None or len(shape) != 4:
        return None
    wanted = (*shape[:2], shape[3], shape[2])
    inner = walk.work.types[key].shape
    if inner != (size_product(shape[:2]).dimension, shape[3], shape[2]):
        return None
    return _Scores(query, key, (Reshape(shape=wanted),))


def _masked(walk: _Scaled, value: str) -> tuple[_Scores, str | None, bool] | None:
    """What scores are products of, the mask, and whether what it bars is left out for certain."""
    where = walk.node(value, "Where")
    if where is not None:
        number = walk.work.number(where.inputs["x1"])
        if number is None or number > BARRED or walk.work.types[where.inputs["condition"]].dtype != "bool":
            return None
        walk.passed(where)
        scores = _scores(walk, where.inputs["x0"])
        return None if scores is None else (scores, where.inputs["condition"], number == float("-inf"))
    added = walk.node(value, "Add")
    if added is None:
        scores = _scores(walk, value)
        return None if scores is None else (scores, None, True)
    if len(added.inputs) != 2:
        return None
    walk.passed(added)
    passed, left, right = list(walk.inside), *added.inputs.values()
    for product, mask in ((left, right), (right, left)):
        walk.inside, walk.scale = list(passed), 1.0
        scores = _scores(walk, product)
        if scores is not None:
            return scores, _truths(walk.work, mask) or mask, not _is_finite(walk.work, mask)
    return None


def _is_finite(work: Work, value: str, depth: int = 8) -> bool:
    """Whether a mask is made of truth values or integers and of finite numbers, so that it leaves nothing out for
    certain."""
    constant, place = work.operand(value), work.maker.get(value)
    node = None if place is None else work.nodes.get(place)
    if constant is not None or node is None or not depth:
        return constant is not None and bool(np.isfinite(work.array(constant)).all())
    layer, inputs = work.layers[node.layer], list(node.inputs.values())
    if isinstance(layer, Full):
        return isfinite(layer.value)
    if layer.type == "Cast" and not work.types[inputs[0]].dtype.startswith(("float", "bfloat")):
        return True
    return layer.type in _KEEPS and all(_is_finite(work, taken, depth - 1) for taken in inputs)


def _truths(work: Work, value: str) -> str | None:
    """The truth values of a mask that adds 0 where they are true, and minus infinity elsewhere."""
    place = work.maker.get(value)
    node = None if place is None else work.nodes.get(place)
    if node is None or work.layers[node.layer].type != "Where":
        return None
    seen = work.number(node.inputs["x0"]) == 0.0 and work.number(node.inputs["x1"]) == float("-inf")
    return node.inputs["condition"] if seen else None


def _weights(walk: _Scaled, value: str) -> tuple[Node | None, bool]:
    """The softmax, and whether those of a query that may attend to nothing are zeros."""
    where = walk.node(value, "Where")
    if where is None:
        return walk.node(value, "Softmax"), False
    test, zero = walk.node(where.inputs["condition"], "IsNaN"), walk.work.number(where.inputs["x0"])
    if test is None or zero != 0.0 or test.inputs["x"] != where.inputs["x1"]:
        return None, False
    walk.passed(where)
    walk.passed(test)
    return walk.node(where.inputs["x1"], "Softmax"), True


def _exact(scale: float, width: Dimension) -> float:
    """The root of the width below one, where a scale is that but for the rounding of its own two roots."""
    usual = width**-0.5 if isinstance(width, int) else scale
    return usual if abs(scale - usual) < _ROUNDED * usual else scale


def _attention(match: Match) -> Made | None:
    work, out = match.work, match.nodes["out"]
    walk = _Scaled(work)
    softmax, zeroed = _weights(walk, match.values["weights"])
    if softmax is None or work.layers[softmax.layer].settings()["axis"] != 3:
        return None
    found = _masked(walk, walk.passed(softmax).inputs["x"])
    match.inside = [*match.inside, *walk.inside]
    if found is None or not work.is_closed(match, out):
        return None
    scores, mask, exact = found
    if zeroed and not exact:
        return None
    layer = ScaledDotProductAttention(
        scale=_exact(float(shortest_float32(walk.scale)), work.types[scores.query].shape[-1]),
        softcap=None,
        causal="none",
        fully_masked="zero" if zeroed else "nan" if exact else "average",
    )
    inputs = {"query": scores.query, "key": scores.key, "value": match.values["values"]}
    if mask is not None:
        inputs["mask"] = mask
    return Made(layer, inputs, before={"key": scores.before}) if _fits(match, layer, inputs, scores) else None


def _fits(match: Match, layer: ScaledDotProductAttention, inputs: Mapping[str, str], scores: _Scores) -> bool:
    """Whether the layer takes what is there, and gives what the product gave."""
    types = {slot: match.work.types[value] for slot, value in inputs.items()}
    try:
        for step in scores.before:
            types["key"] = step.infer({"x": types["key"]})["y"]
        if any(
            len(types[slot].shape) != 4 or types[slot].dtype != types["query"].dtype
            for slot in ("query", "key", "value")
        ):
            return False
        return layer.infer(types)["y"] == match.work.types[next(iter(match.nodes["out"].outputs.values()))]
    except ValueError:
        return False


_ROUNDED = 4 * 2.0**-24
"""Twice the rounding of two float32 numbers and of their product."""
_RULE = Rule("attention between heads", op("MatMul", Var("weights"), Var("values"), name="out"), _attention)
