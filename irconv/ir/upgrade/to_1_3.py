"""Format 1.3: what acts in training alone has words.

A manifest of 1.2 knows a Dropout of single elements, and recurrent layers that drop nothing.
"""

from __future__ import annotations

from typing import Any

_NEW: dict[str, dict[str, Any]] = {
    "Dropout": {"noise": "zero", "shared": []},
    **{kind: {"input_dropout": 0.0, "recurrent_dropout": 0.0} for kind in ("RNN", "GRU", "LSTM", "ConvLSTM")},
}
"""Type -> settings that it did not have, with what it meant."""


def upgrade(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with these settings."""
    layers = manifest.get("layers")
    if not isinstance(layers, dict):
        return manifest
    return {**manifest, "layers": {name: _upgraded(layer) for name, layer in layers.items()}}


def _upgraded(layer: Any) -> Any:
    kind = layer.get("type") if isinstance(layer, dict) else None
    return {**_NEW[kind], **layer} if isinstance(kind, str) and kind in _NEW else layer
