"""Layers of training alone. At inference they hand their input on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.rows import EVERY_LAYER, FLOAT32
from irconv.frameworks.keras.training_settings import TRAINING_ALONE
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.tensor_ops import Identity
from irconv.ir.layers.training import Augmentation, Dropout, GaussianNoise
from irconv.rows import Attribute, Ignored, Only, Rank

_SEED = Ignored("seed")
_RATE = Attribute("rate", iso=FLOAT32)
_IMAGES = {"channels_last": (1, 2, 3), "channels_first": (2, 3, 1)}


@dataclass(frozen=True)
class _NoiseShape(Row):
    """``noise_shape``: a 1 for each axis along which elements share their fate, None or the size for others.

    One that has fewer axes than the value is that of a step of time (TimeDistributed).
    """

    def decode(self, native: Workpiece, draft: Draft) -> None:
        said, rank = native.config.pop("noise_shape", None), draft.ranks[0]
        if said is not None and not (isinstance(said, list | tuple) and 0 < len(said) <= rank):
            raise draft.refuse(f"expected a noise_shape of at most {rank} sizes, got {said!r}")
        first = rank - len(said or ())
        draft.fields["shared"] = tuple(first + axis for axis, size in enumerate(said or ()) if size == 1)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        shared, shape = draft.fields.pop("shared"), draft.types["x"].shape
        sizes = [1 if axis in shared else size if isinstance(size, int) else None for axis, size in enumerate(shape)]
        native.config["noise_shape"] = sizes if shared else None


@dataclass(frozen=True)
class _Channels(Row):
    """Whole channels: elements share their fate along all axes of space."""

    formats: bool

    def decode(self, native: Workpiece, draft: Draft) -> None:
        said, rank = native.config.pop("data_format", None) or "channels_last", draft.ranks[0]
        if said not in _IMAGES:
            raise draft.refuse(f"expected data_format to be one of {', '.join(_IMAGES)}, got {said!r}")
        draft.fields["shared"] = _space(rank, said)

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return self._format(layer.settings()["shared"], len(given["x"].shape)) is not None

    def encode(self, draft: Draft, native: Workpiece) -> None:
        shared, rank = draft.fields.pop("shared"), len(draft.types["x"].shape)
        if (word := self._format(shared, rank)) is None:
            raise draft.refuse(f"can only be written for all axes of space, got {shared} of {rank}")
        if self.formats:
            native.config["data_format"] = word

    def _format(self, shared: tuple[int, ...], rank: int) -> str | None:
        words = _IMAGES if self.formats else ("channels_last",)
        return next((word for word in words if _space(rank, word) == tuple(sorted(shared))), None)


def _space(rank: int, word: str) -> tuple[int, ...]:
    return tuple(range(1, rank - 1)) if word == "channels_last" else tuple(range(2, rank))


@dataclass(frozen=True)
class _Details(Row):
    """The settings of a change of images, and where height, width and channels lie."""

    kind: str
    names: tuple[str, ...]

    def decode(self, native: Workpiece, draft: Draft) -> None:
        said = native.config.pop("data_format", None) or "channels_last"
        if said not in _IMAGES:
            raise draft.refuse(f"expected data_format to be one of {', '.join(_IMAGES)}, got {said!r}")
        details: dict[str, Any] = {name: native.config.pop(name) for name in self.names if name in native.config}
        draft.fields |= {"kind": self.kind, "details": details, "image": _IMAGES[said]}

    def encode(self, draft: Draft, native: Workpiece) -> None:
        kind, image = draft.fields.pop("kind"), draft.fields.pop("image")
        word = next((word for word, axes in _IMAGES.items() if axes == image), None)
        if kind != self.kind or word is None:
            raise draft.refuse(f"can only be written as a {self.kind} of images, got {kind} of axes {image}")
        native.config |= {**draft.fields.pop("details"), "data_format": word}

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return isinstance(layer, Augmentation) and layer.kind == self.kind and layer.image in _IMAGES.values()


def _augmentations() -> list[Codec]:
    """Each for images, and for what else a model may have called one on."""
    found: list[Codec] = []
    for kind, settings in TRAINING_ALONE.items():
        if kind.startswith("Random"):
            names = tuple(name for name in settings.split() if name not in ("data_format", "seed"))
            found.append(Codec(kind, Augmentation, EVERY_LAYER, _SEED, _Details(kind, names), Rank((4,))))
    return found


CODECS: list[Codec] = [
    *(
        Codec(
            f"SpatialDropout{spatial}D",
            Dropout,
            EVERY_LAYER,
            Ignored("noise_shape seed"),
            Only("noise", "zero"),
            Rank((spatial + 2,)),
            _Channels(formats=spatial > 1),
            _RATE,
        )
        for spatial in (1, 2, 3)
    ),
    Codec("Dropout", Dropout, EVERY_LAYER, _SEED, Only("noise", "zero"), _NoiseShape(), _RATE),
    Codec("AlphaDropout", Dropout, EVERY_LAYER, _SEED, Only("noise", "alpha"), _NoiseShape(), _RATE),
    Codec("GaussianDropout", Dropout, EVERY_LAYER, _SEED, Only("noise", "gaussian"), Only("shared", ()), _RATE),
    Codec("GaussianNoise", GaussianNoise, EVERY_LAYER, _SEED, Attribute("stddev", "deviation", FLOAT32)),
    *_augmentations(),
    *(
        Codec(kind, Identity, EVERY_LAYER, Ignored(settings))
        for kind, settings in TRAINING_ALONE.items()
        if not kind.startswith("Gaussian")
    ),
]
