"""Weights computed from other weights against torch's parametrisations."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.ir.layers.reparametrisation import SpectralNorm, WeightNorm
from tests.layers.harness import Arrays, Case, arrays

_V = arrays(31, v=(4, 3, 5, 2))["v"]


def _weight_norm(name: str, dim: int, shape: tuple[int, ...]) -> Case:
    g = arrays(32, g=shape)["g"]

    def run() -> Arrays:
        import torch

        return {"y": torch._weight_norm(torch.from_numpy(_V), torch.from_numpy(g), dim).numpy()}

    axes = tuple(axis for axis in range(4) if axis != dim)
    return Case(name, WeightNorm(axes=axes), {"v": _V, "g": g}, run, "torch._weight_norm")


def _weight_norm_of_module() -> Arrays:
    import torch

    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv2d(3, 4, (5, 2)), dim=None)
    state = {"bias": torch.zeros(4), "parametrizations.weight.original0": torch.tensor(1.7)}
    layer.load_state_dict({**state, "parametrizations.weight.original1": torch.from_numpy(_V)})
    return {"y": layer.weight.detach().numpy()}


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _spectral(name: str, axis: int, make: str) -> Case:
    """`make` names the layer whose weight it is; PyTorch takes axis 1 for transposed convolutions.

    u and v are what one round of power iteration makes of random vectors, as training does: sigma is then 85 % and more
    of the largest singular value (PyTorch does 15 rounds when the layer is made), still far from it. Vectors that are
    random through and through give a sigma a hundred times smaller than the terms it sums up, and PyTorch's own float32
    sum of them was 3e-6 from float64.
    """
    matrix = np.moveaxis(_V, axis, 0).reshape(_V.shape[axis], -1).astype(np.float64)
    start = arrays(33, u=(_V.shape[axis],))["u"]
    v = _unit(start @ matrix)
    u = _unit(matrix @ v)

    def run() -> Arrays:
        import torch

        transposed = make == "ConvTranspose2d"
        module: Any = getattr(torch.nn, make)(*((4, 3) if transposed else (3, 4)), (5, 2))
        layer = torch.nn.utils.parametrizations.spectral_norm(module).eval()
        state = {"original": _V, "0._u": u, "0._v": v}
        tensors = {f"parametrizations.weight.{key}": torch.from_numpy(value) for key, value in state.items()}
        layer.load_state_dict({**tensors, "bias": torch.zeros(3 if transposed else 4)})
        return {"y": layer.weight.detach().numpy()}

    against = f"torch.nn.utils.parametrizations.spectral_norm({make})"
    return Case(name, SpectralNorm(axis=axis), {"w": _V, "u": u, "v": v}, run, against)


CASES = [
    _weight_norm("a length for each output", 0, (4, 1, 1, 1)),
    _weight_norm("a length for each index of the last axis", 3, (1, 1, 1, 2)),
    Case(
        "one length for all",
        WeightNorm(axes=(0, 1, 2, 3)),
        {"v": _V, "g": np.array(1.7, np.float32)},
        _weight_norm_of_module,
        "torch.nn.utils.parametrizations.weight_norm(dim=None)",
    ),
    _spectral("a convolution", 0, "Conv2d"),
    _spectral("a transposed convolution", 1, "ConvTranspose2d"),
]
