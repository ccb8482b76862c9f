"""Small networks for the tests of alignment, written as lists of layers."""

from __future__ import annotations

from collections.abc import Sequence

from irconv.align import Network, Part, Unit
from irconv.align.network import KERNEL, MATRIX, NORM
from irconv.align.skeleton import Skeleton


def conv(name: str, out: int, channels: int, size: int = 3, bias: bool = False) -> Unit:
    parts = {"kernel": Part(f"{name}.kernel", (out, channels, size, size))}
    return Unit(name, KERNEL, parts | ({"bias": Part(f"{name}.bias", (out,))} if bias else {}))


def linear(name: str, out: int, features: int) -> Unit:
    parts = {"kernel": Part(f"{name}.kernel", (out, features)), "bias": Part(f"{name}.bias", (out,))}
    return Unit(name, MATRIX, parts)


def norm(name: str, channels: int) -> Unit:
    roles = ("gamma", "beta", "mean", "variance")
    return Unit(name, NORM, {role: Part(f"{name}.{role}", (channels,)) for role in roles})


def listed(*units: Unit, stored: bool = True) -> Network:
    """A network without a graph."""
    return Network(units, stored=tuple(range(len(units))) if stored else None)


def graph(units: Sequence[Unit], *lines: tuple[str, ...], output: str = "") -> Network:
    """A network from lines ``(value, op or unit, inputs...)``; ``x`` is the input, the last line the output."""
    made, place = Skeleton(), {unit.name: number for number, unit in enumerate(units)}
    made.input("x", 0)
    for value, op, *inputs in lines:
        if op in place:
            made.unit(place[op], inputs, value)
        elif len(inputs) == 1:
            made.pass_through(op, inputs[0], [value], op)
        else:
            made.join(op, inputs, [value], op)
    made.output(output or lines[-1][0], 0)
    return Network(tuple(units), made.finish())
