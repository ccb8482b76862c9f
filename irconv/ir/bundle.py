"""The bundle in memory: layers, graph and lazy tensors. What every reader returns and every writer takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import reduce
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import DTypeLike

from irconv.data_classes import dataclass
from irconv.ir.graph import Graph
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType
from irconv.ir.manifest import (
    FORMAT,
    Check,
    Group,
    LayoutStep,
    Manifest,
    Meta,
    Omitted,
    Probe,
    SourceRecord,
    TensorRecord,
)
from irconv.ir.named import Named, nothing_named
from irconv.ir.stamps import Stamp
from irconv.ir.tensors import LazyTensor, cut, stacked
from irconv.layout import Array, customary, relayout

if TYPE_CHECKING:
    from irconv.ir.named import Places

STATE = "optimizer/"
"""What the keys of an optimizer's state begin with."""


@dataclass(frozen=True, repr=False)
class Tensor:
    """A tensor of a bundle: its record and its bytes, wherever they are; ``numpy.asarray`` reads it."""

    record: TensorRecord
    data: LazyTensor

    def __repr__(self) -> str:
        letters = f" {self.record.letters}" if self.record.letters else ""
        return f"<Tensor {self.record.dtype} {self.record.shape}{letters}>"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """The elements, in canonical axes."""
        return self.data.__array__(dtype, copy)

    def __getitem__(self, key: Any) -> Any:
        """Elements, as of the array that it is; all of it is read."""
        return self.numpy()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.numpy())

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its canonical axes."""
        return self.data.shape

    @property
    def dtype(self) -> str:
        """The name of its element type."""
        return self.data.dtype

    def numpy(self) -> Array:
        """The elements, in canonical axes."""
        return self.data.numpy()

    def relayout(self, step: LayoutStep, axes: str = "") -> Tensor:
        """The tensor after one more step, which is recorded; its axes are then the step's target, or `axes`.

        Raises `ValueError` if the step is for other axes.
        """
        change = relayout(step.source, step.target, self.data.shape, step.orders, step.sizes)
        axes = axes or step.target.replace("~", "")
        letters, steps = customary(axes, len(change.shape)), (*self.record.steps, step)
        record = replace(self.record, shape=change.shape, axes=axes, letters=letters, steps=steps)
        return Tensor(record, self.data.relayout(change))

    def native(self) -> LazyTensor:
        """The tensor as the source had it: all steps undone, last first."""

        def undo(data: LazyTensor, step: LayoutStep) -> LazyTensor:
            back = step.undo()
            return data.relayout(relayout(back.source, back.target, data.shape, back.orders, back.sizes))

        return reduce(undo, reversed(self.record.steps), self.data)


def made(
    data: LazyTensor,
    role: Literal["parameter", "constant"] = "parameter",
    trainable: bool | None = None,
    axes: str = "",
    letters: str = "",
) -> Tensor:
    """A tensor that irconv computed: no source has it."""
    record = TensorRecord(
        role=role,
        trainable=trainable,
        dtype=data.dtype,
        shape=data.shape,
        axes=axes,
        letters=letters,
        source=None,
        steps=(),
    )
    return Tensor(record, data)


@dataclass(frozen=True)
class Probed:
    """A probe with its arrays."""

    record: Probe
    data: Mapping[str, LazyTensor]
    """Key in ``probe.safetensors`` -> array."""

    def inputs(self) -> dict[str, Array]:
        """The inputs by their names in the graph, in the bundle's axes."""
        return {name: self.data[key].numpy() for name, key in self.record.inputs.items()}

    def outputs(self) -> dict[str, Array]:
        """What the source made of them."""
        return {name: self.data[key].numpy() for name, key in self.record.outputs.items()}


