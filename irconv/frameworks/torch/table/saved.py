"""Modules of pickles that PyTorch's own functions say otherwise, so that they are read and never written."""

from __future__ import annotations

from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.torch.table.rows import When
from irconv.ir.layers.composite_activations import Threshold
from irconv.ir.layers.plain_norms import LocalResponseNorm
from irconv.ir.layers.pooling import LpPool
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.tensor_ops import Reshape
from irconv.ir.shapes import filled
from irconv.rows import Attribute, Only

_MODES = {"bicubic": "cubic", "linear": "linear", "bilinear": "linear", "trilinear": "linear"}
_READ_ALONE = When(lambda *_: False)


@dataclass(frozen=True)
class _Upsamples(Row):
    """``nn.Upsample``: `size` or `scale_factor`, one number for all axes or one for each, and `mode`."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        settings = {key: native.config.pop(key) for key in ("size", "scale_factor", "mode", "align_corners")}
        mode, rank = settings["mode"], len(draft.given[0].shape) - 2
        nearest, cubic = mode.startswith("nearest"), mode == "bicubic"
        size, scale = _each(settings["size"], rank), _each(settings["scale_factor"], rank)
        coordinates = "align_corners" if settings["align_corners"] else "half_pixel"
        draft.fields |= {
            "mode": _MODES.get(mode, "nearest"),
            "sizes": size,
            "scales": None if size or not scale else tuple(map(float, scale)),
            "coordinates": "asymmetric" if mode == "nearest" else coordinates,
            "rounding": ("floor" if mode == "nearest" else "round_prefer_ceil") if nearest else None,
            "cubic_coefficient": -0.75 if cubic else None,
            "exclude_outside": False,
            "antialias": False,
        }


@dataclass(frozen=True)
class _Neighbours(Row):
    """The channels that `size` means: of an even number one more before than after."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        size = native.config.pop("size")
        draft.fields |= {"before": size // 2, "after": (size - 1) // 2}


@dataclass(frozen=True)
class _Pools(Row):
    """A window, one number for all axes or one for each, which begins anew where it ends unless a stride is said."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        rank = len(draft.given[0].shape) - 2
        kernel, stride = native.config.pop("kernel_size"), native.config.pop("stride")
        draft.fields["kernel"] = _each(kernel, rank)
        draft.fields["stride"] = _each(kernel if stride is None else stride, rank)
        draft.fields |= {"padding": ((0, 0),) * rank, "dilation": (1,) * rank}


def _each(value: Any, rank: int) -> tuple[Any, ...] | None:
    if value is None:
        return None
    return tuple(value) if isinstance(value, tuple | list) else (value,) * rank


@dataclass(frozen=True)
class _Unflattens(Row):
    """One axis as several, one of whose sizes may be -1: what the others leave."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        shape, axis, sizes = draft.given[0].shape, native.config.pop("dim"), native.config.pop("sizes")
        axis %= len(shape)
        draft.fields["shape"] = (*shape[:axis], *filled(sizes, (shape[axis],)), *shape[axis + 1 :])


SAVED: list[Codec] = [
    Codec("nn.Unflatten", Reshape, _READ_ALONE, _Unflattens()),
    Codec("nn.Threshold to a value", Threshold, _READ_ALONE, Attribute("threshold"), Attribute("value")),
    Codec("nn.Upsample", Resize, _READ_ALONE, _Upsamples()),
    Codec(
        "nn.LocalResponseNorm",
        LocalResponseNorm,
        _READ_ALONE,
        Only("alpha_of", "window"),
        Attribute("alpha"),
        Attribute("beta"),
        Attribute("k"),
        _Neighbours(),
    ),
    Codec(
        "nn.LPPool",
        LpPool,
        _READ_ALONE,
        Only("formula", "mean"),
        Attribute("norm_type", "p"),
        Attribute("ceil_mode"),
        _Pools(),
    ),
]
