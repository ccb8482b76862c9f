"""keras-cv-attention-models (kecam) 1.4: what attention adds for places, relative or not, and masks of windows.

Places of a grid are numbered in rows; where a table is square in none of its axes, the package counts the height
fastest, which is kept here: place p is at height ``p % height`` and width ``p // height``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import numpy as np

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.composites.drawing import Drawing, Expansion, Sizes, drawn
from irconv.frameworks.keras.packages.hub import whole
from irconv.ir.layers.ranges import written_out
from irconv.layout import Array

_FEW = 1 / 64
"""What a number of a table that is kept beside the weights counts, where one that is written out counts 1."""


def _side(places: int, said: int) -> tuple[int, int]:
    """Height and width of a grid: the height as said, or that of a square."""
    height = int(float(places) ** 0.5) if said in (-1, 0, None) else said
    if not 0 < height <= places:
        raise ValueError(f"expected a height that {places} places have, got {height}")
    return height, places // height


def _grid(height: int, width: int) -> tuple[Array, Array]:
    """Height and width of each place, the height counted fastest."""
    written_out(_FEW * (height * width) ** 2, f"a table for each pair of {height} x {width} places")
    places = np.arange(height * width)
    return places % height, places // height


def _relative(height: int, width: int) -> Array:
    """(t, t): the number of the step from one place to another in a table of all steps."""
    high, wide = _grid(height, width)
    return np.asarray((high[:, None] - high + height - 1) + (wide[:, None] - wide + width - 1) * (2 * height - 1))


def _relative_bias(o: Drawing, inputs: Value) -> Value:
    """A table (heads, steps) looked up for each pair of places; the token before them has three entries of its own."""
    token = 1 if o.config["with_cls_token"] else 0
    count = o.shape("positional_embedding")[1]

    def places(sizes: Sizes) -> Array:
        queries, keys = whole(sizes, 2, 3)
        index = _relative(*_side(queries - token, int(o.config["attn_height"])))
        if keys != queries:
            index = index[:, -(keys - token) :]
        if token:
            index = np.pad(index, ((1, 0), (1, 0)))
            index[0, :], index[:, 0], index[0, 0] = count - 3, count - 2, count - 1
        return index[:queries, :keys]

    index = o.worked_out(inputs, places, "int64")
    return o("Add", inputs, o("Take", o.weight("positional_embedding"), index, axis=1))


def _distance_bias(o: Drawing, inputs: Value) -> Value:
    """LeViT: a table for each distance, of heights and of widths, between a query and a key; queries may be fewer."""
    heads = len(o.shape("positional_embedding")) == 2

    def places(sizes: Sizes) -> Array:
        queries, keys = whole(sizes, -2, -1)
        high, wide = _side(queries, int(o.config["query_height"]))
        stride = ceil((keys / queries) ** 0.5)
        rows = int(o.config["key_height"])
        if rows == -1:
            rows = next(n for n in range(high * stride, 0, -1) if keys % n == 0)
        (a, b), (c, d) = _grid(high, wide), _grid(rows, keys // rows)
        return np.asarray(abs(c - a[:, None] * stride) + abs(d - b[:, None] * stride) * rows)

    found = o("Take", o.weight("positional_embedding"), o.worked_out(inputs, places, "int64"), axis=0)
    return o("Add", inputs, o("Transpose", found, axes=[2, 0, 1]) if heads else found)


def _kernel_bias(o: Drawing, inputs: Value) -> Value:
    """Neighbourhood attention: a table for each step within the window of a place, which at the borders is shifted."""
    first, rate = bool(o.config["is_heads_first"]), o.config["dilation_rate"]
    rates = rate if isinstance(rate, list) else [rate, rate]

    def places(sizes: Sizes) -> Array:
        (blocks,), size = whole(sizes, 2 if first else 1), int(whole(sizes, -1)[0] ** 0.5)
        height, width = _side(blocks, int(o.config["input_height"]))
        sides = (_shifted(size, n, int(d)) for n, d in zip((height, width), rates, strict=True))
        rows, columns = sides
        start = (rows[:, None] * (2 * size - 1) + columns).reshape(-1)
        steps = (np.arange(size)[:, None] * (2 * size - 1) + np.arange(size)).reshape(-1)
        index = (start[:, None] + steps)[::-1]
        return np.asarray(index.reshape(len(index), *(1 for _ in sizes[4:]), len(steps)))

    found = o("Take", o.weight("positional_embedding"), o.worked_out(inputs, places, "int64"), axis=-1)
    if first:
        return o("Add", inputs, found)
    order = o.of_shape(inputs, lambda sizes: [1, 0, *range(2, len(sizes) - 1)])
    return o("Add", inputs, o("Transpose", found, axes=order))


def _shifted(size: int, total: int, rate: int) -> Array:
    """How far the window of each place is shifted, half of it at either border."""
    written_out(_FEW * (total + size * rate), f"a window that is dilated by {rate}")
    steps, half = np.arange(size), size // 2
    left, right = np.repeat(steps[:half], rate), np.repeat(steps[half + 1 :], rate)
    return np.concatenate([left, np.full(total - len(left) - len(right), half), right])


def _learned_bias(o: Drawing, inputs: Value) -> Value:
    """SwinV2: a network of two layers makes the table of the logarithms of steps; or of the places themselves."""
    if o.config.get("is_deploy_mode"):
        return o("Add", inputs, o.weight("deploy_bias"))
    absolute = bool(o.config["use_absolute_pos"])
    sides = int(o.config["attn_height"]), int(o.config["attn_width"])

    def size(sizes: Sizes) -> tuple[int, int]:
        if absolute and len(sizes) == 4:
            height, width = whole(sizes, 1, 2)
            return height, width
        (places,) = whole(sizes, -2)
        height, width = _side(places, sides[0])
        return height, (width if absolute or sides[1] == -1 else sides[1])

    def coordinates(sizes: Sizes) -> Array:
        height, width = size(sizes)
        written_out(_FEW * 4 * height * width, f"a table of the steps between {height} x {width} places")
        if absolute:
            places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1)
            scaled = places / np.array([height // 2, width // 2]) - 1
            return np.asarray(scaled.reshape(-1, 2) if len(sizes) == 3 else scaled)
        steps = np.meshgrid(np.arange(1 - height, height), np.arange(1 - width, width), indexing="ij")
        said = o.config["pos_scale"]
        scale = [height, width] if said == -1 else said if isinstance(said, list) else [said, said]
        found = np.stack(steps, axis=-1) * 8 / np.array([float(n - 1) for n in scale])
        return np.asarray(np.sign(found) * np.log1p(np.abs(found)) / (np.log(2.0) * 3.0)).reshape(-1, 2)

    hidden = o("Matmul", o.worked_out(inputs, coordinates), o.weight("hidden_weight"))
    made = o("Matmul", o("Relu", o("Add", hidden, o.weight("hidden_bias"))), o.weight("out"))
    if absolute:
        return o("Add", inputs, o("ExpandDims", made, axis=0))
    index = o.worked_out(inputs, lambda sizes: _relative(*size(sizes)), "int64")
    made = o("Multiply", o("Sigmoid", o("Take", made, index, axis=0)), 16.0)

    def padding(sizes: Sizes) -> list[list[int]]:
        height, width = size(sizes)
        more = whole(sizes, -2)[0] - height * width
        return [[more, 0], [more, 0], [0, 0]]

    made = o("Pad", made, pad_width=o.of_shape(inputs, padding), mode="constant")
    return o("Add", inputs, o("ExpandDims", o("Transpose", made, axes=[2, 0, 1]), axis=0))


def _step_logarithms(o: Drawing, inputs: Value) -> Value:
    """(t, t, 2): the logarithms of the steps between places, whatever is given."""

    def rule(sizes: Sizes) -> Array:
        fast, slow = _grid(*whole(sizes, 1, 2))
        steps = np.stack([slow[:, None] - slow, fast[:, None] - fast], axis=-1).astype(np.float32)
        return np.sign(steps) * np.log1p(np.abs(steps))

    return o.worked_out(inputs, rule)


def _window_mask(o: Drawing, inputs: Value) -> Value:
    """-100 where shifted windows hold places that were no neighbours before the shift."""
    names = ("height", "width", "window_height", "window_width", "shift_height", "shift_width")
    height, width, high, wide, down, right = (int(o.config[name]) for name in names)
    written_out(_FEW * height * width * high * wide, f"a mask for windows of {high} x {wide} in {height} x {width}")
    rows, columns = _region(height, high, down), _region(width, wide, right)
    regions = (rows[:, None] * 3 + columns).reshape(height // high, high, width // wide, wide)
    regions = np.concatenate(
        [regions[i, :, j].reshape(1, -1) for i in range(height // high) for j in range(width // wide)]
    )
    mask = np.where(regions[:, None, :] != regions[:, :, None], -100.0, 0.0)
    blocks = len(mask)

    def apart(sizes: Sizes) -> list[Any]:
        heads, places = whole(sizes, 1, 2)
        return [-1, blocks, heads, places, places]

    made = o("Reshape", inputs, newshape=o.of_shape(inputs, apart))
    made = o("Add", made, o.numbers(mask[None, :, None]))
    return o("Reshape", made, newshape=o.of_shape(inputs, list))


def _region(size: int, window: int, shift: int) -> Array:
    """0 before the last window, 1 in its part that stays, 2 in the part that comes from the other side."""
    places = np.arange(size)
    return (places >= size - window).astype(int) + (places >= size - shift)


def _rotation(o: Drawing, inputs: Value) -> Value:
    """EVA: neighbouring features turned by angles of height and width; the tokens before and behind apart."""
    before, behind = int(bool(o.config["with_cls_token"])), int(o.config.get("num_reg_tokens") or 0)
    parts, x = [], inputs
    if before:
        parts.append(o("GetItem", x, key=["...", {"start": None, "stop": before, "step": None}, _ALL]))
    middle = {"start": before or None, "stop": -behind if behind else None, "step": None}
    x = o("GetItem", x, key=["...", middle, _ALL]) if before or behind else x
    said = o.config.get("ref_feature_shape"), float(o.config["temperature"])
    parts.append(_turned(o, x, int(o.config["attn_height"]), *said))
    if behind:
        last = o("GetItem", inputs, key=["...", {"start": -behind, "stop": None, "step": None}, _ALL])
        parts.append(_turned(o, last, -1, o.config["reg_ref_feature_shape"], float(o.config["reg_temperature"])))
    return o("Concatenate", parts, axis=-2) if len(parts) > 1 else parts[0]


_ALL: dict[str, Any] = {"start": None, "stop": None, "step": None}


def _turned(o: Drawing, x: Value, said: int, reference: Any, temperature: float) -> Value:
    heads = max(int(o.config["num_heads"]), 1)

    def angles(sizes: Sizes) -> Array:
        places, channels = whole(sizes, -2, -1)
        height, width = _side(places, said)
        written_out(_FEW * places * channels, f"angles for {places} places of {channels} features")
        size = channels // heads // 2
        rates = temperature ** -(np.arange(0, size, 2, dtype=np.float32) / size)
        sides = [np.arange(n, dtype=np.float32) for n in (height, width)]
        if reference is not None and reference > 0:
            sides = [side / len(side) * reference for side in sides]
        rows, columns = (np.repeat(np.outer(side, rates), 2, axis=-1) for side in sides)
        found = np.concatenate([np.repeat(rows, width, axis=0), np.tile(columns, (height, 1))], axis=-1)
        return np.tile(found, (1, heads))

    sin = o.worked_out(x, lambda sizes: np.sin(angles(sizes)))
    cos = o.worked_out(x, lambda sizes: np.cos(angles(sizes)))
    pairs = o("Reshape", x, newshape=o.of_shape(x, lambda sizes: [*sizes[:-1], whole(sizes, -1)[0] // 2, 2]))
    left, right = o.many("Split", 2, pairs, indices_or_sections=2, axis=-1)
    swapped = o("Concatenate", [o("Negative", right), left], axis=-1)
    flat = o("Reshape", swapped, newshape=o.of_shape(x, list))
    return o("Add", o("Multiply", x, cos), o("Multiply", flat, sin))


def _fourier(o: Drawing, inputs: Value) -> Value:
    """XCiT, EdgeNeXt: sines and cosines of height and width through one Dense layer, added to an image."""
    filters, temperature = int(o.config["filters"]), float(o.config["temperature"])

    def waves(sizes: Sizes) -> Array:
        height, width = whole(sizes, 1, 2)
        written_out(_FEW * height * width * filters, f"waves of {filters} features for {height} x {width} places")
        rates = temperature ** (2 * (np.arange(filters, dtype=np.float32) // 2) / filters)
        sides = []
        for size in (height, width):
            angles = ((np.arange(size, dtype=np.float32) + 1) / (size + 1e-6) * 2 * np.pi)[:, None] / rates
            pairs = np.stack([np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])], axis=-1)
            sides.append(pairs.reshape(size, -1))
        rows, columns = sides
        shape = (height, width, rows.shape[1])
        both = np.broadcast_to(rows[:, None], shape), np.broadcast_to(columns[None], shape)
        return np.concatenate(both, axis=-1)

    made = o("Matmul", o.worked_out(inputs, waves), o.weight("ww"))
    return o("Add", inputs, o("Add", made, o.weight("bb")))


def _relative_logits(o: Drawing, inputs: Value) -> Value:
    """BotNet, HaloNet: products of a query (n, heads, h, w, d) with the vectors of steps to each row and column."""
    absolute = bool(o.config["use_absolute_pos"])
    made = {}
    for side, axis, word in (("h", 2, "height"), ("w", 3, "width")):
        table = o.weight(f"r_{word}")
        if absolute:
            made[side] = o("Matmul", inputs, table)
            continue
        count = (o.shape(f"r_{word}")[1] + 1) // 2

        def steps(sizes: Sizes, axis: int = axis, count: int = count) -> Array:
            (size,) = whole(sizes, axis)
            written_out(_FEW * size * count, f"steps from {size} places to {count}")
            return np.arange(count) - np.arange(size)[:, None] + count - 1

        vectors = o("Take", table, o.worked_out(inputs, steps, "int64"), axis=1)
        made[side] = o("Einsum", inputs, vectors, subscripts="nkhwd,dhi->nkhwi" if side == "h" else "nkhwd,dwi->nkhwi")
    both = o("Add", o("ExpandDims", made["w"], axis=-2), o("ExpandDims", made["h"], axis=-1))
    if not o.config.get("dynamic_shape"):
        return both
    cuts = [{"start": None, "stop": o.size(inputs, axis), "step": None} for axis in (2, 3)]
    return o("GetItem", both, key=["...", *cuts])


def _turned_steps(o: Drawing, inputs: Value) -> Value:
    """Llama 2: halves of the features (n, ..., t, heads, 2, d) turned by angles that grow along the steps."""
    if o.config.get("is_kv_cache"):
        o.problem("keeps what it has seen from call to call, which irconv does not read")
        return inputs
    temperature = float(o.config["temperature"])

    def angles(sizes: Sizes) -> Array:
        steps, pairs = whole(sizes, -4)[0], whole(sizes, -1)[0]
        written_out(_FEW * steps * pairs, f"angles for {steps} steps of {pairs} pairs")
        rates = temperature ** (np.arange(pairs, dtype=np.float32) / pairs)
        return (np.arange(steps, dtype=np.float32)[:, None] / rates)[:, None]

    sin = o.worked_out(inputs, lambda sizes: np.sin(angles(sizes)))
    cos = o.worked_out(inputs, lambda sizes: np.cos(angles(sizes)))
    left, right = (o("GetItem", inputs, key=["...", i, _ALL]) for i in (0, 1))
    first = o("Subtract", o("Multiply", left, cos), o("Multiply", right, sin))
    second = o("Add", o("Multiply", right, cos), o("Multiply", left, sin))
    return o("Stack", [first, second], axis=-2)


EXPANSIONS: Mapping[str, Expansion] = {
    "beit>MultiHeadRelativePositionalEmbedding": drawn(_relative_bias),
    "beit>PositionalEncodingFourierRot": drawn(_rotation),
    "botnet>RelativePositionalEmbedding": drawn(_relative_logits),
    "kecam/edgenext>PositionalEncodingFourier": drawn(_fourier),
    "kecam/llama2>PositionalEncodingFourierRot1D": drawn(_turned_steps),
    "kecam/nat>MultiHeadRelativePositionalKernelBias": drawn(_kernel_bias),
    "kecam>MlpPairwisePositionalEmbedding": drawn(_learned_bias),
    "kecam>WindowAttentionMask": drawn(_window_mask),
    "levit>MultiHeadPositionalEmbedding": drawn(_distance_bias),
    "swinv2>PairWiseRelativePositionalEmbedding": drawn(_step_logarithms),
    "swinv2>WindowAttentionMask": drawn(_window_mask),
}
