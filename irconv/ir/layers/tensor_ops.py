"""Ops that move or combine values: sums, joins, padding, shapes."""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import mul
from typing import Any, ClassVar, Literal

import numpy as np

from irconv.ir.known import numeric
from irconv.ir.layers.base import (
    AxisBehaviour,
    AxisFields,
    Barrier,
    Decomposition,
    FactorReshape,
    Layer,
    LiteralOperand,
    Parameter,
    Permutation,
    Pointwise,
    Reduction,
    Step,
    ValueType,
    broadcast,
)
from irconv.ir.layers.ranges import Axes, Axis, Positive
from irconv.ir.layers.window import padding_of_axis
from irconv.ir.shapes import Dimension, Shape, Size, counted, size_product, static, symbols
from irconv.layout import Array, turned


class Identity(Layer):
    """The value itself."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["Identity"] = "Identity"

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": known["x"]} if "x" in known else None


class Add(Layer):
    """The sum of two or more values, with numpy's broadcasting."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["Add"] = "Add"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": ValueType(given["x0"].dtype, broadcast([value.shape for value in given.values()]))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": sum(known.values(), np.zeros((), np.int64))} if len(known) == len(given) else None


class Mul(Layer):
    """The product of two or more values, element by element, with numpy's broadcasting."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["Mul"] = "Mul"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": ValueType(given["x0"].dtype, broadcast([value.shape for value in given.values()]))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": np.asarray(reduce(mul, known.values()))} if len(known) == len(given) else None

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """For targets whose product takes two values: one after the other."""
        first, *others = given
        if len(others) < 2:
            return None if others else [Step(Identity(), {"x": first}, {"y": "y"})]
        results = [*(f"product{i}" for i in range(len(others) - 1)), "y"]
        lefts = [first, *results]
        return [
            Step(Mul(), {"x0": left, "x1": right}, {"y": y})
            for left, right, y in zip(lefts, others, results, strict=False)
        ]


class Constant(Layer):
    """A value that is there from the start: its operand `value`."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"value": Parameter("*a")}
    ALIKE: ClassVar[tuple[str, ...] | None] = ()

    type: Literal["Constant"] = "Constant"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": given["value"]}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": known["value"]} if "value" in known else None


class Concat(Layer):
    """One or more values joined along `axis` (counted from 0)."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))

    type: Literal["Concat"] = "Concat"
    axis: Axis

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        shapes = [value.shape for value in given.values()]
        listed = ", ".join(map(str, shapes))
        if len({len(shape) for shape in shapes}) > 1:
            raise ValueError(f"shapes {listed} differ in rank")
        sizes: list[Dimension] = []
        for axis, found in enumerate(zip(*shapes, strict=True)):
            known = {size for size in found if isinstance(size, int)}
            if axis != self.axis and len(known) > 1:
                raise ValueError(f"shapes {listed} differ outside axis {self.axis}")
            total = sum(map(Size.of, found), Size.of(0)).dimension
            sizes.append(total if axis == self.axis else known.pop() if known else found[0])
        return {"y": ValueType(given["x0"].dtype, tuple(sizes))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": np.concatenate(list(known.values()), self.axis)} if len(known) == len(given) else None


_LONGEST = 2**31
"""Of an axis whose size is not known: what is cut off has to be a number of every target's."""


