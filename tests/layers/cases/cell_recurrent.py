"""The cells of TensorFlow Addons by their formulas; golden files in `fixtures/packages` are by Addons itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from irconv.ir.layers.activations import HardSigmoid, Sigmoid, Tanh
from irconv.ir.layers.base import Layer
from irconv.ir.layers.cell_recurrent import NASRNN, LayerNormLSTM, LayerNormRNN
from tests.layers.cases.recurrent import IN, LENGTHS, MASK, PLAIN, SHAPES, STATES, UNITS, N, T, X
from tests.layers.harness import Arrays, Case, arrays

HIDDEN, EPSILON, LARGE = 2, 0.01, 0.3
FORMULA = "formula in numpy, float64"


def _weights(seed: int, gates: int, hidden: int = UNITS, **more: tuple[int, ...]) -> Arrays:
    shapes = {"kernel": (gates * UNITS, IN), "recurrent_kernel": (gates * UNITS, hidden)}
    return {role: 0.7 * array for role, array in arrays(seed, **shapes, **more).items()}


_ALL, _ONE = (4 * UNITS,), (UNITS,)
NORMED = _weights(
    *(31, 4),
    **dict.fromkeys(("bias_recurrent", "kernel_gamma", "kernel_beta", "recurrent_gamma", "recurrent_beta"), _ALL),
    **dict.fromkeys(("state_gamma", "state_beta"), _ONE),
)
PARTLY = {role: NORMED[role] for role in ("kernel", "recurrent_kernel", "kernel_gamma", "state_beta")}
SIMPLE = _weights(32, 1, bias_recurrent=_ONE, gamma=_ONE)
NAS = _weights(33, 8, bias_recurrent=(8 * UNITS,))
NARROW = _weights(34, 8, HIDDEN, bias_recurrent=(8 * UNITS,), projection=(HIDDEN, UNITS))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _hard(x: Any) -> Any:
    return np.clip(0.2 * x + 0.5, 0, 1)


def _norm(x: Any, gamma: Any = 1.0, beta: Any = 0.0, epsilon: float = EPSILON) -> Any:
    centred = x - x.mean(1, keepdims=True)
    return gamma * centred / np.sqrt((centred**2).mean(1, keepdims=True) + epsilon) + beta


def _normed(v: Arrays, gate: Callable[[Any], Any], epsilon: float, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    norm = partial(_norm, epsilon=epsilon)
    whole = norm(x @ v["kernel"].T, v.get("kernel_gamma", 1.0), v.get("kernel_beta", 0.0))
    whole = whole + norm(h @ v["recurrent_kernel"].T, v.get("recurrent_gamma", 1.0), v.get("recurrent_beta", 0.0))
    i, f, g, o = np.split(whole + v.get("bias_recurrent", 0.0), 4, axis=1)
    c = norm(gate(f) * c + gate(i) * np.tanh(g), v.get("state_gamma", 1.0), v.get("state_beta", 0.0))
    return gate(o) * np.tanh(c), c


def _simple(v: Arrays, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    return np.tanh(_norm(x @ v["kernel"].T + h @ v["recurrent_kernel"].T, v["gamma"]) + v["bias_recurrent"]), c


def _nas(v: Arrays, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    a = np.split(x @ v["kernel"].T, 8, axis=1)
    b = np.split(h @ v["recurrent_kernel"].T + v["bias_recurrent"], 8, axis=1)
    plus = [one + other for one, other in zip(a, b, strict=True)]
    first = np.tanh(_sigmoid(plus[0]) * np.maximum(plus[1], 0))
    second = np.tanh(_sigmoid(plus[2]) + np.maximum(a[3] * b[3], 0))
    third = np.tanh(np.tanh(plus[4]) * _sigmoid(plus[5]))
    fourth = _sigmoid(np.tanh(plus[6]) + _sigmoid(plus[7]))
    c = np.tanh(first + c) * second
    h = np.tanh(c * np.tanh(third + fourth))
    return (h @ v["projection"].T if "projection" in v else h), c


def _run(step: Callable[..., tuple[Any, Any]], w: Arrays, live: Any, reverse: bool, given: Arrays) -> Arrays:
    v = {role: array.astype(np.float64) for role, array in w.items()}
    hidden = v["recurrent_kernel"].shape[1]
    h = given.get("initial_h", np.zeros((N, hidden))).astype(np.float64)
    c, y = given.get("initial_c", np.zeros((N, UNITS))).astype(np.float64), np.zeros((N, T, hidden))
    for t in reversed(range(T)) if reverse else range(T):
        made, new = step(v, X[:, t].astype(np.float64), h, c)
        here = live[:, t, None]
        h, c, y[:, t] = np.where(here, made, h), np.where(here, new, c), np.where(here, made, 0.0)
    found = {"y": y, "h": h} | ({"c": c} if step is not _simple else {})
    return {slot: array.astype(np.float32) for slot, array in found.items()}


def _case(name: str, layer: Layer, step: Any, w: Arrays, live: Any = None, **inputs: Any) -> Case:
    shown = np.ones((N, T), bool) if live is None else live
    given = {"x": X, **inputs}
    wanted = partial(_run, step, w, shown, layer.settings()["reverse"], given)
    return Case(name, layer, given, wanted, FORMULA, w, {slot: SHAPES[slot] for slot in given if slot in SHAPES})


_ZERO: dict[str, Any] = {**PLAIN, "masked_output": "zero"}
_GATES: dict[str, Any] = {"activation": Tanh(), "recurrent_activation": Sigmoid(), "epsilon": EPSILON}
_HARD: dict[str, Any] = {
    **_GATES,
    "recurrent_activation": HardSigmoid(slope=0.2, offset=0.5),
    "epsilon": LARGE,  # a smaller one magnifies the rounding of states that hardly vary, step by step
}
_LIVE = np.arange(T) < LENGTHS[:, None]


def _lstm(v: Arrays, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    return _normed(v, _sigmoid, EPSILON, x, h, c)


def _hard_lstm(v: Arrays, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    return _normed(v, _hard, LARGE, x, h, c)


CASES = [
    _case("normalises both products and the state", LayerNormLSTM(**PLAIN, **_GATES), _lstm, NORMED),
    _case("goes on from states", LayerNormLSTM(**PLAIN, **_GATES), _lstm, NORMED, **STATES),
    _case("leaves out what is not there", LayerNormLSTM(**PLAIN, **_HARD), _hard_lstm, PARTLY),
    _case("rests where it is masked", LayerNormLSTM(**_ZERO, **_GATES), _lstm, NORMED, MASK, mask=MASK),
    _case(
        "normalises its sum",
        LayerNormRNN(**{**PLAIN, "reverse": True}, activation=Tanh(), epsilon=EPSILON),
        _simple,
        SIMPLE,
    ),
    _case("searches", NASRNN(**PLAIN), _nas, NAS),
    _case("goes backwards from states", NASRNN(**{**PLAIN, "reverse": True}), _nas, NAS, **STATES),
    _case("projects, and ends with each sample", NASRNN(**_ZERO), _nas, NARROW, _LIVE, lengths=LENGTHS),
]
