"""Builds the decomposition of a recurrent layer: steps around one Scan, and the body inside it."""

from collections.abc import Mapping
from typing import Literal

from irconv.ir.graph import Graph, Node, Port
from irconv.ir.layers.base import Decomposition, Layer, Step, ValueType
from irconv.ir.layers.control import Scan
from irconv.ir.layers.tensor_ops import Constant


class ScanBuilder:
    """Collects steps and body nodes; every method that adds a layer returns the name of its result.

    The operands of the composite may be stored, literal or computed by the graph; inside the body the first two are
    constants, and a computed one is carried along unchanged, because a body sees nothing of the outer graph.
    """

    def __init__(self, composite: Layer, given: Mapping[str, ValueType]) -> None:
        self.composite, self.given = composite, given
        self.steps: list[Step] = []
        self.layers: dict[str, Layer] = {}
        self.nodes: list[Node] = []
        self.carried: dict[str, tuple[str, ValueType]] = {}
        self.scanned: dict[str, tuple[str, ValueType]] = {}
        self._parameters: dict[str, str] = {}

    def outer(self, layer: Layer, operands: Mapping[str, str] | None = None, /, **inputs: str) -> str:
        """A step before the Scan. `operands` maps its roles to roles of the composite; absent ones are left out."""
        value = f"outer{len(self.steps)}"
        self.steps.append(Step(layer, inputs, {"y": value}, dict(operands or {})))
        return value

    def carry(self, name: str, start: str, value: ValueType) -> str:
        """A value carried through the Scan, `start` outside; the body knows it as `name`."""
        self.carried[name] = (start, value)
        return name

    def scan(self, name: str, sequence: str, piece: ValueType) -> str:
        """A sequence (n, t, ...) whose slices the body knows as `name`."""
        self.scanned[name] = (sequence, piece)
        return name

    def has(self, role: str) -> bool:
        """Whether the composite has this operand or optional input."""
        return role in self.given

    def parameter(self, role: str) -> str:
        """An operand of the composite as a value of the body."""
        if role not in self._parameters:
            operand = self.composite.operands.get(role)
            if operand is None:
                self._parameters[role] = self.carry(role, role, self.given[role])
            else:
                self._parameters[role] = self.inner(Constant(operands={"value": operand}))
        return self._parameters[role]

    def inner(self, layer: Layer, operands: Mapping[str, str] | None = None, /, **inputs: str) -> str:
        """A node of the body. `operands` maps its roles to roles of the composite; absent ones are left out."""
        return self.inner_results(layer, 1, operands, **inputs)[0]

    def inner_results(
        self, layer: Layer, count: int, operands: Mapping[str, str] | None = None, /, **inputs: str
    ) -> list[str]:
        """A node of the body with `count` results, y or y0, y1, ..."""
        present = {role: theirs for role, theirs in (operands or {}).items() if self.has(theirs)}
        stored = {r: self.composite.operands[t] for r, t in present.items() if t in self.composite.operands}
        computed = {r: self.parameter(t) for r, t in present.items() if t not in self.composite.operands}
        name = f"{layer.type.lower()}{len(self.nodes)}"
        self.layers[name] = layer.model_copy(update={"operands": {**layer.operands, **stored}}) if stored else layer
        slots = ["y"] if count == 1 else [f"y{i}" for i in range(count)]
        values = [name] if count == 1 else [f"{name}.{i}" for i in range(count)]
        outputs = dict(zip(slots, values, strict=True))
        self.nodes.append(Node(layer=name, scope="", inputs={**inputs, **computed}, outputs=outputs))
        return values

    def finish(
        self,
        after: Mapping[str, str],
        stacked: Mapping[str, tuple[str, ValueType]],
        last: Mapping[str, str],
        reverse: bool,
        order: Literal["time", "processing"],
    ) -> Decomposition:
        """All steps. `after` maps carried names to their next values (those left out stay), `stacked` results of the
        composite to what the body makes for each index, `last` carried names to the results they end as."""
        outputs = [_port(after.get(name, name), value) for name, (_, value) in self.carried.items()]
        outputs += [_port(name, value) for name, value in stacked.values()]
        entries = {**self.carried, **self.scanned}
        body = Graph(
            inputs=tuple(_port(name, value) for name, (_, value) in entries.items()),
            outputs=tuple(outputs),
            nodes=tuple(self.nodes),
        )
        scan = Scan(body=body, carried=len(self.carried), scanned=len(self.scanned), reverse=reverse, order=order)
        inputs = {f"carried{i}": start for i, (start, _) in enumerate(self.carried.values())}
        inputs |= {f"scanned{i}": sequence for i, (sequence, _) in enumerate(self.scanned.values())}
        results = {f"carried{i}": last.get(name, f"last {name}") for i, name in enumerate(self.carried)}
        results |= {f"stacked{i}": result for i, result in enumerate(stacked)}
        return [*self.steps, Step(scan, inputs, results, body=self.layers)]


def _port(value: str, of: ValueType) -> Port:
    return Port(name=value, value=value, dtype=of.dtype, shape=of.shape, axes="", source_axes="")
