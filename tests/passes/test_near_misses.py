"""A law of the rules that put layers together: what only looks like a match becomes no layer with other numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from irconv.passes import decompose, recompose
from irconv.passes.recompose.matcher import Rule
from irconv.passes.recompose.patterns import Number, Op, Pattern
from tests.layers.harness import bundle_of
from tests.layers.test_layers import CASES
from tests.passes.near_misses import REMEDY, faults
from tests.passes.test_recompose import graph_of_a_gelu


def test_layers_that_are_taken_apart_and_changed_are_not_put_together_with_other_numbers() -> None:
    """`tests.passes.test_recompose` does the same with what it puts together."""
    found = [
        f"{case.name}: {fault}" if fault else None
        for case in CASES
        for fault in faults(decompose.run(bundle_of(case), ()), {f"in.{slot}": x for slot, x in case.inputs.items()})
    ]
    wrong = [fault for fault in found if fault]
    assert not wrong, "\n".join(wrong)
    assert len(found) > 40, f"only {len(found)} near misses"


def careless(pattern: Pattern) -> Pattern:
    """A pattern that takes any number for the ones it should look at."""
    if isinstance(pattern, Number):
        return replace(pattern, value=None)
    return replace(pattern, inputs=tuple(map(careless, pattern.inputs))) if isinstance(pattern, Op) else pattern


def test_a_rule_that_does_not_look_at_a_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def loosened(rule: Rule) -> Rule:
        return replace(rule, pattern=careless(rule.pattern)) if rule.name == "gelu" else rule

    rules = {root: [loosened(rule) for rule in found] for root, found in recompose._BY_ROOT.items()}
    monkeypatch.setattr(recompose, "_BY_ROOT", rules)
    x = np.linspace(-2, 2, 120, dtype=np.float32).reshape(2, 3, 4, 5)
    wrong = [fault for fault in faults(graph_of_a_gelu(2**0.5), {"x": x}) if fault]
    assert len(wrong) == 3, wrong
    assert all(fault.endswith(f"(Constant), the rule 'gelu' gives other numbers. {REMEDY}") for fault in wrong)
