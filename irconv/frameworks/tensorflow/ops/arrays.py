"""TensorArrays of TensorFlow 1 and TensorLists of TensorFlow 2: the values of a loop's steps, in one vocabulary.

A TensorArray is a handle that stays and a flow that orders what is done to it; a TensorList is a value that every write
makes anew. Outside of loops both are read as the value of all their steps, steps first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from irconv.containers.graph_def import NodeDef
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.ir.known import numeric
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.shape_ops import ShapeOf
from irconv.ir.layers.slicing import Select
from irconv.ir.layers.tensor_ops import Transpose

SWITCHES = ("Switch", "RefSwitch")
MERGES = ("Merge", "RefMerge")
ENTERS = ("Enter", "RefEnter")

CREATED = ("TensorArrayV3", "TensorArrayV2", "TensorArray", "TensorListReserve", "EmptyTensorList")
"""Operations that make one without values."""


@dataclass(frozen=True)
class Written:
    """What writes one step."""

    array: Reference
    """The handle, or the list before."""
    index: Reference | None
    """None: behind all that is there."""
    value: Reference


_WRITES: Mapping[str, tuple[int, int | None, int]] = {
    "TensorArrayWriteV3": (0, 1, 2),
    "TensorListSetItem": (0, 1, 2),
    "TensorListPushBack": (0, None, 1),
}
"""Operation -> the inputs that are the array, the index and the value."""
READS: Sequence[str] = ("TensorArrayReadV3", "TensorListGetItem")
"""Operations that read one step: of the array that is their first input at the index that is their second."""
_FILLS: Mapping[str, int] = {"TensorArrayScatterV3": 2, "TensorListFromTensor": 0}
"""Operation that fills an array with all its steps -> the input that is their value."""


def written(reader: GraphReader, node: NodeDef) -> Written | None:
    """What a node writes; None where it does not write a step."""
    places = _WRITES.get(node.op)
    if places is None:
        return None
    inputs = reader.inputs(node)
    array, index, value = places
    return Written(inputs[array], None if index is None else inputs[index], inputs[value])


def filled(reader: GraphReader, node: NodeDef) -> Reference | None:
    """The value of all steps, steps first, that a node fills an array with; None for any other node."""
    place = _FILLS.get(node.op)
    return None if place is None else reader.inputs(node)[place]


def length(reader: GraphReader, node: NodeDef) -> int | None:
    """For how many steps a node makes an empty array, where that is a number of the graph."""
    index = 1 if node.op == "TensorListReserve" else 0
    inputs = reader.inputs(node)
    if node.op == "EmptyTensorList" or index >= len(inputs):
        return None
    known = reader.importer.known(reader.value(str(inputs[index])))
    return int(known.item()) if known is not None and numeric(known) and known.size == 1 else None


def first_swapped(reader: GraphReader, value: str, name: str, where: str) -> str:
    """A value with its first two axes swapped."""
    rank = len(reader.type_of(value).shape)
    if rank < 2:
        raise Refused(where, f"steps over a value of shape {reader.type_of(value).shape}, which has no batch")
    layer = Transpose(permutation=(1, 0, *range(2, rank)))
    return reader.importer.place(layer, {"x": value}, [name], name=name, where=where)[0]


def _gathered(reader: GraphReader, node: NodeDef) -> None:
    """All steps of an array after a loop, which its flow stands for."""
    reader.gives(node, reader.given(node, 2))


def _stacked(reader: GraphReader, node: NodeDef) -> None:
    """All steps of a list."""
    reader.gives(node, reader.given(node, 0))


def _read(reader: GraphReader, node: NodeDef) -> None:
    """One step of an array, outside of a loop."""
    index, whole = reader.given(node, 1), reader.given(node, 2)
    known = reader.importer.known(index)
    if known is not None and numeric(known) and known.size == 1:
        reader.gives(node, reader.place(node, Select(axis=0, index=int(known.item())), x=whole))
    else:
        reader.gives(node, reader.place(node, Gather(axis=0), x=whole, indices=index))


def _item(reader: GraphReader, node: NodeDef) -> None:
    """One step of a list, outside of a loop."""
    known = reader.importer.known(reader.given(node, 1))
    if known is None or not numeric(known) or known.size != 1:
        raise Refused(reader.where(node), "reads a list at an index that is not known before the model runs")
    reader.gives(node, reader.place(node, Select(axis=0, index=int(known.item())), x=reader.given(node, 0)))


def _size(reader: GraphReader, node: NodeDef) -> None:
    """The number of steps, by the value that stands for the flow or the list."""
    value = reader.given(node, 1 if node.op == "TensorArraySizeV3" else 0)
    steps = reader.type_of(value).shape[0]
    if isinstance(steps, int):
        reader.gives(node, reader.number(node, steps, "int32", "steps"))
        return
    shape = reader.place(node, ShapeOf(), "shape", x=value)
    steps64 = reader.place(node, Select(axis=0, index=0), "steps", x=shape)
    reader.gives(node, reader.place(node, Cast(dtype="int32"), x=steps64))


def _needs(*places: int) -> Callable[[GraphReader, NodeDef], Sequence[Reference]]:
    """Of some inputs alone: what else a node takes only orders it, or says sizes that are known."""
    return lambda reader, node: [reader.inputs(node)[place] for place in places]


HANDLERS = {
    "TensorArrayGatherV3": _gathered,
    "TensorArrayReadV3": _read,
    "TensorArrayScatterV3": _gathered,
    "TensorArraySizeV3": _size,
    "TensorListFromTensor": _stacked,
    "TensorListStack": _stacked,
    "TensorListGetItem": _item,
    "TensorListLength": _size,
}
NEEDS = {
    "TensorArrayGatherV3": _needs(2),
    "TensorArrayReadV3": _needs(1, 2),
    "TensorArrayScatterV3": _needs(2),
    "TensorArraySizeV3": _needs(1),
    "TensorListFromTensor": _needs(0),
    "TensorListStack": _needs(0),
    "TensorListGetItem": _needs(0, 1),
    "TensorListLength": _needs(0),
}
