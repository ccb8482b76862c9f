"""RNN, GRU and LSTM: one layer of the IR for each direction, its weights cut out of those of the op."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.layers import layer_class
from irconv.ir.layers.base import Layer
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.ir.layers.recurrent_base import UNDROPPED
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Select, Slice, Split
from irconv.ir.layers.tensor_ops import Concat, Reshape, Transpose
from irconv.ir.manifest import LayoutStep

_GATES = {"LSTM": "iofg", "GRU": "zrn", "RNN": ""}
"""The order of the gates in ONNX, by the letters of the IR's classes."""
_DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
_PEEPHOLES = ("peephole_input", "peephole_output", "peephole_forget")
_ACTIVATIONS: Mapping[str, Any] = {
    **{name.lower(): (name, {}) for name in ("Relu", "Tanh", "Sigmoid", "Softsign", "Softplus")},
    "leakyrelu": ("LeakyRelu", {"slope": ("alpha", 0.01)}),
    "thresholdedrelu": ("ThresholdedRelu", {"threshold": ("alpha", 1.0)}),
    "elu": ("Elu", {"alpha": ("alpha", 1.0)}),
    "hardsigmoid": ("HardSigmoid", {"slope": ("alpha", 0.2), "offset": ("beta", 0.5)}),
    "scaledtanh": ("ScaledTanh", {"scale_out": ("alpha", 1.0), "scale_in": ("beta", 1.0)}),
}


