"""Which handler reads which overload, and arithmetic on sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.frameworks.torch.aten import (
    accumulating,
    algebra,
    attention,
    cells,
    elementwise,
    encoder,
    formulas,
    logic,
    losses,
    making,
    others,
    picking,
    recurrent,
    selecting,
    shapes,
    windows,
    writes,
)
from irconv.frameworks.torch.aten.program import Handler
from irconv.ir.shapes import Size

FAMILIES = (
    *(elementwise, logic, formulas, algebra, shapes, picking, accumulating, selecting, making, windows),
    *(attention, encoder, recurrent, cells, writes, losses, others),
)
"""The modules of rules; where two have one for an overload, the later one's holds."""
HANDLERS: Mapping[str, Handler] = {op: rule for family in FAMILIES for op, rule in family.HANDLERS.items()}

SCALARS: Mapping[str, Callable[..., Any]] = {
    "_operator.add": lambda a, b: (Size.of(a) + b).dimension,
    "_operator.sub": lambda a, b: (Size.of(a) - b).dimension,
    "_operator.mul": lambda a, b: (Size.of(a) * b).dimension,
    "_operator.floordiv": lambda a, b: Size.of(a).floor_divide(int(b)).dimension,
}
"""Sizes that are computed."""
GUARDS = frozenset(f"_operator.{name}" for name in ("ge", "le", "gt", "lt", "eq", "ne"))
"""Comparisons of sizes, which the export checked."""
BY_ELEMENT = frozenset(
    (
        *(f"{op}.{form}" for op in ("add", "sub", "mul", "div", "rsub", "pow") for form in ("Tensor", "Scalar")),
        *(f"{op}.default" for op, _ in elementwise.UNARY),
        *("pow.Tensor_Scalar", "clamp.default", "clamp_min.default", "clamp_max.default", "leaky_relu.default"),
        *("fill.Scalar", "fill.Tensor", "zero.default", "clone.default", "silu.default", "gelu.default"),
    )
)
"""Ops that may be applied to elements that a mask took, each for itself, as all of them in their places."""
