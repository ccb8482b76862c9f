"""Operations of TensorFlow 1.15 that make as many elements as numbers say, read."""

from __future__ import annotations

import numpy as np
import pytest

import irconv
from irconv.ir.layers.selection import NonMaxSuppression
from irconv.options import ReadOptions
from tests.helpers import ROOT

FOLDER = ROOT / "fixtures" / "tensorflow" / "selection"
GIVEN = ("x", "words", "rows", "boxes", "scores")


def values() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "values.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", sorted(set(values()) - set(GIVEN)))
def test_what_tensorflow_chose_is_chosen(name: str) -> None:
    bundle = irconv.read(FOLDER / "selection.pb", ReadOptions(outputs=(name,)))
    assert bundle.graph is not None
    (found,) = irconv.run(bundle, [values()[port.name] for port in bundle.graph.inputs]).values()
    wanted = values()[name]
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert np.array_equal(found, wanted)


def test_a_threshold_that_lets_every_score_pass_is_none() -> None:
    bundle = irconv.read(FOLDER / "selection.pb", ReadOptions(outputs=("boxes_all",)))
    (layer,) = (layer for layer in bundle.layers.values() if isinstance(layer, NonMaxSuppression))
    assert "score_threshold" not in layer.operands
