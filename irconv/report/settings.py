"""A layer's settings as people write them: ``stride 2, padding same_upper`` instead of the fields of a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from irconv.ir.graph import Graph
from irconv.ir.layers.base import Layer

_NEUTRAL: Mapping[str, Any] = {
    "stride": 1,
    "dilation": 1,
    "groups": 1,
    "padding": 0,
    "output_padding": 0,
    "output_size": None,
    "softcap": None,
    "causal": "none",
    "fully_masked": "nan",
    "ceil_mode": False,
    "count_padding": False,
    "reverse": False,
    "order": "time",
    "masked_output": "repeat",
    "input_dropout": 0.0,
    "recurrent_dropout": 0.0,
    "noise": "zero",
    "shared": (),
    "cell_clip": None,
    "projection_clip": None,
    "forget_bias": 0.0,
    "padding_index": None,
}
"""What a setting is where nobody would mention it; any other value is shown."""


_SIZES = frozenset(
    ["stride", "dilation", "kernel", "kernel_size", "output_size", "output_padding", "sizes", "shape", "scales"]
)
"""What is written ``3x5``, and as one number where all are equal."""


def settings(layer: Layer) -> str:
    """The settings of a layer in a line, without those that say nothing.

    >>> from irconv.ir.layers.convolution import Conv
    >>> settings(Conv(stride=(2, 2), dilation=(1, 1), groups=1, padding=((0, 1), (0, 1))))
    'stride 2, padding 0+1'
    """
    return ", ".join(f"{name} {text}" for name, text in shown_settings(layer).items())


def shown_settings(layer: Layer) -> dict[str, str]:
    """The same by name."""
    found = layer.settings()
    return {name: value(what, name in _SIZES) for name, what in found.items() if not _neutral(name, what)}


def value(what: Any, sizes: bool = False) -> str:
    """A setting's value: ``3x5`` for sizes, one number for equal ones, ``a+b`` for two sides, words for layers.

    >>> value((3, 5), True), value((2, 2), True), value(((1, 1), (0, 2))), value((1, 0)), value(0.1)
    ('3x5', '2', '1 x 0+2', '(1, 0)', '0.1')
    """
    if isinstance(what, Layer):
        inner = settings(what)
        return f"{what.type}({inner})" if inner else what.type
    if isinstance(what, bool) or what is None:
        return {True: "yes", False: "no", None: "none"}[what]
    if isinstance(what, float):
        return f"{what:.9g}"
    if isinstance(what, Mapping):
        return "{" + ", ".join(f"{key}: {value(entry)}" for key, entry in what.items()) + "}"
    if isinstance(what, str | int):
        return str(what)
    if isinstance(what, Graph):
        return f"{len(what.nodes)} layers"
    return _several(what, sizes)


def _several(what: Sequence[Any], sizes: bool) -> str:
    if what and all(isinstance(entry, tuple) and len(entry) == 2 for entry in what):
        pairs = [value(a) if a == b else f"{value(a)}+{value(b)}" for a, b in what]
        return pairs[0] if len(set(pairs)) == 1 else " x ".join(pairs)
    parts = [value(entry) for entry in what]
    if sizes and parts:
        return parts[0] if len(set(parts)) == 1 and all(isinstance(entry, int) for entry in what) else "x".join(parts)
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _neutral(name: str, what: Any) -> bool:
    if name not in _NEUTRAL:
        return False
    wanted, flat = _NEUTRAL[name], what
    while isinstance(flat, tuple) and flat and all(entry == flat[0] for entry in flat):
        flat = flat[0]
    return bool(flat == wanted and type(flat) is type(wanted))
