"""Loops (Enter, Merge, Switch, NextIteration, Exit) over TensorArrays and TensorLists, as a `Scan`.

``tf.nn.dynamic_rnn`` and its like count from 0 to the number of steps, read one step of an array, and write one.
Such a loop runs its body once for each step: what the arrays hold is scanned and stacked, what the other loop variables
hold is carried, and those that no step changes are what they were before. Steps come first in an array and second in a
Scan, so that transposes stand around it. Loops of TensorFlow 2 come in the same words; see
`irconv.frameworks.tensorflow.control_flow`.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.frameworks.tensorflow.ops import arrays
from irconv.frameworks.tensorflow.ops.loop_body import BodyReader, flipped
from irconv.frameworks.tensorflow.ops.loop_ends import Ending
from irconv.frameworks.tensorflow.ops.loop_limits import Limits, Variable, number_of
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Graph, Port
from irconv.ir.layers.control import Scan
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add
from irconv.ir.shapes import Dimension
from irconv.translate import Unknown


@dataclass
class Frame:
    """A loop that has been read."""

    results: dict[str, str] = field(default_factory=dict)
    """Name of an Exit -> the value it gives; of an array's flow the value of all its steps."""
    unread: bool = False


def _exit(reader: GraphReader, node: NodeDef) -> None:
    """One result of a loop, which is read as a whole when the first is asked for."""
    name = _frame_of(reader, node)
    if name not in reader.frames:
        reader.frames[name] = Frame(unread=True)  # until it is: what is wrong with a loop is said once
        reader.frames[name] = Loop(reader, node, name).read()
    if reader.frames[name].unread:
        raise Unknown(name)
    result = reader.frames[name].results.get(node.name)
    if result is None:
        raise Refused(reader.where(node), "is a result of a loop that irconv does not follow")
    reader.gives(node, result)


def _frame_of(reader: GraphReader, node: NodeDef) -> str:
    switch = reader.node(reader.inputs(node)[0].node)
    merge = reader.node(reader.inputs(switch)[0].node)
    return str(reader.node(reader.inputs(merge)[0].node).attrs["frame_name"])


