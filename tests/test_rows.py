"""Each row type, on its way in and on its way out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from irconv.codec import Draft, NativeWeight, Row, Workpiece
from irconv.errors import Refused
from irconv.ir.layers.activations import Softmax
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.tensors import LazyTensor
from irconv.rows import (
    TUPLE,
    Attribute,
    Axes,
    AxisNumber,
    ChannelAxis,
    ConstantInput,
    Created,
    Derived,
    Fixed,
    Ignored,
    Input,
    InputCount,
    Iso,
    KernelGroups,
    LastAxis,
    Only,
    Present,
    Rank,
    Selects,
    Weight,
    channels_last,
    choices,
)
from tests.helpers import Array, numbers, rejection

F32 = "float32"


def draft(rank: int = 4, layer: type[Layer] = Conv, **settings: Any) -> Draft:
    return Draft(layer, "here", "name", given=[ValueType(F32, (2,) * rank)], **settings)


def decoded(row: Row, config: dict[str, Any], rank: int = 4, layer: type[Layer] = Conv) -> tuple[Draft, Workpiece]:
    work, made = Workpiece(dict(config), {}), draft(rank, layer)
    row.decode(work, made)
    return made, work


def encoded(row: Row, fields: dict[str, Any], rank: int = 4) -> tuple[Draft, Workpiece]:
    work, made = Workpiece({}, {}), draft(rank, fields=dict(fields), types={"x": ValueType(F32, (2,) * rank)})
    row.encode(made, work)
    return made, work


def weight(array: Array) -> NativeWeight:
    return NativeWeight("path", LazyTensor.of(array))


HALVES = Iso(lambda value: value / 2, lambda value: value * 2)


@pytest.mark.parametrize(
    ("row", "config", "fields"),
    [
        (Attribute("rate"), {"rate": 3}, {"rate": 3}),
        (Attribute("strides", "stride", TUPLE), {"strides": [1, 2]}, {"stride": (1, 2)}),
        (Attribute("width", "half", HALVES), {"width": 6}, {"half": 3}),
        (Attribute("mode", iso=choices(up=1, down=-1)), {"mode": "down"}, {"mode": -1}),
        (Fixed("renorm", False), {"renorm": False}, {}),
        (Selects("activation", "relu"), {"activation": "relu"}, {}),
        (Only("alpha", 1.0), {}, {"alpha": 1.0}),
        (AxisNumber("axis"), {"axis": 2}, {"axis": 2}),
        (LastAxis(), {}, {"axis": 3}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Row) else "",
)
def test_a_row_takes_all_it_knows_and_gives_it_back(row: Row, config: dict[str, Any], fields: dict[str, Any]) -> None:
    made, work = decoded(row, config)
    assert (made.fields, work.config) == (fields, {})
    left, back = encoded(row, fields)
    assert (left.fields, back.config) == ({}, config)


@pytest.mark.parametrize(
    ("row", "config", "reason"),
    [
        (Attribute("rate"), {}, "here: expected the setting 'rate', which is missing."),
        (Attribute("width", "half", HALVES), {"width": "6"}, "here: width: unsupported operand type(s) for /"),
        (
            Attribute("mode", iso=choices(up=1, down=-1)),
            {"mode": "left"},
            "here: mode: expected one of up, down, got 'left'.",
        ),
        (
            Fixed("renorm", False),
            {"renorm": True},
            "here: expected renorm=False, got True, which irconv cannot carry over.",
        ),
        (AxisNumber("axis"), {"axis": 4}, "here: expected axis between -4 and 3, got 4."),
        (AxisNumber("axis"), {"axis": -5}, "here: expected axis between -4 and 3, got -5."),
        (AxisNumber("axis"), {"axis": "last"}, "here: expected axis between -4 and 3, got 'last'."),
        (ChannelAxis("axis"), {"axis": 0}, "here: expected axis to name an axis of a value of rank 4, got 0."),
        (
            Axes("data_format", {"last": "n *s c"}),
            {"data_format": "first"},
            "here: expected data_format to be one of 'last', got 'first'.",
        ),
    ],
)
def test_a_row_refuses_what_it_cannot_carry_over(row: Row, config: dict[str, Any], reason: str) -> None:
    assert rejection(lambda: decoded(row, config), Refused).startswith(reason)


@pytest.mark.parametrize(
    ("row", "fields", "reason"),
    [
        (Only("alpha", 1.0), {"alpha": 0.5}, "here: can only be written with alpha=1.0, got 0.5."),
        (LastAxis(), {"axis": 1}, "here: can only be written with axis=3, the last, got 1."),
        (Rank((2, 3)), {}, "here: can only be written for values of rank (2, 3), got rank 4."),
        (InputCount(2), {}, "here: can only be written with 2 inputs, got 1."),
        (
            Attribute("mode", iso=choices(up=1, down=-1)),
            {"mode": 5},
            "here: mode: expected one of 1, -1, got 5.",
        ),
    ],
)
def test_a_row_refuses_what_the_framework_cannot_say(row: Row, fields: dict[str, Any], reason: str) -> None:
    assert rejection(lambda: encoded(row, fields), Refused) == reason


def test_a_negative_axis_is_counted_from_the_end() -> None:
    assert decoded(AxisNumber("axis"), {"axis": -1})[0].fields == {"axis": 3}
    assert decoded(AxisNumber("axis"), {"axis": -1}, 2, Softmax)[0].fields == {"axis": 1}


def test_a_fixed_knob_may_be_left_out() -> None:
    assert decoded(Fixed("renorm", False), {})[1].config == {}


def test_only_a_selecting_knob_tells_codecs_apart() -> None:
    assert Selects("activation", "relu").selecting == ("activation", "relu")
    assert Fixed("activation", "relu").selecting is None


def test_ignored_knobs_are_taken_and_not_written() -> None:
    made, work = decoded(Ignored("name trainable"), {"name": "a", "trainable": True, "other": 1})
    assert (made.fields, work.config) == ({}, {"other": 1})
    assert encoded(Ignored("name trainable"), {})[1].config == {}


def test_a_derived_knob_is_checked_when_read_and_computed_when_written() -> None:
    row = Derived("filters", lambda made: made.types["kernel"].shape[0])
    types = {"kernel": ValueType(F32, (5, 2, 3, 3))}
    work = Workpiece({"filters": 5}, {})
    row.decode(work, draft(types=dict(types)))
    assert work.config == {}
    written = Workpiece({}, {})
    row.encode(draft(types=dict(types)), written)
    assert written.config == {"filters": 5}
    wrong = Workpiece({"filters": 6}, {})
    text = rejection(lambda: row.decode(wrong, draft(types=dict(types))), Refused)
    assert text == "here: filters is 6, but the weights say 5."


def test_a_weight_is_turned_in_and_turned_back() -> None:
    row, array = Weight("kernel", "kernel", "*k in out"), numbers(3, 2, 4, 5)
    made, work = draft(), Workpiece({}, {"kernel": weight(array)})
    row.decode(work, made)
    assert work.tensors == {}
    assert made.types["kernel"] == ValueType(F32, (5, 4, 3, 2))
    out, written = draft(data={"kernel": weight(array.transpose(3, 2, 0, 1))}), Workpiece({}, {})
    row.encode(out, written)
    assert out.data == {}
    assert np.array_equal(written.tensors["kernel"].data.numpy(), array)


@pytest.mark.parametrize(("word", "axes"), [("correlation", "*k in out"), ("convolution", "~*k in out")])
def test_a_knob_says_which_axes_a_weight_has(word: str, axes: str) -> None:
    row = Weight("kernel", "kernel", {"correlation": "*k in out", "convolution": "~*k in out"}, by="order")
    made, work = draft(), Workpiece({"order": word}, {"kernel": weight(numbers(3, 2, 4, 5))})
    row.decode(work, made)
    assert work.config == {}
    assert made.mapped["kernel"].native_axes == axes
    written = Workpiece({}, {})
    row.encode(draft(data={"kernel": weight(numbers(5, 4, 3, 2))}), written)
    assert written.config == {"order": "correlation"}


def test_a_weight_that_is_absent_is_left_to_the_codec() -> None:
    made = draft()
    Weight("bias", "bias", "out").decode(Workpiece({}, {}), made)
    assert made.mapped == {}


def test_a_weight_of_another_rank_is_refused() -> None:
    work = Workpiece({}, {"kernel": weight(numbers(3))})
    text = rejection(lambda: Weight("kernel", "kernel", "*k in out").decode(work, draft()), Refused)
    assert text == "here: tensor path: layout '*k in out' does not describe an array of rank 1."


@pytest.mark.parametrize("there", [True, False])
def test_a_switch_agrees_with_the_operand(there: bool) -> None:
    row, made = Present("use_bias", "bias"), draft(layer=Linear)
    tensors = {"bias": weight(numbers(3))} if there else {}
    Weight("bias", "bias", "out").decode(Workpiece({}, tensors), made)
    row.decode(Workpiece({"use_bias": there}, {}), made)
    written = Workpiece({}, {})
    row.encode(draft(types={"bias": ValueType(F32, (3,))} if there else {}), written)
    assert written.config == {"use_bias": there}
    text = rejection(lambda: row.decode(Workpiece({"use_bias": not there}, {}), made), Refused)
    assert text == f"here: use_bias is {not there}, but the file has {'a' if there else 'no'} bias."


def test_a_created_tensor_is_written_and_listed_as_left_out_when_read() -> None:
    row, work = Created("num_batches_tracked", 0, "int64", "only training counts"), Workpiece({}, {})
    row.encode(draft(), work)
    made = work.tensors["num_batches_tracked"]
    assert (made.path, made.data.dtype, made.data.shape) == ("name.num_batches_tracked", "int64", ())
    read = draft()
    row.decode(work, read)
    assert work.tensors == {}
    assert [(omitted.name, omitted.reason) for omitted in read.omitted] == [
        ("name.num_batches_tracked", "only training counts")
    ]


def test_a_field_that_is_a_constant_input_is_written_as_a_tensor() -> None:
    row, work = ConstantInput("pads", "pads", "int64", TUPLE), Workpiece({}, {})
    row.encode(draft(fields={"pads": (1, 2)}), work)
    assert work.inputs == ["pads"]
    assert work.tensors["pads"].data.numpy().tolist() == [1, 2]
    made = draft()
    row.decode(work, made)
    assert made.fields == {"pads": (1, 2)}


def test_a_constant_input_that_is_none_keeps_its_place() -> None:
    work = Workpiece({}, {})
    ConstantInput("min", "low", F32).encode(draft(fields={"low": None}), work)
    assert (work.inputs, work.tensors) == (["min"], {})


def test_inputs_keep_the_order_of_their_rows() -> None:
    work = Workpiece({}, {})
    for slot in ("x", "h"):
        Input(slot).encode(draft(), work)
    assert work.inputs == ["x", "h"]


def test_activations_in_other_axes_are_to_be_turned() -> None:
    made, _ = decoded(Axes("data_format", {"last": "n *s c", "first": "n c *s"}), {"data_format": "last"})
    assert made.input_axes == {"x": ("n *s c", "n c *s")}
    assert made.output_axes == {"y": ("n *s c", "n c *s")}


def test_results_that_have_no_such_axes_are_not_turned_back() -> None:
    made, _ = decoded(Axes("data_format", {"last": "n *s c"}, "n *s c", ""), {"data_format": "last"})
    assert made.input_axes == {"x": ("n *s c", "n *s c")}
    assert made.output_axes == {}


@pytest.mark.parametrize(
    ("axis", "here"), [(1, "n c s0 s1"), (2, "n s0 c s1"), (3, "n s0 s1 c"), (-1, "n s0 s1 c"), (-3, "n c s0 s1")]
)
def test_the_channels_may_lie_on_any_axis_but_the_first(axis: int, here: str) -> None:
    made, _ = decoded(ChannelAxis("axis"), {"axis": axis}, layer=BatchNorm)
    assert made.input_axes == {"x": (here, "n c s0 s1")}
    assert made.output_axes == {"y": (here, "n c s0 s1")}


def test_a_layer_without_a_setting_for_the_order_of_axes_is_channels_last_and_its_kernel_tells_the_groups() -> None:
    rows = (channels_last(), Weight("kernel", "kernel", "*k in out"), KernelGroups())
    given = ValueType("float32", ("N", 9, 8, 6))
    draft = Draft(Conv, "layer conv", given=[given])
    kernel = NativeWeight("conv/kernel", LazyTensor.of(np.zeros((3, 2, 2, 12), np.float32)))
    work = Workpiece({}, {"kernel": kernel})
    for row in rows:
        row.decode(work, draft)
    assert draft.fields == {"groups": 3}
    assert draft.input_axes["x"] == ("n *s c", "n c *s")
    draft.given = [ValueType("float32", ("N", 9, 8, 5))]
    with pytest.raises(Refused, match="layer conv: a kernel for 2 channels does not fit a value of 5"):
        rows[2].decode(work, draft)