@dataclass(frozen=True, repr=False)
class Bundle:
    """A model, or weights without a graph (`graph` is None and `groups` says what is known).

    Passes take one and return another; nothing in it is changed in place.
    """

    source: SourceRecord
    layers: Places[Layer] = nothing_named()
    """By name, and by place; see `Named`."""
    graph: Graph | None = None
    tensors: Places[Tensor] = nothing_named()
    """By name, and by place."""
    groups: tuple[Group, ...] = ()
    omitted: tuple[Omitted, ...] = ()
    checks: tuple[Check, ...] = ()
    """How it was compared with its source."""
    probe: Probed | None = None
    """What its source predicted."""
    meta: Meta | None = None
    """What people say of it."""
    paths: tuple[Path, ...] = ()
    """The files that `source` names, where they still lie; empty for a bundle read back."""
    opened: Mapping[Path, Stamp] = field(default_factory=dict)
    """Every file that it was, and its tensors still are, read from, as it was when it was opened."""
    state: Mapping[str, Tensor] = field(default_factory=dict)
    """The state of an optimizer, which no pass changes; see `irconv.ir.optimizer`."""

    def __post_init__(self) -> None:
        for name in ("layers", "tensors"):
            if type(getattr(self, name)) is not Named:
                object.__setattr__(self, name, Named(getattr(self, name)))

    def _repr_html_(self) -> str:
        """A short table for notebooks."""
        from irconv.ir.notebook import table

        return table(self)

    def __repr__(self) -> str:
        made_by = " ".join(part for part in (self.source.framework, self.source.version) if part)
        inside = f"{len(self.layers)} layers" if self.graph is not None else f"{len(self.groups)} groups, no graph"
        numbers = sum(prod(tensor.record.shape) for tensor in self.tensors.values())
        return f"<Bundle from {made_by}: {inside}, {len(self.tensors)} tensors, {numbers:,} numbers>"

    def source_tensors(self) -> dict[str, LazyTensor]:
        """Every tensor under its native name, in its native layout, bit for bit; lazy."""
        found: dict[str, LazyTensor] = {}
        pieces: dict[tuple[str, tuple[int, ...]], dict[int, LazyTensor]] = {}
        for tensor in self.tensors.values():
            source = tensor.record.source
            if source is None:
                continue
            if source.piece is not None:
                pieces.setdefault((source.name, source.piece.whole), {})[source.piece.index] = tensor.native()
            elif source.members:
                found |= dict(zip(source.members, cut(tensor.native(), len(source.members)), strict=True))
            else:
                found[source.name] = tensor.native()
        joined = {name: stacked([p[i] for i in sorted(p)], whole) for (name, whole), p in pieces.items()}
        return found | joined

    def graph_remedy(self, usual: str) -> str:
        """What to do for want of a graph: what its reader noted as the fact ``graph``, or the usual advice."""
        noted = next((fact.evidence for fact in self.source.facts if fact.name == "graph"), "")
        return f"{noted[0].upper()}{noted[1:]}." if noted else usual

    def manifest(self) -> Manifest:
        """The manifest as it stands."""
        return Manifest(
            format=FORMAT,
            source=self.source,
            layers=dict(self.layers),
            graph=self.graph,
            tensors={key: tensor.record for key, tensor in {**self.tensors, **self.state}.items()},
            groups=self.groups,
            omitted=self.omitted,
            checks=self.checks,
            probe=self.probe.record if self.probe is not None else None,
            meta=self.meta,
        )

    def operand_types(self, layer: Layer) -> dict[str, ValueType]:
        """The types of a layer's stored and literal operands, by role."""
        return operand_types(layer, self.tensors)

    def with_layer(self, name: str, layer: Layer) -> Bundle:
        """The bundle with one layer replaced or added."""
        return replace(self, layers={**self.layers, name: layer})


def operand_types(layer: Layer, tensors: Mapping[str, Tensor]) -> dict[str, ValueType]:
    """The types of a layer's stored and literal operands, by role."""
    types: dict[str, ValueType] = {}
    for role, operand in layer.operands.items():
        if isinstance(operand, StoredOperand):
            record = tensors[operand.tensor].record
            types[role] = ValueType(record.dtype, record.shape)
        else:
            types[role] = ValueType(operand.dtype, literal_shape(operand))
    return types


def literal_shape(operand: LiteralOperand) -> tuple[int, ...]:
    """The shape of a literal's nested lists."""
    shape: list[int] = []
    value = operand.literal
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else 0.0
    return tuple(shape)
