"""Comparisons, logic, bits, choice and element types against torch; bits of unsigned integers against numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers import layer_class
from irconv.ir.layers.comparisons import BitCast, BitShift, Cast, Where
from tests.layers.harness import Case, arrays

_RANDOM = np.random.default_rng(5)
FLOATS = {
    "x0": np.array([[1.0, 2.0, np.nan, np.inf, -0.0]], np.float32),
    "x1": np.array([[1.0], [3.0], [np.nan], [-np.inf], [0.0]], np.float32),
}
INTEGERS = {"x0": _RANDOM.integers(-9, 9, (3, 5)), "x1": _RANDOM.integers(-3, 3, (5,))}
BITS = {"x0": _RANDOM.integers(-99, 99, (3, 5), np.int32), "x1": _RANDOM.integers(-99, 99, (5,), np.int32)}
TRUTHS = {"x0": np.array([[True], [False]]), "x1": np.array([True, False])}
UNSIGNED = {"x0": np.array([[1, 2, 250]], np.uint32), "x1": np.array([[3], [0], [31]], np.uint32)}


def _torch(function: str, *values: np.ndarray, **settings: Any) -> Callable[[], dict[str, np.ndarray]]:
    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": getattr(torch, function)(*(torch.from_numpy(v) for v in values), **settings).numpy()}

    return run


def _case(name: str, layer: str, function: str, inputs: dict[str, np.ndarray]) -> Case:
    wanted = _torch(function, *inputs.values())
    return Case(name, layer_class(layer)(), inputs, wanted, f"torch.{function}", shapes=_symbols(inputs))


def _symbols(inputs: dict[str, np.ndarray]) -> dict[str, tuple[str, int]]:
    """A symbol for the first axis of the first value, where the second broadcasts along it."""
    (slot, first), *others = inputs.items()
    alone = all(len(value.shape) == 1 for _, value in others)
    return {slot: ("N", first.shape[1])} if alone else {}


def _comparison(layer: str, function: str) -> list[Case]:
    return [
        _case("floats, with NaN and infinities, broadcast", layer, function, FLOATS),
        _case("integers, broadcast", layer, function, INTEGERS),
    ]


def _cast(name: str, x: np.ndarray, dtype: str) -> Case:
    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": torch.from_numpy(x).to(getattr(torch, dtype)).numpy()}

    return Case(name, Cast(dtype=dtype), {"x": x}, run, "torch.Tensor.to", shapes={"x": ("N",)})


def _shift(direction: Any, function: str) -> Case:
    def run() -> dict[str, np.ndarray]:
        return {"y": getattr(np, function)(*UNSIGNED.values())}

    layer, against = BitShift(direction=direction), f"numpy.{function} (torch does not shift uint32)"
    return Case(f"moves bits to the {direction}", layer, UNSIGNED, run, against)


_CHOICE = {
    "condition": _RANDOM.random((3, 1, 7)) > 0.5,
    "x0": arrays(6, x=(3, 5, 7))["x"],
    "x1": np.array([[np.nan], [1.0], [2.0], [np.inf], [4.0]], np.float32),
}
_NUMBERS = np.array([-2.7, -0.5, 0.0, 0.5, 2.7, 100.9], np.float32)


def _bits(name: str, x: np.ndarray, dtype: str) -> Case:
    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": torch.from_numpy(x).view(getattr(torch, dtype)).numpy()}

    return Case(name, BitCast(dtype=dtype), {"x": x}, run, "torch.Tensor.view", shapes={"x": ("N", *x.shape[1:])})


CASES = [
    _bits("the bits of floats", np.array([[1.5, -0.0, 3e-38], [np.inf, 7.0, -2.25]], np.float32), "int32"),
    _bits("integers that are floats", np.array([1069547520, -1082130432, 3], np.int32), "float32"),
    _bits("signed numbers without a sign", np.array([-1, 5, -128], np.int8), "uint8"),
    *_comparison("Equal", "eq"),
    *_comparison("NotEqual", "ne"),
    *_comparison("Less", "lt"),
    *_comparison("LessOrEqual", "le"),
    *_comparison("Greater", "gt"),
    *_comparison("GreaterOrEqual", "ge"),
    _case("truth values", "Equal", "eq", TRUTHS),
    _case("turns truth values around", "Not", "logical_not", {"x": TRUTHS["x0"]}),
    _case("truth values, broadcast", "And", "logical_and", TRUTHS),
    _case("truth values, broadcast", "Or", "logical_or", TRUTHS),
    _case("truth values, broadcast", "Xor", "logical_xor", TRUTHS),
    _case("signed integers", "BitwiseNot", "bitwise_not", {"x": BITS["x0"]}),
    _case("signed integers, broadcast", "BitwiseAnd", "bitwise_and", BITS),
    _case("signed integers, broadcast", "BitwiseOr", "bitwise_or", BITS),
    _case("signed integers, broadcast", "BitwiseXor", "bitwise_xor", BITS),
    _shift("left", "left_shift"),
    _shift("right", "right_shift"),
    Case(
        "broadcasts all three, and what is not chosen leaves no NaN",
        Where(),
        _CHOICE,
        _torch("where", *_CHOICE.values()),
        "torch.where",
        shapes={"condition": ("N", 1, 7), "x0": ("N", 5, 7)},
    ),
    _cast("cuts fractions off towards zero", _NUMBERS, "int32"),
    _cast("makes truth values of numbers", _NUMBERS, "bool"),
    _cast("rounds to half precision", _NUMBERS, "float16"),
    _cast("makes numbers of truth values", _NUMBERS > 0, "float32"),
    _cast("makes floats of integers", np.array([-7, 3, 2**24 + 1], np.int64), "float32"),
]
