"""docs/python.md has every public name, and every example in it runs."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import irconv
from tests.helpers import ROOT, lenet

TEXT = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
SECTIONS = dict(part.split("\n", 1) for part in TEXT.split("\n## ")[1:])
NEEDED = {"`from_keras`": "keras", "`to_keras`": "keras", "`from_torch`": "torch", "`to_torch`": "torch"}


def blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def quiet() -> Iterator[None]:
    log = logging.getLogger("irconv")
    before = log.level
    yield
    log.setLevel(before)


def test_every_public_name_has_a_section_and_an_example() -> None:
    named = [title.strip("`") for title in SECTIONS if title.startswith("`")]
    assert sorted(named) == sorted(irconv.__all__)
    assert all(f"irconv.{name}" in "".join(blocks(SECTIONS[f"`{name}`"])) for name in named if name != "Bundle")


@pytest.mark.parametrize("title", SECTIONS)
@pytest.mark.filterwarnings("default")  # those of the frameworks are their own
def test_an_example_runs(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: None) -> None:
    if title in NEEDED:
        pytest.importorskip(NEEDED[title], reason=f"{NEEDED[title]} is not installed")
    model = lenet("tf2.15-lenet5-h5")
    shutil.copyfile(model.model, tmp_path / "model.h5")
    monkeypatch.chdir(tmp_path)
    names = {"irconv": irconv, "np": np, "x": model.inputs[0], "y": model.outputs[0]}
    found = blocks(SECTIONS[title])
    assert found
    for block in found:
        exec(compile(block, f"docs/python.md, {title}", "exec"), names)
