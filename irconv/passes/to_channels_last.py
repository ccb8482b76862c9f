"""The way out to a framework with channels-last images: naive first, then the same pass as on the way in.

`run` puts a Transpose before and after every layer that the target spells with other axes than the IR has, exactly as
`irconv.translate.decode` does on the way in, and lets `irconv.passes.channels_last` remove what can be removed, with
these layers as the fixed points. The result is an ordinary bundle: it can be executed and validated, and every
Transpose that is left is explicit. A layer that runs channels-last stands between two Transposes of its own:

    x (n h w c) -> Transpose -> Conv (as the IR has it) -> Transpose -> y (n h w c)

and `irconv.translate.encode` takes both into the layer's native spelling (``data_format="channels_last"``), because the
table's row for it names the same axes. So a writer needs two lines:

    bundle = to_channels_last.run(bundle, native_axes(TABLE), ports_move=options.io == "native")
    model = encode(bundle, TABLE)

and meets channels-last values everywhere between layers: axis fields (Concat, Softmax, Reduce), constants and
the columns of a Linear behind a Flatten already follow. Transposes that are left become native layers (Permute).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace
from typing import Literal, TypeAlias

from pydantic import SerializeAsAny

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, OnChannels, StoredOperand, ValueType
from irconv.ir.layers.tensor_ops import Transpose
from irconv.ir.turns import turning
from irconv.layout import customary, invert, permutation, relayout
from irconv.log import timed
from irconv.passes import bodies, channels_last
from irconv.passes.flatten_fold import tensor_owners
from irconv.passes.images import Images

Turns: TypeAlias = Mapping[str, tuple[str, str]]
"""Slot -> (axes as the native layer has them, axes as the IR layer does)."""

NativeAxes: TypeAlias = Callable[[Bundle, str, Mapping[str, ValueType]], tuple[Turns, Turns]]
"""(Bundle, name of a layer, types of its inputs and results) -> what turns at its inputs, and at its results."""


class Turned(Layer):
    """A layer together with the Transposes around it. It exists only while this pass runs."""

    type: Literal["Turned"] = "Turned"
    layer: SerializeAsAny[Layer]
    taken: dict[str, tuple[str, str]]
    """`Turns` of its inputs."""
    given: dict[str, tuple[str, str]]
    """`Turns` of its results."""

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        canonical = {slot: (native, here) for slot, (native, here) in self.taken.items()}
        inner = {slot: _along(kind, *canonical.get(slot, ("", ""))) for slot, kind in given.items()}
        native = {slot: (here, native) for slot, (native, here) in self.given.items()}
        return {slot: _along(kind, *native.get(slot, ("", ""))) for slot, kind in self.layer.infer(inner).items()}


def _along(kind: ValueType, source: str, target: str) -> ValueType:
    """The type of a value carried from one layout to another."""
    return _turned(kind, permutation(source, target, len(kind.shape))) if source else kind


def _turned(kind: ValueType, order: tuple[int, ...]) -> ValueType:
    return ValueType(kind.dtype, tuple(kind.shape[axis] for axis in order))


@timed
def run(bundle: Bundle, native_axes: NativeAxes, ports_move: bool = True) -> Bundle:
    """The same function with images channels-last between layers, and Transposes around those that turn.

    Image inputs and outputs become channels-last, too, unless `ports_move` is false: then all keep the axes they have.
    """
    if bundle.graph is None:
        return bundle
    bundle = on_the_last_axis(bundle)
    images = Images("n *s c", _taken, _given, ports_move, stay=True)
    return bodies.keep(bundle, _unfolded(channels_last.run(_wrapped(bundle, native_axes), images)))


def turns(bundle: Bundle, native_axes: NativeAxes) -> dict[str, tuple[Turns, Turns]]:
    """What turns at each layer of the graph, judged by the layer's first node."""
    types, found = infer_types(bundle), dict[str, tuple[Turns, Turns]]()
    for node in bundle.graph.nodes if bundle.graph else ():
        if node.layer not in found:
            kinds = {slot: types[value] for slot, value in {**node.inputs, **node.outputs}.items()}
            found[node.layer] = native_axes(bundle, node.layer, kinds)
    return found


