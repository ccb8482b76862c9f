"""State dicts for the tests of adoption, written without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

Arrays = dict[str, Any]


def arrays(seed: int, shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    """Unequal numbers in float32; running variances are positive."""
    rng = np.random.default_rng(seed)
    found = {name: rng.standard_normal(shape).astype("f") for name, shape in shapes.items()}
    return {name: np.abs(a) + 0.5 if name.endswith("running_var") else a for name, a in found.items()}


def saved(path: Path, tensors: Arrays) -> Path:
    """A safetensors file; its own library sorts it by name."""
    save_file({name: np.ascontiguousarray(a) for name, a in tensors.items()}, path)
    return path


def loaded(path: Path) -> Arrays:
    """The tensors of a safetensors file."""
    return load_file(path)


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    """The tensors of a BatchNorm of PyTorch's."""
    return {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
