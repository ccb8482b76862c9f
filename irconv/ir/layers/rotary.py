"""Rotary position embedding."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.base import AxisBehaviour, Barrier, Decomposition, Layer, Parameter, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.elementwise import Cos, Sin
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.shape_ops import Range, Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Mul, Reshape


class RotaryEmbedding(Layer):
    """Turns pairs of features by an angle that grows with their place (Su et al. 2021).

    With ``a = position frequencies[i]``, the pair ``(u, v)`` number i becomes ``amplitude (u cos a - v sin a)`` and
    ``amplitude (v cos a + u sin a)``. There are as many pairs as frequencies, f; features from 2 f on stay as they are.
    With `pairing` ``halves`` the pair is ``(x[i], x[i + f])`` (GPT-NeoX, Llama in Hugging Face, Keras), with
    ``neighbours`` ``(x[2 i], x[2 i + 1])`` (the paper, GPT-J, Llama as published): weights for one are wrong for the
    other.

    Frequencies are usually ``base ** (-i / f)`` with base 10000; stored as an operand they cover every way of scaling
    them for long texts. `amplitude` is 1 but for YaRN. Positions are 0, 1, 2, ... unless the slot says otherwise.

    Axes: x and y (n, heads, t, d), positions (n, t), frequencies (f).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n heads t d", "positions": "n t"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n heads t d"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"frequencies": Parameter("f")}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["RotaryEmbedding"] = "RotaryEmbedding"
    pairing: Literal["halves", "neighbours"]
    amplitude: float

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, pairs = given["x"], self._pairs(given)
        if len(x.shape) != 4 or not isinstance(x.shape[3], int) or 2 * pairs > x.shape[3]:
            raise ValueError(f"{pairs} frequencies do not fit features of shape {x.shape}")
        return {"y": x}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, x, pairs = Formula(self, given), given["x"], self._pairs(given)
        if "positions" in given:
            places = f(Unsqueeze(axes=(1, 3)), f(Cast(dtype=x.dtype), "positions"))
        else:
            counted = f(Cast(dtype=x.dtype), f(Range(start=0, limit=x.shape[2], step=1)))
            places = f(Unsqueeze(axes=(1,)), counted)
        angles, amplitude = f(Mul(), places, f.operand("frequencies")), f.number(self.amplitude)
        cos, sin = f(Mul(), f(Cos(), angles), amplitude), f(Mul(), f(Sin(), angles), amplitude)
        near = self.pairing == "neighbours"
        u = f(_part(0, 2 * pairs if near else pairs, 2 if near else 1), "x")
        v = f(_part(1 if near else pairs, 2 * pairs, 2 if near else 1), "x")
        first = f(Sub(), f(Mul(), u, cos), f(Mul(), v, sin))
        second = f(Add(), f(Mul(), v, cos), f(Mul(), u, sin))
        if near:
            apart = f(Concat(axis=4), f(Unsqueeze(axes=(4,)), first), f(Unsqueeze(axes=(4,)), second))
            turned = [f(Reshape(shape=(*x.shape[:3], 2 * pairs)), apart)]
        else:
            turned = [first, second]
        if x.shape[3] != 2 * pairs:
            turned.append(f(_part(2 * pairs, None, 1), "x"))
        return f.ends(Concat(axis=3), *turned)

    def _pairs(self, given: Mapping[str, ValueType]) -> int:
        (pairs,) = given["frequencies"].shape
        assert isinstance(pairs, int), "operands have known sizes"
        return pairs


def _part(start: int, end: int | None, step: int) -> Slice:
    return Slice(axes=(3,), starts=(start,), ends=(end,), steps=(step,))
