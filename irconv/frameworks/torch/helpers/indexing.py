"""Helpers that choose, put, order or repeat elements, and loops."""

TEXT = '''\
def scan(
    step: Step, carried: Sequence[Tensor], scanned: Sequence[Tensor], reverse: bool, in_time: bool
) -> list[Tensor]:
    """Calls step for each index of axis 1 of the scanned values; the last carried values, then the stacked results."""
    carried, made = list(carried), []
    times = range(scanned[0].shape[1])
    for t in reversed(times) if reverse else times:
        results = step(*carried, *(x[:, t] for x in scanned))
        results = results if isinstance(results, tuple) else (results,)
        made.append(results[len(carried) :])
        carried = list(results[: len(carried)])
    if reverse and in_time:
        made.reverse()
    return [*carried, *(torch.stack(values, dim=1) for values in zip(*made))]


def strided_slice(x: Tensor, axes: Ints, starts: Bounds, ends: Bounds, steps: Ints) -> Tensor:
    """Python's slices, with steps of any sign."""
    for axis, start, end, step in zip(axes, starts, ends, steps):
        chosen = list(range(x.shape[axis])[start:end:step])
        x = torch.index_select(x, axis, torch.tensor(chosen, dtype=torch.int64, device=x.device))
    return x


def pad_by_rule(x: Tensor, pads: Sequence[tuple[int, int]], mode: str) -> Tensor:
    """Elements put around x along every axis: reflect, edge, wrap or symmetric, as NumPy calls them."""
    for axis, (before, after) in enumerate(pads):
        if not before and not after:
            continue
        size = x.shape[axis]
        places = torch.arange(-before, size + after, device=x.device)
        if mode == "edge":
            places = places.clamp(0, size - 1)
        elif mode == "wrap":
            places = places % size
        elif mode == "reflect":
            places = places % max(2 * size - 2, 1)
            places = torch.minimum(places, 2 * size - 2 - places)
        else:
            places = places % (2 * size)
            places = torch.minimum(places, 2 * size - 1 - places)
        x = torch.index_select(x, axis, places)
    return x


def gather_nd(x: Tensor, indices: Tensor, batch_axes: int) -> Tensor:
    """x at the places named by the last axis of indices; the first axes are common to both."""
    ranks = indices.dim() - 1
    batch = [
        torch.arange(x.shape[axis], device=x.device).reshape(
            [-1 if i == axis else 1 for i in range(ranks)]
        )
        for axis in range(batch_axes)
    ]
    return x[(*batch, *indices.long().unbind(-1))]


def scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, reduction: str) -> Tensor:
    """A copy of x with updates put at (or combined with what is at) the places named by the last axis of indices."""
    places = indices.long().unbind(-1)
    if reduction in ("none", "add"):
        return x.index_put(places, updates, accumulate=reduction == "add")
    rows = torch.zeros_like(places[0])
    for size, place in zip(x.shape, places):
        rows = rows * size + place % size
    flat = x.reshape(math.prod(x.shape[: len(places)]), -1)
    rows = rows.reshape(-1, 1).expand(-1, flat.shape[1])
    reduce = {"mul": "prod", "max": "amax", "min": "amin"}[reduction]
    return flat.scatter_reduce(0, rows, updates.reshape(rows.shape), reduce).reshape(x.shape)


def top_k(x: Tensor, k: int, dim: int, largest: bool) -> tuple[Tensor, Tensor]:
    """The k largest or smallest elements in order, and their indices; of equal elements the first comes first."""
    values, indices = torch.sort(x, dim=dim, descending=largest, stable=True)
    return values.narrow(dim, 0, k), indices.narrow(dim, 0, k)


def last_argmax(x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """The index of the largest element; of equal ones the last."""
    return x.shape[dim] - 1 - torch.argmax(x.flip(dim), dim=dim, keepdim=keepdim)


def last_argmin(x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """The index of the smallest element; of equal ones the last."""
    return x.shape[dim] - 1 - torch.argmin(x.flip(dim), dim=dim, keepdim=keepdim)


def reverse_sequence(x: Tensor, lengths: Tensor, batch_axis: int, time_axis: int) -> Tensor:
    """The first elements of each sequence in reverse order; those behind its length stay."""
    turned = x.movedim((batch_axis, time_axis), (0, 1))
    times = torch.arange(turned.shape[1], device=x.device)
    ends = lengths.long()[:, None]
    places = torch.where(times < ends, ends - 1 - times, times)
    places = places.reshape(*places.shape, *[1] * (x.dim() - 2)).expand_as(turned)
    return turned.gather(1, places).movedim((0, 1), (batch_axis, time_axis))


def cumsum(x: Tensor, dim: int, exclusive: bool, reverse: bool) -> Tensor:
    """Running sums, without the element itself where exclusive, from the end where reverse."""
    x = x.flip(dim) if reverse else x
    if exclusive:
        x = torch.cat(
            [torch.zeros_like(x.narrow(dim, 0, 1)), x.narrow(dim, 0, x.shape[dim] - 1)], dim=dim
        )
    y = torch.cumsum(x, dim, dtype=x.dtype)
    return y.flip(dim) if reverse else y


def cumprod(x: Tensor, dim: int, exclusive: bool, reverse: bool) -> Tensor:
    """Running products, without the element itself where exclusive, from the end where reverse."""
    x = x.flip(dim) if reverse else x
    if exclusive:
        x = torch.cat(
            [torch.ones_like(x.narrow(dim, 0, 1)), x.narrow(dim, 0, x.shape[dim] - 1)], dim=dim
        )
    y = torch.cumprod(x, dim, dtype=x.dtype)
    return y.flip(dim) if reverse else y


def prod(x: Tensor, dim: Ints, keepdim: bool = False) -> Tensor:
    """The product over several axes."""
    for axis in sorted(dim, reverse=True):
        x = torch.prod(x, axis, keepdim=keepdim, dtype=x.dtype)
    return x


def bit_shift(x: Tensor, places: Tensor, direction: str) -> Tensor:
    """The bits of unsigned integers moved, zeros coming in."""
    bits = x.view(torch.int64) if x.dtype == torch.uint64 else x.to(torch.int64)
    count = places.view(torch.int64) if places.dtype == torch.uint64 else places.to(torch.int64)
    if direction == "left":
        bits = bits << count
    else:
        halved = (bits >> 1) & (2**63 - 1)
        bits = torch.where(count > 0, halved >> (count - 1).clamp(min=0), bits)
    return bits.view(torch.uint64) if x.dtype == torch.uint64 else bits.to(x.dtype)
'''
