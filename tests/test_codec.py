"""Codecs and tables: what has no row is refused, on both ways."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from irconv.codec import Codec, Native, NativeWeight, Row, Table
from irconv.errors import Refused
from irconv.frameworks.keras.table import TABLE as KERAS
from irconv.frameworks.onnx.reading.handlers import HANDLERS
from irconv.frameworks.onnx.table import TABLE as ONNX
from irconv.frameworks.theano.table import TABLE as THEANO
from irconv.frameworks.torch.table import TABLE as TORCH
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import Elu, LeakyRelu, Relu
from irconv.ir.layers.base import ValueType
from irconv.ir.layers.convolution import Linear
from irconv.ir.tensors import LazyTensor
from irconv.rows import Attribute, Fixed, Only, Selects, Weight
from irconv.vocabularies.tensorflow import TABLE as TENSORFLOW
from tests.helpers import numbers, rejection

TOY = Table(
    "Toy",
    [
        Codec("Ramp", Relu, Selects("leak", 0.0)),
        Codec("Ramp", LeakyRelu, Attribute("leak", "slope")),
        Codec("Affine", Linear, Weight("w", "kernel", "in out"), Weight("b", "bias", "out"), Fixed("mode", "plain")),
        Codec("Curve", Elu, Only("alpha", 1.0)),
    ],
)


def weight(*shape: int) -> NativeWeight:
    return NativeWeight(f"file/{'x'.join(map(str, shape))}", LazyTensor.of(numbers(*shape)))


def decode(kind: str, config: Mapping[str, Any], tensors: Mapping[str, NativeWeight] | None = None) -> Any:
    return TOY.decode(Native(kind, "a", config, tensors or {}), [], "layer a")


def test_the_knob_selects_the_codec() -> None:
    assert decode("Ramp", {"leak": 0.0})[0] == Relu()
    assert decode("Ramp", {"leak": 0.3})[0] == LeakyRelu(slope=0.3)


def test_of_several_codecs_the_first_that_can_express_a_layer_writes_it() -> None:
    assert TOY.encode(Relu(), "a", {}, {}).config == {"leak": 0.0}
    assert TOY.encode(LeakyRelu(slope=0.3), "a", {}, {}).config == {"leak": 0.3}


def test_a_type_without_a_codec_is_refused() -> None:
    text = rejection(lambda: decode("Spiral", {}), Refused)
    advice = "irconv does not guess: --plugin teaches it, --replace leaves it out, --until stops before it."
    assert text == f"layer a: irconv has no rule for Toy's Spiral. {advice}"


def test_a_type_that_differs_in_case_only_is_pointed_at() -> None:
    assert (
        rejection(lambda: decode("ramp", {}), Refused) == "layer a: irconv has no rule for Toy's ramp. It knows Ramp."
    )


def test_a_setting_without_a_row_is_refused() -> None:
    text = rejection(lambda: decode("Curve", {"tilt": 3, "sway": "x"}), Refused)
    assert text == "layer a: irconv does not know setting tilt=3, setting sway='x'. It would be lost."


def test_a_tensor_without_a_row_is_refused() -> None:
    tensors = {"w": weight(3, 2), "b": weight(2), "c": weight(2)}
    text = rejection(lambda: decode("Affine", {"mode": "plain"}, tensors), Refused)
    assert text == "layer a: irconv does not know tensor c. It would be lost."


def test_a_weight_that_must_be_there_is_missed() -> None:
    text = rejection(lambda: decode("Affine", {"mode": "plain"}, {"b": weight(2)}), Refused)
    assert text == "layer a: expected weights kernel, which the file does not have."


def test_a_weight_of_another_rank_is_refused_by_its_path() -> None:
    tensors = {"w": weight(3, 2, 4)}
    text = rejection(lambda: decode("Affine", {"mode": "plain"}, tensors), Refused)
    assert text == "layer a: tensor file/3x2x4: layout 'in out' does not describe an array of rank 3."


def test_a_value_that_the_layer_class_does_not_take_is_refused_with_its_field() -> None:
    text = rejection(lambda: decode("Ramp", {"leak": "steep"}), Refused)
    assert text.startswith("layer a: slope: Input should be a valid number")
    assert text.endswith("got 'steep'.")


def test_an_operand_without_a_row_is_refused_on_the_way_out() -> None:
    codec = Codec("Matrix", Linear, Weight("w", "kernel", "in out"))
    data = {"kernel": weight(2, 3), "bias": weight(2)}
    types = {role: ValueType("float32", w.data.shape) for role, w in data.items()}
    text = rejection(lambda: codec.encode(Linear(), "a", data, types), Refused)
    assert text == "layer a (Linear): Matrix cannot express bias."


def test_a_field_without_a_row_is_refused_on_the_way_out() -> None:
    text = rejection(lambda: Codec("Curve", Elu).encode(Elu(alpha=0.5), "a", {}, {}), Refused)
    assert text == "layer a (Elu): Curve cannot express alpha."


def test_a_layer_that_the_framework_lacks_is_refused_on_the_way_out() -> None:
    text = rejection(lambda: TOY.encode(layer_class("Tanh")(), "a", {}, {}), Refused)
    assert text == "layer a (Tanh): Toy has no layer for it."


def test_the_first_reason_is_given_where_no_codec_can_express_a_layer() -> None:
    text = rejection(lambda: TOY.encode(Elu(alpha=0.5), "a", {}, {}), Refused)
    assert text == "layer a (Elu): can only be written with alpha=1.0, got 0.5."


def test_weights_are_turned_on_the_way_in_and_back_on_the_way_out() -> None:
    tensors = {"w": weight(3, 2), "b": weight(2)}
    layer, draft = decode("Affine", {"mode": "plain"}, tensors)
    assert draft.types["kernel"] == ValueType("float32", (2, 3))
    (step,) = draft.mapped["kernel"].steps
    assert (step.source, step.target) == ("in out", "out in")
    assert draft.mapped["bias"].steps == ()
    data = {"kernel": NativeWeight("k", LazyTensor.of(numbers(3, 2).transpose())), "bias": tensors["b"]}
    back = TOY.encode(layer, "a", data, draft.types)
    assert back.config == {"mode": "plain"}
    assert np.array_equal(back.tensors["w"].data.numpy(), numbers(3, 2))


# laws of all tables ------------------------------------------------------------------------------------------------

CODECS = [(table, codec) for table in (KERAS, ONNX, TORCH) for codec in table.codecs]


def spelled(value: Table | Codec) -> str:
    return value.framework if isinstance(value, Table) else f"{value.native} is {value.layer.__name__}"


@pytest.mark.parametrize(("table", "codec"), CODECS, ids=spelled)
def test_every_row_names_something_of_the_layer_class_and_nothing_twice(table: Table, codec: Codec) -> None:
    fields = set(codec.layer.model_fields) - codec.layer.FIELDS_OF_EVERY_LAYER
    named = [row.field or row.native for row in codec.rows if isinstance(row, Attribute)]
    named += [row.field for row in codec.rows if isinstance(row, Only)]
    roles = [row.role for row in codec.rows if isinstance(row, Weight)]
    assert set(named) <= fields
    assert len(set(named)) == len(named)
    assert set(roles) <= set(codec.layer.PARAMETERS)
    assert len(set(roles)) == len(roles)


@pytest.mark.parametrize("table", [KERAS, ONNX, TORCH], ids=spelled)
def test_no_two_codecs_of_a_table_are_for_the_same_layers(table: Table) -> None:
    def key(codec: Codec) -> tuple[Any, ...]:
        selected = [row.selecting for row in codec.rows if row.selecting is not None]
        held = [(row.field, row.value) for row in codec.rows if isinstance(row, Only)]
        return codec.native, codec.layer, repr(selected), repr(held), codec.since

    keys = [key(codec) for codec in table.codecs]
    assert len(set(keys)) == len(keys)


#: Native types of several codecs that are told apart on the way out alone, and why the first is right on the way in.
WRITTEN_APART = {"PyTorch F.pad": "a saved module pads by one number; pads by rule are read as pad_by_rule"}


def is_shadowed(codec: Codec, first: Codec) -> bool:
    """Whether nothing that a file says could pass over the first of two codecs: it takes whatever the other takes."""
    selected = {repr(row.selecting) for row in codec.rows}
    chosen = all(repr(row.selecting) in selected for row in first.rows if row.selecting is not None)
    judges = any(type(row).reads is not Row.reads for row in first.rows)
    slots, others = ([row for row in one.rows if row.takes_inputs != "none"] for one in (first, codec))
    counts = any(not row.tensor for row in slots) and all(row.takes_inputs != "rest" for row in slots)
    return chosen and not judges and not (counts and len(slots) < len(others))


@pytest.mark.parametrize("table", [KERAS, ONNX, TORCH, THEANO, TENSORFLOW], ids=lambda table: table.framework)
def test_no_codec_is_shadowed_on_the_way_in(table: Table) -> None:
    handled = {name for domain, name in HANDLERS if not domain} if table is ONNX else set[str]()
    shadowed = [
        f"{spelled(codec)} is never read, as {spelled(first)} stands before it: give that a row that tells them apart"
        for native in sorted(table.natives - handled)
        for first, codec in combinations(table.of_native(native), 2)
        if f"{table.framework} {native}" not in WRITTEN_APART and is_shadowed(codec, first)
    ]
    assert not shadowed, "\n".join(shadowed)


def of_ranks(table: Table) -> dict[tuple[str, str], list[Codec]]:
    """Codecs of one layer class whose native names differ by the number of axes in them, such as Conv2D and Conv3D."""
    found: dict[tuple[str, str], list[Codec]] = {}
    for codec in table.codecs:
        found.setdefault((codec.layer.__name__, re.sub(r"\d(?=[dD]\b)", "#", codec.native)), []).append(codec)
    return {name: codecs for name, codecs in found.items() if len({codec.native for codec in codecs}) > 1}


@pytest.mark.parametrize("table", [KERAS, ONNX, TORCH, THEANO], ids=lambda table: table.framework)
def test_codecs_that_differ_by_rank_alone_are_told_apart_by_it(table: Table) -> None:
    for codecs in of_ranks(table).values():
        ranks: dict[str, set[int]] = {}
        for codec in codecs:
            said = [set(row.ranks) for row in codec.rows if getattr(row, "ranks", ())]
            assert said, f"{codec.native}: expected a row Rank"
            ranks.setdefault(codec.native, set()).update(*said)
        alike = [(a, b) for a in ranks for b in ranks if a < b and ranks[a] & ranks[b]]
        assert not alike
