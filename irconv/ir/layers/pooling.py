"""Pools over windows of the spatial axes; pooling over whole axes is `Reduce`."""

from collections.abc import Mapping
from math import inf, prod
from typing import ClassVar, Literal

from irconv.ir.layers.base import Decomposition, Layer, Step, ValueType
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Positive, PositiveNumber
from irconv.ir.layers.tensor_ops import Mul, Pad, Reduce, Reshape, constant
from irconv.ir.layers.window import ExplicitPadding, Padding, explicit_padding, padding_to_compute, window_outputs
from irconv.ir.shapes import Dimension, Shape, Size, size_product, static


def _pool_outputs(layer: Layer, shape: Shape) -> Shape:
    """The spatial sizes after a pool. Raises `ValueError` for padding as long as a window, which then would hold no
    element; PyTorch, ONNX Runtime, TensorFlow and Theano refuse it, too."""
    said = layer.settings()
    kernel, padding = said["kernel"], said["padding"]
    dilation = said.get("dilation", (1,) * len(kernel))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if not isinstance(padding, str) and any(max(pair) >= w for pair, w in zip(padding, reach, strict=True)):
        raise ValueError(f"padding {padding} is as long as a window of {tuple(reach)}, which would hold no element")
    return window_outputs(shape[2:], kernel, said["stride"], dilation, padding, said["ceil_mode"])


class MaxPool(Layer):
    """The largest element under a sliding window; padding never wins (it counts as minus infinity).

    Axes: x and y (n, c, \\*s). `ceil_mode` keeps a last window that is only partly inside (PyTorch, Caffe); one that
    would start in the padding is dropped.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}

    type: Literal["MaxPool"] = "MaxPool"
    kernel: tuple[Positive, ...]
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    padding: Padding
    ceil_mode: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        return {"y": ValueType(x.dtype, (*x.shape[:2], *_pool_outputs(self, x.shape)))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """For targets that do not know the padding's rule: a Pad that computes it from sizes that are not known. Also
        for padding longer than the kernel, which only a dilated window reaches over."""
        pads = padding_to_compute(self.padding, given["x"].shape[2:], self.kernel, self.stride, self.dilation)
        if not pads and not isinstance(self.padding, str) and not self.ceil_mode:
            wide = any(max(pair) >= k for pair, k in zip(self.padding, self.kernel, strict=True))
            pads = self.padding if wide else None
        if not pads:
            return None
        f = Formula(self, given)
        plain = self.model_copy(update={"padding": ((0, 0),) * len(pads), "ceil_mode": False})
        return f.ends(plain, f(Pad(pads=((0, 0), (0, 0), *pads), mode="constant", value=-inf), "x"))


class AveragePool(Layer):
    """The mean under a sliding window.

    Axes: x and y (n, c, \\*s). With `count_padding` the divisor is the window's size (PyTorch's default); without, the
    number of elements inside the input (TensorFlow, Keras, ONNX's default). What a last window of `ceil_mode` reaches
    beyond the padding is counted by nobody (PyTorch, ONNX).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}

    type: Literal["AveragePool"] = "AveragePool"
    kernel: tuple[Positive, ...]
    stride: tuple[Positive, ...]
    padding: Padding
    ceil_mode: bool
    count_padding: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        return {"y": ValueType(x.dtype, (*x.shape[:2], *_pool_outputs(self, x.shape)))}

    def multiply_adds(self, given: Mapping[str, ValueType]) -> Size | None:
        """None: elements are added, and sums divided."""
        return Size.of(0)

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """For targets that do not know the padding's rule: a Pad that computes it from sizes that are not known. The
        padding is left out of the mean by dividing by the mean of as many ones."""
        from irconv.ir.layers.arithmetic import Div
        from irconv.ir.layers.shape_ops import Full

        x, ones = given["x"], (1,) * len(self.kernel)
        pads = padding_to_compute(self.padding, x.shape[2:], self.kernel, self.stride, ones)
        if not pads:
            return None
        f = Formula(self, given)
        pad = Pad(pads=((0, 0), (0, 0), *pads), mode="constant", value=0.0)
        settings = {"padding": ((0, 0),) * len(pads), "ceil_mode": False, "count_padding": True}
        plain = self.model_copy(update=settings)
        if self.count_padding:
            return f.ends(plain, f(pad, "x"))
        inside = f(pad, f(Full(shape=(1, 1, *x.shape[2:]), value=1.0, dtype=x.dtype)))
        return f.ends(Div(), f(plain, f(pad, "x")), f(plain, inside))


