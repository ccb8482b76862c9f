"""Writes TensorFlow: frozen graphs, checkpoints with their graph, SavedModels, and checkpoints of variables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from irconv import __version__
from irconv.containers import graph_def_write, protobuf, tensor_bundle_write
from irconv.containers.files import Progress
from irconv.containers.graph_def import GraphDef, MetaGraph, Signature, TensorInfo
from irconv.containers.outputs import Output
from irconv.data_classes import dataclass
from irconv.errors import Problems, Refused
from irconv.frameworks import Made, graphless
from irconv.frameworks.tensorflow.emit import Emitted, emit
from irconv.frameworks.tensorflow.interface import DEFAULT_SIGNATURE
from irconv.frameworks.tensorflow.lower import lower
from irconv.frameworks.tensorflow.naming import Naming
from irconv.frameworks.tensorflow.own import GRAPH, MADE_BY, VARIABLES, own_files
from irconv.frameworks.tensorflow.saver import add_initializers, add_saver, definition
from irconv.ir import optimizer
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.tensors import LazyTensor
from irconv.options import WriteOptions
from irconv.translate import encode
from irconv.vocabularies.tensorflow import TABLE

_PRODUCER = 134
"""TensorFlow's number for graphs of 1.15; newer ones take them, too."""
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_VERSION = "1.15.5"
"""The version that graphs are spelt for."""
_MADE_BY = f"{MADE_BY} {__version__}"


