"""Writes ``m.theano/`` (one HDF5 file for each array) and ``m.theano.h5``, with ``arch.json`` and ``model.py``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from irconv import __version__
from irconv.containers import hdf5_write
from irconv.containers.files import Progress
from irconv.containers.hdf5 import Folder
from irconv.containers.names import dataset_names, file_names
from irconv.containers.outputs import Output
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.theano.arrays import Stored
from irconv.frameworks.theano.describe import described, text
from irconv.frameworks.theano.lower import lower, of_its_types
from irconv.frameworks.theano.own import own_files
from irconv.frameworks.theano.restore import Restored, restore
from irconv.frameworks.theano.source import Source, module_source
from irconv.frameworks.theano.table import TABLE
from irconv.ir.bundle import Bundle
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import ValueType
from irconv.ir.tensors import LazyTensor
from irconv.options import WriteOptions
from irconv.python_source.literals import literal, quoted
from irconv.translate import NativeModel, encode

_LOAD_FOLDER = '''
def load(name, dataset=None):
    """The array in name.h5 as a shared variable; numbers with a fraction become floatX."""
    with h5py.File(os.path.join(HERE, name + ".h5"), "r") as file:
        array = file[dataset or os.path.basename(name)][()]
    return theano.shared(array.astype(theano.config.floatX) if array.dtype.kind == "f" else array, name=name)
'''
_LOAD_FILE = '''
def load(dataset):
    """An array of the HDF5 file as a shared variable; numbers with a fraction become floatX."""
    with h5py.File(os.path.join(HERE, {file}), "r") as file:
        array = file[dataset][()]
    return theano.shared(array.astype(theano.config.floatX) if array.dtype.kind == "f" else array, name=dataset)
'''


@dataclass(frozen=True)
class _Array:
    """An array to be written: a file and a dataset that file systems and HDF5 take, see `irconv.containers.names`."""

    file: str
    """Below the folder and without ``.h5``; empty for a single file."""
    dataset: str
    data: LazyTensor


@dataclass(frozen=True)
class _Model:
    """Everything to be written: the native model, and its arrays by the path of their weights."""

    native: NativeModel
    types: Mapping[str, ValueType]
    arrays: dict[str, _Array]
    expressions: dict[str, str]
    data: dict[str, Any]


def write_folder(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write a folder. Raises `Refused` naming every layer that Theano cannot express."""
    model = _model(bundle, destination.name, single=False)
    source = _source(bundle, model, _LOAD_FOLDER)
    folder = output.folder(destination, own_files)
    files: dict[str, dict[str, LazyTensor]] = {}
    for array in model.arrays.values():
        files.setdefault(f"{array.file}.h5", {})[array.dataset] = array.data
    for file, datasets in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        hdf5_write.write(path, _nested(datasets), progress)
    (folder / "arch.json").write_text(text(model.data), encoding="utf-8")
    (folder / "model.py").write_text(source, encoding="utf-8")
    return [destination]