class Pad(Layer):
    """Elements put around the value: `pads` holds (before, after) of every axis, batch and channels included.

    For ``a b c d`` and two elements on each side, by `mode`: ``constant`` puts `value` there (which is None for the
    others); ``reflect`` gives ``c b | a b c d | c b``; ``edge`` (PyTorch: replicate) ``a a | a b c d | d d``; ``wrap``
    (PyTorch: circular) ``c d | a b c d | a b``; ``symmetric`` ``b a | a b c d | d c`` (NumPy, TensorFlow).
    A negative number cuts elements off where the mode is constant.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(per_axis=("pads",))
    SIZES: ClassVar[tuple[str, ...]] = ("pads",)

    type: Literal["Pad"] = "Pad"
    pads: tuple[tuple[Dimension, Dimension], ...]
    mode: Literal["constant", "reflect", "edge", "wrap", "symmetric"]
    value: float | None

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if len(self.pads) != len(x.shape):
            raise ValueError(f"{len(self.pads)} pairs of padding do not fit shape {x.shape}")
        if (self.value is None) == (self.mode == "constant"):
            raise ValueError(f"padding of mode {self.mode} does not go with the value {self.value}")
        padded = [self._padded(size, *pair) for size, pair in zip(x.shape, self.pads, strict=True)]
        return {"y": ValueType(x.dtype, tuple(padded))}

    def _padded(self, size: Dimension, before: Dimension, after: Dimension) -> Dimension:
        longest = {"reflect": -1, "wrap": 0, "symmetric": 0}.get(self.mode)
        if longest is not None and isinstance(size, int):
            wide = [n for n in (before, after) if isinstance(n, int) and n > size + longest]
            if wide:
                raise ValueError(f"padding of mode {self.mode} by {wide[0]} does not fit an axis of {size}")
        cut = sum(max(-n, 0) for n in (before, after) if isinstance(n, int))
        if cut > (size if isinstance(size, int) else _LONGEST):
            raise ValueError(f"padding by {before} and {after} takes more than there is of an axis of {size}")
        return (Size.of(size) + before + after).dimension

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """Negative padding is a Slice; symmetric padding joins the turned ends to the value, axis after axis."""
        known = [(before, after) for before, after in self.pads if isinstance(before, int) and isinstance(after, int)]
        if self.mode == "constant" and any(min(pair) < 0 for pair in known):
            return self._cut()
        return self._symmetric() if self.mode == "symmetric" else None

    def _cut(self) -> Decomposition:
        from irconv.ir.layers.slicing import Slice

        def short(size: Dimension) -> int:
            return -size if isinstance(size, int) and size < 0 else 0

        axes = tuple(axis for axis, pair in enumerate(self.pads) if any(map(short, pair)))
        starts = tuple(short(self.pads[axis][0]) for axis in axes)
        ends = tuple(-short(self.pads[axis][1]) or None for axis in axes)
        rest = tuple((0 if short(a) else a, 0 if short(b) else b) for a, b in self.pads)
        return [
            Step(Slice(axes=axes, starts=starts, ends=ends, steps=(1,) * len(axes)), {"x": "x"}, {"y": "cut"}),
            Step(self.model_copy(update={"pads": rest, "origin": None}), {"x": "cut"}, {"y": "y"}),
        ]

    def _symmetric(self) -> Decomposition:
        from irconv.ir.layers.slicing import Slice

        steps, value, padded = [], "x", [axis for axis, pair in enumerate(self.pads) if pair != (0, 0)]
        for axis in padded:
            before, after = self.pads[axis]
            if not isinstance(before, int) or not isinstance(after, int):
                raise ValueError(f"symmetric padding by {self.pads[axis]} is not known")
            result = "y" if axis == padded[-1] else f"padded{axis}"
            ends = {f"before{axis}": (before - 1, None, before), f"after{axis}": (-1, -1 - after, after)}
            for name, (start, end, count) in ends.items():
                turned = Slice(axes=(axis,), starts=(start,), ends=(end,), steps=(-1,))
                steps += [Step(turned, {"x": value}, {"y": name})] if count else []
            pieces = [f"before{axis}"] * bool(before) + [value] + [f"after{axis}"] * bool(after)
            steps.append(Step(Concat(axis=axis), {f"x{i}": p for i, p in enumerate(pieces)}, {"y": result}))
            value = result
        return steps or [Step(Identity(), {"x": "x"}, {"y": "y"})]


class SamePad(Layer):
    """The padding that a window of TensorFlow's SAME rule needs, put around the spatial axes at run time.

    What writers that know no SAME use in front of a window layer where the sizes are not known before
    (`irconv.ir.layers.window` has the rule). Axes: x and y (n, c, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["SamePad"] = "SamePad"
    kernel: tuple[Positive, ...]
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    value: float

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        """The padded size is known where the size is, or where windows overlap or touch."""
        x = given["x"]
        padded: list[Dimension] = []
        for n, k, s, d in zip(x.shape[2:], self.kernel, self.stride, self.dilation, strict=True):
            known = padding_of_axis("same_upper", n, k, s, d)
            total = (Size.of(n).ceil_divide(s) - 1) * s + ((k - 1) * d + 1)
            padded.append(total.dimension if known is None else (Size.of(n) + sum(known)).dimension)
        return {"y": ValueType(x.dtype, (*x.shape[:2], *padded))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        """A Pad by ``t = (ceil(n / s) - 1) s + w - n`` in all, which for a window w of at least s (or of 1, which needs
        none) is never negative, so that it can be computed from a size that is not known."""
        pads: list[tuple[Dimension, Dimension]] = [(0, 0), (0, 0)]
        for n, k, s, d in zip(given["x"].shape[2:], self.kernel, self.stride, self.dilation, strict=True):
            window = (k - 1) * d + 1
            known = (0, 0) if window == 1 else padding_of_axis("same_upper", n, k, s, d)
            if known is None and window < s:
                raise ValueError(f"a window of {window} with stride {s} over {n} elements needs a padding not known")
            total = (Size.of(n).ceil_divide(s) - 1) * s + window - n
            before = total.floor_divide(2)
            pads.append(known or (before.dimension, (total - before).dimension))
        return [Step(Pad(pads=tuple(pads), mode="constant", value=self.value), {"x": "x"}, {"y": "y"})]


class Reduce(Layer):
    """One number for all elements along whole axes; global pooling is the mean or maximum over the spatial ones.

    `op`: mean, sum, max, min, prod; l1 (sum of absolute values), l2 (root of the sum of squares), sum_square, log_sum
    (logarithm of the sum), log_sum_exp (``log(sum(exp(x)))``, without overflow); any and all of bools. Variances are
    `Variance` and `StandardDeviation`, which need a divisor.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = Reduction()

    type: Literal["Reduce"] = "Reduce"
    op: Literal["mean", "sum", "max", "min", "prod", "l1", "l2", "sum_square", "log_sum", "log_sum_exp", "any", "all"]
    axes: Axes
    keepdims: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if (self.op in ("any", "all")) != (x.dtype == "bool"):
            raise ValueError(f"{self.op} of values of type {x.dtype} has no meaning")
        return {"y": ValueType(x.dtype, reduced_shape(x.shape, self.axes, self.keepdims))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        """Sums and products of sizes, and more of numbers."""
        how = _FOLDED.get(self.op)
        if how is None or "x" not in known or (self.op not in ("sum", "prod") and not numeric(known["x"])):
            return None
        return {"y": np.asarray(how(known["x"], axis=self.axes, keepdims=self.keepdims))}


_FOLDED: Mapping[str, Callable[..., Any]] = {
    "sum": np.sum,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "any": np.any,
    "all": np.all,
}


class Flatten(Layer):
    """Merges `start_axis` and all axes after it into one, in C order of the value as it is laid out here."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = FactorReshape()

    type: Literal["Flatten"] = "Flatten"
    start_axis: Axis

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        merged = size_product(x.shape[self.start_axis :]).dimension
        return {"y": ValueType(x.dtype, (*x.shape[: self.start_axis], merged))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": known["x"].reshape(*known["x"].shape[: self.start_axis], -1)} if "x" in known else None

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        return [Step(Reshape(shape=self.infer(given)["y"].shape), {"x": "x"}, {"y": "y"})]


class Reshape(Layer):
    """The same elements in C order under another shape; a symbol stands for the same size as in the input.

    Every size is named: the -1 that frameworks let stand for "what is left" is the expression it comes to.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = FactorReshape()
    SIZES: ClassVar[tuple[str, ...]] = ("shape",)

    type: Literal["Reshape"] = "Reshape"
    shape: tuple[Dimension, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        rounded = "//" in "".join(map(str, (*x.shape, *self.shape)))  # H//2*2 is H for the sizes that fit
        unknown = any(counted(symbol) for size in self.shape for symbol in symbols(size))
        if not (rounded or unknown) and size_product(x.shape) != size_product(self.shape):
            raise ValueError(f"shape {x.shape} does not have as many elements as {self.shape}")
        return {"y": ValueType(x.dtype, self.shape)}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        shape = static(self.shape)
        return {"y": known["x"].reshape(shape)} if "x" in known and shape is not None else None


class Transpose(Layer):
    """Axis `i` of the result is axis `permutation[i]` of the value."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Permutation()

    type: Literal["Transpose"] = "Transpose"
    permutation: tuple[Axis, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if sorted(self.permutation) != list(range(len(x.shape))):
            raise ValueError(f"{self.permutation} is not a permutation of the axes of {x.shape}")
        return {"y": ValueType(x.dtype, tuple(x.shape[axis] for axis in self.permutation))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": turned(known["x"], self.permutation)} if "x" in known else None


def constant(value: str, literal: float | int | bool | list[Any], dtype: str) -> Step:
    """The step of a decomposition that makes a number, or nested lists of numbers, a value."""
    return Step(Constant(operands={"value": LiteralOperand(literal=literal, dtype=dtype)}), {}, {"y": value})


def reduced_shape(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """The shape without `axes`, or with 1 in their place. Raises `ValueError` for axes that are not there."""
    if not axes or any(not 0 <= axis < len(shape) for axis in axes):
        raise ValueError(f"{axes} does not name axes of shape {shape}")
    return tuple(1 if axis in axes else n for axis, n in enumerate(shape) if keepdims or axis not in axes)
