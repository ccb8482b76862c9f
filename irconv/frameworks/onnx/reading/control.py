"""Branches: the one whose condition holds where that is known while reading, both where the model's data decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.known import numeric
from irconv.ir.layers.comparisons import Where
from irconv.ir.layers.tensor_ops import Reshape

_OF_SIZES = ("Shape", "Size")
_LOOKED_AT = 10_000
"""Nodes that are gone back through to say which inputs decide; behind them nothing is said."""


def _if(reader: ModelReader, op: Op) -> None:
    """The branch that is taken, as if it stood here. What an input like a flag or a rate decides is refused, as that is
    said with ``--fix``; what the data decides chooses between the results of both branches."""
    known = reader.importer.known(op.given(0))
    if known is None or not numeric(known) or known.size != 1:
        elements, sizes = _deciding(reader, op.given(0))
        if (not elements and sizes) or not all(_is_data(reader, name) for name in elements):
            what = f"takes one of two branches by {op.given(0)}, which is not known before the model runs"
            raise Refused(op.where, what, _remedy(reader, elements, sizes))
        _chosen(reader, op)
        return
    branch = op.attributes["then_branch" if known.reshape(-1)[0] else "else_branch"]
    reader.body(branch)
    for index, port in enumerate(branch.output):
        value = reader.values.get(port.name, port.name)
        reader.importer.type_of(value)
        reader.gives(op, value, index)


def _is_data(reader: ModelReader, name: str) -> bool:
    """Whether an input is what a network computes with: many floating numbers."""
    if not reader.importer.has(value := reader.values.get(name, name)):
        return False
    dtype, shape = reader.type_of(value)
    return "float" in dtype and any(size != 1 for size in shape)


def _chosen(reader: ModelReader, op: Op) -> None:
    """The results of one branch or the other, which are computed both: no op of ONNX does anything besides."""
    condition = op.given(0)
    if reader.shape(condition):
        condition = reader.place(op, Reshape(shape=()), "condition", x=condition)
    results = [_results(reader, op, name) for name in ("then_branch", "else_branch")]
    for name, first, second in zip(op.outputs, *results, strict=False):
        if reader.type_of(first) != reader.type_of(second):
            types = [f"{kind.dtype} {kind.shape}" for kind in map(reader.type_of, (first, second))]
            what = f"takes one of two branches by its data, which give {name} as {' and '.join(types)}"
            raise Refused(op.where, what, "What is chosen has to be of one shape; cut before it with --outputs.")
        if name:
            reader.importer.place(Where(), {"condition": condition, "x0": first, "x1": second}, [name], where=op.where)


def _results(reader: ModelReader, op: Op, which: str) -> list[str]:
    """The results of one branch, whose values have names of their own."""
    outer, branch = dict(reader.values), op.attributes[which]
    reader.prefixes.append(f"{op.name}/{which.removesuffix('_branch')}/")
    try:
        reader.body(branch)
        return [reader.values.get(port.name, port.name) for port in branch.output]
    finally:
        reader.prefixes.pop()
        reader.values = outer


def _remedy(reader: ModelReader, elements: Sequence[str], sizes: Sequence[str]) -> str:
    """The flags for the inputs that decide it: by their elements, or by the sizes that they leave open."""
    shapes = {port.name: _open(port) for port in reader.file.model.graph.input if port.name in sizes}
    said = [(name, f"--fix {name}=VALUE") for name in elements]
    said += [(f"sizes of {name}", f"--input-shape {name}={shape}") for name, shape in shapes.items() if shape]
    if not said:
        return "--fix NAME=VALUE gives an input of the graph a value."
    hangs, flags = zip(*said, strict=True)
    return f"It hangs on {', '.join(hangs)}: {' and '.join(flags)} decides it."


def _open(port: Any) -> str:
    """The shape of an input with a word for each size that it leaves open; empty where it leaves none."""
    sizes = port.type.tensor_type.shape.dim
    if all(size.dim_value > 0 for size in sizes):
        return ""
    words = ["N", *("SIZE" for _ in sizes[1:])]
    return ",".join(str(size.dim_value or word) for size, word in zip(sizes, words, strict=True))


def _deciding(reader: ModelReader, condition: str) -> tuple[list[str], list[str]]:
    """The inputs of the graph whose elements a value is computed of, and those of which the sizes alone count."""
    graph = reader.file.model.graph
    inputs = {port.name for port in graph.input} - {tensor.name for tensor in graph.initializer}
    found: dict[bool, dict[str, None]] = {False: {}, True: {}}
    seen, waiting = set[tuple[str, bool]](), [(condition, False)]
    while waiting and len(seen) < _LOOKED_AT:
        name, of_sizes = waiting.pop()
        if (name, of_sizes) in seen:
            continue
        seen.add((name, of_sizes))
        if name in inputs:
            found[of_sizes][name] = None
        elif (node := reader.makers.get(name)) is not None:
            waiting += [(given, of_sizes or node.op_type in _OF_SIZES) for given in node.input if given]
    return list(found[False]), [name for name in found[True] if name not in found[False]]


HANDLERS: dict[str, Handler] = {"If": _if}
