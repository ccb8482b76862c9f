"""Keras files of every kind as one: a model's config if there is one, its weights by layer or by place, and facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irconv.codec import NativeWeight
from irconv.containers import hdf5, zip
from irconv.containers.hdf5 import Folder
from irconv.errors import DamagedFile, IrconvError, Problems, UnknownFormat
from irconv.frameworks.keras import checkpoints, keras0
from irconv.frameworks.keras.checkpoints import Placed
from irconv.ir.kept import KEY, Kept, parsed

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
#: Attributes of the root group of HDF5 files, the last up to Keras 0.3.
_ATTRIBUTES = ("model_config", "layer_names", "layer_names0", keras0.LAYER_COUNT)
_MOST_TEXT = 2**28
#: The groups that an archive's weights begin with; Keras 2.12 and 2.13 have the second.
_PLACES = {"layers", "_layer_checkpoint_dependencies"}

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
    objects: Placed | None = None
    """The weights by place, as TensorFlow's checkpoints have them."""


def recognises(path: Path) -> str:
    """Why this is Keras': HDF5 or a zip with what only Keras writes; empty where it is not."""
    if (checkpoint := checkpoints.find(path)) is not None:
        return f"{checkpoint.why}, in which Keras numbered its layers"
    if not path.is_file():
        return ""
    if hdf5.recognises(path):
        return _marks(hdf5.read(path, lenient=True))
    with path.open("rb") as file:
        if file.read(len(zip.SIGNATURE)) != zip.SIGNATURE:
            return ""
    try:
        whole = {_CONFIG, _WEIGHTS} <= set(zip.archive(path).members)
    except IrconvError:  # a zip that cannot be listed is only said to be Keras' by its name
        return "is a damaged zip whose name ends in .keras" if path.suffix == ".keras" else ""
    return f"is a zip with {_CONFIG} and {_WEIGHTS}" if whole else ""


def _marks(root: Folder) -> str:
    """What in an HDF5 file is Keras' own."""
    attribute = next((name for name in _ATTRIBUTES if name in root.attributes), "")
    if attribute:
        return f"has the attribute {attribute}"
    if _is_graph(root):
        return f"has the group {keras0.GRAPH} with the attribute {keras0.ARRAY_COUNT}"
    if "vars" in root.folders and (places := root.folders.keys() & _PLACES):
        return f"has the groups vars and {min(places)}"
    return "keeps its arrays in groups vars, numbered" if _is_placed(root) else ""


def _is_graph(root: Folder) -> bool:
    """Whether these are the weights of a Graph of Keras before 1.0."""
    return keras0.GRAPH in root.folders and keras0.ARRAY_COUNT in root.folders[keras0.GRAPH].attributes


def _is_placed(root: Folder) -> bool:
    """Whether each dataset is in a group ``vars`` of Keras 3, at any depth, and in some they are numbered from 0.

    A subclassed model has a group for each attribute that holds a layer, such as ``conv/vars/0``.
    """
    holders = [folder for folder in root.groups() if folder.datasets]
    numbered = any(set(holder.datasets) == set(map(str, range(len(holder.datasets)))) for holder in holders)
    return numbered and all(holder.path.rpartition("/")[2] == "vars" for holder in holders)


def read_file(path: Path) -> KerasFile:
    """A Keras file of any kind. Raises `DamagedFile`."""
    if checkpoints.find(path) is not None:
        return KerasFile(path, objects=checkpoints.read(path))
    if not hdf5.recognises(path):
        return _archive(path)
    root = hdf5.read(path)
    signed = root.attributes.keys() & set(_ATTRIBUTES)
    if not signed and (root.folders.keys() & _PLACES or _is_placed(root)):
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
    missing = [name for name in (_CONFIG, _WEIGHTS) if name not in archive.members]
    if missing:
        raise DamagedFile(str(path), f"expected a Keras archive, which has {' and '.join(missing)}")
    config = _json(f"{path}: {_CONFIG}", archive.text(_CONFIG, _MOST_TEXT))
    said = _json(f"{path}: {_METADATA}", archive.text(_METADATA, _MOST_TEXT)) if _METADATA in archive.members else {}
    version = str(said.get("keras_version", "")) if isinstance(said, dict) else ""
    config = _model(f"{path}: {_CONFIG}", config)
    root = hdf5.read(path, file=archive.open(_WEIGHTS))
    kept = parsed(said.get(KEY)) if isinstance(said, dict) else None
    settings = _compiled(config)
    return KerasFile(path, config, None, root, _names(root), version, settings=settings, kept=kept or Kept())


def _hdf5(path: Path, root: Folder) -> KerasFile:
    beside = root.folders.pop(KEY, Folder("")).datasets.get("names")
    kept = parsed(beside.numpy().tobytes()) if beside is not None and beside.dtype == "uint8" else None
    text = root.attributes.get("model_config")
    where = f"{path}: attribute model_config"
    config = _model(where, _json(where, text)) if text is not None else None
    folder = root.folders.get("model_weights", Folder("")) if config is not None else root
    names = folder.texts("layer_names")
    if names is None:
        if config is None and (keras0.LAYER_COUNT in root.attributes or _is_graph(root)):
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
    return KerasFile(path, config, weights, None, _names(root), version, backend, settings, kept=kept or Kept())


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
