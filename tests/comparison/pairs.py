"""Pairs of models for the tests of `irconv.comparison`: one network, and the same with something done to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from safetensors.numpy import load_file, save_file

import irconv
from irconv import api
from irconv.comparison.compare import Comparison
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.layers.pooling import MaxPool
from irconv.ir.layers.tensor_ops import Add, Flatten
from irconv.ir.tensors import LazyTensor
from irconv.options import DiffOptions
from tests.helpers import Array, Builder, golden, numbers

RESIDUAL = golden("tf2.15-residual").model
"""A residual network of Keras 2, channels last, with four BatchNorms and a Dense layer."""

CONV = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding=((1, 1), (1, 1)))


def network(epsilon: float = 1e-3, names: dict[str, str] | None = None, seed: int = 1, norm: bool = True) -> Bundle:
    """conv, BatchNorm, relu, conv, sum, pool, flatten, two matrices."""
    name = (names or {}).get
    conv, norms, after, fc1, fc2 = (name(n, n) for n in ("conv", "norm", "after", "fc1", "fc2"))
    made = Builder(x=("N", 3, 8, 6))
    made.add(conv, CONV, "x", kernel=numbers(5, 3, 3, 3, seed=seed), bias=numbers(5, seed=seed + 1))
    last = conv
    if norm:
        spread = np.abs(numbers(5, seed=seed + 2)) + np.float32(0.5)
        means = {
            "gamma": numbers(5, seed=seed + 3),
            "beta": numbers(5, seed=seed + 4),
            "mean": numbers(5, seed=seed + 5),
        }
        made.add(norms, BatchNorm(epsilon=epsilon, momentum=0.99), conv, **means, variance=spread)
        last = norms
    made.add("relu", Relu(), last)
    made.add(after, CONV, "relu", kernel=numbers(5, 5, 3, 3, seed=seed + 6), bias=numbers(5, seed=seed + 7))
    made.add("sum", Add(), "relu", after)
    pool = MaxPool(kernel=(2, 2), stride=(2, 2), dilation=(1, 1), padding=((0, 0), (0, 0)), ceil_mode=False)
    made.add("pool", pool, "sum")
    made.add("flat", Flatten(start_axis=1), "pool")
    made.add(fc1, Linear(), "flat", kernel=numbers(11, 60, seed=seed + 8), bias=numbers(11, seed=seed + 9))
    made.add(fc2, Linear(), fc1, kernel=numbers(11, 11, seed=seed + 10), bias=numbers(11, seed=seed + 11))
    return made.build()


def with_tensor(bundle: Bundle, key: str, change: Callable[[Array], Any]) -> Bundle:
    """The bundle with one tensor changed."""
    tensor = bundle.tensors[key]
    data = LazyTensor.of(np.ascontiguousarray(change(tensor.data.numpy().copy())))
    record = replace(tensor.record, shape=data.shape, dtype=data.dtype)
    return replace(bundle, tensors={**bundle.tensors, key: Tensor(record, data)})


def with_layer(bundle: Bundle, name: str, **settings: Any) -> Bundle:
    """The bundle with other settings of one layer."""
    layer: Layer = bundle.layers[name].model_copy(update=settings)
    return replace(bundle, layers={**bundle.layers, name: layer})


def next_number(array: Array, index: int = 4) -> Array:
    """The array with one element the next larger float."""
    array.flat[index] = np.nextafter(array.flat[index], np.float32(np.inf))
    return array


def as_safetensors(model: Path, folder: Path, change: Callable[[dict[str, Array]], object] | None = None) -> Path:
    """A model's weights for PyTorch, changed by safetensors' own library."""
    folder.mkdir(exist_ok=True)
    path = folder / "b.safetensors"
    irconv.convert(model, path)
    arrays = load_file(path)
    if change is not None:
        change(arrays)
        save_file({name: np.array(array, order="C") for name, array in arrays.items()}, path)
    return path


def as_hdf5(model: Path, folder: Path, change: Callable[[h5py.File], object]) -> Path:
    """A copy of an HDF5 file, changed by h5py."""
    path = folder / "b.h5"
    path.write_bytes(model.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def compared(a: Bundle | Path, b: Bundle | Path, **options: Any) -> Comparison:
    """The comparison."""
    return api.diff(a, b, DiffOptions(**options))


def statuses(comparison: Comparison) -> dict[str, tuple[str, ...]]:
    """What differs: the name on the first side that has it -> statuses."""
    return {entry.name: entry.status for entry in comparison.report.differing()}
