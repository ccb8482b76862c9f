"""A flat graph of TensorFlow becomes a bundle: each node is read when something needs it, the inference part alone.

Most nodes are one row of `irconv.vocabularies.tensorflow`; those that are several layers, or none, have a handler in
`irconv.frameworks.tensorflow.ops`. Nodes are read lazily from the outputs backwards, so that gradients, savers,
summaries and branches that are not taken are never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from irconv import edits
from irconv.codec import Native, NativeUse, NativeWeight
from irconv.containers.graph_def import NodeDef
from irconv.data_classes import dataclass
from irconv.errors import IrconvError, MissingFact, Refused
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Port
from irconv.ir.layers.base import Layer, Origin, ValueType
from irconv.ir.layers.ranges import written_out
from irconv.ir.manifest import Fact, SourceRecord
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array
from irconv.options import ReadOptions
from irconv.translate import Importer, Unknown
from irconv.translate.opaque import Hint, Keeping, plain
from irconv.vocabularies.tensorflow import DEFAULTS, TABLE

if TYPE_CHECKING:
    from irconv.frameworks.tensorflow.ops.loops import Frame

Variables: TypeAlias = Callable[[NodeDef], NativeWeight]
"""The tensor of a variable's node. Raises `IrconvError` where the checkpoint has none."""


@dataclass(frozen=True)
class Feed:
    """An input of the graph."""

    name: str
    """Of the port."""
    value: str
    """The value that is fed, such as ``x:0``."""
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Fetch:
    """An output of the graph."""

    name: str
    value: str


@dataclass(frozen=True)
class FlatGraph:
    """A graph without calls of functions, and how it is entered and left."""

    nodes: Mapping[str, NodeDef]
    feeds: tuple[Feed, ...]
    fetches: tuple[Fetch, ...]
    where: str
    """The file, for messages."""


def imported(
    graph: FlatGraph, variables: Variables, source: SourceRecord, options: ReadOptions, fixed: Mapping[str, Array]
) -> Bundle:
    """The graph as a bundle; `fixed` are values that the user gives numbers for (``--fix``).

    Raises one error that names every node which cannot be carried over.
    """
    reader = GraphReader(graph, variables, options, fixed)
    outputs = []
    for fetch in graph.fetches:
        with reader.importer.reading(f"{graph.where}: output {fetch.name}", ()):
            value = reader.value(fetch.value)
            outputs.append(Port(name=fetch.name, value=value, dtype="", shape=(), axes="", source_axes=""))
    told = (*reader.facts.values(), *reader.keeping.told(reader.importer.problems))
    source = source.model_copy(update={"facts": (*source.facts, *told)})
    return reader.importer.bundle(source, outputs)


@dataclass(frozen=True)
class Reference:
    """One result of a node."""

    node: str
    index: int

    @staticmethod
    def of(text: str) -> Reference:
        """From ``name`` or ``name:1``."""
        name, _, index = text.partition(":")
        return Reference(name, int(index or 0))

    def __str__(self) -> str:
        return f"{self.node}:{self.index}" if self.index else self.node


