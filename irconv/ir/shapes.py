"""Dimensions: an integer, a symbol (``N``, ``T``) or an expression over symbols such as ``(H + 1)//2``.

In a manifest a dimension is an integer or a string. Inside shape inference it is a `Size`, a polynomial with integer
coefficients over atoms; an atom is a symbol or a floor division that could not be carried out. The text is canonical:
two dimensions are known to be equal when their texts are.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, reduce
from math import gcd
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Dimension: TypeAlias = int | str
Shape: TypeAlias = tuple[Dimension, ...]
_Monomial: TypeAlias = tuple[str, ...]
_MOST_TERMS = 1000  # a few letters can say (a + b)*(c + d)*... of any length


class Size:
    """A dimension that can be calculated with.

    >>> str((Size.of("H") + 2 - 3).floor_divide(2) + 1)
    '(H + 1)//2'
    >>> (Size.of("H") * 2 + 1 - Size.of("H") * 2).dimension
    1
    >>> print(Size.of("T") - Size.of("(H + 1)//2") * 2)
    -2*((H + 1)//2) + T
    """

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[_Monomial, int]) -> None:
        self.terms = {monomial: factor for monomial, factor in terms.items() if factor}

    @staticmethod
    def of(dimension: Dimension | Size | npt.NDArray[Any]) -> Size:
        """Read a dimension, also one that numpy keeps as an array without axes; a string is parsed, never executed.
        Raises `ValueError` for text that is none.

        >>> print(Size.of("T") + np.asarray(Size.of("N")))
        N + T
        """
        if isinstance(dimension, np.ndarray):
            return Size.of(dimension.item())
        if isinstance(dimension, Size):
            return dimension
        if isinstance(dimension, float) and dimension % 1:
            raise ValueError(f"{dimension} is not a dimension, which is a whole number")
        return _parse(dimension) if isinstance(dimension, str) else Size({(): int(dimension)})

    @property
    def dimension(self) -> Dimension:
        """An integer where the value is known, else the canonical text."""
        if not self.terms:
            return 0
        return self.terms[()] if set(self.terms) == {()} else str(self)

    def __add__(self, other: Dimension | Size) -> Size:
        terms = dict(self.terms)
        for monomial, factor in Size.of(other).terms.items():
            terms[monomial] = terms.get(monomial, 0) + factor
        return Size(terms)

    def __sub__(self, other: Dimension | Size) -> Size:
        return self + Size.of(other) * -1

    def __mul__(self, other: Dimension | Size) -> Size:
        terms: dict[_Monomial, int] = {}
        others = Size.of(other).terms
        if len(self.terms) * len(others) > _MOST_TERMS:
            raise ValueError(f"a product of sizes has more than {_MOST_TERMS} terms")
        for left, a in self.terms.items():
            for right, b in others.items():
                monomial = tuple(sorted(left + right))
                terms[monomial] = terms.get(monomial, 0) + a * b
        return Size(terms)

    def __neg__(self) -> Size:
        return self * -1

    def __rsub__(self, other: Dimension | Size) -> Size:
        return Size.of(other) - self

    __radd__ = __add__
    __rmul__ = __mul__

    def floor_divide(self, divisor: int) -> Size:
        """The quotient rounded down; what divides evenly is taken out: ``(2*H + 3)//2`` is ``H + 1``.

        Raises `ValueError` for a divisor that is not positive.
        """
        if divisor < 1:
            raise ValueError(f"a size can be divided by a positive number, not by {divisor}")
        even = Size({m: f // divisor for m, f in self.terms.items() if f % divisor == 0 or m == ()})
        rest = Size({m: f % divisor if m == () else f for m, f in self.terms.items() if f % divisor or m == ()})
        if set(rest.terms) <= {()}:
            return even
        return even + Size({(f"({rest})//{divisor}",): 1})

    def ceil_divide(self, divisor: int) -> Size:
        """The quotient rounded up."""
        return (self + (divisor - 1)).floor_divide(divisor)

    def substituted(self, given: Mapping[str, Dimension]) -> Size:
        """The size with dimensions in the place of some symbols.

        >>> print(Size.of("(H + 1)//2*T").substituted({"H": "2*N", "T": 3}))
        3*N
        """
        total = Size({})
        for monomial, factor in self.terms.items():
            product = Size({(): factor})
            for atom in monomial:
                parts = quotient(atom)
                if parts is None:
                    product *= given.get(atom, atom)
                else:
                    product *= parts[0].substituted(given).floor_divide(parts[1])
            total += product
        return total

    def value(self, symbols: Mapping[str, int]) -> int:
        """The number it has where every symbol is given. Raises `KeyError` for a symbol that is not."""
        return sum(factor * _product(_atom_value(atom, symbols) for atom in m) for m, factor in self.terms.items())

    def __str__(self) -> str:
        ordered = sorted(self.terms.items(), key=lambda term: (term[0] == (), term[0]))
        text = ""
        for monomial, factor in ordered:
            sign = " - " if factor < 0 else " + "
            alone = factor == 1 and len(monomial) == 1
            atoms = [f"({atom})" if "//" in atom and not alone else atom for atom in monomial]
            parts = ([str(abs(factor))] if abs(factor) != 1 or not monomial else []) + atoms
            text += (sign if text else sign.strip().replace("+", "")) + "*".join(parts)
        return text or "0"

    def __repr__(self) -> str:
        return f"Size({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size | int | str) and self.terms == Size.of(other).terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))


def substituted(dimension: Dimension, given: Mapping[str, Dimension]) -> Dimension:
    """A dimension with others in the place of some symbols."""
    if isinstance(dimension, int) or not given:
        return dimension
    return Size.of(dimension).substituted(given).dimension


def size_product(dimensions: Iterable[Dimension]) -> Size:
    """The number of elements of a shape."""
    total = Size.of(1)
    for dimension in dimensions:
        total *= dimension
    return total


def filled(shape: Sequence[Dimension], of: Sequence[Dimension]) -> Shape:
    """A shape whose one -1 is what is left of the elements of another.

    >>> filled((-1, 12), ("N", 3, 4)), filled(("N", -1, 2), ("N", "T", 8))
    (('N', 12), ('N', '4*T', 2))

    Raises `ValueError` where there are several, or where what is left is no whole number of elements.
    """
    missing = [axis for axis, size in enumerate(shape) if size == -1]
    if not missing:
        return tuple(shape)
    if len(missing) > 1:
        raise ValueError(f"shape {tuple(shape)} leaves open {len(missing)} sizes")
    rest = size_product(size for size in shape if size != -1)
    left = _exact_quotient(size_product(of), rest)
    if left is None:
        raise ValueError(f"the elements of {tuple(of)} do not fill the shape {tuple(shape)}")
    return tuple(left.dimension if size == -1 else size for size in shape)


def _exact_quotient(whole: Size, part: Size) -> Size | None:
    """The quotient, term by term where the divisor is one term; None where it cannot be said."""
    if len(part.terms) != 1:
        return Size.of(1) if whole == part and part.terms else None
    ((divisor, factor),) = part.terms.items()
    terms: dict[_Monomial, int] = {}
    for monomial, number in whole.terms.items():
        left = list(monomial)
        for atom in divisor:
            if atom not in left:
                return None
            left.remove(atom)
        if number % factor:
            return whole.floor_divide(factor) if not divisor else None
        terms[tuple(left)] = number // factor
    return Size(terms)


def product(sizes: Iterable[Dimension]) -> Size:
    """The number of elements of a shape.

    >>> print(product((2, "N", 3)))
    6*N
    """
    return reduce(lambda total, size: total * size, sizes, Size.of(1))


def static(shape: Sequence[Dimension]) -> tuple[int, ...] | None:
    """The shape as integers, or None where a dimension is symbolic."""
    return tuple(d for d in shape if isinstance(d, int)) if all(isinstance(d, int) for d in shape) else None


def counted(symbol: str) -> bool:
    """Whether a symbol is a number of things that only running the model tells, as layers that select make them: it may
    be 0, which no other symbol is.

    >>> counted("u12"), counted("N")
    (True, False)
    """
    return symbol[:1] == "u" and symbol[1:].isdecimal()


def never_one(dimension: Dimension) -> bool:
    """Whether a size is another than 1 whatever its symbols are, which stand for sizes of 1 and more.

    >>> never_one("2*((H + 1)//2)"), never_one("H"), never_one(3)
    (True, False, True)
    """
    return gcd(*Size.of(dimension).terms.values()) > 1


def may_agree(left: Shape, right: Shape) -> bool:
    """Whether two shapes are the same, as far as is known before running: of sizes with a number that is `counted` only
    running tells.

    >>> may_agree(("N", "u1"), ("N", "u2")), may_agree(("N", 3), ("M", 3)), may_agree((1,), ("u1", 1))
    (True, False, False)
    """
    return len(left) == len(right) and all(
        a == b or any(map(counted, symbols(a) | symbols(b))) for a, b in zip(left, right, strict=True)
    )


def symbols(dimension: Dimension) -> set[str]:
    """The symbols a dimension depends on. Raises `ValueError` for text that is none."""
    if isinstance(dimension, int):
        return set()
    try:
        found = ast.parse(dimension, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"{dimension!r} is not a dimension") from error
    return {node.id for node in ast.walk(found) if isinstance(node, ast.Name)}


def _product(values: Iterable[int]) -> int:
    total = 1
    for value in values:
        total *= value
    return total


def quotient(atom: str) -> tuple[Size, int] | None:
    """Dividend and divisor of an atom of a `Size` that is a floor division; None for a symbol."""
    if "//" not in atom:
        return None
    inner, divisor = atom.rsplit("//", 1)
    return _parse(inner), int(divisor)


def _atom_value(atom: str, given: Mapping[str, int]) -> int:
    if (parts := quotient(atom)) is None:
        return given[atom]
    return parts[0].value(given) // parts[1]


@lru_cache(maxsize=4096)
def _parse(text: str) -> Size:
    try:
        return _from_ast(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError):
        raise ValueError(f"{text!r} is not a dimension: an integer, a symbol, or +, -, * and //") from None


def _from_ast(node: ast.expr) -> Size:
    match node:
        case ast.Constant(value=int(value)):
            return Size({(): value})
        case ast.Name(id=name):
            return Size({(name,): 1})
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _from_ast(operand) * -1
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _from_ast(left) + _from_ast(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _from_ast(left) - _from_ast(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _from_ast(left) * _from_ast(right)
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=ast.Constant(value=int(divisor))) if divisor > 0:
            return _from_ast(left).floor_divide(divisor)
    raise ValueError
