"""The files that are measured, each made by a script: a registry of sources, and the raw bytes that the floor takes.

``python -m benchmarks.sources NAME FOLDER`` makes one file (and, with the name of a model, the raw bytes of its
weights). A format that becomes readable joins by one line in `SOURCES`. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LENET = ROOT / "fixtures" / "lenet" / "keras2.2.4-lenet4-h5" / "model.h5"
CHAIN = ROOT / "fixtures" / "torch" / "torch213-module.pt"

Make = Callable[[str, Path], None]
"""Writes the file of a model, by the model's name."""


@dataclass(frozen=True)
class Source:
    """A file to convert."""

    model: str
    suffix: str
    make: Make
    targets: tuple[str, ...]
    """The suffixes of what it is converted to; ``inspect`` stands for the command."""
    facts: tuple[str, ...] = ()
    """Flags for what the file does not say and a graph needs."""

    @property
    def name(self) -> str:
        return f"{self.model}{self.suffix}"


CHANNELS_LAST = (".h5", ".keras", ".ckpt")
"""Where a weight has its channels last: on the way from one of these to another, or back, it is turned."""
ZIPS = (".keras", ".pt")
"""Formats that keep a CRC-32 of all that they hold, which is computed on both ways."""


def arrays(model: str) -> Iterator[Any]:
    """The weights of a model as Keras has them, channels last; random and of a fixed seed."""
    import numpy as np

    random = np.random.default_rng(7)
    for shape in _SHAPES[model.split("-", maxsplit=1)[0]](model):
        yield random.standard_normal(shape, np.float32)


def _keras_shapes(model: str) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in _application(model).weights]


def _deep_shapes(model: str) -> list[tuple[int, ...]]:
    return [tensor.data.shape for tensor in _deep(model).tensors.values()]


def _many_shapes(model: str) -> list[tuple[int, ...]]:
    return [(5, 3)] * count(model)


_SHAPES: Mapping[str, Callable[[str], list[tuple[int, ...]]]] = {
    **dict.fromkeys(("VGG16", "ResNet50", "NASNetLarge"), _keras_shapes),
    "layers": _deep_shapes,
    "many": _many_shapes,
}


def count(model: str) -> int:
    """The number in the name of a model: of its layers, or tensors."""
    return int(model.split("-")[1])


def _application(model: str) -> Any:
    import keras

    return getattr(keras.applications, model)(weights=None)


def _deep(model: str) -> Any:
    from tests.counts.models import deep

    return deep(count(model))


def by_keras(model: str, path: Path) -> None:
    """An architecture of keras.applications, saved by the installed Keras."""
    built = _application(model)
    built.set_weights(list(arrays(model)))
    built.save(path)


def by_conversion(model: str, path: Path) -> None:
    """What irconv writes of the model that Keras saved."""
    import irconv

    saved = path.parent / f"{model}.h5"
    if not saved.exists():
        by_keras(model, saved)
    irconv.convert(saved, path)


def checkpoint(model: str, path: Path) -> None:
    """A folder with a checkpoint of TensorFlow 1 and its graph."""
    import irconv

    saved = path.parent / f"{model}.h5"
    if not saved.exists():
        by_keras(model, saved)
    path.mkdir()
    irconv.convert(saved, path / "model.ckpt")


def by_irconv(model: str, path: Path) -> None:
    """A deep graph, written by irconv: Keras itself needs minutes for it."""
    import irconv

    irconv.write(_deep(model), path)


def _state(model: str) -> dict[str, Any]:
    """The weights as a state dict: axes as PyTorch has them, arrays of their own."""
    import numpy as np

    turned = {2: (1, 0), 4: (3, 2, 0, 1)}
    found = {}
    for number, array in enumerate(arrays(model)):
        order = turned.get(array.ndim, range(array.ndim))
        found[f"layers.{number}.weight"] = np.ascontiguousarray(array.transpose(order))
    return found


