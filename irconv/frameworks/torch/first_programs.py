"""Exported programs as PyTorch 2.2 to 2.7 saved them: the graph's JSON at the top, weights as files of ``torch.save``.

PyTorch's own ``torch.export.load`` (2.8 and later) still reads this layout, which its code calls the older format. The
pickled sample inputs (``serialized_example_inputs.pt``) are never opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irconv.containers.exported_program import Program
from irconv.containers.zip import Archive
from irconv.errors import MALFORMED, DamagedFile, Refused
from irconv.frameworks.torch.pickles_tensors import PickledTensor
from irconv.frameworks.torch.program_files import FIRST
from irconv.frameworks.torch.read_files import read_archive
from irconv.ir.tensors import LazyTensor

_MOST_JSON = 1 << 28


def read(path: Path, archive: Archive) -> Program:
    """The program. Raises `DamagedFile`, and `Refused` for the signatures of PyTorch 2.1."""
    try:
        module = json.loads(archive.text(FIRST, _MOST_JSON))
        graph = module["graph_module"]
        if "input_specs" not in graph["signature"]:
            what = "is a program of PyTorch 2.1, whose signature irconv does not read"
            raise Refused(str(path), what, "Export the module with a PyTorch of version 2.2 or later.")
        weights = _tensors(path, archive, "state_dict")
        constants = _tensors(path, archive, "constants")
        named = [
            spec["parameter"]["parameter_name"] for spec in graph["signature"]["input_specs"] if "parameter" in spec
        ]
    except MALFORMED as error:
        raise DamagedFile(f"{path}: {FIRST}", f"expected an exported program, but {error!r}") from error
    version = str(module.get("torch_version", "")) or "2.2 to 2.7"
    return Program(module, version, weights, frozenset(named), constants)


def _tensors(path: Path, archive: Archive, kind: str) -> dict[str, LazyTensor]:
    """The tensors of one of the files of ``torch.save`` in the archive, by their names; scalars are left out."""
    name = next((n for n in (f"serialized_{kind}.pt", f"serialized_{kind}.json") if n in archive.members), None)
    if name is None or not archive.members[name].size:
        return {}
    member = archive.members[name]
    if member.deflated:
        raise Refused(f"{path}: {name}", "is compressed within the archive", "Store it uncompressed.")
    saved = read_archive(path, Archive(path, member.offset, member.size))
    if not isinstance(saved.value, Mapping):
        raise DamagedFile(f"{path}: {name}", f"expected tensors by name, got {type(saved.value).__name__}")
    return {str(key): _lazy(value, f"{path}: {key}") for key, value in saved.value.items() if _is_tensor(value)}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, PickledTensor)


def _lazy(value: PickledTensor, where: str) -> LazyTensor:
    return value.view.tensor(where)
