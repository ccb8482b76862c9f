"""Small models that ask for much are refused at once, whatever they would make a reader, a pass or a writer do."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import irconv
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.adaptive_pooling import AdaptiveAveragePool
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.embedding import CategoryEncoding, OneHot
from irconv.ir.layers.patches import SpaceToDepth, Unfold
from irconv.ir.layers.plain_norms import LocalResponseNorm
from irconv.ir.layers.pooling import MaxPool
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.signal import DFT
from irconv.ir.layers.slicing import Unstack
from irconv.ir.layers.tensor_ops import Pad
from tests.helpers import Builder, numbers

SECONDS, MEGABYTES = 5, 400


def outcome(action: Callable[[], object]) -> str:
    """What an action comes to in a process of its own that has limits; the text of the refusal, or nothing."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        code = 9
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + MEGABYTES * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            used = resource.getrusage(resource.RUSAGE_SELF)
            seconds = int(used.ru_utime + used.ru_stime) + SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            try:
                action()
                code = 0
            except irconv.IrconvError as error:
                os.write(write, str(error).encode()[:4000])
                code = 3
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        text = stream.read().decode()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (0, 3), "out of its limits"
    return text


def model(path: Path, nodes: list[Any], functions: list[Any] | None = None, **tensors: np.ndarray) -> Path:
    stored = [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])]
    wanted = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", given, wanted, stored)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, functions=functions or []), path)
    return path


def doubling(path: Path) -> Path:
    """Functions each of which calls the one before it twice."""
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    first = helper.make_function("own", "f0", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opsets)
    functions = [first]
    for level in range(1, 30):
        calls = [helper.make_node(f"f{level - 1}", [a], [b], domain="own") for a, b in (("a", "m"), ("m", "b"))]
        functions.append(helper.make_function("own", f"f{level}", ["a"], ["b"], calls, opsets))
    return model(path, [helper.make_node("f29", ["x"], ["y"], domain="own")], functions)


def constant(path: Path) -> Path:
    """A constant of 40 GB that the graph makes."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["c"]),
        helper.make_node("Add", ["c", "one"], ["d"]),
        helper.make_node("ReduceSum", ["d"], ["e"], keepdims=0),
        helper.make_node("Add", ["x", "e"], ["y"]),
    ]
    return model(path, nodes, shape=np.array([100_000, 100_000]), one=np.float32([1]))


def numbers_counted(path: Path) -> Path:
    """Floating numbers from 0 to ten thousand million."""
    bounds = {"a": np.float32(0), "b": np.float32(1e10), "c": np.float32(1)}
    nodes = [helper.make_node("Range", ["a", "b", "c"], ["r"]), helper.make_node("Add", ["x", "r"], ["y"])]
    return model(path, nodes, **bounds)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (doubling, "its functions and loops write out more than 5"),
        (constant, "is computed from constants and takes 40000000000 bytes"),
        (numbers_counted, "its range takes 10000000000 numbers or layers, and irconv writes at most 1048576"),
    ],
)
def test_a_small_model_of_onnx_that_asks_for_much_is_refused(
    make: Callable[[Path], Path], said: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "m.onnx")
    assert said in outcome(lambda: irconv.convert(path, tmp_path / "out.keras"))
    assert not (tmp_path / "out.keras").exists()


_POOL: dict[str, Any] = {"dilation": (1,), "padding": "same_upper", "ceil_mode": False}
#: Layer, the shape it is given, what is written.
LAYERS: dict[str, tuple[Layer, tuple[int | str, ...], str]] = {
    "bins": (AdaptiveAveragePool(output_size=(10**8,)), ("N", 3, 10**8 + 1), "m.onnx"),
    "classes": (OneHot(depth=10**9, dtype="float32"), ("N", 3), "m.onnx"),
    "channels": (
        LocalResponseNorm(before=1, after=1, alpha=1.0, beta=0.5, k=1.0, alpha_of="window"),
        ("N", 10**5, 3, 3),
        "m.keras",
    ),
    "sizes": (
        Resize(
            mode="nearest",
            coordinates="asymmetric",
            rounding="floor",
            sizes=(10**9, 10**9),
            scales=None,
            cubic_coefficient=None,
            antialias=False,
            exclude_outside=False,
        ),
        ("N", 3, 7, 7),
        "m.keras",
    ),
    "a transform": (DFT(axis=1, inverse=False, onesided=False, length=None), ("N", 10**6, 1), "m.py"),
    "a padding": (Pad(pads=((0, 0), (0, 10**9)), mode="edge", value=None), ("N", 3), "m.keras"),
    "a window": (
        MaxPool(kernel=(2,), stride=(2 * 10**9,), **{**_POOL, "dilation": (10**9,)}),
        ("N", 3, "L"),
        "m.onnx",
    ),
    "an order": (SpaceToDepth(block=10**4, mode="CRD"), ("N", 3, 10**4, 10**4), "m.onnx"),
    "columns": (Unfold(kernel=(10**7,), stride=(1,), dilation=(1,), padding=((0, 0),)), ("N", 3, 10**8), "m.onnx"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_would_be_written_out_at_length_is_refused_or_written_short(name: str, tmp_path: Path) -> None:
    layer, shape, target = LAYERS[name]
    dtype = "int64" if isinstance(layer, OneHot | CategoryEncoding) else "float32"
    text = outcome(lambda: _write(layer, shape, dtype, tmp_path / target))
    assert not text or "numbers or layers, and irconv writes at most" in text, text


def _write(layer: Layer, shape: tuple[int | str, ...], dtype: str, path: Path) -> None:
    builder = Builder(x=shape)
    builder.inputs[0] = builder.inputs[0].model_copy(update={"dtype": dtype})
    irconv.write(builder.add("y", layer, "x").build(), path)


def test_a_count_beyond_all_measure_is_refused() -> None:
    text = outcome(lambda: Builder(x=("N", "T")).add("y", Unstack(axis=1, count=2**30), "x").build())
    assert "a count of 1073741824 takes 1073741824 numbers or layers" in text


def test_what_is_within_measure_is_written(tmp_path: Path) -> None:
    kernel = numbers(4, 3, 3, 3)
    conv = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding=((1, 1), (1, 1)))
    bundle = Builder(x=("N", 3, 9, 9)).add("c", conv, "x", kernel=kernel).add("y", Relu(), "c").build()
    assert not outcome(lambda: irconv.write(bundle, tmp_path / "m.onnx"))
