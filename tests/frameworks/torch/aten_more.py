"""Losses, functions that are others in other words, and calls with more or fewer axes than layers have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def _numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X, Y, Q, M = _numbers(2, 3, 5), _numbers(2, 3, 5, seed=7), _numbers(2, 3, 4), _numbers(4, 4)
ONE, TWO, BACK = _numbers(4, 3, 2), _numbers(4, 1, 2, 3), _numbers(3, 2, 3)
CLASSES = torch.tensor([[0, 2, 1, 1], [2, 2, 0, 1]])
POINTS = torch.tensor([[3, 1, 0], [4, 4, 2]])


def _of_elements(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    plain = F.mse_loss(a, b), F.l1_loss(a, b, reduction="sum"), F.smooth_l1_loss(a, b, beta=0.3, reduction="none")
    others = F.huber_loss(a, b, delta=0.4), F.soft_margin_loss(a, b.sign()), F.smooth_l1_loss(a, b, beta=0.0)
    return (
        *plain,
        *others,
        F.kl_div(a, b.softmax(1), reduction="batchmean"),
        F.kl_div(a, b, reduction="sum", log_target=True),
    )


def _of_two(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    likely, weight = b.sigmoid(), torch.tensor([1.0, 2.0, 3.0, 0.5, 0.7])
    of_odds = F.binary_cross_entropy_with_logits
    return (
        F.binary_cross_entropy(a.sigmoid(), likely, weight),
        of_odds(a, likely, pos_weight=weight),
        of_odds(a, likely),
    )


def _of_classes(a: Tensor, n: Tensor) -> tuple[Tensor, ...]:
    weight = torch.tensor([1.0, 2.0, 3.0])
    plain = F.cross_entropy(a, n), F.cross_entropy(a, n, weight, ignore_index=2), F.cross_entropy(a, n, reduction="sum")
    smooth = F.cross_entropy(a[0].T, n[0], label_smoothing=0.2), F.cross_entropy(a, a.flip(0).softmax(1))
    return *plain, *smooth, F.nll_loss(a.log_softmax(1), n, weight, reduction="none", ignore_index=0)


def _diagonals(a: Tensor) -> tuple[Tensor, ...]:
    return torch.diag(a), torch.diag(a, 1), torch.diag(a[0], -1), torch.diagflat(a[:2, :2], 1)


def _norms(a: Tensor) -> tuple[Tensor, ...]:
    norm = torch.linalg.norm
    return norm(a), norm(a, dim=(1, 2)), norm(a, 1, dim=2, keepdim=True), norm(a[0, 0], 3)


def _near(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    huge = a / 0
    return torch.isclose(a, a + b * 1e-5), torch.isclose(huge, huge), torch.isclose(huge, a), huge.isposinf()


def _triangles(a: Tensor) -> tuple[Tensor, ...]:
    (i, j), (k, m) = torch.triu_indices(4, 4, 1), torch.tril_indices(4, 3, -1)
    return a[i, j], a[k, m]


def _mixed(a: Tensor, n: Tensor) -> tuple[Tensor, ...]:
    whole = n[:, :, None].expand(2, 3, 5)
    joined = torch.cat([whole, a], 1), torch.cat([torch.zeros(0), a, a.double()], 2)
    return *joined, torch.stack([a, whole], 1), torch.hstack([whole, a]), torch.vstack([whole > 1, whole])


def _pieces(a: Tensor) -> tuple[Tensor, ...]:
    a = a.clone()
    parts = a.unbind(1)
    parts[0].add_(parts[1])
    torch.relu_(parts[2])
    return torch.stack(parts, 1), a


MORE: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...]]] = {
    "losses of elements": (_of_elements, (X, Y)),
    "losses of two classes": (_of_two, (X, Y)),
    "losses of classes": (_of_classes, (Q, CLASSES)),
    "diagonals of what has one or two axes": (_diagonals, (M,)),
    "norms of linalg": (_norms, (X,)),
    "near numbers": (_near, (X, Y)),
    "places in triangles": (_triangles, (M,)),
    "joined tensors of several types": (_mixed, (X, POINTS)),
    "writes into pieces": (_pieces, (X,)),
    "flipped, sorted, clipped, as a vector": (
        lambda a: (a.fliplr(), a.flipud(), a.msort(), a.clip(-0.5, 0.4), a.clip(a.mean(), a.amax()), a.ravel()),
        (X,),
    ),
    "added products with vectors": (
        lambda a: (
            torch.addmv(a[:, 0], a, a[1], beta=2, alpha=-1),
            torch.addr(a, a[0], a[1], beta=0.5),
            torch.addmv(a[0], a, a[2]),
        ),
        (M,),
    ),
    "powers of two": (
        lambda a, b: (torch.ldexp(a, b.round()), torch.logaddexp2(a, b), torch.special.log_softmax(a, 1)),
        (X, Y),
    ),
    "repeated as counted": (
        lambda a: (a.repeat_interleave(torch.tensor([1, 2, 0]), 1), a.repeat_interleave(torch.tensor([2]))),
        (X,),
    ),
    "convolutions of one image": (
        lambda a: (
            F.conv1d(a[0], ONE, padding=1),
            F.conv2d(a, TWO, stride=(1, 2), groups=2),
            F.conv_transpose1d(a[0], BACK, stride=2, output_padding=1),
        ),
        (X,),
    ),
    "pixels behind several axes, or none": (
        lambda a, b: (F.pixel_unshuffle(a, 2), F.pixel_shuffle(b, 2), F.pixel_shuffle(b[0, 0], 2)),
        (_numbers(2, 2, 3, 4, 6), _numbers(2, 3, 8, 2, 1)),
    ),
    "a slope for a vector": (lambda a: F.prelu(a[0, 0], torch.tensor([0.3])), (X,)),
}
