"""Recurrent layers, wrappers, masks and attention: what is refused, and what leaves no trace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

import irconv
from irconv.errors import Refused
from irconv.ir.layers.recurrent import GRU, LSTM
from tests.helpers import golden, read_case, rejection, used_types

Entry = dict[str, Any]


def changed(case: str, kind: str, change: Callable[[Entry], object], folder: Path) -> Path:
    """A golden file with every layer of a kind changed."""
    path = folder / "m.h5"
    shutil.copyfile(golden(case).model, path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for entry in config["config"]["layers"]:
            if entry["class_name"] == kind:
                change(entry)
        file.attrs["model_config"] = json.dumps(config)
    return path


def setting(**settings: Any) -> Callable[[Entry], object]:
    return lambda entry: entry["config"].update(settings)


def wrapped(**settings: Any) -> Callable[[Entry], object]:
    return lambda entry: entry["config"]["layer"].update(settings)


def cell(**settings: Any) -> Callable[[Entry], object]:
    return lambda entry: entry["config"]["cell"]["config"].update(settings)


@pytest.mark.parametrize(
    ("case", "kind", "change", "reason"),
    [
        ("tf2.15-bidirectional", "Bidirectional", setting(merge_mode="max"), "expected merge_mode to be one of concat"),
        ("tf2.15-bidirectional", "Bidirectional", wrapped(class_name="Dense"), "is around a Dense, and irconv knows"),
        (
            "tf2.15-recurrent_cells",
            "RNN",
            cell(reverse_state_order=True),
            "keeps the states of its cells in reverse order",
        ),
        ("tf2.15-recurrent_layers", "LSTM", setting(time_major=True), "expected time_major=False, got True"),
        ("tf2.15-recurrent_layers", "LSTM", setting(units=4), "units is 4, but the weights say 5"),
        ("tf2.15-recurrent_layers", "LSTM", setting(use_bias=False), "use_bias is False, but the file has a bias"),
        ("tf2.15-recurrent_layers", "GRU", setting(reset_after=False), "does not describe an array of rank 2"),
        ("tf2.15-recurrent_layers", "LSTM", setting(activation="softmax"), "is no activation: a pointwise function"),
        (
            "tf2.15-recurrent_layers",
            "LSTM",
            setting(activation="wobble"),
            "no rule for Activation with activation='wobble'",
        ),
        ("tf2.15-multi_head_attention", "MultiHeadAttention", setting(key_dim=7), "key_dim is 7, but the weights say"),
        (
            "tf2.15-multi_head_attention",
            "MultiHeadAttention",
            setting(attention_axes=[1, 2]),
            "attends along axes [1, 2]",
        ),
        ("tf2.15-attention_options", "Attention", setting(score_mode="cosine"), "Attention with score_mode='cosine'"),
        (
            "keras3.15-group_query_attention",
            "GroupedQueryAttention",
            setting(sliding_window=3),
            "sliding_window=None, got 3",
        ),
        (
            "tf2.15-masked_embedding",
            "GlobalAveragePooling1D",
            setting(data_format="channels_first"),
            "channels stand first",
        ),
    ],
)
def test_what_irconv_does_not_read_is_refused_by_name(
    case: str, kind: str, change: Callable[[Entry], object], reason: str, tmp_path: Path
) -> None:
    path = changed(case, kind, change, tmp_path)
    text = rejection(lambda: irconv.read(path), Refused)
    assert reason in text
    assert f"{path}: layer " in text


def test_a_mask_that_nobody_obeys_leaves_no_trace(tmp_path: Path) -> None:
    path = changed("tf2.15-masked_embedding", "Embedding", setting(mask_zero=False), tmp_path)
    assert {"NotEqual", "Where", "Cast"} & set(used_types(irconv.read(path))) <= {"Cast"}
    assert "NotEqual" in used_types(read_case(golden("tf2.15-masked_embedding")))


@pytest.mark.parametrize(
    ("case", "masked_output"),
    [
        ("keras2.3.1-masked_embedding", "repeat"),
        ("tf1.15-masked_embedding", "zero"),
        ("tf2.15-masked_embedding", "zero"),
    ],
)
def test_a_bidirectional_of_tf_keras_puts_zeros_where_a_sequence_is_masked(case: str, masked_output: str) -> None:
    lstms = [layer for layer in read_case(golden(case)).layers.values() if isinstance(layer, LSTM)]
    assert [(layer.reverse, layer.order) for layer in lstms] == [(False, "processing"), (True, "time")]
    assert {layer.masked_output for layer in lstms} == {masked_output}


def test_a_hard_sigmoid_means_another_function_since_keras_3() -> None:
    slopes = {}
    for case in ("tf2.15-recurrent_options", "keras3.15-recurrent_options"):
        layers = read_case(golden(case)).layers.values()
        gates = [layer.recurrent_activation for layer in layers if isinstance(layer, GRU | LSTM)]
        slopes[case] = {gate.settings()["slope"] for gate in gates if gate.type == "HardSigmoid"}
    assert slopes == {"tf2.15-recurrent_options": {0.2}, "keras3.15-recurrent_options": {1 / 6}}


def test_both_biases_of_a_gru_come_from_one_tensor_and_go_back_to_it() -> None:
    bundle = read_case(golden("tf2.15-recurrent_layers"))
    (name,) = (name for name, layer in bundle.layers.items() if isinstance(layer, GRU))
    pieces = [bundle.tensors[f"{name}.{role}"].record.source for role in ("bias_input", "bias_recurrent")]
    assert [
        (source.piece.index, source.piece.count, source.piece.whole) for source in pieces if source and source.piece
    ] == [
        (0, 2, (2, 9)),
        (1, 2, (2, 9)),
    ]
