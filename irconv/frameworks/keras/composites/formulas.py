"""Operators of `keras.ops` that others make up, and whose numbers or sizes follow from the shapes of values."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from typing import Any

import numpy as np

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.calls import leaves
from irconv.frameworks.keras.composites.drawing import Drawing, Rule, Sizes, drawn
from irconv.ir.layers.ranges import written_out
from irconv.layout import Array

_WHOLE = {"start": None, "stop": None, "step": None}


def known(sizes: Sizes, axis: int) -> int:
    """A size that is a number. Raises `ValueError` for another."""
    size = sizes[axis]
    if not isinstance(size, int):
        raise ValueError(f"needs the size of axis {axis}, and {size} is not known")
    return size


def _along_the_last(o: Drawing, x: Value) -> tuple[Value, int | None]:
    """The value with the axis of the settings as its last, all of it where none is said."""
    axis = o.config.get("axis", -1)
    if axis is None:
        return o("Ravel", x), None
    if isinstance(axis, list):
        if len(axis) != 1:
            raise ValueError(f"is along several axes {axis}")
        axis = axis[0]
    return (x if axis == -1 else o("Moveaxis", x, source=axis, destination=-1)), int(axis)


def _argsort(o: Drawing, x: Value) -> Value:
    """Of equal elements the first comes first."""
    moved, axis = _along_the_last(o, x)
    count = o.of_shape(moved, lambda sizes: known(sizes, -1))
    _, places = o.many("TopK", 2, o("Negative", moved), k=count, sorted=True)
    turned = places if axis in (None, -1) else o("Moveaxis", places, source=-1, destination=axis)
    return o("Cast", turned, dtype="int32")


def _quantile(o: Drawing, x: Value, q: Any = 0.5) -> Value:
    """Between the two elements around place ``q (n - 1)`` of the sorted ones."""
    if isinstance(q, Value):
        o.problem("takes a computed share of the elements, and irconv reads a number")
        return x
    if (method := o.config.get("method") or "linear") != "linear":  # the operator of Keras 3.15 does not look at it
        raise ValueError(f"takes elements by the method {method}, which Keras itself reads in two ways")
    shares = [float(share) for share in leaves(q)]
    ordered, axis = _along_the_last(o, x)
    ordered = o("Sort", ordered, axis=-1)
    made = [_at(o, ordered, share) for share in shares]
    if o.config.get("keepdims"):
        if axis is None:
            shape = o.of_shape(x, lambda sizes: [1] * len(sizes))
            made = [o("Reshape", one, newshape=shape) for one in made]
        else:
            made = [o("ExpandDims", one, axis=axis) for one in made]
    return o("Stack", *made, axis=0) if isinstance(q, list) else made[0]


def _at(o: Drawing, ordered: Value, share: float) -> Value:
    def element(rule: Callable[[float], int]) -> Value:
        def place(sizes: Sizes) -> Array:
            return np.array(rule(share * (known(sizes, -1) - 1)), "int32")

        return o("Take", ordered, o.worked_out(ordered, place, "int32"), axis=-1)

    def rest(sizes: Sizes) -> Array:
        whole = share * (known(sizes, -1) - 1)
        return np.array(whole - floor(whole), "float32")

    part = o.worked_out(ordered, rest)
    return o("Add", o("Multiply", element(floor), o("Subtract", 1.0, part)), o("Multiply", element(ceil), part))


def _median(o: Drawing, x: Value) -> Value:
    return _quantile(o, x)


def _difference(o: Drawing, a: Value) -> Value:
    """Each element less the one before, n times."""
    axis = int(o.config.get("axis", -1))
    for _ in range(int(o.config.get("n", 1))):
        later = _from(o, a, axis, 1, None)
        a = o("Subtract", later, _from(o, a, axis, 0, -1))
    return a


def _from(o: Drawing, x: Value, axis: int, start: int, stop: int | None) -> Value:
    cut = {"start": start, "stop": stop, "step": None}
    return o("GetItem", x, key=["...", cut, *[_WHOLE] * (-1 - axis)] if axis < 0 else [*[_WHOLE] * axis, cut])


def _masked_diagonal(o: Drawing, x: Value) -> tuple[Value, int]:
    """The two axes as the last, and all but a diagonal of them zero."""
    offset, axes = int(o.config.get("offset") or 0), (o.config.get("axis1", 0), o.config.get("axis2", 1))
    if axes != (-2, -1):
        x = o("Moveaxis", x, source=list(axes), destination=[-2, -1])

    def rule(sizes: Sizes) -> Array:
        rows, columns = known(sizes, -2), known(sizes, -1)
        written_out(rows * columns, f"a diagonal of {rows} by {columns}")
        return np.eye(rows, columns, offset, dtype=bool)

    return o("Where", o.worked_out(x, rule, "bool"), x, 0.0), offset


def _trace(o: Drawing, x: Value) -> Value:
    kept, _ = _masked_diagonal(o, x)
    return o("Sum", kept, axis=[-2, -1], keepdims=False)


def _diagonal(o: Drawing, x: Value) -> Value:
    """Each row has one element of the diagonal, or none; those with one follow each other."""
    kept, offset = _masked_diagonal(o, x)

    def stop(sizes: Sizes) -> int:
        rows, columns = known(sizes, -2), known(sizes, -1)
        return max(0, -offset) + min(rows - max(0, -offset), columns - max(0, offset))

    rows = o("Sum", kept, axis=-1, keepdims=False)
    return o("GetItem", rows, key=["...", {"start": max(0, -offset), "stop": o.of_shape(kept, stop), "step": None}])


def _hypotenuse(o: Drawing, x1: Value, x2: Value) -> Value:
    return o("Sqrt", o("Add", o("Square", x1), o("Square", x2)))


def _log_add_exp2(o: Drawing, x1: Value, x2: Value) -> Value:
    """``max + log2(1 + 2^-|x1 - x2|)``."""
    apart = o("Multiply", o("Absolute", o("Subtract", x1, x2)), -float(np.log(2)))
    more = o("Multiply", o("Log1p", o("Exp", apart)), float(1 / np.log(2)))
    return o("Add", o("Maximum", x1, x2), more)


def _cube_root(o: Drawing, x: Value) -> Value:
    return o("Multiply", o("Sign", x), o("Power", o("Absolute", x), 1 / 3))


def _sinc(o: Drawing, x: Value) -> Value:
    angle = o("Multiply", x, float(np.pi))
    nothing = o("Equal", x, 0.0)
    return o("Where", nothing, 1.0, o("TrueDivide", o("Sin", angle), o("Where", nothing, 1.0, angle)))


def _count_nonzero(o: Drawing, x: Value) -> Value:
    counted = o("Cast", o("Cast", x, dtype="bool"), dtype="int32")
    return o("Sum", counted, axis=o.config.get("axis"), keepdims=False)


def _rounded(o: Drawing, x: Value) -> Value:
    """To so many places behind the point."""
    tens = float(10 ** int(o.config.get("decimals") or 0))
    return o("TrueDivide", o("Round", o("Multiply", x, tens)), tens) if tens != 1 else o("Round", x)


def _turned(o: Drawing, array: Value) -> Value:
    """By quarters, from the first axis to the second."""
    first, second = o.config.get("axes") or (0, 1)
    quarters = int(o.config.get("k", 1)) % 4
    if quarters == 2:
        raise ValueError(
            "turns by a half, where Keras on TensorFlow mixes the elements up and its other backends do not"
        )
    if quarters == 0:
        return array
    if quarters == 1:
        return o("Swapaxes", o("Flip", array, axis=[second]), axis1=first, axis2=second)
    return o("Flip", o("Swapaxes", array, axis1=first, axis2=second), axis=[second])


def _moments(o: Drawing, x: Value) -> tuple[Value, ...]:
    keep = {"axis": o.config.get("axes"), "keepdims": bool(o.config.get("keepdims", False))}
    return o("Mean", x, **keep), o("Var", x, **keep)


def _normalised(
    o: Drawing, x: Value, mean: Value, variance: Value, offset: Value | None = None, scale: Value | None = None
) -> Value:
    """``(x - mean) / sqrt(variance + epsilon) scale + offset``, numbers along one axis."""
    axis = int(o.config["axis"])

    def along(value: Any) -> Any:
        shape = o.of_shape(x, lambda sizes: [1 if i != axis % len(sizes) else -1 for i in range(len(sizes))])
        return o("Reshape", value if isinstance(value, Value) else o.numbers(value), newshape=shape)

    spread = o("Rsqrt", o("Add", along(variance), float(o.config.get("epsilon") or 1e-3)))
    factor = spread if scale is None else o("Multiply", spread, along(scale))
    made = o("Multiply", o("Subtract", x, along(mean)), factor)
    return made if offset is None else o("Add", made, along(offset))


def _attended(
    o: Drawing,
    query: Value,
    key: Value,
    value: Value,
    bias: Value | None = None,
    mask: Value | None = None,
    scale: Any = None,
    is_causal: bool = False,
) -> Value:
    """``softmax(scale q k + bias) v`` of (n, steps, heads, features)."""
    scale = o.config.get("scale") if scale is None else scale
    by_head = [o("Transpose", part, axes=[0, 2, 1, 3]) for part in (query, key, value)]
    scores = o("Matmul", by_head[0], o("Swapaxes", by_head[1], axis1=-1, axis2=-2))
    if scale is None:
        scale = o.worked_out(query, lambda sizes: np.array(known(sizes, -1) ** -0.5, "float32"))
    scores = o("Multiply", scores, scale)
    if bias is not None:
        scores = o("Add", scores, bias)
    if is_causal or o.config.get("is_causal"):

        def rule(sizes: Sizes) -> Array:
            return np.tri(known(sizes, -2), known(sizes, -1), dtype=bool)

        scores = o("Where", o.worked_out(scores, rule, "bool"), scores, _LOWEST)
    if mask is not None:
        scores = o("Where", mask, scores, _LOWEST)
    return o("Transpose", o("Matmul", o("Softmax", scores, axis=-1), by_head[2]), axes=[0, 2, 1, 3])


_LOWEST = -0.7 * 3.4028234663852886e38


def patches(o: Drawing, images: Value, size: list[int], strides: list[int], padding: str, rates: list[int]) -> Value:
    """The elements under each position of a window, those of a place side by side: a convolution that copies."""

    def rule(sizes: Sizes) -> Array:
        count = size[0] * size[1] * known(sizes, -1)
        written_out(count * count, f"windows of {count} elements")
        return np.eye(count, dtype="float32").reshape(*size, known(sizes, -1), count)

    settings = {"strides": strides, "padding": padding.lower(), "dilation_rate": rates, "data_format": "channels_last"}
    return o("Conv", images, o.worked_out(images, rule), **settings)


def _extracted(o: Drawing, images: Value) -> Value:
    if o.config.get("data_format") == "channels_first":
        raise ValueError("cuts windows out of images with their channels first")

    def pair(said: Any, usual: list[int]) -> list[int]:
        return usual if said is None else [said, said] if isinstance(said, int) else [int(n) for n in said]

    size = pair(o.config["size"], [1, 1])
    strides = pair(o.config.get("strides"), size)
    rates = pair(o.config.get("dilation_rate"), [1, 1])
    return patches(o, images, size, strides, str(o.config.get("padding") or "valid"), rates)


def _taken_along(o: Drawing, x: Value, indices: Any) -> Value:
    """Constant indices are spread along the axes that they have one of."""
    axis = o.config.get("axis", -1)
    if isinstance(indices, Value):
        return o("TakeAlongAxis", x, indices, axis=axis)
    shape = np.shape(indices)

    def spread(sizes: Sizes) -> list[Any]:
        along = int(axis) % len(sizes)
        return [one if i == along or one != 1 else size for i, (one, size) in enumerate(zip(shape, sizes, strict=True))]

    wide = o("BroadcastTo", o.numbers(indices, "int32"), shape=o.of_shape(x, spread))
    return o("TakeAlongAxis", x, wide, axis=axis)


RULES: dict[str, Rule] = {
    "Argsort": _argsort,
    "BatchNorm": _normalised,
    "Cbrt": _cube_root,
    "CountNonzero": _count_nonzero,
    "Diagonal": _diagonal,
    "Diff": _difference,
    "DotProductAttention": _attended,
    "ExtractPatches": _extracted,
    "Hypot": _hypotenuse,
    "Logaddexp2": _log_add_exp2,
    "Median": _median,
    "Moments": _moments,
    "Quantile": _quantile,
    "Rot90": _turned,
    "Round": _rounded,
    "Sinc": _sinc,
    "TakeAlongAxis": _taken_along,
    "Trace": _trace,
}
EXPANSIONS = {f"ops.{kind}": drawn(rule) for kind, rule in RULES.items()}
