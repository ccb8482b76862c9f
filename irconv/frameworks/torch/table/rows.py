"""Rows that only PyTorch's table needs, and its units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.torch.literals import Counted, Dtype, Symbolic
from irconv.ir.layers import layer_class
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.shapes import Dimension, static
from irconv.rows import Attribute, Input, Iso, Output


def _symmetric(pairs: Any) -> tuple[int, ...]:
    if isinstance(pairs, str) or any(before != after for before, after in pairs):
        raise ValueError(f"PyTorch pads both sides alike, got {pairs}")
    return tuple(before for before, _ in pairs)


def _one_minus(value: float | None) -> float | None:
    """PyTorch's momentum is the weight of the new average, the IR's of the old; None is a cumulative average."""
    return None if value is None else round(1 - value, 12)


SYMMETRIC = Iso(lambda sizes: tuple((size, size) for size in sizes), _symmetric)
MOMENTUM = Iso(_one_minus, _one_minus)
LIST = Iso(tuple, tuple)
DTYPE = Iso(lambda dtype: dtype.name, Dtype)


@dataclass(frozen=True)
class When(Row):
    """What the native op needs that no single field says."""

    holds: Callable[[Any, Mapping[str, ValueType]], bool]

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return self.holds(layer, given)


@dataclass(frozen=True)
class Written(Row):
    """A native setting computed from the fields and types, which it leaves to `Taken` or other rows."""

    native: str
    rule: Callable[[Draft], Any]

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = self.rule(draft)


@dataclass(frozen=True)
class Makes(Row):
    """How many elements an op makes: the length of `axis` of its first result, a size that others may ask for."""

    axis: int | None = 0
    """None: that of the field `axis`, of flattened values 0."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        count = draft.fields.pop("count")
        axis = (draft.fields["axis"] or 0) if self.axis is None else self.axis
        if isinstance(count, str):
            native.config["count"] = Counted(count, axis)


@dataclass(frozen=True)
class Taken(Row):
    """Fields that an earlier `Written` row has said."""

    fields: tuple[str, ...]

    def encode(self, draft: Draft, native: Workpiece) -> None:
        for name in self.fields:
            draft.fields.pop(name)


@dataclass(frozen=True)
class Sizes(Row):
    """A field of dimensions, or a single one; those that depend on the inputs are computed where the model runs."""

    native: str
    field: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields[self.field] = native.config.pop(self.native)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = computed(draft.fields.pop(self.field))


def computed(value: Any) -> Any:
    """Dimensions as settings: numbers stay, expressions over symbols are marked."""
    if isinstance(value, tuple):
        return tuple(computed(size) for size in value)
    return Symbolic(value) if isinstance(value, str) else value


@dataclass(frozen=True)
class ReshapeSizes(Row):
    """The sizes of a reshape, with -1 for the one that is not known."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        sizes = draft.fields.pop("shape")
        unknown = [size for size in sizes if not isinstance(size, int)]
        empty = 0 in sizes or 0 in draft.types["x"].shape
        native.config["shape"] = (
            tuple(size if isinstance(size, int) else -1 for size in sizes)
            if len(unknown) == 1 and not empty
            else computed(sizes)
        )


@dataclass(frozen=True)
class LastAxisFirst(Row):
    """The ``pad`` of F.pad: (before, after) of the last axis first; leading axes without padding may be left out."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        flat, rank = native.config.pop("pad"), draft.ranks[0]
        pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)][::-1]
        draft.fields["pads"] = (((0, 0),) * (rank - len(pairs))) + tuple(pairs)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        pairs = draft.fields.pop("pads")
        first = next((axis for axis, pair in enumerate(pairs) if any(pair)), len(pairs) - 1)
        native.config["pad"] = computed(tuple(n for pair in reversed(pairs[first:]) for n in pair))


@dataclass(frozen=True)
class TrailingAxes(Row):
    """The ``normalized_shape`` of a LayerNorm, whose axes must be the last ones."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        rank = len(given["x"].shape)
        axes: tuple[int, ...] = layer.settings()["axes"]
        last = bool(axes) and axes == tuple(range(rank - len(axes), rank))
        return last and static(given["x"].shape[axes[0] :]) is not None

    def decode(self, native: Workpiece, draft: Draft) -> None:
        count, rank = len(native.config.pop("normalized_shape")), draft.ranks[0]
        draft.fields["axes"] = tuple(range(rank - count, rank))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["normalized_shape"] = tuple(draft.types["x"].shape[axis] for axis in draft.fields.pop("axes"))


@dataclass(frozen=True)
class KeepsIntegers(Row):
    """Sums of integers are int64 in PyTorch unless it is told the type they have."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        dtype = draft.types["x"].dtype
        if "int" in dtype and dtype != "int64":
            native.config["dtype"] = Dtype(dtype)


def is_integer(slot: str) -> When:
    """The op is for integers."""
    return When(lambda _, given: "int" in given[slot].dtype)


def is_float(slot: str) -> When:
    """The op is for floats."""
    return When(lambda _, given: "float" in given[slot].dtype)


def stored(*roles: str) -> When:
    """The module needs these operands, where they are there at all, as its own: none may be computed by the graph."""
    return When(lambda layer, given: all(role in layer.operands for role in roles if role in given))


def unary(native: str, layer: str, *rows: Row) -> Codec:
    """A function of one value."""
    return Codec(native, layer_class(layer), Input("x"), *rows)


def binary(native: str, layer: str, *rows: Row) -> Codec:
    """A function of two values."""
    return Codec(native, layer_class(layer), Input("x0"), Input("x1"), *rows)


def function(native: str, layer: str, slots: str, *rows: Row, results: str = "") -> Codec:
    """A function of the values in these slots, with these results where there are several."""
    return Codec(
        native, layer_class(layer), *map(Input, slots.split()), *rows, *(Output(name) for name in results.split())
    )


def known(shape: tuple[Dimension, ...]) -> bool:
    """Whether all sizes are numbers."""
    return static(shape) is not None


def attributes(*names: str) -> tuple[Row, ...]:
    """Settings that have the same name on both sides, or ``native=field``."""
    pairs = [name.partition("=") for name in names]
    return tuple(Attribute(native, field) for native, _, field in pairs)