class Loop(Limits):
    def __init__(self, reader: GraphReader, node: NodeDef, frame: str) -> None:
        self.reader, self.where, self.frame = reader, reader.where(node), frame
        self.wholes: list[Reference] = []
        """What indices from the end are counted from, which the number of steps has to be."""
        self.rows: set[str] = set()
        """Flows, by the name of their Enter, that write one number a step, which is stacked as a row of one."""
        self.unchanged: dict[str, Variable] = {}
        """Merge or Switch -> the variable that is the same in every step."""
        self.variables = self._variables()
        same = [v for v in self.variables if self.passed(v.following) == v.inside]
        self.unchanged = {node.name: v for v in same for node in (v.merge, v.switch)}
        self.counters = [v for v in self.variables if self._is_counter(v)]
        self.flows = {v.enter.name: v for v in self.variables if self._writes(v)}
        others = {v.enter.name for v in (*same, *self.counters, *self.flows.values())}
        self.states = [v for v in self.variables if v.enter.name not in others]

    def read(self) -> Frame:
        """The loop as a Scan, with a value for each Exit."""
        body = BodyReader(self.reader, self)
        carried = [self._port(v, body) for v in self.states]
        nexts = [body.value(str(v.following)) for v in self.states]
        written = {name: self._written(v, body) for name, v in self.flows.items()}
        steps, terms = self.steps(body)
        if not body.scanned:
            body.count(steps)
        ending = Ending.of(self.frame, self.where, body, terms) if terms else None
        scanned = list(body.scanned.values())
        inner = body.importer
        if ending is not None:
            nexts = [*ending.kept(body, carried, nexts), *(after for _, _, after in body.counted), ending.holds]
            carried += [*(port for _, port, _ in body.counted), ending.port]
            written[ending.frame] = ending.step
        else:
            carried += [port for _, port, _ in body.counted]
            nexts += [after for _, _, after in body.counted]
        captured = [self._typed(body, value) for value in inner.captured]
        ins = (*carried, *captured, *(port for port, _ in scanned))
        outs = [*nexts, *(port.value for port in captured), *written.values()]
        for value in outs:
            inner.settle(value)
        graph = Graph(inputs=ins, outputs=tuple(self._typed(body, value) for value in outs), nodes=tuple(inner.nodes))
        count = len(carried) + len(captured)
        layer = Scan(body=graph, carried=count, scanned=len(scanned), reverse=False, order="time")
        starts = [self._start(v) for v in (*self.states, *(counter for counter, _, _ in body.counted))]
        starts += [] if ending is None else [ending.start(self.reader)]
        starts += [port.value for port in captured]
        return self._placed(layer, starts, [value for _, value in scanned], written, steps, ending)

    # what the loop is made of

    def _variables(self) -> list[Variable]:
        reader, found = self.reader, []
        switches = {reader.inputs(n)[0].node: n for n in reader.graph.nodes.values() if n.op in arrays.SWITCHES}
        for merge in reader.graph.nodes.values():
            inputs = reader.inputs(merge) if merge.op in arrays.MERGES else []
            if len(inputs) != 2:
                continue
            enter, following = (reader.graph.nodes.get(taken.node) for taken in inputs)
            if enter is None or following is None or enter.op not in arrays.ENTERS:
                continue
            if enter.attrs.get("frame_name") == self.frame and merge.name in switches:
                after = reader.inputs(following)[0]
                found.append(Variable(enter, merge, switches[merge.name], after))
        return found

    def before(self, reference: Reference) -> Reference | None:
        """What a result of the body was before the loop, where no step changes it; None where one makes it."""
        for _ in range(len(self.reader.graph.nodes) + 1):
            node = self.reader.node(reference.node)
            if node.name in self.unchanged or node.op in arrays.ENTERS:
                return self.passed(reference)
            if node.op != "Identity":
                return None
            reference = self.reader.inputs(node)[0]
        return None

    def _is_counter(self, variable: Variable) -> bool:
        """Whether it counts up by one."""
        node = self.reader.node(self.passed(variable.following).node)
        if node.op not in ("Add", "AddV2") or variable.enter.attrs.get("T") not in ("int32", "int64"):
            return False
        left, right = self.reader.inputs(node)
        one = self.reader.node(self.passed(right).node)
        return self.passed(left) == variable.inside and number_of(one) == 1

    def _writes(self, variable: Variable) -> arrays.Written | None:
        """What a step writes, where the variable is the flow of an array or a list."""
        node = self.reader.node(self.passed(variable.following).node)
        written = arrays.written(self.reader, node)
        if written is not None and self.passed(written.array) != variable.inside:
            self.array(written.array)
        return written

    def array(self, reference: Reference) -> NodeDef:
        """The array that a handle belongs to. Raises `Refused` where it is none."""
        node = self.reader.node(self.passed(reference).node)
        if node.op not in arrays.CREATED:
            raise Refused(self.where, f"uses an array that {node.name} ({node.op}) gives")
        return node

    def way(self, reference: Reference) -> int:
        """1 where an index is the number of the step, -1 where it is that from the end, 0 where it is neither."""
        if self.is_step(reference):
            return 1
        last, step = self._difference(reference)
        whole, one = (None, None) if last is None else self._difference(last)
        if step is None or whole is None or one is None or not self.is_step(step):
            return 0
        if number_of(self.reader.node(self.passed(one).node)) != 1:
            return 0
        self.wholes.append(whole)
        return -1

    def _index(self, variable: Variable) -> Reference | None:
        """Where a step writes what the variable is the flow of."""
        written = self._writes(variable)
        return None if written is None else written.index

    def _difference(self, reference: Reference) -> tuple[Reference | None, Reference | None]:
        node = self.reader.node(self.passed(reference).node)
        left, right = self.reader.inputs(node) if node.op == "Sub" else (None, None)
        return left, right

    def scattered(self, node: NodeDef) -> tuple[str, str]:
        """The array that a node reads, by name, and the value of all its steps when the loop begins, steps first."""
        inputs = self.reader.inputs(node)
        filler = self.reader.node(self.passed(inputs[2 if node.op == "TensorArrayReadV3" else 0]).node)
        name = self.array(inputs[0]).name if node.op == "TensorArrayReadV3" else filler.name
        value = arrays.filled(self.reader, filler)
        if value is None:
            raise Refused(self.where, f"reads the array {name}, which {filler.name} ({filler.op}) fills")
        return name, self.reader.value(str(value))

    # what it becomes

    def _start(self, variable: Variable) -> str:
        return self.reader.value(str(self.reader.inputs(variable.enter)[0]))

    def _port(self, variable: Variable, body: BodyReader) -> Port:
        return self.port(str(variable.inside), self._start(variable), body, variable)

    def port(self, value: str, start: str, body: BodyReader, variable: Variable) -> Port:
        """A variable as an input of the body."""
        dtype, shape = self.reader.type_of(start)
        port = Port(
            name=variable.enter.name, value=str(variable.inside), dtype=dtype, shape=shape, axes="", source_axes=""
        )
        body.values[variable.inside] = body.importer.input(port)
        body.values[Reference(variable.merge.name, 0)] = body.values[variable.inside]
        return port

    def _written(self, variable: Variable, body: BodyReader) -> str:
        written = self._writes(variable)
        assert written is not None, "only flows are asked for"
        start = self.passed(self.reader.inputs(variable.enter)[0])
        if variable.enter.attrs.get("T") == "variant" and self.reader.node(start.node).op not in arrays.CREATED:
            raise Refused(self.where, f"writes into {start}, which is no empty list")
        if written.index is not None and not self.way(written.index) and not self._is_single(variable):
            what = f"writes {variable.following} at an index that is not the number of the step"
            raise Refused(self.where, what)
        value = body.value(str(written.value))
        if body.type_of(value).shape:
            return value
        self.rows.add(variable.enter.name)
        return body.importer.place(Unsqueeze(axes=(0,)), {"x": value}, [f"{value}/row"], where=self.where)[0]

    def _is_single(self, variable: Variable) -> bool:
        """Whether every step is written over the one before: a list for one step alone, written at 0."""
        written = self._writes(variable)
        if written is None or written.index is None or variable.enter.attrs.get("T") != "variant":
            return False
        empty = self.reader.node(self.passed(self.reader.inputs(variable.enter)[0]).node)
        index = number_of(self.reader.node(self.passed(written.index).node))
        return index == 0 and arrays.length(self.reader, empty) == 1

    def _typed(self, body: BodyReader, value: str) -> Port:
        dtype, shape = body.type_of(value)
        return Port(name=value, value=value, dtype=dtype, shape=shape, axes="", source_axes="")

    def _placed(
        self,
        layer: Scan,
        starts: list[str],
        scanned: list[str],
        written: dict[str, str],
        steps: Dimension,
        ending: Ending | None,
    ) -> Frame:
        inputs = {f"carried{i}": value for i, value in enumerate(starts)}
        inputs |= {f"scanned{i}": value for i, value in enumerate(scanned)}
        names = [f"{self.frame}/{v.enter.name.rsplit('/', 1)[-1]}" for v in self.states]
        stacked = [f"{self.frame}/{name.rsplit('/', 1)[-1]}/steps" for name in written]
        outputs = {f"carried{i}": f"{self.frame}/last{i}" for i in range(len(starts))}
        outputs |= {f"carried{i}": name for i, name in enumerate(names)}
        outputs |= {f"stacked{i}": name for i, name in enumerate(stacked)}
        self.reader.importer.use(layer, inputs, outputs, self.frame, where=self.where)
        results = {v.enter.name: name for v, name in zip(self.states, names, strict=True)}
        made, count = "", ""
        if ending is not None:
            made, count = ending.made(self.reader, stacked[-1]), self.reader.importer.counted(self.where)
        for name, value in zip(self.flows, stacked, strict=ending is None):
            kept = value if ending is None else ending.cut(self.reader, value, made, count)
            results[name] = self._steps_first(name, value, kept)
        frame, owners = Frame(), {v.switch.name: v for v in self.variables}
        for node in self.reader.graph.nodes.values():
            owner = owners.get(self.reader.inputs(node)[0].node) if node.op in ("Exit", "RefExit") else None
            if owner is None:
                continue
            if owner.enter.name in results:
                frame.results[node.name] = results[owner.enter.name]
            elif owner.merge.name in self.unchanged:
                frame.results[node.name] = self._start(owner)
            elif owner in self.counters and ending is not None:
                frame.results[node.name] = ending.counted(self.reader, owner, made)
            elif owner in self.counters and isinstance(steps, int):
                frame.results[node.name] = self._last(owner, steps)
        return frame

    def _last(self, counter: Variable, steps: int) -> str:
        """What a counter is after so many steps."""
        start, name = self._start(counter), f"{counter.enter.name}/last"
        number = np.asarray(steps, numpy_dtype(self.reader.type_of(start).dtype))
        ahead = self.reader.importer.constant(f"{name}/steps", number)
        return self.reader.importer.place(Add(), {"x0": start, "x1": ahead}, [name])[0]

    def _steps_first(self, flow: str, value: str, kept: str) -> str:
        """The steps of what a flow writes, steps first, from the stacked ones (n, t, ...)."""
        if self._is_single(self.flows[flow]):
            last = Slice(axes=(1,), starts=(-1,), ends=(None,), steps=(1,))
            (kept,) = self.reader.importer.place(last, {"x": kept}, [f"{value}/last"], where=self.where)
        index = self._index(self.flows[flow])
        if index is not None and self.way(index) < 0:
            kept = flipped(self.reader, kept, f"{value}/flipped", self.where)
        if flow in self.rows:
            return self.reader.importer.place(Squeeze(axes=(0,)), {"x": kept}, [f"{value}/first"], where=self.where)[0]
        return arrays.first_swapped(self.reader, kept, f"{value}/first", self.where)


def _nothing(reader: GraphReader, node: NodeDef) -> list[Reference]:
    return []


HANDLERS = {**arrays.HANDLERS, "Exit": _exit, "RefExit": _exit}
NEEDS = {**arrays.NEEDS, "Exit": _nothing, "RefExit": _nothing}
