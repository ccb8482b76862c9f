"""The frameworks' own ways from one format to another: ``python -m benchmarks.own SOURCE DESTINATION``.

Each loads the file as its documentation says and saves it in the other format, in the framework that is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path


def _keras(source: Path, destination: Path) -> None:
    import keras

    keras.models.load_model(source, compile=False).save(destination)


def _to_safetensors(source: Path, destination: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file(torch.load(source, weights_only=True, mmap=True), destination)


def _from_safetensors(source: Path, destination: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(source), destination)


def _checkpoint(source: Path, destination: Path) -> None:
    import tensorflow
    from safetensors.numpy import save_file

    reader = tensorflow.train.load_checkpoint(str(source / "model.ckpt"))
    save_file({key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}, destination)


def _keras_summary(source: Path, _: Path) -> None:
    import keras

    keras.models.load_model(source, compile=False).summary()


#: (suffix read, suffix written) -> (what has to be installed, what it does).
_WAYS: Mapping[tuple[str, str], tuple[str, tuple[str, ...], Callable[[Path, Path], None]]] = {
    (".h5", ".keras"): ("Keras: load_model, save", ("keras",), _keras),
    (".keras", ".h5"): ("Keras: load_model, save", ("keras",), _keras),
    (".h5", "inspect"): ("Keras: load_model, summary", ("keras",), _keras_summary),
    (".keras", "inspect"): ("Keras: load_model, summary", ("keras",), _keras_summary),
    (".pt", ".safetensors"): ("torch.load, safetensors' save_file", ("torch", "safetensors"), _to_safetensors),
    (".ckpt", ".safetensors"): (
        "TensorFlow: load_checkpoint, safetensors' save_file",
        ("tensorflow", "safetensors"),
        _checkpoint,
    ),
    (".safetensors", ".pt"): ("safetensors' load_file, torch.save", ("torch", "safetensors"), _from_safetensors),
}


def way(source: str, target: str) -> str | None:
    """What the framework's own way is called; None where there is none, or something is not installed."""
    name, needed, _ = _WAYS.get((source, target), ("", ("",), None))
    return name if name and all(find_spec(package) for package in needed) else None


if __name__ == "__main__":
    read, written = Path(sys.argv[1]), Path(sys.argv[2])
    _WAYS[read.suffix, written.suffix or "inspect"][2](read, written)
