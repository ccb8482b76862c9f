"""Which files are TensorFlow's, and which of them belong together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from irconv.containers import checkpoint_files, compressed
from irconv.containers.checkpoint_files import CheckpointFiles
from irconv.containers.graph_def_kind import SAVED_MODEL, kind_of
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, IrconvError

_HEAD = 1 << 16
_PICKLES = (b"\x80", b"(", b"}", b"]")
#: The first text of a pickle, with what stands before it: opcodes that hold its length, or quotes.
_FIRST_TEXT = re.compile(rb"(?:X.{4}|\x8c.|U.|T.{4}|[SV]'?)([\w./-]{1,400}:\d+)(?:['\n]|q|\x94|r|p)", re.DOTALL)


@dataclass(frozen=True)
class TensorFlowFiles:
    """What was given, and what lies beside it."""

    path: Path
    kind: Literal["checkpoint", "saved_model", "meta_graph", "graph", "pickle"]
    checkpoint: CheckpointFiles | None
    graph: Path | None
    """The file with the graph."""
    why: str
    """By what it is known, in words that follow the file's name."""


def recognises(path: Path) -> str:
    """Why this is TensorFlow's: any file of a checkpoint, a graph, a SavedModel, a pickle of its variables.

    Empty where it is not, and for the checkpoints of Keras models, which the reader of Keras takes.
    """
    try:
        found = find(path)
    except IrconvError as error:  # which says what is wrong with TensorFlow's file
        return f"looks like TensorFlow's, but {error.problems[0].what}"
    except OSError:
        return ""
    if found is None or (found.kind == "checkpoint" and found.checkpoint and holds_keras_layers(found.checkpoint)):
        return ""
    return found.why


def find(path: Path) -> TensorFlowFiles | None:
    """The files of TensorFlow that a path means; None for another framework's.

    Raises what `irconv.containers.checkpoint_files.find` does.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_dir() or path.name in SAVED_MODEL:
        graph = next((file for name in SAVED_MODEL if (file := folder / name).is_file()), None)
        if graph is not None and (path.is_dir() or path == graph):
            return _saved_model(path, graph)
    checkpoint = checkpoint_files.find(path)
    if checkpoint is not None:
        kind: Literal["checkpoint", "meta_graph"] = "checkpoint" if checkpoint.version else "meta_graph"
        return TensorFlowFiles(path, kind, checkpoint if checkpoint.version else None, checkpoint.meta, checkpoint.why)
    if not path.is_file():
        return None
    message = kind_of(path)
    if message is not None:
        kinds: dict[str, Literal["saved_model", "meta_graph", "graph"]] = {
            "GraphDef": "graph",
            "MetaGraphDef": "meta_graph",
            "SavedModel": "saved_model",
        }
        return TensorFlowFiles(path, kinds[message], None, path, f"begins as a {message} does")
    if names_variables(path):
        return TensorFlowFiles(path, "pickle", None, None, "is a pickle of names that end in ':0', as TensorFlow's do")
    return None


def _saved_model(path: Path, graph: Path) -> TensorFlowFiles:
    index = graph.parent / "variables" / "variables.index"
    checkpoint = checkpoint_files.find(index) if index.is_file() else None
    why = "is a SavedModel" if path.is_dir() else "is the graph of a SavedModel"
    return TensorFlowFiles(path, "saved_model", checkpoint, graph, why)


def names_variables(path: Path) -> bool:
    """Whether a file is a pickle whose first text is a name of TensorFlow's, such as ``conv1/kernel:0``."""
    head = compressed.head(path, _HEAD)
    if not head.startswith(_PICKLES) or b"torch" in head[:200]:
        return False
    return bool(_FIRST_TEXT.search(head[:200]))


def holds_keras_layers(files: CheckpointFiles) -> bool:
    """Whether a checkpoint has a graph of objects in which Keras numbered its layers."""
    if files.version != "V2":
        return False
    try:
        objects = files.read().strings.get(checkpoint_files.OBJECTS)
        return objects is not None and b"layer_with_weights-" in objects.values[0]
    except DamagedFile:
        return False
