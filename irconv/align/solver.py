"""The assignment problem, solved by scipy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def best_pairs(scores: Sequence[Sequence[float]]) -> list[tuple[int, int]] | None:
    """The pairing of rows with columns that has the largest sum; None where another one has the same.

    Another optimum would lack at least one of the pairs, so the problem is solved again without each of them.
    scipy's `linear_sum_assignment` is the modified Jonker-Volgenant algorithm (Crouse 2016).
    """
    from scipy.optimize import linear_sum_assignment

    matrix = np.asarray(scores, np.float64)
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    best = float(matrix[rows, columns].sum())
    for row, column in zip(rows, columns, strict=True):
        if min(matrix.shape) < 2:
            break
        without = matrix.copy()
        without[row, column] = -1e6
        other_rows, other_columns = linear_sum_assignment(without, maximize=True)
        if without[other_rows, other_columns].sum() > best - 1e-9:
            return None
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
