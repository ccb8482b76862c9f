"""Paths and objects as the two sides of an adoption, and what comes out of it: read, adopt, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from irconv.adoption import mapfile
from irconv.adoption.adopt import Aligned, aligned
from irconv.adoption.adopt import adopt as placed
from irconv.adoption.result import Adoption
from irconv.adoption.sides import BundleTarget, source_of
from irconv.adoption.wholes import whole
from irconv.containers.outputs import check_free, whole_output
from irconv.containers.watch import check_unchanged
from irconv.data_classes import dataclass
from irconv.errors import Refused, UnusedOption
from irconv.ir.bundle import Bundle
from irconv.ir.tensors import LazyTensor
from irconv.options import AdoptOptions, ReadOptions, WriteOptions

if TYPE_CHECKING:
    from irconv.adoption.modules import ModuleTarget
    from irconv.frameworks.torch.live import Module

_REFILLED = ("keras", "onnx")
"""Frameworks whose files can be written again with other values and everything else as it is."""
_STATE_DICTS = (".pt", ".pth", ".safetensors")


class Read(Protocol):
    """`irconv.api.read`."""

    def __call__(self, path: str | Path, options: ReadOptions | None = None) -> Bundle:
        """The bundle of a file."""


class Write(Protocol):
    """`irconv.api.write`."""

    def __call__(self, bundle: Bundle, path: str | Path, options: WriteOptions | None = None) -> Any:
        """Write a bundle."""


@dataclass(frozen=True)
class Sides:
    """Source and target, read and aligned."""

    bundle: Bundle
    target: BundleTarget | ModuleTarget
    aligned: Aligned
    files: tuple[Path, ...]
    """The files that both are."""


def sides(
    source: str | Path | Bundle,
    target: str | Path | Bundle | Module,
    options: AdoptOptions,
    reading: ReadOptions,
    read: Read,
) -> Sides:
    """Read both sides and align them. Raises what reading raises."""
    files = tuple(Path(side) for side in (source, *_files(target), options.map) if isinstance(side, str | Path))
    bundle, used = (source, False) if isinstance(source, Bundle) else _read_source(source, reading, read)
    side = _target(target, bundle, reading.input_shape, used, read)
    bundle = whole(bundle, side.bundle if isinstance(side, BundleTarget) else None, side.names)
    told = mapfile.read(options.map, options.rename)
    return Sides(bundle, side, aligned(source_of(bundle, reading.ema), side.weights, told), files)


def adopt(
    source: str | Path | Bundle,
    target: str | Path | Bundle | Module,
    output: str | Path | None,
    options: AdoptOptions,
    reading: ReadOptions,
    writing: WriteOptions,
    read: Read,
    write: Write,
) -> Adoption:
    """See `irconv.api.adopt`."""
    if output is not None:
        files = [Path(side) for side in (source, *_files(target), options.map) if isinstance(side, str | Path)]
        check_free(Path(output), writing.force, files)
    found = sides(source, target, options, reading, read)
    side = found.target
    result = placed(found.aligned, side.wanted, options.flatten, options.partial)
    if options.verify:
        result = _verified(found, result)
    if output is not None:
        return replace(result, files=_write(found, result.tensors, Path(output), writing, write))
    if not isinstance(side, BundleTarget):
        side.load(result.tensors)
    return result


def plan(found: Sides, output: Path, writing: WriteOptions) -> tuple[str, ...]:
    """Write what was decided, and what was not, as a map for editing."""
    with whole_output(writing.force, writing.dry_run, found.files) as whole:
        whole.path(output).write_text(mapfile.plan(found.aligned.alignment), encoding="utf-8")
    return (str(output),)


def _verified(found: Sides, result: Adoption) -> Adoption:
    from irconv.adoption.verify import compared

    return replace(result, checked=compared(found.bundle, found.target, found.aligned.alignment, result.tensors))


def _read_source(path: str | Path, options: ReadOptions, read: Read) -> tuple[Bundle, bool]:
    """The source, and whether it used the shapes of inputs: what it has no use for may be the target's."""
    try:
        return read(path, options), bool(options.input_shape)
    except UnusedOption:
        if not options.input_shape:
            raise
        return read(path, replace(options, input_shape=())), False


def _files(target: object) -> list[str | Path]:
    """The file that a target is, or is defined in."""
    from irconv.frameworks.torch import live

    named = live.splits(target) if isinstance(target, str) else None
    return [named[0]] if named else [target] if isinstance(target, str | Path) else []


def _target(
    target: str | Path | Bundle | Module, source: Bundle, shapes: Sequence[str], used: bool, read: Read
) -> BundleTarget | ModuleTarget:
    from irconv.frameworks.torch import live

    if isinstance(target, Bundle):
        return _file(BundleTarget.of(target), () if used else shapes)
    if isinstance(target, str | Path):
        named = live.splits(str(target))
        if named is None:
            return _file(BundleTarget.of(read(target), Path(target)), () if used else shapes)
        target = live.build(*named)
    from irconv.adoption.modules import ModuleTarget

    return ModuleTarget.of(target, source, shapes)


def _file(side: BundleTarget, shapes: Sequence[str]) -> BundleTarget:
    side.check_shapes(shapes)
    return side


def _write(
    found: Sides, tensors: Mapping[str, LazyTensor], path: Path, options: WriteOptions, write: Write
) -> tuple[str, ...]:
    side, source = found.target, found.bundle
    if isinstance(side, BundleTarget):
        filled = side.filled(tensors)
        filled = replace(filled, opened={**source.opened, **filled.opened})
        if own := _refilled(side, filled, path, options, found.files):
            return own
        return tuple(map(str, write(filled, path, options).files))
    if path.suffix not in _STATE_DICTS:
        remedy = f"Give a name that ends in one of {', '.join(_STATE_DICTS)}."
        raise Refused(str(path), "a PyTorch module takes its weights from a state dict", remedy)
    from irconv.frameworks.torch import state_dict

    with whole_output(options.force, options.dry_run, [*found.files, *source.opened]) as output:
        values = side.filled(tensors)
        ties = {name: first for name, first in side.ties.items() if name in values}
        made = state_dict.write(values, ties, output, path)
        check_unchanged(source.opened)
    return tuple(map(str, made))


def _refilled(
    side: BundleTarget, filled: Bundle, path: Path, options: WriteOptions, sources: Sequence[Path]
) -> tuple[str, ...]:
    """The target's own file with other values in it, where its format can be written over; else nothing."""
    if side.bundle.source.framework not in _REFILLED or options.target_format is not None or not side.path:
        return ()
    refilling = import_module(f"irconv.frameworks.{side.bundle.source.framework}.refill")
    names = {
        tensor.record.source.name
        for key, tensor in filled.tensors.items()
        if tensor.record.source is not None and tensor is not side.bundle.tensors[key]
    }
    values = {name: data for name, data in filled.source_tensors().items() if name in names}
    if not refilling.can_refill(side.path, path, values):
        return ()
    with whole_output(options.force, options.dry_run, [*sources, *filled.opened]) as output:
        made = refilling.refill(side.path, path, values, output)
        check_unchanged(filled.opened)
    return tuple(map(str, made))
