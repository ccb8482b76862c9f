"""Recurrent layers over whole sequences: one layer, one direction.

A bidirectional layer is two of them (the second with `reverse`) and a Concat or another merge; a stack is one after
another. All decompose to Scan.

What they share. x is (n, t, in). Steps are processed in time order, or from the last to the first with `reverse`; then
`order` says how y stands: ``time`` puts each output at its own index (PyTorch's second direction, ONNX, TF1), with
``processing`` the output of the last step of the sequence stands first (Keras' ``go_backwards``, Theano's scan). The
results ``h`` and ``c`` are the states after the step processed last. ``initial_h`` and ``initial_c`` are zeros where
they are not given.

Where the optional `mask` (n, t) is False, states stay as they are, and `masked_output` says what y holds: ``repeat``
the output of the step processed before, zeros if there is none (Keras), or ``zero`` (Keras' ``zero_output_for_mask``,
TF1, PyTorch's packed sequences). `lengths` (n) is the mask whose first ``lengths[n]`` steps are True (TF1's
``sequence_length``, ONNX, PyTorch). Not both.

`bias_input` and `bias_recurrent` are added both; they are kept as found (Keras has one but for `GRU`, PyTorch and
ONNX two), each zero where absent.

In training alone, `input_dropout` is the share of features of x, and `recurrent_dropout` that of the elements of the
old h, which are dropped in all steps of a sequence alike (Keras' ``dropout`` and ``recurrent_dropout``).
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.activations import Clip
from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.base import LiteralOperand, Parameter, ValueType
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.recurrent_base import Activation, Recurrent
from irconv.ir.layers.scan_builder import ScanBuilder
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Add, Constant, Mul
from irconv.ir.shapes import Dimension


class RNN(Recurrent):
    """A simple (Elman) recurrent layer: ``h' = activation(W x + b + U h + b')``, and y is h'.

    W is `kernel`, U `recurrent_kernel`, b `bias_input` and b' `bias_recurrent`. Keras' SimpleRNN and TF1's
    BasicRNNCell have one bias (TF1 one kernel, W above U), PyTorch two.

    Axes: x (n, t, in), kernel (unit, in), recurrent_kernel (unit, hidden), biases (unit), y (n, t, unit), h (n, unit).
    What all recurrent layers share stands at the head of their module.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "kernel": Parameter("unit in"),
        "recurrent_kernel": Parameter("unit hidden"),
        "bias_input": Parameter("unit", 0.0),
        "bias_recurrent": Parameter("unit", 0.0),
    }

    type: Literal["RNN"] = "RNN"
    activation: Activation

    def step(self, build: ScanBuilder) -> dict[str, str]:
        inner = build.inner
        again = inner(Linear(), {"kernel": "recurrent_kernel", "bias": "bias_recurrent"}, x="h")
        return {"h": inner(self.activation, x=inner(Add(), x0="x", x1=again))}


