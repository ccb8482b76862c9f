"""Which values are images (batch, channels, spatial axes), and in which axes a layout pass puts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.data_classes import dataclass
from irconv.ir.graph import Port
from irconv.ir.layers.base import Layer
from irconv.layout import customary, invert
from irconv.passes.moves import Order


@dataclass(frozen=True)
class Images:
    """The axes that a pass gives to images, and the slots of layers that take and give them so."""

    axes: str
    taken: Callable[[Layer], Mapping[str, str]]
    """Slot of a layer -> axes of an input."""
    given: Callable[[Layer], Mapping[str, str]]
    """Slot of a layer -> axes of a result."""
    ports_move: bool = True
    """Whether graph inputs and outputs that are images get these axes, too."""
    stay: bool = False
    """Whether of two layouts that cost the same the one at hand is taken, where no image is wanted."""

    def takes(self, layer: Layer, slot: str, rank: int) -> bool:
        """Whether a slot takes images in these axes, and there are spatial ones."""
        return self.taken(layer).get(slot) == self.axes and rank >= 3

    def gives(self, layer: Layer, slot: str, rank: int) -> bool:
        """Whether a result is an image in these axes. One of rank 3 may be a sequence."""
        return self.given(layer).get(slot) == self.axes and rank >= 4

    def letters(self, port: Port, order: Order | None) -> dict[str, Any]:
        """The letters of a port now stored in the layout `order`; None for one that is no image or does not move.

        A port without letters gets those of the image; the source's axes are then those it has now. What a port without
        letters that is no image holds is known for vectors only.
        """
        if order is None:
            axes = port.axes or ("NC" if len(port.shape) == 2 else "")
            return {"axes": axes, "source_axes": port.source_axes or axes}
        if len(port.axes) == len(order):  # the letters that its axes have, wherever they go
            return {"axes": "".join(port.axes[axis] for axis in order), "source_axes": port.source_axes or port.axes}
        axes = customary(self.axes, len(order))
        now = "".join(axes[axis] for axis in invert(order))
        return {"axes": axes, "source_axes": now}


#: Images as the IR has them.
CHANNELS_FIRST = Images("n c *s", lambda layer: layer.SLOTS, lambda layer: layer.RESULTS)
