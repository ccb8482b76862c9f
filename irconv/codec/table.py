"""Codecs, each one native layer type and one IR layer type, and tables that find the codec for a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from functools import partial
from typing import Any

from pydantic import ValidationError

from irconv.codec.draft import Draft, Fields, Row, Workpiece
from irconv.codec.native import Given, Native, NativeWeight
from irconv.errors import Refused
from irconv.ir.layers.base import Layer, ValueType


class Codec:
    """One native layer type <-> one IR layer type."""

    def __init__(self, native: str, layer: type[Layer], *rows: Row, since: int = 0) -> None:
        self.native, self.layer, self.rows = native, layer, rows
        self.since = since
        """The first version of the format (ONNX: the opset) that has the native type as these rows spell it."""

    def selects(self, config: Mapping[str, Any]) -> bool:
        """Whether a native layer of this type may be this codec's."""
        wanted = [row.selecting for row in self.rows if row.selecting is not None]
        return all(config.get(knob) == value for knob, value in wanted)

    def fits(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """Whether an IR layer of this codec's type has the settings, inputs and operands that the codec is for."""
        wanted = [row.limits for row in self.rows if row.limits is not None]
        settings = all(getattr(layer, name) == value for name, value in wanted)
        return settings and all(row.takes(layer, given) for row in self.rows)

    def reads(self, native: Native, given: Sequence[Given | None]) -> bool:
        """Whether a native layer with these inputs is this codec's, by all that is known of it."""
        work, left = self._workpiece(native, given)
        return not left and all(row.reads(work) for row in self.rows)

    def _workpiece(self, native: Native, given: Sequence[Given | None]) -> tuple[Workpiece, list[Given | None]]:
        """The native side with each input at its row, and the inputs that no row stands for."""
        rows = [row for row in self.rows if row.takes_inputs != "none" and row.tensor not in native.tensors]
        work, left = Workpiece(dict(native.config), dict(native.tensors)), list(given)
        work.first = left[0] if left else None
        if not any(row.takes_inputs == "rest" or not row.tensor for row in rows):
            # no row stands for a slot: the inputs that are no operands fill the slots in order
            count = len(left) - len(rows)
            for row, value in zip(rows, left[max(count, 0) :] if rows else [], strict=False):
                work.given[id(row)] = [value]
            return work, []
        after = len(rows) - 1 - next((i for i, row in enumerate(rows) if row.takes_inputs == "rest"), len(rows) - 1)
        for row in rows:
            count = max(len(left) - after, 0) if row.takes_inputs == "rest" else 1
            work.given[id(row)], left = left[:count], left[count:]
        return work, [value for value in left if value is not None]

    def _rows_of(self, work: Workpiece) -> list[Row]:
        """The rows that have been given inputs."""
        return [row for row in self.rows if work.given.get(id(row))]

    def decode(self, native: Native, given: Sequence[Given | None], where: str) -> tuple[Fields, Draft]:
        """The IR layer's fields, and the draft with its tensors and axes.

        Raises `Refused` for a setting, a tensor or an input without a row, and for values the IR class does not take.
        """
        work, beyond = self._workpiece(native, given)
        operands = {id(work.given[id(row)][0]) for row in self._rows_of(work) if row.tensor}
        plain = [value.type for value in given if value is not None and id(value) not in operands]
        draft = Draft(self.layer, where, given=plain, operands=sum(bool(row.tensor) for row in self._rows_of(work)))
        if beyond:
            raise draft.refuse(f"takes {len(given) - len(beyond)} inputs, got {len(given)}")
        for row in self.rows:
            row.decode(work, draft)
        if left := [*(f"setting {k}={v!r}" for k, v in work.config.items()), *(f"tensor {k}" for k in work.tensors)]:
            raise draft.refuse(f"irconv does not know {', '.join(left)}", "It would be lost.")
        missing = [
            r
            for r, p in self.layer.PARAMETERS.items()
            if p.fill is None and not p.optional and r not in {*draft.mapped, *draft.literals, *draft.inputs}
        ]
        if missing:
            raise draft.refuse(f"expected weights {', '.join(missing)}, which the file does not have")
        return draft.fields, draft

    def encode(
        self, layer: Layer, name: str, data: Mapping[str, NativeWeight], types: Mapping[str, ValueType]
    ) -> Native:
        """The native layer. Raises `Refused` for a field or operand the framework cannot express."""
        draft = Draft(
            self.layer,
            f"layer {name} ({layer.type})",
            name,
            types=dict(types),
            fields=layer.settings(),
            data=dict(data),
        )
        work = Workpiece({}, {})
        for row in self.rows:
            row.encode(draft, work)
        if left := [*draft.fields, *draft.data]:
            raise draft.refuse(f"{self.native} cannot express {', '.join(left)}")
        return Native(
            self.native,
            name,
            work.config,
            work.tensors,
            tuple(work.inputs),
            tuple(work.outputs),
            layer.origin,
            self.since,
            draft.input_axes,
            draft.output_axes,
        )


def reasons(error: ValidationError) -> str:
    """Which settings a layer class does not take, in one line."""
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors())


