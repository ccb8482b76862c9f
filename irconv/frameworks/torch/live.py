"""The user's own PyTorch module: built by running his file, because he named it; this imports PyTorch.

Nothing here is needed to read or write a file.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from irconv.edits import nothing_beside
from irconv.errors import MissingFact, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor as Tensor  # noqa: PLC0414  (type checkers take this for a name that others may import)
    from torch.nn import Module as Module  # noqa: PLC0414


def splits(target: str) -> tuple[Path, str] | None:
    """``net.py:Net(10)`` as file and expression; None where the text names no Python file with something in it."""
    path, colon, expression = target.rpartition(":")
    if not colon or not path.endswith(".py") or not expression:
        return None
    return Path(path), expression


def build_named(target: str) -> Module:
    """The module of ``net.py:Net(10)``, or of ``package.module:factory``, which is imported: from the folder one is in,
    too, as ``python -m`` does.

    Raises `MissingFact` and `Refused` as `build` does.
    """
    if (named := splits(target)) is not None:
        return build(*named)
    place, colon, expression = target.rpartition(":")
    if not colon or not expression or not all(part.isidentifier() for part in place.split(".")):
        raise MissingFact(f"--module {target}", "expected FILE.py:Class or package.module:factory")
    with _guarded(target, f"importing {place}"), _searched(Path.cwd()):
        home = importlib.import_module(place)
    return _made(home, expression, target)


def build(path: Path, expression: str) -> Module:
    """The module that a class, a function or an object of a Python file gives; the file is run.

    `expression` is a name, or a name with arguments that are literals: ``Net``, ``Net(10, width=2)``. Raises
    `MissingFact` where PyTorch or the name is missing and `Refused` where the file fails or gives no module.
    """
    import_torch()
    if not path.is_file():
        raise MissingFact(str(path), "there is no such file")
    _call(f"{path}:{expression}", expression)
    with _guarded(f"{path}:{expression}", "running the file"):
        home = _run(path)
    return _made(home, expression, f"{path}:{expression}")


def _made(home: Any, expression: str, where: str) -> Module:
    """What an expression names in a module of Python, built where it is a class or a function."""
    library = import_torch()
    name, arguments, keywords = _call(where, expression)
    found = getattr(home, name, None)
    if found is None:
        known = ", ".join(key for key, value in vars(home).items() if _makes_modules(value, library))
        raise MissingFact(where, f"the file has nothing named {name}", f"It has {known or 'no module'}.")
    if isinstance(found, library.nn.Module) and arguments is None:
        return cast("Module", found)
    if not callable(found):
        raise Refused(where, f"expected a class, a function or a module, got {type(found).__name__}")
    with _guarded(where, f"calling {name}"):
        made = found(*(arguments or ()), **keywords)
    if not isinstance(made, library.nn.Module):
        raise Refused(where, f"expected a torch.nn.Module, got {type(made).__name__}")
    return cast("Module", made)


def import_torch() -> Any:
    """PyTorch. Raises `MissingFact` where it is not installed."""
    try:
        import torch
    except ImportError as error:
        remedy = "pip install 'irconv[torch]', or give a state dict with the names and shapes that are wanted."
        raise MissingFact("PyTorch", "is not installed, and a module of Python needs it", remedy) from error
    return torch


def _call(where: str, expression: str) -> tuple[str, list[Any] | None, dict[str, Any]]:
    try:
        tree = ast.parse(expression, mode="eval").body
        if isinstance(tree, ast.Name):
            return tree.id, None, {}
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
            keywords = {str(word.arg): ast.literal_eval(word.value) for word in tree.keywords}
            return tree.func.id, [ast.literal_eval(argument) for argument in tree.args], keywords
    except (SyntaxError, ValueError) as error:
        raise Refused(where, f"expected a name, or a name with literal arguments, got {error}") from error
    raise Refused(where, "expected a name, or a name with literal arguments such as Net(10)")


def _run(path: Path) -> Any:
    """The file as a module of Python; its folder is searched for what it imports, as for a script."""
    name = f"irconv_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a path that ends in .py has a loader"
    assert spec.loader is not None, "a path that ends in .py has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _searched(path.resolve().parent), nothing_beside():
        spec.loader.exec_module(module)
    return module


@contextmanager
def _searched(folder: Path) -> Iterator[None]:
    """The folder is searched for what is imported inside the block."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _makes_modules(value: Any, torch: Any) -> bool:
    own = getattr(value, "__module__", "").startswith("irconv_target_")
    return isinstance(value, torch.nn.Module) or (own and isinstance(value, Callable))  # type: ignore[arg-type]


@contextmanager
def _guarded(where: str, doing: str) -> Iterator[None]:
    """What the user's code raises becomes a refusal that names it."""
    try:
        yield
    except Exception as error:
        kind = type(error).__name__
        raise Refused(
            where, f"{doing} raised {kind}: {str(error)[:300]}", "It has to be built without help."
        ) from error
