"""A model as lines of text in canonical form, for tools that compare text: ``git diff`` with a textconv driver.

The same model gives the same lines in every format that keeps its names: a layer or a group a line with its settings, a
tensor a line with the digest of its numbers in canonical layout and a few statistics, which say how much has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from math import sqrt
from typing import Any

import numpy as np

from irconv.comparison.numbers import is_float
from irconv.comparison.settings import plain
from irconv.comparison.sides import Operand, Unit, side
from irconv.comparison.stream import blocks
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import LiteralOperand

_DIGITS = 16


def lines(bundle: Bundle) -> Iterator[str]:
    """The model, line by line; reads every tensor once."""
    source = bundle.source
    yield f"model of {' '.join(part for part in (source.framework, source.version) if part)}"
    uses: dict[str, list[Node]] = {}
    if bundle.graph is not None:
        for port in bundle.graph.inputs:
            yield f"input {port.name}: {port.dtype} {_shape(port.shape)} {port.axes}".rstrip()
        for node in bundle.graph.nodes:
            uses.setdefault(node.layer, []).append(node)
    for unit in side("", bundle).units.values():
        yield from _unit(unit, uses.get(unit.name, []))
    if bundle.graph is not None:
        for port in bundle.graph.outputs:
            yield f"output {port.name}: {port.dtype} {_shape(port.shape)} {port.axes} = {port.value}"


def _unit(unit: Unit, uses: list[Node]) -> Iterator[str]:
    if unit.layer is None:
        yield f"group {unit.name}{f' {unit.type}' if unit.type else ''}"
    else:
        settings = {name: plain(value) for name, value in unit.layer.settings().items()}
        said = "".join(f" {name}={_value(value)}" for name, value in settings.items())
        yield f"layer {unit.name} {unit.layer.type}{said}"
        for role, operand in unit.layer.operands.items():
            if isinstance(operand, LiteralOperand):
                yield f"  {role}: {operand.dtype} {_value(operand.literal)}"
    for node in uses:
        yield f"  {', '.join(node.outputs.values())} = {unit.name}({', '.join(node.inputs.values())})"
    for role, stored in unit.operands.items():
        yield f"  {role}: {_tensor(stored)}"


def _tensor(operand: Operand) -> str:
    data = operand.data
    kind = f"{data.dtype} {_shape(data.shape)}"
    digest = hashlib.blake2b(kind.encode(), digest_size=_DIGITS // 2)
    numbers = _Statistics()
    for block in blocks(data):
        contiguous = np.ascontiguousarray(block)
        digest.update(contiguous.view(np.uint8).data)
        numbers.add(contiguous)
    return f"{kind} {digest.hexdigest()}{numbers.text()}"


class _Statistics:
    """Mean, deviation and bounds of the finite numbers of a floating tensor."""

    def __init__(self) -> None:
        self.count, self.odd = 0, 0
        self.total = self.squares = 0.0
        self.low, self.high = np.inf, -np.inf

    def add(self, block: Any) -> None:
        if not is_float(block.dtype):
            return
        wide = block.astype(np.float64)
        finite = wide[np.isfinite(wide)]
        self.odd += wide.size - finite.size
        if finite.size:
            self.count += finite.size
            self.total += float(finite.sum())
            self.squares += float(np.vdot(finite, finite))
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))

    def text(self) -> str:
        odd = f" not_finite={self.odd}" if self.odd else ""
        if not self.count:
            return odd
        mean = self.total / self.count
        deviation = sqrt(max(0.0, self.squares / self.count - mean * mean))
        return f" mean={mean:.4g} std={deviation:.4g} min={self.low:.4g} max={self.high:.4g}{odd}"


def _shape(shape: tuple[int | str, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{_value(inner)}' for key, inner in value.items())}}}"
    return f"{value:.9g}" if isinstance(value, float) else str(value)
