"""A Scan as a functional loop: its results are lists of tensors, its body and its condition functions.

The loop carries the index, the number of steps, the carried values, each scanned value, of which a step takes its own
along the second axis, a list for each stacked value, and the weights that the body needs, which it gives on as they
are. Nothing is turned to have its steps first; results are where their number is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from irconv.codec import Native, NativeModel, NativeUse, NativeWeight
from irconv.containers.graph_def import ArgDef, ElementType, FunctionDef, FunctionName, NodeDef, Sizes
from irconv.data_classes import dataclass
from irconv.frameworks.tensorflow import factors
from irconv.frameworks.tensorflow.emit import Emitted, Emitter, sizes
from irconv.frameworks.tensorflow.naming import Names, valid
from irconv.ir.graph import Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.control import Scan
from irconv.ir.shapes import Dimension
from irconv.ir.tensors import LazyTensor
from irconv.vocabularies.tensorflow.outputs import OUTPUTS

_APART = 256
"""Steps up to which results are stacked along the second axis one by one, as ``tf.stack`` does."""
_INT, _LIST, _BOOL = ElementType("int32"), ElementType("variant"), ElementType("bool")


@dataclass(frozen=True)
class _Variable:
    """What a loop carries: its type, its shape, and its value before the first step."""

    name: str
    dtype: ElementType
    shape: Sizes
    start: str


def add_loop(outer: Emitter, use: NativeUse, native: Native, name: str) -> None:
    """The nodes of a Scan in `outer`, and its two functions."""
    model, names = outer.model.bodies[use.layer], outer.names
    carried, scanned = native.config["carried"], native.config["scanned"]
    given = [outer.made.values[value] for value in use.inputs]
    ports = model.inputs
    steps = _steps(outer, given[carried], name, _type(ports[carried]))
    variables = [
        _Variable("index", _INT, Sizes(), outer.constant(f"{name}/index", _number(0))),
        _Variable("steps", _INT, Sizes(), steps),
    ]
    for i in range(carried):
        variables.append(_Variable(f"carried{i}", _type(ports[i]), sizes(ports[i].shape), given[i]))
    for i, (port, value) in enumerate(zip(ports[carried:], given[carried:], strict=True)):
        batch, *rest = port.shape or ("N",)
        variables.append(_Variable(f"scanned{i}", _type(port), sizes((batch, "T", *rest)), value))
    stacked = model.outputs[carried:]
    for i, port in enumerate(stacked):
        shape = _shape(outer, f"{name}/stacked{i}/shape", port)
        attrs = {"element_dtype": _type(port), "shape_type": _INT}
        start = outer.made.add(
            names.unique(f"{name}/stacked{i}/TensorListReserve"), "TensorListReserve", [shape, steps], **attrs
        )
        variables.append(_Variable(f"stacked{i}", _LIST, Sizes(), start))
    body = _Body(outer, use.layer, model)
    body.fill(variables, native.config)
    variables += body.captured.values()
    made = _Functions(outer.made, valid(name.replace("/", "_")))
    made.condition(variables)
    made.body(variables, body.made)
    settings: dict[str, Any] = {
        "T": tuple(variable.dtype for variable in variables),
        "cond": FunctionName(made.name("cond")),
        "body": FunctionName(made.name("body")),
        "output_shapes": tuple(variable.shape for variable in variables),
        "parallel_iterations": 10,
    }
    outer.made.add(name, native.type, [variable.start for variable in variables], **settings)
    for i, value in enumerate(use.outputs):
        if value not in outer.taken:
            continue
        if i < carried:
            outer.made.values[value] = f"{name}:{i + 2}"
            continue
        port, found = stacked[i - carried], f"{name}:{2 + scanned + i}"
        known = outer.types[value].shape[1]
        outer.made.values[value] = _to_tensor(outer, found, f"{name}/stacked{i - carried}", port, known)


class _Body(Emitter):
    """The body of a loop; what it needs of the graph around it becomes an argument."""

    def __init__(self, outer: Emitter, layer: str, model: NativeModel) -> None:
        scan = outer.bundle.layers[layer]
        assert isinstance(scan, Scan), "the table has bodies for nothing else"
        self.outer, self.bundle, self.naming, self.frozen = outer, outer.bundle, outer.naming, outer.frozen
        self.model = replace(model, layers=outer.model.layers)
        self.made, self.names = Emitted(functions=outer.made.functions), Names()
        self.types = infer_types(outer.bundle, scan.body)
        self.captured: dict[str, _Variable] = {}
        """Value around the body -> the argument that it is."""

    def fill(self, variables: Sequence[_Variable], config: Mapping[str, Any]) -> None:
        """All nodes, and what the loop carries on in the place of each variable."""
        carried, count = config["carried"], config["scanned"]
        self.names.taken |= {variable.name for variable in variables}
        at = "index"
        if config["reverse"]:
            last = self._add("last", "Sub", ["steps", self.constant("one", _number(1))], T=_INT)
            at = self._add("position", "Sub", [last, "index"], T=_INT)
        for i, port in enumerate(self.model.inputs):
            self.made.values[port.value] = (
                f"carried{i}" if i < carried else self._piece(f"scanned{i - carried}", port, at)
            )
        self.uses()
        results = [self.made.values[port.value] for port in self.model.outputs]
        place = at if config["order"] == "time" else "index"
        lists = []
        for i, (port, value) in enumerate(zip(self.model.outputs[carried:], results[carried:], strict=True)):
            given = [f"stacked{i}", place, value]
            lists.append(self._add(f"stacked{i}/set", "TensorListSetItem", given, element_dtype=_type(port)))
        after = self._add("next", "AddV2", ["index", self.constant("step", _number(1))], T=_INT)
        scans = [f"scanned{i}" for i in range(count)]
        self.made.outputs = [after, "steps", *results[:carried], *scans, *lists]
        self.made.outputs += [variable.name for variable in self.captured.values()]
        self.made.nodes = factors.untransposed(self.made.nodes, self.made.outputs)

    def weight(self, weight: NativeWeight, node: str, slot: str) -> tuple[str, tuple[int, ...]]:
        """See `Emitter.weight`: a stored one is an argument."""
        if weight.literal:
            return super().weight(weight, node, slot)
        value, turned = self.outer.weight(weight, node, slot)
        shape = (
            weight.data.shape
            if not turned
            else tuple(weight.data.shape[turned.index(axis)] for axis in range(len(turned)))
        )
        if value not in self.captured:
            name = self.names.unique(value.split(":")[0].replace("/", "_"))
            self.captured[value] = _Variable(name, ElementType(weight.data.dtype), Sizes(shape), value)
        return self.captured[value].name, turned

    def _loop_name(self, use: NativeUse, native: Native) -> str:
        return self._name(use, native)

    def _name(self, use: NativeUse, native: Native) -> str:
        return self.names.unique(f"{self.naming.layer(use.layer)}/{native.type}")

    def _piece(self, name: str, port: Port, at: str) -> str:
        axis = self.constant(f"{name}/axis", _number(1))
        types = {"Tparams": _type(port), "Tindices": _INT, "Taxis": _INT}
        return self._add(f"{name}/step", "GatherV2", [name, at, axis], **types, batch_dims=0)

    def _add(self, name: str, op: str, inputs: Sequence[str], **attrs: Any) -> str:
        return self.made.add(self.names.unique(name), op, inputs, **attrs)


@dataclass
class _Functions:
    """The functions of one loop."""

    made: Emitted
    prefix: str
    names: dict[str, str] = field(default_factory=dict)

    def name(self, kind: str) -> str:
        """The name of the condition or the body."""
        if kind not in self.names:
            name = wanted = f"{self.prefix}_{kind}"
            number = 0
            while name in self.made.functions:
                number += 1
                name = f"{wanted}_{number}"
            self.names[kind] = name
        return self.names[kind]

    def condition(self, variables: Sequence[_Variable]) -> None:
        """Whether there is a step left."""
        nodes = [NodeDef("less", "Less", ("index", "steps"), {"T": _INT})]
        self._put("cond", variables, [ArgDef("more", _BOOL)], {"more": "less:z:0"}, nodes)

    def body(self, variables: Sequence[_Variable], made: Emitted) -> None:
        """One step."""
        arguments = {variable.name for variable in variables}
        ops = {node.name: node.op for node in made.nodes}

        def reference(text: str) -> str:
            node, _, index = text.partition(":")
            if node in arguments:
                return node
            outputs, number = OUTPUTS[ops[node]], int(index or 0)
            return f"{node}:{outputs[number]}:0" if len(outputs) > 1 else f"{node}:{outputs[0]}:{number}"

        nodes = [replace(node, inputs=tuple(map(reference, node.inputs))) for node in made.nodes]
        results = [ArgDef(f"{variable.name}_next", variable.dtype) for variable in variables]
        ret = {result.name: reference(value) for result, value in zip(results, made.outputs, strict=True)}
        self._put("body", variables, results, ret, nodes)

    def _put(
        self,
        kind: str,
        variables: Sequence[_Variable],
        results: Sequence[ArgDef],
        ret: Mapping[str, str],
        nodes: Sequence[NodeDef],
    ) -> None:
        given = tuple(ArgDef(variable.name, variable.dtype) for variable in variables)
        name = self.name(kind)
        self.made.functions[name] = FunctionDef(name, given, tuple(results), tuple(nodes), ret, {})


def _steps(outer: Emitter, sequence: str, name: str, dtype: ElementType) -> str:
    """The length of the second axis of a sequence."""
    names, made = outer.names, outer.made
    shape = made.add(names.unique(f"{name}/Shape"), "Shape", [sequence], T=dtype, out_type=_INT)
    bounds = [
        outer.constant(f"{name}/{what}", _numbers([number]))
        for what, number in (("begin", 1), ("end", 2), ("strides", 1))
    ]
    masks = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 1}
    return made.add(names.unique(f"{name}/steps"), "StridedSlice", [shape, *bounds], T=_INT, Index=_INT, **masks)


def _to_tensor(outer: Emitter, value: str, name: str, port: Port, steps: Dimension) -> str:
    """A list of steps as a sequence (n, t, ...)."""
    given = [value, _shape(outer, f"{name}/element_shape", port)]
    dtype, made, names = _type(port), outer.made, outer.names
    attrs = {"element_dtype": dtype, "num_elements": steps if isinstance(steps, int) else -1}
    found = made.add(names.unique(f"{name}/TensorListStack"), "TensorListStack", given, **attrs)
    if isinstance(steps, int) and 0 < steps <= _APART:
        apart = made.add(names.unique(f"{name}/unstack"), "Unpack", [found], T=dtype, num=steps, axis=0)
        pieces = [f"{apart}:{i}" if i else apart for i in range(steps)]
        return made.add(names.unique(f"{name}/stack"), "Pack", pieces, T=dtype, N=steps, axis=1)
    perm = outer.constant(f"{name}/perm", _numbers([1, 0, *range(2, len(port.shape) + 1)]))
    return made.add(names.unique(f"{name}/Transpose"), "Transpose", [found, perm], T=dtype, Tperm=_INT)


def _shape(outer: Emitter, name: str, port: Port) -> str:
    return outer.constant(name, _numbers(list(sizes(port.shape))))


def _type(port: Port) -> ElementType:
    return ElementType(port.dtype)


def _number(number: int) -> LazyTensor:
    return LazyTensor.of(np.asarray(number, np.int32))


def _numbers(numbers: list[int]) -> LazyTensor:
    return LazyTensor.of(np.asarray(numbers, np.int32).reshape(len(numbers)))
