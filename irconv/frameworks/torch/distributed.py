"""Distributed checkpoints of ``torch.distributed.checkpoint``: a folder with ``.metadata`` and ``*.distcp``.

``.metadata`` is a pickle that says of every tensor its shape, the boxes that it is cut into, and where each box lies:
a file, an offset, and a length. What lies there is a whole zip of ``torch.save`` with one tensor in it (PyTorch 2.0 on,
``torch/distributed/checkpoint/filesystem.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irconv.containers.pickle import Instance
from irconv.containers.zip import Archive
from irconv.errors import DamagedFile, Refused
from irconv.frameworks.torch import read_files
from irconv.frameworks.torch.chunked import Chunk, Chunked
from irconv.frameworks.torch.files import DISTRIBUTED_ENDING, METADATA
from irconv.frameworks.torch.pickles_tensors import PickledTensor, dtype_name


def files(path: Path) -> tuple[Path, ...]:
    """The files of the folder, those of tensors last."""
    return (path / METADATA, *sorted(child for child in path.iterdir() if child.name.endswith(DISTRIBUTED_ENDING)))


def read(path: Path) -> dict[str, Any]:
    """What was saved, as nested dictionaries where the checkpoint says how it was nested.

    Raises `DamagedFile` for what is missing or does not fit.
    """
    where = path / METADATA
    root = read_files.read(where).value
    said = root.attributes if isinstance(root, Instance) else {}
    described, placed = said.get("state_dict_metadata"), said.get("storage_data")
    if not isinstance(described, dict) or not isinstance(placed, dict):
        raise DamagedFile(str(where), "expected the Metadata of a distributed checkpoint")
    places = {_index(index.attributes): info.attributes for index, info in placed.items()}
    nesting = said.get("planner_data")
    nesting = nesting if isinstance(nesting, dict) else {}
    saved: dict[str, Any] = {}
    for name, about in described.items():
        steps = nesting.get(name)
        steps = steps if isinstance(steps, tuple) and steps else (name,)
        value = _tensor(path, str(name), about.attributes, places) if "size" in about.attributes else None
        _put(saved, steps, value, f"{where}: {name}")
    return saved


def _index(attributes: Mapping[str, Any]) -> tuple[Any, ...]:
    return attributes["fqn"], attributes.get("offset")


def _put(saved: dict[str, Any], steps: tuple[Any, ...], value: Any, where: str) -> None:
    here = saved
    for step in steps[:-1]:
        inner = here.setdefault(str(step), {})
        if not isinstance(inner, dict):
            raise DamagedFile(where, "expected a dictionary where the checkpoint says that there is one")
        here = inner
    here[str(steps[-1])] = value


def _tensor(path: Path, name: str, about: Mapping[str, Any], places: Mapping[Any, Mapping[str, Any]]) -> Any:
    shape, where = tuple(about["size"]), f"{path / METADATA}: {name}"
    properties = about["properties"]
    state = properties.state if isinstance(properties, Instance) else None
    dtype = dtype_name(state[0] if isinstance(state, tuple) else properties.attributes["dtype"])
    chunks: list[Chunk] = []
    for chunk in about["chunks"]:
        offsets, sizes = tuple(chunk.attributes["offsets"]), tuple(chunk.attributes["sizes"])
        info = places.get((name, offsets)) or (places.get((name, None)) if len(about["chunks"]) == 1 else None)
        if info is None:
            raise DamagedFile(where, f"expected a place in a file for its part at {offsets}, which is not listed")
        if len(sizes) != len(shape) or any(o + n > whole for o, n, whole in zip(offsets, sizes, shape, strict=True)):
            raise DamagedFile(where, f"has a part of {sizes} at {offsets}, outside of its shape {shape}")
        chunks.append(Chunk(offsets, sizes, _read(path, name, info)))
    found = Chunked(dtype, shape, tuple(chunks))
    found.check(where)
    return found.chunks[0].tensor if len(chunks) == 1 else found


def _read(path: Path, name: str, info: Mapping[str, Any]) -> PickledTensor:
    """The one tensor that lies there."""
    file = str(info["relative_path"])
    where = f"{path / METADATA}: {name}"
    if Path(file).name != file or not (path / file).is_file():
        raise DamagedFile(where, f"expected the file {file[:80]!r} in the folder, which is missing")
    if info.get("transform_descriptors"):
        raise Refused(where, "is compressed or encrypted by an extension of the checkpoint", "Save it without any.")
    archive = Archive(path / file, int(info["offset"]), int(info["length"]))
    value = read_files.read_archive(path / file, archive).value
    if not isinstance(value, PickledTensor):
        raise DamagedFile(where, f"expected one tensor in {file}, got something else")
    return value
