"""What a conversion does, counted: no machine, no load and no clock has a part in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest

from tests.counts.limits import BYTES, CORE, READING, REST, STARTS, WRITING
from tests.counts.measure import IO, bytes_moved, convert, function_calls, start, work
from tests.counts.models import deep, heavy, weight_bytes, write

PAIRS = [(source, target) for source in READING for target in WRITING]
MIXED = [(".keras", ".py"), (".h5", ".onnx"), (".irconv", ".theano")]
"""With those that are read and written as one format, every reader and writer."""
REMEDY = "What needs it is said where the limit stands, tests/counts/limits.py."


@pytest.fixture(scope="module")
def deep_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, str], Path]:
    """The file of a deep model, by depth and suffix; made once."""
    folder = tmp_path_factory.mktemp("deep")
    return cache(lambda depth, suffix: write(deep(depth), folder, f"deep{depth}", suffix))


def destination(tmp_path: Path, target: str) -> Path:
    return tmp_path / f"out{target}"


@pytest.mark.parametrize(("source", "target"), [(source, target) for source in BYTES for target in BYTES[source]])
def test_each_byte_of_the_weights_is_read_and_written_as_often_as_said(
    source: str, target: str, tmp_path: Path
) -> None:
    if not IO.exists():
        pytest.skip(f"this system does not count what a process reads and writes: there is no {IO}")
    bundle = heavy()
    convert_it = partial(convert, write(bundle, tmp_path, "model", source), destination(tmp_path, target))
    convert_it()
    moved, size = bytes_moved(convert_it), weight_bytes(bundle)
    reads, writes = BYTES[source][target]
    assert reads - 0.01 <= moved.read / size <= reads + REST, f"{moved.read / size:.2f} reads of every byte. {REMEDY}"
    assert writes - 0.01 <= moved.written / size <= writes + REST, f"{moved.written / size:.2f} writes. {REMEDY}"


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_graph_is_gone_through_as_often_as_said_whatever_its_depth(
    source: str, target: str, tmp_path: Path, deep_file: Callable[[int, str], Path]
) -> None:
    found = []
    for depth in (24, 48):
        convert_it = partial(convert, deep_file(depth, source), destination(tmp_path, target))
        convert_it()  # what it imports is there to be counted
        found.append(work(convert_it, depth))
    assert found[0] == found[1], f"a graph twice as deep is gone through more often: {found}"
    types, passes = (getattr(READING[source], kind) + getattr(WRITING[target], kind) for kind in ("types", "passes"))
    assert found[0].types <= types, f"types are inferred {found[0].types} times, at most {types} before. {REMEDY}"
    assert found[0].passes <= passes, f"{found[0].passes} passes over the graph, at most {passes} before. {REMEDY}"
    assert found[0].blocks <= 1, "repeated blocks are looked for once"


@pytest.mark.parametrize(("source", "target"), [(s, t) for s, t in PAIRS if s == t or (s, t) in MIXED])
def test_every_layer_more_costs_the_same(
    source: str, target: str, tmp_path: Path, deep_file: Callable[[int, str], Path]
) -> None:
    """Function calls at 1, 2 and 3 times a depth: those of a linear conversion lie on a line."""
    calls = []
    for depth in (24, 48, 72):
        convert_it = partial(convert, deep_file(depth, source), destination(tmp_path, target))
        convert_it()
        # the thread that calls waits for those that write as often as it is woken: the least is what it has to do
        calls.append(min(function_calls(convert_it) for _ in range(5)))
    first, second = calls[1] - calls[0], calls[2] - calls[1]
    assert second < 1.02 * first, f"24 layers more cost {first} calls, and then {second}: it grows with the depth"


@pytest.mark.parametrize(("source", "target"), STARTS)
def test_a_command_imports_and_starts_what_it_needs(source: str, target: str, tmp_path: Path) -> None:
    path = write(deep(8), tmp_path, "model", source)
    found = start(["convert", path, destination(tmp_path, target)] if target else ["inspect", path])
    allowed = STARTS[source, target]
    extra = found.packages - CORE - allowed.packages
    assert not extra, f"it imports {', '.join(sorted(extra))}. {REMEDY}"
    assert found.modules <= allowed.modules, f"it imports {found.modules} modules of irconv. {REMEDY}"
    assert found.processes <= allowed.processes, f"it starts {found.processes} processes. {REMEDY}"
