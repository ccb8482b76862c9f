"""LeNets trained and saved by real frameworks: what users have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.api import Runtime
from irconv.errors import Refused
from irconv.ir.validate import validate
from tests.helpers import (
    LENET_WEIGHTS,
    LENETS,
    Array,
    Case,
    datasets,
    error,
    in_onnxruntime,
    in_torch,
    lenet,
    name_of,
    read_case,
    rejection,
    turned,
    used_types,
)

LENET_ERROR = 1e-5
THEANO = lenet("keras2.2.4th-lenet4-h5")


def fingerprint(array: Array) -> float:
    """A number that depends on every element and on its place."""
    flat = array.ravel().astype(np.float64)
    return float(np.sum(flat * np.cos(np.arange(flat.size))))


def variables(source_tensors: dict[str, Array]) -> dict[str, Array]:
    """The framework's own names: paths without the groups of the file."""
    return {"/".join(name.split("/")[-2:]): array for name, array in source_tensors.items()}


def test_the_lenets_are_of_seven_framework_versions() -> None:
    assert len(LENETS) == 10
    assert len(LENET_WEIGHTS) == 1


@pytest.mark.parametrize("case", LENETS, ids=name_of)
def test_no_transpose_is_left(case: Case) -> None:
    assert "Transpose" not in used_types(read_case(case))


@pytest.mark.parametrize("case", LENETS, ids=name_of)
@pytest.mark.parametrize("runtime", ["numpy", "onnxruntime"])
def test_it_predicts_what_the_framework_predicted(case: Case, runtime: Runtime) -> None:
    got = irconv.run(read_case(case), case.inputs, runtime=runtime)
    assert error(list(got.values()), case.outputs) < LENET_ERROR


@pytest.mark.parametrize("case", LENETS, ids=name_of)
@pytest.mark.parametrize("optimised", [False, True])
def test_its_onnx_predicts_what_the_framework_predicted(case: Case, optimised: bool, tmp_path: Path) -> None:
    irconv.convert(case.model, tmp_path / "m.onnx", write_options=irconv.WriteOptions(io="source"))
    assert error(in_onnxruntime(tmp_path / "m.onnx", case.inputs, optimised), case.outputs) < LENET_ERROR


@pytest.mark.parametrize("case", LENETS, ids=name_of)
def test_its_pytorch_module_predicts_what_the_framework_predicted(case: Case, tmp_path: Path) -> None:
    graph = read_case(case).graph
    assert graph is not None
    irconv.convert(case.model, tmp_path / "m.py")
    got = in_torch(tmp_path / "m.py", turned(case.inputs, graph.inputs, "native"))
    assert error(got, case.outputs) < LENET_ERROR


@pytest.mark.parametrize("case", LENETS + LENET_WEIGHTS, ids=name_of)
def test_its_archive_gives_back_every_variable_of_the_framework(case: Case, tmp_path: Path) -> None:
    irconv.convert(case.model, tmp_path / "m.irconv")
    assert irconv.check(tmp_path / "m.irconv") == []
    tensors = irconv.read(tmp_path / "m.irconv").source_tensors()
    found = variables({name: tensor.numpy() for name, tensor in tensors.items()})
    wanted = case.described["var_dots"]
    assert {name: list(array.shape) for name, array in found.items()} == case.described["variables"]
    assert sorted(found) == sorted(wanted)
    for name, dot in wanted.items():
        assert abs(fingerprint(found[name]) - dot) < 1e-6 * (1 + abs(dot))


@pytest.mark.parametrize("case", LENETS, ids=name_of)
def test_the_bundle_keeps_all_its_promises(case: Case) -> None:
    assert validate(read_case(case)).all() == ()


@pytest.mark.parametrize("layer", ["conv2d_1", "conv2d_2"])
def test_kernels_of_theano_are_turned_by_180_degrees(layer: str) -> None:
    stored = datasets(THEANO.model)[f"model_weights/{layer}/{layer}/kernel"]
    kernel = read_case(THEANO).tensors[f"{layer}.kernel"].data.numpy()
    assert kernel.tobytes() == np.ascontiguousarray(np.flip(stored, (0, 1)).transpose(3, 2, 0, 1)).tobytes()


def test_matrices_of_theano_are_not_turned() -> None:
    stored = datasets(THEANO.model)["model_weights/dense_2/dense_2/kernel"]
    assert np.array_equal(read_case(THEANO).tensors["dense_2.kernel"].data.numpy(), stored.transpose())


def test_reading_a_theano_file_as_tensorflows_gives_clearly_other_predictions() -> None:
    read = irconv.read(THEANO.model, irconv.ReadOptions(backend="tensorflow"))
    got = irconv.run(read, THEANO.inputs, runtime="numpy")
    assert error(list(got.values()), THEANO.outputs) > 0.05
    told = "given by the user, against theano: the file's attribute 'backend'"
    assert [(fact.value, fact.evidence) for fact in read.source.facts[:1]] == [("tensorflow", told)]


@pytest.mark.parametrize("case", LENET_WEIGHTS, ids=name_of)
def test_weights_alone_are_groups_without_a_graph(case: Case) -> None:
    bundle = read_case(case)
    assert bundle.graph is None
    assert [group.name for group in bundle.groups] == ["conv2d_1", "conv2d_2", "dense_1", "dense_2"]
    assert {group.type for group in bundle.groups} == {None}
    assert {tensor.record.axes for tensor in bundle.tensors.values()} == {""}
    assert validate(bundle).all() == ()


@pytest.mark.parametrize("case", LENET_WEIGHTS, ids=name_of)
@pytest.mark.parametrize(
    ("suffix", "reason"),
    [
        (".onnx", "holds weights without a graph, and an ONNX model needs one"),
        (".py", "holds weights without a graph, so that their axes are not known"),
        (".safetensors", "holds weights without a graph, so that their axes are not known"),
    ],
)
def test_weights_alone_are_not_guessed_into_a_model(case: Case, suffix: str, reason: str, tmp_path: Path) -> None:
    assert reason in rejection(lambda: irconv.convert(case.model, tmp_path / f"m{suffix}"), Refused)
    assert list(tmp_path.iterdir()) == []
