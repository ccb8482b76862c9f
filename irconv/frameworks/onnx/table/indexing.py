"""Gathers, scatters and orders: ONNX ops <-> IR layers."""

from __future__ import annotations

from typing import Any

from irconv.codec import Codec
from irconv.frameworks.onnx.table.rows import FLAG, SizesInput, unary, whole
from irconv.ir.layers.base import Layer
from irconv.ir.layers.indexing import (
    ArgMax,
    ArgMin,
    Gather,
    GatherElements,
    GatherND,
    ScatterElements,
    ScatterND,
    TopK,
)
from irconv.rows import Attribute, Input, Iso, Output

_SCATTER = (Input("x"), Input("indices"), Input("updates"))
_TIES = Iso(lambda last: "last" if last else "first", lambda ties: int(ties == "last"))


def _first(numbers: Any) -> Any:
    return numbers[0]


def _extreme(native: str, layer: type[Layer]) -> Codec:
    ties = Attribute("select_last_index", "ties", _TIES)
    return Codec(native, layer, Input("x"), Attribute("axis"), Attribute("keepdims", iso=FLAG), ties)


CODECS: list[Codec] = [
    Codec("Gather", Gather, Input("x"), Input("indices"), Attribute("axis")),
    Codec("GatherElements", GatherElements, Input("x"), Input("indices"), Attribute("axis")),
    Codec("GatherND", GatherND, Input("x"), Input("indices"), Attribute("batch_dims", "batch_axes")),
    Codec("ScatterElements", ScatterElements, *_SCATTER, Attribute("axis"), Attribute("reduction")),
    Codec("ScatterND", ScatterND, *_SCATTER, Attribute("reduction")),
    Codec(
        "TopK",
        TopK,
        Input("x"),
        SizesInput("k", "k", whole("k"), _first),
        Attribute("axis"),
        Attribute("largest", iso=FLAG),
        Attribute("sorted", iso=FLAG),
        Output("values"),
        Output("indices"),
    ),
    _extreme("ArgMax", ArgMax),
    _extreme("ArgMin", ArgMin),
    unary("ReverseSequence", "ReverseSequence", Input("lengths"), Attribute("batch_axis"), Attribute("time_axis")),
]
