"""Recurrent layers of cells that few frameworks have; what they share stands in `irconv.ir.layers.recurrent`."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.activations import Relu, Sigmoid, Tanh
from irconv.ir.layers.base import Parameter, ValueType
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.normalisation import LayerNorm
from irconv.ir.layers.ranges import Epsilon
from irconv.ir.layers.recurrent_base import Activation, Recurrent
from irconv.ir.layers.scan_builder import ScanBuilder
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Add, Mul
from irconv.ir.shapes import Dimension


class _Stated(Recurrent):
    """Recurrent layers with a second state c, and products of x that are taken of all steps at once, without a bias."""

    SLOTS: ClassVar[Mapping[str, str]] = {
        "x": "n t in",
        "initial_h": "n hidden",
        "initial_c": "n unit",
        "mask": "n t",
        "lengths": "n",
    }
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n t hidden", "h": "n hidden", "c": "n unit"}

    def state_shapes(self, given: Mapping[str, ValueType]) -> dict[str, tuple[Dimension, ...]]:
        batch, units = given["x"].shape[0], self.units(given)
        hidden = given["projection"].shape[0] if "projection" in given else units
        return {"h": (batch, hidden), "c": (batch, units)}


class LayerNormLSTM(_Stated):
    """An LSTM that normalises: ``a = norm_k(W x) + norm_r(U h) + b`` for the gates i f g o together,
    ``c' = norm_c(f c + i g)`` and ``h' = o activation(c')``, with ``i = recurrent_activation(a_i)``, f and o alike, and
    ``g = activation(a_g)``.

    Each norm is that of `LayerNorm` over all units of its value, of all four gates for k and r, with `epsilon`, and
    gamma and beta of its own. TensorFlow Addons' LayerNormLSTMCell (Ba et al. 2016); c is kept normalised.

    Axes: x (n, t, in), kernel ((gate unit), in), recurrent_kernel ((gate unit), unit), bias and the gammas and betas of
    kernel and recurrent ((gate unit)), those of state (unit), y (n, t, unit), h and c (n, unit).
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "kernel": Parameter("(gate unit) in"),
        "recurrent_kernel": Parameter("(gate unit) hidden"),
        "bias_recurrent": Parameter("(gate unit)", 0.0),
        "kernel_gamma": Parameter("(gate unit)", 1.0),
        "kernel_beta": Parameter("(gate unit)", 0.0),
        "recurrent_gamma": Parameter("(gate unit)", 1.0),
        "recurrent_beta": Parameter("(gate unit)", 0.0),
        "state_gamma": Parameter("unit", 1.0),
        "state_beta": Parameter("unit", 0.0),
    }
    ORDERS: ClassVar[Mapping[str, str]] = {"gate": "ifgo"}
    GATES: ClassVar[int] = 4

    type: Literal["LayerNormLSTM"] = "LayerNormLSTM"
    activation: Activation
    recurrent_activation: Activation
    epsilon: Epsilon

    def _scan_input(self, build: ScanBuilder) -> None:
        x, kernel = build.given["x"], build.given["kernel"].shape
        product = build.outer(Linear(), {"kernel": "kernel"}, x="x")
        affine = {"gamma": "kernel_gamma", "beta": "kernel_beta"}
        normal = build.outer(LayerNorm(axes=(2,), epsilon=self.epsilon), affine, x=product)
        build.scan("x", normal, ValueType(x.dtype, (x.shape[0], kernel[0])))

    def step(self, build: ScanBuilder) -> dict[str, str]:
        inner, norm = build.inner, LayerNorm(axes=(1,), epsilon=self.epsilon)
        again = inner(Linear(), {"kernel": "recurrent_kernel"}, x="h")
        again = inner(norm, {"gamma": "recurrent_gamma", "beta": "recurrent_beta"}, x=again)
        whole = inner(Add(), x0="x", x1=again)
        if build.has("bias_recurrent"):
            whole = inner(Add(), x0=whole, x1=build.parameter("bias_recurrent"))
        cut = Split(axis=1, sizes=(self.units(build.given),) * 4)
        a_i, a_f, a_g, a_o = build.inner_results(cut, 4, x=whole)
        i, f, o = (inner(self.recurrent_activation, x=gate) for gate in (a_i, a_f, a_o))
        new = inner(Mul(), x0=i, x1=inner(self.activation, x=a_g))
        c = inner(Add(), x0=inner(Mul(), x0=f, x1="c"), x1=new)
        c = inner(norm, {"gamma": "state_gamma", "beta": "state_beta"}, x=c)
        return {"h": inner(Mul(), x0=o, x1=inner(self.activation, x=c)), "c": c}


