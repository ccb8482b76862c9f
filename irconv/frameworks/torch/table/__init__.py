"""PyTorch's modules and functions <-> IR layers.

The native spelling is the ``torch.nn`` module where there is one, else the function, else a name of our own for a few
lines of Python (see `irconv.frameworks.torch.spelling`).

`irconv.frameworks.torch.lower` has run before a model is written: paddings are the same on both sides, a BatchNorm has
both or none of gamma and beta.
"""

from __future__ import annotations

from irconv.codec import Table
from irconv.frameworks.torch.table.elementwise import ACTIVATIONS, ARITHMETIC
from irconv.frameworks.torch.table.modules import MODULES
from irconv.frameworks.torch.table.recurrence import RECURRENCE
from irconv.frameworks.torch.table.selection import SELECTION
from irconv.frameworks.torch.table.shapes import INDEXING, MATRICES, REDUCTIONS, SHAPES
from irconv.frameworks.torch.table.signals import SIGNALS
from irconv.frameworks.torch.table.windows import WINDOWS

TABLE = Table(
    "PyTorch",
    [
        *MODULES,
        *RECURRENCE,
        *WINDOWS,
        *ACTIVATIONS,
        *ARITHMETIC,
        *SHAPES,
        *REDUCTIONS,
        *INDEXING,
        *MATRICES,
        *SELECTION,
        *SIGNALS,
    ],
)
"""Every PyTorch module and function irconv writes."""
