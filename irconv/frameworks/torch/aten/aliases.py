"""Which tensors of a program share memory, and what a write into one of them means for the others.

A value of a bundle never changes. So a write gives its tensor a new value; what it is a view of gets a new value with
that one put in its place (`aten.views`), up to the tensor that owns the memory; and every other view of that memory is
taken again, of the new value, when it is next read.

Whether ``reshape`` of a tensor that does not lie in its own order is a view or a copy depends on how it lies. Where a
write would show which it was, it is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field, replace
from typing import TYPE_CHECKING

from irconv.data_classes import dataclass
from irconv.errors import Refused

if TYPE_CHECKING:
    from irconv.frameworks.torch.aten.program import Call, ProgramReader


@dataclass(frozen=True)
class View:
    """A tensor that lies in the memory of another one."""

    parent: str
    call: Call | None
    """The call that gave it; None where it is the same tensor."""
    index: int = 0
    """Which result of the call."""
    sure: bool = True
    """Whether it is a view in any case, or might be a copy."""


@dataclass
class Aliases:
    """The views of a program, and which of their values are as their memory stands."""

    last_read: dict[str, int]
    """Names of tensors -> the number of the last node that reads them."""
    is_read_later: Callable[[str], bool] | None = None
    """Whether a tensor is read from here on, where that is known better."""
    kept: dict[str, str] = field(default_factory=dict)
    """Tensors that outlive a call, each with what it is."""
    views: dict[str, View] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    """Owners of memory -> how many writes there were."""
    seen: dict[str, int] = field(default_factory=dict)
    """Tensors -> the version that their value is of."""

    def add(self, name: str, view: View) -> None:
        """A view that was just taken."""
        self.views[name] = view
        self.seen[name] = self.versions.get(self.owner(name), 0)

    def owner(self, name: str) -> str:
        """The tensor that owns the memory."""
        return self.chain(name)[-1]

    def chain(self, name: str) -> list[str]:
        """The tensor, what it is a view of, and so on up to the owner of the memory."""
        found = [name]
        while found[-1] in self.views:
            found.append(self.views[found[-1]].parent)
        return found

    def refresh(self, reader: ProgramReader, name: str) -> None:
        """Take a view again, of what its memory holds now."""
        view, version = self.views.get(name), self.versions.get(self.owner(name), 0)
        if view is None or self.seen.get(name, 0) == version:
            return
        if view.call is None:
            reader.values[name] = reader.value(view.parent)
        else:
            outputs = tuple(f"{output}@{version}" for output in view.call.outputs)
            if outputs[view.index] not in reader.values:  # taken again with another piece
                reader.run(replace(view.call, outputs=outputs))
            reader.values[name] = reader.values[outputs[view.index]]
        self.seen[name] = version

    def write(self, reader: ProgramReader, call: Call, name: str, value: str) -> None:
        """Put a value into the place of a tensor. Raises `Refused` where that changes what outlives the call, and
        where it is not known who sees it."""
        from irconv.frameworks.torch.aten.views import put_back

        self._settle(call, name, reader.at)
        chain = self.chain(name)
        owner = chain[-1]
        if owner in self.kept:
            raise Refused(call.where, f"writes into the {self.kept[owner]}, which the module keeps for its next call")
        whole = [reader.value(tensor) for tensor in chain]
        made = [value]
        for child, before in zip(chain, whole[1:], strict=False):
            made.append(put_back(reader, call, self.views[child], before, made[-1]))
        version = self.versions[owner] = self.versions.get(owner, 0) + 1
        for tensor, new in zip(chain, made, strict=True):
            reader.values[tensor], self.seen[tensor] = new, version

    def _settle(self, call: Call, name: str, at: int) -> None:
        """Let what may be a copy be one, where nobody would see the difference."""
        family = [other for other in (*self.views, self.owner(name)) if self.owner(other) == self.owner(name)]
        for link in [other for other in family if other in self.views and not self.views[other].sure]:
            inside = {other for other in family if link in self.chain(other)}
            others = set(family) - inside if name in inside else inside
            read = self._read_later(others, at)
            if read:
                what = f"writes into memory that {', '.join(read)} may share or have copied: {link} depends on strides"
                raise Refused(call.where, what, "Export the module with .clone() there.")
            self.seen[link] = 0
            del self.views[link]

    def _read_later(self, names: Iterable[str], at: int) -> list[str]:
        if self.is_read_later is not None:
            return sorted(name for name in names if name in self.kept or self.is_read_later(name))
        return sorted(name for name in names if self.last_read.get(name, -1) > at)
