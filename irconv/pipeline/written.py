"""What `irconv.api.write` and `irconv.api.convert` give back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from irconv.data_classes import dataclass
from irconv.ir.graph import Port
from irconv.ir.manifest import Fact

if TYPE_CHECKING:
    from irconv.verification.report import Report


@dataclass(frozen=True)
class Written:
    """What a conversion made: the files, data first, and the ports with the axes they were given."""

    format: str
    files: tuple[Path, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    dialect: str = ""
    """The version of the format that the model is spelt for, where there are several."""
    told: tuple[Fact, ...] = ()
    """What the user stated of the source against what its file says, and what was assumed."""
    checked: tuple[Report, ...] = ()
    """What `convert` found with `verify`, one report for each runtime."""
