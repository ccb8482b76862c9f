"""Norms that are written out: by running statistics, and by those of the value itself."""

from __future__ import annotations

from collections.abc import Iterator

from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.base import Layer
from irconv.ir.layers.normalisation import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, Standardization
from irconv.ir.shapes import Shape, size_product
from irconv.passes.recompose.matcher import Build, Made, Match, Operand, Rule
from irconv.passes.recompose.patterns import Either, Number, Op, Pattern, Var, Weights, op

X, EPSILON = Var("x"), Number(name="epsilon")
_ROLES = ("gamma", "beta", "mean", "variance")


GAMMA, BETA = Weights("gamma"), Weights("beta")


def _deviation(spread: Pattern) -> Pattern:
    """``sqrt(spread + epsilon)``, as it is written."""
    root = op("Add", spread, EPSILON)
    return Either((op("Sqrt", root), op("Pow", root, Number(0.5))))


def _inverse(spread: Pattern) -> Pattern:
    """``1 / sqrt(spread + epsilon)``."""
    root, deviation = op("Add", spread, EPSILON), _deviation(spread)
    written = (
        op("Rsqrt", root, name="inverse"),
        op("Reciprocal", deviation, name="inverse"),
        op("Div", Number(1.0), deviation, name="inverse"),
        op("Pow", root, Number(-0.5), name="inverse"),
    )
    return Either(written)


def _written(x: Pattern, mean: Pattern, spread: Pattern) -> Iterator[Op | Either]:
    """``gamma (x - mean) / sqrt(spread + epsilon) + beta`` with both, one or neither of these two, as it is written."""
    inverse, deviation, centred = _inverse(spread), _deviation(spread), op("Sub", x, mean)
    scale = op("Mul", inverse, GAMMA, name="scale")
    core = Either((op("Mul", centred, inverse), op("Div", centred, deviation)))
    stretched = op("Mul", centred, GAMMA)
    scaled = Either(
        (
            op("Mul", core, GAMMA),
            op("Mul", stretched, inverse),
            op("Div", stretched, deviation),
            op("Mul", centred, scale),
        )
    )
    yield op("Add", Either((scaled, core)), BETA)
    yield scaled
    yield core
    # x s + (beta - mean s) with s = gamma inverse: tf.nn.batch_normalization and Keras 3
    for factor in (scale, inverse):
        less = op("Mul", op("Neg", mean), factor)
        for shift in (less, op("Mul", op("Mul", op("Neg", mean), inverse), GAMMA)) if factor is scale else (less,):
            yield op("Add", op("Mul", x, factor), Either((op("Add", shift, BETA), shift)))
        yield op("Add", op("Mul", x, factor), op("Sub", BETA, op("Mul", mean, factor)))
        yield op("Sub", op("Mul", x, factor), op("Mul", mean, factor))


def _running() -> Iterator[Rule]:
    """By stored statistics: a BatchNorm along the axis that all vectors lie along."""
    for pattern in _written(X, Weights("mean"), Weights("variance")):
        yield Rule("batch norm", pattern, _batch_norm)


def _batch_norm(match: Match) -> Made | None:
    rank = len(match.type_of("x").shape)
    for axis in dict.fromkeys((1, rank - 1)) if rank > 1 else ():
        found = {role: match.vector(role, axis, rank) for role in _ROLES if role in match.weights}
        operands: dict[str, Operand] = {role: operand for role, operand in found.items() if operand is not None}
        channels = match.type_of("x").shape[axis]
        fits = all(match.work.length(operand) == channels for operand in operands.values())
        if len(operands) == len(found) and fits:
            layer = BatchNorm(epsilon=_epsilon(match), momentum=0.99, operands=operands)
            turned = () if axis == 1 else (0, rank - 1, *range(1, rank - 1))
            return Made(layer, {"x": match.values["x"]}, turned=turned)
    return None


def _fixed() -> Iterator[Rule]:
    """``(x - mean) / max(sqrt(variance), epsilon)``, and the way back: Keras' Normalization."""
    mean = Weights("mean")
    spread = op("Clip", op("Sqrt", Weights("variance")), name="spread", high=None)
    yield Rule("standardization", op("Div", op("Sub", X, mean), spread), _standardization(invert=False))
    yield Rule("its inverse", op("Add", mean, op("Mul", X, spread)), _standardization(invert=True))


def _standardization(invert: bool) -> Build:
    def build(match: Match) -> Made | None:
        shape, low = match.type_of("x").shape, match.settings("spread")["low"]
        found = {role: match.vector(role, 1, len(shape)) for role in ("mean", "variance")} if len(shape) > 1 else {}
        operands: dict[str, Operand] = {role: operand for role, operand in found.items() if operand is not None}
        if len(operands) != 2 or not low or any(match.work.length(part) != shape[1] for part in operands.values()):
            return None
        layer = Standardization(epsilon=float(shortest_float32(low)), invert=invert, operands=operands)
        return Made(layer, {"x": match.values["x"]})

    return build


