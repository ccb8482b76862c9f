"""Integers and numbers turned into vectors: tables, sums of table rows, one-hot codes, bins."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.arithmetic import Div, Maximum
from irconv.ir.layers.base import (
    AxisBehaviour,
    Barrier,
    Decomposition,
    Layer,
    Parameter,
    Pointwise,
    ValueType,
)
from irconv.ir.layers.comparisons import Cast, Equal, Greater, GreaterOrEqual, Where
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.ranges import Positive, written_out
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce


class Embedding(Layer):
    """Looks up rows of a table: ``y[..., f] = table[x[...], f]``, for integers x.

    `padding_index` has no effect on inference: PyTorch keeps the gradient of this row at zero (and starts it as zeros);
    Keras' ``mask_zero`` is a mask besides, which is a value of its own here, and leaves row 0 as it is. Integers
    outside the vocabulary are an error in PyTorch and in TensorFlow on a CPU, zeros in TensorFlow on a GPU; negative
    ones count from the end in ONNX and JAX. A model that relies on any of this is not portable. Keras takes floats,
    too, and cuts them off.

    Axes: x (...), table (vocabulary, features), y (..., features).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*a features"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"table": Parameter("vocabulary features")}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    ALIKE: ClassVar[tuple[str, ...] | None] = ()

    type: Literal["Embedding"] = "Embedding"
    padding_index: int | None

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, table = given["x"], given["table"]
        _integers(x)
        if len(table.shape) != 2:
            raise ValueError(f"a table of shape {table.shape} is not (vocabulary, features)")
        return {"y": ValueType(table.dtype, (*x.shape, table.shape[1]))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Gather(axis=0), f.operand("table"), "x")


