"""Layers that irconv has no rule for, kept as they are (``--keep-opaque``): settings and weights, and no meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, NamedTuple, TypeAlias

from irconv.codec import Native, NativeUse, NativeWeight, Table
from irconv.data_classes import dataclass
from irconv.errors import MissingFact, Problems, Refused
from irconv.ir.bundle import Tensor
from irconv.ir.graph import Node
from irconv.ir.layers.base import LiteralOperand, StoredOperand, ValueType
from irconv.ir.layers.control import Opaque
from irconv.ir.manifest import Fact, NativeTensor, TensorRecord, assumed_fact
from irconv.ir.shapes import Dimension
from irconv.options import ReadOptions, refuse_unused, said_shape
from irconv.translate.importer import Importer


class Hint(NamedTuple):
    """What a file says of a value in another place than the layer that makes it."""

    sizes: Sequence[Dimension | None]
    """Its shape; None for a size that is left open."""
    dtype: str = ""
    """Its element type; empty where that is not said."""
    evidence: str = ""


Hints: TypeAlias = Mapping[str, Hint]
"""By the name of the value."""


@dataclass
class Keeping:
    """What is kept of one model, and what its results are said to be."""

    table: Table
    options: ReadOptions
    hints: dict[str, Hint] = field(default_factory=dict)
    """Of values whose layers do not say what they are."""
    said: dict[str, tuple[int | str, ...]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)

    def __post_init__(self) -> None:
        reason = "only layers that are kept with --keep-opaque have results of a shape that is given"
        if not self.options.keep_opaque:
            refuse_unused(self.options, ("opaque_shape",), reason)
        for text in self.options.opaque_shape:
            name, shape = said_shape(text, "--opaque-shape")
            self.said[name] = shape

    def keeps(self, native_type: str) -> bool:
        """Whether layers of a type that the reader has no other rule for are kept."""
        return self.options.keep_opaque and not self.table.knows(native_type)

    def add(self, importer: Importer, native: Native, use: NativeUse, where: str) -> None:
        """Add a use of such a layer. Raises `MissingFact` where nothing says the shape of what it gives."""
        results = {
            slot: self._result(importer, native, use, value, where)
            for slot, value in zip(_slots(use), use.outputs, strict=True)
            if value
        }
        operands: dict[str, StoredOperand | LiteralOperand] = {
            role: _stored(importer, f"{native.name}.{role}", weight) for role, weight in native.tensors.items()
        }
        config = native.origin.config if native.origin is not None else dict(native.config)
        layer = Opaque(
            native_type=native.type,
            native_config=config,
            results={slot: (found.dtype, found.shape) for slot, found in results.items()},
            operands=operands,
            origin=native.origin,
        )
        inputs = {f"x{i}": value for i, value in enumerate(use.inputs) if value}
        outputs = {slot: value for slot, value in zip(_slots(use), use.outputs, strict=True) if value}
        name = native.name if importer.layers.get(native.name) == layer else importer.free(native.name)
        importer.layers[name] = layer
        importer.append(Node(layer=name, scope=use.scope, inputs=inputs, outputs=outputs), where)

    def told(self, problems: Problems) -> tuple[Fact, ...]:
        """What was kept, for a reader that raises its problems later. Raises as `finish` where there are none."""
        return () if problems else self.finish()

    def finish(self) -> tuple[Fact, ...]:
        """What was kept. Raises `UnusedOption` where nothing was, or for a shape that no layer took."""
        if not self.facts:
            refuse_unused(self.options, ("keep_opaque", "opaque_shape"), "irconv has a rule for every layer")
        elif self.said:
            reason = f"no layer of this name was kept: {', '.join(self.said)}"
            refuse_unused(self.options, ("opaque_shape",), reason)
        return tuple(self.facts)

    def _result(self, importer: Importer, native: Native, use: NativeUse, value: str, where: str) -> ValueType:
        given = [importer.type_of(name) for name in use.inputs if name]
        hint, stated = self.hints.get(value, Hint(())), native.config.get("dtype")
        dtype = hint.dtype or (stated if isinstance(stated, str) and stated else given[0].dtype if given else "float32")
        if (shape := self.said.pop(native.name, None)) is not None:
            self._note(native, shape, dtype, "--opaque-shape")
            return ValueType(dtype, shape)
        if value not in self.hints:
            what = "is to be kept as it is, and the file does not say the shape of what it gives"
            raise MissingFact(
                where, what, f"Give --opaque-shape {native.name}=SIZES, such as N,7,8, in the axes of the source."
            )
        batch = _batch(importer, use)
        shape = tuple(
            size if size is not None else batch if batch and axis == 0 else importer.counted(where)
            for axis, size in enumerate(hint.sizes)
        )
        self._note(native, shape, dtype, hint.evidence)
        return ValueType(dtype, shape)

    def _note(self, native: Native, shape: Sequence[Dimension], dtype: str, evidence: str) -> None:
        text = f"{native.name}: {native.type}, gives {dtype} ({', '.join(map(str, shape))})"
        self.facts.append(assumed_fact("opaque", text, evidence))


def _batch(importer: Importer, use: NativeUse) -> Dimension:
    """The one open size that the first axes of the values have which are no tensors of the file; empty for none."""
    shapes = [importer.type_of(value).shape for value in use.inputs if value and importer.stored(value) is None]
    open_sizes = {shape[0] for shape in shapes if shape and isinstance(shape[0], str)}
    return open_sizes.pop() if len(open_sizes) == 1 else ""


def plain(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings that a bundle keeps as they are: numbers, text, and lists and mappings of these.

    Raises `Refused` for any other, such as a tensor or a graph, which a bundle would lose.
    """
    lost = [key for key, value in settings.items() if not _is_plain(value)]
    if lost:
        raise Refused(where, f"is kept with numbers and text alone, but has {', '.join(lost)}, which are neither")
    return dict(settings)


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _stored(importer: Importer, key: str, weight: NativeWeight) -> StoredOperand:
    """A weight as the file has it; nobody knows its axes."""
    shape = weight.data.shape
    source = NativeTensor(file=importer.file, name=weight.path, shape=shape, axes="", members=weight.members)
    record = TensorRecord(
        role="parameter",
        trainable=weight.trainable,
        dtype=weight.data.dtype,
        shape=shape,
        axes="",
        letters="",
        source=source,
        steps=(),
    )
    importer.tensors.setdefault(key, Tensor(record, weight.data))
    return StoredOperand(tensor=key)


def _slots(use: NativeUse) -> list[str]:
    return ["y"] if len(use.outputs) == 1 else [f"y{i}" for i in range(len(use.outputs))]