def _by_itself(x: Pattern) -> Iterator[Op | Either]:
    """A norm by the mean and the variance of the value itself."""
    mean = op("Reduce", x, op="mean", keepdims=True, name="mean")
    centred = op("Sub", x, mean)
    squares = (op("Square", centred), op("Mul", centred, centred), op("Pow", centred, Number(2.0)))
    return _written(x, mean, op("Reduce", Either(squares), op="mean", keepdims=True, name="variance"))


def _own() -> Iterator[Rule]:
    """A LayerNorm over the last axes, an InstanceNorm over the spatial ones, a GroupNorm between two reshapes."""
    for pattern in _by_itself(X):
        yield Rule("layer norm", pattern, _layer_norm)
    groups = Either(tuple(_by_itself(op("Reshape", X, name="cut"))))
    yield Rule("group norm", op("Reshape", groups, name="whole"), _group_norm)


def _layer_norm(match: Match) -> Made | None:
    axes, rank = match.settings("mean")["axes"], len(match.type_of("x").shape)
    if match.settings("variance")["axes"] != axes:
        return None
    for channel in (1, rank - 1):
        if rank > 2 and axes == tuple(axis for axis in range(1, rank) if axis != channel):
            turned = () if channel == 1 else (0, rank - 1, *range(1, rank - 1))
            layer = InstanceNorm(epsilon=_epsilon(match))
            if (made := _normalised(match, layer, (channel,), rank, turned)) is not None:
                return made
    if axes == tuple(range(rank - len(axes), rank)) or axes == (1,):
        made = _normalised(match, LayerNorm(axes=axes, epsilon=_epsilon(match)), axes, rank)
        return made or (_one_group(match, rank) if len(axes) == rank - 1 > 1 else None)
    return None


def _one_group(match: Match, rank: int) -> Made | None:
    """A norm over all axes of a sample with a gamma and a beta of the channels."""
    for channel in (rank - 1, 1):
        turned = () if channel == 1 else (0, rank - 1, *range(1, rank - 1))
        made = _normalised(match, GroupNorm(groups=1, epsilon=_epsilon(match)), (channel,), rank, turned)
        if made is not None:
            return made
    return None


def _group_norm(match: Match) -> Made | None:
    """Channels cut into groups, last or first, normalised with all places, and put together again."""
    work, axes = match.work, match.settings("mean")["axes"]
    (inner,), (result,) = match.nodes["cut"].outputs.values(), match.nodes["whole"].outputs.values()
    shape, cut = match.type_of("x").shape, work.types[inner].shape
    rank = len(shape)
    if match.settings("variance")["axes"] != axes or work.types[result].shape != shape or len(cut) != rank + 1:
        return None
    for channel in dict.fromkeys((rank - 1, 1)) if rank > 1 else ():
        others = (*cut[:channel], *cut[channel + 2 :])
        apart = others == (*shape[:channel], *shape[channel + 1 :])
        if not apart or axes != tuple(axis for axis in range(1, rank + 1) if axis != channel):
            continue
        operands = _of_groups(match, channel, cut)
        groups = cut[channel]
        if operands is not None and isinstance(groups, int):
            turned = () if channel == 1 else (0, rank - 1, *range(1, rank - 1))
            layer = GroupNorm(groups=groups, epsilon=_epsilon(match), operands=operands)
            return Made(layer, {"x": match.values["x"]}, turned=turned)
    return None


def _of_groups(match: Match, channel: int, cut: Shape) -> dict[str, Operand] | None:
    """Gamma and beta as vectors over all channels, where they lie along the groups and what is in them."""
    operands: dict[str, Operand] = {}
    for role in ("gamma", "beta"):
        if role not in match.weights:
            continue
        value, wanted = match.weights[role], cut[channel : channel + 2]
        operand = match.along(role, (channel, channel + 1), len(cut))
        if operand is None or match.work.shape_of(operand) != wanted:
            return None
        whole = match.work.reshaped(value, (size_product(wanted).dimension,), "c")
        if whole is None:
            return None
        operands[role] = whole
    return operands


def _root_mean_square() -> Iterator[Rule]:
    squares = Either((op("Square", X), op("Mul", X, X), op("Pow", X, Number(2.0))))
    mean = op("Reduce", squares, op="mean", keepdims=True, name="mean")
    core = Either((op("Mul", X, _inverse(mean)), op("Div", X, _deviation(mean))))
    yield Rule("root mean square norm", op("Mul", core, GAMMA), _rms_norm)
    yield Rule("root mean square norm", core, _rms_norm)


def _rms_norm(match: Match) -> Made | None:
    axes, rank = match.settings("mean")["axes"], len(match.type_of("x").shape)
    if axes != tuple(range(rank - len(axes), rank)) and axes != (1,):
        return None
    return _normalised(match, RMSNorm(axes=axes, epsilon=_epsilon(match)), axes, rank)


