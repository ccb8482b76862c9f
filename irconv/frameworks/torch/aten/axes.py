"""Whether the axis that a call names is one of the value that it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from irconv.errors import Refused

if TYPE_CHECKING:
    from irconv.frameworks.torch.aten.program import Call, ProgramReader

_ADDS = ("unsqueeze", "unsqueeze_copy", "stack")
"""Ops whose axis is one of their result, which has one more."""


def check_axis(reader: ProgramReader, call: Call) -> None:
    """Raise `Refused` where PyTorch would say that the dimension is out of range: no rank of an input fits that."""
    dim, source = call.arguments.get("dim"), call.source
    if source is None or not isinstance(dim, int) or isinstance(dim, bool):
        return
    rank = len(reader.type_of(source).shape) + (call.op.split(".")[0] in _ADDS)
    if not -max(rank, 1) <= dim < max(rank, 1):
        raise Refused(call.where, f"expected an axis of a value that has {rank}, got {dim}")
