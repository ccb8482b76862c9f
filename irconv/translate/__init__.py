"""Whole models between native layers and the IR: an importer decodes into a bundle, `encode` goes the other way.

Decoding is local and obviously right: a layer whose activations lie in other axes than the IR's gets a Transpose
before and one after. `irconv.passes.channels_last` then removes what can be removed.
"""

from __future__ import annotations

from irconv.codec import NativeModel, NativeUse
from irconv.translate.decode import Decoder, decode
from irconv.translate.encode import encode, native_axes
from irconv.translate.importer import Importer
from irconv.translate.values import Unknown

__all__ = ["Decoder", "Importer", "NativeModel", "NativeUse", "Unknown", "decode", "encode", "native_axes"]
