"""Settings outside of their range are refused by the layer's class, and by every reader with the layer's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from pydantic import TypeAdapter, ValidationError

import irconv
from irconv.ir.layers import MODULES, layer_class
from irconv.ir.layers.ranges import Axis, Count, Epsilon, NotZero, PositiveNumber, Rate
from irconv.ir.layers.ranges import Positive as AtLeastOne
from irconv.options import ReadOptions
from tests.helpers import numbers

#: Field -> a value that no class takes for it; of those with several numbers, one of them is it.
OUT_OF_RANGE: dict[str, Any] = {
    **dict.fromkeys(("stride", "dilation", "kernel", "kernel_size"), (0,)),
    **dict.fromkeys(("groups", "heads", "key_value_heads", "block", "hop", "count", "depth", "length"), 0),
    **dict.fromkeys(("axis", "batch_axis", "time_axis", "start_axis", "batch_axes", "carried", "scanned"), -1),
    **dict.fromkeys(("axes", "permutation", "output_padding"), (-1,)),
    **dict.fromkeys(("before", "after", "correction"), -1),
    **dict.fromkeys(("epsilon",), -1e-3),
    "steps": (0,),
    "step": 0,
    "p": 0.0,
    "scales": (0.0,),
    "rate": 1.5,
}
FIELDS = [
    (name, field)
    for name in MODULES
    for field in OUT_OF_RANGE
    if field in layer_class(name).model_fields and field not in layer_class(name).MAKES  # a size that may be anything
]


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_a_class_takes_nothing_out_of_range(name: str, field: str) -> None:
    cls = layer_class(name)
    with pytest.raises(ValidationError) as raised:
        cls(**{field: OUT_OF_RANGE[field]})
    said = {error["type"] for error in raised.value.errors() if error["loc"][0] == field}
    assert said - {"missing"}


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        *[(AtLeastOne, 0), (AtLeastOne, 2**40), (Count, -1), (Axis, -1), (NotZero, 0), (Epsilon, -0.1)],
        *[(Epsilon, float("nan")), (Epsilon, float("inf")), (PositiveNumber, 0.0), (Rate, 1.1), (Rate, -0.1)],
    ],
)
def test_ranges(kind: Any, wrong: float) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(wrong)


def from_onnx(path: Path, setting: str) -> None:
    attributes = {"strides": [1], "dilations": [1], "group": 1} | {setting: 0 if setting == "group" else [0]}
    kernel = onnx.numpy_helper.from_array(numbers(4, 3, 3), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv", **attributes)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "y"]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 9])
    graph = helper.make_graph([node], "g", [given], ports, [kernel])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)


def from_keras(path: Path, setting: str) -> None:
    name = {"strides": "strides", "dilations": "dilation_rate", "group": "groups"}[setting]
    config = {"name": "conv", "filters": 4, "kernel_size": [3], "strides": [1], "dilation_rate": [1], "groups": 1}
    config |= {"padding": "valid", "data_format": "channels_last", "use_bias": False, "activation": "linear"}
    config |= {name: 0 if setting == "group" else [0], "batch_input_shape": [None, 9, 3], "dtype": "float32"}
    model = {
        "class_name": "Sequential",
        "config": {"name": "m", "layers": [{"class_name": "Conv1D", "config": config}]},
    }
    with h5py.File(path, "w") as file:
        file.attrs.update(backend="tensorflow", keras_version="2.4.0", model_config=json.dumps(model))
        group = file.create_group("model_weights/conv")
        file["model_weights"].attrs["layer_names"] = [b"conv"]
        group.attrs["weight_names"] = [b"conv/kernel:0"]
        group["conv/kernel:0"] = numbers(3, 3, 4)


def from_torch(path: Path, setting: str) -> None:
    conv = torch.nn.Conv1d(3, 4, 3)
    if setting == "group":
        conv.groups = 0
    else:
        setattr(conv, {"strides": "stride", "dilations": "dilation"}[setting], (0,))
    torch.save(torch.nn.Sequential(conv), path)


def from_theano(path: Path, setting: str) -> None:
    np.savez(path, w=numbers(4, 3, 3))
    name = {"strides": "stride", "dilations": "dilation", "group": "groups"}[setting]
    layer = {"name": "conv", "kind": "conv1d", "inputs": ["x"], "arrays": {"W": "w"}, "filter_flip": False}
    layer |= {name: 0 if setting == "group" else [0]}
    arch = {
        "format": "theano-arch/1",
        "framework": "theano",
        "inputs": [{"name": "x", "shape": [None, 3, 9], "layout": "NCW", "dtype": "float32"}],
        "layers": [layer],
        "outputs": [{"name": "y", "layer": "conv"}],
    }
    path.with_name("arch.json").write_text(json.dumps(arch))


READERS: dict[str, tuple[str, Callable[[Path, str], None]]] = {
    "onnx": ("m.onnx", from_onnx),
    "keras": ("m.h5", from_keras),
    "torch": ("m.pt", from_torch),
    "theano": ("m.npz", from_theano),
}


@pytest.mark.parametrize("setting", ["strides", "dilations", "group"])
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_a_convolution_out_of_range_by_its_name(reader: str, setting: str, tmp_path: Path) -> None:
    name, make = READERS[reader]
    make(tmp_path / name, setting)
    options = ReadOptions(arch=tmp_path / "arch.json") if reader == "theano" else ReadOptions()
    if reader == "torch":
        options = ReadOptions(input_shape=("N,3,9",))
    with pytest.raises(irconv.IrconvError) as raised:
        irconv.convert(tmp_path / name, tmp_path / "out.irconv", options)
    assert "conv" in str(raised.value).lower() or "layer 0" in str(raised.value)
    assert type(raised.value).__name__ in ("Refused", "DamagedFile")
    assert not (tmp_path / "out.irconv").exists()
