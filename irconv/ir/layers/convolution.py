"""Convolutions and affine maps."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.base import (
    AxisBehaviour,
    Barrier,
    Decomposition,
    LastAxis,
    Layer,
    OnChannels,
    Parameter,
    ValueType,
    broadcast,
)
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.matrix import Einsum, MatMul
from irconv.ir.layers.ranges import Count, Positive
from irconv.ir.layers.tensor_ops import Add, Pad, Transpose
from irconv.ir.layers.window import ExplicitPadding, Padding, padding_to_compute, window_outputs
from irconv.ir.shapes import Dimension, Size, product, static


def _check_bias(given: Mapping[str, ValueType], outputs: Dimension) -> None:
    """Raises `ValueError` for a bias that is not one number for each output: some runtimes spread it, others stop."""
    bias = given["bias"].shape if "bias" in given else (outputs,)
    if len(bias) != 1 or (isinstance(bias[0], int) and isinstance(outputs, int) and bias[0] != outputs):
        raise ValueError(f"a bias of shape {bias} does not go with {outputs} outputs")


class Conv(Layer):
    """Cross-correlation over one to three spatial axes.

    ``y[n, o, p] = bias[o] + sum over i, q of kernel[o, i, q] x[n, g i_per_group + i, s p + d q - before]`` with
    ``g = o // (out / groups)``. The kernel is *not* turned: frameworks that compute the mathematical convolution
    (Theano with ``filter_flip=True``) store it turned, and reading them turns it.

    Axes: x (n, c, \\*s), kernel (out, in = c / groups, \\*k), bias (out), y (n, out, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"kernel": Parameter("out in *k"), "bias": Parameter("out", 0.0)}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["Conv"] = "Conv"
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    groups: Positive
    padding: Padding

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, kernel = given["x"], given["kernel"].shape
        if 0 in kernel:
            raise ValueError(f"a kernel of shape {kernel} has no elements")
        n, channels, *sizes = x.shape
        window = tuple(k for k in kernel[2:] if isinstance(k, int))
        if len(sizes) != len(window) or len(window) != len(self.stride) or len(window) != len(self.dilation):
            raise ValueError(f"a kernel of shape {kernel} with stride {self.stride} does not slide over {x.shape}")
        if isinstance(channels, int) and channels != kernel[1] * self.groups:
            raise ValueError(f"a kernel of shape {kernel} with {self.groups} groups does not take {channels} channels")
        _check_bias(given, kernel[0])
        spatial = window_outputs(tuple(sizes), window, self.stride, self.dilation, self.padding)
        return {"y": ValueType(x.dtype, (n, kernel[0], *spatial))}

    def multiply_adds(self, given: Mapping[str, ValueType]) -> Size:
        n, _, *spatial = self.infer(given)["y"].shape
        return product((n, *spatial, *given["kernel"].shape))

    def on_last_axis(self, rank: int) -> OnChannels | None:
        """A Linear, where the kernel has size 1."""
        known = Linear().on_channels(rank)
        if known is None or self.settings() != known.layer.settings():
            return None
        return OnChannels(Linear(), {role: (axes, before) for role, (before, axes) in known.axes.items()})

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """For targets that do not know the padding's rule: a Pad that computes it from sizes that are not known."""
        sizes, kernel = given["x"].shape[2:], static(given["kernel"].shape[2:])
        pads = kernel and padding_to_compute(self.padding, sizes, kernel, self.stride, self.dilation)
        if not pads:
            return None
        f, none = Formula(self, given), ((0, 0),) * len(pads)
        plain = Conv(stride=self.stride, dilation=self.dilation, groups=self.groups, padding=none)
        padded = f(Pad(pads=((0, 0), (0, 0), *pads), mode="constant", value=0.0), "x")
        return f.ends(plain, padded, kernel="kernel", bias="bias")


