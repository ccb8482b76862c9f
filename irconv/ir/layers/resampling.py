"""Values read between the elements: resizing, and sampling at given places."""

from collections.abc import Mapping
from fractions import Fraction
from math import floor
from typing import ClassVar, Literal

import numpy as np

from irconv.ir.layers.base import AxisBehaviour, Barrier, Decomposition, Layer, Step, ValueType
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.ranges import PositiveNumber, written_out
from irconv.ir.layers.tensor_ops import constant
from irconv.ir.shapes import Dimension, Size, static


class Resize(Layer):
    """Another number of elements along the spatial axes.

    With size n, new size m and scale ``s = m / n`` (as given in `scales`, else exact) the new element i is read at p:

    * ``half_pixel``: ``p = (i + 0.5) / s - 0.5`` (PyTorch unless asked, TensorFlow 2, Keras; OpenCV).
    * ``pytorch_half_pixel``: the same, but ``p = 0`` where m is 1 (PyTorch of 2019, in ONNX files).
    * ``half_pixel_symmetric``: half_pixel, shifted so that a scale that does not come out even stays centred (ONNX).
    * ``align_corners``: ``p = i (n - 1) / (m - 1)``, 0 where m is 1 (PyTorch and TensorFlow 1 when asked).
    * ``asymmetric``: ``p = i / s`` (TensorFlow 1 unless asked, PyTorch's and Keras' nearest).

    `mode` says how: ``nearest`` takes one element, `rounding` which: ``floor``, ``ceil``, ``round_prefer_floor``
    (halves go down) or ``round_prefer_ceil``. PyTorch's nearest is asymmetric and floor, its nearest-exact half_pixel
    and round_prefer_ceil; so are the old and the new one of TensorFlow. ``linear`` weighs two elements along each axis;
    places outside count as the border. ``cubic`` weighs four, with `cubic_coefficient` (PyTorch -0.75, TensorFlow 2 and
    Keras -0.5; TensorFlow also rounds p to 1/1024); elements outside count as the border or, with `exclude_outside`
    (TensorFlow 2, Keras), not at all. `antialias` widens the windows of linear and cubic when m is below n; PyTorch
    and TensorFlow then exclude what is outside, too, and PyTorch's coefficient is -0.5.

    Where p falls between two elements, rounding errors decide which is the nearest: PyTorch and TensorFlow multiply by
    the float32 number n / m, ONNX Runtime divides by m / n. Known sizes at which that can matter are gathered by the
    former.

    Exactly one of `sizes` and `scales` is given, one number for each spatial axis; ``m = floor(n s)`` for scales.
    `rounding` is None but for nearest, `cubic_coefficient` None but for cubic.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    SIZES: ClassVar[tuple[str, ...]] = ("sizes",)

    type: Literal["Resize"] = "Resize"
    mode: Literal["nearest", "linear", "cubic"]
    sizes: tuple[Dimension, ...] | None
    scales: tuple[PositiveNumber, ...] | None
    coordinates: Literal["half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric"]
    rounding: Literal["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"] | None
    cubic_coefficient: float | None
    exclude_outside: bool
    antialias: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        asked: tuple[Dimension, ...] | tuple[float, ...] = self.sizes or self.scales or ()
        if (self.sizes is None) == (self.scales is None) or len(asked) != len(x.shape) - 2:
            raise ValueError(f"sizes {self.sizes} and scales {self.scales} do not say how to resize shape {x.shape}")
        if (self.mode == "nearest") == (self.rounding is None) or (self.mode == "cubic") == (
            self.cubic_coefficient is None
        ):
            raise ValueError(
                f"mode {self.mode} does not go with rounding {self.rounding} and coefficient {self.cubic_coefficient}"
            )
        sizes = self.sizes or tuple(_scaled(n, s) for n, s in zip(x.shape[2:], self.scales or (), strict=True))
        return {"y": ValueType(x.dtype, (*x.shape[:2], *sizes))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """One Gather for each axis, for the nearest element where rounding errors may decide which it is."""
        shift = {"asymmetric floor": 0.0, "half_pixel round_prefer_ceil": 0.5}.get(
            f"{self.coordinates} {self.rounding}"
        )
        old, new = static(given["x"].shape[2:]), static(self.sizes or ("",))
        if self.mode != "nearest" or shift is None or old is None or new is None:
            return None
        written_out(sum(new), f"a size of {new}")
        if not any(_on_the_edge(n, m, shift) for n, m in zip(old, new, strict=True)):
            return None
        steps: list[Step] = []
        for axis, (n, m) in enumerate(zip(old, new, strict=True)):
            places = (np.arange(m, dtype=np.float32) + np.float32(shift)) * (np.float32(n) / np.float32(m))
            chosen = np.minimum(np.floor(places).astype(np.int64), n - 1).tolist()
            value, result = f"resized{axis - 1}" if axis else "x", "y" if axis == len(old) - 1 else f"resized{axis}"
            steps.append(constant(f"indices{axis}", chosen, "int64"))
            steps.append(Step(Gather(axis=axis + 2), {"x": value, "indices": f"indices{axis}"}, {"y": result}))
        return steps


def _on_the_edge(size: int, new: int, shift: float) -> bool:
    """Whether a place is a whole number while the scale is no float32 number."""
    if Fraction(float(np.float32(new / size))) == Fraction(new, size):
        return False
    return any((Fraction(i) + Fraction(shift)) * size / new % 1 == 0 for i in range(1, new))


def _scaled(size: Dimension, scale: float) -> Dimension:
    """``floor(size scale)``, of an unknown size where the scale is a fraction of small numbers."""
    if isinstance(size, int):
        return floor(size * scale)
    divisor = next((d for d in range(1, 65) if float(scale * d).is_integer()), None)
    if divisor is None:
        raise ValueError(f"{size} times {scale} has no exact expression")
    return (Size.of(size) * int(scale * divisor)).floor_divide(divisor).dimension


class GridSample(Layer):
    """x read at places of its spatial axes: ``y[n, c, i...] = x[n, c, p]`` for ``p = grid[n, i..., :]``.

    A place has one coordinate for each spatial axis, the *last* axis first, from -1 to 1: the middles of the first and
    last element with `align_corners`, else their outer edges. `mode` as in `Resize` (cubic with -0.75; two spatial axes
    only). Places outside give ``zeros``, the ``border``, or are mirrored (``reflection``, at what -1 and 1 mean).
    PyTorch's ``grid_sample``, where ``align_corners`` was True up to 1.2.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s", "grid": "*g"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["GridSample"] = "GridSample"
    mode: Literal["nearest", "linear", "cubic"]
    outside: Literal["zeros", "border", "reflection"]
    align_corners: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, grid = given["x"], given["grid"].shape
        if len(grid) != len(x.shape) or grid[-1] != len(x.shape) - 2:
            raise ValueError(f"a grid of shape {grid} names no places in shape {x.shape}")
        return {"y": ValueType(x.dtype, (*x.shape[:2], *grid[1:-1]))}


class AffineGrid(Layer):
    """The places ``theta (p, 1)`` for every element of a grid of `sizes`, for `GridSample`.

    Axes: theta (n, d, d + 1), y (n, \\*s, d); p and the result have the coordinates of `GridSample`, with the same
    meaning of `align_corners`.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"theta": "n d e"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*g"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    SIZES: ClassVar[tuple[str, ...]] = ("sizes",)

    type: Literal["AffineGrid"] = "AffineGrid"
    sizes: tuple[Dimension, ...]
    align_corners: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        theta, count = given["theta"], len(self.sizes)
        if theta.shape[1:] != (count, count + 1) or count not in (2, 3):
            raise ValueError(f"maps of shape {theta.shape} do not go with {count} spatial axes")
        return {"y": ValueType(theta.dtype, (theta.shape[0], *self.sizes, count))}
