"""How many steps a loop makes: what its counters are compared with, and what else has to hold for it to go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from irconv.containers.graph_def import NodeDef
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.frameworks.tensorflow.ops import arrays
from irconv.ir.known import numeric
from irconv.ir.shapes import Dimension, Size

if TYPE_CHECKING:
    from irconv.frameworks.tensorflow.ops.loop_body import BodyReader


@dataclass(frozen=True)
class Variable:
    """A variable of a loop."""

    enter: NodeDef
    merge: NodeDef
    switch: NodeDef
    following: Reference
    """What it is in the next step."""

    @property
    def inside(self) -> Reference:
        """Its value in the body."""
        return Reference(self.switch.name, 1)


class Limits:
    """A loop as far as it is counted."""

    reader: GraphReader
    where: str
    variables: Sequence[Variable]
    counters: Sequence[Variable]
    """Those that grow by one in each step."""
    unchanged: dict[str, Variable]
    """Merge or Switch -> the variable that is the same in every step."""
    wholes: list[Reference]
    """What indices from the end are counted from, which the number of steps has to be."""

    def passed(self, reference: Reference) -> Reference:
        """A result seen through the nodes that pass it on, out of the loop where no step changes it."""
        for _ in range(len(self.reader.graph.nodes) + 1):
            node = self.reader.node(reference.node)
            if node.name in self.unchanged:
                node = self.unchanged[node.name].enter
            elif node.op not in ("Identity", *arrays.ENTERS) and not self._branches(node):
                return reference
            reference = self.reader.inputs(node)[0]
        raise Refused(self.where, f"{reference} is what gives itself on")

    def _branches(self, node: NodeDef) -> bool:
        """Whether a node gives what it takes to one of two branches in the body."""
        return node.op in arrays.SWITCHES and all(v.switch.name != node.name for v in self.variables)

    def is_step(self, reference: Reference) -> bool:
        """Whether an index is the number of the step, from 0."""
        return self._first(reference) == 0

    def _first(self, reference: Reference) -> int | None:
        """Where the counter begins that an index is; None where it is none, or nothing says where."""
        for variable in self.counters:
            if self.passed(reference) in (variable.inside, Reference(variable.merge.name, 0)):
                start = self.reader.importer.known(self.reader.value(str(self.reader.inputs(variable.enter)[0])))
                return int(start.item()) if start is not None and numeric(start) else None
        return None

    def steps(self, body: BodyReader) -> tuple[Dimension, list[Reference]]:
        """How many steps there are at most: the length of what is read, or the limit of a counter; and what else has to
        hold for the loop to go on."""
        sizes = {self.reader.type_of(value).shape[1] for _, value in body.scanned.values()}
        if len(sizes) > 1:
            raise Refused(self.where, f"reads arrays of different lengths, {sorted(map(str, sizes))}")
        condition = self.reader.node(self.reader.inputs(self.variables[0].switch)[1].node)
        limits, terms = self._limits(self.reader.inputs(condition)[0])
        counts = {count for limit in limits.values() if (count := self._count(*limit)) is not None}
        if not sizes and all(isinstance(count, int) for count in counts):
            counts = set(sorted(counts, key=int)[:1])  # the first limit that is reached ends the loop
            limits = {test: limit for test, limit in limits.items() if self._count(*limit) in (None, *counts)}
        sizes = sizes or counts
        sizes = sizes or body.lengths
        if len(sizes) != 1:
            raise Refused(self.where, self._endless(terms))
        (steps,) = sizes
        for test, (limit, first) in limits.items():
            if self._is_length(limit, first, steps):
                continue
            if self._count(limit, first) is not None:
                raise Refused(self.where, f"expected a loop over all {steps} steps, got one up to {limit}")
            terms.append(test)
        for whole in self.wholes:
            if self._size(whole) != steps or terms:
                raise Refused(self.where, f"expected indices from the last of {steps} steps, got them from {whole}")
        return steps, terms

    def _endless(self, terms: Sequence[Reference]) -> str:
        if not terms:
            return "goes on for a number of steps that only running the model would tell"
        tests = " and ".join(f"{node.name} ({node.op})" for node in (self.reader.node(term.node) for term in terms))
        return f"goes on for as long as {tests} holds, and not up to a number of steps"

    def _limits(self, reference: Reference) -> tuple[dict[Reference, tuple[Reference, int]], list[Reference]]:
        """Each test of a counter with what it is compared with and where it begins, and what is tested besides."""
        test = self.passed(reference)
        node = self.reader.node(test.node)
        if node.op == "LogicalAnd":
            (limits, terms), (more, others) = (self._limits(taken) for taken in self.reader.inputs(node))
            return limits | more, [*terms, *others]
        first = self._first(self.reader.inputs(node)[0]) if node.op == "Less" and self._is_fixed(node) else None
        return ({}, [test]) if first is None else ({test: (self.reader.inputs(node)[1], first)}, [])

    def _is_fixed(self, node: NodeDef) -> bool:
        """Whether what a test compares with is the same in every step."""
        limit = self.reader.node(self.passed(self.reader.inputs(node)[1]).node)
        return all(limit.name not in (v.merge.name, v.switch.name) for v in self.variables)

    def _is_length(self, limit: Reference, first: int, steps: Dimension) -> bool:
        """A limit that makes so many steps, or the smaller of that and the longest of given lengths, behind which every
        member of the batch is past its end."""
        outer = self.passed(limit)
        node = self.reader.node(outer.node)
        if node.op == "Minimum":
            return any(self._is_length(taken, first, steps) for taken in self.reader.inputs(node))
        return self._count(outer, first) == steps

    def _count(self, limit: Reference, first: int) -> Dimension | None:
        """How many steps a counter makes up to a limit, where that is known."""
        size = self._size(limit)
        if size is None or not first:
            return size
        return max(size - first, 0) if isinstance(size, int) else (Size.of(size) - first).dimension

    def _size(self, limit: Reference) -> Dimension | None:
        """A limit as a size, where it is known."""
        known = self.reader.importer.known(self.reader.value(str(self.passed(limit))))
        found = None if known is None or known.size != 1 else known.reshape(-1)[0]
        if found is None:
            return None
        return found.dimension if isinstance(found, Size) else int(found)


def number_of(node: NodeDef) -> float | None:
    """The number that a constant node is."""
    tensor = node.attrs.get("value") if node.op == "Const" else None
    return None if tensor is None or tensor.shape != () else float(tensor.numpy())