class LayerNormRNN(Recurrent):
    """A simple recurrent layer that normalises: ``h' = activation(norm(W x + U h) + b)``, and y is h'.

    The norm is that of `LayerNorm` over the units, with `epsilon`, gamma, and no beta beside b. TensorFlow Addons'
    LayerNormSimpleRNNCell (Ba et al. 2016, formula 4).

    Axes: x (n, t, in), kernel (unit, in), recurrent_kernel (unit, hidden), bias and gamma (unit), y (n, t, unit),
    h (n, unit).
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "kernel": Parameter("unit in"),
        "recurrent_kernel": Parameter("unit hidden"),
        "bias_recurrent": Parameter("unit", 0.0),
        "gamma": Parameter("unit", 1.0),
    }

    type: Literal["LayerNormRNN"] = "LayerNormRNN"
    activation: Activation
    epsilon: Epsilon

    def step(self, build: ScanBuilder) -> dict[str, str]:
        inner = build.inner
        whole = inner(Add(), x0="x", x1=inner(Linear(), {"kernel": "recurrent_kernel"}, x="h"))
        norm = LayerNorm(axes=(1,), epsilon=self.epsilon)
        return {"h": inner(self.activation, x=inner(norm, {"gamma": "gamma", "beta": "bias_recurrent"}, x=whole))}


class NASRNN(_Stated):
    """The recurrent cell that an architecture search found (Zoph and Le 2016).

    With ``a_k = W_k x`` and ``b_k = U_k h + b`` for k from 0 to 7: ``l_k = sigmoid(a_k + b_k)`` for k 0, 2, 5 and 7,
    ``tanh(a_k + b_k)`` for 4 and 6, ``l_1 = relu(a_1 + b_1)`` and ``l_3 = relu(a_3 b_3)``; then
    ``c' = tanh(tanh(l_0 l_1) + c) tanh(l_2 + l_3)`` and
    ``h' = P tanh(c' tanh(tanh(l_4 l_5) + sigmoid(l_6 + l_7)))``.

    TensorFlow Addons' NASCell and TF1's contrib.rnn.NASCell, both with the gates in this order; P is the `projection`,
    absent for none. Addons hands over c before h where it returns states.

    Axes: x (n, t, in), kernel ((gate unit), in), recurrent_kernel ((gate unit), hidden), bias ((gate unit)), projection
    (hidden, unit), y (n, t, hidden), h (n, hidden), c (n, unit).
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "kernel": Parameter("(gate unit) in"),
        "recurrent_kernel": Parameter("(gate unit) hidden"),
        "bias_recurrent": Parameter("(gate unit)", 0.0),
        "projection": Parameter("hidden unit", optional=True),
    }
    GATES: ClassVar[int] = 8

    type: Literal["NASRNN"] = "NASRNN"

    def step(self, build: ScanBuilder) -> dict[str, str]:
        inner, cut = build.inner, Split(axis=1, sizes=(self.units(build.given),) * 8)
        again = inner(Linear(), {"kernel": "recurrent_kernel", "bias": "bias_recurrent"}, x="h")
        a, b = (build.inner_results(cut, 8, x=value) for value in ("x", again))
        kinds = (Sigmoid(), Relu(), Sigmoid(), Relu(), Tanh(), Sigmoid(), Tanh(), Sigmoid())
        layers = [inner(kind, x=inner(Mul() if k == 3 else Add(), x0=a[k], x1=b[k])) for k, kind in enumerate(kinds)]
        first = inner(Tanh(), x=inner(Mul(), x0=layers[0], x1=layers[1]))
        first = inner(Tanh(), x=inner(Add(), x0=first, x1="c"))
        c = inner(Mul(), x0=first, x1=inner(Tanh(), x=inner(Add(), x0=layers[2], x1=layers[3])))
        third = inner(Tanh(), x=inner(Mul(), x0=layers[4], x1=layers[5]))
        fourth = inner(Sigmoid(), x=inner(Add(), x0=layers[6], x1=layers[7]))
        h = inner(Tanh(), x=inner(Mul(), x0=c, x1=inner(Tanh(), x=inner(Add(), x0=third, x1=fourth))))
        return {"h": inner(Linear(), {"kernel": "projection"}, x=h) if build.has("projection") else h, "c": c}
