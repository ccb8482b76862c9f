"""How a graph is entered and left by its own names, for whoever runs it in TensorFlow itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from irconv.containers.graph_def import GraphDef
from irconv.data_classes import dataclass
from irconv.errors import MissingFact, Refused
from irconv.frameworks.tensorflow import files
from irconv.frameworks.tensorflow.ends import PLACEHOLDERS, is_switch
from irconv.frameworks.tensorflow.graph import Nodes, split
from irconv.frameworks.tensorflow.importing import Feed, Fetch
from irconv.frameworks.tensorflow.inlining import Inliner, flattened
from irconv.frameworks.tensorflow.read_graph import averages_of, fixed_values, graph_of, interface_of
from irconv.frameworks.tensorflow.training import of_graph
from irconv.frameworks.tensorflow.variables import classify
from irconv.options import ReadOptions

HONOURED = frozenset({"inputs", "outputs", "signature", "tags", "fix", "ema"})
"""The options by which `entry` chooses a function that the file has."""


@dataclass(frozen=True)
class Entry:
    """The function of a graph that is meant, by the names of the file."""

    graph: Path
    kind: str
    """``saved_model``, ``meta_graph`` or ``graph``, which says what message the file holds."""
    tags: tuple[str, ...]
    checkpoint: Path | None
    """What the files of the variables are called without their endings."""
    version: str
    """Of TensorFlow; empty where nothing says it."""
    feeds: tuple[Feed, ...]
    fetches: tuple[Fetch, ...]
    fixed: Mapping[str, bool | int | float]
    """Numbers that are fed beside the inputs: switches of training, which are off, and what ``--fix`` says."""
    averages: Mapping[str, str]
    """Variable -> the one with its moving average, which is to be taken in its place (``--ema``)."""


def entry(path: Path, options: ReadOptions) -> Entry:
    """Which of its values a file of TensorFlow takes and gives, as `read` understands it.

    Raises `MissingFact` where it has to be named, `Refused` for what has no graph or is no graph's own function.
    """
    found = files.find(path)
    if found is None or found.graph is None:
        raise Refused(str(path), "holds no graph of TensorFlow")
    where, meta = str(found.graph), graph_of(found, options)
    if options.signature is not None and options.signature not in meta.signatures:
        raise MissingFact(where, f"{options.signature} is a function, and TensorFlow runs signatures")
    inliner = flattened(meta.graph, where)
    nodes = Nodes(inliner.finish(), where)
    how = interface_of(meta, nodes, found, options)
    fed = {feed.value.removesuffix(":0") for feed in how.feeds}
    switches = [node for node in meta.graph.nodes if node.op in PLACEHOLDERS and node.attrs.get("dtype") == "bool"]
    fixed: dict[str, bool | int | float] = {
        node.name: False for node in switches if is_switch(node.name) and node.name not in fed
    }
    fixed |= {name: array.item() for name, array in fixed_values(options, nodes).items()}
    fetches = tuple(replace(fetch, value=_outer(fetch.value, meta.graph, inliner, nodes)) for fetch in how.fetches)
    averages: Mapping[str, str] = {}
    if options.ema and found.checkpoint is not None:
        averages = averages_of(classify(found.checkpoint.read().tensors, of_graph(meta)), where)
    kind = "meta_graph" if found.kind == "checkpoint" else found.kind
    prefix = found.checkpoint.prefix if found.checkpoint is not None else None
    return Entry(found.graph, kind, meta.tags, prefix, meta.version, how.feeds, fetches, fixed, averages)


def _outer(value: str, graph: GraphDef, inliner: Inliner, nodes: Nodes) -> str:
    """A value by the name that it has outside of the functions that `inliner` put in the place of their calls."""
    own = {node.name for node in graph.nodes}
    if split(value)[0] in own:
        return value
    for node in graph.nodes:
        for number in range(len(node.attrs.get("Tout") or ()) if node.name not in nodes.by_name else 0):
            if split(inliner.resolved(f"{node.name}:{number}")) == split(value):
                return f"{node.name}:{number}"
    return value
