"""Two recurrent modules that read one sequence, one of them backwards, as one ``bidirectional=True``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile

from irconv.codec import Native
from irconv.frameworks.torch.blocks import all_uses
from irconv.translate import NativeModel, NativeUse

_STEPS = ("", " over lengths", " over a mask")
TYPES = {
    f"nn.{name}{steps}": f"nn.{name}{steps} in both directions" for name in ("LSTM", "GRU", "RNN") for steps in _STEPS
}
"""Type of a module in one direction -> of the one in both, which takes and gives the states of both, one by one."""


def joined(model: NativeModel) -> NativeModel:
    """The model with every such pair as one module; bodies of loops stay as they are."""
    layers, uses = dict(model.layers), list(model.uses)
    counts = Counter(use.layer for use in all_uses(model))
    for pair in _pairs(model, counts):
        merged = pair.layer(model.layers, layers)
        layers = {n: layer for n, layer in layers.items() if n not in (pair.forward.layer, pair.backward.layer)}
        layers[merged.name] = merged
        use = pair.use(merged.name)
        last = max(uses.index(old) for old in pair.replaced)
        before = [old for old in uses[: last + 1] if old not in pair.replaced]
        # What comes between may need a result of either direction: it stays behind them.
        made = {value for value in use.outputs if value}
        late: list[NativeUse] = []
        early: list[NativeUse] = []
        for old in before:
            needs = any(value in made for value in old.inputs)
            (late if needs else early).append(old)
            made |= {value for value in old.outputs if value and needs}
        uses = [*early, use, *late, *uses[last + 1 :]]
    return replace(model, layers=layers, uses=tuple(uses))


class _Pair:
    """The uses that one module replaces."""

    def __init__(
        self, kind: str, forward: NativeUse, backward: NativeUse, y: str, replaced: tuple[NativeUse, ...]
    ) -> None:
        self.kind, self.forward, self.backward, self.y, self.replaced = kind, forward, backward, y, replaced

    def layer(self, given: Mapping[str, Native], taken: Mapping[str, Native]) -> Native:
        """The module: the tensors of both, those of the second with ``_reverse``."""
        ahead, back = given[self.forward.layer], given[self.backward.layer]
        tensors = dict(ahead.tensors) | {f"{name}_reverse": weight for name, weight in back.tensors.items()}
        same = takewhile(lambda pair: pair[0] == pair[1], zip(ahead.name, back.name, strict=False))
        name = "".join(letter for letter, _ in same).rstrip("/._")
        name = ahead.name if not name or name in taken else name
        return replace(
            ahead,
            type=TYPES[ahead.type],
            name=name,
            config={**ahead.config, "bidirectional": True},
            tensors=tensors,
        )

    def use(self, name: str) -> NativeUse:
        """The use in the place of all that is replaced."""
        first = _states_from(self.kind)
        pairs = zip(self.forward.inputs[first:], self.backward.inputs[first:], strict=True)
        states = [_result(self.forward, i) for i in (1, 2)], [_result(self.backward, i) for i in (1, 2)]
        results = [self.y, *(value for pair in zip(*states, strict=True) for value in pair)]
        while not results[-1]:
            results.pop()
        inputs = (*self.forward.inputs[:first], *(v for pair in pairs for v in pair))
        return NativeUse(name, inputs, tuple(results), self.forward.scope)


def _result(use: NativeUse, place: int) -> str:
    return use.outputs[place] if place < len(use.outputs) else ""


def _pairs(model: NativeModel, counts: Mapping[str, int]) -> list[_Pair]:
    makers = {value: use for use in model.uses for value in use.outputs if value}
    users: dict[str, list[NativeUse]] = {}
    for use in model.uses:
        for value in filter(None, use.inputs):
            users.setdefault(value, []).append(use)
    ports = {port.value for port in model.outputs}
    found: list[_Pair] = []
    taken: list[NativeUse] = []
    for use in model.uses:
        if model.layers[use.layer].type == "torch.cat":
            pair = _pair(model, use, makers, users, ports)
            if pair is None or counts[pair.forward.layer] > 1 or counts[pair.backward.layer] > 1:
                continue
            if pair.forward not in taken and pair.backward not in taken:
                taken += [pair.forward, pair.backward]
                found.append(pair)
    return found


def _pair(
    model: NativeModel,
    cat: NativeUse,
    makers: Mapping[str, NativeUse],
    users: Mapping[str, list[NativeUse]],
    ports: set[str],
) -> _Pair | None:
    """The pair whose results are joined here: outputs of every step, or last states alone."""
    if len(cat.inputs) != 2 or any(value not in makers for value in cat.inputs):
        return None
    ahead, behind = (makers[value] for value in cat.inputs)
    turned = behind if _turns(model, behind) else None
    if turned is not None:
        if turned.inputs[0] not in makers:
            return None
        behind = makers[turned.inputs[0]]
    kind = model.layers[ahead.layer].type
    if not _alike(model, ahead, behind):
        return None
    flips = [makers.get(value) for value in behind.inputs[: 1 + (kind in _MASKED)]]
    wanted = [_turned_alike(model, kind, ahead, flip, slot) for slot, flip in enumerate(flips)]
    if not all(wanted) or (turned is not None and not _turned_alike(model, kind, ahead, turned)):
        return None
    made = [(flip, flip.outputs[0]) for flip in flips if flip is not None]
    alone = [flip for flip, value in made if value not in ports and all(user is behind for user in users[value])]
    replaced = [ahead, behind, *alone]
    if turned is None:
        steps = ahead.outputs[0] in users or behind.outputs[0] in users or {ahead.outputs[0], behind.outputs[0]} & ports
        states = cat.inputs == (_result(ahead, 1), _result(behind, 1))
        return None if steps or not states else _Pair(kind, ahead, behind, "", tuple(replaced))
    inner = {ahead.outputs[0], behind.outputs[0], turned.outputs[0]}
    if cat.inputs != (ahead.outputs[0], turned.outputs[0]) or model.layers[cat.layer].config != {"dim": 2}:
        return None
    if inner & ports or any(user not in (cat, turned) for value in inner for user in users[value]):
        return None
    return _Pair(kind, ahead, behind, cat.outputs[0], (*replaced, turned, cat))


_MASKED = frozenset(kind for kind in TYPES if kind.endswith(" over a mask"))


def _states_from(kind: str) -> int:
    """The first input of a module that is a state."""
    return 1 if " over " not in kind else 2


def _turns(model: NativeModel, use: NativeUse) -> bool:
    """Whether a use turns sequences around."""
    layer = model.layers[use.layer]
    if layer.type == "reverse_sequence":
        return layer.config == {"batch_axis": 0, "time_axis": 1}
    return layer.type == "torch.flip" and tuple(layer.config["dims"]) == (1,)


def _turned_alike(
    model: NativeModel, kind: str, ahead: NativeUse, flip: NativeUse | None, slot: int | None = None
) -> bool:
    """Whether a use turns sequences as a module of a kind wants it; those of a slot of the module that reads ahead."""
    if flip is None or not _turns(model, flip) or (slot is not None and flip.inputs[0] != ahead.inputs[slot]):
        return False
    lengths = kind.endswith(" over lengths")
    return flip.inputs[1:] == (ahead.inputs[1:2] if lengths else ())


def _alike(model: NativeModel, ahead: NativeUse, behind: NativeUse) -> bool:
    """Whether two uses are one kind of module with one setting."""
    one, other = model.layers[ahead.layer], model.layers[behind.layer]
    same = one.type == other.type and one.type in TYPES and one.config == other.config
    lengths = not one.type.endswith(" over lengths") or ahead.inputs[1] == behind.inputs[1]
    return same and lengths and ahead.layer != behind.layer and len(ahead.inputs) == len(behind.inputs)
