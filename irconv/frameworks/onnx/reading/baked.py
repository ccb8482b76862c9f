"""Sizes that a graph leaves open at its inputs, and that its exporter wrote as numbers further on."""

from __future__ import annotations

from irconv.ir.shapes import Dimension, Shape, Size, quotient, size_product


class Baked(Exception):
    """A symbol can have one value alone; the model is read again with that."""

    def __init__(self, symbol: str, size: int, where: str) -> None:
        super().__init__(f"{where}: {symbol} is {size}")
        self.symbol, self.size, self.where = symbol, size, where


def check_elements(found: Shape, wanted: tuple[Dimension, ...], where: str) -> None:
    """Raise `Baked` where two shapes have as many elements for one value of one symbol alone.

    >>> check_elements(("N", 4, "T"), (2, 4, "T"), "y")
    Traceback (most recent call last):
    ...
    irconv.frameworks.onnx.reading.baked.Baked: y: N is 2
    """
    solved = _solved(size_product(found) - size_product(wanted))
    if solved is not None:
        raise Baked(*solved, where)


def _solved(size: Size) -> tuple[str, int] | None:
    """The symbol, and the positive number for it, that make a size 0 whatever the others are."""
    if len(size.terms) != 2:
        return None
    (left, a), (right, b) = sorted(size.terms.items(), key=lambda term: -len(term[0]))
    rest = list(left)
    for atom in right:
        if atom not in rest:
            return None
        rest.remove(atom)
    if len(rest) != 1 or quotient(rest[0]) is not None or -b % a or -b // a < 1:
        return None
    return rest[0], -b // a
