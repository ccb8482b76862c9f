"""What the user says besides the paths; one field for each flag of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class ReadOptions:
    """Facts that a file may not state."""

    source_format: str | None = None
    """Read as this framework's file instead of recognising it (``--from``)."""
    backend: Literal["tensorflow", "theano"] | None = None
    """The backend Keras ran on (``--backend``)."""
    dim_ordering: Literal["th", "tf"] | None = None
    """Where images have their channels in Keras 1: first (``th``) or last (``--dim-ordering``)."""
    arch: Path | None = None
    """The file that says what the weights are the weights of (``--arch``)."""
    until: str = ""
    """Read the model up to this layer, whose result becomes the output (``--until``)."""
    replace: tuple[str, ...] = ()
    """``LAYER=identity``: read the model as if the layer did nothing (``--replace``)."""
    plugins: tuple[Path, ...] = ()
    """Python files with the user's own layers, which are run (``--plugin``); see docs/plugins.md."""
    key: str | None = None
    """The entry of a checkpoint that holds the weights, dots between nested keys (``--key``)."""
    ema: bool = False
    """Read the averaged copy of the weights that a checkpoint keeps beside them (``--ema``)."""
    input_shape: tuple[str, ...] = ()
    """``[NAME=]N,1,28,28`` for each input whose shape the file does not say (``--input-shape``)."""
    module_map: tuple[str, ...] = ()
    """``CLASS=Flatten``: read a PyTorch class of the user's own as this module (``--module-map``)."""


@dataclass(frozen=True)
class WriteOptions:
    """What to write, and how."""

    target_format: str | None = None
    """Write this format instead of the one the suffix names (``--to``)."""
    io: Literal["native", "source"] = "native"
    """Axes of graph inputs and outputs: those customary for the target, or those of the source (``--io``)."""
    force: bool = False
    """Replace an existing output (``--force``)."""
    merge: bool = False
    """Compute weights that are stored in parts, such as weight norm and pruning masks (``--merge``)."""
    opset: int | None = None
    """ONNX opset (``--opset``); None takes the lowest that can say the model, but at least 18."""
    dry_run: bool = False
    """Go all the way, so that everything that stands in the way is said, and leave nothing (``--dry-run``)."""
    target_version: str | None = None
    """Keras: the dialect of an HDF5 model (``--target-version``): 2.3, 1.15, 2.4 or 2.15 of Keras or TensorFlow; None
    takes the oldest that can say it."""
