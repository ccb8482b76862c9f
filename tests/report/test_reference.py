"""Reference pages are what the code makes of itself."""

from __future__ import annotations

import pytest

from irconv.report.reference import documents
from tests.helpers import ROOT

PAGES = documents()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_made_from_the_code_is_current(path: str) -> None:
    committed = (ROOT / path).read_text(encoding="utf-8")
    assert committed == PAGES[path], f"{path} is stale: `make docs` writes it anew"
