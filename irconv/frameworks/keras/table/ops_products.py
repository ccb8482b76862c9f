"""Operators that multiply along axes: ``keras.ops`` <-> IR layers."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

from irconv.codec import Codec
from irconv.frameworks.keras.table.op_rows import EVERY_OP, Computed, Promoted
from irconv.ir.layers.base import ValueType
from irconv.ir.layers.matrix import Einsum, MatMul
from irconv.rows import Attribute, Iso


def _tensordot(given: Sequence[ValueType], axes: Any = None) -> str:
    """The equation of a product along axes; a number counts the last of the first value and the first of the second."""
    left, right = (len(value.shape) for value in given)
    count = 2 if axes is None else axes
    pair = [list(range(left - count, left)), list(range(count))] if isinstance(count, int) else count
    first, second = ([axis % rank for axis in _listed(one)] for one, rank in zip(pair, (left, right), strict=True))
    if len(first) != len(second) or left + right > len(ascii_lowercase):
        raise ValueError(f"expected as many axes of one value as of the other, got {axes!r}")
    a, b = ascii_lowercase[:left], list(ascii_lowercase[left : left + right])
    for one, other in zip(first, second, strict=True):
        b[other] = a[one]
    result = [letter for i, letter in enumerate(a) if i not in first] + [b[i] for i in range(right) if i not in second]
    return f"{a},{''.join(b)}->{''.join(result)}"


def _dotted_axes(equation: str) -> tuple[list[list[int]]]:
    """The axes of the product that an equation is. Raises `ValueError` where it is none."""
    left, _, result = equation.replace(" ", "").partition("->")
    a, _, b = left.partition(",")
    met = [letter for letter in a if letter not in result]
    if (
        not (a + b).isalpha()
        or result != "".join(one for one in a + b if one not in met)
        or set(a) & set(b) != set(met)
    ):
        raise ValueError(f"{equation} is no product along axes")
    return ([[a.index(letter) for letter in met], [b.index(letter) for letter in met]],)


def _listed(axes: Any) -> list[int]:
    return [axes] if isinstance(axes, int) else list(axes)


def _small_letters(equation: str) -> str:
    """The same equation in small letters, if it has any other: Keras 3 (up to 3.15) takes the shape of the result from
    those alone, and cannot load a model where the size of an axis with a capital is open.

    Raises `ValueError` where there are not enough of them.

    >>> _small_letters("BTNH,BSNH->BNTS"), _small_letters("...ij,jk")
    ('abcd,aecd->acbe', '...ij,jk')
    """
    if not any(letter.isupper() for letter in equation):
        return equation
    terms, result = Einsum(equation=equation).terms()
    letters = dict.fromkeys(letter for letter in "".join(terms) if letter.isalpha())
    if len(letters) > len(ascii_lowercase):
        raise ValueError(f"{equation} has more letters than Keras knows small ones")
    small = str.maketrans(dict(zip(letters, ascii_lowercase, strict=False)))
    return f"{','.join(terms)}->{result}".translate(small)


CODECS: list[Codec] = [
    Codec("ops.Matmul", MatMul, EVERY_OP, Promoted()),
    Codec("ops.Einsum", Einsum, EVERY_OP, Promoted(), Attribute("subscripts", "equation", Iso(str, _small_letters))),
    Codec("ops.Tensordot", Einsum, EVERY_OP, Promoted(), Computed("equation", ("axes",), _tensordot, _dotted_axes)),
]
