"""Shapes as the user writes them (``--input-shape``)."""

from __future__ import annotations

from irconv.errors import MissingFact


def said_shape(text: str) -> tuple[str, tuple[int | str, ...]]:
    """``[NAME=]N,1,28,28`` as the name, empty where none is given, and the sizes. Raises `MissingFact`."""
    name, _, listed = text.rpartition("=")
    sizes = [size.strip() for size in listed.strip("()[] ").split(",") if size.strip()]
    if not sizes or not all(size.isdigit() or size.isidentifier() for size in sizes):
        what = f"expected sizes such as N,1,28,28, got {listed!r}"
        raise MissingFact("--input-shape", what, "Write N for the batch, or any name for a size that is not known.")
    return name, tuple(int(size) if size.isdigit() else size for size in sizes)
