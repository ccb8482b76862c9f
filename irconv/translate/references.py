"""References to sizes and numbers of values in the settings of a native layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from irconv.codec import Given, Native, NumbersOf, OfShape, Reference, SizeOf, TypeOf
from irconv.errors import Refused

if TYPE_CHECKING:
    from irconv.translate.values import Values

_REFERENCES = (SizeOf, TypeOf, NumbersOf, OfShape)


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


def resolved(native: Native, values: Values, where: str) -> Native:
    """The layer with sizes and numbers in the place of references to them. Raises `Refused` for numbers that only
    running the model would tell."""
    if not referred(native.config):
        return native

    def look_up(wanted: Reference) -> Any:
        if isinstance(wanted, SizeOf):
            shape = values.types[wanted.value].shape
            return shape if wanted.axis is None else shape[wanted.axis]
        if isinstance(wanted, TypeOf):
            return values.types[wanted.value].dtype
        if isinstance(wanted, OfShape):
            try:
                return wanted.rule(values.types[wanted.value].shape)
            except ValueError as error:
                raise Refused(where, str(error)) from error
        numbers = Given(wanted.value, values.types[wanted.value], lambda: values.known(wanted.value)).elements()
        if numbers is None:
            what = f"expected {wanted.value} to be known before the model runs, but it is computed of the input"
            raise Refused(where, what)
        return numbers

    return replace(native, config={key: filled(s, look_up) for key, s in native.config.items()})
