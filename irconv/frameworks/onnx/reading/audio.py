"""What turns sound into features: windows, short Fourier transforms, mel filters."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.attributes import element_type
from irconv.frameworks.onnx.reading.computed import Steps, along_one_of, is_computed
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.layers.arithmetic import FloorDiv, Sub
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.shape_ops import Range, SizeOf, Squeeze, Unsqueeze
from irconv.ir.layers.signal import DFT, STFT
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Mul, Pad, Reshape
from irconv.ir.shapes import Dimension
from irconv.layout import Array


def _window(first: float, second: float, third: float) -> Handler:
    """``first - second cos(2 pi n / N) + third cos(4 pi n / N)`` with N the size, or one less where it is symmetric."""

    def read(reader: ModelReader, op: Op) -> None:
        size = int(reader.number(op, 0) or 0)
        whole = size if op.attribute("periodic", 1) else size - 1
        dtype = element_type(op.attribute("output_datatype", TensorProto.FLOAT), op.where)
        turn = 2 * np.pi * np.arange(size) / max(whole, 1)
        numbers = first - second * np.cos(turn) + third * np.cos(2 * turn)
        reader.gives(op, reader.importer.constant(op.outputs[0], numbers.astype(dtype)))

    return read


def _mel(reader: ModelReader, op: Op) -> None:
    """Triangles that are equally wide in mels, ``2595 log10(1 + f / 700)``, over the bins of a Fourier transform."""
    known = [reader.number(op, i) for i in range(5)]
    if any(number is None for number in known):
        raise Refused(op.where, "expected five numbers")
    bins, length, rate = (int(number or 0) for number in known[:3])
    low, high = (float(number or 0.0) for number in known[3:])
    dtype = element_type(op.attribute("output_datatype", TensorProto.FLOAT), op.where)
    if bins < 1 or length < 1 or rate < 1 or bins * (length // 2 + 1) > 1 << 24:
        raise Refused(op.where, f"expected counts of a possible filter bank, got {bins}, {length} and {rate}")
    reader.gives(op, reader.importer.constant(op.outputs[0], _filters(bins, length, rate, low, high).astype(dtype)))


def _filters(bins: int, length: int, rate: int, low: float, high: float) -> Array:
    """(length // 2 + 1, bins), as ONNX's reference implementation makes it: edges are whole bins."""
    mels = 2595 * np.log10(1 + np.asarray([low, high]) / 700)
    edges = mels[0] + np.arange(bins + 2) * (mels[1] - mels[0]) / (bins + 2)
    places = ((length + 1) * (700 * (10 ** (edges / 2595) - 1)) // rate).astype(int)
    made = np.zeros((length // 2 + 1, bins))
    for i in range(bins):
        start, middle, end = places[i : i + 3]
        if middle == start:
            made[middle, i] = 1
        else:
            made[start : middle + 1, i] = (np.arange(start, middle + 1) - start) / (middle - start)
        if end > middle:
            made[middle:end, i] = (end - np.arange(middle, end)) / (end - middle)
    return made


def _transforms(reader: ModelReader, op: Op) -> None:
    """STFT of real signals, one-sided, with the frames inside of the signal."""
    x, window = op.given(0), op.given(2)
    shape = reader.shape(x)
    if is_computed(reader, op, 1) or is_computed(reader, op, 3):
        _by_computed_steps(reader, op)
        return
    step = reader.number(op, 1)
    length = int(reader.number(op, 3) or 0) if op.given(3) else None
    if not op.attribute("onesided", 1) or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 1):
        raise Refused(op.where, f"expected real signals and half of their spectrum, got signals of shape {shape}")
    if not window:
        window = reader.constant(op, np.ones(length or 0), "window", reader.type_of(x).dtype)
    if length not in (None, reader.shape(window)[0]) or not step:
        raise Refused(op.where, f"expected a window of the frames' {length} elements, got {reader.shape(window)[0]}")
    if len(shape) == 3:
        x = reader.place(op, Squeeze(axes=(2,)), "signal", x=x)
    reader.place(op, STFT(hop=int(step)), x=x, window=window)


def _by_computed_steps(reader: ModelReader, op: Op) -> None:
    """STFT of real signals whose frames stand at computed places, or have a computed length."""
    s, x, window = Steps(reader, op), op.given(0), op.given(2)
    shape = reader.shape(x)
    if not op.attribute("onesided", 1) or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 1):
        raise Refused(op.where, f"expected real signals and half of their spectrum, got signals of shape {shape}")
    if len(shape) == 3:
        x = s(Squeeze(axes=(2,)), x)
    step = s(Reshape(shape=(1,)), s.typed(op.given(1)))
    if window:
        wide = reader.shape(window)[0]
        width = s(SizeOf(axis=0), window)
    else:
        width = s(Reshape(shape=(1,)), s.typed(op.given(3)))
        wide = s.sizes(width, 1)[0]
    room = s(FloorDiv(), s(Sub(), s(SizeOf(axis=1), x), width), step)
    count = s.sizes(s(Add(), room, s.number([1])), 1)[0]
    starts = s(Reshape(shape=(count, 1)), s(Mul(), s(Range(start=0, limit=count, step=1)), step))
    frames = s(Gather(axis=1), x, s(Add(), starts, s(Range(start=0, limit=wide, step=1))))
    if window:
        frames = s(Mul(), frames, window)
    layer = DFT(axis=2, inverse=False, onesided=True, length=None)
    s.ends(layer, s(Unsqueeze(axes=(3,)), frames))


def _along_computed(reader: ModelReader, op: Op) -> None:
    """DFT along a computed axis; the result has the shape of x."""
    if op.given(1) or op.attribute("onesided", 0):
        raise Refused(op.where, "transforms to another length along an axis that is computed")
    shape, inverse = reader.shape(op.given(0)), bool(op.attribute("inverse", 0))
    layers = [DFT(axis=axis, inverse=inverse, onesided=False, length=None) for axis in range(len(shape) - 1)]
    along_one_of(reader, op, 2, layers, len(shape))


def _fourier(reader: ModelReader, op: Op) -> None:
    """DFT along one axis, which is an attribute before opset 20; cut or padded with zeros to the length it is given."""
    x = op.given(0)
    rank = len(reader.shape(x))
    if op.version >= 20 and is_computed(reader, op, 2):
        _along_computed(reader, op)
        return
    said = op.attribute("axis", 1) if op.version < 20 else (reader.number(op, 2) if op.given(2) else -2)
    length = int(reader.number(op, 1) or 0) if op.given(1) else None
    axis = int(said if said is not None else 1) % rank
    inverse, onesided = bool(op.attribute("inverse", 0)), bool(op.attribute("onesided", 0))
    if inverse and onesided:
        whole = length or 2 * (_known(op, reader.shape(x)[axis]) - 1)
        reader.place(op, DFT(axis=axis, inverse=True, onesided=True, length=whole), x=x)
        return
    if length is not None and reader.shape(x)[axis] != length:
        size = _known(op, reader.shape(x)[axis])
        if size > length:
            x = reader.place(op, Slice(axes=(axis,), starts=(0,), ends=(length,), steps=(1,)), "cut", x=x)
        else:
            pads = tuple((0, length - size if i == axis else 0) for i in range(rank))
            x = reader.place(op, Pad(pads=pads, mode="constant", value=0.0), "padded", x=x)
    reader.place(op, DFT(axis=axis, inverse=inverse, onesided=onesided, length=None), x=x)


def _known(op: Op, size: Dimension) -> int:
    if not isinstance(size, int):
        raise Refused(op.where, f"expected an axis of known size, got {size}")
    return size


HANDLERS: dict[str, Handler] = {
    "DFT": _fourier,
    "HannWindow": _window(0.5, 0.5, 0.0),
    "HammingWindow": _window(25 / 46, 21 / 46, 0.0),
    "BlackmanWindow": _window(0.42, 0.5, 0.08),
    "MelWeightMatrix": _mel,
    "STFT": _transforms,
}
