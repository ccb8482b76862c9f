"""Operations on images that are formulas: spaces of colours, areas, places of the largest, and boxes cut out."""

from __future__ import annotations

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.frameworks.tensorflow.ops.shapes import dimensions
from irconv.ir.layers.activations import Clip
from irconv.ir.layers.arithmetic import Div, Sub
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import And, Cast, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Where
from irconv.ir.layers.elementwise import Abs
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.pooling import AveragePool, MaxPoolWithIndices
from irconv.ir.layers.resampling import GridSample, Resize
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.slicing import Select, Stack
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Transpose
from irconv.ir.layers.window import Padding
from irconv.ir.shapes import static

_FIRST, _LAST = (0, 3, 1, 2), (0, 2, 3, 1)
_PADDINGS: dict[str, Padding] = {"SAME": "same_upper", "VALID": ((0, 0), (0, 0))}


class _Formula:
    """Layers as a formula, each under a name of its own below a node."""

    def __init__(self, reader: GraphReader, node: NodeDef, dtype: str) -> None:
        self.reader, self.node, self.dtype, self.count = reader, node, dtype, 0

    def __call__(self, layer: Layer, *values: str, last: bool = False) -> str:
        slots = [f"x{i}" for i in range(len(values))] if layer.VARIADIC else list(layer.SLOTS)
        self.count += 1
        suffix = "" if last else f"{layer.type.lower()}{self.count}"
        return self.reader.place(self.node, layer, suffix, **dict(zip(slots, values, strict=False)))

    def number(self, value: float) -> str:
        self.count += 1
        return self.reader.number(self.node, value, self.dtype, f"number{self.count}")


def _channels(f: _Formula, x: str) -> list[str]:
    axis = len(f.reader.type_of(x).shape) - 1
    return [f(Select(axis=axis, index=i), x) for i in range(3)]


def _joined(f: _Formula, channels: list[str]) -> str:
    return f(Stack(axis=len(f.reader.type_of(channels[0]).shape)), *channels, last=True)


def _to_hsv(reader: GraphReader, node: NodeDef) -> None:
    """Value is the largest channel, saturation the range over that, hue where on the circle of colours it is."""
    x = reader.given(node, 0)
    dtype, shape = reader.type_of(x)
    f, axes = _Formula(reader, node, dtype), (len(shape) - 1,)
    red, green, blue = _channels(f, x)
    value = f(Reduce(op="max", axes=axes, keepdims=False), x)
    spread = f(Sub(), value, f(Reduce(op="min", axes=axes, keepdims=False), x))
    zero, one = f.number(0.0), f.number(1.0)
    coloured, lit = f(Greater(), spread, zero), f(Greater(), value, zero)
    saturation = f(Where(), lit, f(Div(), spread, f(Where(), lit, value, one)), zero)
    divisor = f(Mul(), f(Where(), coloured, spread, one), f.number(6.0))

    def along(first: str, second: str, start: float) -> str:
        return f(Add(), f(Div(), f(Sub(), first, second), divisor), f.number(start))

    others = f(Where(), f(Equal(), green, value), along(blue, red, 2 / 6), along(red, green, 4 / 6))
    hue = f(Where(), f(Equal(), red, value), along(green, blue, 0.0), others)
    hue = f(Where(), coloured, hue, zero)
    hue = f(Where(), f(Less(), hue, zero), f(Add(), hue, one), hue)
    reader.gives(node, _joined(f, [hue, saturation, value]))


def _to_rgb(reader: GraphReader, node: NodeDef) -> None:
    """``value (1 - saturation + saturation c)`` with c of each channel from 0 to 1 by how near the hue is to it."""
    x = reader.given(node, 0)
    f = _Formula(reader, node, reader.type_of(x).dtype)
    hue, saturation, value = _channels(f, x)
    turn, one = f(Mul(), hue, f.number(6.0)), f.number(1.0)
    grey = f(Sub(), one, saturation)
    near = [f(Sub(), f(Abs(), f(Sub(), turn, f.number(3.0))), one)]
    near += [f(Sub(), f.number(2.0), f(Abs(), f(Sub(), turn, f.number(at)))) for at in (2.0, 4.0)]
    parts = [f(Mul(), saturation, f(Clip(low=0.0, high=1.0), part)) for part in near]
    reader.gives(node, _joined(f, [f(Mul(), f(Add(), grey, part), value) for part in parts]))