def _way_out(layer: Layer) -> str:
    """What the user can do about a layer that no framework has."""
    if layer.type != "Opaque":
        return ""
    return (
        "It was kept as it is, for a bundle alone: read the source again, and --plugin teaches it, --replace leaves it "
        "out, --until stops before it."
    )


class Table:
    """All codecs of a framework, found by native type (and selecting knobs) or by IR type."""

    def __init__(self, framework: str, codecs: Iterable[Codec], base: Table | None = None) -> None:
        """`base` is a table whose codecs come after these."""
        self.framework, self._own, self._base = framework, tuple(codecs), base
        self._own_of_native: dict[str, list[Codec]] = {}
        self._own_of_layer: dict[type[Layer], list[Codec]] = {}
        for codec in self._own:
            self._own_of_native.setdefault(codec.native, []).append(codec)
            self._own_of_layer.setdefault(codec.layer, []).append(codec)

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """All of them, in the order in which they are tried."""
        return self._own if self._base is None else (*self._own, *self._base.codecs)

    @property
    def natives(self) -> Set[str]:
        """The native types that have a codec."""
        return self._own_of_native.keys() if self._base is None else self._own_of_native.keys() | self._base.natives

    def of_native(self, kind: str) -> Sequence[Codec]:
        """The codecs for a native type."""
        own = self._own_of_native.get(kind, [])
        return own if self._base is None else [*own, *self._base.of_native(kind)]

    def of_layer(self, kind: type[Layer]) -> Sequence[Codec]:
        """The codecs for an IR type."""
        own = self._own_of_layer.get(kind, [])
        return own if self._base is None else [*own, *self._base.of_layer(kind)]

    def extended(self, codecs: Iterable[Codec]) -> Table:
        """The table with codecs that go before its own."""
        return Table(self.framework, codecs, self)

    def knows(self, native_type: str) -> bool:
        """Whether there is a codec for a native type, whatever its settings."""
        return native_type in self.natives

    def has(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """Whether there is a codec for an IR layer with its settings and the types of its inputs and operands."""
        return any(codec.fits(layer, given) for codec in self.of_layer(type(layer)))

    def supports(self, native: Native, where: str, given: Sequence[Given | None] | None = None) -> Codec:
        """The codec for a native layer, by its settings and, as far as they are known, its inputs.

        Raises `Refused` where there is none.
        """
        candidates = self.of_native(native.type)
        if not candidates:
            raise Refused(where, f"irconv has no rule for {self.framework}'s {native.type}", self.remedy(native.type))
        selected = [codec for codec in candidates if codec.selects(native.config)]
        chosen = selected[0] if selected else None
        if given is not None and len(selected) > 1:
            chosen = next((codec for codec in selected if codec.reads(native, given)), chosen)
        if chosen is None:
            knobs = {row.selecting[0] for codec in candidates for row in codec.rows if row.selecting is not None}
            got = ", ".join(f"{knob}={native.config.get(knob)!r}" for knob in sorted(knobs))
            raise Refused(where, f"irconv has no rule for {native.type} with {got}")
        return chosen

    def preferred(self, codec: Codec, layer: Layer) -> bool:
        """Whether a codec goes before others that fit, too, when the layer is written; a framework may say."""
        return False

    def decode(self, native: Native, given: Sequence[Given | None], where: str) -> tuple[Layer, Draft]:
        """An IR layer without its stored operands, which the caller names. Raises `Refused`."""
        chosen = self.supports(native, where, given)
        fields, draft = chosen.decode(native, given, where)
        try:
            return chosen.layer(**fields, origin=native.origin), draft
        except ValidationError as error:
            raise Refused(where, reasons(error)) from error

    def encode(
        self, layer: Layer, name: str, data: Mapping[str, NativeWeight], types: Mapping[str, ValueType]
    ) -> Native:
        """A native layer: of the codecs for this IR type, the first that can express it, and before them those that
        are for its settings and types. Raises `Refused`."""
        candidates = self.of_layer(type(layer))
        if len(candidates) > 1:
            rank = partial(self._rank, layer, types)
            candidates = sorted(candidates, key=rank)
        attempts = [partial(codec.encode, layer, name, data, types) for codec in candidates]
        refusals: list[Refused] = []
        for attempt in attempts:
            try:
                return attempt()
            except Refused as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]
        raise Refused(f"layer {name} ({layer.type})", f"{self.framework} has no layer for it", _way_out(layer))

    def _rank(self, layer: Layer, types: Mapping[str, ValueType], codec: Codec) -> tuple[bool, bool]:
        return not codec.fits(layer, types), not self.preferred(codec, layer)

    def remedy(self, native_type: str) -> str:
        """What the user can do about a native type without a rule."""
        near = [name for name in sorted(self.natives) if name.lower() == native_type.lower()]
        if near:
            return f"It knows {near[0]}."
        return "irconv does not guess: --plugin teaches it, --replace leaves it out, --until stops before it."
