"""What trained networks of other people hold, in small: read, and written for each target, against onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import parser

import irconv
from irconv.errors import Refused
from irconv.options import ReadOptions
from tests.helpers import predictions, rejection, used_types

_RANDOM = np.random.default_rng(8)


def some(*shape: int) -> np.ndarray:
    return _RANDOM.standard_normal(shape).astype(np.float32)


@dataclass(frozen=True)
class Model:
    """A graph in ONNX's text form, with inputs of which several fit it, and what the user has to say."""

    name: str
    text: str
    inputs: tuple[dict[str, np.ndarray], ...]
    options: ReadOptions = field(default_factory=ReadOptions)
    opset: int = 17

    def __str__(self) -> str:
        return self.name

    def save(self, folder: Path) -> Path:
        path = folder / "m.onnx"
        onnx.save(parser.parse_model(f'<ir_version: 8, opset_import: ["":{self.opset}]> {self.text}'), path)
        return path


_BY_SIZE = """a (float[N,T] x) => (float[N,M] y) <int64[1] one = {1}, int64 wanted = {6}, int64[1] three = {3}> {
    shape = Shape(x)
    size = Gather(shape, one)
    flat = Squeeze(size)
    same = Equal(flat, wanted)
    y = If(same) <
        then_branch = b () => (float[N,M] a) { axes = Constant<value_ints=[0]>() a = Slice(x, axes, three, one) },
        else_branch = c () => (float[N,K] b) { b = Neg(x) }
    >
}"""
_BY_DATA = """a (float[N,5] x) => (float[N,5] y, float[N] z) <float half = {0.5}, int64[1] one = {1}> {
    s = Sigmoid(x)
    m = ReduceMean<keepdims=0>(s)
    high = Greater(m, half)
    y, z = If(high) <
        then_branch = b () => (float[N,5] v, float[N] w) { v = Mul(x, s) w = ReduceSum<keepdims=0>(v, one) },
        else_branch = c () => (float[N,5] v, float[N] w) { v = Neg(x) t = Exp(v) w = ReduceSum<keepdims=0>(t, one) }
    >
}"""
MODELS = [
    Model(
        "a branch that sizes decide",
        _BY_SIZE,
        ({"x": some(2, 6)}, {"x": some(5, 6)}),
        ReadOptions(input_shape=("x=N,6",)),
    ),
    Model(
        "a branch that the data decides",
        _BY_DATA,
        ({"x": some(3, 5) + 1}, {"x": some(2, 5) - 1}, {"x": some(1, 5) + 1}),
    ),
    Model(
        "a cut to a bound beyond every size",
        """a (float[N,7] x) => (float[N,5] y)
            <int64[2] from = {0, 2}, int64[2] to = {1000000000, 1000000000}, int64[2] along = {0, 1}> {
            y = Slice(x, from, to, along)
        }""",
        ({"x": some(1, 7)}, {"x": some(3, 7)}),
    ),
    Model(
        "a map beside one that was halved and doubled",
        """a (float[N,3,H,W] x) => (float[N,3,A,B] y) <float[4] scales = {1.0, 1.0, 2.0, 2.0}> {
            half = MaxPool<kernel_shape=[1,1], strides=[2,2]>(x)
            twice = Resize<coordinate_transformation_mode="asymmetric", nearest_mode="floor">(half, , scales)
            y = Add(x, twice)
        }""",
        ({"x": some(1, 3, 4, 6)}, {"x": some(2, 3, 8, 2)}),
    ),
    Model(
        "a count of floating numbers up to a size",
        """a (float[N,T] x) => (float[N,T] y) <int64 place = {1}, float start = {0.0}, float step = {1.0}> {
            shape = Shape(x)
            size = Gather(shape, place)
            limit = Cast<to=1>(size)
            steps = Range(start, limit, step)
            y = Add(x, steps)
        }""",
        ({"x": some(2, 5)}, {"x": some(1, 8)}),
    ),
    Model(
        "a zero point without axes beside a scale of one number",
        """a (float[N,5] x) => (float[N,5] y) <float[1] scale = {0.07}, uint8 zero = {130}> {
            q = QuantizeLinear<axis=0>(x, scale, zero)
            y = DequantizeLinear<axis=0>(q, scale, zero)
        }""",
        ({"x": some(1, 5)},),
    ),
    Model(
        "values of sizes of which nothing says that they are the same, side by side",
        """a (float[N,T] x, float[N,S] z) => (float[N,A,2] y) <int64[1] last = {2}> {
            a = Unsqueeze(x, last)
            b = Unsqueeze(z, last)
            y = Concat<axis=2>(a, b)
        }""",
        ({"x": some(2, 5), "z": some(2, 5)},),
    ),
    Model(
        "a threshold that brings what it leaves nearer by less than itself",
        "a (float[N,5] x) => (float[N,5] y) { y = Shrink<lambd=0.4, bias=0.15>(x) }",
        ({"x": some(3, 5)}, {"x": some(1, 5)}),
    ),
    Model(
        "the largest of two axes, in the words of opset 11",
        "a (float[N,3,5] x) => (float[N,3,5] y) { y = Hardmax(x) }",
        ({"x": some(2, 3, 5)}, {"x": some(1, 3, 5)}),
        opset=11,
    ),
]


