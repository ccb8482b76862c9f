"""Branches whose condition is known while reading."""

from __future__ import annotations

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.known import numeric


def _if(reader: ModelReader, op: Op) -> None:
    """The branch that is taken, as if it stood here."""
    known = reader.importer.known(op.given(0))
    if known is None or not numeric(known) or known.size != 1:
        what = f"takes one of two branches by {op.given(0)}, which is not known before the model runs"
        raise Refused(op.where, what, "--fix NAME=VALUE gives an input of the graph a value.")
    branch = op.attributes["then_branch" if known.reshape(-1)[0] else "else_branch"]
    reader.body(branch)
    for index, port in enumerate(branch.output):
        value = reader.values.get(port.name, port.name)
        reader.importer.type_of(value)
        reader.gives(op, value, index)


HANDLERS: dict[str, Handler] = {"If": _if}
