"""PyTorch files, read without PyTorch: ``torch.save`` files, safetensors, and the folders of Hugging Face."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from irconv.containers import safetensors
from irconv.containers.files import SourceFile as OpenFile
from irconv.containers.watch import note
from irconv.errors import MALFORMED, DamagedFile, IrconvError, Problems, Refused
from irconv.frameworks.torch import adapters, distributed, packed, read_files, sharded
from irconv.frameworks.torch.chunked import Chunked
from irconv.frameworks.torch.files import FOLDER_FILES, INDEX, is_safetensors
from irconv.frameworks.torch.groups import Weight, read_groups
from irconv.frameworks.torch.modules import Module, described, walk
from irconv.frameworks.torch.pickles_tensors import InParts, PickledTensor, Unreadable
from irconv.frameworks.torch.read_select import Optimizers, Selection, select, unwrapped
from irconv.frameworks.torch.state_dict import FORMATS, IN_PARTS, TIED
from irconv.ir import optimizer
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import Fact, Omitted, SourceFile, SourceRecord
from irconv.ir.tensors import LazyTensor
from irconv.options import EDITS, ReadOptions, refuse_unused

_MAX_INDEX = 1 << 28
_OF_CHECKPOINTS = ("key", "ema", "keep_optimizer")
_OF_MODULES = ("input_shape", "module_map", *EDITS)


def read(path: Path, options: ReadOptions) -> Bundle:
    """The model, where the file has a module whose parts stand in a row; else the weights in groups, without a graph.

    Raises `DamagedFile`, `MissingFact` (which of several state dicts) and `Refused`, naming every tensor that cannot
    be kept.
    """
    if options.module is not None:
        refuse_unused(options, ("module_map", "until", "replace"), "--module says what the weights are of")
        from irconv.frameworks.torch.live_read import read_weights

        weights = read(path, replace(options, module=None, input_shape=(), plugins=()))
        return read_weights(weights, options)
    if path.is_dir() and not any((path / name).is_file() for name in FOLDER_FILES):
        return _read_distributed(path, options)
    adapter = adapters.beside(path) if path.is_dir() else None
    if path.is_dir():
        path = next(path / name for name in FOLDER_FILES if (path / name).is_file())
    if adapter is not None and adapter != path:
        refuse_unused(options, (*_OF_CHECKPOINTS, *_OF_MODULES), "the folder holds a base and an adapter of it")
        return _read_adapted(path, adapter)
    paths = _shards(path) if path.name.endswith(INDEX) else (path,)
    if is_safetensors(paths[0]):
        refuse_unused(options, (*_OF_CHECKPOINTS, *_OF_MODULES), "safetensors hold tensors by name and nothing else")
        return _read_safetensors(paths)
    if options.key:
        refuse_unused(options, ("ema",), "--key says which weights are read")
    saved = map(read_files.read, paths)
    return _selected(paths, ((str(one.path), one.value, one.sources) for one in saved), options)


def _selected(
    paths: Sequence[Path], saved: Iterable[tuple[str, Any, Mapping[str, str]]], options: ReadOptions
) -> Bundle:
    """The weights of pickled values, each with its place and the sources of its classes."""
    try:
        selections = [select(value, sources, where, options.key, options.ema) for where, value, sources in saved]
        optimizers = selections[0].optimizers if options.keep_optimizer else None
        selections = [replace(selection, optimizers=None) for selection in selections]
        bundle = _bundle(paths, selections, options)
        return bundle if optimizers is None else _with_state(bundle, paths, optimizers, options)
    except MALFORMED as error:
        if isinstance(error, IrconvError):
            raise
        raise DamagedFile(str(paths[0]), f"expected what PyTorch writes, got something else: {error!r}") from error


def _with_state(bundle: Bundle, paths: Sequence[Path], optimizers: Optimizers, options: ReadOptions) -> Bundle:
    """The bundle with the state of the optimizers that stand beside the weights."""
    if len(paths) > 1:
        refuse_unused(options, ("keep_optimizer",), "shards hold weights alone")
    found, structure = optimizers.read(str(paths[0]))
    state = {name: _weight(name, value, paths[0], None).data for name, value in found.items()}
    return optimizer.kept(bundle, state, structure, options)


def _read_distributed(folder: Path, options: ReadOptions) -> Bundle:
    """A distributed checkpoint, whose one value is in many files."""
    try:
        value = distributed.read(folder)
    except MALFORMED as error:
        if isinstance(error, IrconvError):
            raise
        what = f"expected a distributed checkpoint of PyTorch, got something else: {error!r}"
        raise DamagedFile(str(folder), what) from error
    paths = distributed.files(folder)
    bundle = _selected(paths[:1], [(str(folder), value, {})], options)
    source = bundle.source.model_copy(update={"files": _source(paths, ()).files})
    return replace(bundle, source=source, paths=paths)


def _read_adapted(base: Path, adapter: Path) -> Bundle:
    """A base and the low-rank adapter beside it, to be merged when they are written."""
    fact = adapters.settings(adapter.parent)
    whole, pieces = (_plain_weights(path) for path in (base, adapter))
    paths = (*(_shards(base) if base.name.endswith(INDEX) else (base,)), adapter, adapter.parent / adapters.CONFIG)
    tensors, groups, ties = read_groups(adapters.joined(whole, pieces, adapter))
    return Bundle(_source(paths, (fact, *ties)), tensors=tensors, groups=groups, paths=paths)


def _plain_weights(path: Path) -> dict[str, Weight]:
    """The weights of a state dict by name, in one file or in shards."""
    bundle = read_state_dict(path)
    return {
        f"{group.name}.{local}".lstrip("."): Weight(key, path.name, bundle.tensors[key].data, key)
        for group in bundle.groups
        for local, key in group.tensors.items()
    }


def read_state_dict(path: Path) -> Bundle:
    """A state dict in one file or in shards, as it is."""
    paths = _shards(path) if path.name.endswith(INDEX) else (path,)
    if is_safetensors(paths[-1]):
        return _read_safetensors(paths, alone=False)
    saved = [read_files.read(part) for part in paths]
    return _selected(paths, [(str(one.path), one.value, one.sources) for one in saved], ReadOptions())


def _shards(index: Path) -> tuple[Path, ...]:
    """The index itself, then the shards it names. Raises `DamagedFile` for a missing one or a name with a folder."""
    try:
        if index.stat().st_size > _MAX_INDEX:
            raise ValueError(f"{index.stat().st_size} bytes")
        note(index)
        placed = json.loads(index.read_bytes())["weight_map"]
        names = sorted(set(placed.values()))
        if not names or any(Path(name).name != name for name in names):
            raise ValueError("names of files in the same folder")
    except (RecursionError, *MALFORMED) as error:
        what = f"expected an index of shards, with weight_map, got {str(error)[:200]}"
        raise DamagedFile(str(index), what) from error
    for name in names:
        if not (index.parent / name).is_file():
            raise DamagedFile(str(index), f"expected the shard {name}, which is missing")
    return tuple(index.parent / name for name in names)


def _source(paths: Sequence[Path], facts: Sequence[Fact], framework: str = "torch") -> SourceRecord:
    files = tuple(SourceFile(name=path.name, size=path.stat().st_size, sha256="") for path in paths)
    return SourceRecord(framework=framework, version="", files=files, facts=tuple(facts))


def _read_safetensors(paths: Sequence[Path], alone: bool = True) -> Bundle:
    """The tensors of all files; `alone` refuses low-rank pieces without their base."""
    weights: dict[str, Weight] = {}
    facts: list[Fact] = []
    framework = "torch"
    for path in paths:
        tensors, metadata = safetensors.read(OpenFile(path))
        framework = next((name for name, said in FORMATS.items() if metadata.get("format") == said), framework)
        for name, data in tensors.items():
            if name in weights:
                raise DamagedFile(f"{path}: {name}", f"is in the shard {weights[name].file}, too")
            weights[name] = Weight(name, path.name, data, name)
        # safetensors.torch.save_model leaves out all but one name of a tensor, and notes the others.
        for name, kept in metadata.items():
            if kept in tensors and name not in tensors and not name.startswith(TIED):
                weights[name] = Weight(kept, path.name, tensors[kept], kept)
        stated = [(key, value) for key, value in metadata.items() if key not in weights]
        facts += [Fact(name=key, value=value, evidence="the file's metadata") for key, value in stated]
    packed.refuse_packed(weights.keys(), paths[0])
    sharded.refuse_flat(weights.keys(), paths[0])
    if alone:
        adapters.refuse_alone(weights, paths[0])
    named, told = unwrapped(weights)
    made, groups, ties = read_groups({name: weight for name, (_, weight) in named.items()})
    return Bundle(_source(paths, (*facts, *told, *ties), framework), tensors=made, groups=groups, paths=tuple(paths))


def _bundle(paths: Sequence[Path], selections: Sequence[Selection], options: ReadOptions) -> Bundle:
    weights: dict[str, Weight] = {}
    problems = Problems()
    facts: list[Fact] = []
    omitted: list[Omitted] = []
    classes: dict[str, tuple[str | None, str]] = {}
    for path, selection in zip(paths, selections, strict=True):
        sharded.refuse_parts(selection.tensors, path)
        for name in list(selection.tensors):
            full, value = selection.tensors.pop(name)  # let go when it is read: there may be a hundred thousand
            with problems.collect():
                if name in weights:
                    raise DamagedFile(f"{path}: {full}", f"is in the shard {weights[name].file}, too")
                weights |= _weights(name, full, value, path, selection.module)
            if isinstance(value, InParts):
                facts.append(Fact(name=IN_PARTS, value=name, evidence=value.kind))
                classes[name] = None, value.kind
        facts += [fact for fact in selection.facts if fact not in facts]
        omitted += selection.omitted
        classes |= _classes(selection.module)
    problems.raise_any()
    packed.refuse_packed(weights.keys(), paths[0])
    sharded.refuse_flat(weights.keys(), paths[0])
    if len(selections) == 1 and selections[0].module is not None and not any(f.name == IN_PARTS for f in facts):
        # Whole modules alone need the layer classes and the table, whose import takes longer than reading weights.
        from irconv.frameworks.torch.read_model import NoGraph, read_model

        try:
            return replace(read_model(_source(paths, facts), selections[0], weights, options), paths=tuple(paths))
        except NoGraph as reason:
            refuse_unused(options, _OF_MODULES, f"the module is read without a graph, as {reason}", "Or leave it out.")
            facts.append(Fact(name="graph", value="not known", evidence=str(reason)))
    else:
        refuse_unused(options, _OF_MODULES, "the file holds tensors by name, and no module with an order of its parts")
    tensors, groups, ties = read_groups(weights, classes)
    return Bundle(
        _source(paths, (*facts, *ties)), tensors=tensors, groups=groups, omitted=tuple(omitted), paths=tuple(paths)
    )


def _weights(name: str, full: str, value: Any, path: Path, module: Module | None) -> dict[str, Weight]:
    """A tensor under its name, or its parts each under a name of their own."""
    if not isinstance(value, InParts):
        return {name: _weight(full, value, path, module)}
    return {f"{name}.{part}": _weight(f"{full}.{part}", item, path, module) for part, item in value.parts.items()}


def _weight(full: str, value: Any, path: Path, module: Module | None) -> Weight:
    where = f"{path}: {full}"
    if isinstance(value, Unreadable):
        raise Refused(where, f"is {value.kind}, which irconv does not keep", "Save it as a plain tensor.")
    if isinstance(value, Chunked):
        return Weight(full, path.name, value.tensor(where), id(value), True if value.trainable else None)
    if isinstance(value, PickledTensor):
        # In a plain state dict every tensor is detached: only a parameter that says yes says anything.
        trainable = value.trainable if module is not None or value.trainable else None
        return Weight(full, path.name, value.view.tensor(where), value.view.identity(), trainable)
    if not isinstance(value, np.ndarray):
        raise DamagedFile(where, f"expected a tensor, got {type(value).__name__}")
    return Weight(full, path.name, LazyTensor.of(np.asarray(value, order="C")), id(value))


def _classes(module: Module | None) -> Mapping[str, tuple[str | None, str]]:
    """The evidence of each module whose class the file names."""
    if module is None:
        return {}
    return {prefix.rstrip("."): (None, described(part)) for prefix, part in walk(module)}
