"""What turns sound into features: windows, short Fourier transforms, mel filters."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op, element_type
from irconv.ir.layers.shape_ops import Squeeze
from irconv.ir.layers.signal import STFT
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
    shape, step = reader.shape(x), reader.number(op, 1)
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


HANDLERS: dict[str, Handler] = {
    "HannWindow": _window(0.5, 0.5, 0.0),
    "HammingWindow": _window(25 / 46, 21 / 46, 0.0),
    "BlackmanWindow": _window(0.42, 0.5, 0.08),
    "MelWeightMatrix": _mel,
    "STFT": _transforms,
}
