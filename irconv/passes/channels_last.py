"""Removes the transposes that a naive translation put around every channels-last layer.

Every value that is not the result of a Transpose is a *root*, kept in one *layout*: a permutation of the axes it has
in the naive graph. One backward sweep lets consumers vote for the layout they want; one forward sweep chooses for
each node among that vote, the layouts its inputs already have, and the naive one, by the number of elements that would
need a Transpose. What cannot be moved stays as an explicit Transpose: slower, still right. Linear in the graph's size.

What a class commutes with it says itself (`Layer.BEHAVIOUR`, worked out in `irconv.passes.moves`). Constants are put
into the layout they are wanted in, once, as a recorded step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import FactorReshape, Indexing, LastAxis, Layer, Permutation, Pointwise, StoredOperand
from irconv.ir.layers.tensor_ops import Constant, Reshape, Transpose
from irconv.ir.manifest import LayoutStep
from irconv.ir.shapes import Dimension
from irconv.ir.turns import turning
from irconv.layout import compose, invert
from irconv.log import timed
from irconv.passes import bodies
from irconv.passes.flatten_fold import Fold, apply_fold, find_folds, tensor_owners
from irconv.passes.images import CHANNELS_FIRST, Images
from irconv.passes.moves import Move, Order, Site, move_of, natural
from irconv.passes.value_names import short_names
from irconv.passes.votes import View, Votes, elements


@timed
def run(bundle: Bundle, images: Images = CHANNELS_FIRST) -> Bundle:
    """The same function with as few transposes as this pass knows; image inputs and outputs become channels-first.

    `images` says otherwise for the other direction, which is `irconv.passes.to_channels_last`.
    """
    if bundle.graph is None:
        return bundle
    passed = bodies.keep(bundle, _Pass(bundle, bundle.graph, images).run())
    return passed if _moved(passed) <= _moved(bundle) else _as_it_was(bundle, passed)


def _moved(bundle: Bundle) -> int:
    """The number of elements that transposes move."""
    types, graph = infer_types(bundle), bundle.graph
    nodes = [node for node in (graph.nodes if graph else ()) if isinstance(bundle.layers[node.layer], Transpose)]
    return sum(elements(types[node.outputs["y"]].shape) for node in nodes)


def _as_it_was(bundle: Bundle, passed: Bundle) -> Bundle:
    """The naive graph, where the votes were misled; its ports keep the axes they have."""
    assert bundle.graph is not None, "both have a graph"
    assert passed.graph is not None, "both have a graph"
    letters = {port.name: port.source_axes for port in (*passed.graph.inputs, *passed.graph.outputs)}

    def lettered(port: Port) -> Port:
        if port.axes:
            return port
        return port.model_copy(update={"axes": letters[port.name], "source_axes": letters[port.name]})

    inputs, outputs = (tuple(map(lettered, ports)) for ports in (bundle.graph.inputs, bundle.graph.outputs))
    return replace(bundle, graph=short_names(bundle.graph.model_copy(update={"inputs": inputs, "outputs": outputs})))


class _Pass:
    def __init__(self, bundle: Bundle, graph: Graph, images: Images) -> None:
        self.bundle, self.graph, self.target = bundle, graph, images
        self.types = infer_types(bundle)
        self.folds: dict[int, Fold] = find_folds(bundle, graph, self.types)
        self.views: dict[str, View] = {port.value: self._root(port.value) for port in graph.inputs}
        self.constants: dict[str, str] = {}
        for node in graph.nodes:
            layer = bundle.layers[node.layer]
            if isinstance(layer, Transpose):
                view = self.views[node.inputs["x"]]
                self.views[node.outputs["y"]] = View(view.root, compose(view.order, layer.permutation))
                continue
            self.views |= {value: self._root(value) for value in node.outputs.values()}
            if isinstance(layer, Constant) and isinstance(layer.operands["value"], StoredOperand):
                self.constants[node.outputs["y"]] = node.layer
        self.shared = _shared(bundle)
        indexing = (n for n in graph.nodes if isinstance(bundle.layers[n.layer].BEHAVIOUR, Indexing))
        self.taken = Counter(self.views[node.inputs["x"]].root for node in indexing for _ in node.outputs)
        self.votes: dict[str, Votes] = {}
        self.images: dict[str, Order] = {}
        self.layouts: dict[str, Order] = {}
        self.stored: dict[tuple[str, Order], str] = {}
        self.placed: set[str] = set()
        self.ran_at: dict[str, Order] = {}
        self.unmoved = self._unmoved()
        self.gave: dict[str, dict[str, Order | None]] = {}
        self.layers: dict[str, Layer] = {}
        self.tensors = dict(bundle.tensors)
        self.owners = tensor_owners(bundle)
        self.nodes: list[Node] = []

    def _root(self, value: str) -> View:
        return View(value, natural(self._rank(value)))

    def _rank(self, value: str) -> int:
        return len(self.types[value].shape)

    def _site(self, node: Node) -> Site:
        layer = self.bundle.layers[node.layer]
        inputs = {slot: self.types[value] for slot, value in node.inputs.items()}
        return Site(layer, inputs, {slot: self.types[value] for slot, value in node.outputs.items()})

    def _unmoved(self) -> set[str]:
        """Shared layers that one set of settings cannot serve once they move: reshapes, and those at several ranks."""
        sites: dict[str, list[Site]] = {}
        for node in self.graph.nodes:
            sites.setdefault(node.layer, []).append(self._site(node))
        return {
            name
            for name, found in sites.items()
            if len(found) > 1
            and (found[0].layer.settings() or found[0].layer.operands)
            and (isinstance(found[0].layer.BEHAVIOUR, FactorReshape) or len({site.rank for site in found}) > 1)
        }

    def run(self) -> Bundle:
        for node in self.graph.nodes:
            self._note_images(node)
        self._vote()
        inputs = tuple(self._input(port) for port in self.graph.inputs)
        for index, node in enumerate(self.graph.nodes):
            self._place(index, node)
        outputs = tuple(self._output(port) for port in self.graph.outputs)
        graph = short_names(Graph(inputs=inputs, outputs=outputs, nodes=tuple(self.nodes)))
        return replace(self.bundle, layers=self.layers, graph=graph, tensors=self.tensors)

    # images -------------------------------------------------------------------------------------------------------

    def _note_images(self, node: Node) -> None:
        """Remember which results are images, and the permutation of the naive value that is channels-first."""
        site = self._site(node)
        move = move_of(site)
        for slot, value in node.outputs.items():
            rank = self._rank(value)
            if self.target.gives(site.layer, slot, rank):
                self.images[value] = natural(rank)
                continue
            known = [self._image_order(v) for v in node.inputs.values() if self._rank(v) == site.rank == rank]
            carried = [move.result(site, slot, order) for order in known if order is not None]
            found = [order for order in carried if order is not None and order[0] == 0]  # whose batch comes first
            if found and not isinstance(site.layer.BEHAVIOUR, Permutation):
                self.images[value] = found[0]

    def _image_order(self, value: str) -> Order | None:
        view = self.views[value]
        image = self.images.get(view.root)
        return None if image is None else compose(invert(view.order), image)

    # backward -----------------------------------------------------------------------------------------------------

    def _vote(self) -> None:
        for port in self.graph.outputs:
            image = self._image_order(port.value) if self.target.ports_move else None
            self._add_vote(port.value, image or natural(self._rank(port.value)), spatial=image is not None)
        for index in range(len(self.graph.nodes) - 1, -1, -1):
            node = self.graph.nodes[index]
            if isinstance(self.bundle.layers[node.layer].BEHAVIOUR, Permutation) or index in self.folds:
                continue
            site = self._site(node)
            wanted = self._wanted(node, site, move := move_of(site))
            for slot, value in node.inputs.items():
                if slot not in site.turning:
                    self._add_vote(value, natural(self._rank(value)), False)
                    continue
                if (missing := site.rank - self._rank(value)) > 0:
                    if wanted is not None and isinstance(site.layer.BEHAVIOUR, Pointwise):
                        self._add_vote(value, tuple(axis - missing for axis in wanted[0] if axis >= missing), False)
                    continue
                spatial = self.target.takes(site.layer, slot, site.rank)
                if wanted is not None:
                    self._add_vote(value, wanted[0], wanted[1] or spatial)
                elif isinstance(site.layer.BEHAVIOUR, LastAxis):
                    made = invert(self.views[value].order)  # the axes before the last may lie as they were made
                    self._add_vote(value, made if made[-1:] == site.natural[-1:] else site.natural, spatial)
                elif spatial or type(move) is Move:
                    self._add_vote(value, site.natural, spatial)

    def _wanted(self, node: Node, site: Site, move: Move) -> tuple[Order, bool] | None:
        """The order of inputs that gives most of the results as their consumers want them, and whether images are."""
        weights: dict[Order, int] = {}
        spatial: set[Order] = set()
        for slot, value in node.outputs.items():
            votes = self.votes.get(value, Votes())
            winner = votes.winner()
            order = move.wanted(site, slot, winner) if winner is not None else None
            if winner is not None and order is not None:
                weights[order] = weights.get(order, 0) + self._elements(value)
                if winner in votes.spatial:
                    spatial.add(order)
        if not weights:
            return None
        best = max(weights, key=lambda order: weights[order])
        return best, best in spatial

    def _winner(self, value: str) -> Order | None:
        return self.votes[value].winner() if value in self.votes else None

    def _add_vote(self, value: str, order: Order, spatial: bool) -> None:
        view = self.views[value]
        votes, layout = self.votes.setdefault(view.root, Votes()), compose(view.order, order)
        votes.wanted[layout] = votes.wanted.get(layout, 0) + self._elements(view.root)
        if spatial:
            votes.spatial.add(layout)

    # forward ------------------------------------------------------------------------------------------------------

    def _input(self, port: Port) -> Port:
        votes, same = self.votes.get(port.value, Votes()), natural(len(port.shape))
        layout = votes.winner() or same
        if layout not in votes.spatial or len(same) < 4 or not self.target.ports_move:
            self._store(port.value, same)
            return port.model_copy(update=self.target.letters(port, None))
        self._store(port.value, layout)
        shape = tuple(port.shape[axis] for axis in layout)
        return port.model_copy(update={"shape": shape, **self.target.letters(port, layout)})

    def _place(self, index: int, node: Node) -> None:
        site = self._site(node)
        if isinstance(site.layer.BEHAVIOUR, Permutation):
            return
        if node.outputs.get("y") in self.constants:
            self.layouts[node.outputs["y"]] = natural(self._rank(node.outputs["y"]))
            return
        move, fold = move_of(site), self.folds.get(index)
        if fold is not None:
            order = self._at_hand(node.inputs["x"])
            order = order if order[0] == 0 else site.natural
            self.tensors |= apply_fold(self.tensors, fold, [axis - 1 for axis in order[1:]])
        else:
            order = self._choose(node, site, move)
        results = {slot: natural(self._rank(value)) for slot, value in node.outputs.items()}
        if fold is None:
            first = {slot: self._winner(value) for slot, value in node.outputs.items()}
            wanted = self.gave.setdefault(node.layer, first)  # a shared layer has one set of axis fields
            moved = {slot: move.result(site, slot, order, wanted[slot]) for slot in results}
            results |= {slot: result for slot, result in moved.items() if result is not None}
            self._move_operands(site, order)
        self.ran_at[node.layer] = order
        self.layers[node.layer] = site.layer if fold is not None else move.layer(site, order, results)
        inputs = {
            slot: self._fetch(value, order if slot in site.turning else natural(self._rank(value)), node.scope)
            for slot, value in node.inputs.items()
        }
        for slot, value in node.outputs.items():
            self._store(value, results[slot])
        self.nodes.append(node.model_copy(update={"inputs": inputs}))

    def _choose(self, node: Node, site: Site, move: Move) -> Order:
        """The layout at which a node runs, as a permutation of the axes it has in the naive graph."""
        if node.layer in self.unmoved:
            return site.natural
        if node.layer in self.ran_at and (site.layer.settings() or site.layer.operands):
            return self.ran_at[node.layer]  # a shared layer has one set of axis fields
        if isinstance(site.layer.BEHAVIOUR, LastAxis) and self._tied(site.layer):
            return site.natural
        full = [value for slot, value in node.inputs.items() if slot in site.turning and self._rank(value) == site.rank]
        wanted = self._wanted(node, site, move)
        at_hand = [self._at_hand(v) for v in full if v not in self.constants]
        asked = [wanted[0]] if wanted else []
        parts = isinstance(site.layer.BEHAVIOUR, Indexing)  # those of one value share a turn that its author wrote
        stays = self.target.stay and not (wanted and wanted[1]) and not parts
        candidates = [*at_hand, *asked, site.natural] if stays else [*asked, *at_hand, site.natural]
        legal = [
            order
            for order in dict.fromkeys(candidates)
            if order is not None and all(move.result(site, slot, order) is not None for slot in node.outputs)
        ]

        def cost(order: Order) -> float:
            views = {self.views[value] for value in full if value not in self.constants}
            turned = [v.root for v in views if (v.root, compose(v.order, order)) not in self.stored]
            winners = {slot: self._winner(value) for slot, value in node.outputs.items()}
            missed = [s for s, winner in winners.items() if winner and move.result(site, s, order, winner) != winner]
            shared = self.taken[self.views[node.inputs["x"]].root] if parts and order == site.natural else 1
            return sum(map(self._elements, turned)) / shared + sum(self._elements(node.outputs[s]) for s in missed)

        return min(legal, key=cost, default=site.natural)

    def _tied(self, layer: Layer) -> bool:
        """Whether another layer uses one of its tensors, so that they must stay as they are."""
        operands = layer.operands.values()
        return any(self.owners[o.tensor] > 1 for o in operands if isinstance(o, StoredOperand))

    def _move_operands(self, site: Site, order: Order) -> None:
        """Put the operands of a layer that now acts on the channels into the layout it takes."""
        changed = site.layer.on_channels(site.rank) if order[-1:] != site.natural[-1:] else None
        for role, (source, target) in (changed.axes if changed else {}).items():
            operand = site.layer.operands.get(role)
            if not isinstance(operand, StoredOperand):
                continue
            tensor = self.tensors[operand.tensor]
            if tensor is self.bundle.tensors[operand.tensor]:
                sizes = {word: 1 for word in target.split() if word.startswith("u")}
                step = LayoutStep(source=source, target=target, orders={}, sizes=sizes)
                self.tensors[operand.tensor] = tensor.relayout(step)

    def _output(self, port: Port) -> Port:
        image = self._image_order(port.value) if self.target.ports_move else None
        value = self._fetch(port.value, order := image or natural(self._rank(port.value)), "")
        shape = tuple(self.types[port.value].shape[axis] for axis in order)
        return port.model_copy(update={"value": value, "shape": shape, **self.target.letters(port, image)})

    # shared -------------------------------------------------------------------------------------------------------

    def _at_hand(self, value: str) -> Order:
        """The permutation of a naive value that is its root as stored."""
        view = self.views[value]
        return compose(invert(view.order), self.layouts[view.root])

    def _store(self, root: str, layout: Order) -> None:
        self.layouts[root] = layout
        self.stored[root, layout] = root

    def _fetch(self, value: str, order: Order, scope: str) -> str:
        """The value transposed by `order`, made from what is stored of its root where it is not there yet.

        A value of a lower rank than `order` is meant as numpy broadcasts it: with axes of length 1 in front.
        """
        view = self.views[value]
        missing = len(order) - len(view.order)
        own = tuple(axis - missing for axis in order if axis >= missing)
        wanted = compose(view.order, own)
        if (view.root, wanted) not in self.stored:
            constant = view.root in self.constants
            made = self._constant(view.root, wanted) if constant else self._turned(view.root, wanted, scope)
            self.stored[view.root, wanted] = made
        name = self.stored[view.root, wanted]
        shape = [self.types[value].shape[axis - missing] if axis >= missing else 1 for axis in order]
        first = next((position for position, axis in enumerate(order) if axis >= missing), len(order))
        if len(order) - first == len(own):
            return name
        return self._spread(name, tuple(shape[first:]), scope)

    def _turned(self, root: str, wanted: Order, scope: str) -> str:
        change = compose(invert(self.layouts[root]), wanted)
        name = f"{root}/{''.join(map(str, wanted))}"
        source = self.stored[root, self.layouts[root]]
        shape = tuple(self.types[root].shape[axis] for axis in wanted)
        plain = {name: Reshape(shape=shape)} if self.target.stay and _only_ones_move(shape, change) else {}
        self.layers |= plain
        layer = next(iter(plain), "") or turning(self.layers, change)
        self.nodes.append(Node(layer=layer, scope=scope, inputs={"x": source}, outputs={"y": name}))
        return name

    def _spread(self, name: str, shape: tuple[int | str, ...], scope: str) -> str:
        """A value of a lower rank with the axes of length 1 that broadcasting needs between its own."""
        spread = f"{name}/{'x'.join(map(str, shape))}"
        if spread not in self.layers:
            self.layers[spread] = Reshape(shape=shape)
            self.nodes.append(Node(layer=spread, scope=scope, inputs={"x": name}, outputs={"y": spread}))
        return spread

    def _constant(self, root: str, wanted: Order) -> str:
        """A constant in the layout it is wanted in; the first such takes its name and its tensor."""
        layer = self.constants[root]
        constant = self.bundle.layers[layer]
        operand = constant.operands["value"]
        assert isinstance(operand, StoredOperand), "only stored constants are listed"
        if root in self.placed:
            root = layer = f"{root}/{''.join(map(str, wanted))}"
        self.placed.add(root)
        moved = wanted != natural(len(wanted))
        own = layer in self.bundle.layers and not (moved and operand.tensor in self.shared)
        key = operand.tensor if own else f"{layer}.moved" if layer in self.bundle.layers else layer
        tensor = self.bundle.tensors[operand.tensor]
        if moved:
            names = [f"a{axis}" for axis in range(len(wanted))]
            target = " ".join(names[axis] for axis in wanted)
            tensor = tensor.relayout(LayoutStep(source=" ".join(names), target=target, orders={}, sizes={}))
        self.tensors[key] = tensor
        self.layers[layer] = constant.model_copy(update={"operands": {"value": StoredOperand(tensor=key)}})
        self.nodes.append(Node(layer=layer, scope="", inputs={}, outputs={"y": root}))
        return root

    def _elements(self, value: str) -> int:
        return elements(self.types[value].shape)


def _only_ones_move(shape: Sequence[Dimension], change: Order) -> bool:
    """Whether a Transpose, which gives this shape, leaves the batch and the order of all elements as they are."""
    long = [axis for size, axis in zip(shape, change, strict=True) if size != 1]
    return change[0] == 0 and long == sorted(long)


def _shared(bundle: Bundle) -> set[str]:
    """The tensors that several layers have for an operand: one of them is not to be turned for another."""
    used = Counter(
        o.tensor for layer in bundle.layers.values() for o in layer.operands.values() if isinstance(o, StoredOperand)
    )
    return {key for key, count in used.items() if count > 1}
