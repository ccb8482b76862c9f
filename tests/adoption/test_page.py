"""Every command of docs/adopt.md runs, in its order, and ends as the page says."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from irconv.cli import main
from tests.adoption.files import arrays, saved
from tests.helpers import LENET, ROOT

PAGE = (ROOT / "docs" / "adopt.md").read_text()
FOLDER = ROOT / "fixtures" / "adoption"
OLD = {"stem.weight": (8, 3, 3, 3), "encoder.conv2.weight": (8, 8, 3, 3), "conv3.weight": (8, 8, 3, 3)}
NEW = {"amber.weight": (8, 8, 3, 3), "birch.weight": (8, 3, 3, 3), "body.conv2.weight": (8, 8, 3, 3)}


def blocks() -> list[str]:
    """The indented blocks of the page."""
    found = re.findall(r"(?:^ {4}.*\n)+", PAGE, re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in found]


def test_every_command_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(LENET / "keras2.2.4-lenet4-h5" / "model.h5", "model.h5")
    shutil.copy(LENET / "keras2.2.4-lenet4-weights-h5" / "weights.h5", "weights.h5")
    shutil.copy(FOLDER / "tutorial_nets.py", "net.py")
    for file in (
        *(FOLDER / "bert").iterdir(),
        *(FOLDER / name for name in ("bert_net.py", "settings.keras", "user_nets.py")),
    ):
        shutil.copy(file, tmp_path)
    saved(Path("old.safetensors"), arrays(1, OLD))
    saved(Path("new.safetensors"), arrays(2, NEW))
    count, said = 0, ""
    for block in blocks():
        if block.startswith("{"):
            Path("map.json").write_text(block)
        elif block.startswith("irconv "):
            said = ""
            for line in block.splitlines():
                command, _, comment = line.partition("  #")
                result = CliRunner().invoke(main, shlex.split(command)[1:])
                said += result.stdout + result.stderr
                wanted = int(comment.split()[-1]) if "exit code" in comment else 0
                assert result.exit_code == wanted, f"{command}\n{result.output}"
                count += 1
        elif not block.startswith("found"):  # what the command before it prints
            printed = [line.rstrip() for line in said.splitlines()]
            assert [line for line in block.splitlines() if line.rstrip() not in printed] == []
    assert count == PAGE.count("\n    irconv ")
