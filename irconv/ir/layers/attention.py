"""Attention: weighted averages of values, the weights from how queries and keys match.

What the layers share. A `mask` of truth values is True where a query may attend to a key (Keras, ONNX,
``torch.nn.functional``; ``torch.nn.MultiheadAttention`` and Transformer layers mean the opposite); one of numbers is
added to the scores. It broadcasts to the scores. `causal` lets query i attend to the keys ``0 ... i`` (``first``:
PyTorch, Keras, ONNX) or to those that leave as many keys behind as there are queries after it (``last``:
``j <= i + s - t``, FlashAttention from 2.1 and decoders with a cache); both are one for as many queries as keys.

A query that may attend to nothing gets NaN (`fully_masked` ``nan``: a softmax of minus infinities, as in
``torch.nn.MultiheadAttention``), ``zero`` (``torch.nn.functional.scaled_dot_product_attention``), or the ``average`` of
all values (Keras, TensorFlow: a large negative number is added to the scores). Dropout has no effect on inference.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from irconv.ir.layers.activations import Softmax, Tanh
from irconv.ir.layers.arithmetic import Div
from irconv.ir.layers.base import (
    AxisBehaviour,
    Barrier,
    Decomposition,
    Layer,
    Parameter,
    ValueType,
    broadcast,
)
from irconv.ir.layers.comparisons import Equal, LessOrEqual, Where
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.ranges import Positive
from irconv.ir.layers.shape_ops import Range, Repeat, Unsqueeze
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape, Transpose
from irconv.ir.shapes import Dimension, Shape, Size

_LARGE = -1e9  # Keras' and TensorFlow's "minus infinity"; beside it, scores vanish in float32
_LARGE_HALF = -3e4  # the same where the largest number is 65504


class _Attention(Layer):
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    causal: Literal["none", "first", "last"]
    fully_masked: Literal["nan", "zero", "average"]

    def together(self, given: Mapping[str, ValueType]) -> Sequence[Sequence[Shape]]:
        """A mask and the scores of queries and keys; see `Layer.together`."""
        if "mask" not in given:
            return []
        return [[given["mask"].shape[-2:], tuple(given[slot].shape[-2] for slot in ("query", "key"))]]

    def _check_mask(self, given: Mapping[str, ValueType], scores: Shape) -> None:
        mask = given.get("mask")
        if mask is not None and broadcast([mask.shape, scores]) != scores:
            raise ValueError(f"a mask of shape {mask.shape} does not fit scores of shape {scores}")

    def weights(self, f: Formula, scores: str, given: Mapping[str, ValueType], shape: Shape) -> str:
        """Softmax of the scores, of this shape (..., t, s), under the mask."""
        mask, dtype = given.get("mask"), given["query"].dtype
        large = _LARGE_HALF if dtype == "float16" else _LARGE
        barred = f.number(large if self.fully_masked == "average" else float("-inf"), dtype)
        if self.causal != "none":
            queries, keys = shape[-2:]
            start = 0 if self.causal == "first" else (Size.of(keys) - queries).dimension
            limit = (Size.of(start) + queries).dimension
            places = f(Unsqueeze(axes=(1,)), f(Range(start=start, limit=limit, step=1)))
            seen = f(LessOrEqual(), f(Range(start=0, limit=keys, step=1)), places)
            scores = f(Where(), seen, scores, barred)
        if mask is not None and mask.dtype == "bool":
            scores = f(Where(), "mask", scores, barred)
        elif mask is not None:
            scores = f(Add(), scores, "mask")
        weights = f(Softmax(axis=len(shape) - 1), scores)
        if self.fully_masked == "zero" and (mask is not None or self.causal != "none"):
            weights = f(Where(), f(Equal(), scores, barred), f.number(0.0, dtype), weights)
        return weights


class ScaledDotProductAttention(_Attention):
    """``y = softmax(scale query keyᵀ) value`` for each head, under the mask.

    `scale` is usually ``1 / sqrt(d)``; it is always written. With `softcap` the scores are ``softcap tanh(scores /
    softcap)`` before the mask (Gemma 2). Keys and values may have fewer heads, a divisor of the queries': each then
    serves that many queries in a row (grouped-query attention; PyTorch's ``enable_gqa``).

    Axes: query (n, heads, t, d), key (n, groups, s, d), value (n, groups, s, v), mask broadcast to (n, heads, t, s),
    y (n, heads, t, v). What all attentions share stands at the head of their module.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {
        "query": "n heads t d",
        "key": "n groups s d",
        "value": "n groups s v",
        "mask": "*a",
    }
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n heads t v"}

    type: Literal["ScaledDotProductAttention"] = "ScaledDotProductAttention"
    scale: float
    softcap: float | None

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        query, key, value = (given[slot].shape for slot in ("query", "key", "value"))
        if not len(query) == len(key) == len(value) == 4 or key[:3] != value[:3] or key[3] != query[3]:
            raise ValueError(f"queries {query}, keys {key} and values {value} do not go together")
        heads, groups = query[1], key[1]
        if heads != groups and not (isinstance(heads, int) and isinstance(groups, int) and heads % groups == 0):
            raise ValueError(f"{heads} heads do not share keys and values of {groups}")
        self._check_mask(given, (*query[:3], key[2]))
        return {"y": ValueType(given["query"].dtype, (*query[:3], value[3]))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, query, key = Formula(self, given), given["query"].shape, given["key"].shape
        keys, values = "key", "value"
        if isinstance(query[1], int) and isinstance(key[1], int) and query[1] != key[1]:
            keys, values = (f(Repeat(axis=1, repeats=query[1] // key[1]), slot) for slot in (keys, values))
        scores = f(MatMul(), f(Mul(), "query", f.number(self.scale)), f(Transpose(permutation=(0, 1, 3, 2)), keys))
        if self.softcap is not None:
            cap = f.number(self.softcap)
            scores = f(Mul(), f(Tanh(), f(Div(), scores, cap)), cap)
        return f.ends(MatMul(), self.weights(f, scores, given, (*query[:3], key[2])), values)


class _Projected(_Attention):
    SLOTS: ClassVar[Mapping[str, str]] = {"query": "n t query", "key": "n s key", "value": "n s value", "mask": "*a"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n t out"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "query_kernel": Parameter("(heads head_dim) query"),
        "key_kernel": Parameter("(heads head_dim) key"),
        "value_kernel": Parameter("(heads value_dim) value"),
        "output_kernel": Parameter("out (heads value_dim)"),
        "query_bias": Parameter("(heads head_dim)", 0.0),
        "key_bias": Parameter("(heads head_dim)", 0.0),
        "value_bias": Parameter("(heads value_dim)", 0.0),
        "output_bias": Parameter("out", 0.0),
    }

    heads: Positive
    scale: float
    softcap: float | None

    @property
    def groups(self) -> int:
        """The heads of keys and values."""
        return self.heads

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        query, key, value = (given[slot].shape for slot in ("query", "key", "value"))
        if not len(query) == len(key) == len(value) == 3 or key[:2] != value[:2]:
            raise ValueError(f"queries {query}, keys {key} and values {value} do not go together")
        self._check_mask(given, (query[0], self.heads, query[1], key[1]))
        return {"y": ValueType(given["query"].dtype, (*query[:2], given["output_kernel"].shape[0]))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        counts = {"query": self.heads, "key": self.groups, "value": self.groups}
        parts = [self._heads(f, slot, count, given) for slot, count in counts.items()]
        core = ScaledDotProductAttention(
            scale=self.scale, softcap=self.softcap, causal=self.causal, fully_masked=self.fully_masked
        )
        attended = f(core, *parts, *(["mask"] if "mask" in given else []))
        joined: Shape = (*given["query"].shape[:2], given["output_kernel"].shape[1])
        together = f(Reshape(shape=joined), f(Transpose(permutation=(0, 2, 1, 3)), attended))
        return f.ends(Linear(), together, kernel="output_kernel", bias="output_bias")

    def _heads(self, f: Formula, slot: str, count: int, given: Mapping[str, ValueType]) -> str:
        """The input times its kernel, as (n, heads, t, head_dim)."""
        projected = f(Linear(), slot, kernel=f"{slot}_kernel", bias=f"{slot}_bias")
        width: Dimension = Size.of(given[f"{slot}_kernel"].shape[0]).floor_divide(count).dimension
        split = f(Reshape(shape=(*given[slot].shape[:2], count, width)), projected)
        return f(Transpose(permutation=(0, 2, 1, 3)), split)


class MultiHeadAttention(_Projected):
    """`ScaledDotProductAttention` of projected queries, keys and values, its heads joined and projected again.

    ``y = output_kernel concat over heads(attention(q_h, k_h, v_h)) + output_bias`` with
    ``q = query_kernel query + query_bias`` and so on; heads are the outer part of the projected axis. Self-attention
    gives one value to three slots.

    The head size need not be the embedding's over `heads` (Keras' ``key_dim``; PyTorch and BERT always divide), values
    may have another (Keras' ``value_dim``), and so may the output. `scale` is always written; Keras multiplies the
    queries by it, PyTorch too. PyTorch and GPT-2 keep the first three kernels stacked; its ``bias_k``, ``bias_v`` and
    ``add_zero_attn``, which add keys, are not part of this type.

    Axes: query (n, t, query), key (n, s, key), value (n, s, value), mask broadcast to (n, heads, t, s); query_kernel
    ((heads head_dim), query), key_kernel ((heads head_dim), key), value_kernel ((heads value_dim), value),
    output_kernel (out, (heads value_dim)), y (n, t, out). What all attentions share stands at the head of their module.
    """

    type: Literal["MultiHeadAttention"] = "MultiHeadAttention"


class GroupedQueryAttention(_Projected):
    """`MultiHeadAttention` with fewer heads for keys and values: each serves ``heads / key_value_heads`` queries in a
    row. With one it is multi-query attention.

    Axes: as there, but key_kernel and value_kernel have ((key_value_heads head_dim), ...).
    """

    type: Literal["GroupedQueryAttention"] = "GroupedQueryAttention"
    key_value_heads: Positive

    @property
    def groups(self) -> int:
        return self.key_value_heads


class _WithoutHeads(_Attention):
    SLOTS: ClassVar[Mapping[str, str]] = {"query": "n t d", "value": "n s v", "key": "n s d", "mask": "*a"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n t v"}

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        query, key, value = (given[slot].shape for slot in ("query", "key", "value"))
        if not len(query) == len(key) == len(value) == 3 or key[:2] != value[:2] or key[2] != query[2]:
            raise ValueError(f"queries {query}, keys {key} and values {value} do not go together")
        self._check_mask(given, (*query[:2], key[1]))
        return {"y": ValueType(given["query"].dtype, (*query[:2], value[2]))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        shape: Shape = (*given["query"].shape[:2], given["key"].shape[1])
        return f.ends(MatMul(), self.weights(f, self._scores(f, given), given, shape), "value")

    def _scores(self, f: Formula, given: Mapping[str, ValueType]) -> str:
        raise NotImplementedError


class DotProductAttention(_WithoutHeads):
    """``y = softmax(scale query keyᵀ) value`` without heads: Luong's attention, Keras' Attention with ``dot``.

    The optional operand `scale` is one learned number (Keras' ``use_scale``), 1 where absent; nothing is divided by
    ``sqrt(d)``. Keras' mask of the values is this mask with an axis for the queries put in; its mask of the queries
    sets results to zero afterwards, which is a layer of its own.

    Axes: query (n, t, d), value (n, s, v), key (n, s, d), scale (), mask broadcast to (n, t, s), y (n, t, v). What all
    attentions share stands at the head of their module.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"scale": Parameter("*a", 1.0)}

    type: Literal["DotProductAttention"] = "DotProductAttention"

    def _scores(self, f: Formula, given: Mapping[str, ValueType]) -> str:
        scores = f(MatMul(), "query", f(Transpose(permutation=(0, 2, 1)), "key"))
        return f(Mul(), scores, f.operand("scale")) if "scale" in given else scores


class AdditiveAttention(_WithoutHeads):
    """``y = softmax(scores) value`` with ``scores[t, s] = sum over d of scale[d] tanh(inner_scale (query[t, d] +
    key[s, d]))``: Bahdanau's attention.

    Keras' AdditiveAttention learns `scale`, a vector (``use_scale``); its Attention with ``score_mode="concat"`` has
    one number for it (``concat_score_weight``) and one for `inner_scale` (``use_scale``). Each is 1 where absent. Masks
    are as for `DotProductAttention`.

    Axes: query (n, t, d), value (n, s, v), key (n, s, d), scale (d) or (), inner_scale (), mask broadcast to (n, t, s),
    y (n, t, v). What all attentions share stands at the head of their module.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "scale": Parameter("*a", 1.0),
        "inner_scale": Parameter("*a", 1.0),
    }

    type: Literal["AdditiveAttention"] = "AdditiveAttention"

    def _scores(self, f: Formula, given: Mapping[str, ValueType]) -> str:
        total = f(Add(), f(Unsqueeze(axes=(2,)), "query"), f(Unsqueeze(axes=(1,)), "key"))
        total = f(Mul(), total, f.operand("inner_scale")) if "inner_scale" in given else total
        matched = f(Tanh(), total)
        matched = f(Mul(), matched, f.operand("scale")) if "scale" in given else matched
        return f(Reduce(op="sum", axes=(3,), keepdims=False), matched)
