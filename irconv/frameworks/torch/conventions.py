"""PyTorch's names of weights: its modules keep every axis and every gate where the IR has them."""

from __future__ import annotations

import re

from irconv.frameworks.conventions import Shapes, Stored
from irconv.ir.bundle import Bundle
from irconv.ir.tensors import LazyTensor

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


def ported(bundle: Bundle) -> dict[str, LazyTensor]:
    """The weights of a model with a graph under the names and in the layouts that PyTorch would keep them in.

    Raises `Refused` for a model that PyTorch cannot express.
    """
    from irconv.frameworks.torch.write import encoded_weights  # the table of layers takes long to import

    return encoded_weights(bundle)[0]
