"""What people call Theano's arrays: the matrix of a dot product is (in, out), and filters may be turned or not."""

from __future__ import annotations

import re

from irconv.frameworks.conventions import Shapes, Stored

_ROLES = {
    "w": "kernel",
    "b": "bias",
    "u": "recurrent_kernel",
    "weight": "kernel",
    "weights": "kernel",
    "var": "variance",
}


def stored(kind: str | None, shapes: Shapes) -> dict[str, Stored]:
    """See `irconv.frameworks.conventions`."""
    found = {}
    for local, shape in shapes.items():
        name = re.sub(r"^running_|_?\d+$", "", local.lower()) or local
        role = _ROLES.get(name, name)
        found[local] = Stored(role, known=len(shape) < 2)
    return found
