"""Pooling, resizing, sampling and patches <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.torch.table.rows import (
    LIST,
    SYMMETRIC,
    Sizes,
    Taken,
    When,
    Written,
    attributes,
    computed,
    function,
    unary,
)
from irconv.ir.layers.adaptive_pooling import AdaptiveAveragePool, AdaptiveMaxPool
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.patches import Fold, Unfold
from irconv.ir.layers.pooling import AveragePool, LpPool, MaxPool, MaxPoolWithIndices, SumPool
from irconv.ir.layers.resampling import AffineGrid, GridSample, Resize
from irconv.ir.layers.window import ExplicitPadding, explicit_padding, padding_to_compute
from irconv.rows import Attribute, Fixed, Input, Iso, Only, Output, Rank


def _symmetric(layer: Any, given: Mapping[str, ValueType]) -> bool:
    """Paddings that PyTorch's window functions take: alike on both sides, by half a window at most."""
    if isinstance(layer.padding, str):
        return False
    return all(a == b and 2 * a <= k for (a, b), k in zip(layer.padding, layer.kernel, strict=True))


def _rule(layer: Any, given: Mapping[str, ValueType]) -> bool:
    """Whether `irconv.passes.padding` can say the padding: by numbers, or by `SamePad` in front of a maximum."""
    dilation = layer.dilation if isinstance(layer, MaxPool) else (1,) * len(layer.kernel)
    unknown = padding_to_compute(layer.padding, given["x"].shape[2:], layer.kernel, layer.stride, dilation)
    return not unknown or (isinstance(layer, MaxPool) and layer.padding == "same_upper")


@dataclass(frozen=True)
class _Numbers(Row):
    """The padding by numbers, where the rule has some for these sizes."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return _explicit(layer.settings(), given) is not None

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding = _explicit(draft.fields, draft.types)
        if padding is None:
            raise draft.refuse(f"its padding {draft.fields['padding']} depends on sizes that are not known")
        native.config["padding"] = padding
        del draft.fields["padding"]


def _explicit(settings: Mapping[str, Any], given: Mapping[str, ValueType]) -> ExplicitPadding | None:
    kernel, stride, dilation = (settings[name] for name in ("kernel", "stride", "dilation"))
    return explicit_padding(settings["padding"], given["x"].shape[2:], kernel, stride, dilation)


def _pool(native: str, layer: type[Layer], rank: int, *rows: Row) -> Codec:
    kernel, stride = Attribute("kernel_size", "kernel", LIST), Attribute("stride", iso=LIST)
    padding, ceil_mode = Attribute("padding", iso=SYMMETRIC), Attribute("ceil_mode")
    return Codec(
        f"{native}{rank - 2}d",
        layer,
        Rank((rank,)),
        Input("x"),
        kernel,
        stride,
        padding,
        ceil_mode,
        *rows,
    )


def _pools(rank: int) -> list[Codec]:
    dilation = Attribute("dilation", iso=LIST)
    indices = (Only("counted", "plane"), Fixed("return_indices", True), Output("y"), Output("indices"))
    unpadded = When(lambda layer, _: not isinstance(layer.padding, str) and not any(map(any, layer.padding)))
    plain = When(lambda layer, _: set(layer.dilation) == {1})
    lp = Codec(
        f"F.lp_pool{rank - 2}d",
        LpPool,
        Rank((rank,)),
        unpadded,
        plain,
        Only("formula", "mean"),
        Attribute("norm_type", "p"),
        Attribute("kernel_size", "kernel", LIST),
        Attribute("stride", iso=LIST),
        Attribute("ceil_mode"),
        Taken(("padding", "dilation")),
    )
    sums = [
        _pool("F.avg_pool", SumPool, rank, When(_symmetric), Attribute("divisor_override", "divisor", _WHOLE)),
    ]
    return [
        _pool("nn.MaxPool", MaxPool, rank, When(_rule), dilation),
        _pool("nn.AvgPool", AveragePool, rank, When(_rule), Attribute("count_include_pad", "count_padding")),
        _pool("F.max_pool", MaxPoolWithIndices, rank, When(_symmetric), dilation, *indices),
        *([lp] if rank < 5 else []),
        *(sums if rank > 3 else []),
        *(_adaptive(name, layer, rank) for name, layer in _ADAPTIVE),
    ]


def _adaptive(name: str, layer: type[Layer], rank: int) -> Codec:
    return Codec(f"nn.Adaptive{name}Pool{rank - 2}d", layer, Rank((rank,)), Attribute("output_size", iso=LIST))


def _whole(divisor: float) -> int:
    if divisor != int(divisor) or divisor == 0:
        raise ValueError(f"PyTorch divides by a whole number, got {divisor}")
    return int(divisor)


_WHOLE = Iso(float, _whole)
_ADAPTIVE = (("Avg", AdaptiveAveragePool), ("Max", AdaptiveMaxPool))
_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


_NEAREST = {("asymmetric", "floor"): "nearest", ("half_pixel", "round_prefer_ceil"): "nearest-exact"}


@dataclass(frozen=True)
class _Interpolates(Row):
    """Everything about F.interpolate: `mode`, and `size` or `scale_factor`, and what the smooth modes take besides."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return _mode(layer.settings(), given["x"]) is not None

    def encode(self, draft: Draft, native: Workpiece) -> None:
        fields, mode = draft.fields, _mode(draft.fields, draft.types["x"])
        if mode is None:
            raise draft.refuse("F.interpolate has no such rule")
        if fields["sizes"] is not None:
            native.config["size"] = computed(fields["sizes"])
        else:
            native.config["scale_factor"] = fields["scales"]
        native.config["mode"] = mode
        if fields["mode"] != "nearest":
            native.config |= {
                "align_corners": fields["coordinates"] == "align_corners",
                "antialias": fields["antialias"],
            }
        fields.clear()


