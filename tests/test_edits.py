"""What the user changes on the way in: models cut short, layers left out, layers taught."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.codec import Codec, Native, NativeModel, NativeUse, NativeWeight, Table
from irconv.errors import MissingFact, Refused
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.convolution import Linear
from irconv.ir.tensors import LazyTensor
from irconv.options import ReadOptions
from irconv.rows import Weight
from irconv.translate import decode
from tests.helpers import GOLDEN_ERROR, ROOT, SOURCE, golden, numbers, port, rejection

TABLE = Table("Toy", [Codec("Affine", Linear, Weight("w", "kernel", "in out")), Codec("Ramp", Relu)])


def chain(*kinds: str) -> NativeModel:
    """Layers in a row, named a, b, c...; those of kind Affine and Odd have a weight of 3 x 3."""
    names = "abcdef"[: len(kinds)]
    weights = [
        {"w": NativeWeight(f"{n}/w", LazyTensor.of(numbers(3, 3)))} if k != "Ramp" else {}
        for n, k in zip(names, kinds, strict=True)
    ]
    layers = {n: Native(k, n, {}, w) for n, k, w in zip(names, kinds, weights, strict=True)}
    uses = tuple(NativeUse(n, (before,), (n,)) for before, n in zip("x" + names, names, strict=False))
    return NativeModel(
        layers, uses, (port("x", ("N", 3)),), (port(names[-1], ()),), {n: f"m: layer {n}" for n in names}
    )


def read(model: NativeModel, **wishes: object) -> Bundle:
    return decode(model, TABLE, SOURCE, "m", ReadOptions(**wishes))  # type: ignore[arg-type]


def outcome(bundle: Bundle) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    assert bundle.graph is not None
    types = [bundle.layers[node.layer].type for node in bundle.graph.nodes]
    return types, [p.value for p in bundle.graph.outputs], [(o.name, o.reason) for o in bundle.omitted]


def test_a_model_read_until_a_layer_ends_with_its_result_and_lists_the_weights_after_it() -> None:
    got = outcome(read(chain("Affine", "Ramp", "Odd"), until=("b",)))
    assert got == (["Linear", "Relu"], ["b"], [("c/w", "--until b")])


def test_a_replaced_layer_is_the_identity_and_its_weights_are_listed() -> None:
    got = outcome(read(chain("Affine", "Odd", "Ramp"), replace=("b=identity",)))
    assert got == (["Linear", "Identity", "Relu"], ["c"], [("b/w", "--replace b=identity")])


def test_inputs_that_only_the_cut_part_takes_are_gone() -> None:
    model = chain("Ramp", "Ramp")
    second = NativeUse("b", ("late",), ("b",))
    whole = NativeModel(
        model.layers, (model.uses[0], second), (*model.inputs, port("late", ("N", 2))), model.outputs, model.where
    )
    bundle = read(whole, until=("a",))
    assert bundle.graph is not None
    assert [p.name for p in bundle.graph.inputs] == ["x"]


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"until": ("z",)}, "--until z: expected the name of a layer, but the model has none of this name."),
        (
            {"replace": ("z=identity",)},
            "--replace z: expected the name of a layer, but the model has none of this name.",
        ),
        ({"replace": ("b=relu",)}, "--replace b=relu: expected LAYER=identity."),
        ({"replace": ("b",)}, "--replace b: expected LAYER=identity."),
    ],
)
def test_a_wish_that_does_not_fit_the_model_is_refused(wishes: dict[str, object], reason: str) -> None:
    assert rejection(lambda: read(chain("Affine", "Ramp"), **wishes), MissingFact) == reason


def test_a_layer_of_two_inputs_is_not_replaced_by_the_identity() -> None:
    model = NativeModel(
        {"sum": Native("Odd", "sum")}, (NativeUse("sum", ("x", "x"), ("y",)),), (port("x", ("N", 3)),), (port("y", ()),)
    )
    with pytest.raises(MissingFact, match="expected a layer of one input and one output"):
        read(model, replace=("sum=identity",))


@pytest.mark.parametrize("name", ["keras2.3.1-custom_layer", "keras3.15-custom_layer"])
def test_the_plugin_of_the_examples_teaches_a_layer_of_real_files(tmp_path: Path, name: str) -> None:
    case = golden(name)
    assert "irconv has no rule for Keras's Scale" in rejection(lambda: irconv.read(case.model), Refused)
    options = ReadOptions(plugins=(ROOT / "examples" / "scale_plugin.py",))
    irconv.convert(case.model, tmp_path / "m.irconv", options)
    got = irconv.run(tmp_path / "m.irconv", [np.load(case.folder / "x_0.npy")])
    wanted = np.load(case.folder / "y_0.npy")
    np.testing.assert_allclose(next(iter(got.values())), wanted, atol=GOLDEN_ERROR * float(np.abs(wanted).max()))


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("none.py", None, "expected a Python file that defines CODECS."),
        ("notes.txt", "CODECS = {}", "expected a Python file that defines CODECS."),
        ("empty.py", "", "expected CODECS = {framework: [Codec(...), ...]}."),
        ("list.py", "CODECS = {'toy': [1]}", "expected CODECS = {framework: [Codec(...), ...]}."),
    ],
)
def test_a_file_that_is_no_plugin_is_refused(tmp_path: Path, name: str, text: str | None, reason: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    error = rejection(lambda: read(chain("Ramp"), plugins=(path,)), MissingFact)
    assert error == f"--plugin {path}: {reason}"


_TEACHES_ONNX = """
from irconv.codec import Codec
from irconv.ir.layers import Silu
from irconv.rows import Fixed

