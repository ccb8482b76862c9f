"""Weights without a graph beside a model with one: the model's weights as the other framework would keep them.

What a framework stores of a layer may be joined, split or computed (`nn.MultiheadAttention` keeps query, key and value
as one); its own writer knows how, so the comparison asks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from irconv.comparison.model import Folds, TensorDiff
from irconv.comparison.pairing import Paired, UnitPair
from irconv.comparison.sides import Operand, Side
from irconv.comparison.tensors import Comparer, named
from irconv.data_classes import dataclass
from irconv.errors import IrconvError
from irconv.frameworks.conventions import ported
from irconv.ir.tensors import CutOut, LazyTensor, Reinterpreted, Source, Stacked

_NOTHING: tuple[LazyTensor | None, frozenset[str]] = (None, frozenset())


@dataclass(frozen=True)
class Port:
    """One side with a graph, and the other's weights without one."""

    graph: Side
    bare: Side
    first: bool
    """Whether the side with the graph is the first."""

    @cached_property
    def weights(self) -> Mapping[str, tuple[LazyTensor, frozenset[str]]]:
        """Name in the other framework -> the weight, and the tensors of the graph's side that it is made of; empty
        where the framework cannot express the model."""
        try:
            made = ported(self.graph.bundle, self.bare.bundle.source.framework) or {}
        except IrconvError:
            return {}
        homes = {id(tensor.data.source): key for key, tensor in self.graph.bundle.tensors.items()}
        return {
            name: (data, frozenset(homes[id(source)] for source in _sources(data.source) if id(source) in homes))
            for name, data in made.items()
        }

    def without_renamings(self, paired: Paired) -> Paired:
        """The pairs, in which a name that the framework makes of the model's is no other name."""
        pairs = tuple(
            replace(pair, renamed=False) if pair.renamed and self._names(pair) else pair for pair in paired.pairs
        )
        return replace(paired, pairs=pairs)

    def _names(self, pair: UnitPair) -> bool:
        graph, bare = (pair.a, pair.b) if self.first else (pair.b, pair.a)
        keys = {operand.key for operand in graph.operands.values()}
        return any(self.weights.get(o.native, _NOTHING)[1] & keys for o in bare.operands.values())

    def settled(self, loose: tuple[Sequence[Operand], Sequence[Operand]], comparer: Comparer) -> Folds:
        """The tensors without a counterpart of their own that are one another's in the other framework's spelling."""
        entries = tuple(self._entries(*(loose if self.first else loose[::-1]), comparer))
        units = {(entry.a or entry.b).unit for entry in entries if not entry.differs}  # type: ignore[union-attr]
        units |= {entry.b.unit for entry in entries if entry.b is not None and not entry.differs}
        return Folds(
            entries,
            frozenset(entry.a.name for entry in entries if entry.a is not None),
            frozenset(entry.b.name for entry in entries if entry.b is not None),
            settled=frozenset(units),
        )

    def _entries(self, graph: Sequence[Operand], bare: Sequence[Operand], comparer: Comparer) -> Iterator[TensorDiff]:
        loose = {operand.key: operand for operand in graph}
        for operand in bare:
            data, keys = self.weights.get(operand.native, _NOTHING)
            if data is not None:
                parts: list[Operand | None] = [loose[key] for key in sorted(keys) if key in loose]
                for part in parts or [None]:
                    yield self._entry(part, data, operand, comparer)

    def _entry(self, part: Operand | None, data: LazyTensor, bare: Operand, comparer: Comparer) -> TensorDiff:
        wanted = replace(part or bare, data=data, known=True)
        left, right = (wanted, bare) if self.first else (bare, wanted)
        entry = comparer.compare(left, right, "name", False)
        whole = f"as {self.bare.bundle.source.framework} keeps it"
        one = named(part) if part is not None else None
        sides = {"a": one} if self.first else {"b": one}
        return replace(entry, **sides, notes=(*entry.notes, whole))  # type: ignore[arg-type]


def port(a: Side, b: Side) -> Port | None:
    """The port of a pair of sides of which one has a graph."""
    if a.has_graph == b.has_graph:
        return None
    return Port(a, b, True) if a.has_graph else Port(b, a, False)


def _sources(source: Source) -> Iterator[Source]:
    """What a source is put together from."""
    yield source
    if isinstance(source, Stacked):
        for member in source.members:
            yield from _sources(member.source)
    elif isinstance(source, CutOut | Reinterpreted):
        yield from _sources(source.whole.source)
