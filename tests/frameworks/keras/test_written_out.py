"""Operators of Keras 3 that others make up, and layers whose class has another name, saved by Keras and read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from tests.helpers import rejection

keras = pytest.importorskip("keras")
ops, layers = keras.ops, keras.layers

CASES: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "NaN and infinities": (lambda x: ops.nan_to_num(ops.log(x) / 0.0 * ops.sign(x), nan=0.5), ((5, 3),)),
    "infinities as said": (lambda x: ops.nan_to_num(x / 0.0, posinf=7.0, neginf=-8.0), ((5, 3),)),
    "logaddexp": (lambda x, y: ops.logaddexp(x * 30, y), ((5, 3), (5, 3))),
    "norm": (lambda x: ops.norm(x, axis=1), ((5, 3),)),
    "norm of order 1": (lambda x: ops.norm(x, ord=1, axis=-1, keepdims=True), ((5, 3),)),
    "norm of order infinity": (lambda x: ops.norm(x, ord=np.inf, axis=-1), ((5, 3),)),
    "norm of order 3": (lambda x: ops.norm(x, ord=3, axis=-1), ((5, 3),)),
    "norm of matrices": (lambda x: ops.norm(x, ord="fro", axis=(1, 2)), ((5, 3),)),
    "average by weights": (lambda x: ops.average(x, axis=-1, weights=np.arange(3.0, dtype=np.float32)), ((5, 3),)),
    "average": (lambda x: ops.average(x, axis=1), ((5, 3),)),
    "one of two": (lambda x: ops.select([x > 0.5, x < -0.5], [x, -x], 0.0), ((5, 3),)),
    "one of three": (lambda x, y: ops.select([x > 0.5, x < -0.5, y > 0], [x, -x, y], x * 9), ((5, 3), (5, 3))),
    "grey": (lambda x: ops.image.rgb_to_grayscale(x), ((6, 7, 3),)),  # noqa: PLW0108 a method of a lazy module
    "all of an axis": (lambda x: ops.unstack(x, axis=1), ((3, 4),)),
    "some of an axis": (lambda x: ops.unstack(x, num=3, axis=1)[1:], ((3, 4),)),
    "grouped queries": (lambda x: layers.GroupQueryAttention(4, 4, 2)(x, x), ((5, 6),)),
}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", CASES)
def test_it_is_read_as_keras_computes_it(name: str, suffix: str, tmp_path: Path) -> None:
    function, shapes = CASES[name]
    keras.utils.set_random_seed(3)
    inputs = [keras.Input(shape) for shape in shapes]
    model = keras.Model(inputs, function(*inputs))
    rng = np.random.default_rng(2)
    model.set_weights([rng.standard_normal(weight.shape).astype(weight.dtype) for weight in model.get_weights()])
    model.save(tmp_path / f"m{suffix}")
    feeds = [rng.standard_normal((2, *shape)).astype(np.float32) for shape in shapes]
    made = model(feeds)
    wanted = [np.asarray(value) for value in (made if isinstance(made, list | tuple) else [made])]
    got = list(irconv.run(tmp_path / f"m{suffix}", feeds).values())
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)


def test_norms_of_matrices_that_are_not_read_are_refused_by_name(tmp_path: Path) -> None:
    x = keras.Input((5, 3))
    keras.Model(x, ops.norm(x, ord=2, axis=(1, 2))).save(tmp_path / "m.keras")
    said = rejection(lambda: irconv.read(tmp_path / "m.keras"), Refused)
    assert "is a norm of order 2 of matrices, which irconv does not read" in said
