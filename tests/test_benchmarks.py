"""What `make bench` measures with: its floor, its clock, its registry of files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bench, floor, processes, sources
from irconv.frameworks import writers
from tests.helpers import numbers

SHAPES = ((130, 70), (3, 5, 4, 7), (11,), ())


@pytest.mark.parametrize("words", [[], ["turned"], ["crc32"], ["turned", "crc32c", "crc32"]])
def test_the_floor_writes_the_same_weights_with_their_channels_at_the_other_end_where_asked(
    words: list[str], tmp_path: Path
) -> None:
    weights = [numbers(*shape, seed=n) for n, shape in enumerate(SHAPES)]
    (tmp_path / "m.raw").write_bytes(b"".join(weight.tobytes() for weight in weights))
    (tmp_path / "m.shapes").write_text(json.dumps(SHAPES))
    floor.main("m", tmp_path, tmp_path / "out", words)
    if "turned" in words:
        weights[:2] = weights[0].T, weights[1].transpose(3, 2, 0, 1)
    assert (tmp_path / "out").read_bytes() == b"".join(np.ascontiguousarray(weight).tobytes() for weight in weights)


def test_a_process_is_charged_with_those_it_waits_for() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\nmemory = bytearray(b'x' * 90_000_000)"
    run = processes.measured(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"]
    )
    assert run.cpu >= 0.3
    assert run.wall >= 0.3
    assert 85 < run.peak < 200


def test_a_program_that_fails_is_not_measured() -> None:
    with pytest.raises(processes.Failed) as raised:
        processes.measured([sys.executable, "-c", "raise SystemExit('no such model')"])
    assert str(raised.value) == "no such model"


def test_every_file_of_the_registry_has_a_title_and_targets_that_can_be_written() -> None:
    known = {suffix for writer in writers() for suffix in writer.suffixes} | {"inspect"}
    for source in sources.SOURCES:
        assert source.model.split("-", maxsplit=1)[0] in bench.TITLES, source.name
        assert set(source.targets) <= known, source.name
    names = [source.name for source in sources.SOURCES]
    assert len(names) == len(set(names))


def test_weights_are_turned_on_the_way_between_channels_last_and_first_only() -> None:
    folder = Path("files")
    said = {
        (source.suffix, target): "turned" in bench.commands(source, target, folder, folder)["floor"]
        for source in sources.SOURCES
        if source.model == "VGG16"
        for target in source.targets
    }
    assert {pair for pair, turned in said.items() if turned} == {
        *((".h5", target) for target in (".onnx", ".py", ".irconv", ".safetensors")),
        (".keras", ".py"),
        (".onnx", ".keras"),
        *((".ckpt", target) for target in (".onnx", ".safetensors")),
    }


def test_the_floor_computes_the_sums_that_the_formats_keep() -> None:
    sides = {"m.keras": (".py", 1), "m.pt": (".safetensors", 1), "m.h5": (".keras", 1), "m.ckpt": (".onnx", 0)}
    for name, (target, zips) in sides.items():
        source = next(each for each in sources.SOURCES if each.name == name.replace("m", "VGG16", 1))
        said = bench.commands(source, target, Path("files"), Path("files"))["floor"]
        assert said.count("crc32") == zips, name
        assert ("crc32c" in said) == (source.suffix == ".ckpt"), name


def test_a_row_shows_minimum_and_median_and_why_the_framework_failed() -> None:
    runs = processes.Runs((processes.Run(3.0, 4.0, 50.0), processes.Run(2.0, 3.5, 52.0), processes.Run(9.0, 9.5, 51.0)))
    bare = processes.Runs((processes.Run(0.5, 0.6, 20.0),))
    source = next(source for source in sources.SOURCES if source.name == "VGG16.h5")
    row = bench.Row(source, ".onnx", 553_000_000, runs, bare, "RecursionError: too deep")
    assert bench.line(row) == (
        "| VGG16.h5 | .onnx | 553.0 | 2.00 (3.00) | 0.50 (0.50) | **4.0** | fails: RecursionError: too deep "
        "| 3.50 (4.00) | 0.60 (0.60) | 50 | 20 |"
    )


def test_rows_are_kept_one_by_one_and_stand_on_the_page_in_the_order_of_the_registry(tmp_path: Path) -> None:
    runs = processes.Runs((processes.Run(2.0, 3.5, 52.0),))
    chosen = [(source, target) for source in sources.SOURCES for target in source.targets][:3]
    for source, target in reversed(chosen):
        bench.keep(tmp_path / "rows.json", bench.Row(source, target, 10, runs, runs, ""))
    kept = bench.kept(tmp_path / "rows.json")
    assert [(row.source, row.target) for row in kept.values()] == chosen
    assert {row.irconv for row in kept.values()} == {runs}
    least, most = bench.loads(tmp_path / "rows.json")
    assert 0 <= least <= most
    text = bench.page([*kept.values()], (least, most))
    assert text.index(chosen[0][1]) < text.index(f"| {chosen[2][0].name} | {chosen[2][1]} |")
