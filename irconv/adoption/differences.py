"""Settings by which the target computes another function than the source, whatever its weights."""

from __future__ import annotations

from collections.abc import Iterator

from irconv.adoption.result import Difference
from irconv.align import Alignment

_COMPARED = ("stride", "dilation", "groups", "epsilon")


def differences(alignment: Alignment) -> Iterator[Difference]:
    """The settings that both sides know of two units that are one, and that differ."""
    for match in alignment.matches:
        source, target = alignment.source.units[match.source], alignment.target.units[match.target]
        for name in _COMPARED:
            if name in source.settings and name in target.settings:
                wanted, got = source.settings[name], target.settings[name]
                if not _same(wanted, got):
                    yield Difference(target.name, source.name, name, str(wanted), str(got))


def _same(wanted: object, got: object) -> bool:
    if isinstance(wanted, tuple | list) and isinstance(got, tuple | list):
        return tuple(wanted) == tuple(got)
    if isinstance(wanted, float) and isinstance(got, float):
        return abs(wanted - got) <= 1e-6 * abs(wanted)
    return wanted == got