def of_onnxruntime(path: Path, inputs: dict[str, np.ndarray]) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return list(onnxruntime.InferenceSession(str(path), options).run(None, inputs))


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_every_target_computes_what_onnxruntime_does(model: Model, tmp_path: Path) -> None:
    path = model.save(tmp_path)
    bundle = irconv.read(path, model.options)
    for number, inputs in enumerate(model.inputs):
        wanted = of_onnxruntime(path, inputs)
        (folder := tmp_path / str(number)).mkdir()
        for runtime, results in predictions(bundle, tuple(inputs.values()), folder).items():
            for want, got in zip(wanted, results, strict=True):
                assert got.shape == want.shape, runtime
                assert np.abs(got - want).max() <= 2e-6 * max(1, np.abs(want).max()), runtime


def test_values_of_unlike_sizes_are_no_stack(tmp_path: Path) -> None:
    bundle = irconv.read(next(m for m in MODELS if "side by side" in m.name).save(tmp_path))
    assert "Stack" not in used_types(bundle)


def test_a_branch_that_sizes_decide_says_so(tmp_path: Path) -> None:
    text = rejection(lambda: irconv.read(MODELS[0].save(tmp_path)), Refused)
    assert text.endswith("It hangs on sizes of x: --input-shape x=N,SIZE decides it.")


def test_branches_of_unlike_shapes_that_the_data_decides_are_refused(tmp_path: Path) -> None:
    text = _BY_DATA.replace("v = Neg(x)", "v = Concat<axis=0>(x, x)").replace("=> (float[N,5] y", "=> (float[M,5] y")
    path = Model("", text, ()).save(tmp_path)
    assert rejection(lambda: irconv.read(path), Refused) == (
        "m.onnx: node y (If): takes one of two branches by its data, which give y as float32 ('N', 5) and float32 "
        "('2*N', 5). What is chosen has to be of one shape; cut before it with --outputs."
    )


def test_what_open_sizes_fill_is_refused_for_keras_with_the_way_out(tmp_path: Path) -> None:
    """As anchors of a detector are counted from the sizes of its maps."""
    text = """a (float[N,3,H,W] x) => (float[N,3,H,W] y, float[S] z) <int64[2] sizes = {2, 3}, int64[1] all = {-1}> {
        y = Neg(x)
        shape = Shape(y)
        wide = Gather(shape, sizes)
        zeros = ConstantOfShape(wide)
        z = Reshape(zeros, all)
    }"""
    path = Model("", text, ()).save(tmp_path)
    said = rejection(lambda: irconv.write(irconv.read(path), tmp_path / "m.keras"), Refused)
    assert (
        "is computed from constants and from H and W alone, which the inputs leave open; --input-shape with numbers "
        "for them makes it a constant." in said
    )


def test_the_largest_of_an_open_number_of_elements_says_what_gives_it(tmp_path: Path) -> None:
    path = Model("", "a (float[N,3,T] x) => (float[N,3,T] y) { y = Hardmax(x) }", (), opset=11).save(tmp_path)
    assert rejection(lambda: irconv.read(path), Refused) == (
        "m.onnx: node y (Hardmax): expected a known number of elements to find the largest of, got 3*T. "
        "Give the sizes with --input-shape."
    )
