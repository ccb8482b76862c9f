"""Blocks of Keras in TensorFlow's graphs, as layers again; resizes of TensorFlow 1; branches that data decides."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.ir.bundle import Bundle
from irconv.options import ReadOptions
from tests.helpers import GOLDEN_ERROR, ROOT

FOLDER = ROOT / "fixtures" / "tensorflow"
BLOCKS = FOLDER / "blocks"
RECURRENT = FOLDER / "recurrent"
STEPS = FOLDER / "steps"


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def kinds(bundle: Bundle) -> Counter[str]:
    assert bundle.graph is not None
    return Counter(bundle.layers[node.layer].type for node in bundle.graph.nodes)


@pytest.mark.parametrize("name", ["keras2", "keras3"])
def test_a_transformer_block_of_keras_is_made_of_layers(name: str) -> None:
    bundle = irconv.read(BLOCKS / f"{name}.pb")
    found = kinds(bundle)
    assert (found["Linear"], found["LayerNorm"], found["Gelu"], found["Transpose"]) == (2, 2, 1, 0)
    assert (found["MultiHeadAttention"], found["Softmax"], found["Einsum"], found["Reshape"]) == (1, 0, 0, 0)
    assert not {"Erf", "Rsqrt", "Square", "InstanceNorm", "ChannelAffine"} & found.keys()
    with np.load(BLOCKS / f"{name}.npz") as values:
        (y,) = irconv.run(bundle, [values["x"]]).values()
        assert error(y, values["y"]) < GOLDEN_ERROR


@pytest.mark.parametrize("name", ["keras2", "keras3"])
def test_a_transformer_block_predicts_the_same_in_keras(name: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    irconv.convert(BLOCKS / f"{name}.pb", tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    with np.load(BLOCKS / f"{name}.npz") as values:
        assert error(np.asarray(model(values["x"])), values["y"]) < GOLDEN_ERROR


def test_resizes_of_tensorflow_1_are_read_and_written_for_keras(tmp_path: Path) -> None:
    bundle = irconv.read(BLOCKS / "resizes.pb")
    assert kinds(bundle) == {"Resize": 5}
    irconv.write(bundle, tmp_path / "m.keras")
    again = irconv.read(tmp_path / "m.keras")
    with np.load(BLOCKS / "resizes.npz") as values:
        wanted = [values[key] for key in ("bilinear", "centred", "corners", "nearest", "nearest_corners")]
        for made in (bundle, again):
            assert made.graph is not None
            x = values["x"] if made.graph.inputs[0].source_axes != "NCHW" else values["x"].transpose(0, 3, 1, 2)
            for y, right in zip(irconv.run(made, [x]).values(), wanted, strict=True):
                lies = y if y.shape == right.shape else y.transpose(0, 2, 3, 1)
                assert error(lies, right) < GOLDEN_ERROR


def test_branches_that_lengths_decide_are_both_computed_and_chosen_from() -> None:
    bundle = irconv.read(RECURRENT / "unrolled_lengths.pb", ReadOptions(outputs=("y0", "y1", "y2")))
    with np.load(RECURRENT / "values.npz") as values:
        assert bundle.graph is not None
        given = [values[port.name] for port in bundle.graph.inputs]
        for i, y in enumerate(irconv.run(bundle, given).values()):
            assert error(y, values[f"unrolled_lengths:y{i}"]) < GOLDEN_ERROR


@pytest.mark.parametrize("name", ["fused", "short", "second"])
def test_an_operation_over_all_steps_at_once_is_a_layer_or_a_loop_over_them(name: str) -> None:
    with np.load(STEPS / "values.npz") as values:
        wanted = [values[key] for key in sorted(values) if key.startswith(f"{name}:")]
        bundle = irconv.read(STEPS / f"{name}.pb", ReadOptions(outputs=tuple(f"y{i}" for i in range(len(wanted)))))
        assert kinds(bundle)["Scan" if name != "fused" else "LSTM"] == 1
        for y, right in zip(irconv.run(bundle, [values["x"]]).values(), wanted, strict=True):
            assert error(y, right) < GOLDEN_ERROR


def test_an_operation_over_all_steps_is_an_lstm_where_its_states_alone_are_taken() -> None:
    bundle = irconv.read(STEPS / "fused.pb", ReadOptions(outputs=("y0", "y2")))
    found = kinds(bundle)
    assert (found["LSTM"], found["Scan"]) == (1, 0)
    with np.load(STEPS / "values.npz") as values:
        for y, right in zip(
            irconv.run(bundle, [values["x"]]).values(), (values["fused:y0"], values["fused:y2"]), strict=True
        ):
            assert error(y, right) < GOLDEN_ERROR


def test_an_operation_over_all_steps_knows_the_lengths_of_its_sequences() -> None:
    bundle = irconv.read(RECURRENT / "fused.pb", ReadOptions(outputs=("y0", "y1", "y2")))
    with np.load(RECURRENT / "values.npz") as values:
        assert bundle.graph is not None
        given = [values[port.name] for port in bundle.graph.inputs]
        for i, y in enumerate(irconv.run(bundle, given).values()):
            assert error(y, values[f"fused:y{i}"]) < GOLDEN_ERROR
