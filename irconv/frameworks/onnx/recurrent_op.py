"""ONNX's own recurrent op as a layer, for the time between lowering and encoding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from irconv.ir.layers.base import AxisBehaviour, Barrier, Layer, Parameter, ValueType


class OnnxRecurrent(Layer):
    """ONNX's RNN, GRU or LSTM with its attributes and operands as they stand there. Part of no bundle that is kept."""

    SLOTS: ClassVar[Mapping[str, str]] = {
        "x": "t n in",
        "lengths": "n",
        "initial_h": "d n unit",
        "initial_c": "d n unit",
    }
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "t d n unit", "h": "d n unit", "c": "d n unit"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "W": Parameter("d rows in"),
        "R": Parameter("d rows unit"),
        "B": Parameter("d rows", 0.0),
        "P": Parameter("d rows", 0.0),
    }
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["OnnxRecurrent"] = "OnnxRecurrent"
    op: Literal["RNN", "GRU", "LSTM"]
    attributes: dict[str, Any]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        (steps, batch, _), units = given["x"].shape, given["R"].shape[2]
        state = ValueType(given["x"].dtype, (1, batch, units))
        return {"y": ValueType(state.dtype, (steps, *state.shape)), "h": state, "c": state}
