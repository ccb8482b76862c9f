"""Tells Keras' files from others, without what reads them: every reader is asked about every file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from irconv.containers import checkpoint_files, hdf5_kind
from irconv.containers.checkpoint_files import OBJECTS, CheckpointFiles
from irconv.containers.zip import SIGNATURE as ZIP_SIGNATURE
from irconv.containers.zip import archive
from irconv.errors import IrconvError

if TYPE_CHECKING:
    from irconv.containers.hdf5 import Folder

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
#: Names of Keras up to 0.3.
LAYER_COUNT, ARRAY_COUNT, GRAPH = "nb_layers", "nb_params", "graph"
#: Attributes of the root group of HDF5 files, the last up to Keras 0.3.
ATTRIBUTES = ("model_config", "layer_names", "layer_names0", LAYER_COUNT)
#: The groups that an archive's weights begin with; Keras 2.12 and 2.13 have the second.
PLACES = {"layers", "_layer_checkpoint_dependencies"}


def recognises(path: Path) -> str:
    """Why this is Keras': HDF5 or a zip with what only Keras writes; empty where it is not."""
    if (checkpoint := find_checkpoint(path)) is not None:
        return f"{checkpoint.why}, in which Keras numbered its layers"
    if not path.is_file():
        return ""
    if hdf5_kind.recognises(path):
        from irconv.containers import hdf5

        return _marks(hdf5.read(path, lenient=True))
    with path.open("rb") as file:
        if file.read(len(ZIP_SIGNATURE)) != ZIP_SIGNATURE:
            return ""
    try:
        whole = {CONFIG, WEIGHTS} <= set(archive(path).members)
    except IrconvError:  # a zip that cannot be listed is only said to be Keras' by its name
        return "is a damaged zip whose name ends in .keras" if path.suffix == ".keras" else ""
    return f"is a zip with {CONFIG} and {WEIGHTS}" if whole else ""


def _marks(root: Folder) -> str:
    """What in an HDF5 file is Keras' own."""
    attribute = next((name for name in ATTRIBUTES if name in root.attributes), "")
    if attribute:
        return f"has the attribute {attribute}"
    if is_graph(root):
        return f"has the group {GRAPH} with the attribute {ARRAY_COUNT}"
    if "vars" in root.folders and (places := root.folders.keys() & PLACES):
        return f"has the groups vars and {min(places)}"
    return "keeps its arrays in groups vars, numbered" if is_placed(root) else ""


def is_graph(root: Folder) -> bool:
    """Whether these are the weights of a Graph of Keras before 1.0."""
    return GRAPH in root.folders and ARRAY_COUNT in root.folders[GRAPH].attributes


def is_placed(root: Folder) -> bool:
    """Whether each dataset is in a group ``vars`` of Keras 3, at any depth, and in some they are numbered from 0.

    A subclassed model has a group for each attribute that holds a layer, such as ``conv/vars/0``.
    """
    holders = [folder for folder in root.groups() if folder.datasets]
    numbered = any(set(holder.datasets) == set(map(str, range(len(holder.datasets)))) for holder in holders)
    return numbered and all(holder.path.rpartition("/")[2] == "vars" for holder in holders)


def find_checkpoint(path: Path) -> CheckpointFiles | None:
    """The checkpoint that a path means, if it keeps a Keras model; its own files say so."""
    try:
        files = checkpoint_files.find(path)
        if files is None or files.version != "V2":
            return None
        strings = files.read().strings
        held = OBJECTS in strings and b"layer_with_weights-" in strings[OBJECTS].values[0]
    except (IrconvError, OSError):  # which the reader of TensorFlow's files reports
        return None
    return files if held else None
