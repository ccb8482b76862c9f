"""Functions of TensorFlow on sizes, and values that are made of sizes."""

from __future__ import annotations

from irconv.frameworks.keras.builder import Outputs
from irconv.frameworks.keras.composites.tensorflow_call import Arguments, Call, Steps


def shape(call: Call, given: Arguments) -> Outputs:
    """Keras' own is no operator; sizes are int32 unless said."""
    shape = call.add("Shape", given.pop("input"), part="sizes")[0]
    return call.add("Cast", shape, dtype=given.pop("out_type", None) or "int32")


def size(call: Call, given: Arguments) -> Outputs:
    shape = call.add("Shape", given.pop("input"), part="sizes")[0]
    count = call.add("Prod", shape, part="product", axis=None, keepdims=False)[0]
    return call.add("Cast", count, dtype=given.pop("out_type", None) or "int32")


def rank(call: Call, given: Arguments) -> Outputs:
    """The number of sizes."""
    shape = call.add("Shape", given.pop("input"), part="sizes")[0]
    count = call.add("Shape", shape, part="count")[0]
    return call.add("GetItem", call.add("Cast", count, part="int32", dtype="int32")[0], key=[0])


def filled(number: float | None = None) -> Steps:
    """One number everywhere, of a shape that is known."""

    def place(call: Call, given: Arguments) -> Outputs:
        shape, value = given.pop("shape" if number is not None else "dims"), given.pop("value", number)
        dtype = given.pop("dtype", None) or ("float32" if isinstance(value, float) else "int32")
        return call.add("Full", shape=shape, fill_value=value, dtype=dtype)

    return place


def counted(call: Call, given: Arguments) -> Outputs:
    start, limit, step = given.pop("start"), given.pop("limit", None), given.pop("delta", None) or 1
    if limit is None:
        start, limit = 0, start
    return call.add("Arange", start=start, stop=limit, step=step, dtype=given.pop("dtype", None) or "int32")
