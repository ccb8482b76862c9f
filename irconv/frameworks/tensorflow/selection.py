"""Layers that make as many elements as numbers say, as TensorFlow's ops with what stands around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from irconv.codec import Native, NativeUse
from irconv.containers.graph_def import ElementType
from irconv.data_classes import dataclass
from irconv.frameworks.tensorflow.emit import Emitter
from irconv.ir.tensors import LazyTensor

_INT, _LONG, _FLOAT = ElementType("int32"), ElementType("int64"), ElementType("float32")


@dataclass(frozen=True)
class _Nodes:
    """Adds nodes in the scope of a layer."""

    emitter: Emitter
    use: NativeUse
    native: Native
    name: str

    def given(self, slot: int) -> str:
        """The value of an input, or of an operand; empty where there is none."""
        if slot >= len(self.use.inputs) or not self.use.inputs[slot]:
            return ""
        value = self.use.inputs[slot]
        if value in self.emitter.made.values:
            return self.emitter.made.values[value]
        role = value.removeprefix(f"{self.use.layer}.")
        return self.emitter.weight(self.native.tensors[role], self.name, role)[0]

    def dtype(self, slot: int) -> str:
        """The element type of an input."""
        return self.emitter.types[self.use.inputs[slot]].dtype

    def rank(self, slot: int) -> int:
        """The number of axes of an input."""
        return len(self.emitter.types[self.use.inputs[slot]].shape)

    def gives(self, *values: str) -> None:
        """Say which values the results are, in the order of the layer's."""
        self.emitter.made.values |= {name: v for name, v in zip(self.use.outputs, values, strict=False) if name and v}

    def add(self, what: str, op: str, inputs: Sequence[str], **attrs: Any) -> str:
        """A node; its first result."""
        name = self.emitter.names.unique(f"{self.name}/{what}" if what else self.name)
        return self.emitter.made.add(name, op, inputs, **attrs)

    def constant(self, what: str, value: Any, dtype: str = "int32") -> str:
        """A constant."""
        return self.emitter.constant(f"{self.name}/{what}", LazyTensor.of(np.asarray(value, dtype)))

    def cast(self, what: str, value: str, source: str, target: str) -> str:
        """A value as another type."""
        types = {"SrcT": ElementType(source), "DstT": ElementType(target)}
        return value if source == target else self.add(what, "Cast", [value], **types, Truncate=False)

    def reshaped(self, what: str, value: str, shape: Sequence[int], dtype: str) -> str:
        """A value in another shape."""
        sizes = self.constant(f"{what}/shape", np.asarray(shape).reshape(len(shape)))
        return self.add(what, "Reshape", [value, sizes], T=ElementType(dtype), Tshape=_INT)

    def taken(self, what: str, value: str, places: str, dtype: str) -> str:
        """Elements of a vector by their places, int32."""
        types = {"Tparams": ElementType(dtype), "Tindices": _INT, "Taxis": _INT, "batch_dims": 0}
        return self.add(what, "GatherV2", [value, places, self.constant(f"{what}/axis", 0)], **types)


def _places(nodes: _Nodes) -> None:
    """TensorFlow's have a row for each place."""
    rows = nodes.add("", "Where", [nodes.given(0)], T=ElementType(nodes.dtype(0)))
    perm = nodes.constant("Transpose/perm", [1, 0])
    nodes.gives(nodes.add("Transpose", "Transpose", [rows, perm], T=_LONG, Tperm=_INT))


def _unique(nodes: _Nodes) -> None:
    """TensorFlow's are never sorted: the largest of the negative, or inverted, values are the smallest."""
    axis, ordered, dtype = nodes.native.config["axis"], nodes.native.config["sorted"], nodes.dtype(0)
    x, kind = nodes.given(0), ElementType(dtype)
    if axis is None and nodes.rank(0) != 1:
        x = nodes.reshaped("flat", x, [-1], dtype)
    axes = nodes.constant("axis", np.asarray([] if axis is None else [axis]).reshape(-1), "int64")
    y = nodes.add("", "UniqueWithCountsV2", [x, axes], T=kind, Taxis=_LONG, out_idx=_INT)
    inverse, counts = f"{y}:1", f"{y}:2"
    size = nodes.add("size", "Size", [counts], T=_INT, out_type=_INT)
    if ordered:
        below = nodes.add("below", "Neg" if "float" in dtype else "Invert", [y], T=kind)
        order = f"{nodes.add('order', 'TopKV2', [below, size], T=kind, sorted=True)}:1"
        place = nodes.add("place", "InvertPermutation", [order], T=_INT)
        y, counts = nodes.taken("sorted", y, order, dtype), nodes.taken("counts", counts, order, "int32")
        inverse = nodes.taken("inverse", place, inverse, "int32")
    first = ""
    if len(nodes.use.outputs) > 1 and nodes.use.outputs[1]:
        count = nodes.add("number", "Size", [inverse], T=_INT, out_type=_INT)
        numbers = nodes.add("numbers", "Range", [nodes.constant("zero", 0), count, nodes.constant("one", 1)], Tidx=_INT)
        given, types = [numbers, inverse, size], {"T": _INT, "Tindices": _INT, "Tnumsegments": _INT}
        first = nodes.cast("first64", nodes.add("first", "UnsortedSegmentMin", given, **types), "int32", "int64")
    inverse = nodes.cast("inverse64", inverse, "int32", "int64")
    nodes.gives(y, first, inverse, nodes.cast("counts64", counts, "int32", "int64"))