class GRU(Recurrent):
    """Gated recurrent unit.

    With gates ``r = recurrent_activation(W_r x + b_r + U_r h + b'_r)``, z the same, and the candidate
    ``n = activation(W_n x + b_n + r (U_n h + b'_n))`` with `reset_after`, else
    ``n = activation(W_n x + b_n + U_n (r h) + b'_n)``, the new state is ``h' = z h + (1 - z) n`` where `update_keeps`
    is ``old``, and ``(1 - z) h + z n`` where it is ``new``; y is h'.

    Gates stand in the order r z n (PyTorch); Keras and ONNX have z r h, TF1's GRUCell r u and the candidate apart.
    The reset gate acts after the product in PyTorch, cuDNN, TF2 and Keras 3 by default (``reset_after``), Lasagne, and
    ONNX with ``linear_before_reset``; before it in Keras 1 and 2 by default, TF1's GRUCell, and ONNX by default. Keras,
    PyTorch, ONNX and TF1 keep the old state by z, Lasagne by 1 - z, and papers differ. recurrent_activation is
    hard_sigmoid in Keras up to 2.2, sigmoid elsewhere.

    Axes: x (n, t, in), kernel ((gate unit), in), recurrent_kernel ((gate unit), hidden), biases (gate unit),
    y (n, t, unit), h (n, unit). What all recurrent layers share stands at the head of their module.
    """

    ORDERS: ClassVar[Mapping[str, str]] = {"gate": "rzn"}
    GATES: ClassVar[int] = 3

    type: Literal["GRU"] = "GRU"
    activation: Activation
    recurrent_activation: Activation
    reset_after: bool
    update_keeps: Literal["old", "new"]

    def step(self, build: ScanBuilder) -> dict[str, str]:
        inner, units = build.inner, self.units(build.given)
        x_gates, x_candidate = build.inner_results(Split(axis=1, sizes=(2 * units, units)), 2, x="x")
        candidate = self._after if self.reset_after else self._before
        recurrent, finish = candidate(build)
        gates = inner(self.recurrent_activation, x=inner(Add(), x0=x_gates, x1=recurrent))
        reset, update = build.inner_results(Split(axis=1, sizes=(units, units)), 2, x=gates)
        new = inner(self.activation, x=inner(Add(), x0=x_candidate, x1=finish(reset)))
        one = number(build, 1.0)
        rest = inner(Sub(), x0=one, x1=update)
        kept, taken = (update, rest) if self.update_keeps == "old" else (rest, update)
        return {"h": inner(Add(), x0=inner(Mul(), x0=kept, x1="h"), x1=inner(Mul(), x0=taken, x1=new))}

    def _after(self, build: ScanBuilder) -> tuple[str, Callable[[str], str]]:
        """The state's share in the gates, and its share in the candidate given the reset gate."""
        units = self.units(build.given)
        again = build.inner(Linear(), {"kernel": "recurrent_kernel", "bias": "bias_recurrent"}, x="h")
        gates, candidate = build.inner_results(Split(axis=1, sizes=(2 * units, units)), 2, x=again)
        return gates, lambda reset: build.inner(Mul(), x0=reset, x1=candidate)

    def _before(self, build: ScanBuilder) -> tuple[str, Callable[[str], str]]:
        """See `_after`; here kernel and bias are cut, because the candidate's act on another value than the gates'."""
        cut, kernel = Split(axis=0, sizes=(2 * self.units(build.given), self.units(build.given))), "recurrent_kernel"
        gate_kernel, new_kernel = build.inner_results(cut, 2, x=build.parameter(kernel))
        gate_bias: dict[str, str] = {}
        new_bias: dict[str, str] = {}
        if build.has("bias_recurrent"):
            gate_bias["bias"], new_bias["bias"] = build.inner_results(cut, 2, x=build.parameter("bias_recurrent"))

        def finish(reset: str) -> str:
            return build.inner(Linear(), x=build.inner(Mul(), x0=reset, x1="h"), kernel=new_kernel, **new_bias)

        return build.inner(Linear(), x="h", kernel=gate_kernel, **gate_bias), finish


