"""Truth values and bits. PyTorch has one op for both, as its tensors say which they hold."""

from __future__ import annotations

from typing import Any

from numpy import finfo

from irconv.errors import Refused
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.ir.dtypes import FLOATS, numpy_dtype
from irconv.ir.known import numeric
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import (
    And,
    BitwiseAnd,
    BitwiseNot,
    BitwiseOr,
    BitwiseXor,
    Equal,
    Greater,
    Not,
    Or,
    Where,
    Xor,
)
from irconv.ir.layers.elementwise import IsFinite, IsNaN


def truth(reader: ProgramReader, call: Call, value: str, suffix: str) -> str:
    """A value as truth values: whether it is not zero."""
    return reader.cast(call, value, "bool", suffix)


def _bits(of_truth: type[Layer], of_bits: type[Layer]) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        left, right = reader.promoted(call, call.arguments["self"], call.arguments["other"])
        layer = of_truth if reader.importer.type_of(left).dtype == "bool" else of_bits
        reader.place(call, layer.model_validate({}), x0=left, x1=right)

    return read


def _inverted(reader: ProgramReader, call: Call) -> None:
    value = reader.value(call.arguments["self"])
    layer: Layer = Not() if reader.importer.type_of(value).dtype == "bool" else BitwiseNot()
    reader.place(call, layer, x=value)


def _logical(layer: type[Layer]) -> Handler:
    """Numbers count as whether they are zero."""

    def read(reader: ProgramReader, call: Call) -> None:
        pair = (reader.value(call.arguments[name]) for name in ("self", "other"))
        left, right = (truth(reader, call, value, f"truth{i}") for i, value in enumerate(pair))
        reader.place(call, layer.model_validate({}), x0=left, x1=right)

    return read


def _denied(reader: ProgramReader, call: Call) -> None:
    reader.place(call, Not(), x=truth(reader, call, reader.value(call.arguments["self"]), "truth"))


def _replaced(reader: ProgramReader, call: Call) -> None:
    """``nan_to_num``: numbers for what is none, the largest of the element type for what is infinite."""
    value = reader.value(call.arguments["self"])
    dtype = reader.importer.type_of(value).dtype
    if dtype not in FLOATS:
        reader.gives(call, value)
        return
    most = float(finfo(numpy_dtype(dtype)).max) if dtype != "bfloat16" else 3.3895313892515355e38
    wanted = [call.get("nan"), call.get("posinf"), call.get("neginf")]
    nan, above, below = (
        usual if given is None else float(given) for given, usual in zip(wanted, (0.0, most, -most), strict=True)
    )
    zero = reader.number(call, 0.0, dtype, "zero")
    finite = reader.place(call, IsFinite(), "finite", x=value)
    missing = reader.place(call, IsNaN(), "missing", x=value)
    positive = reader.place(call, Greater(), "positive", x0=value, x1=zero)
    infinite = reader.place(
        call, Where(), "infinite", condition=positive, x0=reader.number(call, above, dtype, "posinf"),
        x1=reader.number(call, below, dtype, "neginf"),
    )  # fmt: skip
    other = reader.place(
        call, Where(), "other", condition=missing, x0=reader.number(call, nan, dtype, "nan"), x1=infinite
    )
    reader.place(call, Where(), condition=finite, x0=value, x1=other)


def _member(reader: ProgramReader, call: Call) -> None:
    """Whether each element is one of a few numbers."""
    tested = call.arguments.get("test_elements", call.arguments.get("test_element"))
    value = reader.value(call.arguments["elements"])
    dtype = reader.importer.type_of(value).dtype
    numbers: Any = [tested]
    if isinstance(tested, Tensor):
        known = reader.importer.known(reader.value(tested))
        if known is None or not numeric(known) or not 0 < known.size <= 64:
            raise Refused(call.where, "looks for elements that are not known before the model runs")
        numbers = known.reshape(-1).tolist()
    if call.get("invert", False):
        raise Refused(call.where, "looks for what is not among elements, which irconv does not read")
    found = [
        reader.place(call, Equal(), f"is {i}", x0=value, x1=reader.number(call, number, dtype, f"element{i}"))
        for i, number in enumerate(numbers)
    ]
    while len(found) > 1:
        place = len(found)
        found = [*found[:-2], reader.place(call, Or(), f"one of {place}", x0=found[-2], x1=found[-1])]
    reader.gives(call, found[0])


_WORDS: tuple[tuple[str, type[Layer], type[Layer]], ...] = (
    ("and", And, BitwiseAnd),
    ("or", Or, BitwiseOr),
    ("xor", Xor, BitwiseXor),
)

HANDLERS: dict[str, Handler] = {
    **{
        f"{op}.{form}": _bits(of_truth, of_bits)
        for word, of_truth, of_bits in _WORDS
        for op in (f"bitwise_{word}", f"__{word}__")
        for form in ("Tensor", "Scalar")
    },
    "bitwise_not.default": _inverted,
    "logical_not.default": _denied,
    "logical_and.default": _logical(And),
    "logical_or.default": _logical(Or),
    "logical_xor.default": _logical(Xor),
    "nan_to_num.default": _replaced,
    **{f"isin.{form}": _member for form in ("Tensor_Tensor", "Tensor_Scalar")},
}
