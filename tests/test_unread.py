"""Models with layers that irconv has no rule for: shown whole, and a first plugin for them; older bundles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import irconv
from irconv import api
from irconv.cli import main
from irconv.codec import Native, NativeModel, NativeUse
from irconv.errors import Refused, UnknownFormat
from irconv.frameworks.keras.table import TABLE
from irconv.options import ReadOptions
from irconv.report.spelt import rows, skeleton
from tests.helpers import LENET, ROOT

OWN = ROOT / "fixtures" / "keras_foreign"
REGISTERED = OWN / "tf2.15-registered-h5" / "model.h5"
OLD = ROOT / "fixtures" / "bundles" / "1.0-dense_2d.irconv"
HOSTILE = 'x"; import os\n"""\nos.system("touch pwned")\r#\u2028\u202e\\'


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def spelt(path: Path) -> tuple[NativeModel, object] | None:
    try:
        return api.native(path)
    except Refused:
        return None


def test_inspect_shows_the_whole_model_with_the_layers_that_have_no_rule() -> None:
    found = run("inspect", REGISTERED)
    assert found.exit_code == 3
    assert found.stdout.splitlines() == [
        "layer  class     connected to  weights",
        "dense  my>Dense  input_1       kernel 5x3, bias 3  irconv has no rule for it",
    ]
    assert "irconv has no rule for Keras's my>Dense" in found.stderr


def test_a_model_that_is_refused_for_another_reason_is_not_shown() -> None:
    weights = LENET / "keras2.2.4-lenet4-weights-h5" / "weights.h5"
    found = run("inspect", weights, "--until", "nothing")
    assert found.exit_code == 3
    assert found.stdout == ""


