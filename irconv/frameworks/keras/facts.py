"""What a Keras file says about itself as a whole."""

from __future__ import annotations

from irconv.data_classes import dataclass


@dataclass(frozen=True)
class Facts:
    """The facts that decide what layers mean."""

    path: str
    backend: str
    version: int
    """The major version of Keras."""
    release: str = ""
    """The whole version, such as ``2.2.4-tf``; empty where the file does not say."""
    ragged: bool | None = None
    """Whether the InputLayers have the setting `ragged`, as those of TensorFlow 1.15 and later do; None without any.

    TensorFlow 1.13, 1.14, 1.15 and 2.0 all write the version ``2.2.4-tf``.
    """
    input_shape: tuple[str, ...] = ()
    """What the user says of the shapes of inputs (``--input-shape``)."""

    @property
    def numbers(self) -> tuple[int, int]:
        """The major and minor version; the minor is 0 where the file does not say."""
        minor = self.release.split(".")[1:2]
        return self.version, int(minor[0]) if minor and minor[0].isdigit() else 0

    @property
    def is_tensorflow(self) -> bool:
        """Whether tf.keras wrote the file, not Keras itself: the two had the same versions from 2.1 to 2.3."""
        return self.version == 2 and (self.release.endswith("-tf") or self.numbers >= (2, 4))
