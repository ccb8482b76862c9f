"""What an adoption says of every parameter of the target, and what it could not place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Any, Literal

from irconv.data_classes import dataclass
from irconv.ir.tensors import LazyTensor

TOLERANCE = 1e-4
"""The largest relative difference that is rounding: networks of a hundred layers have a few units in 1e-5."""

Sure = Literal["told", "certain", "strong", "fair"]
"""`certain`: nothing else in the source has its type and shape; `strong`: the graphs or equal names say it; `fair`:
numbers, order or words in names do."""


@dataclass(frozen=True)
class Placed:
    """One parameter of the target and where its values come from."""

    name: str
    shape: tuple[int, ...]
    sources: tuple[str, ...]
    """The tensors of the source, by the names in its file."""
    steps: tuple[str, ...]
    """What is done to them, in order; empty where they are taken as they are."""
    why: tuple[str, ...]
    """The evidence."""
    sure: Sure
    others: tuple[str, ...] = ()
    """What else of the source has the type and shape."""
    exchangeable: tuple[str, ...] = ()
    """Layers of the target that could as well have got these values, without any effect on what it computes."""


@dataclass(frozen=True)
class Difference:
    """A setting by which the target is another function than the source, whatever its weights."""

    target: str
    source: str
    setting: str
    wanted: str
    got: str

    def __str__(self) -> str:
        return f"{self.target}: {self.setting} is {self.got}, but {self.wanted} in the source ({self.source})"


@dataclass(frozen=True)
class Checked:
    """A value that source and target both compute."""

    name: str
    """The layer or op of the target that makes it."""
    value: str
    """The value of the source's graph."""
    error: float
    """The largest difference over the largest value of the source's."""
    output: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the two are the same but for rounding."""
        return self.error <= TOLERANCE


@dataclass(frozen=True)
class Adoption:
    """Weights of one network in the places of another."""

    placed: tuple[Placed, ...]
    tensors: Mapping[str, LazyTensor] = field(repr=False)
    """Every placed parameter by its name in the target, in the target's layout; nothing is read yet."""
    untouched: tuple[str, ...]
    """Parameters of the target that nothing was found for, with `partial`."""
    kept: tuple[str, ...]
    """Counters and other tensors without weights, which stay as they are."""
    left: tuple[str, ...]
    """Tensors of the source that the target has no use for."""
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    files: tuple[str, ...] = ()
    """The files that were written."""
    checked: tuple[Checked, ...] | None = None
    """Every value that both compute from the same random inputs, where that was asked."""

    @property
    def first(self) -> Checked | None:
        """The first value at which source and target part."""
        return next((value for value in self.checked or () if not value.agrees), None)

    @property
    def parts(self) -> bool:
        """Whether an output of the target is not the source's."""
        return any(value.output and not value.agrees for value in self.checked or ())

    def document(self) -> dict[str, Any]:
        """The same as plain data, without the values."""
        return {
            "placed": [_plain(placed) for placed in self.placed],
            "untouched": list(self.untouched),
            "kept": list(self.kept),
            "left": list(self.left),
            "differences": [_plain(difference) for difference in self.differences],
            "notes": list(self.notes),
            "files": list(self.files),
            **({"checked": [_plain(value) for value in self.checked]} if self.checked is not None else {}),
        }


def _plain(record: Any) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(record).items()}
