"""``nn.LSTM``, ``nn.GRU``, ``nn.RNN`` and loops <-> IR layers.

The modules are for one layer in one direction, with the activations they have, over whole sequences, or packed ones
where there are lengths or a mask; every other setting becomes a `Scan`. `lower` has turned sequences that are read
backwards, and added the bias that PyTorch has together with the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Table, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.torch.spelling import spelling
from irconv.frameworks.torch.spelling.forms import Call
from irconv.frameworks.torch.table.elementwise import ACTIVATIONS, ARITHMETIC
from irconv.frameworks.torch.table.rows import Taken, When, Written, stored
from irconv.ir.layers.activations import Relu, Sigmoid, Tanh
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.control import Scan
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.python_source.literals import Code
from irconv.rows import Attribute, Derived, Fixed, Input, Only, Output, Present, Weight


def _over(steps: str) -> Callable[[Layer, Mapping[str, ValueType]], bool]:
    """Whether a layer is over all steps, or those that an input of this name tells of, with both biases or none."""

    def holds(layer: Layer, given: Mapping[str, ValueType]) -> bool:
        biases = {"bias_input", "bias_recurrent"} & set(given)
        return {"mask", "lengths"} & set(given) == {steps} - {""} and len(biases) != 1

    return holds


def _lstm(layer: LSTM, given: Mapping[str, ValueType]) -> bool:
    kinds = (layer.recurrent_activation, layer.activation, layer.output_activation)
    peepholes = {"peephole_input", "peephole_forget", "peephole_output"} & set(given)
    states = {"initial_h", "initial_c"} & set(given)
    usual = isinstance(kinds[0], Sigmoid) and all(isinstance(kind, Tanh) for kind in kinds[1:])
    limits = layer.cell_clip is None and layer.projection_clip is None
    return usual and limits and not peepholes and len(states) != 1 and not layer.couple_input_forget


def _gru(layer: GRU, given: Mapping[str, ValueType]) -> bool:
    return isinstance(layer.recurrent_activation, Sigmoid) and isinstance(layer.activation, Tanh)


def _rnn(layer: RNN, given: Mapping[str, ValueType]) -> bool:
    return isinstance(layer.activation, Tanh | Relu)


_ROLES = ("kernel", "recurrent_kernel", "bias_input", "bias_recurrent")


_STEPS = {"": "", "lengths": " over lengths", "mask": " over a mask"}
"""The input that says which steps count -> what the native type is called behind the module's name."""


def _modules(layer: type[Layer], gates: int, states: str, *rows: Row) -> list[Codec]:
    """A module of PyTorch's over all steps, over the first ones and over those that a mask keeps."""
    return [
        Codec(
            f"nn.{layer.__name__}{named}",
            layer,
            When(_over(steps)),
            Input("x"),
            *([Input(steps)] if steps else []),
            *(Input(f"initial_{state}") for state in states),
            *_module(gates),
            *rows,
            *([Only("masked_output", "zero")] if steps == "lengths" else []),
            *([Written("repeat", lambda draft: draft.fields["masked_output"] == "repeat")] if steps == "mask" else []),
            *([] if steps == "lengths" else [Taken(("masked_output",))]),
            Output("y"),
            *(Output(state) for state in states),
        )
        for steps, named in _STEPS.items()
    ]


