"""Losses, as modules that were exported with theirs give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irconv.errors import Refused
from irconv.frameworks.torch.aten.formulas import Sum, formula
from irconv.frameworks.torch.aten.program import Call, Handler
from irconv.ir.layers.activations import Exp, LogSoftmax, Softplus
from irconv.ir.layers.arithmetic import Div, Maximum, Sub
from irconv.ir.layers.comparisons import Equal, Less, Where
from irconv.ir.layers.elementwise import Abs, Log, Neg, Square
from irconv.ir.layers.indexing import Gather, GatherElements
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce

_NONE, _MEAN = 0, 1
"""The numbers of reductions; 2 is a sum."""
_LEAST_LOG = -100.0


def _ends(f: Sum, call: Call, value: str, over: str = "") -> None:
    """A loss of each element as it is, or their sum, or their mean: by the sum of weights where there are any."""
    reduction = call.get("reduction", _MEAN)
    if reduction == _NONE:
        f.reader.gives(call, value)
        return
    axes = tuple(range(len(f.reader.importer.type_of(value).shape)))
    if not axes:
        f.reader.gives(call, value)
    elif reduction != _MEAN:
        f.ends(Reduce(op="sum", axes=axes, keepdims=False), value)
    elif not over:
        f.ends(Reduce(op="mean", axes=axes, keepdims=False), value)
    else:
        total = Reduce(op="sum", axes=axes, keepdims=False)
        f.ends(Div(), f(total, value), f(total, over))


def _of_elements(loss: Callable[[Sum, Call, str, str], str]) -> Handler:
    """A loss of each pair of elements."""

    def write(f: Sum, call: Call) -> None:
        value, target = f.reader.promoted(call, call.arguments["self"], call.arguments["target"])
        _ends(f, call, loss(f, call, value, target))

    return formula(write)


def _squared(f: Sum, call: Call, value: str, target: str) -> str:
    return f(Square(), f(Sub(), value, target))


def _absolute(f: Sum, call: Call, value: str, target: str) -> str:
    return f(Abs(), f(Sub(), value, target))


def _smooth(f: Sum, call: Call, value: str, target: str) -> str:
    """Half the square over beta below beta, from there on the distance less half of beta."""
    beta, apart = float(call.get("beta", 1.0)), _absolute(f, call, value, target)
    if beta == 0:
        return apart
    near = f.scaled(f(Square(), apart), 0.5 / beta)
    far = f(Sub(), apart, f.number(beta / 2, apart))
    return f(Where(), f(Less(), apart, f.number(beta, apart)), near, far)


def _huber(f: Sum, call: Call, value: str, target: str) -> str:
    """Half the square up to delta, from there on delta times the distance less half of delta."""
    delta, apart = float(call.get("delta", 1.0)), _absolute(f, call, value, target)
    near = f.scaled(f(Square(), apart), 0.5)
    far = f.scaled(f(Sub(), apart, f.number(delta / 2, apart)), delta)
    return f(Where(), f(Less(), apart, f.number(delta, apart)), near, far)


def _soft_margin(f: Sum, call: Call, value: str, target: str) -> str:
    return f(Softplus(), f(Neg(), f(Mul(), value, target)))


def _divergence(f: Sum, call: Call, value: str, target: str) -> str:
    """``kl_div``: ``target (log target - value)``, zero where the target is."""
    if call.get("log_target", False):
        return f(Mul(), f(Exp(), target), f(Sub(), target, value))
    zero = f.number(0, target)
    own = f(Where(), f(Equal(), target, zero), zero, f(Mul(), target, f(Log(), target)))
    return f(Sub(), own, f(Mul(), target, value))


def _cross_entropy_of_two(f: Sum, call: Call) -> None:
    """``binary_cross_entropy``: logarithms are -100 at least."""
    value, target = f.reader.promoted(call, call.arguments["self"], call.arguments["target"])
    one, least = f.number(1, value), f.number(_LEAST_LOG, value)
    hit = f(Maximum(), f(Log(), value), least)
    missed = f(Maximum(), f(Log(), f(Sub(), one, value)), least)
    both = f(Add(), f(Mul(), target, hit), f(Mul(), f(Sub(), one, target), missed))
    _ends(f, call, _weighted(f, call, f(Neg(), both)))


def _cross_entropy_of_odds(f: Sum, call: Call) -> None:
    """``binary_cross_entropy_with_logits``: ``(1 - t) x + (1 + (w - 1) t) softplus(-x)``."""
    value, target = f.reader.promoted(call, call.arguments["self"], call.arguments["target"])
    rest, one = f(Softplus(), f(Neg(), value)), f.number(1, value)
    if call.get("pos_weight") is not None:
        more = f(Mul(), f(Sub(), f.value("pos_weight"), one), target)
        rest = f(Mul(), f(Add(), one, more), rest)
    _ends(f, call, _weighted(f, call, f(Add(), f(Mul(), f(Sub(), one, target), value), rest)))


def _weighted(f: Sum, call: Call, loss: str) -> str:
    return loss if call.get("weight") is None else f(Mul(), loss, f.value("weight"))


def _likelihood(f: Sum, call: Call) -> None:
    """``nll_loss``: of logarithms."""
    _by_class(f, call, f.value("self"))


def _cross_entropy(f: Sum, call: Call) -> None:
    """``cross_entropy_loss``: targets are classes, or how likely each of them is."""
    value, target = f.value("self"), f.value("target")
    axis = _class_axis(f, value)
    logs = f(LogSoftmax(axis=axis), value)
    if "float" not in f.reader.importer.type_of(target).dtype:
        _by_class(f, call, logs)
        return
    if call.get("weight") is not None or call.get("label_smoothing", 0.0):
        what = "weighs or smooths targets that say how likely each class is, which irconv does not read"
        raise Refused(call.where, what)
    loss = f(Neg(), f(Reduce(op="sum", axes=(axis,), keepdims=False), f(Mul(), logs, target)))
    _ends(f, call, loss)


def _class_axis(f: Sum, value: str) -> int:
    return min(1, len(f.reader.importer.type_of(value).shape) - 1)


def _by_class(f: Sum, call: Call, logs: str) -> None:
    """The negative logarithm of the class that is the target's, with the weight of that class; 0 for one to ignore."""
    target, axis = f.value("target"), _class_axis(f, logs)
    ignored = f(Equal(), target, f.number(call.get("ignore_index", -100), target))
    safe = f(Where(), ignored, f.number(0, target), target)
    chosen = f(Squeeze(axes=(axis,)), f(GatherElements(axis=axis), logs, f(Unsqueeze(axes=(axis,)), safe)))
    weight = f.number(1, logs)
    if call.get("weight") is not None:
        weight = f(Gather(axis=0), f.value("weight"), safe)
    weight = f(Where(), ignored, f.number(0, logs), weight)
    loss = f(Neg(), f(Mul(), chosen, weight))
    if smoothing := float(call.get("label_smoothing", 0.0)):
        loss = _smoothed(f, call, logs, (loss, weight), smoothing)
    _ends(f, call, loss, weight)


