"""``python -m benchmarks.tensorflow_round_trip FOLDER...``: TensorFlow's files as bundles, and back.

A folder holds one model: its ``case.json`` names the file (``entry``), inputs and outputs. Each is read, archived as a
bundle, and written again as what it was. Printed are the variables that came back bit for bit under their names, those
that the bundle says it left out, and the transposes of the graph before and after; ends with 1 where a variable is
amiss, or there are transposes that were not.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import irconv
from irconv.containers.checkpoint_files import standing_for
from irconv.containers.graph_def import GraphDef
from irconv.containers.graph_def_read import read_graph, read_meta_graph, read_saved_model
from irconv.errors import IrconvError
from irconv.frameworks.tensorflow import files
from irconv.frameworks.tensorflow.naming import valid
from irconv.ir.tensors import LazyTensor
from irconv.options import ReadOptions, WriteOptions

_TRAINING = re.compile(r"(^|/)gradients(_\d+)?/|^save(_\d+)?/")
_CHANNELS = ([0, 2, 3, 1], [0, 3, 1, 2], [0, 2, 3, 4, 1], [0, 4, 1, 2, 3])
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SUFFIXES = {"graph": ".pb", "saved_model": ".savedmodel", "pickle": ".ckpt"}


@dataclass(frozen=True)
class Trip:
    """What came back of one file."""

    same: int
    """Variables of the same name and bytes."""
    left: Sequence[str]
    """Those that the bundle says it left out."""
    lost: Sequence[str]
    """Those that are neither."""
    transposes: tuple[int, int]
    """Of the graph before, and of that which was written: of steps, heads and images."""
    turned: tuple[int, int]
    """Those between channels-last and channels-first."""

    @property
    def good(self) -> bool:
        """Whether nothing was lost or changed, and no transpose added."""
        more = self.transposes[1] > self.transposes[0] or self.turned[1] > self.turned[0]
        return not self.lost and not more


def tried(path: Path, folder: Path, options: ReadOptions | None = None) -> Trip:
    """A file as a bundle in `folder`, and from there as TensorFlow's again."""
    path = standing_for(path)
    found = files.find(path)
    assert found is not None, f"{path} is not TensorFlow's"
    back = folder / f"back{_SUFFIXES.get(found.kind, '.ckpt')}"
    irconv.write(irconv.read(path, options or ReadOptions()), folder / "m.irconv", WriteOptions(force=True))
    archived = irconv.read(folder / "m.irconv")
    irconv.write(archived, back, WriteOptions(force=True))
    before, after = _graph(path), _graph(standing_for(back))
    kept, given = _variables(standing_for(back)), _variables(path)
    if found.kind == "pickle":
        given = archived.source_tensors()
        kept = {name if name in given else f"{name}:0": tensor for name, tensor in kept.items()}
    if not given:  # a frozen graph
        kept, given = _constants(after), archived.source_tensors()
    same = [name for name in given if name in kept and _bits(kept[name]) == _bits(given[name])]
    left = {valid(omitted.name.removesuffix(_VALUE)) for omitted in archived.omitted}
    lost = [name for name in given if name not in same and name not in left]
    transposes, turned = zip(_transposes(before), _transposes(after), strict=True)
    return Trip(len(same), sorted(left & given.keys()), lost, transposes, turned)


def _bits(tensor: LazyTensor) -> tuple[tuple[int, ...], bytes]:
    array = tensor.numpy()
    return array.shape, array.tobytes()


def _graph(path: Path) -> GraphDef | None:
    found = files.find(path)
    assert found is not None
    if found.graph is None:
        return None
    if found.kind == "saved_model":
        return read_saved_model(found.graph).meta_graphs[0].graph
    return read_graph(found.graph) if found.kind == "graph" else read_meta_graph(found.graph).graph


def _variables(path: Path) -> Mapping[str, LazyTensor]:
    """Those of a checkpoint, by name, which of objects in TensorFlow 2 is the path to it."""
    found = files.find(path)
    assert found is not None
    tensors = found.checkpoint.read().tensors if found.checkpoint is not None else {}
    return {valid(name.removesuffix(_VALUE)): tensor for name, tensor in tensors.items()}


def _constants(graph: GraphDef | None) -> Mapping[str, LazyTensor]:
    assert graph is not None
    return {
        n.name: n.attrs["value"] for n in graph.nodes if n.op == "Const" and isinstance(n.attrs["value"], LazyTensor)
    }


def _transposes(graph: GraphDef | None) -> tuple[int, int]:
    """How many there are, and how many of these move channels."""
    if graph is None:
        return 0, 0
    nodes = [*graph.nodes, *(node for function in graph.functions.values() for node in function.nodes)]
    known = {node.name: node.attrs["value"] for node in nodes if node.op == "Const"}
    found = [node for node in nodes if node.op == "Transpose" and not _TRAINING.search(node.name)]
    orders = [known[name].numpy().tolist() for node in found if (name := node.inputs[1].split(":")[0]) in known]
    return len(found), sum(order in _CHANNELS for order in orders)


def main(folders: Sequence[str]) -> int:
    """0 where everything came back."""
    good = total = 0
    for folder in map(Path, folders):
        case = json.loads((folder / "case.json").read_text())
        ports = {kind: tuple(port["name"] for port in case[kind]) for kind in ("inputs", "outputs") if case.get(kind)}
        flags = ports if case["kind"] == "model" and re.match(r"tf1(\.4)?-", folder.name) else {}
        with tempfile.TemporaryDirectory() as scratch:
            total += 1
            try:
                trip = tried(folder / case["entry"], Path(scratch), ReadOptions(**flags))
            except IrconvError as refusal:
                print(f"{folder.name}: refused: {refusal.problems[0]}", flush=True)
                continue
        good += trip.good
        said = f"{trip.same} variables back, {len(trip.left)} left out, lost {list(trip.lost)[:5]}"
        said += f", transposes {trip.transposes[0]} -> {trip.transposes[1]}"
        print(f"{folder.name}: {said}, of channels {trip.turned[0]} -> {trip.turned[1]}", flush=True)
    print(f"{good} of {total} came back")
    return int(good != total)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
