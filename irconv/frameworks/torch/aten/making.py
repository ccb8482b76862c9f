"""Tensors that are made of numbers alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.ir.known import KNOWN_ELEMENTS
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.matrix import Trilu
from irconv.ir.layers.shape_ops import Expand, Full, Range
from irconv.ir.layers.tensor_ops import Reshape
from irconv.ir.shapes import Dimension, Shape


def _constant(number: Any) -> Handler:
    """A shape filled with a number; what is left as memory was found (``empty``) is zeros."""

    def read(reader: ProgramReader, call: Call) -> None:
        value, like = call.arguments.get("fill_value", number), call.arguments.get("self")
        if "size" in call.arguments:
            shape: Shape = tuple(call.arguments["size"])
        else:
            shape = reader.shape(like) if isinstance(like, Tensor) else ()
        usual = reader.type_of(like).dtype if isinstance(like, Tensor) else "float32"
        dtype = call.get("dtype") or usual
        if isinstance(value, Tensor):
            made = reader.cast(call, reader.value(value), dtype, "typed")
            reader.place(call, Expand(shape=shape), x=made)
            return
        if "fill_value" in call.arguments and not call.get("dtype") and not isinstance(like, Tensor):
            dtype = {bool: "bool", int: "int64"}.get(type(value), "float32")
        if isinstance(value, str):
            raise Refused(call.where, f"fills with the size {value}, which irconv does not read")
        typed = bool(value) if dtype == "bool" else float(value) if "float" in dtype else int(value)
        reader.place(call, Full(shape=shape, value=typed, dtype=dtype))

    return read


def _range(reader: ProgramReader, call: Call) -> None:
    start, end, step = call.get("start", 0), call.arguments["end"], call.get("step", 1)
    dtype = call.get("dtype") or ("float32" if any(isinstance(n, float) for n in (start, end, step)) else "int64")
    if any(isinstance(n, float) and n != int(n) for n in (start, end, step)):
        if isinstance(start, str) or isinstance(end, str):
            raise Refused(call.where, f"counts from {start} to {end} in steps of {step}")
        count = int(np.ceil((end - start) / step))
        _numbers(reader, call, start + np.arange(max(count, 0)) * np.float64(step), dtype)
        return
    bounds: list[Dimension] = [n if isinstance(n, str) else int(n) for n in (start, end)]
    layer = Range(start=bounds[0], limit=bounds[1], step=int(step))
    if dtype == "int64":
        reader.place(call, layer)
    else:
        reader.place(call, Cast(dtype=dtype), x=reader.place(call, layer, "int64"))


def _numbers(reader: ProgramReader, call: Call, values: Any, dtype: str) -> None:
    if values.size > KNOWN_ELEMENTS:
        raise Refused(call.where, f"makes {values.size} numbers, which irconv does not write out")
    reader.gives(call, reader.number(call, values, dtype, "numbers"))


def _spaced(reader: ProgramReader, call: Call) -> None:
    """``linspace``: PyTorch counts the second half from the end."""
    start, end, steps = (call.arguments[name] for name in ("start", "end", "steps"))
    if not all(isinstance(n, int | float) for n in (start, end, steps)) or not 0 <= steps <= KNOWN_ELEMENTS:
        raise Refused(call.where, f"makes {steps} numbers from {start} to {end}, which are not known")
    dtype = call.get("dtype") or "float32"
    step = np.float32((end - start) / (steps - 1)) if steps > 1 else np.float32(0)
    places = np.arange(steps)
    rising, falling = np.float32(start) + step * places, np.float32(end) - step * (steps - 1 - places)
    _numbers(
        reader, call, np.where(places < steps // 2, rising, falling) if steps > 1 else np.full(steps, start), dtype
    )


def _eye(reader: ProgramReader, call: Call) -> None:
    rows = call.arguments["n"]
    columns = call.get("m", rows)
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise Refused(call.where, f"makes a unit matrix of {rows} rows, which are not known")
    _numbers(reader, call, np.eye(rows, columns), call.get("dtype") or "float32")


def _triangle(upper: bool) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        layer = Trilu(upper=upper, diagonal=call.get("diagonal", 0))
        reader.place(call, layer, x=reader.value(call.arguments["self"]))

    return read


def _grid(reader: ProgramReader, call: Call) -> None:
    """``meshgrid``: each vector along an axis of its own; ``xy`` has the first two of them the other way round."""
    tensors, swapped = call.arguments["tensors"], call.get("indexing", "ij") == "xy"
    values = [reader.value(tensor) for tensor in tensors]
    sizes: list[Dimension] = [(reader.shape(tensor) or (1,))[0] for tensor in tensors]
    places = list(range(len(values)))
    if swapped and len(values) > 1:
        places[:2] = 1, 0
    shape = tuple(sizes[places.index(axis)] for axis in range(len(values)))
    for index, (value, output) in enumerate(zip(values, call.outputs, strict=True)):
        own = tuple(sizes[index] if axis == places[index] else 1 for axis in range(len(values)))
        apart = reader.place(call, Reshape(shape=own), f"axis{index}", x=value)
        reader.importer.place(Expand(shape=shape), {"x": apart}, [output], name=output, where=call.where)
        reader.values[output] = output


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("zeros.default", "zeros_like.default", "new_zeros.default"), _constant(0)),
    **dict.fromkeys(("empty.memory_format", "empty_like.default", "new_empty.default"), _constant(0)),
    **dict.fromkeys(("empty_strided.default", "new_empty_strided.default", "empty_permuted.default"), _constant(0)),
    **dict.fromkeys(("ones.default", "ones_like.default", "new_ones.default"), _constant(1)),
    **dict.fromkeys(("full.default", "full_like.default", "new_full.default"), _constant(None)),
    **dict.fromkeys(("arange.default", "arange.start", "arange.start_step"), _range),
    "linspace.default": _spaced,
    **dict.fromkeys(("eye.default", "eye.m"), _eye),
    "triu.default": _triangle(True),
    "tril.default": _triangle(False),
    **dict.fromkeys(("meshgrid.default", "meshgrid.indexing"), _grid),
}
