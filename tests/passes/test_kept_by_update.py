"""A GRU whose update gate takes becomes one whose update gate keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import irconv
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import HardSigmoid, Sigmoid, Tanh
from irconv.ir.layers.base import Layer
from irconv.ir.layers.recurrent import GRU
from irconv.passes import kept_by_update, stored_operands
from tests.frameworks.theano.cases import case, read
from tests.helpers import GOLDEN_ERROR, error


def _with(gate: Layer, bundle: Bundle) -> Bundle:
    layers = {
        name: layer.model_copy(update={"recurrent_activation": gate}) if isinstance(layer, GRU) else layer
        for name, layer in bundle.layers.items()
    }
    return replace(bundle, layers=layers)


def _keeps(bundle: Bundle) -> list[str]:
    return [layer.update_keeps for layer in bundle.layers.values() if isinstance(layer, GRU)]


@pytest.mark.parametrize("name", ["gru-before-new", "gru-hard-new", "gru-after-new"])
def test_it_predicts_what_theano_predicted(name: str) -> None:
    found = case(name)
    turned = kept_by_update.run(stored_operands.run(read(found)))
    assert _keeps(turned) == ["old"]
    assert error(list(irconv.run(turned, found.inputs, runtime="numpy").values()), found.outputs) < GOLDEN_ERROR


def test_only_the_rows_of_the_update_gate_are_negated_bit_for_bit() -> None:
    before = stored_operands.run(read(case("gru-before-new")))
    after = kept_by_update.run(before)
    assert len(after.tensors) == len(before.tensors)
    for name in ("kernel", "recurrent_kernel", "bias_input"):
        old = before.tensors[f"g.{name}"].data.numpy()
        new = after.tensors[f"g.{name}, update gate negated"].data.numpy()
        units = len(old) // 3
        signs = np.repeat([1, -1, 1], units)
        assert np.array_equal(new, old * (signs if old.ndim == 1 else signs[:, None]))


@pytest.mark.parametrize(
    ("gate", "turns"),
    [(Sigmoid(), True), (HardSigmoid(slope=0.2, offset=0.5), True), (HardSigmoid(slope=0.2, offset=0.4), False)],
)
def test_gates_that_are_not_odd_about_a_half_stay(gate: Layer, turns: bool) -> None:
    bundle = _with(gate, stored_operands.run(read(case("gru-before-new"))))
    assert (kept_by_update.run(bundle) is not bundle) == turns
    assert _keeps(kept_by_update.run(bundle)) == ["old" if turns else "new"]


def test_a_gru_of_tanh_gates_and_one_that_keeps_already_stay() -> None:
    bundle = stored_operands.run(read(case("gru-before-new")))
    assert _keeps(kept_by_update.run(_with(Tanh(), bundle))) == ["new"]
    old = stored_operands.run(read(case("gru-before-old")))
    assert kept_by_update.run(old) is old
