"""Laws of the Keras table, on every native layer that the golden files hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np
import pytest

import irconv
from irconv.codec import Codec, Draft, Given, Native, NativeWeight, Table, Workpiece
from irconv.errors import Refused
from irconv.frameworks.keras import graph_ops
from irconv.frameworks.keras.composites.graph_ops import GRAPH_OPS
from irconv.frameworks.keras.table import TABLE
from irconv.frameworks.keras.table.identity import TRAINING_ALONE
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.tensor_ops import Identity
from irconv.ir.layers.training import Augmentation
from irconv.ir.tensors import LazyTensor
from irconv.layout import permutation, relayout
from tests.helpers import GOLDEN, GOLDEN_ERROR, Array, Case, error, golden, name_of, rejection


@dataclass(frozen=True)
class Seen:
    """A native layer that was decoded, and what came of it."""

    native: Native
    given: Sequence[Given | None]
    layer: Layer
    draft: Draft

    @property
    def rank(self) -> int:
        return len(self.given[0].type.shape) if self.given and self.given[0] else 0

    @property
    def codec(self) -> Codec:
        return TABLE.supports(self.native, "here")


@cache
def layers_of(case: Case) -> tuple[Seen, ...]:
    """The native layers of a golden file, as reading it hands them to the table."""
    found: list[Seen] = []
    decode = Table.decode

    def watched(table: Table, native: Native, given: Sequence[Given | None], where: str) -> tuple[Layer, Draft]:
        layer, draft = decode(table, native, given, where)
        found.append(Seen(native, given, layer, draft))
        return layer, draft

    with patch.object(Table, "decode", watched):
        irconv.read(case.model)
    return tuple(found)


def encoded(seen: Seen) -> Native:
    """The native layer that the same codec makes of the IR layer."""
    data: dict[str, NativeWeight] = {}
    types = {slot: value.type for slot, value in zip(seen.layer.SLOTS, seen.given, strict=False) if value is not None}
    for slot in list(types):
        for before in seen.draft.before.get(slot, ()):
            types[slot] = before.infer({"x": types[slot]})["y"]
        if slot in seen.draft.input_axes:
            dtype, shape = types[slot]
            order = permutation(*seen.draft.input_axes[slot], len(shape))
            types[slot] = ValueType(dtype, tuple(shape[axis] for axis in order))
    for role, mapped in seen.draft.mapped.items():
        lazy = mapped.weight.data
        for step in mapped.steps:
            lazy = lazy.relayout(relayout(step.source, step.target, lazy.shape, step.orders, step.sizes))
        data[role] = NativeWeight(role, lazy)
        types[role] = ValueType(lazy.dtype, lazy.shape)
    for role, literal in seen.draft.literals.items():
        lazy = LazyTensor.of(np.asarray(literal.literal, np.float32))
        data[role] = NativeWeight(role, lazy, literal=True)
        types[role] = ValueType(lazy.dtype, lazy.shape)
    return seen.codec.encode(seen.layer, seen.native.name, data, types)


CREATED = {"count", "vector_u"}
"""Tensors of training alone, which are listed as left out and written anew."""


def same_setting(name: str, got: Any, read: Any, rank: int) -> bool:
    """Whether a setting means what was read; the axes of activations are the bundle's business, not the codec's."""
    if name == "data_format":
        return got == "channels_last"
    if name in ("kernel_order", "recurrent_order"):
        return got == "correlation"
    if name in ("alpha_order", "window_order"):
        return got == "channels_last"
    if name == "axes" and isinstance(got[0], list):  # a product along the last axis and the first
        return got == read or (read, [len(axes) for axes in got]) == (1, [1, 1])
    if name == "axes":  # one axis of each of two values, or one of both
        both = [read, read] if isinstance(read, int) else read
        return all(one == other or other < 0 for one, other in zip(got, both, strict=True))
    if name == "key":  # an index is a slice and a Squeeze after it, and axes that are left out are whole slices
        return [entry for entry in got if entry is None] == [entry for entry in read if entry is None] or None in read
    if name in ("source", "destination"):  # the same permutation, said of every axis
        return sorted(got) == list(range(rank))
    if name in ("pool_size", "strides", "shift") and not isinstance(
        read, list
    ):  # one number for all axes; None is the window
        return read is None or got == [read] * len(got)
    if name == "shared_axes":  # those of channels-first slopes are other numbers when written
        return len(got or []) == len(read or [])
    if read is None and name == "epsilon":
        return bool(got == 1e-7)
    if name == "axis":
        one, other = (value if isinstance(value, list) else [value] for value in (got, read))
        wide = rank + len(one)  # new axes are counted in the result
        return got == -1 or any([a % r for a in one] == [a % r for a in other] for r in (rank, wide))
    if name == "target_shape" and -1 in read:  # a size that the input decides
        return len(got) == len(read) and all(a in (b, -1) or b == -1 for a, b in zip(got, read, strict=True))
    if isinstance(read, float):
        return np.float32(got) == np.float32(read)
    return bool(got == read)


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_encoding_gives_back_the_settings_that_decoding_read(case: Case) -> None:
    for seen in layers_of(case):
        back = encoded(seen)
        assert back.type == seen.native.type
        for name, got in back.config.items():
            if name in seen.native.config:
                read = seen.native.config[name]
                assert same_setting(name, got, read, seen.rank), f"{seen.native.name}: {name} {read!r} -> {got!r}"


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_encoding_gives_back_every_tensor_bit_for_bit(case: Case) -> None:
    for seen in layers_of(case):
        back = encoded(seen)
        assert sorted(back.tensors) == sorted(seen.native.tensors)
        for name, weight in seen.native.tensors.items():
            wanted = weight.data.numpy()
            order = {"kernel": "kernel_order", "recurrent_kernel": "recurrent_order"}.get(name, "")
            if seen.native.config.get(order) == "convolution":
                wanted = np.flip(wanted, tuple(range(wanted.ndim - 2)))  # written for one that does not turn them
            if name == "alpha" and seen.native.config.get("alpha_order") == "channels_first":
                wanted = np.moveaxis(wanted, 0, -1)
            if name in CREATED:
                continue
            got = back.tensors[name].data.numpy()
            assert (got.dtype, got.shape, got.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_every_setting_of_a_native_layer_is_understood_or_known_to_be_of_no_effect(case: Case) -> None:
    for seen in layers_of(case):
        unknown = Native(seen.native.type, "odd", {**seen.native.config, "warp": 9}, seen.native.tensors)
        text = rejection(lambda unknown=unknown, seen=seen: TABLE.decode(unknown, seen.given, "here"), Refused)
        assert text == "here: irconv does not know setting warp=9. It would be lost."


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_a_tensor_that_no_row_knows_is_refused(case: Case) -> None:
    for seen in layers_of(case):
        extra = (
            NativeWeight("odd/extra:0", next(iter(seen.native.tensors.values())).data) if seen.native.tensors else None
        )
        if extra is not None:
            odd = Native(seen.native.type, "odd", seen.native.config, {**seen.native.tensors, "extra": extra})
            text = rejection(lambda odd=odd, seen=seen: TABLE.decode(odd, seen.given, "here"), Refused)
            assert text == "here: irconv does not know tensor extra. It would be lost."
    assert layers_of(case)


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_every_field_and_every_operand_comes_from_exactly_one_row(case: Case) -> None:
    for seen in layers_of(case):
        work = Workpiece(dict(seen.native.config), dict(seen.native.tensors))
        draft = Draft(seen.codec.layer, "here", given=[value.type for value in seen.given if value is not None])
        fields: list[str] = []
        roles: list[str] = []
        for row in seen.codec.rows:
            known = set(draft.fields), set(draft.mapped)
            before = dict(draft.fields)
            row.decode(work, draft)
            fields += set(draft.fields) - known[0]
            roles += set(draft.mapped) - known[1]
            assert all(draft.fields[name] == value for name, value in before.items())
        assert sorted(fields) == sorted(set(seen.layer.settings()))
        assert sorted(roles) == sorted(seen.draft.mapped)
        assert set(roles) <= set(seen.layer.PARAMETERS)


def described(codec: Codec) -> str:
    knobs = [f"{knob}={value!r}" for knob, value in (row.selecting for row in codec.rows if row.selecting)]
    return f"{codec.native}({', '.join(knobs)}) -> {codec.layer.__name__}"


#: Codecs that no golden file reaches, each with the test of this file that reaches it through an edited file.
WITHOUT_A_FILE = {
    "ReLU(max_value=None, threshold=0.0) -> LeakyRelu": "the golden ReLU layers all have settings",
    "Resizing(antialias=False, interpolation='bicubic_of_torch') -> Resize": "test_backends has its golden file",
    "UpSampling2D(interpolation='bicubic_of_torch') -> Resize": "test_backends has its golden file",
    **dict.fromkeys(("ops.Shape() -> ShapeOf", "ops.Arange() -> Range", "ops.Full() -> Full"), "test_reports has them"),
    "ops.Cumprod() -> CumProd": "test_reports has it",
    **dict.fromkeys(
        ("PeepholeLSTM() -> LSTM", "LayerNormLSTM() -> LayerNormLSTM", "LayerNormSimpleRNN() -> LayerNormRNN"),
        "test_packages has them",
    ),
    "NAS() -> NASRNN": "test_packages has it",
    **dict.fromkeys(
        ("ops.SimplexSparsemax() -> Sparsemax", "numbers() -> Constant", "ops.Conv() -> Conv"), "test_packages has them"
    ),
}


#: Augmentation of Keras 3, whose HDF5 files it cannot write; and of what is no image.
_AUGMENTATIONS = sorted({codec.native for codec in TABLE.codecs if codec.layer is Augmentation})
_WITH_A_FILE = (
    *("RandomBrightness", "RandomContrast", "RandomCrop", "RandomFlip", "RandomHeight", "RandomRotation"),
    *("RandomTranslation", "RandomWidth", "RandomZoom"),
)
WITHOUT_A_FILE |= {f"{kind}() -> Identity": "test_augmentation_is_the_identity" for kind in _AUGMENTATIONS}
WITHOUT_A_FILE |= {
    f"{kind}() -> Augmentation": "test_augmentation_is_the_identity"
    for kind in _AUGMENTATIONS
    if kind not in _WITH_A_FILE
}


def test_every_codec_is_exercised_by_a_golden_file() -> None:
    used = {id(seen.codec) for case in GOLDEN for seen in layers_of(case)}
    unused = {described(codec) for codec in TABLE.codecs if id(codec) not in used}
    assert unused <= set(WITHOUT_A_FILE), "a codec without a golden file: have the real framework write one"
    assert set(WITHOUT_A_FILE) <= unused, "a golden file reaches these now: take them off the list"


def entry(kind: str, **settings: Any) -> dict[str, Any]:
    """A layer as a model_config lists it."""
    names = {"name": "y", "trainable": True, "dtype": "float32"}
    return {"class_name": kind, "config": {**names, **settings}, "name": "y"}


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (entry("ReLU", max_value=None, negative_slope=0.0, threshold=0.0), lambda x: np.maximum(x, 0)),
        (entry("ReLU", max_value=None, negative_slope=0.25, threshold=0.0), lambda x: np.where(x > 0, x, x / 4)),
        (
            {"class_name": "Activation", "config": {"name": "y", "activation": "silu"}, "name": "y"},
            lambda x: x / (1 + np.exp(-x)),
        ),
    ],
    ids=["relu", "leaky relu", "silu"],
)
def test_layers_that_no_golden_file_holds_compute_their_formula(
    layer: dict[str, Any], formula: Callable[[Array], Array], tmp_path: Path
) -> None:
    case, path = golden("tf2.15-activation_layers"), tmp_path / "m.h5"
    shutil.copyfile(case.model, path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        body = config["config"]
        first = body["layers"][0]
        body["layers"] = [first, {**layer, "inbound_nodes": [[[first["name"], 0, 0, {}]]]}]
        body["output_layers"] = [["y", 0, 0]]
        file.attrs["model_config"] = json.dumps(config)
    got = irconv.run(path, case.inputs, runtime="numpy")
    assert error(list(got.values()), [formula(case.inputs[0]).astype(np.float32)]) < GOLDEN_ERROR


# refusals, each by an edit of one golden setting -------------------------------------------------------------------


def edited(case: str, kind: str, **settings: Any) -> Callable[[], object]:
    """Decoding the first layer of a type in a golden file with some settings changed."""
    seen = next(seen for seen in layers_of(golden(case)) if seen.native.type == kind)
    native = Native(kind, seen.native.name, {**seen.native.config, **settings}, seen.native.tensors)
    return lambda: TABLE.decode(native, seen.given, "here")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (
            edited("tf2.15-conv_valid", "Conv2D", padding="causal"),
            "here: padding: expected valid or same, got 'causal'.",
        ),
        (edited("tf2.15-conv_valid", "Conv2D", filters=6), "here: filters is 6, but the weights say 5."),
        (
            edited("tf2.15-conv_valid", "Conv2D", kernel_size=[2, 3]),
            "here: kernel_size is [2, 3], but the weights say [3, 2].",
        ),
        (edited("tf2.15-conv_valid", "Conv2D", use_bias=False), "here: use_bias is False, but the file has a bias."),
        (edited("tf2.15-conv_no_bias", "Conv2D", use_bias=True), "here: use_bias is True, but the file has no bias."),
        (
            edited("tf2.15-conv_valid", "Conv2D", data_format="sideways"),
            "here: expected data_format to be one of 'channels_last', 'channels_first', got 'sideways'.",
        ),
        (edited("tf2.15-dense_2d", "Dense", units=4), "here: units is 4, but the weights say 5."),
        (
            edited("tf2.15-batch_norm_4d", "BatchNormalization", renorm=True),
            "here: expected renorm=False, got True, which irconv cannot carry over.",
        ),
        (
            edited("tf2.15-batch_norm_4d", "BatchNormalization", axis=0),
            "here: expected axis to name an axis of a value of rank 4, got 0.",
        ),
        (
            edited("tf2.15-batch_norm_4d", "BatchNormalization", axis=[1, 2]),
            "here: expected axis to name an axis of a value of rank 4, got [1, 2].",
        ),
        (
            edited("tf2.15-batch_norm_4d", "BatchNormalization", scale=False),
            "here: scale is False, but the file has a gamma.",
        ),
        (
            edited("tf2.15-concatenate_width", "Concatenate", axis=4),
            "here: expected axis between -4 and 3, got 4.",
        ),
        (
            edited("tf2.15-activations", "Activation", activation="wobble"),
            "here: irconv has no rule for Activation with activation='wobble'.",
        ),
    ],
)
def test_a_setting_that_would_change_the_result_is_refused(call: Callable[[], object], reason: str) -> None:
    assert rejection(call, Refused) == reason


@pytest.mark.parametrize("kind", _AUGMENTATIONS)
def test_augmentation_is_the_identity(kind: str) -> None:
    settings = {"name": "y", "trainable": True, "seed": 7, "factor": [0.1, 0.3], "data_format": "channels_last"}
    known = {"name", "trainable", *TRAINING_ALONE[kind].split()}
    config = {name: value for name, value in settings.items() if name in known}
    for shape, wanted in ((("N", 9, 8, 3), Augmentation), (("N", 9, 8), Identity)):
        native = Native(kind, "y", dict(config))
        layer, draft = TABLE.decode(native, [Given("", ValueType("float32", shape))], "here")
        assert (type(layer), draft.input_axes, draft.mapped) == (wanted, {}, {})


def test_every_op_that_is_written_for_tensorflow_1_is_read() -> None:
    assert {op.name for op in graph_ops._OPS.values()} - GRAPH_OPS.keys() == set()
