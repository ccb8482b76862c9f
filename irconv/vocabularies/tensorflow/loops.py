"""Recurrence: a body that runs once for each index of an axis.

`irconv.frameworks.tensorflow.loops` writes it as a functional loop over lists of tensors. Loops are read by
what they do.
"""

from __future__ import annotations

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.vocabularies.tensorflow.rows import op


@dataclass(frozen=True)
class _Body(Row):
    """Everything about a Scan but its body, which stands beside the native layer."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        body, carried, scanned = (draft.fields.pop(name) for name in ("body", "carried", "scanned"))
        stacked = len(body.outputs) - carried
        native.inputs += [f"carried{i}" for i in range(carried)] + [f"scanned{i}" for i in range(scanned)]
        native.outputs += [f"carried{i}" for i in range(carried)] + [f"stacked{i}" for i in range(stacked)]
        native.config |= {name: draft.fields.pop(name) for name in ("reverse", "order")}
        native.config |= {"carried": carried, "scanned": scanned}


CODECS: list[Codec] = [op("StatelessWhile", "Scan", _Body(), types="")]