class LSTM(Recurrent):
    """Long short-term memory.

    With ``a_k = W_k x + b_k + U_k h + b'_k`` for the gates k: ``i = recurrent_activation(a_i + p_i c)``,
    ``f = recurrent_activation(a_f + forget_bias + p_f c)`` (or ``1 - i`` with `couple_input_forget`),
    ``c' = f c + i activation(a_g)``, limited to plus or minus `cell_clip`, ``o = recurrent_activation(a_o + p_o c')``
    and ``h' = P (o output_activation(c'))``, limited to plus or minus `projection_clip`; y is h'.

    Gates stand in the order i f g o (Keras, PyTorch, Lasagne). ONNX has i o f c, TF1's BasicLSTMCell and LSTMCell
    i j f o, its LSTMBlockCell i ci f o, which is the same. `forget_bias` is a number added at run time that is not in
    the weights (TF1: 1.0 by default; Keras' ``unit_forget_bias`` is an initial value, so 0 here). The vectors p are the
    peepholes (Lasagne by default, TF1's ``use_peepholes``, ONNX's P); with `output_peephole` ``after_activation`` it is
    ``o = recurrent_activation(a_o) + p_o c'`` (Lasagne 0.1). P is the `projection` (PyTorch's ``proj_size``, TF1's
    ``num_proj``), absent for none. recurrent_activation is hard_sigmoid in Keras up to 2.2, sigmoid elsewhere.

    Axes: x (n, t, in), kernel ((gate unit), in), recurrent_kernel ((gate unit), hidden), biases (gate unit), peepholes
    (unit), projection (hidden, unit), y (n, t, hidden), h (n, hidden), c (n, unit); hidden is unit without projection.
    What all recurrent layers share stands at the head of their module.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {
        "x": "n t in",
        "initial_h": "n hidden",
        "initial_c": "n unit",
        "mask": "n t",
        "lengths": "n",
    }
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n t hidden", "h": "n hidden", "c": "n unit"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        **Recurrent.PARAMETERS,
        "peephole_input": Parameter("unit", 0.0),
        "peephole_forget": Parameter("unit", 0.0),
        "peephole_output": Parameter("unit", 0.0),
        "projection": Parameter("hidden unit", optional=True),
    }
    ORDERS: ClassVar[Mapping[str, str]] = {"gate": "ifgo"}
    GATES: ClassVar[int] = 4

    type: Literal["LSTM"] = "LSTM"
    activation: Activation
    recurrent_activation: Activation
    output_activation: Activation
    forget_bias: float
    couple_input_forget: bool
    output_peephole: Literal["before_activation", "after_activation"]
    cell_clip: float | None
    projection_clip: float | None

    def state_shapes(self, given: Mapping[str, ValueType]) -> dict[str, tuple[Dimension, ...]]:
        batch, units = given["x"].shape[0], self.units(given)
        hidden = given["projection"].shape[0] if "projection" in given else units
        return {"h": (batch, hidden), "c": (batch, units)}

    def step(self, build: ScanBuilder) -> dict[str, str]:
        inner = build.inner
        again = inner(Linear(), {"kernel": "recurrent_kernel", "bias": "bias_recurrent"}, x="h")
        cut = Split(axis=1, sizes=(self.units(build.given),) * 4)
        a_i, a_f, a_g, a_o = build.inner_results(cut, 4, x=inner(Add(), x0="x", x1=again))
        if self.forget_bias:
            a_f = inner(Add(), x0=a_f, x1=number(build, self.forget_bias))
        i = inner(self.recurrent_activation, x=_peep(build, a_i, "c", "peephole_input"))
        if self.couple_input_forget:
            f = inner(Sub(), x0=number(build, 1.0), x1=i)
        else:
            f = inner(self.recurrent_activation, x=_peep(build, a_f, "c", "peephole_forget"))
        g = inner(self.activation, x=a_g)
        c = inner(Add(), x0=inner(Mul(), x0=f, x1="c"), x1=inner(Mul(), x0=i, x1=g))
        c = _clipped(build, c, self.cell_clip)
        if self.output_peephole == "after_activation":
            o = _peep(build, inner(self.recurrent_activation, x=a_o), c, "peephole_output")
        else:
            o = inner(self.recurrent_activation, x=_peep(build, a_o, c, "peephole_output"))
        h = inner(Mul(), x0=o, x1=inner(self.output_activation, x=c))
        if build.has("projection"):
            h = inner(Linear(), {"kernel": "projection"}, x=h)
        return {"h": _clipped(build, h, self.projection_clip), "c": c}


def _peep(build: ScanBuilder, gate: str, cell: str, role: str) -> str:
    if not build.has(role):
        return gate
    return build.inner(Add(), x0=gate, x1=build.inner(Mul(), x0=cell, x1=build.parameter(role)))


def _clipped(build: ScanBuilder, value: str, limit: float | None) -> str:
    return value if limit is None else build.inner(Clip(low=-limit, high=limit), x=value)


def number(build: ScanBuilder, value: float) -> str:
    """A literal inside a body, of the type of x."""
    operand = LiteralOperand(literal=value, dtype=build.given["x"].dtype)
    return build.inner(Constant(operands={"value": operand}))
