"""Models for counting: deep ones with little in them, and one whose files are nearly all weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import irconv
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.layers.tensor_ops import Add, Flatten
from tests.helpers import Builder, numbers

CHANNELS = 6


def deep(depth: int) -> Bundle:
    """Convolutions, activations, sums of a value with one before it, and normalisations in turn: `depth` layers."""
    builder, values = Builder(x=("N", CHANNELS, 8, 8)), ["x"]
    conv = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding="same_upper")
    norm = BatchNorm(epsilon=1e-3, momentum=0.99)
    for number in range(depth):
        name, last = f"layer_{number}", values[-1]
        if number % 4 == 0:
            operands = {"kernel": numbers(CHANNELS, CHANNELS, 3, 2, seed=number), "bias": numbers(CHANNELS)}
            builder.add(name, conv, last, **operands)
        elif number % 4 == 1:
            builder.add(name, Relu(), last)
        elif number % 4 == 2:
            builder.add(name, Add(), last, values[-3])
        else:
            vectors = {role: np.abs(numbers(CHANNELS, seed=number)) + 1 for role in ("gamma", "mean", "variance")}
            builder.add(name, norm, last, beta=numbers(CHANNELS), **vectors)
        values.append(name)
    return builder.build()


def heavy() -> Bundle:
    """Two convolutions and a matrix after Flatten: 8.5 MB of weights in six tensors."""
    conv = Conv(stride=(2, 2), dilation=(1, 1), groups=1, padding="same_upper")
    builder = Builder(x=("N", 3, 32, 32))
    builder.add("first", conv, "x", kernel=numbers(128, 3, 3, 5), bias=numbers(128))
    builder.add("second", conv, "first", kernel=numbers(96, 128, 5, 3), bias=numbers(96))
    builder.add("flat", Flatten(start_axis=1), "second")
    builder.add("last", Linear(), "flat", kernel=numbers(320, 96 * 8 * 8), bias=numbers(320))
    return builder.build()


def weight_bytes(bundle: Bundle) -> int:
    """The bytes of its tensors."""
    return sum(tensor.data.nbytes for tensor in bundle.tensors.values())


def write(bundle: Bundle, folder: Path, name: str, suffix: str) -> Path:
    """The bundle as a file of the format of that suffix."""
    path = folder / f"{name}{suffix}"
    irconv.write(bundle, path)
    return path
