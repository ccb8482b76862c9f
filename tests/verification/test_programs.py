"""Programs of torch.export run in PyTorch itself, which is given nothing that it would execute."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv.options import ReadOptions
from irconv.pipeline.judging import side as side_of
from irconv.verification.check import Request, check
from irconv.verification.compare import difference
from irconv.verification.process import Processes
from irconv.verification.sides import Given, opened
from tests.helpers import ROOT

PROGRAMS = ROOT / "fixtures" / "torch-programs"
MODEL = "/models/model.json"
SAMPLES = "/data/sample_inputs/model.pt"
WEIGHTS = "/data/weights/model_weights_config.json"


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes() as found:
        yield found


def given(path: Path) -> Given:
    return side_of(path, ReadOptions())


def changed(path: Path, name: str, member: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy of a program with one member changed."""
    with zipfile.ZipFile(PROGRAMS / name / "tied.pt2") as source, zipfile.ZipFile(path, "w") as target:
        for one in source.namelist():
            content = source.read(one)
            target.writestr(one, change(content) if one.endswith(member) else content)
    return path


def edited(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    """A change of what a member holds as JSON."""

    def edit(content: bytes) -> bytes:
        found = json.loads(content)
        change(found)
        return json.dumps(found).encode()

    return edit


class Planted:
    """What runs when its pickle is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["torch213-bug-mha-masks", "torch213-bug-bn-train", "torch213-lstm-bi-2layer"])
def test_a_program_runs_in_pytorch_and_again_as_if_it_had_not_run(name: str, processes: Processes) -> None:
    side = opened(given(PROGRAMS / name / "model.pt2"), processes, 0)
    assert (side.loaded.name, side.own, side.notes) == ("torch", True, ())
    feeds = [np.load(PROGRAMS / name / f"x_{slot.name}.npy") for slot in side.inputs]
    wanted = [np.load(path) for path in sorted((PROGRAMS / name).glob("y_*.npy"))]
    for _ in range(2):
        got = side.loaded.run(feeds)
        assert max(difference(*pair).relative for pair in zip(wanted, got, strict=True)) < 1e-6


def test_a_conversion_of_a_program_agrees_with_pytorch_and_its_layers_are_named(
    processes: Processes, tmp_path: Path
) -> None:
    source = PROGRAMS / "torch213-unet-upsample" / "model.pt2"
    irconv.convert(source, tmp_path / "m.onnx")
    report = check(given(source), given(tmp_path / "m.onnx"), Request(seeds=1, layers=True), processes)
    assert (report.agree, report.a.own) == (True, True)
    assert report.layers is not None
    assert all(row.agrees for row in report.layers.rows)
    side = opened(given(source), processes, 0)
    feed = [np.load(source.with_name("x_x.npy"))]
    names = dict(side.loaded.names(feed))
    assert "relu_" in names
    assert [name for name, _ in side.loaded.values(feed, ["relu_"])] == ["relu_"]


def test_pickles_of_an_archive_are_never_opened(processes: Processes, tmp_path: Path) -> None:
    planted = pickle.dumps(Planted(tmp_path / "opened"))
    path = changed(tmp_path / "m.pt2", "torch213-tied", SAMPLES, lambda content: planted)
    assert opened(given(path), processes, 0).own
    path = changed(tmp_path / "w.pt2", "torch213-tied", WEIGHTS, edited(_pickled))
    found = given(path)
    assert "is kept as a pickle" in found.unread
    with pytest.raises(irconv.IrconvError, match="is kept as a pickle"):
        opened(found, processes, 0)
    assert not (tmp_path / "opened").exists()


def _pickled(config: Any) -> None:
    for entry in config["config"].values():
        entry["use_pickle"] = True


def _nodes(document: Any) -> list[Any]:
    found: list[Any] = document["graph_module"]["graph"]["nodes"]
    return found


def _calls(document: Any) -> None:
    _nodes(document)[0]["target"] = "torch.hub.load"


def _maps(document: Any) -> None:
    _nodes(document)[0]["target"] = "torch.ops.aten.from_file.default"


def _climbs(document: Any) -> None:
    _nodes(document)[0]["target"] = "torch.ops.aten.__class__"


def _evaluates(document: Any) -> None:
    expression = {"expr_str": "__import__('os').getcwd()", "hint": None}
    document["graph_module"]["graph"]["sym_int_values"]["s0"] = {"as_expr": expression}


def _imports(document: Any) -> None:
    signature = document["graph_module"]["module_call_graph"][0]["signature"]
    signature["out_spec"] = '[1, {"type": "collections.defaultdict", "context": "null", "children_spec": []}]'


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_calls, "it calls torch.hub.load"),
        (_maps, "it calls torch.ops.aten.from_file.default"),
        (_climbs, "it calls torch.ops.aten.__class__"),
        (_evaluates, "it has the expression __import__"),
        (_imports, "its inputs or outputs lie in collections.defaultdict"),
    ],
)
def test_what_pytorch_would_execute_is_refused_before_it_is_given_to_it(
    change: Callable[[Any], None], reason: str, processes: Processes, tmp_path: Path
) -> None:
    path = changed(tmp_path / "m.pt2", "torch213-tied", MODEL, edited(change))
    found = given(path)
    if found.bundle is None:
        with pytest.raises(irconv.IrconvError, match=reason.replace(".", r"\.")):
            opened(found, processes, 0)
    else:
        side = opened(found, processes, 0)
        assert not side.own
        assert reason in side.notes[0]


def test_guards_of_a_program_are_left_out(processes: Processes, tmp_path: Path) -> None:
    planted = f"open({str(tmp_path / 'opened')!r}, 'w')"
    path = changed(
        tmp_path / "m.pt2", "torch213-tied", MODEL, edited(lambda document: document.update(guards_code=[planted]))
    )
    side = opened(given(path), processes, 0)
    assert side.own
    side.loaded.run([np.load(PROGRAMS / "torch213-tied" / "x_ids.npy")])
    assert not (tmp_path / "opened").exists()
