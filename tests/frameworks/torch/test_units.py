"""Tensors of a state dict by the units that they are the weights of."""

from __future__ import annotations

import pytest

from irconv.frameworks.torch.units import units_of


@pytest.mark.parametrize(
    "shapes",
    [
        {"a.weight_ih_l0": (12, 4)},
        {"a.weight_hh_l0": (12, 3), "a.bias_hh_l0": (12,)},
        {"a.weight_ih_l0": (12, 4), "a.weight_hh_l0": (12,)},
        {"a.weight_ih_l0": (12, 4), "a.weight_hh_l0": (12, 0)},
    ],
)
def test_what_has_names_of_a_recurrent_layer_but_not_its_matrices_is_none(shapes: dict[str, tuple[int, ...]]) -> None:
    units = units_of(shapes)
    assert all(unit.family not in ("LSTM", "GRU", "RNN") for unit in units)
    assert sorted(part.name for unit in units for part in unit.parts.values()) == sorted(shapes)


def test_a_layer_with_its_matrices_is_whole() -> None:
    (unit,) = units_of({"a.weight_ih_l0": (12, 4), "a.weight_hh_l0": (12, 3), "a.bias_ih_l0": (12,)})
    assert (unit.family, sorted(unit.parts)) == ("LSTM", ["bias_input", "kernel", "recurrent_kernel"])
