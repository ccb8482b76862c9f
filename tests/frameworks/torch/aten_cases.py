"""Functions of PyTorch, each with what it is called on: what `test_aten` lets PyTorch and irconv compute.

Sizes are odd and unequal, values have no ties.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.frameworks.torch.aten_accumulating import ACCUMULATING
from tests.frameworks.torch.aten_more import MORE

Case = tuple[Callable[..., Any], tuple[Tensor, ...]]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def positive(*shape: int, seed: int = 1) -> Tensor:
    return numbers(*shape, seed=seed).abs() + 0.3


def whole(*shape: int, below: int = 5, seed: int = 2) -> Tensor:
    return torch.randint(0, below, shape, generator=torch.Generator().manual_seed(seed))


def truths(*shape: int, seed: int = 3) -> Tensor:
    return numbers(*shape, seed=seed) > 0


X, Y, Z, W = numbers(2, 3, 5), numbers(2, 3, 5, seed=7), positive(2, 3, 5), positive(2, 3, 5, seed=9)
N, T, U = whole(2, 3, 5), truths(2, 3, 5), truths(2, 3, 5, seed=8)
IMAGE, SMALL = numbers(2, 3, 7, 6), numbers(2, 4, 3, 5)


def _cell(function: Callable[..., Any], gates: int) -> Callable[..., Any]:
    """A step with weights of its own, which are constants of the program."""
    first, second = numbers(gates * 7, 5, seed=11), numbers(gates * 7, 7, seed=12)
    biases = numbers(gates * 7, seed=13), numbers(gates * 7, seed=14)
    return lambda x, state: function(x, state, first, second, *biases)


nn_lstm, nn_gru, nn_rnn = _cell(torch.lstm_cell, 4), _cell(torch.gru_cell, 3), _cell(torch.rnn_tanh_cell, 1)


def _put_back(a: Tensor) -> Tensor:
    a, mask = a.clone(), torch.tensor([True, False, True])
    a[:, mask] = a[:, mask] * 3 + 1
    return a


def _stacks(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    return torch.hstack([a, b]), torch.vstack([a, b]), torch.dstack([a, b]), torch.column_stack([a, b])


def _turns(a: Tensor) -> tuple[Tensor, ...]:
    turned = ((1, (2, 3)), (2, (1, 2)), (3, (0, 3)), (-1, (3, 1)), (4, (0, 1)))
    return tuple(torch.rot90(a, k, axes) for k, axes in turned)


LOGIC: dict[str, Case] = {
    "and of truth values": (lambda a, b: a & b, (T, U)),
    "or of truth values": (lambda a, b: a | b, (T, U)),
    "xor of truth values": (lambda a, b: a ^ b, (T, U)),
    "not of truth values": (lambda a: ~a, (T,)),
    "and of bits": (lambda a, b: a & b, (N, whole(2, 3, 5, below=9, seed=4))),
    "or of bits": (lambda a: a | 6, (N,)),
    "xor of bits": (lambda a: a ^ 3, (N,)),
    "not of bits": (lambda a: ~a, (N,)),
    "and in place": (lambda a, b: (a.clone().__iand__(b), a), (T, U)),
    "logical and of numbers": (torch.logical_and, (N, whole(2, 3, 5, seed=5))),
    "logical or of numbers": (torch.logical_or, (N, whole(2, 3, 5, seed=5))),
    "logical xor of numbers": (torch.logical_xor, (N, whole(2, 3, 5, seed=5))),
    "logical not of numbers": (torch.logical_not, (N,)),
    "nan to num": (lambda a: torch.nan_to_num(a.log(), nan=0.5, neginf=-3.0), (N.float() - 1,)),
    "isin": (lambda a: torch.isin(a, torch.tensor([1, 3])), (N,)),
    "any of all": (lambda a: a.any(), (T,)),
    "all along two axes": (lambda a: a.flatten(1).all(1), (T,)),
}

PICKING: dict[str, Case] = {
    "one index": (lambda a, i: a[:, i], (X, torch.tensor([2, 0, 1, 2]))),
    "index of two axes": (lambda a, i, j: a[i, j], (X, whole(4, below=2), whole(4, below=3))),
    "index of two inner axes": (lambda a, i, j: a[:, i, j], (X, whole(4, below=3), whole(4, below=5))),
    "index of axes that are apart": (lambda a, i, j: a[i, :, j], (X, whole(4, below=2), whole(4, below=5))),
    "index of rows and columns": (lambda a, i, j: a[i[:, None], j], (X, whole(4, below=2), whole(2, below=3))),
    "index of columns and rows": (lambda a, i, j: a[i, j[:, None]], (X, whole(4, below=2), whole(2, below=3))),
    "index of every row": (lambda a, i: a[torch.arange(2), i], (X, whole(2, below=3))),
    "index of a matrix": (lambda a, i: a[:, i], (X, whole(2, 4, below=3))),
    "gather": (lambda a, i: a.gather(1, i), (X, whole(2, 4, 5, below=3))),
    "gather of a part": (lambda a, i: a.gather(2, i), (X, whole(1, 2, 4, below=5))),
    "take along dim": (lambda a, i: torch.take_along_dim(a, i, 1), (X, whole(2, 4, 1, below=3))),
    "index select": (lambda a, i: a.index_select(2, i), (X, whole(7, below=5))),
    "scatter": (lambda a, i, b: a.scatter(2, i, b), (X, torch.tensor([[[4, 0], [1, 2]]]), Y)),
    "scatter of a number": (lambda a, i: a.scatter(1, i, 2.5), (X, whole(2, 2, 5, below=3))),
    "scatter add": (lambda a, i, b: a.scatter_add(1, i, b), (X, whole(2, 3, 5, below=3), Y)),
    "scatter reduce": (lambda a, i, b: a.scatter_reduce(1, i, b, "amax"), (X, whole(2, 3, 5, below=3), Y)),
    "index copy": (lambda a, b: a.index_copy(1, torch.tensor([2, 0]), b), (X, numbers(2, 2, 5))),
    "index add": (lambda a, b: a.index_add(2, torch.tensor([3, 0, 3]), b), (X, numbers(2, 3, 3))),
    "index fill": (lambda a: a.index_fill(1, torch.tensor([0, 2]), 1.5), (X,)),
    "put at places": (lambda a, i, b: a.index_put((i,), b), (X, torch.tensor([1]), Y[:1])),
    "put at inner places": (
        lambda a, i, j, b: _put_inside(a.clone(), i, j, b),
        (X, torch.tensor([0, 2, 1]), torch.tensor([3, 0, 1]), Y[:, :, 0]),
    ),
    "put at rows and columns": (
        lambda a, i, j: a.index_put((i[:, None], j), torch.tensor(1.5)),
        (X, torch.tensor([1, 0]), torch.tensor([0, 2])),
    ),
    "put at axes that are apart": (
        lambda a, i, j, b: _put_apart(a.clone(), i, j, b),
        (X, torch.tensor([0, 1, 0]), torch.tensor([3, 0, 1]), Y[0]),
    ),
    "add at places": (
        lambda a, i, b: a.index_put((i,), b, accumulate=True),
        (X, torch.tensor([1, 1, 0]), numbers(3, 3, 5)),
    ),
    "top 2": (lambda a: tuple(torch.topk(a, 2, 1)), (X,)),
    "sort": (lambda a: tuple(torch.sort(a, 2, descending=True)), (X,)),
    "argsort": (lambda a: torch.argsort(a, 1), (X,)),
    "max along an axis": (lambda a: tuple(torch.max(a, 2)), (X,)),
    "min along an axis": (lambda a: tuple(a.min(1, keepdim=True)), (X,)),
    "argmax of all": (lambda a: a.argmax(), (X,)),
    "argmin": (lambda a: a.argmin(2, keepdim=True), (X,)),
    "one hot": (lambda i: F.one_hot(i, 6), (N,)),
    "unfold": (lambda a: a.unfold(2, 3, 1), (X,)),
    "unfold inside": (lambda a: a.unfold(1, 2, 1), (X,)),
    "unfold without overlap": (lambda a: a.unfold(2, 3, 3), (IMAGE,)),
}

SHAPES: dict[str, Case] = {
    "expand as": (lambda a, b: a.expand_as(b), (numbers(3, 1), X)),
    "view as": (lambda a, b: a.view_as(b), (X, numbers(3, 10))),
    "movedim": (lambda a: a.movedim(1, 3), (IMAGE,)),
    "movedim of two": (lambda a: a.movedim((0, 3), (2, 0)), (IMAGE,)),
    "swapaxes": (lambda a: a.swapaxes(0, 2), (X,)),
    "mT": (lambda a: a.mT, (X,)),
    "narrow": (lambda a: a.narrow(2, 1, 3), (X,)),
    "narrow from the end": (lambda a: a.narrow(2, -3, 3), (X,)),
    "one alone joined": (lambda a: torch.cat([a], 1) * 2, (X,)),
    "tile": (lambda a: a.tile(2, 3), (X,)),
    "tile with more axes": (lambda a: a.tile(2, 1, 1, 3), (X,)),
    "repeat interleave": (lambda a: a.repeat_interleave(3, 1), (X,)),
    "repeat interleave of all": (lambda a: a.repeat_interleave(2), (X,)),
    "channel shuffle": (lambda a: F.channel_shuffle(a, 2), (SMALL,)),
    "tensor split": (lambda a: torch.tensor_split(a, 3, 2), (X,)),
    "tensor split at places": (lambda a: torch.tensor_split(a, (1, 4), 2), (X,)),
    "broadcast tensors": (torch.broadcast_tensors, (numbers(3, 1), numbers(1, 5))),
    "diagonal": (lambda a: a.diagonal(1, 1, 2), (X,)),
    "diagonal below": (lambda a: torch.diagonal(a, -1, 0, 2), (X,)),
    "meshgrid": (lambda a, b: torch.meshgrid(a, b, indexing="ij"), (numbers(3), numbers(5))),
    "meshgrid by x and y": (lambda a, b: torch.meshgrid(a, b, indexing="xy"), (numbers(3), numbers(5))),
    "eye": (lambda a: a @ torch.eye(5, 4), (X,)),
    "linspace": (lambda a: a * torch.linspace(-1.3, 2.7, 5), (X,)),
    "arange by fractions": (lambda a: a * torch.arange(0.5, 3.0, 0.5), (X,)),
    "type as": (lambda a, b: a.type_as(b) / 2, (N, X)),
    "flatten of a write through narrow": (lambda a: _written(a.clone()), (X,)),
    "write through movedim": (lambda a: _moved_write(a.clone()), (X,)),
    "write into a turned copy": (lambda a: _turned_copy(a[0, :2]), (X,)),
    "diff": (lambda a: torch.diff(a, dim=1), (X,)),
    "diff with what is before": (lambda a, b: torch.diff(a, dim=2, prepend=b), (N, whole(2, 3, 1))),
}

FORMULAS: dict[str, Case] = {
    "addcmul": (lambda a, b, c: torch.addcmul(a, b, c, value=0.7), (X, Y, Z)),
    "addcdiv": (lambda a, b, c: torch.addcdiv(a, b, c, value=0.7), (X, Y, Z)),
    "lerp": (lambda a, b: torch.lerp(a, b, 0.3), (X, Y)),
    "lerp by a tensor": (torch.lerp, (X, Y, Z)),
    "norm": (lambda a: a.norm(dim=1, keepdim=True), (X,)),
    "norm of all": (lambda a: torch.linalg.vector_norm(a, 1), (X,)),
    "norm of order 3": (lambda a: torch.linalg.vector_norm(a, 3, (0, 2)), (X,)),
    "norm of order infinity": (lambda a: torch.linalg.vector_norm(a, float("inf"), 1), (X,)),
    "normalize": (lambda a: F.normalize(a, dim=1), (X,)),
    "cosine similarity": (lambda a, b: F.cosine_similarity(a, b, dim=2), (X, Y)),
    "pairwise distance": (lambda a, b: F.pairwise_distance(a, b, keepdim=True), (X, Y)),
    "cdist": (torch.cdist, (X, numbers(2, 4, 5, seed=5))),
    "matrix and vector": (torch.mv, (numbers(3, 5), numbers(5, seed=4))),
    "dot": (torch.dot, (numbers(5), numbers(5, seed=4))),
    "outer": (torch.outer, (numbers(3), numbers(5, seed=4))),
    "logaddexp": (torch.logaddexp, (X, Y)),
    "hypot": (torch.hypot, (X, Y)),
    "logit": (lambda a: torch.logit(a.sigmoid(), 0.2), (X,)),
    "frac": (torch.frac, (X * 3,)),
    "erfc": (torch.erfc, (X,)),
    "xlogy": (torch.xlogy, (N.float(), Z)),
    "clamp by tensors": (lambda a, b, c: a.clamp(b - 1, c), (X, Y, Z)),
    "deg2rad": (torch.deg2rad, (X,)),
    "round to decimals": (lambda a: torch.round(a, decimals=1), (X,)),
    "atan2": (torch.atan2, (X, Y)),
    "var and mean": (lambda a: torch.var_mean(a, 1, correction=0), (X,)),
    "std and mean": (lambda a: torch.std_mean(a, (0, 2), keepdim=True), (X,)),
    "aminmax": (lambda a: tuple(torch.aminmax(a, dim=1)), (X,)),
    "elu of its own scale": (lambda a: torch.ops.aten.elu(a, 1.2, 0.7), (X,)),
    "power of a number": (lambda a: 3.0**a, (X,)),
    "selu": (F.selu, (X,)),
    "softplus with a low threshold": (lambda a: F.softplus(a, 2.0, 1.0), (X,)),
    "sum of truth values": (lambda a: a.sum(1), (T,)),
    "max of all": (lambda a: a.max(), (X,)),
    "prod of all": (lambda a: a.prod(), (X,)),
    "sum and product": (
        lambda a, b, c: torch.addmm(a, b, c, beta=0.5, alpha=2.0),
        (numbers(4), numbers(3, 5), numbers(5, 4)),
    ),
}

WINDOWS: dict[str, Case] = {
    "pool with indices": (lambda a: F.max_pool2d(a, 3, 2, 1, return_indices=True), (IMAGE,)),
    "unpool": (lambda a: F.max_unpool2d(*F.max_pool2d(a, 2, return_indices=True), 2), (numbers(2, 3, 6, 8),)),
    "pool of one member": (lambda a: F.avg_pool2d(a, 2), (numbers(3, 6, 8),)),
    "pool divided by a number": (lambda a: F.avg_pool2d(a, 3, 2, 1, divisor_override=5), (IMAGE,)),
    "columns": (lambda a: F.unfold(a, (3, 2), 2, 1, (1, 2)), (IMAGE,)),
    "sum of columns": (lambda a: F.fold(a, (4, 5), (2, 3), stride=2, padding=1), (numbers(2, 12, 9),)),
    "grid sample": (lambda a, g: F.grid_sample(a, g, align_corners=False), (IMAGE, numbers(2, 4, 5, 2, seed=4) * 0.6)),
    "grid sample by the nearest": (
        lambda a, g: F.grid_sample(a, g, "nearest", "border", align_corners=True),
        (IMAGE, numbers(2, 4, 5, 2, seed=4) * 0.6),
    ),
    "affine grid": (lambda t: F.affine_grid(t, [2, 3, 4, 5], align_corners=False), (numbers(2, 2, 3),)),
    "bilinear": (F.bilinear, (X, numbers(2, 3, 3, seed=5), numbers(4, 5, 3), numbers(4))),
    "reflection": (lambda a: F.pad(a, (2, 1, 1, 3), "reflect"), (IMAGE,)),
    "replication": (lambda a: F.pad(a, (2, 1, 1, 3), "replicate"), (IMAGE,)),
    "resize with antialias": (lambda a: F.interpolate(a, (3, 4), mode="bilinear", antialias=True), (IMAGE,)),
    "resize by the exact nearest": (lambda a: F.interpolate(a, (5, 9), mode="nearest-exact"), (IMAGE,)),
    "resize by the exact nearest in a row": (lambda a: F.interpolate(a, 8, mode="nearest-exact"), (X,)),
    "resize by cubes": (lambda a: F.interpolate(a, (5, 9), mode="bicubic", align_corners=False), (IMAGE,)),
    "resize by a factor": (lambda a: F.interpolate(a, scale_factor=2.0, mode="bilinear", align_corners=True), (IMAGE,)),
    "local response norm": (lambda a: F.local_response_norm(a, 3), (SMALL,)),
    "power pool": (lambda a: F.lp_pool2d(a, 2.0, 2), (positive(2, 3, 6, 8),)),
    "batch norm by its own statistics": (
        lambda a, b, c: F.batch_norm(a, None, None, b, c, training=True),
        (SMALL, numbers(4), numbers(4, seed=2)),
    ),
    "batch norm of one": (lambda a: F.batch_norm(a, None, None, training=True), (numbers(1, 3, 7),)),
    "layer norm without weights": (lambda a: F.layer_norm(a, (3, 5)), (X,)),
    "group norm": (lambda a, b, c: F.group_norm(a, 2, b, c), (SMALL, numbers(4), numbers(4, seed=2))),
    "attention without heads": (
        F.scaled_dot_product_attention,
        (X, numbers(2, 4, 5, seed=4), numbers(2, 4, 3, seed=5)),
    ),
    "attention of five axes": (
        F.scaled_dot_product_attention,
        (numbers(2, 3, 2, 4, 5), numbers(2, 3, 2, 6, 5, seed=4), numbers(2, 3, 2, 6, 5, seed=5)),
    ),
    "attention under a mask of the batch": (
        lambda q, k, m: F.scaled_dot_product_attention(q, k, k, attn_mask=m),
        (X, numbers(2, 4, 5, seed=4), numbers(2, 3, 4, seed=6)),
    ),
    "attention with shared keys": (
        lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True, is_causal=True),
        (numbers(2, 4, 3, 5), numbers(2, 2, 3, 5, seed=4)),
    ),
}

SELECTING: dict[str, Case] = {
    "known mask along an axis": (lambda a: a[:, torch.tensor([True, False, True])], (X,)),
    "known mask of two axes": (lambda a: a[torch.tensor([[True, False, True], [False, True, True]])], (X,)),
    "elements where a mask holds": (lambda a: a[a > 0], (X,)),
    "rows where a mask holds": (lambda a: a[:, a[0, :, 0] > 0].exp(), (X,)),
    "sum where a mask holds": (lambda a: (a[a > 0] * 2).sum(), (X,)),
    "product where a mask holds": (lambda a, b: a[a[:, 0] > 0] @ b, (numbers(6, 5), numbers(5, 3))),
    "joined with what a mask chose": (lambda a: torch.cat([a[a > 0], a.reshape(-1)]), (X,)),
    "put back at a known mask": (_put_back, (X,)),
    "masked select": (torch.masked_select, (X, truths(3, 1))),
    "nonzero": (lambda a: torch.nonzero(a > 0), (X,)),
    "nonzero of each axis": (lambda a: torch.nonzero(a > 0, as_tuple=True), (X,)),
    "where of a condition alone": (lambda a: torch.where(a > 0), (X,)),
    "unique": (torch.unique, (N,)),
    "unique with inverse and counts": (lambda a: torch.unique(a, return_inverse=True, return_counts=True), (N,)),
    "kthvalue": (lambda a: torch.kthvalue(a, 2, 1, keepdim=True)[0], (X,)),
    "median of an axis": (lambda a: tuple(torch.median(a, 2)), (numbers(2, 3, 6),)),
    "median of all": (torch.median, (numbers(2, 3),)),
    "bucketize": (lambda a: torch.bucketize(a, torch.tensor([-0.5, 0.0, 0.7])), (X,)),
    "bucketize to the right": (lambda a: torch.bucketize(a, torch.tensor([0, 2, 4]), right=True, out_int32=True), (N,)),
    "searchsorted by rows": (lambda a, b: torch.searchsorted(b.sort(-1)[0], a), (numbers(2, 5), numbers(2, 4, seed=5))),
    "count nonzero": (lambda a: (torch.count_nonzero(a > 0), torch.count_nonzero(a, dim=1)), (X,)),
    "nansum": (lambda a: torch.nansum(a.log(), 1), (X,)),
    "nanmean": (lambda a: torch.nanmean(a.log(), 2, keepdim=True), (X,)),
    "fmax and fmin": (lambda a, b: torch.fmax(a.log(), b) + torch.fmin(b, a.log()), (X, Y)),
    "heaviside": (lambda a: torch.heaviside(a.round(), torch.tensor(0.5)), (X,)),
    "sinc": (lambda a: torch.sinc(a.round() / 2), (X,)),
    "norm of matrices": (lambda a: torch.linalg.matrix_norm(a, dim=(0, 2), keepdim=True), (X,)),
    "stacks of rows": (_stacks, (numbers(5), numbers(5, seed=4))),
    "stacks of matrices": (_stacks, (numbers(3, 5), numbers(3, 5, seed=4))),
    "quarter turns": (_turns, (numbers(2, 3, 4, 5),)),
    "rolled as one": (lambda a: torch.roll(a, -4), (X,)),
    "on the diagonal": (torch.diag_embed, (X,)),
    "taken from all": (lambda a: torch.take(a, torch.tensor([[1, 7], [3, -1]])), (X,)),
    "cross product": (lambda a, b: torch.cross(a, b, 1), (X, Y)),
    "cross product of the last axis": (torch.linalg.cross, (numbers(2, 4, 3), numbers(2, 4, 3, seed=8))),
    "distances": (lambda a, b: torch.dist(a, b) + torch.dist(a, b, 1) + torch.dist(a, b, 3.0), (X, Y)),
    "tensordot": (lambda a, b: torch.tensordot(a, b, dims=([1, 2], [0, 1])), (X, numbers(3, 5, 4))),
    "kron": (torch.kron, (numbers(2, 3), numbers(4, 2))),
    "kron of a vector": (torch.kron, (numbers(2, 3), numbers(4))),
    "determinant": (lambda a: torch.det(a @ a.mT + torch.eye(3)), (X,)),
    "trace": (torch.trace, (numbers(3, 4),)),
    "product of three": (lambda a, b: torch.linalg.multi_dot([a, b, a]), (numbers(3, 4), numbers(4, 3))),
    "steps of an LSTM": (lambda a, h, c: nn_lstm(a, (h, c)), (numbers(2, 5), numbers(2, 7), numbers(2, 7, seed=3))),
    "a step of a GRU": (nn_gru, (numbers(2, 5), numbers(2, 7))),
    "a step of an RNN": (nn_rnn, (numbers(2, 5), numbers(2, 7))),
    "rrelu": (lambda a: F.rrelu(a, 0.1, 0.4), (X,)),
    "bags of rows": (lambda i, t: F.embedding_bag(i, t, mode="mean"), (whole(3, 7), numbers(5, 4))),
    "bags with weights": (
        lambda i, t, w: F.embedding_bag(i, t, mode="sum", per_sample_weights=w),
        (whole(3, 7), numbers(5, 4), numbers(3, 7)),
    ),
    "bags without padding": (
        lambda i, t: F.embedding_bag(i, t, mode="max", padding_idx=3),
        (whole(3, 7), numbers(5, 4)),
    ),
    "padded as much as needed": (
        lambda a, w: F.conv2d(a, w, padding="same", dilation=(1, 2)),
        (IMAGE, numbers(4, 3, 3, 2)),
    ),
    "moved bits": (lambda a: ((a - 3) << 2) + ((a - 3) >> 1), (N,)),
}

CASES = {**LOGIC, **PICKING, **ACCUMULATING, **SELECTING, **SHAPES, **FORMULAS, **WINDOWS, **MORE}


def _written(a: Tensor) -> Tensor:
    a.narrow(2, 1, 3).mul_(2.0)
    return a + 1


def _moved_write(a: Tensor) -> Tensor:
    a.movedim(2, 0)[1:3].add_(3.0)
    return a * 2


def _turned_copy(a: Tensor) -> Tensor:
    """As positions relative to each other are made (Swin, BEiT): whether there is a copy depends on strides."""
    found = (a[:, :, None] - a[:, None, :].roll(1, 0)).permute(1, 2, 0).contiguous()
    found[:, :, 0] += 3.0
    found[:, :, 1] *= 2.0
    return found.sum(-1)


def _put_apart(a: Tensor, i: Tensor, j: Tensor, b: Tensor) -> Tensor:
    a[i, :, j] = b[:, :3]
    return a


def _put_inside(a: Tensor, i: Tensor, j: Tensor, b: Tensor) -> Tensor:
    a[:, i, j] = b
    return a
