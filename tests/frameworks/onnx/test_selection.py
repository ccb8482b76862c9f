"""Models whose sizes depend on the numbers they are given, against onnxruntime: read, and written for PyTorch, too."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import parser

import irconv
from irconv.errors import Refused
from irconv.ir.known import bounds
from irconv.ir.shapes import Size
from tests.helpers import rejection

_RANDOM = np.random.default_rng(5)
X = _RANDOM.standard_normal((4, 9)).astype(np.float32)
TIED = _RANDOM.integers(0, 4, (4, 9)).astype(np.float32)


@dataclass(frozen=True)
class Model:
    """A graph in ONNX's text form, what it is given, and the shapes of its outputs as irconv reads them."""

    name: str
    text: str
    inputs: tuple[np.ndarray, ...]
    shapes: tuple[tuple[int | str, ...], ...]

    def __str__(self) -> str:
        return self.name

    def save(self, folder: Path) -> Path:
        path = folder / "m.onnx"
        onnx.save(parser.parse_model(f'<ir_version: 9, opset_import: ["":18]> {self.text}'), path)
        return path


MODELS = [
    Model("places", "a (float[N,9] x) => (int64[2,M] y) { y = NonZero(x) }", (np.where(X > 0, X, 0),), ((2, "u0"),)),
    Model(
        "elements by a mask, and by its places",
        """a (float[N,9] x) => (float[M] y, float[1,K] z) <int64[1] flat = {-1}, int64[1] first = {0}> {
            low = Constant<value_float=0.3>()
            mask = Greater(x, low)
            vector = Reshape(mask, flat)
            y = Compress(x, vector)
            places = NonZero(mask)
            rows = Transpose<perm=[1,0]>(places)
            found = GatherND(x, rows)
            z = Unsqueeze(found, first)
        }""",
        (X,),
        (("u0",), (1, "u1")),
    ),
    Model(
        "no more than there are",
        """a (float[N,9] x, int64[1] most) => (float[N,K] y, int64[N,K] i) <int64[1] width = {9}> {
            k = Min(most, width)
            y, i = TopK<axis=1>(x, k)
        }""",
        (X, np.array([30])),
        (("N", "u0"), ("N", "u0")),
    ),
    Model(
        "slices between computed bounds",
        """a (float[N,9] x, int64[1] n) => (float[N,K] y, float[N,L] z) <int64[1] zero = {0}, int64[1] one = {1}> {
            y = Slice(x, zero, n, one)
            m = Neg(n)
            z = Slice(x, m, n, one)
        }""",
        (X, np.array([7])),
        (("N", "u0"), ("N", "u1")),
    ),
    Model(
        "a slice of what was counted",
        """a (float[N,9] x) => (float[K,9] y) <int64[1] zero = {0}, int64[1] most = {3}> {
            one = Constant<value_ints=[1]>()
            sums = ReduceSum<keepdims=0>(x, one)
            least = Constant<value_float=-10.0>()
            mask = Greater(sums, least)
            kept = Compress<axis=0>(x, mask)
            y = Slice(kept, zero, most)
        }""",
        (X[:2],),
        (("u1", 9),),
    ),
    Model(
        "different elements in their order",
        """a (float[N,9] x) => (float[M] y, int64[M] f, int64[K] i, int64[M] c) { y, f, i, c = Unique<sorted=0>(x) }""",
        (TIED,),
        (("u0",), ("u0",), ("9*N",), ("u0",)),
    ),
    Model(
        "different columns",
        "a (float[N,9] x) => (float[N,M] y, int64[K] i) { y, f, i, c = Unique<axis=1>(x) }",
        (TIED[:1],),
        (("N", "u0"), (9,)),
    ),
    Model(
        "as many as a number says",
        """a (float[N,9] x, int64 n) => (int64[M] y, float[M,2] z, float[M,9] w) <int64[1] first = {0}> {
            two = Constant<value_int=2>()
            one = Constant<value_int=1>()
            y = Range(two, n, one)
            size = Unsqueeze(n, first)
            pair = Constant<value_ints=[2]>()
            shape = Concat<axis=0>(size, pair)
            z = ConstantOfShape(shape)
            start = Constant<value_ints=[0]>()
            end = Constant<value_ints=[1]>()
            row = Slice(x, start, end)
            wide = Constant<value_ints=[9]>()
            rows = Concat<axis=0>(size, wide)
            w = Expand(row, rows)
        }""",
        (X, np.array(6)),
        (("u0",), ("u1", "u2"), ("u3", 9)),
    ),
    Model(
        "boxes that do not overlap",
        """a (float[2,B,4] boxes, float[2,3,B] scores) => (int64[M,3] y) <int64[1] most = {3}> {
            overlap = Constant<value_floats=[0.4]>()
            least = Constant<value_floats=[0.2]>()
            y = NonMaxSuppression(boxes, scores, most, overlap, least)
        }""",
        (
            np.sort(_RANDOM.random((2, 9, 2, 2)), axis=2).reshape(2, 9, 4).astype(np.float32),
            _RANDOM.random((2, 3, 9)).astype(np.float32),
        ),
        (("u0", 3),),
    ),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_what_depends_on_the_numbers_is_as_onnxruntime_has_it(model: Model, tmp_path: Path) -> None:
    path = model.save(tmp_path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    wanted = session.run(None, dict(zip(names, model.inputs, strict=True)))
    bundle = irconv.read(path)
    assert bundle.graph is not None
    assert tuple(port.shape for port in bundle.graph.outputs) == model.shapes
    for runtime in ("onnxruntime", "numpy"):
        found = irconv.run(bundle, list(model.inputs), runtime=runtime)
        for got, want in zip(found.values(), wanted, strict=True):
            np.testing.assert_array_equal(got, want)
    for got, want in zip(_in_torch(path, tmp_path / "m.py", model.inputs), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def _in_torch(path: Path, source: Path, inputs: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    import torch

    irconv.convert(path, source)
    spec = importlib.util.spec_from_file_location("selected", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    results = module.load()(*map(torch.from_numpy, inputs))
    return [result.numpy() for result in (results if isinstance(results, tuple) else (results,))]


def test_what_is_counted_may_be_nothing_at_all() -> None:
    assert bounds(Size.of("u0")) == (0, np.inf)
    assert bounds(Size.of("N")) == (1, np.inf)


def test_the_mask_of_a_dropout_keeps_everything(tmp_path: Path) -> None:
    text = "a (float[N,9] x) => (float[N,9] y, bool[N,9] mask) { y, mask = Dropout(x) }"
    y, mask = irconv.run(Model("dropout", text, (X,), ()).save(tmp_path), [X]).values()
    np.testing.assert_array_equal(y, X)
    np.testing.assert_array_equal(mask, np.ones(X.shape, bool))


def test_a_target_without_such_layers_says_where_the_model_could_end(tmp_path: Path) -> None:
    path = MODELS[-1].save(tmp_path)
    text = rejection(lambda: irconv.convert(path, tmp_path / "m.keras"), Refused)
    assert text == (
        "m.onnx: layer y (NonMaxSuppression): Keras 3.15.1 has no layer for it: how many elements it makes depends "
        "on the numbers that it is given. Give --outputs boxes,scores to end the model before it."
    )


def test_what_is_counted_anew_in_every_round_of_a_loop_is_refused(tmp_path: Path) -> None:
    text = """a (float[N,9] x) => (int64[K,2,M] y) {
        y = Scan<num_scan_inputs=1, body = step (float[9] row) => (int64[1,M] out) { out = NonZero(row) }>(x)
    }"""
    path = Model("loop", text, (X,), ()).save(tmp_path)
    found = rejection(lambda: irconv.read(path), Refused)
    assert "makes another number of elements in each round of a loop, which irconv does not carry" in found
