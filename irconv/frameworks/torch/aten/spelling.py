"""How archives spell arguments: tensors, sizes, modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.data_classes import dataclass
from irconv.frameworks.torch.aten.expressions import expression
from irconv.ir.shapes import Dimension


@dataclass(frozen=True)
class Tensor:
    """An argument that is a tensor of the graph."""

    name: str


def written(op: str) -> str:
    """The op whose result an op in place writes: ``add_`` and ``__iand__`` those of ``add`` and ``__and__``."""
    return op.replace("__i", "__", 1) if op.startswith("__i") else op.replace("_.", ".")


def dimension(size: Mapping[str, Any]) -> Dimension:
    """A size, as a number or an expression."""
    if "as_int" in size:
        return int(size["as_int"])
    return expression(str(size["as_expr"]["expr_str"]))


def module_of(node: Mapping[str, Any]) -> str:
    """The module that a call lies in, by its dotted name."""
    stack = str(node.get("metadata", {}).get("nn_module_stack", ""))
    parts = stack.rsplit(";", maxsplit=1)[-1].split(",") if stack else []
    return parts[1] if len(parts) > 2 else ""


def tensors_in(given: Any) -> list[str]:
    """The names of the tensors among arguments."""
    if isinstance(given, Tensor):
        return [given.name]
    parts = given.values() if isinstance(given, Mapping) else given if isinstance(given, list) else ()
    return [name for part in parts for name in tensors_in(part)]


def names_in(arg: Any) -> list[str]:
    """The names of tensors in an argument."""
    if isinstance(arg, Mapping):
        if isinstance(arg.get("name"), str):
            return [arg["name"]]
        if isinstance(arg.get("as_name"), str):
            return [arg["as_name"]]
        return [name for value in arg.values() for name in names_in(value)]
    return [name for part in arg for name in names_in(part)] if isinstance(arg, list) else []
