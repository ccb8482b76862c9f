"""TensorFlow's names of variables, in checkpoints and pickles without a graph: kernels have their channels last."""

from __future__ import annotations

import re

from irconv.frameworks.conventions import Shapes, Stored

_ROLES = {
    "kernel": "kernel",
    "weights": "kernel",
    "w": "kernel",
    "bias": "bias",
    "biases": "bias",
    "output_bias": "bias",
    "b": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
}
_ROWS = ("output_weights",)
"""Matrices with a row for each output, in BERT's code."""
_DEPTHWISE = ("depthwise_kernel", "depthwise_weights")
_TABLE = re.compile(r"(.*_)?embeddings?(_table)?")


def stored(kind: str | None, shapes: Shapes) -> dict[str, Stored]:
    """See `irconv.frameworks.conventions`. A recurrent cell's kernel has the rows of inputs and states in one, and the
    number that it adds to its forget gate is not in the file: what its parts are is not known."""
    found = {}
    for local, shape in shapes.items():
        name = local.split(":", maxsplit=1)[0].lower()
        role = _ROLES.get(name, local)
        if kind in ("LSTM", "GRU", "RNN"):
            found[local] = Stored(local, known=False)
        elif name in _DEPTHWISE and len(shape) > 2:
            found[local] = Stored("kernel", "*k in (m one)", "(in m) one *k", sizes={"one": 1})
        elif name in _ROWS and len(shape) == 2:
            found[local] = Stored("kernel", "out in", "out in")
        elif role == "kernel":
            found[local] = Stored(role, "*k in out", "out in *k", known=len(shape) > 1)
        elif _TABLE.fullmatch(name) and len(shape) == 2:
            found[local] = Stored("table")
        else:
            found[local] = Stored(role, known=name in _ROLES)
    return found
