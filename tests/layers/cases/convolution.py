"""Convolutions and affine maps against torch and Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from irconv.ir.layers.convolution import Bilinear, Conv, ConvTranspose, Linear
from irconv.ir.layers.window import Padding
from tests.layers.harness import Case, arrays
from tests.layers.wanted import Recorded

Arrays = dict[str, np.ndarray]
#: Spatial sizes by rank, all different.
SIZES = {1: (11,), 2: (9, 12), 3: (7, 6, 9)}
SYMBOLS = {1: ("T",), 2: ("H", "W"), 3: ("D", "H", "W")}


def _symbolic(channels: int, rank: int) -> Mapping[str, Any]:
    return {"x": ("N", channels, *SYMBOLS[rank])}


def _torch(function: str, given: Arrays, **settings: Any) -> Callable[[], Arrays]:
    def run() -> Arrays:
        import torch

        tensors = [torch.from_numpy(array) for array in given.values()]
        return {"y": getattr(torch.nn.functional, function)(*tensors, **settings).numpy()}

    return run


def _conv_torch(rank: int, kernel: tuple[int, ...], stride: Any, dilation: Any, groups: int, pads: Any) -> Case:
    given = arrays(10 + rank, x=(2, 6, *SIZES[rank]), kernel=(8, 6 // groups, *kernel), bias=(8,))
    layer = Conv(stride=stride, dilation=dilation, groups=groups, padding=tuple((p, p) for p in pads))
    name = f"conv{rank}d"
    wanted = _torch(name, given, stride=stride, padding=pads, dilation=dilation, groups=groups)
    operands = {"kernel": given["kernel"], "bias": given["bias"]}
    text = f"rank {rank} with kernel {kernel}, stride {stride}, dilation {dilation}, {groups} groups, padding {pads}"
    shapes = _symbolic(6, rank)
    return Case(text, layer, {"x": given["x"]}, wanted, f"torch.nn.functional.{name}", operands, shapes)


def keras_layer(x: np.ndarray, make: Callable[[Any], Any], weights: list[np.ndarray], **call: Any) -> Arrays:
    """What a Keras layer makes of channels-first data, in channels-first; its weights are in its own order."""
    import keras

    layer = make(keras.layers)
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    layer.build(last.shape)
    layer.set_weights(weights)
    return {"y": np.ascontiguousarray(np.moveaxis(np.asarray(layer(last, **call)), -1, 1))}


def _keras_kernel(kernel: np.ndarray) -> np.ndarray:
    """OIHW (or IOHW, the other way round) as Keras has it: spatial axes first."""
    return np.moveaxis(kernel, (1, 0), (-2, -1))


def _conv_keras(rank: int, kernel: tuple[int, ...], stride: Any, dilation: Any, groups: int, shapes: Any) -> Case:
    given = arrays(20 + rank, x=(2, 6, *SIZES[rank]), kernel=(8, 6 // groups, *kernel), bias=(8,))
    settings = {"padding": "same", "dilation_rate": dilation, "groups": groups}

    def wanted() -> Arrays:
        def make(layers: Any) -> Any:
            return getattr(layers, f"Conv{rank}D")(8, kernel, stride, **settings)

        return keras_layer(given["x"], make, [_keras_kernel(given["kernel"]), given["bias"]])

    layer = Conv(stride=stride, dilation=dilation, groups=groups, padding="same_upper")
    known = "unknown" if shapes else "known"
    text = f"same padding of {known} sizes, kernel {kernel}, stride {stride}, dilation {dilation}, {groups} groups"
    operands = {"kernel": given["kernel"], "bias": given["bias"]}
    return Case(text, layer, {"x": given["x"]}, wanted, f"keras.layers.Conv{rank}D", operands, shapes)


def _conv_rule(mode: Any, dilation: tuple[int, int], pads: Any) -> Case:
    """`pads` are what the rule comes to for the sizes 9 and 12 (worked out by hand from `irconv.ir.layers.window`)."""
    given = arrays(29, x=(2, 6, 9, 12), kernel=(8, 3, 3, 4), bias=(8,))

    def wanted() -> Arrays:
        padded = {**given, "x": np.pad(given["x"], ((0, 0), (0, 0), *pads))}
        return _torch("conv2d", padded, stride=(2, 3), dilation=dilation, groups=2)()

    layer = Conv(stride=(2, 3), dilation=dilation, groups=2, padding=mode)
    operands = {"kernel": given["kernel"], "bias": given["bias"]}
    text = f"padding {mode} of unknown sizes with dilation {dilation}"
    against = "torch.nn.functional.conv2d of what is padded by the rule"
    return Case(text, layer, {"x": given["x"]}, wanted, against, operands, _symbolic(6, 2))


def _depthwise() -> Case:
    given = arrays(30, x=(2, 3, 9, 12), kernel=(6, 1, 3, 5), bias=(6,))

    def wanted() -> Arrays:
        kernel = given["kernel"].reshape(3, 2, 3, 5).transpose(2, 3, 0, 1)
        make = lambda layers: layers.DepthwiseConv2D((3, 5), (2, 2), "same", depth_multiplier=2)  # noqa: E731
        return keras_layer(given["x"], make, [kernel, given["bias"]])

    layer = Conv(stride=(2, 2), dilation=(1, 1), groups=3, padding="same_upper")
    operands = {"kernel": given["kernel"], "bias": given["bias"]}
    text = "depthwise with two results a channel: output channel c m + i"
    return Case(text, layer, {"x": given["x"]}, wanted, "keras.layers.DepthwiseConv2D", operands, _symbolic(3, 2))


def _pointwise_after_depthwise() -> Case:
    given = arrays(31, x=(2, 6, 9, 12), kernel=(5, 6, 1, 1), bias=(5,))

    def wanted() -> Arrays:
        eye = np.zeros((1, 1, 6, 1), np.float32) + 1
        make = lambda layers: layers.SeparableConv2D(5, 1)  # noqa: E731
        return keras_layer(given["x"], make, [eye, _keras_kernel(given["kernel"]), given["bias"]])

    layer = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding=((0, 0), (0, 0)))
    operands = {"kernel": given["kernel"], "bias": given["bias"]}
    text = "the pointwise half of a separable convolution"
    return Case(text, layer, {"x": given["x"]}, wanted, "keras.layers.SeparableConv2D", operands, _symbolic(6, 2))


def _separable_depthwise() -> Case:
    given = arrays(32, x=(2, 3, 9, 12), kernel=(6, 1, 3, 5))

    def wanted() -> Arrays:
        kernel = given["kernel"].reshape(3, 2, 3, 5).transpose(2, 3, 0, 1)
        make = lambda layers: layers.SeparableConv2D(6, (3, 5), depth_multiplier=2, use_bias=False)  # noqa: E731
        return keras_layer(given["x"], make, [kernel, np.eye(6, dtype=np.float32)[None, None]])

    layer = Conv(stride=(1, 1), dilation=(1, 1), groups=3, padding=((0, 0), (0, 0)))
    operands = {"kernel": given["kernel"]}
    text = "the depthwise half of a separable convolution, without bias"
    return Case(text, layer, {"x": given["x"]}, wanted, "keras.layers.SeparableConv2D", operands, _symbolic(3, 2))


def _transposed_torch(rank: int, kernel: Any, stride: Any, dilation: Any, groups: int, pads: Any, more: Any) -> Case:
    given = arrays(40 + rank, x=(2, 6, *SIZES[rank]), kernel=(6, 8 // groups, *kernel), bias=(8,))
    name = f"conv_transpose{rank}d"
    wanted = _torch(name, given, stride=stride, padding=pads, output_padding=more, groups=groups, dilation=dilation)
    layer = ConvTranspose(
        stride=stride,
        dilation=dilation,
        groups=groups,
        padding=tuple((p, p) for p in pads),
        output_padding=more,
        output_size=None,
    )
    operands = {"kernel": given["kernel"], "bias": given["bias"]}
    text = f"kernel {kernel}, stride {stride}, dilation {dilation}, {groups} groups, padding {pads}, more {more}"
    shapes = _symbolic(6, rank)
    return Case(text, layer, {"x": given["x"]}, wanted, f"torch.nn.functional.{name}", operands, shapes)


def _transposed_keras(
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    mode: str,
    padding: Padding,
    more: tuple[int, ...],
    output_padding: tuple[int, ...] | None = None,
) -> Case:
    rank = len(kernel)
    given = arrays(50 + rank, x=(2, 3, *SIZES[rank]), kernel=(3, 4, *kernel), bias=(4,))

    def wanted() -> Arrays:
        def make(layers: Any) -> Any:
            settings = {"dilation_rate": dilation} | ({"output_padding": output_padding} if output_padding else {})
            return getattr(layers, f"Conv{rank}DTranspose")(4, kernel, stride, mode, **settings)

        return keras_layer(given["x"], make, [_keras_kernel(given["kernel"]), given["bias"]])

    layer = ConvTranspose(
        stride=stride, dilation=dilation, groups=1, padding=padding, output_padding=more, output_size=None
    )
    operands = {"kernel": given["kernel"], "bias": given["bias"]}
    text = f"Keras' {mode} padding with kernel {kernel}, stride {stride}, dilation {dilation}, more {output_padding}"
    against = f"keras.layers.Conv{rank}DTranspose"
    # where oneDNN is off, TensorFlow has no dilated kernel on a CPU: the processor decides
    dilated = any(step > 1 for step in dilation)
    results = Recorded(f"conv_transpose_{mode}", given, wanted) if dilated else wanted
    return Case(text, layer, {"x": given["x"]}, results, against, operands, _symbolic(3, rank))


def _transposed_tensorflow(size: tuple[int, int]) -> Case:
    given = arrays(60, x=(2, 3, 5, 7), kernel=(3, 4, 3, 5))

    def wanted() -> Arrays:
        import tensorflow as tf

        x, kernel = given["x"].transpose(0, 2, 3, 1), given["kernel"].transpose(2, 3, 1, 0)
        y = tf.nn.conv2d_transpose(x, kernel, (2, *size, 4), (2, 3), "SAME").numpy()
        return {"y": np.ascontiguousarray(y.transpose(0, 3, 1, 2))}

    layer = ConvTranspose(
        stride=(2, 3), dilation=(1, 1), groups=1, padding="same_upper", output_padding=(0, 0), output_size=size
    )
    operands = {"kernel": given["kernel"]}
    text = f"TensorFlow's SAME to the size {size}, without bias"
    shapes = {"x": ("N", 3, 5, 7)}
    return Case(text, layer, {"x": given["x"]}, wanted, "tf.nn.conv2d_transpose", operands, shapes)


def _transposed_same_lower() -> Case:
    given = arrays(61, x=(2, 3, 5), kernel=(3, 4, 4), bias=(4,))

    def wanted() -> Arrays:
        full = _torch("conv_transpose1d", given, stride=3)()["y"]
        return {"y": full[:, :, 1:]}  # f = 16, n s = 15: the larger half of 1 goes off the front

    layer = ConvTranspose(
        stride=(3,), dilation=(1,), groups=1, padding="same_lower", output_padding=(0,), output_size=None
    )
    operands = {"kernel": given["kernel"], "bias": given["bias"]}
    against = "torch.nn.functional.conv_transpose1d and the crop that ONNX's SAME_LOWER states"
    return Case("crops the odd element at the front", layer, {"x": given["x"]}, wanted, against, operands)


def _transposed_theano() -> Case:
    given = arrays(62, x=(2, 3, 5), kernel=(3, 4, 5), bias=(4,))

    def wanted() -> Arrays:
        full = _torch("conv_transpose1d", given, stride=2)()["y"]
        return {"y": full[:, :, 2:-1]}  # Keras on Theano crops k // 2 in front of n s elements

    layer = ConvTranspose(
        stride=(2,), dilation=(1,), groups=1, padding="theano_half", output_padding=(0,), output_size=None
    )
    operands = {"kernel": given["kernel"], "bias": given["bias"]}
    against = "torch.nn.functional.conv_transpose1d and the crop of Keras 2 on Theano"
    shapes = {"x": ("N", 3, "T")}
    return Case("crops half a kernel in front", layer, {"x": given["x"]}, wanted, against, operands, shapes)


def _linear(shape: tuple[int, ...], symbols: Any, bias: bool) -> Case:
    given = arrays(70, x=shape, kernel=(5, shape[-1]), **({"bias": (5,)} if bias else {}))
    operands = {role: given[role] for role in given if role != "x"}
    text = f"the last axis of rank {len(shape)}, {'with' if bias else 'without'} bias"
    wanted = _torch("linear", given)
    shapes = {"x": symbols} if symbols else {}
    return Case(text, Linear(), {"x": given["x"]}, wanted, "torch.nn.functional.linear", operands, shapes)


def _linear_keras() -> Case:
    given = arrays(71, x=(3, 4, 7), kernel=(5, 7), bias=(5,))

    def wanted() -> Arrays:
        import keras

        layer = keras.layers.Dense(5)
        layer.build(given["x"].shape)
        layer.set_weights([given["kernel"].T, given["bias"]])
        return {"y": np.asarray(layer(given["x"]))}

    operands = {"kernel": given["kernel"], "bias": given["bias"]}
    text = "Dense on a sequence"
    return Case(text, Linear(), {"x": given["x"]}, wanted, "keras.layers.Dense", operands, {"x": ("N", "T", 7)})


def _bilinear(shape: tuple[int, ...], symbols: tuple[Any, ...], bias: bool) -> Case:
    sizes = {"left": (*shape, 5), "right": (*shape, 7), "kernel": (4, 5, 7)}
    given = arrays(72, **sizes, **({"bias": (4,)} if bias else {}))
    inputs = {slot: given.pop(slot) for slot in ("left", "right")}
    shapes = {"left": (*symbols, 5), "right": (*symbols, 7)}
    text = f"rank {len(shape) + 1}, {'with' if bias else 'without'} bias"
    wanted = _torch("bilinear", {**inputs, **given})
    return Case(text, Bilinear(), inputs, wanted, "torch.nn.functional.bilinear", given, shapes)


def _computed(layer: Any, function: str, sizes: dict[str, tuple[int, ...]], **settings: Any) -> Case:
    given = arrays(73, **sizes)
    wanted = _torch(function, given, **settings)
    text = f"kernel and bias are values of the graph, rank {len(sizes['x'])}"
    shapes = {"x": ("N", *sizes["x"][1:])}
    return Case(text, layer, given, wanted, f"torch.nn.functional.{function}", shapes=shapes)


_PLAIN: Any = {"stride": (2, 1), "dilation": (1, 1), "groups": 2, "padding": ((1, 1), (0, 0))}

CASES = [
    _conv_torch(1, (4,), (3,), (2,), 2, (3,)),
    _conv_torch(2, (3, 5), (2, 3), (1, 1), 1, (0, 2)),
    _conv_torch(2, (2, 3), (1, 2), (3, 2), 2, (1, 3)),
    _conv_torch(3, (3, 2, 4), (2, 1, 3), (2, 3, 1), 2, (2, 1, 0)),
    _conv_keras(1, (4,), (3,), (1,), 1, {}),
    _conv_keras(2, (3, 4), (2, 2), (1, 1), 2, {}),
    _conv_keras(2, (3, 4), (2, 2), (1, 1), 1, _symbolic(6, 2)),
    _conv_keras(2, (2, 1), (3, 3), (1, 1), 1, _symbolic(6, 2)),
    _conv_keras(2, (1, 1), (2, 2), (1, 1), 1, _symbolic(6, 2)),
    _conv_keras(2, (3, 4), (1, 1), (2, 3), 1, _symbolic(6, 2)),
    _conv_keras(3, (3, 2, 4), (2, 2, 2), (1, 1, 1), 1, _symbolic(6, 3)),
    _conv_rule("same_upper", (2, 1), ((2, 2), (0, 1))),
    _conv_rule("same_lower", (2, 1), ((2, 2), (1, 0))),
    _conv_rule("same_lower", (1, 1), ((1, 1), (1, 0))),
    _conv_rule("theano_half", (1, 1), ((1, 1), (2, 0))),
    _depthwise(),
    _separable_depthwise(),
    _pointwise_after_depthwise(),
    _transposed_torch(1, (4,), (3,), (2,), 2, (3,), (2,)),
    _transposed_torch(2, (3, 5), (2, 3), (1, 1), 1, (0, 2), (1, 0)),
    _transposed_torch(2, (2, 3), (1, 2), (3, 2), 2, (1, 3), (0, 1)),
    _transposed_torch(3, (3, 2, 4), (2, 1, 3), (2, 3, 1), 2, (2, 1, 0), (1, 0, 2)),
    _transposed_torch(2, (3, 3), (2, 2), (1, 1), 2, (1, 1), (1, 1)),
    _transposed_torch(2, (3, 2), (1, 2), (4, 1), 2, (1, 0), (3, 1)),
    _transposed_keras((2,), (3,), (1,), "valid", ((0, 0),), (1,)),
    _transposed_keras((2, 5), (3, 2), (1, 1), "valid", ((0, 0), (0, 0)), (1, 0)),
    _transposed_keras((3, 4), (1, 1), (2, 3), "valid", ((0, 0), (0, 0)), (0, 0)),
    _transposed_keras((1, 4), (3, 2), (1, 1), "same", "same_upper", (0, 0)),
    _transposed_keras((3, 5), (2, 2), (1, 1), "same", "same_upper", (0, 0)),
    _transposed_keras((3, 2), (1, 1), (2, 2), "same", "same_upper", (0, 0)),
    _transposed_keras((2, 3, 5), (3, 2, 2), (1, 1, 1), "same", "same_upper", (0, 0, 0)),
    # t = w - w % 2 - u is 3 - 1 - 1 = 1, and 6 - 0 - 2 = 4
    _transposed_keras((3, 6), (2, 3), (1, 1), "same", ((0, 1), (2, 2)), (0, 0), (1, 2)),
    _transposed_tensorflow((9, 19)),
    _transposed_tensorflow((10, 21)),
    _transposed_same_lower(),
    _transposed_theano(),
    _linear((3, 7), ("N", 7), True),
    _linear((3, 7), ("N", 7), False),
    _linear((7,), None, True),
    _linear((3, 2, 4, 7), ("N", 2, "T", 7), True),
    _linear((3, 4, 7), ("N", "T", 7), False),
    _linear_keras(),
    _bilinear((3,), ("N",), True),
    _bilinear((3, 2), ("N", "T"), False),
    _computed(
        Conv(**_PLAIN),
        "conv2d",
        {"x": (2, 6, 9, 12), "kernel": (8, 3, 3, 2), "bias": (8,)},
        stride=(2, 1),
        padding=(1, 0),
        groups=2,
    ),
    _computed(
        ConvTranspose(**_PLAIN, output_padding=(1, 0), output_size=None),
        "conv_transpose2d",
        {"x": (2, 6, 9, 12), "kernel": (6, 4, 3, 2), "bias": (8,)},
        stride=(2, 1),
        padding=(1, 0),
        output_padding=(1, 0),
        groups=2,
    ),
    _computed(Linear(), "linear", {"x": (3, 7), "kernel": (5, 7), "bias": (5,)}),
    _computed(Linear(), "linear", {"x": (3, 4, 7), "kernel": (5, 7), "bias": (5,)}),
    _computed(Linear(), "linear", {"x": (3, 4, 5), "kernel": (5, 5)}),
]
