"""The files that a user gives as inputs: ``.npy``, ``.npz`` and images. Nothing pickled is ever read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from irconv.containers.arrays import read_inputs
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, MissingFact
from irconv.layout import Array, letter_order, turned
from irconv.verification.slots import Slot

_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
_MOST_PIXELS = 2**26


@dataclass(frozen=True)
class Picture:
    """An image, to be made what an input takes."""

    path: Path
    pixels: Array
    """Bytes: (height, width) or (height, width, 3)."""

    def array(self, slot: Slot, scale: float) -> Array:
        """The image in the size, channels and axes of an input, as a batch of one: bytes where the input takes bytes,
        else from 0 to `scale`. Raises `MissingFact` for an input that is no image."""
        axes, sizes = slot.axes, slot.shape
        if sizes is None or len(sizes) != 4 or sorted(axes) != sorted("NHWC"):
            raise MissingFact(f"input {slot.name}", f"expected an array, got the image {self.path}", "Give a .npy.")
        named = dict(zip(axes, sizes, strict=True))
        height, width, channels = named["H"], named["W"], named["C"]
        if channels not in (1, 3):
            raise MissingFact(f"input {slot.name}", f"expected {channels} channels, got the image {self.path}")
        image: Any = import_module("PIL.Image").fromarray(self.pixels).convert("L" if channels == 1 else "RGB")
        size = [s if isinstance(s, int) else own for s, own in zip((width, height), image.size, strict=True)]
        pixels = np.asarray(image.resize(size)).reshape(1, size[1], size[0], channels)
        shown = pixels if slot.dtype == "uint8" else pixels.astype(np.float32) / 255 * np.float32(scale)
        return turned(shown, letter_order("NHWC", axes))


Inputs = Mapping[str, Array | Picture] | Sequence[Array | Picture]
"""What a user gives: by name, or in order."""


def read_given(texts: Sequence[str]) -> Inputs:
    """Arrays and images by name where they have names (``NAME=FILE``, or one ``.npz``), else in order; the arrays that
    ``numpy.savez`` was given without a name are in order, too.

    Raises `MissingFact` where only some have names, and `DamagedFile`.
    """
    if len(texts) == 1 and texts[0].lower().endswith(".npz"):
        return _named(Path(texts[0]))
    split = [text.split("=", 1) if "=" in text else ["", text] for text in texts]
    if any(name for name, _ in split) and not all(name for name, _ in split):
        raise MissingFact("--input", "expected a name for every input or for none", "Give NAME=X.npy for each.")
    found = [_read(Path(path)) for _, path in split]
    names = [name for name, _ in split]
    return dict(zip(names, found, strict=True)) if all(names) else found


def _read(path: Path) -> Array | Picture:
    if path.suffix.lower() in _IMAGES:
        return Picture(path, _image(path))
    found = read_inputs([str(path)])
    assert isinstance(found, list), "it has no name"
    return found[0]


def _named(path: Path) -> Inputs:
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise DamagedFile(str(path), f"expected a .npz file of numbers, got {error}") from error
    unnamed = [f"arr_{place}" for place in range(len(arrays))]
    return [arrays[name] for name in unnamed] if sorted(unnamed) == sorted(arrays) else arrays


def _image(path: Path) -> Array:
    """The pixels, by Pillow, which this function imports."""
    if find_spec("PIL") is None:
        remedy = "pip install 'irconv[images]', or give a .npy."
        raise MissingFact(str(path), "is an image, and Pillow is not installed", remedy)
    library: Any = import_module("PIL.Image")
    try:
        with library.open(path) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise DamagedFile(str(path), f"has {image.width} x {image.height} pixels")
            return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"), np.uint8)
    except (OSError, ValueError, SyntaxError, library.DecompressionBombError) as error:
        raise DamagedFile(str(path), f"expected an image, got {error}") from error
