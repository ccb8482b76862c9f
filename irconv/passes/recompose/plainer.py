"""Moves of elements that come to nothing, or to one move: what exporters leave when they write sizes and indices out.

For behind the layout pass, which takes reshapes and transposes apart better one by one. Then equal moves of one value,
which one exporter writes as often as the source did and the other once, are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from irconv.ir.bundle import Bundle
from irconv.ir.layers.base import StoredOperand
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.tensor_ops import Identity, Reshape, Transpose
from irconv.ir.manifest import LayoutStep
from irconv.ir.shapes import Shape, static
from irconv.layout import Array
from irconv.log import timed
from irconv.passes import remove_identity, unused
from irconv.passes.recompose import overwritten, pieces, repeats
from irconv.passes.recompose.borders import BORDERS
from irconv.passes.recompose.cuts import CUTS
from irconv.passes.recompose.linear import LINEAR
from irconv.passes.recompose.matcher import Build, Made, Match, Rule, Work
from irconv.passes.recompose.patterns import Either, Var, Weights, op
from irconv.passes.recompose.unturning import UNTURNING

X = Var("x")
_SHAPES = Either(tuple(op(kind, X, name="first") for kind in ("Reshape", "Squeeze", "Unsqueeze", "Flatten")))


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function with as few moves as the rules find."""
    if bundle.graph is None:
        return bundle
    for _ in range(_ROUNDS):
        bundle = overwritten.run(repeats.run(bundle))
        work = Work.of(bundle)
        if not work.apply(_BY_ROOT):
            break
        bundle = remove_identity.left_over(unused.run(work.bundle()))
    return pieces.run(bundle)


def _result(match: Match, name: str) -> Shape:
    (value,) = match.nodes[name].outputs.values()
    return match.work.types[value].shape


def _nothing(match: Match) -> Made | None:
    """A layer that gives what it takes: the same element type, size and elements."""
    (value,) = match.nodes["move"].outputs.values()
    if match.work.types[value] != match.type_of("x"):
        return None
    return Made(Identity(), {"x": match.values["x"]})


def _open(steps: Sequence[int]) -> bool:
    return set(steps) <= {1}


def _none_added(pads: Sequence[tuple[object, object]]) -> bool:
    return {side for pair in pads for side in pair} <= {0}


def _reshaped(match: Match) -> Made | None:
    """Two changes of shape as one."""
    return Made(Reshape(shape=_result(match, "last")), {"x": match.values["x"]})


def _turned(match: Match) -> Made | None:
    """Two turns as one."""
    first, second = (match.settings(name)["permutation"] for name in ("first", "last"))
    both = tuple(first[place] for place in second)
    layer = Identity() if list(both) == sorted(both) else Transpose(permutation=both)
    return Made(layer, {"x": match.values["x"]})


def _passed(match: Match) -> Made | None:
    """A turn of axes of length 1 alone, between changes of shape, which leaves all elements in their order."""
    order = match.settings("turn")["permutation"]
    shape = match.work.types[match.nodes["turn"].inputs["x"]].shape
    long = [place for place in order if shape[place] != 1]
    if long != sorted(long):
        return None
    return Made(Reshape(shape=_result(match, "last")), {"x": match.values["x"]})


def _whole(match: Match) -> Made | None:
    """Every place along some axes, the first one first."""
    taken, places = match.nodes["taken"], match.work.operand(match.weights["places"])
    kind, settings = match.work.layers[taken.layer].type, match.settings("taken")
    shape = static(match.type_of("x").shape)
    if places is None or shape is None or prod(match.work.shape_of(places)) > _MOST:
        return None
    sizes = static(match.work.types[match.weights["places"]].shape)
    if sizes is None:
        return None
    found: Array = match.work.array(places).reshape(sizes)
    if kind == "GatherND":
        named = sizes[-1]
        if settings["batch_axes"] or (found < 0).any() or (found >= shape[:named]).any():
            return None
        order, count = (
            np.ravel_multi_index(tuple(found[..., i] for i in range(named)), shape[:named]),
            prod(shape[:named]),
        )
    else:
        order, count = found, shape[settings["axis"]]
    if order.size != count or not np.array_equal(order.reshape(-1), np.arange(count)):
        return None
    return Made(Reshape(shape=_result(match, "taken")), {"x": match.values["x"]})


def _opened(match: Match) -> Made | None:
    """A change of shape that puts in, or takes out, axes of length 1 alone."""
    before, after = match.type_of("x").shape, _result(match, "reshape")
    more, fewer = (after, before) if len(after) > len(before) else (before, after)
    kept = iter([*fewer, None])
    wanted = next(kept)
    added = []
    for axis, size in enumerate(more):
        if size == wanted:
            wanted = next(kept)
        elif size == 1:
            added.append(axis)
        else:
            return None
    if wanted is not None or not added:
        return None
    layer = Unsqueeze(axes=tuple(added)) if more is after else Squeeze(axes=tuple(added))
    return Made(layer, {"x": match.values["x"]})


def _weighed(match: Match) -> Made | None:
    """A product with a matrix that is stored, as a Linear of it."""
    work, node = match.work, match.nodes["product"]
    matrix = work.operand(match.weights["matrix"])
    if not isinstance(matrix, StoredOperand) or len(match.type_of("x").shape) < 2:
        return None
    if len(work.shape_of(matrix)) != 2 or work.types[match.weights["matrix"]].shape != work.shape_of(matrix):
        return None
    key = f"{matrix.tensor}/turned"
    step = LayoutStep(source="in out", target="out in", orders={}, sizes={})
    work.tensors[key] = work.tensors[matrix.tensor].relayout(step)
    return Made(Linear(operands={"kernel": StoredOperand(tensor=key)}), {"x": match.values["x"]}, node.layer)


def _rules() -> Iterator[Rule]:
    nothing: Build = _nothing
    yield Rule("cast to the same", op("Cast", X, name="move"), nothing)
    yield Rule("spread to the same size", op("Expand", X, name="move"), nothing)
    yield Rule("once", op("Tile", X, name="move", repeats=_open), nothing)
    yield Rule("all of an axis", op("Slice", X, name="move", steps=_open), nothing)
    yield Rule("padding by nothing", op("Pad", X, name="move", pads=_none_added), nothing)
    for kind in ("Reshape", "Squeeze", "Unsqueeze"):
        yield Rule("two changes of shape", op(kind, _SHAPES, name="last"), _reshaped)
        yield Rule("shapes around a turn", op(kind, op("Transpose", _SHAPES, name="turn"), name="last"), _passed)
    yield from UNTURNING
    yield Rule("two turns", op("Transpose", op("Transpose", X, name="first"), name="last"), _turned)
    for kind in ("Gather", "GatherND"):
        yield Rule("all places", op(kind, X, Weights("places"), name="taken"), _whole)
    yield Rule("product with a stored matrix", op("MatMul", X, Weights("matrix"), name="product"), _weighed)
    yield from BORDERS
    yield from CUTS
    yield from (rule for rule in LINEAR if rule.name in ("flatten", "sum behind Linear"))
    yield Rule("axes of length 1", op("Reshape", X, name="reshape"), _opened)


_ROUNDS = 8
_MOST = 1 << 20
"""Indices that are looked at."""
_RULES = [*_rules()]
_BY_ROOT = {
    root: [rule for rule in _RULES if root in rule.roots] for root in {root for rule in _RULES for root in rule.roots}
}
