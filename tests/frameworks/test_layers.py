"""Every IR layer as it leaves through each writer, against its formula in numpy; all sizes odd and unequal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.codec import Codec
from irconv.frameworks.keras.table import TABLE as KERAS
from irconv.frameworks.onnx.lower import lower as lower_for_onnx
from irconv.frameworks.onnx.lower import prepared
from irconv.frameworks.onnx.table import TABLE as ONNX
from irconv.frameworks.torch.lower import lower as lower_for_torch
from irconv.frameworks.torch.table import TABLE as TORCH
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import (
    Clip,
    Elu,
    Exp,
    Gelu,
    GeneralRelu,
    HardSigmoid,
    LeakyRelu,
    Relu,
    Selu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedRelu,
)
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.tensor_ops import (
    Add,
    Concat,
    Constant,
    Flatten,
    Identity,
    Mul,
    Pad,
    Reduce,
    Reshape,
    SamePad,
    Transpose,
)
from irconv.ir.layers.training import Dropout
from irconv.rows import Only
from irconv.translate import encode
from tests import numpy_layers as reference
from tests.helpers import (
    GOLDEN,
    Array,
    Builder,
    error,
    in_torch,
    numbers,
    predictions,
    read_case,
)

LAYER_ERROR = 2e-6


@dataclass(frozen=True)
class Trial:
    """A bundle, its inputs, and its output by formula."""

    bundle: Bundle
    inputs: tuple[Array, ...]
    wanted: Array


def one(layer: Layer, x: Array, wanted: Array, shape: tuple[int | str, ...] = (), **operands: Array) -> Trial:
    """A layer of one input; the batch size is unknown."""
    return Trial(Builder(x=shape or ("N", *x.shape[1:])).add("y", layer, "x", **operands).build(), (x,), wanted)


def activation(layer: Layer, formula: Callable[[Array], Array]) -> Callable[[], Trial]:
    x = np.concatenate([numbers(3, 4) * 3, np.linspace(-7, 7, 12, dtype=np.float32).reshape(3, 4)], 1)
    return lambda: one(layer, x, formula(x).astype(np.float32))


def conv(rank: int, groups: int = 1, bias: bool = True, symbolic: bool = False, **settings: object) -> Trial:
    """A convolution of odd sizes with a different stride, kernel and dilation on each axis."""
    sizes, kernel = (11, 8, 9)[:rank], (3, 2, 1)[:rank]
    stride, dilation = (2, 1, 3)[:rank], (1, 1, 1) if symbolic else (1, 3, 2)
    dilation = dilation[:rank]
    x, weights = numbers(2, 2 * groups, *sizes), numbers(3 * groups, 2, *kernel, seed=8)
    operands = {"kernel": weights} | ({"bias": numbers(3 * groups, seed=9)} if bias else {})
    padding = settings.get("padding", tuple((1, 1) for _ in kernel))
    pads = reference.same_pads(sizes, kernel, stride, dilation) if padding == "same_upper" else padding
    if padding == "same_lower":
        pads = [(after, before) for before, after in reference.same_pads(sizes, kernel, stride, dilation)]
    layer = Conv(stride=stride, dilation=dilation, groups=groups, padding=padding)
    wanted = reference.conv(x, weights, stride, dilation, pads, groups, operands.get("bias"))
    shape: tuple[int | str, ...] = ("N", 2 * groups, *"DHW"[-rank:]) if symbolic else ()
    return one(layer, x, wanted, shape, **operands)


def max_pool(rank: int, pads: tuple[tuple[int, int], ...] = (), symbolic: bool = False, same: bool = False) -> Trial:
    sizes, kernel = (11, 8, 7)[:rank], (3, 2, 2)[:rank]
    stride, dilation = (2, 3, 1)[:rank], (1, 1, 2)[:rank]
    x = numbers(2, 3, *sizes) - 5
    explicit = reference.same_pads(sizes, kernel, stride, dilation) if same else pads or ((0, 0),) * rank
    padding = "same_upper" if same else explicit
    layer = MaxPool(kernel=kernel, stride=stride, dilation=dilation, padding=padding, ceil_mode=False)
    wanted = reference.max_pool(x, kernel, stride, dilation, explicit)
    return one(layer, x, wanted, ("N", 3, *"DHW"[-rank:]) if symbolic else ())


def average_pool(rank: int, count_padding: bool, pads: tuple[tuple[int, int], ...]) -> Trial:
    sizes, kernel, stride = (11, 8, 7)[:rank], (3, 2, 4)[:rank], (2, 3, 1)[:rank]
    x = numbers(2, 3, *sizes) + 2
    layer = AveragePool(kernel=kernel, stride=stride, padding=pads, ceil_mode=False, count_padding=count_padding)
    return one(layer, x, reference.average_pool(x, kernel, stride, pads, count_padding))


def last_window_partly_inside(op: str) -> Trial:
    """Pools with ceil_mode: 5 windows of 3 over 8 and a padding of 1 on both sides, the last one cut short."""
    x, kernel, stride, reach = numbers(2, 3, 8, 6) + 2, (3, 2), (2, 2), [(1, 2), (0, 0)]
    settings = {"kernel": kernel, "stride": stride, "padding": ((1, 1), (0, 0)), "ceil_mode": True}
    if op == "max":
        return one(MaxPool(**settings, dilation=(1, 1)), x, reference.max_pool(x, kernel, stride, (1, 1), reach))
    layer = AveragePool(**settings, count_padding=False)
    return one(layer, x, reference.average_pool(x, kernel, stride, reach, count_padding=False))


def batch_norm(rank: int, roles: str = "gamma beta", momentum: float | None = 0.9) -> Trial:
    x = numbers(2, 3, *(5, 4, 7)[: rank - 2])
    vectors = {role: numbers(3, seed=seed) for seed, role in enumerate(["gamma", "beta", "mean"])}
    operands = {role: vectors[role] for role in roles.split()}
    operands |= {"mean": vectors["mean"], "variance": np.abs(numbers(3, seed=5)) + 0.1}
    layer = BatchNorm(epsilon=0.03, momentum=momentum)
    mean, variance = operands["mean"], operands["variance"]
    wanted = reference.batch_norm(x, mean, variance, 0.03, operands.get("gamma"), operands.get("beta"))
    return one(layer, x, wanted, **operands)


def linear(*shape: int, bias: bool = True) -> Trial:
    x, kernel = numbers(*shape), numbers(4, shape[-1], seed=8)
    operands = {"kernel": kernel} | ({"bias": numbers(4, seed=9)} if bias else {})
    return one(Linear(), x, x @ kernel.transpose() + operands.get("bias", np.float32(0)), **operands)


def reduce(op: str, axes: tuple[int, ...], keepdims: bool) -> Trial:
    x = numbers(2, 3, 5, 4)
    return one(Reduce(op=op, axes=axes, keepdims=keepdims), x, getattr(x, op)(axes, keepdims=keepdims))


def joined(layer: Layer, count: int, formula: Callable[..., Array], *shapes: tuple[int, ...]) -> Trial:
    arrays = [numbers(*(shapes[i] if shapes else (2, 3, 5)), seed=i) for i in range(count)]
    names = [f"in{i}" for i in range(count)]
    inputs = {name: array.shape for name, array in zip(names, arrays, strict=True)}
    return Trial(Builder(**inputs).add("y", layer, *names).build(), tuple(arrays), formula(*arrays))


def with_constant() -> Trial:
    x, value = numbers(2, 3, 5), numbers(3, 1, seed=8)
    builder = Builder(x=("N", 3, 5)).add("scale", Constant(), value=value).add("y", Mul(), "x", "scale")
    return Trial(builder.build(), (x,), x * value)


def shared_between_sizes() -> Trial:
    """One convolution used on two sizes; SAME padding differs between the two."""
    a, b, kernel = numbers(2, 3, 11), numbers(2, 3, 8, seed=3), numbers(4, 3, 3, seed=8)
    layer = Conv(stride=(2,), dilation=(1,), groups=1, padding="same_upper")
    builder = Builder(a=a.shape, b=b.shape).add("conv", layer, "a", kernel=kernel).use("conv", "b", result="second")
    builder.add("y", Concat(axis=2), "conv", "second")
    parts = [reference.conv(x, kernel, (2,), (1,), reference.same_pads(x.shape[2:], (3,), (2,), (1,))) for x in (a, b)]
    return Trial(builder.build(), (a, b), np.concatenate(parts, 2))


def same_pad(value: float) -> Trial:
    x, kernel, stride, dilation = numbers(2, 3, 11, 8), (4, 3), (3, 2), (1, 2)
    pads = reference.same_pads((11, 8), kernel, stride, dilation)
    layer = SamePad(kernel=kernel, stride=stride, dilation=dilation, value=value)
    return one(layer, x, reference.padded(x, pads, value))


X4 = numbers(2, 3, 5, 4)
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772

#: Name -> the trial. Names of native types come first where a codec is reached by no golden file.
TRIALS: dict[str, Callable[[], Trial]] = {
    "Conv1d": lambda: conv(1),
    "Conv2d": lambda: conv(2),
    "Conv3d": lambda: conv(3),
    "Conv1d, grouped, no bias": lambda: conv(1, groups=3, bias=False),
    "Conv3d, grouped, padded unevenly": lambda: conv(3, groups=2, padding=((0, 2), (1, 0), (2, 1))),
    "Conv1d, same": lambda: conv(1, padding="same_upper"),
    "Conv2d, same": lambda: conv(2, padding="same_upper"),
    "Conv2d, same_lower": lambda: conv(2, padding="same_lower"),
    "Conv3d, same, sizes unknown": lambda: conv(3, padding="same_upper", symbolic=True),
    "Conv2d, same, sizes unknown": lambda: conv(2, padding="same_upper", symbolic=True),
    "Conv2d, same_lower, sizes unknown": lambda: conv(2, padding="same_lower", symbolic=True),
    "Conv1d, sizes unknown": lambda: conv(1, symbolic=True),
    "Conv, shared between sizes": shared_between_sizes,
    "MaxPool1d": lambda: max_pool(1),
    "MaxPool2d": lambda: max_pool(2),
    "MaxPool3d": lambda: max_pool(3),
    "MaxPool1d, padded": lambda: max_pool(1, ((1, 1),)),
    "MaxPool2d, padded unevenly": lambda: max_pool(2, ((0, 2), (1, 0))),
    "MaxPool2d, same, sizes unknown": lambda: max_pool(2, symbolic=True, same=True),
    "MaxPool3d, same": lambda: max_pool(3, same=True),
    "AvgPool1d": lambda: average_pool(1, False, ((0, 0),)),
    "AvgPool1d, padded": lambda: average_pool(1, False, ((1, 1),)),
    "AvgPool3d": lambda: average_pool(3, True, ((0, 0), (0, 0), (0, 0))),
    "AvgPool2d, padding counted": lambda: average_pool(2, True, ((1, 1), (1, 1))),
    "AvgPool2d, padding not counted": lambda: average_pool(2, False, ((1, 1), (1, 1))),
    "AvgPool2d, padded unevenly, counted": lambda: average_pool(2, True, ((0, 2), (1, 0))),
    "AvgPool2d, padded unevenly, not counted": lambda: average_pool(2, False, ((0, 2), (1, 0))),
    "AvgPool3d, padded unevenly, not counted": lambda: average_pool(3, False, ((0, 2), (1, 0), (2, 1))),
    "MaxPool2d, ceil_mode": lambda: last_window_partly_inside("max"),
    "AvgPool2d, ceil_mode": lambda: last_window_partly_inside("average"),
    "BatchNorm1d": lambda: batch_norm(2),
    "BatchNorm1d of sequences": lambda: batch_norm(3),
    "BatchNorm2d": lambda: batch_norm(4),
    "BatchNorm3d": lambda: batch_norm(5),
    "BatchNorm3d, no gamma": lambda: batch_norm(5, "beta"),
    "BatchNorm1d, no beta": lambda: batch_norm(3, "gamma"),
    "BatchNorm2d, cumulative average": lambda: batch_norm(4, "", momentum=None),
    "Linear": lambda: linear(2, 5),
    "Linear of rank 3": lambda: linear(2, 3, 5),
    "Linear of rank 4, no bias": lambda: linear(2, 3, 4, 5, bias=False),
    "ReduceMean": lambda: reduce("mean", (2, 3), keepdims=False),
    "ReduceSum": lambda: reduce("sum", (1, 3), keepdims=True),
    "ReduceMax": lambda: reduce("max", (2,), keepdims=True),
    "ReduceMin": lambda: reduce("min", (1, 2), keepdims=False),
    "Reshape": lambda: one(Reshape(shape=("N", 15, 2, 2)), X4, X4.reshape(2, 15, 2, 2)),
    "Transpose": lambda: one(Transpose(permutation=(0, 3, 1, 2)), X4, X4.transpose(0, 3, 1, 2)),
    "Flatten": lambda: one(Flatten(start_axis=1), X4, X4.reshape(2, 60)),
    "Add": lambda: joined(Add(), 2, lambda a, b: a + b),
    "Add, broadcast": lambda: joined(Add(), 2, lambda a, b: a + b, (2, 3, 5), (3, 1)),
    "Sum": lambda: joined(Add(), 3, lambda a, b, c: a + b + c),
    "Mul": lambda: joined(Mul(), 2, lambda a, b: a * b),
    "Concat": lambda: joined(Concat(axis=1), 3, lambda *x: np.concatenate(x, 1), (2, 3, 5), (2, 1, 5), (2, 4, 5)),
    "Constant": with_constant,
    "Pad": lambda: one(
        Pad(pads=((0, 0), (1, 0), (2, 3), (0, 4)), mode="constant", value=0.5),
        X4,
        np.pad(X4, ((0, 0), (1, 0), (2, 3), (0, 4)), constant_values=0.5),
    ),
    "Identity": lambda: one(Identity(), X4, X4),
    "Dropout": lambda: one(Dropout(rate=0.3, noise="zero", shared=()), X4, X4),
    "Softmax": lambda: one(Softmax(axis=1), X4, reference.softmax(X4, 1)),
    "Softmax, last axis": lambda: one(Softmax(axis=3), X4, reference.softmax(X4, 3)),
    "Relu": activation(Relu(), lambda x: np.maximum(x, 0)),
    "LeakyRelu": activation(LeakyRelu(slope=0.15), lambda x: np.where(x > 0, x, np.float32(0.15) * x)),
    "ThresholdedRelu": activation(ThresholdedRelu(threshold=0.7), lambda x: np.where(x > 0.7, x, 0)),
    "Clip, both sides": activation(Clip(low=-1.5, high=2.5), lambda x: np.clip(x, -1.5, 2.5)),
    "Clip, relu6": activation(Clip(low=0.0, high=6.0), lambda x: np.clip(x, 0, 6)),
    "Clip, below only": activation(Clip(low=-1.5, high=None), lambda x: np.maximum(x, -1.5)),
    "Clip, above only": activation(Clip(low=None, high=1.5), lambda x: np.minimum(x, 1.5)),
    "GeneralRelu": activation(
        GeneralRelu(max_value=1.5, negative_slope=0.2, threshold=0.3),
        lambda x: np.where(x > 0.3, np.minimum(x, 1.5), 0.2 * (x - 0.3)),
    ),
    "GeneralRelu, open above": activation(
        GeneralRelu(max_value=None, negative_slope=0.2, threshold=0.3), lambda x: np.where(x > 0.3, x, 0.2 * (x - 0.3))
    ),
    "Elu": activation(Elu(alpha=0.7), lambda x: np.where(x > 0, x, 0.7 * np.expm1(np.minimum(x, 0)))),
    "Selu": activation(Selu(), lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0)))),
    "Sigmoid": activation(Sigmoid(), lambda x: 1 / (1 + np.exp(-x.astype(np.float64)))),
    "HardSigmoid, slope 0.2": activation(HardSigmoid(slope=0.2, offset=0.5), lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    "Hardsigmoid": activation(HardSigmoid(slope=1 / 6, offset=0.5), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "Tanh": activation(Tanh(), np.tanh),
    "Softplus": activation(Softplus(), lambda x: np.log1p(np.exp(x.astype(np.float64)))),
    "Softsign": activation(Softsign(), lambda x: x / (1 + np.abs(x))),
    "Exp": activation(Exp(), lambda x: np.exp(x.astype(np.float64))),
    "Silu": activation(Silu(), lambda x: x / (1 + np.exp(-x.astype(np.float64)))),
    "Gelu": activation(Gelu(approximation="none"), lambda x: reference.gelu(x, "none")),
    "Gelu, tanh": activation(Gelu(approximation="tanh"), lambda x: reference.gelu(x, "tanh")),
}

#: What only PyTorch runs: a layer that its own lowering makes.
TORCH_ONLY = {"SamePad": lambda: same_pad(0.5), "SamePad, minus infinity": lambda: same_pad(float("-inf"))}

#: Native types that no golden file reaches -> the trial that does.
DIRECTLY = {
    "ReduceSum": "ReduceSum",
    "ReduceMin": "ReduceMin",
    "Reshape": "Reshape",
    "Sum": "Sum",
    "nn.Conv1d": "Conv1d",
    "nn.Conv3d": "Conv3d",
    "nn.BatchNorm3d": "BatchNorm3d",
    "nn.MaxPool1d": "MaxPool1d",
    "nn.MaxPool3d": "MaxPool3d",
    "nn.AvgPool1d": "AvgPool1d",
    "nn.AvgPool3d": "AvgPool3d",
    "torch.sum": "ReduceSum",
    "torch.amin": "ReduceMin",
    "torch.reshape": "Reshape",
    "nn.Hardsigmoid": "Hardsigmoid",
}

#: ONNX types that are read and never written: runtimes lose digits in GroupNormalization, so its parts are written.
READ_ONLY = {"GroupNormalization"}


@pytest.mark.parametrize("name", TRIALS)
def test_every_runtime_computes_the_formula(name: str, tmp_path: Path) -> None:
    trial = TRIALS[name]()
    got = predictions(trial.bundle, trial.inputs, tmp_path)
    errors = {runtime: error(results, [trial.wanted]) for runtime, results in got.items()}
    assert max(errors.values()) < LAYER_ERROR, errors


@pytest.mark.parametrize("name", TORCH_ONLY)
def test_padding_that_pytorch_computes_at_run_time_is_tensorflows(name: str, tmp_path: Path) -> None:
    trial = TORCH_ONLY[name]()
    irconv.write(trial.bundle, tmp_path / "m.py")
    (got,) = in_torch(tmp_path / "m.py", trial.inputs)
    assert np.array_equal(got, trial.wanted)


def natives(bundle: Bundle) -> set[str]:
    """The native types a bundle is written with, by both writers that have tables."""
    found = (encode(lower_for_onnx(prepared(bundle)), ONNX), encode(lower_for_torch(bundle), TORCH))
    return {layer.type for model in found for layer in model.layers.values()}


def held(codec: Codec) -> dict[str, object]:
    """The IR fields that a codec holds at one value."""
    return {row.field: row.value for row in codec.rows if isinstance(row, Only)}


def reachable(codec: Codec, found: set[type[Layer]]) -> bool:
    """Whether golden files hold layers of the codec's kind; `found` are the classes of all that they hold."""
    own = held(codec)
    return codec.layer in found and any(
        source.layer is codec.layer and all(own.get(field, value) == value for field, value in held(source).items())
        for source in KERAS.codecs
    )


def test_every_native_type_that_keras_files_can_reach_is_reached() -> None:
    """ONNX's; that every one of PyTorch's is reached, `tests.frameworks.torch.test_layers` says."""
    found = {type(layer) for case in GOLDEN for layer in read_case(case).layers.values()}
    wanted = {codec.native for codec in ONNX.codecs if reachable(codec, found)} - READ_ONLY
    by_files = {native for case in GOLDEN for native in natives(read_case(case))}
    assert wanted - by_files - READ_ONLY <= set(DIRECTLY), "these need a golden file, or a trial here"


@pytest.mark.parametrize("native", DIRECTLY)
def test_what_no_file_reaches_is_reached_by_its_trial(native: str) -> None:
    assert native in natives(TRIALS[DIRECTLY[native]]().bundle)
