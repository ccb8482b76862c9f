"""What is written loads in the real Keras without custom objects, and predicts what the source predicted."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import irconv
from irconv.api import Written
from irconv.errors import Refused
from irconv.frameworks.keras import functions
from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.dialect import DIALECTS, KERAS_3, Unsayable, spell
from irconv.frameworks.keras.outlined import Call, Outline, Outlined
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.adaptive_pooling import AdaptiveAveragePool, AdaptiveMaxPool
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.pooling import AveragePool
from irconv.ir.layers.tensor_ops import Pad
from irconv.ir.tensors import LazyTensor
from irconv.options import ReadOptions, WriteOptions
from irconv.passes.recompose import attention
from tests.frameworks.keras.test_files import CASES, KindOfFile, stored_arrays
from tests.helpers import (
    GOLDEN,
    GOLDEN_ERROR,
    ROOT,
    Array,
    Builder,
    Case,
    datasets,
    error,
    golden,
    name_of,
    numbers,
    read_case,
    rejection,
    turned,
    used_types,
)
from tests.helpers_cases import golden_files

WEIGHTS_ALONE = [case for case in CASES if "-weights-" in case.folder.name]

JUDGED = [case for case in GOLDEN if case.kind in ("conv_valid", "residual", "inception", "flatten_dense")]
JUDGED += [case for case in GOLDEN if case.kind in ("separable_conv", "batch_norm_4d", "depthwise_conv")]
JUDGED += [case for case in GOLDEN if case.kind in ("conv_channels_first", "flatten_dense_channels_first")]
JUDGED += [case for case in GOLDEN if case.kind in ("activations", "activations_keras3", "rescaling", "pools_1d")]
JUDGED += [case for case in GOLDEN if case.kind in ("shared_layer", "two_inputs_two_outputs", "scalar_ops")]
JUDGED += [case for case in GOLDEN if case.kind in ("recurrent_layers", "bidirectional", "max_pool_same")]

JUDGED += [case for case in GOLDEN if case.kind in ("noise", "one_hot", "masked_embedding", "attention_masked")]
JUDGED += [case for case in GOLDEN if case.kind in ("einsum_dense", "unit_normalization", "separable_conv1d")]
JUDGED += [case for case in GOLDEN if case.name in ("keras2.2.4-theano-conv2d_transpose", "keras3.15-ops_images")]
JUDGED += [case for case in GOLDEN if case.kind.startswith("conv_lstm")]

#: Flavour -> the dialect that its own files are in.
OWN_DIALECT = {"keras2.3.1": "2.3", "tf1.15": "1.15", "tf2.15": "2.15"}

#: Cases whose layers come back as others that do the same, and why.
WRITTEN_OTHERWISE = {
    **dict.fromkeys(("bidirectional", "bidirectional_layers", "bidirectional_states"), "joined where alike only"),
    **dict.fromkeys(("masked_cells", "masked_merges", "masked_recurrent"), "masks are values of the graph"),
    **dict.fromkeys(("masked_embedding", "masked_softmax", "masked_zero_output"), "masks are values of the graph"),
    **dict.fromkeys(("attention_masked", "multi_head_attention_masked"), "masks are values of the graph"),
    **dict.fromkeys(("time_distributed", "time_distributed_masked"), "layers act on all steps at once"),
    **dict.fromkeys(("recurrent_cells", "recurrent_cudnn"), "cells are layers; CuDNN's need a graphics card"),
    **dict.fromkeys(("spectral_normalization", "time_distributed_unknown_length"), "refused by name"),
    **dict.fromkeys(("permute", "merge_ranks", "dot", "one_axis", "softmax_axes"), "axes and norms are operators"),
    **dict.fromkeys(("activations", "activation_by_layer", "attention_scores"), "some activations are layers"),
    **dict.fromkeys(("center_crop", "discretization", "one_hot", "einsum_dense"), "their parts are layers"),
    **dict.fromkeys(("global_pools_keepdims", "normalization_whole", "normalization_layer"), "their parts are layers"),
    **dict.fromkeys(("upsampling_bilinear", "separable_conv1d"), "Keras 2.3.1 lacks the parts"),
}
KEPT_WHOLE = [
    case
    for case in GOLDEN
    if case.name.startswith(tuple(OWN_DIALECT))
    and case.kind not in WRITTEN_OTHERWISE
    and not case.kind.startswith(("mixed_", "pure_"))  # casts of the policy are layers
]


def _predicted(path: Path, case: Case, written: Written) -> list[Array]:
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    model = keras.models.load_model(path, compile=False)
    inputs = turned(case.inputs, written.inputs, "native")
    outputs = model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])
    listed = outputs if isinstance(outputs, list | tuple) else [outputs]
    keras.backend.clear_session()
    return turned([np.asarray(output) for output in listed], written.outputs, "source")


@pytest.mark.parametrize("case", JUDGED, ids=name_of)
def test_keras_3_loads_the_archive_and_predicts_the_same(case: Case, tmp_path: Path) -> None:
    written = irconv.write(read_case(case), tmp_path / "m.keras")
    assert error(_predicted(tmp_path / "m.keras", case, written), case.outputs) < GOLDEN_ERROR


@pytest.mark.parametrize("case", KEPT_WHOLE, ids=name_of)
def test_the_way_back_to_the_same_dialect_keeps_names_classes_and_weights(case: Case, tmp_path: Path) -> None:
    flavour = case.name.rsplit("-", 1)[0]
    options = WriteOptions(target_version=OWN_DIALECT[flavour])
    irconv.write(read_case(case), tmp_path / "m.h5", options)
    with h5py.File(case.model) as source, h5py.File(tmp_path / "m.h5") as made:
        wanted, got = (json.loads(file.attrs["model_config"]) for file in (source, made))
        assert (got["class_name"], got["config"]["name"]) == (wanted["class_name"], wanted["config"]["name"])
        assert _layers(got) == _layers(wanted)
        assert made["model_weights"].attrs["backend"] in (b"tensorflow", "tensorflow")
        assert sorted(_arrays(made["model_weights"])) == sorted(_arrays(source["model_weights"]))


def _layers(config: dict[str, Any]) -> list[tuple[str, str]]:
    entries = [(entry["class_name"], entry["config"]["name"]) for entry in config["config"]["layers"]]
    return [entry for entry in entries if entry[0] != "InputLayer"]


def _arrays(group: h5py.Group) -> list[bytes]:
    found: list[bytes] = []
    group.visititems(lambda _, item: found.append(item[()].tobytes()) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize("case", [c for c in JUDGED if c.inputs[0].ndim != 3], ids=name_of)
def test_the_archive_has_the_members_of_keras_and_the_same_bytes_each_time(case: Case, tmp_path: Path) -> None:
    for name in ("a.keras", "b.keras"):
        irconv.write(read_case(case), tmp_path / name)
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        assert json.loads(archive.read("metadata.json"))["keras_version"] == KERAS_3.version
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()


def test_the_oldest_dialect_that_can_say_the_model_is_chosen_and_said(tmp_path: Path) -> None:
    plain = irconv.write(read_case(golden("tf2.15-conv_valid")), tmp_path / "a.h5")
    grouped = irconv.write(read_case(golden("tf2.15-conv_groups")), tmp_path / "b.h5")
    assert (plain.dialect, grouped.dialect) == ("Keras 2.3.1", "tf.keras of TensorFlow 1.15")


def test_a_dialect_that_lacks_a_setting_is_refused_by_its_name(tmp_path: Path) -> None:
    bundle = read_case(golden("tf2.15-depthwise_conv1d"))
    text = rejection(lambda: irconv.write(bundle, tmp_path / "m.h5", WriteOptions(target_version="1.15")), Refused)
    assert "(Conv1D): Conv1D of tf.keras of TensorFlow 1.15 has no setting groups, which must be 3" in text
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_dialect_is_refused(tmp_path: Path) -> None:
    bundle = read_case(golden("keras2.3.1-conv_valid"))
    text = rejection(lambda: irconv.write(bundle, tmp_path / "m.h5", WriteOptions(target_version="2.9")), Refused)
    assert text == "--target-version 2.9: expected one of 2.3, 1.15, 2.4, 2.15."


def test_the_architecture_alone_is_what_to_json_gives(tmp_path: Path) -> None:
    irconv.write(read_case(golden("keras2.3.1-residual")), tmp_path / "model.json")
    said = json.loads((tmp_path / "model.json").read_text())
    assert (said["class_name"], said["keras_version"], said["backend"]) == ("Model", "2.3.1", "tensorflow")
    assert said["config"]["layers"][0]["class_name"] == "InputLayer"


@pytest.mark.parametrize("case", JUDGED, ids=name_of)
def test_weights_alone_load_into_the_architecture(case: Case, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    irconv.write(read_case(case), tmp_path / "m.keras")
    irconv.write(read_case(case), tmp_path / "m.weights.h5")
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    wanted = [np.asarray(weight) for weight in model.get_weights()]
    model.set_weights([np.zeros_like(weight) for weight in wanted])
    model.load_weights(tmp_path / "m.weights.h5")
    assert [w.tobytes() for w in map(np.asarray, model.get_weights())] == [w.tobytes() for w in wanted]
    keras.backend.clear_session()


def test_settings_are_spelt_as_each_version_spells_them() -> None:
    config = {"alpha": 0.3, "name": "a"}
    assert spell(KERAS_3, "LeakyReLU", config) == {"negative_slope": 0.3, "name": "a"}
    assert spell(DIALECTS[0], "LeakyReLU", config) == config
    assert spell(DIALECTS[0], "GlobalAveragePooling2D", {"keepdims": False}) == {}
    with pytest.raises(Unsayable, match="has no setting keepdims, which must be True"):
        spell(DIALECTS[0], "GlobalAveragePooling2D", {"keepdims": True})


def test_an_activation_that_means_something_else_in_keras_3_is_never_written_by_its_name() -> None:
    assert KERAS_3.activation("hard_sigmoid") is None
    assert KERAS_3.activation("hard_sigmoid_of_keras_3") == "hard_sigmoid"
    assert DIALECTS[0].activation("hard_sigmoid_of_keras_3") is None
    spelt = spell(KERAS_3, "LSTM", {"recurrent_activation": "hard_sigmoid"})["recurrent_activation"]
    assert [layer["class_name"] for layer in spelt["config"]["layers"]] == ["Rescaling", "ReLU"]


@pytest.mark.parametrize("case", WEIGHTS_ALONE, ids=lambda case: case.folder.name)
def test_weights_without_a_model_come_back_under_their_own_names(case: KindOfFile, tmp_path: Path) -> None:
    bundle = irconv.read(case.file, ReadOptions(backend=case.options.backend))
    assert bundle.graph is None
    irconv.write(bundle, tmp_path / "m.weights.h5")
    wanted, got = stored_arrays(case.file), stored_arrays(tmp_path / "m.weights.h5")
    assert set(wanted) - set(got) <= {omitted.name for omitted in bundle.omitted}
    assert {name: array.tobytes() for name, array in got.items()} == {name: wanted[name].tobytes() for name in got}


def test_what_a_model_was_compiled_with_comes_back_in_its_own_dialect(tmp_path: Path) -> None:
    case = golden("keras2.3.1-sequential_compiled")
    irconv.write(read_case(case), tmp_path / "m.h5", WriteOptions(target_version="2.3"))
    with h5py.File(case.model) as source, h5py.File(tmp_path / "m.h5") as made:
        wanted, got = (json.loads(file.attrs["training_config"]) for file in (source, made))
    assert got == wanted


def test_parameters_that_no_layer_holds_become_weights_of_layers(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    case = golden("keras3.15-einsum_dense")
    irconv.write(read_case(case), tmp_path / "m.keras")
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    made = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert made == sum(array.size for array in datasets(case.model, "model_weights").values())
    keras.backend.clear_session()


@pytest.mark.parametrize("name", ["onnx-gru-1", "onnx-keras-export-3", "onnx-tf2onnx-keras-12"])
def test_steps_before_samples_and_states_for_each_sample_load_and_predict_the_same(name: str, tmp_path: Path) -> None:
    """Axes that move the samples, a GRU with two biases that resets before the product, zeros as initial states."""
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    (file,) = [found for found in golden_files("onnx", "*.onnx") if found.path.parent.name == name]
    written = irconv.write(irconv.read(file.path), tmp_path / "m.keras", WriteOptions(merge=True))
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    inputs = turned(file.arrays("inputs"), written.inputs, "native")
    outputs = model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])
    keras.backend.clear_session()
    listed = outputs if isinstance(outputs, list | tuple) else [outputs]
    got = turned([np.asarray(output) for output in listed], written.outputs, "source")
    assert error(got, file.arrays("outputs")) < GOLDEN_ERROR


#: Programs of PyTorch with what Keras spells otherwise: PReLU, InstanceNorm, PixelShuffle, aligned corners, transposed
#: convolutions in groups or with steps and holes, averages that count their padding and round up.
PROGRAMS = (
    "bug-avgpool-ceil-1",
    "bug-in-stats",
    "bug-resize-one",
    "deconvs",
    "mobile-norms",
    "shuffle",
    "unet-upsample",
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_keras_3_predicts_what_pytorch_predicted(name: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    folder = ROOT / "fixtures" / "torch-programs" / f"torch213-{name}"
    given, wanted = ([np.load(path) for path in sorted(folder.glob(f"{kind}_*.npy"))] for kind in ("x", "y"))
    written = irconv.convert(folder / "model.pt2", tmp_path / "m.keras")
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    inputs = turned(given, written.inputs, "native")
    outputs = model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])
    listed = outputs if isinstance(outputs, list | tuple) else [outputs]
    keras.backend.clear_session()
    got = turned([np.asarray(output) for output in listed], written.outputs, "source")
    assert error(got, wanted) < GOLDEN_ERROR


def test_operators_of_tensorflow_go_back_to_hdf5_as_functions_of_it(tmp_path: Path) -> None:
    folder = ROOT / "fixtures" / "keras_reports" / "tf2.15-pieces"
    written = irconv.convert(folder / "model.h5", tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
    nodes = [layer["inbound_nodes"][0] for layer in layers if layer["config"].get("function") == "split"]
    cuts = [keywords["num_or_size_splits"] for *_, keywords in nodes]
    assert sorted(cuts) == [[1, -1], [2, 3, -1], [4, 2, -1]]
    got = irconv.run(tmp_path / "m.h5", [np.load(folder / "x_0.npy")])
    assert error(list(got.values()), [np.load(folder / f"y_{i}.npy") for i in range(2)]) < GOLDEN_ERROR
    assert written.dialect


def _padded(mode: str) -> Array:
    return np.pad(numbers(2, 3, 5, 4), ((0, 0), (1, 0), (2, 3), (0, 4)), mode=mode)


@pytest.mark.parametrize("version", ["1.15", "2.4", "2.15", None])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
def test_every_dialect_pads_as_the_mode_says(mode: str, version: str | None, tmp_path: Path) -> None:
    layer = Pad(pads=((0, 0), (1, 0), (2, 3), (0, 2)), mode=mode, value=0.0 if mode == "constant" else None)
    path = tmp_path / ("m.h5" if version else "m.keras")
    irconv.write(Builder(x=("N", 3, 5, 4)).add("y", layer, "x").build(), path, WriteOptions(target_version=version))
    wanted = np.pad(numbers(2, 3, 5, 4), layer.pads, mode=mode)
    assert np.array_equal(next(iter(irconv.run(path, [numbers(2, 3, 5, 4)]).values())), wanted)


def test_padding_that_cuts_off_is_a_slice(tmp_path: Path) -> None:
    layer = Pad(pads=((0, 0), (0, 0), (-2, 1), (1, -1)), mode="constant", value=0.5)
    bundle = Builder(x=("N", 3, 5, 4)).add("y", layer, "x").build()
    for name in ("m.h5", "m.keras"):
        irconv.write(bundle, tmp_path / name)
        got = next(iter(irconv.run(tmp_path / name, [numbers(2, 3, 5, 4).transpose(0, 2, 3, 1)]).values()))
        assert np.array_equal(got.transpose(0, 3, 1, 2), irconv.run(bundle, [numbers(2, 3, 5, 4)])["y"])


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_averages_that_count_padding_and_round_up_have_their_own_number_of_windows(name: str, tmp_path: Path) -> None:
    x = numbers(1, 3, 8, 9)
    settings = {"kernel": (3, 3), "stride": (3, 3), "padding": ((1, 1), (1, 1)), "ceil_mode": True}
    bundle = Builder(x=x.shape).add("y", AveragePool(**settings, count_padding=True), "x").build()
    wanted = irconv.run(bundle, [x])["y"]
    assert wanted.shape == (1, 3, 3, 4)
    irconv.write(bundle, tmp_path / name)
    got = next(iter(irconv.run(tmp_path / name, [x.transpose(0, 2, 3, 1)]).values()))
    assert error([got.transpose(0, 3, 1, 2)], [wanted]) < GOLDEN_ERROR


@pytest.mark.parametrize("mode", ["edge", "wrap"])
def test_padding_that_some_backends_lack_is_built_of_the_ends(mode: str, tmp_path: Path) -> None:
    layer = Pad(pads=((0, 0), (1, 0), (2, 3), (0, 4)), mode=mode, value=None)
    bundle = Builder(x=("N", 3, 5, 4)).add("y", layer, "x").build()
    for name in ("m.keras", "m.h5"):
        irconv.write(bundle, tmp_path / name)
        read = irconv.read(tmp_path / name)
        assert "Pad" not in used_types(read)
        assert np.array_equal(next(iter(irconv.run(read, [numbers(2, 3, 5, 4)]).values())), _padded(mode))
    assert np.array_equal(_run(tmp_path / "m.keras", numbers(2, 3, 5, 4)), _padded(mode))


@pytest.mark.parametrize("rank", [3, 4, 5])
@pytest.mark.parametrize("layer", [AdaptiveAveragePool, AdaptiveMaxPool])
def test_adaptive_pools_are_written_as_those_of_their_rank(layer: Any, rank: int, tmp_path: Path) -> None:
    x = numbers(2, 3, *(7, 6, 5)[: rank - 2])
    bundle = Builder(x=("N", *x.shape[1:])).add("y", layer(output_size=(3, 2, 4)[: rank - 2]), "x").build()
    irconv.write(bundle, tmp_path / "m.keras", WriteOptions(io="source"))
    assert f"Pooling{rank - 2}D" in zipfile.ZipFile(tmp_path / "m.keras").read("config.json").decode()
    wanted = irconv.run(bundle, [x])["y"]
    assert error([_run(tmp_path / "m.keras", x)], [wanted]) < GOLDEN_ERROR


def _run(path: Path, x: Array) -> Array:
    """What Keras makes of one input."""
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    found: Array = np.asarray(keras.models.load_model(path, compile=False)(x))
    keras.backend.clear_session()
    return found


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layers_may_be_called_as_irconv_calls_its_own_transposes(suffix: str, tmp_path: Path) -> None:
    conv = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding="same_upper")
    builder = Builder(x=("N", 3, 5, 6))
    builder.add("transpose_0231", conv, "x", kernel=numbers(4, 3, 2, 2), bias=numbers(4))
    builder.add("transpose_0312", conv, "transpose_0231", kernel=numbers(5, 4, 2, 2, seed=1), bias=numbers(5))
    bundle, written = builder.build(), tmp_path / f"m{suffix}"
    irconv.write(bundle, written)
    back, given = irconv.read(written), [numbers(2, 3, 5, 6, seed=2)]
    assert set(bundle.layers) <= set(back.layers)
    assert {type(back.layers[name]) for name in bundle.layers} == {Conv}
    wanted, *_ = irconv.run(bundle, given, io="native").values()
    found, *_ = irconv.run(back, given, io="native").values()
    assert error(found, wanted) < 1e-6


def test_a_number_that_fills_the_shape_of_a_value_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "run", lambda bundle: bundle)  # it stays written out
    source = ROOT / "fixtures" / "tensorflow" / "blocks" / "keras3.pb"
    irconv.convert(source, tmp_path / "m.keras")
    config = zipfile.ZipFile(tmp_path / "m.keras").read("config.json")
    assert b"FullLike" in config
    assert b'"subscripts": "abcd,aecd->acbe"' in config, "Keras 3 cannot load capitals where a size is open"
    before, back = irconv.read(source), irconv.read(tmp_path / "m.keras")
    assert before.graph is not None
    given = [numbers(*(size if isinstance(size, int) else 2 for size in p.shape)) for p in before.graph.inputs]
    wanted, *_ = irconv.run(before, given, io="native").values()
    found, *_ = irconv.run(back, given, io="native").values()
    assert error(found, wanted) < 1e-6


def test_inputs_with_batches_of_several_sizes_are_for_keras_3_alone(tmp_path: Path) -> None:
    bundle = Builder(x=(2, 3), y=(5, 3)).add("a", Relu(), "x").add("b", Relu(), "y").build("a", "b")
    text = rejection(lambda: irconv.write(bundle, tmp_path / "m.h5"), Refused)
    assert text.endswith(
        "its inputs have batches of x 2, y 5, and Keras before version 3 wants one size for all. "
        "Write .keras, or leave the size open with --input-shape."
    )
    irconv.write(bundle, tmp_path / "m.keras")
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert [tuple(value.shape) for value in model.outputs] == [(2, 3), (5, 3)]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
def test_models_two_models_deep_that_keras_2_3_saves_and_does_not_load_are_for_a_later_one(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="saves the model")
    x = keras.Input((9, 2), name="x")
    y = keras.layers.BatchNormalization(name="b")(keras.layers.Conv1D(3, 3, name="c")(x))
    model = keras.Model(x, y, name="net")
    for name in ("inner", "outer"):
        x = keras.Input((9, 2), name=f"{name}_x")
        model = keras.Model(x, model(x), name=name)
    model.save(tmp_path / "m.keras")
    bundle = irconv.read(tmp_path / "m.keras")
    assert irconv.write(bundle, tmp_path / "m.h5").dialect == "tf.keras of TensorFlow 1.15"
    text = rejection(lambda: irconv.write(bundle, tmp_path / "n.h5", WriteOptions(target_version="2.3")), Refused)
    assert text == (
        "model inner/net: Keras 2.3.1 does not load a model two models deep with weights that are not trained beside "
        "a Conv1D. Write for a later Keras, with --target-version 1.15."
    )


def test_attention_of_tf_keras_says_the_shapes_that_its_constructor_looks_for(tmp_path: Path) -> None:
    irconv.write(
        read_case(golden("keras3.15-multi_head_attention")), tmp_path / "m.h5", WriteOptions(target_version="2.15")
    )
    with h5py.File(tmp_path / "m.h5") as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
    said = [layer["config"] for layer in layers if layer["class_name"] == "MultiHeadAttention"]
    assert said
    assert all(config["query_shape"] is config["value_shape"] is config["key_shape"] is None for config in said)


def test_a_function_of_tf_keras_is_called_on_the_value_and_not_on_the_constant_before_it(tmp_path: Path) -> None:
    constant = LazyTensor.of(np.array([5, 1, 4], np.int64))
    call = Call([constant, Value("x")], (Value("y"),))
    model = Outline("m", [Outlined("ops.GreaterEqual", "ge", {}, {}, [call])], [Value("x")], [Value("y")], {})
    functions.mirror(model)
    assert (model.layers[0].kind, call.arguments) == ("ops.LessEqual", [Value("x"), constant])
