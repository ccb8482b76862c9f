"""What acts in training alone goes from framework to framework: judged by the real ones, in training.

Whole channels vanish, noise has the deviation that it had, and what a target does not say is told.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv.frameworks import EVERY_NOISE, NOISE
from irconv.ir.layers.training import Augmentation, Dropout, GaussianNoise
from irconv.passes import training
from tests.helpers import ROOT

torch = pytest.importorskip("torch", reason="judged by the real PyTorch")
keras = pytest.importorskip("keras", reason="judged by the real Keras 3")


pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    torch.manual_seed(5)
    keras.utils.set_random_seed(5)
    yield
    keras.backend.clear_session()


def in_torch(path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that an emitted file loads, in training."""
    monkeypatch.syspath_prepend(str(path.parent))
    importlib.invalidate_caches()
    return importlib.import_module(path.stem).load().train()


def of_keras(tmp_path: Path, shape: tuple[int, ...], *layers: Any) -> Path:
    inputs = keras.Input(shape)
    value = inputs
    for layer in layers:
        value = layer(value)
    keras.Model(inputs, value).save(tmp_path / "source.keras")
    return tmp_path / "source.keras"


def gone(x: np.ndarray, axes: tuple[int, ...], value: float = 0.0) -> float:
    """The share of what is `value`, which along these axes must be everything or nothing."""
    lost = np.isclose(x, value)
    assert (lost.all(axis=axes) == lost.any(axis=axes)).all()
    return float(lost.mean())


def test_spatial_dropout_of_keras_is_dropout_of_whole_channels_in_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    L = keras.layers
    path = of_keras(tmp_path, (9, 7, 3), L.Conv2D(40, 1), L.SpatialDropout2D(0.25))
    written = irconv.convert(path, tmp_path / "spatial_one.py")
    assert not written.told
    assert "nn.Dropout2d(0.25)" in (tmp_path / "spatial_one.py").read_text()
    net = in_torch(tmp_path / "spatial_one.py", monkeypatch)
    y = next(part for part in net.modules() if isinstance(part, torch.nn.Dropout2d))(torch.ones(8, 40, 9, 7)).numpy()
    assert 0.15 < gone(y, (2, 3)) < 0.35
    assert np.allclose(y[y != 0], 1 / 0.75)


def test_a_noise_shape_of_one_axis_is_kept_for_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = of_keras(tmp_path, (30, 40), keras.layers.Dropout(0.4, noise_shape=(None, 1, 40)), keras.layers.Dense(40))
    irconv.convert(path, tmp_path / "steps.py")
    text = (tmp_path / "steps.py").read_text()
    assert "SharedDropout(0.4, [1])" in text
    net = in_torch(tmp_path / "steps.py", monkeypatch)
    drop = next(part for part in net.modules() if type(part).__name__ == "SharedDropout")
    assert 0.25 < gone(drop(torch.ones(8, 30, 40)).numpy(), (1,)) < 0.55


def test_noise_of_keras_has_its_deviation_in_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    L = keras.layers
    for name, layer, deviation in (
        ("added", L.GaussianNoise(0.3), 0.3),
        ("multiplied", L.GaussianDropout(0.2), 0.5),
        ("alpha", L.AlphaDropout(0.2), None),
        ("alpha_shared", L.AlphaDropout(0.2, noise_shape=(None, 1)), None),
    ):
        irconv.convert(of_keras(tmp_path, (64,), layer), tmp_path / f"noise_{name}.py")
        net = in_torch(tmp_path / f"noise_{name}.py", monkeypatch)
        if deviation is not None:
            y = net(torch.ones(400, 64)).numpy()
            assert abs(y.std() - deviation) < 0.02
        else:  # mean and variance of normal numbers stay
            y = net(torch.randn(4000, 64)).numpy()
            assert abs(y.mean()) < 0.05
            assert abs(y.std() - 1) < 0.05
        x = torch.ones(3, 64)
        assert torch.equal(net.eval()(x), x)


def chain(tmp_path: Path, *modules: Any) -> Path:
    torch.save(torch.nn.Sequential(*modules), tmp_path / "source.pt")
    return tmp_path / "source.pt"


