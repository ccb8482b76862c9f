"""Calls of ATen in TorchScript as calls by name, which the handlers of exported programs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.frameworks.torch.script.signatures import SIGNATURES, Argument, Signature
from irconv.ir.shapes import Size

ELEMENT_TYPES: Mapping[int, str] = {
    0: "uint8",
    1: "int8",
    2: "int16",
    3: "int32",
    4: "int64",
    5: "float16",
    6: "float32",
    7: "float64",
    9: "complex64",
    10: "complex128",
    11: "bool",
    15: "bfloat16",
}
"""The numbers that code has for element types."""


def resolved(name: str, given: Sequence[Any], named: Mapping[str, Any]) -> tuple[Signature, dict[str, Any]] | None:
    """The overload of a function that takes these arguments, and they by name; None where irconv reads none."""
    # which arguments may be missing no signature says: those that take just these go first
    taking = sorted(SIGNATURES.get(name, ()), key=lambda s: sum(not a.by_name for a in s.arguments) != len(given))
    for single in (False, True):  # one number where a list is wanted only where nothing else fits
        for signature in taking:
            arguments = _bound(signature, given, named, single)
            if arguments is not None:
                return signature, arguments
    return None


def _bound(signature: Signature, given: Sequence[Any], named: Mapping[str, Any], single: bool) -> dict[str, Any] | None:
    places = [argument for argument in signature.arguments if not argument.by_name]
    known = {argument.name: argument for argument in signature.arguments}
    if len(given) > len(places) or not named.keys() <= known.keys():
        return None
    bound = {argument.name: value for argument, value in zip(places, given, strict=False)} | dict(named)
    if not all(_fits(known[name], value, single) for name, value in bound.items()):
        return None
    first = signature.arguments[0].name if signature.arguments else ""
    if first and first not in bound:
        return None
    return {name: _plain(known[name], value) for name, value in bound.items()}


def _fits(argument: Argument, value: Any, single: bool) -> bool:
    kind = argument.kind
    if value is None:
        return argument.name not in ("self", "input")
    if kind.endswith("[]"):
        alone = single and kind == "i[]" and isinstance(value, int | Size)
        return alone or (isinstance(value, list | tuple) and all(_is_of(kind[:-2], item) for item in value))
    return _is_of(kind, value)


def _is_of(kind: str, value: Any) -> bool:
    if isinstance(value, Tensor):
        return kind == "T"
    if kind == "T":
        return value is None
    number = isinstance(value, int | float | Size)
    if kind == "s":
        return isinstance(value, str)
    if kind == "b":
        return isinstance(value, bool | int)
    if kind in ("i", "d"):
        return isinstance(value, int | Size)
    if kind == "o":  # a device, which nothing here is: a number in its place is an element type of another overload
        return not number
    return number if kind in ("n", "f") else True


def _plain(argument: Argument, value: Any) -> Any:
    if argument.kind == "d" and isinstance(value, int):
        return ELEMENT_TYPES.get(value, f"number {value}")
    if isinstance(value, list | tuple):
        return [item.dimension if isinstance(item, Size) else item for item in value]
    return value.dimension if isinstance(value, Size) else value


def convolution(arguments: Sequence[Any], spatial: int) -> tuple[str, dict[str, Any]]:
    """``torch._convolution`` as the convolution that it is."""
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "transposed", "output_padding", "groups")
    bound = dict(zip(names, arguments, strict=False))
    transposed, output_padding = bound.pop("transposed"), bound.pop("output_padding")
    if not transposed:
        return f"conv{spatial}d.default", bound
    op = "conv_transpose1d.default" if spatial == 1 else f"conv_transpose{spatial}d.input"
    return op, {**bound, "output_padding": output_padding}
