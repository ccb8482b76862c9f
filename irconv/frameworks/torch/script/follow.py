"""Follows the code of a TorchScript module from its inputs to its outputs.

Numbers, lists and modules are Python values; each call of ATen on tensors becomes a call of the reader's. Branches are
taken where their condition is known, loops gone through where their count is; what depends on the values of tensors is
refused.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from irconv.containers.pickle import Instance
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.frameworks.torch.script.archive import Script
from irconv.frameworks.torch.script.builtins import FUNCTIONS, PRIMITIVES, Share, Undecided
from irconv.frameworks.torch.script.liveness import Liveness
from irconv.frameworks.torch.script.ops import Ops
from irconv.ir.shapes import Size

_DEEPEST = 64
_MOST = 1_000_000


@dataclass(frozen=True)
class Module:
    """A module, and its name from the root."""

    instance: Instance
    path: str


@dataclass(frozen=True)
class _Named:
    """A function of the archive, of ``torch`` or of ``ops``, by its dotted name."""

    dotted: str


class _Return(Exception):
    """The end of a function."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def definition(script: Script, instance: Instance, method: str, file: str) -> ast.FunctionDef:
    """The code of a method. Raises `Refused` where there is none."""
    for item in class_of(script, instance, file).body:
        if isinstance(item, ast.FunctionDef) and item.name == method:
            return item
    raise Refused(f"{file}: {instance.cls.dotted}", f"has no code for {method}")


def class_of(script: Script, instance: Instance, file: str) -> ast.ClassDef:
    """The code of a class. Raises `Refused` where there is none."""
    tree = script.code.get(instance.cls.module)
    found = [n for n in (tree.body if tree else ()) if isinstance(n, ast.ClassDef) and n.name == instance.cls.name]
    if not found:
        raise Refused(f"{file}: {instance.cls.dotted}", "is a class whose code is not in the file")
    return found[0]