@dataclass
class GraphReader:
    """What has been read of a graph, and the ways in which handlers add to it."""

    graph: FlatGraph
    variables: Variables
    options: ReadOptions
    fixed: Mapping[str, Array]
    importer: Importer = field(init=False)
    keeping: Keeping = field(init=False)
    """Nodes that no rule is for, and that are kept as they are (``--keep-opaque``)."""
    values: dict[Reference, str] = field(default_factory=dict)
    """Results of nodes that have been read -> values of the importer."""
    facts: dict[str, Fact] = field(default_factory=dict)
    frames: dict[str, Frame] = field(default_factory=dict)
    """Loops that have been read, by name; see `irconv.frameworks.tensorflow.ops.loops`."""
    dead: dict[Reference, bool] = field(default_factory=dict)
    """Results whose branch is not taken, as far as that was asked; see `irconv.frameworks.tensorflow.ops.branches`."""
    guards: dict[Reference, frozenset[tuple[Reference, int]]] = field(default_factory=dict)
    """The conditions behind results, each with what it has to be, as far as that was asked; see the same."""

    def __post_init__(self) -> None:
        self.importer = Importer(edits.with_plugins(TABLE, self.options), self.graph.where)
        self.keeping = Keeping(self.importer.table, self.options)
        fixed = {Reference.of(name) for name in self.fixed}
        for feed in self.graph.feeds:
            if Reference.of(feed.value) in fixed:
                continue
            value = str(Reference.of(feed.value))
            port = Port(name=feed.name, value=value, dtype=feed.dtype, shape=feed.shape, axes="", source_axes="")
            self.values[Reference.of(feed.value)] = self.importer.input(port)
        for name, array in self.fixed.items():
            reference = Reference.of(name)
            self.values[reference] = self.importer.constant(str(reference), array)

    # walking

    def value(self, text: str) -> str:
        """The value of a result, read with all that it needs. Raises `Unknown` where it could not be read."""
        wanted = Reference.of(text)
        stack = [wanted.node] if wanted not in self.values else []
        opened: set[str] = set()
        read: set[str] = set()
        while stack:
            node = self.node(stack[-1])
            absent = [ref for ref in self._needs(node) if ref not in self.values]
            self._refuse_results([ref for ref in absent if ref.node in read])
            missing = [ref.node for ref in absent if ref not in self.values]
            if missing and node.name in opened and any(name in opened for name in missing):
                looped = next(name for name in missing if name in opened)
                raise Refused(self.where(node), f"depends on itself through {looped}")
            if missing:
                opened.add(node.name)
                stack.append(missing[0])
                continue
            stack.pop()
            opened.discard(node.name)
            self._read(node)
            read.add(node.name)
        if wanted not in self.values:
            self._refuse_results([wanted])
        return self.result(wanted)

    def _refuse_results(self, references: Sequence[Reference]) -> None:
        """Note results that their nodes, which have been read, did not give; what takes one is unknown."""
        for reference in references:
            where = self.where(self.node(reference.node))
            self.importer.problem(where, f"has no result number {reference.index} that irconv reads")
            self.values[reference] = ""

    def result(self, reference: Reference) -> str:
        """The value of a result that has been read. Raises `Unknown` where it could not be."""
        value = self.values.get(reference)
        if not value:
            raise Unknown(str(reference))
        return value

    def node(self, name: str) -> NodeDef:
        """A node of the graph. Raises `Refused` where there is none."""
        found = self.graph.nodes.get(name)
        if found is None:
            raise Refused(self.graph.where, f"the graph has no node {name}", "Nodes are listed by `irconv inspect`.")
        return found

    def where(self, node: NodeDef) -> str:
        """The place of a node, for messages."""
        return f"{self.graph.where}: {node.name} ({node.op})"

    def inputs(self, node: NodeDef) -> list[Reference]:
        """The results that a node takes, without control inputs."""
        return [Reference.of(text) for text in node.inputs if not text.startswith("^")]

    def _needs(self, node: NodeDef) -> Sequence[Reference]:
        from irconv.frameworks.tensorflow.ops import NEEDS

        own = self.needs(node)
        needs = NEEDS.get(node.op)
        if own is not None:
            return own
        return self.inputs(node) if needs is None else needs(self, node)

    def needs(self, node: NodeDef) -> Sequence[Reference] | None:
        """What a node needs where this reader has its own way with it; None where it has none."""
        return None

    def handled(self, node: NodeDef) -> bool:
        """Read a node where this reader has its own way with it; False where it has none."""
        return False

    def _read(self, node: NodeDef) -> None:
        from irconv.frameworks.tensorflow.ops import HANDLERS

        handler = HANDLERS.get(node.op)
        with self.importer.reading(self.where(node), ()):
            if self.handled(node):
                pass
            elif handler is None and self.keeping.keeps(node.op):
                self.keep(node)
            elif handler is None:
                self.add(node)
            else:
                handler(self, node)
        results = [Reference(node.name, index) for index in range(self._highest.get(node.name, 0) + 1)]
        if not any(result in self.values for result in results):
            # what failed is said once; whatever depends on it is only looked up
            self.values |= dict.fromkeys(results, "")

    @cached_property
    def _highest(self) -> dict[str, int]:
        """Node -> the last of its results that another one takes."""
        found: dict[str, int] = {}
        for node in self.graph.nodes.values():
            for taken in self.inputs(node):
                found[taken.node] = max(taken.index, found.get(taken.node, 0))
        return found

    # adding

    def given(self, node: NodeDef, index: int) -> str:
        """The value of an input of a node. Raises `Unknown` where it could not be read."""
        return self.result(self.inputs(node)[index])

    def all_given(self, node: NodeDef) -> list[str]:
        """The values of all inputs of a node."""
        return [self.result(reference) for reference in self.inputs(node)]

    def type_of(self, value: str) -> ValueType:
        """Element type and shape of a value."""
        return self.importer.type_of(value)

    def numbers(self, node: NodeDef, index: int) -> Array:
        """The numbers of an input. Raises `Refused` where they depend on more than the file and sizes."""
        known = self.importer.known(self.given(node, index))
        if known is None:
            raise Refused(
                self.where(node), f"expected its input {node.inputs[index]} to be known before the model runs"
            )
        return known

    def gives(self, node: NodeDef, *values: str) -> None:
        """Say which values a node's results are."""
        self.values |= {Reference(node.name, index): value for index, value in enumerate(values)}

    def place(self, node: NodeDef, layer: Layer, suffix: str = "", **inputs: str) -> str:
        """A layer as part of a node, the last of them without a suffix; its one result."""
        name = f"{node.name}/{suffix}" if suffix else node.name
        origin = self.origin(node) if not suffix else None
        if origin is not None:
            layer = layer.model_copy(update={"origin": origin})
        return self.importer.place(layer, inputs, [name], name=name, where=self.where(node))[0]

    def number(self, node: NodeDef, number: float | int | bool, dtype: str, suffix: str) -> str:
        """A number as a value."""
        return self.importer.constant(f"{node.name}/{suffix}", np.asarray(number, numpy_dtype(dtype)))

    def add(self, node: NodeDef, inputs: Sequence[str] | None = None, **changed: Any) -> None:
        """Add a node by its row in the table, with some attributes changed."""
        config = {key: value for key, value in node.attrs.items() if not key.startswith("_")}
        config = {**DEFAULTS.get(node.op, {}), **config, **changed}
        values = (
            list(inputs) if inputs is not None else [self.values.get(ref, "") or str(ref) for ref in self.inputs(node)]
        )
        count = self._outputs(node)
        results = [str(Reference(node.name, index)) for index in range(count)]
        native = Native(node.op, self.importer.free(node.name), config, origin=self.origin(node))
        self.importer.add(native, values, results, where=self.where(node))
        self.gives(node, *results)

    def keep(self, node: NodeDef) -> None:
        """Keep a node that no rule is for, with what the graph says of the shapes of its results."""
        config = plain({key: value for key, value in node.attrs.items() if not key.startswith("_")}, self.where(node))
        results = [str(Reference(node.name, index)) for index in range(self._highest.get(node.name, 0) + 1)]
        shapes = node.attrs.get("_output_shapes")
        for result, shape in zip(results, shapes if isinstance(shapes, tuple) else (), strict=False):
            if isinstance(shape, tuple):
                self.keeping.hints[result] = Hint(shape, evidence="_output_shapes of the node")
        native = Native(node.op, self.importer.free(node.name), config, origin=self.origin(node))
        use = NativeUse(native.name, tuple(self.all_given(node)), tuple(results))
        self.keeping.add(self.importer, native, use, self.where(node))
        self.gives(node, *results)

    def _outputs(self, node: NodeDef) -> int:
        for attribute in ("num_split", "num"):
            if isinstance(node.attrs.get(attribute), int):
                count = int(node.attrs[attribute])
                written_out(count, f"{attribute} of {node.name}")
                return count
        return 2 if node.op == "TopKV2" else 1

    def origin(self, node: NodeDef) -> Origin:
        """How TensorFlow spells a node, as far as that can be written down."""
        config = {key: value for key, value in node.attrs.items() if _plain(value) and not key.startswith("_")}
        return Origin(framework="tensorflow", type=node.op, name=node.name, config=config, split_from=None)

    def assume(self, name: str, value: str, evidence: str) -> None:
        """Note something that the graph leaves open and that was decided; the command says it."""
        self.facts[name] = Fact(name=name, value=value, evidence=evidence)

    def weight(self, node: NodeDef, weight: NativeWeight) -> None:
        """A tensor of the file as the result of a node."""
        self.gives(node, self.importer.weight(node.name, weight, where=self.where(node)))

    def missing(self, node: NodeDef, what: str, remedy: str) -> IrconvError:
        """An error for a fact that the graph does not say."""
        return MissingFact(self.where(node), what, remedy)


def constant(node: NodeDef) -> LazyTensor | None:
    """The tensor of a constant; None where it holds no numbers."""
    value = node.attrs.get("value")
    return value if isinstance(value, LazyTensor) else None


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
