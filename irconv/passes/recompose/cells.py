"""Steps of recurrent layers, found in the body of a loop by what they compute: LSTM, GRU and simple cells.

A cell is found from the state that it gives, backwards. Its gates are activations of sums over the state before and
over values of the step (`irconv.passes.recompose.sums`); whatever else such a sum holds, the cell is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from irconv.data_classes import dataclass
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers import HANDED_ON
from irconv.ir.layers.base import Layer, Pointwise
from irconv.passes.recompose.sums import Body, Product, Span, Sum, Vector


@dataclass(frozen=True)
class Mask:
    """Where steps do not count for a row: by a value of the step, or behind given lengths."""

    root: str
    """The value: True or False for each row, or the lengths."""
    by_lengths: bool


@dataclass(frozen=True)
class Gate:
    """One gate's sum: products with values of the step, products with the state, their vectors."""

    inputs: tuple[Product, ...]
    states: tuple[Product, ...]
    vectors: tuple[Vector, ...]
    state_vectors: tuple[Vector, ...] = ()
    """Of a GRU whose reset acts after the product: what is added to that product."""
    peephole: Vector | None = None


@dataclass(frozen=True)
class Cell:
    """A step of a recurrent layer."""

    type: str
    settings: Mapping[str, Any]
    gates: tuple[Gate, ...]
    """In the order of the layer class."""
    states: Mapping[str, str]
    """``h`` and ``c`` -> input of the body."""
    raw: str
    """The new h where nothing is masked."""
    mask: Mask | None
    projection: Product | None = None
    made: frozenset[str] = field(default_factory=frozenset)
    """Values that only the cell may use: the new states."""


@dataclass(frozen=True)
class Activated:
    """An activation of a value, or of a stretch of it."""

    layer: Layer
    value: str
    span: Span | None


