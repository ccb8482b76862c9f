"""Selections: how many there are depends on the numbers in a value, so that only running the model tells.

Each has a field `count`, the symbol for how many (or the number, where it is known): a size that this layer makes and
that others may depend on. Such a symbol is ``u`` and a number, as PyTorch's, and may be 0.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.base import AxisBehaviour, Barrier, Decomposition, Layer, Parameter, ValueType
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.ranges import Axis
from irconv.ir.layers.shape_ops import without_axis
from irconv.ir.layers.slicing import Select
from irconv.ir.layers.tensor_ops import Reshape
from irconv.ir.shapes import Dimension, size_product


class NonZero(Layer):
    """The places of the elements that are not zero, in C order: ``y[r, i]`` is the index of the i-th along axis r.

    ``numpy.nonzero`` stacked, ONNX's NonZero; PyTorch's ``nonzero`` and TensorFlow's ``where`` are its transpose. NaN
    is not zero.

    Axes: y (rank of x, count), int64.
    """

    RESULTS: ClassVar[Mapping[str, str]] = {"y": "r i"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    MAKES: ClassVar[tuple[str, ...]] = ("count",)

    type: Literal["NonZero"] = "NonZero"
    count: Dimension

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        if not given["x"].shape:
            raise ValueError("a single number has no places")
        return {"y": ValueType("int64", (len(given["x"].shape), self.count))}


class Compress(Layer):
    """The slices of x along `axis` for which `condition` is true, in their order; `axis` None: x flattened in C order.

    ``numpy.compress``; for a mask of more axes, x reshaped (PyTorch's ``x[mask]`` and ``masked_select``, TensorFlow's
    ``boolean_mask``). A condition shorter than the axis leaves out the rest.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a", "condition": "i"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    MAKES: ClassVar[tuple[str, ...]] = ("count",)

    type: Literal["Compress"] = "Compress"
    axis: Axis | None
    count: Dimension

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, condition = given["x"], given["condition"]
        shape = x.shape if self.axis is not None else (size_product(x.shape).dimension,)
        axis = self.axis or 0
        if condition.dtype != "bool" or len(condition.shape) != 1 or axis >= len(shape):
            raise ValueError(f"a condition of {condition.dtype} {condition.shape} does not choose on axis {self.axis}")
        length, size = condition.shape[0], shape[axis]
        if isinstance(size, int) and isinstance(length, int) and length > size:
            raise ValueError(f"a condition of {length} elements is longer than the axis, {size}")
        return {"y": ValueType(x.dtype, without_axis(shape, axis, (self.count,)))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        """The slices at the places where the condition is not zero."""
        f = Formula(self, given)
        x = "x" if self.axis is not None else f(Reshape(shape=(size_product(given["x"].shape).dimension,)), "x")
        places = f(Select(axis=0, index=0), f(NonZero(count=self.count), "condition"))
        return f.ends(Gather(axis=self.axis or 0), x, places)


class Unique(Layer):
    """The different elements of x, or the different slices along `axis`, each once.

    `sorted`: in rising order (slices: by their first element, then the next), else in the order in which they first
    appear. `first` is where in x each first appears, `inverse` for every element of x (flattened in C order) or slice
    which of y it is, `counts` how often each of y appears. ``numpy.unique``; PyTorch's is always sorted and has no
    `first`, TensorFlow's is never sorted.

    Axes: first, counts (count), inverse (n), all int64.
    """

    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*a", "first": "i", "inverse": "n", "counts": "i"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    MAKES: ClassVar[tuple[str, ...]] = ("count",)

    type: Literal["Unique"] = "Unique"
    axis: Axis | None
    sorted: bool
    count: Dimension

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        shape = x.shape if self.axis is not None else (size_product(x.shape).dimension,)
        axis = self.axis or 0
        if axis >= len(shape):
            raise ValueError(f"shape {x.shape} has no axis {axis}")
        some = ValueType("int64", (self.count,))
        y = ValueType(x.dtype, without_axis(shape, axis, (self.count,)))
        return {"y": y, "first": some, "inverse": ValueType("int64", (shape[axis],)), "counts": some}


class NonMaxSuppression(Layer):
    """Of boxes that overlap, the one with the highest score, for each class of each image.

    Boxes of a score above `score_threshold` (absent: all) are taken from the highest score down, of equal ones that
    with the lower index first, unless intersection over union with one that was taken is above `iou_threshold`; at most
    `most` of a class. Each row of y is image, class, box. `form` says what the four numbers of a box are: ``corners``
    (two opposite ones, y before x or the other way round) or ``centre`` (x, y, width, height).

    Axes: boxes (n, b, 4), scores (n, c, b), y (count, 3), int64; the thresholds and `most` (int64) have one element.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"boxes": "n b p", "scores": "n c b"}
    INTEGERS: ClassVar[tuple[str, ...]] = ("most",)
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "i p"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "most": Parameter("i"),
        "iou_threshold": Parameter("i"),
        "score_threshold": Parameter("i", optional=True),
    }
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    MAKES: ClassVar[tuple[str, ...]] = ("count",)
    ALIKE: ClassVar[tuple[str, ...] | None] = ("boxes scores iou_threshold score_threshold",)

    type: Literal["NonMaxSuppression"] = "NonMaxSuppression"
    form: Literal["corners", "centre"]
    count: Dimension

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        boxes, scores = given["boxes"].shape, given["scores"].shape
        if len(boxes) != 3 or len(scores) != 3 or boxes[2] != 4:
            raise ValueError(f"boxes of shape {boxes} and scores of shape {scores} do not go together")
        if wrong := [role for role in self.PARAMETERS if role in given and given[role].shape != (1,)]:
            raise ValueError(f"expected one element, got {wrong[0]} of shape {given[wrong[0]].shape}")
        return {"y": ValueType("int64", (self.count, 3))}


class CountUp(Layer):
    """The int64 numbers 0, 1, ... below x, none where x is negative: a computed number becomes the size `count`.

    Axes: x is a single int64 number; y (count).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": ""}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "i"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    MAKES: ClassVar[tuple[str, ...]] = ("count",)

    type: Literal["CountUp"] = "CountUp"
    count: Dimension

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        if given["x"] != ValueType("int64", ()):
            raise ValueError(f"expected one int64 number, got {given['x'].dtype} {given['x'].shape}")
        return {"y": ValueType("int64", (self.count,))}