def taken_in(bundle: Bundle, graph: Graph, turned: Mapping[str, tuple[Turns, Turns]]) -> Bundle:
    """A graph with native values at each layer that turns, instead of those that the layer's class has.

    `turned` says by layer what turns at its inputs and at its results. A Transpose that `run` left around such a layer
    is taken into it. Where there is none, the layer needs one on the native side, which is added: it stays.
    """
    types, layers = infer_types(bundle, graph), bundle.layers
    found = {value: node for node in graph.nodes for value in node.outputs.values()}
    users: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for value in node.inputs.values():
            users.setdefault(value, []).append(node)
    ends = {port.value for port in graph.outputs}
    left = {value: len(nodes) for value, nodes in users.items()}
    gone: set[str] = set()
    made = _Rewriting(dict(layers), set(types))
    for node in graph.nodes:
        taken, given = turned.get(node.layer, ({}, {}))
        before: dict[str, tuple[int, ...]] = {}
        after: dict[str, tuple[int, ...]] = {}
        inputs, outputs = dict(node.inputs), dict(node.outputs)
        for slot, order in _orders(taken, inputs, types).items():
            maker = found.get(inputs[slot])
            if maker is not None and layers[maker.layer] == Transpose(permutation=order):
                left[inputs[slot]] -= 1
                inputs[slot] = maker.inputs["x"]
            else:
                before[slot] = invert(order)
        for slot, order in _orders(given, outputs, types).items():
            takers = users.get(outputs[slot], [])
            last = Transpose(permutation=invert(order))
            if len(takers) == 1 and outputs[slot] not in ends and layers[takers[0].layer] == last:
                outputs[slot] = takers[0].outputs["y"]
                gone.add(outputs[slot])
            else:
                after[slot] = order
        made.between(node.model_copy(update={"inputs": inputs, "outputs": outputs}), before, after)
    gone |= {value for value, count in left.items() if not count and value not in ends}
    nodes = tuple(node for node in made.nodes if not _is_gone(node, made.layers[node.layer], gone))
    return replace(bundle, layers=made.layers, graph=graph.model_copy(update={"nodes": nodes}))


def ends(node: Node, layer: Transpose, types: Mapping[str, ValueType]) -> dict[str, ValueType]:
    """The types of both ends of a Transpose, of which `taken_in` may have made one."""
    x, y = node.inputs["x"], node.outputs["y"]
    if x in types:
        return {x: types[x], y: _turned(types[x], layer.permutation)}
    return {x: _turned(types[y], invert(layer.permutation)), y: types[y]}


def _is_gone(node: Node, layer: Layer, gone: Collection[str]) -> bool:
    return isinstance(layer, Transpose) and node.outputs["y"] in gone


def on_the_last_axis(bundle: Bundle) -> Bundle:
    """Layers that the pass on the way in moved from the last axis to the channels, on the last axis again.

    A convolution was a Linear if the last step recorded with its kernel says so.
    """
    assert bundle.graph is not None, "the caller has looked"
    types, owners = infer_types(bundle), tensor_owners(bundle)
    made, tensors = _Rewriting(dict(bundle.layers), set(types)), dict(bundle.tensors)
    ranks: dict[str, set[int]] = {}
    for node in bundle.graph.nodes:
        ranks.setdefault(node.layer, set()).add(max(len(types[value].shape) for value in node.outputs.values()))
    for node in bundle.graph.nodes:
        layer, rank = bundle.layers[node.layer], min(ranks[node.layer])
        change = layer.on_last_axis(rank) if rank >= 4 and ranks[node.layer] == {rank} else None
        undone = None if change is None else _undone(layer, change, bundle.tensors)
        if change is None or undone is None or set(node.inputs) != {"x"} or any(owners[key] > 1 for key in undone):
            made.nodes.append(node)
            continue
        tensors |= undone
        kept = {"operands": layer.operands, "origin": layer.origin}
        made.layers[node.layer] = change.layer.model_copy(update=kept)
        last = permutation("n c *s", "n *s c", rank)
        made.between(node, {"x": last}, {"y": invert(last)})
    graph = bundle.graph.model_copy(update={"nodes": tuple(made.nodes)})
    return replace(bundle, layers=made.layers, graph=graph, tensors=tensors)


