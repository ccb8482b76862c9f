"""TensorFlow's files as bundles and back: every variable bit for bit under its name, and images where they were."""

from __future__ import annotations

from pathlib import Path

import pytest

import irconv
from benchmarks.tensorflow_round_trip import tried
from irconv.options import ReadOptions, WriteOptions
from tests.frameworks.tensorflow.running import in_graph, in_session
from tests.helpers import GOLDEN_ERROR, ROOT, error
from tests.passes.test_recurrence import WANTED, read, results, values

FOLDER = ROOT / "fixtures" / "tensorflow"
NET = ReadOptions(inputs=("x:0",), outputs=("net/y:0",))
FILES = {
    "training/adam.ckpt.index": NET,
    "training/momentum.ckpt.index": NET,
    "checkpoints/v2.ckpt.index": ReadOptions(),
    "checkpoints/v1.ckpt": ReadOptions(),
    "checkpoints/sharded.ckpt.index": ReadOptions(),
    "partitioned/model.ckpt.index": ReadOptions(),
    "lookups/model.ckpt.index": ReadOptions(),
    "objects/ckpt.index": ReadOptions(),
    "objects/plain-1.index": ReadOptions(),
    "exported": ReadOptions(),
}


@pytest.mark.parametrize("name", FILES)
def test_every_variable_comes_back_bit_for_bit_under_its_name(name: str, tmp_path: Path) -> None:
    trip = tried(FOLDER / name, tmp_path, FILES[name])
    assert trip.same > 0
    assert list(trip.lost) == []
    assert trip.good
    assert trip.transposes[1] <= trip.transposes[0]


@pytest.mark.parametrize("name", [name for name in WANTED if name != "other"])
def test_kernels_of_cells_come_back_whole_and_tensorflow_runs_them(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    count = len(results(name))
    options = ReadOptions(outputs=tuple(f"y{i}" for i in range(count)))
    trip = tried(FOLDER / "recurrent" / f"{name}.pb", tmp_path, options)
    assert list(trip.lost) == []
    bundle = read(name)
    assert bundle.graph is not None
    given = {"x": values()["x"], "lengths": values()["lengths"]}
    feeds = [given[port.name] for port in bundle.graph.inputs]
    assert error(in_graph(tmp_path / "back.pb", feeds, [f"y{i}" for i in range(count)]), results(name)) < GOLDEN_ERROR
    irconv.write(bundle, tmp_path / "m.ckpt", WriteOptions(force=True))
    names = [[port.name for port in ports] for ports in (bundle.graph.inputs, bundle.graph.outputs)]
    assert error(in_session(tmp_path / "m.ckpt", feeds, *names), results(name)) < GOLDEN_ERROR
    again = irconv.read(tmp_path / "m.ckpt")
    assert again.graph is not None
    found = list(irconv.run(again, [given[port.name] for port in again.graph.inputs]).values())
    assert error(found, results(name)) < GOLDEN_ERROR
