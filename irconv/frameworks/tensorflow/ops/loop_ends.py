"""Loops that end by what they compute: run for as many steps as there may be, with everything kept once it is over.

A decoder goes on until every sequence has come to its end, for so many steps at most. Such a loop is a `Scan` over all
of them that carries whether it still goes on: where it does not, what is carried stays as it is, and the steps that
were not made are taken out of what is stacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from irconv.data_classes import dataclass
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.frameworks.tensorflow.ops.loop_body import BodyReader
from irconv.ir.graph import Port
from irconv.ir.layers.comparisons import And, Cast, Not, Or, Where
from irconv.ir.layers.selection import Compress
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.tensor_ops import Add, Reduce

if TYPE_CHECKING:
    from irconv.frameworks.tensorflow.ops.loop_limits import Variable


@dataclass(frozen=True)
class Ending:
    """Whether a loop still goes on, in its body."""

    frame: str
    where: str
    port: Port
    """Whether it did so in the step before."""
    holds: str
    """Whether it does so in this one."""
    step: str
    """The same as a row of its own, to be stacked."""

    @staticmethod
    def of(frame: str, where: str, body: BodyReader, terms: Sequence[Reference]) -> Ending:
        """The loop goes on for as long as all of these hold, which are read before the step is made."""
        value = f"{frame}/goes_on"
        port = Port(name=value, value=value, dtype="bool", shape=(), axes="", source_axes="")
        holds = body.importer.input(port)
        for i, term in enumerate(terms):
            (holds,) = body.importer.place(And(), {"x0": holds, "x1": body.value(str(term))}, [f"{value}/{i}"])
        (step,) = body.importer.place(Unsqueeze(axes=(0,)), {"x": holds}, [f"{value}/step"])
        return Ending(frame, where, port, holds, step)

    def start(self, reader: GraphReader) -> str:
        """The value before the first step."""
        return reader.importer.constant(f"{self.frame}/goes_on/first", np.asarray(True))

    def kept(self, body: BodyReader, ports: Sequence[Port], following: Sequence[str]) -> list[str]:
        """What is carried to the next step: what the body makes, or what there was where the loop is over."""
        found = []
        for port, value in zip(ports, following, strict=True):
            name = f"{port.value}/kept"
            if port.dtype == "bool":  # which ONNX Runtime does not choose from
                found.append(self._either(body, value, port.value, name))
                continue
            given = {"condition": self.holds, "x0": value, "x1": port.value}
            found.append(body.importer.place(Where(), given, [name])[0])
        return found

    def _either(self, body: BodyReader, value: str, before: str, name: str) -> str:
        (new,) = body.importer.place(And(), {"x0": self.holds, "x1": value}, [f"{name}/new"])
        (over,) = body.importer.place(Not(), {"x": self.holds}, [f"{name}/over"])
        (old,) = body.importer.place(And(), {"x0": over, "x1": before}, [f"{name}/old"])
        return body.importer.place(Or(), {"x0": new, "x1": old}, [name])[0]

    def made(self, reader: GraphReader, flags: str) -> str:
        """For each step whether it was made, from the stacked rows."""
        return reader.importer.place(Squeeze(axes=(0,)), {"x": flags}, [f"{flags}/flat"])[0]

    def cut(self, reader: GraphReader, value: str, made: str, count: str) -> str:
        """The steps (n, t, ...) that were made."""
        layer = Compress(axis=1, count=count)
        given = {"x": value, "condition": made}
        return reader.importer.place(layer, given, [f"{value}/made"], where=self.where)[0]

    def counted(self, reader: GraphReader, variable: Variable, made: str) -> str:
        """What a counter is when the loop is over."""
        start = reader.value(str(reader.inputs(variable.enter)[0]))
        name = f"{variable.enter.name}/last"
        dtype = reader.type_of(start).dtype
        (ones,) = reader.importer.place(Cast(dtype=dtype), {"x": made}, [f"{name}/ones"])
        total = Reduce(op="sum", axes=(0,), keepdims=False)
        (steps,) = reader.importer.place(total, {"x": ones}, [f"{name}/steps"])
        return reader.importer.place(Add(), {"x0": start, "x1": steps}, [name])[0]
