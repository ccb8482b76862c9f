"""Rows put together by segment, and formulas on images, of TensorFlow 1.15, read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.containers import messages
from irconv.errors import Refused
from irconv.options import ReadOptions
from tests.helpers import ROOT, rejection

FILE = ROOT / "fixtures" / "tensorflow" / "segments" / "segments.pb"
GIVEN = ("rows", "numbers", "pairs", "image", "whole", "boxes", "owners")


def values() -> dict[str, np.ndarray]:
    with np.load(FILE.parent / "values.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", sorted(set(values()) - set(GIVEN)))
def test_it_is_read_as_tensorflow_computed_it(name: str) -> None:
    bundle = irconv.read(FILE, ReadOptions(outputs=(name,)))
    assert bundle.graph is not None
    (found,) = irconv.run(bundle, [values()[port.name] for port in bundle.graph.inputs]).values()
    wanted = values()[name]
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6)


def refusal(tmp_path: Path, output: str, constant: str, numbers: list[int]) -> str:
    """What is said of the file with other numbers in a constant."""
    graph = messages.parse("tensorflow", "GraphDef", FILE.read_bytes(), "m")
    (node,) = (node for node in graph.node if node.name == constant)
    node.attr["value"].tensor.tensor_content = np.asarray(numbers, np.int32).tobytes()
    (tmp_path / "m.pb").write_bytes(graph.SerializeToString())
    return rejection(lambda: irconv.read(tmp_path / "m.pb", ReadOptions(outputs=(output,))), Refused)


def test_segments_that_do_not_ascend_are_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, "sorted_sum", "SegmentSum/segment_ids", [0, 2, 1, 2, 2])
    assert "expected segments in ascending order, got [0, 2, 1, 2, 2]" in said


def test_an_empty_segment_has_no_largest_row(tmp_path: Path) -> None:
    assert "leaves segments empty, of 4" in refusal(tmp_path, "sorted_max", "SegmentMax/segment_ids", [0, 0, 1, 3, 3])


def test_an_area_that_does_not_divide_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, "area", "ResizeArea/size", [4, 2])
    assert "expected sizes that divide (6, 8) or are multiples of it, got (4, 2)" in said
