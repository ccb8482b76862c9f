"""What irconv writes besides the kinds that people describe their models with."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from irconv.frameworks.theano.kinds.base import Described, Sizes


class Elementwise(Described):
    """A function of one to three values, element by element; `irconv.frameworks.theano.functions` lists them."""

    INPUTS: ClassVar[tuple[int, float]] = (1, float("inf"))

    kind: Literal["elementwise"]
    op: str
    alpha: float | None = None
    beta: float | None = None
    low: float | None = None
    high: float | None = None


class Parameter(Described):
    """An array as a value of the graph."""

    ROLES: ClassVar[tuple[str, ...]] = ("value",)
    INPUTS: ClassVar[tuple[int, float]] = (0, 0)

    kind: Literal["parameter"]


class Number(Described):
    """A number, or nested lists of numbers, as a value of the graph."""

    INPUTS: ClassVar[tuple[int, float]] = (0, 0)

    kind: Literal["number"]
    value: Any
    dtype: str = "float32"


class Full(Described):
    """A value of one number."""

    INPUTS: ClassVar[tuple[int, float]] = (0, 0)

    kind: Literal["full"]
    shape: Sizes
    value: float | int | bool
    dtype: str


def _more(
    kind: str,
    about: str,
    inputs: tuple[int, float] = (1, 1),
    roles: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
    **fields: Any,
) -> Any:
    name = "".join(part.title() for part in kind.split("_"))
    annotations: dict[str, Any] = {"kind": Literal[kind], **fields}
    bases = {"__annotations__": annotations, "__doc__": about, "__module__": __name__}
    made: Any = type(Described)
    return made(name, (Described,), {**bases, "INPUTS": inputs, "ROLES": roles, "OPTIONAL": optional})


MORE = (
    _more("softmax", "Along any axis.", axis=int),
    _more("log_softmax", "Along any axis.", axis=int),
    _more("prelu", "``T.switch(x > 0, x, alpha x)``.", roles=("alpha",)),
    _more("instance_norm", "Each channel normalised over its spatial axes.", optional=("gamma", "beta"), epsilon=float),
    _more("broadcast", "Repeated along axes of length 1 and new ones.", shape=Sizes),
    _more("tile", "``T.tile``.", reps=Sizes),
    _more("repeat", "``T.extra_ops.repeat``.", axis=int, repeats=int),
    _more(
        "subtensor",
        "Slices of several axes.",
        axes=list[int],
        starts=list[int | str | None],
        stops=list[int | str | None],
        steps=list[int],
    ),
    _more("squeeze", "Without some axes of length 1.", axes=list[int]),
    _more("unsqueeze", "With new axes of length 1.", axes=list[int]),
    _more("cast", "``T.cast``.", dtype=str),
    _more("take", "``T.take``: elements by index along an axis.", (2, 2), axis=int),
    _more("dot", "The product of matrices.", (2, 2)),
    _more("argmax", "The index of the largest element.", axis=int, keepdims=bool),
    _more("argmin", "The index of the smallest element.", axis=int, keepdims=bool),
)
