"""--keep-opaque of graphs, programs and architectures: what irconv has no rule for is kept in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv import api
from irconv.errors import MissingFact, Refused, UnusedOption
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.control import Opaque
from irconv.passes import cut
from tests.helpers import GOLDEN_ERROR, ROOT, error, rejection

FOLDER = ROOT / "fixtures" / "opaque"
_GRAPH: dict[str, Any] = {"inputs": "x", "outputs": "y"}
_ARCH: dict[str, Any] = {"arch": FOLDER / "theano-arch.json"}

#: Name -> file, what else the reader is told, the layer, its type, its settings, and the shape of what it gives.
KEPT: dict[str, tuple[str, dict[str, Any], str, str, dict[str, Any], tuple[Any, ...]]] = {
    "onnx": ("noted.onnx", {}, "far", "com.microsoft.CDist", {"metric": "euclidean"}, ("N", 5)),
    "tensorflow": ("noted.pb", _GRAPH, "gamma", "Igamma", {"T": "float32"}, ("N", 4)),
    "torch-program": (
        "swirl.pt2",
        {},
        "swirl",
        "own.swirl.default",
        {"x": "x0", "angle": "x1", "turns": 3},
        ("s77", 5),
    ),
    "torchscript": ("swirl.pt", {"opaque_shape": "_0=3,5"}, "_0", "own.swirl", {"0": "x0", "1": "x1", "2": 3}, (3, 5)),
    "theano": ("theano-arrays.npz", {**_ARCH, "opaque_shape": "sorted=N,4"}, "sorted", "sort", {"axis": 1}, ("N", 4)),
}
#: What says that there is no rule where the option is not given.
REFUSALS = {
    "onnx": "irconv has no rule for CDist of com.microsoft",
    "tensorflow": "irconv has no rule for TensorFlow's Igamma",
    "torch-program": "irconv has no rule for torch.ops.aten.torch.ops.own.swirl.default",
    "torchscript": "calls ops.own.swirl, which irconv does not read",
    "theano": "got 'sort'",
}


def read(name: str, **more: Any) -> Bundle:
    file, told, *_ = KEPT[name]
    return irconv.read(FOLDER / file, **{**told, "keep_opaque": True, **more})


def golden(name: str) -> dict[str, np.ndarray[Any, Any]]:
    """What the framework computed."""
    return dict(np.load(FOLDER / f"{name.removesuffix('-program').removesuffix('script')}.npz"))


def kept(bundle: Bundle) -> tuple[Opaque, Node]:
    """The layer that was kept, and its use."""
    assert bundle.graph is not None
    (node,) = [node for node in bundle.graph.nodes if isinstance(bundle.layers[node.layer], Opaque)]
    layer = bundle.layers[node.layer]
    assert isinstance(layer, Opaque)
    return layer, node


@pytest.mark.parametrize("name", KEPT)
def test_what_has_no_rule_is_kept_with_its_settings_and_tensors(name: str, tmp_path: Path) -> None:
    _, _, named, native_type, settings, shape = KEPT[name]
    irconv.write(read(name), tmp_path / "m.irconv")
    assert api.check(tmp_path / "m.irconv") == []
    back = irconv.read(tmp_path / "m.irconv")
    layer, node = kept(back)
    said = {key: layer.native_config.get(key) for key in settings}  # an architecture's layers have their names, too
    assert (node.layer, layer.native_type, said) == (named, native_type, settings)
    assert layer.results == {"y": ("float32", shape)}
    assert any(np.array_equal(tensor.data.numpy(), golden(name)["beside"]) for tensor in back.tensors.values())
    (fact,) = [fact for fact in back.source.facts if fact.name == "opaque"]
    assert fact.value == f"{named}: {native_type}, gives float32 ({', '.join(map(str, shape))})"


@pytest.mark.parametrize("name", KEPT)
def test_what_is_before_and_after_it_computes_what_the_framework_did(name: str) -> None:
    bundle, wanted = read(name), golden(name)
    _, node = kept(bundle)
    constants = {value for one in bundle.graph.nodes for value in one.outputs.values() if not one.inputs}  # type: ignore[union-attr]
    (taken,) = set(node.inputs.values()) - constants
    (hidden,) = irconv.run(cut.run(bundle, (), (taken,)), [wanted["x"]]).values()
    assert error([hidden], [wanted["hidden"]]) < GOLDEN_ERROR
    (y,) = irconv.run(cut.run(bundle, (node.outputs["y"],), ()), [wanted["gives"]]).values()
    assert error([y], [wanted["y"]]) < GOLDEN_ERROR


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("suffix", [".onnx", ".py", ".keras", ".h5", ".ckpt", ".theano", ".pt2"])
def test_nothing_but_a_bundle_takes_it(name: str, suffix: str, tmp_path: Path) -> None:
    file, told, named, *_ = KEPT[name]
    text = rejection(lambda: irconv.convert(FOLDER / file, tmp_path / f"m{suffix}", keep_opaque=True, **told), Refused)
    assert f"layer {named} (Opaque): " in text
    assert "kept as it is, for a bundle alone: read the source again, and " in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", KEPT)
def test_without_the_option_it_is_refused_by_name(name: str) -> None:
    file, told, *_ = KEPT[name]
    rest = {key: value for key, value in told.items() if key != "opaque_shape"}
    assert REFUSALS[name] in rejection(lambda: irconv.read(FOLDER / file, **rest), Refused)


@pytest.mark.parametrize(
    ("file", "told", "named"),
    [
        ("silent.onnx", {}, "far"),
        ("silent.pb", {**_GRAPH, "input_shape": "x=N,6"}, "gamma"),
        ("swirl.pt", {}, "_0"),
        ("theano-arrays.npz", _ARCH, "sorted"),
    ],
)
def test_a_shape_that_no_file_says_is_asked_for(file: str, told: dict[str, Any], named: str) -> None:
    text = rejection(lambda: irconv.read(FOLDER / file, keep_opaque=True, **told), MissingFact)
    assert text.endswith(
        "and the file does not say the shape of what it gives. "
        f"Give --opaque-shape {named}=SIZES, such as N,7,8, in the axes of the source."
    )


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("onnx/onnx-constants-1/model.onnx", {}),
        ("torch-programs/torch213-bug-alias-1/model.pt2", {}),
        ("theano/pools/model.h5", {"arch": ROOT / "fixtures" / "theano" / "pools" / "arch.json"}),
    ],
)
def test_the_option_is_refused_where_everything_has_a_rule(file: str, told: dict[str, Any]) -> None:
    text = rejection(lambda: irconv.read(ROOT / "fixtures" / file, keep_opaque=True, **told), UnusedOption)
    assert "irconv has a rule for every layer" in text


_TEACHES = """
from irconv.rows import Fixed

CODECS = {"theano": [Codec("sort", Scale, Fixed("axis", 1), Weight("scale", "scale", "c"))]}
"""


def test_a_plugin_teaches_a_kind_of_layer_of_theano(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text((ROOT / "examples" / "scale_plugin.py").read_text() + _TEACHES)
    bundle, wanted = (
        irconv.read(FOLDER / "theano-arrays.npz", **_ARCH, plugins=tmp_path / "plugin.py"),
        golden("theano"),
    )
    (got,) = irconv.run(bundle, [wanted["x"]]).values()
    assert error([got], [np.maximum(wanted["hidden"] * wanted["beside"], 0)]) < GOLDEN_ERROR
