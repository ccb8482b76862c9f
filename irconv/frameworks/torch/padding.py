"""Zeros that are put around an image right before a convolution, as the convolution's own padding."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from irconv.codec import Native
from irconv.frameworks.torch.blocks import all_uses
from irconv.translate import NativeModel, NativeUse


def taken_in(model: NativeModel) -> NativeModel:
    """The model without the ``F.pad`` that a single convolution takes, where both ends of each axis are alike."""
    makers = {value: use for use in model.uses for value in use.outputs}
    users = Counter(value for use in model.uses for value in use.inputs)
    users.update(port.value for port in model.outputs)
    counts = Counter(use.layer for use in all_uses(model))
    layers, gone, changed = dict(model.layers), set[str](), dict[str, NativeUse]()
    for use in model.uses:
        conv, pad = model.layers[use.layer], makers.get(use.inputs[0]) if use.inputs else None
        if pad is None or counts[use.layer] > 1 or users[use.inputs[0]] > 1:
            continue
        if (padding := _padding(conv, model.layers[pad.layer])) is not None:
            layers[use.layer] = replace(conv, config={**conv.config, "padding": padding})
            changed[use.layer] = replace(use, inputs=(pad.inputs[0], *use.inputs[1:]))
            gone.add(pad.outputs[0])
    uses = [changed.get(use.layer, use) for use in model.uses if use.outputs[0] not in gone]
    made = replace(model, uses=tuple(uses))
    unused = {use.layer for use in model.uses} - {use.layer for use in all_uses(made)}
    return replace(made, layers={name: layer for name, layer in layers.items() if name not in unused})


def _padding(conv: Native, pad: Native) -> tuple[int, ...] | None:
    """The padding of both together; None where they cannot be one."""
    if not conv.type.startswith("nn.Conv") or "Transpose" in conv.type or pad.type != "F.pad":
        return None
    own, more = conv.config["padding"], pad.config["pad"]
    plain = pad.config.get("value") == 0 and pad.config.get("mode", "constant") == "constant"
    if not plain or conv.config["padding_mode"] != "zeros" or len(more) != 2 * len(own):
        return None
    pairs = [(more[i], more[i + 1]) for i in range(0, len(more), 2)][::-1]
    if any(not isinstance(low, int) or low != high or low < 0 for low, high in pairs):
        return None
    return tuple(mine + low for mine, (low, _) in zip(own, pairs, strict=True))
