"""What a call of PyTorch's makes of the axes of the value that it takes, in the words of `irconv.align.axes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from irconv.align.axes import Axes, joined

if TYPE_CHECKING:
    from irconv.frameworks.torch.live import Tensor

_CHANNELS = {
    **{f"conv{rank}d": 1 for rank in (1, 2, 3)},
    **{f"conv_transpose{rank}d": 1 for rank in (1, 2, 3)},
    **dict.fromkeys(("linear", "embedding"), -1),
}
"""Layer -> the axis of its result that has the channels."""
_RESHAPING = frozenset(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"))
_MOVING = frozenset(("flip", "fliplr", "flipud", "roll", "rot90", "sort", "index_select", "gather", "take_along_dim"))
"""What gives an axis another order."""
_MOST = 1 << 58


def of_layer(name: str, given: Axes | None, result: Tensor) -> Axes | None:
    """The axes of a layer's result; norms and activations leave those of what they take."""
    if name in _CHANNELS:
        return Axes.made(tuple(result.shape), _CHANNELS[name])
    if given is None or name.startswith(("lstm", "gru", "rnn")):
        return None
    return given.resized(tuple(result.shape))


def of_call(
    func: Any,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    axes: Sequence[Axes | None],
    results: Sequence[Tensor],
) -> list[Axes | None]:
    """The axes of the results of a function that is no layer; `axes` are those of the tensors it takes."""
    shapes = [tuple(result.shape) for result in results]
    if len(axes) != 1:
        return [joined(axes, shape) for shape in shapes]
    (given,) = axes
    if given is None:
        return [None] * len(shapes)
    if name in _RESHAPING:
        return [given.reshaped(shape) for shape in shapes]
    if name in _MOVING:
        return [None] * len(shapes)
    views = _views(func, args, kwargs)
    if views is not None and [tuple(view.shape) for view in views] == shapes:
        return [_seen(given, view) for view in views]
    return [given.resized(shape) for shape in shapes]


def _views(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor] | None:
    """The results of a function that only looks at its first argument in another way, for a tensor of no data whose
    strides name its axes; None for any other function."""
    import torch

    if not args or not isinstance(args[0], torch.Tensor) or any(isinstance(a, torch.Tensor) for a in args[1:]):
        return None
    base = max(args[0].shape, default=0) + 1
    if base ** (args[0].ndim + 1) > _MOST:
        return None
    strides = [base**axis for axis in range(args[0].ndim, 0, -1)]
    probe = torch.empty_strided(tuple(args[0].shape), strides, device="meta")
    try:
        found = func(probe, *args[1:], **kwargs)
    except (RuntimeError, NotImplementedError, TypeError, IndexError, ValueError):
        return None
    views = [found] if isinstance(found, torch.Tensor) else list(found) if isinstance(found, tuple | list) else []
    same = all(isinstance(view, torch.Tensor) and view._base is probe for view in views)
    return views if views and same else None


def _seen(given: Axes, view: Tensor) -> Axes | None:
    """The axes of a view of a tensor whose strides name its axes."""
    base = view._base
    assert base is not None, "it is a view"
    axis_of = {stride: axis for axis, stride in enumerate(base.stride())}
    order = [axis_of.get(stride) for stride in view.stride()]
    sizes = {axis: size for axis, size in zip(order, view.shape, strict=True) if axis is not None}
    alone = [axis for axis, size in zip(order, view.shape, strict=True) if axis is None and size != 1]
    if alone or len(sizes) < len(order) - order.count(None):
        return None
    start, found = int(view.storage_offset()), given
    for axis, stride in enumerate(base.stride()):
        first, start = divmod(start, int(stride))
        cut = found.cut(axis, first, sizes.get(axis, 1))
        if cut is None:
            return None
        found = cut
    return found.arranged(order)
