"""Functions of TensorFlow that several operators make up, some by the shapes of what they are called on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from irconv.frameworks.keras.builder import KerasCall, Outputs, Value
from irconv.frameworks.keras.composites import formulas
from irconv.frameworks.keras.composites.drawing import Drawing, Sizes
from irconv.frameworks.keras.composites.tensorflow_call import Arguments, Call, Steps

_Rule = Callable[[Drawing, Value, dict[str, Any]], Value]


def _drawn(first: str, rule: _Rule, **settings: Any) -> Steps:
    """A function of one tensor, drawn by a rule; `settings` are its other arguments and what they are unless said."""

    def place(call: Call, given: Arguments) -> Outputs:
        x = given.pop(first)
        said = {key: usual if (got := given.pop(key, None)) is None else got for key, usual in settings.items()}
        layer = replace(call.layer, config={**call.layer.config, **said})
        try:
            made = rule(Drawing(call.builder, layer, KerasCall(call.index, (x,))), x, said)
        except (KeyError, TypeError, ValueError) as error:
            call.builder.problem(call.layer.name, f"has arguments that irconv does not read: {error}")
            return (Value(""),)
        return call.add("Copy", made)

    return place


def _crelu(o: Drawing, x: Value, said: dict[str, Any]) -> Value:
    return o("Concatenate", [o("Relu", x), o("Relu", o("Negative", x))], axis=said["axis"])


def _band(o: Drawing, x: Value, said: dict[str, Any]) -> Value:
    """The diagonals from so many below to so many above; a negative number keeps all."""
    if (below := int(said["num_lower"])) >= 0:
        x = o("Triu", x, k=-below)
    return o("Tril", x, k=int(said["num_upper"])) if int(said["num_upper"]) >= 0 else x


def _matrices_turned(o: Drawing, x: Value, _: dict[str, Any]) -> Value:
    return o("Swapaxes", x, axis1=-2, axis2=-1)


def _matrices(name: str) -> _Rule:
    def rule(o: Drawing, x: Value, said: dict[str, Any]) -> Value:
        if said.get("k") not in (None, 0):
            raise ValueError(f"k={said['k']}")
        o.config = {**o.config, "axis1": -2, "axis2": -1}
        made = formulas.RULES[name](o, x)
        assert isinstance(made, Value)
        return made

    return rule


def _sorted(o: Drawing, x: Value, said: dict[str, Any]) -> Value:
    if said["direction"] not in ("ASCENDING", "DESCENDING"):
        raise ValueError(f"direction={said['direction']!r}")
    down, axis = said["direction"] == "DESCENDING", said["axis"]
    ordered = o("Sort", o("Negative", x) if down else x, axis=axis)
    return o("Negative", ordered) if down else ordered


def _places(o: Drawing, x: Value, said: dict[str, Any]) -> Value:
    if said["direction"] not in ("ASCENDING", "DESCENDING"):
        raise ValueError(f"direction={said['direction']!r}")
    given = o("Negative", x) if said["direction"] == "DESCENDING" else x
    made = formulas.RULES["Argsort"](o, given)
    assert isinstance(made, Value)
    return made


def _length(o: Drawing, x: Value, said: dict[str, Any]) -> Value:
    order, keep = said["ord"], {"axis": said["axis"], "keepdims": bool(said["keepdims"])}
    if order in ("euclidean", "fro") or (order == 2 and isinstance(said["axis"], int)):
        return o("Sqrt", o("Sum", o("Square", x), **keep))
    if not isinstance(said["axis"], int) or order not in (1, float("inf"), "inf"):
        raise ValueError(f"ord={order!r} along axis {said['axis']}")
    return o("Sum" if order == 1 else "Max", o("Absolute", x), **keep)


def _neighbours(o: Drawing, x: Value, said: dict[str, Any]) -> Value:
    """``x / (bias + alpha sum(x^2))^beta``, the sum over so many channels before and after."""
    radius = int(said["depth_radius"])
    squares = o("Square", x)
    wide = o("Pad", squares, pad_width=[[0, 0], [0, 0], [0, 0], [radius, radius]], mode="constant", constant_values=0)

    def end(shift: int) -> Any:
        return o.of_shape(x, lambda sizes: formulas.known(sizes, -1) + shift)

    cuts = [{"start": shift, "stop": end(shift), "step": None} for shift in range(2 * radius + 1)]
    total = o("GetItem", wide, key=["...", cuts[0]])
    for cut in cuts[1:]:
        total = o("Add", total, o("GetItem", wide, key=["...", cut]))
    spread = o("Add", o("Multiply", total, float(said["alpha"])), float(said["bias"]))
    return o("TrueDivide", x, o("Power", spread, float(said["beta"])))


def _windows(o: Drawing, x: Value, said: dict[str, Any]) -> Value:
    size, strides, rates = (list(said[key])[1:3] for key in ("sizes", "strides", "rates"))
    return formulas.patches(o, x, size, strides, str(said["padding"]), rates)


def _cut_or_padded(o: Drawing, x: Value, said: dict[str, Any]) -> Value:
    """The middle of an image, with zeros round it where it is smaller."""
    wanted = {1: int(said["target_height"]), 2: int(said["target_width"])}
    whole = {"start": None, "stop": None, "step": None}

    def cut(axis: int, end: bool) -> Callable[[Sizes], int]:
        def rule(sizes: Sizes) -> int:
            size = formulas.known(sizes, axis)
            start = max((size - wanted[axis]) // 2, 0)
            return start + min(size, wanted[axis]) if end else start

        return rule

    def pads(sizes: Sizes) -> list[list[int]]:
        found = [[0, 0] for _ in sizes]
        for axis, new in wanted.items():
            more = max(new - formulas.known(sizes, axis), 0)
            found[axis] = [more // 2, more - more // 2]
        return found

    bounds = [{"start": o.of_shape(x, cut(axis, False)), "stop": o.of_shape(x, cut(axis, True))} for axis in wanted]
    taken = o("GetItem", x, key=[whole, *({**bound, "step": None} for bound in bounds), whole])
    return o("Pad", taken, pad_width=o.of_shape(x, pads), mode="constant", constant_values=0)


WRITTEN: Mapping[str, Steps] = {
    "argsort": _drawn("values", _places, axis=-1, direction="ASCENDING", stable=False),
    "image.extract_patches": _drawn("images", _windows, sizes=None, strides=None, rates=None, padding=None),
    "image.resize_with_crop_or_pad": _drawn("image", _cut_or_padded, target_height=None, target_width=None),
    "linalg.band_part": _drawn("input", _band, num_lower=None, num_upper=None),
    "linalg.diag_part": _drawn("input", _matrices("Diagonal"), k=0),
    "linalg.matrix_transpose": _drawn("a", _matrices_turned),
    "linalg.trace": _drawn("x", _matrices("Trace")),
    "nn.crelu": _drawn("features", _crelu, axis=-1),
    "nn.local_response_normalization": _drawn("input", _neighbours, depth_radius=5, bias=1.0, alpha=1.0, beta=0.5),
    "norm": _drawn("tensor", _length, ord="euclidean", axis=None, keepdims=False),
    "sort": _drawn("values", _sorted, axis=-1, direction="ASCENDING"),
}
FIRST = {
    "argsort": "values",
    "image.extract_patches": "images",
    "image.resize_with_crop_or_pad": "image",
    **dict.fromkeys(("linalg.band_part", "linalg.diag_part", "nn.local_response_normalization"), "input"),
    "linalg.matrix_transpose": "a",
    "linalg.trace": "x",
    "nn.crelu": "features",
    "norm": "tensor",
    "sort": "values",
    **dict.fromkeys(("ones_like", "zeros_like"), "input"),
}
"""The argument of each that is given by position."""
