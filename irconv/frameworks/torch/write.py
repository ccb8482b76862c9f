"""Writes PyTorch: readable source with its weights beside it, and the weights of models for `state_dict`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from textwrap import wrap
from typing import TypeAlias

from irconv import __version__
from irconv.containers import safetensors
from irconv.containers.files import Progress
from irconv.containers.outputs import Output
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks import NOISE, graphless
from irconv.frameworks.torch import nested
from irconv.frameworks.torch.blocks import Structure, structured
from irconv.frameworks.torch.chains import Part, chained, keys
from irconv.frameworks.torch.directions import joined
from irconv.frameworks.torch.hierarchy import Hierarchy, hierarchy
from irconv.frameworks.torch.keys import places_of, with_numbers
from irconv.frameworks.torch.lower import lower
from irconv.frameworks.torch.ordering import ordered
from irconv.frameworks.torch.own_layout import as_stored
from irconv.frameworks.torch.padding import taken_in
from irconv.frameworks.torch.source import class_name, frozen_keys, module_source, state_dict
from irconv.frameworks.torch.stacked import stacked
from irconv.frameworks.torch.state_dict import METADATA, TIED, keeps_names, stored_weights
from irconv.frameworks.torch.table import TABLE
from irconv.ir.bundle import Bundle
from irconv.ir.kept import lost_of, names_of
from irconv.ir.tensors import LazyTensor
from irconv.options import WriteOptions
from irconv.passes import training
from irconv.python_source.names import importable
from irconv.translate import NativeModel, encode

_NEEDED = frozenset(
    """
    torch torchgen functorch numpy safetensors typing_extensions sympy mpmath networkx jinja2 markupsafe filelock fsspec
    triton packaging setuptools pkg_resources yaml dill optree
    """.split()  # noqa: SIM905
)
"""Modules that PyTorch and safetensors import, or look for, beside those of the standard library."""
_LINE = 100
_UNUSED = frozenset(("antigravity", "idlelib", "test", "this", "turtle", "turtledemo"))
"""Modules of the standard library that no other module imports."""


def write_source(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write ``m.py`` and ``m.safetensors`` beside it. Raises `Refused` naming every layer PyTorch cannot express."""
    _must_be_importable(destination)
    weights = destination.with_suffix(".safetensors")
    made = emitted(bundle, destination.stem)
    marks = bundle.source.marks()
    metadata = {**METADATA, **marks, **{f"{TIED}{name}": kept for name, kept in made.ties.items()}}
    safetensors.write(output.path(weights), made.tensors, metadata, progress)
    output.path(destination).write_text(made.text, encoding="utf-8")
    return [weights, destination]


@dataclass(frozen=True)
class Emitted:
    """A model as source, and what its state dict holds."""

    text: str
    class_name: str
    tensors: dict[str, LazyTensor]
    ties: dict[str, str]
    """Keys that are one tensor with another: key -> the one it repeats."""
    beside: list[str]
    """Buffers that the state dict has not."""


def emitted(bundle: Bundle, stem: str) -> Emitted:
    """The source of a model for a file of the name `stem`. Raises `Refused` naming every layer PyTorch cannot say."""
    model = _encode(bundle)
    files = [file.name for file in bundle.source.files]
    source = " ".join(part for part in (bundle.source.framework.capitalize(), bundle.source.version) if part)
    source += "".join(f", {mark}: {said}" for mark, said in bundle.source.marks().items())
    made = f"{', '.join(files) or 'A model'} ({source}) as a PyTorch module, written by irconv {__version__}."
    losses = dict.fromkeys((*bundle.source.training(), *training.lost(bundle, NOISE)))
    lost = [line for fact in losses for line in wrap(fact.value, _LINE, subsequent_indent="    ")]
    about = [made, *(["", "What training did besides is not in it:"] if lost else []), *lost]
    name = class_name(Path(files[0]).stem if files else stem)
    form, tensors, ties = _named(bundle, model)
    note = [f"The model in eval mode, with its weights from {stem}.safetensors."]
    frozen = frozen_keys(model, form)
    if frozen:
        note = [*note, "", "Those that training did not change in the source need no gradient."]
    beside = nested.beside(form) if isinstance(form, Hierarchy) else []
    return Emitted(module_source(model, name, about, note, form, frozen, beside), name, tensors, ties, beside)


def _must_be_importable(destination: Path) -> None:
    """Raise `Refused` for a file that ``import`` cannot find, or would take for a module that the file needs itself."""
    stem = destination.stem
    if not importable(stem):
        what = f"expected a name that can be imported, got {stem!r}"
        raise Refused(str(destination), what, "Give the destination a name of letters, digits and underscores.")
    if stem in _NEEDED or (stem in sys.stdlib_module_names and stem not in _UNUSED):
        what = f"a file of this name hides the module {stem}, which PyTorch needs"
        raise Refused(str(destination), what, "Give the destination another name.")


Form: TypeAlias = Structure | Hierarchy | list[Part]


def _named(bundle: Bundle, model: NativeModel) -> tuple[Form, dict[str, LazyTensor], dict[str, str]]:
    """The form of the source, its weights, and which names repeat others: PyTorch's own weights under their own names
    where the model is a chain."""
    if not keeps_names(bundle):
        return _structured(bundle, model)
    chain = chained(model, next((fact.value for fact in bundle.source.facts if fact.name == "prefix"), ""))
    stored, ties = stored_weights(bundle)
    if chain is None or _saved(keys(chain)) != _saved(stored):
        return _structured(bundle, model)
    return chain, stored, ties


def _structured(
    bundle: Bundle, model: NativeModel, named: bool = True
) -> tuple[Structure | Hierarchy, dict[str, LazyTensor], dict[str, str]]:
    """The modules that the names of PyTorch's tensors tell of, or blocks that come again."""
    form: Structure | Hierarchy
    names = names_of(bundle)
    if names is not None and not model.bodies:
        model = as_stored(with_numbers(model, bundle), bundle, names)
        places = places_of(stacked(model, names), names, lost_of(bundle))
        form = hierarchy(places.model, places.paths, places.tensors)
    else:
        form = structured(model, named)
    return form, *state_dict(model, form)


def _saved(names: Iterable[str]) -> set[str]:
    """The keys without the counters that BatchNorm has from PyTorch 0.4.1 and reads as zero where they are absent."""
    return {name for name in names if not name.endswith("num_batches_tracked")}


def encoded_weights(bundle: Bundle) -> tuple[dict[str, LazyTensor], dict[str, str]]:
    """The state dict of a model in PyTorch's names and layouts, and which names repeat others.

    Raises `Refused` as `write_source` does.
    """
    _, tensors, ties = _structured(bundle, _encode(bundle), named=False)
    return tensors, ties


def _encode(bundle: Bundle) -> NativeModel:
    if bundle.graph is None:
        raise graphless.refused(bundle, "so that their axes are not known")
    model = joined(ordered(encode(lower(bundle), TABLE)))
    return model if bundle.source.framework == "torch" else taken_in(model)
