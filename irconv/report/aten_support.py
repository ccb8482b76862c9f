"""The page of the operators of ATen that are read, by what they are for."""

from __future__ import annotations

import inspect
import sys


def aten_page(generated: str) -> str:
    """Every overload that a rule reads, in the words of the module that reads it."""
    from irconv.frameworks.torch.aten import graphs
    from irconv.frameworks.torch.aten.handlers import BY_ELEMENT, FAMILIES, HANDLERS

    lines = ["# PyTorch: the operators of ATen that are read", "", generated, ""]
    lines += [
        f"{len(HANDLERS)} overloads, in programs (`.pt2`) and, where PyTorch has a schema for them, in TorchScript.",
        "Their forms in place (`add_`) are read as well. An overload that is not here is refused by its name, with the",
        "module that calls it.",
        "",
    ]
    for family in FAMILIES:
        about = (inspect.getdoc(sys.modules[family.__name__]) or "").splitlines()[0]
        own = sorted(op for op, handler in family.HANDLERS.items() if HANDLERS[op] is handler)
        lines += [f"## {about.rstrip('.:')}", "", _listed(own), ""]
    lines += ["## Graphs within programs", "", _listed([f"higher_order.{name}" for name in sorted(graphs.RULES)]), ""]
    lines += ["## For elements that a mask chose", "", _listed(sorted(BY_ELEMENT)), ""]
    return "\n".join(lines)


def _listed(ops: list[str]) -> str:
    """Overloads of one op together: `add.Scalar, Tensor`."""
    forms: dict[str, list[str]] = {}
    for op in ops:
        name, _, form = op.rpartition(".")
        forms.setdefault(name, []).append(form)
    plain = {name: [form for form in found if form != "default"] for name, found in forms.items()}
    return ", ".join(f"`{name}`" + (f" ({', '.join(found)})" if found else "") for name, found in plain.items()) + "."
