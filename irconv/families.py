"""Tables in families: modules of codecs that are imported when a layer asks for one of theirs, not at start-up.

Which family has what stands in ``index.json`` beside the package, made from the families themselves (`make docs`) and
checked by a test: a LeNet needs four of Keras' twenty families.
"""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from functools import cached_property
from importlib import import_module
from pathlib import Path

from irconv.codec import Codec, Table
from irconv.ir.layers.base import Layer

INDEX = "index.json"


class FamilyTable(Table):
    """A table of the codecs in ``package.module.NAME``, for each ``module.NAME`` of `families`, in their order."""

    def __init__(self, framework: str, package: str, families: Sequence[str]) -> None:
        super().__init__(framework, ())
        self.package, self.families = package, tuple(families)

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """All of them; imports every family."""
        return tuple(codec for family in self.families for codec in self._family(family))

    @property
    def natives(self) -> Set[str]:
        """The native types that have a codec."""
        return self._index["natives"].keys()

    def of_native(self, kind: str) -> Sequence[Codec]:
        """The codecs for a native type; imports their families."""
        return [codec for codec in self._of("natives", kind) if codec.native == kind]

    def of_layer(self, kind: type[Layer]) -> Sequence[Codec]:
        """The codecs for an IR type; imports their families."""
        return [codec for codec in self._of("layers", kind.__name__) if codec.layer is kind]

    @property
    def index_path(self) -> Path:
        """Where the index stands."""
        return Path(*import_module(self.package).__path__) / INDEX

    def index(self) -> str:
        """The text of the index: for each native type and each IR type, the families that have a codec for it."""
        found: dict[str, dict[str, list[str]]] = {"natives": {}, "layers": {}}
        for family in self.families:
            for codec in self._family(family):
                for kind, name in (("natives", codec.native), ("layers", codec.layer.__name__)):
                    having = found[kind].setdefault(name, [])
                    if family not in having:
                        having.append(family)
        return json.dumps(found, indent=1) + "\n"

    @cached_property
    def _index(self) -> dict[str, dict[str, list[str]]]:
        index: dict[str, dict[str, list[str]]] = json.loads(self.index_path.read_text())
        return index

    def _of(self, kind: str, name: str) -> list[Codec]:
        return [codec for family in self._index[kind].get(name, ()) for codec in self._family(family)]

    def _family(self, family: str) -> Sequence[Codec]:
        module, _, name = family.rpartition(".")
        codecs: Sequence[Codec] = getattr(import_module(f"{self.package}.{module}"), name)
        return codecs
