"""Keras files of every kind as one: a model's config if there is one, its weights by layer or by place, and facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from irconv.codec import NativeWeight
from irconv.containers import hdf5, hdf5_kind, zip
from irconv.containers.hdf5 import Folder
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Problems, UnknownFormat
from irconv.frameworks.keras import checkpoints, keras0
from irconv.frameworks.keras.checkpoints import Placed
from irconv.frameworks.keras.kind import (
    ATTRIBUTES,
    CONFIG,
    LAYER_COUNT,
    PLACES,
    WEIGHTS,
    find_checkpoint,
    is_graph,
    is_placed,
    recognises,
)
from irconv.ir.kept import KEY, Kept, parsed
from irconv.ir.tensors import LazyTensor

_METADATA = "metadata.json"
_MOST_TEXT = 2**28

Named = Mapping[str, Mapping[str, NativeWeight]]


@dataclass(frozen=True)
class KerasFile:
    """What a Keras file says, before anything is made of it."""

    path: Path
    config: dict[str, Any] | None = None
    """The serialised model, with its class; None for a file of weights alone."""
    named: Named | None = None
    """Layer name -> weight name (such as ``conv2d_1/kernel:0``) -> weight, in the file's order; None for archives."""
    placed: Folder | None = None
    """The weights by place, as archives of Keras 3 have them."""
    datasets: tuple[str, ...] = ()
    """Every dataset of the file."""
    version: str = ""
    backend: str | None = None
    """As the file says."""
    settings: dict[str, Any] = field(default_factory=dict)
    """How the model was compiled."""
    kept: Kept = field(default_factory=Kept)
    """The names that the network had in PyTorch."""
    state: Mapping[str, LazyTensor] = field(default_factory=dict)
    """The state of the optimizer by the names of its datasets, in the order in which Keras takes it."""
    objects: Placed | None = None
    """The weights by place, as TensorFlow's checkpoints have them."""


def read_file(path: Path) -> KerasFile:
    """A Keras file of any kind. Raises `DamagedFile`."""
    if find_checkpoint(path) is not None:
        return KerasFile(path, objects=checkpoints.read(path))
    if not hdf5_kind.recognises(path):
        return _archive(path)
    root = hdf5.read(path)
    signed = root.attributes.keys() & set(ATTRIBUTES)
    if not signed and (root.folders.keys() & PLACES or is_placed(root)):
        return KerasFile(path, placed=root, datasets=_names(root))
    return _hdf5(path, root)


def read_arch(path: Path) -> KerasFile:
    """The model alone: what ``model.to_json()`` gives, the ``config.json`` of an archive, or a whole model's file.

    Raises `UnknownFormat` for anything else.
    """
    if path.is_file() and recognises(path):
        file = read_file(path)
        if file.config is not None:
            return KerasFile(path, file.config, version=file.version, backend=file.backend, settings=file.settings)
    try:
        text = path.read_text(encoding="utf-8") if path.stat().st_size <= _MOST_TEXT else ""
        config = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UnknownFormat(str(path), f"expected the JSON of a Keras model, got {error}") from error
    config = _model(str(path), config)
    version = str(config.get("keras_version") or ("3" if "module" in config else ""))
    return KerasFile(path, config, version=version, backend=config.get("backend"), settings=_compiled(config))


def _archive(path: Path) -> KerasFile:
    archive = zip.archive(path)
    missing = [name for name in (CONFIG, WEIGHTS) if name not in archive.members]
    if missing:
        raise DamagedFile(str(path), f"expected a Keras archive, which has {' and '.join(missing)}")
    config = _json(f"{path}: {CONFIG}", archive.text(CONFIG, _MOST_TEXT))
    said = _json(f"{path}: {_METADATA}", archive.text(_METADATA, _MOST_TEXT)) if _METADATA in archive.members else {}
    version = str(said.get("keras_version", "")) if isinstance(said, dict) else ""
    config = _model(f"{path}: {CONFIG}", config)
    root = hdf5.read(path, file=archive.open(WEIGHTS))
    kept = parsed(said.get(KEY)) if isinstance(said, dict) else None
    settings = _compiled(config)
    state, kept = _state(root.folders.get("optimizer")), kept or Kept()
    return KerasFile(path, config, None, root, _names(root), version, settings=settings, kept=kept, state=state)