def test_a_skeleton_raises_until_it_is_completed_and_then_computes(tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    assert run("plugin", REGISTERED, "-o", path).stdout == f"wrote {path}: 1 to complete: my>Dense\n"
    with pytest.raises(Refused, match="Dense: say what it is made of"):
        irconv.read(REGISTERED, ReadOptions(plugins=(path,)))
    text = path.read_text().replace(
        "        raise NotImplementedError",
        "        from irconv.ir.layers.matrix import MatMul\n        from irconv.ir.layers.tensor_ops import Add\n"
        "        f = Formula(self, given)\n"
        '        return f.ends(Add(), f(MatMul(), "x", f.operand("kernel")), f.operand("bias"))\n'
        "        raise NotImplementedError",
    )
    text = text.replace(
        'return {"y": given["x"]}', 'return {"y": ValueType(given["x"].dtype, (given["x"].shape[0], 3))}'
    )
    path.write_text(text)
    bundle = irconv.read(REGISTERED, ReadOptions(plugins=(path,)))
    x = np.random.default_rng(0).standard_normal((4, 5), np.float32)
    kernel, bias = (tensor.data.numpy() for tensor in bundle.tensors.values())
    (predicted,) = irconv.run(bundle, [x]).values()
    assert np.allclose(predicted, x @ kernel + bias, atol=1e-6)


@pytest.mark.parametrize("path", sorted(OWN.glob("*/model.*")), ids=lambda path: path.parent.name)
def test_every_skeleton_is_python_that_names_each_class(path: Path) -> None:
    found = spelt(path)
    if found is None:  # weights alone, or refused before layers are looked up, such as a cell of one's own
        assert run("plugin", path, "-o", path.parent / "no.py").exit_code == 3
        return
    text = skeleton(*found, path.name)  # type: ignore[arg-type]
    names: dict[str, object] = {}
    exec(compile(text, str(path), "exec"), names)
    marked = {row[1] for row in rows(*found) if row[4]}  # type: ignore[arg-type]
    if text:
        (codecs,) = names["CODECS"].values()  # type: ignore[attr-defined]
        assert {codec.native for codec in codecs} == marked


def test_a_skeleton_for_an_operator_of_onnx_is_completed_and_computes(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="writes the file")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    ports = [helper.make_tensor_value_info(name, number, ["N", 3]) for name in "xy"]
    node = helper.make_node("Scaled", ["w", "x"], ["y"], domain="acme", name="acme_1", alpha=0.5)
    weight = helper.make_tensor("w", number, [3], [1.0, -2.0, 4.0])
    graph = helper.make_graph([node], "g", ports[:1], ports[1:], [weight])
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    onnx.save(helper.make_model(graph, opset_imports=domains), tmp_path / "m.onnx")
    source, path = tmp_path / "m.onnx", tmp_path / "plugin.py"
    assert run("plugin", source, "-o", path).stdout == f"wrote {path}: 1 to complete: acme.Scaled\n"
    with pytest.raises(Refused, match="Scaled: say what it is made of"):
        irconv.read(source, ReadOptions(plugins=(path,)))
    text = path.read_text().replace(
        "        raise NotImplementedError",
        "        from irconv.ir.layers.tensor_ops import Mul\n"
        "        f = Formula(self, given)\n"
        '        return f.ends(Mul(), f(Mul(), "x", f.operand("w")), f.number(self.alpha))\n'
        "        raise NotImplementedError",
    )
    path.write_text(text)
    for target in ("m.irconv", "m.keras", "m.py"):  # the classes of a plugin are in none of them
        irconv.convert(source, tmp_path / target, ReadOptions(plugins=(path,)))
    x = np.array([[1.0, 3.0, 5.0]], "f4")
    (got,) = irconv.run(irconv.read(tmp_path / "m.irconv"), [x]).values()
    assert got.tolist() == [[0.5, -3.0, 10.0]]
    assert "acme.Scaled" in run("inspect", source).stdout


def test_a_hostile_name_stays_text_in_a_skeleton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layer = Native(HOSTILE, HOSTILE, {HOSTILE: HOSTILE, "units": 3, "nested": {HOSTILE: [HOSTILE]}})
    model = NativeModel({HOSTILE: layer}, (NativeUse(HOSTILE, ("x",), ("y",)),), (), ())
    names: dict[str, object] = {}
    exec(compile(skeleton(model, TABLE, HOSTILE), "plugin.py", "exec"), names)
    (codec,) = names["CODECS"]["keras"]  # type: ignore[index]
    assert codec.native == HOSTILE
    assert list(tmp_path.iterdir()) == []


def test_what_needs_no_plugin_or_can_have_none_is_said(tmp_path: Path) -> None:
    whole = run("plugin", LENET / "keras2.2.4-lenet4-h5" / "model.h5", "-o", tmp_path / "p.py")
    assert whole.exit_code == 3
    assert "every layer of it has a rule" in whole.stderr
    other = run("plugin", OLD, "-o", tmp_path / "p.py")
    assert other.exit_code == 3
    assert "expected a model of Keras, or a graph of ONNX" in other.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_of_an_older_format_is_written_in_todays(tmp_path: Path) -> None:
    found = run("upgrade", OLD, "-o", tmp_path / "new.irconv", "--json")
    today = json.loads((tmp_path / "new.irconv" / "manifest.json").read_text())["format"]
    assert json.loads(found.stdout) == {"files": [str(tmp_path / "new.irconv")], "before": "1.0", "after": today}
    assert irconv.check(tmp_path / "new.irconv") == []
    before, after = (irconv.read(path) for path in (OLD, tmp_path / "new.irconv"))
    assert before.source == after.source
    assert before.layers == after.layers
    for key, tensor in before.tensors.items():
        assert np.array_equal(tensor.data.numpy(), after.tensors[key].data.numpy())


def test_what_is_no_bundle_is_not_upgraded(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match="expected a bundle of irconv"):
        api.upgrade(REGISTERED, tmp_path / "new.irconv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_an_activation_of_ones_own_is_named_once_with_its_layers(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="writes the file")

    @keras.saving.register_keras_serializable("Mine")
    def wobble(x: object) -> object:
        return keras.ops.multiply(x, keras.ops.sigmoid(x))

    parts = [keras.layers.Dense(5, activation=wobble), keras.layers.Dense(4, activation=wobble)]
    keras.Sequential([keras.Input((3,)), *parts]).save(tmp_path / "m.keras")
    with pytest.raises(Refused) as refused:
        irconv.read(tmp_path / "m.keras")
    first, second = (part.name for part in parts)
    assert [str(problem) for problem in refused.value.problems] == [
        f"{tmp_path / 'm.keras'}: layer {first} (Dense) and 1 more ({second}): irconv has no rule for Activation with "
        "activation='Mine>wobble'. irconv does not guess: --plugin teaches it, --replace leaves it out, "
        "--until stops before it."
    ]
    (tmp_path / "p.py").write_text(
        "from irconv.codec import Codec\nfrom irconv.ir.layers import Silu\nfrom irconv.rows import Ignored, Selects\n"
        'CODECS = {"keras": [Codec("Activation", Silu, Ignored("name trainable dtype"), '
        'Selects("activation", "Mine>wobble"))]}\n'
    )
    bundle = irconv.read(tmp_path / "m.keras", ReadOptions(plugins=(tmp_path / "p.py",)))
    x = np.random.default_rng(0).standard_normal((4, 3), np.float32)
    model = keras.models.load_model(tmp_path / "m.keras")
    (got,) = irconv.run(bundle, [x]).values()
    assert np.abs(got - keras.ops.convert_to_numpy(model(x))).max() < 2e-6


def test_a_graph_that_takes_what_nothing_makes_and_one_without_outputs_are_said(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="writes the file")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    x, y = (helper.make_tensor_value_info(name, number, ["N", 3]) for name in "xy")
    for name, taken, outputs in (("nothing", "nope", [y]), ("open", "x", [])):
        graph = helper.make_graph([helper.make_node("Relu", [taken], ["y"])], "g", [x], outputs)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / f"{name}.onnx")
    nothing = run("convert", tmp_path / "nothing.onnx", tmp_path / "m.py").stderr
    assert nothing == "nothing.onnx: node y (Relu): takes nope, which nothing makes.\n"
    said = run("convert", tmp_path / "open.onnx", tmp_path / "m.py").stderr
    advice = "Say with --outputs which of its values they are."
    assert said == f"open.onnx: names no outputs, so that nothing is computed. {advice}\n"
    assert run("convert", tmp_path / "open.onnx", tmp_path / "m.py", "--outputs", "y").exit_code == 0
