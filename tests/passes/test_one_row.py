"""Windows over images of one row are windows over sequences, where nothing but they need the row."""

from __future__ import annotations

import pytest

from irconv.ir.layers.activations import Relu
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.pooling import MaxPool
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.tensor_ops import Transpose
from irconv.passes import recompose
from tests.passes.test_recompose import Graph, recomposed

STEPS = (2, 7, 3)


def conv(pads: tuple[int, int] = (0, 0)) -> Conv:
    return Conv(stride=(1, 2), dilation=(1, 1), groups=1, padding=(pads, (1, 0)))


def written(f: Graph, layer: Conv, *kernel: int) -> str:
    """As TensorFlow has it, channels last."""
    first = f(Transpose(permutation=(0, 3, 1, 2)), f(Unsqueeze(axes=(1,)), "x"))
    return f(Transpose(permutation=(0, 2, 3, 1)), f(layer, first, kernel=f.weight(*kernel)))


def test_a_convolution_and_a_pool_of_one_row_are_of_a_sequence() -> None:
    f = Graph(STEPS)
    made = written(f, conv(), 4, 3, 1, 3)
    first = f(Transpose(permutation=(0, 3, 1, 2)), f(Relu(), made))
    pool = MaxPool(kernel=(1, 2), stride=(1, 1), dilation=(1, 1), padding="same_upper", ceil_mode=False)
    last = f(Transpose(permutation=(0, 2, 3, 1)), f(pool, first))
    whole = f(Squeeze(axes=(1,)), last)
    found = recomposed(f, whole, shape=STEPS)
    assert [kind for kind in found if kind != "Transpose"] == ["Conv", "Relu", "MaxPool"]
    bundle = recompose.run(f.bundle(whole))
    (layer,) = (layer for layer in bundle.layers.values() if isinstance(layer, Conv))
    assert (layer.stride, layer.padding) == ((2,), ((1, 0),))
    kernel = bundle.tensors[layer.operands["kernel"].tensor]  # type: ignore[union-attr]
    assert kernel.data.shape == (4, 3, 3)
    assert kernel.native().shape == (4, 3, 1, 3)


@pytest.mark.parametrize("miss", ["padding", "kernel", "user", "axis"])
def test_the_row_stays_where_it_is_padded_seen_or_another_axis(miss: str) -> None:
    f = Graph(STEPS)
    rows, pads = {"padding": (3, (1, 1)), "kernel": (2, (1, 0))}.get(miss, (1, (0, 0)))
    made = written(f, conv(pads), 4, 3, rows, 8 if miss == "axis" else 3)
    outputs = [f(Squeeze(axes=(2 if miss == "axis" else 1,)), made), *([made] if miss == "user" else [])]
    assert "Unsqueeze" in recomposed(f, *outputs, shape=STEPS)
