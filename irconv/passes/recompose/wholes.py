"""Layers that ONNX has no op for: repeated elements, what is not equal, stacks, and both directions joined."""

from __future__ import annotations

from collections.abc import Iterator

from irconv.ir.bundle import Bundle
from irconv.ir.layers.comparisons import NotEqual
from irconv.ir.layers.shape_ops import Repeat
from irconv.ir.layers.slicing import Stack
from irconv.ir.layers.tensor_ops import Concat
from irconv.passes import unused
from irconv.passes.recompose.matcher import Made, Match, Rule, Work
from irconv.passes.recompose.patterns import Var, op

X = Var("x")


def _repeated(match: Match) -> Made | None:
    """A new axis behind another, along which everything is there several times, taken into that axis."""
    axes, times = match.settings("apart")["axes"], match.settings("tiled")["repeats"]
    shape = match.type_of("x").shape
    if len(axes) != 1 or axes[0] == 0 or not isinstance(times[axes[0]], int):
        return None
    if any(count != 1 for axis, count in enumerate(times) if axis != axes[0]) or times[axes[0]] < 1:
        return None
    layer = Repeat(axis=axes[0] - 1, repeats=times[axes[0]])
    (result,) = match.nodes["joined"].outputs.values()
    wanted = layer.infer({"x": match.type_of("x")})["y"].shape
    if len(shape) != len(wanted) or match.work.types[result].shape != wanted:
        return None
    return Made(layer, {"x": match.values["x"]})


def _unequal(match: Match) -> Made | None:
    return Made(NotEqual(), {"x0": match.values["x0"], "x1": match.values["x1"]})


def _stacked(match: Match) -> Made | None:
    """Values of one shape, joined along an axis that each of them was given for that."""
    axis, count = match.settings("joined")["axis"], len(match.nodes["joined"].inputs)
    if any(match.settings(f"apart{i}")["axes"] != (axis,) for i in range(count)):
        return None
    if len({match.type_of(f"x{i}") for i in range(count)}) > 1:  # sizes of which nothing says that they are the same
        return None
    return Made(Stack(axis=axis), {f"x{i}": match.values[f"x{i}"] for i in range(count)})


def _stacked_again(match: Match) -> Made | None:
    """Stacks joined along their own axis."""
    axis = match.settings("joined")["axis"]
    if any(match.settings(name)["axis"] != axis for name in match.nodes if name != "joined"):
        return None
    return Made(Stack(axis=axis), {f"x{i}": match.values[f"x{i}"] for i in range(len(match.values))})


def _directions(match: Match) -> Made | None:
    """Both directions of a recurrent layer, stacked in front of their units and merged with these."""
    shape = match.type_of("x0").shape
    (result,) = match.nodes["merged"].outputs.values()
    if len(shape) != 3 or match.type_of("x1").shape != shape or not isinstance(shape[2], int):
        return None
    if match.work.types[result].shape != (*shape[:2], 2 * shape[2]):
        return None
    return Made(Concat(axis=2), {slot: match.values[slot] for slot in ("x0", "x1")})


def _joins() -> Iterator[Rule]:
    for axis, turned in ((1, True), (2, False)):
        both = op("Concat", *(op("Unsqueeze", Var(f"x{i}"), axes=(axis,)) for i in range(2)), axis=axis)
        inner = op("Transpose", both, permutation=(0, 2, 1, 3)) if turned else both
        yield Rule("both directions", op("Reshape", inner, name="merged"), _directions)


def _stacks() -> Iterator[Rule]:
    for count in range(2, _MOST + 1):
        parts = [op("Unsqueeze", Var(f"x{i}"), name=f"apart{i}") for i in range(count)]
        yield Rule(f"stack of {count}", op("Concat", *parts, name="joined"), _stacked)
    for count in range(2, _MOST // 2 + 1):
        pairs = [op("Stack", Var(f"x{2 * i}"), Var(f"x{2 * i + 1}"), name=f"pair{i}") for i in range(count)]
        yield Rule(f"stack of {count} stacks", op("Concat", *pairs, name="joined"), _stacked_again)


_MOST = 8
"""Values in a stack: the states of a recurrent layer of so many layers and directions."""
_STACKS = {"Concat": [*_stacks()]}

WHOLES = [
    *_joins(),
    Rule(
        "elements repeated in place",
        op("Reshape", op("Tile", op("Unsqueeze", X, name="apart"), name="tiled"), name="joined"),
        _repeated,
    ),
    Rule("not equal", op("Not", op("Equal", Var("x0"), Var("x1"))), _unequal),
]


def stacked(bundle: Bundle) -> Bundle:
    """The same function with a `Stack` where values get an axis along which they are joined.

    For behind the layout pass, which moves the two past other layers, but not the one.
    """
    if bundle.graph is None or not any(layer.type == "Concat" for layer in bundle.layers.values()):
        return bundle
    work = Work.of(bundle)
    return unused.run(work.bundle()) if work.apply(_STACKS) else bundle
