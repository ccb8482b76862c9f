"""What a comparison says: a status for every tensor and every layer of either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from irconv.comparison.numbers import Distance
from irconv.data_classes import dataclass

Status = Literal[
    "equal",
    "close",
    "changed",
    "dtype",
    "shape",
    "renamed",
    "folded",
    "missing",
    "added",
    "ignored",
    "uncompared",
]
"""Where a tensor or a layer stands.

* ``equal``: the same bits, or the same settings.
* ``close``: within the tolerance that was asked for.
* ``changed``: other values, or other settings or connections.
* ``dtype``, ``shape``: of another element type or shape.
* ``renamed``: the same under another name; says nothing of the values, so that ``changed`` may stand beside it.
* ``folded``: merged into another tensor on one side, such as a BatchNorm into the convolution before it.
* ``missing``, ``added``: only in the first, only in the second.
* ``ignored``: only on one side, and without effect on any result.
* ``uncompared``: the other side has no graph, so that there is nothing to compare with.
"""

FoldKind = Literal["BatchNorm", "bias pair", "weight norm", "spectral norm", "pruning", "LoRA", "joined"]
"""What was merged."""
UNCHANGED = frozenset({"equal", "close", "ignored", "uncompared"})
"""Where these are all, nothing differs."""


@dataclass(frozen=True)
class TensorName:
    """A tensor on one side."""

    name: str
    """The unit and the role in canonical words: ``conv1.kernel``."""
    native: str
    """The name in the file."""
    unit: str
    role: str
    dtype: str
    shape: tuple[int, ...]
    trainable: bool | None
    buffer: bool


@dataclass(frozen=True)
class Fold:
    """What a side merged: which tensors into which, and how far the result is from what the parts give."""

    kind: FoldKind
    into: str
    """The unit that has it merged."""
    side: Literal["a", "b"]
    """The side that merged."""
    residual: float
    """``||merged - computed|| / ||computed||``, the computed ones in float64."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Numbers that went into it, such as the epsilon, and where they are from."""


@dataclass(frozen=True)
class TensorDiff:
    """A tensor of one side, or the same of both."""

    status: tuple[Status, ...]
    a: TensorName | None
    b: TensorName | None
    how: str = ""
    """How the two were found to be the same: ``name``, ``content``, ``order``."""
    distance: Distance | None = None
    fold: Fold | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name on the first side that has it."""
        one = self.a or self.b
        assert one is not None, "a tensor is on one side at least"
        return one.name

    @property
    def renaming(self) -> tuple[str, str] | None:
        """The names on both sides where it is renamed, those in the files where they say more."""
        if self.a is None or self.b is None or "renamed" not in self.status:
            return None
        return (self.a.name, self.b.name) if self.a.name != self.b.name else (self.a.native, self.b.native)

    @property
    def differs(self) -> bool:
        """Whether it counts as a difference."""
        return not set(self.status) <= UNCHANGED


@dataclass(frozen=True)
class LayerDiff:
    """A layer of one side, or the same of both."""

    status: tuple[Status, ...]
    a: str | None
    b: str | None
    types: tuple[str | None, str | None]
    how: str = ""
    settings: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """The settings that differ: on the first side, on the second."""
    inputs: tuple[str, ...] = ()
    """What it takes from elsewhere, in words."""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name on the first side that has it."""
        return self.a or self.b or ""

    @property
    def differs(self) -> bool:
        """Whether it counts as a difference."""
        return not set(self.status) <= UNCHANGED


@dataclass(frozen=True)
class Folds:
    """All folds between two models."""

    entries: tuple[TensorDiff, ...] = ()
    taken_a: frozenset[str] = frozenset()
    """The tensors of the first side that have an entry."""
    taken_b: frozenset[str] = frozenset()
    layers: Mapping[str, str] = field(default_factory=dict)
    """Layer of either side that is gone -> where it went, in words."""
    settled: frozenset[str] = frozenset()
    """Units of either side that the other has under other names, in other pieces."""

    def and_then(self, more: Folds) -> Folds:
        """Both together."""
        return Folds(
            (*self.entries, *more.entries),
            self.taken_a | more.taken_a,
            self.taken_b | more.taken_b,
            {**self.layers, **more.layers},
            self.settled | more.settled,
        )


@dataclass(frozen=True)
class Module:
    """A part of the model, with what became of the tensors and layers inside it."""

    path: tuple[str, ...]
    verdict: str
    """``frozen``, ``fine-tuned``, ``replaced``, ``renamed``, ``folded``, ``statistics``, ``settings`` or ``mixed``."""
    tensors: Mapping[str, int]
    """Status -> number of tensors."""
    elements: int
    changed: int
    """Elements that differ."""
    relative_l2: float | None
    """Of all tensors inside that can be compared, taken together."""


@dataclass(frozen=True)
class SideFacts:
    """What is known of one of the two files."""

    path: str
    framework: str
    version: str
    graph: bool
    tensors: int
    layers: int


@dataclass(frozen=True)
class Report:
    """The comparison of two models."""

    a: SideFacts
    b: SideFacts
    tensors: tuple[TensorDiff, ...]
    layers: tuple[LayerDiff, ...]
    modules: tuple[Module, ...]
    notes: tuple[str, ...] = ()

    def differing(self, ignored: frozenset[str] = frozenset()) -> list[TensorDiff | LayerDiff]:
        """What differs, leaving out the statuses that are ignored."""
        entries: list[TensorDiff | LayerDiff] = [*self.tensors, *self.layers]
        return [entry for entry in entries if not set(entry.status) <= UNCHANGED | ignored]
