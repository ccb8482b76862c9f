"""TensorFlow's graphs as models: checkpoints with their graph, frozen graphs, SavedModels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from irconv.containers.checkpoint_files import OBJECTS
from irconv.containers.graph_def import MetaGraph, NodeDef, ObjectGraph
from irconv.containers.graph_def_read import read_graph, read_meta_graph, read_objects, read_saved_model
from irconv.containers.tensor_bundle import Checkpoint
from irconv.errors import MissingFact
from irconv.frameworks.tensorflow import interface
from irconv.frameworks.tensorflow.files import TensorFlowFiles
from irconv.frameworks.tensorflow.graph import Nodes
from irconv.frameworks.tensorflow.importing import FlatGraph, imported
from irconv.frameworks.tensorflow.inlining import flattened
from irconv.frameworks.tensorflow.resolving import Resolver, places
from irconv.frameworks.tensorflow.training import of_graph
from irconv.frameworks.tensorflow.variables import Variable, classify
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.manifest import Fact, Omitted, SourceFile, SourceRecord
from irconv.layout import Array
from irconv.options import ReadOptions


def read_model(found: TensorFlowFiles, checkpoint: Checkpoint | None, options: ReadOptions) -> Bundle:
    """The inference part of a graph as a model.

    Raises `MissingFact` where its inputs, outputs or signature have to be named, and `Refused` naming every node that
    cannot be carried over.
    """
    assert found.graph is not None
    where = str(found.graph)
    meta = _meta(found, options)
    inliner = flattened(meta.graph, where)
    objects = _objects(checkpoint)
    flat = inliner.finish()
    nodes = Nodes(flat, where)
    if options.inputs or options.outputs or (signature := interface.signature_of(meta, options, where)) is None:
        if found.kind == "saved_model" and not (options.inputs or options.outputs):
            raise _without_signature(meta, where)
        entered = interface.of_names(nodes, options)
    else:
        entered = interface.of_signature(*signature, nodes, options)
    fetches = tuple(replace(fetch, value=inliner.resolved(fetch.value)) for fetch in entered.fetches)
    graph = FlatGraph(flat, entered.feeds, fetches, where)
    variables = classify(checkpoint.tensors, of_graph(meta)) if checkpoint else {}
    averages = _averages(variables, where) if options.ema else {}
    trained = {name for name, variable in variables.items() if variable.trainable}
    known = any(variable.trainable is not None for variable in variables.values())
    found_at = places(meta, flat, checkpoint, objects, where)
    resolver = Resolver(where, found_at, checkpoint, frozenset(trained) if known else None, averages)
    paths = (*(checkpoint.files if checkpoint else ()), found.graph)
    facts = [Fact(name="graph", value=where.rsplit("/", 1)[-1], evidence=found.why)]
    facts.append(Fact(name="interface", value=", ".join(f.name for f in fetches), evidence=entered.evidence))
    if averages:
        facts.append(Fact(name="weights", value="moving averages", evidence="--ema"))
    bundle = imported(graph, resolver, _source(paths, meta.version, facts), options, _fixed(options, nodes))
    omitted = _omitted(resolver.read, checkpoint, variables, averages)
    return replace(bundle, omitted=(*bundle.omitted, *omitted), paths=paths)


def _meta(found: TensorFlowFiles, options: ReadOptions) -> MetaGraph:
    assert found.graph is not None
    if found.kind == "graph":
        return MetaGraph(read_graph(found.graph))
    if found.kind != "saved_model":
        return read_meta_graph(found.graph)
    graphs = read_saved_model(found.graph).meta_graphs
    listed = "; ".join(",".join(graph.tags) or "(none)" for graph in graphs)
    if options.tags:
        fitting = [graph for graph in graphs if set(graph.tags) == set(options.tags)]
        if len(fitting) != 1:
            raise MissingFact(f"{found.graph}: --tags {','.join(options.tags)}", f"the graphs have the tags {listed}")
        return fitting[0]
    if len(graphs) > 1:
        serving = [graph for graph in graphs if graph.tags == ("serve",)]
        if len(serving) != 1:
            what = f"has {len(graphs)} graphs, with the tags {listed}"
            raise MissingFact(str(found.graph), what, "Name one with --tags.")
        return serving[0]
    return graphs[0]


def _objects(checkpoint: Checkpoint | None) -> ObjectGraph | None:
    if checkpoint is None or OBJECTS not in checkpoint.strings:
        return None
    return read_objects(checkpoint.strings[OBJECTS].values[0], f"{checkpoint.prefix}: {OBJECTS}")


def _without_signature(meta: MetaGraph, where: str) -> MissingFact:
    objects = meta.objects.nodes if meta.objects is not None else ()
    functions = [name for node in objects for name, child in node.children.items() if objects[child].kind == "function"]
    what = f"has no signature, so that nothing says what is the model; functions: {', '.join(functions) or 'none'}"
    return MissingFact(where, what, "Save it with a signature, or name values with --inputs and --outputs.")


def _averages(variables: Mapping[str, Variable], where: str) -> dict[str, str]:
    found = {variable.of: name for name, variable in variables.items() if variable.role == "average"}
    if not found:
        raise MissingFact(f"{where}: --ema", "there are no moving averages among the variables", "Leave it out.")
    return found


def _omitted(
    used: set[str], checkpoint: Checkpoint | None, variables: Mapping[str, Variable], averages: Mapping[str, str]
) -> list[Omitted]:
    """Every variable of the checkpoint that the model does not use, and why."""
    if checkpoint is None:
        return []
    reasons = {
        "slot": "optimizer state",
        "counter": "state of the training",
        "average": "a moving average, which --ema reads",
    }
    left = []
    for name in checkpoint.tensors:
        if name not in used:
            role = variables[name].role
            reason = reasons.get(role, "the inference part of the graph does not use it")
            reason = f"{averages[name]} is read in its place" if name in averages else reason
            left.append(Omitted(name=name, reason=reason))
    return left + [Omitted(name=name, reason="holds strings, no numbers") for name in checkpoint.strings]


def _source(paths: tuple[Path, ...], version: str, facts: list[Fact]) -> SourceRecord:
    records = tuple(SourceFile(name=path.name, size=path.stat().st_size, sha256="") for path in paths)
    return SourceRecord(framework="tensorflow", version=version, files=records, facts=tuple(facts))


def _fixed(options: ReadOptions, nodes: Nodes) -> dict[str, Array]:
    """The values that the user gives numbers for: ``is_training=false``, ``keep_prob=1.0``."""
    found: dict[str, Array] = {}
    for text in options.fix:
        name, _, value = text.rpartition("=")
        node, _ = nodes.maker(name)
        dtype = str(node.attrs.get("dtype") or node.attrs.get("T") or "float32")
        found[name] = _number(value, dtype, f"--fix {text}", node)
    return found


def _number(text: str, dtype: str, where: str, node: NodeDef) -> Array:
    words = {"true": True, "false": False}
    try:
        number = words[text.lower()] if text.lower() in words else float(text)
        return np.asarray(number, numpy_dtype(dtype))
    except (ValueError, KeyError) as error:
        raise MissingFact(where, f"expected a number or true or false for {node.name} of type {dtype}") from error
