"""PyTorch's names of weights: its modules keep every axis and every gate where the IR has them."""

from __future__ import annotations

import re

from irconv.frameworks.conventions import Shapes, Stored

_VECTORS = {"running_mean": "mean", "running_var": "variance"}
_RECURRENT = {
    "weight_ih": "kernel",
    "weight_hh": "recurrent_kernel",
    "bias_ih": "bias_input",
    "bias_hh": "bias_recurrent",
    "weight_hr": "projection",
}
_NUMBERED = re.compile(r"(?P<role>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)(_l0)?")


def stored(kind: str | None, shapes: Shapes) -> dict[str, Stored]:
    """See `irconv.frameworks.conventions`. Of a recurrent module with several layers or two directions, only the first
    layer's forward direction has the roles of one layer; the others keep their names."""
    normalises = len(shapes.get("weight", (0, 0))) == 1
    found = {}
    for local in shapes:
        match = _NUMBERED.fullmatch(local)
        if match:
            role = _RECURRENT[match["role"]]
        elif local == "weight":
            role = "gamma" if normalises else "kernel"
        elif local == "bias":
            role = "beta" if normalises else "bias"
        else:
            role = _VECTORS.get(local, local)
        found[local] = Stored(role)
    return found
