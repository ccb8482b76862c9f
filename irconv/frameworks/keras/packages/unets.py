"""keras-unet-collection: its activations, and the layers of its transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.packages.drawing import Drawing, Expansion, Sizes, drawn


def _gelu(o: Drawing, inputs: Value) -> Value:
    return o("Gelu", inputs, approximate=True)


def _snake(o: Drawing, inputs: Value) -> Value:
    """``x + sin(beta x)^2 / beta``."""
    beta: Any = o.weight("beta_factor") if o.has("beta_factor") else float(o.config["beta"])
    waves = o("Square", o("Sin", o("Multiply", beta, inputs)))
    return o("Add", inputs, o("Multiply", o("TrueDivide", 1.0, beta), waves))


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


EXPANSIONS: Mapping[str, Expansion] = {
    "keras_unet_collection>GELU": drawn(_gelu, masks=True),
    "keras_unet_collection>Snake": drawn(_snake, masks=True),
    "keras_unet_collection>patch_embedding": drawn(_patch_embedding),
    "keras_unet_collection>patch_expanding": drawn(_expanding),
    "keras_unet_collection>patch_extract": drawn(_patches),
    "keras_unet_collection>patch_merging": drawn(_merging),
}
