"""What the user says besides the paths; one field for each flag of the command line.

Readers and writers declare in the registry (`irconv.frameworks`) which of the fields they honour. The API refuses the
others before anything is read, and a reader refuses what one kind of its files has no use for: nothing that was asked
for is dropped without a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from irconv.data_classes import dataclass
from irconv.errors import MissingFact, Problem, UnusedOption

Backend = Literal["tensorflow", "theano", "cntk", "jax", "torch", "numpy", "openvino"]
"""What Keras has run on."""

EDITS = ("until", "replace", "plugins")
"""The fields that `irconv.edits` honours for every reader of layers."""


OPAQUE = ("keep_opaque", "opaque_shape")
"""The fields that keep layers without a rule."""


@dataclass(frozen=True)
class ReadOptions:
    """Facts that a file may not state."""

    source_format: str | None = None
    """Read as this framework's file instead of recognising it (``--from``)."""
    backend: Backend | None = None
    """The backend Keras ran on (``--backend``)."""
    dim_ordering: Literal["th", "tf"] | None = None
    """Where images have their channels in Keras 1: first (``th``) or last (``--dim-ordering``)."""
    arch: Path | None = None
    """The file that says what the weights are the weights of (``--arch``)."""
    submodel: str | None = None
    """Which group of an outer model's weights is the model's that ``--arch`` states (``--submodel``)."""
    until: tuple[str, ...] = ()
    """Read the model up to these layers, whose results become the outputs, in this order (``--until``)."""
    replace: tuple[str, ...] = ()
    """``LAYER=identity``: read the model as if the layer did nothing (``--replace``)."""
    plugins: tuple[Path, ...] = ()
    """Python files with the user's own layers, which are run (``--plugin``); see docs/plugins.md."""
    key: str | None = None
    """The entry of a checkpoint that holds the weights, dots between nested keys (``--key``)."""
    ema: bool = False
    """Read the averaged copy of the weights that a checkpoint keeps beside them (``--ema``)."""
    keep_optimizer: bool = False
    """Keep the state of the optimizer, for a bundle and the source's own format (``--keep-optimizer``)."""
    keep_opaque: bool = False
    """Keep layers that irconv has no rule for as they are, for a bundle alone (``--keep-opaque``)."""
    opaque_shape: tuple[str, ...] = ()
    """``LAYER=N,7,8``: the shape of the result of a layer that is kept so, in the axes of the source
    (``--opaque-shape``)."""
    input_shape: tuple[str, ...] = ()
    """``[NAME=]N,1,28,28`` for each input whose shape the file does not say, or leaves open, in the axes of the source;
    a symbol such as N leaves a size open (``--input-shape``)."""
    module_map: tuple[str, ...] = ()
    """``CLASS=Flatten``: read a PyTorch class of the user's own as this module (``--module-map``)."""
    module: str | None = None
    """``FILE.py:Class`` or ``package.module:factory``: the user's own PyTorch module that the weights are of; its code
    is run (``--module``)."""
    inputs: tuple[str, ...] = ()
    """Where the model begins: inputs, layers or values, by the names of the file (``--inputs``)."""
    outputs: tuple[str, ...] = ()
    """Where it ends, in this order: outputs, layers or values (``--outputs``)."""
    signature: str | None = None
    """Which of several functions that a file offers is the model (``--signature``)."""
    tags: tuple[str, ...] = ()
    """Which of several graphs of a SavedModel is meant: the one with these tags (``--tags``)."""
    fix: tuple[str, ...] = ()
    """``NAME=VALUE``: read the model as if this input always had this value (``--fix``)."""

    recompose: bool = True
    """Put the arithmetic of a graph together to layers (``--no-recompose`` leaves it, to find a fault)."""
    digests: bool = True
    """Compare what is read with the digests of a bundle (``--no-verify`` leaves it, which is recorded)."""

    def __post_init__(self) -> None:
        _tidy(self, {"arch", "plugins"})

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are named here."""
        own = Path((self.module or "").rpartition(":")[0])
        return (*((self.arch,) if self.arch else ()), *self.plugins, *((own,) if own.suffix == ".py" else ()))


@dataclass(frozen=True)
class DiffOptions:
    """What counts as a difference between two models."""

    rtol: float = 0.0
    """Elements may differ by ``atol + rtol |a|`` and are then close (``--rtol``)."""
    atol: float = 0.0
    """See `rtol` (``--atol``)."""
    ignore: tuple[str, ...] = ()
    """Statuses that do not count, such as ``renamed`` (``--ignore``)."""

    def __post_init__(self) -> None:
        _tidy(self, set())


@dataclass(frozen=True)
class AdoptOptions:
    """How weights find their places in another network."""

    flatten: tuple[str, ...] = ()
    """``fc1=7x7x16``: height, width and channels of the image that a layer takes flattened (``--flatten``)."""
    partial: bool = False
    """What only one side has stays as it is, or is left out (``--partial``)."""
    map: Path | None = None
    """A file that says which layer is which (``--map``)."""
    rename: tuple[str, ...] = ()
    """``REGEX=NAME``: what the source's names are called in the target (``--rename``)."""
    verify: bool = False
    """Run source and target on the same random inputs afterwards (``--verify``)."""

    def __post_init__(self) -> None:
        _tidy(self, {"map"})


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
    fold_bn: bool = False
    """Merge each BatchNorm into the convolution or matrix before it (``--fold-bn``)."""
    dtype: Literal["f16", "bf16", "f32", "f64"] | None = None
    """The floating element type of weights, computations, inputs and outputs (``--dtype``); None leaves them."""
    opset: int | None = None
    """ONNX opset (``--opset``); None takes the lowest that can say the model, but at least 18."""
    dry_run: bool = False
    """Go all the way, so that everything that stands in the way is said, and leave nothing (``--dry-run``)."""
    target_version: str | None = None
    """Keras: the dialect of an HDF5 model (``--target-version``): 2.3, 1.15, 2.4 or 2.15 of Keras or TensorFlow; None
    takes the oldest that can say it."""
    probe: bool = False
    """Bundles: keep inputs, and what the source's own framework predicts of them (``--probe``)."""
    probe_input: tuple[str, ...] = ()
    """Bundles: the files of these inputs, ``[NAME=]X.npy``, instead of random ones (``--probe-input``)."""
    probe_output: tuple[str, ...] = ()
    """Bundles: the files of what was predicted of them, so that nothing is run (``--probe-output``)."""
    shard_size: str | int | None = None
    """Safetensors: bytes of tensors in a file, such as ``5GB``; more are put into shards (``--shard-size``)."""
    resume: bool = False
    """Safetensors in shards: keep what is finished where the run ends early, and go on from there (``--resume``)."""
    meta: tuple[str, ...] = ()
    """Bundles: ``author=...``, ``labels=@FILE`` and so on (``--meta``)."""

    def __post_init__(self) -> None:
        _tidy(self, set())


