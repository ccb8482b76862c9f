"""Dilated convolutions written with their batch cut up, and norms in training mode."""

from __future__ import annotations

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader, Reference, constant
from irconv.frameworks.tensorflow.ops.moves import from_batch
from irconv.frameworks.tensorflow.ops.shapes import dimensions
from irconv.ir.known import numeric
from irconv.ir.layers.base import Layer
from irconv.ir.layers.normalisation import InstanceNorm
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.tensor_ops import Pad, Reshape, Transpose
from irconv.ir.shapes import Dimension, Size
from irconv.vocabularies.tensorflow import DEFAULTS

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "Conv3D")
_ONLY_WITH = "is read only around a convolution, as TensorFlow writes dilation"


def _cut_up(reader: GraphReader, node: NodeDef) -> None:
    """Blocks of space become members of the batch; read where the convolution behind them is put together again."""
    reader.gives(node, _spread_out(reader, node))


def _spread_out(reader: GraphReader, node: NodeDef) -> str:
    """SpaceToBatchND by its definition: pad, split each spatial axis, move the parts in front of the batch."""
    value = reader.given(node, 0)
    shape = reader.type_of(value).shape
    block = [int(size) for size in np.atleast_1d(reader.numbers(node, 1))]
    pads = [dimensions(pair) for pair in reader.numbers(node, 2)]
    every = ((0, 0), *((before, after) for before, after in pads), *((0, 0),) * (len(shape) - 1 - len(block)))
    value = reader.place(node, Pad(pads=every, mode="constant", value=0.0), "pad", x=value)
    n, *rest = reader.type_of(value).shape
    apart: list[Dimension] = [n]
    for size, parts in zip(rest, block, strict=False):
        apart += [Size.of(size).floor_divide(parts).dimension, parts]
    count, left = len(block), rest[len(block) :]
    value = reader.place(node, Reshape(shape=(*apart, *left)), "apart", x=value)
    inner, outer = [1 + 2 * i for i in range(count)], [2 + 2 * i for i in range(count)]
    order = (*outer, 0, *inner, *range(1 + 2 * count, 1 + 2 * count + len(left)))
    value = reader.place(node, Transpose(permutation=order), "turned", x=value)
    total = Size.of(n)
    for parts in block:
        total *= parts
    whole = (total.dimension, *(apart[1 + 2 * i] for i in range(count)), *left)
    return reader.place(node, Reshape(shape=whole), x=value)


def _put_together(reader: GraphReader, node: NodeDef) -> None:
    """BatchToSpaceND: behind a convolution of blocks, the two are one dilated convolution."""
    around = _around(reader, node)
    if around is None:
        from_batch(reader, node)
        return
    cut, convolution, row = around
    block = tuple(int(size) for size in np.atleast_1d(reader.numbers(cut, 1)))
    pads, crops = (reader.numbers(source, 2) for source in (cut, node))
    explicit = []
    for (before, after), (first, last) in zip(pads, crops, strict=True):
        pair = dimensions([before, after]), dimensions([first, last])
        explicit += [_less(*sides) for sides in zip(*pair, strict=True)]
    if any(not isinstance(number, int) or number < 0 for number in explicit):
        raise Refused(reader.where(node), f"{_ONLY_WITH}, with paddings that sizes do not change; got {explicit}")
    x = reader.given(cut, 0)
    if row is not None:
        x = reader.place(node, Unsqueeze(axes=(row,)), "row", x=x)
        block, explicit = _with_row(row, block, explicit)
    config = {**DEFAULTS[convolution.op], **convolution.attrs}
    numbers = (0, 0, *explicit, 0, 0)
    changed = {"dilations": (1, *block, 1), "padding": "EXPLICIT", "explicit_paddings": numbers}
    if config.get("padding") != "VALID" or config["data_format"][-1] != "C":
        raise Refused(reader.where(node), f"{_ONLY_WITH} of VALID padding with the channels last")
    name = node.name if row is None else convolution.name
    reader.add(
        NodeDef(name, convolution.op, convolution.inputs, {**config, **changed}), [x, reader.given(convolution, 1)]
    )
    if row is not None:
        made = reader.result(Reference(name, 0))
        reader.gives(node, reader.place(node, Squeeze(axes=(row,)), x=made))


