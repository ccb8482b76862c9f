"""Which handler reads which op."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.frameworks.onnx.reading import (
    arithmetic,
    attention,
    audio,
    constants,
    control,
    fused,
    fused_attention,
    grouped_attention,
    loops,
    misc,
    placing,
    products,
    quantisation,
    quantised_ops,
    recurrent,
    reductions,
    regions,
    rotary,
    selection,
    sequences,
    shapes,
    windows,
)
from irconv.frameworks.onnx.reading.model import Handler

_MODULES = (
    arithmetic,
    attention,
    audio,
    constants,
    control,
    loops,
    misc,
    placing,
    products,
    quantisation,
    recurrent,
    reductions,
    regions,
    rotary,
    selection,
    sequences,
    shapes,
    windows,
)
_FUSED = (
    fused.HANDLERS,
    fused_attention.FUSED,
    grouped_attention.FUSED,
    quantised_ops.HANDLERS,
    rotary.HANDLERS,
)

HANDLERS: Mapping[tuple[str, str], Handler] = {
    **{("", name): handler for module in _MODULES for name, handler in module.HANDLERS.items()},
    **{("com.microsoft", name): handler for found in _FUSED for name, handler in found.items()},
    ("", "SimplifiedLayerNormalization"): fused.HANDLERS["SimplifiedLayerNormalization"],
}
