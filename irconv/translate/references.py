"""References to sizes and numbers of values in the settings of a native layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.codec import NumbersOf, OfShape, Reference, SizeOf

_REFERENCES = (SizeOf, NumbersOf, OfShape)


def referred(settings: Any) -> list[str]:
    """The values whose sizes or numbers stand in settings, at any depth.

    >>> referred({"shape": [NumbersOf("rows"), 3], "axis": 1})
    ['rows']
    """
    if isinstance(settings, _REFERENCES):
        return [settings.value]
    if isinstance(settings, Mapping):
        return [value for part in settings.values() for value in referred(part)]
    if isinstance(settings, list | tuple):
        return [value for part in settings for value in referred(part)]
    return []


def filled(setting: Any, look_up: Callable[[Reference], Any]) -> Any:
    """A setting with what `look_up` finds in the place of each reference."""
    if isinstance(setting, _REFERENCES):
        return look_up(setting)
    if not referred(setting):
        return setting
    if isinstance(setting, Mapping):
        return {key: filled(part, look_up) for key, part in setting.items()}
    return [filled(part, look_up) for part in setting]
