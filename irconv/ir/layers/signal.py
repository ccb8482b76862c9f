"""Fourier transforms. Complex numbers are a last axis of 2: real part, imaginary part."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from irconv.ir.layers.base import AxisBehaviour, Barrier, Decomposition, Layer, Parameter, ValueType
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.ranges import Axis, Positive, written_out
from irconv.ir.layers.shape_ops import Unsqueeze, without_axis
from irconv.ir.layers.tensor_ops import Mul, Reshape, Transpose
from irconv.ir.shapes import Dimension, Size

_LARGEST_MATRIX = 1024


class DFT(Layer):
    """The discrete Fourier transform along `axis`: ``y[k] = sum over j of x[j] exp(-2 pi i j k / n)``.

    The last axis of x has the real part, or both parts. With `inverse` the sign of the exponent is positive and the sum
    divided by n. `onesided` keeps k from 0 to n // 2 only, which is all there is to know of real values (``rfft``);
    inverted, it takes those and gives the `length` real values (``irfft``), with a last axis of 1. `length` is None but
    there. NumPy, PyTorch, TensorFlow and JAX agree but for PyTorch's other norms.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["DFT"] = "DFT"
    axis: Axis
    inverse: bool
    onesided: bool
    length: Positive | None

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if not 0 <= self.axis < len(x.shape) - 1 or x.shape[-1] not in (1, 2):
            raise ValueError(f"shape {x.shape} has no axis {self.axis} before a last one of real and imaginary parts")
        if (self.length is not None) != (self.inverse and self.onesided):
            raise ValueError(f"length {self.length} does not go with inverse={self.inverse}, onesided={self.onesided}")
        if self.onesided and x.shape[-1] != (2 if self.inverse else 1):
            raise ValueError(f"shape {x.shape} does not fit a one-sided transform, inverse={self.inverse}")
        if self.length is not None:
            return {"y": ValueType(x.dtype, (*without_axis(x.shape, self.axis, (self.length,))[:-1], 1))}
        size: Dimension = x.shape[self.axis]
        kept = (Size.of(size).floor_divide(2) + 1).dimension if self.onesided else size
        return {"y": ValueType(x.dtype, (*without_axis(x.shape, self.axis, (kept,))[:-1], 2))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """A product with the matrix of cosines and sines; None for lengths that are unknown, large or powers of two,
        where a fast transform is as exact."""
        x, n = given["x"], self.length or given["x"].shape[self.axis]
        if not isinstance(n, int) or n & (n - 1) == 0 or n > _LARGEST_MATRIX:
            return None
        f, rank = Formula(self, given), len(x.shape)
        rest = [axis for axis in range(rank - 1) if axis != self.axis]
        there = (*rest, self.axis, rank - 1)
        turned = f(Transpose(permutation=there), "x") if there != tuple(range(rank)) else "x"
        result = self.infer(given)["y"].shape
        sizes = tuple(x.shape[axis] for axis in rest)
        inner = Size.of(x.shape[self.axis]) * x.shape[-1]
        flat = f(Reshape(shape=(*sizes, inner.dimension)), turned)
        product = f(MatMul(), flat, f.number(self._matrix(n, x.shape[-1] == 2).tolist()))
        unfolded = Reshape(shape=(*sizes, result[self.axis], result[-1]))
        back = tuple(there.index(axis) for axis in range(rank))
        if back == tuple(range(rank)):
            return f.ends(unfolded, product)
        return f.ends(Transpose(permutation=back), f(unfolded, product))

    def _matrix(self, n: int, both: bool) -> Any:
        """Rows (j, part of x), which has both parts or the real one; columns (k, part of y)."""
        written_out(2 * n * n, f"a transform of {n} elements")
        j, k = np.arange(n), np.arange(n // 2 + 1 if self.onesided else n)
        angle = 2 * np.pi * (np.outer(j, k) % n) / n
        cos, sin = np.cos(angle), np.sin(angle)
        if not self.inverse:
            real, imaginary = np.stack([cos, -sin], -1), np.stack([sin, cos], -1)
        else:
            real, imaginary = np.stack([cos, sin], -1) / n, np.stack([-sin, cos], -1) / n
        if not both:
            return real.reshape(n, -1)
        if not self.onesided:
            return np.stack([real, imaginary], 1).reshape(2 * n, -1)
        twice = np.where((k == 0) | (2 * k == n), 1.0, 2.0)[:, None] / n
        across = 2 * np.pi * (np.outer(k, j) % n) / n
        return np.stack([np.cos(across) * twice, -np.sin(across) * twice], 1).reshape(2 * len(k), n)


class STFT(Layer):
    """The one-sided Fourier transforms of windows that slide over a signal.

    ``y[n, f, k] = sum over j of window[j] x[n, f hop + j] exp(-2 pi i j k / w)`` for a window of w elements and k from
    0 to w // 2, as pairs of real and imaginary part. Windows lie inside: what pads at the ends (PyTorch and librosa:
    ``center``, reflecting) is a `Pad` in front, and a window shorter than the transform is padded with zeros on both
    sides before it gets here. PyTorch's result has k before f.

    Axes: x (n, t), window (w), y (n, f, k, 2).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n t"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n f k p"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"window": Parameter("w")}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["STFT"] = "STFT"
    hop: Positive

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, width = given["x"], given["window"].shape[0]
        if len(x.shape) != 2 or not isinstance(width, int):
            raise ValueError(f"a window of {width} elements does not slide over shape {x.shape}")
        frames = ((Size.of(x.shape[1]) - width).floor_divide(self.hop) + 1).dimension
        if isinstance(frames, int) and frames < 1:
            raise ValueError(f"a window of {width} elements does not fit into {x.shape[1]}")
        return {"y": ValueType(x.dtype, (x.shape[0], frames, width // 2 + 1, 2))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        """A convolution whose kernels are cosines and sines, weighed by the window."""
        f, (batch, frames, bins, parts) = Formula(self, given), self.infer(given)["y"].shape
        width = given["window"].shape[0]
        assert isinstance(width, int)
        assert isinstance(bins, int)
        written_out(2 * bins * width, f"a transform of {width} elements")
        angle = 2 * np.pi * (np.outer(np.arange(bins), np.arange(width)) % width) / width
        waves = np.stack([np.cos(angle), -np.sin(angle)], 1).reshape(2 * bins, 1, width)
        kernel = f(Mul(), f.number(waves.tolist()), f.operand("window"))
        conv = Conv(stride=(self.hop,), dilation=(1,), groups=1, padding=((0, 0),))
        found = f(Transpose(permutation=(0, 2, 1)), f(conv, f(Unsqueeze(axes=(1,)), "x"), kernel))
        return f.ends(Reshape(shape=(batch, frames, bins, parts)), found)
