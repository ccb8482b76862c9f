"""Running products."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.base import AxisBehaviour, AxisFields, Decomposition, Layer, ValueType
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Axis
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Identity, Mul, Pad


class CumProd(Layer):
    """The running product along `axis`: each element becomes the product of those up to it.

    `exclusive` leaves the element itself out, so the first is 1 (TensorFlow, ONNX); `reverse` multiplies from the end.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))

    type: Literal["CumProd"] = "CumProd"
    axis: Axis
    exclusive: bool
    reverse: bool

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """Products over windows that double their length; None where the number of elements is unknown."""
        x = given["x"]
        size = x.shape[self.axis] if self.axis < len(x.shape) else 0
        if not isinstance(size, int):
            return None
        f = Formula(self, given)
        value = self._moved(f, "x", 1, len(x.shape)) if self.exclusive and size else "x"
        step = 1
        while step < size:
            value = f(Mul(), value, self._moved(f, value, step, len(x.shape)))
            step *= 2
        return f.ends(Identity(), value)

    def _moved(self, f: Formula, value: str, step: int, rank: int) -> str:
        """The elements `step` places away from where they are, with ones where there were none."""
        kept = (step, None) if self.reverse else (None, -step)
        cut = f(Slice(axes=(self.axis,), starts=kept[:1], ends=kept[1:], steps=(1,)), value)
        ones = (0, step) if self.reverse else (step, 0)
        pads = tuple(ones if i == self.axis else (0, 0) for i in range(rank))
        return f(Pad(pads=pads, mode="constant", value=1.0), cut)