def write_file(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write one HDF5 file, with arch.json and model.py beside it, which are of no use without it.

    Raises as `write_folder`.
    """
    model = _model(bundle, destination.name, single=True)
    source = _source(bundle, model, _LOAD_FILE.format(file=quoted(destination.name, portable=True)))
    architecture, python = destination.with_name("arch.json"), destination.with_name("model.py")
    output.path(architecture).write_text(text(model.data), encoding="utf-8")
    output.path(python).write_text(source, encoding="utf-8")
    hdf5_write.write(
        output.path(destination), _nested({array.dataset: array.data for array in model.arrays.values()}), progress
    )
    return [destination, architecture, python]


def _model(bundle: Bundle, name: str, single: bool) -> _Model:
    if bundle.graph is None:
        raise Refused(
            ", ".join(file.name for file in bundle.source.files),
            "holds weights without a graph, and model.py is one",
            "Say with --arch what they are the weights of; `irconv sketch` begins such a file.",
        )
    found = restore(bundle)
    if found is None:
        return _foreign(bundle, name, single)
    native = replace(found.model, inputs=bundle.graph.inputs, outputs=bundle.graph.outputs)
    return _restored(replace(found, model=native), name, single)


def _restored(found: Restored, name: str, single: bool) -> _Model:
    """What came from Theano, in the files and datasets it had."""
    stored = {used.stored.name: used.stored for used in found.weights.used.values()}
    places = {name: _place_of(array, single) for name, array in stored.items()}
    if len(set(places.values())) < len(places):  # of files whose names differ in their suffix alone
        places = {name: (name, name.rsplit("/", 1)[-1]) for name in stored}
    arrays = _placed({name: (*places[name], array.data) for name, array in stored.items()}, single)
    expressions: dict[str, str] = {}
    for path, used in found.weights.used.items():
        expression = _load(arrays[used.stored.name])
        for step, numbers in used.asked:
            expression += f".{step}({literal(numbers)})"
        expressions[path] = expression
    for path, parts in found.weights.joined.items():
        expressions[path] = f"T.concatenate([{', '.join(expressions[part] for part in parts)}], axis=-1)"
    data = dict(found.data)
    listed = {path: _place(name, arrays[used.stored.name]) for path, used in found.weights.used.items()}
    for path, used in found.weights.used.items():
        listed[path] |= {step: list(numbers) for step, numbers in used.asked}
    data["weights"] = {"storage": "h5" if single else "folder_of_h5", "arrays": listed}
    return _Model(found.model, found.types, arrays, expressions, data)


def _place_of(stored: Stored, single: bool) -> tuple[str, str]:
    """The file of an array, without its suffix, and the dataset in it: what they were called."""
    if single:
        return "", stored.name
    inside = re.sub(r"\.(h5|hdf5|hdf)$", "", stored.file)
    if stored.name.startswith(f"{inside}/"):
        return inside, stored.name[len(inside) + 1 :]
    return (inside if stored.name == inside else stored.name), stored.name.rsplit("/", 1)[-1]


def _placed(wanted: Mapping[str, tuple[str, str, LazyTensor]], single: bool) -> dict[str, _Array]:
    """The arrays in files and datasets that may have such names; `wanted` has file, dataset and data of each."""
    files = {} if single else file_names((file for file, _, _ in wanted.values()), ".h5")
    inside: dict[str, list[str]] = {}
    for file, dataset, _ in wanted.values():
        inside.setdefault(file, []).append(dataset)
    datasets = {file: dataset_names(listed) for file, listed in inside.items()}
    return {
        name: _Array("" if single else files[file].removesuffix(".h5"), datasets[file][dataset], data)
        for name, (file, dataset, data) in wanted.items()
    }


def _foreign(bundle: Bundle, name: str, single: bool) -> _Model:
    """What came from elsewhere, in Theano's own words and layouts."""
    lowered = lower(bundle)
    types = dict(infer_types(lowered))
    of_its_types(lowered, types)
    native = encode(lowered, TABLE)
    wanted: dict[str, tuple[str, str, LazyTensor]] = {}
    names: dict[str, str] = {}
    taken: set[str] = set()
    for layer in native.layers.values():
        for role, weight in layer.tensors.items():
            base = word = re.sub(r"[^\w.-]", "_", f"{layer.name}_{role}")
            number = 1
            while word.lower() in taken:  # some file systems do not tell A from a
                number += 1
                word = f"{base}_{number}"
            if weight.path in wanted and wanted[weight.path][2].changes == weight.data.changes:
                continue
            if weight.path in wanted:
                raise Refused(f"layer {layer.name}", f"its {role} is a tensor that another layer has in another layout")
            taken.add(word.lower())
            wanted[weight.path] = "" if single else word, word, weight.data
            names[weight.path] = word
    arrays = _placed(wanted, single)
    expressions = {path: _load(array) for path, array in arrays.items()}
    places = {names[path]: _place(name, array) for path, array in arrays.items()}
    data = described(native, types, names, places)
    data["weights"] = {"storage": "h5" if single else "folder_of_h5", **data["weights"]}
    return _Model(native, types, arrays, expressions, data)


def _load(array: _Array) -> str:
    plain = array.dataset == array.file.rsplit("/", 1)[-1]
    given = [array.dataset] if not array.file else [array.file] if plain else [array.file, array.dataset]
    return f"load({', '.join(quoted(text, portable=True) for text in given)})"


def _place(name: str, array: _Array) -> dict[str, Any]:
    return {"file": f"{array.file}.h5" if array.file else name, "dataset": array.dataset}


def _source(bundle: Bundle, model: _Model, load: str) -> str:
    files = ", ".join(file.name for file in bundle.source.files[:3]) or "A model"
    files += f" and {len(bundle.source.files) - 3} more" if len(bundle.source.files) > 3 else ""
    made_by = " ".join(part for part in (bundle.source.framework.capitalize(), bundle.source.version) if part)
    made_by += "".join(f", {mark}: {said}" for mark, said in bundle.source.marks().items())
    about = f"{files} ({made_by}) for Theano 1.0.5, written by irconv {__version__}."
    return module_source(Source(model.native, model.types, model.expressions, about, load))


def _nested(datasets: Mapping[str, LazyTensor]) -> Folder:
    """Datasets by path as groups."""
    root = Folder("")
    for path, data in datasets.items():
        *parents, leaf = path.split("/")
        folder = root
        for parent in parents:
            folder = folder.folders.setdefault(parent, Folder(f"{folder.path}/{parent}"))
        folder.datasets[leaf] = data
    return root