def _normalised(
    match: Match, layer: Layer, axes: tuple[int, ...], rank: int, turned: tuple[int, ...] = ()
) -> Made | None:
    """The layer with gamma and beta, where these lie along `axes` of x."""
    shape = match.type_of("x").shape
    operands: dict[str, Operand] = {}
    for role in ("gamma", "beta"):
        if role not in match.weights:
            continue
        operand = match.along(role, axes, rank)
        if operand is None or match.work.shape_of(operand) != tuple(shape[axis] for axis in axes):
            return None
        operands[role] = operand
    return Made(layer.model_copy(update={"operands": operands}), {"x": match.values["x"]}, turned=turned)


def _merged_rows(match: Match) -> Made | None:
    """A norm of each row, rows merged to the channels of one instance and cut apart behind it: Keras 2's LayerNorm."""
    work, layer = match.work, match.work.layers[match.nodes["norm"].layer]
    shape, (inner,) = match.type_of("x").shape, match.nodes["merged"].outputs.values()
    (result,) = match.nodes["apart"].outputs.values()
    rows = work.types[inner].shape
    if layer.operands or len(rows) < 3 or rows[0] != 1 or work.types[result].shape != shape:
        return None
    for axis in range(1, len(shape)):
        lead, rest = size_product(shape[:axis]), size_product(shape[axis:])
        if (lead.dimension, rest.dimension) == (rows[1], size_product(rows[2:]).dimension):
            axes = tuple(range(axis, len(shape)))
            return Made(LayerNorm(axes=axes, epsilon=layer.settings()["epsilon"]), {"x": match.values["x"]})
    return None


def _merged_groups(match: Match) -> Made | None:
    """A norm of each group of channels as if it were one channel, without factors: exporters' GroupNorm."""
    work, layer = match.work, match.work.layers[match.nodes["norm"].layer]
    shape, (inner,) = match.type_of("x").shape, match.nodes["merged"].outputs.values()
    (result,) = match.nodes["apart"].outputs.values()
    groups = work.types[inner].shape
    if len(groups) < 3 or len(shape) < 2 or groups[0] != shape[0] or work.types[result].shape != shape:
        return None
    if not isinstance(groups[1], int) or not isinstance(shape[1], int) or shape[1] % groups[1]:
        return None
    if size_product(shape[1:]).dimension != size_product(groups[1:]).dimension:
        return None
    plain = {"gamma": 1.0, "beta": 0.0}
    if any((work.array(operand) != plain[role]).any() for role, operand in layer.operands.items()):
        return None
    return Made(GroupNorm(groups=groups[1], epsilon=layer.settings()["epsilon"]), {"x": match.values["x"]})


def _rows() -> Iterator[Rule]:
    norm = op("InstanceNorm", op("Reshape", X, name="merged"), name="norm")
    yield Rule("layer norm over merged rows", op("Reshape", norm, name="apart"), _merged_rows)
    yield Rule("group norm over merged channels", op("Reshape", norm, name="apart"), _merged_groups)


def _affine() -> Iterator[Rule]:
    """What stands behind a norm that has neither: a factor is its gamma, a summand its beta."""
    for kind in ("LayerNorm", "InstanceNorm", "RMSNorm", "BatchNorm", "GroupNorm"):
        norm = op(kind, X, name="norm")
        yield Rule(f"factor behind {kind}", op("Mul", norm, GAMMA), _with_role("gamma"))
        if kind != "RMSNorm":
            yield Rule(f"summand behind {kind}", op("Add", norm, BETA), _with_role("beta"))


def _with_role(role: str) -> Build:
    def build(match: Match) -> Made | None:
        layer = match.work.layers[match.nodes["norm"].layer]
        if role in layer.operands or (role == "gamma" and "beta" in layer.operands):
            return None
        shape = match.type_of("x").shape
        forms = [(layer, layer.settings().get("axes", (1,)))]
        if isinstance(layer, InstanceNorm) and not layer.operands:
            rest = tuple(range(2, len(shape)))  # without factors it may as well be one of the last axes
            forms.append((LayerNorm(axes=rest, epsilon=layer.epsilon), rest))
        for form, axes in forms:
            operand = match.along(role, axes, len(shape))
            if operand is not None and match.work.shape_of(operand) == tuple(shape[axis] for axis in axes):
                made = form.model_copy(update={"operands": {**form.operands, role: operand}})
                return Made(made, {"x": match.values["x"]}, match.nodes["norm"].layer)
        return None

    return build


def _epsilon(match: Match) -> float:
    return float(shortest_float32(match.numbers["epsilon"]))


NORMS = [*_running(), *_fixed(), *_own(), *_rows(), *_root_mean_square(), *_affine()]