def write_graph(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write a frozen graph: one GraphDef with the weights as constants.

    Raises `Refused` naming every layer that TensorFlow cannot express.
    """
    model = _model(bundle, options, frozen=True)
    pieces = graph_def_write.graph_pieces(_graph(model.made))
    _check_size(bundle, pieces)
    protobuf.write(output.path(destination), pieces, progress)
    return Made([destination], ports=model.ports)


def write_saved_model(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write a folder that TensorFlow's loaders of both versions take, and TensorFlow Serving below a number.

    Raises as `write_graph`.
    """
    model = _model(bundle, options, frozen=False)
    pieces = graph_def_write.saved_model_pieces([_meta_graph(model, ("serve",))], _MADE_BY)
    _check_size(bundle, pieces)
    folder = output.folder(destination, own_files)
    protobuf.write(folder / GRAPH, pieces)
    if model.made.variables:
        (folder / VARIABLES).parent.mkdir()
        tensor_bundle_write.write_pair(folder / VARIABLES, _tensors(model.made), progress)
    return Made([destination], ports=model.ports)


def write_checkpoint(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write a model as a checkpoint with its graph in ``.meta``; the variables of TensorFlow's own file without a graph
    under the names they have there, bit for bit, training included.

    Raises `Refused` as `write_graph`, and for another framework's weights without a graph, whose axes are not known.
    """
    if bundle.graph is None:
        return _write_variables(bundle, output, destination, progress)
    model = _model(bundle, options, frozen=False)
    pieces = graph_def_write.meta_graph_pieces(_meta_graph(model, (), saved=True), _MADE_BY)
    _check_size(bundle, pieces)
    meta = Path(f"{destination}.meta")
    protobuf.write(output.path(meta), pieces)
    tensors = _tensors(model.made)
    state = _state(bundle, tensors)
    files = tensor_bundle_write.write(
        output, destination, {**state, **tensors}, progress=progress, marks=bundle.source.marks()
    )
    return Made([*files, meta], ports=model.ports, optimizer=bool(state))


def _state(bundle: Bundle, written: Mapping[str, LazyTensor]) -> dict[str, LazyTensor]:
    """The slots of the optimizer, which restore into a graph that trains; empty where a variable that one of them
    serves is not written under its name, with its shape."""
    serves, state, native = optimizer.structure_of(bundle), optimizer.state_of(bundle), bundle.source_tensors()
    if bundle.source.framework != "tensorflow" or not isinstance(serves, dict) or set(serves) != set(state):
        return {}
    served = {of for of in serves.values() if of}
    kept = all(of in written and of in native and written[of].shape == native[of].shape for of in served)
    return state if kept and not set(state) & set(written) else {}


@dataclass(frozen=True)
class _Model:
    """A model as nodes, and its ports as they are written."""

    made: Emitted
    naming: Naming
    ports: tuple[tuple[Port, ...], tuple[Port, ...]]


def _model(bundle: Bundle, options: WriteOptions, frozen: bool) -> _Model:
    """The nodes of a model. Raises `Refused` naming every layer that TensorFlow cannot express."""
    if bundle.graph is None:
        raise graphless.refused(bundle, "and this format is one")
    lowered = lower(bundle, options.io == "native")
    assert lowered.graph is not None, "passes keep it"
    naming = Naming(bundle, lowered.graph.outputs)
    made = emit(lowered, encode(lowered, TABLE), naming, frozen)
    if marks := bundle.source.marks():
        said = {f"_irconv_{name}": value for name, value in marks.items()}
        made.nodes[0] = replace(made.nodes[0], attrs={**made.nodes[0].attrs, **said})
    return _Model(made, naming, (lowered.graph.inputs, lowered.graph.outputs))


def _graph(made: Emitted) -> GraphDef:
    return GraphDef(tuple(made.nodes), made.functions, _PRODUCER)


def _meta_graph(model: _Model, tags: tuple[str, ...], saved: bool = False) -> MetaGraph:
    """The graph with what saves and restores its variables, and how it is called.

    A checkpoint (`saved`) has a saver even where no variable is, so that it is restored as any other.
    """
    made, saver = model.made, None
    if made.variables or saved:
        add_initializers(made)
        saver = add_saver(made, model.naming.names)
    variables = tuple(map(definition, made.variables))
    trained = tuple(variable for variable in variables if variable.trainable)
    collections = {"variables": variables, "trainable_variables": trained}
    inputs, outputs = model.ports
    signature = Signature(
        _infos(inputs, [made.values[port.value] for port in inputs]),
        _infos(outputs, made.outputs),
        "tensorflow/serving/predict",
    )
    return MetaGraph(
        _graph(made),
        tags,
        {DEFAULT_SIGNATURE: signature},
        {name: found for name, found in collections.items() if found},
        saver=saver,
        version=_VERSION,
    )


def _infos(ports: Sequence[Port], values: Sequence[str]) -> dict[str, TensorInfo]:
    return {
        port.name: TensorInfo(
            value if ":" in value else f"{value}:0",
            port.dtype,
            tuple(size if isinstance(size, int) else None for size in port.shape),
        )
        for port, value in zip(ports, values, strict=True)
    }


def _tensors(made: Emitted) -> dict[str, LazyTensor]:
    return {variable.name: variable.data for variable in made.variables}


def _check_size(bundle: Bundle, pieces: protobuf.Pieces) -> None:
    if (size := protobuf.size(pieces)) > graph_def_write.LARGEST:
        what = f"needs a graph of {size} bytes, and a message holds {graph_def_write.LARGEST} at most"
        raise Refused(_names(bundle), what, "Write .ckpt or .savedmodel, which keep weights beside the graph.")


def _names(bundle: Bundle) -> str:
    return graphless.file_names(bundle)


def _write_variables(bundle: Bundle, output: Output, destination: Path, progress: Progress | None) -> list[Path]:
    source, names = bundle.source, _names(bundle)
    objects = all(name.endswith(_VALUE) for name in bundle.source_tensors())  # of Keras, saved by TensorFlow
    if source.framework != "tensorflow" and not objects:
        raise graphless.refused(bundle, "so that their axes are not known")
    tensors = {name.removesuffix(":0"): tensor for name, tensor in bundle.source_tensors().items()}
    problems = Problems()
    for name in sorted(tensors):
        if not name or "\0" in name:
            problems.add(f"{names}: {name!r}", "is no name that a checkpoint can hold")
    problems.raise_any()
    types = dict(fact.value.rsplit(": ", 1) for fact in source.facts if fact.name == "type")
    return tensor_bundle_write.write(output, destination, tensors, None, types, progress, source.marks())
