"""Matrix products whose factors are turned, and sums of products."""

from __future__ import annotations

from math import prod

from irconv.containers.graph_def import NodeDef
from irconv.frameworks.tensorflow.importing import GraphReader
from irconv.ir.layers.matrix import Einsum
from irconv.ir.layers.tensor_ops import Reshape, Transpose

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
    if _dense(reader, node):
        return
    factors = {f"x{i}": value for i, value in enumerate(reader.all_given(node))}
    reader.gives(node, reader.place(node, Einsum(equation=str(node.attrs["equation"])), **factors))


def _dense(reader: GraphReader, node: NodeDef) -> bool:
    """A product that sums the last axes of a value with the first of stored weights: a Linear between reshapes."""
    left, arrow, result = str(node.attrs["equation"]).replace(" ", "").partition("->")
    labels = left.split(",")
    if not arrow or len(labels) != 2 or "." in left or len(set(labels[0])) != len(labels[0]):
        return False
    x, weights = reader.all_given(node)
    summed = "".join(letter for letter in labels[1] if letter in labels[0])
    kept, made = labels[0][: len(labels[0]) - len(summed)], labels[1][len(summed) :]
    fits = labels[0] == kept + summed and labels[1] == summed + made and result == kept + made
    weight, shape = reader.importer.stored(weights), reader.type_of(x).shape
    if not (fits and kept and made and summed) or weight is None or len(weight.data.shape) != len(labels[1]):
        return False
    sizes = weight.data.shape
    width, units = prod(sizes[: len(summed)]), prod(sizes[len(summed) :])
    if shape[len(kept) :] != sizes[: len(summed)]:
        return False
    if len(summed) > 1:
        x = reader.place(node, Reshape(shape=(*shape[: len(kept)], width)), "merged", x=x)
    if len(sizes) > 2:
        weights = reader.place(node, Reshape(shape=(width, units)), "kernel", x=weights)
    product = NodeDef(f"{node.name}/product", "BatchMatMulV2", (), {"T": reader.type_of(x).dtype})
    reader.add(product, [x, weights])
    value = product.name
    if len(made) > 1:
        value = reader.place(node, Reshape(shape=(*shape[: len(kept)], *sizes[len(summed) :])), x=value)
    reader.gives(node, value)
    return True


HANDLERS = {
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), _product),
    "Einsum": _einsum,
}
