"""Multi-head attention that is written out, as the layer: projections, heads, scores, softmax, and the way back.

What is found, from the last projection backwards: rows joined of heads, a sum of values weighed by a softmax, whose
scores are products of queries and keys, scaled by one number at most and masked by one value at most; each of the three
a projection cut into heads. Heads are turned before products of matrices, or stay where they are in an Einsum. What
differs from that in anything is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.attention import MultiHeadAttention
from irconv.ir.layers.base import StoredOperand
from irconv.ir.shapes import Shape, Size
from irconv.passes import unused
from irconv.passes.recompose.matcher import Made, Match, Operand, Rule, Work
from irconv.passes.recompose.patterns import Var, op

BARRED = -1e8
"""A score from here on leaves a key out, whatever the others are."""
TURNED, KEYS_TURNED, LAST_TURNED = (0, 2, 1, 3), (0, 2, 3, 1), (0, 1, 3, 2)
_SCORES, _SUMS = "BTNH,BSNH->BNTS", "BNTS,BSNH->BTNH"
_KERNELS = {slot: f"(heads {'value' if slot == 'value' else 'head'}_dim) {slot}" for slot in ("query", "key", "value")}


def run(bundle: Bundle) -> Bundle:
    """The same function with a `MultiHeadAttention` in the place of each that is written out."""
    return behind_softmax(bundle, "Linear", _RULE)


def behind_softmax(bundle: Bundle, root: str, rule: Rule) -> Bundle:
    """The same function with what a rule finds from layers of the type `root`, where there is a softmax at all."""
    if bundle.graph is None or not any(layer.type == "Softmax" for layer in bundle.layers.values()):
        return bundle
    work = Work.of(bundle)
    return unused.run(work.bundle()) if work.apply({root: [rule]}) else bundle


@dataclass
class _Projected:
    """A projection cut into heads."""

    x: str
    kernel: StoredOperand
    bias: Operand | None
    heads: int
    width: int
    """Of a head."""


@dataclass
class Walk:
    """What has been passed on the way back."""

    work: Work
    inside: list[Node] = field(default_factory=list)
    scale: float = 1.0
    scaled: bool = False

    def node(self, value: str, kind: str) -> Node | None:
        """The node that makes a value, where its layer is of this kind and used nowhere else."""
        place = self.work.maker.get(value)
        node = None if place is None else self.work.nodes.get(place)
        layer = None if node is None else self.work.layers[node.layer]
        if node is None or layer is None or layer.type != kind or len(node.outputs) != 1:
            return None
        return node if kind == "Transpose" or self.work.uses[node.layer] == 1 else None

    def passed(self, node: Node) -> Node:
        """The node, which belongs to the match."""
        self.inside.append(node)
        return node

    def turned(self, value: str, order: tuple[int, ...]) -> str | None:
        """What a value was before its axes were permuted like this."""
        node = self.node(value, "Transpose")
        if node is None or self.work.layers[node.layer].settings()["permutation"] != order:
            return None
        return self.passed(node).inputs["x"]

    def einsum(self, value: str, equation: str) -> tuple[str, str] | None:
        """The two factors of a sum of products, in the order of the equation."""
        node = self.node(value, "Einsum")
        if node is None or len(node.inputs) != 2:
            return None
        found, (left, right) = self.work.layers[node.layer].settings()["equation"], node.inputs.values()
        for text, factors in ((found, (left, right)), (_swapped(found), (right, left))):
            if _renamed(text) == _renamed(equation):
                self.passed(node)
                return factors
        return None

    def product(self, value: str) -> tuple[str, str] | None:
        """The two factors of a product of matrices."""
        node = self.node(value, "MatMul")
        return None if node is None else (self.passed(node).inputs["left"], node.inputs["right"])

    def unscaled(self, value: str) -> str:
        """What a value was before it was multiplied by a number, once on the whole way."""
        for kind in ("Mul", "Div"):
            node = self.node(value, kind)
            if node is None or self.scaled or len(node.inputs) != 2:
                continue
            left, right = node.inputs.values()
            pairs = ((left, right), (right, left)) if kind == "Mul" else ((left, right),)
            for rest, factor in pairs:
                number = self.work.number(factor)
                if number and self.work.number(rest) is None:
                    self.passed(node)
                    self.scale *= number if kind == "Mul" else 1 / number
                    self.scaled = True
                    return rest
        return value

    # the parts, from the last one backwards

    def weighed(self, value: str) -> tuple[str, str] | None:
        """The weights (n, heads, t, s) and the values (n, s, heads, width) whose sums a value is."""
        found = self.einsum(value, _SUMS)
        if found is not None:
            return found
        joined = self.turned(value, TURNED)
        pair = None if joined is None else self.product(joined)
        values = None if pair is None else self.turned(pair[1], TURNED)
        return None if pair is None or values is None else (pair[0], values)

    def scores(self, value: str) -> tuple[str, str] | None:
        """The queries and the keys, (n, t, heads, width), whose products a value is."""
        value = self.unscaled(value)
        pair = self.einsum(value, _SCORES)
        if pair is not None:
            return self.unscaled(pair[0]), self.unscaled(pair[1])
        pair = self.product(value)
        if pair is None:
            return None
        queries = self.turned(self.unscaled(pair[0]), TURNED)
        right = self.unscaled(pair[1])
        keys = self.turned(right, KEYS_TURNED)
        if keys is None:
            last = self.turned(right, LAST_TURNED)
            keys = None if last is None else self.turned(self.unscaled(last), TURNED)
        return None if queries is None or keys is None else (self.unscaled(queries), self.unscaled(keys))

    def projected(self, value: str, slot: str) -> _Projected | None:
        """The projection that a value is, with its heads apart: (n, t, heads, width)."""
        shape, bias = self.work.types[value].shape, None
        added = self.node(value, "Add")
        if added is not None and len(added.inputs) == 2:
            left, right = added.inputs.values()
            value, weights = (right, left) if self.work.is_constant(left) else (left, right)
            if len(shape) != 4 or self.work.types[weights].shape != shape[2:]:
                return None
            bias = self.work.reshaped(weights, (_product(shape[2:]),), _KERNELS[slot].split(") ")[0] + ")")
            if bias is None:
                return None
            self.passed(added)
        cut = self.node(value, "Reshape")
        linear = None if cut is None else self.node(self.passed(cut).inputs["x"], "Linear")
        if linear is None or list(linear.inputs) != ["x"] or len(shape) != 4:
            return None
        return self._projection(self.passed(linear), shape, bias, slot)

    def _projection(self, linear: Node, shape: Shape, bias: Operand | None, slot: str) -> _Projected | None:
        operands = self.work.layers[linear.layer].operands
        kernel, heads, width = operands.get("kernel"), shape[2], shape[3]
        rows = self.work.types[linear.inputs["x"]].shape
        if not isinstance(kernel, StoredOperand) or not isinstance(heads, int) or not isinstance(width, int):
            return None
        if len(rows) != 3 or rows[:2] != shape[:2] or self.work.shape_of(kernel)[0] != heads * width:
            return None
        if "bias" in operands and bias is not None:
            return None
        words = _KERNELS[slot]
        own = operands.get("bias")
        if isinstance(own, StoredOperand):
            own = self.work.named(own, words.split(") ")[0] + ")")
        return _Projected(linear.inputs["x"], self.work.named(kernel, words), own or bias, heads, width)


def _masked(walk: Walk, value: str) -> tuple[str, str | None, bool] | None:
    """The scores, the mask of truth values, and whether what is barred is minus infinity; None where there is a mask of
    another kind."""
    where = walk.node(value, "Where")
    if where is not None:
        number = walk.work.number(where.inputs["x1"])
        if number is None or number > BARRED or walk.work.types[where.inputs["condition"]].dtype != "bool":
            return None
        walk.passed(where)
        return where.inputs["x0"], where.inputs["condition"], number == float("-inf")
    added = walk.node(value, "Add")
    if added is None or len(added.inputs) != 2:
        return value, None, True
    walk.passed(added)
    left, right = added.inputs.values()
    for scores, mask in ((left, right), (right, left)):
        truths = _truths(walk.work, mask)
        if truths is not None and Walk(walk.work).scores(scores) is not None:
            return scores, truths, False
    return None


def _truths(work: Work, value: str) -> str | None:
    """The truth values b of a mask ``(1 - b) number``, of a number that bars; None for any other mask of numbers, which
    not every framework's attention can take."""

    def made(value: str, kind: str) -> list[str]:
        place = work.maker.get(value)
        node = None if place is None else work.nodes.get(place)
        return list(node.inputs.values()) if node is not None and work.layers[node.layer].type == kind else []

    factors = made(value, "Mul")
    if len(factors) != 2:
        return None
    for rest, factor in (factors, factors[::-1]):
        number, pair = work.number(factor), made(rest, "Sub")
        if number is None or number > BARRED or len(pair) != 2 or work.number(pair[0]) != 1.0:
            continue
        cast = made(pair[1], "Cast")
        if len(cast) == 1 and work.types[cast[0]].dtype == "bool":
            return cast[0]
    return None


