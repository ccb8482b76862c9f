"""Keras' names of weights, in files that hold weights alone: ``kernel`` has its channels last."""

from __future__ import annotations

from irconv.frameworks.conventions import Shapes, Stored

_ROLES = {"moving_mean": "mean", "moving_variance": "variance", "embeddings": "table"}
_VECTORS = ("gamma", "beta", "mean", "variance")
_GATES = {4: ("ifgo", "ifgo"), 3: ("zrn", "rzn")}
"""Number of gates -> their order in Keras and in the IR."""


def stored(kind: str | None, shapes: Shapes) -> dict[str, Stored]:
    """See `irconv.frameworks.conventions`. Archives number a layer's variables, which then stand in the order in which
    the layer makes them. That kernels are not turned holds for all backends but Theano, whose files say so."""
    names = dict(zip(shapes, _numbered(shapes), strict=True))
    gates = _gates({names[local]: shape for local, shape in shapes.items()})
    found = {}
    for local, shape in shapes.items():
        name = names[local]
        if name == "bias" and gates:
            found[local] = _gated("bias_input", "(gate unit)", "(gate unit)", gates, len(shape) == 1)
        elif name == "recurrent_kernel":
            found[local] = _gated(name, "hidden (gate unit)", "(gate unit) hidden", gates, len(shape) == 2)
        elif name == "depthwise_kernel" and len(shape) > 2:
            found[local] = Stored("kernel", "*k in (m one)", "(in m) one *k", sizes={"one": 1})
        elif name.endswith("kernel"):
            found[local] = _kernel(name, shape, gates)
        else:
            found[local] = Stored(_ROLES.get(name, name))
    return found


def _numbered(shapes: Shapes) -> list[str]:
    """The names of variables that have numbers for names."""
    locals_ = list(shapes)
    if not all(local.isdigit() for local in locals_):
        return [local.rsplit("/", 1)[-1].split(":", maxsplit=1)[0] for local in locals_]
    ranks = [len(shape) for shape in shapes.values()]
    if ranks == [1, 1, 1, 1] and len(set(shapes.values())) == 1:
        return list(_VECTORS)
    if ranks == [1, 1]:
        return list(_VECTORS[:2])
    if len(ranks) in (2, 3) and ranks[:2] == [2, 2]:
        return ["kernel", "recurrent_kernel", "bias"][: len(ranks)]
    if ranks and ranks[0] >= 2 and ranks[1:] in ([], [1]):
        return ["kernel", "bias"][: len(ranks)]
    return locals_


def _gates(shapes: Shapes) -> int:
    """The number of gates of a recurrent layer, from its two kernels; 0 for other layers."""
    kernel, recurrent = shapes.get("kernel", ()), shapes.get("recurrent_kernel", ())
    if len(kernel) != 2 or len(recurrent) != 2 or recurrent[0] == 0 or kernel[1] != recurrent[1]:
        return 0
    return recurrent[1] // recurrent[0] if recurrent[1] % recurrent[0] == 0 else 0


def _gated(role: str, axes: str, canonical: str, gates: int, plain: bool) -> Stored:
    if not plain:
        return Stored(role, known=False)
    if gates not in _GATES:
        return Stored(role, axes.replace("(gate unit)", "unit"), canonical.replace("(gate unit)", "unit"))
    return Stored(role, axes, canonical, {"gate": _GATES[gates]}, {"gate": gates})


def _kernel(name: str, shape: tuple[int, ...], gates: int) -> Stored:
    if gates and len(shape) == 2:
        return _gated("kernel", "in (gate unit)", "(gate unit) in", gates, True)
    return Stored(name, "*k in out", "out in *k", known=len(shape) > 1) if len(shape) > 1 else Stored(name, known=False)
