"""Which stored array is which variable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from irconv.codec import NativeWeight
from irconv.errors import Refused
from irconv.frameworks.keras.matching import by_name
from irconv.frameworks.keras.variables import shown, snake_case, tree
from irconv.ir.tensors import LazyTensor
from tests.helpers import rejection


def dense(name: str, trainable: bool = True) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": name, "trainable": trainable, "use_bias": False}}


_LSTM = ("kernel", "recurrent_kernel", "bias")


def lstm(name: str) -> dict[str, Any]:
    return {"class_name": "LSTM", "config": {"name": name, "use_bias": True}}


def model(*layers: dict[str, Any], name: str = "m") -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def weights(*names: str) -> dict[str, NativeWeight]:
    return {name: NativeWeight(name, LazyTensor.of(np.zeros(1, np.float32))) for name in names}


def matched(entry: dict[str, Any], *names: str) -> dict[str, str]:
    return {local: weight.path for local, weight in by_name(tree(entry), weights(*names), "here").items()}


def test_names_go_before_the_order() -> None:
    found = matched(model(dense("a"), dense("b")), "b/kernel:0", "a/kernel:0")
    assert found == {"a/kernel": "a/kernel:0", "b/kernel": "b/kernel:0"}


def test_two_layers_of_one_name_are_told_apart_by_the_order_in_which_frozen_ones_come_last() -> None:
    inner = model(dense("d", trainable=False), name="inner")
    found = matched(model(inner, dense("d"), name="outer"), "d/kernel:0", "d_1/kernel:0")
    assert found == {"d/kernel": "d/kernel:0", "inner/d/kernel": "d_1/kernel:0"}


def test_names_that_no_order_explains_are_refused() -> None:
    text = rejection(lambda: matched(model(dense("a"), dense("b")), "x/kernel:0", "y/kernel:0"), Refused)
    assert text == (
        "here: expected weights that are told apart by name, a/kernel, b/kernel, "
        "but the file lists x/kernel:0, y/kernel:0."
    )


def test_alike_endings_of_a_layer_that_is_not_known_keep_what_stands_before_them() -> None:
    entry = {"class_name": "Mine", "config": {"name": "mine"}}
    assert matched(entry, "mine/scale:0", "mine/shift:0") == {"scale": "mine/scale:0", "shift": "mine/shift:0"}
    assert matched(entry, "mine/a/scale:0", "mine/b/scale:0") == {
        "a/scale": "mine/a/scale:0",
        "b/scale": "mine/b/scale:0",
    }


def test_the_group_is_the_layer_whatever_its_names_say() -> None:
    assert matched(dense("a"), "b/kernel:0") == {"kernel": "b/kernel:0"}
    turned = {"class_name": "Bidirectional", "config": {"name": "new", "layer": lstm("new")}}
    names = [f"old/{way}_old/lstm_cell/{name}:0" for way in ("forward", "backward") for name in _LSTM]
    assert list(matched(turned, *names).values()) == names
    swapped = [*names[3:], *names[:3]]
    assert "told apart by name" in rejection(lambda: matched(turned, *swapped), Refused)


def test_slashes_in_the_names_of_layers_are_no_parts_of_a_path() -> None:
    whole = model(model(dense("a/b"), dense("b"), name="a"), dense("c/a"), name="m")
    found = matched(whole, "c/a/kernel:0", "b/kernel:0", "a/b/kernel:0")
    assert {tuple(map(shown, local.split("/"))): path for local, path in found.items()} == {
        ("a", "a/b", "kernel"): "a/b/kernel:0",
        ("a", "b", "kernel"): "b/kernel:0",
        ("c/a", "kernel"): "c/a/kernel:0",
    }


def test_what_is_left_in_a_model_is_of_its_layers_that_are_not_known() -> None:
    mine = {"class_name": "Mine", "config": {"name": "mine"}}
    found = matched(model(dense("a"), mine), "a/kernel:0", "mine/w:0", "mine/deep/w:0")
    assert found == {"a/kernel": "a/kernel:0", "mine/w": "mine/w:0", "mine/deep/w": "mine/deep/w:0"}


@pytest.mark.parametrize(
    ("entry", "paths"),
    [
        (
            {"class_name": "LSTM", "config": {"name": "l", "use_bias": True}},
            ["cell/kernel", "cell/recurrent_kernel", "cell/bias"],
        ),
        (
            {
                "class_name": "Bidirectional",
                "config": {
                    "name": "b",
                    "layer": {"class_name": "SimpleRNN", "config": {"name": "r", "use_bias": False}},
                },
            },
            [f"{way}_layer/cell/{name}" for way in ("forward", "backward") for name in ("kernel", "recurrent_kernel")],
        ),
        (
            {"class_name": "BatchNormalization", "config": {"name": "n", "scale": False, "center": True}},
            ["beta", "moving_mean", "moving_variance"],
        ),
        (
            {"class_name": "MultiHeadAttention", "config": {"name": "m", "use_bias": False}},
            [f"{part}_dense/kernel" for part in ("query", "key", "value", "output")],
        ),
        ({"class_name": "Normalization", "config": {"name": "n", "mean": [1.0]}}, []),
    ],
)
def test_the_variables_of_a_layer_have_names_by_their_place(entry: dict[str, Any], paths: list[str]) -> None:
    assert [variable.path for variable in tree(entry).variables()] == paths


def test_class_names_are_spelt_as_archives_spell_them() -> None:
    words = ["Conv2DTranspose", "PReLU", "MultiHeadAttention", "LSTMCell", "RMSNormalization"]
    assert [snake_case(word) for word in words] == [
        "conv2d_transpose",
        "p_re_lu",
        "multi_head_attention",
        "lstm_cell",
        "rms_normalization",
    ]
