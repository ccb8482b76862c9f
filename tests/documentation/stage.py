"""The files that the pages speak of: small ones of real frameworks, under the names that the pages give them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import onnx
import torch
from onnx import numpy_helper

import irconv
from irconv.options import WriteOptions
from tests.adoption.files import arrays, saved
from tests.helpers import LENET, ROOT

FIXTURES = ROOT / "fixtures"
ADOPTION = FIXTURES / "adoption"
_MODEL = LENET / "keras2.2.4-lenet4-h5"
_OLD = {"stem.weight": (8, 3, 3, 3), "encoder.conv2.weight": (8, 8, 3, 3), "conv3.weight": (8, 8, 3, 3)}
_NEW = {"amber.weight": (8, 8, 3, 3), "birch.weight": (8, 3, 3, 3), "body.conv2.weight": (8, 8, 3, 3)}


def _config(path: Path) -> None:
    with h5py.File(_MODEL / "model.h5") as file:
        text = file.attrs["model_config"]
    path.write_text(text if isinstance(text, str) else text.decode())


def _unmarked(path: Path) -> None:
    """The file of Theano's Keras as one of an older version was, without the backend's name."""
    shutil.copy(LENET / "keras2.2.4th-lenet4-h5" / "model.h5", path)
    with h5py.File(path, "r+") as file:
        del file.attrs["backend"]
        del file["model_weights"].attrs["backend"]


def _written(path: Path) -> None:
    irconv.write(irconv.read(_MODEL / "model.h5"), path, WriteOptions(force=True))


def _broken(path: Path) -> None:
    """A conversion with one kernel in another order."""
    _written(path)
    model = onnx.load(path)
    kernel = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [16, 6, 5, 5])
    kernel.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(kernel)[::-1].copy(), kernel.name))
    onnx.save(model, path)


def _changed(path: Path) -> None:
    """Another network of the same layers."""
    bundle = irconv.read(LENET / "tf2.15-lenet4-h5" / "model.h5")
    irconv.write(bundle, path, WriteOptions(force=True))


_NET = """
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 7, stride=5)

    def forward(self, image):
        return self.conv(image).relu().mean((2, 3))
"""
_TEXT = """
import torch.nn as nn


def build(vocabulary):
    return nn.Sequential(nn.Embedding(vocabulary, 6), nn.Linear(6, 3))
"""


def _source(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def _state(path: Path, text: str, made: str) -> None:
    """The weights of a module of the user's own."""
    names: dict[str, Any] = {}
    exec(text, names)
    torch.save(eval(made, names).state_dict(), path)


def _copy(source: Path) -> Callable[[Path], None]:
    def copied(path: Path) -> None:
        (shutil.copytree if source.is_dir() else shutil.copy)(source, path)

    return copied


_PLAN = (
    "source,to,destination,opset,until\nmodels/lenet.h5,onnx;keras,,,\nmodels/lenet.h5,onnx,features.onnx,20,dense_1\n"
)


def _training(path: Path) -> None:
    """All that lies in the folder of the training."""
    shutil.copytree(FIXTURES / "tensorflow" / "unet", path.parent, dirs_exist_ok=True)


def _big(path: Path) -> None:
    """Weights that take three files of a megabyte each."""
    path.mkdir()
    torch.save({f"layers.{number}.weight": torch.randn(500, 500) for number in range(3)}, path / "pytorch_model.bin")


def _fleet(path: Path) -> None:
    path.mkdir()
    shutil.copy(_MODEL / "model.h5", path / "lenet.h5")


def _checkpoint(path: Path) -> None:
    """What TensorFlow 1.15 saved of a training, which is several files."""
    for file in (FIXTURES / "tensorflow" / "trained").glob("adam.ckpt.*"):
        shutil.copy(file, path.with_name(file.name))


Maker: TypeAlias = Callable[[Path], None]

_TWO = FIXTURES / "keras" / "keras2.3.1-two_inputs_two_outputs"

STAGE: Mapping[str, Maker] = {
    "big": _big,
    "two.h5": _copy(_TWO / "model.h5"),
    "a.npy": _copy(_TWO / "x_0.npy"),
    "b.npy": _copy(_TWO / "x_1.npy"),
    "model.h5": _copy(_MODEL / "model.h5"),
    "old.h5": _copy(_MODEL / "model.h5"),
    "normed.h5": _copy(FIXTURES / "keras" / "keras2.3.1-batch_norm_4d" / "model.h5"),
    "parts.pt": _copy(FIXTURES / "torch" / "parts.pt"),
    "own.h5": _copy(FIXTURES / "keras_foreign" / "tf2.15-registered-h5" / "model.h5"),
    "older.irconv": _copy(FIXTURES / "bundles" / "1.0-dense_2d.irconv"),
    "x.npy": _copy(_MODEL / "x_0.npy"),
    "y.npy": _copy(_MODEL / "y_0.npy"),
    "weights.h5": _copy(LENET / "keras2.2.4-lenet4-weights-h5" / "weights.h5"),
    "theano.h5": _copy(LENET / "keras2.2.4th-lenet4-h5" / "model.h5"),
    "unmarked.h5": _unmarked,
    "model.json": _config,
    "model.keras": _written,
    "new.keras": _written,
    "model.onnx": _written,
    "new.onnx": _changed,
    "old.onnx": _written,
    "broken.onnx": _broken,
    "port.safetensors": _written,
    "lenet.pt": _written,
    "m.py": _written,
    "m.onnx": _written,
    "lenet.irconv": _written,
    "m.irconv": _written,
    "model.pt": _copy(FIXTURES / "torch" / "torch213-module.pt"),
    "model.pt2": _copy(FIXTURES / "torch-programs" / "torch213-tied" / "tied.pt2"),
    "examples": _copy(ROOT / "examples"),
    "net.py": _copy(ADOPTION / "tutorial_nets.py"),
    "labels.txt": lambda path: path.write_text("\n".join("0123456789")) and None,
    "old.safetensors": lambda path: saved(path, arrays(1, _OLD)),
    "new.safetensors": lambda path: saved(path, arrays(2, _NEW)),
}

#: What a page means by a name, where it is not what the others mean.
OF_PAGE: Mapping[str, Mapping[str, Maker]] = {
    "docs/theano.md": {
        "model": _copy(FIXTURES / "theano" / "storage-folder" / "weights"),
        "arch.json": _copy(FIXTURES / "theano" / "storage-folder" / "arch.json"),
    },
    "README.md": {
        "weights": _copy(FIXTURES / "theano" / "storage-folder" / "weights"),
        "arch.json": _copy(FIXTURES / "theano" / "storage-folder" / "arch.json"),
        "images.npy": _copy(FIXTURES / "theano" / "storage-folder" / "x.npy"),
    },
    "docs/unet.md": {"checkpoint": _training, "again": Path.mkdir},
    "docs/batch.md": {
        "models": _fleet,
        "plan.csv": lambda path: path.write_text(_PLAN) and None,
    },
    "docs/tensorflow.md": {
        "saved_model": _copy(FIXTURES / "tensorflow" / "graphs" / "saved"),
        "adam.ckpt": _checkpoint,
    },
    "docs/torch.md": {
        "net.py": lambda path: _source(path, _NET),
        "models.text": lambda path: _source(Path("models/text.py"), _TEXT),
        "weights.pt": lambda path: _state(path, _NET, "Net()"),
        "text.pt": lambda path: _state(path, _TEXT, "build(1000)"),
    },
}
