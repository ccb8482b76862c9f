"""Removes the transposes that a naive translation put around every channels-last layer.

Every value that is not the result of a Transpose is a *root*, kept in one *layout*: a permutation of the axes it has
in the naive graph. One backward sweep lets consumers vote for the layout they want; one forward sweep chooses for
each node among that vote, the layouts its inputs already have, and the naive one, by the number of elements that would
need a Transpose. What cannot be moved stays as an explicit Transpose: slower, still right. Linear in the graph's size.

A class says what it commutes with (`Layer.BEHAVIOUR`); nothing here lists types, but for the fold of Flatten into
weights (`irconv.passes.flatten_fold`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import (
    AxisFields,
    ChannelFirst,
    Layer,
    Permutation,
    Pointwise,
    Reduction,
)
from irconv.ir.layers.tensor_ops import Transpose
from irconv.layout import compose, customary, invert
from irconv.passes.flatten_fold import Fold, apply_fold, find_folds

Order: TypeAlias = tuple[int, ...]

_UNKNOWN_SIZE = 64  # stands for a symbolic dimension when costs are compared


@dataclass(frozen=True)
class _View:
    """A value of the naive graph as a transposed root."""

    root: str
    order: Order


@dataclass
class _Votes:
    """What the consumers of a root want: layout -> elements, and whether a spatial layer wants it."""

    wanted: dict[Order, int] = field(default_factory=dict)
    spatial: set[Order] = field(default_factory=set)

    def winner(self) -> Order | None:
        return max(self.wanted, key=lambda order: self.wanted[order]) if self.wanted else None


def run(bundle: Bundle) -> Bundle:
    """The same function with as few transposes as this pass knows; image inputs and outputs become channels-first."""
    if bundle.graph is None:
        return bundle
    return _Pass(bundle, bundle.graph).run()


class _Pass:
    def __init__(self, bundle: Bundle, graph: Graph) -> None:
        self.bundle, self.graph = bundle, graph
        self.types = infer_types(bundle)
        self.folds: dict[int, Fold] = find_folds(bundle, graph, self.types)
        self.views: dict[str, _View] = {port.value: self._root(port.value) for port in graph.inputs}
        for node in graph.nodes:
            layer = bundle.layers[node.layer]
            if isinstance(layer, Transpose):
                view = self.views[node.inputs["x"]]
                self.views[node.outputs["y"]] = _View(view.root, compose(view.order, layer.permutation))
            else:
                self.views |= {value: self._root(value) for value in node.outputs.values()}
        self.votes: dict[str, _Votes] = {}
        self.layouts: dict[str, Order] = {}
        self.images: dict[str, Order] = {}
        self.stored: dict[tuple[str, Order], str] = {}
        self.layers: dict[str, Layer] = {}
        self.ran_at: dict[str, Order] = {}
        self.nodes: list[Node] = []

    def _root(self, value: str) -> _View:
        return _View(value, tuple(range(len(self.types[value].shape))))

    def run(self) -> Bundle:
        for node in self.graph.nodes:
            self._note_image(self.bundle.layers[node.layer], node)
        self._vote()
        inputs = tuple(self._input(port) for port in self.graph.inputs)
        for index, node in enumerate(self.graph.nodes):
            if not isinstance(self.bundle.layers[node.layer].BEHAVIOUR, Permutation):
                self._place(index, node)
        outputs = tuple(self._output(port) for port in self.graph.outputs)
        graph = _tidy(Graph(inputs=inputs, outputs=outputs, nodes=tuple(self.nodes)))
        return replace(self.bundle, layers=self.layers, graph=graph)

    def _note_image(self, layer: Layer, node: Node) -> None:
        """Remember which results are images, and the permutation of the naive value that is channels-first."""
        for slot, value in node.outputs.items():
            rank = len(self.types[value].shape)
            known = [self._image_order(v) for v in node.inputs.values() if len(self.types[v].shape) == rank]
            if _is_image(layer.RESULTS.get(slot, ""), rank) and rank >= 4:
                self.images[value] = tuple(range(rank))
            elif isinstance(layer.BEHAVIOUR, Pointwise | AxisFields):
                images = [image for image in known if image is not None]
                if images:
                    self.images[value] = images[0]

    def _image_order(self, value: str) -> Order | None:
        view = self.views[value]
        image = self.images.get(view.root)
        return None if image is None else compose(invert(view.order), image)

    # backward -----------------------------------------------------------------------------------------------------

    def _vote(self) -> None:
        for port in self.graph.outputs:
            view, image = self.views[port.value], self._image_order(port.value)
            self._add_vote(view, image or tuple(range(len(view.order))), spatial=image is not None)
        for index in range(len(self.graph.nodes) - 1, -1, -1):
            node = self.graph.nodes[index]
            layer = self.bundle.layers[node.layer]
            if isinstance(layer.BEHAVIOUR, Permutation) or index in self.folds:
                continue
            result = next(iter(node.outputs.values()))
            votes = self.votes.get(result, _Votes())
            wanted = votes.winner()
            for slot, value in node.inputs.items():
                view = self.views[value]
                natural = tuple(range(len(view.order)))
                if (
                    wanted is not None
                    and len(wanted) == len(natural)
                    and self._result_order(layer, node, wanted) == wanted
                ):
                    self._add_vote(view, wanted, wanted in votes.spatial)
                elif (spatial := _is_image(layer.SLOTS.get(slot, ""), len(natural))) or not self._movable(layer, node):
                    self._add_vote(view, natural, spatial)

    def _add_vote(self, view: _View, order: Order, spatial: bool) -> None:
        votes, layout = self.votes.setdefault(view.root, _Votes()), compose(view.order, order)
        votes.wanted[layout] = votes.wanted.get(layout, 0) + self._elements(view.root)
        if spatial:
            votes.spatial.add(layout)

    # forward ------------------------------------------------------------------------------------------------------

    def _input(self, port: Port) -> Port:
        votes = self.votes.get(port.value, _Votes())
        natural = tuple(range(len(port.shape)))
        layout = votes.winner() or natural
        if layout not in votes.spatial or len(natural) < 4:
            self._store(port.value, natural, port.value)
            return port.model_copy(update=_plain_letters(len(natural)))
        self._store(port.value, layout, port.value)
        shape = tuple(port.shape[axis] for axis in layout)
        return port.model_copy(update={"shape": shape, **_image_letters(layout)})

    def _place(self, index: int, node: Node) -> None:
        layer = self.bundle.layers[node.layer]
        fold = self.folds.get(index)
        if fold is not None:
            order = self._at_hand(node.inputs["x"])
            order = order if order[0] == 0 else tuple(range(len(order)))
            self.bundle = apply_fold(self.bundle, fold, [axis - 1 for axis in order[1:]])
        else:
            order = self._choose(layer, node)
        result_order = self._result_order(layer, node, order)
        name = self._layer_at(node.layer, layer, order)
        inputs = {slot: self._fetch(value, order, node.scope) for slot, value in node.inputs.items()}
        for value in node.outputs.values():
            natural = tuple(range(len(self.types[value].shape)))
            self._store(value, result_order if result_order is not None else natural, value)
        self.nodes.append(node.model_copy(update={"layer": name, "inputs": inputs}))

    def _choose(self, layer: Layer, node: Node) -> Order:
        """The layout at which a node runs, as a permutation of the axes it has in the naive graph."""
        ranks = {len(self.types[value].shape) for value in node.inputs.values()}
        natural = tuple(range(max(ranks, default=0)))
        if not self._movable(layer, node):
            return natural
        if layer.settings() and node.layer in self.ran_at:
            return self.ran_at[node.layer]  # a shared layer has one set of axis fields
        result = next(iter(node.outputs.values()))
        vote = self.votes.get(result, _Votes()).winner()
        candidates = [vote, *(self._at_hand(value) for value in node.inputs.values()), natural]
        legal = [
            o for o in candidates if o is not None and len(o) == len(natural) and self._result_order(layer, node, o)
        ]

        def cost(order: Order) -> int:
            turned = sum(
                self._elements(view.root)
                for view in {self.views[value] for value in node.inputs.values()}
                if (view.root, compose(view.order, order)) not in self.stored
            )
            made = self._result_order(layer, node, order)
            return turned + (self._elements(result) if vote is not None and made != vote else 0)

        return min(legal, key=cost)

    def _movable(self, layer: Layer, node: Node) -> bool:
        ranks = {len(self.types[value].shape) for value in node.inputs.values()}
        movable = isinstance(layer.BEHAVIOUR, Pointwise | AxisFields | ChannelFirst | Reduction)
        return movable and len(ranks) == 1 and (not layer.operands or isinstance(layer.BEHAVIOUR, ChannelFirst))

    def _result_order(self, layer: Layer, node: Node, order: Order) -> Order | None:
        """The layout of the result when the inputs have this one; None where the layer does not commute with it."""
        natural = tuple(range(len(order)))
        behaviour = layer.BEHAVIOUR
        if order == natural and not isinstance(behaviour, Reduction):
            return tuple(range(len(self.types[next(iter(node.outputs.values()))].shape)))
        if not self._movable(layer, node):
            return None
        if isinstance(behaviour, ChannelFirst):
            return order if order[:2] == (0, 1) else None
        if isinstance(behaviour, Reduction) and not layer.settings()["keepdims"]:
            kept = [axis for axis in order if axis not in layer.settings()["axes"]]
            return tuple(sorted(kept).index(axis) for axis in kept)
        return order

    def _layer_at(self, name: str, layer: Layer, order: Order) -> str:
        """The layer with its axis fields renamed for a layout."""
        self.ran_at[name] = order
        back, behaviour, changed = invert(order), layer.BEHAVIOUR, {}
        if isinstance(behaviour, AxisFields):
            for number in behaviour.numbers:
                changed[number] = back[getattr(layer, number)]
            for per_axis in behaviour.per_axis:
                changed[per_axis] = tuple(getattr(layer, per_axis)[axis] for axis in order)
        elif isinstance(behaviour, Reduction):
            changed["axes"] = tuple(sorted(back[axis] for axis in layer.settings()["axes"]))
        self.layers[name] = layer.model_copy(update=changed) if changed else layer
        return name

    def _output(self, port: Port) -> Port:
        natural = tuple(range(len(self.types[port.value].shape)))
        image = self._image_order(port.value)
        order = image or natural
        value = self._fetch(port.value, order, "")
        letters = _image_letters(order) if image else _plain_letters(len(order))
        shape = tuple(self.types[port.value].shape[axis] for axis in order)
        return port.model_copy(update={"value": value, "shape": shape, **letters})

    # shared -------------------------------------------------------------------------------------------------------

    def _at_hand(self, value: str) -> Order:
        """The permutation of a naive value that is its root as stored."""
        view = self.views[value]
        return compose(invert(view.order), self.layouts[view.root])

    def _store(self, root: str, layout: Order, name: str) -> None:
        self.layouts[root] = layout
        self.stored[root, layout] = name

    def _fetch(self, value: str, order: Order, scope: str) -> str:
        """The value transposed by `order`, made from what is stored of its root where it is not there yet."""
        view = self.views[value]
        wanted = compose(view.order, order)
        if (view.root, wanted) not in self.stored:
            change = compose(invert(self.layouts[view.root]), wanted)
            layer = f"transpose_{''.join(map(str, change))}"
            self.layers.setdefault(layer, Transpose(permutation=change))
            name = f"{view.root}/{''.join(map(str, wanted))}"
            source = self.stored[view.root, self.layouts[view.root]]
            self.nodes.append(Node(layer=layer, scope=scope, inputs={"x": source}, outputs={"y": name}))
            self.stored[view.root, wanted] = name
        return self.stored[view.root, wanted]

    def _elements(self, value: str) -> int:
        count = 1
        for size in self.types[value].shape:
            count *= size if isinstance(size, int) else _UNKNOWN_SIZE
        return count


def _is_image(axes: str, rank: int) -> bool:
    """Whether a slot takes channels and spatial axes, and there are spatial ones."""
    return axes == "n c *s" and rank >= 3


def _image_letters(order: Order) -> dict[str, str]:
    """Port letters of an image stored in the layout `order`, which is channels-first."""
    axes = customary("n c *s", len(order))
    return {"axes": axes, "source_axes": "".join(axes[axis] for axis in invert(order))}


def _plain_letters(rank: int) -> dict[str, str]:
    """Port letters of a value that is no image: known for vectors only."""
    axes = "NC" if rank == 2 else ""
    return {"axes": axes, "source_axes": axes}


def _tidy(graph: Graph) -> Graph:
    """Values named after their layers again: ``conv/y``, once the Transpose after it is gone, becomes ``conv``."""
    names = {port.value: port.value for port in graph.inputs}
    made = [value for node in graph.nodes for value in node.outputs.values()]
    taken = {*names, *(value for value in made if not value.endswith("/y"))}
    for value in made:
        short = value.rsplit("/", maxsplit=1)[0] if value.endswith("/y") else value
        names[value] = value if value != short and short in taken else short
        taken.add(names[value])
    nodes = tuple(
        node.model_copy(
            update={
                "inputs": {slot: names[value] for slot, value in node.inputs.items()},
                "outputs": {slot: names[value] for slot, value in node.outputs.items()},
            }
        )
        for node in graph.nodes
    )
    outputs = tuple(port.model_copy(update={"value": names[port.value]}) for port in graph.outputs)
    return Graph(inputs=graph.inputs, outputs=outputs, nodes=nodes)
