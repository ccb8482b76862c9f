"""The order of statements a person would choose: each branch in one go, right before what joins it to the others."""

from __future__ import annotations

from dataclasses import replace

from irconv.frameworks.torch.literals import counts, wanted_symbols
from irconv.translate import NativeModel, NativeUse


def ordered(model: NativeModel) -> NativeModel:
    """The uses in depth-first order from the outputs back; what no output needs is left out."""
    makers = {value: i for i, use in enumerate(model.uses) for value in use.outputs if value}
    sizes = {made.size: i for i, use in enumerate(model.uses) for made in counts(model.layers[use.layer].config)}
    placed: list[int] = []
    seen: set[int] = set()
    for port in model.outputs:
        waiting = [(makers[port.value], False)] if port.value in makers else []
        while waiting:
            index, ready = waiting.pop()
            if ready:
                placed.append(index)
            elif index not in seen:
                seen.add(index)
                waiting.append((index, True))
                use = model.uses[index]
                before = [makers[value] for value in use.inputs if value in makers]
                if sizes:
                    wanted = sorted(wanted_symbols(model.layers[use.layer].config) & sizes.keys())
                    before += [sizes[symbol] for symbol in wanted]
                waiting += [(i, False) for i in reversed(before) if i not in seen]
    return _numbers_apart(replace(model, uses=tuple(model.uses[i] for i in placed)))


def _numbers_apart(model: NativeModel) -> NativeModel:
    """Each use of a number that is written out gets the number for itself, right in front."""
    numbers = {
        use.outputs[0]: use.layer
        for use in model.uses
        if (layer := model.layers[use.layer]).type == "buffer"
        and layer.tensors["value"].literal
        and not layer.tensors["value"].data.shape
    }
    layers, uses = dict(model.layers), list[NativeUse]()
    kept = {port.value for port in model.outputs}
    for place, use in enumerate(model.uses):
        if use.outputs[0] in numbers and use.outputs[0] not in kept:
            continue
        inputs = list(use.inputs)
        for slot, value in enumerate(use.inputs):
            if value in numbers and value not in kept:
                name = f"{numbers[value]}@{place}.{slot}"
                layers[name] = layers[numbers[value]]
                inputs[slot] = f"{value}@{place}.{slot}"
                uses.append(NativeUse(name, (), (inputs[slot],), use.scope))
        uses.append(replace(use, inputs=tuple(inputs)))
    return replace(model, layers=layers, uses=tuple(uses))
