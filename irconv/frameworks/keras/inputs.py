"""The inputs of a Keras model as ports of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from irconv.frameworks.keras.builder import Builder
from irconv.ir.dtypes import SAFETENSORS_CODES
from irconv.ir.graph import Port


def input_port(builder: Builder, name: str, config: Mapping[str, Any]) -> Port:
    """A graph input; an unknown batch size is ``N``, other unknown sizes are named by their place."""
    if config.get("sparse") or config.get("ragged"):
        builder.problem(name, "expected a dense input, got a sparse or ragged one")
    sizes = config.get("batch_shape")  # Keras 3; of a single number it is empty
    sizes = config.get("batch_input_shape") if sizes is None else sizes  # Keras 1 and 2
    if sizes is None:
        builder.problem(name, "expected a shape of this input, of which the file says nothing")
        sizes = []
    if wrong := [size for size in sizes if size is not None and type(size) is not int]:
        builder.problem(name, f"expected sizes that are whole numbers, got {str(wrong)[:80]!r}")
        sizes = [size if type(size) is int else None for size in sizes]
    suffix = f"_{len(builder.inputs) + 1}" if builder.inputs else ""
    shape = tuple(
        size if size is not None else f"{letter}{suffix if axis else ''}"
        for axis, (size, letter) in enumerate(zip(sizes, _unknown_names(sizes)[: len(sizes)], strict=True))
    )
    dtype = config.get("dtype") or config.get("input_dtype") or "float32"  # Keras 1 has input_dtype
    if dtype not in SAFETENSORS_CODES:
        builder.problem(name, f"expected an input of numbers, got dtype {dtype!r}")
    return Port(name=name, value=name, dtype=dtype, shape=shape, axes="", source_axes="")


def _unknown_names(sizes: Iterable[int | None]) -> list[str]:
    """Symbols for the sizes of an input, of which those are used whose size is unknown."""
    sizes = list(sizes)
    unknown = [axis for axis, size in enumerate(sizes) if size is None and axis]
    images = {(4, (1, 2)): "NHWC", (4, (2, 3)): "NCHW", (3, (1,)): "NTC"}
    return list(images.get((len(sizes), tuple(unknown)), ["N", *(f"D{axis}" for axis in range(1, len(sizes)))]))
