"""The layout pass on random graphs, both ways: the same numbers, in both optimiser settings of onnxruntime."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
import pytest

from irconv.frameworks.keras.table import TABLE
from irconv.frameworks.onnx.write import to_bytes
from irconv.ir.bundle import Bundle
from irconv.ir.inference import infer_types
from irconv.ir.validate import validate
from irconv.passes import boundary, channels_last, to_channels_last
from irconv.translate import native_axes
from tests.passes.random_graphs import random_bundle

COUNT = int(os.environ.get("IRCONV_RANDOM_GRAPHS", "240"))
BLOCK = 20


def _predict(bundle: Bundle, optimised: bool) -> list[np.ndarray]:
    levels = onnxruntime.GraphOptimizationLevel
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(to_bytes(bundle), options, providers=["CPUExecutionProvider"])
    assert bundle.graph is not None
    random = np.random.default_rng(7)
    feeds = {p.value: random.standard_normal(p.shape).astype(np.float32) for p in bundle.graph.inputs}  # type: ignore[arg-type]
    return list(session.run([port.value for port in bundle.graph.outputs], feeds))


def _moved(bundle: Bundle) -> int:
    assert bundle.graph is not None
    types = infer_types(bundle)
    moved = [node for node in bundle.graph.nodes if bundle.layers[node.layer].type == "Transpose"]
    return sum(int(np.prod(types[node.outputs["y"]].shape)) for node in moved)  # type: ignore[arg-type]


@pytest.mark.parametrize("start", range(0, COUNT, BLOCK))
def test_the_layout_pass_changes_no_number_of_a_random_graph(start: int) -> None:
    for seed in range(start, start + BLOCK):
        naive = random_bundle(seed)
        passed = channels_last.run(naive)
        assert _moved(passed) <= _moved(naive), f"seed {seed}: transposes move more elements than before"
        wanted = _predict(naive, optimised=False)
        for there in (passed, to_channels_last.run(passed, native_axes(TABLE))):
            problems = validate(there)
            assert not problems, f"seed {seed}: {problems.all()}"
            for optimised in (False, True):
                got = _predict(boundary.to_source_axes(there), optimised)
                for want, have in zip(wanted, got, strict=True):
                    error = np.abs(want - have).max(initial=0.0) / (np.abs(want).max(initial=0.0) + 1e-6)
                    assert error < 1e-5, f"seed {seed}: {error:.1e}"
