"""A TorchScript archive as plain data: its modules, the syntax trees of its code, its constants, its sample inputs.

Pickles go through the interpreter that imports nothing. The code is parsed; nothing of it is compiled or run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from irconv.containers.pickle import Instance, unpickle_bytes
from irconv.containers.zip import Archive
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile
from irconv.frameworks.torch.pickles import Storages
from irconv.frameworks.torch.pickles_views import Storage
from irconv.frameworks.torch.script import first_archive

_MOST_CODE = 1 << 26
_MOST_PICKLE = 1 << 31
_HOME = "__torch__"
_LISTS = ("intlist", "tensorlist", "doublelist", "boollist")


@dataclass(frozen=True)
class Script:
    """A module of TorchScript."""

    root: Instance
    code: Mapping[str, ast.Module]
    """Dotted name of a file of the archive -> its tree."""
    constants: tuple[Any, ...]
    samples: tuple[Any, ...]
    """What a trace was made with; empty for others."""


def read(path: Path) -> Script:
    """The archive. Raises `DamagedFile`, and `Refused` for the layouts of PyTorch 1.1 to 1.3."""
    archive = Archive(path)
    root = _root(archive)
    if root is None:
        module, trees, constants = first_archive.read(path, archive, lambda name: _tree(path, archive, name))
        return Script(module, trees, constants, ())
    module = _pickle(path, archive, root, "data")
    if not isinstance(module, Instance):
        raise DamagedFile(f"{path}: {root}data.pkl", f"expected a module, got {type(module).__name__}")
    constants = _pickle(path, archive, root, "constants")
    if not isinstance(constants, list | tuple | None):
        raise DamagedFile(f"{path}: {root}constants.pkl", f"expected a tuple, got {type(constants).__name__}")
    samples = _pickle(path, archive, root, "traced_inputs") if f"{root}traced_inputs.pkl" in archive.members else ()
    code = {
        ".".join(PurePosixPath(name.removeprefix(f"{root}code/")).with_suffix("").parts): _tree(path, archive, name)
        for name in archive.members
        if name.startswith(f"{root}code/") and name.endswith(".py")
    }
    return Script(module, code, tuple(constants or ()), _inputs(samples))


def _root(archive: Archive) -> str | None:
    """The folder of the archive; None in the layout of PyTorch 1.0 to 1.3."""
    names = sorted((name for name in archive.members if PurePosixPath(name).name == "constants.pkl"), key=len)
    if not names:
        return None
    found = str(PurePosixPath(names[0]).parent)
    return "" if found == "." else f"{found}/"


def _inputs(samples: Any) -> tuple[Any, ...]:
    if isinstance(samples, Mapping):
        samples = samples.get("forward", next(iter(samples.values()), ()))
    return tuple(samples) if isinstance(samples, list | tuple) else ()


def _tree(path: Path, archive: Archive, name: str) -> ast.Module:
    content = archive.content(name, _MOST_CODE)
    try:
        text = re.sub(r"(?<![\w.])inf(?!\w)", "1e999", content.decode("utf-8"))
        return ast.parse(python_heads(text))
    except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError, MemoryError) as error:
        raise DamagedFile(f"{path}: {name}", f"expected TorchScript, got {str(error)[:100]}") from error


def python_heads(text: str) -> str:
    """Code whose heads of functions are Python's: TorchScript lets parameters without a default follow others."""
    return re.sub(r"(?ms)^ *def .*?\) -> ", _with_defaults, text)


def _with_defaults(header: re.Match[str]) -> str:
    lines, seen = [], False
    for line in header[0].split("\n"):
        plain = "=" not in line
        seen = seen or not plain
        lines.append(re.sub(r"(,|\) -> )$", r"=None\1", line) if seen and plain else line)
    return "\n".join(lines)


def _pickle(path: Path, archive: Archive, root: str, kind: str) -> Any:
    """One of the pickles of an archive, whose storages lie in a folder of its name."""
    where = f"{path}: {root}{kind}.pkl"
    storages = Storages(where)

    def find(key: str, nbytes: int) -> Storage:
        name = next(
            (n for n in (f"{root}{kind}/{key}", f"{root}tensors/{key}", f"{root}{key}") if n in archive.members), None
        )
        if name is None:
            raise DamagedFile(str(path), f"expected the storage {root}{kind}/{key}, which is missing")
        if (size := archive.members[name].size) != nbytes and size:
            raise DamagedFile(f"{path}: {name}", f"expected {nbytes} bytes for the tensors in it, got {size}")
        return Storage(nbytes, archive.open(name), 0)

    storages.find = find
    rules = storages.rules()
    typed = {f"torch.jit._pickle.build_{kind}": _as_it_is for kind in _LISTS}
    typed["torch.jit._pickle.restore_type_tag"] = _as_it_is
    rules = replace(rules, builders={**rules.builders, **typed})
    return unpickle_bytes(archive.content(f"{root}{kind}.pkl", _MOST_PICKLE), where, rules)


def _as_it_is(value: Any, _type: Any = None) -> Any:
    """Lists and dictionaries that come with the type of their elements."""
    return value
