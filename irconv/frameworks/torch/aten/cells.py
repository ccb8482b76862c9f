"""Single steps of recurrent layers (``nn.LSTMCell`` and its like), and bags of rows: by the ops that PyTorch makes of
them when it traces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.ir.known import numeric
from irconv.ir.layers.embedding import EmbeddingBag
from irconv.ir.layers.tensor_ops import Reshape


class _Steps:
    """Ops of one call, each read by its own rule."""

    def __init__(self, reader: ProgramReader, call: Call) -> None:
        self.reader, self.call, self.count = reader, call, 0

    def __call__(self, op: str, /, gives: str = "", **arguments: Any) -> Tensor:
        """The one result of an op, under a name of its own or the name of a result of the call."""
        self.count += 1
        name = gives or f"{self.call.outputs[0]}/{op.partition('.')[0]}{self.count}"
        self.reader.run(replace(self.call, op=op, arguments=arguments, outputs=(name,)))
        return Tensor(name)

    def pieces(self, value: Tensor, count: int) -> list[Tensor]:
        """A value cut along axis 1."""
        self.count += 1
        names = tuple(f"{self.call.outputs[0]}/gate{self.count}.{i}" for i in range(count))
        arguments = {"self": value, "chunks": count, "dim": 1}
        self.reader.run(replace(self.call, op="chunk.default", arguments=arguments, outputs=names))
        return [Tensor(name) for name in names]

    def products(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """What the gates are given by the input, and by the state."""
        given = self.call.arguments
        sides = ((given["input"], "w_ih", "b_ih"), (state, "w_hh", "b_hh"))
        first, second = (
            self("linear.default", input=value, weight=given[weight], bias=given.get(bias))
            for value, weight, bias in sides
        )
        return first, second


def _lstm(reader: ProgramReader, call: Call) -> None:
    """``c' = f c + i g``, ``h' = o tanh(c')``, with the gates in the order i, f, g, o."""
    steps, (hidden, cell) = _Steps(reader, call), call.arguments["hx"]
    first, second = steps.products(hidden)
    i, f, g, o = steps.pieces(steps("add.Tensor", self=first, other=second), 4)
    i, f, o = (steps("sigmoid.default", self=gate) for gate in (i, f, o))
    kept = steps("mul.Tensor", self=f, other=cell)
    new = steps("mul.Tensor", self=i, other=steps("tanh.default", self=g))
    after = steps("add.Tensor", gives=call.outputs[1] if len(call.outputs) > 1 else "", self=kept, other=new)
    steps("mul.Tensor", gives=call.outputs[0], self=o, other=steps("tanh.default", self=after))


def _gru(reader: ProgramReader, call: Call) -> None:
    """``n = tanh(x_n + r h_n)``, ``h' = (h - n) z + n``, with the gates in the order r, z, n."""
    steps, hidden = _Steps(reader, call), call.arguments["hx"]
    first, second = steps.products(hidden)
    (xr, xz, xn), (hr, hz, hn) = steps.pieces(first, 3), steps.pieces(second, 3)
    reset, update = (
        steps("sigmoid.default", self=steps("add.Tensor", self=h, other=x)) for h, x in ((hr, xr), (hz, xz))
    )
    part = steps("mul.Tensor", self=hn, other=reset)
    new = steps("tanh.default", self=steps("add.Tensor", self=xn, other=part))
    moved = steps("mul.Tensor", self=steps("sub.Tensor", self=hidden, other=new), other=update)
    steps("add.Tensor", gives=call.outputs[0], self=moved, other=new)


def _plain(activation: str) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        steps = _Steps(reader, call)
        first, second = steps.products(call.arguments["hx"])
        steps(activation, gives=call.outputs[0], self=steps("add.Tensor", self=first, other=second))

    return read


_MODES: tuple[Any, ...] = ("sum", "mean", "max")


def _bag(reader: ProgramReader, call: Call) -> None:
    """``embedding_bag`` of bags of one length, of which PyTorch makes one row of indices and the places where bags
    begin."""
    given = call.arguments
    indices, offsets = reader.value(given["indices"]), reader.value(given["offsets"])
    count, known = reader.importer.type_of(indices).shape, reader.importer.known(offsets)
    if known is None or not numeric(known) or len(count) != 1 or not isinstance(count[0], int) or not known.size:
        raise Refused(call.where, "takes bags whose lengths are not known before the model runs")
    starts = [*known.tolist(), count[0]][: known.size + (not call.get("include_last_offset", False))]
    lengths = set(np.diff([*starts] if starts[-1] == count[0] else [*starts, count[0]]).tolist())
    if len(lengths) != 1 or starts[0] != 0:
        raise Refused(call.where, f"takes bags of unlike lengths, which begin at {known.tolist()[:8]}")
    padding = call.get("padding_idx", -1)
    (length,) = lengths
    rows = reader.place(call, Reshape(shape=(count[0] // length, length)), "bags", x=indices)
    padding = None if padding is None or padding < 0 else int(padding)
    layer = EmbeddingBag(mode=_MODES[call.get("mode", 0)], padding_index=padding)
    weights = given.get("per_sample_weights")
    inputs = {"x": rows, "table": reader.value(given["weight"])}
    if weights is not None:
        shape = Reshape(shape=(count[0] // length, length))
        inputs["weights"] = reader.place(call, shape, "weights", x=reader.value(weights))
    reader.place(call, layer, **inputs)


_CELLS: dict[str, Callable[[ProgramReader, Call], None]] = {
    "lstm_cell": _lstm,
    "gru_cell": _gru,
    "rnn_tanh_cell": _plain("tanh.default"),
    "rnn_relu_cell": _plain("relu.default"),
}

HANDLERS: dict[str, Handler] = {
    **{f"{name}.default": cell for name, cell in _CELLS.items()},
    "embedding_bag.default": _bag,
    "embedding_bag.padding_idx": _bag,
}
