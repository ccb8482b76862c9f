"""What a check found, as numbers, in words and as JSON."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from irconv import __version__
from irconv.data_classes import dataclass
from irconv.errors import Problem
from irconv.ir.manifest import Check
from irconv.verification.compare import Difference, power
from irconv.verification.slots import Order

if TYPE_CHECKING:
    from irconv.verification.layers import Layers


@dataclass(frozen=True)
class Output:
    """One output on one set of inputs."""

    name: str
    other: str
    """Its name on the second side."""
    feed: str
    difference: Difference
    tolerance: float
    axes: Order
    """The permutation that the second side's array was given."""

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference.relative <= self.tolerance

    def said(self) -> str:
        """The difference in words."""
        d = self.difference
        if d.max_abs is None:
            return f"has shape {d.shapes[1]} instead of {d.shapes[0]}"
        place = f"[{', '.join(map(str, d.where))}]" if d.where else ""
        apart = f"differs by {d.relative:.1e} of the largest value, {d.largest:.3g}; {power(self.tolerance)} is allowed"
        return f"{apart}; {d.pair[1]:.6g} instead of {d.pair[0]:.6g} at {place} of {self.feed}"


@dataclass(frozen=True)
class Ran:
    """Which file ran, and in what."""

    path: str
    runtime: str
    own: bool
    """Whether the file ran as it is, and not as irconv has read it."""

    @property
    def words(self) -> str:
        """The runtime, and whose reading of the file it ran."""
        return self.runtime if self.own else f"irconv's reading in {self.runtime}"


@dataclass(frozen=True)
class Report:
    """What a check found."""

    a: Ran
    b: Ran
    outputs: tuple[Output, ...]
    warnings: tuple[str, ...]
    structure: tuple[str, ...] = ()
    """What makes the sides different before any number is looked at."""
    layers: Layers | None = None
    """What both make on the way, where that was asked for."""

    @property
    def agree(self) -> bool:
        """Whether every output agrees on all inputs."""
        return bool(self.outputs) and not self.structure and all(output.agrees for output in self.outputs)

    @property
    def worst(self) -> Output | None:
        """The output that is furthest apart, relative to its tolerance."""
        return max(self.outputs, key=lambda one: (not one.agrees, one.difference.relative), default=None)

    def problems(self) -> list[Problem]:
        """What is different, each output once at its worst, in the form of irconv's errors."""
        found = [Problem(self.b.path, line) for line in self.structure]
        worst: dict[str, Output] = {}
        for one in self.outputs:
            if not one.agrees and (
                one.name not in worst or one.difference.relative > worst[one.name].difference.relative
            ):
                worst[one.name] = one
        for one in worst.values():
            where = f"{self.b.path} in {self.b.words}: output {one.other}"
            found.append(Problem(where, f"{one.said()}, against {self.a.path} in {self.a.words}"))
        return found

    def record(self) -> Check:
        """What a manifest keeps of it."""
        worst = self.worst
        assert worst is not None, "a report that agrees has outputs"
        return Check(
            by=f"irconv {__version__}",
            runtime=self.b.runtime,
            source_runtime=self.a.runtime,
            source_as_read=not self.a.own,
            inputs=tuple(dict.fromkeys(output.feed for output in self.outputs)),
            relative=float(f"{worst.difference.relative:.1e}"),
            tolerance=worst.tolerance,
        )

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        worst = self.worst
        return {
            "agree": self.agree,
            "max_abs": number(max((one.difference.max_abs or 0.0 for one in self.outputs), default=0.0)),
            "relative": number(worst.difference.relative) if worst else None,
            "a": _ran_document(self.a),
            "b": _ran_document(self.b),
            "outputs": [_output(one) for one in self.outputs],
            "structure": list(self.structure),
            "warnings": list(self.warnings),
            **(self.layers.document() if self.layers is not None else {}),
        }


def number(value: float | None) -> float | str | None:
    """A number that JSON has, or its name."""
    return value if value is None or isfinite(value) else str(value)


def _ran_document(ran: Ran) -> dict[str, Any]:
    return {"path": ran.path, "runtime": ran.runtime, "as_read_by_irconv": not ran.own}


def _output(one: Output) -> dict[str, Any]:
    d = one.difference
    return {
        "a": one.name,
        "b": one.other,
        "inputs": one.feed,
        "agrees": one.agrees,
        "max_abs": number(d.max_abs),
        "largest": d.largest,
        "relative": number(d.relative),
        "tolerance": one.tolerance,
        "cosine": round(d.cosine, 9),
        "top": [{"k": k, "share": share} for k, share in d.top],
        "where": list(d.where),
        "values": [number(value) for value in d.pair],
        "shapes": [list(shape) for shape in d.shapes],
        "order_of_axes": list(one.axes),
    }
