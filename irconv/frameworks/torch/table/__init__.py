"""PyTorch's modules and functions <-> IR layers.

The native spelling is the ``torch.nn`` module where there is one, else the function, else a name of our own for a few
lines of Python (see `irconv.frameworks.torch.spelling`).

`irconv.frameworks.torch.lower` has run before a model is written: paddings are the same on both sides, a BatchNorm has
both or none of gamma and beta.
"""

from __future__ import annotations

from irconv.families import FamilyTable

_FAMILIES = (
    *("modules.MODULES", "recurrence.RECURRENCE", "windows.WINDOWS", "elementwise.ACTIVATIONS"),
    *("elementwise.ARITHMETIC", "shapes.SHAPES", "shapes.REDUCTIONS", "shapes.INDEXING", "shapes.MATRICES"),
    *("selection.SELECTION", "signals.SIGNALS", "saved.SAVED"),
)

TABLE = FamilyTable("PyTorch", __name__, _FAMILIES)
"""Every PyTorch module and function irconv writes."""
