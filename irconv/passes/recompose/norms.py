"""Norms that are written out: by running statistics, and by those of the value itself."""

from __future__ import annotations

from collections.abc import Iterator

from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.base import Layer
from irconv.ir.layers.normalisation import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, Standardization
from irconv.ir.shapes import size_product
from irconv.passes.recompose.matcher import Build, Made, Match, Number, Op, Operand, Pattern, Rule, Var, Weights, op

X, EPSILON = Var("x"), Number(name="epsilon")
_ROLES = ("gamma", "beta", "mean", "variance")


def _inverse(spread: Pattern) -> Iterator[Pattern]:
    """``1 / sqrt(spread + epsilon)``, as it is written."""
    root = op("Add", spread, EPSILON)
    yield op("Rsqrt", root, name="inverse")
    yield op("Reciprocal", op("Sqrt", root), name="inverse")
    yield op("Div", Number(1.0), op("Sqrt", root), name="inverse")
    yield op("Pow", root, Number(-0.5), name="inverse")


def _scaled_and_shifted(inverse: Pattern, mean: Pattern) -> Iterator[Op]:
    """``x s + (beta - mean s)`` with ``s = gamma inverse``: what tf.nn.batch_normalization and Keras 3 write."""
    scale = op("Mul", inverse, Weights("gamma"), name="scale")
    for factor in (scale, inverse):
        yield op("Add", op("Mul", X, factor), op("Sub", Weights("beta"), op("Mul", mean, factor)))
        yield op("Sub", op("Mul", X, factor), op("Mul", mean, factor))
        less = op("Mul", op("Neg", mean), factor)
        yield op("Add", op("Mul", X, factor), op("Add", less, Weights("beta")))
        yield op("Add", op("Mul", X, factor), less)


def _with_affine(core: Pattern) -> Iterator[Op]:
    """``gamma core + beta``, ``gamma core``, ``core + beta`` and, where it is a layer, the core alone."""
    scaled = op("Mul", core, Weights("gamma"))
    yield op("Add", scaled, Weights("beta"))
    yield scaled
    yield op("Add", core, Weights("beta"))
    if isinstance(core, Op):
        yield core


def _running() -> Iterator[Rule]:
    """By stored statistics: a BatchNorm along the axis that all vectors lie along."""
    mean, variance = Weights("mean"), Weights("variance")
    for inverse in _inverse(variance):
        for pattern in _scaled_and_shifted(inverse, mean):
            yield Rule("batch norm", pattern, _batch_norm)
        for pattern in _with_affine(op("Mul", op("Sub", X, mean), inverse)):
            yield Rule("batch norm", pattern, _batch_norm)
    root = op("Sqrt", op("Add", variance, EPSILON))
    for pattern in _with_affine(op("Div", op("Sub", X, mean), root)):
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


def _own() -> Iterator[Rule]:
    """By the statistics of the value itself: a LayerNorm over the last axes, an InstanceNorm over the spatial ones."""
    mean = op("Reduce", X, op="mean", keepdims=True, name="mean")
    centred = op("Sub", X, mean, name="centred")
    squares = (
        op("Square", centred),
        op("Mul", centred, centred),
        op("Pow", centred, Number(2.0)),
        op("Square", op("Sub", X, mean)),
    )
    for square in squares:
        variance = op("Reduce", square, op="mean", keepdims=True, name="variance")
        root = op("Add", variance, EPSILON)
        for pattern in _with_affine(op("Div", centred, op("Sqrt", root))):
            yield Rule("layer norm", pattern, _layer_norm)
        for inverse in _inverse(variance):
            for pattern in _with_affine(op("Mul", centred, inverse)):
                yield Rule("layer norm", pattern, _layer_norm)
            for pattern in _scaled_and_shifted(inverse, mean):
                yield Rule("layer norm", pattern, _layer_norm)


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
        return _normalised(match, LayerNorm(axes=axes, epsilon=_epsilon(match)), axes, rank)
    return None


def _root_mean_square() -> Iterator[Rule]:
    for square in (op("Square", X), op("Mul", X, X), op("Pow", X, Number(2.0))):
        mean = op("Reduce", square, op="mean", keepdims=True, name="mean")
        cores = [op("Mul", X, inverse) for inverse in _inverse(mean)]
        cores.append(op("Div", X, op("Sqrt", op("Add", mean, EPSILON))))
        for core in cores:
            yield Rule("root mean square norm", op("Mul", core, Weights("gamma")), _rms_norm)
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
        yield Rule(f"factor behind {kind}", op("Mul", norm, Weights("gamma")), _with_role("gamma"))
        if kind != "RMSNorm":
            yield Rule(f"summand behind {kind}", op("Add", norm, Weights("beta")), _with_role("beta"))


def _with_role(role: str) -> Build:
    def build(match: Match) -> Made | None:
        layer = match.work.layers[match.nodes["norm"].layer]
        if role in layer.operands or (role == "gamma" and "beta" in layer.operands):
            return None
        shape = match.type_of("x").shape
        forms = [(layer, layer.settings().get("axes", (1,)))]
        if isinstance(layer, InstanceNorm) and not layer.operands and len(shape) == 3:
            forms.append((LayerNorm(axes=(2,), epsilon=layer.epsilon), (2,)))  # of three axes it is the same
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