def _module(gates: int) -> list[Row]:
    axis = "(gate unit)" if gates > 1 else "unit"

    def sizes(config: Mapping[str, Any]) -> Mapping[str, int]:
        return {"gate": gates} if gates > 1 else {}

    return [
        Only("reverse", False),
        stored(*_ROLES),
        Derived("input_size", lambda draft: draft.types["kernel"].shape[1]),
        Derived("hidden_size", lambda draft: int(draft.types["kernel"].shape[0]) // gates),
        Weight("weight_ih_l0", "kernel", f"{axis} in", sizes=sizes),
        Weight("weight_hh_l0", "recurrent_kernel", f"{axis} hidden", sizes=sizes),
        Weight("bias_ih_l0", "bias_input", axis, sizes=sizes),
        Weight("bias_hh_l0", "bias_recurrent", axis, sizes=sizes),
        Present("bias", "bias_input"),
        Fixed("num_layers", 1),
        Fixed("batch_first", True),
        Fixed("dropout", 0.0),
        Fixed("bidirectional", False),
        Taken(("order", "input_dropout", "recurrent_dropout")),
    ]


@dataclass(frozen=True)
class _Body(Row):
    """Everything about a Scan; its body becomes a method of the module."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        body, carried = draft.fields.pop("body"), draft.fields.pop("carried")
        scanned, reverse = draft.fields.pop("scanned"), draft.fields.pop("reverse")
        order = draft.fields.pop("order")
        stacked = len(body.outputs) - carried
        native.inputs += [f"carried{i}" for i in range(carried)] + [f"scanned{i}" for i in range(scanned)]
        native.outputs += [f"carried{i}" for i in range(carried)] + [f"stacked{i}" for i in range(stacked)]
        native.config |= {"carried": carried, "reverse": reverse, "in_time": order == "time"}


_FUNCTIONS = Table("PyTorch", [*ACTIVATIONS, *ARITHMETIC])


@dataclass(frozen=True)
class _Activation(Row):
    """A field that holds an activation, as a function of Python."""

    field: str

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return _FUNCTIONS.has(getattr(layer, self.field), {"x": given["x"]})

    def encode(self, draft: Draft, native: Workpiece) -> None:
        layer = draft.fields.pop(self.field)
        plain = _FUNCTIONS.encode(layer, draft.name, {}, {"x": draft.types["x"]})
        form = spelling(plain.type)
        named = isinstance(form, Call) and not form.arguments(plain.config)
        written = f"lambda x: {form.expression(['x'], plain.config)}"
        native.config[self.field] = Code(form.function if named and isinstance(form, Call) else written)


def _custom(native: str, layer: type[Layer], gates: int, states: str, *rows: Row) -> Codec:
    """One of the modules of `irconv.frameworks.torch.helpers.recurrent`."""
    axis = "(gate unit)" if gates > 1 else "unit"

    def sizes(config: Mapping[str, Any]) -> Mapping[str, int]:
        return {"gate": gates} if gates > 1 else {}

    return Codec(
        native,
        layer,
        When(lambda _, given: "lengths" not in given),
        stored(*_ROLES),
        Input("x"),
        *(Input(f"initial_{state}") for state in states),
        Input("mask"),
        Written("input_size", lambda draft: draft.types["kernel"].shape[1]),
        Written("hidden_size", lambda draft: draft.types["recurrent_kernel"].shape[1]),
        *rows,
        Weight("weight_ih", "kernel", f"{axis} in", sizes=sizes),
        Weight("weight_hh", "recurrent_kernel", f"{axis} hidden", sizes=sizes),
        Weight("bias_ih", "bias_input", axis, sizes=sizes),
        Weight("bias_hh", "bias_recurrent", axis, sizes=sizes),
        Present("bias_ih", "bias_input"),
        Present("bias_hh", "bias_recurrent"),
        Written("in_time", lambda draft: draft.fields["order"] == "time" or not draft.fields["reverse"]),
        Attribute("reverse"),
        Written("zero_masked", lambda draft: draft.fields["masked_output"] == "zero"),
        Taken(("order", "masked_output", "input_dropout", "recurrent_dropout")),
        Output("y"),
        *(Output(state) for state in states),
    )


_EXTRAS = {"peephole_input", "peephole_forget", "peephole_output", "projection"}

#: PyTorch's own modules.
MODULES_OF_RECURRENCE: list[Codec] = [
    *_modules(
        LSTM,
        4,
        "hc",
        When(_lstm),
        Only("forget_bias", 0.0),
        Derived("proj_size", lambda draft: draft.types["projection"].shape[0] if "projection" in draft.types else 0),
        Weight("weight_hr_l0", "projection", "hidden unit"),
        Taken(
            (
                "activation",
                "recurrent_activation",
                "output_activation",
                "couple_input_forget",
                "output_peephole",
                "cell_clip",
                "projection_clip",
            )
        ),
    ),
    *_modules(
        GRU,
        3,
        "h",
        When(_gru),
        Only("reset_after", True),
        Only("update_keeps", "old"),
        Taken(("activation", "recurrent_activation")),
    ),
    *_modules(
        RNN,
        1,
        "h",
        When(_rnn),
        Written("nonlinearity", lambda draft: draft.fields["activation"].type.lower()),
        Taken(("activation",)),
    ),
]

RECURRENCE: list[Codec] = [
    *MODULES_OF_RECURRENCE,
    _custom(
        "CustomLSTM",
        LSTM,
        4,
        "hc",
        When(lambda _, given: not _EXTRAS & set(given)),
        *map(_Activation, ("activation", "recurrent_activation", "output_activation")),
        Attribute("forget_bias"),
        Only("couple_input_forget", False),
        Only("cell_clip", None),
        Only("projection_clip", None),
        Taken(("output_peephole",)),
    ),
    _custom(
        "CustomGRU",
        GRU,
        3,
        "h",
        *map(_Activation, ("activation", "recurrent_activation")),
        Attribute("reset_after"),
        Attribute("update_keeps"),
    ),
    _custom("CustomRNN", RNN, 1, "h", _Activation("activation")),
    Codec("scan", Scan, _Body()),
]