def test_dropout_of_whole_channels_of_pytorch_is_spatial_dropout_in_keras(tmp_path: Path) -> None:
    path = chain(tmp_path, torch.nn.Conv2d(3, 40, 1), torch.nn.Dropout2d(0.25))
    irconv.convert(path, tmp_path / "m.keras", irconv.ReadOptions(input_shape=("N,3,9,7",)))
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    drops = [layer for layer in model.layers if isinstance(layer, keras.layers.SpatialDropout2D)]
    assert [layer.rate for layer in drops] == [0.25]
    y = np.asarray(drops[0](np.ones((8, 9, 7, 40), np.float32), training=True))
    assert 0.15 < gone(y, (1, 2)) < 0.35


def test_alpha_dropout_of_pytorch_is_alpha_dropout_in_keras(tmp_path: Path) -> None:
    path = chain(tmp_path, torch.nn.Conv2d(3, 40, 1), torch.nn.FeatureAlphaDropout(0.3), torch.nn.AlphaDropout(0.2))
    irconv.convert(path, tmp_path / "m.keras", irconv.ReadOptions(input_shape=("N,3,9,7",)))
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    first, second = (layer for layer in model.layers if isinstance(layer, keras.layers.AlphaDropout))
    assert (list(first.noise_shape), second.noise_shape) == ([None, 1, 1, 40], None)
    y = np.asarray(first(np.zeros((8, 9, 7, 40), np.float32), training=True))
    assert 0.2 < gone(y, (1, 2), float(y.min())) < 0.4
    written = irconv.convert(path, tmp_path / "m.h5", irconv.ReadOptions(input_shape=("N,3,9,7",)))
    assert [fact.value.partition(": ")[2] for fact in written.told] == [
        "torch.nn.modules.dropout.FeatureAlphaDropout(rate=0.3, noise='alpha', shared=[2, 3])"
    ]


@pytest.mark.parametrize(
    "kind", ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]
)
def test_every_dropout_of_pytorch_comes_back(kind: str, tmp_path: Path) -> None:
    rank = int(kind[7]) if kind[7:8].isdigit() else 2
    path = chain(tmp_path, getattr(torch.nn, f"Conv{rank}d")(3, 4, 1), getattr(torch.nn, kind)(0.35))
    sizes = irconv.ReadOptions(input_shape=(f"N,3,{','.join('546'[:rank])}",))
    irconv.convert(path, tmp_path / "m.irconv", sizes)
    written = irconv.convert(tmp_path / "m.irconv", tmp_path / "m.py")
    assert f"nn.{kind}(0.35)" in (tmp_path / "m.py").read_text()
    assert not written.told


def test_dropout_between_the_layers_of_a_stack_comes_back(tmp_path: Path) -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(6, 5, 3, batch_first=True, dropout=0.2)

        def forward(self, x: Any) -> Any:
            return self.lstm(x)[0]

    bundle = irconv.from_torch(Net().eval(), (torch.randn(2, 7, 6),))
    between = [layer for layer in bundle.layers.values() if isinstance(layer, Dropout)]
    assert [layer.rate for layer in between] == [0.2, 0.2]
    irconv.write(bundle, tmp_path / "m.py")
    assert "nn.LSTM(6, 5, num_layers=3, batch_first=True, dropout=0.2)" in (tmp_path / "m.py").read_text()


def test_dropout_inside_of_a_recurrent_layer_of_keras_comes_back_and_is_told_where_it_is_lost(tmp_path: Path) -> None:
    path = of_keras(tmp_path, (7, 6), keras.layers.LSTM(5, dropout=0.3, recurrent_dropout=0.2))
    written = irconv.convert(path, tmp_path / "m.py")
    assert [fact.value for fact in written.told] == ["lstm: LSTM(recurrent_dropout=0.2)"]
    assert "SharedDropout(0.3, [1])" in (tmp_path / "m.py").read_text()
    told = irconv.convert(path, tmp_path / "m.onnx").told
    assert [fact.value for fact in told] == ["lstm: LSTM(input_dropout=0.3, recurrent_dropout=0.2)"]
    irconv.convert(path, tmp_path / "m.irconv")
    assert not irconv.convert(tmp_path / "m.irconv", tmp_path / "m.keras").told
    lstm = keras.models.load_model(tmp_path / "m.keras", compile=False).layers[-1]
    assert (lstm.dropout, lstm.recurrent_dropout) == (0.3, 0.2)