def _suppressed(nodes: _Nodes) -> None:
    """TensorFlow takes one class of one image, and gives the numbers of its boxes."""
    images, classes = nodes.emitter.types[nodes.use.inputs[1]].shape[:2]
    assert isinstance(images, int), "the row asks for it"
    assert isinstance(classes, int), "the row asks for it"
    boxes, scores = nodes.given(0), nodes.given(1)
    if nodes.native.config["form"] == "centre":
        boxes = _corners(nodes, boxes)
    most = nodes.cast("most32", nodes.reshaped("most", nodes.given(2), [], "int64"), "int64", "int32")
    limits = [nodes.reshaped("overlap", nodes.given(3), [], "float32")]
    least = nodes.given(4)
    limits.append(nodes.reshaped("least", least, [], "float32") if least else nodes.constant("least", -np.inf, "f4"))
    rows = []
    for image, kind in np.ndindex(images, classes):
        of_image = _part(nodes, f"boxes{image}", boxes, [image], 3)
        of_kind = _part(nodes, f"scores{image}_{kind}", scores, [image, kind], 3)
        given = [of_image, of_kind, most, *limits]
        found = nodes.add("NonMaxSuppressionV3", "NonMaxSuppressionV3", given, T=_FLOAT, T_threshold=_FLOAT)
        column = nodes.reshaped("column", nodes.cast("found", found, "int32", "int64"), [-1, 1], "int64")
        pads = nodes.constant("pads", [[0, 0], [1, 0]])
        for number in (kind, image):
            filler = nodes.constant("filler", number, "int64")
            column = nodes.add("row", "PadV2", [column, pads, filler], T=_LONG, Tpaddings=_INT)
        rows.append(column)
    if len(rows) > 1:
        axis = nodes.constant("concat/axis", 0)
        rows = [nodes.add("concat", "ConcatV2", [*rows, axis], N=len(rows), T=_LONG, Tidx=_INT)]
    nodes.gives(rows[0])


def _part(nodes: _Nodes, what: str, value: str, at: Sequence[int], rank: int) -> str:
    """What stands at some places of the first axes, which go."""
    count, mask = len(at), (1 << len(at)) - 1
    ends = [nodes.constant(f"{what}/{end}", [place + step for place in at]) for end, step in (("begin", 0), ("end", 1))]
    strides = nodes.constant(f"{what}/strides", [1] * count)
    masks = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": mask}
    return nodes.add(what, "StridedSlice", [value, *ends, strides], T=_FLOAT, Index=_INT, **masks)


def _corners(nodes: _Nodes, boxes: str) -> str:
    """Two opposite corners of boxes that are said by their centre and size."""
    axis, sizes = nodes.constant("split/axis", 2), nodes.constant("split/sizes", [2, 2])
    centre = nodes.add("split", "SplitV", [boxes, sizes, axis], T=_FLOAT, Tlen=_INT, num_split=2)
    half = nodes.add("half", "Mul", [f"{centre}:1", nodes.constant("half/y", 0.5, "float32")], T=_FLOAT)
    ends = [nodes.add(what, op, [centre, half], T=_FLOAT) for what, op in (("low", "Sub"), ("high", "AddV2"))]
    return nodes.add("corners", "ConcatV2", [*ends, nodes.constant("corners/axis", 2)], N=2, T=_FLOAT, Tidx=_INT)


Writer: TypeAlias = Callable[[_Nodes], None]
WRITERS: Mapping[str, Writer] = {
    "Where": _places,
    "UniqueWithCountsV2": _unique,
    "NonMaxSuppressionV3": _suppressed,
}


def add_selection(emitter: Emitter, use: NativeUse, native: Native, name: str) -> None:
    """The nodes of one layer."""
    WRITERS[native.type](_Nodes(emitter, use, native, name))
