"""The page of checked types."""

from __future__ import annotations

from tests.layers.report import PAGE, counts


def test_the_page_of_checked_types_lists_every_type_with_all_its_cases() -> None:
    rows = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][2:]
    listed = {row[1].strip(): int(row[2]) for row in rows}
    assert listed == counts(), "run `make checked`"
