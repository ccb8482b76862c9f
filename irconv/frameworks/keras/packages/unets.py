"""keras-unet-collection: its activations, and the layers of its transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.composites.drawing import Drawing, Expansion, Sizes, drawn


def _gelu(o: Drawing, inputs: Value) -> Value:
    return o("Gelu", inputs, approximate=True)


def _snake(o: Drawing, inputs: Value) -> Value:
    """``x + sin(beta x)^2 / beta``."""
    beta: Any = o.weight("beta_factor") if o.has("beta_factor") else float(o.config["beta"])
    waves = o("Square", o("Sin", o("Multiply", beta, inputs)))
    return o("Add", inputs, o("TrueDivide", waves, beta))


def _patches(o: Drawing, images: Value) -> Value:
    """Squares of an image in rows, each as one vector: rows of its pixels, then its columns, then channels."""
    size = int(o.config["patch_size"][0])

    def grid(sizes: Sizes) -> list[Any]:
        high, wide, channels = (int(n) if isinstance(n, int) else 0 for n in sizes[1:])
        if not (high and wide and channels) or high % size or wide % size:
            raise ValueError(f"expected a known height and width that patches of {size} fill, got {sizes[1:]}")
        return [sizes[0], high // size, size, wide // size, size, channels]

    def flat(sizes: Sizes) -> list[Any]:
        _, rows, _, columns, _, channels = grid(sizes)
        return [sizes[0], rows * columns, size * size * channels]

    apart = o("Transpose", o("Reshape", images, newshape=o.of_shape(images, grid)), axes=[0, 1, 3, 2, 4, 5])
    return o("Reshape", apart, newshape=o.of_shape(images, flat))


def _patch_embedding(o: Drawing, patch: Value) -> Value:
    made = o.own("Dense", "proj", _dense(o, "kernel", "bias"), patch, path="", tensors=o.parts("kernel", "bias"))
    return o("Add", made, o.weight("embeddings"))


def _dense(o: Drawing, kernel: str, bias: str = "") -> dict[str, Any]:
    return {"units": o.shape(kernel)[-1], "use_bias": bool(bias), "activation": "linear"}


def _merging(o: Drawing, x: Value) -> Value:
    """Every square of four patches as one."""
    high, wide = o.config["num_patch"]
    channels = o.shape("kernel")[0] // 4
    image = o("Reshape", x, newshape=[-1, high, wide, channels])
    whole = {"start": None, "stop": None, "step": None}
    places = ((0, 0), (1, 0), (0, 1), (1, 1))
    parts = [
        o("GetItem", image, key=[whole, *({"start": n, "stop": None, "step": 2} for n in place)]) for place in places
    ]
    flat = o("Reshape", o("Concatenate", parts, axis=-1), newshape=[-1, high // 2 * (wide // 2), 4 * channels])
    return o.own("Dense", "linear_trans", _dense(o, "kernel"), flat, path="")


def _expanding(o: Drawing, x: Value) -> Value:
    """Every patch as a square of them."""
    (high, wide), rate = o.config["num_patch"], int(o.config["upsample_rate"])
    _, _, before, after = o.shape("kernel")
    config = {"filters": after, "kernel_size": [1, 1], "strides": [1, 1], "padding": "valid", "use_bias": False}
    image = o.own("Conv2D", "trans", config, o("Reshape", x, newshape=[-1, high, wide, before]), path="")
    image = o("DepthToSpace", image, block_size=rate)
    if not o.config["return_vector"]:
        return image
    return o("Reshape", image, newshape=[-1, high * wide * rate * rate, after // rate**2])


def _named(o: Drawing, end: str) -> str:
    """The weight whose name ends like this: layers inside put a name of their own before. Raises `KeyError`."""
    found = [name for name in o.layer.tensors if name.endswith(f"_{end}")]
    if len(found) != 1:
        raise KeyError(end)
    return found[0]


def _projected(o: Drawing, x: Value, end: str) -> Value:
    made = o("Matmul", x, o.weight(_named(o, f"{end}/kernel")))
    biased = [name for name in o.layer.tensors if name.endswith(f"_{end}/bias")]
    return o("Add", made, o.weight(biased[0])) if biased else made


def _normal(o: Drawing, x: Value, end: str) -> Value:
    settings = {"axis": -1, "epsilon": 1e-5, "center": True, "scale": True}
    kept = o.parts(_named(o, f"{end}/gamma"), _named(o, f"{end}/beta"))
    return o.own("LayerNormalization", end, settings, x, path="", tensors=kept)


def _swin(o: Drawing, x: Value) -> Value:
    """Attention within windows, which every second block shifts by half of them, and two Dense layers."""
    (high, wide), channels = o.config["num_patch"], int(o.config["dim"])
    side = int(o.shape(_named(o, "attn_pos_ind"))[0] ** 0.5)
    grid = [high // side, wide // side]
    shifts = any(name.endswith("_attn_mask") for name in o.layer.tensors)
    shift = int(o.config["shift_size"]) if shifts else 0
    image = o("Reshape", _normal(o, x, "norm1"), newshape=[-1, high, wide, channels])
    if shifts:
        image = o("Roll", image, shift=[-shift, -shift], axis=[1, 2])
    image = o("Reshape", image, newshape=[-1, grid[0], side, grid[1], side, channels])
    windows = o("Transpose", image, axes=[0, 1, 3, 2, 4, 5])
    windows = o("Reshape", windows, newshape=[-1, side * side, channels])
    made = _window_attention(o, windows, side * side, channels, grid[0] * grid[1] if shifts else 0)
    made = o("Reshape", made, newshape=[-1, *grid, side, side, channels])
    made = o("Reshape", o("Transpose", made, axes=[0, 1, 3, 2, 4, 5]), newshape=[-1, high, wide, channels])
    if shifts:
        made = o("Roll", made, shift=[shift, shift], axis=[1, 2])
    x = o("Add", x, o("Reshape", made, newshape=[-1, high * wide, channels]))
    fed = o("Gelu", _projected(o, _normal(o, x, "norm2"), "mlp_0"), approximate=False)
    return o("Add", x, _projected(o, fed, "mlp_1"))


def _window_attention(o: Drawing, x: Value, count: int, channels: int, masked: int) -> Value:
    """Attention of the places of a window, with a bias for each step between them; `masked`: so many windows have a
    mask each."""
    heads = int(o.config["num_heads"])
    size = channels // heads
    parts = o("Reshape", _projected(o, x, "attn_qkv"), newshape=[-1, count, 3, heads, size])
    parts = o("Transpose", parts, axes=[2, 0, 3, 1, 4])
    query, key, value = (o("GetItem", parts, key=[i]) for i in range(3))
    query = o("Multiply", query, float(o.config.get("qk_scale") or size**-0.5))
    scores = o("Matmul", query, o("Transpose", key, axes=[0, 1, 3, 2]))
    bias = o("Take", o.weight(_named(o, "attn_pos")), o.weight(_named(o, "attn_pos_ind")), axis=0)
    scores = o("Add", scores, o("ExpandDims", o("Transpose", bias, axes=[2, 0, 1]), axis=0))
    if masked:
        mask = o("Cast", o.weight(_named(o, "attn_mask")), dtype="float32")
        apart = o("Reshape", scores, newshape=[-1, masked, heads, count, count])
        apart = o("Add", apart, o("ExpandDims", mask, axis=[0, 2]))
        scores = o("Reshape", apart, newshape=[-1, heads, count, count])
    made = o("Transpose", o("Matmul", o("Softmax", scores, axis=-1), value), axes=[0, 2, 1, 3])
    return _projected(o, o("Reshape", made, newshape=[-1, count, channels]), "attn_proj")


EXPANSIONS: Mapping[str, Expansion] = {
    "keras_unet_collection>GELU": drawn(_gelu, masks=True),
    "keras_unet_collection>Snake": drawn(_snake, masks=True),
    "keras_unet_collection>SwinTransformerBlock": drawn(_swin),
    "keras_unet_collection>patch_embedding": drawn(_patch_embedding),
    "keras_unet_collection>patch_expanding": drawn(_expanding),
    "keras_unet_collection>patch_extract": drawn(_patches),
    "keras_unet_collection>patch_merging": drawn(_merging),
}
