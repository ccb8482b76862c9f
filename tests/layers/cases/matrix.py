"""Linear algebra against torch and Keras."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.ir.layers.matrix import Determinant, Dot, Einsum, MatMul, Trilu
from irconv.ir.shapes import Shape
from tests.layers.harness import Case, arrays


def _matmul(left: tuple[int, ...], right: tuple[int, ...], symbols: tuple[Shape, Shape] | None = None) -> Case:
    given = arrays(80, left=left, right=right)

    def wanted() -> dict[str, np.ndarray]:
        import torch

        return {"y": torch.matmul(*(torch.from_numpy(array) for array in given.values())).numpy()}

    shapes = dict(zip(("left", "right"), symbols, strict=True)) if symbols else {}
    return Case(f"{left} by {right}", MatMul(), given, wanted, "torch.matmul", shapes=shapes)


def _einsum(equation: str, *sizes: tuple[int, ...], symbols: tuple[Shape, ...] = ()) -> Case:
    given = arrays(81, **{f"x{i}": shape for i, shape in enumerate(sizes)})

    def wanted() -> dict[str, np.ndarray]:
        import torch

        return {"y": torch.einsum(equation, *(torch.from_numpy(array) for array in given.values())).numpy()}

    shapes = {f"x{i}": shape for i, shape in enumerate(symbols)}
    return Case(equation, Einsum(equation=equation), given, wanted, "torch.einsum", shapes=shapes)


def _dot(left: tuple[int, ...], right: tuple[int, ...], axes: tuple[int, int], symbols: tuple[Shape, Shape]) -> Case:
    given = arrays(82, left=left, right=right)

    def wanted() -> dict[str, np.ndarray]:
        import keras

        return {"y": np.asarray(keras.layers.Dot(axes)([given["left"], given["right"]]))}

    shapes = dict(zip(("left", "right"), symbols, strict=True))
    name = f"{left} and {right} along {axes}"
    return Case(name, Dot(axes=axes), given, wanted, "keras.layers.Dot", shapes=shapes)


def _triangle(function: str, diagonal: int, dtype: Any = np.float32) -> Case:
    x = (arrays(83, x=(3, 4, 6))["x"] * 10).astype(dtype)

    def wanted() -> dict[str, np.ndarray]:
        import torch

        return {"y": getattr(torch, function)(torch.from_numpy(x), diagonal).numpy()}

    layer = Trilu(upper=function == "triu", diagonal=diagonal)
    name = f"{function} from diagonal {diagonal} of {np.dtype(dtype)}"
    return Case(name, layer, {"x": x}, wanted, f"torch.{function}", shapes={"x": ("N", "H", "W")})


def _determinant() -> Case:
    x = arrays(84, x=(3, 2, 4, 4))["x"]

    def wanted() -> dict[str, np.ndarray]:
        import torch

        return {"y": torch.linalg.det(torch.from_numpy(x)).numpy()}

    return Case("of a batch", Determinant(), {"x": x}, wanted, "torch.linalg.det", shapes={"x": ("N", 2, 4, 4)})


CASES = [
    _matmul((3, 5), (5, 4), (("N", 5), (5, 4))),
    _matmul((2, 3, 4, 5), (2, 3, 5, 7), (("N", 3, "T", 5), ("N", 3, 5, "T2"))),
    _matmul((2, 3, 4, 5), (5, 7), (("N", 3, "T", 5), (5, 7))),
    _matmul((4, 5), (2, 3, 5, 7)),
    _matmul((2, 1, 4, 5), (3, 5, 7)),
    _matmul((5,), (5,)),
    _matmul((5,), (3, 5, 4)),
    _matmul((3, 4, 5), (5,), (("N", 4, 5), (5,))),
    _einsum("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5), symbols=(("N", 3, "T", 5), ("N", 3, "S", 5))),
    _einsum("...i,oij,...j->...o", (2, 3, 4), (6, 4, 5), (2, 3, 5), symbols=(("N", 3, 4), (6, 4, 5), ("N", 3, 5))),
    _einsum("...ij,...jk", (2, 1, 3, 4), (1, 5, 4, 6)),
    _einsum("ba,bc", (4, 3), (4, 5)),
    _einsum("bii->bi", (3, 4, 4), symbols=(("N", 4, 4),)),
    _einsum("bij->", (3, 4, 5)),
    _einsum("ij->ji", (3, 4), symbols=(("N", 4),)),
    _einsum("i,j->ij", (3,), (5,), symbols=(("N",), (5,))),
    _dot((3, 5), (3, 5), (1, 1), (("N", 5), ("N", 5))),
    _dot((3, 4, 5), (3, 6, 5), (2, 2), (("N", "T", 5), ("N", "S", 5))),
    _dot((3, 4, 5), (3, 4, 6), (1, 1), (("N", 4, 5), ("N", 4, 6))),
    _dot((3, 4, 5), (3, 4), (1, 1), (("N", 4, 5), ("N", 4))),
    _dot((3, 4, 5, 2), (3, 6, 4, 7), (1, 2), (("N", 4, "T", 2), ("N", 6, 4, 7))),
    _triangle("triu", 1),
    _triangle("triu", -2),
    _triangle("tril", 2),
    _triangle("tril", -1, np.int64),
    _determinant(),
]
