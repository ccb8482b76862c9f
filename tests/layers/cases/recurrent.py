"""RNN, GRU and LSTM against torch, Keras, and formulas in numpy where neither has the option."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers.activations import HardSigmoid, LeakyRelu, Relu, Sigmoid, Tanh
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.ir.layers.recurrent_base import UNDROPPED
from irconv.ir.layers.tensor_ops import Identity
from tests.layers.harness import Arrays, Case, arrays

N, T, IN, UNITS, HIDDEN = 3, 5, 4, 6, 2
X = arrays(11, x=(N, T, IN))["x"]
STATES = arrays(12, initial_h=(N, UNITS), initial_c=(N, UNITS))
SHAPES = {"x": ("N", "T", IN), "initial_h": ("N", UNITS), "initial_c": ("N", UNITS), "mask": ("N", "T")}
MASK = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1]], bool)
HOLES = np.array([[0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 1]], bool)
"""A mask with holes, a sequence that is masked as a whole, and one with its padding in front."""
LENGTHS = np.array([5, 2, 3], np.int32)
NONE = np.array([3, 0, 5], np.int32)
"""Lengths of which one is 0."""
PLAIN: dict[str, Any] = {"reverse": False, "order": "time", "masked_output": "repeat", **UNDROPPED}
STANDARD: dict[str, Any] = {"activation": Tanh(), "recurrent_activation": Sigmoid()}
LSTM_STANDARD: dict[str, Any] = {
    **STANDARD,
    "output_activation": Tanh(),
    "forget_bias": 0.0,
    "couple_input_forget": False,
    "output_peephole": "before_activation",
    "cell_clip": None,
    "projection_clip": None,
}
HARD_KERAS2 = HardSigmoid(slope=0.2, offset=0.5)
HARD_KERAS3 = HardSigmoid(slope=1 / 6, offset=0.5)


def rnn(**settings: Any) -> RNN:
    return RNN(**{"activation": Tanh(), **PLAIN, **settings})


def gru(**settings: Any) -> GRU:
    return GRU(**{"reset_after": True, "update_keeps": "old", **STANDARD, **PLAIN, **settings})


def lstm(**settings: Any) -> LSTM:
    return LSTM(**{**LSTM_STANDARD, **PLAIN, **settings})


def weights(gates: int, biases: int = 2, hidden: int = UNITS, **more: tuple[int, ...]) -> dict[str, np.ndarray]:
    shapes = {"kernel": (gates * UNITS, IN), "recurrent_kernel": (gates * UNITS, hidden)}
    shapes |= dict.fromkeys(["bias_input", "bias_recurrent"][:biases], (gates * UNITS,))
    return {role: 0.7 * array for role, array in arrays(13 + gates, **shapes, **more).items()}


def _torch(kind: str, w: Arrays, start: tuple[str, ...] = (), turned: bool = False, **settings: Any) -> Arrays:
    """torch.nn.LSTM and the like; `turned` asks for the second direction of a bidirectional one."""
    import warnings

    import torch

    warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
    layer = getattr(torch.nn, kind)(IN, UNITS, batch_first=True, bidirectional=turned, **settings)
    suffix = "_l0_reverse" if turned else "_l0"
    named = {"weight_ih": "kernel", "weight_hh": "recurrent_kernel", "bias_ih": "bias_input"}
    named |= {"bias_hh": "bias_recurrent", "weight_hr": "projection"}
    found = {f"{t}{suffix}": torch.from_numpy(w[r]) for t, r in named.items() if r in w}
    layer.load_state_dict(found, strict=False)
    states = tuple(torch.from_numpy(STATES[name])[None] for name in start)
    with torch.no_grad():
        given = (states if len(states) > 1 else states[0],) if states else ()
        y, last = layer(torch.from_numpy(X), *given)
    last = last if isinstance(last, tuple) else (last,)
    width = y.shape[2] // 2 if turned else 0
    return {"y": y[:, :, width:].numpy(), **{name: s[-1].numpy() for name, s in zip("hc", last, strict=False)}}


def _packed(w: Arrays, turned: bool) -> Arrays:
    """torch.nn.LSTM on a packed sequence; `turned` asks for the second direction of a bidirectional one."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    layer = torch.nn.LSTM(IN, UNITS, batch_first=True, bidirectional=turned)
    suffix = "_l0_reverse" if turned else "_l0"
    named = {
        "weight_ih": "kernel",
        "weight_hh": "recurrent_kernel",
        "bias_ih": "bias_input",
        "bias_hh": "bias_recurrent",
    }
    layer.load_state_dict({f"{t}{suffix}": torch.from_numpy(w[r]) for t, r in named.items()}, strict=False)
    lengths = torch.from_numpy(LENGTHS).long()
    packed = pack_padded_sequence(torch.from_numpy(X), lengths, batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        y, (h, c) = layer(packed)
        padded, _ = pad_packed_sequence(y, batch_first=True, total_length=T)
    width = UNITS if turned else 0
    return {"y": padded[:, :, width:].numpy(), "h": h[-1].numpy(), "c": c[-1].numpy()}


def _keras(
    kind: str, variables: list[np.ndarray], start: tuple[str, ...] = (), mask: np.ndarray | None = None, **settings: Any
) -> Arrays:
    import keras

    layer = getattr(keras.layers, kind)(UNITS, return_sequences=True, return_state=True, **settings)
    layer.build(X.shape)
    layer.set_weights(variables)
    states = [STATES[name] for name in start] or None
    y, *last = layer(X, initial_state=states, mask=mask)
    return {"y": np.asarray(y), **{name: np.asarray(s) for name, s in zip("hc", last, strict=False)}}


def _keras_gru(w: Arrays, **settings: Any) -> Arrays:
    def turned(array: np.ndarray) -> np.ndarray:
        r, z, n = np.split(array, 3)
        return np.concatenate([z, r, n]).T

    biases = [turned(w[role]) for role in ("bias_input", "bias_recurrent") if role in w]
    bias = np.stack(biases) if len(biases) > 1 else biases[0]
    return _keras("GRU", [turned(w["kernel"]), turned(w["recurrent_kernel"]), bias], **settings)


def _keras_one_bias(kind: str, w: Arrays, **settings: Any) -> Arrays:
    return _keras(kind, [w["kernel"].T, w["recurrent_kernel"].T, w["bias_input"]], **settings)


def _sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def _formula(w: Arrays, layer: LSTM, lengths: np.ndarray | None = None) -> Arrays:
    """The docstring of LSTM in float64, its outputs zero where a sequence is over."""
    v = {role: array.astype(np.float64) for role, array in w.items()}
    hidden = v["recurrent_kernel"].shape[1]
    h, c, y = np.zeros((N, hidden)), np.zeros((N, UNITS)), np.zeros((N, T, hidden))
    for t in range(T):
        gates = X[:, t] @ v["kernel"].T + v["bias_input"] + h @ v["recurrent_kernel"].T
        i, f, g, o = np.split(gates, 4, axis=1)
        i = _sigmoid(i + c * v.get("peephole_input", 0.0))
        f = 1 - i if layer.couple_input_forget else _sigmoid(f + layer.forget_bias + c * v.get("peephole_forget", 0.0))
        new = f * c + i * np.tanh(g)
        new = new if layer.cell_clip is None else np.clip(new, -layer.cell_clip, layer.cell_clip)
        peep = new * v.get("peephole_output", 0.0)
        o = _sigmoid(o) + peep if layer.output_peephole == "after_activation" else _sigmoid(o + peep)
        made = o * np.tanh(new)
        made = made @ v["projection"].T if "projection" in v else made
        limit = layer.projection_clip
        made = made if limit is None else np.clip(made, -limit, limit)
        live = np.ones((N, 1), bool) if lengths is None else (t < lengths)[:, None]
        h, c, y[:, t] = np.where(live, made, h), np.where(live, new, c), np.where(live, made, 0.0)
    return {"y": y.astype(np.float32), "h": h.astype(np.float32), "c": c.astype(np.float32)}


def _hard() -> Arrays:
    h = c = np.zeros((N, UNITS))
    made = []
    for t in range(T):
        gates = X[:, t] @ ONE4["kernel"].T + ONE4["bias_input"] + h @ ONE4["recurrent_kernel"].T
        i, f, _, o = (np.clip(0.2 * a + 0.5, 0, 1) for a in np.split(gates, 4, axis=1))
        c = f * c + i * np.tanh(np.split(gates, 4, axis=1)[2])
        h = o * np.maximum(c, 0)
        made.append(h)
    return {"y": np.stack(made, 1).astype(np.float32), "h": h.astype(np.float32), "c": c.astype(np.float32)}


def _leaky(x: Any) -> Any:
    import keras

    return keras.activations.leaky_relu(x, negative_slope=0.1)


def _negated(w: Arrays) -> Arrays:
    """GRU weights with the update gate's sign turned, which turns z into 1 - z."""
    turned = {}
    for role, array in w.items():
        r, z, n = np.split(array, 3)
        turned[role] = np.concatenate([r, -z, n])
    return turned


def _case(
    name: str,
    layer: RNN | GRU | LSTM,
    w: Arrays,
    wanted: Callable[[], Arrays],
    against: str,
    start: tuple[str, ...] = (),
    **inputs: np.ndarray,
) -> Case:
    given = {"x": X, **{s: STATES[s] for s in start}, **inputs}
    shapes = {slot: SHAPES[slot] for slot in given if slot in SHAPES}
    return Case(name, layer, given, wanted, against, w, shapes)


BOTH = ("initial_h", "initial_c")
PEEPHOLES = {f"peephole_{gate}": (UNITS,) for gate in ("input", "forget", "output")}
W1, W3, W4 = weights(1), weights(3), weights(4)
NEGATED = _negated(W3)
ONE1, ONE3, ONE4 = weights(1, 1), weights(3, 1), weights(4, 1)
NARROW = weights(4, 2, HIDDEN, projection=(HIDDEN, UNITS))
PEEP = weights(4, 1, UNITS, **PEEPHOLES)
TF1 = weights(4, 1, HIDDEN, projection=(HIDDEN, UNITS), **PEEPHOLES)


def _numpy(name: str, w: Arrays, **settings: Any) -> Case:
    layer = lstm(**settings)
    return _case(name, layer, w, lambda: _formula(w, layer), "the formula of its docstring in numpy")


CASES = [
    _case("as torch's", rnn(), W1, lambda: _torch("RNN", W1), "torch.nn.RNN"),
    _case(
        "from a state, through relu",
        rnn(activation=Relu()),
        W1,
        lambda: _torch("RNN", W1, ("initial_h",), nonlinearity="relu"),
        "torch.nn.RNN",
        ("initial_h",),
    ),
    _case(
        "backwards, outputs in the order of processing, one bias",
        rnn(reverse=True, order="processing"),
        ONE1,
        lambda: _keras_one_bias("SimpleRNN", ONE1, go_backwards=True),
        "keras.layers.SimpleRNN",
    ),
    _case(
        "masked without an activation",
        rnn(activation=Identity()),
        ONE1,
        lambda: _keras_one_bias("SimpleRNN", ONE1, mask=MASK, activation="linear"),
        "keras.layers.SimpleRNN",
        mask=MASK,
    ),
    _case(
        "masked with holes, and as a whole",
        rnn(),
        ONE1,
        lambda: _keras_one_bias("SimpleRNN", ONE1, mask=HOLES),
        "keras.layers.SimpleRNN",
        mask=HOLES,
    ),
    _case(
        "masked with holes backwards from a state, outputs in the order of processing",
        rnn(activation=Relu(), reverse=True, order="processing"),
        ONE1,
        lambda: _keras_one_bias(
            "SimpleRNN", ONE1, mask=HOLES, start=("initial_h",), go_backwards=True, activation="relu"
        ),
        "keras.layers.SimpleRNN",
        ("initial_h",),
        mask=HOLES,
    ),
    _case(
        "stops at lengths of which one is 0",
        rnn(masked_output="zero"),
        ONE1,
        lambda: _keras_one_bias("SimpleRNN", ONE1, mask=np.arange(T) < NONE[:, None], zero_output_for_mask=True),
        "keras.layers.SimpleRNN",
        lengths=NONE,
    ),
    _case("as torch's", gru(), W3, lambda: _torch("GRU", W3), "torch.nn.GRU"),
    _case(
        "masked with holes from a state, outputs zero where masked",
        gru(masked_output="zero"),
        W3,
        lambda: _keras_gru(W3, reset_after=True, start=("initial_h",), mask=HOLES, zero_output_for_mask=True),
        "keras.layers.GRU",
        ("initial_h",),
        mask=HOLES,
    ),
    _case(
        "masked with holes backwards",
        gru(reverse=True, order="processing"),
        W3,
        lambda: _keras_gru(W3, reset_after=True, mask=HOLES, go_backwards=True),
        "keras.layers.GRU",
        mask=HOLES,
    ),
    _case(
        "stops backwards at lengths of which one is 0, from a state",
        gru(reverse=True, order="processing", masked_output="zero"),
        W3,
        lambda: _keras_gru(
            W3,
            reset_after=True,
            start=("initial_h",),
            mask=np.arange(T) < NONE[:, None],
            go_backwards=True,
            zero_output_for_mask=True,
        ),
        "keras.layers.GRU",
        ("initial_h",),
        lengths=NONE,
    ),
    _case(
        "backwards from a state, outputs in time order",
        gru(reverse=True),
        W3,
        lambda: _torch("GRU", W3, turned=True),
        "torch.nn.GRU, second direction",
    ),
    _case(
        "reset after the product from a state",
        gru(),
        W3,
        lambda: _keras_gru(W3, reset_after=True, start=("initial_h",)),
        "keras.layers.GRU",
        ("initial_h",),
    ),
    _case(
        "reset before the product, Keras 3's hard sigmoid, masked from a state",
        gru(reset_after=False, recurrent_activation=HARD_KERAS3),
        ONE3,
        lambda: _keras_gru(
            ONE3, reset_after=False, recurrent_activation="hard_sigmoid", mask=MASK, start=("initial_h",)
        ),
        "keras.layers.GRU",
        ("initial_h",),
        mask=MASK,
    ),
    _case(
        "reset before the product, plain",
        gru(reset_after=False),
        ONE3,
        lambda: _keras_gru(ONE3, reset_after=False),
        "keras.layers.GRU",
    ),
    _case("as torch's", lstm(), W4, lambda: _torch("LSTM", W4), "torch.nn.LSTM"),
    _case("from states", lstm(), W4, lambda: _torch("LSTM", W4, BOTH), "torch.nn.LSTM", BOTH),
    _case(
        "backwards, outputs in time order",
        lstm(reverse=True),
        W4,
        lambda: _torch("LSTM", W4, turned=True),
        "torch.nn.LSTM, second direction",
    ),
    _case(
        "projected", lstm(), NARROW, lambda: _torch("LSTM", NARROW, proj_size=HIDDEN), "torch.nn.LSTM with proj_size"
    ),
    _case(
        "backwards in the order of processing, relu for tanh, one bias",
        lstm(activation=Relu(), output_activation=Relu(), reverse=True, order="processing"),
        ONE4,
        lambda: _keras_one_bias("LSTM", ONE4, activation="relu", go_backwards=True),
        "keras.layers.LSTM",
    ),
    _case(
        "masked from states: the first outputs are zeros, not the state",
        lstm(),
        ONE4,
        lambda: _keras_one_bias("LSTM", ONE4, mask=MASK, start=BOTH),
        "keras.layers.LSTM",
        BOTH,
        mask=MASK,
    ),
    _case(
        "masked with holes from states, and as a whole",
        lstm(),
        ONE4,
        lambda: _keras_one_bias("LSTM", ONE4, mask=HOLES, start=BOTH),
        "keras.layers.LSTM",
        BOTH,
        mask=HOLES,
    ),
    _case(
        "masked and backwards, outputs zero where masked",
        lstm(reverse=True, order="processing", masked_output="zero"),
        ONE4,
        lambda: _keras_one_bias("LSTM", ONE4, mask=MASK, go_backwards=True, zero_output_for_mask=True),
        "keras.layers.LSTM",
        mask=MASK,
    ),
    _case(
        "Keras 3's hard sigmoid",
        lstm(recurrent_activation=HARD_KERAS3),
        ONE4,
        lambda: _keras_one_bias("LSTM", ONE4, recurrent_activation="hard_sigmoid"),
        "keras.layers.LSTM",
    ),
    _numpy("adds a forget bias", ONE4, forget_bias=1.0),
    _numpy("has peepholes", PEEP),
    _numpy("has a peephole behind the output gate", PEEP, output_peephole="after_activation"),
    _numpy("couples the gates", ONE4, couple_input_forget=True),
    _numpy("clips cell and projection", TF1, cell_clip=0.4, projection_clip=0.3, forget_bias=1.0),
    _case(
        "stops at lengths",
        lstm(masked_output="zero", forget_bias=1.0),
        ONE4,
        lambda: _formula(ONE4, lstm(forget_bias=1.0), LENGTHS),
        "the formula of its docstring in numpy, as tf.compat.v1.nn.dynamic_rnn stops",
        lengths=LENGTHS,
    ),
    _case(
        "stops at lengths backwards",
        lstm(masked_output="zero", reverse=True),
        W4,
        lambda: _packed(W4, turned=True),
        "torch.nn.LSTM, second direction, on a packed sequence",
        lengths=LENGTHS,
    ),
    _case(
        "stops at lengths, two biases",
        lstm(masked_output="zero"),
        W4,
        lambda: _packed(W4, turned=False),
        "torch.nn.LSTM on a packed sequence",
        lengths=LENGTHS,
    ),
    _case(
        "repeats its output after lengths, through another activation",
        rnn(activation=LeakyRelu(slope=0.1)),
        ONE1,
        lambda: _keras_one_bias("SimpleRNN", ONE1, mask=np.arange(T) < LENGTHS[:, None], activation=_leaky),
        "keras.layers.SimpleRNN",
        lengths=LENGTHS,
    ),
    _case(
        "Keras 3's hard sigmoid for gates and candidate, reset before the product",
        gru(reset_after=False, recurrent_activation=HARD_KERAS3, activation=HARD_KERAS3),
        ONE3,
        lambda: _keras_gru(ONE3, reset_after=False, recurrent_activation="hard_sigmoid", activation="hard_sigmoid"),
        "keras.layers.GRU",
    ),
    _case(
        "Keras 2's hard sigmoid for the gates, tanh, and relu for the output",
        lstm(recurrent_activation=HARD_KERAS2, output_activation=Relu()),
        ONE4,
        _hard,
        "keras.layers.LSTM's formula in numpy, for which Keras 3 has no setting",
    ),
    _case("keeps the old state by 1 - z", gru(update_keeps="new"), NEGATED, lambda: _torch("GRU", W3), "torch.nn.GRU"),
    _case(
        "computed weights",
        lstm(),
        {},
        lambda: _torch("LSTM", NARROW, proj_size=HIDDEN),
        "torch.nn.LSTM with proj_size",
        **NARROW,
    ),
    _case(
        "computed weights, reset before the product",
        gru(reset_after=False),
        {},
        lambda: _keras_gru(ONE3, reset_after=False),
        "keras.layers.GRU",
        **ONE3,
    ),
]
