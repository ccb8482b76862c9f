"""Paths and objects as the two sides of an adoption, and what comes out of it: read, adopt, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from irconv.adoption.adopt import adopt as placed
from irconv.adoption.result import Adoption
from irconv.adoption.sides import BundleTarget, source_of
from irconv.containers.outputs import check_free, whole_output
from irconv.containers.watch import check_unchanged
from irconv.errors import Refused, UnusedOption
from irconv.ir.bundle import Bundle
from irconv.ir.tensors import LazyTensor
from irconv.options import AdoptOptions, ReadOptions, WriteOptions

if TYPE_CHECKING:
    from irconv.adoption.modules import ModuleTarget
    from irconv.frameworks.torch.live import Module

_STATE_DICTS = (".pt", ".pth", ".safetensors")


class Read(Protocol):
    """`irconv.api.read`."""

    def __call__(self, path: str | Path, options: ReadOptions | None = None) -> Bundle:
        """The bundle of a file."""


class Write(Protocol):
    """`irconv.api.write`."""

    def __call__(self, bundle: Bundle, path: str | Path, options: WriteOptions | None = None) -> Any:
        """Write a bundle."""


def adopt(
    source: str | Path | Bundle,
    target: str | Path | Bundle | Module,
    output: str | Path | None,
    options: AdoptOptions,
    reading: ReadOptions | None,
    writing: WriteOptions | None,
    read: Read,
    write: Write,
) -> Adoption:
    """See `irconv.api.adopt`."""
    writing = writing or WriteOptions()
    reading = reading or ReadOptions()
    sources = [Path(side) for side in (source, *_files(target)) if isinstance(side, str | Path)]
    if output is not None:
        check_free(Path(output), writing.force, sources)
    bundle = source if isinstance(source, Bundle) else _read_source(source, reading, read, target)
    side = _target(target, bundle, reading.input_shape, read)
    found = placed(source_of(bundle, reading.ema), side.weights, side.wanted, options.flatten, options.partial)
    if output is None:
        if not isinstance(side, BundleTarget):
            side.load(found.tensors)
        return found
    return replace(found, files=_write(side, found.tensors, Path(output), writing, write, bundle, sources))


def _read_source(path: str | Path, options: ReadOptions, read: Read, target: object) -> Bundle:
    """The source; a shape that it has no use for is the target's."""
    try:
        return read(path, options)
    except UnusedOption:
        if not options.input_shape or not _is_module(target):
            raise
        return read(path, replace(options, input_shape=()))


def _is_module(target: object) -> bool:
    """Whether a target is PyTorch's, given as an object or as ``file.py:Class``."""
    from irconv.frameworks.torch import live

    return not isinstance(target, Bundle | Path) and (not isinstance(target, str) or live.splits(target) is not None)


def _target(
    target: str | Path | Bundle | Module, source: Bundle, shapes: Sequence[str], read: Read
) -> BundleTarget | ModuleTarget:
    from irconv.frameworks.torch import live

    if isinstance(target, Bundle):
        return BundleTarget.of(target)
    if isinstance(target, str | Path):
        named = live.splits(str(target))
        if named is None:
            return BundleTarget.of(read(target), Path(target))
        target = live.build(*named)
    from irconv.adoption.modules import ModuleTarget

    return ModuleTarget.of(target, source, shapes)


def _files(target: object) -> list[str | Path]:
    """The file that a target is, or is defined in."""
    from irconv.frameworks.torch import live

    named = live.splits(target) if isinstance(target, str) else None
    return [named[0]] if named else [target] if isinstance(target, str | Path) else []


def _write(
    side: BundleTarget | ModuleTarget,
    tensors: Mapping[str, LazyTensor],
    path: Path,
    options: WriteOptions,
    write: Write,
    source: Bundle,
    sources: Sequence[Path],
) -> tuple[str, ...]:
    if isinstance(side, BundleTarget):
        filled = side.filled(tensors)
        filled = replace(filled, opened={**source.opened, **filled.opened})
        if own := _refilled(side, filled, path, options, sources):
            return own
        return tuple(map(str, write(filled, path, options).files))
    if path.suffix not in _STATE_DICTS:
        remedy = f"Give a name that ends in one of {', '.join(_STATE_DICTS)}."
        raise Refused(str(path), "a PyTorch module takes its weights from a state dict", remedy)
    from irconv.frameworks.torch import state_dict

    with whole_output(options.force, options.dry_run, [*sources, *source.opened]) as output:
        values = side.filled(tensors)
        ties = {name: first for name, first in side.ties.items() if name in values}
        made = state_dict.write(values, ties, output, path)
        check_unchanged(source.opened)
    return tuple(map(str, made))


def _refilled(
    side: BundleTarget, filled: Bundle, path: Path, options: WriteOptions, sources: Sequence[Path]
) -> tuple[str, ...]:
    """The target's own file with other values in it, where its format can be written over; else nothing."""
    if side.bundle.source.framework != "keras" or options.target_format is not None or not side.path:
        return ()
    from irconv.frameworks.keras.refill import can_refill, refill

    names = {
        tensor.record.source.name
        for key, tensor in filled.tensors.items()
        if tensor.record.source is not None and tensor is not side.bundle.tensors[key]
    }
    values = {name: data for name, data in filled.source_tensors().items() if name in names}
    if not can_refill(side.path, path, values):
        return ()
    with whole_output(options.force, options.dry_run, [*sources, *filled.opened]) as output:
        made = refill(side.path, path, values, output)
        check_unchanged(filled.opened)
    return tuple(map(str, made))
