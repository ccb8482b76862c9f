"""The ranges of the settings that many layer classes have: what is outside of them means nothing in any framework.

A class refuses such a setting itself, so that every reader, and a manifest, is refused with the layer's name.
"""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

_LARGEST = 2**31 - 1
"""Frameworks keep settings in 32 or 64 bits."""


def _not_zero(number: int) -> int:
    if number == 0:
        raise ValueError("expected another number than 0")
    return number


def _apart(axes: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(axes)) < len(axes):
        raise ValueError("expected each axis once")
    return axes


MOST_WRITTEN_OUT = 2**20
"""Numbers that a layer may be taken apart into: a file of a few bytes can ask for any."""


def written_out(count: float, what: str) -> None:
    """Raise `ValueError` where so many numbers, or layers, are more than are written out for `what`."""
    if count > MOST_WRITTEN_OUT:
        raise ValueError(f"{what} takes {count:.0f} numbers or layers, and irconv writes at most {MOST_WRITTEN_OUT}")


Positive: TypeAlias = Annotated[int, Field(ge=1, le=_LARGEST)]
"""Strides, dilations, windows, groups, heads, blocks, and numbers of things."""
Count: TypeAlias = Annotated[int, Field(ge=0, le=_LARGEST)]
"""Numbers of things of which there may be none."""
Axis: TypeAlias = Annotated[int, Field(ge=0, le=_LARGEST)]
"""An axis, counted from the first; shape inference compares it with the rank."""
Axes: TypeAlias = Annotated[tuple[Axis, ...], AfterValidator(_apart)]
"""Axes, each of them once."""
NotZero: TypeAlias = Annotated[int, Field(ge=-_LARGEST, le=_LARGEST), AfterValidator(_not_zero)]
"""What is added from one element to the next."""
Epsilon: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A small number that keeps a divisor from being zero."""
PositiveNumber: TypeAlias = Annotated[float, Field(gt=0)]
"""Factors of sizes, exponents of norms."""
Rate: TypeAlias = Annotated[float, Field(ge=0, le=1)]
"""A part of the whole."""
