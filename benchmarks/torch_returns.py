"""State dicts of the zoo's networks after a way through ONNX or Keras and back: which keys came back, bit for bit.

    python -m benchmarks.torch_returns FOLDER [--by onnx,keras]

FOLDER is that of `benchmarks.torch_zoo`, whose exported programs are taken. Prints a table, and what did not come back
by name. Needs PyTorch.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import irconv
from irconv.errors import IrconvError
from irconv.options import WriteOptions

_COUNTER = "num_batches_tracked"


def returned(program: Path, by: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state dict of a program, and that of what came back. Raises `IrconvError` where it is refused."""
    import torch

    folder.mkdir(exist_ok=True)
    there, back = folder / f"there.{by}", folder / f"back_{by}.py"
    irconv.write(irconv.read(program), there, WriteOptions(force=True, merge=by == "keras"))
    irconv.write(irconv.read(there), back, WriteOptions(force=True))
    spec = importlib.util.spec_from_file_location(f"back_{by}", back)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(torch.export.load(program).state_dict), dict(module.load().state_dict())


def row(program: Path, by: str) -> str:
    """What came of one network."""
    import torch

    try:
        wanted, got = returned(program, by, program.parent / "returns")
    except IrconvError as error:
        return f"| {program.parent.name} | {by} | refused: {str(error).splitlines()[0][:100]} |  |  |  |"
    kept = [key for key in wanted if not key.endswith(_COUNTER)]
    equal = [key for key in kept if key in got and torch.equal(wanted[key], got[key])]
    missing = [key for key in kept if key not in got]
    more = [key for key in got if key not in wanted]
    unequal = [key for key in kept if key in got and key not in equal]
    cells = [f"{len(equal)} of {len(kept)}", *map(_listed, (missing, more, unequal))]
    return f"| {program.parent.name} | {by} | {' | '.join(cells)} |"


def _listed(keys: list[str]) -> str:
    return ", ".join([f"`{key}`" for key in keys[:4]] + ([f"and {len(keys) - 4} more"] if len(keys) > 4 else []))


def rows(folder: Path, ways: list[str]) -> Iterator[str]:
    """The table's lines."""
    yield "| network | by way of | equal | missing | more | unequal |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for program in sorted(folder.glob("*/model.pt2")):
        for way in ways:
            yield row(program, way)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--by", default="onnx,keras")
    options = parser.parse_args()
    for line in rows(options.folder, options.by.split(",")):
        print(line, flush=True)


if __name__ == "__main__":
    main()
