"""An architecture with its arrays, layer after layer: activations stand alone, composite kinds are taken apart,
defaults are written out. Every native layer that results has a codec in the table, by which it is decoded at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from irconv import edits
from irconv.errors import MissingFact, Problems
from irconv.frameworks.theano.architecture import Architecture
from irconv.frameworks.theano.builder import Builder, Part
from irconv.frameworks.theano.functions import ACTIVATIONS
from irconv.frameworks.theano.kinds import Unread
from irconv.frameworks.theano.normalise_ops import OPS
from irconv.frameworks.theano.normalise_recurrent import RECURRENT
from irconv.frameworks.theano.normalise_windows import WINDOWS
from irconv.frameworks.theano.table import TABLE
from irconv.frameworks.theano.weights import Weights
from irconv.ir.graph import Port
from irconv.options import ReadOptions
from irconv.translate import Decoder

_RULES: dict[str, Callable[[Part, Any], str]] = {**WINDOWS, **OPS, **RECURRENT}


def normalise(architecture: Architecture, weights: Weights, options: ReadOptions) -> Builder:
    """The layers that the outputs need, decoded, with what the user asks to change. What cannot be understood is noted
    in the builder's importer, for every layer.

    Raises `MissingFact` for layers to change that the architecture does not have.
    """
    builder = Builder(architecture, weights, Decoder(TABLE, weights.arrays.path.name, options))
    builder.decoder.replaced = _replaced(architecture, options)
    needed = _needed(architecture, options)
    _place_inputs(builder, needed)
    for index, layer in enumerate(architecture.layers):
        where = f"{weights.where}: layers.{index} (layer {layer.name!r}, {layer.kind})"
        if layer.name not in needed:
            builder.skipped.append(layer)
        elif all(name in builder.values for name in layer.inputs):  # else one of them failed, and says why
            part = Part(builder, layer, where)
            with builder.importer.reading(where, ()):
                rule = _unread if isinstance(layer, Unread) else _RULES[layer.kind]
                builder.values[layer.name] = _activated(part, rule(part, layer))
    _check_replaced(builder)
    return builder


def _unread(part: Part, layer: Any) -> str:
    """A layer with its own fields and arrays, which a plugin's codec reads, or none."""
    return part.add(layer.kind, layer.settings, part.inputs, part.tensors(*layer.arrays), main=True)


def _replaced(architecture: Architecture, options: ReadOptions) -> dict[str, str]:
    """Native layer -> the wish that it be the identity."""
    problems, found = Problems(), dict[str, str]()
    for wish in options.replace:
        with problems.collect():
            name = edits.said_layer(wish)
            architecture.owner(name, f"--replace {name}")
            found[name] = wish
    problems.raise_any()
    return found


def _check_replaced(builder: Builder) -> None:
    """Note the layers to replace that no layer of the architecture is taken apart into."""
    skipped = {layer.name for layer in builder.skipped}
    for name in builder.decoder.replaced:
        owner = builder.architecture.owner(name, f"--replace {name}")
        if name not in builder.layers and owner in builder.values and owner not in skipped:
            builder.importer.problem(f"--replace {name}", edits.NO_LAYER, kind=MissingFact)


def _needed(architecture: Architecture, options: ReadOptions) -> set[str]:
    """The layers and inputs that the results of those to read until depend on; without such all."""
    if not options.until:
        return {*(port.name for port in architecture.inputs), *(layer.name for layer in architecture.layers)}
    problems, needed = Problems(), set[str]()
    for name in options.until:
        with problems.collect():
            needed.add(architecture.owner(name, f"--until {name}"))
    problems.raise_any()
    for layer in reversed(architecture.layers):
        if layer.name in needed:
            needed |= set(layer.inputs)
    return needed


def _place_inputs(builder: Builder, needed: Collection[str]) -> None:
    used: set[str] = set()
    for index, port in enumerate(builder.architecture.inputs):
        shape: list[int | str] = []
        for axis, size in enumerate(port.shape):
            letter = port.layout[axis] if port.layout else "N" if axis == 0 else f"S{axis}"
            symbol = "N" if axis == 0 and letter in ("N", "S0") else _symbol(letter, index, used)
            shape.append(symbol if size is None else size)
        if port.dtype not in ("float32", "float64", "int32", "int64", "uint8", "int8", "int16", "bool"):
            builder.importer.problem(
                f"{builder.weights.where}: inputs.{index}.dtype", f"expected a type of Theano's, got {port.dtype!r}"
            )
        if port.name in needed:
            made = Port(name=port.name, value=port.name, dtype=port.dtype, shape=tuple(shape), axes="", source_axes="")
            builder.values[port.name] = builder.importer.input(made)


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
