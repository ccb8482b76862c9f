"""Rules of the house that a reader could break without any other test noticing."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.helpers import ROOT

SOURCES = sorted((ROOT / "irconv").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TURNS = {"transpose", "swapaxes", "moveaxis", "rollaxis", "flip", "fliplr", "flipud", "rot90", "permute_dims"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def turning(tree: ast.AST) -> list[str]:
    """The calls of numpy that change the order of an array's axes or elements, by name."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TURNS:
            found.append(f"{node.func.attr}, line {node.lineno}")
        elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
            found.append(f"{node.attr}, line {node.lineno}")
        elif isinstance(node, ast.ImportFrom) and node.module == "numpy":
            found += [alias.name for alias in node.names if alias.name in TURNS]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_only_layout_turns_arrays(path: Path) -> None:
    found = turning(ast.parse(path.read_text(encoding="utf-8")))
    if path.parent.name == "sketches":  # text for a README, which irconv itself never calls
        return
    assert bool(found) == (path == ROOT / "irconv" / "layout.py"), found


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_frameworks_are_imported_only_inside_functions(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    outside = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name.split(".")[0] for node in outside if isinstance(node, ast.Import) for alias in node.names}
    names |= {(node.module or "").split(".")[0] for node in outside if isinstance(node, ast.ImportFrom)}
    assert names & {"torch", "tensorflow", "keras", "onnxruntime"} == set()


#: These run what irconv itself has just written: the source of a live module that is asked for, and the `__init__` of
#: its own data classes, from the names of their fields. No text that was read is code.
RUNS_WHAT_IS_WRITTEN = ("irconv/frameworks/torch/live_write.py", "irconv/data_classes.py")


@pytest.mark.parametrize("path", [path for path in SOURCES if named(path) not in RUNS_WHAT_IS_WRITTEN], ids=named)
def test_nothing_that_is_read_is_ever_run(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    forbidden = {"eval", "exec", "compile", "pickle.load", "pickle.loads", "marshal.loads", "__import__", "os.system"}
    assert calls & forbidden == set()
    assert "allow_pickle=True" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=named)
def test_no_file_names_a_place_of_one_machine(path: Path) -> None:
    places = "|".join(["wo" + "rk", "ho" + "me", "ro" + "ot", "Us" + "ers"])
    assert re.findall(rf"[\"' ]/(?:{places})/\w+", path.read_text(encoding="utf-8")) == []


def test_pytorch_is_named_only_where_the_users_own_modules_are_run() -> None:
    mentions = {
        named(path) for path in SOURCES if re.search(r"^\s*(import|from) torch\b", path.read_text(), re.MULTILINE)
    }
    live = ("live.py", "views.py", "aten/live_program.py")
    assert mentions == {f"irconv/frameworks/torch/{name}" for name in live}


EMITTERS = [
    path
    for framework in ("torch", "theano")
    for path in sorted((ROOT / "irconv" / "frameworks" / framework).rglob("*.py"))
    if not path.name.startswith(("read", "pickles", "normalise"))
]


@pytest.mark.parametrize("path", EMITTERS, ids=named)
def test_no_emitter_puts_quotes_around_a_value_itself(path: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for before, after in pairwise(parts):
            text = before.value if isinstance(before, ast.Constant) else ""
            if isinstance(after, ast.FormattedValue) and str(text).endswith(('"', "'")):
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [f"line {node.lineno}: {text}" for text in re.findall(r"[\"']\{\w+\}", node.value)]
    assert found == []
