"""What prepares data inside of a model: crops, bins and codes of categories."""

from __future__ import annotations

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.op_rows import IntegerInput
from irconv.frameworks.keras.table.rows import EVERY_LAYER, IMAGE
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.embedding import CategoryEncoding, Discretization, OneHot
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Reshape
from irconv.rows import Attribute, Axes, Fixed, Ignored, Iso, Only, Rank, Selects


@dataclass(frozen=True)
class CenterBounds(Row):
    """The middle of an image, as large as asked for; of an odd rest the larger part goes after."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        wanted = (native.config.pop("height"), native.config.pop("width"))
        order, shape = native.config["data_format"], draft.given[0].shape
        sizes = shape[1:3] if order == "channels_last" else shape[2:4]
        known = [size for size in sizes if isinstance(size, int)]
        if len(known) < 2 or any(size < n for size, n in zip(known, wanted, strict=True)):
            raise draft.refuse(
                f"crops {wanted} out of {sizes}", "irconv reads it where the image is known to be as large."
            )
        starts = [(size - n) // 2 for size, n in zip(known, wanted, strict=True)]
        draft.fields["starts"] = tuple(starts)
        draft.fields["ends"] = tuple(start + n for start, n in zip(starts, wanted, strict=True))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        starts, ends = draft.fields.pop("starts"), draft.fields.pop("ends")
        pairs = [pair for pair in zip(starts, ends, strict=True) if all(isinstance(bound, int) for bound in pair)]
        wanted = [end - start for start, end in pairs if 0 <= start < end]
        sizes = [size for size in draft.types["x"].shape[2:] if isinstance(size, int)]
        if not len(wanted) == len(sizes) == len(starts) == 2:
            raise draft.refuse(f"Keras crops the middle of images of known size, got {starts} to {ends}")
        middle = tuple((size - n) // 2 for size, n in zip(sizes, wanted, strict=True))
        if tuple(starts) != middle:
            raise draft.refuse(f"Keras crops the middle of an image, which starts at {middle}, got {starts}")
        native.config["height"], native.config["width"] = wanted


_BOUNDARIES = Iso(lambda numbers: tuple(shortest_float32(float(number)) for number in numbers), list)


@dataclass(frozen=True)
class OneHotAxis(Row):
    """A last axis of length 1 gives way to the code."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        shape = draft.given[0].shape
        if len(shape) > 1 and shape[-1] == 1:
            draft.before["x"] = (*draft.before.get("x", ()), Reshape(shape=shape[:-1]))


@dataclass(frozen=True)
class OfVectors(Row):
    """Keras counts along axis 1, whatever the rank."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if draft.ranks[0] != 2:
            raise draft.refuse(f"counts the categories of values of rank 2, got rank {draft.ranks[0]}")


_SETTINGS = (Attribute("num_tokens", "depth"), Ignored("sparse"), Only("dtype", "float32"))

CODECS: list[Codec] = [
    Codec(
        "CenterCrop",
        Slice,
        EVERY_LAYER,
        CenterBounds(),
        Axes("data_format", IMAGE, slot_axes="n c *s"),
        Only("axes", (2, 3)),
        Only("steps", (1, 1)),
        Rank((4,)),
    ),
    Codec(
        "Discretization",
        Discretization,
        Ignored("name trainable batch_input_shape epsilon num_bins"),
        Selects("output_mode", "int"),
        Fixed("sparse", False),
        Attribute("bin_boundaries", "boundaries", _BOUNDARIES),
        Only("equal", "above"),
        Attribute("dtype"),
    ),
    *(
        Codec(
            "CategoryEncoding",
            CategoryEncoding,
            EVERY_LAYER,
            Selects("output_mode", mode),
            IntegerInput("x"),
            OfVectors(),
            Only("mode", mode),
            *_SETTINGS,
        )
        for mode in ("multi_hot", "count")
    ),
    Codec(
        "CategoryEncoding",
        OneHot,
        EVERY_LAYER,
        Selects("output_mode", "one_hot"),
        IntegerInput("x"),
        OneHotAxis(),
        *_SETTINGS,
    ),
]
