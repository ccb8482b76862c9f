"""TorchScript archives as PyTorch 1.0 saved them: a tree of modules as JSON, each with the code of its methods beside
it, and one table of tensors, which constants are numbered in, too.

The modules become what the pickles of later archives give; a class is made of each module's methods.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from irconv.containers.pickle import Instance
from irconv.containers.pickle_values import Global
from irconv.containers.zip import Archive
from irconv.errors import MALFORMED, DamagedFile, Refused
from irconv.frameworks.torch.pickles_tensors import PickledTensor
from irconv.frameworks.torch.pickles_views import Storage, View

HOME = "__torch__"
_MOST_JSON = 1 << 26
#: PyTorch's element types by the names of Caffe2, in whose words the table is written.
_TYPES = {
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "FLOAT16": "float16",
    "INT8": "int8",
    "UINT8": "uint8",
    "BYTE": "uint8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}

Parse = Callable[[str], ast.Module]
"""From the name of a member to the tree of its code."""


def read(path: Path, archive: Archive, parse: Parse) -> tuple[Instance, dict[str, ast.Module], tuple[Any, ...]]:
    """The modules, their code by its home, and the constants.

    Raises `DamagedFile`, and `Refused` for the layouts of PyTorch 1.1 to 1.3, which pickle attributes besides.
    """
    name = next((name for name in archive.members if name.endswith("model.json")), "")
    if not name:
        raise DamagedFile(str(path), "expected the member model.json, which is missing")
    root = name.removesuffix("model.json")
    try:
        model = json.loads(archive.text(name, _MOST_JSON))
        tensors = [_tensor(path, archive, root, entry) for entry in model.get("tensors", [])]
        made = _Modules(path, archive, root, tensors, parse)
        instance = made.module(model["mainModule"], "")
    except MALFORMED as error:
        raise DamagedFile(f"{path}: {name}", f"expected a module of TorchScript, but {error!r}") from error
    return instance, {HOME: ast.Module(body=made.classes, type_ignores=[])}, tuple(tensors)


class _Modules:
    """A tree of modules while it is read."""

    def __init__(self, path: Path, archive: Archive, root: str, tensors: list[PickledTensor], parse: Parse) -> None:
        self.path, self.archive, self.root, self.tensors, self.parse = path, archive, root, tensors, parse
        self.classes: list[ast.stmt] = []

    def module(self, entry: Mapping[str, Any], path: str) -> Instance:
        """A module with what it holds. A module without code of its own is one whose parent's code does its work."""
        if entry.get("attributes") or entry.get("getStateAttributeId") is not None:
            what = "is a TorchScript program of PyTorch 1.1 to 1.3 with attributes, which irconv does not read"
            raise Refused(str(self.path), what, "Load it with torch.jit.load of a later PyTorch, and save it again.")
        found: dict[str, Any] = {}
        for parameter in entry.get("parameters", ()):
            tensor = self.tensors[int(parameter["tensorId"])]
            found[parameter["name"]] = PickledTensor(tensor.view, not parameter.get("isBuffer", False))
        for inner in entry.get("submodules", ()):
            found[inner["name"]] = self.module(inner, f"{path}.{inner['name']}".lstrip("."))
        kind = f"Module{len(self.classes)}"
        code = entry.get("torchscriptArena")
        body = self.parse(f"{self.root}{code['key']}").body if code else []
        if any(not isinstance(item, ast.FunctionDef) for item in body if not _is_version(item)):
            what = "is a TorchScript program of PyTorch 1.2 or 1.3, whose code has classes, which irconv does not read"
            raise Refused(str(self.path), what, "Load it with torch.jit.load of a later PyTorch, and save it again.")
        methods = [item for item in body if isinstance(item, ast.FunctionDef)]
        self.classes.append(ast.ClassDef(name=kind, bases=[], keywords=[], body=[*methods], decorator_list=[]))
        return Instance(Global(HOME, kind), state=found)


def _is_version(item: ast.stmt) -> bool:
    """Whether a statement is ``op_version_set = 0``."""
    return isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "op_version_set"


def _tensor(path: Path, archive: Archive, root: str, entry: Mapping[str, Any]) -> PickledTensor:
    dtype = _TYPES.get(entry["dataType"])
    if dtype is None:
        raise Refused(str(path), f"holds elements of type {entry['dataType']}, which irconv does not keep")
    member = f"{root}{entry['data']['key']}"
    if member not in archive.members:
        raise DamagedFile(str(path), f"expected the member {member}, which is missing")
    storage = Storage(archive.members[member].size, archive.open(member), 0, dtype=dtype)
    shape, strides = (tuple(int(n) for n in entry.get(key, ())) for key in ("dims", "strides"))
    return PickledTensor(View(storage, dtype, int(entry.get("offset", 0)), shape, strides), None)
