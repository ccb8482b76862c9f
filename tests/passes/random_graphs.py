"""Random graphs of channels-last models, as a naive translation leaves them: transposes around every image layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from irconv.ir.bundle import Bundle, Tensor, operand_types
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.layers.activations import LeakyRelu, LogSoftmax, PRelu, Relu, Sigmoid, Softmax, Tanh
from irconv.ir.layers.arithmetic import CumSum, Maximum, Sub
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType
from irconv.ir.layers.convolution import Conv, ConvTranspose, Linear
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.normalisation import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.shape_ops import Expand, Repeat, Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Flip, Roll, Select, Slice, Split, Stack, Unstack
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Flatten, Mul, Pad, Reduce, Reshape, Transpose
from irconv.ir.layers.training import Dropout
from irconv.ir.manifest import SourceRecord, TensorRecord
from irconv.ir.shapes import static
from irconv.ir.tensors import LazyTensor

TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass
class Builder:
    """Adds nodes to a graph and keeps the type of every value."""

    random: np.random.Generator
    layers: dict[str, Layer] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    types: dict[str, ValueType] = field(default_factory=dict)

    def add(self, layer: Layer, *values: str, **operands: np.ndarray) -> str:
        name = f"{layer.type.lower()}_{len(self.nodes)}"
        stored = {}
        for role, array in operands.items():
            record = TensorRecord(
                role="parameter",
                trainable=True,
                dtype="float32",
                shape=array.shape,
                axes=layer.PARAMETERS[role].axes,
                letters="",
                source=None,
                steps=(),
            )
            self.tensors[f"{name}.{role}"] = Tensor(record, LazyTensor.of(array.astype(np.float32)))
            stored[role] = StoredOperand(tensor=f"{name}.{role}")
        layer = layer.model_copy(update={"operands": stored})
        self.layers[name] = layer
        return self.use(name, values, name)

    def use(self, name: str, values: tuple[str, ...], result: str) -> str:
        """Use a layer, once more or for the first time; its last result is `result`, others have a number behind."""
        layer = self.layers[name]
        slots = [f"x{i}" for i in range(len(values))] if layer.VARIADIC else list(layer.SLOTS)
        inputs = dict(zip(slots, values, strict=False))
        given = {slot: self.types[value] for slot, value in inputs.items()}
        found = layer.infer(given | operand_types(layer, self.tensors))
        outputs = {slot: result if slot == list(found)[-1] else f"{result}:{slot}" for slot in found}
        self.types |= {outputs[slot]: kind for slot, kind in found.items()}
        self.nodes.append(Node(layer=name, scope="", inputs=inputs, outputs=outputs))
        return result

    def shape(self, value: str) -> tuple[int, ...]:
        sizes = static(self.types[value].shape)
        assert sizes is not None
        return sizes

    def normal(self, *shape: int) -> np.ndarray:
        return self.random.standard_normal(shape) / 2

    def pick(self, values: list[str], rank: int) -> str | None:
        found = [value for value in values if len(self.shape(value)) == rank]
        return str(self.random.choice(found)) if found else None


def _image_layer(b: Builder, value: str, layer: Layer, **operands: np.ndarray) -> str:
    inner = b.add(layer, b.add(Transpose(permutation=TO_FIRST), value), **operands)
    return b.add(Transpose(permutation=TO_LAST), inner)


def _conv(b: Builder, values: list[str]) -> str | None:
    x = b.pick(values, 4)
    if x is None:
        return None
    out = int(b.random.integers(2, 6))
    kernel = b.normal(out, b.shape(x)[3], int(b.random.integers(1, 4)), int(b.random.integers(1, 4)))
    stride = (int(b.random.integers(1, 3)), int(b.random.integers(1, 3)))
    layer = Conv(stride=stride, dilation=(1, 1), groups=1, padding="same_upper")
    return _image_layer(b, x, layer, kernel=kernel, bias=b.normal(out))


def _pool(b: Builder, values: list[str]) -> str | None:
    x = b.pick(values, 4)
    if x is None:
        return None
    window, stride = (int(b.random.integers(1, 4)), 2), (1, int(b.random.integers(1, 3)))
    if b.random.random() < 0.5:
        layer: Layer = MaxPool(kernel=window, stride=stride, dilation=(1, 1), padding="same_upper", ceil_mode=False)
    else:
        layer = AveragePool(kernel=window, stride=stride, padding="same_upper", ceil_mode=False, count_padding=False)
    return _image_layer(b, x, layer)


def _batch_norm(b: Builder, values: list[str]) -> str | None:
    x = b.pick(values, 4)
    if x is None:
        return None
    c = b.shape(x)[3]
    layer = BatchNorm(epsilon=1e-3, momentum=0.99)
    spread = {"gamma": b.normal(c), "beta": b.normal(c), "mean": b.normal(c), "variance": b.normal(c) ** 2 + 0.3}
    return _image_layer(b, x, layer, **spread)


def _pointwise(b: Builder, values: list[str]) -> str | None:
    layers = [Relu(), Tanh(), Sigmoid(), LeakyRelu(slope=0.2), Dropout(rate=0.3, noise="zero", shared=())]
    return b.add(layers[b.random.integers(len(layers))], str(b.random.choice(values)))


def _combined(b: Builder, values: list[str]) -> str | None:
    """A sum or product of two values that broadcast, of equal or unequal rank."""
    x, y = (str(v) for v in b.random.choice(values, 2))
    layer = Add() if b.random.random() < 0.5 else Mul()
    try:
        np.broadcast_shapes(b.shape(x), b.shape(y))
    except ValueError:
        return None
    return b.add(layer, x, y)


def _with_constant(b: Builder, values: list[str]) -> str | None:
    x = str(b.random.choice(values))
    shape = b.shape(x)
    kept = shape[int(b.random.integers(0, len(shape))) :]
    sizes = [1 if b.random.random() < 0.3 else n for n in kept]
    constant = b.add(Constant(), value=b.normal(*sizes))
    return b.add(Mul() if b.random.random() < 0.5 else Add(), x, constant)


def _concat(b: Builder, values: list[str]) -> str | None:
    x = str(b.random.choice(values))
    axis = int(b.random.integers(1, len(b.shape(x)))) if len(b.shape(x)) > 1 else 0
    same = [v for v in values if _alike(b.shape(v), b.shape(x), axis)]
    return b.add(Concat(axis=axis), x, str(b.random.choice(same)))


def _alike(a: tuple[int, ...], b: tuple[int, ...], axis: int) -> bool:
    return len(a) == len(b) and all(m == n for i, (m, n) in enumerate(zip(a, b, strict=True)) if i != axis)


def _pad(b: Builder, values: list[str]) -> str | None:
    x = str(b.random.choice(values))
    pads = [(0, 0)] + [(int(b.random.integers(0, 2)), int(b.random.integers(0, 3))) for _ in b.shape(x)[1:]]
    return b.add(Pad(pads=tuple(pads), mode="constant", value=0.0), x)


def _softmax(b: Builder, values: list[str]) -> str | None:
    x = str(b.random.choice(values))
    return b.add(Softmax(axis=int(b.random.integers(1, len(b.shape(x))))), x)


def _reduce(b: Builder, values: list[str]) -> str | None:
    x = str(b.random.choice(values))
    rank = len(b.shape(x))
    keepdims = bool(b.random.random() < 0.5)
    count = int(b.random.integers(1, rank if keepdims else max(2, rank - 1)))
    if rank < 3 and not keepdims:
        return None
    axes = tuple(sorted(int(a) for a in b.random.choice(np.arange(1, rank), min(count, rank - 1), replace=False)))
    if not keepdims and len(axes) == rank - 1:
        axes = axes[:-1]
    op = ("mean", "sum", "max")[b.random.integers(3)]
    return b.add(Reduce(op=op, axes=axes, keepdims=keepdims), x)  # type: ignore[arg-type]


def _reshape(b: Builder, values: list[str]) -> str | None:
    """Two neighbouring axes merged, or an axis split in two."""
    x = str(b.random.choice(values))
    shape = list(b.shape(x))
    axis = int(b.random.integers(1, len(shape)))
    if axis + 1 < len(shape) and b.random.random() < 0.5:
        shape[axis : axis + 2] = [shape[axis] * shape[axis + 1]]
    else:
        divisors = [d for d in range(1, shape[axis] + 1) if shape[axis] % d == 0]
        divisor = int(b.random.choice(divisors))
        shape[axis : axis + 1] = [divisor, shape[axis] // divisor]
    return b.add(Reshape(shape=tuple(shape)), x) if len(shape) <= 5 else None


def _linear(b: Builder, values: list[str]) -> str | None:
    x = str(b.random.choice(values))
    out = int(b.random.integers(2, 6))
    return b.add(Linear(), x, kernel=b.normal(out, b.shape(x)[-1]), bias=b.normal(out))


def _flatten(b: Builder, values: list[str]) -> str | None:
    x = b.pick(values, 4)
    if x is None:
        return None
    flat = b.add(Flatten(start_axis=1), x)
    if b.random.random() < 0.5:
        n = b.shape(flat)[1]
        spread = {"gamma": b.normal(n), "beta": b.normal(n), "mean": b.normal(n), "variance": b.normal(n) ** 2 + 0.3}
        flat = b.add(Relu(), b.add(BatchNorm(epsilon=1e-3, momentum=0.9), flat, **spread))
    return b.add(Linear(), flat, kernel=b.normal(5, b.shape(flat)[1]), bias=b.normal(5))


def _transposed_conv(b: Builder, values: list[str]) -> str | None:
    x = b.pick(values, 4)
    if x is None:
        return None
    layer = ConvTranspose(
        stride=(2, 1), dilation=(1, 1), groups=1, padding=((0, 1), (1, 0)), output_padding=(0, 0), output_size=None
    )
    out = int(b.random.integers(2, 4))
    return _image_layer(b, x, layer, kernel=b.normal(b.shape(x)[3], out, 2, 3), bias=b.normal(out))


def _channels(b: Builder, values: list[str]) -> str | None:
    """Layers with a weight for each channel, or for groups of them."""
    x = b.pick(values, 4)
    if x is None:
        return None
    c = b.shape(x)[3]
    if b.random.random() < 0.5:
        layer = GroupNorm(groups=1 if c % 2 else 2, epsilon=1e-2)
        return _image_layer(b, x, layer, gamma=b.normal(c), beta=b.normal(c))
    return _image_layer(b, x, PRelu(), slope=b.normal(c, 1, 1))


def _last_norm(b: Builder, values: list[str]) -> str | None:
    """A normalisation of the last axis, or of the last two."""
    x = str(b.random.choice(values))
    shape = b.shape(x)
    count = int(b.random.integers(1, min(3, len(shape))))
    axes = tuple(range(len(shape) - count, len(shape)))
    gamma = b.normal(*shape[-count:])
    if b.random.random() < 0.5:
        return b.add(LayerNorm(axes=axes, epsilon=1e-2), x, gamma=gamma, beta=b.normal(*shape[-count:]))
    return b.add(RMSNorm(axes=axes, epsilon=1e-2), x, gamma=gamma)


def _along_axes(b: Builder, values: list[str]) -> str | None:
    """Layers that name their axes."""
    x = str(b.random.choice(values))
    shape = b.shape(x)
    axis = int(b.random.integers(1, len(shape)))
    others = tuple(sorted({axis, len(shape) - 1}))
    starts = tuple(int(b.random.integers(0, shape[a])) for a in others)
    layers = [
        Slice(axes=others, starts=starts, ends=(None,) * len(others), steps=(1,) * len(others)),
        Flip(axes=others),
        Roll(axes=others, shifts=tuple(range(1, len(others) + 1))),
        Repeat(axis=axis, repeats=2),
        LogSoftmax(axis=axis),
        CumSum(axis=axis, reverse=False, exclusive=False),
    ]
    return b.add(layers[b.random.integers(len(layers))], x)


def _split(b: Builder, values: list[str]) -> str | None:
    x = str(b.random.choice(values))
    shape = b.shape(x)
    axis = int(b.random.integers(1, len(shape)))
    if shape[axis] < 2:
        return None
    first = int(b.random.integers(1, shape[axis]))
    last = b.add(Split(axis=axis, sizes=(first, shape[axis] - first)), x)
    values.append(f"{last}:y0")
    return last


def _picked(b: Builder, values: list[str]) -> str | None:
    """Indices of an axis: one, all of them apart, or some in another order."""
    x = str(b.random.choice(values))
    shape = b.shape(x)
    axis = int(b.random.integers(1, len(shape)))
    kind = int(b.random.integers(3))
    if kind == 0:
        places = b.random.integers(0, shape[axis], int(b.random.integers(1, 4))).tolist()
        indices = b.use(_literal(b, places), (), f"indices_{len(b.nodes)}")
        return b.add(Gather(axis=axis), x, indices)
    if len(shape) < 3:
        return None
    if kind == 1:
        return b.add(Select(axis=axis, index=int(b.random.integers(-shape[axis], shape[axis]))), x)
    last = b.add(Unstack(axis=axis, count=shape[axis]), x)
    values.extend(f"{last}:y{i}" for i in range(shape[axis] - 1))
    return last


def _literal(b: Builder, places: list[int]) -> str:
    name = f"places_{len(b.nodes)}"
    b.layers[name] = Constant(operands={"value": LiteralOperand(literal=places, dtype="int64")})
    return name


def _stacked(b: Builder, values: list[str]) -> str | None:
    """Values on a new axis, often summed over it again."""
    x = str(b.random.choice(values))
    shape = b.shape(x)
    if len(shape) > 4:
        return None
    axis = int(b.random.integers(1, len(shape) + 1))
    same = [v for v in values if b.shape(v) == shape]
    made = b.add(Stack(axis=axis), x, str(b.random.choice(same)))
    return b.add(Reduce(op="sum", axes=(axis,), keepdims=False), made) if b.random.random() < 0.5 else made


def _spread(b: Builder, values: list[str]) -> str | None:
    """Axes of length 1 repeated."""
    x = str(b.random.choice(values))
    shape = tuple(int(b.random.integers(1, 4)) if size == 1 else size for size in b.shape(x))
    return b.add(Expand(shape=shape), x)


def _more_combined(b: Builder, values: list[str]) -> str | None:
    x, y = (str(v) for v in b.random.choice(values, 2))
    try:
        np.broadcast_shapes(b.shape(x), b.shape(y))
    except ValueError:
        return None
    return b.add(Sub() if b.random.random() < 0.5 else Maximum(), x, y)


def _unit_axis(b: Builder, values: list[str]) -> str | None:
    """An axis of length 1 put in, or taken out."""
    x = str(b.random.choice(values))
    shape = b.shape(x)
    ones = [axis for axis, size in enumerate(shape) if axis and size == 1]
    if ones and len(shape) > 2:
        return b.add(Squeeze(axes=(int(b.random.choice(ones)),)), x)
    return b.add(Unsqueeze(axes=(int(b.random.integers(1, len(shape) + 1)),)), x) if len(shape) < 5 else None


def _flattened_branches(b: Builder, values: list[str]) -> str | None:
    """Flattened maps side by side, into a Linear; now and then, one that is used on another vector, too."""
    maps = [str(v) for v in b.random.choice(values, 2) if len(b.shape(str(v))) >= 3]
    if not maps:
        return None
    flat = [b.add(Flatten(start_axis=1), x) for x in maps]
    joined = b.add(Relu(), b.add(Concat(axis=1), *flat))
    width = b.shape(joined)[1]
    made = b.add(Linear(), joined, kernel=b.normal(3, width) / 4)
    same = [v for v in values if b.shape(v)[1:] == (width,)]
    return b.use(made, (str(b.random.choice(same)),), f"{made}.again") if same else made


def _shared_conv(b: Builder, values: list[str]) -> str | None:
    """One convolution on two values."""
    x = b.pick(values, 4)
    same = [v for v in values if x is not None and len(b.shape(v)) == 4 and b.shape(v)[3] == b.shape(x)[3]]
    if x is None:
        return None
    layer = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding="same_upper")
    made = b.add(layer, b.add(Transpose(permutation=TO_FIRST), x), kernel=b.normal(3, b.shape(x)[3], 2, 1))
    values.append(b.add(Transpose(permutation=TO_LAST), made))
    other = b.add(Transpose(permutation=TO_FIRST), str(b.random.choice(same)))
    return b.add(Transpose(permutation=TO_LAST), b.use(made, (other,), f"{made}.again"))


def _permuted(b: Builder, values: list[str]) -> str | None:
    x = str(b.random.choice(values))
    order = (0, *(int(a) + 1 for a in b.random.permutation(len(b.shape(x)) - 1)))
    return b.add(Transpose(permutation=order), x)


_STEPS: list[Callable[[Builder, list[str]], str | None]] = [
    _conv, _conv, _pool, _batch_norm, _pointwise, _pointwise, _combined, _combined, _with_constant, _concat, _pad,
    _softmax, _reduce, _reshape, _linear, _flatten, _permuted, _transposed_conv, _channels, _last_norm, _along_axes,
    _split, _more_combined, _unit_axis, _flattened_branches, _shared_conv, _picked, _picked,
    _stacked, _spread,
]  # fmt: skip


def random_bundle(seed: int) -> Bundle:
    """A graph of one or two image inputs and up to twenty layers; its last values are the outputs."""
    b = Builder(np.random.default_rng(seed))
    ports = []
    for number in range(int(b.random.integers(1, 3))):
        shape = (2, int(b.random.integers(3, 7)), int(b.random.integers(3, 7)), int(b.random.integers(1, 5)))
        name = f"input_{number}"
        b.types[name] = ValueType("float32", shape)
        ports.append(Port(name=name, value=name, dtype="float32", shape=shape, axes="", source_axes=""))
    values = [port.value for port in ports]
    for _ in range(int(b.random.integers(3, 20))):
        made = _STEPS[b.random.integers(len(_STEPS))](b, values)
        if made is not None and len(b.shape(made)) >= 2 and np.prod(b.shape(made)) < 20_000:
            values.append(made)
    used = {value for node in b.nodes for value in node.inputs.values()}
    last = [value for value in values if value not in used] or values[-1:]
    outputs = tuple(
        Port(name=value, value=value, dtype="float32", shape=b.types[value].shape, axes="", source_axes="")
        for value in last
        if value not in {port.value for port in ports}
    ) or tuple(port.model_copy() for port in ports[:1])
    source = SourceRecord(framework="test", version="", files=(), facts=())
    return Bundle(source, b.layers, Graph(inputs=tuple(ports), outputs=outputs, nodes=tuple(b.nodes)), b.tensors)
