"""Embeddings: Keras layers <-> IR layers. A mask that Embedding makes is a value of its own (`keras.masks`)."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.frameworks.keras.table.op_rows import IntegerInput
from irconv.frameworks.keras.table.rows import EVERY_LAYER
from irconv.ir.layers.embedding import Embedding
from irconv.rows import Derived, Fixed, Forgotten, Ignored, Weight

CODECS: list[Codec] = [
    Codec(
        "Embedding",
        Embedding,
        EVERY_LAYER,
        Ignored("embeddings_initializer embeddings_regularizer embeddings_constraint input_length mask_zero dropout"),
        Fixed("sparse", False),
        Fixed("lora_rank", None),
        Forgotten("padding_index", None),
        IntegerInput("x"),
        Weight("embeddings", "table", "vocabulary features"),
        Derived("input_dim", lambda draft: draft.types["table"].shape[0]),
        Derived("output_dim", lambda draft: draft.types["table"].shape[1]),
    ),
]
