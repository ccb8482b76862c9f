"""Writes PyTorch: readable source with its weights beside it, or a state dict alone."""

from __future__ import annotations

from pathlib import Path

from irconv import __version__
from irconv.containers import safetensors
from irconv.containers.files import Output, Progress
from irconv.errors import Refused
from irconv.frameworks.torch.lower import lower
from irconv.frameworks.torch.ordering import ordered
from irconv.frameworks.torch.source import class_name, module_source, state_dict
from irconv.frameworks.torch.state_dict import METADATA, keeps_names, stored_weights
from irconv.frameworks.torch.state_dict import write as write_tensors
from irconv.frameworks.torch.table import TABLE
from irconv.ir.bundle import Bundle
from irconv.options import WriteOptions
from irconv.translate import NativeModel, encode


def write_source(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write ``m.py`` and ``m.safetensors`` beside it. Raises `Refused` naming every layer PyTorch cannot express."""
    model = _encode(bundle)
    weights = destination.with_suffix(".safetensors")
    files = [file.name for file in bundle.source.files]
    source = " ".join(part for part in (bundle.source.framework.capitalize(), bundle.source.version) if part)
    about = f"{', '.join(files) or 'A model'} ({source}) as a PyTorch module, written by irconv {__version__}."
    name = class_name(Path(files[0]).stem if files else destination.stem)
    note = f"The model in eval mode, with its weights from {weights.name}."
    text = module_source(model, name, about, note)
    safetensors.write(output.path(weights), state_dict(model), METADATA, progress)
    output.path(destination).write_text(text, encoding="utf-8")
    return [weights, destination]


def write_state_dict(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write the state dict, as safetensors or as ``torch.save`` does: torch's names and layouts.

    Raises `Refused` as `write_source` does. PyTorch's own weights keep their names and bytes.
    """
    own = bundle.graph is None or keeps_names(bundle)
    tensors, ties = stored_weights(bundle) if own else (state_dict(_encode(bundle)), {})
    return write_tensors(tensors, ties, output, destination, progress)


def _encode(bundle: Bundle) -> NativeModel:
    if bundle.graph is None:
        raise Refused(
            ", ".join(file.name for file in bundle.source.files),
            "holds weights without a graph, so that their axes are not known",
            bundle.graph_remedy("Write .irconv, or read the model's own file."),
        )
    return ordered(encode(lower(bundle), TABLE))
