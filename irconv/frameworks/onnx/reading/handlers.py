"""Which handler reads which op."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.frameworks.onnx.reading import (
    arithmetic,
    constants,
    control,
    loops,
    misc,
    products,
    quantisation,
    recurrent,
    reductions,
    shapes,
    windows,
)
from irconv.frameworks.onnx.reading.model import Handler

_MODULES = (arithmetic, constants, control, loops, misc, products, quantisation, recurrent, reductions, shapes, windows)

HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("", name): handler for module in _MODULES for name, handler in module.HANDLERS.items()
}
