"""ONNX files: weights inside or beside, opsets, and what they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import irconv
from irconv.errors import OutputFailed, Refused
from irconv.frameworks.onnx import write
from irconv.ir.layers.activations import Gelu, Relu
from irconv.ir.layers.control import Opaque
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.normalisation import BatchNorm
from tests.helpers import (
    GOLDEN_ERROR,
    Builder,
    contents,
    error,
    golden,
    in_onnxruntime,
    numbers,
    read_case,
    rejection,
)

CASES = [
    "tf2.15-flatten_batchnorm_dense",
    "tf2.15-unknown_batch_and_size",
    "keras2.3.1-residual",
    "keras2.2.4-theano-residual_channels_first",
]


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_PROTOBUF_LIMIT", 1000)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("small_limit")
def test_weights_too_large_for_protobuf_lie_beside_the_model(name: str, tmp_path: Path) -> None:
    case = golden(name)
    written = irconv.write(read_case(case), tmp_path / "m.onnx", irconv.WriteOptions(io="source"))
    assert list(written.files) == [tmp_path / "m.onnx.data", tmp_path / "m.onnx"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    onnx.checker.check_model(tmp_path / "m.onnx", full_check=True)
    for optimised in (False, True):
        got = in_onnxruntime(tmp_path / "m.onnx", case.inputs, optimised)
        assert error(got, case.outputs) < GOLDEN_ERROR


@pytest.mark.usefixtures("small_limit")
def test_weights_beside_start_at_pages_and_are_the_weights_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    irconv.write(read_case(golden(CASES[0])), tmp_path / "beside.onnx")
    monkeypatch.undo()
    irconv.write(read_case(golden(CASES[0])), tmp_path / "inside.onnx")
    places = onnx.load(tmp_path / "beside.onnx", load_external_data=False).graph.initializer
    offsets = [int(entry.value) for place in places for entry in place.external_data if entry.key == "offset"]
    assert len(offsets) > 1
    assert {offset % 4096 for offset in offsets} == {0}
    assert all(place.external_data or len(place.raw_data) < 1024 for place in places)
    beside, inside = (onnx.load(tmp_path / f"{name}.onnx").graph.initializer for name in ("beside", "inside"))
    kept, wanted = ({t.name: (list(t.dims), t.raw_data) for t in tensors} for tensors in (beside, inside))
    assert kept == wanted


@pytest.mark.usefixtures("small_limit")
def test_a_data_file_that_is_there_is_not_replaced_without_force(tmp_path: Path) -> None:
    (tmp_path / "m.onnx.data").write_bytes(b"precious")
    text = rejection(lambda: irconv.write(read_case(golden(CASES[0])), tmp_path / "m.onnx"), OutputFailed)
    assert text == f"{tmp_path / 'm.onnx.data'}: exists already. Give --force to replace it."
    assert contents(tmp_path) == {f"{tmp_path.name}/m.onnx.data": b"precious"}


def test_the_lowest_opset_that_can_say_the_model_is_written(tmp_path: Path) -> None:
    for layer, opset in ((Relu(), 18), (Gelu(approximation="none"), 20)):
        file = tmp_path / f"{layer.type}.onnx"
        irconv.write(Builder(x=("N", 3)).add("y", layer, "x").build(), file)
        assert [(entry.domain, entry.version) for entry in onnx.load(file).opset_import] == [("", opset)]


@pytest.mark.parametrize("opset", [18, 19, 20, 21, 22, 23, 24])
def test_every_opset_offered_is_valid_and_runs(opset: int, tmp_path: Path) -> None:
    case, file = golden("tf2.15-residual"), tmp_path / "m.onnx"
    irconv.write(read_case(case), file, irconv.WriteOptions(opset=opset, io="source"))
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == opset
    assert error(in_onnxruntime(file, case.inputs, optimised=True), case.outputs) < GOLDEN_ERROR


def test_weights_are_named_by_their_keys_in_the_bundle(tmp_path: Path) -> None:
    irconv.write(read_case(golden("tf2.15-dense_2d")), tmp_path / "m.onnx")
    names = {tensor.name for tensor in onnx.load(tmp_path / "m.onnx").graph.initializer}
    assert names == {f"{layer}.{role}" for layer in ("dense", "dense_1", "dense_2") for role in ("kernel", "bias")}


def test_unknown_sizes_keep_their_names(tmp_path: Path) -> None:
    irconv.write(read_case(golden("tf2.15-unknown_batch_and_size")), tmp_path / "m.onnx")
    (port,) = onnx.load(tmp_path / "m.onnx").graph.input
    sizes = [dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim]
    assert sizes == ["N", 3, "H", "W"]
    assert port.doc_string == "axes NCHW"


def test_one_tensor_wanted_in_two_layouts_is_stored_in_both(tmp_path: Path) -> None:
    kernel = numbers(5, 5)
    builder = Builder(x=("N", 5), z=("N", 3, 5)).add("a", Linear(), "x", kernel=kernel)
    builder.layers["b"] = builder.layers["a"]
    bundle = builder.use("b", "z", result="b").build("a", "b")
    irconv.write(bundle, tmp_path / "m.onnx")
    onnx.checker.check_model(tmp_path / "m.onnx", full_check=True)
    x, z = numbers(2, 5, seed=3), numbers(2, 3, 5, seed=4)
    wanted = [x @ kernel.transpose(), z @ kernel.transpose()]
    assert error(in_onnxruntime(tmp_path / "m.onnx", [x, z], optimised=True), wanted) < 1e-6


def test_a_normalisation_without_gamma_and_beta_gets_ones_and_zeros(tmp_path: Path) -> None:
    statistics = {"mean": numbers(3), "variance": np.abs(numbers(3, seed=2))}
    builder = Builder(x=("N", 3)).add("bn", BatchNorm(epsilon=1e-3, momentum=None), "x", **statistics)
    irconv.write(builder.build(), tmp_path / "m.onnx")
    (node,) = onnx.load(tmp_path / "m.onnx").graph.node
    assert list(node.input) == ["x", "bn.gamma", "bn.beta", "bn.mean", "bn.variance"]


def test_all_layers_that_onnx_cannot_say_are_refused_at_once(tmp_path: Path) -> None:
    odd = Opaque(native_type="Odd", native_config={}, results={"y": ("float32", ("N", 3))})
    bundle = Builder(x=("N", 3)).add("a", odd, "x").add("b", Relu(), "a").add("c", odd, "b").build()
    text = rejection(lambda: irconv.write(bundle, tmp_path / "m.onnx"), Refused)
    first, second = text.splitlines()
    assert first.startswith("layer a (Opaque): ONNX has no layer for it. It was kept as it is, for a bundle alone: ")
    assert second.startswith("layer c (Opaque): ONNX has no layer for it. ")
    assert list(tmp_path.iterdir()) == []


def test_every_value_between_inputs_and_outputs_has_its_type_and_shape(tmp_path: Path) -> None:
    source = Path("fixtures/onnx/onnx-symbolic-1/model.onnx")
    irconv.convert(source, tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    said = {info.name: info.type.tensor_type for info in [*model.graph.value_info, *model.graph.output]}
    made = {name for node in model.graph.node for name in node.output if name}
    assert made == said.keys()
    assert all(kind.elem_type and kind.HasField("shape") for kind in said.values())
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    for info in inferred.graph.value_info:
        for ours, theirs in zip(said[info.name].shape.dim, info.type.tensor_type.shape.dim, strict=True):
            assert not (ours.dim_value and theirs.dim_value) or ours.dim_value == theirs.dim_value


@pytest.mark.parametrize("name", ["running/model.ckpt.meta", "recurrent/both.pb"])
def test_a_recurrent_layer_with_lengths_may_go_through_onnx_again_and_again(name: str, tmp_path: Path) -> None:
    source = Path("fixtures/tensorflow") / name
    previous = irconv.read(source)
    for turn in range(3):
        irconv.write(previous, tmp_path / f"m{turn}.onnx")
        onnx.checker.check_model(onnx.load(tmp_path / f"m{turn}.onnx"), full_check=True)
        previous = irconv.read(tmp_path / f"m{turn}.onnx")
    assert previous.graph is not None
    assert any("lengths" in node.inputs for node in previous.graph.nodes)
