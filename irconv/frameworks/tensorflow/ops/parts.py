"""Variables that are stored in parts: in a row they are one tensor of the checkpoint; lookups in them are one lookup.

``tf.nn.embedding_lookup`` over parts says for each row in which part it is and at which place there, cuts the places by
part, looks up in each, and stitches the rows together in their old order. With the parts in a row, that is one lookup:
at the place in the part, plus where the part begins. How rows were dealt out (``mod``, ``div``) is in the graph.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irconv.codec import NativeWeight
from irconv.containers.graph_def import NodeDef
from irconv.containers.tensor_slices import whole_of
from irconv.errors import Refused
from irconv.frameworks.tensorflow.graph import VARIABLES
from irconv.frameworks.tensorflow.importing import GraphReader, Reference, constant
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.tensor_ops import Add, Concat

_LOOKUPS = ("GatherV2", "Gather", "ResourceGather")
_PASSED = ("Identity",)
_READS = ("Identity", "ReadVariableOp", "Enter")
_FEW = 8


def _concatenated(reader: GraphReader, node: NodeDef) -> None:
    """All parts of a variable in a row are the variable; anything else is what the table says."""
    if (whole := _whole(reader, node)) is None:
        reader.add(node)
    else:
        reader.weight(node, whole)


def _concatenated_needs(reader: GraphReader, node: NodeDef) -> Sequence[Reference]:
    return reader.inputs(node) if _whole(reader, node) is None else ()


def _whole(reader: GraphReader, node: NodeDef) -> NativeWeight | None:
    inputs = reader.inputs(node)
    axis = constant(reader.node(inputs[-1].node)) if len(inputs) > 1 else None
    if axis is None or axis.shape != ():
        return None
    return _joined(reader, inputs[:-1], int(axis.numpy()))


def _joined(reader: GraphReader, parts: Sequence[Reference], axis: int) -> NativeWeight | None:
    """The variable of which these values are all parts, in order."""
    nodes = [_past(reader, reference, _READS) for reference in parts]
    if not nodes or any(n.op not in VARIABLES for n in nodes):
        return None
    weights = [reader.variables(n) for n in nodes]
    whole = whole_of([weight.data for weight in weights], axis)
    return None if whole is None else NativeWeight(weights[0].path.partition("[")[0], whole, weights[0].trainable)


def _stitched(reader: GraphReader, node: NodeDef) -> None:
    part, place, parts = _lookup(reader, node)
    tables = [reader.result(table) for table in parts]
    sizes = [reader.type_of(table).shape[0] for table in tables]
    known = [size for size in sizes if isinstance(size, int)]
    if len(known) != len(sizes):
        raise Refused(reader.where(node), f"expected tables whose sizes are known, got {sizes}")
    where = reader.result(place)
    begins = np.cumsum([0, *known[:-1]]).astype(numpy_dtype(reader.type_of(where).dtype))
    starts = reader.importer.constant(f"{node.name}/parts", begins)
    start = reader.place(node, Gather(axis=0), "begins", x=starts, indices=reader.result(part))
    row = reader.place(node, Add(), "rows", x0=where, x1=start)
    if (whole := _joined(reader, parts, 0)) is not None:
        table = reader.importer.weight(f"{node.name}/table", whole, where=reader.where(node))
    else:
        table = reader.place(node, Concat(axis=0), "table", **{f"x{i}": value for i, value in enumerate(tables)})
    reader.gives(node, reader.place(node, Gather(axis=0), x=table, indices=row))


def _needs(reader: GraphReader, node: NodeDef) -> Sequence[Reference]:
    part, place, parts = _lookup(reader, node)
    return [part, place, *parts]


def _lookup(reader: GraphReader, node: NodeDef) -> tuple[Reference, Reference, list[Reference]]:
    """The part of each row, its place there, and the parts. Raises `Refused` where the nodes before are no lookup."""
    inputs = reader.inputs(node)
    count = len(inputs) // 2
    lookups = [_past(reader, reference) for reference in inputs[count:]]
    order = {_cut(reader, reference, k) for k, reference in enumerate(inputs[:count])}
    cuts = {_cut(reader, reader.inputs(n)[1], k) if n.op in _LOOKUPS else None for k, n in enumerate(lookups)}
    cut, positions = next(iter(cuts)), next(iter(order))
    if len(cuts) != 1 or len(order) != 1 or cut is None or positions is None:
        raise Refused(reader.where(node), _WHAT)
    (ids, part), (counted, same) = (reader.inputs(reader.node(name)) for name in (cut, positions))
    axes = [n for n in lookups if n.op == "GatherV2" and reader.node(reader.inputs(n)[2].node).op != "Const"]
    if part != same or reader.node(counted.node).op != "Range" or axes:
        raise Refused(reader.where(node), _WHAT)
    return part, ids, [reader.inputs(n)[0] for n in lookups]


_WHAT = "stitches rows together in another way than a lookup in a partitioned table does"


def _past(reader: GraphReader, reference: Reference, passed: Sequence[str] = _PASSED) -> NodeDef:
    """The node behind a few that change nothing."""
    node = reader.node(reference.node)
    for _ in range(_FEW):
        if node.op not in passed:
            break
        node = reader.node(reader.inputs(node)[0].node)
    return node


def _cut(reader: GraphReader, reference: Reference, part: int) -> str | None:
    """The node that cuts rows by part, if this is what it gives of a part."""
    node = reader.node(reference.node)
    return node.name if node.op == "DynamicPartition" and reference.index == part else None


_STITCHES = ("ParallelDynamicStitch", "DynamicStitch")
HANDLERS = {**dict.fromkeys(_STITCHES, _stitched), "ConcatV2": _concatenated}
NEEDS = {**dict.fromkeys(_STITCHES, _needs), "ConcatV2": _concatenated_needs}
