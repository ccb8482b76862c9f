"""Classes of things that may be one another: what is left to decide, and the one way in which it is decided.

Evidence gives every thing of both sides a value. A class is cut by the values where both sides have as many of each, so
that evidence which does not fit the two networks decides nothing. Refining classes by what their neighbours are, again
and again, is the colour refinement of graph isomorphism (Weisfeiler and Leman).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import field

from irconv.data_classes import dataclass


@dataclass
class Partition:
    """The things of two sides by colour; two things of one colour may be one another."""

    source: list[int]
    target: list[int]
    why: dict[int, list[str]] = field(default_factory=dict)
    """Thing of the target -> the evidence that told it from others."""

    @staticmethod
    def of(source: Sequence[Hashable], target: Sequence[Hashable]) -> Partition:
        """The things by their labels."""
        colours: dict[Hashable, int] = {}
        found = [[colours.setdefault(label, len(colours)) for label in labels] for labels in (source, target)]
        return Partition(found[0], found[1])

    def copy(self) -> Partition:
        """The same classes, to try something on."""
        return Partition(list(self.source), list(self.target), {key: list(why) for key, why in self.why.items()})

    def classes(self) -> dict[int, tuple[list[int], list[int]]]:
        """Colour -> the things of the source, those of the target."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        for side, colours in enumerate((self.source, self.target)):
            for thing, colour in enumerate(colours):
                found.setdefault(colour, ([], []))[side].append(thing)
        return found

    def open(self) -> Iterator[tuple[list[int], list[int]]]:
        """The classes that leave a choice."""
        for source, target in self.classes().values():
            if source and target and len(source) + len(target) > 2:
                yield source, target

    def open_among(self, source: int, target: int) -> list[tuple[list[int], list[int]]]:
        """The classes that leave a choice among the first so many things of both sides."""
        return [(s, t) for s, t in self.open() if max(s) < source and max(t) < target]

    def pairs(self) -> dict[int, int]:
        """Thing of the target -> the one thing of the source that it can be."""
        return {t[0]: s[0] for s, t in self.classes().values() if len(s) == len(t) == 1}

    def split(
        self,
        source: Sequence[Hashable],
        target: Sequence[Hashable],
        reason: str,
        whole: bool = False,
        members: tuple[Sequence[int], Sequence[int]] | None = None,
    ) -> bool:
        """Cut classes by values, of which None says nothing; True where something was cut.

        Of each class the values are split off that both sides have equally often. With `whole` a class is cut only if
        that is so for all its values. `members` limits this to one class.
        """
        changed = False
        for s_things, t_things in [members] if members else list(self.open()):
            groups: dict[Hashable, tuple[list[int], list[int]]] = {}
            for side, (things, values) in enumerate(((s_things, source), (t_things, target))):
                for thing in things:
                    groups.setdefault(values[thing], ([], []))[side].append(thing)
            even = [pair for value, pair in groups.items() if value is not None and len(pair[0]) == len(pair[1])]
            if len(groups) < 2 or not even or (whole and len(even) < len(groups)):
                continue
            for group in even:
                self._colour(group, reason)
            changed = True
        return changed

    def pair(self, source: int, target: int, reason: str) -> None:
        """Decide that two things are one."""
        self._colour(([source], [target]), reason)

    def set_apart(self, target: int) -> None:
        """Decide that a thing of the target is none of the source's."""
        self._colour(([], [target]), "")

    def _colour(self, group: tuple[list[int], list[int]], reason: str) -> None:
        colour = max([*self.source, *self.target]) + 1
        for thing in group[0]:
            self.source[thing] = colour
        for thing in group[1]:
            self.target[thing] = colour
            if reason not in self.why.setdefault(thing, []):
                self.why[thing].append(reason)
