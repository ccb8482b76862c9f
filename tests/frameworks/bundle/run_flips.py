"""Run as a script: changes every byte of small bundles, one after the other, and says which changes nobody saw.

``python -m tests.frameworks.bundle.run_flips FOLDER [STEP]`` does so with a folder and a zip, each of the format of
today; with a step only every so many bytes. `check` must find each change and name its file, and in the weights the
bytes between which it lies; `convert` and `run` must refuse it, because both use every file of a small bundle. It
prints counts and every change that went by, and ends with 1 if there is one.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import irconv
from tests.helpers import golden, read_case


def changed(bundle: Path, step: int) -> Iterator[tuple[str, int]]:
    """The bundle with one byte changed after the other, every `step` of each file: name and place."""
    for file in sorted(bundle.iterdir()) if bundle.is_dir() else [bundle]:
        whole = file.read_bytes()
        for place in range(len(file.name) % step, len(whole), step):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
            yield file.name, place
        file.write_bytes(whole)


def located(found: list[str], name: str, place: int) -> bool:
    """Whether a change is found in the file that has it, and in weights between the bytes where it is."""
    mine = [text for text in found if name in text]
    if not name.startswith("weights") or name.endswith(".json"):
        return bool(mine)
    spans = [(int(a), int(b)) for text in mine for a, b in re.findall(r"bytes (\d+) to (\d+) ", text)]
    return any(start <= place < stop for start, stop in spans)


def missed(bundle: Path, out: Path, step: int = 1) -> Iterator[tuple[str, int, str, bool]]:
    """File, place, what was asked of the bundle, and whether it saw the change."""
    case = golden("tf2.15-dense_2d")
    for name, place in changed(bundle, step):
        try:
            found = [str(problem) for problem in irconv.check(bundle)]
        except irconv.IrconvError as error:  # it is no bundle any more, such as a zip without its first byte
            found = [str(error)]
        yield name, place, "check", located(found, name, place)
        for what in ("convert", "run"):
            try:
                if what == "convert":
                    irconv.convert(bundle, out / "m.safetensors")
                else:
                    irconv.run(bundle, case.inputs, runtime="numpy")
            except irconv.IrconvError:
                yield name, place, what, not list(out.iterdir())
                continue
            shutil.rmtree(out)
            out.mkdir()
            yield name, place, what, False


def main(folder: Path, step: int = 1) -> int:
    """Try both kinds of bundle."""
    went_by = 0
    for name in ("m.irconv.zip", "m.irconv"):
        irconv.write(read_case(golden("tf2.15-dense_2d")), folder / name)
        out = folder / "out"
        out.mkdir(exist_ok=True)
        counts: dict[str, int] = {}
        for file, place, what, seen in missed(folder / name, out, step):
            counts[what] = counts.get(what, 0) + 1
            if not seen:
                went_by += 1
                print(f"{name}: {what} does not see that byte {place} of {file} is another")
        print(f"{name}: {', '.join(f'{what} of {count} changed bytes' for what, count in counts.items())}")
    return int(went_by > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
