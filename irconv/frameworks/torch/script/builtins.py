"""What TorchScript computes of numbers, lists and shapes: functions of Python values, here and now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, log
from typing import Any

from irconv.data_classes import dataclass
from irconv.ir.shapes import Size


def _arithmetic(of_numbers: Callable[[Any, Any], Any], of_sizes: Callable[[Size, Any], Size]) -> Callable[..., Any]:
    def compute(a: Any, b: Any) -> Any:
        if isinstance(a, Size) or isinstance(b, Size):
            first, second = _whole(a), _whole(b)
            return plain(of_sizes(first if isinstance(first, Size) else Size.of(first), second))
        return of_numbers(a, b)

    return compute


def _whole(value: Any) -> Any:
    """What sizes are calculated with: sizes and whole numbers. Raises `ValueError` for another number."""
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"a size is calculated with {value}, which is no whole number")
    return int(value) if isinstance(value, float) else value


@dataclass(frozen=True)
class Share:
    """A size times a fraction, of which only what is whole is a size again."""

    size: Size
    divisor: int

    def rounded(self) -> Size | int:
        """Rounded down."""
        return plain(self.size.floor_divide(self.divisor))


def _product(a: Any, b: Any) -> Any:
    """A size times a number that floats hold exactly may be rounded later."""
    size, factor = (a, b) if isinstance(a, Size) else (b, a)
    if isinstance(size, Size) and isinstance(factor, float) and not factor.is_integer():
        above, below = factor.as_integer_ratio()
        if below <= _LARGEST_DIVISOR and above > 0:
            return Share(size * above, below)
    return _arithmetic(lambda x, y: x * y, lambda x, y: x * y)(a, b)


def _floor(a: Any) -> Any:
    return a if isinstance(a, Size) else a.rounded() if isinstance(a, Share) else int(a // 1)


_LARGEST_DIVISOR = 64


def plain(size: Size) -> Size | int:
    """A size as a number where it is one."""
    return size.dimension if isinstance(size.dimension, int) else size


@dataclass(frozen=True)
class Undecided:
    """The answer to a question about sizes that are free."""

    why: str


def _compared(op: Callable[[Any, Any], bool], same: bool) -> Callable[..., Any]:
    def compare(a: Any, b: Any) -> Any:
        if not isinstance(a, Size) and not isinstance(b, Size):
            return op(a, b)
        if isinstance(a, Size) and isinstance(b, Size) and a.dimension == b.dimension:
            return same
        return Undecided(f"depends on the size {a if isinstance(a, Size) else b}")

    return compare


def _both(a: Any, b: Any) -> Any:
    """``a and b``, of which one that is known may decide."""
    if isinstance(a, Undecided):
        return a if isinstance(b, Undecided) or b else False
    return a and b


def _either(a: Any, b: Any) -> Any:
    if isinstance(a, Undecided):
        return a if isinstance(b, Undecided) or not b else True
    return a or b


def _sum(a: Any, b: Any, alpha: Any = 1) -> Any:
    if isinstance(a, list | tuple) or alpha == 1:
        return a + b if isinstance(a, list | tuple) else _arithmetic(lambda x, y: x + y, lambda x, y: x + y)(a, b)
    raise ValueError("a sum of scaled numbers")


def _quotient(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    """Sizes are divided where that leaves no rest, which exporters of traces have checked."""
    if isinstance(a, Size):
        return plain(a.floor_divide(int(b)))
    if rounding_mode is None:
        return a / b
    return int(a // b) if rounding_mode == "floor" else int(a / b)


def _typed(a: Any, dtype: Any = None, *_: Any) -> Any:
    """A number in the element type that TorchScript has a number for: 3 and 4 are integers, 11 is a truth value."""
    if isinstance(a, Size) or not isinstance(dtype, int) or isinstance(dtype, bool):
        return a
    return bool(a) if dtype == 11 else int(a) if dtype < 5 else float(a)


def _kept_within(a: Any, low: Any = None, high: Any = None) -> Any:
    """A number within bounds. Raises `ValueError` for a size that is free."""
    if isinstance(a, Size):
        raise ValueError(f"the answer depends on the size {a}")
    a = a if low is None else max(a, low)
    return a if high is None else min(a, high)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": _sum,
    "sub": lambda a, b, alpha=1: _arithmetic(lambda x, y: x - y, lambda x, y: x - y)(a, b * alpha),
    "mul": _product,
    "div": _quotient,
    "floordiv": _arithmetic(lambda a, b: a // b, lambda a, b: a.floor_divide(int(b))),
    "floor_divide": _arithmetic(lambda a, b: a // b, lambda a, b: a.floor_divide(int(b))),
    "remainder": lambda a, b: a % b,
    "pow": lambda a, b: a**b,
    "sqrt": lambda a: a**0.5,
    "neg": lambda a: -a,
    "eq": _compared(lambda a, b: a == b, True),
    "ne": _compared(lambda a, b: a != b, False),
    "lt": _compared(lambda a, b: a < b, False),
    "le": _compared(lambda a, b: a <= b, True),
    "gt": _compared(lambda a, b: a > b, False),
    "ge": _compared(lambda a, b: a >= b, True),
    "__is__": lambda a, b: a is b,
    "__isnot__": lambda a, b: a is not b,
    "__not__": lambda a: a if isinstance(a, Undecided) else not a,
    "__and__": _both,
    "__or__": _either,
    "__contains__": lambda a, b: b in a,
    "__getitem__": lambda a, b: a[b],
    "len": len,
    "append": lambda a, b: a.append(b),
    "list": list,
    "format": lambda text, *values: str(text).format(*values),
    "warn": lambda *_: None,
    "Int": lambda a: a if isinstance(a, Size) else a.rounded() if isinstance(a, Share) else int(a),
    "Float": float,
    "Bool": bool,
    "FloatImplicit": float,
    "IntImplicit": lambda a: a,
    "ScalarImplicit": lambda a: a,
    "min": min,
    "max": max,
    "floor": _floor,
    "is_grad_enabled": lambda: True,
    "is_scripting": lambda: True,
    "device": lambda *_: None,
    "list_with_default": lambda sizes, usual: [b if a is None else a for a, b in zip(sizes, usual, strict=False)],
    "index": lambda a, b: a.index(b),
    "slice": lambda a, start=0, end=None, step=1: a[start:end:step],
    "__range_length": lambda start, end, step: len(range(start, end, step)),
    "__derive_index": lambda index, start, step: start + index * step,
    "is_tracing": lambda: False,
    "is_autocast_enabled": lambda: False,
    "is_autocast_cpu_enabled": lambda: False,
    "copy": list,
    "reverse": lambda a: a.reverse(),
    "any": any,
    "all": all,
    "sum": sum,
    "abs": abs,
    "rsub": lambda a, b, alpha=1: _arithmetic(lambda x, y: x - y, lambda x, y: x - y)(b, a * alpha),
    "detach": lambda a: a,
    "to": _typed,
    "item": lambda a: a,
    "trunc": lambda a: a if isinstance(a, Size) else int(a),
    "true_divide": _quotient,
    "type_as": lambda a, _: a,
    "clamp": _kept_within,
    "maximum": max,
    "minimum": min,
    "exp": exp,
    "log": log,
    "ceil": lambda a: a if isinstance(a, Size) else int(-(-a // 1)),
}
"""By the names of ``torch.NAME``. A question about sizes that are free is `Undecided`. Gradients are taken for
wanted, since modules then compute as they are written, not by one fused call."""
PRIMITIVES: Mapping[str, Callable[..., Any]] = {
    "NumToTensor": lambda a: a,
    "unchecked_unwrap_optional": lambda a: a,
    "unchecked_cast": lambda a: a,
    "min": min,
    "max": max,
    "device": lambda *_: None,
    "is_cuda": lambda *_: False,
    "is_quantized": lambda *_: False,
    "is_mkldnn": lambda *_: False,
    "requires_grad": lambda *_: True,
    "type": lambda *_: "cpu",
    "layout": lambda *_: 0,
    "is_nested": lambda *_: False,
    "is_cpu": lambda *_: True,
    "is_sparse": lambda *_: False,
    "is_mps": lambda *_: False,
    "is_xpu": lambda *_: False,
}
"""By the names of ``ops.prim.NAME``."""
