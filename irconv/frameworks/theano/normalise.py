"""An architecture with its arrays as native layers: activations stand alone, composite kinds are taken apart, defaults
are written out. Every native layer that results has a codec in the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irconv.codec import NativeModel
from irconv.errors import IrconvError
from irconv.frameworks.theano.architecture import Architecture
from irconv.frameworks.theano.builder import Builder, Part
from irconv.frameworks.theano.functions import ACTIVATIONS
from irconv.frameworks.theano.normalise_ops import OPS
from irconv.frameworks.theano.normalise_recurrent import RECURRENT
from irconv.frameworks.theano.normalise_windows import WINDOWS
from irconv.frameworks.theano.weights import Weights
from irconv.ir.graph import Port
from irconv.ir.layers.base import ValueType

_RULES: dict[str, Callable[[Part, Any], str]] = {**WINDOWS, **OPS, **RECURRENT}


def normalise(architecture: Architecture, weights: Weights) -> tuple[NativeModel, dict[str, ValueType]]:
    """The model, and the type of every value. Raises one error with every layer that cannot be understood."""
    builder = Builder(architecture, weights)
    _place_inputs(builder)
    for index, layer in enumerate(architecture.layers):
        if any(name not in builder.values for name in layer.inputs):
            continue  # a layer before this one failed, and says why
        where = f"{weights.where}: layers.{index} (layer {layer.name!r}, {layer.kind})"
        part = Part(builder, layer, where)
        try:
            value = _RULES[layer.kind](part, layer)
            builder.values[layer.name] = _activated(part, value)
        except IrconvError as error:
            for problem in error.problems:
                builder.problems.add(problem.where, problem.what, problem.remedy, kind=type(error))
    builder.problems.raise_any()
    return builder.model(), builder.types


def _place_inputs(builder: Builder) -> None:
    used: set[str] = set()
    for index, port in enumerate(builder.architecture.inputs):
        shape: list[int | str] = []
        for axis, size in enumerate(port.shape):
            letter = port.layout[axis] if port.layout else "N" if axis == 0 else f"S{axis}"
            symbol = "N" if axis == 0 and letter in ("N", "S0") else _symbol(letter, index, used)
            shape.append(symbol if size is None else size)
        if port.dtype not in ("float32", "float64", "int32", "int64", "uint8", "int8", "int16", "bool"):
            builder.problems.add(
                f"{builder.weights.where}: inputs.{index}.dtype", f"expected a type of Theano's, got {port.dtype!r}"
            )
        builder.types[port.name] = ValueType(port.dtype, tuple(shape))
        builder.values[port.name] = port.name
        builder.inputs.append(
            Port(name=port.name, value=port.name, dtype=port.dtype, shape=tuple(shape), axes="", source_axes="")
        )


def _symbol(letter: str, index: int, used: set[str]) -> str:
    """A name for an unknown size, other than those of the other inputs but for the batch."""
    name = letter if letter.isidentifier() and letter not in used else f"{letter}{index}"
    used.add(name)
    return name


def _activated(part: Part, value: str) -> str:
    """The value after the layer's activation, which recurrent layers have inside."""
    said = part.layer.activation
    if said is None or part.layer.kind in RECURRENT:
        return value
    kind = said if isinstance(said, str) else said.kind
    alpha = None if isinstance(said, str) else said.alpha
    if kind == "linear":
        return value
    main = part.layer.kind == "activation"
    if kind == "softmax":
        return part.add("softmax", {"axis": -1}, [value], name="activation", main=main)
    config: dict[str, Any] = {"op": kind}
    if "alpha" in ACTIVATIONS[kind].settings:
        if alpha is None and kind == "leaky_relu":
            raise part.refuse("leaky_relu needs its alpha", 'Write {"kind": "leaky_relu", "alpha": 0.01}.')
        config["alpha"] = 1.0 if alpha is None else alpha
    elif alpha is not None:
        raise part.refuse(f"{kind} has no alpha")
    return part.add("elementwise", config, [value], name="activation", main=main)
