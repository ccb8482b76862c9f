"""Format 1.2: a manifest may have a probe and what people say of the model; one of 1.1 has neither."""

from __future__ import annotations

from typing import Any


def upgrade(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest as it is."""
    return manifest