def _attention(match: Match) -> Made | None:
    work, out = match.work, match.nodes["out"]
    walk = Walk(work)
    merged = walk.node(match.values["x"], "Reshape")
    kernel = work.layers[out.layer].operands.get("kernel")
    if merged is None or list(out.inputs) != ["x"] or not isinstance(kernel, StoredOperand):
        return None
    shape, joined = work.types[merged.inputs["x"]].shape, work.types[match.values["x"]].shape
    if len(shape) != 4 or len(joined) != 3 or shape[:2] != joined[:2]:
        return None
    pair = walk.weighed(walk.passed(merged).inputs["x"])
    softmax = None if pair is None else walk.node(pair[0], "Softmax")
    if pair is None or softmax is None or work.layers[softmax.layer].settings()["axis"] != 3:
        return None
    found = _masked(walk, walk.passed(softmax).inputs["x"])
    sides = None if found is None else walk.scores(found[0])
    if found is None or sides is None:
        return None
    slots = dict(zip(("query", "key", "value"), (*sides, pair[1]), strict=True))
    parts = {slot: walk.projected(value, slot) for slot, value in slots.items()}
    match.inside = [*match.inside, *walk.inside]
    return _made(match, walk.scale, found[1:], [part for part in parts.values() if part is not None])


def _made(match: Match, scale: float, mask: tuple[str | None, bool], parts: Sequence[_Projected]) -> Made | None:
    """The layer, where its three parts have been found and nothing else needs what is inside."""
    out, work = match.nodes["out"], match.work
    if len(parts) != 3 or not work.is_closed(match, out):
        return None
    query, key, value = parts
    alike = work.types[key.x].shape[:2] == work.types[value.x].shape[:2]
    if not query.heads == key.heads == value.heads or query.width != key.width or not alike:
        return None
    operands: dict[str, Operand] = {}
    for slot, part in zip(("query", "key", "value"), parts, strict=True):
        operands[f"{slot}_kernel"] = part.kernel
        if part.bias is not None:
            operands[f"{slot}_bias"] = part.bias
    last = work.layers[out.layer].operands
    for role, words in (("kernel", "out (heads value_dim)"), ("bias", "out")):
        operand = last.get(role)
        if isinstance(operand, StoredOperand):
            operands[f"output_{role}"] = work.named(operand, words)
        elif operand is not None:
            operands[f"output_{role}"] = operand
    value_of, exact = mask
    layer = MultiHeadAttention(
        heads=query.heads,
        scale=scale,
        softcap=None,
        causal="none",
        fully_masked="nan" if exact else "average",
        operands=operands,
    )
    inputs = {"query": query.x, "key": key.x, "value": value.x}
    return Made(layer, inputs if value_of is None else {**inputs, "mask": value_of}, out.layer)


def _swapped(equation: str) -> str:
    factors, _, result = equation.partition("->")
    left, _, right = factors.partition(",")
    return f"{right},{left}->{result}"


def _renamed(equation: str) -> str:
    """The equation with its letters in the order in which they come."""
    letters: dict[str, str] = {}
    for letter in equation.replace(" ", ""):
        if letter.isalpha():
            letters.setdefault(letter, chr(ord("a") + len(letters)))
    return "".join(letters.get(letter, letter) for letter in equation.replace(" ", ""))


def _product(shape: Shape) -> int | str:
    left, right = shape
    return (Size.of(left) * right).dimension


_RULE = Rule("attention", op("Linear", Var("x"), name="out"), _attention)
