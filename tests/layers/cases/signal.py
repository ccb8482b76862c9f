"""Fourier transforms against NumPy and torch."""

from __future__ import annotations

import numpy as np

from irconv.ir.layers.signal import DFT, STFT
from irconv.ir.shapes import Shape
from tests.layers.harness import Case, arrays


def _pairs(values: np.ndarray) -> np.ndarray:
    return np.stack([values.real, values.imag], -1).astype(np.float32)


def _forward(name: str, shape: tuple[int, ...], axis: int, onesided: bool, declared: Shape) -> Case:
    x = arrays(61, x=shape)["x"]
    values = x[..., 0] if shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]
    layer = DFT(axis=axis, inverse=False, onesided=onesided, length=None)
    transform = np.fft.rfft if onesided else np.fft.fft
    against = f"numpy.fft.{transform.__name__}"

    def run() -> dict[str, np.ndarray]:
        return {"y": _pairs(transform(values, axis=axis))}

    return Case(name, layer, {"x": x}, run, against, shapes={"x": declared})


def _inverse(name: str, shape: tuple[int, ...], axis: int, length: int | None, declared: Shape) -> Case:
    x = arrays(62, x=shape)["x"]
    values = x[..., 0] + 1j * x[..., 1]
    layer = DFT(axis=axis, inverse=True, onesided=length is not None, length=length)

    def run() -> dict[str, np.ndarray]:
        if length is None:
            return {"y": _pairs(np.fft.ifft(values, axis=axis))}
        return {"y": np.fft.irfft(values, length, axis)[..., None].astype(np.float32)}

    return Case(name, layer, {"x": x}, run, "numpy.fft.ifft and irfft", shapes={"x": declared})


def _stft(name: str, samples: int, width: int, hop: int) -> Case:
    x, window = arrays(63, x=(2, samples))["x"], np.hamming(width).astype(np.float32)

    def run() -> dict[str, np.ndarray]:
        import torch

        found = torch.stft(
            torch.from_numpy(x), width, hop, width, torch.from_numpy(window), center=False, return_complex=True
        )
        return {"y": torch.view_as_real(found).transpose(1, 2).contiguous().numpy()}

    return Case(name, STFT(hop=hop), {"x": x}, run, "torch.stft", {"window": window}, shapes={"x": ("N", "T")})


CASES = [
    _forward("real values, 15 of them", (3, 15, 4, 1), 1, False, ("N", 15, 4, 1)),
    _forward("complex values, 12 of them", (3, 4, 12, 2), 2, False, ("N", 4, 12, 2)),
    _forward("complex values, 16 of them", (3, 16, 2), 1, False, ("N", 16, 2)),
    _forward("one side of 15", (3, 15, 1), 1, True, ("N", 15, 1)),
    _forward("one side of 20, axis in the middle", (3, 20, 5, 1), 1, True, ("N", 20, "T", 1)),
    _forward("one side of an unknown number", (3, 16, 1), 1, True, ("N", "T", 1)),
    _inverse("15 complex values", (3, 15, 4, 2), 1, None, ("N", 15, 4, 2)),
    _inverse("16 complex values", (3, 16, 2), 1, None, ("N", 16, 2)),
    _inverse("15 real values from one side", (3, 8, 4, 2), 1, 15, ("N", 8, 4, 2)),
    _inverse("18 real values from one side", (3, 10, 2), 1, 18, ("N", 10, 2)),
    _inverse("16 real values from one side", (3, 9, 2), 1, 16, ("N", 9, 2)),
    _stft("windows of 20", 113, 20, 7),
    _stft("windows of 32", 200, 32, 16),
    _stft("windows of an odd number", 113, 25, 10),
]
