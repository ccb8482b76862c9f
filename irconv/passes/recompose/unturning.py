"""Cuts and joins between a turn and the turn back, made where the value was before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from irconv.ir.layers.tensor_ops import Transpose
from irconv.layout import invert
from irconv.passes.recompose.matcher import Made, Match, Rule, Work
from irconv.passes.recompose.patterns import Op, Var, op

X = Var("x")
_DEEP, _MOST = 3, 3


def _turned(work: Work, value: str, back: Sequence[int], depth: int = _DEEP) -> bool:
    """Whether a value is cut from one that was turned the other way."""
    place = work.maker.get(value)
    node = None if place is None else work.nodes.get(place)
    if node is None or not depth:
        return False
    layer = work.layers[node.layer]
    if layer.type == "Transpose":
        return bool(layer.settings()["permutation"] == invert(tuple(back)))
    given = list(node.inputs.values()) if layer.type == "Concat" else [node.inputs.get("x", "")]
    return layer.type in ("Slice", "Gather", "Concat") and any(_turned(work, x, back, depth - 1) for x in given)


def _moved(match: Match) -> Made | None:
    """The same cut or join of the axes as they were, behind turns that then undo each other."""
    back, node = match.settings("back")["permutation"], match.nodes["inner"]
    layer, work = match.work.layers[node.layer], match.work
    slots = [slot for slot in node.inputs if slot != "indices"]
    if not any(_turned(work, node.inputs[slot], back) for slot in slots):
        return None
    if "indices" in node.inputs and len(work.types[node.inputs["indices"]].shape) != 1:
        return None
    there = invert(back)
    changed: dict[str, Any] = (
        {"axes": tuple(there[axis] for axis in layer.settings()["axes"])}
        if layer.type == "Slice"
        else {"axis": there[layer.settings()["axis"]]}
    )
    turns = {slot: (Transpose(permutation=back),) for slot in slots}
    return Made(layer.model_copy(update=changed), node.inputs, node.layer, before=turns)


def _rules() -> Iterator[Rule]:
    inner = [op("Slice", X, name="inner"), op("Gather", X, Var("indices"), name="inner")]
    inner += [Op("Concat", tuple(Var(f"x{i}") for i in range(count)), name="inner") for count in range(2, _MOST + 1)]
    for part in inner:
        yield Rule("between turns", op("Transpose", part, name="back"), _moved)


UNTURNING = [*_rules()]
