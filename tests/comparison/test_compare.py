"""One network compared with itself after something was done to it: that and nothing else is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import irconv
from irconv.ir.graph import Node
from irconv.ir.layers.convolution import Conv, Linear
from tests.comparison.pairs import (
    RESIDUAL,
    as_hdf5,
    as_safetensors,
    compared,
    network,
    next_number,
    statuses,
    with_layer,
    with_tensor,
)
from tests.helpers import Array, Builder, numbers


@pytest.mark.parametrize("name", ["b.keras", "b.h5", "b.safetensors", "b.pt", "b.irconv", "b.irconv.zip"])
def test_a_model_is_the_same_as_its_conversion(name: str, tmp_path: Path) -> None:
    irconv.convert(RESIDUAL, tmp_path / name)
    found = compared(RESIDUAL, tmp_path / name)
    assert statuses(found) == {}
    assert found.same
    assert sum(entry.status == ("equal",) for entry in found.report.tensors) == 22


def test_one_ulp_one_epsilon_and_one_name_are_reported_as_these_three() -> None:
    second = with_tensor(network(epsilon=1e-5, names={"after": "renamed"}), "fc2.kernel", next_number)
    found = compared(network(), second)
    assert statuses(found) == {
        "fc2.kernel": ("changed",),
        "after.kernel": ("renamed",),
        "after.bias": ("renamed",),
        "after": ("renamed",),
        "norm": ("changed",),
    }
    (kernel,) = (entry for entry in found.report.tensors if entry.name == "fc2.kernel")
    assert kernel.distance is not None
    assert (kernel.distance.max_ulp, kernel.distance.changed, kernel.distance.at) == (1, 1, (0, 4))
    (norm,) = (entry for entry in found.report.layers if entry.name == "norm")
    assert norm.settings == {"epsilon": (1e-3, 1e-5)}
    (renamed,) = (entry for entry in found.report.layers if entry.name == "after")
    assert (renamed.b, renamed.how) == ("renamed", "content")


def onnx_renamed(tmp_path: Path, node: str = "", tensors: str = "") -> Path:
    """The network as ONNX, with one node or its tensors renamed by hand, as an editor of graphs does."""
    path = tmp_path / f"{node}-{tensors}.onnx"
    irconv.write(network(), path)
    model = onnx.load(path)
    (conv,) = (found for found in model.graph.node if found.name == "after")
    conv.name = node or conv.name
    if tensors:
        for named in model.graph.initializer:
            named.name = named.name.replace("after.", f"{tensors}.")
        conv.input[1:] = [name.replace("after.", f"{tensors}.") for name in conv.input[1:]]
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("name", ["a.onnx", "a.keras", "a.irconv"])
def test_a_node_of_onnx_that_is_renamed_alone_is_a_renamed_layer(name: str, tmp_path: Path) -> None:
    irconv.write(network(), tmp_path / name)
    found = compared(tmp_path / name, onnx_renamed(tmp_path, node="other"))
    assert statuses(found) == {"after": ("renamed",)}
    assert [(entry.a, entry.b) for entry in found.report.layers if entry.differs] == [("after", "other")]


def test_a_node_and_its_tensors_renamed_are_told_by_their_names_in_the_file(tmp_path: Path) -> None:
    irconv.write(network(), tmp_path / "a.onnx")
    found = compared(tmp_path / "a.onnx", onnx_renamed(tmp_path, node="other", tensors="other"))
    assert statuses(found) == {"after": ("renamed",), "after.kernel": ("renamed",), "after.bias": ("renamed",)}
    assert [entry.renaming for entry in found.report.tensors if entry.differs] == [
        ("after.kernel", "other.kernel"),
        ("after.bias", "other.bias"),
    ]


def test_tensors_of_onnx_that_are_renamed_alone_are_renamed_and_their_layer_is_not(tmp_path: Path) -> None:
    irconv.write(network(), tmp_path / "a.onnx")
    found = compared(tmp_path / "a.onnx", onnx_renamed(tmp_path, tensors="other"))
    assert statuses(found) == {"after.kernel": ("renamed",), "after.bias": ("renamed",)}


def test_nodes_that_are_called_by_counters_are_not_renamed_layers(tmp_path: Path) -> None:
    path = tmp_path / "counted.onnx"
    irconv.write(network(), path)
    model = onnx.load(path)
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
    onnx.save(model, path)
    assert statuses(compared(network(), path)) == {}


def test_one_ulp_in_a_state_dict_is_found_at_its_canonical_place(tmp_path: Path) -> None:
    def change(arrays: dict[str, Array]) -> None:
        arrays["conv2d.weight"][3, 1, 2, 1] = np.nextafter(arrays["conv2d.weight"][3, 1, 2, 1], np.float32(9))

    found = compared(RESIDUAL, as_safetensors(RESIDUAL, tmp_path, change))
    assert statuses(found) == {"conv2d.kernel": ("changed",)}
    (kernel,) = (entry for entry in found.report.tensors if entry.name == "conv2d.kernel")
    assert kernel.distance is not None
    assert (kernel.distance.at, kernel.distance.max_ulp) == ((3, 1, 2, 1), 1)


def test_a_setting_in_a_keras_config_is_named_with_both_values(tmp_path: Path) -> None:
    def change(file: Any) -> None:
        text = file.attrs["model_config"]
        text = text if isinstance(text, str) else text.decode()
        assert text.count('"epsilon": 0.001') == 4
        file.attrs["model_config"] = text.replace('"epsilon": 0.001', '"epsilon": 0.0025', 1)

    found = compared(RESIDUAL, as_hdf5(RESIDUAL, tmp_path, change))
    assert statuses(found) == {"batch_normalization": ("changed",)}
    (norm,) = (entry for entry in found.report.layers if entry.differs)
    assert norm.settings == {"epsilon": (0.001, 0.0025)}


def test_two_layers_that_changed_places_are_not_taken_for_renamed() -> None:
    first = network()
    fc2, fc1 = first.tensors["fc2.bias"].data.numpy(), first.tensors["fc1.bias"].data.numpy()
    second = with_tensor(with_tensor(first, "fc1.bias", lambda _: fc2), "fc2.bias", lambda _: fc1)
    assert statuses(compared(first, second)) == {"fc1.bias": ("changed",), "fc2.bias": ("changed",)}


def test_names_that_count_layers_give_way_to_content_in_one_order() -> None:
    later = {"conv": "after", "after": "after_1", "fc1": "fc2", "fc2": "fc3", "norm": "norm_1"}
    first = network(names={"conv": "conv", "after": "after", "fc1": "fc1", "fc2": "fc2", "norm": "norm"})
    found = compared(first, network(names=later))
    assert {entry.status for entry in found.report.tensors} == {("renamed",)}
    renamed = {entry.a: entry.b for entry in found.report.layers if "renamed" in entry.status}
    assert renamed == later


def test_names_below_one_more_module_are_the_same_names(tmp_path: Path) -> None:
    def change(arrays: dict[str, Array]) -> None:
        for name in list(arrays):
            arrays[f"inner.net.{name}"] = arrays.pop(name) + (0 if "tracked" in name else np.float32(0.25))

    found = compared(as_safetensors(RESIDUAL, tmp_path), as_safetensors(RESIDUAL, tmp_path / "2", change))
    kinds = {(e.how, e.status) for e in found.report.tensors if "tracked" not in e.name}
    assert kinds == {("name", ("renamed", "changed"))}


def test_a_renamed_layer_that_was_trained_further_is_found_by_its_place() -> None:
    second = with_tensor(network(names={"after": "other"}), "other.kernel", lambda w: w + np.float32(1e-3))
    second = with_tensor(second, "other.bias", lambda w: w + np.float32(1e-3))
    assert statuses(compared(network(), second)) == {
        "after.kernel": ("renamed", "changed"),
        "after.bias": ("renamed", "changed"),
        "after": ("renamed",),
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.T, "the second is the first transposed"),
        (lambda w: w * np.float32(1.5), None),
    ],
)
def test_a_transposed_matrix_is_changed_and_called_transposed(change: Any, words: str | None) -> None:
    found = compared(network(), with_tensor(network(), "fc2.kernel", change))
    (kernel,) = (entry for entry in found.report.tensors if entry.differs)
    assert (kernel.name, kernel.status) == ("fc2.kernel", ("changed",))
    assert kernel.notes == ((words,) if words else ())


def test_a_kernel_turned_by_180_degrees_is_called_so() -> None:
    found = compared(network(), with_tensor(network(), "conv.kernel", lambda w: w[:, :, ::-1, ::-1]))
    (kernel,) = (entry for entry in found.report.tensors if entry.differs)
    assert kernel.notes == ("the second is the first with its kernel turned by 180 degrees",)


def test_rows_of_a_flatten_in_the_order_of_other_axes_are_called_so(tmp_path: Path) -> None:
    lenet = RESIDUAL.parents[2] / "lenet" / "tf2.15-lenet5-h5" / "model.h5"

    def change(arrays: dict[str, Array]) -> None:
        arrays["dense.weight"] = arrays["dense.weight"].reshape(120, 16, 5, 5).transpose(0, 2, 3, 1).reshape(120, 400)

    found = compared(lenet, as_safetensors(lenet, tmp_path, change))
    (kernel,) = (entry for entry in found.report.tensors if entry.differs)
    assert (kernel.name, kernel.status) == ("dense.kernel", ("changed",))
    assert kernel.notes == ("the second is the first with the rows of its Flatten in the order of other axes",)


def test_half_precision_is_another_type_and_says_that_it_is_rounded() -> None:
    found = compared(network(), with_tensor(network(), "fc1.kernel", lambda w: w.astype(np.float16)))
    (kernel,) = (entry for entry in found.report.tensors if entry.differs)
    assert (kernel.status, kernel.notes) == (("dtype",), ("float32 and float16: rounded, no more",))
    found = compared(network(), with_tensor(network(), "fc1.kernel", lambda w: w.astype(np.float64)))
    (kernel,) = (entry for entry in found.report.tensors if entry.differs)
    assert (kernel.status, kernel.notes) == (("dtype",), ("float32 and float64: the same values",))


def test_another_head_is_another_shape() -> None:
    second = with_tensor(network(), "fc2.kernel", lambda w: w[:7])
    second = with_tensor(second, "fc2.bias", lambda w: w[:7])
    found = compared(network(), second)
    assert statuses(found) == {"fc2.kernel": ("shape",), "fc2.bias": ("shape",)}
    (module,) = (module for module in found.report.modules if module.path == ("fc2",))
    assert module.verdict == "replaced"


def test_what_one_side_alone_has_is_missing_or_added(tmp_path: Path) -> None:
    def change(arrays: dict[str, Array]) -> None:
        del arrays["dense.bias"]
        arrays["extra.weight"] = np.ones((3, 4), np.float32)

    path = as_safetensors(RESIDUAL, tmp_path, change)
    assert statuses(compared(RESIDUAL, path)) == {
        "dense.bias": ("missing",),
        "extra.weight": ("added",),
        "extra": ("added",),
    }


def test_nan_is_the_same_as_nan_and_not_as_a_number() -> None:
    def planted(w: Array) -> Array:
        w.flat[3] = np.nan
        return w

    first = with_tensor(network(), "fc2.kernel", planted)
    assert compared(first, with_tensor(network(), "fc2.kernel", planted)).same
    found = compared(network(), first)
    (kernel,) = (entry for entry in found.report.tensors if entry.differs)
    assert kernel.distance is not None
    assert (kernel.distance.not_finite, kernel.distance.changed, kernel.distance.at) == ((0, 1), 1, (0, 3))


def test_an_operand_that_holds_what_its_absence_means_is_no_difference() -> None:
    def made(**bias: Array) -> Any:
        return Builder(x=("N", 4)).add("fc", Linear(), "x", kernel=numbers(3, 4), **bias).build()

    found = compared(made(), made(bias=np.zeros(3, np.float32)))
    assert found.same
    (bias,) = (entry for entry in found.report.tensors if entry.name == "fc.bias")
    assert bias.notes == ("all of it is 0, which its absence means",)
    assert statuses(compared(made(), made(bias=np.full(3, 0.1, np.float32)))) == {"fc.bias": ("added",)}


def test_within_the_tolerance_is_close_and_the_same() -> None:
    second = with_tensor(network(), "fc2.kernel", lambda w: w * np.float32(1 + 1e-4))
    found = compared(network(), second, rtol=1e-3)
    assert found.same
    assert [entry.status for entry in found.report.tensors if entry.name == "fc2.kernel"] == [("close",)]
    assert not compared(network(), second, rtol=1e-5).same
    assert compared(network(), second, atol=1e-3).same


def test_a_kind_of_difference_that_is_ignored_does_not_count() -> None:
    second = network(names={"after": "renamed"})
    assert not compared(network(), second).same
    assert compared(network(), second, ignore=("renamed",)).same
    assert not compared(network(), with_layer(second, "norm", epsilon=0.5), ignore=("renamed",)).same


def test_a_layer_that_takes_another_value_is_rewired() -> None:
    first = network()
    assert first.graph is not None
    nodes = tuple(
        n if n.layer != "after" else n.model_copy(update={"inputs": {"x": "norm"}}) for n in first.graph.nodes
    )
    from dataclasses import replace

    second = replace(first, graph=first.graph.model_copy(update={"nodes": nodes}))
    found = compared(first, second)
    assert statuses(found) == {"after": ("changed",)}
    (layer,) = (entry for entry in found.report.layers if entry.differs)
    assert layer.inputs == ("takes relu, and norm on the second side",)


def test_padding_is_compared_by_what_it_means() -> None:
    assert compared(network(), with_layer(network(), "conv", padding="same_upper")).same
    found = compared(network(), with_layer(network(), "conv", padding=((1, 1), (2, 0))))
    assert statuses(found) == {"conv": ("changed",)}


def test_frozen_fine_tuned_and_replaced_parts_are_told_apart() -> None:
    second = with_tensor(network(), "after.kernel", lambda w: w + np.float32(1e-3) * numbers(*w.shape, seed=50))
    second = with_tensor(second, "fc2.kernel", lambda w: numbers(*w.shape, seed=51))
    second = with_tensor(second, "fc2.bias", lambda w: numbers(*w.shape, seed=52))
    second = with_tensor(second, "norm.mean", lambda w: w + np.float32(0.1))
    found = compared(network(), second)
    verdicts = {module.path: module.verdict for module in found.report.modules}
    assert verdicts["conv",] == verdicts["fc1",] == "frozen"
    assert verdicts["after",] == "fine-tuned"
    assert verdicts["fc2",] == "replaced"
    assert verdicts["norm",] == "statistics"
    assert verdicts[()] == "mixed"


def test_a_convolution_whose_kernel_is_computed_is_compared() -> None:
    builder = Builder(x=("N", 3, 8, 8), k=(4, 3, 2, 2))
    builder.layers["c"] = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding=((0, 0), (0, 0)))
    builder.nodes.append(Node(layer="c", scope="", inputs={"x": "x", "kernel": "k"}, outputs={"y": "c"}))
    bundle = builder.build("c")
    assert irconv.diff(bundle, bundle).same