def _with_row(row: int, block: tuple[int, ...], explicit: list[Dimension]) -> tuple[tuple[int, ...], list[Dimension]]:
    """Dilations and paddings of a sequence as those of an image with an axis of length 1 more."""
    place = row - 1
    pads = [*explicit[: 2 * place], 0, 0, *explicit[2 * place :]]
    return (*block[:place], 1, *block[place:]), pads


def _around(reader: GraphReader, node: NodeDef) -> tuple[NodeDef, NodeDef, int | None] | None:
    """The cut, the convolution, and the axis that a sequence was given between them to be an image, where blocks are
    put together that were cut before a convolution; else None."""
    taken = reader.graph.nodes[reader.inputs(node)[0].node]
    if taken.op in _CONVOLUTIONS:
        cut = reader.graph.nodes[reader.inputs(taken)[0].node]
        return (cut, taken, None) if cut.op == "SpaceToBatchND" else None
    axes = list(taken.attrs.get("squeeze_dims", ())) if taken.op == "Squeeze" else []
    convolution = reader.graph.nodes[reader.inputs(taken)[0].node] if len(axes) == 1 else None
    if convolution is None or convolution.op != "Conv2D":
        return None
    widened = reader.graph.nodes[reader.inputs(convolution)[0].node]
    if widened.op != "ExpandDims":
        return None
    cut, axis = (reader.graph.nodes[taken.node] for taken in reader.inputs(widened))
    tensor = constant(axis) if axis.op == "Const" else None
    row = None if tensor is None else int(tensor.numpy().item()) % 4
    alike = row in (1, 2) and row == int(axes[0]) % 4
    return (cut, convolution, row) if alike and cut.op == "SpaceToBatchND" else None


def _less(a: Dimension, b: Dimension) -> Dimension:
    return (Size.of(a) - b).dimension


def _norm(reader: GraphReader, node: NodeDef) -> None:
    """A norm by running statistics. In training mode it is one by those of the value itself: over a batch of one that
    is a norm of each instance, which is how Keras writes its LayerNormalization; of any other batch it is refused."""
    config = {**DEFAULTS[node.op], **node.attrs}
    if not config["is_training"]:
        flat = {"NDHWC": "NHWC", "NCDHW": "NCHW"}  # of the third version of TensorFlow 2; channels are all that counts
        reader.add(node, data_format=flat.get(config["data_format"], config["data_format"]))
        return
    value, last = reader.given(node, 0), config["data_format"][-1] == "C"
    shape = reader.type_of(value).shape
    if shape[0] != 1 or not all(_is_everywhere(reader, node, i, number) for i, number in ((1, 1.0), (2, 0.0))):
        what = "normalises by the statistics of the batch it is given, as in training"
        remedy = "Export the graph for inference, or --fix its switch of training."
        raise Refused(reader.where(node), what, remedy)
    layer: Layer = InstanceNorm(epsilon=float(np.float32(config["epsilon"]).astype(str)))
    order = (0, len(shape) - 1, *range(1, len(shape) - 1)) if last else tuple(range(len(shape)))
    if last:
        value = reader.place(node, Transpose(permutation=order), "first", x=value)
    value = reader.place(node, layer, "instances" if last else "", x=value)
    if last:
        value = reader.place(node, Transpose(permutation=tuple(map(order.index, range(len(order))))), x=value)
    reader.gives(node, value)


def _is_everywhere(reader: GraphReader, node: NodeDef, index: int, number: float) -> bool:
    """Whether an input is this number in every element."""
    value = reader.given(node, index)
    known = reader.importer.known(value)
    if known is not None and numeric(known):
        return bool((known == number).all())
    made = next((made for made in reader.importer.nodes if value in made.outputs.values()), None)
    layer = reader.importer.layers[made.layer] if made else None
    return layer is not None and layer.type == "Full" and layer.settings()["value"] == number


def _needs_of_together(reader: GraphReader, node: NodeDef) -> list[Reference]:
    """What the convolution and the cut before it need, and not these themselves."""
    around = _around(reader, node)
    if around is None:
        return reader.inputs(node)
    cut, convolution, _ = around
    return [*reader.inputs(cut), reader.inputs(convolution)[1], *reader.inputs(node)[1:]]


HANDLERS = {
    "SpaceToBatchND": _cut_up,
    "BatchToSpaceND": _put_together,
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _norm),
}
NEEDS = {"BatchToSpaceND": _needs_of_together}
