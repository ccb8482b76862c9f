"""Settings of training that are no settings: they are left out, as nothing that a model predicts depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from irconv.frameworks.keras.dialect import DIALECTS
from irconv.frameworks.keras.training import _object


@pytest.mark.parametrize(
    "value", [{}, {"class_name": 3}, {"class_name": "Zeros", "config": [1]}, {"config": {}}, {"class_name": None}]
)
@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_what_is_no_object_is_left_out(value: Mapping[str, Any], dialect: Any) -> None:
    assert _object(value, dialect) is None


def test_a_regulariser_whose_strength_is_not_saved_is_told_by_its_name() -> None:
    from irconv.frameworks.keras.keras1_training import training

    found = training("Dense", {"W_regularizer": {"name": "EigenvalueRegularizer"}}, False)
    assert found == {
        "kernel_regularizer": {
            "class_name": "EigenvalueRegularizer",
            "config": {},
            "registered_name": "Keras 1>EigenvalueRegularizer",
        }
    }


@pytest.mark.parametrize("dialect", [one for one in DIALECTS if one.name in ("2.3", "1.15")], ids=str)
def test_old_versions_get_only_classes_that_they_know(dialect: Any) -> None:
    """Keras 2.2.4 and 2.3.1, and tf.keras 1.15, load no file that names another: "Unknown regularizer: L2"."""
    assert _object({"class_name": "L2", "config": {"l2": 0.5}}, dialect) == {
        "class_name": "L1L2",
        "config": {"l1": 0.0, "l2": 0.5},
    }
    assert _object({"class_name": "HeNormal", "config": {"seed": 3}}, dialect) == {
        "class_name": "VarianceScaling",
        "config": {"scale": 2.0, "mode": "fan_in", "distribution": "normal", "seed": 3},
    }
    assert _object({"class_name": "OrthogonalRegularizer", "config": {"factor": 0.1, "mode": "rows"}}, dialect) is None
