"""What decides the meaning of a setting where versions of Keras differ."""

from __future__ import annotations

from typing import Any

import pytest

from irconv.frameworks.keras.facts import Facts
from irconv.frameworks.keras.precision import computes_in, is_known
from irconv.frameworks.keras.spelling import interpolation, says_ragged


def layer(**config: Any) -> dict[str, Any]:
    return {"class_name": "InputLayer", "config": config}


def test_input_layers_at_any_depth_say_whether_they_know_ragged_tensors() -> None:
    assert says_ragged({"config": {"layers": [layer(sparse=False)]}}) is False
    assert says_ragged({"config": [{"config": {"layers": [layer(ragged=False)]}}]}) is True
    assert says_ragged({"config": {"layers": []}}) is None


@pytest.mark.parametrize(
    ("release", "ragged", "word", "refused"),
    [
        ("2.2.4-tf", True, "bilinear", []),
        ("2.2.4-tf", False, "legacy_bilinear", []),
        ("2.3.0-tf", None, "bilinear", []),
        (
            "2.2.4-tf",
            None,
            "legacy_bilinear",
            [
                "is bilinear, which TensorFlow 1.15 changed, and without an InputLayer the file does not show which of "
                "TensorFlow 1.13, 1.14, 1.15 and 2.0 wrote it"
            ],
        ),
    ],
)
def test_bilinear_is_that_of_the_tensorflow_that_wrote_the_file(
    release: str, ragged: bool | None, word: str, refused: list[str]
) -> None:
    problems: list[str] = []
    assert interpolation(Facts("m.h5", "tensorflow", 2, release, ragged), "bilinear", False, problems.append) == word
    assert problems == refused


@pytest.mark.parametrize(
    ("kind", "dtype", "outer", "compute"),
    [
        ("Dense", "mixed_float16", "", "float16"),
        ("Dense", {"config": {"name": "bfloat16"}}, "", "bfloat16"),
        ("Dense", {"config": {"mode": "int8", "source_name": "float32"}}, "", "float32"),
        ("LSTMCell", None, "float16", "float16"),
        ("Functional", "mixed_float16", "float16", ""),
        ("ops.Add", "mixed_float16", "float16", ""),
    ],
)
def test_a_layer_computes_in_the_type_of_its_policy(kind: str, dtype: Any, outer: str, compute: str) -> None:
    assert computes_in(kind, {"dtype": dtype}, outer) == compute


def test_only_policies_of_floats_are_known() -> None:
    assert [name for name in ("float32", "mixed_float16", "mixed_float32", "int8", "float8") if is_known(name)] == [
        "float32",
        "mixed_float16",
    ]
