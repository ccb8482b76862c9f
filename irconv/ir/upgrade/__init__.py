"""Manifests of older formats become today's before they are validated.

A change of format adds a module ``to_<major>_<minor>.py`` here with ``upgrade(manifest: dict) -> dict``, which turns
a manifest of the format before into that one, and a row in `STEPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from irconv.errors import BundleInvalid
from irconv.ir.manifest import FORMAT
from irconv.ir.upgrade import to_1_1, to_1_2, to_1_3

Upgrade: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

#: Format -> (the format after it, how a manifest gets there).
STEPS: Mapping[str, tuple[str, Upgrade]] = {
    "1.0": ("1.1", to_1_1.upgrade),
    "1.1": ("1.2", to_1_2.upgrade),
    "1.2": ("1.3", to_1_3.upgrade),
}


def upgrade(manifest: Any, where: str, steps: Mapping[str, tuple[str, Upgrade]] = STEPS) -> dict[str, Any]:
    """The manifest in today's format.

    Raises `BundleInvalid` for a newer MAJOR, naming what reads it, and for a format nobody knows.
    """
    found = manifest.get("format") if isinstance(manifest, dict) else None
    parts = found.split(".") if isinstance(found, str) else []
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise BundleInvalid(where, f"expected a manifest with a format such as {FORMAT!r}, got {found!r}")
    if int(parts[0]) > int(FORMAT.split(".")[0]):
        raise BundleInvalid(
            where, f"expected format {FORMAT} or older, got {found}", f"Read it with irconv {parts[0]}.0 or newer."
        )
    version = str(found)
    while version in steps:
        version, step = steps[version]
        manifest = {**step(manifest), "format": version}
    return dict(manifest)