def _mode(settings: Mapping[str, Any], x: ValueType) -> str | None:
    """The mode of F.interpolate that follows the same rules, if there is one: linear over one to three axes, cubic over
    two with PyTorch's coefficient, antialiased over two."""
    rank, cubic = len(x.shape), settings["mode"] == "cubic"
    if settings["mode"] == "nearest":
        return _NEAREST.get((settings["coordinates"], settings["rounding"])) if rank in _LINEAR else None
    if settings["coordinates"] not in ("half_pixel", "align_corners") or x.dtype not in ("float32", "float64"):
        return None
    if settings["antialias"]:
        said = rank == 4 and settings["exclude_outside"] and settings["cubic_coefficient"] in (None, -0.5)
    elif cubic:
        said = rank == 4 and settings["cubic_coefficient"] == -0.75 and not settings["exclude_outside"]
    else:
        said = rank in _LINEAR
    return ("bicubic" if cubic else _LINEAR[rank]) if said else None


_RESIZE: list[Codec] = [
    Codec("F.interpolate", Resize, _Interpolates()),
    Codec(
        "resize",
        Resize,
        When(lambda layer, _: not layer.antialias),
        Sizes("sizes", "sizes"),
        *attributes("scales", "mode", "coordinates", "rounding", "cubic_coefficient", "exclude_outside"),
        Only("antialias", False),
    ),
]

_WINDOW = (_Numbers(), *attributes("kernel_size=kernel", "stride", "dilation", "ceil_mode"))

_SAMPLE_MODES = Iso(
    lambda word: {"bilinear": "linear", "bicubic": "cubic"}.get(word, word),
    lambda word: {"linear": "bilinear", "cubic": "bicubic"}.get(word, word),
)

WINDOWS: list[Codec] = [
    *(codec for rank in (3, 4, 5) for codec in _pools(rank)),
    Codec(
        "max_pool_with_indices",
        MaxPoolWithIndices,
        Input("x"),
        *_WINDOW,
        Attribute("counted"),
        Output("y"),
        Output("indices"),
    ),
    Codec("lp_pool", LpPool, Only("formula", "absolute"), *_WINDOW, Attribute("p")),
    *_RESIZE,
    Codec(
        "F.grid_sample",
        GridSample,
        Rank((4, 5)),
        Input("x"),
        Input("grid"),
        Attribute("mode", iso=_SAMPLE_MODES),
        Attribute("padding_mode", "outside"),
        Attribute("align_corners"),
    ),
    Codec(
        "F.affine_grid",
        AffineGrid,
        Input("theta"),
        Written("size", lambda draft: computed((draft.types["theta"].shape[0], 1, *draft.fields["sizes"]))),
        Attribute("align_corners"),
        Taken(("sizes",)),
    ),
    Codec(
        "F.unfold",
        Unfold,
        Rank((4,)),
        When(lambda layer, _: not isinstance(layer.padding, str) and all(a == b for a, b in layer.padding)),
        Attribute("kernel_size", "kernel", LIST),
        Attribute("dilation", iso=LIST),
        Attribute("padding", iso=SYMMETRIC),
        Attribute("stride", iso=LIST),
    ),
    Codec(
        "F.fold",
        Fold,
        Input("x"),
        When(lambda layer, _: len(layer.kernel) == 2 and all(a == b for a, b in layer.padding)),
        Sizes("output_size", "output_size"),
        Attribute("kernel_size", "kernel", LIST),
        Attribute("dilation", iso=LIST),
        Attribute("padding", iso=SYMMETRIC),
        Attribute("stride", iso=LIST),
    ),
    Codec(
        "fold",
        Fold,
        Input("x"),
        Sizes("output_size", "output_size"),
        *attributes("kernel_size=kernel", "stride", "dilation", "padding"),
    ),
    unary("F.pixel_shuffle", "DepthToSpace", Attribute("upscale_factor", "block"), Only("mode", "CRD")),
    unary("depth_to_space", "DepthToSpace", Attribute("block"), Only("mode", "DCR")),
    unary("F.pixel_unshuffle", "SpaceToDepth", Attribute("downscale_factor", "block"), Only("mode", "CRD")),
    unary("space_to_depth", "SpaceToDepth", Attribute("block"), Only("mode", "DCR")),
    unary("F.channel_shuffle", "ChannelShuffle", Attribute("groups")),
    function("max_unpool", "MaxUnpool", "x indices", Sizes("output_size", "output_size")),
]
