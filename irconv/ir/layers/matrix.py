"""Linear algebra: products, contractions, triangles and determinants. Affine maps are in `convolution`."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from irconv.ir.layers.base import AxisBehaviour, Barrier, Decomposition, Layer, Step, ValueType, broadcast
from irconv.ir.layers.ranges import Axis
from irconv.ir.layers.tensor_ops import Mul, Reduce
from irconv.ir.shapes import Dimension, Shape, Size, product


class MatMul(Layer):
    """The product of matrices: ``y[..., i, k] = sum over j of left[..., i, j] right[..., j, k]``.

    numpy's ``matmul``: the axes before the last two broadcast; a value of rank 1 is a row on the left and a column on
    the right, and its axis is not in the result. Axes: left (..., rows, inner), right (..., inner, columns).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"left": "*a", "right": "*a"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["MatMul"] = "MatMul"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        left, right = given["left"].shape, given["right"].shape
        if not left or not right:
            raise ValueError(f"shapes {left} and {right} are not matrices")
        rows = left if len(left) > 1 else (1, *left)
        columns = right if len(right) > 1 else (*right, 1)
        if rows[-1] != columns[-2] and isinstance(rows[-1], int) and isinstance(columns[-2], int):
            raise ValueError(f"the inner sizes of {left} and {right} differ")
        batch = broadcast([rows[:-2], columns[:-2]]) if len(rows) > 2 or len(columns) > 2 else ()
        outer = (rows[-2],) if len(left) > 1 else ()
        inner = (columns[-1],) if len(right) > 1 else ()
        return {"y": ValueType(given["left"].dtype, (*batch, *outer, *inner))}

    def multiply_adds(self, given: Mapping[str, ValueType]) -> Size:
        return product((*self.infer(given)["y"].shape, given["left"].shape[-1]))


