"""Weights computed from other weights: ordinary nodes over constants, which `passes.fold_constants` can reduce."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.arithmetic import Div
from irconv.ir.layers.base import AxisBehaviour, AxisFields, Barrier, Decomposition, Layer, ValueType, broadcast
from irconv.ir.layers.elementwise import Sqrt, Square
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Axes, Axis
from irconv.ir.layers.tensor_ops import Mul, Reduce, Reshape
from irconv.ir.shapes import size_product


class WeightNorm(Layer):
    """A weight as length and direction: ``y = g v / sqrt(sum of v v over axes)``, without an epsilon.

    g has the axes of v, those in `axes` with length 1. PyTorch names the axis that is *not* summed over: ``dim=0`` is
    all axes but 0, None is all; its files hold ``weight_g`` and ``weight_v``, or ``original0`` and ``original1``.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"v": "*a", "g": "*a"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axes",))

    type: Literal["WeightNorm"] = "WeightNorm"
    axes: Axes

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        v, g = given["v"], given["g"].shape
        if broadcast([v.shape, g]) != v.shape:
            raise ValueError(f"lengths of shape {g} do not fit directions of shape {v.shape}")
        return {"y": v}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        total = f(Reduce(op="sum", axes=tuple(sorted(self.axes)), keepdims=True), f(Square(), "v"))
        return f.ends(Mul(), "v", f(Div(), "g", f(Sqrt(), total)))


class SpectralNorm(Layer):
    """A weight divided by an estimate of its largest singular value: ``y = w / sigma`` with ``sigma = u W v``.

    W is w as a matrix: `axis` first, all other axes merged in their order. u and v are the vectors that training left
    (PyTorch's ``weight_u`` and ``weight_v``, or ``_u`` and ``_v``); inference does not refine them. PyTorch: axis 0, or
    1 for transposed convolutions. Keras' SpectralNormalization stores the divided kernel: nothing is left to compute.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"w": "*a", "u": "*a", "v": "*a"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["SpectralNorm"] = "SpectralNorm"
    axis: Axis

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        shape = given["w"].shape
        rest = size_product((*shape[: self.axis], *shape[self.axis + 1 :])).dimension
        if given["u"].shape != (shape[self.axis],) or given["v"].shape != (rest,):
            found = f"u of shape {given['u'].shape} and v of shape {given['v'].shape}"
            raise ValueError(f"{found} do not fit axis {self.axis} of a weight of shape {shape}")
        return {"y": given["w"]}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, shape = Formula(self, given), given["w"].shape
        rank = len(shape)
        u = f.along("u", (self.axis,), rank)
        v = f(Reshape(shape=(*shape[: self.axis], 1, *shape[self.axis + 1 :])), "v")
        product = f(Mul(), f(Mul(), "w", v), u)
        sigma = f(Reduce(op="sum", axes=tuple(range(rank)), keepdims=True), product)
        return f.ends(Div(), "w", sigma)