def _tidy(options: ReadOptions | WriteOptions | DiffOptions | AdoptOptions, paths: Collection[str]) -> None:
    """Make one value a tuple of one where several are taken, and text a path, as people write them."""
    for field in fields(options):
        value = getattr(options, field.name)
        if field.default == () and not isinstance(value, tuple):
            value = (value,) if isinstance(value, str | Path) else tuple(value)
        if field.name in paths and value is not None:
            value = tuple(map(Path, value)) if isinstance(value, tuple) else Path(value)
        if value is not getattr(options, field.name):
            object.__setattr__(options, field.name, value)


#: The flags that are not named after their field.
_FLAGS = {
    "source_format": "--from",
    "target_format": "--to",
    "plugins": "--plugin",
    "digests": "--no-verify",
    "recompose": "--no-recompose",
}


def flag(name: str) -> str:
    """The flag of the command line that is a field of `ReadOptions` or `WriteOptions`."""
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")


def given(options: ReadOptions | WriteOptions | AdoptOptions) -> dict[str, Any]:
    """What was asked for: the fields that do not have their default, in order."""
    said = {field.name: (getattr(options, field.name), field.default) for field in fields(options)}
    return {name: value for name, (value, default) in said.items() if value != default}


def unused(options: ReadOptions | WriteOptions, names: Collection[str], reason: str, remedy: str = "") -> list[Problem]:
    """One problem for each of the named fields that was asked for, which `reason` says to have no effect.

    `remedy` is "Leave it out." where nothing is said.
    """
    asked = {name: value for name, value in given(options).items() if name in names}
    return [
        Problem(_said(name, value), f"has no effect: {reason}", remedy or "Leave it out.")
        for name, value in asked.items()
    ]


def refuse_unused(options: ReadOptions | WriteOptions, names: Collection[str], reason: str, remedy: str = "") -> None:
    """Raise `UnusedOption` for the named fields that were asked for though they have no effect."""
    if problems := unused(options, names, reason, remedy):
        raise UnusedOption(problems)


def _said(name: str, value: Any) -> str:
    """An option as the user gave it."""
    if isinstance(value, bool):
        return flag(name)
    parts = value if isinstance(value, tuple) else (value,)
    return " ".join(f"{flag(name)} {part}" for part in parts)


_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def said_size(said: str | int) -> int:
    """``5GB`` as bytes; units are powers of a thousand, with an i of 1024. Raises `MissingFact`.

    >>> said_size("5GB"), said_size("1.5 MiB")
    (5000000000, 1572864)
    """
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)", str(said).strip())
    unit = _UNITS.get(found[2].upper()) if found else None
    size = int(float(found[1]) * unit) if found and unit else 0
    if size < 1:
        raise MissingFact("--shard-size", f"expected a size such as 5GB or 500MiB, got {said!r}")
    return size


def said_shape(text: str, option: str = "--input-shape") -> tuple[str, tuple[int | str, ...]]:
    """``[NAME=]N,1,28,28`` as the name, empty where none is given, and the sizes. Raises `MissingFact`."""
    name, _, listed = text.rpartition("=")
    sizes = [size.strip() for size in listed.strip("()[] ").split(",") if size.strip()]
    if not sizes or not all(size.isdigit() or size.isidentifier() for size in sizes):
        what = f"expected sizes such as N,1,28,28, got {listed!r}"
        raise MissingFact(option, what, "Write N for the batch, or any name for a size that is not known.")
    return name, tuple(int(size) if size.isdigit() else size for size in sizes)
