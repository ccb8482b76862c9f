"""The statements of ``load`` in an emitted file: the state dict, what lies beside it, and what is not trained."""

from __future__ import annotations

from collections.abc import Sequence

from irconv.python_source.literals import quoted


def loading(beside: Sequence[str]) -> list[str]:
    """Statements that fill the state dict, and the buffers beside it."""
    if not beside:
        return ["model.load_state_dict(load_file(weights))"]
    names = ["for name in (", *(f"    {quoted(key)}," for key in beside), "):  # not in the state dict"]
    copied = "    model.get_buffer(name).copy_(tensors.pop(name))"
    return ["tensors = load_file(weights)", *names, copied, "model.load_state_dict(tensors)"]


def freezing(keys: Sequence[str]) -> list[str]:
    """Statements after which these parameters need no gradient."""
    if not keys:
        return []
    names = ["for name in (", *(f"    {quoted(key)}," for key in keys), "):"]
    return [*names, "    model.get_parameter(name).requires_grad_(False)"]
