"""Rows that TensorFlow's ops need, shared by the families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from irconv.codec import Codec, Draft, NativeWeight, Row, Workpiece
from irconv.containers.graph_def import ElementType
from irconv.data_classes import dataclass
from irconv.ir.dtypes import numpy_dtype, shortest_float32
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

    @property
    def dtype(self) -> str:
        """The type of the numbers when they are written."""
        return "int32"

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value = self.write(draft.fields.pop(self.field), draft)
        given_or_constant(self.native, self.field, value, self.dtype, draft, native)

    def wanted(self, draft: Draft) -> dict[str, Any]:
        """Field -> what stands in the op for it; where sizes in that are not known, they are computed by the graph and
        given as an input of the field's name."""
        return {self.field: self.write(draft.fields[self.field], draft)} if self.field in draft.fields else {}

    def read(self, value: Any, draft: Draft) -> Any:
        """The field."""
        raise NotImplementedError

    def write(self, value: Any, draft: Draft) -> Any:
        """The numbers."""
        raise NotImplementedError


def given_or_constant(name: str, field: str, value: Any, dtype: str, draft: Draft, native: Workpiece) -> None:
    """An input of numbers: what the graph computes for a field, or else a constant. Raises `Refused` for sizes that are
    not known."""
    if field in draft.types:
        native.inputs.append(field)
        return
    if unknown := [size for size in flattened(value) if isinstance(size, str)]:
        raise draft.refuse(f"its {field} depends on sizes that are not known: {', '.join(map(str, unknown))}")
    native.inputs.append(name)
    try:
        data = LazyTensor.of(np.asarray(value, numpy_dtype(dtype)))
    except OverflowError as error:
        raise draft.refuse(f"its {field} is {value}, and TensorFlow takes numbers of {dtype} there") from error
    native.tensors[name] = NativeWeight(f"{draft.name}/{name}", data, literal=True)


def flattened(value: Any) -> list[Any]:
    """The numbers and sizes in nested lists of them."""
    return [part for item in value for part in flattened(item)] if isinstance(value, list | tuple) else [value]


@dataclass(frozen=True)
class Kernel(Row):
    """What TensorFlow's kernels for processors compute, of what the op can say. Stands first."""

    what: str
    """For messages: ``takes images only``."""
    fits: Callable[[Mapping[str, Any], Mapping[str, ValueType]], bool]
    """(Settings of the layer, types of its inputs and operands) -> whether there is a kernel."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return self.fits(layer.settings(), given)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if not self.fits(draft.fields, draft.types):
            raise draft.refuse(f"TensorFlow's kernel {self.what}")


ALONG_LAST = Kernel("works along the last axis", lambda fields, given: fields["axis"] == len(given["x"].shape) - 1)


@dataclass(frozen=True)
class ResultType(Row):
    """A result that TensorFlow gives in another type than the IR layer has, and that is cast when it is written."""

    slot: str
    dtype: str

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config.setdefault(RESULTS, {})[self.slot] = self.dtype


RESULTS = "results"
"""In the settings of a native op on the way out: slot -> the type that TensorFlow gives it."""


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
        if value is None:
            raise draft.refuse(f"takes {self.field}, got none")
        return list(value)


@dataclass(frozen=True)
class NumberInput(NumbersInput):
    """One number or dimension."""

    kind: str = "int32"

    @property
    def dtype(self) -> str:
        """See `NumbersInput.dtype`."""
        return self.kind

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

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`: elements are not cut off."""
        return not any(isinstance(size, int) and size < 0 for size in flattened(layer.settings()[self.field]))


@dataclass(frozen=True)
class FloatInput(NumbersInput):
    """A floating number of the type of the values."""

    def wanted(self, draft: Draft) -> dict[str, Any]:
        """See `NumbersInput.wanted`: there is no size in it."""
        return {}

    def read(self, value: Any, draft: Draft) -> Any:
        return None if value is None else shortest_float32(float(value))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value = draft.fields.pop(self.field)
        native.inputs.append(self.native)
        data = LazyTensor.of(np.asarray(value, numpy_dtype(draft.types["x"].dtype)))
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


@dataclass(frozen=True)
class Count(Row):
    """How many values an op of several takes."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        native.config.pop("N", None)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["N"] = sum(slot[:1] == "x" and slot[1:].isdigit() for slot in draft.types)


def within(draft: Draft, name: str, axis: Any) -> int:
    """An axis counted from 0. Raises `Refused` for one that is not there."""
    rank = draft.ranks[0]
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise draft.refuse(f"expected {name} between {-rank} and {rank - 1}, got {axis!r}")
    return axis % rank


def op(native: str, layer: str, *rows: Row, types: str = "T=x") -> Codec:
    """An op and the layer it is."""
    return Codec(native, layer_class(layer), *([Types(types)] if types else []), *rows)


def of_rank(rank: int, what: str, slot: str = "x") -> Kernel:
    """The row of a kernel that takes values of one rank only; `what` are they."""
    return Kernel(f"takes {what} only", lambda _, given: len(given[slot].shape) == rank)