class Einsum(Layer):
    """A sum of products, with the axes named by letters: ``bij,bjk->bik`` is a batch of matrix products.

    numpy's and PyTorch's notation. A letter that `equation` does not have behind ``->`` is summed over; a letter twice
    in one operand is its diagonal; ``...`` stands for any axes, which broadcast. Without ``->`` the result has ``...``
    first and then, in alphabetical order (capitals first), every letter that stands once. As in ONNX, axes with one
    letter have one size (PyTorch broadcasts a size of 1) and ``...`` is as many axes in every operand that has it.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["Einsum"] = "Einsum"
    equation: str

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        shape, _ = self._sizes(given)
        return {"y": ValueType(next(iter(given.values())).dtype, shape)}

    def multiply_adds(self, given: Mapping[str, ValueType]) -> Size:
        shape, summed = self._sizes(given)
        return product((*shape, *summed)) if len(given) > 1 else Size.of(0)

    def _sizes(self, given: Mapping[str, ValueType]) -> tuple[Shape, Shape]:
        """The shape of the result, and the sizes of the axes that are summed over."""
        terms, result = self.terms()
        if len(terms) != len(given):
            raise ValueError(f"{self.equation!r} has {len(terms)} operands, got {len(given)}")
        sizes: dict[str, Dimension] = {}
        others: list[Shape] = []
        for term, value in zip(terms, given.values(), strict=True):
            before, dots, after = term.partition("...")
            rest = len(value.shape) - len(before) - len(after)
            if rest < 0 or (rest > 0 and not dots):
                raise ValueError(f"{term!r} of {self.equation!r} does not name the axes of {value.shape}")
            others += [value.shape[len(before) : len(before) + rest]] if dots else []
            named = (*value.shape[: len(before)], *value.shape[len(before) + rest :])
            for letter, size in zip(before + after, named, strict=True):
                known = sizes.setdefault(letter, size)
                if known != size and isinstance(known, int) and isinstance(size, int):
                    raise ValueError(f"axis {letter} of {self.equation!r} is of size {known} and {size}")
                sizes[letter] = known if isinstance(known, int) else size
        if len(set(map(len, others))) > 1:
            raise ValueError(f"'...' of {self.equation!r} stands for {', '.join(map(str, others))}")
        before, dots, after = result.partition("...")
        free = broadcast(others) if dots and any(others) else ()
        shape = (*(sizes[letter] for letter in before), *free, *(sizes[letter] for letter in after))
        return shape, tuple(size for letter, size in sizes.items() if letter not in result)

    def terms(self) -> tuple[list[str], str]:
        """The letters of each operand and of the result."""
        inputs, arrow, result = self.equation.replace(" ", "").partition("->")
        letters = inputs.replace(",", "").replace(".", "")
        if not arrow:
            result = "..." if "..." in inputs else ""
            result += "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
        if unknown := set(result.replace("...", "")) - set(letters):
            raise ValueError(f"{self.equation!r} has {', '.join(sorted(unknown))} in its result alone")
        return inputs.split(","), result


class Dot(Layer):
    """The sum of products along one axis of each of two values, for each member of the batch.

    ``y[n, i..., j...] = sum over k of left[n, i..., k] right[n, j..., k]``, where k is axis ``axes[0]`` of left and
    ``axes[1]`` of right (counted from 0, which is the batch and in both); the axes that are left stand in order, those
    of `left` first. Two values of rank 2 give (n, 1). It is ``keras.layers.Dot`` and ``batch_dot``; with
    ``normalize=True`` both values go through a `UnitNorm` along their axis before.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"left": "n *a", "right": "n *a"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["Dot"] = "Dot"
    axes: tuple[Axis, Axis]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        left, right = given["left"].shape, given["right"].shape
        first, second = self.axes
        if not (0 < first < len(left) and 0 < second < len(right)):
            raise ValueError(f"axes {self.axes} are not among those of {left} and {right} after the batch")
        if left[first] != right[second] and isinstance(left[first], int) and isinstance(right[second], int):
            raise ValueError(f"axis {first} of {left} and axis {second} of {right} differ")
        kept = (*_without(left, first), *_without(right, second)[1:])
        return {"y": ValueType(given["left"].dtype, kept if len(kept) > 1 else (*kept, 1))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        left, right = len(given["left"].shape), len(given["right"].shape)
        if left == right == 2:
            return [
                Step(Mul(), {"x0": "left", "x1": "right"}, {"y": "product"}),
                Step(Reduce(op="sum", axes=(1,), keepdims=True), {"x": "product"}, {"y": "y"}),
            ]
        letters = "abcdefghijklmnopqrstuvwxyz"
        first = letters[:left]
        second = first[0] + letters[left : left + right - 1]
        second = second[: self.axes[1]] + first[self.axes[0]] + second[self.axes[1] + 1 :]
        result = [letter for letter in first + second[1:] if letter != first[self.axes[0]]]
        equation = f"{first},{second}->{''.join(result)}"
        return [Step(Einsum(equation=equation), {"x0": "left", "x1": "right"}, {"y": "y"})]


class Determinant(Layer):
    """The determinant of each matrix in the last two axes, which are of one size. Axes: x (..., m, m), y (...)."""

    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*a"}
    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a rows columns"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["Determinant"] = "Determinant"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
            raise ValueError(f"shape {x.shape} does not end in a square matrix")
        return {"y": ValueType(x.dtype, x.shape[:-2])}


class Trilu(Layer):
    """The upper or lower triangle of each matrix in the last two axes, and zeros elsewhere.

    Element (i, j) is kept where ``j - i >= diagonal`` (`upper`) or ``j - i <= diagonal``: 0 is the main diagonal, and
    a positive one lies to its right (numpy's and PyTorch's ``triu`` and ``tril``).
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["Trilu"] = "Trilu"
    upper: bool
    diagonal: int

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        if len(given["x"].shape) < 2:
            raise ValueError(f"shape {given['x'].shape} does not end in a matrix")
        return {"y": given["x"]}


def _without(shape: Sequence[Dimension], axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])
