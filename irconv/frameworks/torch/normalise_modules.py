"""The attributes of each module of torch.nn, whatever version wrote them, as the settings that the table knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.frameworks.torch.modules import Module

Settings = dict[str, Any]
Spelt = tuple[str, Settings]
"""A native type of the table, and its settings."""


def native(name: str, part: Module) -> Spelt:
    """The native type and settings of a module by the last word of its class.

    Raises `ValueError` for settings that the table has no words for.
    """
    return NATIVES[name](name, part)


def first_input(part: Module) -> tuple[int | str, ...] | None:
    """The shape that a module takes, as far as its settings show it; None where they do not."""
    name = part.cls.rsplit(".", maxsplit=1)[-1]
    settings, spatial = part.settings, ("W", "H", "D")
    if name.startswith("Conv") and name[-1:] == "d":
        rank = int(name[-2])
        return ("N", settings["in_channels"], *reversed(spatial[:rank]))
    if name in ("BatchNorm2d", "BatchNorm3d", "InstanceNorm2d", "InstanceNorm3d"):
        return ("N", settings["num_features"], *reversed(spatial[: int(name[-2])]))
    if name == "Linear":
        return ("N", settings["in_features"])
    return ("N", "T") if name == "Embedding" else None


def _spread(value: Any, count: int) -> tuple[Any, ...]:
    """One number for each spatial axis."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * count
    if len(values) != count:
        raise ValueError(f"expected {count} numbers, got {values}")
    return values


def _rank(name: str) -> int:
    return int(name[-2])


def _need(part: Module, name: str, wanted: Any, default: Any) -> None:
    """Raise `ValueError` where a setting that the table has no word for is not its usual one."""
    if (got := part.settings.get(name, default)) != wanted:
        raise ValueError(f"expected {name}={wanted!r}, got {str(got)[:60]!r}")


def _has(part: Module, name: str) -> bool:
    return part.parameters.get(name) is not None


