"""Layers of training alone. At inference they hand their input on; the origin keeps what they were."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Codec, Row
from irconv.frameworks.keras.table.rows import EVERY_LAYER, FLOAT32
from irconv.frameworks.keras.training_settings import TRAINING_ALONE
from irconv.ir.layers.normalisation import Dropout
from irconv.ir.layers.tensor_ops import Identity
from irconv.rows import Attribute, Ignored, Rank

_NO_SHAPE = Ignored("noise_shape seed data_format")
_DROPOUTS: Mapping[str, tuple[Row, ...]] = {
    "Dropout": (),
    "AlphaDropout": (),
    **{f"SpatialDropout{spatial}D": (Rank((spatial + 2,)),) for spatial in (1, 2, 3)},
}

CODECS: list[Codec] = [
    *(
        Codec(
            kind, Dropout, EVERY_LAYER, *rows, Ignored("noise_shape seed data_format"), Attribute("rate", iso=FLOAT32)
        )
        for kind, rows in _DROPOUTS.items()
    ),
    *(Codec(kind, Identity, EVERY_LAYER, Ignored(settings)) for kind, settings in TRAINING_ALONE.items()),
]
