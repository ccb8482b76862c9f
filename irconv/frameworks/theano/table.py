"""Kinds of ``theano-arch/1``, which are Theano's functions, <-> IR layers.

`normalise` has run on the way in: activations stand alone, composite kinds are taken apart, defaults are written out.
`lower` has run on the way out: paddings are numbers, and composites without a codec are decomposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

from irconv.codec import Codec, Row, Table
from irconv.frameworks.theano.functions import ALL, REDUCTIONS
from irconv.frameworks.theano.rows import (
    FLIPPED,
    LIST,
    PAIRS,
    STEP,
    Absent,
    Border,
    ChannelsFirst,
    Dot,
    Floats,
    GradientBorder,
    LiteralValue,
    Masked,
    Neighbours,
    Steps,
    Stored,
    Window,
)
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import LogSoftmax, PRelu, Softmax
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.convolution import Conv, ConvTranspose, Linear
from irconv.ir.layers.embedding import Embedding
from irconv.ir.layers.indexing import ArgMax, ArgMin, Gather
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.normalisation import BatchNorm, ChannelAffine, InstanceNorm
from irconv.ir.layers.plain_norms import LocalResponseNorm
from irconv.ir.layers.pooling import AveragePool, MaxPool, SumPool
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.shape_ops import Expand, Full, Repeat, Squeeze, Tile, Unsqueeze
from irconv.ir.layers.slicing import Select, Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Flatten, Mul, Pad, Reduce, Reshape, Transpose
from irconv.ir.layers.training import Dropout
from irconv.rows import (
    Attribute,
    AxisNumber,
    AxisNumbers,
    Forgotten,
    Input,
    Iso,
    Only,
    Rank,
    Selects,
    Weight,
)

#: By filter_flip; what is written is the first.
_FILTERS: Mapping[Any, str] = {True: "out in ~*k", False: "out in *k"}
_TRANSPOSED_FILTERS: Mapping[Any, str] = {True: "in out ~*k", False: "in out *k"}
_STRIDE, _DILATION = Attribute("stride", iso=LIST), Attribute("dilation", iso=LIST)
_OUTDIM = Iso(lambda outdim: outdim - 1, lambda axis: axis + 1)
_FACTOR = Iso(lambda factor: tuple(map(float, factor)), lambda scales: [_whole(scale) for scale in scales])


def _whole(scale: float) -> int:
    if not scale.is_integer():
        raise ValueError(f"an upscale repeats whole elements, got {scale}")
    return int(scale)


def _conv(spatial: int) -> Codec:
    return Codec(
        f"conv{spatial}d",
        Conv,
        Rank((spatial + 2,)),
        Weight("W", "kernel", _FILTERS, by="filter_flip"),
        Weight("b", "bias", "out"),
        _STRIDE,
        _DILATION,
        Attribute("groups"),
        Border(),
    )


def _conv_transpose(spatial: int) -> Codec:
    return Codec(
        f"conv{spatial}d_transpose",
        ConvTranspose,
        Rank((spatial + 2,)),
        Weight("W", "kernel", _TRANSPOSED_FILTERS, by="filter_flip"),
        Weight("b", "bias", "out"),
        _STRIDE,
        _DILATION,
        GradientBorder(),
        Attribute("groups"),
    )


def _pool(spatial: int, layer: type[Layer], mode: str, *rows: Row) -> Codec:
    return Codec(
        f"pool{spatial}d",
        layer,
        Selects("mode", mode),
        Rank((spatial + 2,)),
        Attribute("ws", "kernel", LIST),
        _STRIDE,
        Attribute("ignore_border", "ceil_mode", FLIPPED),
        Window(),
        *rows,
    )


def _pools(spatial: int) -> list[Codec]:
    return [
        _pool(spatial, MaxPool, "max", Only("dilation", (1,) * spatial)),
        _pool(spatial, SumPool, "sum", Only("divisor", 1.0)),
        _pool(spatial, AveragePool, "average_inc_pad", Only("count_padding", True)),
        _pool(spatial, AveragePool, "average_exc_pad", Only("count_padding", False)),
    ]


def _batch_norm() -> Codec:
    vectors = [Weight("mean", "mean", "c"), Weight("gamma", "gamma", "c"), Weight("beta", "beta", "c")]
    spreads = [Weight("var", "variance", "c"), Weight("std", "std", "c"), Weight("inv_std", "inv_std", "c")]
    return Codec(
        "batch_norm",
        BatchNorm,
        *vectors,
        *spreads,
        Attribute("epsilon"),
        Forgotten("momentum", 0.9),
        ChannelsFirst("axis"),
    )


_DIRECTION: tuple[Row, ...] = (
    Attribute("backwards", "reverse"),
    Only("order", "time"),
    Masked(),
    Input("x"),
    Input("initial_h"),
)


def _packed(order: str) -> list[Row]:
    orders = {"gate": order} if order else {}
    gates = "(gate unit)" if order else "unit"

    def sizes(_: Mapping[str, Any]) -> Mapping[str, int]:
        return {"gate": len(order)} if order else {}

    return [
        Weight("W", "kernel", f"in {gates}", orders=orders, sizes=sizes),
        Weight("U", "recurrent_kernel", f"hidden {gates}", orders=orders, sizes=sizes),
        Weight("b", "bias_input", gates, orders=orders, sizes=sizes),
        Weight("b_u", "bias_recurrent", gates, orders=orders, sizes=sizes),
    ]


def _lstm(order: str) -> Codec:
    return Codec(
        "lstm",
        LSTM,
        Selects("gate_order", order),
        *_packed(order.replace("c", "g")),
        Weight("peep_i", "peephole_input", "unit"),
        Weight("peep_f", "peephole_forget", "unit"),
        Weight("peep_o", "peephole_output", "unit"),
        Attribute("gate_activation", "recurrent_activation", STEP),
        Attribute("outgate_peephole", "output_peephole", Iso(_PEEPHOLES.__getitem__, _peephole)),
        Attribute("forget_bias"),
        Steps(("activation", "output_activation")),
        *_DIRECTION,
        Input("initial_c"),
        Input("mask"),
        Absent("projection"),
        Only("couple_input_forget", False),
        Only("cell_clip", None),
        Only("projection_clip", None),
    )


_PEEPHOLES = {"before_nonlinearity": "before_activation", "after_nonlinearity": "after_activation"}


def _peephole(value: str) -> str:
    return next(word for word, meaning in _PEEPHOLES.items() if meaning == value)


def _gru(order: str) -> Codec:
    update = {"u_keeps_old": "old", "u_takes_new": "new"}
    back = {meaning: word for word, meaning in update.items()}
    return Codec(
        "gru",
        GRU,
        Selects("gate_order", order),
        *_packed(order.replace("c", "n").replace("u", "z")),
        Attribute("gate_activation", "recurrent_activation", STEP),
        Attribute("reset_after"),
        Attribute("update", "update_keeps", Iso(update.__getitem__, back.__getitem__)),
        Steps(("activation",)),
        *_DIRECTION,
        Input("mask"),
    )


def _functions() -> list[Codec]:
    codecs = []
    for op, function in ALL.items():
        layer = layer_class(function.layer)
        rows: list[Row] = [Selects("op", op), *map(Input, () if layer.VARIADIC else layer.SLOTS)]
        rows += [Attribute(setting, field) for setting, field in function.settings.items()]
        rows += [Only(field, value) for field, value in function.fixed.items()]
        if op == "div":
            rows.append(Floats())
        codecs.append(Codec("elementwise", layer, *rows))
    return codecs


def _gated(letters: str) -> list[str]:
    return ["".join(order) for order in permutations(letters)]


TABLE = Table(
    "Theano",
    [
        *(_conv(spatial) for spatial in (2, 1, 3)),
        *(_conv_transpose(spatial) for spatial in (2, 1, 3)),
        *(codec for spatial in (2, 1, 3) for codec in _pools(spatial)),
        Codec("dense", Linear, Stored("kernel"), Weight("W", "kernel", "in out"), Weight("b", "bias", "out")),
        Codec("bias", ChannelAffine, Absent("scale"), Weight("b", "shift", "c")),
        _batch_norm(),
        Codec(
            "lrn",
            LocalResponseNorm,
            Attribute("alpha"),
            Attribute("beta"),
            Attribute("k"),
            Only("alpha_of", "element"),
            Neighbours(),
        ),
        Codec(
            "instance_norm",
            InstanceNorm,
            Weight("gamma", "gamma", "c"),
            Weight("beta", "beta", "c"),
            Attribute("epsilon"),
        ),
        Codec("embedding", Embedding, Weight("W", "table", "vocabulary features"), Forgotten("padding_index", None)),
        *(_lstm(order) for order in _gated("ifco")),
        *(_gru(order) for order in _gated("ruc")),
        Codec("rnn", RNN, *_packed(""), Steps(("activation",)), *_DIRECTION, Input("mask")),
        Codec("dropout", Dropout, Forgotten("rate", 0.5), Forgotten("noise", "zero"), Forgotten("shared", ())),
        Codec("flatten", Flatten, Attribute("outdim", "start_axis", _OUTDIM)),
        Codec("reshape", Reshape, Attribute("shape", iso=LIST)),
        Codec("dimshuffle", Transpose, Attribute("pattern", "permutation", LIST)),
        *(
            Codec(
                "reduce", Reduce, Selects("op", op), AxisNumbers("axis", "axes"), Attribute("keepdims"), Only("op", op)
            )
            for op in REDUCTIONS
        ),
        Codec("concat", Concat, AxisNumber("axis")),
        Codec("add", Add),
        Codec("mul", Mul),
        Codec("pad", Pad, Only("mode", "constant"), Attribute("pads", iso=PAIRS), Attribute("value")),
        Codec(
            "upscale",
            Resize,
            Only("mode", "nearest"),
            Only("sizes", None),
            Attribute("factor", "scales", _FACTOR),
            Only("coordinates", "asymmetric"),
            Only("rounding", "floor"),
            Only("cubic_coefficient", None),
            Only("exclude_outside", False),
            Only("antialias", False),
        ),
        Codec("softmax", Softmax, AxisNumber("axis")),
        Codec("log_softmax", LogSoftmax, AxisNumber("axis")),
        Codec("prelu", PRelu, Weight("alpha", "slope", "c *s")),
        Codec("number", Constant, LiteralValue()),
        Codec("parameter", Constant, Weight("value", "value", "*a")),
        Codec("full", Full, Attribute("shape", iso=LIST), Attribute("value"), Attribute("dtype")),
        Codec("broadcast", Expand, Attribute("shape", iso=LIST)),
        Codec("tile", Tile, Attribute("reps", "repeats", LIST)),
        Codec("repeat", Repeat, AxisNumber("axis"), Attribute("repeats")),
        Codec("slice", Select, AxisNumber("axis"), Attribute("index")),
        Codec(
            "subtensor",
            Slice,
            *(Attribute(n, f, LIST) for n, f in (("axes", "axes"), ("starts", "starts"))),
            *(Attribute(n, f, LIST) for n, f in (("stops", "ends"), ("steps", "steps"))),
        ),
        Codec("squeeze", Squeeze, Attribute("axes", iso=LIST)),
        Codec("unsqueeze", Unsqueeze, Attribute("axes", iso=LIST)),
        Codec("cast", Cast, Attribute("dtype")),
        Codec("take", Gather, Input("x"), Input("indices"), AxisNumber("axis")),
        Codec("dot", MatMul, Input("left"), Input("right"), Dot()),
        Codec("argmax", ArgMax, AxisNumber("axis"), Attribute("keepdims"), Only("ties", "first")),
        Codec("argmin", ArgMin, AxisNumber("axis"), Attribute("keepdims"), Only("ties", "first")),
        *_functions(),
    ],
)
"""Every kind that irconv reads and writes."""
