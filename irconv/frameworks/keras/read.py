"""Keras 2 and tf.keras HDF5: whole models and weights alone, read without Keras or TensorFlow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irconv.codec import NativeWeight
from irconv.containers import hdf5
from irconv.containers.hdf5 import Folder
from irconv.errors import MALFORMED, DamagedFile, MissingFact, Problems, Refused
from irconv.frameworks.keras.facts import Facts
from irconv.frameworks.keras.normalise import normalise
from irconv.frameworks.keras.table import TABLE
from irconv.frameworks.keras.weights import read_groups
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import Fact, Omitted, SourceFile, SourceRecord
from irconv.options import ReadOptions
from irconv.translate import decode

_BACKENDS = ("tensorflow", "theano", "cntk", "jax", "torch", "numpy", "openvino")


@dataclass(frozen=True)
class KerasFile:
    """What a Keras HDF5 file says, before anything is made of it."""

    path: Path
    config: dict[str, Any] | None
    """None for a file of weights alone."""
    weights: dict[str, dict[str, NativeWeight]]
    """Layer name -> weight name (such as ``conv2d_1/kernel:0``) -> weight, in the file's order."""
    backend: Fact
    version: str
    omitted: tuple[Omitted, ...]


def recognises(path: Path) -> bool:
    """Whether this is HDF5 with Keras' attributes."""
    if not path.is_file() or not hdf5.recognises(path):
        return False
    return bool(hdf5.root_attributes(path) & {"model_config", "layer_names", "layer_names0"})


def read(path: Path, options: ReadOptions) -> Bundle:
    """The model, naively decoded; or the weights alone, in groups.

    Raises `DamagedFile`, `MissingFact` (the backend, where the file does not show it) and `Refused`.
    """
    file = _read_file(path, options)
    record = SourceFile(name=path.name, size=path.stat().st_size, sha256="")
    source = SourceRecord(framework="keras", version=file.version, files=(record,), facts=(file.backend,))
    if file.config is None:
        tensors, groups = read_groups(file.weights, path.name, file.backend.value)
        return Bundle(source, tensors=tensors, groups=groups, omitted=file.omitted, paths=(path,))
    facts = Facts(str(path), file.backend.value, _major(path, file.version))
    try:
        model = normalise(file.config, file.weights, facts)
    except MALFORMED as error:
        what = f"expected what Keras writes, but something is missing or of another kind: {error!r}"
        raise DamagedFile(f"{path}: attribute model_config", what) from error
    bundle = decode(model, TABLE, source, path.name, options)
    return Bundle(
        source, bundle.layers, bundle.graph, bundle.tensors, omitted=(*file.omitted, *bundle.omitted), paths=(path,)
    )


def _major(path: Path, version: str) -> int:
    """The major version of Keras: a few settings mean something else in each. Raises `Refused` where there is none."""
    major = version.split(".", maxsplit=1)[0]
    if major not in ("1", "2", "3"):
        raise Refused(f"{path}: attribute keras_version", f"expected a version such as 2.3.1, got {version!r}")
    if major == "1":
        raise Refused(f"{path}: attribute keras_version", f"expected Keras 2 or 3, got {version}")
    return int(major)


def _read_file(path: Path, options: ReadOptions) -> KerasFile:
    root = hdf5.read(path)
    config = _config(path, root)
    folder = root.folders.get("model_weights", Folder("")) if config is not None else root
    names = folder.texts("layer_names")
    if names is None:
        raise DamagedFile(str(path), "expected the attribute layer_names with the weights, which is missing")
    problems = Problems()
    weights = {name: _layer_weights(path, folder, name, problems) for name in names}
    problems.raise_any()
    listed = {weight.path for layer in weights.values() for weight in layer.values()}
    omitted = tuple(_unlisted(path, root, listed))
    backend = _backend(path, root, folder, weights, options)
    version = str(root.attributes.get("keras_version") or folder.attributes.get("keras_version") or "")
    return KerasFile(path, config, weights, backend, version, omitted)


def _config(path: Path, root: Folder) -> dict[str, Any] | None:
    text = root.attributes.get("model_config")
    if text is None:
        return None
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{path}: attribute model_config", f"expected JSON, got {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict | list):
        raise DamagedFile(f"{path}: attribute model_config", "expected a model with class_name and config")
    return config


def _layer_weights(path: Path, folder: Folder, layer: str, problems: Problems) -> dict[str, NativeWeight]:
    group = folder.folders.get(layer)
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


def _unlisted(path: Path, root: Folder, listed: set[str]) -> list[Omitted]:
    """The datasets no layer lists: optimizer state is noted, anything else is refused."""
    omitted, problems = [], Problems()
    for name, _ in root.walk():
        if name in listed:
            continue
        if name.startswith("optimizer_weights/"):
            omitted.append(Omitted(name=name, reason="optimizer state"))
        else:
            problems.add(
                f"{path}: {name}", "expected every dataset to belong to a layer, but none lists it", kind=Refused
            )
    problems.raise_any()
    return omitted


def _backend(
    path: Path, root: Folder, folder: Folder, weights: dict[str, dict[str, NativeWeight]], options: ReadOptions
) -> Fact:
    """Which backend wrote the file: it decides whether kernels are turned."""
    said = root.attributes.get("backend") or folder.attributes.get("backend")
    names = [name for layer in weights.values() for name in layer]
    if options.backend:
        fact = Fact(name="backend", value=options.backend, evidence="given by the user")
    elif said is not None:
        said = said.decode() if isinstance(said, bytes) else str(said)
        fact = Fact(name="backend", value=said, evidence="the file's attribute 'backend'")
    elif names and all(name.endswith(":0") for name in names):
        fact = Fact(name="backend", value="tensorflow", evidence="variable names end in ':0', as only TensorFlow's do")
    else:
        raise MissingFact(
            str(path),
            "expected an attribute 'backend': it decides whether convolution kernels are stored turned by 180 degrees",
            "Give --backend tensorflow or --backend theano.",
        )
    if fact.value not in _BACKENDS:
        raise Refused(str(path), f"expected a backend of {', '.join(_BACKENDS)}, got {fact.value!r}")
    return fact
