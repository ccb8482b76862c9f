"""Helpers that slide windows, resize or rearrange space."""

TEXT = '''\
def same_pad(
    x: Tensor, kernel_size: Size, stride: Size, dilation: Size = 1, value: float = 0.0
) -> Tensor:
    """Pads as TensorFlow's SAME does: enough for ceil(size / stride) windows, the odd element at the end."""
    pads: list[int] = []
    spatial = x.dim() - 2
    spread = [
        n if isinstance(n, tuple) else (n,) * spatial for n in (kernel_size, stride, dilation)
    ]
    for size, k, s, d in reversed(list(zip(x.shape[2:], *spread))):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


def resize(
    x: Tensor,
    sizes: Ints | None,
    scales: Sequence[float] | None,
    mode: str,
    coordinates: str,
    rounding: str | None,
    cubic_coefficient: float | None,
    exclude_outside: bool,
) -> Tensor:
    """Another number of elements along the spatial axes, by the rules that PyTorch does not have."""
    for axis in range(2, x.dim()):
        size = x.shape[axis]
        count = sizes[axis - 2] if scales is None else math.floor(size * scales[axis - 2])
        scale = count / size if scales is None else scales[axis - 2]
        places = resize_places(size, count, scale, coordinates).to(x.device)
        if mode == "nearest":
            halves = {"floor": torch.floor(places), "ceil": torch.ceil(places)}
            halves |= {
                "round_prefer_floor": torch.ceil(places - 0.5),
                "round_prefer_ceil": torch.floor(places + 0.5),
            }
            x = torch.index_select(x, axis, halves[rounding].long().clamp(0, size - 1))
            continue
        x = resize_axis(
            x, axis, places, cubic_coefficient if mode == "cubic" else None, exclude_outside
        )
    return x


def resize_places(size: int, count: int, scale: float, coordinates: str) -> Tensor:
    """Where each new element lies between the old ones."""
    i = torch.arange(count, dtype=torch.float64)
    if coordinates == "align_corners":
        return i * (size - 1) / (count - 1) if count > 1 else i
    if coordinates == "asymmetric":
        return i / scale
    if coordinates == "pytorch_half_pixel" and count == 1:
        return i
    shift = (
        size / 2 * (1 - count / (scale * size)) if coordinates == "half_pixel_symmetric" else 0.0
    )
    return shift + (i + 0.5) / scale - 0.5


def resize_axis(
    x: Tensor, axis: int, places: Tensor, coefficient: float | None, exclude_outside: bool
) -> Tensor:
    """Weighs two elements around each place, or four with the coefficient of a cubic."""
    size, first = x.shape[axis], torch.floor(places)
    taps = torch.arange(0, 2) if coefficient is None else torch.arange(-1, 3)
    found = first[None] + taps[:, None].to(x.device)
    t = (places[None] - found).abs()
    if coefficient is None:
        weights = 1 - t
    else:
        a = coefficient
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        weights = torch.where(t <= 1, near, ((a * t - 5 * a) * t + 8 * a) * t - 4 * a)
    if exclude_outside:
        weights = torch.where((found >= 0) & (found < size), weights, 0.0)
        weights = weights / weights.sum(0)
    shape = [-1 if i == axis else 1 for i in range(x.dim())]
    pieces = [
        torch.index_select(x, axis, index) * weight.to(x.dtype).reshape(shape)
        for index, weight in zip(found.long().clamp(0, size - 1), weights)
    ]
    return torch.stack(pieces).sum(0)


def fold(
    x: Tensor,
    output_size: Ints,
    kernel_size: Ints,
    stride: Ints,
    dilation: Ints,
    padding: Sequence[tuple[int, int]],
) -> Tensor:
    """Columns put back where a window cut them out, and summed where they overlap, over any number of axes."""
    sizes = [size + before + after for size, (before, after) in zip(output_size, padding)]
    places = torch.zeros(1, 1, dtype=torch.int64, device=x.device)
    for size, k, s, d in zip(sizes, kernel_size, stride, dilation):
        count = (size - (k - 1) * d - 1) // s + 1
        along = torch.arange(k)[:, None] * d + torch.arange(count) * s
        places = places[:, None, :, None] * size + along.to(x.device)[None, :, None]
        places = places.flatten(2).flatten(0, 1)
    channels = x.shape[1] // math.prod(kernel_size)
    y = x.new_zeros(x.shape[0], channels, math.prod(sizes))
    y = y.index_add(2, places.flatten(), x.reshape(x.shape[0], channels, -1)).reshape(
        x.shape[0], channels, *sizes
    )
    for axis, (before, _) in enumerate(padding):
        y = y.narrow(axis + 2, before, output_size[axis])
    return y


def windows(
    x: Tensor,
    kernel_size: Ints,
    stride: Ints,
    dilation: Ints,
    padding: Sequence[tuple[int, int]],
    ceil_mode: bool,
    value: float = 0.0,
) -> Tensor:
    """The elements under each position of a sliding window, along one new last axis."""
    pads: list[int] = []
    each = list(zip(x.shape[2:], kernel_size, stride, dilation, padding))
    for size, k, s, d, (before, after) in reversed(each):
        reach = (k - 1) * d + 1
        if ceil_mode:
            count = -(-(size + before + min(after - reach + s, 0)) // s)
            after = max((count - 1) * s + reach - size - before, 0)
        pads += [before, after]
    x = F.pad(x, pads, value=value)
    for axis, (_, k, s, d, _) in enumerate(each, start=2):
        x = x.unfold(axis, (k - 1) * d + 1, s)[..., ::d]
    return x.flatten(2 + len(each))


def max_pool_with_indices(
    x: Tensor,
    kernel_size: Ints,
    stride: Ints,
    dilation: Ints,
    padding: Sequence[tuple[int, int]],
    ceil_mode: bool,
    counted: str,
) -> tuple[Tensor, Tensor]:
    """The largest element under each window and its index, counted in its plane or in the whole tensor."""
    window = (kernel_size, stride, dilation, padding, ceil_mode)
    plane = math.prod(x.shape[2:])
    places = torch.arange(plane, device=x.device).reshape(1, 1, *x.shape[2:])
    values = windows(x, *window, value=-math.inf)
    best = values.argmax(-1, keepdim=True)
    indices = windows(places, *window).expand_as(values).gather(-1, best)[..., 0]
    if counted == "tensor":
        planes = torch.arange(x.shape[0] * x.shape[1], device=x.device) * plane
        indices = indices + planes.reshape(*x.shape[:2], *[1] * (x.dim() - 2))
    return values.gather(-1, best)[..., 0], indices


def lp_pool(
    x: Tensor,
    p: float,
    kernel_size: Ints,
    stride: Ints,
    dilation: Ints,
    padding: Sequence[tuple[int, int]],
    ceil_mode: bool,
) -> Tensor:
    """The norm of order p of the elements under each window; padding counts as zero."""
    return torch.linalg.vector_norm(
        windows(x, kernel_size, stride, dilation, padding, ceil_mode), p, dim=-1
    )


def max_unpool(x: Tensor, indices: Tensor, output_size: Ints) -> Tensor:
    """Zeros of a spatial shape with each element of x put where its index says."""
    y = x.new_zeros(*x.shape[:2], math.prod(output_size))
    return y.scatter(2, indices.flatten(2), x.flatten(2)).reshape(*x.shape[:2], *output_size)


def depth_to_space(x: Tensor, block: int) -> Tensor:
    """Blocks of channels spread over squares of space, the place in the square outside the channel (TensorFlow)."""
    n, c, h, w = x.shape
    squares = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return squares.reshape(n, c // block**2, h * block, w * block)


def space_to_depth(x: Tensor, block: int) -> Tensor:
    """Squares of space put on top of each other, the place in the square outside the channel (TensorFlow)."""
    n, c, h, w = x.shape
    squares = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return squares.reshape(n, c * block**2, h // block, w // block)
'''
