"""One index of an axis, taken on the way through cuts and turns."""

from __future__ import annotations

import numpy as np

from irconv.ir.layers.slicing import Flip, Select
from irconv.ir.layers.tensor_ops import Concat, Identity, Reshape
from irconv.layout import invert
from irconv.passes.recompose.matcher import Made, Match, Rule
from irconv.passes.recompose.patterns import Var, Weights, op

X = Var("x")


def _turned(match: Match) -> Made | None:
    """Of a turned value the index of the axis that was turned there, where the others stay in their order."""
    order = match.settings("turn")["permutation"]
    axis = match.settings("taken")["axis"]
    rest = [place for i, place in enumerate(order) if i != axis]
    if rest != sorted(rest):
        return None
    return Made(Select(axis=order[axis], index=match.settings("taken")["index"]), {"x": match.values["x"]})


def _last(match: Match) -> Made | None:
    """The only index of a stretch that is the last one."""
    cut, taken = match.settings("cut"), match.settings("taken")
    alone = cut["axes"] == (taken["axis"],) and cut["starts"] == (-1,) and cut["ends"] == (None,)
    if not alone or taken["index"] not in (0, -1):
        return None
    return Made(Select(axis=taken["axis"], index=-1), {"x": match.values["x"]})


def _backwards(match: Match) -> Made | None:
    """All of some axes, the last first."""
    cut = match.settings("cut")
    if set(cut["starts"]) | set(cut["ends"]) != {None} or set(cut["steps"]) != {-1}:
        return None
    return Made(Flip(axes=cut["axes"]), {"x": match.values["x"]})


def _in_order(match: Match) -> Made | None:
    """Every element of a flat value, the first one first, as exporters write PyTorch's ``as_strided``."""
    flat, places = match.settings("flat")["shape"], match.work.operand(match.weights["places"])
    if len(flat) != 1 or match.settings("taken")["axis"] != 0 or places is None:
        return None
    order = match.work.array(places)
    if flat != (order.size,) or not np.array_equal(order.reshape(-1), np.arange(order.size)):
        return None
    layer = Identity() if match.type_of("x").shape == order.shape else Reshape(shape=order.shape)
    return Made(layer, {"x": match.values["x"]})


def _same(match: Match) -> Made | None:
    """An axis of length 1 that is put in and taken out again."""
    if match.settings("in")["axes"] != match.settings("out")["axes"]:
        return None
    return Made(Identity(), {"x": match.values["x"]})


def _flipped(match: Match) -> Made | None:
    """The same around a turn of other axes."""
    if match.settings("in")["axes"] != match.settings("out")["axes"]:
        return None
    axes, new = match.settings("flip")["axes"], match.settings("in")["axes"]
    if any(axis >= place for axis in axes for place in new):
        return None
    return Made(Flip(axes=axes), {"x": match.values["x"]})


def _joined(match: Match) -> Made | None:
    """Values that are turned, joined, and turned back."""
    order, back = match.settings("first")["permutation"], match.settings("back")["permutation"]
    if match.settings("second")["permutation"] != order or invert(order) != back:
        return None
    axis = order[match.settings("join")["axis"]]
    return Made(Concat(axis=axis), {slot: match.values[slot] for slot in ("x0", "x1")})


def _back(match: Match) -> Made | None:
    """Turned, and turned back."""
    if invert(match.settings("first")["permutation"]) != match.settings("back")["permutation"]:
        return None
    return Made(Identity(), {"x": match.values["x"]})


def _regrouped(match: Match) -> Made | None:
    """Axes merged or cut, and back to what they were."""
    (result,) = match.nodes["back"].outputs.values()
    if match.work.types[result].shape != match.type_of("x").shape:
        return None
    return Made(Identity(), {"x": match.values["x"]})


_PAIR = op("Transpose", Var("x0"), name="first"), op("Transpose", Var("x1"), name="second")

CUTS = [
    Rule("reshaped and back", op("Reshape", op("Reshape", X), name="back"), _regrouped),
    Rule("turn and back", op("Transpose", op("Transpose", X, name="first"), name="back"), _back),
    Rule("join between turns", op("Transpose", op("Concat", *_PAIR, name="join"), name="back"), _joined),
    Rule("index behind a turn", op("Select", op("Transpose", X, name="turn"), name="taken"), _turned),
    Rule(
        "all places in order", op("Gather", op("Reshape", X, name="flat"), Weights("places"), name="taken"), _in_order
    ),
    Rule("whole axes backwards", op("Slice", X, name="cut"), _backwards),
    Rule("index of the last", op("Select", op("Slice", X, name="cut"), name="taken"), _last),
    Rule(
        "axis in and out around a flip",
        op("Squeeze", op("Flip", op("Unsqueeze", X, name="in"), name="flip"), name="out"),
        _flipped,
    ),
    Rule("axis in and out", op("Squeeze", op("Unsqueeze", X, name="in"), name="out"), _same),
]
