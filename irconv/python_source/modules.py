"""What a written file uses, seen in its tree and never in its text, where names of layers could look like calls."""

from __future__ import annotations

import ast

from irconv.errors import Refused


def names_read(code: str) -> frozenset[str]:
    """The names that some code reads: variables, functions, classes, modules, types in annotations.

    Raises `Refused` where the code is nested deeper than Python takes.
    """
    return names_in(_parsed(code))


def names_in(code: ast.AST) -> frozenset[str]:
    """The names that code reads, as `names_read` has them."""
    return frozenset(node.id for node in ast.walk(code) if isinstance(node, ast.Name))


def checked(text: str) -> str:
    """The text of a whole file, if it is Python. Raises `Refused` where it is nested deeper than Python takes."""
    _parsed(text)
    return text


def _parsed(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except (RecursionError, MemoryError) as error:
        raise _too_deep() from error
    except SyntaxError as error:
        if "too many" in str(error):  # nested parentheses, levels of indentation
            raise _too_deep() from error
        raise


def _too_deep() -> Refused:
    return Refused("model", "is nested deeper than a Python source can be", "Write another format, such as .onnx.")
