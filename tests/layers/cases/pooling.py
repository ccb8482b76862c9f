"""Pools against torch, Keras and TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers.adaptive_pooling import AdaptiveAveragePool, AdaptiveMaxPool
from irconv.ir.layers.pooling import (
    AveragePool,
    GlobalLpPool,
    LpPool,
    MaxPool,
    MaxPoolWithIndices,
    MaxUnpool,
    SumPool,
)
from irconv.ir.layers.window import window_outputs
from tests.layers.harness import Case, arrays

#: Spatial sizes by rank, all different.
SIZES = {1: (11,), 2: (9, 12), 3: (7, 6, 9)}
SYMBOLS = {1: ("T",), 2: ("H", "W"), 3: ("D", "H", "W")}
#: All below zero, so that a padding which counts as zero would win a maximum.
X = {rank: arrays(90 + rank, x=(2, 3, *sizes))["x"] - 5 for rank, sizes in SIZES.items()}


def torch_result(function: str, *values: np.ndarray, **settings: Any) -> Callable[[], dict[str, np.ndarray]]:
    """The result of a function of ``torch.nn.functional``."""

    def run() -> dict[str, np.ndarray]:
        import torch

        tensors = [torch.from_numpy(value) for value in values]
        return {"y": getattr(torch.nn.functional, function)(*tensors, **settings).numpy()}

    return run


def _shapes(rank: int, known: bool) -> dict[str, Any]:
    return {"x": ("N", 3, *(SIZES[rank] if known else SYMBOLS[rank]))}


def _max(kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, known: bool = False) -> Case:
    rank, pads = len(kernel), tuple((p, p) for p in padding)
    layer = MaxPool(kernel=kernel, stride=stride, dilation=dilation, padding=pads, ceil_mode=ceil)
    name = f"max_pool{rank}d"
    wanted = torch_result(
        name, X[rank], kernel_size=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil
    )
    text = f"kernel {kernel}, stride {stride}, padding {padding}, dilation {dilation}, ceil_mode {ceil}"
    return Case(text, layer, {"x": X[rank]}, wanted, f"torch.nn.functional.{name}", shapes=_shapes(rank, known))


def _average(kernel: Any, stride: Any, padding: Any, ceil: bool, counted: bool, known: bool = False) -> Case:
    rank, pads = len(kernel), tuple((p, p) for p in padding)
    layer = AveragePool(kernel=kernel, stride=stride, padding=pads, ceil_mode=ceil, count_padding=counted)
    name, settings = f"avg_pool{rank}d", {"ceil_mode": ceil, "count_include_pad": counted}
    wanted = torch_result(name, X[rank], kernel_size=kernel, stride=stride, padding=padding, **settings)
    text = f"kernel {kernel}, stride {stride}, padding {padding}, ceil_mode {ceil}, count_padding {counted}"
    return Case(text, layer, {"x": X[rank]}, wanted, f"torch.nn.functional.{name}", shapes=_shapes(rank, known))


def _keras(native: str, layer: Any, kernel: Any, stride: Any, known: bool) -> Case:
    rank = len(kernel)

    def wanted() -> dict[str, np.ndarray]:
        import keras

        pool = getattr(keras.layers, f"{native}{rank}D")(kernel, stride, "same")
        y = np.asarray(pool(np.moveaxis(X[rank], 1, -1)))
        return {"y": np.ascontiguousarray(np.moveaxis(y, -1, 1))}

    settings = {"dilation": (1,) * rank} if layer is MaxPool else {"count_padding": False}
    made = layer(kernel=kernel, stride=stride, padding="same_upper", ceil_mode=False, **settings)
    text = f"same padding of {'known' if known else 'unknown'} sizes, kernel {kernel}, stride {stride}"
    return Case(text, made, {"x": X[rank]}, wanted, f"keras.layers.{native}{rank}D", shapes=_shapes(rank, known))


def _theano(layer: Any) -> Case:
    pads = ((0, 0), (0, 0), (1, 1), (3, 0))  # for the sizes 9 and 12; k = 4 has k - 1 in front

    def wanted() -> dict[str, np.ndarray]:
        settings = {"kernel_size": (3, 4), "stride": (2, 3)}
        if layer is MaxPool:
            return torch_result("max_pool2d", np.pad(X[2], pads, constant_values=-np.inf), **settings)()
        sums, counts = (
            torch_result("avg_pool2d", np.pad(array, pads), **settings)()["y"] for array in (X[2], np.ones_like(X[2]))
        )
        return {"y": sums / counts}

    settings = {"dilation": (1, 1)} if layer is MaxPool else {"count_padding": False}
    made = layer(kernel=(3, 4), stride=(2, 3), padding="theano_pool_same", ceil_mode=False, **settings)
    against = "torch.nn.functional of what is padded by Keras' rule on Theano"
    text = "Keras' same padding on Theano, of unknown sizes"
    return Case(text, made, {"x": X[2]}, wanted, against, shapes=_shapes(2, False))


def _with_indices(kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, known: bool) -> Case:
    rank, pads = len(kernel), tuple((p, p) for p in padding)
    layer = MaxPoolWithIndices(
        kernel=kernel, stride=stride, dilation=dilation, padding=pads, ceil_mode=ceil, counted="plane"
    )

    def wanted() -> dict[str, np.ndarray]:
        import torch

        function = getattr(torch.nn.functional, f"max_pool{rank}d")
        y, indices = function(torch.from_numpy(X[rank]), kernel, stride, padding, dilation, ceil, return_indices=True)
        return {"y": y.numpy(), "indices": indices.numpy()}

    text = f"kernel {kernel}, stride {stride}, padding {padding}, dilation {dilation}, ceil_mode {ceil}"
    against = f"torch.nn.functional.max_pool{rank}d with return_indices"
    return Case(text, layer, {"x": X[rank]}, wanted, against, shapes=_shapes(rank, known))


def _with_indices_of_tensor() -> Case:
    layer = MaxPoolWithIndices(
        kernel=(2, 3), stride=(2, 2), dilation=(1, 1), padding="same_upper", ceil_mode=False, counted="tensor"
    )
    x = X[2]

    def wanted() -> dict[str, np.ndarray]:
        import tensorflow as tf

        last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        y, places = tf.nn.max_pool_with_argmax(last, (2, 3), 2, "SAME", include_batch_in_index=True)
        n, h, w, c = np.unravel_index(places.numpy(), last.shape)
        first = np.ravel_multi_index((n, c, h, w), x.shape)  # TensorFlow counts channels-last
        return {
            slot: np.ascontiguousarray(a.transpose(0, 3, 1, 2)) for slot, a in (("y", y.numpy()), ("indices", first))
        }

    return Case("counted in the whole tensor", layer, {"x": x}, wanted, "tf.nn.max_pool_with_argmax")


def _unpool(rank: int, kernel: Any, size: tuple[int, ...], symbols: Any, wide: Any) -> Case:
    outputs = window_outputs(SIZES[rank], kernel, kernel, (1,) * rank, ((0, 0),) * rank)
    chosen = np.random.default_rng(95).permuted(
        np.broadcast_to(np.arange(int(np.prod(size))), (2, 3, int(np.prod(size)))), axis=2
    )
    count = int(np.prod(outputs))
    indices = np.ascontiguousarray(chosen[:, :, :count].reshape(2, 3, *outputs))
    x = arrays(96, x=(2, 3, *outputs))["x"]  # type: ignore[arg-type]
    name = f"max_unpool{rank}d"

    def wanted() -> dict[str, np.ndarray]:
        import torch

        function = getattr(torch.nn.functional, name)
        return {"y": function(torch.from_numpy(x), torch.from_numpy(indices), kernel, output_size=size).numpy()}

    inputs = {"x": x, "indices": indices}
    shapes = dict.fromkeys(inputs, ("N", 3, *symbols))
    text = f"into {size}"
    return Case(text, MaxUnpool(output_size=wide), inputs, wanted, f"torch.nn.functional.{name}", shapes=shapes)


def _sum(kernel: Any, stride: Any, padding: Any, ceil: bool, known: bool) -> Case:
    rank, pads = len(kernel), tuple((p, p) for p in padding)
    layer = SumPool(kernel=kernel, stride=stride, padding=pads, ceil_mode=ceil, divisor=7)
    name = f"avg_pool{rank}d"
    wanted = torch_result(
        name, X[rank], kernel_size=kernel, stride=stride, padding=padding, ceil_mode=ceil, divisor_override=7
    )
    text = f"kernel {kernel}, stride {stride}, padding {padding}, ceil_mode {ceil}"
    return Case(text, layer, {"x": X[rank]}, wanted, f"torch.nn.functional.{name}", shapes=_shapes(rank, known))


def _lp_torch(p: float, kernel: Any, stride: Any, ceil: bool) -> Case:
    rank = len(kernel)
    x = np.abs(X[rank]) if p % 2 else X[rank]
    layer = LpPool(
        p=p,
        formula="mean",
        kernel=kernel,
        stride=stride,
        dilation=(1,) * rank,
        padding=((0, 0),) * rank,
        ceil_mode=ceil,
    )
    name = f"lp_pool{rank}d"
    sizes = {"kernel_size": kernel, "stride": stride} if rank > 1 else {"kernel_size": kernel[0], "stride": stride[0]}
    wanted = torch_result(name, x, norm_type=p, ceil_mode=ceil, **sizes)
    text = f"PyTorch's formula, order {p}, kernel {kernel}, stride {stride}, ceil_mode {ceil}"
    return Case(text, layer, {"x": x}, wanted, f"torch.nn.functional.{name}", shapes=_shapes(rank, False))


def _lp_absolute(p: float, padding: Any, ceil: bool) -> Case:
    layer = LpPool(
        p=p, formula="absolute", kernel=(2, 3), stride=(3, 2), dilation=(2, 1), padding=padding, ceil_mode=ceil
    )

    def wanted() -> dict[str, np.ndarray]:
        import torch

        beyond = 1 if ceil else 0
        padded = np.pad(X[2], ((0, 0), (0, 0), (padding[0][0], padding[0][1]), (padding[1][0], padding[1][1] + beyond)))
        blocks = torch.nn.functional.unfold(torch.from_numpy(padded), (2, 3), (2, 1), 0, (3, 2))
        norms = torch.linalg.vector_norm(blocks.reshape(2, 3, 6, -1), p, 2)
        rows = (padded.shape[2] - 3) // 3 + 1
        return {"y": norms.reshape(2, 3, rows, -1).numpy()}

    text = f"the norm of order {p}, padding {padding}, ceil_mode {ceil}"
    against = "torch.linalg.vector_norm of torch.nn.functional.unfold"
    return Case(text, layer, {"x": X[2]}, wanted, against, shapes=_shapes(2, False))


def _lp_short() -> Case:
    layer = LpPool(
        p=2, formula="absolute", kernel=(2, 2), stride=(3, 3), dilation=(1, 1), padding="same_upper", ceil_mode=False
    )

    def wanted() -> dict[str, np.ndarray]:
        import torch

        blocks = torch.nn.functional.unfold(torch.from_numpy(X[2]), 2, stride=3)  # for 9 and 12, SAME pads nothing
        return {"y": torch.linalg.vector_norm(blocks.reshape(2, 3, 4, 3, 4), 2, 2).numpy()}

    against = "torch.linalg.vector_norm of torch.nn.functional.unfold"
    text = "same padding of unknown sizes with windows shorter than strides"
    return Case(text, layer, {"x": X[2]}, wanted, against, shapes=_shapes(2, False))


def _global_lp(p: float, rank: int) -> Case:
    def wanted() -> dict[str, np.ndarray]:
        import torch

        axes = tuple(range(2, rank + 2))
        return {"y": torch.linalg.vector_norm(torch.from_numpy(X[rank]), p, axes, keepdim=True).numpy()}

    against = "torch.linalg.vector_norm"
    return Case(
        f"order {p}, rank {rank}", GlobalLpPool(p=p), {"x": X[rank]}, wanted, against, shapes=_shapes(rank, False)
    )


def _adaptive(layer: Any, native: str, size: tuple[int | None, ...], known: bool = True) -> Case:
    rank = len(size)
    name = f"adaptive_{native}_pool{rank}d"
    wanted = torch_result(name, X[rank], output_size=size if rank > 1 else size[0])
    against = f"torch.nn.functional.{name}"
    text = f"{size} bins of {SIZES[rank] if known else SYMBOLS[rank]}"
    return Case(text, layer(output_size=size), {"x": X[rank]}, wanted, against, shapes=_shapes(rank, known))


def _adaptive_keras(layer: Any, native: str, size: tuple[int, ...]) -> Case:
    rank = len(size)

    def wanted() -> dict[str, np.ndarray]:
        import keras

        pool = getattr(keras.layers, f"Adaptive{native}Pooling{rank}D")(size)
        y = np.asarray(pool(np.ascontiguousarray(np.moveaxis(X[rank], 1, -1))))
        return {"y": np.ascontiguousarray(np.moveaxis(y, -1, 1))}

    against = f"keras.layers.Adaptive{native}Pooling{rank}D"
    text = f"Keras' {size} bins of {SIZES[rank]}"
    return Case(text, layer(output_size=size), {"x": X[rank]}, wanted, against, shapes=_shapes(rank, True))


def _adaptive_infinite() -> Case:
    x = X[1].copy()
    x[0, 0, 3], x[1, 2, 7] = np.inf, -np.inf
    wanted = torch_result("adaptive_avg_pool1d", x, output_size=4)
    layer = AdaptiveAveragePool(output_size=(4,))
    against = "torch.nn.functional.adaptive_avg_pool1d"
    return Case("infinite elements stay in their bins", layer, {"x": x}, wanted, against)


CASES = [
    _max((3,), (2,), (1,), (2,), False),
    _max((3, 2), (2, 3), (1, 0), (2, 1), True),
    _max((2, 2), (2, 2), (1, 1), (1, 1), True),
    _max((2, 2), (4, 3), (0, 1), (1, 1), True, known=True),
    _max((2, 2), (4, 3), (0, 1), (1, 1), True),
    _max((3, 2), (2, 2), (1, 1), (1, 1), True, known=True),
    _max((3, 2, 4), (2, 3, 1), (1, 1, 2), (1, 2, 2), True),
    _max((3, 2, 4), (2, 3, 1), (1, 1, 2), (1, 2, 2), False, known=True),
    *(_average((3,), (2,), (1,), ceil, counted) for ceil in (False, True) for counted in (False, True)),
    *(_average((3, 4), (4, 5), (1, 2), ceil, counted) for ceil in (False, True) for counted in (False, True)),
    *(_average((2, 3, 5), (2, 2, 3), (1, 0, 2), True, counted, True) for counted in (False, True)),
    _average((2, 2), (2, 2), (1, 1), True, True),
    _average((2, 2), (2, 2), (1, 1), True, True, known=True),
    _average((2, 5), (4, 5), (1, 1), True, True, known=True),
    _keras("MaxPooling", MaxPool, (3, 2), (2, 3), True),
    _keras("MaxPooling", MaxPool, (3, 4), (2, 3), False),
    _keras("MaxPooling", MaxPool, (2, 2, 3), (1, 2, 2), False),
    _keras("MaxPooling", MaxPool, (1, 1), (2, 3), False),
    _keras("MaxPooling", MaxPool, (2, 3), (3, 5), False),
    _keras("AveragePooling", AveragePool, (3,), (2,), False),
    _keras("AveragePooling", AveragePool, (3, 2), (2, 3), True),
    _keras("AveragePooling", AveragePool, (2, 4), (2, 3), False),
    _keras("AveragePooling", AveragePool, (4, 3), (5, 7), False),
    _keras("AveragePooling", AveragePool, (3, 2, 4), (2, 1, 3), True),
    _theano(MaxPool),
    _theano(AveragePool),
    _with_indices((3,), (2,), (1,), (2,), True, False),
    _with_indices((2, 3), (2, 1), (1, 1), (1, 2), False, False),
    _with_indices((2, 2, 3), (2, 2, 3), (0, 1, 1), (1, 1, 1), True, True),
    _with_indices_of_tensor(),
    _unpool(1, (2,), (11,), ("T",), (11,)),
    _unpool(2, (2, 3), (9, 14), (4, 4), (9, 14)),
    _unpool(2, (2, 3), (8, 12), ("H", "W"), ("2*H", "3*W")),
    _unpool(3, (2, 2, 3), (6, 6, 9), (3, 3, 3), (6, 6, 9)),
    _sum((3, 2), (2, 3), (1, 0), False, False),
    _sum((3, 2, 2), (2, 1, 3), (1, 0, 1), True, True),
    _sum((3, 4), (4, 5), (1, 2), True, True),
    _sum((2, 2), (4, 3), (1, 0), True, True),
    _lp_torch(2.0, (3, 2), (2, 3), False),
    _lp_torch(4.0, (2, 3), (3, 2), True),
    _lp_torch(1.5, (3,), (2,), False),
    _lp_torch(3.0, (3, 2, 2), (2, 1, 2), False),
    _lp_absolute(1, ((0, 0), (0, 0)), False),
    _lp_absolute(2, ((1, 0), (1, 1)), False),
    _lp_absolute(3, ((0, 0), (0, 0)), True),
    _lp_short(),
    *(_global_lp(p, rank) for p, rank in ((1, 1), (2, 2), (3, 3), (2.5, 2))),
    *(_adaptive(AdaptiveAveragePool, "avg", size) for size in ((4,), (3, 5), (3, 4), (1, 5), (None, 7), (13, 17))),
    _adaptive(AdaptiveAveragePool, "avg", (2, 1, 4)),
    _adaptive(AdaptiveAveragePool, "avg", (1, 1), known=False),
    _adaptive(AdaptiveAveragePool, "avg", (None, 1), known=False),
    _adaptive(AdaptiveMaxPool, "max", (4,)),
    _adaptive(AdaptiveMaxPool, "max", (3, 5)),
    _adaptive(AdaptiveMaxPool, "max", (None, 1), known=False),
    _adaptive(AdaptiveMaxPool, "max", (2, 3, 4)),
    _adaptive_keras(AdaptiveAveragePool, "Average", (4, 5)),
    _adaptive_keras(AdaptiveMaxPool, "Max", (4, 3, 5)),
    _adaptive_infinite(),
]
