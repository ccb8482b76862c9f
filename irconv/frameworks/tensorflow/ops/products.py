"""Matrix products whose factors are turned, and sums of products."""

from __future__ import annotations

from irconv.containers.graph_def import NodeDef
from irconv.frameworks.tensorflow.importing import GraphReader
from irconv.ir.layers.matrix import Einsum
from irconv.ir.layers.tensor_ops import Transpose

_TURNS = {"MatMul": ("transpose_a", "transpose_b")}
_ADJOINTS = ("adj_x", "adj_y")


def _product(reader: GraphReader, node: NodeDef) -> None:
    """A product with each turned factor turned before, so that a stored one is seen through the turn."""
    flags = _TURNS.get(node.op, _ADJOINTS)
    factors = reader.all_given(node)
    for i, flag in enumerate(flags):
        if node.attrs.get(flag):
            rank = len(reader.type_of(factors[i]).shape)
            order = (*range(rank - 2), rank - 1, rank - 2)
            factors[i] = reader.place(node, Transpose(permutation=order), flag, x=factors[i])
    reader.add(node, factors, **dict.fromkeys(flags, False))


def _einsum(reader: GraphReader, node: NodeDef) -> None:
    factors = {f"x{i}": value for i, value in enumerate(reader.all_given(node))}
    reader.gives(node, reader.place(node, Einsum(equation=str(node.attrs["equation"])), **factors))


HANDLERS = {
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), _product),
    "Einsum": _einsum,
}
