"""Ops whose meaning changed with the opset, or that runtimes differ on, against formulas in float64 and PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import irconv
from irconv.errors import Refused
from irconv.layout import Array
from tests.helpers import in_torch, numbers


def _given(path: Path, node: Any, opset: int, given: dict[str, Array], held: dict[str, Array]) -> list[Array]:
    """What irconv makes of one node."""
    ins = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in given.items()
    ]
    outs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output if name]
    graph = helper.make_graph([node], "g", ins, outs, [numpy_helper.from_array(a, name) for name, a in held.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4 if opset < 11 else 8)
    path.write_bytes(model.SerializeToString())
    return [*irconv.run(irconv.read(path), given).values()]


def _close(found: Array, wanted: Any) -> None:
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("opset", [7, 11, 12])
@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_softmax_below_opset_13_is_over_all_axes_from_its_own(opset: int, axis: int, tmp_path: Path) -> None:
    x = numbers(2, 3, 4, 5)
    flat = x.astype(np.float64).reshape(int(np.prod(x.shape[:axis])), -1)
    power = np.exp(flat - flat.max(1, keepdims=True))
    (found,) = _given(tmp_path / "m.onnx", helper.make_node("Softmax", ["x"], ["y"], axis=axis), opset, {"x": x}, {})
    _close(found, (power / power.sum(1, keepdims=True)).reshape(x.shape))


def _places(size: int, scale: float, rule: str) -> Any:
    """Where the elements of a resized axis lie in the axis before, by the rules of ONNX."""
    length = int(np.floor(size * scale))
    i = np.arange(length, dtype=np.float64)
    return {
        "asymmetric": i / scale,
        "half_pixel": (i + 0.5) / scale - 0.5,
        "pytorch_half_pixel": (i + 0.5) / scale - 0.5 if length > 1 else np.zeros(1),
        "align_corners": i * (size - 1) / (length - 1) if length > 1 else np.zeros(1),
        "half_pixel_symmetric": size / 2 * (1 - length / (scale * size)) + (i + 0.5) / scale - 0.5,
    }[rule]


_ROUNDINGS = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
}


def _resized(x: Array, scales: tuple[float, float], mode: str, rule: str, rounding: str) -> Any:
    found = x.astype(np.float64)
    for axis, scale in ((2, scales[0]), (3, scales[1])):
        last = x.shape[axis] - 1
        at = _places(x.shape[axis], scale, rule)
        if mode == "nearest":
            found = found.take(np.clip(_ROUNDINGS[rounding](at), 0, last).astype(int), axis)
            continue
        at = np.clip(at, 0, last)
        low = np.floor(at).astype(int)
        weight = np.expand_dims(at - low, [a for a in range(4) if a != axis])
        found = found.take(low, axis) * (1 - weight) + found.take(np.minimum(low + 1, last), axis) * weight
    return found


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(("op", "opset"), [("Upsample", 7), ("Upsample", 9), ("Resize", 10)])
def test_the_oldest_resizing_counts_from_the_first_element(op: str, opset: int, mode: str, tmp_path: Path) -> None:
    x, scales = numbers(2, 3, 4, 5), (2.0, 3.0)
    held = {} if opset == 7 else {"s": np.array([1, 1, *scales], np.float32)}
    node = helper.make_node(op, ["x", *held], ["y"], mode=mode, **({} if held else {"scales": [1.0, 1.0, *scales]}))
    (found,) = _given(tmp_path / "m.onnx", node, opset, {"x": x}, held)
    _close(found, _resized(x, scales, mode, "asymmetric", "floor"))


@pytest.mark.parametrize("opset", [11, 13, 18, 19])
@pytest.mark.parametrize("rule", ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
@pytest.mark.parametrize("rounding", ["linear", *_ROUNDINGS])
def test_resizing_follows_its_rules(opset: int, rule: str, rounding: str, tmp_path: Path) -> None:
    x, scales, mode = numbers(1, 2, 5, 6), (2.0, 0.5), "linear" if rounding == "linear" else "nearest"
    said = {} if mode == "linear" else {"nearest_mode": rounding}
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], mode=mode, coordinate_transformation_mode=rule, **said)
    held = {"s": np.array([1, 1, *scales], np.float32)}
    if opset == 11:
        node.input[1], held["roi"] = "roi", np.zeros(0, np.float32)
    (found,) = _given(tmp_path / "m.onnx", node, opset, {"x": x}, held)
    _close(found, _resized(x, scales, mode, rule, rounding))


def test_resizing_may_be_symmetric_about_the_middle(tmp_path: Path) -> None:
    x, scales, rule = numbers(1, 2, 5, 6), (1.5, 0.45), "half_pixel_symmetric"
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], mode="linear", coordinate_transformation_mode=rule)
    held = {"s": np.array([1, 1, *scales], np.float32)}
    (found,) = _given(tmp_path / "m.onnx", node, 19, {"x": x}, held)
    _close(found, _resized(x, scales, "linear", rule, ""))


@pytest.mark.parametrize("opset", [7, 11, 18])
def test_negative_pads_cut(opset: int, tmp_path: Path) -> None:
    x, pads = numbers(2, 3, 6, 7), [0, 0, -2, 1, 0, 1, -1, -3]
    held = {} if opset < 11 else {"p": np.array(pads, np.int64), "v": np.array(0.7, np.float32)}
    said = {"pads": pads, "value": 0.7} if opset < 11 else {}
    node = helper.make_node("Pad", ["x", *held], ["y"], mode="constant", **said)
    (found,) = _given(tmp_path / "m.onnx", node, opset, {"x": x}, held)
    _close(found, np.pad(x[:, :, 2:-1, :-3], ((0, 0), (0, 1), (0, 0), (1, 0)), constant_values=np.float32(0.7)))


@pytest.mark.parametrize("rule", ["SAME_UPPER", "SAME_LOWER", "output_shape"])
def test_a_transposed_convolution_is_cut_to_the_size_that_is_asked_for(rule: str, tmp_path: Path) -> None:
    x, kernel = numbers(2, 3, 4, 5), numbers(3, 2, 4, 3, seed=1)
    strides, sizes = (2, 3), (8, 15) if rule != "output_shape" else (9, 14)
    said: dict[str, Any] = {"output_shape": sizes} if rule == "output_shape" else {"auto_pad": rule}
    whole = torch.nn.functional.conv_transpose2d(
        torch.tensor(x).double(), torch.tensor(kernel).double(), stride=strides
    )
    wanted = torch.nn.functional.pad(whole, (0, 8, 0, 8)).numpy()
    for axis, size in zip((2, 3), sizes, strict=True):
        cut = whole.shape[axis] - size
        before = cut - cut // 2 if rule == "SAME_LOWER" else cut // 2
        if rule == "output_shape" and cut > 0:  # ONNX: without SAME_UPPER the larger half comes first
            before = cut - cut // 2
        start = max(before, 0)
        wanted = wanted.take(range(start, start + size), axis)
    node = helper.make_node("ConvTranspose", ["x", "k"], ["y"], strides=strides, **said)
    (found,) = _given(tmp_path / "m.onnx", node, 11, {"x": x}, {"k": kernel})
    _close(found, wanted)


@pytest.mark.parametrize("rule", ["SAME_UPPER", "SAME_LOWER", "output_shape"])
def test_what_a_transposed_convolution_adds_is_cut_by_its_rule_with_the_rest(rule: str, tmp_path: Path) -> None:
    x, kernel, more = numbers(2, 3, 5, 6), numbers(3, 4, 3, 4, seed=1), (1, 2)
    whole = torch.nn.functional.conv_transpose2d(torch.tensor(x).double(), torch.tensor(kernel).double(), stride=3)
    wanted = torch.nn.functional.pad(whole, (0, more[1], 0, more[0])).numpy()
    for axis, size in ((2, 15 - (rule == "output_shape")), (3, 18)):
        cut = wanted.shape[axis] - size
        before = cut // 2 if rule == "SAME_UPPER" else cut - cut // 2
        wanted = wanted.take(range(before, before + size), axis)
    said: dict[str, Any] = {"output_shape": [14, 18]} if rule == "output_shape" else {"auto_pad": rule}
    said |= {"strides": [3, 3], "output_padding": more}
    node = helper.make_node("ConvTranspose", ["x", "k"], ["y"], **said)
    (found,) = _given(tmp_path / "m.onnx", node, 11, {"x": x}, {"k": kernel})
    _close(found, wanted)
    irconv.convert(tmp_path / "m.onnx", tmp_path / "m.py")
    _close(in_torch(tmp_path / "m.py", [x])[0], wanted)


@pytest.mark.parametrize("counted", [0, 1])
def test_a_pool_divides_its_last_windows_by_what_they_count(counted: int, tmp_path: Path) -> None:
    x, pads, kernel = numbers(2, 3, 6, 7), ((1, 1), (0, 1)), (3, 2)
    wanted = np.zeros((2, 3, 4, 4))
    for i in range(4):
        for j in range(4):
            rows, columns = (
                (max(at * 2 - before, 0), min(at * 2 - before + k, size), min(at * 2 - before + k, size + after))
                for at, (before, after), k, size in zip((i, j), pads, kernel, (6, 7), strict=True)
            )
            total = x[:, :, rows[0] : rows[1], columns[0] : columns[1]].astype(np.float64).sum((2, 3))
            whole = (rows[2] - (i * 2 - 1)) * (columns[2] - j * 2)
            inside = (rows[1] - rows[0]) * (columns[1] - columns[0])
            wanted[:, :, i, j] = total / (whole if counted else inside)
    said: dict[str, Any] = {"pads": [1, 0, 1, 1], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": counted}
    node = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=kernel, **said)
    (found,) = _given(tmp_path / "m.onnx", node, 19, {"x": x}, {})
    _close(found, wanted)
    irconv.convert(tmp_path / "m.onnx", tmp_path / "m.py")
    _close(in_torch(tmp_path / "m.py", [x])[0], wanted)


@pytest.mark.parametrize(("old", "new"), [("bilinear", "bilinear"), ("bicubic", "bicubic"), ("nearest", "nearest")])
def test_rules_of_grid_samples_have_the_names_of_their_opset(old: str, new: str, tmp_path: Path) -> None:
    x, grid = numbers(2, 3, 5, 6), np.clip(numbers(2, 4, 4, 2, seed=1), -0.9, 0.9)
    node = helper.make_node("GridSample", ["x", "grid"], ["y"], mode=old, align_corners=1)
    (found,) = _given(tmp_path / "m.onnx", node, 16, {"x": x, "grid": grid}, {})
    given = torch.tensor(x), torch.tensor(grid)
    _close(found, torch.nn.functional.grid_sample(*given, mode=new, align_corners=True).numpy())


_CUTS = {  # start, end and step along an axis of 5, and what numpy gives
    "backwards": (-1, -(2**63) + 1, -1, slice(None, None, -1)),
    "backwards from behind": (2**40, -(2**40), -1, slice(None, None, -1)),
    "backwards in part": (3, 0, -1, slice(3, 0, -1)),
    "every second": (-100, 100, 2, slice(None, None, 2)),
    "all": (0, 2**63 - 1, 1, slice(None)),
}


@pytest.mark.parametrize("cut", _CUTS)
def test_bounds_may_lie_beyond_an_axis(cut: str, tmp_path: Path) -> None:
    start, end, step, wanted = _CUTS[cut]
    x, held = numbers(2, 3, 5), {"a": start, "b": end, "axis": 2, "step": step}
    node = helper.make_node("Slice", ["x", *held], ["y"])
    arrays = {name: np.array([value], np.int64) for name, value in held.items()}
    (found,) = _given(tmp_path / "m.onnx", node, 13, {"x": x}, arrays)
    _close(found, x[:, :, wanted])


@pytest.mark.parametrize(("start", "end", "step"), [(2**40, 2**41, 1), (0, -(2**40), 1), (-(2**40), 0, -1)])
def test_a_cut_of_nothing_is_refused(start: int, end: int, step: int, tmp_path: Path) -> None:
    held = {"a": start, "b": end, "axis": 2, "step": step}
    arrays = {name: np.array([value], np.int64) for name, value in held.items()}
    node = helper.make_node("Slice", ["x", *held], ["y"])
    with pytest.raises(Refused, match=rf"cuts nothing out of axis 2, from {start} to {end}"):
        _given(tmp_path / "m.onnx", node, 13, {"x": numbers(2, 3, 5)}, arrays)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("after", [0, 1])
def test_a_gru_resets_before_or_behind_its_product(after: int, tmp_path: Path) -> None:
    x, w, r, b = numbers(5, 2, 4), numbers(1, 9, 4, seed=1), numbers(1, 9, 3, seed=2), numbers(1, 18, seed=3)
    kernel, inner = w[0].astype(np.float64), r[0].astype(np.float64)
    first, second = b[0, :9].astype(np.float64), b[0, 9:].astype(np.float64)
    h, steps = np.zeros((2, 3)), []
    for step in x.astype(np.float64):
        own, old = step @ kernel.T + first, h @ inner.T + second
        z, reset = _sigmoid(own[:, :3] + old[:, :3]), _sigmoid(own[:, 3:6] + old[:, 3:6])
        behind = reset * old[:, 6:] if after else (reset * h) @ inner[6:].T + second[6:]
        h = (1 - z) * np.tanh(own[:, 6:] + behind) + z * h
        steps.append(h)
    node = helper.make_node("GRU", ["x", "W", "R", "B"], ["y", "h"], hidden_size=3, linear_before_reset=after)
    y, last = _given(tmp_path / "m.onnx", node, 14, {"x": x}, {"W": w, "R": r, "B": b})
    _close(y, np.stack(steps)[:, None])
    _close(last, h[None])


def test_an_lstm_has_lengths_peepholes_and_first_states(tmp_path: Path) -> None:
    x, w, r, b = numbers(5, 3, 4), numbers(1, 8, 4, seed=1), numbers(1, 8, 2, seed=2), numbers(1, 16, seed=3)
    p, h0, c0 = numbers(1, 6, seed=4), numbers(1, 3, 2, seed=5), numbers(1, 3, 2, seed=6)
    lengths = np.array([5, 2, 3], np.int32)
    kernel, inner, bias, (pi, po, pf) = w[0], r[0], b[0, :8] + b[0, 8:], np.split(p[0].astype(np.float64), 3)
    h, c, wanted = h0[0].astype(np.float64), c0[0].astype(np.float64), np.zeros((5, 1, 3, 2))
    for t, step in enumerate(x.astype(np.float64)):
        i, o, f, g = np.split(step @ kernel.T + h @ inner.T + bias, 4, axis=1)
        new = _sigmoid(f + pf * c) * c + _sigmoid(i + pi * c) * np.tanh(g)
        made = _sigmoid(o + po * new) * np.tanh(new)
        here = (t < lengths)[:, None]
        h, c = np.where(here, made, h), np.where(here, new, c)
        wanted[t, 0] = np.where(here, made, 0)
    held = {"W": w, "R": r, "B": b, "n": lengths, "h0": h0, "c0": c0, "P": p}
    node = helper.make_node("LSTM", ["x", *held], ["y", "h", "c"], hidden_size=2)
    found = _given(tmp_path / "m.onnx", node, 14, {"x": x}, held)
    for got, right in zip(found, (wanted, h[None], c[None]), strict=True):
        _close(got, right)


def test_a_size_that_one_node_takes_alone_is_told(tmp_path: Path) -> None:
    ins = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "T", 4])]
    outs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    held = [numpy_helper.from_array(np.array([2, 0, 2, 2], np.int64), "s")]
    graph = helper.make_graph([helper.make_node("Reshape", ["x", "s"], ["y"])], "g", ins, outs, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    bundle = irconv.read(tmp_path / "m.onnx")
    assert bundle.graph is not None
    assert bundle.graph.inputs[0].shape == (2, "T", 4)
    (told,) = bundle.source.to_tell()
    assert (told.name, told.value) == ("N", "2")
    assert told.evidence == "baked in: m.onnx: node y (Reshape) takes no other size"


_BAKED: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "Concat": (
        helper.make_node("Concat", ["x", "c"], ["y"], axis=1),
        {"c": np.ones((2, 3, 5, 4), np.float32)},
        "N: 2, H: 5",
        "takes no other size",
    ),
    "Split": (
        helper.make_node("Split", ["x", "s"], ["y", "z"], axis=0),
        {"s": np.array([1, 1], np.int64)},
        "N: 2",
        "takes no other size",
    ),
    "Resize": (
        helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode="nearest"),
        {"s": np.array([2, 3, 8, 8], np.int64)},
        "N: 2",
        "takes no other size",
    ),
    "Add": (
        helper.make_node("Add", ["x", "c"], ["y"]),
        {"c": np.ones((2, 3, 5, 4), np.float32)},
        "H: 5, N: 2",
        "takes no other size but 1",
    ),
    "Expand": (
        helper.make_node("Expand", ["x", "s"], ["y"]),
        {"s": np.array([2, 3, 1, 4], np.int64)},
        "N: 2",
        "takes no other size but 1",
    ),
    "MatMul": (
        helper.make_node("MatMul", ["x", "c"], ["y"]),
        {"c": np.ones((2, 3, 4, 5), np.float32)},
        "N: 2",
        "takes no other size but 1",
    ),
}


@pytest.mark.parametrize("op", _BAKED)
def test_sizes_that_meet_a_number_are_told(op: str, tmp_path: Path) -> None:
    node, held, wanted, why = _BAKED[op]
    ins = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", 4])]
    outs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output]
    graph = helper.make_graph([node], "g", ins, outs, [numpy_helper.from_array(a, name) for name, a in held.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    bundle = irconv.read(tmp_path / "m.onnx")
    assert bundle.graph is not None
    told = bundle.source.to_tell()
    assert ", ".join(f"{fact.name}: {fact.value}" for fact in told) == wanted
    assert {fact.evidence for fact in told} == {f"baked in: m.onnx: node y ({op}) {why}"}
    alone = why == "takes no other size"  # what may be 1, too, stays open
    assert all((fact.name in bundle.graph.inputs[0].shape) != alone for fact in told)
