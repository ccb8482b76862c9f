"""Rows that TensorFlow's ops need, shared by the families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from irconv.codec import Codec, Draft, NativeWeight, Row, Workpiece
from irconv.containers.graph_def import ElementType
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers import layer_class
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.shapes import filled
from irconv.ir.tensors import LazyTensor
from irconv.rows import SAME, Iso, known_input

FLOAT32 = Iso(shortest_float32, SAME.encode)
IMAGE = {"NHWC": "n *s c", "NCHW": "n c *s"}
VOLUME = {"NDHWC": "n *s c", "NCDHW": "n c *s"}


@dataclass(frozen=True)
class Types(Row):
    """The attributes that say element types, ``T=x`` for that of a slot, ``Tidx=int32`` for one that never varies.

    A graph's values say their types themselves, so that reading passes over them.
    """

    attributes: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        for word in self.attributes.split():
            native.config.pop(word.partition("=")[0], None)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        for word in self.attributes.split():
            name, _, of = word.partition("=")
            native.config[name] = ElementType(draft.types[of].dtype if of in draft.types else of)


@dataclass(frozen=True)
class NumbersInput(Row):
    """The base of rows that stand for an input of numbers which are known while reading and a constant when written."""

    native: str
    field: str

    @property
    def takes_inputs(self) -> Literal["one"]:
        """See `Row.takes_inputs`."""
        return "one"

    @property
    def tensor(self) -> str:
        """See `Row.tensor`."""
        return self.native

    def decode(self, native: Workpiece, draft: Draft) -> None:
        value = known_input(self, native, draft)
        draft.fields[self.field] = self.read(value, draft)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value = self.write(draft.fields.pop(self.field), draft)
        native.inputs.append(self.native)
        if any(isinstance(number, str) for number in (value if isinstance(value, list) else [value])):
            raise draft.refuse(f"its {self.field} depends on sizes that are not known: {value}")
        native.tensors[self.native] = NativeWeight(
            f"{draft.name}/{self.native}", LazyTensor.of(np.asarray(value, np.int32)), literal=True
        )

    def read(self, value: Any, draft: Draft) -> Any:
        """The field."""
        raise NotImplementedError

    def write(self, value: Any, draft: Draft) -> Any:
        """The numbers."""
        raise NotImplementedError


@dataclass(frozen=True)
class AxisInput(NumbersInput):
    """An axis, counted from the end where it is negative."""

    def read(self, value: Any, draft: Draft) -> Any:
        (axis,) = value if isinstance(value, list) else (value,)
        return within(draft, self.native, axis)

    def write(self, value: Any, draft: Draft) -> Any:
        return value


@dataclass(frozen=True)
class AxesInput(NumbersInput):
    """Several axes, or one, counted from the end where they are negative."""

    def read(self, value: Any, draft: Draft) -> Any:
        axes = value if isinstance(value, list) else [value]
        return tuple(sorted({within(draft, self.native, axis) for axis in axes}))

    def write(self, value: Any, draft: Draft) -> Any:
        return list(value)


@dataclass(frozen=True)
class TupleInput(NumbersInput):
    """Several numbers or dimensions."""

    def read(self, value: Any, draft: Draft) -> Any:
        return tuple(value)

    def write(self, value: Any, draft: Draft) -> Any:
        return list(value)


@dataclass(frozen=True)
class NumberInput(NumbersInput):
    """One number or dimension."""

    def read(self, value: Any, draft: Draft) -> Any:
        (number,) = value if isinstance(value, list) else (value,)
        return number

    def write(self, value: Any, draft: Draft) -> Any:
        return value


@dataclass(frozen=True)
class ShapeInput(NumbersInput):
    """A shape in which one -1 is the size that is left; when written, one size that is not known is -1."""

    def read(self, value: Any, draft: Draft) -> Any:
        try:
            return filled(tuple(value), draft.given[0].shape)
        except ValueError as error:
            raise draft.refuse(str(error)) from error

    def write(self, value: Any, draft: Draft) -> Any:
        unknown = [size for size in value if not isinstance(size, int)]
        return [size if isinstance(size, int) else -1 for size in value] if len(unknown) == 1 else list(value)


@dataclass(frozen=True)
class PadsInput(NumbersInput):
    """(before, after) of every axis."""

    def read(self, value: Any, draft: Draft) -> Any:
        return tuple((before, after) for before, after in value)

    def write(self, value: Any, draft: Draft) -> Any:
        return [list(pair) for pair in value]


@dataclass(frozen=True)
class FloatInput(NumbersInput):
    """A floating number of the type of the values."""

    def read(self, value: Any, draft: Draft) -> Any:
        return None if value is None else shortest_float32(float(value))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value = draft.fields.pop(self.field)
        native.inputs.append(self.native)
        data = LazyTensor.of(np.asarray(value, np.float32))
        native.tensors[self.native] = NativeWeight(f"{draft.name}/{self.native}", data, literal=True)


@dataclass(frozen=True)
class Spatial(Row):
    """Numbers for every axis of an image, of which those of batch and channels are 1. Stands before the axes' row."""

    native: str
    field: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given = tuple(native.config.pop(self.native))
        last = native.config["data_format"][-1] == "C"
        outer, inner = ((given[0], given[-1]), given[1:-1]) if last else (given[:2], given[2:])
        if outer != (1, 1):
            raise draft.refuse(f"expected {self.native} of 1 for batch and channels, got {given}")
        draft.fields[self.field] = inner

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = (1, *draft.fields.pop(self.field), 1)


@dataclass(frozen=True)
class WindowPadding(Row):
    """``SAME``, ``VALID``, or numbers for every axis. Stands before the axes' row."""

    explicit: bool = False
    """Whether the op takes numbers."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        word, numbers = native.config.pop("padding"), tuple(native.config.pop("explicit_paddings", ()))
        spatial = len(native.config["data_format"]) - 2
        if word == "SAME":
            draft.fields["padding"] = "same_upper"
        elif word == "VALID":
            draft.fields["padding"] = ((0, 0),) * spatial
        elif word == "EXPLICIT" and len(numbers) == 2 * (spatial + 2):
            pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True))
            draft.fields["padding"] = pairs[1:-1] if native.config["data_format"][-1] == "C" else pairs[2:]
        else:
            raise draft.refuse(f"expected padding SAME, VALID, or EXPLICIT with numbers, got {word} {numbers}")

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        padding = layer.settings()["padding"]
        return padding == "same_upper" or (
            not isinstance(padding, str) and (self.explicit or not any(map(any, padding)))
        )

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding = draft.fields.pop("padding")
        if isinstance(padding, str) and padding != "same_upper":
            raise draft.refuse(f"TensorFlow has no padding {padding}")
        if padding == "same_upper":
            native.config["padding"] = "SAME"
        elif not any(map(any, padding)):
            native.config["padding"] = "VALID"
        elif self.explicit:
            native.config["padding"] = "EXPLICIT"
            native.config["explicit_paddings"] = tuple(n for pair in ((0, 0), *padding, (0, 0)) for n in pair)
        else:
            raise draft.refuse(f"takes SAME and VALID padding only, got {padding}")


def within(draft: Draft, name: str, axis: Any) -> int:
    """An axis counted from 0. Raises `Refused` for one that is not there."""
    rank = draft.ranks[0]
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise draft.refuse(f"expected {name} between {-rank} and {rank - 1}, got {axis!r}")
    return axis % rank


def op(native: str, layer: str, *rows: Row, types: str = "T=x") -> Codec:
    """An op and the layer it is."""
    return Codec(native, layer_class(layer), *([Types(types)] if types else []), *rows)
