"""Files of the kinds that users reported, as the real Keras wrote them, with what it predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.ir.validate import validate
from irconv.options import WriteOptions
from tests.helpers import GOLDEN_ERROR, ROOT, error, turned

FOLDER = ROOT / "fixtures" / "keras_reports"
CASES = sorted(path for path in FOLDER.iterdir() if path.is_dir() and not path.name.startswith("_"))


def file_of(folder: Path) -> Path:
    return next(folder.glob("model.*"))


def arrays(folder: Path, kind: str) -> list[np.ndarray]:
    return [np.load(path) for path in sorted(folder.glob(f"{kind}_*.npy"))]


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_what_users_reported_predicts_what_keras_predicted(folder: Path) -> None:
    bundle = irconv.read(file_of(folder))
    assert not list(validate(bundle).all())
    got = irconv.run(bundle, arrays(folder, "x"))
    assert error(list(got.values()), arrays(folder, "y")) < GOLDEN_ERROR


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_keras_3_predicts_the_same_of_what_is_written_for_it(folder: Path, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    written = irconv.convert(file_of(folder), tmp_path / "m.keras", None, WriteOptions(merge=True))
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    inputs = turned(arrays(folder, "x"), written.inputs, "native")
    outputs = model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])
    listed = outputs if isinstance(outputs, list | tuple) else [outputs]
    keras.backend.clear_session()
    got = turned([np.asarray(output) for output in listed], written.outputs, "source")
    assert error(got, arrays(folder, "y")) < GOLDEN_ERROR


ALONE = FOLDER / "keras2.3.1-training_alone" / "model.h5"


def told(path: Path, target: Path) -> list[str]:
    written = irconv.convert(path, target)
    return [f"{fact.value} ({fact.evidence})" for fact in written.told if fact.name == "training_alone"]


def test_what_training_alone_does_is_told_where_the_target_does_not_say_it(tmp_path: Path) -> None:
    assert told(ALONE, tmp_path / "m.onnx") == [
        f"{what} (acts in training alone, and onnx does not say it)"
        for what in (
            "a: Dropout(rate=0.3, shared=[2, 3])",
            "b: SpatialDropout2D(rate=0.2, shared=[2, 3])",
            "g: GaussianNoise(deviation=0.1)",
            "al: AlphaDropout(rate=0.1, noise='alpha')",
            "gd: GaussianDropout(rate=0.25, noise='gaussian')",
            "c: trainable=False",
        )
    ]


def test_pytorch_is_given_what_training_alone_does(tmp_path: Path) -> None:
    assert told(ALONE, tmp_path / "m.py") == []
    text = (tmp_path / "m.py").read_text()
    wanted = ("nn.Dropout2d(0.3)", "nn.Dropout2d(0.2)", "GaussianNoise(0.1)", "nn.AlphaDropout(0.1)")
    assert all(f" = {module}" in text for module in (*wanted, "GaussianDropout(0.25)"))


def test_a_bundle_and_keras_keep_what_training_alone_does(tmp_path: Path) -> None:
    assert told(ALONE, tmp_path / "m.irconv") == told(ALONE, tmp_path / "m.keras") == []
    assert len(told(tmp_path / "m.irconv", tmp_path / "m.onnx")) == 6


def test_dropout_inside_of_recurrent_layers_is_told(tmp_path: Path) -> None:
    lost = told(FOLDER / "keras2.3.1-training_inside" / "model.h5", tmp_path / "m.py")
    assert [line.partition(" (acts")[0] for line in lost] == [
        "bidirectional_1: Bidirectional(recurrent_dropout=0.2)",
        "gru_1: GRU(recurrent_dropout=0.25)",
    ]
    text = (tmp_path / "m.py").read_text()
    assert "What training did besides is not in it:" in text
    assert all(line.partition(" (acts")[0] in text for line in lost)


def test_what_was_not_trained_needs_no_gradient_in_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="judged by the real PyTorch")
    irconv.convert(ALONE, tmp_path / "frozen_model.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    import importlib

    net = importlib.import_module("frozen_model").load()
    needs = {name: parameter.requires_grad for name, parameter in net.named_parameters()}
    assert needs == {"c.weight": False, "c.bias": False, "d.weight": True, "d.bias": True}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("adapted", ["dense: Dense(lora_rank=2)", "einsum_dense: EinsumDense(lora_rank=2)"]),
        ("normalised_again", ["batch_normalization: BatchNormalization(renorm=True)"]),
        ("sizes_in_proportion", ["random_crop: RandomCrop(height=5, width=4)"]),
    ],
)
def test_what_training_alone_goes_on_with_is_told(name: str, said: list[str], tmp_path: Path) -> None:
    lines = told(FOLDER / f"keras3.15-{name}" / "model.keras", tmp_path / "m.onnx")
    assert {f"{line} (acts in training alone, and onnx does not say it)" for line in said} <= set(lines)
