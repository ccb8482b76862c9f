"""What the Python files say that irconv writes for PyTorch and Theano. They are parsed here, not run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from irconv.verification.slots import Slot, Slots

_MOST = 2**26
_PORT = re.compile(r"(takes|returns) (.+?): (\w+) \(((?:[^()]|\([^()]*\))*)\)(?: ([A-Z]+))?", re.IGNORECASE)


def functions(path: Path) -> set[str]:
    """The functions that a Python file defines; none for what is no Python file."""
    tree = _parsed(path)
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} if tree else set()


def ports(path: Path) -> tuple[Slots, Slots]:
    """Inputs and outputs as the docstring of the last class has them: ``Takes x: float32 (N, 1, 28, 28) NCHW; returns
    y: float32 (N, 10).``; none where it has no such docstring."""
    tree = _parsed(path)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)] if tree else []
    found = _PORT.findall(" ".join((ast.get_docstring(classes[-1]) or "").split())) if classes else []
    both = [tuple(_slot(*words) for verb, *words in found if verb.lower() == wanted) for wanted in ("takes", "returns")]
    return both[0], both[1]


def _slot(name: str, dtype: str, sizes: str, axes: str) -> Slot:
    words = [word.strip() for word in sizes.split(",") if word.strip()]
    return Slot(name, tuple(int(word) if word.isdigit() else word for word in words), dtype, axes)


def _parsed(path: Path) -> ast.Module | None:
    if path.suffix != ".py" or not path.is_file() or path.stat().st_size > _MOST:
        return None
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, RecursionError):
        return None
