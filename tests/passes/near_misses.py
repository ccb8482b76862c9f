"""Near misses of the rules that put layers together: each number and axis of a match is changed, one at a time.

Whatever the rules then make has to compute what the changed graph computes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from irconv.errors import IrconvError
from irconv.execute import execute
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, LiteralOperand
from irconv.ir.layers.tensor_ops import Constant
from irconv.passes import recompose
from irconv.passes.recompose.matcher import Match, Rule, Work
from tests.helpers import Array

#: Settings that are changed: the number of an axis, several of them, and an order of axes.
_AXES = ("axis", "axes", "permutation")
REMEDY = (
    "Have its pattern or its build in irconv/passes/recompose look at that, and keep the near miss in "
    "tests/passes/test_recompose.py."
)


def fired(bundle: Bundle) -> tuple[Bundle, dict[str, set[str]]]:
    """The bundle put together, and the layers and constants of each match, by the name of the rule."""
    found: dict[str, set[str]] = {}
    replaced = Work._replaced

    def noted(self: Work, rule: Rule, number: Any, root: Node) -> bool:
        def build(match: Match) -> Any:
            made = rule.build(match)
            if made is not None:
                taken = {value for node in match.inside for value in node.inputs.values()}
                names = {node.layer for node in match.inside}
                names |= {node.layer for node in self.nodes.values() if taken & set(node.outputs.values())}
                found.setdefault(rule.name, set()).update(names)
            return made

        return replaced(self, replace(rule, build=build), number, root)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Work, "_replaced", noted)
        return recompose.run(bundle), found


def changed(layer: Layer) -> Iterator[tuple[str, Layer]]:
    """The layer with one number or one axis changed, and what was changed."""
    if isinstance(layer, Constant):
        value = layer.operands.get("value")
        if isinstance(value, LiteralOperand) and "float" in value.dtype and np.size(value.literal) == 1:
            other = (np.asarray(value.literal, np.float64) * 1.25 + 0.0625).tolist()
            operand = value.model_copy(update={"literal": other})
            yield f"{value.literal} made {other}", layer.model_copy(update={"operands": {"value": operand}})
        return
    settings = layer.settings()
    for name in _AXES:
        match settings.get(name):
            case int(axis) if axis > 0:
                yield f"{name} {axis} made {axis - 1}", layer.model_copy(update={name: axis - 1})
            case (*rest, int(axis)) if name == "axes" and axis > 0 and axis - 1 not in rest:
                yield f"the last of {name} made {axis - 1}", layer.model_copy(update={name: (*rest, axis - 1)})
            case (int(first), int(second), *rest) if name == "permutation":
                yield "two axes swapped", layer.model_copy(update={name: (second, first, *rest)})


def faults(parts: Bundle, inputs: Mapping[str, Array]) -> Iterator[str | None]:
    """For every near miss of what a graph has, None, or what was wrong; inputs are by port."""
    matched = fired(parts)[1]
    for name in sorted(set[str]().union(*matched.values())):
        for what, layer in changed(parts.layers[name]):
            other = replace(parts, layers={**parts.layers, name: layer})
            try:
                infer_types(other)
                wanted = execute(other, inputs, "numpy")
            except (IrconvError, ArithmeticError, IndexError, RuntimeError, ValueError):
                continue  # a graph that nobody has
            after, rules = fired(other)
            right = same(wanted, execute(after, inputs, "numpy"))
            yield (
                None
                if right
                else f"with {what} in {name} ({layer.type}), {_named(rules)} gives other numbers. {REMEDY}"
            )


def _named(rules: Collection[str]) -> str:
    return f"the rule {' or '.join(map(repr, rules))}" if rules else "a pass of recompose"


def same(wanted: dict[str, Array], got: dict[str, Array]) -> bool:
    """Equal but for rounding."""
    for name, want in wanted.items():
        largest = max(1.0, float(np.abs(want).max(initial=0)))
        if want.shape != got[name].shape or not np.allclose(got[name], want, 1e-4, 2e-5 * largest, equal_nan=True):
            return False
    return True