def _smoothed(f: Sum, call: Call, logs: str, parts: tuple[str, str], smoothing: float) -> str:
    """A part of the loss is that of all classes alike."""
    axis = _class_axis(f, logs)
    if call.get("weight") is not None:
        raise Refused(call.where, "smooths targets and weighs classes, which irconv does not read together")
    loss, weight = parts
    mean = f(Neg(), f(Reduce(op="mean", axes=(axis,), keepdims=False), logs))
    return f(Add(), f.scaled(loss, 1 - smoothing), f.scaled(f(Mul(), mean, weight), smoothing))


_ELEMENTS: dict[str, Any] = {
    "mse_loss": _squared,
    "l1_loss": _absolute,
    "smooth_l1_loss": _smooth,
    "huber_loss": _huber,
    "soft_margin_loss": _soft_margin,
    "kl_div": _divergence,
}
HANDLERS: dict[str, Handler] = {
    **{f"{op}.default": _of_elements(loss) for op, loss in _ELEMENTS.items()},
    "binary_cross_entropy.default": formula(_cross_entropy_of_two),
    "binary_cross_entropy_with_logits.default": formula(_cross_entropy_of_odds),
    **dict.fromkeys(("nll_loss.default", "nll_loss_nd.default", "nll_loss2d.default"), formula(_likelihood)),
    "cross_entropy_loss.default": formula(_cross_entropy),
}
