"""TensorFlow's checkpoints and pickles of variables as bundles, read without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from irconv.containers import compressed, pickle
from irconv.containers.checkpoint_files import OBJECTS
from irconv.containers.graph_def_read import read_meta_graph, read_saved_model
from irconv.containers.pickle import Instance
from irconv.containers.tensor_bundle import Checkpoint
from irconv.errors import IrconvError, MissingFact, Problems, Refused
from irconv.frameworks.tensorflow import files
from irconv.frameworks.tensorflow.files import TensorFlowFiles
from irconv.frameworks.tensorflow.groups import read_groups
from irconv.frameworks.tensorflow.objects import kept_in, of_objects
from irconv.frameworks.tensorflow.training import of_graph
from irconv.frameworks.tensorflow.variables import Training, Variable, classify
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import logical_name
from irconv.ir.manifest import Fact, Omitted, SourceFile, SourceRecord
from irconv.ir.tensors import LazyTensor
from irconv.options import EDITS, OPAQUE, ReadOptions, given, refuse_unused

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_FEW = 5
_OF_GRAPHS = ("inputs", "outputs", "signature", "tags", "fix", "input_shape", *OPAQUE, *EDITS)


def recognises(path: Path) -> str:
    """See `irconv.frameworks.tensorflow.files.recognises`."""
    return files.recognises(path)


def read(path: Path, options: ReadOptions) -> Bundle:
    """The variables, in groups, each with its one outcome.

    Raises `DamagedFile`, `MissingFact` (which checkpoint of a folder; averages that ``--ema`` asks for) and `Refused`.
    """
    found = files.find(path)
    if found is None:
        raise Refused(str(path), "expected a checkpoint, a graph, a SavedModel or a pickle of TensorFlow's variables")
    if found.kind == "pickle":
        return _pickle(path, options)
    checkpoint = found.checkpoint.read() if found.checkpoint is not None else None
    if found.graph is None:
        assert checkpoint is not None
        return _checkpoint(found, checkpoint, options, None)
    # Graphs need the vocabulary and layer classes, whose import takes longer than reading weights.
    from irconv.frameworks.tensorflow.read_graph import read_model

    try:
        return read_model(found, checkpoint, options)
    except (MissingFact, Refused) as error:
        if checkpoint is None or found.kind == "saved_model" or given(options).keys() & set(_OF_GRAPHS):
            raise
        return _checkpoint(found, checkpoint, options, error)


def _checkpoint(
    found: TensorFlowFiles, checkpoint: Checkpoint, options: ReadOptions, why: IrconvError | None
) -> Bundle:
    """The variables alone; `why` the graph beside them could not be read."""
    refuse_unused(options, _OF_GRAPHS, "there is no graph beside the checkpoint")
    refuse_unused(options, ("keep_optimizer",), "without a graph all variables of a checkpoint are kept")
    names = {key: key.removesuffix(_VALUE) for key in checkpoint.tensors}
    tensors = {names[key]: tensor for key, tensor in checkpoint.tensors.items()}
    version, training = _training(found, checkpoint)
    natives = {name: (checkpoint.prefix.name, key) for key, name in names.items()}
    facts = [Fact(name="checkpoint", value=checkpoint.version, evidence=found.why)]
    facts += [Fact(name="slices", value=name, evidence=f"stored in {len(p)}") for name, p in checkpoint.slices.items()]
    facts += [
        Fact(name="type", value=f"{name}: {kind}", evidence="the index") for name, kind in checkpoint.types.items()
    ]
    if why is not None:
        reasons = " ".join(str(problem) for problem in why.problems[:_FEW])
        facts.append(Fact(name="graph", value="not read", evidence=reasons.rstrip(".")))
    omitted = [Omitted(name=name, reason=_said_of(name)) for name in checkpoint.strings]
    omitted += [Omitted(name=name, reason=f"holds {kind}, no numbers") for name, kind in checkpoint.others.items()]
    paths = checkpoint.files if found.graph is None else (*checkpoint.files, found.graph)
    source = _source(paths, version, facts)
    return _bundle(source, paths, tensors, natives, training, omitted, options)


def _bundle(
    source: SourceRecord,
    paths: tuple[Path, ...],
    tensors: Mapping[str, LazyTensor],
    natives: Mapping[str, tuple[str, str]],
    training: Training,
    omitted: Iterable[Omitted],
    options: ReadOptions,
) -> Bundle:
    variables = classify(tensors, training)
    left: list[Omitted] = []
    if options.ema:
        tensors, natives, variables, left = _averaged(tensors, natives, variables, str(paths[0]))
        source = source.model_copy(
            update={"facts": (*source.facts, Fact(name="weights", value="moving averages", evidence="--ema"))}
        )
    made, groups = read_groups(tensors, variables, natives)
    return Bundle(source, tensors=made, groups=groups, omitted=(*omitted, *left), paths=paths)


def _averaged(
    tensors: Mapping[str, LazyTensor],
    natives: Mapping[str, tuple[str, str]],
    variables: Mapping[str, Variable],
    where: str,
) -> tuple[dict[str, LazyTensor], dict[str, tuple[str, str]], dict[str, Variable], list[Omitted]]:
    """Each average in the place of the variable that it averages; what has none stays."""
    averages = {variable.of: name for name, variable in variables.items() if variable.role == "average"}
    if not averages:
        raise MissingFact(f"{where}: --ema", "there are no moving averages among the variables", "Leave it out.")
    kept = [name for name in tensors if name not in averages.values()]
    left = [Omitted(name=name, reason=f"{averages[name]} is read in its place") for name in kept if name in averages]
    taken = {name: averages.get(name, name) for name in kept}
    return (
        {name: tensors[of] for name, of in taken.items()},
        {name: natives[of] for name, of in taken.items()},
        {name: variables[name] for name in kept},
        left,
    )


def _training(found: TensorFlowFiles, checkpoint: Checkpoint) -> tuple[str, Training]:
    """The version of TensorFlow, and what the graph beside the variables, or that of objects, says of them."""
    if (objects := kept_in(checkpoint)) is not None:
        return "", of_objects(objects, _VALUE)
    if found.kind == "saved_model":
        meta = read_saved_model(found.path).meta_graphs[0]
        return meta.version, of_graph(meta)
    if found.graph is not None:
        meta = read_meta_graph(found.graph)
        return meta.version, of_graph(meta)
    return "", Training()


def _said_of(name: str) -> str:
    return "the graph of objects" if name == OBJECTS else "holds strings, no numbers"


def _source(paths: Iterable[Path], version: str, facts: Iterable[Fact]) -> SourceRecord:
    records = tuple(SourceFile(name=path.name, size=path.stat().st_size, sha256="") for path in paths)
    return SourceRecord(framework="tensorflow", version=version, files=records, facts=tuple(facts))


def _pickle(path: Path, options: ReadOptions) -> Bundle:
    """A dictionary of arrays by the names of variables, as people pickle the result of ``session.run``."""
    refuse_unused(options, (*_OF_GRAPHS, "keep_optimizer"), "a pickle holds no graph")
    value = pickle.unpickle(pickle.Stream(compressed.opened(path)), str(path))
    value = value.items if isinstance(value, Instance) else value
    if not isinstance(value, dict):
        raise Refused(str(path), f"expected a dictionary of arrays by name, got a {type(value).__name__}")
    problems, omitted = Problems(), list[Omitted]()
    tensors: dict[str, LazyTensor] = {}
    natives: dict[str, tuple[str, str]] = {}
    for key, item in value.items():
        array = np.asarray(item) if isinstance(item, np.ndarray | np.generic | int | float) else None
        if array is None or logical_name(array.dtype) is None or not isinstance(key, str):
            omitted.append(Omitted(name=str(key), reason=f"is {_kind(item)}, which is no array of numbers"))
            continue
        name = key.removesuffix(":0")
        if name in tensors:
            problems.add(f"{path}: {key}", "is in the pickle twice, with ':0' and without")
        tensors[name], natives[name] = LazyTensor.of(np.ascontiguousarray(array).reshape(array.shape)), (path.name, key)
    if not tensors:
        problems.add(str(path), "has no arrays")
    problems.raise_any()
    facts = [Fact(name="names", value="TensorFlow's", evidence="they end in ':0', as only TensorFlow's do")]
    source = _source((path,), "", facts)
    return _bundle(source, (path,), tensors, natives, Training(), omitted, options)


def _kind(item: object) -> str:
    return "an array of objects" if isinstance(item, np.ndarray) else f"a {type(item).__name__}"
