"""The frameworks irconv knows: one line each. Nothing is imported until it is used.

A reader module has ``recognises(path)`` and ``read(path, options)``; a writer is a function
``write(bundle, output, destination, options, progress)``. Third parties add theirs through the entry point
``irconv.frameworks``, whose values are a `Reader` or a `Writer`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from irconv.containers.files import Output, Progress
from irconv.ir.bundle import Bundle
from irconv.options import ReadOptions, WriteOptions


@dataclass(frozen=True)
class Reader:
    """Something that can be read."""

    name: str
    module: str
    description: str
    naive: bool = True
    """Whether what it returns still has the transposes of a naive translation."""

    def recognises(self, path: Path) -> bool:
        """Whether the content is this reader's, judged by evidence, never by the suffix alone."""
        return bool(import_module(self.module).recognises(path))

    def read(self, path: Path, options: ReadOptions) -> Bundle:
        """The bundle."""
        found = import_module(self.module).read(path, options)
        assert isinstance(found, Bundle)
        return found


@dataclass(frozen=True)
class Writer:
    """Something that can be written, chosen by suffix or by name."""

    name: str
    suffixes: tuple[str, ...]
    module: str
    function: str
    description: str
    channels_first: bool = True
    """Whether images are customarily channels-first there."""
    archives: bool = False
    """Whether it keeps the bundle as it is, whatever the axes of its inputs."""

    def write(
        self, bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None
    ) -> list[Path]:
        """Write the bundle; returns the files made."""
        function: Callable[..., list[Path]] = getattr(import_module(self.module), self.function)
        return function(bundle, output, destination, options, progress)


_HERE = "irconv.frameworks"

READERS = (
    Reader("irconv", f"{_HERE}.bundle.read", "irconv bundle, folder or zip", naive=False),
    Reader("keras", f"{_HERE}.keras.read", "Keras 2 and tf.keras HDF5: models, and weights alone"),
)
WRITERS = (
    Writer(
        "irconv",
        (".irconv", ".irconv.zip"),
        f"{_HERE}.bundle.write",
        "write",
        "irconv bundle, folder or zip",
        archives=True,
    ),
    Writer("onnx", (".onnx",), f"{_HERE}.onnx.write", "write", "ONNX, weights beside it above 2 GB"),
    Writer(
        "torch-source", (".py",), f"{_HERE}.torch.write", "write_source", "PyTorch source and its weights beside it"
    ),
    Writer("torch", (".safetensors",), f"{_HERE}.torch.write", "write_state_dict", "PyTorch state dict as safetensors"),
)


def readers() -> tuple[Reader, ...]:
    """Every reader, those of third parties last."""
    return READERS + tuple(found for found in _third_party() if isinstance(found, Reader))


def writers() -> tuple[Writer, ...]:
    """Every writer, those of third parties last."""
    return WRITERS + tuple(found for found in _third_party() if isinstance(found, Writer))


@cache
def _third_party() -> list[Any]:
    return [entry.load() for entry in entry_points(group="irconv.frameworks")]
