"""Windows cut out and put back, channels and space: against torch and TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.ir.layers.base import Layer
from irconv.ir.layers.patches import ChannelShuffle, DepthToSpace, Fold, LocallyConnected, SpaceToDepth, Unfold
from tests.layers.cases.pooling import torch_result
from tests.layers.harness import Case, arrays


def _unfold(kernel: Any, stride: Any, dilation: Any, padding: Any) -> Case:
    x = arrays(100, x=(2, 3, 9, 12))["x"]
    pads = tuple((p, p) for p in padding)
    layer = Unfold(kernel=kernel, stride=stride, dilation=dilation, padding=pads)
    settings = {"kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": stride}
    text = f"kernel {kernel}, stride {stride}, dilation {dilation}, padding {padding}"
    wanted = torch_result("unfold", x, **settings)
    return Case(text, layer, {"x": x}, wanted, "torch.nn.functional.unfold", shapes={"x": ("N", 3, "H", "W")})


def _patches() -> Case:
    x = arrays(101, x=(2, 3, 9, 12))["x"]

    def wanted() -> dict[str, np.ndarray]:
        import tensorflow as tf

        y = tf.image.extract_patches(x.transpose(0, 2, 3, 1), (1, 4, 3, 1), (1, 2, 3, 1), (1, 1, 1, 1), "SAME").numpy()
        n, rows, columns, _ = y.shape  # TensorFlow's patches have the channels last
        y = y.reshape(n, rows * columns, 12, 3).transpose(0, 3, 2, 1)
        return {"y": np.ascontiguousarray(y.reshape(n, 36, rows * columns))}

    layer = Unfold(kernel=(4, 3), stride=(2, 3), dilation=(1, 1), padding="same_upper")
    shapes = {"x": ("N", 3, "H", "W")}
    return Case("same padding", layer, {"x": x}, wanted, "tf.image.extract_patches", shapes=shapes)


def _unfold_other_rank(rank: int) -> Case:
    sizes = {1: (11,), 3: (5, 6, 7)}[rank]
    kernel, stride, dilation = (3, 2, 2)[:rank], (2, 1, 3)[:rank], (2, 1, 2)[:rank]
    x = arrays(102, x=(2, 3, *sizes))["x"]

    def wanted() -> dict[str, np.ndarray]:
        import torch

        # each row of the identity, as a kernel, picks one element of the window
        count = int(np.prod(kernel))
        pick = np.tile(np.eye(count, dtype=np.float32).reshape(count, 1, *kernel), (3,) + (1,) * (rank + 1))
        function = getattr(torch.nn.functional, f"conv{rank}d")
        y = function(torch.from_numpy(x), torch.from_numpy(pick), None, stride, 0, dilation, 3)
        return {"y": y.reshape(2, 3 * count, -1).numpy()}

    layer = Unfold(kernel=kernel, stride=stride, dilation=dilation, padding=((0, 0),) * rank)
    against = f"torch.nn.functional.conv{rank}d with the identity as its kernels"
    shapes = {"x": ("N", 3, *("D", "H", "W")[:rank])}
    return Case(f"rank {rank}", layer, {"x": x}, wanted, against, shapes=shapes)


def _fold(
    size: Any,
    kernel: Any,
    stride: Any,
    dilation: Any,
    padding: Any,
    columns: int,
    symbolic: Any = None,
) -> Case:
    x = arrays(103, x=(2, 3 * kernel[0] * kernel[1], columns))["x"]
    pads = tuple((p, p) for p in padding)
    wide, many = symbolic or (size, columns)
    layer = Fold(output_size=wide, kernel=kernel, stride=stride, dilation=dilation, padding=pads)
    settings = {"kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": stride}
    text = f"into {wide} with kernel {kernel}, stride {stride}, dilation {dilation}, padding {padding}"
    wanted = torch_result("fold", x, output_size=size, **settings)
    shapes = {"x": ("N", x.shape[1], many)}
    return Case(text, layer, {"x": x}, wanted, "torch.nn.functional.fold", shapes=shapes)


def _locally_connected(kernel: tuple[int, ...], stride: tuple[int, ...], bias: bool) -> Case:
    """Keras' formula as its `local_conv` has it: for each position, the window with the channels last times a matrix.

    No framework that can be installed here has the layer.
    """
    rank, filters = len(kernel), 4
    x = arrays(104, x=(2, 3, *(9, 7)[:rank]))["x"]
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    positions, window = int(np.prod(counts)), int(np.prod(kernel))
    native = arrays(105, kernel=(positions, window * 3, filters), bias=(*counts, filters))

    def wanted() -> dict[str, np.ndarray]:
        last = np.moveaxis(x, 1, -1)
        y = np.zeros((2, *counts, filters), np.float32)
        for i, place in enumerate(np.ndindex(*counts)):
            cut = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, stride, kernel, strict=True))
            y[(slice(None), *place)] = last[(slice(None), *cut)].reshape(2, -1) @ native["kernel"][i]
        return {"y": np.ascontiguousarray(np.moveaxis(y + native["bias"] if bias else y, -1, 1))}

    kernels = native["kernel"].reshape(positions, window, 3, filters).transpose(0, 3, 2, 1)
    operands = {"kernel": np.ascontiguousarray(kernels.reshape(positions, filters, 3 * window))}
    if bias:
        operands["bias"] = np.ascontiguousarray(np.moveaxis(native["bias"], -1, 0))
    layer = LocallyConnected(kernel_size=kernel, stride=stride, dilation=(1,) * rank, padding=((0, 0),) * rank)
    text = f"rank {rank}, {'with' if bias else 'without'} bias"
    shapes = {"x": ("N", *x.shape[1:])}
    return Case(text, layer, {"x": x}, wanted, "numpy, from the source of Keras 2", operands, shapes)


def _torch(name: str, layer: Layer, shape: tuple[int, ...], function: str, symbols: Any, *settings: int) -> Case:
    x = arrays(106, x=shape)["x"]

    def wanted() -> dict[str, np.ndarray]:
        import torch

        y = getattr(torch.nn.functional, function)(torch.from_numpy(x), *settings)
        return {"y": y.contiguous().numpy()}

    return Case(name, layer, {"x": x}, wanted, f"torch.nn.functional.{function}", shapes={"x": symbols})


def _tensorflow(layer: Layer, shape: tuple[int, ...], function: str, symbols: Any) -> Case:
    x = arrays(107, x=shape)["x"]

    def wanted() -> dict[str, np.ndarray]:
        import tensorflow as tf

        y = getattr(tf.nn, function)(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), layer.settings()["block"]).numpy()
        return {"y": np.ascontiguousarray(y.transpose(0, 3, 1, 2))}

    return Case("like TensorFlow", layer, {"x": x}, wanted, f"tf.nn.{function}", shapes={"x": symbols})


CASES = [
    _unfold((3, 2), (2, 3), (1, 1), (0, 0)),
    _unfold((2, 3), (1, 2), (2, 3), (1, 2)),
    _patches(),
    _unfold_other_rank(1),
    _unfold_other_rank(3),
    _fold((9, 12), (3, 4), (2, 3), (1, 1), (0, 0), 12),
    _fold((8, 11), (2, 3), (1, 2), (2, 3), (1, 2), 8 * 5),
    _fold((11, 1), (3, 1), (2, 1), (1, 1), (0, 0), 5, (("2*L + 1", 1), "L")),
    _locally_connected((3,), (2,), True),
    _locally_connected((3, 2), (2, 1), True),
    _locally_connected((2, 3), (1, 2), False),
    _torch(
        "PyTorch's order", DepthToSpace(block=3, mode="CRD"), (2, 18, 4, 5), "pixel_shuffle", ("N", 18, "H", "W"), 3
    ),
    _tensorflow(DepthToSpace(block=3, mode="DCR"), (2, 18, 4, 5), "depth_to_space", ("N", 18, "H", "W")),
    _torch(
        "PyTorch's order", SpaceToDepth(block=2, mode="CRD"), (2, 3, 6, 8), "pixel_unshuffle", ("N", 3, "H", "W"), 2
    ),
    _tensorflow(SpaceToDepth(block=2, mode="DCR"), (2, 3, 6, 8), "space_to_depth", ("N", 3, "H", "W")),
    _torch("two groups", ChannelShuffle(groups=2), (2, 6, 4, 5), "channel_shuffle", ("N", 6, "H", "W"), 2),
    _torch("three groups", ChannelShuffle(groups=3), (2, 6, 4, 5), "channel_shuffle", ("N", "C", 4, 5), 3),
]
