"""Operators along axes: reductions, orders, running sums: ``keras.ops`` <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec, Row
from irconv.frameworks.keras.table.op_rows import (
    EVERY_OP,
    AnyAxes,
    AxisOrFlat,
    CastInput,
    CastResult,
    Defaults,
    Promoted,
)
from irconv.frameworks.keras.table.rows import FLOAT32
from irconv.ir.layers.arithmetic import CumSum
from irconv.ir.layers.indexing import ArgMax, ArgMin, Sort, TopK
from irconv.ir.layers.normalisation import LayerNorm, RMSNorm
from irconv.ir.layers.plain_norms import UnitNorm
from irconv.ir.layers.reductions import StandardDeviation, Variance
from irconv.ir.layers.running import CumProd
from irconv.ir.layers.tensor_ops import Reduce
from irconv.rows import Attribute, AxisNumber, Fixed, LastAxis, Only, Output, Selects

#: Operator, its `op`, and what its input is cast to.
_REDUCTIONS: tuple[tuple[str, str, tuple[Row, ...]], ...] = (
    ("Sum", "sum", ()),
    ("Mean", "mean", (Promoted(floats=True),)),
    ("Max", "max", (Fixed("initial", None),)),
    ("Amax", "max", ()),
    ("Min", "min", (Fixed("initial", None),)),
    ("Amin", "min", ()),
    ("Prod", "prod", ()),
    ("Any", "any", (CastInput("x", "bool"),)),
    ("All", "all", (CastInput("x", "bool"),)),
    ("Logsumexp", "log_sum_exp", (Promoted(floats=True),)),
)

_KEEP = (Defaults({"keepdims": False}), AnyAxes(), Attribute("keepdims"))


def _extreme(native: str, layer: type[ArgMax] | type[ArgMin]) -> Codec:
    keep = (Defaults({"keepdims": False}), Attribute("keepdims"))
    return Codec(f"ops.{native}", layer, EVERY_OP, AxisOrFlat(), *keep, Only("ties", "first"), CastResult("y", "int32"))


def _running(native: str, layer: type[CumSum] | type[CumProd]) -> Codec:
    whole = (Defaults({"exclusive": False, "reverse": False}), Attribute("exclusive"), Attribute("reverse"))
    return Codec(f"ops.{native}", layer, EVERY_OP, AxisOrFlat(), Fixed("dtype", None), *whole)


CODECS: list[Codec] = [
    *(Codec(f"ops.{native}", Reduce, EVERY_OP, *rows, *_KEEP, Only("op", op)) for native, op, rows in _REDUCTIONS),
    Codec("ops.Var", Variance, EVERY_OP, Promoted(floats=True), *_KEEP, Only("correction", 0)),
    Codec("ops.Std", StandardDeviation, EVERY_OP, Promoted(floats=True), *_KEEP, Only("correction", 0)),
    _extreme("Argmax", ArgMax),
    _extreme("Argmin", ArgMin),
    _running("Cumsum", CumSum),
    _running("Cumprod", CumProd),
    Codec("ops.Sort", Sort, EVERY_OP, Defaults({"axis": -1}), AxisNumber("axis"), Only("descending", False)),
    Codec(
        "ops.TopK",
        TopK,
        EVERY_OP,
        Defaults({"sorted": True}),
        Attribute("k"),
        Attribute("sorted"),
        Only("largest", True),
        LastAxis(),
        Output("values"),
        Output("indices"),
        CastResult("indices", "int32"),
    ),
    Codec(
        "ops.Normalize",
        UnitNorm,
        EVERY_OP,
        Defaults({"axis": -1, "order": 2, "epsilon": 1e-7}),
        Promoted(floats=True),
        AnyAxes(),
        Attribute("order"),
        Attribute("epsilon", iso=FLOAT32),
        Only("least", "norm"),
    ),
    Codec(
        "ops.L2Normalize",  # TensorFlow's, whose epsilon is that of the squares
        UnitNorm,
        EVERY_OP,
        Defaults({"epsilon": 1e-12}),
        Promoted(floats=True),
        AnyAxes(),
        Only("order", 2),
        Attribute("epsilon", iso=FLOAT32),
        Only("least", "square_sum"),
    ),
    Codec(
        "ops.LayerNorm",
        LayerNorm,
        EVERY_OP,
        Selects("rms_scaling", False),
        Defaults({"axis": -1, "epsilon": 1e-7}),
        AnyAxes(),
        Attribute("epsilon", iso=FLOAT32),
    ),
    Codec(
        "ops.RMSNorm",
        RMSNorm,
        EVERY_OP,
        Defaults({"axis": -1, "epsilon": 1e-7}),
        AnyAxes(),
        Attribute("epsilon", iso=FLOAT32),
    ),
]
