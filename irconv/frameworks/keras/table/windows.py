"""Rows about padding that depends on the kernel."""

from __future__ import annotations

from collections.abc import Sequence

from irconv.codec import Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.rows import padding_of_rank
from irconv.rows import through

_RULES = {"same": "same_upper", "theano_half": "theano_half"}


def _spans(draft: Draft) -> list[int]:
    """How many elements the dilated kernel spans along each spatial axis."""
    sizes = draft.types["kernel"].shape[2:]
    return [(k - 1) * d + 1 for k, d in zip(sizes, draft.fields["dilation"], strict=True) if isinstance(k, int)]


@dataclass(frozen=True)
class CausalPadding(Row):
    """Padding along one axis, where ``causal`` puts all of it before: an output sees no later input.

    It follows the kernel and the dilation.
    """

    def decode(self, native: Workpiece, draft: Draft) -> None:
        word = native.config.pop("padding")
        if word == "causal":
            draft.fields["padding"] = ((_spans(draft)[0] - 1, 0),)
        else:
            draft.fields["padding"] = through(draft, "padding", padding_of_rank(1).decode, word)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding, kernel = draft.fields.pop("padding"), draft.types["kernel"].shape[2]
        (dilation,) = native.config["dilation_rate"]
        if isinstance(kernel, int) and kernel > 1 and padding == (((kernel - 1) * dilation, 0),):
            native.config["padding"] = "causal"
        else:
            native.config["padding"] = through(draft, "padding", padding_of_rank(1).encode, padding)


def runs_as_same(spans: Sequence[int], more: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether TensorFlow runs ``padding="same"`` with an `output_padding`: of n elements it makes more than n - 1
    strides, and at most n."""
    return all(0 < w % 2 + u <= s for w, u, s in zip(spans, more, strides, strict=True))


@dataclass(frozen=True)
class TransposedPadding(Row):
    """What Keras takes off the full result of a transposed convolution; see `ConvTranspose`.

    ``valid`` gives at least a stride for each element, or `output_padding` more than the full result. ``same`` gives
    ``n s``, or with an `output_padding` u the size ``(n - 1) s + w % 2 + u``.
    """

    def decode(self, native: Workpiece, draft: Draft) -> None:
        word, more, strides = native.config.pop("padding"), native.config.pop("output_padding"), draft.fields["stride"]
        none = (0,) * len(strides)
        draft.fields |= {"output_size": None, "output_padding": none}
        spans = _spans(draft)
        if word == "valid":
            least = tuple(max(s - w, 0) for s, w in zip(strides, spans, strict=True))
            draft.fields |= {"padding": ((0, 0),) * len(none), "output_padding": least if more is None else tuple(more)}
        elif word in _RULES and more is None:
            draft.fields["padding"] = _RULES[word]
        elif word == "same":
            crops = [w - w % 2 - u for w, u in zip(spans, more, strict=True)]
            draft.fields["padding"] = tuple((max(t, 0) // 2, max(t, 0) - max(t, 0) // 2) for t in crops)
            draft.fields["output_padding"] = tuple(max(-t, 0) for t in crops)
        else:
            raise draft.refuse(f"expected padding valid or same, got {word!r} with output_padding {more}")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding, more = draft.fields.pop("padding"), draft.fields.pop("output_padding")
        strides, size = native.config["strides"], draft.fields.pop("output_size")
        dilation = native.config["dilation_rate"]
        spans = [
            (k - 1) * d + 1
            for k, d in zip(draft.types["kernel"].shape[2:], dilation, strict=True)
            if isinstance(k, int)
        ]
        native.config["output_padding"] = None
        for word, rule in _RULES.items():
            if padding == rule and size is None:
                native.config["padding"] = word
                return
        if isinstance(padding, str):
            raise draft.refuse(f"Keras has no padding {padding!r} with output_size {size}")
        if not any(map(any, padding)):
            native.config["padding"] = "valid"
            if list(more) != [max(s - w, 0) for s, w in zip(strides, spans, strict=True)]:
                self._longer(draft, native, list(more))
            return
        crops = [before + after - u for (before, after), u in zip(padding, more, strict=True)]
        if any(before != max(t, 0) // 2 for (before, _), t in zip(padding, crops, strict=True)):
            raise draft.refuse(f"Keras takes off as much before as after, or one more after, got {padding}")
        native.config["padding"] = "same"
        longer = [w - w % 2 - t for w, t in zip(spans, crops, strict=True)]
        if not runs_as_same(spans, longer, strides):
            raise draft.refuse(f"TensorFlow runs no output_padding {longer} of windows {spans} and strides {strides}")
        self._longer(draft, native, longer)

    def _longer(self, draft: Draft, native: Workpiece, more: list[int]) -> None:
        strides = native.config["strides"]
        if any(not 0 <= u < s for u, s in zip(more, strides, strict=True)):
            raise draft.refuse(f"Keras takes an output_padding from 0 to the stride {strides}, got {more}")
        native.config["output_padding"] = more


@dataclass(frozen=True)
class KernelSize(Row):
    """The window, which stays among the settings for the rows after this one to see."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields["kernel_size"] = tuple(native.config["kernel_size"])

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["kernel_size"] = list(draft.fields.pop("kernel_size"))
