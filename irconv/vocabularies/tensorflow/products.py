"""Matrix products: TensorFlow ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.rows import Fixed, Ignored, Input, Rank, Weight
from irconv.vocabularies.tensorflow.rows import (
    Kernel,
    op,
)

_MATRICES = Kernel("multiplies matrices", lambda _, given: len(given["x"].shape) > 1)
_MATRIX_PAIRS = Kernel(
    "multiplies matrices", lambda _, given: min(len(given["left"].shape), len(given["right"].shape)) > 1
)
CODECS: list[Codec] = [
    op(
        "MatMul",
        "Linear",
        Rank((2,)),
        Input("x"),
        Weight("b", "kernel", "in out", positional=True),
        Fixed("transpose_a", False),
        Fixed("transpose_b", False),
        Ignored("grad_a grad_b"),
    ),
    op(
        "MatMul",
        "MatMul",
        Rank((2,), "left"),
        Rank((2,), "right"),
        Input("left"),
        Input("right"),
        Fixed("transpose_a", False),
        Fixed("transpose_b", False),
        Ignored("grad_a grad_b"),
        types="T=left",
    ),
    *(
        codec
        for native in ("BatchMatMulV2", "BatchMatMulV3", "BatchMatMul")
        for codec in (
            op(
                native,
                "Linear",
                _MATRICES,
                Input("x"),
                Weight("b", "kernel", "in out", positional=True),
                Fixed("adj_x", False),
                Fixed("adj_y", False),
                Ignored("grad_x grad_y"),
            ),
            op(
                native,
                "MatMul",
                _MATRIX_PAIRS,
                Input("left"),
                Input("right"),
                Fixed("adj_x", False),
                Fixed("adj_y", False),
                Ignored("grad_x grad_y"),
                types="T=left" if native != "BatchMatMulV3" else "Ta=left Tb=left Tout=left",
            ),
        )
    ),
]