def by_torch(model: str, path: Path) -> None:
    """A state dict, saved by the installed PyTorch."""
    import torch

    torch.save({key: torch.from_numpy(array) for key, array in _state(model).items()}, path)


def module_by_torch(model: str, path: Path) -> None:
    """A deep ``nn.Sequential`` as a whole, saved by the installed PyTorch."""
    import torch

    kinds = (lambda: torch.nn.Conv2d(6, 6, (3, 3), padding=1), torch.nn.ReLU, lambda: torch.nn.BatchNorm2d(6))
    torch.save(torch.nn.Sequential(*(kinds[n % 3]() for n in range(count(model)))).eval(), path)


def as_safetensors(model: str, path: Path) -> None:
    """A state dict as the format's page says: a length, a JSON header, and the bytes."""
    state, place, header = _state(model), 0, {}
    for key, array in state.items():
        header[key] = {"dtype": "F32", "shape": array.shape, "data_offsets": [place, place + array.nbytes]}
        place += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in state.values():
            file.write(array.data)


def lenet(model: str, path: Path) -> None:
    """A small model: the fixture itself, or what irconv writes of it; PyTorch's is a chain of its own."""
    if path.suffix in (".h5", ".pt"):
        shutil.copy(LENET if path.suffix == ".h5" else CHAIN, path)
        return
    import irconv

    irconv.convert(LENET, path)


_DEPTHS = (1_000, 4_000, 20_000)
"""Of the deep graphs."""
_NETWORKS, _STATES = ("ResNet50", "VGG16"), ("ResNet50", "VGG16", "many-100000")

SOURCES = (
    Source("small", ".h5", lenet, ("inspect", ".onnx", ".py", ".irconv", ".safetensors", ".keras")),
    *(Source("small", suffix, lenet, ("inspect", ".onnx")) for suffix in (".keras", ".irconv")),
    Source("small", ".pt", lenet, ("inspect", ".onnx"), ("--input-shape", "N,1,11,8")),
    *(Source(model, ".h5", by_keras, (".onnx", ".py", ".irconv", ".safetensors", ".keras")) for model in _NETWORKS),
    *(Source(model, ".keras", by_keras, (".py", ".h5")) for model in _NETWORKS),
    *(Source(model, ".onnx", by_conversion, (".keras",)) for model in _NETWORKS),
    *(Source(model, ".ckpt", checkpoint, (".onnx", ".safetensors")) for model in _NETWORKS),
    Source("NASNetLarge", ".h5", by_keras, (".py",)),
    *(Source(model, ".pt", by_torch, (".safetensors", "inspect")) for model in _STATES),
    *(Source(model, ".safetensors", as_safetensors, (".pt", ".irconv")) for model in _STATES),
    *(Source(f"layers-{n}", ".h5", by_irconv, (".onnx",)) for n in _DEPTHS),
    *(Source(f"layers-{n}", ".keras", by_irconv, (".py",)) for n in _DEPTHS),
    *(Source(f"layers-{n}", ".irconv", by_irconv, (".keras",)) for n in _DEPTHS),
    *(Source(f"layers-{n}", ".pt", module_by_torch, (".onnx",)) for n in _DEPTHS),
)


def write_raw(model: str, folder: Path) -> None:
    """The weights of a model one after the other, and their shapes beside them, for the floor."""
    shapes = []
    with (folder / f"{model}.raw").open("wb") as file:
        for array in arrays(model):
            shapes.append(array.shape)
            file.write(array.data)
    (folder / f"{model}.shapes").write_text(json.dumps(shapes))


def main(name: str, folder: Path) -> None:
    """Make the file of that name, or the raw bytes of the model of that name."""
    source = next((source for source in SOURCES if source.name == name), None)
    if source is None:
        write_raw(name, folder)
        return
    part = folder / f"part-{name}"
    if part.is_dir():
        shutil.rmtree(part)
    part.unlink(missing_ok=True)
    source.make(source.model, part)
    part.rename(folder / name)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
