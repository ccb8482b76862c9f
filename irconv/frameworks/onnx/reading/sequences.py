"""Sequences of tensors, as far as reading the file tells which tensor is at which place."""

from __future__ import annotations

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.frameworks.onnx.reading.shapes import axis_of
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Concat


def _held(reader: ModelReader, op: Op) -> list[str]:
    """The values of the sequence that is the first input."""
    found = reader.sequences.get(op.given(0))
    if found is None:
        raise Refused(op.where, f"takes the sequence {op.given(0)}, whose tensors are not known before the model runs")
    return found


def _split(reader: ModelReader, op: Op) -> None:
    x, shape = op.given(0), reader.shape(op.given(0))
    axis = axis_of(op, op.attribute("axis", 0), len(shape))
    whole, keeps = shape[axis], bool(op.attribute("keepdims", 1)) or bool(op.given(1))
    sizes = reader.numbers(op, 1) if op.given(1) else (1,)
    if not isinstance(whole, int) or not sizes:
        raise Refused(op.where, f"cuts an axis of {whole} into pieces, whose number has to be known")
    if not op.given(1) or reader.shape(op.given(1)) == ():
        each = sizes[0]
        sizes = tuple(min(each, whole - start) for start in range(0, whole, each))
    names = [f"{op.outputs[0]}/{i}" for i in range(len(sizes))]
    reader.importer.place(Split(axis=axis, sizes=sizes), {"x": x}, names, op.name, "", op.where)
    if not keeps:
        names = [reader.place(op, Squeeze(axes=(axis,)), f"{i}/alone", x=name) for i, name in enumerate(names)]
    reader.sequences[op.outputs[0]] = names


def _construct(reader: ModelReader, op: Op) -> None:
    for value in op.inputs:
        reader.type_of(value)
    reader.sequences[op.outputs[0]] = list(op.inputs)


def _empty(reader: ModelReader, op: Op) -> None:
    reader.sequences[op.outputs[0]] = []


def _place(reader: ModelReader, op: Op, index: int, count: int, absent: int) -> int:
    """A place in a sequence; `absent` is the one that is meant where none is given."""
    if not op.given(index):
        return absent
    number = int(reader.number(op, index) or 0)
    if not -count <= number < max(count, 1):
        raise Refused(op.where, f"expected a place between {-count} and {count - 1}, got {number}")
    return number % count if count else 0


def _at(reader: ModelReader, op: Op) -> None:
    held = _held(reader, op)
    if not held:
        raise Refused(op.where, "takes a tensor of an empty sequence")
    reader.gives(op, held[_place(reader, op, 1, len(held), 0)])


def _length(reader: ModelReader, op: Op) -> None:
    reader.gives(op, reader.importer.constant(op.outputs[0], np.asarray(len(_held(reader, op)), np.int64)))


def _insert(reader: ModelReader, op: Op) -> None:
    held = list(_held(reader, op))
    reader.type_of(op.given(1))
    held.insert(_place(reader, op, 2, len(held) + 1, len(held)), op.given(1))
    reader.sequences[op.outputs[0]] = held


def _erase(reader: ModelReader, op: Op) -> None:
    held = list(_held(reader, op))
    if not held:
        raise Refused(op.where, "takes a tensor out of an empty sequence")
    del held[_place(reader, op, 1, len(held), len(held) - 1)]
    reader.sequences[op.outputs[0]] = held


def _joined(reader: ModelReader, op: Op) -> None:
    held, axis = _held(reader, op), op.attributes["axis"]
    if not held:
        raise Refused(op.where, "joins an empty sequence")
    rank = len(reader.shape(held[0])) + bool(op.attribute("new_axis", 0))
    axis = axis_of(op, axis, rank)
    if op.attribute("new_axis", 0):
        held = [reader.place(op, Unsqueeze(axes=(axis,)), f"{i}/along", x=value) for i, value in enumerate(held)]
    if len(held) == 1:
        reader.gives(op, held[0])
        return
    reader.place(op, Concat(axis=axis), **{f"x{i}": value for i, value in enumerate(held)})


HANDLERS: dict[str, Handler] = {
    "SplitToSequence": _split,
    "SequenceConstruct": _construct,
    "SequenceEmpty": _empty,
    "SequenceAt": _at,
    "SequenceLength": _length,
    "SequenceInsert": _insert,
    "SequenceErase": _erase,
    "ConcatFromSequence": _joined,
}
