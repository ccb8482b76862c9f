"""The source text of small classes of the user's own: parsed, never run, and known by a few forms."""

from __future__ import annotations

import ast
import textwrap
from typing import Any

_LONGEST = 1 << 16

_FLATTEN = ("Flatten", {"start_dim": 1, "end_dim": -1})
#: What ``forward`` returns, with its argument spelt x -> the module that does the same, and its settings.
_FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"x.{function}({batch}, -1)": _FLATTEN
        for function in ("view", "reshape")
        for batch in ("x.size(0)", "x.shape[0]", "x.size()[0]", "len(x)")
    },
    **{f"torch.reshape(x, ({batch}, -1))": _FLATTEN for batch in ("x.size(0)", "x.shape[0]", "x.size()[0]", "len(x)")},
    "torch.flatten(x, 1)": _FLATTEN,
    "torch.flatten(x, start_dim=1)": _FLATTEN,
    "x.flatten(1)": _FLATTEN,
    "x.flatten(start_dim=1)": _FLATTEN,
    "x": ("Identity", {}),
    **{
        f"{place}.{function}(x)": (kind, {})
        for place in ("torch", "F", "torch.nn.functional", "nn.functional")
        for function, kind in {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}.items()
    },
    **{f"x.{name}()": (kind, {}) for name, kind in {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}.items()},
    **{f"{place}.{name}(x)": (kind, {}) for place in ("F", "torch.nn.functional", "nn.functional")
       for name, kind in {"relu6": "ReLU6", "silu": "SiLU", "hardswish": "Hardswish", "mish": "Mish"}.items()},
    "x * torch.sigmoid(x)": ("SiLU", {}),
    "x * F.sigmoid(x)": ("SiLU", {}),
    "x * x.sigmoid()": ("SiLU", {}),
    "torch.sigmoid(x) * x": ("SiLU", {}),
    "x * torch.tanh(F.softplus(x))": ("Mish", {}),
}  # fmt: skip


def known_form(source: str) -> tuple[str, dict[str, Any]] | None:
    """The module of torch.nn that a class is, with its settings; None where its source is not one of the known forms.

    The class may have nothing but a docstring, an ``__init__`` that only calls the base class's, and ``forward``.
    """
    if not source or len(source) > _LONGEST:
        return None
    try:
        tree = ast.parse(textwrap.dedent(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if len(tree.body) != 1 or not isinstance(cls := tree.body[0], ast.ClassDef) or cls.decorator_list:
        return None
    if [ast.unparse(base) for base in cls.bases] not in (["nn.Module"], ["torch.nn.Module"], ["Module"]):
        return None
    forward: ast.FunctionDef | None = None
    for item in cls.body:
        if isinstance(item, ast.FunctionDef) and item.name == "forward" and forward is None:
            forward = item
        elif not (_is_text(item) or _is_plain_constructor(item, cls.name)):
            return None
    return _FORMS.get(_returned(forward)) if forward is not None else None


def _is_text(item: ast.stmt) -> bool:
    return isinstance(item, ast.Pass) or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))


def _is_plain_constructor(item: ast.stmt, name: str) -> bool:
    if not isinstance(item, ast.FunctionDef) or item.name != "__init__" or len(item.args.args) != 1:
        return False
    calls = ("super().__init__()", f"super({name}, self).__init__()", "nn.Module.__init__(self)")
    return all(_is_text(line) or ast.unparse(line) in calls for line in item.body)


def _returned(forward: ast.FunctionDef) -> str:
    """What the function returns, with variables that are set once put in their places and its argument called x."""
    arguments = forward.args
    plain = len(arguments.args) == 2 and not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs)
    lines = [line for line in forward.body if not _is_text(line)]
    if not plain or arguments.defaults or forward.decorator_list or not lines:
        return ""
    values: dict[str, ast.expr] = {arguments.args[1].arg: ast.Name("x", ast.Load())}
    for line in lines[:-1]:
        target = line.targets[0] if isinstance(line, ast.Assign) and len(line.targets) == 1 else None
        if not isinstance(line, ast.Assign) or not isinstance(target, ast.Name):
            return ""
        values[target.id] = _replaced(line.value, values)
    last = lines[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        return ""
    return ast.unparse(_replaced(last.value, values))


def _replaced(value: ast.expr, values: dict[str, ast.expr]) -> ast.expr:
    class Replace(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return values.get(node.id, node)

    replaced: ast.expr = Replace().visit(value)
    return replaced