def test_augmentation_is_kept_for_keras_and_told_elsewhere(tmp_path: Path) -> None:
    L = keras.layers
    flip, zoom = L.RandomFlip("horizontal"), L.RandomZoom((-0.2, 0.3), fill_mode="constant")
    path = of_keras(tmp_path, (9, 7, 3), flip, zoom, L.Conv2D(4, 3))
    bundle = irconv.read(path)
    kept = [layer for layer in bundle.layers.values() if isinstance(layer, Augmentation)]
    assert [layer.kind for layer in kept] == ["RandomFlip", "RandomZoom"]
    irconv.write(bundle, tmp_path / "m.irconv")
    assert not irconv.convert(tmp_path / "m.irconv", tmp_path / "m.keras").told
    again = keras.models.load_model(tmp_path / "m.keras", compile=False).layers
    assert (again[1].mode, again[2].fill_mode) == ("horizontal", "constant")
    assert list(again[2].height_factor) == [-0.2, 0.3]
    told = irconv.convert(tmp_path / "m.irconv", tmp_path / "m.py").told
    assert [fact.value.partition("(")[0] for fact in told] == ["random_flip: RandomFlip", "random_zoom: RandomZoom"]
    assert "RandomFlip(mode='horizontal')" in (tmp_path / "m.py").read_text()
    assert not irconv.convert(path, tmp_path / "m.h5").told
    assert "2.3" not in str(irconv.convert(path, tmp_path / "n.h5").dialect)


def held(tmp_path: Path) -> Path:
    """A chain in which a convolution is not trained, nor the shift of a norm."""
    parts = torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5), torch.nn.Conv2d(5, 4, 1)
    path = chain(tmp_path, *parts)
    for parameter in (*parts[0].parameters(), parts[1].bias):
        parameter.requires_grad_(False)
    torch.save(torch.nn.Sequential(*parts).eval(), path)
    return path


def test_weights_that_are_not_trained_stay_so_or_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sizes = held(tmp_path), irconv.ReadOptions(input_shape=("N,3,9,7",))
    assert not irconv.convert(path, tmp_path / "held_net.py", sizes).told
    net = in_torch(tmp_path / "held_net.py", monkeypatch)
    still = [name for name, parameter in net.named_parameters() if not parameter.requires_grad]
    assert still == ["0.weight", "0.bias", "1.bias"]
    told = irconv.convert(path, tmp_path / "m.keras", sizes).told
    assert [fact.value for fact in told] == ["1: trainable=False of beta alone"]
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert [layer.trainable for layer in model.layers if layer.weights] == [False, True, True]
    told = irconv.convert(path, tmp_path / "m.onnx", sizes).told
    assert [fact.value for fact in told] == ["0, 1: trainable=False"]


def test_an_exported_program_says_what_is_not_trained(tmp_path: Path) -> None:
    net = torch.load(held(tmp_path), weights_only=False)
    torch.export.save(torch.export.export(net, (torch.randn(1, 3, 9, 7),)), tmp_path / "m.pt2")
    bundle = irconv.read(tmp_path / "m.pt2")
    records = [tensor.record for tensor in bundle.tensors.values() if tensor.record.role == "parameter"]
    assert [record.source.name for record in records if not record.trainable] == ["0.weight", "0.bias", "1.bias"]


def test_a_bundle_of_format_1_2_says_that_nothing_else_was_dropped() -> None:
    bundle = irconv.read(ROOT / "fixtures" / "bundles" / "1.2-training.irconv")
    recurrent = [layer for layer in bundle.layers.values() if "recurrent_dropout" in layer.settings()]
    assert {(layer.settings()["input_dropout"], layer.settings()["recurrent_dropout"]) for layer in recurrent} == {
        (0, 0)
    }


def test_every_word_of_a_writer_is_that_of_a_layer() -> None:
    layers = [
        Dropout(rate=0.3, noise="alpha", shared=()),
        GaussianNoise(deviation=0.1),
        Augmentation(kind="RandomFlip", details={"mode": "vertical"}, image=(1, 2, 3)),
    ]
    assert {layer.type for layer in layers} <= set(EVERY_NOISE)
    bundle = irconv.read(ROOT / "fixtures" / "bundles" / "1.2-dense_2d.irconv")
    from dataclasses import replace

    noisy = replace(bundle, layers={layer.type: layer for layer in layers})
    assert len(training.lost(noisy, ())) == 3
    assert [fact.value for fact in training.lost(noisy, NOISE)] == ["Augmentation: Augmentation(mode='vertical')"]
    assert training.lost(noisy, EVERY_NOISE) == ()
