"""ONNX's own recurrent ops, as `irconv.frameworks.onnx.lowerings.recurrent` prepares them."""

from __future__ import annotations

from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.recurrent_op import OnnxRecurrent
from irconv.rows import Input, Only, Output, Weight


@dataclass(frozen=True)
class _Attributes(Row):
    """The attributes as they stand."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config |= draft.fields.pop("attributes")


def _op(name: str, *more: Row) -> Codec:
    kernels = [Weight("W", "W", "d rows in", positional=True), Weight("R", "R", "d rows unit", positional=True)]
    rows: list[Row] = [Only("op", name), _Attributes(), Input("x"), *kernels]
    rows += [Weight("B", "B", "d rows", positional=True), Input("lengths"), Input("initial_h"), *more]
    return Codec(name, OnnxRecurrent, *rows, Output("y"), Output("h"))


_CELL: tuple[Any, ...] = (Input("initial_c"), Weight("P", "P", "d rows", positional=True))
CODECS: list[Codec] = [_op("RNN"), _op("GRU"), Codec("LSTM", OnnxRecurrent, *_op("LSTM", *_CELL).rows, Output("c"))]
