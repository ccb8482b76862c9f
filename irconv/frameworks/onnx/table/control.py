"""Recurrence: ONNX ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.layers.control import Scan


@dataclass(frozen=True)
class _Body(Row):
    """Everything about a Scan; its body is written by `irconv.frameworks.onnx.nodes`.

    ``scan_input_axes`` and the like are 1, because the IR's sequences are (n, t, ...).
    """

    def encode(self, draft: Draft, native: Workpiece) -> None:
        body, carried = draft.fields.pop("body"), draft.fields.pop("carried")
        scanned, reverse = draft.fields.pop("scanned"), draft.fields.pop("reverse")
        in_time = draft.fields.pop("order") == "time"
        stacked = len(body.outputs) - carried
        native.inputs += [f"carried{i}" for i in range(carried)] + [f"scanned{i}" for i in range(scanned)]
        native.outputs += [f"carried{i}" for i in range(carried)] + [f"stacked{i}" for i in range(stacked)]
        native.config["num_scan_inputs"] = scanned
        native.config["scan_input_axes"] = [1] * scanned
        native.config["scan_input_directions"] = [int(reverse)] * scanned
        if stacked:
            native.config["scan_output_axes"] = [1] * stacked
            native.config["scan_output_directions"] = [int(reverse and in_time)] * stacked


CODECS: list[Codec] = [Codec("Scan", Scan, _Body())]
