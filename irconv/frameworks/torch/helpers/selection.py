"""Helpers that make as many elements as the numbers in a value say."""

TEXT = '''\
def compress(x: Tensor, condition: Tensor, dim: int | None) -> Tensor:
    """The slices of x along dim, or of its elements, for which the condition is true."""
    x, dim = (x.reshape(-1), 0) if dim is None else (x, dim)
    return torch.index_select(x, dim, torch.nonzero(condition).reshape(-1))


def unique(x: Tensor, dim: int | None, ordered: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The different elements, or slices along dim, in rising order or as they first appear; where each first appears,
    which of them every element is, how often each appears."""
    y, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True, dim=dim)
    inverse = inverse.reshape(-1)
    places = torch.arange(inverse.numel(), device=x.device)
    first = torch.full_like(counts, inverse.numel()).scatter_reduce(0, inverse, places, "amin")
    if ordered:
        return y, first, inverse, counts
    order = torch.argsort(first)
    y = torch.index_select(y, 0 if dim is None else dim, order)
    return y, first[order], torch.argsort(order)[inverse], counts[order]


def non_max_suppression(
    boxes: Tensor,
    scores: Tensor,
    most: Tensor,
    iou_threshold: Tensor,
    score_threshold: Tensor | None = None,
    form: str = "corners",
) -> Tensor:
    """Rows of image, class and box: from the highest score down, without boxes that overlap one taken before."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if form == "centre":
        first, second = first - second / 2, first + second / 2
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    areas = (high - low).prod(-1)
    rows: list[tuple[int, int, int]] = []
    places = [(image, kind) for image in range(scores.shape[0]) for kind in range(scores.shape[1])]
    for image, kind in places:
        values = scores[image, kind]
        order = torch.argsort(values, descending=True, stable=True).tolist()
        kept: list[int] = []
        for box in order:
            if len(kept) == int(most) or (
                score_threshold is not None and values[box] <= score_threshold
            ):
                break
            sides = torch.minimum(high[image, box], high[image, kept])
            sides = sides - torch.maximum(low[image, box], low[image, kept])
            shared = sides.clamp(min=0).prod(-1)
            together = areas[image, box] + areas[image, kept] - shared
            if not bool(((shared > 0) & (shared / together > iou_threshold)).any()):
                kept.append(box)
        rows += [(image, kind, box) for box in kept]
    return torch.tensor(rows, dtype=torch.int64, device=boxes.device).reshape(-1, 3)


def reduce_along(x: Tensor, axes: Tensor, op: str, keepdim: bool, empty: str) -> Tensor:
    """A reduction along axes that are computed."""
    dim = axes.tolist() or (list(range(x.dim())) if empty == "all" else [])
    if not dim:
        return x
    if op in ("any", "all"):
        return (torch.any if op == "any" else torch.all)(x, dim=dim, keepdim=keepdim)
    if op == "prod":
        for axis in sorted((axis % x.dim() for axis in dim), reverse=True):
            x = torch.prod(x, axis, keepdim=keepdim, dtype=x.dtype)
        return x
    if op in ("max", "min"):
        if x.numel() == 0:
            gone = [axis % x.dim() for axis in dim]
            sizes = [1 if axis in gone else size for axis, size in enumerate(x.shape)]
            x = x.new_full(sizes, -math.inf if op == "max" else math.inf)
        return (torch.amax if op == "max" else torch.amin)(x, dim=dim, keepdim=keepdim)
    if op == "log_sum_exp":
        return torch.logsumexp(x, dim=dim, keepdim=keepdim)
    parts = {"l1": torch.abs, "l2": torch.square, "sum_square": torch.square}
    total = torch.sum(parts.get(op, torch.clone)(x), dim=dim, keepdim=keepdim, dtype=x.dtype)
    if op == "mean":
        return total / math.prod(x.shape[axis] for axis in dim)
    return {"l2": torch.sqrt, "log_sum": torch.log}.get(op, torch.clone)(total)


def count_up(x: Tensor) -> Tensor:
    """The numbers from 0 on below x."""
    return torch.arange(max(int(x), 0), device=x.device)
'''
