"""Pools into a fixed number of bins, whatever the size of the input."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

from irconv.ir.layers.base import Decomposition, Layer, ValueType
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.ranges import Positive, written_out
from irconv.ir.layers.tensor_ops import Identity, Mul, Reduce

_Bins: TypeAlias = list[tuple[int, int]]
_Op: TypeAlias = tuple[Layer, tuple[list[Any], str] | None]
"""A layer, and the literal (with its element type) that it takes as its second input."""


class _AdaptivePool(Layer):
    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    OP: ClassVar[Literal["mean", "max"]]

    output_size: tuple[Positive | None, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if len(self.output_size) != len(x.shape) - 2:
            raise ValueError(f"{self.output_size} does not fit the spatial axes of {x.shape}")
        spatial = [n if o is None else o for n, o in zip(x.shape[2:], self.output_size, strict=True)]
        return {"y": ValueType(x.dtype, (*x.shape[:2], *spatial))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        """A Reduce over the axes that become 1, a pool over those whose bins are alike, the others bin by bin."""
        sizes = dict(enumerate(given["x"].shape[2:], 2))
        wanted = {axis: o for axis, o in enumerate(self.output_size, 2) if o is not None and o != sizes[axis]}
        whole = tuple(axis for axis, o in wanted.items() if o == 1)
        steps: list[_Op] = [(Reduce(op=self.OP, axes=whole, keepdims=True), None)] if whole else []
        alike = dict.fromkeys(sizes, 1)
        for axis, count in wanted.items():
            size = sizes[axis]
            if axis in whole:
                continue
            if not isinstance(size, int):
                raise ValueError(f"{count} bins along an axis of {size}, which is not known, cannot be written out")
            written_out(size + count, f"a pool of {count} bins over {size} elements")
            if size % count == 0:
                alike[axis] = size // count
            else:
                steps += self._uneven(axis, _bins(size, count), len(sizes) + 2)
        if any(n > 1 for n in alike.values()):
            steps.append((self._even(tuple(alike.values())), None))
        f, value = Formula(self, given), "x"
        *before, (last, _) = steps or [(Identity(), None)]
        for layer, literal in before:
            value = f(layer, value, *([f.number(*literal)] if literal else []))
        return f.ends(last, value)

    def _even(self, kernel: tuple[int, ...]) -> Layer:
        none, ones = ((0, 0),) * len(kernel), (1,) * len(kernel)
        if self.OP == "max":
            return MaxPool(kernel=kernel, stride=kernel, dilation=ones, padding=none, ceil_mode=False)
        return AveragePool(kernel=kernel, stride=kernel, padding=none, ceil_mode=False, count_padding=False)

    def _uneven(self, axis: int, bins: _Bins, rank: int) -> list[_Op]:
        """Each bin gathered in full, the last element of a short one again and again, and reduced. In a mean the copies
        of an element share its weight, so that an infinite one counts as it should."""
        from irconv.ir.layers.indexing import Gather

        longest = max(end - start for start, end in bins)
        places = [[min(start + i, end - 1) for i in range(longest)] for start, end in bins]
        gather: _Op = Gather(axis=axis), (places, "int64")
        if self.OP == "max":
            return [gather, (Reduce(op="max", axes=(axis + 1,), keepdims=False), None)]
        weights: list[Any] = [
            [1 / (row.count(place) * (end - start)) for place in row]
            for row, (start, end) in zip(places, bins, strict=True)
        ]
        for _ in range(rank - 1 - axis):
            weights = [[[weight] for weight in row] for row in weights]
        return [gather, (Mul(), (weights, "")), (Reduce(op="sum", axes=(axis + 1,), keepdims=False), None)]


class AdaptiveAveragePool(_AdaptivePool):
    """The mean of each bin, `output_size` of them along each spatial axis; None keeps an axis as it is.

    Bin i of o along an axis of size n holds the elements from ``floor(i n / o)`` up to ``ceil((i + 1) n / o)``: bins
    may overlap (PyTorch and Keras). Axes: x and y (n, c, \\*s).
    """

    OP: ClassVar[Literal["mean", "max"]] = "mean"

    type: Literal["AdaptiveAveragePool"] = "AdaptiveAveragePool"


class AdaptiveMaxPool(_AdaptivePool):
    """The largest element of each bin, `output_size` of them along each spatial axis; None keeps an axis as it is.

    Bin i of o along an axis of size n holds the elements from ``floor(i n / o)`` up to ``ceil((i + 1) n / o)``: bins
    may overlap (PyTorch and Keras). Axes: x and y (n, c, \\*s).
    """

    OP: ClassVar[Literal["mean", "max"]] = "max"

    type: Literal["AdaptiveMaxPool"] = "AdaptiveMaxPool"


def _bins(size: int, count: int) -> _Bins:
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