@dataclass
class _Reading:
    """One op while it is read."""

    reader: ModelReader
    op: Op

    @property
    def directions(self) -> int:
        """1 or 2."""
        return 2 if self.op.attribute("direction") == "bidirectional" else 1

    def read(self) -> None:
        """The layers, and the op's results made of theirs."""
        op, first = self.op, bool(self.op.attribute("layout", 0))
        x = op.given(0)
        if not first:
            x = self.reader.place(op, Transpose(permutation=(1, 0, 2)), "x", x=x)
        made = [self._direction(x, direction, first) for direction in range(self.directions)]
        slots = ["y", "h", "c"] if op.type == "LSTM" else ["y", "h"]
        for slot, result in zip(slots, op.outputs, strict=False):
            if result:
                self._result(slot, result, [names[slot] for names in made], first)

    def _direction(self, x: str, direction: int, first: bool) -> dict[str, str]:
        reader, op = self.reader, self.op
        layer = self._layer(direction)
        inputs = {"x": x, **self._weights(direction)}
        if op.given(4):
            inputs["lengths"] = op.given(4)
        for slot, index in (("initial_h", 5), ("initial_c", 6)):
            if op.given(index):
                inputs[slot] = self._taken(op.given(index), direction, slot, 1 if first else 0)
        if op.given(7):
            inputs |= self._peepholes(direction)
        slots = ["y", "h", "c"] if op.type == "LSTM" else ["y", "h"]
        names = {slot: reader.free(f"{op.name}/{direction}/{slot}") for slot in slots}
        name = f"{op.name}/{direction}" if self.directions == 2 else op.name
        layer = layer.model_copy(update={"origin": reader.origin(op)})
        reader.importer.place(layer, inputs, list(names.values()), name=name, where=op.where)
        return names

    def _result(self, slot: str, result: str, values: list[str], first: bool) -> None:
        """y (n, t, unit) becomes (t, d, n, unit), or (n, t, d, unit) with the batch first; states (n, unit) become
        (d, n, unit) or (n, d, unit)."""
        reader, op = self.reader, self.op
        axis = (2 if first else 1) if slot == "y" else (1 if first else 0)
        parts = []
        turn = Transpose(permutation=(1, 0, 2))
        if slot == "y" and not first:
            values = [
                reader.importer.place(turn, {"x": v}, [reader.free(f"{v}/steps")], where=op.where)[0] for v in values
            ]
        for direction, value in enumerate(values):
            last = result if len(values) == 1 else reader.free(f"{result}/{direction}")
            parts.append(reader.importer.place(Unsqueeze(axes=(axis,)), {"x": value}, [last], where=op.where)[0])
        if len(parts) > 1:
            inputs = {f"x{i}": part for i, part in enumerate(parts)}
            reader.importer.place(Concat(axis=axis), inputs, [result], where=op.where)

    # settings

    def _layer(self, direction: int) -> Layer:
        op = self.op
        reverse = op.attribute("direction", "forward") == "reverse" or direction == 1
        common: dict[str, Any] = {"reverse": reverse, "order": "time", "masked_output": "zero", **UNDROPPED}
        activations = self._activations(direction)
        clip = op.attribute("clip")
        if clip is not None:
            raise Refused(op.where, f"limits the inputs of its activations to {clip}, which irconv does not read")
        if op.type == "RNN":
            return RNN(activation=activations[0], **common)
        if op.type == "GRU":
            after = bool(op.attribute("linear_before_reset", 0))
            return GRU(
                activation=activations[1],
                recurrent_activation=activations[0],
                reset_after=after,
                update_keeps="old",
                **common,
            )
        return LSTM(
            recurrent_activation=activations[0],
            activation=activations[1],
            output_activation=activations[2],
            forget_bias=0.0,
            couple_input_forget=bool(op.attribute("input_forget", 0)),
            output_peephole="before_activation",
            cell_clip=None,
            projection_clip=None,
            **common,
        )

    def _activations(self, direction: int) -> list[Layer]:
        names = self.op.attribute("activations") or list(_DEFAULTS[self.op.type]) * self.directions
        count = len(_DEFAULTS[self.op.type])
        names = names[: count * self.directions]  # the default of the schema is for two directions
        if len(names) != count * self.directions:
            raise Refused(self.op.where, f"expected {count * self.directions} activations, got {names}")
        alphas, betas = (list(self.op.attribute(f"activation_{name}") or ()) for name in ("alpha", "beta"))
        made = []
        for i, name in enumerate(names):
            found = _ACTIVATIONS.get(name.lower())
            if found is None:
                raise Refused(self.op.where, f"has the activation {name}, which irconv does not read")
            kind, fields = found
            known = {"alpha": alphas, "beta": betas}
            settings = {field: known[of].pop(0) if known[of] else default for field, (of, default) in fields.items()}
            if direction * count <= i < (direction + 1) * count:
                made.append(layer_class(kind)(type=kind, **settings))
        return made

    # weights

    def _weights(self, direction: int) -> dict[str, str]:
        found = {
            "kernel": self._kernel(self.op.given(1), direction, "W"),
            "recurrent_kernel": self._kernel(self.op.given(2), direction, "R"),
        }
        if self.op.given(3):
            for half, role in enumerate(("bias_input", "bias_recurrent")):
                found[role] = self._bias(direction, half, role)
        return found

    def _kernel(self, value: str, direction: int, name: str) -> str:
        return self._ordered(self._taken(value, direction, name, 0), f"{name}{direction}", "(gate unit) in")

    def _bias(self, direction: int, half: int, role: str) -> str:
        """One of the two biases of one direction."""
        reader, op, value = self.reader, self.op, self.op.given(3)
        count, name = 2 * self.directions, f"{self.op.name}/B{direction}{half}"
        piece = reader.importer.piece(value, name, count, 2 * direction + half)
        if piece is None:
            units = reader.shape(value)[1]
            if not isinstance(units, int):
                raise Refused(op.where, f"has biases of shape {reader.shape(value)}")
            rows = reader.place(op, Reshape(shape=(count, units // 2)), f"B{direction}{half}/rows", x=value)
            piece = reader.place(op, Select(axis=0, index=2 * direction + half), f"B{direction}{half}", x=rows)
        return self._ordered(piece, f"{role}{direction}", "(gate unit)")

    def _taken(self, value: str, direction: int, name: str, axis: int) -> str:
        """What belongs to one direction, without that axis."""
        reader, op = self.reader, self.op
        if self.directions == 1:
            if name.startswith("initial"):
                return reader.place(op, Squeeze(axes=(axis,)), f"{name}{direction}/alone", x=value)
            shape = tuple(size for i, size in enumerate(reader.shape(value)) if i != axis)
            return reader.place(op, Reshape(shape=shape), f"{name}{direction}/alone", x=value)
        piece = reader.importer.piece(value, f"{op.name}/{name}{direction}/piece", 2, direction) if axis == 0 else None
        return piece or reader.place(op, Select(axis=axis, index=direction), f"{name}{direction}/alone", x=value)

    def _ordered(self, value: str, name: str, axes: str) -> str:
        """Weights with their gates in the order of the IR."""
        reader, op, theirs = self.reader, self.op, _GATES[self.op.type]
        ours: str = getattr(layer_class(op.type), "ORDERS", {}).get("gate", "")
        if theirs == ours:
            return value
        step = LayoutStep(source=axes, target=axes, orders={"gate": (theirs, ours)}, sizes={"gate": len(ours)})
        stored = reader.importer.laid_out(value, f"{op.name}/{name}/ordered", step)
        if stored is not None:
            return stored
        rows = reader.shape(value)[0]
        if not isinstance(rows, int):
            raise Refused(op.where, f"has weights of shape {reader.shape(value)}")
        cut = [f"{op.name}/{name}/{gate}" for gate in theirs]
        layer = Split(axis=0, sizes=(rows // len(theirs),) * len(theirs))
        reader.importer.place(layer, {"x": value}, cut, name=f"{op.name}/{name}/gates", where=op.where)
        parts = {f"x{i}": cut[theirs.index(gate)] for i, gate in enumerate(ours)}
        return reader.place(op, Concat(axis=0), f"{name}/ordered", **parts)

    def _peepholes(self, direction: int) -> dict[str, str]:
        """Three vectors end to end: input, output, forget."""
        reader, op, value = self.reader, self.op, self.op.given(7)
        units = op.attribute("hidden_size") or reader.shape(op.given(2))[2]
        found = {}
        for i, role in enumerate(_PEEPHOLES):
            name = f"{op.name}/{role}{direction}"
            piece = reader.importer.piece(value, name, 3 * self.directions, 3 * direction + i)
            if piece is None:
                row = reader.place(op, Select(axis=0, index=direction), f"{role}{direction}/row", x=value)
                cut = Slice(axes=(0,), starts=(i * units,), ends=((i + 1) * units,), steps=(1,))
                piece = reader.place(op, cut, f"{role}{direction}", x=row)
            found[role] = piece
        return found


def _recurrent(reader: ModelReader, op: Op) -> None:
    if op.given(4) and reader.importer.known(op.given(4)) is not None:
        lengths, steps = reader.numbers(op, 4), reader.shape(op.given(0))[1 if op.attribute("layout", 0) else 0]
        if lengths is not None and all(length == steps for length in lengths):
            op = Op(**{**vars(op), "inputs": (*op.inputs[:4], "", *op.inputs[5:])})
    _Reading(reader, op).read()


HANDLERS: dict[str, Handler] = dict.fromkeys(_GATES, _recurrent)
