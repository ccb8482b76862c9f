"""Sizes as exported programs spell them: sympy's own text, ``Mul(Integer(2), Symbol('s77', integer=True))``; before
PyTorch 2.5 and in memory, Python's."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import reduce

from irconv.ir.shapes import Dimension, Size


def expression(text: str) -> Dimension:
    """The size that a text says; it is parsed, never executed. Raises `ValueError` for what is no size of a bundle."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        tree = None
    return (_size(tree) if isinstance(tree, ast.Call) else Size.of(text)).dimension


def _size(node: ast.expr) -> Size:
    match node:
        case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str(name))]) if name.isidentifier():
            return Size.of(name)
        case ast.Call(func=ast.Name(id="Integer")):
            return Size.of(_integer(node))
        case ast.Call(func=ast.Name(id="Mul"), args=factors) if any(_is(factor, "Rational") for factor in factors):
            over = next(factor for factor in factors if _is(factor, "Rational"))
            above, below = (_literal(part) for part in over.args)  # type: ignore[attr-defined]
            rest = (_size(factor) for factor in factors if factor is not over)
            return reduce(Size.__mul__, rest, Size.of(above)).floor_divide(below)
        case ast.Call(func=ast.Name(id=name), args=[first, *rest]) if name in _OF_SIZES:
            return reduce(_OF_SIZES[name], map(_size, rest), _size(first))
        case ast.Call(func=ast.Name(id=name), args=[first, second]) if name in _BY_NUMBER:
            return _BY_NUMBER[name](_size(first), _integer(second))
    raise ValueError(f"{ast.unparse(node)} is no size that irconv calculates with: a symbol, or +, -, * and //")


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _integer(node: ast.expr) -> int:
    if isinstance(node, ast.Call) and _is(node, "Integer") and len(node.args) == 1:
        return _literal(node.args[0])
    raise ValueError(f"expected a number, got {ast.unparse(node)}")


def _literal(node: ast.expr) -> int:
    value = ast.literal_eval(node)
    if not isinstance(value, int):
        raise ValueError(f"expected a number, got {value!r}")
    return value


def _power(size: Size, count: int) -> Size:
    if not 0 <= count <= _LARGEST_POWER:
        raise ValueError(f"expected a power up to {_LARGEST_POWER}, got {count}")
    return reduce(Size.__mul__, [size] * count, Size.of(1))


def _remainder(size: Size, divisor: int) -> Size:
    return size - size.floor_divide(divisor) * divisor


_LARGEST_POWER = 16
_OF_SIZES: Mapping[str, Callable[[Size, Size], Size]] = {"Add": Size.__add__, "Mul": Size.__mul__}
_BY_NUMBER: Mapping[str, Callable[[Size, int], Size]] = {
    "FloorDiv": Size.floor_divide,
    "CleanDiv": Size.floor_divide,
    "CeilDiv": Size.ceil_divide,
    "Mod": _remainder,
    "PythonMod": _remainder,
    "Pow": _power,
    "PowByNatural": _power,
}