class Finder:
    """Looks for cells among the carried values of a body."""

    def __init__(self, body: Body, after: Mapping[str, str], counters: Sequence[str]) -> None:
        """`after`: input of the body -> what it is in the next step; `counters`: those that count steps from 0."""
        self.body, self.after, self.counters = body, after, counters

    def cells(self) -> Iterator[Cell]:
        """Every cell whose states are carried."""
        for port in self.after:
            try:
                cell = self._lstm(port) or self._gru(port) or self._rnn(port)
            except ValueError:  # a size that is not known, or a cut that irconv does not see through
                continue
            if cell is not None:
                yield cell

    # masks

    def unmasked(self, port: str) -> tuple[str, Mask | None]:
        """A state's next value where the step counts, and the mask."""
        return self.selected(self.after[port], port)

    def selected(self, value: str, otherwise: str) -> tuple[str, Mask | None]:
        """What a value is where the step counts, if it is `otherwise` where it does not."""
        if not self.body.is_a(value, "Where"):
            return value, None
        node = self.body.maker[value]
        for taken, other, wanted in ((node.inputs["x0"], node.inputs["x1"], True),
                                     (node.inputs["x1"], node.inputs["x0"], False)):  # fmt: skip
            mask = self.mask(node.inputs["condition"], wanted) if other == otherwise else None
            if mask is not None:
                return taken, mask
        return value, None

    def mask(self, condition: str, wanted: bool) -> Mask | None:
        """The mask that is True where a condition is as `wanted`."""
        body = self.body
        while body.is_a(condition, "Tile", "Unsqueeze", "Expand", "Identity", "Not", "Squeeze"):
            wanted ^= body.is_a(condition, "Not")
            if body.is_a(condition, "Tile") and any(
                repeats != 1 for repeats in body.bundle.layers[body.maker[condition].layer].settings()["repeats"][:1]
            ):
                return None
            condition = body.inputs(condition)[0]
        if body.layer(condition) is None and wanted and body.types[condition].dtype == "bool":
            return Mask(condition, False)
        running = {("GreaterOrEqual", 0): False, ("Less", 0): True, ("LessOrEqual", 1): False, ("Greater", 1): True}
        layer = body.layer(condition)
        for place, counter in enumerate(body.inputs(condition) if layer is not None else ()):
            if layer is not None and counter in self.counters and running.get((layer.type, place)) == wanted:
                lengths = body.inputs(condition)[1 - place]
                if body.is_fixed(lengths) and len(body.types[lengths].shape) == 1:
                    return Mask(lengths, True)
        return None

    # parts

    def activation(self, value: str) -> Activated | None:
        """An activation and what it is of; a cut of one is one of a cut."""
        span, layer = None, self.body.layer(value)
        if layer is not None and layer.type in ("Split", "Slice") and len(self.body.types[value].shape) == 2:
            (cut,) = self.body.sum_of(value).products
            value, span, layer = cut.source, cut.span, self.body.layer(cut.source)
        if layer is None or not isinstance(layer.BEHAVIOUR, Pointwise) or layer.PARAMETERS or layer.VARIADIC:
            return None
        inputs = self.body.inputs(value)
        if len(inputs) != 1 or layer.type in (*HANDED_ON, "Cast"):
            return None
        return Activated(layer.model_copy(update={"origin": None}), inputs[0], span)

    def _sum(self, found: Activated) -> Sum:
        return self.body.sum_of(found.value, found.span)

    def clipped(self, value: str) -> tuple[float | None, str]:
        """The limit of a value that is cut off at plus and minus the same, and the value before."""
        layer, inner = self.body.layer(value), value
        if layer is not None and layer.type == "Clip":
            low, high = layer.settings()["low"], layer.settings()["high"]
            if low is not None and high is not None and low == -high:
                return _shortest(high), self.body.inputs(value)[0]
            return None, value
        low, high = None, None
        for _ in range(2):
            kind = "Minimum" if self.body.is_a(inner, "Minimum") else "Maximum"
            if not self.body.is_a(inner, kind):
                break
            numbers = [(self.body.number(v), w) for v, w in self._pairs(inner) if self.body.number(v) is not None]
            if len(numbers) != 1:
                break
            (number, inner) = numbers[0]
            low, high = (low, number) if kind == "Minimum" else (number, high)
        if low is not None and high is not None and low == -high:
            return _shortest(high), inner
        return None, value

    def _pairs(self, value: str) -> list[tuple[str, str]]:
        """The two inputs of a layer that commutes, in both orders."""
        inputs = self.body.inputs(value)
        return [(inputs[0], inputs[1]), (inputs[1], inputs[0])] if len(inputs) == 2 else []

    def gate(self, total: Sum, state: str, number: float = 0.0) -> Gate | None:
        """A sum as a gate, where it holds nothing else than products with the state and with values of the step."""
        if abs(total.number - number) > 1e-9 or len(total.scaled) > 1:
            return None
        own = tuple(p for p in total.products if p.source == state)
        inputs = tuple(p for p in total.products if p.source != state)
        if any(p.weight is None for p in own) or len(own) > 1 or any(p.source in self.after for p in inputs):
            return None
        peephole = total.scaled[0][1] if total.scaled else None
        return Gate(inputs, own, total.vectors, peephole=peephole)

    # cells

    def _rnn(self, port: str) -> Cell | None:
        raw, mask = self.unmasked(port)
        found = self.activation(raw)
        if found is None:
            return None
        total = self._sum(found)
        gate = None if total.scaled else self.gate(total, port)
        if gate is None or not gate.states or not gate.inputs:
            return None
        settings = {"activation": found.layer}
        return Cell("RNN", settings, (gate,), {"h": port}, raw, mask, made=frozenset({raw}))

    def _gru(self, port: str) -> Cell | None:
        """``z h + (1 - z) n``; of z and r the sums hold x and h, n's holds ``U (r h)`` or ``r (U h + b)``."""
        body, (raw, mask) = self.body, self.unmasked(port)
        if not body.is_a(raw, "Add"):
            return None
        for kept, fresh in self._pairs(raw):
            if not (body.is_a(kept, "Mul") and body.is_a(fresh, "Mul")):
                continue
            for keeps, h in self._pairs(kept):
                for takes, new in self._pairs(fresh) if h == port else ():
                    update = self._complement(keeps, takes)
                    made = None if update is None else self._gru_of(port, raw, mask, *update, new)
                    if made is not None:
                        return made
        return None

    def _complement(self, keeps: str, takes: str) -> tuple[str, str] | None:
        """The update gate, and whether it keeps the old state or takes the new one."""
        for one, other, what in ((keeps, takes, "old"), (takes, keeps, "new")):
            if self.body.is_a(other, "Sub"):
                left, right = self.body.inputs(other)
                if right == one and self.body.number(left) == 1.0:
                    return one, what
        return None

    def _gru_of(self, port: str, raw: str, mask: Mask | None, update: str, what: str, new: str) -> Cell | None:
        z, n = self.activation(update), self.activation(new)
        if z is None or n is None:
            return None
        total = self._sum(n)
        for product in total.products:
            source = product.source
            if not self.body.is_a(source, "Mul"):
                continue
            rest = replace(total, products=tuple(p for p in total.products if p is not product))
            for reset, other in self._pairs(source):
                r = self.activation(reset)
                if r is None or r.layer != z.layer:
                    continue
                after = product.weight is None
                if after:
                    inner = self.body.sum_of(other, product.span)
                    candidate = self._reset_after(rest, inner, port)
                else:
                    fits = other == port and not any(p.source == port for p in rest.products)
                    plain = self.gate(rest, port) if fits else None
                    candidate = None if plain is None else replace(plain, states=(replace(product, source=port),))
                gates = [self.gate(self._sum(found), port) for found in (r, z)]
                whole = [gate for gate in (*gates, candidate) if gate is not None]
                if len(whole) == 3 and all(gate.states and gate.peephole is None for gate in whole):
                    settings = {"activation": n.layer, "recurrent_activation": z.layer, "reset_after": after}
                    settings["update_keeps"] = what
                    return Cell("GRU", settings, tuple(whole), {"h": port}, raw, mask, made=frozenset({raw}))
        return None

    def _reset_after(self, rest: Sum, inner: Sum, port: str) -> Gate | None:
        plain = self.gate(rest, port)
        state = self.gate(inner, port)
        if plain is None or plain.states or state is None or state.inputs or len(state.states) != 1:
            return None
        return replace(plain, states=state.states, state_vectors=state.vectors)

    def _lstm(self, port: str) -> Cell | None:
        """``c' = f c + i g`` and ``h' = o act(c')``; `port` is c."""
        body, (new, mask) = self.body, self.unmasked(port)
        clip, whole = self.clipped(new)
        if not body.is_a(whole, "Add"):
            return None
        for kept, fresh in self._pairs(whole):
            if not (body.is_a(kept, "Mul") and body.is_a(fresh, "Mul")):
                continue
            for forget, c in self._pairs(kept):
                for taken, candidate in self._pairs(fresh) if c == port else ():
                    for h in self.after:
                        found = self._lstm_of(port, h, new, mask, clip, forget, taken, candidate)
                        if found is not None:
                            return found
        return None

    def _lstm_of(
        self, c: str, h: str, new: str, mask: Mask | None, clip: float | None, forget: str, taken: str, candidate: str
    ) -> Cell | None:
        raw, own_mask = self.unmasked(h)
        if h == c or own_mask != mask:
            return None
        projection_clip, unclipped = self.clipped(raw)
        projected = self._projection(unclipped)
        output = projected.source if projected is not None else unclipped
        i, g = self.activation(taken), self.activation(candidate)
        if not self.body.is_a(output, "Mul") or i is None or g is None:
            return None
        coupled = self._complement(taken, forget) is not None and self.body.is_a(forget, "Sub")
        f = i if coupled else self.activation(forget)
        for gated, activated in self._pairs(output):
            o, a = self.activation(gated), self.activation(activated)
            if (
                o is None
                or f is None
                or a is None
                or (a.value, a.span) != (new, None)
                or not i.layer == f.layer == o.layer
            ):
                continue
            sums = [self._sum(found) for found in (i, f, g, o)]
            bias = 0.0 if coupled else sums[1].number
            peeps = (c, c, "", new)
            gates = [
                self.gate(total, h, bias if place == 1 else 0.0)
                for place, total in enumerate(sums)
                if all(value == peeps[place] for value, _ in total.scaled)
            ]
            whole = [gate for gate in gates if gate is not None]
            if len(whole) != 4 or not all(gate.states for gate in whole):
                continue
            settings = {
                "activation": g.layer,
                "recurrent_activation": i.layer,
                "output_activation": a.layer,
                "forget_bias": _shortest(bias),
                "couple_input_forget": coupled,
                "output_peephole": "before_activation",
                "cell_clip": clip,
                "projection_clip": projection_clip,
            }
            states, made = {"h": h, "c": c}, frozenset({raw, new})
            return Cell("LSTM", settings, tuple(whole), states, raw, mask, projected, made)
        return None

    def _projection(self, value: str) -> Product | None:
        total = self.body.sum_of(value) if self.body.is_a(value, "Linear", "MatMul") else Sum()
        one = len(total.products) == 1 and not total.vectors and not total.scaled and not total.number
        return total.products[0] if one and total.products[0].weight is not None else None


def _shortest(number: float) -> float:
    return float(shortest_float32(number))
