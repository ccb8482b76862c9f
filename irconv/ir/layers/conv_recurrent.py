"""The recurrent layer over images; `irconv.ir.layers.recurrent` says what all recurrent layers share."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.base import Parameter, ValueType
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.ranges import Positive
from irconv.ir.layers.recurrent import number
from irconv.ir.layers.recurrent_base import Activation, Recurrent, differ
from irconv.ir.layers.scan_builder import ScanBuilder
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Add, Mul
from irconv.ir.layers.window import Padding, window_outputs
from irconv.ir.shapes import Dimension, Size, product


class ConvLSTM(Recurrent):
    """An `LSTM` whose products are convolutions over one to three spatial axes (Shi et al. 2015, without peepholes).

    ``a = kernel * x + b + recurrent_kernel * h + b'``, split into the gates i f g o, and
    ``c' = recurrent_activation(a_f + forget_bias) c + recurrent_activation(a_i) activation(a_g)``,
    ``h' = recurrent_activation(a_o) output_activation(c')``; y is h'. `stride`, `dilation` and `padding` are those of
    the convolution of x (as in `Conv`, the kernel is not turned); the one of h has stride 1 and keeps the size, with
    ``(k - 1) // 2`` zeros before and ``k // 2`` after.

    Keras' ConvLSTM1D to ConvLSTM3D have one bias and hard_sigmoid up to Keras 2.2; TF1's contrib ConvLSTMCell has one
    kernel for x and h joined, gates i j f o and a forget bias of 1.

    Axes: x (n, t, c, \\*s), kernel ((gate unit), in, \\*k), recurrent_kernel ((gate unit), hidden, \\*k), biases
    (gate unit), y (n, t, unit, \\*s), h and c (n, unit, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {
        "x": "n t c *s",
        "initial_h": "n unit *s",
        "initial_c": "n unit *s",
        "mask": "n t",
        "lengths": "n",
    }
    INTEGERS: ClassVar[tuple[str, ...]] = ("lengths",)
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n t unit *s", "h": "n unit *s", "c": "n unit *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "kernel": Parameter("(gate unit) in *k"),
        "recurrent_kernel": Parameter("(gate unit) hidden *k"),
        "bias_input": Parameter("(gate unit)", 0.0),
        "bias_recurrent": Parameter("(gate unit)", 0.0),
    }
    ORDERS: ClassVar[Mapping[str, str]] = {"gate": "ifgo"}
    GATES: ClassVar[int] = 4

    type: Literal["ConvLSTM"] = "ConvLSTM"
    activation: Activation
    recurrent_activation: Activation
    output_activation: Activation
    forget_bias: float
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    padding: Padding

    def state_shapes(self, given: Mapping[str, ValueType]) -> dict[str, tuple[Dimension, ...]]:
        x, window = given["x"].shape, _window(given["kernel"])
        sizes = window_outputs(x[3:], window, self.stride, self.dilation, self.padding)
        shape = (x[0], self.units(given), *sizes)
        return {"h": shape, "c": shape}

    def multiply_adds(self, given: Mapping[str, ValueType]) -> Size:
        """Of both kernels, at each place of each step."""
        return super().multiply_adds(given) * product(self.state_shapes(given)["h"][2:])

    def _check(self, given: Mapping[str, ValueType]) -> None:
        x, kernel, recurrent = given["x"].shape, given["kernel"].shape, given["recurrent_kernel"].shape
        rank = len(x) - 3
        if rank < 1 or len(kernel) != rank + 2 or differ(kernel[1:2], x[2:3]) or len(self.stride) != rank:
            raise ValueError(f"a kernel of shape {kernel} with stride {self.stride} does not slide over {x}")
        if len(recurrent) != rank + 2 or recurrent[:2] != (kernel[0], self.units(given)):
            raise ValueError(f"kernels of shape {kernel} and {recurrent} do not belong to {self.GATES} gates")

    def _scan_input(self, build: ScanBuilder) -> None:
        """The images themselves: to convolve all at once would need their batch and time axes merged."""
        x = build.given["x"]
        build.scan("x", "x", ValueType(x.dtype, (x.shape[0], *x.shape[2:])))

    def step(self, build: ScanBuilder) -> dict[str, str]:
        inner, act = build.inner, self.recurrent_activation
        ones = (1,) * len(self.stride)
        same = tuple(((k - 1) // 2, k // 2) for k in _window(build.given["recurrent_kernel"]))
        first = Conv(stride=self.stride, dilation=self.dilation, groups=1, padding=self.padding)
        second = Conv(stride=ones, dilation=ones, groups=1, padding=same)
        new = inner(first, {"kernel": "kernel", "bias": "bias_input"}, x="x")
        again = inner(second, {"kernel": "recurrent_kernel", "bias": "bias_recurrent"}, x="h")
        cut = Split(axis=1, sizes=(self.units(build.given),) * 4)
        a_i, a_f, a_g, a_o = build.inner_results(cut, 4, x=inner(Add(), x0=new, x1=again))
        if self.forget_bias:
            a_f = inner(Add(), x0=a_f, x1=number(build, self.forget_bias))
        kept = inner(Mul(), x0=inner(act, x=a_f), x1="c")
        c = inner(Add(), x0=kept, x1=inner(Mul(), x0=inner(act, x=a_i), x1=inner(self.activation, x=a_g)))
        return {"h": inner(Mul(), x0=inner(act, x=a_o), x1=inner(self.output_activation, x=c)), "c": c}


def _window(kernel: ValueType) -> tuple[int, ...]:
    return tuple(k for k in kernel.shape[2:] if isinstance(k, int))
