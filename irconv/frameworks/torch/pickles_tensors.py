"""The functions with which PyTorch's pickles make tensors, as functions that only describe them.

Plain tensors are views of a storage. Quantised, sparse and nested ones are kept in the plain parts they are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from irconv.containers.pickle import Global, Instance
from irconv.data_classes import dataclass
from irconv.frameworks.torch.pickles_views import Storage, View
from irconv.layout import Array

_OLD_NAMES = {"float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32"}


@dataclass(frozen=True, eq=False, slots=True)
class PickledTensor:
    """A tensor as a pickle describes it."""

    view: View
    trainable: bool | None


@dataclass(frozen=True, eq=False)
class InParts:
    """A tensor of a kind that a bundle has no word for, as the plain tensors it is made of, bit for bit."""

    kind: str
    """What it is and how it is computed of its parts, in words."""
    parts: Mapping[str, PickledTensor | Array]
    trainable: bool | None = None


@dataclass(frozen=True, eq=False)
class Unreadable:
    """A tensor of a kind that a bundle cannot hold; refused where it is a weight, left out elsewhere."""

    kind: str


AnyTensor: TypeAlias = PickledTensor | InParts | Unreadable


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> PickledTensor:
    if not isinstance(storage, Storage):
        raise ValueError("expected a storage")
    return PickledTensor(View(storage, storage.dtype, offset, tuple(shape), tuple(strides)), None)


def _tensor_v2(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, _hooks: Any = None, bits: Any = None
) -> AnyTensor:
    return _with_bits(replace(_tensor(storage, offset, shape, strides), trainable=bool(grad)), bits)


def _tensor_v3(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, _hooks: Any, dtype: Any, bits: Any = None
) -> AnyTensor:
    if not isinstance(storage, Storage):
        raise ValueError("expected a storage")
    view = View(storage, dtype_name(dtype), offset, tuple(shape), tuple(strides))
    return _with_bits(PickledTensor(view, bool(grad)), bits)


def dtype_name(dtype: Any) -> str:
    """The name of a ``torch.dtype``. Raises `ValueError` for anything else."""
    if not isinstance(dtype, Global) or dtype.module != "torch":
        raise ValueError(f"expected an element type, got {str(dtype)[:80]}")
    return _OLD_NAMES.get(dtype.name, dtype.name)


def _with_bits(tensor: PickledTensor, bits: Any) -> AnyTensor:
    """Views whose elements are negated or conjugated when they are read."""
    if not bits:
        return _in_plain_types(tensor)
    if not isinstance(bits, dict) or not set(bits) <= {"conj", "neg"}:
        return Unreadable(f"a tensor with the properties {', '.join(map(str, bits))[:80]}")
    view = replace(tensor.view, negated=bool(bits.get("neg")), conjugated=bool(bits.get("conj")))
    return replace(tensor, view=view)


def _in_plain_types(tensor: PickledTensor) -> AnyTensor:
    """Numbers that numpy has no type for, in parts."""
    view = tensor.view
    if view.dtype == "complex32":
        shape, strides = (*view.shape, 2), (*(2 * stride for stride in view.strides), 1)
        pairs = View(view.storage, "float16", 2 * view.offset, shape, strides)
        return InParts("complex32: pairs (real, imaginary) on the last axis", {"pairs": PickledTensor(pairs, None)})
    if view.dtype == "float4_e2m1fn_x2":
        packed = PickledTensor(replace(view, dtype="uint8"), None)
        return InParts("float4_e2m1fn: two numbers in a byte, the first in its lowest bits", {"packed": packed})
    return tensor


def _parameter(data: Any, grad: Any = True, *_: Any) -> Any:
    if isinstance(data, PickledTensor | InParts):
        return replace(data, trainable=bool(grad))
    if isinstance(data, Unreadable):
        return data
    raise ValueError("expected the tensor of a parameter")


#: Quantised element type -> the plain one of its integers.
_INTEGERS = {"qint8": "int8", "quint8": "uint8", "qint32": "int32"}


def _quantised(
    storage: Any, offset: Any, shape: Any, strides: Any, how: Any, grad: Any = False, *_: Any
) -> InParts | Unreadable:
    """``scale * (int - zero_point)``, with one scale for all, or one for each index of an axis."""
    plain = _tensor(storage, offset, shape, strides).view
    scheme = how[0].name if isinstance(how, tuple) and how and isinstance(how[0], Global) else ""
    if scheme == "per_tensor_affine" and len(how) == 3:
        text = "one scale for all elements"
        named = {"scale": np.array(float(how[1])), "zero_point": np.array(int(how[2]), np.int64)}
    elif scheme.startswith("per_channel_affine") and len(how) == 4:
        text = f"a scale for each index of axis {int(how[3])}"
        named = {"scale": how[1], "zero_point": how[2], "axis": np.array(int(how[3]), np.int64)}
        if not all(isinstance(named[name], PickledTensor) for name in ("scale", "zero_point")):
            return Unreadable("a quantised tensor with scales that cannot be read")
    else:
        return Unreadable(f"a quantised tensor of the scheme {scheme or str(how)[:60]}")
    if plain.dtype in _INTEGERS:
        integers = {"int": PickledTensor(replace(plain, dtype=_INTEGERS[plain.dtype]), None)}
    elif plain.is_contiguous and plain.offset == 0:
        # Several numbers in a byte, the first in its lowest bits.
        packed = View(plain.storage, "uint8", 0, (plain.storage.nbytes,), (1,))
        integers = {"packed": PickledTensor(packed, None)}
        named["size"] = np.array(plain.shape, np.int64)
    else:
        return Unreadable(f"a view of packed {plain.dtype} numbers")
    kind = f"quantised ({plain.dtype}): scale * (int - zero_point), {text}"
    return InParts(kind, {**integers, **named}, bool(grad) or None)


_LAYOUTS = {
    "torch.sparse_coo": ("indices", "values"),
    "torch.sparse_csr": ("crow_indices", "col_indices", "values"),
    "torch.sparse_bsr": ("crow_indices", "col_indices", "values"),
    "torch.sparse_csc": ("ccol_indices", "row_indices", "values"),
    "torch.sparse_bsc": ("ccol_indices", "row_indices", "values"),
}


def _sparse(layout: Any, data: Any, *_: Any) -> InParts | Unreadable:
    """The indices and the values of the elements that are stored, and the size of the whole."""
    name = str(layout.arguments[0]) if isinstance(layout, Instance) and layout.arguments else ""
    words = _LAYOUTS.get(name, ())
    if not words or not isinstance(data, tuple) or len(data) not in (len(words) + 1, len(words) + 2):
        return Unreadable(f"a sparse tensor of the layout {name[:40] or str(layout)[:40]}")
    tensors, size, coalesced = data[: len(words)], data[len(words)], data[len(words) + 1 :]
    if not all(isinstance(part, PickledTensor) for part in tensors):
        return Unreadable("a sparse tensor with parts that cannot be read")
    parts = dict(zip(words, tensors, strict=True)) | {"size": np.array(tuple(size), np.int64)}
    if coalesced:
        parts["coalesced"] = np.array(bool(coalesced[0]))
    return InParts(f"sparse ({name}) of size {tuple(size)}: the elements that are not stored are 0", parts)


def _nested(buffer: Any, sizes: Any, strides: Any, offsets: Any) -> InParts | Unreadable:
    parts = {"buffer": buffer, "sizes": sizes, "strides": strides, "offsets": offsets}
    if not all(isinstance(part, PickledTensor) for part in parts.values()):
        return Unreadable("a nested tensor with parts that cannot be read")
    return InParts("nested: a row of tensors in one buffer, by their sizes, strides and offsets", parts)


_PLAIN_TYPES = {"Tensor", "Parameter", "Buffer", "FloatTensor"}


def _from_type(function: Any, kind: Any, arguments: Any, _state: Any = None) -> Any:
    """A tensor of a subclass: how it would be built plainly, and the class."""
    if not isinstance(function, Global) or not isinstance(kind, Global):
        raise ValueError("expected the function that rebuilds a tensor, and its class")
    build = BUILDERS.get(function.dotted)
    if build is None or not (kind.module.startswith("torch") and kind.name in _PLAIN_TYPES):
        return Unreadable(f"a tensor of the class {kind.dotted}")
    return build(*arguments)


def _first(data: Any, *_: Any) -> Any:
    """A tensor of another device, or with a tag: the data are the first argument."""
    return data


def _traced(body: Any, *_: Any) -> Instance:
    """A GraphModule of torch.fx, which is saved as source text and the attributes of the module."""
    return Instance(Global("torch.fx.graph_module", "GraphModule"), (), body)


def _unreadable(kind: str) -> Callable[..., Unreadable]:
    return lambda *_: Unreadable(kind)


_TENSORS: dict[str, Callable[..., Any]] = {
    "_rebuild_tensor": _tensor,
    "_rebuild_tensor_v2": _tensor_v2,
    "_rebuild_tensor_v3": _tensor_v3,
    "_rebuild_parameter": _parameter,
    "_rebuild_parameter_with_state": _parameter,
    "_rebuild_qtensor": _quantised,
    "_rebuild_sparse_tensor": _sparse,
    "_rebuild_sparse_csr_tensor": _sparse,
    "_rebuild_nested_tensor": _nested,
    "_rebuild_meta_tensor_no_storage": _unreadable("a tensor without data (device meta)"),
    "_rebuild_wrapper_subclass": _unreadable("a tensor of a subclass without data of its own"),
    "_rebuild_device_tensor_from_numpy": _first,
    "_rebuild_device_tensor_from_cpu_tensor": _first,
    "_rebuild_xla_tensor": _first,
}
BUILDERS: dict[str, Callable[..., Any]] = {
    **{f"torch._utils.{name}": build for name, build in _TENSORS.items()},
    "torch._tensor._rebuild_from_type": _from_type,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.tensor._rebuild_from_type": _from_type,
    "torch.nn.parameter.Parameter": _parameter,
    "torch.Size": lambda sizes=(): tuple(sizes),
    "torch.fx.graph_module.reduce_graph_module": _traced,
    # Lists with a type annotation, as the C++ side of PyTorch writes them.
    "torch.jit._pickle.build_intlist": list,
    "torch.jit._pickle.build_doublelist": list,
    "torch.jit._pickle.build_boollist": list,
    "torch.jit._pickle.build_tensorlist": list,
    "torch.jit._pickle.restore_type_tag": _first,
}
"""Dotted name -> what describes the tensor, or the other plain data."""
