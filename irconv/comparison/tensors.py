"""The tensors of two units that are the same layer: which is which, and how far apart they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field

from irconv.comparison.layouts import fitted, hint
from irconv.comparison.model import Status, TensorDiff, TensorName
from irconv.comparison.numbers import Distance, Tolerance, equal_bits, measured
from irconv.comparison.pairing import Paired, UnitPair
from irconv.comparison.sides import Operand, Unit
from irconv.comparison.stream import blocks, same_storage
from irconv.comparison.stream import paired as side_by_side
from irconv.data_classes import dataclass

_WORDS = ("kernel table gamma scale weight w", "bias beta shift bias_input b", "mean running_mean", "variance var")
_ALIKE = {word: words.split()[0] for words in _WORDS for word in words.split()}
"""Role -> a word for all roles that are the same part of a layer whose class is not known."""


@dataclass(frozen=True)
class OperandPair:
    """A tensor of both units, or of one alone."""

    a: Operand | None
    b: Operand | None

    @property
    def fits(self) -> bool:
        """Whether both are there, of one shape."""
        return self.a is not None and self.b is not None and self.a.data.shape == self.b.data.shape


def operand_pairs(pair: UnitPair) -> list[OperandPair]:
    """The operands of both units by role; what is left, by a word for several roles, then by a shape that only one on
    either side has."""
    left, right = dict(pair.a.operands), dict(pair.b.operands)
    found: list[OperandPair] = []

    def take(keys_a: Mapping[object, str], keys_b: Mapping[object, str]) -> None:
        for key, role in keys_a.items():
            if key in keys_b and role in left and keys_b[key] in right:
                found.append(OperandPair(left.pop(role), right.pop(keys_b[key])))

    take({role: role for role in left}, {role: role for role in right})
    if pair.a.layer is None or pair.b.layer is None:
        take(_unique((_ALIKE.get(r, r), r) for r in left), _unique((_ALIKE.get(r, r), r) for r in right))
        take(_unique((o.data.shape, r) for r, o in left.items()), _unique((o.data.shape, r) for r, o in right.items()))
    found += [OperandPair(operand, None) for operand in left.values()]
    found += [OperandPair(None, operand) for operand in right.values()]
    return found


def loose_operands(paired: Paired, ignored: Collection[str]) -> tuple[list[Operand], list[Operand]]:
    """The tensors of both sides that have no counterpart, but for those that count for nothing."""
    a = [operand for unit in paired.only_a for operand in unit.operands.values()]
    b = [operand for unit in paired.only_b for operand in unit.operands.values()]
    for pair in paired.pairs:
        for operands in operand_pairs(pair):
            if operands.b is None and operands.a is not None:
                a.append(operands.a)
            if operands.a is None and operands.b is not None:
                b.append(operands.b)
    return [o for o in a if o.key not in ignored], [o for o in b if o.key not in ignored]


def _unique(keyed: Iterable[tuple[object, str]]) -> dict[object, str]:
    found: dict[object, str] = {}
    twice: set[object] = set()
    for key, role in keyed:
        if key in found:
            twice.add(key)
        found[key] = role
    return {key: role for key, role in found.items() if key not in twice}


@dataclass
class Comparer:
    """Compares tensors, each pair once."""

    tolerance: Tolerance
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Tensors of either side that count for nothing where the other side lacks them, with the reason."""
    operands: dict[tuple[str, str], tuple[Operand, Operand]] = field(default_factory=dict)
    """What was compared, in one layout: by the names of both tensors."""

    def compare(self, a: Operand, b: Operand, how: str, renamed: bool) -> TensorDiff:
        """The same tensor of both sides."""
        a, b = fitted(a, b)
        left, right = named(a), named(b)
        self.operands[left.name, right.name] = (a, b)
        prefix: tuple[Status, ...] = ("renamed",) if renamed else ()
        if a.data.shape != b.data.shape:
            return TensorDiff((*prefix, "shape"), left, right, how, notes=hint(a, b))
        distance = self.distance(a, b)
        if distance is None:
            return TensorDiff(prefix or ("equal",), left, right, how)
        if a.data.dtype != b.data.dtype:
            return self._other_type(left, right, distance, how, prefix)
        if distance.beyond == 0:
            return TensorDiff((*prefix, "close"), left, right, how, distance)
        notes = hint(a, b) if distance.rearranged else ()
        return TensorDiff((*prefix, "changed"), left, right, how, distance, notes=notes)

    def distance(self, a: Operand, b: Operand) -> Distance | None:
        """How far apart two tensors of one shape are; None where they have the same bits."""
        if same_storage(a.data, b.data):
            return None
        pairing = side_by_side(a.data, b.data)
        if a.data.dtype == b.data.dtype and equal_bits(pairing):
            return None
        return measured(pairing, self.tolerance)

    def _other_type(
        self, left: TensorName, right: TensorName, distance: Distance, how: str, prefix: tuple[Status, ...]
    ) -> TensorDiff:
        kinds = f"{left.dtype} and {right.dtype}"
        if distance.changed == 0:
            return TensorDiff((*prefix, "dtype"), left, right, how, distance, notes=(f"{kinds}: the same values",))
        if distance.rounded:
            return TensorDiff((*prefix, "dtype"), left, right, how, distance, notes=(f"{kinds}: rounded, no more",))
        if distance.beyond == 0:
            return TensorDiff((*prefix, "dtype"), left, right, how, distance, notes=(f"{kinds}: within the tolerance",))
        return TensorDiff((*prefix, "dtype", "changed"), left, right, how, distance)

    def alone(self, operand: Operand, side: str, other: Unit | None) -> TensorDiff:
        """A tensor of one side (``a`` or ``b``) that the other has not."""
        a, b = (named(operand), None) if side == "a" else (None, named(operand))
        if (why := self.ignored.get(operand.key)) is not None:
            return TensorDiff(("ignored",), a, b, notes=(why,))
        fill = _fill(operand, other)
        if fill is not None and _all(operand, fill):
            return TensorDiff(("equal",), a, b, notes=(f"all of it is {fill:g}, which its absence means",))
        return TensorDiff(("missing" if side == "a" else "added",), a, b)


def named(operand: Operand) -> TensorName:
    """What is said of a tensor of one side."""
    record, layer = operand.tensor.record, operand.layer
    parameter = layer.PARAMETERS.get(operand.role) if layer is not None else None
    return TensorName(
        name=operand.key,
        native=operand.native,
        unit=operand.unit,
        role=operand.role,
        dtype=operand.data.dtype,
        shape=operand.data.shape,
        trainable=record.trainable,
        buffer=record.role == "buffer" or (parameter is not None and parameter.buffer),
    )


def _fill(operand: Operand, other: Unit | None) -> float | None:
    """What the other unit means by leaving this operand out; None where that is not known."""
    if other is None or other.layer is None:
        return None
    parameter = other.layer.PARAMETERS.get(operand.role)
    return parameter.fill if parameter else None


def _all(operand: Operand, value: float) -> bool:
    return all(bool((block == value).all()) for block in blocks(operand.data))
