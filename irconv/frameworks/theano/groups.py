"""Bare arrays without an architecture: which belong together by their names, and what layer they may be."""

from __future__ import annotations

import re

from irconv.data_classes import dataclass
from irconv.frameworks.theano.arrays import Arrays, Stored
from irconv.ir.bundle import Tensor
from irconv.ir.manifest import Group, NativeTensor, TensorRecord

_ROLE = re.compile(
    r"^(?P<group>.*?)[._/ -]?(?P<role>W|U|V|b|w|bias|weights?|kernel|beta|gamma|mean|var|std|inv_std|running_\w+)$"
)
_NUMBERED = re.compile(r"^(?P<prefix>.*?)[._/ -]?(?P<role>W|b|U|w)_?(?P<number>\d+)$")


@dataclass(frozen=True)
class Guess:
    """Arrays that may be one layer."""

    name: str
    members: dict[str, Stored]
    """Role -> array."""
    kinds: tuple[str, ...]
    """The kinds of layers that they may be."""
    evidence: str


def groups(found: Arrays) -> tuple[dict[str, Tensor], tuple[Group, ...]]:
    """The arrays as they are, their axes unknown, and the groups that their names show."""
    tensors: dict[str, Tensor] = {}
    listed: list[Group] = []
    for guess in guesses(found):
        keys: dict[str, str] = {}
        for role, stored in guess.members.items():
            tensors[stored.name] = _tensor(stored)
            keys[role] = stored.name
        listed.append(Group(name=guess.name, type=None, evidence=guess.evidence, tensors=keys))
    return tensors, tuple(listed)


def guesses(found: Arrays) -> list[Guess]:
    """The arrays in the order of the file (numbers by value), grouped by name; a list goes weight by weight."""
    ordered = sorted(found.found, key=lambda stored: _natural(stored.name))
    members: dict[str, dict[str, Stored]] = {}
    last = ""
    for stored in ordered:
        group, role = split_name(stored.name)
        if role is None:  # a list: a matrix begins a layer, vectors follow it
            begins = len(stored.data.shape) != 1 or not last
            last = stored.name if begins else last
            group, role = last, stored.name
        members.setdefault(group or "model", {})[role] = stored
    return [_guess(name, arrays) for name, arrays in members.items()]


def split_name(name: str) -> tuple[str, str | None]:
    """The layer and the role that a name shows; no role for the numbers of a list.

    >>> split_name("layer0_w"), split_name("conv/W"), split_name("W3"), split_name("arr_3")
    (('layer0', 'w'), ('conv', 'W'), ('3', 'W'), ('', None))
    """
    if match := _NUMBERED.match(name):
        return match["prefix"] + match["number"], match["role"]
    if (match := _ROLE.match(name)) and not re.fullmatch(r"(arr_)?\d+", name):
        return match["group"], match["role"]
    if re.fullmatch(r"(arr_)?\d+", name):
        return "", None
    folder, _, leaf = name.rpartition("/")
    if leaf.count("]") > leaf.count("["):  # a slash inside brackets parts nothing
        return name, name
    return folder or name, leaf


def _guess(name: str, members: dict[str, Stored]) -> Guess:
    kinds: tuple[str, ...] = ()
    said = "arrays whose names go together"
    ranks = {len(stored.data.shape) for stored in members.values()}
    largest = max((stored.data.shape for stored in members.values()), key=len)
    if max(ranks) in (4, 5):
        kinds = ("conv2d", "conv2d_transpose") if len(largest) == 4 else ("conv3d",)
        said = f"{largest} may be (out, in, *size) of {' or '.join(kinds)}; whether filters are turned (filter_flip)"
        said += " cannot be seen"
    elif max(ranks) == 3:
        kinds = ("conv1d",)
        said = f"{largest} may be (out, in, size) of conv1d; whether filters are turned (filter_flip) cannot be seen"
    elif ranks in ({2}, {1, 2}):
        matrices = sum(len(stored.data.shape) == 2 for stored in members.values())
        kinds = ("dense", "embedding") if matrices == 1 else ("lstm", "gru", "rnn")
        said = f"may be {' or '.join(kinds)}; the order of gates cannot be seen" if matrices > 1 else ""
        said = said or f"{largest} may be (in, out) of dense" + ("" if len(members) > 1 else ", or an embedding")
    elif ranks == {1}:
        kinds = ("batch_norm",) if len(members) > 2 else ("bias",)
        said = f"vectors may be a {kinds[0]}" + (": which is the mean cannot be seen" if len(members) > 2 else "")
    return Guess(name, members, kinds, said)


def _tensor(stored: Stored) -> Tensor:
    data = stored.data
    record = TensorRecord(
        role="parameter",
        trainable=None,
        dtype=data.dtype,
        shape=data.shape,
        axes="",
        letters="",
        source=NativeTensor(file=stored.file, name=stored.name, shape=data.shape, axes=""),
        steps=(),
    )
    return Tensor(record, data)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key that puts arr_2 before arr_10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
