"""Functions of PyTorch that accumulate, or put elements by places: more of the cases of `aten_cases`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

X = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
Y = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(7))
MASK = torch.randn(2, 1, 5, generator=torch.Generator().manual_seed(3)) > 0
PLACES = torch.randint(0, 3, (2, 3, 5), generator=torch.Generator().manual_seed(21))


def _scattered_alone(a: Tensor, i: Tensor) -> tuple[Tensor, ...]:
    start, ways = torch.ones(2, 4, 5), ("sum", "prod", "amax", "amin", "mean")
    alone = (start.scatter_reduce(1, i, a, way, include_self=False) for way in ways)
    return (*alone, start.scatter_reduce(1, i, a, "mean"))


ACCUMULATING: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...]]] = {
    "running extremes": (lambda a: (*a.cummax(1), *torch.cummin(a, 2), *a.to(torch.int32).cummax(2)), (X,)),
    "running products": (lambda a: (a.cumprod(1), torch.cumprod(a.to(torch.int32), 2)), (X,)),
    "running sums of powers": (lambda a: a.logcumsumexp(1), (X,)),
    "signs taken over": (
        lambda a, b: (a.copysign(b), torch.copysign(a, -2.0), torch.copysign(a, torch.tensor([-0.0]))),
        (X, Y),
    ),
    "masked scatter": (torch.masked_scatter, (X, MASK, Y)),
    "diagonals beside the main one": (
        lambda a: (a.diag_embed(2), a.diag_embed(-1, 0, 2), torch.diag_embed(a, dim1=1, dim2=3)),
        (X,),
    ),
    "blocks on a diagonal": (lambda a, b: torch.block_diag(a[0], b[1, :2], a[1, :, :1]), (X, Y)),
    "axes until there are three": (
        lambda a: (torch.atleast_3d(a[0, 0]), torch.atleast_3d(a[0]), torch.atleast_2d(a[0, 0]), torch.atleast_1d(a)),
        (X,),
    ),
    "spread to a shape": (lambda a: torch.broadcast_to(a[:, :1], (2, 3, 5)), (X,)),
    "cut by rows, columns and depth": (
        lambda a: (*torch.vsplit(a, 2), *torch.hsplit(a, [1]), *torch.dsplit(a, [2, 3]), torch.hsplit(a[0, 0], [2])[1]),
        (X,),
    ),
    "scatter without what is there": (_scattered_alone, (X, PLACES)),
    "added slices, scaled": (lambda a, b: a.index_add(1, torch.tensor([2, 0]), b[:, :2], alpha=-3), (X, Y)),
}