class EmbeddingBag(Layer):
    """Combines the table rows of each bag: the sum, mean or maximum over t of ``table[x[n, t]]``.

    With the optional `weights` (n, t), for ``sum`` only, each row is first multiplied by its weight. Entries of x equal
    to `padding_index` are left out, of the count of a mean, too; a bag of nothing else gives zeros (PyTorch). Bags of
    different lengths, which PyTorch writes as one vector and offsets, are padded this way.

    Axes: x and weights (n, t), table (vocabulary, features), y (n, features).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n t", "weights": "n t"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n features"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"table": Parameter("vocabulary features")}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    ALIKE: ClassVar[tuple[str, ...] | None] = ()

    type: Literal["EmbeddingBag"] = "EmbeddingBag"
    mode: Literal["sum", "mean", "max"]
    padding_index: int | None

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, table = given["x"], given["table"]
        _integers(x)
        if len(x.shape) != 2:
            raise ValueError(f"bags are of shape (n, t), got {x.shape}")
        if "weights" in given and (self.mode != "sum" or given["weights"].shape != x.shape):
            raise ValueError(f"weights of shape {given['weights'].shape} do not go with a {self.mode} of {x.shape}")
        return {"y": ValueType(table.dtype, (x.shape[0], table.shape[1]))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, dtype = Formula(self, given), given["table"].dtype
        rows = f(Gather(axis=0), f.operand("table"), "x")
        if "weights" in given:
            rows = f(Mul(), rows, f(Unsqueeze(axes=(2,)), "weights"))
        whole = Reduce(op=self.mode, axes=(1,), keepdims=False)
        if self.padding_index is None:
            return f.ends(whole, rows)
        padding = f(Equal(), "x", f.number(self.padding_index, given["x"].dtype))
        left_out, zero = f(Unsqueeze(axes=(2,)), padding), f.number(0.0, dtype)
        if self.mode == "max":
            lowest = f.number(float("-inf"), dtype)
            largest = f(whole, f(Where(), left_out, lowest, rows))
            return f.ends(Where(), f(Equal(), largest, lowest), zero, largest)
        kept = f(Where(), left_out, zero, rows)
        if self.mode == "sum":
            return f.ends(whole, kept)
        one, total = f.number(1.0, dtype), Reduce(op="sum", axes=(1,), keepdims=False)
        count = f(total, f(Where(), left_out, zero, one))
        return f.ends(Div(), f(total, kept), f(Maximum(), count, one))


class OneHot(Layer):
    """A new last axis of `depth` that is 1 where its index is x and 0 elsewhere: ``y[..., d] = (x[...] == d)``.

    An x outside ``0 ... depth - 1`` gives zeros (``tf.one_hot``, Keras); PyTorch refuses it; ONNX counts negative ones
    from the end. Values other than 1 and 0 are an affine map after this. Axes: x (...), y (..., depth) of `dtype`
    (PyTorch int64, Keras and TensorFlow float32).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*a depth"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["OneHot"] = "OneHot"
    depth: Positive
    dtype: str

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        _integers(given["x"])
        return {"y": ValueType(self.dtype, (*given["x"].shape, self.depth))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, rank = Formula(self, given), len(given["x"].shape)
        written_out(self.depth, f"a depth of {self.depth}")
        classes = f.number(list(range(self.depth)))
        return f.ends(Cast(dtype=self.dtype), f(Equal(), f(Unsqueeze(axes=(rank,)), "x"), classes))


class CategoryEncoding(Layer):
    """How often each of `depth` categories stands in the last axis of x (``count``), or if it does (``multi_hot``).

    ``y[..., d] = sum over t of weights[..., t] (x[..., t] == d)`` for ``count``, with weights of 1 where the optional
    slot is empty; for ``multi_hot`` the maximum over t of ``(x[..., t] == d)``. Categories outside the range count
    nowhere; Keras refuses them. Keras' mode ``one_hot`` is `OneHot`. Axes: x and weights (..., t), y (..., depth) of
    `dtype`.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a t", "weights": "*a t"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*a depth"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["CategoryEncoding"] = "CategoryEncoding"
    depth: Positive
    mode: Literal["multi_hot", "count"]
    dtype: str

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        _integers(given["x"])
        if "weights" in given and (self.mode != "count" or given["weights"].dtype != self.dtype):
            raise ValueError(f"weights of {given['weights'].dtype} do not go with a {self.mode} of {self.dtype}")
        return {"y": ValueType(self.dtype, (*given["x"].shape[:-1], self.depth))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, rank = Formula(self, given), len(given["x"].shape)
        codes = f(OneHot(depth=self.depth, dtype=self.dtype), "x")
        if "weights" in given:
            codes = f(Mul(), codes, f(Unsqueeze(axes=(rank,)), "weights"))
        op: Literal["sum", "max"] = "sum" if self.mode == "count" else "max"
        return f.ends(Reduce(op=op, axes=(rank - 1,), keepdims=False), codes)


class PositionalEmbedding(Layer):
    """Adds a learned vector for each place: ``y[n, t, f] = x[n, t, f] + table[t, f]``, for sequences no longer than the
    table.

    Keras-hub's PositionEmbedding gives the table's part alone (y for an x of zeros), GPT-2 and BERT add an embedding of
    ``0, 1, 2, ...``. Axes: x and y (n, t, features), table (places, features).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n t features"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n t features"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"table": Parameter("places features")}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["PositionalEmbedding"] = "PositionalEmbedding"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, (places, features) = given["x"], given["table"].shape
        fits = len(x.shape) == 3 and (not isinstance(x.shape[2], int) or x.shape[2] == features)
        if not fits or (isinstance(x.shape[1], int) and isinstance(places, int) and x.shape[1] > places):
            raise ValueError(f"a table of shape {given['table'].shape} has no vector for each place of {x.shape}")
        return {"y": x}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        used = Slice(axes=(0,), starts=(0,), ends=(given["x"].shape[1],), steps=(1,))
        return f.ends(Add(), "x", f(used, f.operand("table")))


class Discretization(Layer):
    """The number of the bin each element falls into: how many of the rising `boundaries` lie below it.

    An element equal to a boundary belongs to the bin ``above`` it (Keras' Discretization, ``numpy.digitize``,
    ``torch.bucketize`` with ``right=True``) or ``below`` it (``torch.bucketize`` by default, ``numpy.digitize`` with
    ``right=True``). The result has integers of `dtype` (Keras int32 or int64, PyTorch int64). NaN falls into bin 0;
    frameworks differ.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["Discretization"] = "Discretization"
    boundaries: tuple[float, ...]
    equal: Literal["above", "below"]
    dtype: str

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": ValueType(self.dtype, given["x"].shape)}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, rank = Formula(self, given), len(given["x"].shape)
        passed = GreaterOrEqual() if self.equal == "above" else Greater()
        lower = f(passed, f(Unsqueeze(axes=(rank,)), "x"), f.number(list(self.boundaries)))
        return f.ends(Reduce(op="sum", axes=(rank,), keepdims=False), f(Cast(dtype=self.dtype), lower))


def _integers(x: ValueType) -> None:
    if "int" not in x.dtype:
        raise ValueError(f"expected integers, got {x.dtype}")
