"""Every IR layer written for TensorFlow and run by it, against the framework that has the layer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import irconv
from irconv.containers.graph_def_read import read_graph
from irconv.errors import IrconvError
from irconv.frameworks.tensorflow.naming import valid
from irconv.ir.layers import MODULES
from irconv.options import WriteOptions
from tests.frameworks.tensorflow.running import in_graph
from tests.helpers import GOLDEN, ROOT, Case, error, limit, name_of, read_case
from tests.layers.harness import Case as LayerCase
from tests.layers.harness import bundle_of, difference
from tests.layers.test_layers import CASES, WITHOUT_CASES

TYPES = sorted(set(MODULES) - WITHOUT_CASES)
OPERATIONS = json.loads((ROOT / "fixtures/tensorflow/operations-1.15.json").read_text())
"""What TensorFlow 1.15 has of the operations that are written: name -> attributes."""

#: Type -> how many of its cases TensorFlow cannot express, and part of what is said.
REFUSED: dict[str, tuple[int, str]] = {
    "AffineGrid": (3, "TensorFlow has no layer for it"),
    "ArgMax": (1, "can only be written with"),
    "ArgMin": (1, "can only be written with"),
    "AveragePool": (6, "(AveragePool): "),
    "BitCast": (3, "TensorFlow has no layer for it"),
    "Conv": (1, "its padding theano_half depends on the input's size"),
    "CountUp": (2, "TensorFlow has no layer for it"),
    "DeformConv": (3, "(GridSample): TensorFlow has no layer for it"),
    "DFT": (4, "TensorFlow has no layer for it"),
    "EyeLike": (1, "TensorFlow has no layer for it"),
    "Fold": (3, "TensorFlow has no layer for it"),
    "GatherND": (1, "can only be written with batch_axes=0"),
    "GridSample": (7, "TensorFlow has no layer for it"),
    "LpPool": (5, "Pool): "),
    "MaxPool": (5, "(MaxPool): "),
    "MaxPoolWithIndices": (4, "(MaxPoolWithIndices): TensorFlow has no layer for it"),
    "ReduceAlong": (13, "TensorFlow has no layer for it"),
    "Resize": (8, "(Resize): "),
    "ScatterElements": (3, "can only be written with reduction='none'"),
    "ScatterND": (2, "can only be written with reduction='none'"),
    "Unique": (1, "TensorFlow has no layer for it"),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_layer_agrees_in_tensorflow_with_the_framework_that_has_it(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    refused: list[str] = []
    for case in (case for case in CASES if case.layer.type == name):
        try:
            irconv.write(bundle_of(case), tmp_path / "m.pb", WriteOptions(io="source", force=True))
        except IrconvError as refusal:
            refused.append(str(refusal))
            continue
        check(case, tmp_path / "m.pb")
    count, said = REFUSED.get(name, (0, ""))
    assert len(refused) == count, refused
    assert all(text.startswith("layer layer") and said in text for text in refused), refused


def check(case: LayerCase, path: Path) -> None:
    """The results of the framework, and operations that TensorFlow 1.15 has."""
    results = case.results()
    found = in_graph(path, list(case.inputs.values()), [valid(slot) for slot in results], optimised=False)
    worst = max(difference(got, want) for got, want in zip(found, results.values(), strict=True))
    assert worst <= max(case.tolerance, 2e-6), f"{case.name}: {worst:.1e}"
    graph = read_graph(path)
    for node in (*graph.nodes, *(node for function in graph.functions.values() for node in function.nodes)):
        assert set(node.attrs) <= set(OPERATIONS[node.op]), f"{case.name}: {node.op}"


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_what_keras_wrote_predicts_the_same_in_tensorflow(case: Case, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    written = irconv.write(read_case(case), tmp_path / "m.pb", WriteOptions(io="source"))
    outputs = [valid(port.name) for port in written.outputs]
    assert error(in_graph(tmp_path / "m.pb", case.inputs, outputs), case.outputs) < limit(case)


def test_sums_of_products_of_half_precision_are_of_float32_which_tensorflow_1_has_a_kernel_of(tmp_path: Path) -> None:
    (case,) = (case for case in GOLDEN if case.name == "keras3.15-mixed_attention")
    irconv.write(read_case(case), tmp_path / "m.pb")
    nodes = read_graph(tmp_path / "m.pb").nodes
    assert {node.attrs["T"] for node in nodes if node.op == "Einsum"} == {"float32"}
    assert {node.attrs["DstT"] for node in nodes if node.op == "Cast"} >= {"float16", "float32"}


@pytest.mark.parametrize("size", [(11, 3), (4, 9)], ids=str)
def test_images_of_known_sizes_are_resized_by_cubic_weights_as_pytorch_does(
    size: tuple[int, int], tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    module = torch.nn.Upsample(size=size, mode="bicubic")
    x = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(4))
    written = irconv.write(irconv.from_torch(module, (x,)), tmp_path / "m.pb", WriteOptions(io="source"))
    (found,) = in_graph(tmp_path / "m.pb", [x.numpy()], [valid(port.name) for port in written.outputs])
    assert difference(found, module(x).numpy()) < 1e-6
