"""Dimensions as Python expressions over the variables that hold sizes."""

from __future__ import annotations

import ast
from collections.abc import Callable

from irconv.ir.shapes import Dimension, Size


def size_code(size: Dimension, variable: Callable[[str], str]) -> str:
    """A dimension over variables: `variable` gives that of a symbol, and raises for one that has none.

    The dimension is read by `irconv.ir.shapes`, which knows whole numbers, symbols, and their sums, products and
    quotients: no other expression gets into code.

    >>> size_code("(H + 1)//2", str.lower)
    '(h + 1) // 2'
    """
    tree = ast.parse(str(Size.of(size)), mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = variable(node.id)
    return ast.unparse(tree)
