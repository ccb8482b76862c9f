"""Operations that make as many elements as the numbers in a value say: places, different elements, boxes."""

from __future__ import annotations

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.ir.known import numeric
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.selection import NonMaxSuppression, NonZero, Unique
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.slicing import Select
from irconv.ir.layers.tensor_ops import Reshape, Transpose


def _where(reader: GraphReader, node: NodeDef) -> None:
    """Where of one input: a row for each element that is not zero."""
    layer = NonZero(count=reader.importer.counted(reader.where(node)))
    places = reader.place(node, layer, "places", x=reader.given(node, 0))
    reader.gives(node, reader.place(node, Transpose(permutation=(1, 0)), x=places))


def _unique(reader: GraphReader, node: NodeDef) -> None:
    """The different elements in their order, for each element which it is, and how often each appears."""
    axis = _axis(reader, node) if len(reader.inputs(node)) > 1 else None
    layer = Unique(axis=axis, sorted=False, count=reader.importer.counted(reader.where(node)))
    names = {slot: f"{node.name}/{slot}" for slot in ("y", "inverse", "counts")}
    reader.importer.use(layer, {"x": reader.given(node, 0)}, names, node.name, where=reader.where(node))
    reader.values[Reference(node.name, 0)] = names["y"]
    dtype = node.attrs.get("out_idx") or "int32"
    for index, slot in ((1, "inverse"), (2, "counts")):
        value = names[slot]
        if dtype != "int64":
            value = reader.place(node, Cast(dtype=dtype), f"{slot}/{dtype}", x=value)
        reader.values[Reference(node.name, index)] = value


def _axis(reader: GraphReader, node: NodeDef) -> int | None:
    """Of the second version: none for the elements of a vector."""
    found = reader.numbers(node, 1).reshape(-1)
    rank = len(reader.type_of(reader.given(node, 0)).shape)
    if found.size == 0:
        return None
    if found.size > 1 or not -rank <= int(found[0]) < rank:
        raise Refused(reader.where(node), f"expected one axis of {rank}, got {found.tolist()}")
    return int(found[0]) % rank if rank > 1 else None


def _suppressed(reader: GraphReader, node: NodeDef) -> None:
    """Boxes of one image and one class, by their numbers; the first version has its threshold as an attribute."""
    attrs, given = node.attrs, reader.all_given(node)
    if attrs.get("pad_to_max_output_size"):
        raise Refused(reader.where(node), "expected pad_to_max_output_size=False, got True, which fills up with zeros")
    if len(given) > 5 and not _is(reader, given[5], 0.0):
        raise Refused(reader.where(node), "expected soft_nms_sigma=0, got another, which lowers scores")
    boxes = reader.place(node, Unsqueeze(axes=(0,)), "boxes", x=given[0])
    scores = reader.place(node, Unsqueeze(axes=(0, 1)), "scores", x=given[1])
    most = given[2]
    if reader.type_of(most).dtype != "int64":
        most = reader.place(node, Cast(dtype="int64"), "most64", x=most)
    inputs = {"most": reader.place(node, Reshape(shape=(1,)), "most", x=most)}
    overlap = given[3] if len(given) > 3 else reader.number(node, attrs.get("iou_threshold", 0.5), "float32", "overlap")
    inputs["iou_threshold"] = reader.place(node, Reshape(shape=(1,)), "iou_threshold", x=overlap)
    if len(given) > 4 and not _is(reader, given[4], -np.inf):
        inputs["score_threshold"] = reader.place(node, Reshape(shape=(1,)), "score_threshold", x=given[4])
    layer = NonMaxSuppression(form="corners", count=reader.importer.counted(reader.where(node)))
    rows = reader.place(node, layer, "rows", boxes=boxes, scores=scores, **inputs)
    numbers = reader.place(node, Select(axis=1, index=2), "numbers", x=rows)
    reader.gives(node, reader.place(node, Cast(dtype="int32"), x=numbers))


def _is(reader: GraphReader, value: str, number: float) -> bool:
    """Whether a value is known to be this number."""
    known = reader.importer.known(value)
    return known is not None and numeric(known) and known.size == 1 and float(known.item()) == number


def _extreme(reader: GraphReader, node: NodeDef) -> None:
    """The place of the largest or smallest element, in the type that the node says."""
    reader.add(node)
    dtype = node.attrs.get("output_type") or "int64"
    if dtype != "int64" and (value := reader.values.get(Reference(node.name, 0))):
        reader.gives(node, reader.place(node, Cast(dtype=dtype), dtype, x=value))


HANDLERS = {"Where": _where, "ArgMax": _extreme, "ArgMin": _extreme}
HANDLERS |= dict.fromkeys(("Unique", "UniqueWithCounts", "UniqueV2", "UniqueWithCountsV2"), _unique)
HANDLERS |= {f"NonMaxSuppression{version}": _suppressed for version in ("", "V2", "V3", "V4", "V5")}
