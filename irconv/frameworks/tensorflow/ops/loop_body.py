"""The body of a loop: its steps are read from arrays, and what it takes from outside is captured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.data_classes import dataclass
from irconv.frameworks.tensorflow.importing import GraphReader, Reference, constant
from irconv.frameworks.tensorflow.ops import arrays
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Port
from irconv.ir.layers.arithmetic import Minimum, Sub
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.shape_ops import Range, ShapeOf, Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Flip, Select
from irconv.ir.layers.tensor_ops import Add
from irconv.ir.shapes import Dimension

if TYPE_CHECKING:
    from irconv.frameworks.tensorflow.ops.loop_limits import Variable
    from irconv.frameworks.tensorflow.ops.loops import Loop


@dataclass(frozen=True)
class _Taken:
    """One index of a value, by the number of the step."""

    whole: Reference
    axis: int
    way: int
    """1 from the first, -1 from the last, 0 where it is another index."""


class BodyReader(GraphReader):
    """Reads the body of a loop; what it takes from outside is read there."""

    def __init__(self, outer: GraphReader, loop: Loop) -> None:
        self.outer, self.loop = outer, loop
        self.scanned: dict[str, tuple[Port, str]] = {}
        """TensorArray that is read -> the step of it as an input of the body, and the whole, steps second."""
        self.lengths: set[Dimension] = set()
        """How many steps there are in arrays that are read at other indices than the number of the step."""
        self.counted: list[tuple[Variable, Port, str]] = []
        """Counters that the body computes with, each as an input of the body, and what it is in the next step."""
        super().__init__(outer.graph, outer.variables, outer.options, {})

    def __post_init__(self) -> None:
        self.importer, self.keeping = self.outer.importer.nested(), self.outer.keeping
        self.facts = self.outer.facts

    def handled(self, node: NodeDef) -> bool:
        """Read a node of the loop's own kinds; False for any other."""
        if node.op in arrays.ENTERS:
            self.gives(node, self.outer.value(str(self.inputs(node)[0])))
        elif node.op in arrays.READS:
            self.gives(node, self._step(node))
        elif (taken := self._taken(node)) is not None:
            self.gives(node, self._of_tensor(node, taken))
        elif node.name in self.loop.unchanged:
            value = self.outer.value(str(self.inputs(self.loop.unchanged[node.name].enter)[0]))
            self.gives(node, value, value)
        elif node.op in (*arrays.SWITCHES, *arrays.MERGES):
            counter = next((v for v in self.loop.counters if node.name in (v.switch.name, v.merge.name)), None)
            if counter is None:
                return False
            self._counted(counter)
        else:
            return False
        return True

    def needs(self, node: NodeDef) -> list[Reference] | None:
        """What a node of the loop's own kinds needs of the body; None for any other."""
        own = node.op in (*arrays.ENTERS, *arrays.READS) or node.name in self.loop.unchanged
        counter = any(node.name in (v.switch.name, v.merge.name) for v in self.loop.counters)
        if node.op in arrays.READS and not self.loop.way(self.inputs(node)[1]):
            return self.inputs(node)[1:2]
        return [] if own or counter or self._taken(node) is not None else None

    def _step(self, node: NodeDef) -> str:
        way = self.loop.way(self.inputs(node)[1])
        name, whole = self.loop.scattered(node)
        if not way:
            return self._at(node, whole)
        key = name if way > 0 else f"{name}/flipped"
        single = len(self.outer.type_of(whole).shape) == 1
        if key not in self.scanned and single:
            (whole,) = self.outer.importer.place(Unsqueeze(axes=(0,)), {"x": whole}, [f"{key}/row"])
        elif key not in self.scanned:
            whole = arrays.first_swapped(self.outer, whole, f"{key}/steps", self.where(node))
        step = self._scanned(node, key, whole, way)
        return self.importer.place(Squeeze(axes=(0,)), {"x": step}, [f"{node.name}/number"])[0] if single else step

    def _at(self, node: NodeDef, whole: str) -> str:
        """A step at an index that the body computes. Behind the last one TensorFlow does not read, but in a branch that
        is not taken; here both are read, so that such an index is taken for the last."""
        steps = self.outer.type_of(whole).shape[0]
        index = self.given(node, 1)
        self.lengths.add(steps)
        dtype, name = self.type_of(index).dtype, f"{node.name}/index"
        if isinstance(steps, int):
            last = self.importer.constant(f"{name}/last", np.asarray(steps - 1, numpy_dtype(dtype)))
        else:
            last = self._last(whole, dtype, f"{name}/last")
        (inside,) = self.importer.place(Minimum(), {"x0": index, "x1": last}, [name])
        return self.place(node, Gather(axis=0), x=whole, indices=inside)

    def _last(self, whole: str, dtype: str, name: str) -> str:
        """The index of the last step, where their number is open."""
        place = self.outer.importer.place
        (shape,) = place(ShapeOf(), {"x": whole}, [f"{name}/shape"])
        (count,) = place(Select(axis=0, index=0), {"x": shape}, [f"{name}/count"])
        (number,) = place(Cast(dtype=dtype), {"x": count}, [f"{name}/number"])
        one = self.outer.importer.constant(f"{name}/one", np.asarray(1, numpy_dtype(dtype)))
        return place(Sub(), {"x0": number, "x1": one}, [name])[0]

    def _taken(self, node: NodeDef) -> _Taken | None:
        """What a node takes of a value from before the loop at the index of the step, along the first axis or the
        second."""
        read = {"GatherV2": self._gathered, "StridedSlice": self._cut}.get(node.op)
        found = None if read is None else read(node)
        if found is None or found.axis not in (0, 1) or not found.way:
            return None
        return found

    def _gathered(self, node: NodeDef) -> _Taken | None:
        whole, index, axis = self.inputs(node)
        before, along = self.loop.before(whole), constant(self.node(self.loop.passed(axis).node))
        if before is None or along is None or along.shape != () or node.attrs.get("batch_dims", 0):
            return None
        return _Taken(before, int(along.numpy()), self.loop.way(index))

    def _cut(self, node: NodeDef) -> _Taken | None:
        """``x[:, t]`` and ``x[t]``: one index, and all of the other axes."""
        whole, begin, _, _ = self.inputs(node)
        before, packed = self.loop.before(whole), self.node(begin.node)
        masks = {name: int(node.attrs.get(f"{name}_mask", 0)) for name in ("begin", "end", "shrink_axis")}
        others = int(node.attrs.get("ellipsis_mask", 0)) or int(node.attrs.get("new_axis_mask", 0))
        axis = {1: 0, 2: 1}.get(masks["shrink_axis"])
        if before is None or axis is None or others or packed.op != "Pack":
            return None
        indices = self.inputs(packed)
        rest = ((1 << len(indices)) - 1) & ~(1 << axis)
        if axis >= len(indices) or masks["begin"] & masks["end"] & rest != rest:
            return None
        return _Taken(before, axis, self.loop.way(indices[axis]))

    def _of_tensor(self, node: NodeDef, taken: _Taken) -> str:
        key = f"{taken.whole}/{taken.axis}"
        key = key if taken.way > 0 else f"{key}/flipped"
        if key in self.scanned:
            return self.scanned[key][0].value
        whole = self.outer.value(str(taken.whole))
        if taken.axis == 0:
            whole = arrays.first_swapped(self.outer, whole, f"{key}/steps", self.where(node))
        return self._scanned(node, key, whole, taken.way)

    def _scanned(self, node: NodeDef, key: str, turned: str, way: int) -> str:
        """The step of a value, steps second, as an input of the body."""
        if key not in self.scanned:
            if way < 0:
                turned = flipped(self.outer, turned, key, self.where(node))
            dtype, (batch, _, *rest) = self.outer.type_of(turned)
            port = Port(name=key, value=node.name, dtype=dtype, shape=(batch, *rest), axes="", source_axes="")
            self.scanned[key] = (port, turned)
            self.importer.input(port)
        return self.scanned[key][0].value

    def count(self, steps: Dimension) -> None:
        """Scan the numbers of the steps, where nothing else says how many there are."""
        name = f"{self.loop.frame}/steps"
        (numbers,) = self.outer.importer.place(Range(start=0, limit=steps, step=1), {}, [name])
        (row,) = self.outer.importer.place(Unsqueeze(axes=(0,)), {"x": numbers}, [f"{name}/row"])
        dtype, (batch, _) = self.outer.type_of(row)
        port = Port(name=name, value=f"{name}/step", dtype=dtype, shape=(batch,), axes="", source_axes="")
        self.scanned[name] = (port, row)
        self.importer.input(port)

    def _counted(self, variable: Variable) -> None:
        start = self.outer.value(str(self.outer.inputs(variable.enter)[0]))
        value = str(variable.inside)
        port = self.loop.port(value, start, self, variable)
        one = self.importer.constant(f"{value}/one", np.asarray(1, numpy_dtype(port.dtype)))
        after = self.importer.place(Add(), {"x0": value, "x1": one}, [f"{value}/after"])[0]
        self.counted.append((variable, port, after))


def flipped(reader: GraphReader, value: str, name: str, where: str) -> str:
    """A value (n, t, ...) with its steps from the last to the first."""
    result = f"{name}/flipped"
    return reader.importer.place(Flip(axes=(1,)), {"x": value}, [result], name=result, where=where)[0]