def _conv(name: str, part: Module) -> Spelt:
    settings, rank = part.settings, _rank(name)
    kernel, dilation = _spread(settings["kernel_size"], rank), _spread(settings.get("dilation", 1), rank)
    padding = settings["padding"]
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        if any(total % 2 for total in totals):
            raise ValueError("padding='same' with an even kernel pads one side more than the other")
        padding = tuple(total // 2 for total in totals)
    shared = {
        "stride": _spread(settings["stride"], rank),
        "padding": (0,) * rank if padding == "valid" else _spread(padding, rank),
        "dilation": dilation,
        "in_channels": settings["in_channels"],
        "groups": settings["groups"],
        "bias": _has(part, "bias"),
        "padding_mode": settings.get("padding_mode", "zeros"),  # PyTorch before 1.1 knows no other
        "out_channels": settings["out_channels"],
        "kernel_size": kernel,
    }
    if "Transpose" in name:
        shared["output_padding"] = _spread(settings["output_padding"], rank)
    return f"nn.{name}", shared


def _linear(name: str, part: Module) -> Spelt:
    sizes = {key: part.settings[key] for key in ("in_features", "out_features")}
    return "nn.Linear", {"bias": _has(part, "bias"), **sizes}


def _embedding(name: str, part: Module) -> Spelt:
    _need(part, "max_norm", None, None)
    return "nn.Embedding", {key: part.settings[key] for key in ("padding_idx", "num_embeddings", "embedding_dim")}


def _norm(name: str, part: Module) -> Spelt:
    """BatchNorm; and InstanceNorm, which in inference is BatchNorm where it has running statistics."""
    settings = part.settings
    tracks = settings.get("track_running_stats", True)  # PyTorch before 0.4 always does
    shared = {"eps": settings["eps"], "affine": _has(part, "weight"), "num_features": settings["num_features"]}
    if name.startswith("Instance") and not tracks:
        return f"nn.{name}", {**shared, "track_running_stats": False}
    if part.buffers.get("running_mean") is None:
        raise ValueError("has no running statistics, so that it normalises by those of each batch")
    batch = {**shared, "momentum": settings["momentum"], "track_running_stats": True}
    return f"nn.BatchNorm{_rank(name)}d", batch


def _layer_norm(name: str, part: Module) -> Spelt:
    shape, eps = part.settings["normalized_shape"], part.settings["eps"]
    eps = 2.0**-23 if eps is None else eps  # RMSNorm's None is the step of float32
    shared = {"normalized_shape": tuple(shape) if isinstance(shape, tuple | list) else (shape,), "eps": eps}
    return f"nn.{name}", {**shared, "elementwise_affine": _has(part, "weight")}


def _group_norm(name: str, part: Module) -> Spelt:
    sizes = {key: part.settings[key] for key in ("num_groups", "eps", "num_channels")}
    return "nn.GroupNorm", {**sizes, "affine": _has(part, "weight")}


def _max_pool(name: str, part: Module) -> Spelt:
    _need(part, "return_indices", False, False)
    return f"nn.{name}", {**_window(name, part), "dilation": _spread(part.settings.get("dilation", 1), _rank(name))}


def _average_pool(name: str, part: Module) -> Spelt:
    _need(part, "divisor_override", None, None)  # PyTorch before 1.2 has none
    return f"nn.{name}", {**_window(name, part), "count_include_pad": part.settings.get("count_include_pad", True)}


def _window(name: str, part: Module) -> Settings:
    settings, rank = part.settings, _rank(name)
    stride = settings["kernel_size"] if settings.get("stride") is None else settings["stride"]
    return {
        "kernel_size": _spread(settings["kernel_size"], rank),
        "stride": _spread(stride, rank),
        "padding": _spread(settings["padding"], rank),
        "ceil_mode": settings.get("ceil_mode", False),
    }


def _adaptive(name: str, part: Module) -> Spelt:
    _need(part, "return_indices", False, False)
    size = _spread(part.settings["output_size"], _rank(name))
    if None in size:
        raise ValueError("an output_size of None keeps a size that is not known")
    return f"nn.{name}", {"output_size": size}


def _flatten(name: str, part: Module) -> Spelt:
    _need(part, "end_dim", -1, -1)
    start = part.settings.get("start_dim", 1)
    if not isinstance(start, int) or start < 0:
        raise ValueError(f"expected start_dim from 0, got {str(start)[:60]}")
    return "torch.flatten", {"start_dim": start}


def _pad(name: str, part: Module) -> Spelt:
    rank = _rank(name)
    pad = _spread(part.settings["padding"], 2 * rank)
    if name.startswith("Zero"):
        return "F.pad", {"pad": pad, "value": 0.0}
    if name.startswith("Constant"):
        return "F.pad", {"pad": pad, "value": float(part.settings["value"])}
    pairs = tuple((pad[i], pad[i + 1]) for i in range(0, 2 * rank, 2))[::-1]
    return "pad_by_rule", {"pads": ((0, 0), (0, 0), *pairs), "mode": _PAD_MODES[name[:-5]]}


_PAD_MODES = {"Reflection": "reflect", "Replication": "edge", "Circular": "wrap"}


def _upsample(name: str, part: Module) -> Spelt:
    settings = part.settings
    mode = settings.get("mode", "bilinear" if "Bilinear" in name else "nearest")
    if settings.get("recompute_scale_factor"):
        raise ValueError("expected recompute_scale_factor=False")
    sizes = {key: settings.get(key) for key in ("size", "scale_factor")}
    return "nn.Upsample", {**sizes, "mode": mode, "align_corners": settings.get("align_corners", True)}


def _lp_pool(name: str, part: Module) -> Spelt:
    settings = {key: part.settings.get(key) for key in ("norm_type", "kernel_size", "stride")}
    return "nn.LPPool", {**settings, "ceil_mode": part.settings.get("ceil_mode", False)}


def _columns(name: str, part: Module) -> Spelt:
    """Unfold and Fold, whose settings are one number for both axes or two."""
    settings = {key: _spread(part.settings[key], 2) for key in ("kernel_size", "dilation", "padding", "stride")}
    if name == "Unfold":
        return "F.unfold", settings
    return "F.fold", {**settings, "output_size": _spread(part.settings["output_size"], 2)}


def _unflatten(name: str, part: Module) -> Spelt:
    sizes = part.settings["unflattened_size"]
    if not isinstance(sizes, tuple | list) or not all(isinstance(size, int) for size in sizes):
        raise ValueError("expected unflattened_size to be numbers")
    return "nn.Unflatten", {"dim": part.settings["dim"], "sizes": tuple(sizes)}


def _threshold(name: str, part: Module) -> Spelt:
    kind = "nn.Threshold" if float(part.settings["value"]) == 0 else "nn.Threshold to a value"
    return kind, {key: float(part.settings[key]) for key in ("threshold", "value")}


def _random_slope(name: str, part: Module) -> Spelt:
    """RReLU: the mean of its slopes at inference."""
    return "nn.LeakyReLU", {"negative_slope": (part.settings["lower"] + part.settings["upper"]) / 2}


def _softmax(name: str, part: Module) -> Spelt:
    dim = -3 if name == "Softmax2d" else part.settings.get("dim")
    if not isinstance(dim, int):
        raise ValueError("expected dim to be a number: without one, old versions chose it by the number of axes")
    return ("nn.Softmax" if name == "Softmax2d" else f"nn.{name}"), {"dim": dim}


def _softplus(name: str, part: Module) -> Spelt:
    _need(part, "threshold", 20, 20)
    return "nn.Softplus", {"beta": float(part.settings.get("beta", 1))}


def _clamp(name: str, part: Module) -> Spelt:
    return "torch.clamp", {"min": float(part.settings["min_val"]), "max": float(part.settings["max_val"])}


def _plain(*names: str, **defaults: Any) -> Callable[[str, Module], Spelt]:
    """A module with settings of the same names, with what older versions meant where they had none."""

    def spelt(name: str, part: Module) -> Spelt:
        missing = [key for key in names if key not in part.settings and key not in defaults]
        if missing:
            raise ValueError(f"expected the settings {', '.join(missing)}")
        return f"nn.{name}", {key: part.settings.get(key, defaults.get(key)) for key in names}

    return spelt


def _dropout(name: str, part: Module) -> Spelt:
    return f"nn.{name}", {"p": float(part.settings.get("p", 0.5))}


def _identity(name: str, part: Module) -> Spelt:
    return "nn.Identity", {}


def _shuffle(name: str, part: Module) -> Spelt:
    if name == "ChannelShuffle":
        return "F.channel_shuffle", {"groups": part.settings["groups"]}
    key = "upscale_factor" if name == "PixelShuffle" else "downscale_factor"
    return ("F.pixel_shuffle" if name == "PixelShuffle" else "F.pixel_unshuffle"), {key: part.settings[key]}


def _each(pattern: str, ranks: tuple[int, ...], rule: Callable[[str, Module], Spelt]) -> Mapping[str, Any]:
    return {pattern.format(rank): rule for rank in ranks}


_SPATIAL = (1, 2, 3)
NATIVES: dict[str, Callable[[str, Module], Spelt]] = {
    **_each("Conv{}d", _SPATIAL, _conv),
    **_each("ConvTranspose{}d", _SPATIAL, _conv),
    **_each("BatchNorm{}d", _SPATIAL, _norm),
    **_each("InstanceNorm{}d", _SPATIAL, _norm),
    **_each("MaxPool{}d", _SPATIAL, _max_pool),
    **_each("AvgPool{}d", _SPATIAL, _average_pool),
    **_each("AdaptiveAvgPool{}d", _SPATIAL, _adaptive),
    **_each("AdaptiveMaxPool{}d", _SPATIAL, _adaptive),
    **_each("ZeroPad{}d", _SPATIAL, _pad),
    **_each("ConstantPad{}d", _SPATIAL, _pad),
    **_each("ReflectionPad{}d", _SPATIAL, _pad),
    **_each("ReplicationPad{}d", _SPATIAL, _pad),
    **_each("CircularPad{}d", _SPATIAL, _pad),
    **_each("Dropout{}d", _SPATIAL, _dropout),
    "Dropout": _dropout,
    "AlphaDropout": _dropout,
    "FeatureAlphaDropout": _dropout,
    "Identity": _identity,
    "Linear": _linear,
    "Embedding": _embedding,
    "LayerNorm": _layer_norm,
    "RMSNorm": _layer_norm,
    "GroupNorm": _group_norm,
    "Flatten": _flatten,
    "Upsample": _upsample,
    "UpsamplingBilinear2d": _upsample,
    "UpsamplingNearest2d": _upsample,
    "ChannelShuffle": _shuffle,
    "LocalResponseNorm": _plain("size", "alpha", "beta", "k"),
    "Unfold": _columns,
    "Fold": _columns,
    "Unflatten": _unflatten,
    "RReLU": _random_slope,
    **_each("LPPool{}d", _SPATIAL, _lp_pool),
    "PixelShuffle": _shuffle,
    "PixelUnshuffle": _shuffle,
    "PReLU": _plain("num_parameters"),
    "LeakyReLU": _plain("negative_slope"),
    "Threshold": _threshold,
    "ELU": _plain("alpha", alpha=1.0),
    "CELU": _plain("alpha", alpha=1.0),
    "Hardshrink": _plain("lambd", lambd=0.5),
    "Softshrink": _plain("lambd", lambd=0.5),
    "GELU": _plain("approximate", approximate="none"),  # PyTorch before 1.12 has one formula only
    "Hardtanh": _clamp,
    "Softplus": _softplus,
    "Softmax": _softmax,
    "Softmin": _softmax,
    "LogSoftmax": _softmax,
    "Softmax2d": _softmax,
    "GLU": _softmax,
    **dict.fromkeys(
        ("ReLU", "ReLU6", "SELU", "Sigmoid", "LogSigmoid", "Hardsigmoid", "Tanh", "Tanhshrink", "Softsign"), _plain()
    ),
    **dict.fromkeys(("SiLU", "Mish", "Hardswish"), _plain()),
}
"""Last word of a class of torch.nn -> what makes its native type and settings."""
