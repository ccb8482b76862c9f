"""What a framework's names say of weights that come without a graph: the role of each and the axes it is stored in.

A framework that has such files has a module ``conventions`` with ``stored(kind, shapes)``: the type of a group where it
is known, and the shapes of its members by the names they have in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from irconv.layout import Orders

if TYPE_CHECKING:
    from irconv.ir.bundle import Bundle
    from irconv.ir.tensors import LazyTensor


class Stored(NamedTuple):
    """A weight as its framework stores it."""

    role: str
    """The operand that it is of the layer that it may belong to."""
    axes: str = ""
    """Its axes as stored, in the words of `irconv.layout`; empty where they lie as the IR has them."""
    canonical: str = ""
    """Its axes in the IR."""
    orders: Orders | None = None
    sizes: Mapping[str, int] | None = None
    known: bool = True
    """Whether the name leaves no doubt of the axes."""


Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
Conventions: TypeAlias = Callable[[str | None, Shapes], dict[str, Stored]]


def conventions(framework: str) -> Conventions:
    """The conventions of a framework; for one that has none every name is a role, and no axes are known."""
    module = _module(framework)
    found: Conventions = module.stored if module else _unknown
    return found


def ported(bundle: Bundle, framework: str) -> dict[str, LazyTensor] | None:
    """The weights of a model with a graph as another framework would keep them, by its names; None where irconv does
    not know how that one spells weights alone.

    Raises `Refused` for a model that the framework cannot express.
    """
    found: Callable[[Bundle], dict[str, LazyTensor]] | None = getattr(_module(framework), "ported", None)
    return found(bundle) if found else None


def _module(framework: str) -> ModuleType | None:
    name = f"irconv.frameworks.{framework}.conventions"
    known = framework.isidentifier() and find_spec(f"irconv.frameworks.{framework}") and find_spec(name)
    return import_module(name) if known else None


def _unknown(kind: str | None, shapes: Shapes) -> dict[str, Stored]:
    return {local: Stored(local, known=False) for local in shapes}
