"""Windows cut out and put back, and elements moved between channels and space."""

from collections.abc import Mapping
from math import prod
from typing import ClassVar, Literal

from irconv.ir.layers.base import Decomposition, Layer, Parameter, ValueType
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.matrix import Einsum
from irconv.ir.layers.ranges import Positive, written_out
from irconv.ir.layers.tensor_ops import Add, Pad, Reshape, Transpose
from irconv.ir.layers.window import Padding, explicit_padding, padding_to_compute, window_outputs
from irconv.ir.shapes import Dimension, Size, size_product


class Unfold(Layer):
    """The elements under each position of a sliding window, as a column (im2col).

    ``y[n, (c, q...), (p...)] = x[n, c, s p + d q - before]``, zero in the padding. The rows count channels first, then
    the places in the window (PyTorch's ``unfold``); TensorFlow's ``extract_patches`` has the channels last.
    Axes: x (n, c, \\*s), y (n, rows, positions).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n rows positions"}

    type: Literal["Unfold"] = "Unfold"
    kernel: tuple[Positive, ...]
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    padding: Padding

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        rows = (Size.of(x.shape[1]) * prod(self.kernel)).dimension
        return {"y": ValueType(x.dtype, (x.shape[0], rows, size_product(self.positions(x)).dimension))}

    def positions(self, x: ValueType) -> tuple[Dimension, ...]:
        """How many positions the window has along each spatial axis."""
        if not len(x.shape) - 2 == len(self.kernel) == len(self.stride) == len(self.dilation):
            raise ValueError(f"a window of {self.kernel} with stride {self.stride} does not slide over {x.shape}")
        return window_outputs(x.shape[2:], self.kernel, self.stride, self.dilation, self.padding)

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        """Axis by axis, a strided slice for each place in the window."""
        from irconv.ir.layers.slicing import Slice, Stack

        x = given["x"]
        window = (x.shape[2:], self.kernel, self.stride, self.dilation)
        pads = padding_to_compute(self.padding, *window) or explicit_padding(self.padding, *window)
        f, value = Formula(self, given), "x"
        if pads and any(map(any, pads)):
            value = f(Pad(pads=((0, 0), (0, 0), *pads), mode="constant", value=0.0), value)
        written_out(sum(self.kernel) * 256, f"a window of {self.kernel}")
        for i, (k, s, d) in enumerate(zip(self.kernel, self.stride, self.dilation, strict=True)):
            axis, last = 2 + 2 * i, (k - 1) * d
            slices = [
                f(Slice(axes=(axis,), starts=(q * d,), ends=(q * d - last or None,), steps=(s,)), value)
                for q in range(k)
            ]
            value = f(Stack(axis=2 + i), *slices)
        return f.ends(Reshape(shape=self.infer(given)["y"].shape), value)


class Fold(Layer):
    """The transpose of `Unfold`: columns put back where they were cut out, and summed where they overlap (col2im).

    `output_size` are the spatial sizes of the result; windows slide over it as they do in `Unfold`. Axes: x (n, rows,
    positions), y (n, c, \\*s), where the rows count channels first (PyTorch's ``fold``).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n rows positions"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    SIZES: ClassVar[tuple[str, ...]] = ("output_size",)

    type: Literal["Fold"] = "Fold"
    output_size: tuple[Dimension, ...]
    kernel: tuple[Positive, ...]
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    padding: tuple[tuple[int, int], ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        n, rows, positions = given["x"].shape
        outputs = window_outputs(self.output_size, self.kernel, self.stride, self.dilation, self.padding)
        size = prod(self.kernel)
        if isinstance(rows, int) and rows % size:
            raise ValueError(f"{rows} rows are no whole number of channels with a window of {self.kernel}")
        count = size_product(outputs).dimension
        if isinstance(positions, int) and isinstance(count, int) and count != positions:
            raise ValueError(f"a window has {outputs} positions in {self.output_size}, got {positions} columns")
        return {"y": ValueType(given["x"].dtype, (n, Size.of(rows).floor_divide(size).dimension, *self.output_size))}


class LocallyConnected(Layer):
    """A convolution whose kernel is another one at each position.

    ``y[n, o, p] = bias[o, p] + sum over i, q of kernel[p, o, (i, q)] x[n, i, s p + d q - before]``. Keras 1 and 2 store
    (position, window, out) with the channels last in the window, and the bias (\\*s, out); PyTorch has no such layer.
    Axes: x (n, c, \\*s), kernel (position, out, window), where the positions are in C order and the window counts
    channels first, then its own places, bias (out, \\*s), y (n, out, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "kernel": Parameter("position out window"),
        "bias": Parameter("out *s", 0.0),
    }

    type: Literal["LocallyConnected"] = "LocallyConnected"
    kernel_size: tuple[Positive, ...]
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    padding: Padding

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, kernel = given["x"], given["kernel"].shape
        unfold = self._unfold()
        _, rows, positions = unfold.infer(given)["y"].shape
        spatial = unfold.positions(x)
        if any(isinstance(n, int) and n != k for n, k in ((positions, kernel[0]), (rows, kernel[2]))):
            raise ValueError(f"a kernel of shape {kernel} does not fit {positions} windows of {rows} elements")
        return {"y": ValueType(x.dtype, (x.shape[0], kernel[1], *spatial))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, shape = Formula(self, given), self.infer(given)["y"].shape
        products = f(Einsum(equation="nwp,pow->nop"), f(self._unfold(), "x"), f.operand("kernel"))
        if "bias" not in given:
            return f.ends(Reshape(shape=shape), products)
        return f.ends(Add(), f(Reshape(shape=shape), products), f.operand("bias"))

    def _unfold(self) -> Unfold:
        return Unfold(kernel=self.kernel_size, stride=self.stride, dilation=self.dilation, padding=self.padding)


class DepthToSpace(Layer):
    """Blocks of channels spread over squares of space: (n, c b b, h, w) to (n, c, h b, w b).

    Channel of x for the element (i, j) of a square: ``(i b + j) C + c`` with `mode` DCR (TensorFlow's
    ``depth_to_space``, ONNX's default), ``c b b + i b + j`` with CRD (PyTorch's ``pixel_shuffle``).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}

    type: Literal["DepthToSpace"] = "DepthToSpace"
    block: Positive
    mode: Literal["DCR", "CRD"]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        n, c, *sizes = given["x"].shape
        if len(sizes) != 2 or (isinstance(c, int) and c % self.block**2):
            raise ValueError(f"shape {given['x'].shape} has no blocks of {self.block} by {self.block} channels")
        spatial = [(Size.of(size) * self.block).dimension for size in sizes]
        return {"y": ValueType(given["x"].dtype, (n, Size.of(c).floor_divide(self.block**2).dimension, *spatial))}


class SpaceToDepth(Layer):
    """Squares of space put on top of each other: (n, c, h b, w b) to (n, c b b, h, w); the inverse of `DepthToSpace`.

    `mode` is DCR (TensorFlow, ONNX) or CRD (PyTorch's ``pixel_unshuffle``), with the channels of `DepthToSpace`.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}

    type: Literal["SpaceToDepth"] = "SpaceToDepth"
    block: Positive
    mode: Literal["DCR", "CRD"]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        n, c, *sizes = given["x"].shape
        if len(sizes) != 2 or any(isinstance(size, int) and size % self.block for size in sizes):
            raise ValueError(f"shape {given['x'].shape} has no squares of {self.block} by {self.block}")
        spatial = [Size.of(size).floor_divide(self.block).dimension for size in sizes]
        return {"y": ValueType(given["x"].dtype, (n, (Size.of(c) * self.block**2).dimension, *spatial))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """The channels of one mode are those of the other in another order."""
        from irconv.ir.layers.indexing import Gather

        channels, area = given["x"].shape[1], self.block**2
        if self.mode == "DCR":
            return None
        if not isinstance(channels, int):
            raise ValueError(f"the order of {channels} channels cannot be written out")
        f = Formula(self, given)
        written_out(channels * area, f"the order of {channels} channels in blocks of {self.block}")
        order = [place * channels + c for c in range(channels) for place in range(area)]
        blocks = f(SpaceToDepth(block=self.block, mode="DCR"), "x")
        return f.ends(Gather(axis=1), blocks, f.number(order, "int64"))


class ChannelShuffle(Layer):
    """Channels dealt out over `groups`: channel ``j g + i`` of y is channel ``i (c / g) + j`` of x (ShuffleNet)."""

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}

    type: Literal["ChannelShuffle"] = "ChannelShuffle"
    groups: Positive

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        channels = given["x"].shape[1]
        if isinstance(channels, int) and channels % self.groups:
            raise ValueError(f"{channels} channels do not make {self.groups} groups")
        return {"y": given["x"]}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        n, c, *sizes = given["x"].shape
        f = Formula(self, given)
        apart = Reshape(shape=(n, self.groups, Size.of(c).floor_divide(self.groups).dimension, *sizes))
        swap = Transpose(permutation=(0, 2, 1, *range(3, len(sizes) + 3)))
        return f.ends(Reshape(shape=given["x"].shape), f(swap, f(apart, "x")))
