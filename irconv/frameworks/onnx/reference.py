"""Ops of onnx's reference evaluator in numpy, where its own do less than the standard says. Imports that evaluator."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

from irconv.frameworks.onnx import reference_functions, reference_resize, reference_windows


class Scan(OpRun):
    """ONNX's Scan with any axes and directions; the evaluator's own knows axis 0 and forward only."""

    op_domain = ""
    body: Any  # the evaluator sets an attribute of the node as one of the object, and for a graph adds what runs it
    _run_body: Any

    def need_context(self) -> bool:
        """The body may name values of the graph around it."""
        return True

    def _run(self, *args: Any, context: Any = None, num_scan_inputs: int = 0, **attributes: Any) -> Any:
        count = len(args) - num_scan_inputs
        states, scanned = list(args[:count]), args[count:]
        names, results = self.body.input_names, self.body.output_names
        stacked: list[list[Any]] = [[] for _ in results[count:]]
        in_axes = attributes.get("scan_input_axes") or [0] * num_scan_inputs
        backwards = attributes.get("scan_input_directions") or [0] * num_scan_inputs
        length = scanned[0].shape[in_axes[0]]
        bindings = (
            {"bindings": attributes["bindings"]} if attributes.get("bindings") else {}
        )  # older versions take none
        for step in range(length):
            places = [length - 1 - step if back else step for back in backwards]
            slices = [x.take(i, axis) for x, i, axis in zip(scanned, places, in_axes, strict=True)]
            inputs = {**(context or {}), **dict(zip(names, [*states, *slices], strict=True))}
            outputs = self._run_body(inputs, **bindings)
            states = list(outputs[:count])
            for pieces, piece in zip(stacked, outputs[count:], strict=True):
                pieces.append(piece)
        out_axes = attributes.get("scan_output_axes") or [0] * len(stacked)
        turned = attributes.get("scan_output_directions") or [0] * len(stacked)
        ordered = [pieces[::-1] if back else pieces for pieces, back in zip(stacked, turned, strict=True)]
        return (*states, *(np.stack(pieces, axis) for pieces, axis in zip(ordered, out_axes, strict=True)))


OPS = [Scan, *reference_functions.OPS, *reference_windows.OPS, *reference_resize.OPS]
"""Given to the evaluator as its `new_ops`."""
