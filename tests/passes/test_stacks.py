"""Steps that are computed one by one and stacked are computed of the whole sequence."""

from __future__ import annotations

import pytest

from irconv.ir.layers.activations import Relu, Tanh
from irconv.ir.layers.slicing import Select, Stack
from irconv.ir.layers.tensor_ops import Add, Concat
from tests.passes.test_recompose import Graph, recomposed

STEPS = (2, 4, 3)
ORDERS = {"forwards": (0, 1, 2, 3), "backwards": (3, 2, 1, 0)}


def steps(f: Graph, order: tuple[int, ...] = ORDERS["forwards"]) -> list[str]:
    return [f(Select(axis=1, index=index), "x") for index in order]


def test_two_directions_joined_step_by_step_are_joined_as_sequences() -> None:
    f = Graph(STEPS)
    pairs = zip(steps(f), steps(f, ORDERS["backwards"]), strict=True)
    joined = [f(Relu(), f(Concat(axis=1), *pair)) for pair in pairs]
    assert recomposed(f, f(Stack(axis=1), *joined), shape=STEPS) == ["Flip", "Concat", "Relu"]


@pytest.mark.parametrize("miss", ["order", "count", "layers", "batch"])
def test_steps_in_another_order_of_other_layers_or_with_batches_joined_stay(miss: str) -> None:
    f = Graph(STEPS)
    found = steps(f, (0, 2, 1, 3) if miss == "order" else (0, 1, 2) if miss == "count" else ORDERS["forwards"])
    made = [f(Relu() if miss != "layers" or i else Tanh(), step) for i, step in enumerate(found)]
    if miss == "batch":
        made = [f(Concat(axis=0), step, step) for step in found]
    assert "Stack" in recomposed(f, f(Stack(axis=1), *made), shape=STEPS)


def test_a_step_that_something_else_takes_is_still_there() -> None:
    f = Graph(STEPS)
    made = [f(Relu(), step) for step in steps(f)]
    found = recomposed(f, f(Stack(axis=1), *made), f(Add(), made[1], made[2]), shape=STEPS)
    assert "Stack" not in found
    assert found.count("Select") == 2