class MaxPoolWithIndices(Layer):
    """`MaxPool`, and for each window the int64 index in x of the element it found (of equal ones the first).

    `counted` says what the index counts: ``plane`` the elements of one channel of one member of the batch (PyTorch),
    ``tensor`` those of all of x, in C order (ONNX). TensorFlow's ``max_pool_with_argmax`` counts channels-last.
    Axes: x, y and indices (n, c, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s", "indices": "n c *s"}

    type: Literal["MaxPoolWithIndices"] = "MaxPoolWithIndices"
    kernel: tuple[Positive, ...]
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    padding: Padding
    ceil_mode: bool
    counted: Literal["plane", "tensor"]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        shape = (*x.shape[:2], *_pool_outputs(self, x.shape))
        return {"y": ValueType(x.dtype, shape), "indices": ValueType("int64", shape)}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """An index into the tensor modulo the elements of a plane is one into the plane."""
        from irconv.ir.layers.arithmetic import Mod
        from irconv.ir.layers.shape_ops import SizeOf

        if self.counted == "tensor":
            return None
        sizes = given["x"].shape[2:]
        whole = self.model_copy(update={"counted": "tensor"})
        steps = [Step(whole, {"x": "x"}, {"y": "y", "indices": "anywhere"})]
        plane = "plane"
        if known := static(sizes):
            steps.append(constant(plane, [prod(known)], "int64"))
        else:
            steps += [Step(SizeOf(axis=i + 2), {"x": "x"}, {"y": f"size{i}"}) for i in range(len(sizes))]
            plane = "size0"
            for i in range(1, len(sizes)):
                steps.append(Step(Mul(), {"x0": plane, "x1": f"size{i}"}, {"y": f"plane{i}"}))
                plane = f"plane{i}"
        return [*steps, Step(Mod(sign="divisor"), {"x0": "anywhere", "x1": plane}, {"y": "indices"})]


class MaxUnpool(Layer):
    """Zeros of the spatial shape `output_size`, with each element of x put where its index says.

    The inverse of `MaxPoolWithIndices` with indices counted by ``plane`` (PyTorch's ``max_unpool``, which works out its
    size from kernel, stride and padding unless told). Where windows overlap, which of several elements with one index
    stays is not defined. Axes: x and indices (n, c, \\*s), y (n, c, \\*output_size).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s", "indices": "n c *s"}
    INTEGERS: ClassVar[tuple[str, ...]] = ("indices",)
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    SIZES: ClassVar[tuple[str, ...]] = ("output_size",)

    type: Literal["MaxUnpool"] = "MaxUnpool"
    output_size: tuple[Dimension, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, indices = given["x"], given["indices"].shape
        if x.shape != indices or len(self.output_size) != len(x.shape) - 2:
            raise ValueError(f"{x.shape} with indices of shape {indices} does not fill {self.output_size}")
        return {"y": ValueType(x.dtype, (*x.shape[:2], *self.output_size))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.indexing import ScatterElements
        from irconv.ir.layers.shape_ops import Full

        x = given["x"]
        flat = Reshape(shape=(*x.shape[:2], size_product(x.shape[2:]).dimension))
        wide = (*x.shape[:2], size_product(self.output_size).dimension)
        f = Formula(self, given)
        zeros = f(Full(shape=wide, value=0, dtype=x.dtype))
        filled = f(ScatterElements(axis=2, reduction="none"), zeros, f(flat, "indices"), f(flat, "x"))
        return f.ends(Reshape(shape=(*x.shape[:2], *self.output_size)), filled)


class SumPool(Layer):
    """The sum under a sliding window over a fixed `divisor`; padding, and what `ceil_mode` adds, count as zero.

    PyTorch's ``avg_pool`` with ``divisor_override``. Axes: x and y (n, c, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}

    type: Literal["SumPool"] = "SumPool"
    kernel: tuple[Positive, ...]
    stride: tuple[Positive, ...]
    padding: Padding
    ceil_mode: bool
    divisor: float

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        ones = (1,) * len(self.kernel)
        spatial = window_outputs(x.shape[2:], self.kernel, self.stride, ones, self.padding, self.ceil_mode)
        return {"y": ValueType(x.dtype, (*x.shape[:2], *spatial))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        """The average over zeros that are really there, times the window's size over the divisor."""
        f = Formula(self, given)
        pads = self._reach(given["x"].shape[2:])
        padded = f(Pad(pads=((0, 0), (0, 0), *pads), mode="constant", value=0.0), "x")
        none = ((0, 0),) * len(self.kernel)
        pool = AveragePool(kernel=self.kernel, stride=self.stride, padding=none, ceil_mode=False, count_padding=True)
        return f.ends(Mul(), f(pool, padded), f.number(prod(self.kernel) / self.divisor))

    def _reach(self, sizes: Shape) -> ExplicitPadding:
        """The padding with which the last window is whole, so that it is there without `ceil_mode`."""
        ones = (1,) * len(self.kernel)
        padding = explicit_padding(self.padding, sizes, self.kernel, self.stride, ones)
        if padding is None or (self.ceil_mode and static(sizes) is None):
            raise ValueError(f"its windows depend on the input's size, which is {sizes}")
        if not self.ceil_mode:
            return padding
        outputs = static(window_outputs(sizes, self.kernel, self.stride, ones, self.padding, True)) or ()
        each = zip(static(sizes) or (), self.kernel, self.stride, padding, outputs, strict=True)
        return tuple((before, (count - 1) * s + k - n - before) for n, k, s, (before, _), count in each)


class LpPool(Layer):
    """The norm of order `p` of the elements under a sliding window, by one of two formulas:

    * ``absolute`` (ONNX): ``(sum of abs(x)^p)^(1/p)``; padding counts as zero. Here p is a whole number.
    * ``mean`` (PyTorch's ``lp_pool``): ``(k mean(x^p))^(1/p)`` with the window's size k, the mean taken over the
      elements inside the input. It is NaN where an odd p gives a negative mean, and larger than the norm in a window
      of `ceil_mode` that is only partly inside; otherwise the two agree.

    Axes: x and y (n, c, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}

    type: Literal["LpPool"] = "LpPool"
    p: PositiveNumber
    formula: Literal["absolute", "mean"]
    kernel: tuple[Positive, ...]
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    padding: Padding
    ceil_mode: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if self.formula == "mean" and any(d != 1 for d in self.dilation):
            raise ValueError(f"an average has no dilation, got {self.dilation}")
        return {"y": ValueType(x.dtype, (*x.shape[:2], *_pool_outputs(self, x.shape)))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        from irconv.ir.layers.arithmetic import Pow

        f = Formula(self, given)
        if self.formula == "absolute":
            pads = padding_to_compute(self.padding, given["x"].shape[2:], self.kernel, self.stride, self.dilation)
            plain = self.model_copy(update={"padding": ((0, 0),) * len(self.kernel), "ceil_mode": False})
            pad = Pad(pads=((0, 0), (0, 0), *(pads or ())), mode="constant", value=0.0)
            return f.ends(plain, f(pad, "x")) if pads else None
        pool = AveragePool(
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
            count_padding=False,
        )
        mean = f(pool, f(Pow(), "x", f.number(self.p)))
        return f.ends(Pow(), f(Mul(), mean, f.number(float(prod(self.kernel)))), f.number(1 / self.p))


class GlobalLpPool(Layer):
    """The norm of order `p` of each channel: ``(sum of abs(x)^p)^(1/p)``. Axes: x (n, c, \\*s), y (n, c, 1...)."""

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}

    type: Literal["GlobalLpPool"] = "GlobalLpPool"
    p: PositiveNumber

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        return {"y": ValueType(x.dtype, (*x.shape[:2], *(1,) * (len(x.shape) - 2)))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.arithmetic import Pow
        from irconv.ir.layers.elementwise import Abs

        axes = tuple(range(2, len(given["x"].shape)))
        f = Formula(self, given)
        if self.p in (1, 2):
            return f.ends(Reduce(op="l1" if self.p == 1 else "l2", axes=axes, keepdims=True), "x")
        powers = f(Pow(), f(Abs(), "x"), f.number(self.p))
        return f.ends(Pow(), f(Reduce(op="sum", axes=axes, keepdims=True), powers), f.number(1 / self.p))
