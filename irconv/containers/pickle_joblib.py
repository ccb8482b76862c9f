"""The arrays of ``joblib.dump``: a wrapper in the pickle says shape and type, and the bytes follow between the opcodes.

Convention: ``joblib/numpy_pickle.py`` (since joblib 0.10): a byte that counts the padding before an array, where the
wrapper says that arrays are aligned; elements in the wrapper's order; arrays of objects as pickles of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from irconv.containers.pickle_builders import array_of, check, finished
from irconv.containers.pickle_values import StreamDraft
from irconv.errors import Refused
from irconv.layout import Array


class _Wrapped(StreamDraft):
    def read(self, state: Any, take: Callable[[int], bytes], following: Callable[[], Any]) -> Any:
        """See `StreamDraft.read`. The bytes are those of the file: none are asked for that it does not have."""
        if not isinstance(state, Mapping):
            raise ValueError("expected what a wrapped array is like")
        dtype: Any = finished(state.get("dtype"))
        shape: Any = state.get("shape")
        check(dtype, shape)
        if dtype.kind == "O":
            return following()
        if state.get("numpy_array_alignment_bytes") is not None:
            take(take(1)[0])
        return _ordered(take(prod(shape) * dtype.itemsize), dtype, shape, state.get("order"))


def _ordered(content: bytes, dtype: Any, shape: Any, order: Any) -> Array:
    if order not in ("C", "F"):
        raise ValueError(f"expected the order of an array's elements, got {str(order)[:20]!r}")
    return array_of(content, dtype, shape, order)


def _wrapped(*_: Any) -> _Wrapped:
    return _Wrapped()


def _beside(*_: Any) -> Any:
    what = (
        "its arrays lie in files of their own beside it, as joblib before 0.10 wrote them, which irconv does not read"
    )
    raise Refused("pickle", what, "Load it with joblib and dump it again, which puts all into one file.")


_MODULES = ("joblib.numpy_pickle", "joblib.numpy_pickle_compat")
WRAPPERS: Mapping[str, Callable[..., Any]] = {
    f"{before}{module}.{name}": make
    for before in ("", "sklearn.externals.")
    for module in _MODULES
    for name, make in (("NumpyArrayWrapper", _wrapped), ("NDArrayWrapper", _beside), ("ZNDArrayWrapper", _beside))
}
"""Dotted name -> what stands for the object, as in `irconv.containers.pickle_builders.BUILDERS`."""