def _hdf5(path: Path, root: Folder) -> KerasFile:
    beside = root.folders.pop(KEY, Folder("")).datasets.get("names")
    kept = parsed(beside.numpy().tobytes()) if beside is not None and beside.dtype == "uint8" else None
    text = root.attributes.get("model_config")
    where = f"{path}: attribute model_config"
    config = _model(where, _json(where, text)) if text is not None else None
    folder = root.folders.get("model_weights", Folder("")) if config is not None else root
    names = folder.texts("layer_names")
    if names is None:
        if config is None and (LAYER_COUNT in root.attributes or is_graph(root)):
            return KerasFile(path, None, keras0.numbered(root), None, _names(root), keras0.VERSION)
        raise DamagedFile(str(path), "expected the attribute layer_names with the weights, which is missing")
    problems = Problems()
    weights = {name: _layer_weights(path, folder, name, problems) for name in names}
    problems.raise_any()
    said = {**folder.attributes, **root.attributes}
    version, backend = (_text(said.get(name)) for name in ("keras_version", "backend"))
    training = root.attributes.get("training_config")
    settings = _json(f"{path}: attribute training_config", training) if training is not None else {}
    version = version or ""
    state, kept = _state(root.folders.get("optimizer_weights")), kept or Kept()
    return KerasFile(path, config, weights, None, _names(root), version, backend, settings, kept=kept, state=state)


def _state(folder: Folder | None) -> dict[str, LazyTensor]:
    """What is in the group of the optimizer: as HDF5 lists it, or in archives by number."""
    if folder is None:
        return {}
    names = folder.texts("weight_names")
    if names is None:
        return dict(sorted(folder.walk(), key=lambda found: (len(found[0]), found[0])))
    found = {name: folder.dataset(name) for name in names}
    return {f"{folder.path}/{name}".lstrip("/"): data for name, data in found.items() if data is not None}


def _layer_weights(path: Path, folder: Folder, layer: str, problems: Problems) -> dict[str, NativeWeight]:
    group = _group(folder, layer)
    names = group.texts("weight_names") if group else None
    if group is None or names is None:
        problems.add(f"{path}: {folder.path}/{layer}", "expected a group with weight_names", kind=DamagedFile)
        return {}
    found: dict[str, NativeWeight] = {}
    for name in names:
        data = group.dataset(name)
        if data is None:
            problems.add(f"{path}: {group.path}/{name}", "is listed, but not in the file", kind=DamagedFile)
        elif name in found:
            problems.add(f"{path}: {group.path}/{name}", "is listed twice", kind=DamagedFile)
        else:
            found[name] = NativeWeight(f"{group.path}/{name}".lstrip("/"), data)
    return found


def _group(folder: Folder, name: str) -> Folder | None:
    """A group by name; HDF5 makes groups in groups of a name with slashes."""
    found: Folder | None = folder
    for part in name.strip("/").split("/"):
        found = found.folders.get(part) if found else None
    return found


def _model(where: str, config: Any) -> dict[str, Any]:
    if keras0.wrote(config):
        return keras0.as_keras1(config)
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict | list):
        raise DamagedFile(where, "expected a model with class_name and config")
    return config


def _compiled(config: Mapping[str, Any]) -> dict[str, Any]:
    settings = config.get("compile_config")
    return settings if isinstance(settings, dict) else {}


def _json(where: str, text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(where, f"expected JSON, got {error}") from error


def _names(root: Folder) -> tuple[str, ...]:
    return tuple(name for name, _ in root.walk())


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else None if value is None else str(value)
