"""The first layer at which two sides part, whatever their values are called and however many there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from irconv.verification import layers
from irconv.verification.layers import Layers, parted
from irconv.verification.matching import Known, aligned
from irconv.verification.trace import Trace, Value
from tests.helpers import Array, numbers

Step = Callable[..., Array]


@dataclass
class Runtime:
    """Stands for a process: gives the values of a graph of functions by their names."""

    values_of: dict[str, Array]
    runtime: str = "test 1"
    asked: list[str] = field(default_factory=list)

    def values(self, arrays: Sequence[Array], names: Sequence[str]) -> list[tuple[str, Array]]:
        self.asked += names
        return [(name, self.values_of[name]) for name in names]


def trace(steps: Sequence[tuple[str, str, Sequence[str], Step]]) -> Trace:
    """The trace of a graph: name, type, what it takes (``x`` is the input), and the function."""
    made: dict[str, Array] = {"x": numbers(3, 4, 6, 5)}
    values: list[Value] = []
    for name, kind, takes, step in steps:
        made[name] = step(*(made[one] for one in takes))
        places = {value.name: place for place, value in enumerate(values)}
        values.append(Value(name, name, kind, tuple(places[one] for one in takes if one in places)))
    runtime: Any = Runtime(made)
    return Trace(tuple(values), runtime, (made["x"],), read=True)


def scaled(factor: float) -> Step:
    return lambda x: np.tanh(x * np.float32(factor))


def rolled(number: int) -> Step:
    return lambda x: np.roll(x, 1, -1) + np.float32(0.01) * numbers(5, seed=number)


def shifted(x: Array) -> Array:
    return x + np.float32(0.1)


def first(found: Layers) -> str:
    return found.parting.layer if found.parting else ""


CHAIN = [("a", "Conv", ["x"], scaled(1.1)), ("b", "Conv", ["a"], scaled(0.7)), ("c", "Linear", ["b"], scaled(1.3))]


def faulty(step: Step) -> Step:
    return lambda *x: shifted(step(*x))


def with_fault(steps: Sequence[Any], name: str) -> list[Any]:
    return [(n, k, t, faulty(s) if n == name else s) for n, k, t, s in steps]


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_the_first_layer_that_differs_is_named_and_so_is_its_difference(name: str) -> None:
    found = parted(trace(CHAIN), trace(with_fault(CHAIN, name)), 1e-5, agree=False)
    assert found.parting is not None
    assert (found.parting.layer, found.parting.other) == (name, name)
    assert found.parting.row.difference is not None
    assert found.parting.row.difference.max_abs == pytest.approx(0.1)
    document = found.document()
    assert document["first"]["layer"] == name
    assert [row["agrees"] for row in document["layers"]] == [n < name for n in "abc"]


def test_where_the_outputs_agree_nothing_is_first() -> None:
    found = parted(trace(CHAIN), trace(CHAIN), 1e-5, agree=True)
    assert found.document()["first"] is None
    assert all(row.agrees for row in found.rows)


def test_names_are_not_needed_and_neither_are_the_same_axes() -> None:
    steps = [("v1", "", ["x"], lambda x: scaled(1.1)(x).transpose(0, 2, 3, 1)), ("v2", "", ["v1"], scaled(0.7))]
    found = parted(trace(CHAIN), trace([*steps, ("v3", "", ["v2"], scaled(1.4))]), 1e-5, agree=False)
    assert found.parting is not None
    assert (found.parting.layer, found.parting.other, found.rows[1].other) == ("c", "v3", "v2")


def test_a_layer_that_the_other_side_computes_together_with_the_next_is_no_fault() -> None:
    folded = [("a", "", ["x"], lambda x: scaled(0.7)(scaled(1.1)(x))), ("c", "", ["a"], scaled(1.3))]
    found = parted(trace(CHAIN), trace(with_fault(folded, "c")), 1e-5, agree=False)
    assert first(found) == "c"
    assert [row.agrees for row in found.rows] == [False, True, False]


def test_where_a_folded_norm_hides_the_fault_all_layers_of_the_step_are_named() -> None:
    steps = [("a", "Conv", ["x"], scaled(1.1)), ("n", "BatchNorm", ["a"], scaled(0.7)), ("c", "Relu", ["n"], scaled(2))]
    folded = [("a", "", ["x"], lambda x: shifted(scaled(0.7)(scaled(1.1)(x)))), ("c", "", ["a"], scaled(2))]
    found = parted(trace(steps), trace(folded), 1e-5, agree=False)
    assert found.parting is not None
    assert found.parting.together == ("a", "n")


def test_a_branch_that_agrees_does_not_hide_the_fault_of_another() -> None:
    steps = [
        ("left", "Conv", ["x"], scaled(1.1)),
        ("right", "Conv", ["x"], scaled(0.4)),
        ("more", "Conv", ["right"], scaled(0.9)),
        ("sum", "Add", ["left", "more"], lambda a, b: a + b),
    ]
    for name in ("left", "right", "more", "sum"):
        assert first(parted(trace(steps), trace(with_fault(steps, name)), 1e-5, agree=False)) == name


def test_a_flatten_in_another_order_is_no_fault() -> None:
    steps = [("a", "Conv", ["x"], scaled(1.1)), ("flat", "Flatten", ["a"], lambda x: x.reshape(3, -1))]
    mine = [*steps, ("c", "Linear", ["flat"], lambda x: x[:, ::2])]
    last = [steps[0], ("flat", "", ["a"], lambda x: x.transpose(0, 2, 3, 1).reshape(3, -1))]
    theirs = [*last, ("c", "", ["a"], lambda x: shifted(x.reshape(3, -1)[:, ::2]))]
    assert first(parted(trace(mine), trace(theirs), 1e-5, agree=False)) == "c"


@pytest.mark.parametrize("renamed", [False, True])
def test_of_a_large_model_only_what_is_needed_is_looked_at(monkeypatch: pytest.MonkeyPatch, renamed: bool) -> None:
    monkeypatch.setattr(layers, "_AT_ONCE", 8)
    names = ["x", *(f"l{i}" for i in range(500))]
    steps = [(name, "Conv", [before], rolled(number)) for number, (before, name) in enumerate(pairwise(names))]
    a, b = trace(steps), trace(with_fault(steps, "l371"))
    if renamed:
        other = tuple(replace(value, name=f"{value.name}_") for value in b.values)
        runtime: Any = Runtime({f"{name}_": array for name, array in b.loaded.values_of.items()})  # type: ignore[attr-defined]
        b = replace(b, values=other, loaded=runtime)
    found = parted(a, b, 1e-5, agree=False)
    assert first(found) == "l371"
    assert found.unseen > 450
    assert len(a.loaded.asked) < 40  # type: ignore[attr-defined]


def test_values_that_alignment_pairs_are_compared_whatever_their_names() -> None:
    faulted = with_fault(CHAIN, "b")
    steps = [
        ("v" + name, kind, [one if one == "x" else "v" + one for one in takes], s) for name, kind, takes, s in faulted
    ]
    pairs = {"a": "va", "b": "vb", "c": "vc"}
    found = parted(trace(CHAIN), trace(steps), 1e-5, agree=False, pairs=pairs)
    assert found.parting is not None
    assert (found.parting.layer, found.parting.row.other, found.rows[2].other) == ("b", "vb", "vc")
    assert found.parting.row.difference is not None
    assert found.parting.row.difference.max_abs == pytest.approx(0.1)


def test_values_that_are_all_the_same_are_no_evidence() -> None:
    known = Known(1e-5)
    known.add(0, Value("zeros", "zeros", "", ()), np.zeros((4, 5), np.float32))
    known.add(1, Value("few", "few", "", ()), numbers(3))
    assert known.arrays == {}
    assert known.match(np.zeros((4, 5), np.float32), "zeros") == {}


def test_values_are_compared_with_time_before_batch_and_without_axes_of_length_1() -> None:
    shapes = [array.shape for array in aligned(numbers(7, 3, 6), (3, 7, 6))]
    assert shapes == [(3, 7, 6)]
    assert [array.shape for array in aligned(numbers(1, 3, 6), (3, 6))] == [(3, 6)]
    assert list(aligned(numbers(2, 3), (3, 3))) == []
