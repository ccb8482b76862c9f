"""Arithmetic that is several layers, and the dropout that a training graph still holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.ir.known import numeric
from irconv.ir.layers.arithmetic import Div, FloorDiv, Sub
from irconv.ir.layers.comparisons import Equal, Where
from irconv.ir.layers.elementwise import Erf, Floor, Square
from irconv.ir.layers.embedding import OneHot
from irconv.ir.layers.tensor_ops import Add, Mul, Transpose
from irconv.ir.layers.training import Dropout

_RANDOM = ("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2", "RandomUniformV2")
_DEPTH = 8
"""How many nodes lie between the random numbers and the product of a dropout."""


def _difference_squared(reader: GraphReader, node: NodeDef) -> None:
    difference = reader.place(node, Sub(), "difference", x0=reader.given(node, 0), x1=reader.given(node, 1))
    reader.gives(node, reader.place(node, Square(), x=difference))


def _divided_or_zero(reader: GraphReader, node: NodeDef) -> None:
    """``x / y``, and 0 where y is 0."""
    x, y = reader.all_given(node)
    dtype = reader.type_of(x).dtype
    zero = reader.number(node, 0, dtype, "zero")
    nothing = reader.place(node, Equal(), "nothing", x0=y, x1=zero)
    quotient = reader.place(node, Div(), "quotient", x0=x, x1=y)
    reader.gives(node, reader.place(node, Where(), condition=nothing, x0=zero, x1=quotient))


def _floored(reader: GraphReader, node: NodeDef) -> None:
    """Of floats the floor of the quotient; of integers Python's ``//``."""
    x, y = reader.all_given(node)
    if "float" not in reader.type_of(x).dtype:
        reader.gives(node, reader.place(node, FloorDiv(), x0=x, x1=y))
        return
    reader.gives(node, reader.place(node, Floor(), x=reader.place(node, Div(), "quotient", x0=x, x1=y)))


def _error_complement(reader: GraphReader, node: NodeDef) -> None:
    """``1 - erf(x)``."""
    x = reader.given(node, 0)
    one = reader.number(node, 1.0, reader.type_of(x).dtype, "one")
    reader.gives(node, reader.place(node, Sub(), x0=one, x1=reader.place(node, Erf(), "erf", x=x)))


def _product(reader: GraphReader, node: NodeDef) -> None:
    dropped = dropped_out(reader, node)
    if dropped is None:
        reader.add(node)
        return
    value, rate = reader.result(dropped), _rate(reader, node)
    reader.gives(node, reader.place(node, Dropout(rate=rate, noise="zero", shared=()), x=value))
    reader.assume(node.name, f"Dropout of {rate}", "a product with random numbers, the identity at inference")


def dropped_out(reader: GraphReader, node: NodeDef) -> Reference | None:
    """The value that a dropout drops elements of, where a product is the end of one.

    TensorFlow writes ``(x / keep) floor(keep + random)``, later ``x (1 / (1 - rate)) cast(random >= rate)``.
    """
    for kept, mask in ((0, 1), (1, 0)):
        if len(reader.inputs(node)) == 2 and _is_random(reader, reader.inputs(node)[mask], _DEPTH):
            scaled = reader.graph.nodes.get(reader.inputs(node)[kept].node)
            if scaled is not None and scaled.op in ("RealDiv", "Mul", "Div"):
                return reader.inputs(scaled)[0]
    return None


def _is_random(reader: GraphReader, reference: Reference, depth: int) -> bool:
    node = reader.graph.nodes.get(reference.node)
    if node is None or depth == 0:
        return False
    if node.op in _RANDOM:
        return True
    chain = ("Floor", "Cast", "GreaterEqual", "Add", "AddV2", "Sub", "Mul", "Identity")
    return node.op in chain and any(_is_random(reader, taken, depth - 1) for taken in reader.inputs(node)[:2])


def _rate(reader: GraphReader, node: NodeDef) -> float:
    """The share that is dropped, where a constant says it; 0 where it is fed, as inference feeds it."""
    for reference in reader.inputs(node):
        scaled = reader.graph.nodes[reference.node]
        if scaled.op in ("RealDiv", "Div", "Mul") and len(reader.inputs(scaled)) == 2:
            factor = _constant_of(reader, reader.inputs(scaled)[1])
            if factor is not None and factor > 0:
                keep = factor if scaled.op != "Mul" else 1 / factor
                if 0 < keep <= 1:
                    return float(np.format_float_positional(np.float32(1 - keep), precision=6, trim="0"))
    return 0.0


def _constant_of(reader: GraphReader, reference: Reference) -> float | None:
    """The number that a scalar of the graph is, if it depends on constants alone."""
    node = reader.graph.nodes.get(reference.node)
    tensor = None if node is None or node.op != "Const" else node.attrs.get("value")
    if tensor is not None and getattr(tensor, "shape", None) == ():
        return float(tensor.numpy())
    if node is not None and node.op in ("RealDiv", "Sub") and len(reader.inputs(node)) == 2:
        left, right = (_constant_of(reader, taken) for taken in reader.inputs(node))
        if left is not None and right is not None:
            return left - right if node.op == "Sub" else left / right if right else None
    return None


def _product_needs(reader: GraphReader, node: NodeDef) -> Sequence[Reference]:
    dropped = dropped_out(reader, node)
    return reader.inputs(node) if dropped is None else [dropped]


def _one_hot(reader: GraphReader, node: NodeDef) -> None:
    """Rows of two numbers, ``off`` but for ``on`` at the index, along any axis."""
    indices, (depth,) = reader.given(node, 0), np.atleast_1d(reader.numbers(node, 1))
    on, off = (reader.numbers(node, i) for i in (2, 3))
    if not isinstance(depth, int | np.integer) or not numeric(on) or not numeric(off):
        raise Refused(reader.where(node), f"expected a number of classes that is known, got {depth}")
    dtype, rank = reader.type_of(reader.given(node, 2)).dtype, len(reader.type_of(indices).shape)
    axis, plain = node.attrs.get("axis", -1), (on.item(), off.item()) == (1, 0)
    moved = axis not in (-1, rank)
    value = reader.place(
        node, OneHot(depth=int(depth), dtype=dtype), "" if plain and not moved else "classes", x=indices
    )
    if not plain:
        span = reader.number(node, on.item() - off.item(), dtype, "span")
        value = reader.place(node, Mul(), "spread", x0=value, x1=span)
        value = reader.place(
            node, Add(), "moved" if moved else "", x0=value, x1=reader.number(node, off.item(), dtype, "off")
        )
    if moved:
        order = [*range(rank)]
        order.insert(axis, rank)
        value = reader.place(node, Transpose(permutation=tuple(order)), x=value)
    reader.gives(node, value)


def _reduced(reader: GraphReader, node: NodeDef) -> None:
    """A reduction along no axes, as of a number, leaves each element as it is."""
    axes = reader.importer.known(reader.given(node, 1))
    if axes is not None and axes.size == 0:
        reader.gives(node, reader.given(node, 0))
    else:
        reader.add(node)


HANDLERS = {
    **dict.fromkeys(("Mean", "Sum", "Max", "Min", "Prod", "Any", "All"), _reduced),
    "SquaredDifference": _difference_squared,
    "DivNoNan": _divided_or_zero,
    "FloorDiv": _floored,
    "Erfc": _error_complement,
    "Mul": _product,
    "OneHot": _one_hot,
}
NEEDS = {"Mul": _product_needs}
