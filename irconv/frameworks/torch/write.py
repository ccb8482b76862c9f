"""Writes PyTorch: readable source with its weights beside it, or a state dict alone."""

from __future__ import annotations

from pathlib import Path

from irconv import __version__
from irconv.containers import safetensors
from irconv.containers.files import Output, Progress
from irconv.errors import Refused
from irconv.frameworks.torch.lower import lower
from irconv.frameworks.torch.source import class_name, module_names, module_source
from irconv.frameworks.torch.table import TABLE
from irconv.ir.bundle import Bundle
from irconv.ir.tensors import LazyTensor
from irconv.options import WriteOptions
from irconv.translate import NativeModel, encode

_METADATA = {"format": "pt"}  # what the safetensors and transformers libraries look for


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
    safetensors.write(output.path(weights), state_dict(model), _METADATA, progress)
    output.path(destination).write_text(text, encoding="utf-8")
    return [weights, destination]


def write_state_dict(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write the state dict as safetensors: torch's names and layouts. Raises `Refused` as `write_source` does."""
    safetensors.write(output.path(destination), state_dict(_encode(bundle)), _METADATA, progress)
    return [destination]


def state_dict(model: NativeModel) -> dict[str, LazyTensor]:
    """Every tensor of the module under its key, such as ``conv1.weight``."""
    names = module_names(model)
    found: dict[str, LazyTensor] = {}
    for name, attribute in names.items():
        layer = model.layers[name]
        for tensor, weight in layer.tensors.items():
            found[attribute if layer.type == "buffer" else f"{attribute}.{tensor}"] = weight.data
    return found


def _encode(bundle: Bundle) -> NativeModel:
    if bundle.graph is None:
        raise Refused(
            ", ".join(file.name for file in bundle.source.files),
            "holds weights without a graph, so that their axes are not known",
            "Write .irconv, or read the model's own file.",
        )
    return encode(lower(bundle), TABLE)
