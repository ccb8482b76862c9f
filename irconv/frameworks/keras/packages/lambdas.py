"""Lambda layers of packages, recognised by what their file says of the function: never by running it.

A function that is no lambda of the user's own is stored as its compiled code, which names the source file it is from
and the function. Together with the names of the layer's arguments that tells a package's function from any other.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from irconv.data_classes import dataclass
from irconv.frameworks.keras.builder import Builder, KerasLayer, Outputs, Value
from irconv.frameworks.keras.composites.drawing import Drawing, drawn
from irconv.frameworks.keras.composites.fused import plain


def _expand_dims(o: Drawing, x: Value) -> Value:
    """(n, c) as (n, 1, 1, c) or (n, c, 1, 1): the squeezed value of squeeze and excitation."""
    axis = o.config["arguments"]["channels_axis"]
    return o("ExpandDims", x, axis=[1, 2] if axis == 3 else [2, 3])


def _slice_tensor(o: Drawing, x: Value) -> Value:
    """The channels of one group of a grouped convolution."""
    said = o.config["arguments"]
    whole = {"start": None, "stop": None, "step": None}
    cut = {"start": said["start"], "stop": said["stop"], "step": None}
    return o("GetItem", x, key=[cut if axis == said["axis"] else whole for axis in range(4)])


def _residual(o: Drawing, inputs: list[Value]) -> Value:
    """``x + scale residual``: InceptionResNetV2."""
    return o("Add", inputs[0], o("Multiply", inputs[1], float(o.config["arguments"]["scale"])))


@dataclass(frozen=True)
class _Known:
    file: str
    """How the path of the source ends."""
    function: str
    arguments: frozenset[str]
    rule: Callable[..., Value]


_KNOWN = (
    _Known("classification_models/models/_common_blocks.py", "expand_dims", frozenset({"channels_axis"}), _expand_dims),
    _Known(
        "classification_models/models/_common_blocks.py",
        "slice_tensor",
        frozenset({"start", "stop", "axis"}),
        _slice_tensor,
    ),
    *(
        _Known(f"{place}/inception_resnet_v2.py", "<lambda>", frozenset({"scale"}), _residual)
        for place in ("segmentation_models/backbones", "keras_applications", "keras/applications")
    ),
)


def _lambda(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    known = _found(layer.config)
    return plain(builder, layer) if known is None else drawn(known.rule)(builder, layer)


def _found(config: Mapping[str, Any]) -> _Known | None:
    said, arguments = config.get("function"), config.get("arguments") or {}
    if not (isinstance(said, list | tuple) and said and isinstance(said[0], str)):
        return None
    try:
        code = base64.b64decode(said[0])
    except (binascii.Error, ValueError):
        return None
    code = code.replace(b"\\", b"/")
    names = frozenset(arguments)
    return next((k for k in _KNOWN if k.arguments == names and _says(code, k.file) and _says(code, k.function)), None)


def _says(code: bytes, text: str) -> bool:
    """Whether compiled code has a text, at the end of one of its constants."""
    return text.encode() in code


EXPANSIONS = {"Lambda": _lambda}
