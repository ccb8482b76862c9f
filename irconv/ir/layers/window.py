"""The arithmetic of sliding windows that convolutions and pools share."""

from typing import Literal, TypeAlias

from irconv.ir.layers.ranges import written_out
from irconv.ir.shapes import Dimension, Size

PaddingMode: TypeAlias = Literal["same_upper", "same_lower", "theano_half", "theano_pool_same"]
ExplicitPadding: TypeAlias = tuple[tuple[int, int], ...]

#: Padding of the spatial axes: (before, after) of each, or a rule that depends on the size of the input.
#:
#: With size n, stride s and window w = (k - 1) d + 1, every rule gives ceil(n / s) outputs and so needs
#: ``t = max((ceil(n / s) - 1) s + w - n, 0)`` in all:
#:
#: * ``same_upper``: before = t // 2, the rest after (TensorFlow and Keras SAME, ONNX SAME_UPPER).
#: * ``same_lower``: after = t // 2, the rest before (ONNX SAME_LOWER).
#: * ``theano_half``: before = w // 2, after what the last window still needs (Keras on Theano, convolutions).
#: * ``theano_pool_same``: before = k - 2 for odd k > 2, else k - 1; after what the last window still needs (Keras on
#:   Theano, pools).
Padding: TypeAlias = PaddingMode | ExplicitPadding


def padding_of_axis(
    mode: PaddingMode, size: Dimension, kernel: int, stride: int, dilation: int
) -> tuple[int, int] | None:
    """The padding before and after one axis, or None where it depends on a size that is not known.

    >>> padding_of_axis("same_upper", 8, 3, 2, 1), padding_of_axis("same_upper", "H", 3, 1, 1)
    ((0, 1), (1, 1))
    """
    window = (kernel - 1) * dilation + 1
    if isinstance(size, int):
        needed = (-(-size // stride) - 1) * stride + window - size
    elif stride == 1 or window == 1:
        needed = window - 1
    else:
        return None
    total = max(needed, 0)
    if mode == "same_upper":
        return total // 2, total - total // 2
    if mode == "same_lower":
        return total - total // 2, total // 2
    before = window // 2 if mode == "theano_half" else kernel - 2 if kernel > 2 and kernel % 2 else kernel - 1
    return before, max(needed - before, 0)


def explicit_padding(
    padding: Padding,
    sizes: tuple[Dimension, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> ExplicitPadding | None:
    """The padding as numbers, or None where it depends on a size that is not known."""
    if not isinstance(padding, str):
        return padding
    numbers = [padding_of_axis(padding, *axis) for axis in zip(sizes, kernel, stride, dilation, strict=True)]
    known = tuple(pair for pair in numbers if pair is not None)
    return known if len(known) == len(numbers) else None


def computed_padding(
    mode: PaddingMode, size: Dimension, kernel: int, stride: int, dilation: int
) -> tuple[Dimension, Dimension]:
    """The padding before and after one axis as arithmetic on its size, for targets that compute it at run time.

    Where the windows end before the axis does, the number after is negative: the elements no window reaches are cut
    off. ``t = (ceil(n / s) - 1) s + w - n`` is ``w - s`` to ``w - 1``; where it can be negative, ``max(t, 0) // 2`` is
    the count of even numbers 2, 4, ... up to t, each of them one floor division.

    >>> computed_padding("same_upper", "H", 3, 2, 1)
    ('(-H + 1)//2 + (H + 1)//2', '-((-H + 1)//2) + (H + 1)//2 - H + 1')
    """
    window = (kernel - 1) * dilation + 1
    total = (Size.of(size).ceil_divide(stride) - 1) * stride + window - size
    if mode in ("theano_half", "theano_pool_same"):
        fixed = padding_of_axis(mode, 1, kernel, stride, dilation)
        assert fixed is not None, "it is known for every known size"
        before = Size.of(fixed[0])
    elif window >= stride:
        before = (total + (mode == "same_lower")).floor_divide(2)
    else:
        written_out(window * 1024, f"a window of {window}")
        before = Size.of(0)
        for number in range(1 if mode == "same_lower" else 2, window, 2):
            before += (total + (stride - number)).floor_divide(stride)
    return before.dimension, (total - before).dimension


def padding_to_compute(
    padding: Padding,
    sizes: tuple[Dimension, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[tuple[Dimension, Dimension], ...] | None:
    """The padding of every axis by `computed_padding`; None where `explicit_padding` has numbers for it."""
    if not isinstance(padding, str) or explicit_padding(padding, sizes, kernel, stride, dilation) is not None:
        return None
    return tuple(computed_padding(padding, *axis) for axis in zip(sizes, kernel, stride, dilation, strict=True))


def window_outputs(
    sizes: tuple[Dimension, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: Padding,
    ceil_mode: bool = False,
) -> tuple[Dimension, ...]:
    """The spatial sizes after a window has slid over them.

    Explicit padding: ``floor((n + before + after - w) / s) + 1``; with `ceil_mode`, rounded up, without a last window
    that would start in the padding after, which is ``ceil((n + before + min(after - w + s, 0)) / s)``. Raises
    `ValueError` where the window is larger than the padded input.
    """
    result: list[Dimension] = []
    for axis, (size, k, s, d) in enumerate(zip(sizes, kernel, stride, dilation, strict=True)):
        if isinstance(padding, str):
            result.append(Size.of(size).ceil_divide(s).dimension)
            continue
        before, after = padding[axis]
        room = Size.of(size) + (before + after - (k - 1) * d - 1)
        if isinstance(room.dimension, int) and room.dimension < 0:
            raise ValueError(f"a window of {(k - 1) * d + 1} does not fit in {size} with padding {before} and {after}")
        starts = Size.of(size) + (before + min(after - (k - 1) * d - 1 + s, 0))
        result.append((starts.ceil_divide(s) if ceil_mode else room.floor_divide(s) + 1).dimension)
    return tuple(result)
