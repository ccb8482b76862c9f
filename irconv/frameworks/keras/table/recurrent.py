"""Recurrent layers: Keras layers <-> IR layers.

A native recurrent layer has all its results: the sequence, then the states. Which of them a Keras layer returns is a
matter of its calls (`composites.recurrent`). The knob ``output_order`` is a word of `normalise`: ``time`` puts the
outputs of a layer that goes backwards in time order, as the second direction of a Bidirectional does.

`stateful` layers are read as every other: their states are not in the file, and the first call starts with zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row
from irconv.frameworks.keras.table.recurrent_rows import (
    ActivationWord,
    CudnnKernel,
    GateWeight,
    GruBias,
    HasBias,
    MapAxes,
    Trained,
    TwoBiases,
    Without,
)
from irconv.frameworks.keras.table.rows import EVERY_LAYER, KERNEL_TRAINING, padding_of_rank
from irconv.ir.layers.activations import Sigmoid, Tanh
from irconv.ir.layers.cell_recurrent import NASRNN, LayerNormLSTM, LayerNormRNN
from irconv.ir.layers.conv_recurrent import ConvLSTM
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.rows import TUPLE, Attribute, Derived, Fixed, Ignored, Input, Iso, Only, Output, Rank, Weight

_MASKED = Iso(lambda zero: "zero" if zero else "repeat", lambda word: word == "zero")
_LSTM, _GRU = "ifgo", "zrn"


def _units(gates: int, name: str = "units") -> Derived:
    def rule(draft: Draft) -> Any:
        return draft.types["kernel"].shape[0] // gates  # type: ignore[operator]

    return Derived(name, rule)


def _shared(*states: str) -> tuple[Row, ...]:
    """What every recurrent layer has, with states of these names."""
    inputs = [Input("x"), *(Input(f"initial_{name}") for name in states), Input("mask")]
    return (
        EVERY_LAYER,
        KERNEL_TRAINING,
        Ignored("recurrent_initializer recurrent_regularizer recurrent_constraint unit_forget_bias"),
        Trained("dropout", "input_dropout"),
        Trained("recurrent_dropout", "recurrent_dropout"),
        Ignored("implementation unroll stateful seed use_cudnn input_dim input_length"),
        Ignored("return_sequences return_state"),
        Fixed("time_major", False),
        Attribute("go_backwards", "reverse"),
        Attribute("output_order", "order"),
        Attribute("zero_output_for_mask", "masked_output", _MASKED),
        Without("lengths"),
        *inputs,
        Output("y"),
        *(Output(name) for name in states),
    )


def _gated(order: str, *bias: Row) -> tuple[Row, ...]:
    """The kernels and biases of a layer with gates, in Keras' order."""
    return (
        GateWeight("kernel", "kernel", "in", order),
        GateWeight("recurrent_kernel", "recurrent_kernel", "hidden", order),
        *bias,
        HasBias(),
        _units(len(order)),
    )


def _cudnn(order: str) -> tuple[Row, ...]:
    """The same as cuDNN has them; its layers have no choice of activations."""
    return (
        CudnnKernel(order),
        Weight(
            "recurrent_kernel", "recurrent_kernel", "unit (gate hidden)", orders={"gate": order}, sizes=_count(order)
        ),
        TwoBiases(order, shaped=False),
        _units(len(order)),
        Only("activation", Tanh()),
        Only("recurrent_activation", Sigmoid()),
    )


def _count(order: str) -> Callable[[Mapping[str, Any]], Mapping[str, int]]:
    return lambda _: {"gate": len(order)}


_PLAIN_LSTM = (
    Only("forget_bias", 0.0),
    Only("couple_input_forget", False),
    Only("output_peephole", "before_activation"),
    Only("cell_clip", None),
    Only("projection_clip", None),
)


def _conv_lstm(spatial: int) -> Codec:
    turns = {
        "correlation": "*k in (gate unit)",
        "convolution": "~*k in (gate unit)",
        "gates_apart": "gate *k in unit",  # Keras 1
    }
    again = {word: axes.replace("in", "hidden") for word, axes in turns.items()}
    return Codec(
        f"ConvLSTM{spatial}D",
        ConvLSTM,
        *_shared("h", "c"),
        ActivationWord("activation", ("activation", "output_activation")),
        ActivationWord("recurrent_activation", ("recurrent_activation",)),
        Only("forget_bias", 0.0),
        Rank((spatial + 3,)),
        MapAxes(),
        Attribute("strides", "stride", TUPLE),
        Attribute("dilation_rate", "dilation", TUPLE),
        Attribute("padding", iso=padding_of_rank(spatial)),
        Weight("kernel", "kernel", turns, by="kernel_order", orders={"gate": _LSTM}, sizes=_count(_LSTM)),
        Weight(
            "recurrent_kernel",
            "recurrent_kernel",
            again,
            by="recurrent_order",
            orders={"gate": _LSTM},
            sizes=_count(_LSTM),
        ),
        GateWeight("bias", "bias_input", "", _LSTM),
        HasBias(),
        _units(len(_LSTM), "filters"),
        Derived("kernel_size", lambda draft: list(draft.types["kernel"].shape[2:])),
    )