class Follower:
    """One pass through the code of a module."""

    def __init__(self, script: Script, ops: Ops) -> None:
        self.script, self.ops = script, ops
        self.depth = self.steps = 0
        self.liveness = Liveness()

    def call(self, module: Module, method: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """What a method of a module gives."""
        body = definition(self.script, module.instance, method, self.ops.file)
        return self._function(body, [module, *arguments], named, module.path)

    def _function(self, body: ast.FunctionDef, given: Sequence[Any], named: Mapping[str, Any], path: str) -> Any:
        names = [argument.arg for argument in body.args.args]
        defaults = names[len(names) - len(body.args.defaults) :]
        scope = dict(zip(defaults, (ast.literal_eval(value) for value in body.args.defaults), strict=True))
        scope |= dict(zip(names, given, strict=False)) | dict(named)
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Refused(f"{self.ops.file}: {path}", f"has calls more than {_DEEPEST} deep")
        try:
            self._block(body.body, scope, path)
        except _Return as found:
            return found.value
        finally:
            self.depth -= 1
        return None

    # statements

    def _block(self, statements: Sequence[ast.stmt], scope: dict[str, Any], path: str) -> None:
        for place, statement in enumerate(statements):
            self.steps += 1
            if self.steps > _MOST:
                raise Refused(f"{self.ops.file}: {path}", f"takes more than {_MOST} steps")
            with self.liveness.at(scope, statements, place):
                self._statement(statement, scope, path)

    def _statement(self, statement: ast.stmt, scope: dict[str, Any], path: str) -> None:
        match statement:
            case ast.Assign(targets=[target], value=value):
                self._assign(target, self._value(value, scope, path, _hint(target)), scope)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self._assign(target, self._value(value, scope, path, _hint(target)), scope)
            case ast.Expr(value=value):
                self._value(value, scope, path, "")
            case ast.Return(value=value):
                raise _Return(None if value is None else self._value(value, scope, path, ""))
            case ast.If(test=test, body=body, orelse=orelse):
                found = self._value(test, scope, path, "")
                if isinstance(found, Undecided) and (_raises(body) or _raises(orelse)):
                    self._block(orelse if _raises(body) else body, scope, path)  # the other gives no result
                else:
                    self._block(body if self._truth(found, test, path) else orelse, scope, path)
            case ast.For(target=target, iter=turns, body=body):
                for item in self._turns(turns, scope, path):
                    self._assign(target, item, scope)
                    self._block(body, scope, path)
            case ast.Pass():
                pass
            case ast.Assert():
                self._block([], scope, path)
            case _:
                raise Refused(self._where(path), f"has the statement {type(statement).__name__}, irconv reads others")

    def _assign(self, target: ast.expr, value: Any, scope: dict[str, Any]) -> None:
        if isinstance(target, ast.Name):
            scope[target.id] = value
        elif isinstance(target, ast.Tuple):
            for part, item in zip(target.elts, value, strict=True):
                self._assign(part, item, scope)
        else:
            raise Refused(self._where(""), "assigns to what is no name")

    def _truth(self, found: Any, test: ast.expr, path: str) -> bool:
        if isinstance(found, Tensor):
            found = self.ops.number(found)
        if isinstance(found, Undecided):
            what = f"branches on {ast.unparse(test)[:80]}, which {found.why}"
            raise Refused(self._where(path), what, "--input-shape gives it a number.")
        if found is None or isinstance(found, str | Tensor | Size):
            what = f"branches on {ast.unparse(test)[:80]}, which depends on the values of tensors"
            raise Refused(self._where(path), what, "Trace it, or export the module with torch.export.")
        return bool(found)

    def _turns(self, turns: ast.expr, scope: dict[str, Any], path: str) -> list[Any]:
        if isinstance(turns, ast.Call) and isinstance(turns.func, ast.Name) and turns.func.id == "range":
            bounds = [self._value(bound, scope, path, "") for bound in turns.args]
            if all(isinstance(bound, int) for bound in bounds) and len(range(*bounds)) < _MOST:
                return list(range(*bounds))
            raise Refused(self._where(path), f"goes through a loop {bounds} times, which is not known")
        found = self._value(turns, scope, path, "")
        if isinstance(found, list | tuple):
            return list(found)
        raise Refused(self._where(path), "goes through a loop whose count is not known")

    # expressions

    def _value(self, node: ast.expr, scope: dict[str, Any], path: str, hint: str) -> Any:
        pending = self.liveness.pending
        start = len(pending)
        found = self._found(node, scope, path, hint)
        pending[start:] = [found]
        return found

    def _found(self, node: ast.expr, scope: dict[str, Any], path: str, hint: str) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return scope[name] if name in scope else _Named(name)
            case ast.Attribute(value=inner, attr=name):
                return self._attribute(self._value(inner, scope, path, ""), name, path)
            case ast.Tuple(elts=items):
                return tuple(self._value(item, scope, path, "") for item in items)
            case ast.List(elts=items):
                return [self._value(item, scope, path, "") for item in items]
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                return {
                    self._value(k, scope, path, ""): self._value(v, scope, path, "") for k, v in pairs if k is not None
                }
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self._value(inner, scope, path, "")
            case ast.Subscript(value=inner, slice=index):
                return self._value(inner, scope, path, "")[self._value(index, scope, path, "")]
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._chosen(test, body, orelse, scope, path, hint)
            case ast.Call():
                return self._called(node, scope, path, hint)
        raise Refused(self._where(path), f"has the expression {ast.unparse(node)[:80]}, which irconv does not read")

    def _chosen(
        self, test: ast.expr, body: ast.expr, orelse: ast.expr, scope: dict[str, Any], path: str, hint: str
    ) -> Any:
        truth = self._truth(self._value(test, scope, path, ""), test, path)
        return self._value(body if truth else orelse, scope, path, hint)

    def _attribute(self, owner: Any, name: str, path: str) -> Any:
        if isinstance(owner, _Named):
            if owner.dotted == "CONSTANTS":
                return self.ops.constant(f"CONSTANTS.{name}", self.script.constants[int(name.removeprefix("c"))])
            return _Named(f"{owner.dotted}.{name}")
        if not isinstance(owner, Module):
            raise Refused(self._where(path), f"asks for {name} of what is no module")
        attributes, full = owner.instance.attributes, f"{owner.path}.{name}".lstrip(".")
        if name in attributes:
            found = attributes[name]
            return Module(found, full) if isinstance(found, Instance) else self.ops.constant(full, found)
        for item in class_of(self.script, owner.instance, self.ops.file).body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id == name:
                return None if item.value is None else ast.literal_eval(item.value)
        raise Refused(self._where(path), f"has no attribute {name}")

    def _called(self, node: ast.Call, scope: dict[str, Any], path: str, hint: str) -> Any:
        function = node.func
        plain = function.id if isinstance(function, ast.Name) and function.id not in scope else ""
        if plain in ("annotate", "unchecked_cast"):
            return self._value(node.args[1], scope, path, hint)
        if plain == "uninitialized":
            return None
        given = [self._value(argument, scope, path, "") for argument in node.args]
        named = {str(word.arg): self._value(word.value, scope, path, "") for word in node.keywords}
        if plain == "getattr":
            return self._attribute(given[0], given[1], path)
        if plain in ("int", "float", "bool", "str", "isinstance"):
            return self._converted(plain, given, path)
        if isinstance(function, ast.Attribute):
            owner = self._value(function.value, scope, path, "")
            if isinstance(owner, Module):
                return self.call(owner, function.attr, given, named)
            found: Any = self._attribute(owner, function.attr, path)
        else:
            found = self._value(function, scope, path, "")
        if not isinstance(found, _Named):
            raise Refused(self._where(path), f"calls {ast.unparse(function)[:80]}, which irconv does not read")
        return self._named(found.dotted, given, named, path, hint)

    def _converted(self, kind: str, given: list[Any], path: str) -> Any:
        value = given[0]
        if isinstance(value, Tensor):
            value = self.ops.number(value)
        if value is None or kind == "isinstance":
            raise Refused(self._where(path), f"makes {kind} of a tensor's value, which is not known")
        if isinstance(value, Share) and kind == "int":
            return value.rounded()
        whole = {"int": int, "float": float, "bool": bool}.get(kind, str)
        return value if isinstance(value, Size | Share) else whole(value)

    def _named(self, dotted: str, given: list[Any], named: dict[str, Any], path: str, hint: str) -> Any:
        home, _, name = dotted.rpartition(".")
        if home in self.script.code:
            for item in self.script.code[home].body:
                if isinstance(item, ast.FunctionDef) and item.name == name:
                    return self._function(item, given, named, path)
        if home == "ops.prim" and name == "RaiseException":
            raise Refused(self._where(path), f"raises: {given[0] if given else ''}")
        if home == "ops.prim" and name == "dtype":
            return self.ops.dtype(given[0])
        if home == "ops.prim" and name in PRIMITIVES:
            return PRIMITIVES[name](*given)
        if self.ops.keeps and home.startswith("ops.") and home != "ops.aten":
            return self.ops.kept(dotted.removeprefix("ops."), given, named, path, hint)
        if not home.startswith(("torch", "ops.aten")):
            raise Refused(self._where(path), f"calls {dotted}, which irconv does not read")
        return self.ops.called(name, given, named, path, hint, FUNCTIONS.get(name))

    def _where(self, path: str) -> str:
        return f"{self.ops.file}: {path or 'the module'}"


def _hint(target: ast.expr) -> str:
    return target.id if isinstance(target, ast.Name) else ""


def _raises(block: Sequence[ast.stmt]) -> bool:
    """Whether a block ends in an error of the module's own, so that it gives no result."""
    last = block[-1] if block else None
    call = last.value if isinstance(last, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func) == "ops.prim.RaiseException"
