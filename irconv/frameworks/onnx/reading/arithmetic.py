"""Arithmetic whose form depends on the opset, and activations with bounds or slopes as inputs."""

from __future__ import annotations

from collections.abc import Callable

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import Clip, HardShrink, PRelu, SoftShrink
from irconv.ir.layers.arithmetic import Maximum, Mean, Minimum, Mod, Pow, Sub
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import BitShift, Cast, Where
from irconv.ir.layers.elementwise import Erf, Sign
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.tensor_ops import Add, Identity, Mul


def _broadcast(op: Op, reader: ModelReader) -> list[str]:
    """The inputs; before opset 7 the second could be laid along an axis of the first."""
    values = list(op.inputs)
    if op.version < 7 and op.attribute("broadcast") and op.attribute("axis") is not None:
        first, second = (len(reader.shape(value)) for value in values)
        after = first - op.attributes["axis"] - second
        if after > 0:
            layer = Unsqueeze(axes=tuple(range(second, second + after)))
            values[1] = reader.place(op, layer, "along", x=values[1])
    return values


def _several(layer: Callable[[], Layer]) -> Handler:
    def read(reader: ModelReader, op: Op) -> None:
        values = _broadcast(op, reader)
        reader.place(op, layer(), **{f"x{i}": value for i, value in enumerate(values)})

    return read


def _two(name: str) -> Handler:
    def read(reader: ModelReader, op: Op) -> None:
        left, right = _broadcast(op, reader)
        reader.place(op, layer_class(name)(type=name), x0=left, x1=right)

    return read


def _power(reader: ModelReader, op: Op) -> None:
    """The exponent may be of another type; the result is of the base's."""
    base, exponent = _broadcast(op, reader)
    types = [reader.type_of(value).dtype for value in (base, exponent)]
    if types[0] == types[1]:
        reader.place(op, Pow(), x0=base, x1=exponent)
    elif "float" in types[0] or "int" in types[1]:
        reader.place(op, Pow(), x0=base, x1=reader.place(op, Cast(dtype=types[0]), "exponent", x=exponent))
    else:
        wide = reader.place(op, Cast(dtype=types[1]), "base", x=base)
        reader.place(op, Cast(dtype=types[0]), x=reader.place(op, Pow(), "power", x0=wide, x1=exponent))


def _sum(reader: ModelReader, op: Op) -> None:
    if len(op.inputs) == 1:
        reader.gives(op, op.given(0))
        return
    reader.place(op, Add(), **{f"x{i}": value for i, value in enumerate(op.inputs)})


def _remainder(reader: ModelReader, op: Op) -> None:
    dtype = reader.type_of(op.given(0)).dtype
    sign = "dividend" if op.attribute("fmod") else "divisor"
    if sign == "divisor" and "float" in dtype:
        raise Refused(op.where, "is Mod of floating numbers without fmod, which ONNX does not define")
    reader.place(op, Mod(sign=sign), x0=op.given(0), x1=op.given(1))


def _clip(reader: ModelReader, op: Op) -> None:
    """Bounds are attributes before opset 11, inputs from then on, which may be computed."""
    if op.version < 11:
        low, high = (op.attribute(name) for name in ("min", "max"))
        bounds = [None if abs(found) > 3e38 else found for found in (low, high)]
        reader.place(op, Clip(low=shortest_float32(bounds[0]), high=shortest_float32(bounds[1])), x=op.given(0))
        return
    limits = [op.given(1), op.given(2)]
    if not any(limits):
        reader.place(op, Identity(), x=op.given(0))
        return
    dtype = reader.type_of(op.given(0)).dtype
    known = [value == "" or reader.importer.known(value) is not None for value in limits]
    if all(known) and "float" in dtype:
        low, high = (reader.number(op, i) for i in (1, 2))
        reader.place(op, Clip(low=shortest_float32(low), high=shortest_float32(high)), x=op.given(0))
        return
    value = op.given(0)
    if limits[0]:
        value = reader.place(op, Maximum(), "low" if limits[1] else "", x0=value, x1=limits[0])
    if limits[1]:
        reader.place(op, Minimum(), x0=value, x1=limits[1])


def _shrink(reader: ModelReader, op: Op) -> None:
    """What the threshold leaves, nearer to 0 by the bias."""
    bias, threshold = (float(op.attribute(name)) for name in ("bias", "lambd"))
    layer = {0.0: HardShrink(threshold=threshold), threshold: SoftShrink(threshold=threshold)}.get(bias)
    if layer is not None:
        reader.place(op, layer, x=op.given(0))
        return
    if threshold < 0:
        raise Refused(op.where, f"expected a bias of 0 or of its lambd, {threshold}, got {bias}")
    left = reader.place(op, HardShrink(threshold=threshold), "left", x=op.given(0))
    number = reader.constant(op, bias, "bias", reader.type_of(op.given(0)).dtype)
    nearer = reader.place(op, Mul(), "nearer", x0=reader.place(op, Sign(), "sign", x=left), x1=number)
    reader.place(op, Sub(), x0=left, x1=nearer)


def _slope(reader: ModelReader, op: Op) -> None:
    """A slope that broadcasts as numpy's operands do; one of fewer axes than x has without its first is written out."""
    x, slope = op.given(0), op.given(1)
    shape, rank = reader.shape(slope), len(reader.shape(x))
    if len(shape) == rank - 1 and reader.importer.stored(slope) is not None:
        reader.place(op, PRelu(), x=x, slope=slope)
        return
    zero = reader.constant(op, 0.0, "zero", reader.type_of(x).dtype)
    above = reader.place(op, Maximum(), "above", x0=x, x1=zero)
    below = reader.place(op, Minimum(), "below", x0=x, x1=zero)
    reader.place(op, Add(), x0=above, x1=reader.place(op, Mul(), "sloped", x0=below, x1=slope))


def _where(reader: ModelReader, op: Op) -> None:
    reader.place(op, Where(), condition=op.given(0), x0=op.given(1), x1=op.given(2))


def _shifted(reader: ModelReader, op: Op) -> None:
    layer = BitShift(direction=op.attributes["direction"].lower())
    reader.place(op, layer, x0=op.given(0), x1=op.given(1))


def _erfc(reader: ModelReader, op: Op) -> None:
    """Not an op of ONNX; Keras 3 writes it for ``1 - erf(x)``."""
    one = reader.constant(op, 1.0, "one", reader.type_of(op.given(0)).dtype)
    reader.place(op, Sub(), x0=one, x1=reader.place(op, Erf(), "erf", x=op.given(0)))


_BINARY = "Sub Div Equal Less LessOrEqual Greater GreaterOrEqual And Or Xor BitwiseAnd BitwiseOr BitwiseXor"

HANDLERS: dict[str, Handler] = {
    **{name: _two(name) for name in _BINARY.split()},
    "Pow": _power,
    "Add": _several(Add),
    "Mul": _several(Mul),
    "Sum": _sum,
    "Max": _several(Maximum),
    "Min": _several(Minimum),
    "Mean": _several(Mean),
    "Mod": _remainder,
    "Clip": _clip,
    "Shrink": _shrink,
    "PRelu": _slope,
    "Where": _where,
    "BitShift": _shifted,
    "Erfc": _erfc,
}
