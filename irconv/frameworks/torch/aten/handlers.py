"""Which handler reads which overload, which overloads give views, and arithmetic on sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.frameworks.torch.aten import attention, elementwise, recurrent, shapes, windows
from irconv.frameworks.torch.aten.program import Handler
from irconv.ir.shapes import Size

HANDLERS: Mapping[str, Handler] = {
    **elementwise.HANDLERS,
    **shapes.HANDLERS,
    **windows.HANDLERS,
    **attention.HANDLERS,
    **recurrent.HANDLERS,
}

_VIEWS = """
    view.default reshape.default transpose.int permute.default select.int slice.Tensor unsqueeze.default squeeze.dim
    squeeze.dims squeeze.default expand.default flatten.using_ints unflatten.int chunk.default split.Tensor
    split_with_sizes.default detach.default contiguous.default t.default unbind.int view_as.default alias.default
    narrow.default movedim.int swapaxes.default dropout.default to.dtype lift_fresh_copy.default
"""
VIEWS = frozenset(_VIEWS.split())

SCALARS: Mapping[str, Callable[..., Any]] = {
    "_operator.add": lambda a, b: (Size.of(a) + b).dimension,
    "_operator.sub": lambda a, b: (Size.of(a) - b).dimension,
    "_operator.mul": lambda a, b: (Size.of(a) * b).dimension,
    "_operator.floordiv": lambda a, b: Size.of(a).floor_divide(int(b)).dimension,
    **{f"_operator.{name}": lambda *_: True for name in ("ge", "le", "gt", "lt", "eq", "ne")},
}
"""Sizes that are computed. Comparisons are guards that the export checked."""
