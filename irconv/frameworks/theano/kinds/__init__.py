"""The kinds of layers of ``theano-arch/1``, one class each: fields and arrays as Theano means them."""

from __future__ import annotations

from irconv.frameworks.theano.kinds import plain, recurrent, windows, written
from irconv.frameworks.theano.kinds.base import Data, Described, Unread

_CLASSES = [
    found
    for module in (windows, plain, recurrent, written)
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, Described) and not found.__name__.startswith("_")
]

KINDS: dict[str, type[Described]] = {
    found.model_fields["kind"].annotation.__args__[0]: found
    for found in (*_CLASSES, *written.MORE)
    if found not in (Described, Unread)
}
"""Every kind by its name."""

__all__ = ["KINDS", "Data", "Described", "Unread"]
