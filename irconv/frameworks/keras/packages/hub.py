"""keras-hub (before 2024 keras-nlp): embeddings of tokens and places, encoders and decoders of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.composites.drawing import Drawing, Expansion, Sizes, drawn
from irconv.ir.layers.ranges import written_out
from irconv.ir.manifest import Omitted
from irconv.layout import Array


def whole(sizes: Sizes, *axes: int) -> list[int]:
    """Sizes along axes that have to be known. Raises `ValueError`."""
    found = [sizes[axis] for axis in axes]
    if any(not isinstance(size, int) for size in found):
        raise ValueError(f"expected sizes that are known before the model runs, got {', '.join(map(str, sizes))}")
    return [int(size) for size in found]


def _places(o: Drawing, x: Value) -> Value:
    """``table[:t]`` for each sample, whatever x holds."""
    table = o.weight("embeddings")
    rows = o("GetItem", table, key=[{"start": 0, "stop": o.size(x, -2), "step": None}])
    return o("BroadcastTo", rows, shape=o.of_shape(x, list))


def _position_embedding(o: Drawing, inputs: Value) -> Value:
    return _places(o, inputs)


def _tokens(o: Drawing, inputs: Value, reverse: bool = False) -> Value:
    """Rows of a table, or, the other way, products with each of them, capped softly."""
    if not reverse:
        kept: dict[str, Any] = {key: o.config.get(key) for key in ("input_dim", "output_dim", "dtype")}
        kept["mask_zero"] = o.config.get("mask_zero", False)
        other = o.layer.tensors.get("reverse_embeddings")
        used = any(call.keywords.get("reverse") for call in o.layer.calls)
        if other is not None and not used and o.call is o.layer.calls[0]:
            o.builder.omitted.append(Omitted(name=other.path, reason="only the other way of the layer uses it"))
        return o.own("Embedding", "lookup", kept, inputs, path="", tensors=o.parts("embeddings"))
    tied = o.config.get("tie_weights", True)
    kernel = o("Transpose", o.weight("embeddings")) if tied else o.weight("reverse_embeddings")
    logits = o("Matmul", inputs, kernel)
    cap = o.config.get("logit_soft_cap")
    return logits if cap is None else o("Multiply", o("Tanh", o("TrueDivide", logits, float(cap))), float(cap))


def _tokens_and_places(o: Drawing, inputs: Value) -> Value:
    tokens = o.inner("token_embedding", inputs)
    if tokens in o.builder.masks:
        o.builder.masks[Value(o.layer.name)] = o.builder.masks[tokens]
    return o("Add", tokens, o.inner("position_embedding", tokens))


def attends(o: Drawing, x: Value, padding: Value | None, attention: Value | None) -> Value | None:
    """Where a query may attend: the padding of the keys (given, or travelling with them) and the attention mask."""
    padding = padding or o.builder.mask(x)
    found = None if padding is None else o("Cast", o("ExpandDims", padding, axis=1), dtype="bool")
    if attention is None:
        return found
    given = o("Cast", attention, dtype="bool")
    return given if found is None else o("LogicalAnd", found, given)


def causal(o: Drawing, x: Value, window: int | None = None, both: bool = False) -> Value:
    """(1, t, t): a query sees the keys up to itself; `window`: the last so many of them alone."""
    size = o.size(x, 1)
    places = o("Arange", start=0, stop=size, step=1, dtype="int64")
    rows, columns = o("ExpandDims", places, axis=1), o("ExpandDims", places, axis=0)
    seen = o("GreaterEqual", rows, columns)
    if window is not None:
        seen = o("LogicalAnd", seen, o("Less", rows, o("Add", columns, o.numbers(window, "int64"))))
    return o("ExpandDims", seen, axis=0)


def joined(o: Drawing, first: Value | None, second: Value) -> Value:
    """Where both masks allow it."""
    return second if first is None else o("LogicalAnd", first, second)


def _attended(o: Drawing, path: str, query: Value, value: Value, mask: Value | None) -> Value:
    size = o.shape(f"{path}/query_dense/kernel")[-1]
    calling = {} if mask is None else {"attention_mask": mask}
    return o.inner(path, query, value, calling=calling, key_dim=size)


def _encoder(
    o: Drawing, inputs: Value, padding_mask: Value | None = None, attention_mask: Value | None = None
) -> Value:
    """Attention and two Dense layers, each with a sum round it; the normalisation before them or after the sums."""
    first, mask = bool(o.config["normalize_first"]), attends(o, inputs, padding_mask, attention_mask)
    x = _around(
        o, inputs, "self_attention_layer_norm", first, lambda y: _attended(o, "self_attention_layer", y, y, mask)
    )
    return _around(o, x, "feedforward_layer_norm", first, lambda y: _fed_forward(o, y))


def _fed_forward(o: Drawing, x: Value) -> Value:
    return o.inner("feedforward_output_dense", o.inner("feedforward_intermediate_dense", x))


def _around(o: Drawing, x: Value, norm: str, first: bool, step: Any) -> Value:
    if first:
        return o("Add", step(o.inner(norm, x)), x)
    return o.inner(norm, o("Add", step(x), x))


def _decoder(
    o: Drawing,
    decoder_sequence: Value,
    encoder_sequence: Value | None = None,
    decoder_padding_mask: Value | None = None,
    decoder_attention_mask: Value | None = None,
    encoder_padding_mask: Value | None = None,
    encoder_attention_mask: Value | None = None,
    use_causal_mask: bool = True,
) -> Value:
    x, first = decoder_sequence, bool(o.config["normalize_first"])
    mask = attends(o, x, decoder_padding_mask, decoder_attention_mask)
    if use_causal_mask:
        mask = joined(o, mask, causal(o, x))
    x = _around(o, x, "self_attention_layer_norm", first, lambda y: _attended(o, "self_attention_layer", y, y, mask))
    if encoder_sequence is not None:
        seen, keys = attends(o, encoder_sequence, encoder_padding_mask, encoder_attention_mask), encoder_sequence
        norm = "cross_attention_layer_norm"
        x = _around(o, x, norm, first, lambda y: _attended(o, "cross_attention_layer", y, keys, seen))
    return _around(o, x, "feedforward_layer_norm", first, lambda y: _fed_forward(o, y))


def _fnet(o: Drawing, inputs: Value) -> Value:
    """The real part of a Fourier transform along steps and features, which are two products with cosines and two with
    sines: ``C_t x C_f - S_t x S_f``."""
    mixed = o("Matmul", o("Matmul", _waves(o, inputs, "Cos", 1), inputs), _waves(o, inputs, "Cos", 2))
    taken = o("Matmul", o("Matmul", _waves(o, inputs, "Sin", 1), inputs), _waves(o, inputs, "Sin", 2))
    x = o.inner("mixing_layer_norm", o("Add", inputs, o("Subtract", mixed, taken)))
    fed = o.inner("output_dense", o.inner("intermediate_dense", x))
    return o.inner("output_layer_norm", o("Add", x, fed))


def _waves(o: Drawing, x: Value, wave: str, axis: int) -> Value:
    """(size, size): a wave of ``2 pi i j / size``, the product taken modulo the size so that no digit is lost."""
    size = o("GetItem", o("Shape", x), key=[axis])
    steps = o("Arange", start=0, stop=o.size(x, axis), step=1, dtype="int64")
    turns = o("Mod", o("Multiply", o("ExpandDims", steps, axis=1), o("ExpandDims", steps, axis=0)), size)
    parts = o("TrueDivide", o("Cast", turns, dtype="float32"), o("Cast", size, dtype="float32"))
    return o(wave, o("Multiply", parts, 2 * np.pi))


def _sines(o: Drawing, inputs: Value) -> Value:
    """Sines and cosines in turn, of wave lengths that rise with the feature."""
    wavelength = float(o.config["max_wavelength"])

    def rule(sizes: Sizes) -> Array:
        (features,) = whole(sizes, -1)
        written_out(features, f"waves for {features} features")
        places = np.arange(features)
        exponents = (2 * (places // 2)).astype(np.float32) / np.float32(features)
        return np.asarray(np.power(np.float32(1 / wavelength), exponents))

    def turn(sizes: Sizes) -> Array:
        return np.asarray(np.arange(*whole(sizes, -1)) % 2 == 1)

    steps = o("Cast", o("Arange", start=0, stop=o.size(inputs, -2), step=1, dtype="int64"), dtype="float32")
    angles = o("Multiply", o("ExpandDims", steps, axis=-1), o.worked_out(inputs, rule))
    waves = o("Where", o.worked_out(inputs, turn, "bool"), o("Cos", angles), o("Sin", angles))
    return o("BroadcastTo", waves, shape=o.of_shape(inputs, list))


def frequencies(size: int, config: Mapping[str, Any]) -> Array:
    """The angle of each pair of features at the first place, by the settings of a RotaryEmbedding."""
    written_out(size, f"turning {size} features")
    places = np.arange(0, size, 2, dtype=np.float32)
    base, scale = np.float32(config["max_wavelength"]), np.float32(config.get("scaling_factor", 1.0))
    said = config.get("denominator_dim")
    inverse = np.power(base, -(places / np.float32(size if said is None else said)))
    kind = config.get("rope_type", "linear")
    if kind == "linear":
        return np.asarray(inverse / scale)
    if kind == "dynamic":
        return np.asarray(inverse / np.power(scale, np.float32(size) / np.float32(max(1, size - 2))))
    if kind == "yarn":
        return _yarn(size, config)
    return np.asarray(inverse)


def _yarn(size: int, config: Mapping[str, Any]) -> Array:
    """YaRN: high frequencies stay, low ones are divided by the scale, between them lies a ramp."""
    base, scale = float(config["max_wavelength"]), float(config["scaling_factor"])
    own = np.power(base, -np.arange(0, size, 2) / size)

    def bound(turns: float) -> float:
        longest = float(config["original_max_position_embeddings"])
        return size * float(np.log(longest / (turns * 2 * np.pi))) / (2 * float(np.log(base)))

    low, high = bound(float(config["beta_fast"])), bound(float(config["beta_slow"]))
    if config["truncate"]:
        low, high = float(np.floor(low)), float(np.ceil(high))
    low, high = max(low, 0.0), min(high, size - 1.0)
    ramp = np.clip((np.arange(size // 2) - low) / max(high - low, 0.001), 0, 1)
    return np.asarray(own / scale * ramp + own * (1 - ramp), np.float32)


def rotated(o: Drawing, x: Value, config: Mapping[str, Any], rank: int) -> Value:
    """The pairs (i, i + half) of the last axis turned by angles that grow along axis 1."""
    steps = o("Cast", o("Arange", start=0, stop=o.size(x, 1), step=1, dtype="int64"), dtype="float32")
    inverse = o.worked_out(x, lambda sizes: frequencies(whole(sizes, -1)[0], config))
    angles = o("Multiply", o("ExpandDims", steps, axis=-1), inverse)
    angles = o("Concatenate", [angles, angles], axis=-1)
    cos, sin = o("Cos", angles), o("Sin", angles)
    if config.get("rope_type") == "yarn":
        amplitude = float(0.1 * np.log(float(config["scaling_factor"])) + 1)
        cos, sin = o("Multiply", cos, amplitude), o("Multiply", sin, amplitude)
    if rank > 3:
        middle = list(range(1, rank - 2))
        cos, sin = o("ExpandDims", cos, axis=middle), o("ExpandDims", sin, axis=middle)
    left, right = o.many("Split", 2, x, indices_or_sections=2, axis=-1)
    turned = o("Concatenate", [o("Negative", right), left], axis=-1)
    return o("Add", o("Multiply", x, cos), o("Multiply", turned, sin))


def _rotary(o: Drawing, inputs: Value) -> Value:
    axes = o.config.get("sequence_axis", 1), o.config.get("feature_axis", -1)
    if axes != (1, -1):
        o.problem(f"turns features along axes {axes}, and irconv reads steps on axis 1 and features on the last one")
    made = rotated(o, o("Reshape", inputs, newshape=o.of_shape(inputs, _flat)), o.config, 4)
    return o("Reshape", made, newshape=o.of_shape(inputs, list))


def _flat(sizes: Sizes) -> list[Any]:
    """(n, t, ..., f) with one axis between steps and features."""
    middle = sizes[2:-1]
    count = 1
    for size in middle:
        if not isinstance(size, int):
            raise ValueError(f"expected sizes between steps and features, got {middle}")
        count *= size
    return [sizes[0], sizes[1], count, sizes[-1]]


EXPANSIONS: Mapping[str, Expansion] = {
    "keras_hub>FNetEncoder": drawn(_fnet),
    "keras_hub>PositionEmbedding": drawn(_position_embedding),
    "keras_hub>ReversibleEmbedding": drawn(_tokens),
    "ReversibleEmbedding": drawn(_tokens),
    "keras_hub>RotaryEmbedding": drawn(_rotary),
    "keras_hub>SinePositionEncoding": drawn(_sines),
    "keras_hub>TokenAndPositionEmbedding": drawn(_tokens_and_places),
    "keras_hub>TransformerDecoder": drawn(_decoder, masks=True),
    "keras_hub>TransformerEncoder": drawn(_encoder, masks=True),
}
