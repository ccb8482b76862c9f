"""Steps of recurrent layers that TensorFlow 1 has as one operation, and sequences of several lengths turned around."""

from __future__ import annotations

from collections.abc import Sequence

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.frameworks.tensorflow.inlining import OUTPUTS
from irconv.frameworks.tensorflow.ops.arrays import first_swapped
from irconv.ir.graph import Graph, Port
from irconv.ir.layers.activations import Clip, Sigmoid, Tanh
from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.comparisons import Cast, Less, Where
from irconv.ir.layers.control import Scan
from irconv.ir.layers.indexing import ReverseSequence
from irconv.ir.layers.shape_ops import Range, Unsqueeze
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Add, Concat, Mul
from irconv.ir.shapes import Dimension, Size
from irconv.vocabularies.tensorflow import DEFAULTS


def _reversed(reader: GraphReader, node: NodeDef) -> None:
    attrs = {**DEFAULTS[node.op], **node.attrs}
    layer = ReverseSequence(batch_axis=attrs["batch_dim"], time_axis=attrs["seq_dim"])
    lengths = reader.given(node, 1)
    if reader.type_of(lengths).dtype != "int64":
        lengths = reader.place(node, Cast(dtype="int64"), "lengths", x=lengths)
    reader.gives(node, reader.place(node, layer, x=reader.given(node, 0), lengths=lengths))


def _lstm(reader: GraphReader, node: NodeDef) -> None:
    """LSTMBlockCell: results i, cs, f, o, ci, co, h."""
    reader.gives(node, *_step(reader, node, reader.all_given(node)))


def _step(reader: GraphReader, node: NodeDef, given: Sequence[str]) -> Sequence[str]:
    """One step of a block of TensorFlow 1: gates i, c, f, o of one product, or i, f, c, o in BlockLSTMV2."""
    attrs = {**DEFAULTS[node.op], **node.attrs}
    x, cell, state, kernel, *peepholes, bias = given
    a_i, a_c, a_f, a_o = _gates(reader, node, "gates", [x, state], kernel, bias, 4)
    if node.op == "BlockLSTMV2":
        a_c, a_f = a_f, a_c
    if attrs.get("forget_bias"):
        number = reader.number(node, attrs["forget_bias"], reader.type_of(x).dtype, "forget_bias")
        a_f = reader.place(node, Add(), "forget", x0=a_f, x1=number)

    def peeped(gate: str, value: str, place: int, name: str) -> str:
        if not attrs["use_peephole"]:
            return gate
        seen = reader.place(node, Mul(), f"{name}/seen", x0=value, x1=peepholes[place])
        return reader.place(node, Add(), f"{name}/sum", x0=gate, x1=seen)

    i = reader.place(node, Sigmoid(), "i", x=peeped(a_i, cell, 0, "i"))
    f = reader.place(node, Sigmoid(), "f", x=peeped(a_f, cell, 1, "f"))
    ci = reader.place(node, Tanh(), "ci", x=a_c)
    kept = reader.place(node, Mul(), "kept", x0=cell, x1=f)
    new = reader.place(node, Add(), "cs", x0=kept, x1=reader.place(node, Mul(), "new", x0=ci, x1=i))
    if attrs["cell_clip"] > 0:
        new = reader.place(node, Clip(low=-attrs["cell_clip"], high=attrs["cell_clip"]), "clipped", x=new)
    o = reader.place(node, Sigmoid(), "o", x=peeped(a_o, new, 2, "o"))
    co = reader.place(node, Tanh(), "co", x=new)
    return i, new, f, o, ci, co, reader.place(node, Mul(), "h", x0=co, x1=o)


def _gru(reader: GraphReader, node: NodeDef) -> None:
    """GRUBlockCell: gates r and u, then the candidate of the state that r leaves; results r, u, c, h."""
    x, state, kernel, candidate_kernel, bias, candidate_bias = reader.all_given(node)
    a_r, a_u = _gates(reader, node, "gates", [x, state], kernel, bias, 2)
    r, u = (reader.place(node, Sigmoid(), name, x=value) for name, value in (("r", a_r), ("u", a_u)))
    left = reader.place(node, Mul(), "left", x0=r, x1=state)
    (a_c,) = _gates(reader, node, "candidate", [x, left], candidate_kernel, candidate_bias, 1)
    c = reader.place(node, Tanh(), "c", x=a_c)
    one = reader.number(node, 1.0, reader.type_of(x).dtype, "one")
    taken = reader.place(node, Mul(), "taken", x0=reader.place(node, Sub(), "rest", x0=one, x1=u), x1=c)
    kept = reader.place(node, Mul(), "kept", x0=u, x1=state)
    reader.gives(node, r, u, c, reader.place(node, Add(), "h", x0=kept, x1=taken))