def _eight(_: Mapping[str, Any]) -> Mapping[str, int]:
    return {"gate": 8}


CODECS: list[Codec] = [
    Codec(
        "LSTM",
        LSTM,
        *_shared("h", "c"),
        ActivationWord("activation", ("activation", "output_activation")),
        ActivationWord("recurrent_activation", ("recurrent_activation",)),
        *_PLAIN_LSTM,
        *_gated(_LSTM, GateWeight("bias", "bias_input", "", _LSTM)),
    ),
    Codec(
        "PeepholeLSTM",  # the cell of TensorFlow Addons in a RNN; read alone
        LSTM,
        *_shared("h", "c"),
        ActivationWord("activation", ("activation", "output_activation")),
        ActivationWord("recurrent_activation", ("recurrent_activation",)),
        *_PLAIN_LSTM,
        *(
            Weight(f"{gate}_gate_peephole_weights", f"peephole_{gate}", "unit")
            for gate in ("input", "forget", "output")
        ),
        *_gated(_LSTM, GateWeight("bias", "bias_input", "", _LSTM)),
    ),
    Codec(
        "LayerNormLSTM",  # this and the next two: cells of TensorFlow Addons in an RNN; read alone
        LayerNormLSTM,
        *_shared("h", "c"),
        ActivationWord("activation", ("activation",)),
        ActivationWord("recurrent_activation", ("recurrent_activation",)),
        Ignored("norm_gamma_initializer norm_beta_initializer"),
        Attribute("norm_epsilon", "epsilon"),
        *(
            GateWeight(f"{part}_norm/{native}", f"{part}_{native}", "", _LSTM)
            for part in ("kernel", "recurrent")
            for native in ("gamma", "beta")
        ),
        *(Weight(f"state_norm/{native}", f"state_{native}", "unit") for native in ("gamma", "beta")),
        *_gated(_LSTM, GateWeight("bias", "bias_recurrent", "", _LSTM)),
    ),
    Codec(
        "LayerNormSimpleRNN",
        LayerNormRNN,
        *_shared("h"),
        ActivationWord("activation", ("activation",)),
        Ignored("gamma_initializer gamma_regularizer gamma_constraint"),
        Attribute("layernorm_epsilon", "epsilon"),
        Weight("kernel", "kernel", "in unit"),
        Weight("recurrent_kernel", "recurrent_kernel", "hidden unit"),
        Weight("bias", "bias_recurrent", "unit"),
        Weight("gamma", "gamma", "unit"),
        HasBias(),
        _units(1),
    ),
    Codec(
        "NAS",
        NASRNN,
        *_shared("h", "c"),
        Ignored("projection_initializer"),
        Weight("kernel", "kernel", "in (gate unit)", sizes=_eight),
        Weight("recurrent_kernel", "recurrent_kernel", "hidden (gate unit)", sizes=_eight),
        Weight("bias", "bias_recurrent", "(gate unit)", sizes=_eight),
        Weight("projection_weights", "projection", "unit hidden"),
        Derived(
            "projection", lambda draft: draft.types["projection"].shape[0] if "projection" in draft.types else None
        ),
        HasBias(),
        _units(8),
    ),
    Codec(
        "GRU",
        GRU,
        *_shared("h"),
        ActivationWord("activation", ("activation",)),
        ActivationWord("recurrent_activation", ("recurrent_activation",)),
        Only("update_keeps", "old"),
        *_gated(_GRU, GruBias(_GRU)),
        Attribute("reset_after"),
    ),
    Codec(
        "SimpleRNN",
        RNN,
        *_shared("h"),
        ActivationWord("activation", ("activation",)),
        Weight("kernel", "kernel", "in unit"),
        Weight("recurrent_kernel", "recurrent_kernel", "hidden unit"),
        Weight("bias", "bias_input", "unit"),
        HasBias(),
        _units(1),
    ),
    Codec("CuDNNLSTM", LSTM, *_shared("h", "c"), *_PLAIN_LSTM, Only("output_activation", Tanh()), *_cudnn(_LSTM)),
    Codec("CuDNNGRU", GRU, *_shared("h"), Only("update_keeps", "old"), Only("reset_after", True), *_cudnn(_GRU)),
    *(_conv_lstm(spatial) for spatial in (1, 2, 3)),
]
