"""Foreign text in tables for people: nothing in it is markup, and nothing moves the cursor."""

from __future__ import annotations

from rich.text import Text

from irconv.terminal import shown


def plain(*lines: str) -> Text:
    """Text of a file, each of these on a line of its own."""
    return Text("\n".join(map(shown, lines)))