def _by_area(reader: GraphReader, node: NodeDef) -> None:
    """The mean of what lies under each new element: an average where the size is divided, copies where multiplied."""
    x, sizes = reader.given(node, 0), static(dimensions(reader.numbers(node, 1)))
    old = static(reader.type_of(x).shape[1:3])
    if old is None or sizes is None or node.attrs.get("align_corners"):
        raise Refused(reader.where(node), "expected known sizes and align_corners=False")
    f = _Formula(reader, node, "float32")
    if reader.type_of(x).dtype != "float32":
        x = f(Cast(dtype="float32"), x)
    first = f(Transpose(permutation=_FIRST), x)
    if not any(n % m for n, m in zip(old, sizes, strict=True)):
        window = tuple(n // m for n, m in zip(old, sizes, strict=True))
        none = ((0, 0), (0, 0))
        layer: Layer = AveragePool(kernel=window, stride=window, padding=none, ceil_mode=False, count_padding=False)
    elif not any(m % n for n, m in zip(old, sizes, strict=True)):
        layer = Resize(
            mode="nearest",
            sizes=sizes,
            scales=None,
            coordinates="asymmetric",
            rounding="floor",
            cubic_coefficient=None,
            exclude_outside=False,
            antialias=False,
        )
    else:
        raise Refused(reader.where(node), f"expected sizes that divide {old} or are multiples of it, got {sizes}")
    reader.gives(node, f(Transpose(permutation=_LAST), f(layer, first), last=True))


def _with_places(reader: GraphReader, node: NodeDef) -> None:
    """A pool, and where in an image with its channels last each result was found."""
    if node.attrs.get("include_batch_in_index"):
        raise Refused(reader.where(node), "expected include_batch_in_index=False, got True")
    x, attrs = reader.given(node, 0), node.attrs
    channels = reader.type_of(x).shape[3]
    if not isinstance(channels, int):
        raise Refused(reader.where(node), f"expected a known number of channels, got {channels}")
    kernel, stride = (tuple(int(n) for n in attrs[name])[1:3] for name in ("ksize", "strides"))
    layer = MaxPoolWithIndices(
        kernel=kernel,
        stride=stride,
        dilation=(1, 1),
        padding=_PADDINGS[str(attrs["padding"])],
        ceil_mode=False,
        counted="plane",
    )
    f = _Formula(reader, node, "int64")
    names = {slot: f"{node.name}/{slot}" for slot in ("y", "indices")}
    reader.importer.use(layer, {"x": f(Transpose(permutation=_FIRST), x)}, names, node.name, where=reader.where(node))
    pooled, places = (f(Transpose(permutation=_LAST), names[slot]) for slot in ("y", "indices"))
    numbers = reader.importer.constant(f"{node.name}/channels", np.arange(channels))
    found = f(Add(), f(Mul(), places, f.number(channels)), numbers)
    dtype = str(attrs.get("Targmax") or "int64")
    reader.values[Reference(node.name, 0)] = pooled
    reader.values[Reference(node.name, 1)] = found if dtype == "int64" else f(Cast(dtype=dtype), found)


def _cropped(reader: GraphReader, node: NodeDef) -> None:
    """Boxes of images, each read at the places of a grid between its corners; places outside an image are a number."""
    image, boxes, owners = (reader.given(node, index) for index in range(3))
    crop, old = static(dimensions(reader.numbers(node, 3))), static(reader.type_of(image).shape[1:3])
    if node.attrs.get("method", "bilinear") != "bilinear" or crop is None or old is None or min(old) < 2:
        raise Refused(reader.where(node), "expected the method bilinear, and known sizes above 1")
    f = _Formula(reader, node, "float32")
    if reader.type_of(image).dtype != "float32":
        image = f(Cast(dtype="float32"), image)
    corners = [f(Select(axis=1, index=i), boxes) for i in range(4)]
    rows = _places(f, corners[0], corners[2], crop[0], old[0])
    columns = _places(f, corners[1], corners[3], crop[1], old[1])
    (y, seen_y), (x, seen_x) = rows, columns
    ones = [reader.importer.constant(f"{node.name}/ones{i}", np.zeros(s, np.float32)) for i, s in enumerate(crop)]
    down, across = f(Unsqueeze(axes=(2,)), y), f(Unsqueeze(axes=(1,)), x)
    tall = f(Add(), across, f(Unsqueeze(axes=(1,)), ones[0]))
    grid = f(Stack(axis=3), tall, f(Add(), down, ones[1]))
    chosen = f(Transpose(permutation=_FIRST), f(Gather(axis=0), image, owners))
    read = f(GridSample(mode="linear", outside="border", align_corners=True), chosen, grid)
    seen = f(And(), f(Unsqueeze(axes=(2,)), seen_y), f(Unsqueeze(axes=(1,)), seen_x))
    outside = f.number(float(node.attrs.get("extrapolation_value", 0.0)))
    last = f(Transpose(permutation=_LAST), read)
    reader.gives(node, f(Where(), f(Unsqueeze(axes=(3,)), seen), last, outside, last=True))


def _places(f: _Formula, first: str, second: str, count: int, size: int) -> tuple[str, str]:
    """Places between two corners along one axis, from -1 to 1, and whether each is inside."""
    scale = f.number(float(size - 1))
    if count > 1:
        step = f(Div(), f(Mul(), f(Sub(), second, first), scale), f.number(float(count - 1)))
        numbers = f.reader.importer.constant(f"{f.node.name}/steps{f.count}", np.arange(count, dtype=np.float32))
        start = f(Unsqueeze(axes=(1,)), f(Mul(), first, scale))
        at = f(Add(), start, f(Mul(), f(Unsqueeze(axes=(1,)), step), numbers))
    else:
        middle = f(Mul(), f(Mul(), f(Add(), first, second), f.number(0.5)), scale)
        at = f(Unsqueeze(axes=(1,)), middle)
    inside = f(And(), f(GreaterOrEqual(), at, f.number(0.0)), f(LessOrEqual(), at, scale))
    return f(Sub(), f(Mul(), at, f.number(2.0 / (size - 1))), f.number(1.0)), inside


HANDLERS = {
    "RGBToHSV": _to_hsv,
    "HSVToRGB": _to_rgb,
    "ResizeArea": _by_area,
    "MaxPoolWithArgmax": _with_places,
    "CropAndResize": _cropped,
}
