"""``lstm``, ``gru`` and ``rnn``: a layer of the IR for each layer and direction."""

from __future__ import annotations

from typing import Any

from irconv.errors import Refused
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.ir.layers.activations import Relu, Sigmoid, Tanh
from irconv.ir.layers.base import Layer
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.ir.layers.recurrent_base import UNDROPPED
from irconv.ir.layers.slicing import Select, Stack
from irconv.ir.layers.tensor_ops import Concat, Transpose
from irconv.ir.layers.training import Dropout

_ROLES = ("kernel", "recurrent_kernel", "bias_input", "bias_recurrent")


def _layer(kind: str, reverse: bool) -> Layer:
    common: dict[str, Any] = {"reverse": reverse, "order": "time", "masked_output": "zero", **UNDROPPED}
    if kind == "gru":
        return GRU(activation=Tanh(), recurrent_activation=Sigmoid(), reset_after=True, update_keeps="old", **common)
    if kind == "lstm":
        return LSTM(
            activation=Tanh(),
            recurrent_activation=Sigmoid(),
            output_activation=Tanh(),
            forget_bias=0.0,
            couple_input_forget=False,
            output_peephole="before_activation",
            cell_clip=None,
            projection_clip=None,
            **common,
        )
    return RNN(activation=Relu() if kind == "rnn_relu" else Tanh(), **common)


def _recurrent(kind: str) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        if call.get("train") and call.get("dropout"):
            raise Refused(call.where, "drops elements between layers, as in training", "Export it in eval mode.")
        _Stack(reader, call, kind).read()

    return read


class _Stack:
    """Layers one on top of the other, each in one direction or two."""

    def __init__(self, reader: ProgramReader, call: Call, kind: str) -> None:
        self.reader, self.call, self.kind = reader, call, kind
        self.directions = 2 if call.arguments.get("bidirectional") else 1
        self.first = bool(call.get("batch_first", False))
        states = call.arguments["hx"]
        self.starts = dict(
            zip(("initial_h", "initial_c"), states if isinstance(states, list) else [states], strict=False)
        )
        self.results: dict[str, list[str]] = {"h": [], "c": []}

    def read(self) -> None:
        """The sequence, and the last states of all layers and directions."""
        reader, call, name = self.reader, self.call, self.call.outputs[0]
        value = reader.value(call.arguments["input"])
        turn = Transpose(permutation=(1, 0, 2))
        if not self.first:
            value = reader.place(call, turn, "batch_first", x=value)
        layers = int(call.arguments["num_layers"])
        for depth in range(layers):
            parts = [self._placed(value, depth, direction) for direction in range(self.directions)]
            value = parts[0]
            if len(parts) > 1:
                value = reader.place(call, Concat(axis=2), f"{depth}/both", x0=parts[0], x1=parts[1])
            rate = float(call.get("dropout") or 0.0)
            if rate and depth + 1 < layers:
                dropout = Dropout(rate=rate, noise="zero", shared=())
                value = reader.place(call, dropout, f"{depth}/dropout", x=value)
        reader.values[name] = value if self.first else reader.place(call, turn, "steps_first", x=value)
        for index, slot in enumerate(("h", "c"), 1):
            if index < len(call.outputs):
                states = {f"x{i}": state for i, state in enumerate(self.results[slot])}
                made = reader.importer.place(Stack(axis=0), states, [call.outputs[index]], where=call.where)
                reader.values[call.outputs[index]] = made[0]

    def _placed(self, value: str, depth: int, direction: int) -> str:
        reader, call = self.reader, self.call
        place = depth * self.directions + direction
        parameters = call.arguments["params"]
        each = len(parameters) // (int(call.arguments["num_layers"]) * self.directions)
        own = parameters[place * each : (place + 1) * each]
        roles = list(_ROLES if call.arguments["has_biases"] else _ROLES[:2])
        if len(own) == len(roles) + 1:
            roles.append("projection")
        inputs = {"x": value} | {role: reader.value(tensor) for role, tensor in zip(roles, own, strict=True)}
        for slot, state in self.starts.items():
            start = reader.value(state)
            if reader.is_zero(start):  # what a layer starts with where nothing is given
                continue
            inputs[slot] = reader.place(call, Select(axis=0, index=place), f"{place}/{slot}", x=start)
        slots = ["y", "h", "c"] if self.kind == "lstm" else ["y", "h"]
        names = [f"{call.outputs[0]}/{place}/{slot}" for slot in slots]
        weight = reader.importer.stored(inputs["kernel"])
        module = weight.path.rpartition(".")[0] if weight and "." in weight.path else call.outputs[0]
        suffix = f"_l{depth}" + ("_reverse" if direction else "")
        single = len(parameters) == each
        label = module if single else f"{module}{suffix}"
        layer = _layer(self.kind, direction == 1)
        reader.importer.place(layer, inputs, names, name=label, where=call.where)
        for slot, name in zip(slots[1:], names[1:], strict=True):
            self.results[slot].append(name)
        return names[0]


HANDLERS: dict[str, Handler] = {
    "lstm.input": _recurrent("lstm"),
    "gru.input": _recurrent("gru"),
    "rnn_tanh.input": _recurrent("rnn_tanh"),
    "rnn_relu.input": _recurrent("rnn_relu"),
}
