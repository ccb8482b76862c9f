"""The examples of what is written are what is written."""

from __future__ import annotations

import re

import pytest

from tests.helpers import ROOT, import_file

FOLDER = ROOT / "examples" / "emitted"
make = import_file(FOLDER / "make.py")


def plain(text: str) -> str:
    """Without the versions of what read and wrote it."""
    return re.sub(r"\((Torch|Keras) [^)]*\)", r"(\1)", text, count=1)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
@pytest.mark.parametrize("name", make.NETWORKS)
def test_an_example_is_what_is_written_today(name: str) -> None:
    there = (FOLDER / f"{name}.py").read_text()
    assert plain(there) == plain(make.text(name)), "python examples/emitted/make.py"
