"""Which lines of the containers the cases reach: a tracer of this process that looks at their files alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import irconv

CONTAINERS = Path(irconv.__file__).parent / "containers"
#: What is no model's, only writes, works in another process, or is reached where no file makes anything fail.
LEFT_OUT = {
    "arrays",
    "hdf5_worker",
    "own_process",
    "passing",
    "renames",
    "kept_shards",
    "shards",
    "workspace",
    "outputs",
    "watch",
    "messages",
    "__init__",
}


@contextmanager
def traced(seen: dict[str, set[int]]) -> Iterator[None]:
    """Note the lines of the containers that run inside."""
    folder = str(CONTAINERS)

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            seen.setdefault(frame.f_code.co_filename, set()).add(frame.f_lineno)
        return local

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        return local if frame.f_code.co_filename.startswith(folder) else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)


def lines_of(path: Path) -> set[int]:
    """The lines of functions in a file: those of modules and classes ran when it was imported."""
    found: set[int] = set()
    waiting: list[tuple[CodeType, bool]] = [(compile(path.read_text(), str(path), "exec"), False)]
    while waiting:
        code, counts = waiting.pop()
        if counts:
            found |= {line for _, _, line in code.co_lines() if line and line != code.co_firstlineno}
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                waiting.append((constant, bool(constant.co_flags & 2)))  # a class has no locals of its own
    return found


def of_lines(seen: dict[str, set[int]]) -> dict[str, tuple[int, int]]:
    """Module of the containers -> (lines reached, lines)."""
    found = {}
    for path in sorted(CONTAINERS.glob("*.py")):
        if path.stem not in LEFT_OUT and (lines := lines_of(path)):
            found[path.stem] = len(lines & seen.get(str(path), set())), len(lines)
    return found


def share(found: dict[str, tuple[int, int]]) -> float:
    """The part of all lines that was reached."""
    reached, lines = (sum(counts) for counts in zip(*found.values(), strict=True))
    return reached / lines


def table(found: dict[str, tuple[int, int]]) -> str:
    """For people, least covered first."""
    rows = sorted(found.items(), key=lambda entry: entry[1][0] / entry[1][1])
    text = [f"{100 * reached / lines:5.1f} %  {reached} of {lines}  {name}" for name, (reached, lines) in rows]
    return "\n".join([*text, f"{100 * share(found):5.1f} % of the containers"])
