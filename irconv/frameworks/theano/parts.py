"""What Theano has no function for, in layers that it has one for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from irconv.ir.layers.base import Decomposition, Layer, LiteralOperand, Step, ValueType
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.patches import DepthToSpace, SpaceToDepth
from irconv.ir.layers.ranges import written_out
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.shape_ops import Range
from irconv.ir.layers.slicing import Select, Slice, Split, Unstack
from irconv.ir.layers.tensor_ops import Concat, Constant, Pad, Reshape, Transpose
from irconv.ir.shapes import Dimension, Size
from irconv.passes.interpolation import by_matrices

_Given = Mapping[str, ValueType]


def split(layer: Layer, given: _Given) -> Decomposition | None:
    """The parts of a layer: those of its class where there is no other rule."""
    rule = _PARTS.get(type(layer))
    found = None if rule is None else rule(layer, given)
    return layer.decompose(given) if found is None else found


def _pieces(layer: Split, given: _Given) -> Decomposition:
    """A slice for each piece."""
    steps, start = [], Size.of(0)
    for number, size in enumerate(layer.sizes):
        end = start + size
        last = number == len(layer.sizes) - 1
        ends: tuple[Dimension | None, ...] = (None if last else end.dimension,)
        piece = Slice(axes=(layer.axis,), starts=(start.dimension,), ends=ends, steps=(1,))
        steps.append(Step(piece, {"x": "x"}, {"y": f"y{number}"}))
        start = end
    return steps


def _indices(layer: Unstack, given: _Given) -> Decomposition:
    """One index after the other."""
    select = [Select(axis=layer.axis, index=number) for number in range(layer.count)]
    return [Step(part, {"x": "x"}, {"y": f"y{number}"}) for number, part in enumerate(select)]


def _resize(layer: Resize, given: _Given) -> Decomposition | None:
    """Whole numbers of copies of each element; else a matrix, or an index, for each axis."""
    old, new = given["x"].shape[2:], layer.infer(given)["y"].shape[2:]
    plain = layer.mode == "nearest" and layer.coordinates == "asymmetric" and layer.rounding == "floor"
    if plain and layer.sizes is not None:
        times = [_times(n, m) for n, m in zip(old, new, strict=True)]
        if all(times):
            factors = tuple(float(number) for number in times)
            return Formula(layer, given).ends(layer.model_copy(update={"sizes": None, "scales": factors}), "x")
    return by_matrices(layer, given)


def _times(size: Dimension, new: Dimension) -> int:
    """How many times a size is another; 0 where it is not."""
    if isinstance(size, int) and isinstance(new, int):
        return 0 if new % size else new // size
    return next((number for number in range(1, 9) if (Size.of(size) * number).dimension == new), 0)


def _numbers(layer: Range, given: _Given) -> Decomposition | None:
    if not isinstance(layer.start, int) or not isinstance(layer.limit, int):
        return None
    numbers = range(layer.start, layer.limit, layer.step)
    written_out(len(numbers), f"the numbers up to {layer.limit}")
    return Formula(layer, given).ends(_constant(list(numbers)))


def _constant(numbers: list[int]) -> Constant:
    return Constant(operands={"value": LiteralOperand(literal=numbers, dtype="int64")})


def _blocks(layer: SpaceToDepth, given: _Given) -> Decomposition | None:
    """Each axis of space cut into blocks, whose places go before the channels (TensorFlow) or behind them (PyTorch)."""
    (n, c, *_), (_, channels, high, wide), b = given["x"].shape, layer.infer(given)["y"].shape, layer.block
    f = Formula(layer, given)
    cut = f(Reshape(shape=(n, c, high, b, wide, b)), "x")
    order = (0, 3, 5, 1, 2, 4) if layer.mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return f.ends(Reshape(shape=(n, channels, high, wide)), f(Transpose(permutation=order), cut))


def _padded(layer: Pad, given: _Given) -> Decomposition | None:
    """What stands at the ends, joined to the value, axis after axis; as it is said by `Pad`."""
    if layer.mode == "constant":
        return None
    f, value = Formula(layer, given), "x"
    padded = [axis for axis, pair in enumerate(layer.pads) if pair != (0, 0)]
    for axis in padded:
        before, after = layer.pads[axis]
        if not isinstance(before, int) or not isinstance(after, int) or before < 0 or after < 0:
            return None
        cuts = [*_before(layer.mode, before), None, *_after(layer.mode, after)]
        pieces = [
            value if cut is None else f(Slice(axes=(axis,), starts=cut[:1], ends=cut[1:2], steps=cut[2:]), value)
            for cut in cuts
        ]
        if axis == padded[-1]:
            return f.ends(Concat(axis=axis), *pieces)
        value = f(Concat(axis=axis), *pieces)
    return None


_Cut: TypeAlias = tuple[int, int | None, int]
"""Start, end and step of a slice."""


def _before(mode: str, count: int) -> list[Any]:
    """The slices that stand before a value."""
    cuts: Mapping[str, Sequence[_Cut]] = {
        "edge": [(0, 1, 1)] * count,
        "reflect": [(count, 0, -1)],
        "symmetric": [(count - 1, None, -1)],
        "wrap": [(-count, None, 1)],
    }
    return list(cuts[mode]) if count else []


def _after(mode: str, count: int) -> list[Any]:
    """The slices that stand behind a value."""
    cuts: Mapping[str, Sequence[_Cut]] = {
        "edge": [(-1, None, 1)] * count,
        "reflect": [(-2, -2 - count, -1)],
        "symmetric": [(-1, -1 - count, -1)],
        "wrap": [(0, count, 1)],
    }
    return list(cuts[mode]) if count else []


def _to_space(layer: DepthToSpace, given: _Given) -> Decomposition | None:
    """The channels of a block on axes of their own, turned behind the axes that they spread over."""
    n, _, h, w = given["x"].shape
    depth, rows, columns = layer.infer(given)["y"].shape[1:]
    blocks, order = (layer.block, layer.block), (0, 3, 4, 1, 5, 2)
    apart: tuple[Dimension, ...] = (n, *blocks, depth, h, w)
    if layer.mode == "CRD":
        apart, order = (n, depth, *blocks, h, w), (0, 1, 4, 2, 5, 3)
    f = Formula(layer, given)
    turned = f(Transpose(permutation=order), f(Reshape(shape=apart), "x"))
    return f.ends(Reshape(shape=(n, depth, rows, columns)), turned)


_PARTS: Mapping[type[Layer], Callable[[Any, _Given], Decomposition | None]] = {
    DepthToSpace: _to_space,
    Pad: _padded,
    Range: _numbers,
    Resize: _resize,
    SpaceToDepth: _blocks,
    Split: _pieces,
    Unstack: _indices,
}
