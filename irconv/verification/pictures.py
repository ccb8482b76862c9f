"""Images that are inputs of a model which irconv runs itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from irconv.errors import MissingFact, Problems
from irconv.ir.bundle import Bundle
from irconv.layout import Array
from irconv.verification.given import Inputs, Picture
from irconv.verification.slots import native_slots, source_slots


def as_arrays(
    bundle: Bundle, given: Inputs, io: Literal["native", "source"], white: float | None
) -> tuple[dict[str, Array] | list[Array], list[str]]:
    """What is given, with arrays for its images, and a line for each image that says what it became.

    `white` is the value of a white pixel where the input takes floats; None is what the graph shows: 255 where it
    divides by that itself, else 1. Raises `MissingFact` for an image where an input takes none.
    """
    named = isinstance(given, Mapping)
    items = [*given.items()] if isinstance(given, Mapping) else [("", one) for one in given]
    if bundle.graph is None or not any(isinstance(one, Picture) for _, one in items):
        plain = [(name, one) for name, one in items if not isinstance(one, Picture)]
        return (dict(plain) if named else [one for _, one in plain]), []
    from irconv.verification.domains import Domain, domains

    slots = (source_slots if io == "source" else native_slots)(bundle.graph)[0]
    if not named and len(items) != len(slots):
        raise MissingFact("inputs", f"expected {len(slots)} ({', '.join(s.name for s in slots)}), got {len(items)}")
    found, problems = domains(bundle), Problems()
    arrays: list[tuple[str, Array]] = []
    notes: list[str] = []
    for place, (name, one) in enumerate(items):
        if not isinstance(one, Picture):
            arrays.append((name, one))
            continue
        slot = next((slot for slot in slots if slot.name == name), None) if named else dict(enumerate(slots)).get(place)
        if slot is None:
            known = ", ".join(slot.name for slot in slots)
            problems.add(
                f"input {name or one.path}", f"expected one of {known}" if named else f"expected {known} alone"
            )
            continue
        scale = white or found.get(slot.name, Domain()).scale
        with problems.collect():
            array = one.array(slot, scale)
            arrays.append((name, array))
            shown = "0 to 255" if slot.dtype == "uint8" else f"0 to {scale:g}"
            notes.append(f"input {slot.name}: {one.path} as {array.dtype} {array.shape} {slot.axes}, {shown}")
    problems.raise_any()
    return (dict(arrays) if named else [array for _, array in arrays]), notes
