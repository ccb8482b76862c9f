"""What there is to say of a model, layer by layer and in all: the figures of `irconv inspect`, table and page alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import item_size
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.manifest import TensorRecord
from irconv.ir.shapes import Dimension, Shape, Size, product
from irconv.report.settings import shown_settings


@dataclass(frozen=True)
class Row:
    """One use of a layer."""

    layer: str
    path: tuple[str, ...]
    """The modules it lies in, and its own short name."""
    type: str
    settings: Mapping[str, str]
    weights: Mapping[str, str]
    """Role -> key of the tensor."""
    results: tuple[ValueType, ...]
    parameters: int
    """The numbers that training changes, of tensors that no row before has."""
    others: int
    """The numbers that it does not: statistics, constants, what is frozen."""
    multiply_adds: Dimension | None
    """For one member of the batch; None where irconv cannot tell."""
    sources: tuple[str, ...]
    """The layers and inputs that its inputs come from."""
    again: bool
    """Whether the layer has been used before."""


@dataclass(frozen=True)
class Totals:
    """Each tensor counted once."""

    trainable: int
    frozen: int
    bytes: Mapping[str, int] = field(default_factory=dict)
    """Element type -> bytes."""
    multiply_adds: Dimension = 0
    uncounted: tuple[str, ...] = ()
    """The layers whose multiply-adds are not known."""


def rows(bundle: Bundle) -> tuple[Row, ...]:
    """The uses of layers, in the order of the graph. Raises `Refused` where shapes do not fit."""
    assert bundle.graph is not None, "weights alone have groups"
    types, makers = infer_types(bundle), {port.value: port.name for port in bundle.graph.inputs}
    used: set[str] = set()
    counted: set[str] = set()
    found = []
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        weights = {role: o.tensor for role, o in layer.operands.items() if isinstance(o, StoredOperand)}
        fresh = [bundle.tensors[key].record for key in dict.fromkeys(weights.values()) if key not in counted]
        counted |= set(weights.values())
        sizes = {trains: sum(map(_elements, (r for r in fresh if _trains(r) is trains))) for trains in (True, False)}
        found.append(
            Row(
                layer=node.layer,
                path=path_of(node),
                type=layer.type,
                settings=shown_settings(layer),
                weights=weights,
                results=tuple(types[value] for value in node.outputs.values()),
                parameters=sizes[True],
                others=sizes[False],
                multiply_adds=_multiply_adds(bundle, node, types),
                sources=tuple(dict.fromkeys(makers[value] for value in node.inputs.values())),
                again=node.layer in used,
            )
        )
        used.add(node.layer)
        makers |= dict.fromkeys(node.outputs.values(), node.layer)
    return tuple(found)


def totals(bundle: Bundle, found: tuple[Row, ...] = ()) -> Totals:
    """The sums over all tensors of the model and over the rows of its graph."""
    records = [t.record for t in bundle.tensors.values() if t.record.role != "optimizer"]
    sizes: dict[str, int] = {}
    for record in records:
        sizes[record.dtype] = sizes.get(record.dtype, 0) + _elements(record) * item_size(record.dtype)
    work = sum((Size.of(row.multiply_adds) for row in found if row.multiply_adds is not None), Size.of(0))
    return Totals(
        trainable=sum(_elements(record) for record in records if _trains(record)),
        frozen=sum(_elements(record) for record in records if not _trains(record)),
        bytes=sizes,
        multiply_adds=work.dimension,
        uncounted=tuple(dict.fromkeys(row.layer for row in found if row.multiply_adds is None)),
    )


def path_of(node: Node) -> tuple[str, ...]:
    """The modules that a node lies in and its short name; names of PyTorch's have their modules before the dots.

    >>> path_of(Node(layer="encoder.0.conv", scope="encoder/0", inputs={}, outputs={}))
    ('encoder', '0', 'conv')
    """
    scope, name = _parts(node.scope), _parts(node.layer) or (node.layer,)
    return name if name[: len(scope)] == scope else (*scope, *name)


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("/", ".").split(".") if part)


def _trains(record: TensorRecord) -> bool:
    return record.role == "parameter" and record.trainable is not False


def _elements(record: TensorRecord) -> int:
    total = 1
    for size in record.shape:
        total *= size
    return total


def _multiply_adds(bundle: Bundle, node: Node, types: Mapping[str, ValueType]) -> Dimension | None:
    """Those of one node for a batch of one: the symbols on the first axes of the graph's inputs stand for 1."""
    assert bundle.graph is not None
    layer = bundle.layers[node.layer]
    given = {slot: types[value] for slot, value in node.inputs.items()} | bundle.operand_types(layer)
    batch = {port.shape[0]: 1 for port in bundle.graph.inputs if port.shape and isinstance(port.shape[0], str)}
    try:
        work = _of_layer(layer, given)
    except (ValueError, KeyError, AssertionError):  # a shape that the rule needs is not known
        return None
    return None if work is None else work.substituted(batch).dimension


def _of_layer(layer: Layer, given: Mapping[str, ValueType]) -> Size | None:
    own = layer.multiply_adds(given)
    if own is not None:
        return own
    if hasattr(layer, "body") or layer.type == "Opaque":
        return None
    return sum(_steps(layer, given), Size.of(0))


def _steps(layer: Layer, given: Mapping[str, ValueType]) -> Iterator[Size]:
    """Those of the steps of a decomposition."""
    types = dict(given)
    for step in layer.decompose(given) or ():
        inner = {slot: types[value] for slot, value in step.inputs.items()}
        inner |= {role: given[outer] for role, outer in step.operands.items() if outer in given}
        inner |= {role: _literal(o) for role, o in step.layer.operands.items() if role not in inner}
        work = _of_layer(step.layer, inner)
        if work is None:
            raise ValueError(f"no count of {step.layer.type}")
        yield work
        results = step.layer.infer(inner)
        types |= {value: results[slot] for slot, value in step.outputs.items()}


def _literal(operand: object) -> ValueType:
    from irconv.ir.bundle import literal_shape
    from irconv.ir.layers.base import LiteralOperand

    if not isinstance(operand, LiteralOperand):
        raise ValueError("a tensor of the bundle")
    return ValueType(operand.dtype, literal_shape(operand))


def shape_text(shape: Shape) -> str:
    """A shape as people write it.

    >>> shape_text(("N", 3, 5)), shape_text(())
    ('Nx3x5', 'scalar')
    """
    return "x".join(map(str, shape)) or "scalar"


def elements_of(record: TensorRecord) -> int:
    """How many numbers a tensor has."""
    size = product(record.shape).dimension
    assert isinstance(size, int), "stored shapes are numbers"
    return size
