"""The table of docs/verify.md has a row for every source, and every target in it."""

from __future__ import annotations

from tests.verification.table import BEGIN, END, PAGE, SOURCES, TARGETS


def rows() -> list[list[str]]:
    """The cells of the table on the page, the head and the rule without the rest."""
    _, rest = PAGE.read_text().split(BEGIN)
    lines = rest.split(END)[0].splitlines()
    return [line.strip("| ").split(" | ") for line in lines]


def test_the_page_has_every_source_and_every_target() -> None:
    head, _, *body = rows()
    assert [row[0] for row in body] == list(SOURCES), "python -m tests.verification.table writes the page"
    assert head[2:] == [f"`{target}`" for target in TARGETS]
    assert {len(row) for row in body} == {len(head)}


def test_no_conversion_of_the_page_failed_for_a_fault_of_irconvs_own() -> None:
    said = [cell for row in rows() for cell in row if "Error:" in cell and ".py" in cell]
    assert not said, "a refusal names a layer or a file, not a line of irconv"
