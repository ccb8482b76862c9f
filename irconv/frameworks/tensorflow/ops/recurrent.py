"""Steps of recurrent layers that TensorFlow 1 has as one operation, and sequences of several lengths turned around."""

from __future__ import annotations

from collections.abc import Sequence

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader
from irconv.ir.layers.activations import Clip, Sigmoid, Tanh
from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.indexing import ReverseSequence
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Add, Concat, Mul
from irconv.vocabularies.tensorflow import DEFAULTS


def _reversed(reader: GraphReader, node: NodeDef) -> None:
    attrs = {**DEFAULTS[node.op], **node.attrs}
    layer = ReverseSequence(batch_axis=attrs["batch_dim"], time_axis=attrs["seq_dim"])
    lengths = reader.given(node, 1)
    if reader.type_of(lengths).dtype != "int64":
        lengths = reader.place(node, Cast(dtype="int64"), "lengths", x=lengths)
    reader.gives(node, reader.place(node, layer, x=reader.given(node, 0), lengths=lengths))


def _lstm(reader: GraphReader, node: NodeDef) -> None:
    """LSTMBlockCell: gates i, c, f, o of one product; results i, cs, f, o, ci, co, h."""
    attrs = {**DEFAULTS[node.op], **node.attrs}
    x, cell, state, kernel, *peepholes, bias = reader.all_given(node)
    a_i, a_c, a_f, a_o = _gates(reader, node, "gates", [x, state], kernel, bias, 4)
    if attrs["forget_bias"]:
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
    reader.gives(node, i, new, f, o, ci, co, reader.place(node, Mul(), "h", x0=co, x1=o))


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


HANDLERS = {"ReverseSequence": _reversed, "LSTMBlockCell": _lstm, "GRUBlockCell": _gru}
