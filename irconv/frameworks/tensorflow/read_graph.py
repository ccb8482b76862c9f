"""TensorFlow's graphs as models: checkpoints with their graph, frozen graphs, SavedModels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from irconv.containers.graph_def import MetaGraph, NodeDef
from irconv.containers.graph_def_read import read_graph, read_meta_graph, read_saved_model
from irconv.containers.tensor_bundle import Checkpoint
from irconv.errors import MissingFact
from irconv.frameworks.tensorflow import agreeing, interface
from irconv.frameworks.tensorflow.files import TensorFlowFiles
from irconv.frameworks.tensorflow.graph import Nodes, split
from irconv.frameworks.tensorflow.importing import Feed, FlatGraph, imported
from irconv.frameworks.tensorflow.inlining import flattened
from irconv.frameworks.tensorflow.objects import kept_in, of_objects
from irconv.frameworks.tensorflow.resolving import Resolver, entered, functions_of, keys_of_objects, places
from irconv.frameworks.tensorflow.saving import Saved
from irconv.frameworks.tensorflow.training import of_graph
from irconv.frameworks.tensorflow.variables import Variable, classify
from irconv.ir import optimizer
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.manifest import Fact, Omitted, SourceFile, SourceRecord
from irconv.layout import Array
from irconv.options import ReadOptions

_STATE = ("slot", "counter", "average")
"""What a training goes on from, besides its weights."""


def read_model(found: TensorFlowFiles, checkpoint: Checkpoint | None, options: ReadOptions) -> Bundle:
    """The inference part of a graph as a model.

    Raises `MissingFact` where its inputs, outputs or signature have to be named, and `Refused` naming every node that
    cannot be carried over.
    """
    assert found.graph is not None
    where = str(found.graph)
    meta = graph_of(found, options)
    inliner = flattened(meta.graph, where)
    objects = kept_in(checkpoint)
    captured: dict[str, int] = {}
    function = functions_of(meta).get(options.signature or "") if options.signature not in meta.signatures else None
    if function is not None:
        signature, captured = entered(meta, function, inliner, where)
        nodes = Nodes(inliner.finish(), where)
        how = interface.of_signature(f"{options.signature}, a function", signature, nodes, options)
    else:
        nodes = Nodes(inliner.finish(), where)
        how = interface_of(meta, nodes, found, options)
    fetches = tuple(replace(fetch, value=inliner.resolved(fetch.value)) for fetch in how.fetches)
    training = of_objects(objects, "") if objects is not None else of_graph(meta)
    variables = classify(checkpoint.tensors, training) if checkpoint else {}
    averages = averages_of(variables, where) if options.ema else {}
    where_saved = places(meta, nodes.by_name, checkpoint, objects, where)
    if captured and meta.objects is not None and objects is not None:
        keys = keys_of_objects(meta.objects, objects)
        where_saved |= {name: Saved(keys[number]) for name, number in captured.items() if number in keys}
    resolver = Resolver(where, where_saved, checkpoint, _trained(variables), averages)
    paths = (*(checkpoint.files if checkpoint else ()), found.graph)
    facts = [Fact(name="graph", value=found.graph.name, evidence=found.why)]
    facts.append(Fact(name="interface", value=", ".join(f.name for f in fetches), evidence=how.evidence))
    if averages:
        facts.append(Fact(name="weights", value="moving averages", evidence="--ema"))
    source, fixed = _source(paths, meta.version, facts), fixed_values(options, nodes)

    def attempt(feeds: Sequence[Feed]) -> Bundle:
        return imported(FlatGraph(nodes.by_name, tuple(feeds), fetches, where), resolver, source, options, fixed)

    bundle = attempt(how.feeds) if options.input_shape else agreeing.read(how.feeds, attempt)
    omitted = _omitted(resolver.read, checkpoint, variables, averages)
    bundle = replace(bundle, omitted=(*bundle.omitted, *omitted), paths=paths)
    return _with_state(bundle, checkpoint, variables, options) if options.keep_optimizer else bundle


def _with_state(
    bundle: Bundle, checkpoint: Checkpoint | None, variables: Mapping[str, Variable], options: ReadOptions
) -> Bundle:
    """The bundle with the slots of the optimizer and the moving averages, each with the variable that it serves, and
    the counters."""
    left = {one.name for one in bundle.omitted}
    slots = {name: v.of for name, v in variables.items() if name in left and v.role in _STATE}
    state = {name: checkpoint.tensors[name] for name in slots} if checkpoint else {}
    return optimizer.kept(bundle, state, slots, options)


def interface_of(meta: MetaGraph, nodes: Nodes, found: TensorFlowFiles, options: ReadOptions) -> interface.Interface:
    """By names where the user gives any, else by the signature; other graphs than SavedModels may have none.

    Raises `MissingFact` where neither tells.
    """
    named = bool(options.inputs or options.outputs)
    signature = None if named else interface.signature_of(meta, options, nodes.where)
    if signature is not None:
        return interface.of_signature(*signature, nodes, options)
    if found.kind == "saved_model" and not named:
        raise _without_signature(meta, nodes.where)
    return interface.of_names(nodes, options)


def _trained(variables: Mapping[str, Variable]) -> frozenset[str] | None:
    """The variables that are trained; None where nothing says it of any."""
    if all(variable.trainable is None for variable in variables.values()):
        return None
    return frozenset(name for name, variable in variables.items() if variable.trainable)


def graph_of(found: TensorFlowFiles, options: ReadOptions) -> MetaGraph:
    """The graph that is meant, of a SavedModel by its tags. Raises `MissingFact` where these do not tell."""
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


def _without_signature(meta: MetaGraph, where: str) -> MissingFact:
    functions = functions_of(meta)
    what = f"has no signature, so that nothing says what is the model; functions: {', '.join(functions) or 'none'}"
    named = "Name a function with --signature" if functions else "Save it with a signature"
    return MissingFact(where, what, f"{named}, or values with --inputs and --outputs.")


def averages_of(variables: Mapping[str, Variable], where: str) -> dict[str, str]:
    """Variable -> the one with its moving average. Raises `MissingFact` where there is none."""
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


def fixed_values(options: ReadOptions, nodes: Nodes) -> dict[str, Array]:
    """The values that the user gives numbers for: ``is_training=false``, ``keep_prob=1.0``. Raises `MissingFact`."""
    found: dict[str, Array] = {}
    for text in options.fix:
        name, _, value = text.rpartition("=")
        node = nodes.by_name.get(split(name)[0])
        if node is None:
            raise MissingFact(f"{nodes.where}: --fix {text}", "the graph has no such node")
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
