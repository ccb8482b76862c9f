"""The floating types that a native layer computes in: casts around it, where they are not those of what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from irconv.codec import Draft, NativeUse, Precision
from irconv.ir.bundle import operand_types
from irconv.ir.dtypes import FLOATS
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, LiteralOperand, ValueType
from irconv.ir.layers.tensor_ops import Constant
from irconv.layout import permutation

if TYPE_CHECKING:
    from irconv.translate.importer import Importer


def cast_inputs(importer: Importer, use: NativeUse, precision: Precision, where: str) -> tuple[str, ...]:
    """The inputs of a use in the type that its layer computes in.

    Numbers take the floating type of the values beside them; whole ones among integers alone take theirs.
    """
    from irconv.ir.layers.comparisons import Cast

    kinds = {value: importer.types[value].dtype for value in use.inputs if value}
    beside = {kind for value, kind in kinds.items() if kind in FLOATS and value not in importer.numbers}
    wanted = precision.inputs or (beside.pop() if len(beside) == 1 else "")
    if not precision.inputs and not beside and not wanted:
        wanted = _common_integer(importer, kinds)
    taken = []
    for i, value in enumerate(use.inputs):
        follows = value in kinds and kinds[value] in FLOATS and (precision.inputs or value in importer.numbers)
        if wanted and follows and kinds[value] != wanted:
            cast = importer.through((Cast(dtype=wanted),), value, f"{use.outputs[0]}/in{i}", use.scope, where)
            taken.append(cast)
        else:
            taken.append(value)
    return tuple(taken)


def _common_integer(importer: Importer, kinds: Mapping[str, str]) -> str:
    """The one integer type of all values that are no numbers, where all numbers are whole; empty for none."""
    others = {kind for value, kind in kinds.items() if value not in importer.numbers}
    numbers = [value for value in kinds if value in importer.numbers]
    if len(others) != 1 or not numbers or not all(value in importer.whole for value in numbers):
        return ""
    kind = others.pop()
    return kind if kind in ("int32", "int64") else ""


def cast_weights(
    importer: Importer, use: NativeUse, draft: Draft, layer: Layer, casts: tuple[str, ...], where: str
) -> Layer:
    """The layer without the operands that it takes in another type; their values become inputs of its nodes."""
    from irconv.ir.layers.comparisons import Cast

    kept, computed = dict(layer.operands), importer.computed.setdefault(use.layer, {})
    for role, operand in layer.operands.items():
        kind = operand.dtype if isinstance(operand, LiteralOperand) else draft.mapped[role].weight.data.dtype
        if kind not in FLOATS or set(casts) <= {kind}:
            continue
        if isinstance(operand, LiteralOperand):
            kept[role] = operand.model_copy(update={"dtype": casts[-1]})
            continue
        name = f"{use.layer}.{role}"
        importer.layers[name] = Constant(operands={"value": kept.pop(role)})
        importer.append(Node(layer=name, scope=use.scope, inputs={}, outputs={"y": name}), where)
        computed[role] = name
        for wanted in casts:
            computed[role] = importer.through((Cast(dtype=wanted),), computed[role], f"{name}/{wanted}", "", where)
    return layer.model_copy(update={"operands": kept})


def cast_results(importer: Importer, use: NativeUse, draft: Draft, layer: Layer, wanted: str) -> None:
    """The draft with a Cast last for every floating result of another type."""
    from irconv.ir.layers.comparisons import Cast

    slots = [f"x{i}" for i in range(len(use.inputs))] if layer.VARIADIC else list(layer.SLOTS)
    given = dict(zip(slots, draft.given, strict=False))
    for slot, layers in draft.before.items():
        for before in layers:
            given[slot] = before.infer({"x": given[slot]})["y"]
    for slot, (native, canonical) in draft.input_axes.items():
        if slot in given:
            dtype, shape = given[slot]
            given[slot] = ValueType(dtype, tuple(shape[i] for i in permutation(native, canonical, len(shape))))
    given |= operand_types(layer, importer.tensors)
    given |= {role: importer.types[value] for role, value in importer.computed.get(use.layer, {}).items()}
    for slot, made in layer.infer(given).items():
        if made.dtype in FLOATS and made.dtype != wanted:
            draft.after[slot] = (*draft.after.get(slot, ()), Cast(dtype=wanted))