def _gates(
    reader: GraphReader, node: NodeDef, name: str, values: Sequence[str], kernel: str, bias: str, count: int
) -> list[str]:
    """Values side by side times a kernel, plus a bias, cut into gates."""
    joined = reader.place(node, Concat(axis=1), f"{name}/joined", **{f"x{i}": value for i, value in enumerate(values)})
    product = NodeDef(f"{node.name}/{name}/product", "MatMul", (), {"T": reader.type_of(joined).dtype})
    reader.add(product, [joined, kernel])
    summed = NodeDef(f"{node.name}/{name}/sum", "BiasAdd", (), dict(product.attrs))
    reader.add(summed, [product.name, bias])
    width = reader.type_of(summed.name).shape[1]
    if not isinstance(width, int) or width % count:
        raise Refused(reader.where(node), f"expected {count} gates of one size, got {width} columns")
    if count == 1:
        return [summed.name]
    results = [f"{node.name}/{name}/{i}" for i in range(count)]
    split = Split(axis=1, sizes=(width // count,) * count)
    return list(reader.importer.place(split, {"x": summed.name}, results, where=reader.where(node)))


def _block(reader: GraphReader, node: NodeDef) -> None:
    """BlockLSTM: all steps of an LSTMBlockCell over x (t, n, in), as a `Scan`; results as there, for each step.

    From step `seq_len_max` on all results are zero, as in TensorFlow's kernel.
    """
    length, x, *states = reader.all_given(node)[:4]
    taken = _taken(reader, node)
    body = _Body(reader)
    turned = first_swapped(reader, x, f"{node.name}/steps", reader.where(node))
    dtype, (batch, steps, *rest) = reader.type_of(turned)
    shapes = {"cs": reader.type_of(states[0]).shape, "h": reader.type_of(states[1]).shape, "x": (batch, *rest)}
    ports = [_port(name, dtype, shape) for name, shape in shapes.items()]
    cell, state, piece = (body.importer.input(port) for port in ports)
    results = _step(body, node, [piece, cell, state, *reader.all_given(node)[4:]])
    captured = [_typed(body, value) for value in body.importer.captured]
    values = [results[1], results[6], *(port.value for port in captured), *(results[i] for i in taken)]
    for value in values:
        body.importer.settle(value)
    graph = Graph(
        inputs=(*ports[:2], *captured, ports[2]),
        outputs=tuple(_typed(body, value) for value in values),
        nodes=tuple(body.importer.nodes),
    )
    starts = [*states, *(port.value for port in captured)]
    layer = Scan(body=graph, carried=len(starts), scanned=1, reverse=False, order="time")
    inputs = {**{f"carried{i}": value for i, value in enumerate(starts)}, "scanned0": turned}
    outputs = {f"carried{i}": f"{node.name}/last{i}" for i in range(len(starts))}
    outputs |= {f"stacked{i}": f"{node.name}/{OUTPUTS[node.op][number]}/steps" for i, number in enumerate(taken)}
    reader.importer.use(layer, inputs, outputs, node.name, where=reader.where(node))
    over = _over(reader, node, length, steps)
    for number in taken:
        name = f"{node.name}/{OUTPUTS[node.op][number]}"
        swapped = first_swapped(reader, f"{name}/steps", f"{name}/all", reader.where(node))
        if over:
            zero = reader.number(node, 0.0, dtype, f"{OUTPUTS[node.op][number]}/zero")
            swapped = reader.place(
                node, Where(), f"{OUTPUTS[node.op][number]}/kept", condition=over, x0=swapped, x1=zero
            )
        reader.values[Reference(node.name, number)] = swapped


class _Body(GraphReader):
    """Adds to the body of a loop; what it takes from outside is captured."""

    def __init__(self, outer: GraphReader) -> None:
        self.outer = outer
        super().__init__(outer.graph, outer.variables, outer.options, {})

    def __post_init__(self) -> None:
        self.importer, self.keeping = self.outer.importer.nested(), self.outer.keeping
        self.facts = self.outer.facts


def _taken(reader: GraphReader, node: NodeDef) -> list[int]:
    """The results of a node that the graph takes, by number."""
    texts = [text for other in reader.graph.nodes.values() for text in other.inputs if not text.startswith("^")]
    texts += [fetch.value for fetch in reader.graph.fetches]
    return sorted({found.index for text in texts if (found := Reference.of(text)).node == node.name})


def _over(reader: GraphReader, node: NodeDef, length: str, steps: Dimension) -> str | None:
    """Which steps are computed, as (t, 1, 1); None for all, where that is known."""
    known = reader.importer.known(length)
    if known is not None and known.size == 1:
        found = known.reshape(-1)[0]
        limit = found.dimension if isinstance(found, Size) else int(found)
        if limit == steps or (isinstance(limit, int) and isinstance(steps, int) and limit >= steps):
            return None
    places = reader.place(node, Range(start=0, limit=steps, step=1), "place")
    if reader.type_of(length).dtype != "int64":
        length = reader.place(node, Cast(dtype="int64"), "length", x=length)
    within = reader.place(node, Less(), "within", x0=places, x1=length)
    return reader.place(node, Unsqueeze(axes=(1, 2)), "computed", x=within)


def _port(name: str, dtype: str, shape: Sequence[Dimension]) -> Port:
    return Port(name=name, value=name, dtype=dtype, shape=tuple(shape), axes="", source_axes="")


def _typed(reader: GraphReader, value: str) -> Port:
    dtype, shape = reader.type_of(value)
    return _port(value, dtype, shape)


HANDLERS = {"ReverseSequence": _reversed, "LSTMBlockCell": _lstm, "GRUBlockCell": _gru}
HANDLERS |= dict.fromkeys(("BlockLSTM", "BlockLSTMV2"), _block)