def _undone(layer: Layer, change: OnChannels, tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The operands that follow, without their last step; None where that step is not what brought them here."""
    undone: dict[str, Tensor] = {}
    for role, (here, there) in change.axes.items():
        operand = layer.operands.get(role)
        steps = tensors[operand.tensor].record.steps if isinstance(operand, StoredOperand) else ()
        if not isinstance(operand, StoredOperand) or not steps or (steps[-1].source, steps[-1].target) != (there, here):
            return None
        data, back = tensors[operand.tensor].data, steps[-1].undo()
        data = data.relayout(relayout(back.source, back.target, data.shape, back.orders, back.sizes))
        axes = change.layer.PARAMETERS[role].axes
        record, letters = tensors[operand.tensor].record, customary(axes, len(data.shape))
        record = replace(record, shape=data.shape, axes=axes, letters=letters, steps=steps[:-1])
        undone[operand.tensor] = Tensor(record, data)
    return undone


def _taken(layer: Layer) -> Mapping[str, str]:
    return _native(layer.taken) if isinstance(layer, Turned) else {}


def _given(layer: Layer) -> Mapping[str, str]:
    return _native(layer.given) if isinstance(layer, Turned) else {}


def _native(turns: Turns) -> dict[str, str]:
    return {slot: native for slot, (native, canonical) in turns.items() if native != canonical}


@dataclass
class _Rewriting:
    """A graph in the making, with the transposes it shares."""

    layers: dict[str, Layer]
    values: set[str]
    """The names that values have."""
    nodes: list[Node] = field(default_factory=list)

    def turn(self, source: str, order: tuple[int, ...], result: str, scope: str) -> None:
        """Add a Transpose."""
        name = turning(self.layers, order)
        self.nodes.append(Node(layer=name, scope=scope, inputs={"x": source}, outputs={"y": result}))

    def between(self, node: Node, before: Mapping[str, tuple[int, ...]], after: Mapping[str, tuple[int, ...]]) -> None:
        """Add a node with transposes before some of its inputs and after some of its results."""
        first = next(iter(node.outputs.values()))
        inputs, outputs = dict(node.inputs), dict(node.outputs)
        for slot, order in before.items():
            inputs[slot] = self._name(f"{first}/{slot}")
            self.turn(node.inputs[slot], order, inputs[slot], node.scope)
        outputs |= {slot: self._name(f"{node.outputs[slot]}/{slot}") for slot in after}
        self.nodes.append(node.model_copy(update={"inputs": inputs, "outputs": outputs}))
        for slot, order in after.items():
            self.turn(outputs[slot], order, node.outputs[slot], node.scope)

    def _name(self, wanted: str) -> str:
        """A name for a value, which an earlier turn of the same graph may have given."""
        while wanted in self.values:
            wanted += "~"
        self.values.add(wanted)
        return wanted


def _wrapped(bundle: Bundle, native_axes: NativeAxes) -> Bundle:
    """The naive graph: each layer that turns as one `Turned`, with the transposes to it and back."""
    assert bundle.graph is not None, "the caller has looked"
    types = infer_types(bundle)
    made = _Rewriting(dict(bundle.layers), set(types))
    turned: dict[str, Turned] = {}
    for name, (taken, given) in turns(bundle, native_axes).items():
        layer = bundle.layers[name]
        kept = {"operands": layer.operands, "origin": layer.origin}
        turned[name] = Turned(layer=layer, taken=dict(taken), given=dict(given)).model_copy(update=kept)
    moved = {node.layer for node in bundle.graph.nodes if any(_around(node, turned[node.layer], types))}
    made.layers |= {name: turned[name] for name in moved}
    for node in bundle.graph.nodes:
        before, after = _around(node, made.layers[node.layer], types)
        made.between(node, {s: invert(order) for s, order in before.items()}, {s: invert(o) for s, o in after.items()})
    graph = bundle.graph.model_copy(update={"nodes": tuple(made.nodes)})
    return replace(bundle, layers=made.layers, graph=graph)


def _around(
    node: Node, layer: Layer, types: Mapping[str, ValueType]
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The Transposes before a `Turned` layer, and after it, at one of its nodes; none for any other layer."""
    if not isinstance(layer, Turned):
        return {}, {}
    before = _orders(layer.taken, node.inputs, types)
    after = _orders(layer.given, node.outputs, types)
    return before, {slot: invert(order) for slot, order in after.items()}


def _orders(turns: Turns, values: Mapping[str, str], types: Mapping[str, ValueType]) -> dict[str, tuple[int, ...]]:
    """The permutation from native to canonical axes of each slot where something moves."""
    orders = {
        slot: permutation(native, canonical, len(types[values[slot]].shape))
        for slot, (native, canonical) in turns.items()
        if slot in values
    }
    return {slot: order for slot, order in orders.items() if order != tuple(range(len(order)))}


def _unfolded(bundle: Bundle) -> Bundle:
    """Each `Turned` as its layer between Transposes."""
    assert bundle.graph is not None, "the caller has looked"
    plain = {name: layer.layer if isinstance(layer, Turned) else layer for name, layer in bundle.layers.items()}
    types = infer_types(bundle)
    made = _Rewriting(plain, set(types))
    for node in bundle.graph.nodes:
        made.between(node, *_around(node, bundle.layers[node.layer], types))
    graph = bundle.graph.model_copy(update={"nodes": tuple(made.nodes)})
    return replace(bundle, layers=made.layers, graph=graph)
