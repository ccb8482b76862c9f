"""What a Keras file says about itself as a whole."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """The facts that decide what layers mean."""

    path: str
    backend: str
    version: int
    """The major version of Keras."""
