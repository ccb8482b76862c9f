"""Variables in parts: one tensor each, and lookups in them compute what TensorFlow 1.15.5 did."""

from __future__ import annotations

import numpy as np
import pytest

import irconv
from irconv.containers.tensor_slices import part_of, whole_of
from irconv.ir.tensors import LazyTensor
from irconv.options import ReadOptions
from tests.helpers import GOLDEN_ERROR, ROOT

FOLDER = ROOT / "fixtures" / "tensorflow" / "lookups"


def test_lookups_in_parts_compute_what_tensorflow_did() -> None:
    bundle = irconv.read(FOLDER / "model.ckpt", ReadOptions(inputs=("ids:0",), outputs=("y:0",)))
    with np.load(FOLDER / "values.npz") as values:
        (found,) = irconv.run(bundle, [values["ids"]]).values()
        assert np.abs(found - values["y"]).max() / np.abs(values["y"]).max() < GOLDEN_ERROR


def test_each_variable_is_one_tensor_under_its_key() -> None:
    bundle = irconv.read(FOLDER / "model.ckpt", ReadOptions(inputs=("ids:0",), outputs=("y:0",)))
    found = bundle.source_tensors()
    checkpoint = irconv.read(FOLDER / "model.ckpt.index", ReadOptions()).source_tensors()
    assert {name: tensor.shape for name, tensor in found.items()} == {"dealt": (11, 5), "cut": (10, 5), "wide": (5, 7)}
    for name, tensor in found.items():
        assert tensor.numpy().tobytes() == checkpoint[name].numpy().tobytes()
    assert "Linear" in {layer.type for layer in bundle.layers.values()}
    assert bundle.omitted == ()


WHOLE = LazyTensor.of(np.arange(35, dtype="float32").reshape(7, 5))


def parts(*spans: tuple[int, int], axis: int = 0) -> list[LazyTensor]:
    return [part_of(WHOLE, (span, None) if axis == 0 else (None, span), (7, 5)) for span in spans]


@pytest.mark.parametrize(("axis", "spans"), [(0, ((0, 3), (3, 4))), (1, ((0, 2), (2, 3)))])
def test_all_parts_in_order_are_the_whole(axis: int, spans: tuple[tuple[int, int], ...]) -> None:
    found = parts(*spans, axis=axis)
    assert whole_of(found, axis) is WHOLE
    assert np.array_equal(np.concatenate([part.numpy() for part in found], axis), WHOLE.numpy())


@pytest.mark.parametrize("spans", [((3, 4), (0, 3)), ((0, 3),), ((0, 3), (4, 3)), ((0, 3), (0, 3), (3, 4))])
def test_other_parts_are_not(spans: tuple[tuple[int, int], ...]) -> None:
    assert whole_of(parts(*spans), 0) is None
    assert whole_of(parts((0, 3), (3, 4)), 1) is None
    assert whole_of([WHOLE], 0) is None


def test_a_slice_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError) as caught:
        part_of(WHOLE, ((0, 2), None), (8, 5))
    assert str(caught.value) == "a slice of a variable of shape (8, 5), which has (7, 5)"
