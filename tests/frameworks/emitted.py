"""What an emitted source does, names aside: its tree, in which everything that has a name of its own choice is
numbered. Two sources that compute the same in the same way have equal trees; one in which a name hides another does
not, as its uses have other numbers."""

from __future__ import annotations

import ast


def meaning(text: str, kept: frozenset[str]) -> str:
    """The dumped tree. `kept` are the helpers, which are the same in every file."""
    tree = ast.parse(text)
    own = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name not in kept]
    outside = {node.name: f"global {i}" for i, node in enumerate(own) if node.name not in ("load", "build")}
    classes = {node.name: node for node in own if isinstance(node, ast.ClassDef)}
    members = {name: _members(node) for name, node in classes.items()}
    arguments = {name: _arguments(node) for name, node in classes.items()}
    texts: dict[str, int] = {}
    for node in own:
        cls = node.name if node.name in classes else ""
        functions = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in functions:
            if isinstance(function, ast.FunctionDef):
                _Numbered(outside, members.get(cls, {}), arguments, texts).function(function)
                function.name = members.get(cls, {}).get(function.name, function.name)
        node.name = outside.get(node.name, node.name)
    for node in [tree, *ast.walk(tree)]:
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body[0] = ast.Expr(ast.Constant("docstring"))
    return ast.dump(tree, indent=1)


def _members(node: ast.ClassDef) -> dict[str, str]:
    """The attributes that a class defines, in their order: assigned, registered, or steps of loops."""
    found: dict[str, str] = {}
    for inner in ast.walk(node):
        name = None
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            name = inner.attr
        elif isinstance(inner, ast.Call) and ast.unparse(inner.func) == "self.register_buffer":
            assert isinstance(inner.args[0], ast.Constant)
            name = str(inner.args[0].value)
        elif isinstance(inner, ast.FunctionDef) and inner.name not in ("__init__", "forward"):
            name = inner.name
        if name is not None:
            found.setdefault(name, f"member {len(found)}")
    return found


def _arguments(node: ast.ClassDef) -> dict[str, str]:
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            return {argument.arg: f"argument {i}" for i, argument in enumerate(inner.args.args)}
    return {}


class _Numbered(ast.NodeVisitor):
    """Numbers the variables of one function: a new number for every assignment."""

    def __init__(
        self,
        outside: dict[str, str],
        members: dict[str, str],
        arguments: dict[str, dict[str, str]],
        texts: dict[str, int],
    ) -> None:
        self.outside, self.members, self.arguments, self.texts = outside, members, arguments, texts
        self.known: dict[str, str] = {}
        self.count = 0

    def function(self, node: ast.FunctionDef) -> None:
        """Number the arguments, then statement by statement: what is read first, then what is assigned."""
        local = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self.known = dict.fromkeys(local, "before it is assigned")
        for argument in node.args.args:
            argument.arg = self._new(argument.arg)
        for statement in [node.returns, *node.body] if node.returns else node.body:
            loads = [n for n in ast.walk(statement) if not (isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))]
            stores = [n for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
            self._lambdas(statement)
            for inner in loads:
                self._read(inner)
            for store in stores:
                store.id = self._new(store.id)

    def _new(self, name: str) -> str:
        self.count += 1
        self.known[name] = f"value {self.count}"
        return self.known[name]

    def _lambdas(self, statement: ast.AST) -> None:
        """Arguments of lambdas are theirs alone."""
        for node in ast.walk(statement):
            if isinstance(node, ast.Lambda):
                own = {argument.arg for argument in node.args.args}
                for inner in ast.walk(node.body):
                    if isinstance(inner, ast.Name) and inner.id in own:
                        inner.id = f"lambda's {inner.id}"

    def _read(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            named = self.arguments.get(called, {})
            for keyword in node.keywords:
                keyword.arg = named.get(keyword.arg or "", keyword.arg)
            if called in ("load", "self.register_buffer") or called.startswith("T."):
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        argument.kind = None
                        argument.value = f"text {self.texts.setdefault(argument.value, len(self.texts))}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            node.attr = self.members.get(node.attr, node.attr)
        elif isinstance(node, ast.Name):
            node.id = self.known.get(node.id) or self.outside.get(node.id, node.id)
