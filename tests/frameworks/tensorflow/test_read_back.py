"""What irconv writes for TensorFlow, irconv reads: the same numbers, and recurrent layers where there were such."""

from __future__ import annotations

from pathlib import Path

import pytest

import irconv
from irconv.frameworks.tensorflow.naming import valid
from irconv.ir.bundle import Bundle
from irconv.ir.layers.recurrent_base import Recurrent
from irconv.options import ReadOptions, WriteOptions
from tests.helpers import ONE_OF_EACH, Case, error, limit, name_of, read_case

WRITTEN = tuple(ONE_OF_EACH)
LOOPED = {"constant_states", "masked_cells", "masked_recurrent", "recurrent_options"}
LOOPED |= {"conv_lstm", "conv_lstm_channels_first", "conv_lstm_even", "conv_lstm_ranks"}
"""Kinds with masks, states or convolutions, which are loops and no layers of their own when a graph is read."""


def read_back(written: irconv.Written, path: Path) -> Bundle:
    names = [tuple(valid(port.name) for port in ports) for ports in (written.inputs, written.outputs)]
    return irconv.read(path, ReadOptions(inputs=tuple(f"{name}:0" for name in names[0]), outputs=names[1]))


def recurrent(bundle: Bundle) -> list[str]:
    assert bundle.graph is not None
    layers = (bundle.layers[node.layer] for node in bundle.graph.nodes)
    return sorted(layer.type for layer in layers if isinstance(layer, Recurrent))


@pytest.mark.parametrize("case", WRITTEN, ids=name_of)
def test_a_graph_that_was_written_predicts_the_same_when_it_is_read(case: Case, tmp_path: Path) -> None:
    bundle = read_case(case)
    again = read_back(irconv.write(bundle, tmp_path / "m.pb", WriteOptions(io="source")), tmp_path / "m.pb")
    assert error(list(irconv.run(again, case.inputs).values()), case.outputs) < limit(case)
    if case.kind not in LOOPED:
        assert recurrent(again) == recurrent(bundle)


@pytest.mark.parametrize("suffix", [".ckpt", ".savedmodel"])
def test_layers_that_run_backwards_are_such_when_they_are_read(suffix: str, tmp_path: Path) -> None:
    case = next(case for case in WRITTEN if case.kind == "bidirectional")
    irconv.write(read_case(case), tmp_path / f"m{suffix}", WriteOptions(io="source"))
    again = irconv.read(tmp_path / f"m{suffix}")
    assert recurrent(again) == recurrent(read_case(case))
    assert error(list(irconv.run(again, case.inputs).values()), case.outputs) < limit(case)