CODECS = {"onnx": [Codec("my.ops.Swish", Silu, Fixed("beta", 1.0))]}
"""


def test_a_plugin_teaches_an_operator_of_another_domain_of_onnx(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="writes the file")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    ports = [helper.make_tensor_value_info(name, number, ["N", 4]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Swish", ["x"], ["y"], domain="my.ops", name="sw", beta=1.0)], "g", ports[:1], ports[1:]
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("my.ops", 1)]
    onnx.save(helper.make_model(graph, opset_imports=domains), tmp_path / "m.onnx")
    text = rejection(lambda: irconv.read(tmp_path / "m.onnx"), Refused)
    assert text == (
        "m.onnx: node sw (my.ops.Swish): irconv has no rule for Swish of my.ops. It has 1 inputs, 1 outputs and the "
        'settings beta=1.0. A plugin teaches it (--plugin) with a Codec("my.ops.Swish", ...) for "onnx".'
    )
    (tmp_path / "plugin.py").write_text(_TEACHES_ONNX)
    bundle = irconv.read(tmp_path / "m.onnx", plugins=tmp_path / "plugin.py")
    x = np.array([[-1.0, 0.0, 0.5, 2.0]], "f4")
    (got,) = irconv.run(bundle, [x]).values()
    assert np.abs(got - x / (1 + np.exp(-x))).max() < 1e-6


def theano(folder: Path, **wishes: object) -> Bundle:
    """x (N, 6) -> cut (dense, relu) -> rows, whose -1 is a half of what cut gives -> last (dense, tanh)."""
    np.savez(folder / "m.npz", W=numbers(6, 4), b=numbers(4), V=numbers(3, 2))
    layers: list[dict[str, object]] = [
        {"name": "cut", "kind": "dense", "inputs": ["x"], "arrays": {"W": "W", "b": "b"}, "activation": "relu"},
        {"name": "rows", "kind": "reshape", "inputs": ["cut"], "shape": [0, 2, -1]},
        {"name": "last", "kind": "dense", "inputs": ["rows"], "arrays": {"W": "V"}, "flatten_input": False},
    ]
    arch = {
        "format": "theano-arch/1",
        "inputs": [{"name": "x", "shape": [None, 6], "layout": "NC"}],
        "layers": layers,
        "outputs": [{"name": "y", "layer": "last"}],
    }
    (folder / "arch.json").write_text(json.dumps(arch))
    return irconv.read(folder / "m.npz", ReadOptions(arch=folder / "arch.json", **wishes))  # type: ignore[arg-type]


def test_what_a_layer_of_theano_becomes_follows_from_what_stands_for_the_layers_before_it(tmp_path: Path) -> None:
    text = rejection(lambda: theano(tmp_path), Refused)
    assert "layers.2 (layer 'last', dense): its inputs do not fit" in text
    types, values, omitted = outcome(theano(tmp_path, replace=("cut=identity",)))
    assert types == ["Identity", "Relu", "Reshape", "Linear"]
    assert (values, omitted) == (["last"], [("W", "--replace cut=identity"), ("b", "--replace cut=identity")])


def test_a_layer_of_theano_that_is_read_until_ends_with_its_activation(tmp_path: Path) -> None:
    bundle = theano(tmp_path, until=("rows", "cut"))
    assert outcome(bundle) == (
        ["Linear", "Relu", "Reshape"],
        ["rows", "cut.activation"],
        [("V", "--until rows --until cut")],
    )
    assert bundle.graph is not None
    assert [(port.name, port.shape) for port in bundle.graph.outputs] == [("rows", ("N", 2, 2)), ("cut", ("N", 4))]


@pytest.mark.parametrize(
    "wishes", [{"until": ("rows.flatten",)}, {"replace": ("rows.flatten=identity", "cut=identity")}], ids=str
)
def test_a_part_that_no_layer_of_theano_has_is_refused(wishes: dict[str, object], tmp_path: Path) -> None:
    text = rejection(lambda: theano(tmp_path, **wishes), MissingFact)
    flag = next(iter(wishes))
    assert text == f"--{flag} rows.flatten: expected the name of a layer, but the model has none of this name."