class ConvTranspose(Layer):
    """The transpose of a convolution (also called deconvolution), over one to three spatial axes.

    Each element of x puts a copy of the kernel, weighted by it, at its own place; copies that overlap are summed:
    ``full[n, o, s p + d q] = sum over i, q of kernel[i, o, q] x[n, i, p]``, with i over the inputs of o's group, of
    size ``f = (n - 1) s + w`` with ``w = (k - 1) d + 1``. The result is `full` cropped, or lengthened by zeros at the
    end, plus bias (over the zeros, too). What is taken off on the two sides:

    * explicit `padding` (PyTorch, ONNX, Caffe): `before`, and `after` less `output_padding`, which adds to the size and
      nothing else; so the size is ``f + output_padding - before - after``.
    * ``same_upper`` (TensorFlow and Keras SAME): to `output_size`, or ``n s`` where that is None; of ``t = f - size``
      elements ``max(t, 0) // 2`` before, the rest after. It is the padding of the SAME convolution that this is the
      transpose of. ``same_lower``: ``max(t, 0) - max(t, 0) // 2`` before (ONNX where ``output_shape`` is given).
    * ``theano_half`` (Keras on Theano): to ``n s``, w // 2 before: a step of one from TensorFlow's for odd kernels.

    Keras' ``valid`` is explicit zeros with ``output_padding = max(s - w, 0)``, so a kernel smaller than its stride
    leaves gaps at the end, too. Keras' ``same`` with an `output_padding` u means the size ``(n - 1) s + w % 2 + u``,
    that is ``t = w - w % 2 - u``, cropped as ``same_upper`` does. TensorFlow's VALID with a longer `output_shape` is
    `output_padding`.

    Axes: x (n, in, \\*s), kernel (in, out / groups, \\*k), bias (out), y (n, out, \\*s). The kernel is that of the
    convolution it is the transpose of, so in and out are swapped against `Conv`; it is *not* turned (Theano's are).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"kernel": Parameter("in out *k"), "bias": Parameter("out", 0.0)}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["ConvTranspose"] = "ConvTranspose"
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    groups: Positive
    padding: Padding
    output_padding: tuple[Count, ...]
    output_size: tuple[Dimension, ...] | None

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, kernel = given["x"], given["kernel"].shape
        if 0 in kernel:
            raise ValueError(f"a kernel of shape {kernel} has no elements")
        n, channels, *sizes = x.shape
        if not len(sizes) == len(kernel) - 2 == len(self.stride) == len(self.dilation) == len(self.output_padding):
            raise ValueError(f"a kernel of shape {kernel} with stride {self.stride} does not slide over {x.shape}")
        if isinstance(channels, int) and channels != kernel[0]:
            raise ValueError(f"a kernel of shape {kernel} does not take {channels} channels")
        _check_bias(given, (Size.of(kernel[1]) * self.groups).dimension)
        spatial = self.output_size or [
            (full - (before + after)).dimension
            for full, (before, after) in zip(
                self._full(tuple(sizes), kernel[2:]), self.crops(tuple(sizes), kernel[2:]), strict=True
            )
        ]
        if any(isinstance(size, int) and size < 1 for size in spatial):
            raise ValueError(f"padding {self.padding} leaves nothing of a result of {x.shape}")
        return {"y": ValueType(x.dtype, (n, (Size.of(kernel[1]) * self.groups).dimension, *spatial))}

    def multiply_adds(self, given: Mapping[str, ValueType]) -> Size:
        n, _, *spatial = given["x"].shape
        return product((n, *spatial, *given["kernel"].shape))

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """For targets that add fewer zeros at the end than the stride: the zeros as a Pad, the bias after it."""
        spatial, kernel = given["x"].shape[2:], given["kernel"].shape[2:]
        crops = self.crops(spatial, kernel)
        zeros = [max(-after, 0) for _, after in crops]
        if not any(zeros):
            return None
        f = Formula(self, given)
        none = (0,) * len(crops)
        plain = ConvTranspose(
            stride=self.stride,
            dilation=self.dilation,
            groups=self.groups,
            padding=tuple((before, max(after, 0)) for before, after in crops),
            output_padding=none,
            output_size=None,
        )
        pad = Pad(pads=((0, 0), (0, 0), *((0, count) for count in zeros)), mode="constant", value=0.0)
        if "bias" not in given:
            return f.ends(pad, f(plain, "x", kernel="kernel"))
        return f.ends(Add(), f(pad, f(plain, "x", kernel="kernel")), f.along("bias", (1,), len(crops) + 2))

    def crops(self, sizes: tuple[Dimension, ...], kernel: tuple[Dimension, ...]) -> ExplicitPadding:
        """How much of the full result is taken off (before, after) each spatial axis; a negative number after is the
        count of zeros added. Raises `ValueError` where that depends on a size that is not known."""
        if not isinstance(self.padding, str):
            if self.output_size is not None:
                raise ValueError(f"padding {self.padding} says what output_size {self.output_size} says again")
            pairs = zip(self.padding, self.output_padding, strict=True)
            return tuple((before, after - more) for (before, after), more in pairs)
        if any(self.output_padding):
            raise ValueError(f"output_padding {self.output_padding} has no meaning with padding {self.padding}")
        wanted = self.output_size or [Size.of(n) * s for n, s in zip(sizes, self.stride, strict=True)]
        crops: list[tuple[int, int]] = []
        windows = self._full((1,) * len(sizes), kernel)
        for full, size, window in zip(self._full(sizes, kernel), wanted, windows, strict=True):
            total, length = (full - size).dimension, window.dimension
            if not isinstance(total, int) or not isinstance(length, int):
                raise ValueError(f"the padding for output_size {self.output_size} depends on the input's size, {sizes}")
            half = max(total, 0) // 2
            starts = {"same_upper": half, "same_lower": max(total, 0) - half, "theano_half": length // 2}
            if self.padding not in starts:
                raise ValueError(f"a transposed convolution has no padding {self.padding}")
            crops.append((starts[self.padding], total - starts[self.padding]))
        return tuple(crops)

    def _full(self, sizes: tuple[Dimension, ...], kernel: tuple[Dimension, ...]) -> list[Size]:
        each = zip(sizes, kernel, self.stride, self.dilation, strict=True)
        return [(Size.of(n) - 1) * s + (Size.of(k) - 1) * d + 1 for n, k, s, d in each]


class Linear(Layer):
    """Affine map of the last axis: ``y[..., o] = bias[o] + sum over i of kernel[o, i] x[..., i]``.

    Axes: x (..., in), kernel (out, in), bias (out), y (..., out). Keras and TensorFlow store (in, out).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a in"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*a out"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"kernel": Parameter("out in"), "bias": Parameter("out", 0.0)}
    BEHAVIOUR: ClassVar[AxisBehaviour] = LastAxis()

    type: Literal["Linear"] = "Linear"

    def on_channels(self, rank: int) -> OnChannels | None:
        """A convolution with a kernel of size 1, where there are one to three spatial axes."""
        if not 3 <= rank <= 5:
            return None
        ones = (1,) * (rank - 2)
        layer = Conv(stride=ones, dilation=ones, groups=1, padding=((0, 0),) * len(ones))
        units = [f"u{axis}" for axis in range(rank - 2)]
        return OnChannels(layer, {"kernel": (f"out (in {' '.join(units)})", f"out in {' '.join(units)}")})

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, kernel = given["x"], given["kernel"].shape
        if isinstance(x.shape[-1], int) and x.shape[-1] != kernel[1]:
            raise ValueError(f"a kernel of shape {kernel} does not take {x.shape[-1]} features")
        _check_bias(given, kernel[0])
        return {"y": ValueType(x.dtype, (*x.shape[:-1], kernel[0]))}

    def multiply_adds(self, given: Mapping[str, ValueType]) -> Size:
        return product((*given["x"].shape[:-1], *given["kernel"].shape))

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """For targets with matrix products only: the product, by the transpose of a kernel that is computed, and the
        sum."""
        f, kernel = Formula(self, given), "kernel"
        if kernel in self.operands and "bias" not in given:
            return None
        if kernel in self.operands:
            return f.ends(Add(), f(Linear(), "x", kernel=kernel), f.operand("bias"))
        turned = f(Transpose(permutation=(1, 0)), kernel)
        if "bias" not in given:
            return f.ends(MatMul(), "x", turned)
        return f.ends(Add(), f(MatMul(), "x", turned), f.operand("bias"))


class Bilinear(Layer):
    """Bilinear map of the last axes of two values:
    ``y[..., o] = bias[o] + sum over i, j of kernel[o, i, j] left[..., i] right[..., j]``.

    Axes: left (..., left), right (..., right), kernel (out, left, right), bias (out), y (..., out).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"left": "*a left", "right": "*a right"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*a out"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "kernel": Parameter("out left right"),
        "bias": Parameter("out", 0.0),
    }
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["Bilinear"] = "Bilinear"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        left, right, kernel = given["left"], given["right"], given["kernel"].shape
        sizes = (left.shape[-1], right.shape[-1])
        if any(isinstance(n, int) and n != k for n, k in zip(sizes, kernel[1:], strict=True)):
            raise ValueError(f"a kernel of shape {kernel} does not take values of shapes {left.shape}, {right.shape}")
        return {"y": ValueType(left.dtype, (*broadcast([left.shape[:-1], right.shape[:-1]]), kernel[0]))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        values = ("left", f.operand("kernel"), "right")
        product = Einsum(equation="...i,oij,...j->...o")
        if "bias" not in given:
            return f.ends(product, *values)
        return f.ends(Add(), f(product, *values), f.operand("bias"))
