"""keras-tcn: temporal convolutional networks, of Keras 2 (3.1 to 3.5.0) and Keras 3 (3.5.7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.composites.drawing import Drawing, Expansion, Sizes, drawn
from irconv.frameworks.keras.packages.addons import weighed
from irconv.ir.layers.ranges import written_out


def _tcn(o: Drawing, inputs: Value) -> Value:
    """Residual blocks one after the other; the sum of what they skip, or the last one's result; perhaps one step."""
    o.layer = replace(o.layer, tensors={_place(name): weight for name, weight in o.layer.tensors.items()})
    x, skipped = inputs, list[Value]()
    if o.config.get("go_backwards"):
        x = o("Flip", x, axis=1)
    stacks = int(o.config["nb_stacks"])
    written_out(256 * stacks * len(o.config["dilations"]), f"{stacks} stacks of blocks")
    rates = [rate for _ in range(stacks) for rate in o.config["dilations"]]
    for i, rate in enumerate(rates):
        x, skip = _block(o, x, f"residual_block_{i}", int(rate))
        skipped.append(skip)
    if o.config["use_skip_connections"]:
        x = skipped[0]
        for skip in skipped[1:]:
            x = o("Add", x, skip)
    if o.config["return_sequences"]:
        return x
    return o("GetItem", x, key=[{"start": None, "stop": None, "step": None}, _step(o, x)])


#: The variables of the layers in a block, which archives count.
_COUNTED = {
    "conv1D_0": ("kernel", "bias"),
    "conv1D_1": ("kernel", "bias"),
    "matching_conv1D": ("kernel", "bias"),
    "norm_0": ("gamma", "beta", "moving_mean", "moving_variance"),
    "norm_1": ("gamma", "beta", "moving_mean", "moving_variance"),
}


def _place(name: str) -> str:
    """The place of a weight as HDF5 has it: ``block/norm_0/gamma``; archives say ``block/...s/normalization/0``."""
    *before, layer, last = name.split("/")
    found = re.fullmatch(r"(batch|layer)_normalization(_\d+)?", layer)
    if found and len(before) > 1:
        before, layer = before[:-1], f"norm{found[2] or '_0'}"
    if last.isdecimal() and layer in _COUNTED:
        last = _COUNTED[layer][int(last)]
    return "/".join((*before, layer, last))


def _step(o: Drawing, x: Value) -> Any:
    """The step that is the result: the last one, or that in the middle where the padding is at both ends."""

    def middle(sizes: Sizes) -> int:
        if not isinstance(sizes[1], int):
            raise ValueError("expected a number of steps that is known, whose middle one is the result")
        return sizes[1] // 2

    return -1 if o.config["padding"] == "causal" else o.of_shape(x, middle)


def _block(o: Drawing, x: Value, path: str, rate: int) -> tuple[Value, Value]:
    """Two convolutions, each with its normalisation and activation, and the sum with what came in."""
    y, word = x, o.config["activation"]
    for k in range(2):
        place = f"{path}/conv1D_{k}"
        config = {
            "padding": o.config["padding"],
            "dilation_rate": [rate],
            "strides": [1],
            "data_format": "channels_last",
        }
        config |= {"kernel_size": [o.config["kernel_size"]], "activation": "linear", "use_bias": True}
        if o.config.get("use_weight_norm"):
            y = weighed(o, "Conv1D", config, y, f"{place}/")
        else:
            y = o.own("Conv1D", place, config | {"filters": o.shape(f"{place}/kernel")[-1]}, y)
        if o.config.get("use_batch_norm"):
            settings = {"axis": -1, "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True}
            y = o.own("BatchNormalization", f"{path}/norm_{k}", settings, y)
        elif o.config.get("use_layer_norm"):
            settings = {"axis": -1, "epsilon": 0.001, "center": True, "scale": True}
            y = o.own("LayerNormalization", f"{path}/norm_{k}", settings, y)
        y = o.activation(word, y)
    skip = o.activation(word, y)
    match = f"{path}/matching_conv1D"
    if o.has(f"{match}/kernel"):
        config = {"padding": "same", "dilation_rate": [1], "strides": [1], "data_format": "channels_last"}
        config |= {"kernel_size": [1], "activation": "linear", "use_bias": True}
        x = o.own("Conv1D", match, config | {"filters": o.shape(f"{match}/kernel")[-1]}, x)
    return o.activation(word, o("Add", x, skip)), skip


EXPANSIONS: Mapping[str, Expansion] = {"tcn>TCN": drawn(_tcn)}
