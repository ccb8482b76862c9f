"""Models in a git repository: the two drivers that docs/diff.md describes, run by git itself."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv import api
from irconv.comparison.text import lines
from tests.comparison.pairs import RESIDUAL, as_hdf5, network, next_number, with_layer, with_tensor

IRCONV = f"{shlex.quote(sys.executable)} -c 'from irconv.__main__ import run; run()'"


def git(folder: Path, *arguments: str) -> str:
    """What git prints; it reads no configuration but the repository's."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(Path(irconv.__file__).parents[1]),
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two versions of a model: in the second one an epsilon and one number differ."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / ".gitattributes").write_text("*.h5 diff=irconv\n")
    shutil.copy(RESIDUAL, folder / "model.h5")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")

    def change(file: Any) -> None:
        config = file.attrs["model_config"]
        text = config if isinstance(config, str) else config.decode()
        file.attrs["model_config"] = text.replace('"epsilon": 0.001', '"epsilon": 0.0025', 1)
        kernel = file["model_weights/dense/dense/kernel:0"]
        kernel[2, 1] = np.nextafter(kernel[2, 1], np.float32(9))

    shutil.move(as_hdf5(RESIDUAL, tmp_path, change), folder / "model.h5")
    return folder


def test_git_diff_shows_the_lines_of_a_model_that_changed(repository: Path) -> None:
    git(repository, "config", "diff.irconv.textconv", f"{IRCONV} textconv")
    text = git(repository, "diff", "--unified=0")
    removed = [line[1:] for line in text.splitlines() if line.startswith("-") and not line.startswith("---")]
    added = [line[1:] for line in text.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert [line.split()[:2] for line in removed] == [["layer", "batch_normalization"], ["kernel:", "float32"]]
    assert "epsilon=0.001" in removed[0]
    assert "epsilon=0.0025" in added[0]
    assert removed[1].split()[3] != added[1].split()[3]
    assert removed[1].split()[4:] == added[1].split()[4:]


def test_git_log_and_the_cache_use_the_same_driver(repository: Path) -> None:
    git(repository, "config", "diff.irconv.textconv", f"{IRCONV} textconv")
    git(repository, "config", "diff.irconv.cachetextconv", "true")
    git(repository, "commit", "--quiet", "-am", "two")
    first = git(repository, "log", "-1", "--patch", "--unified=0")
    assert "+layer batch_normalization BatchNorm epsilon=0.0025" in first
    assert git(repository, "log", "-1", "--patch", "--unified=0") == first


def test_git_diff_can_show_the_table_itself(repository: Path) -> None:
    git(repository, "config", "diff.irconv.command", f'f() {{ {IRCONV} diff "$2" "$5" || test $? -eq 1; }}; f')
    text = git(repository, "diff")
    assert "different: 1 tensor changed, 1 layer changed" in text
    assert "epsilon: 0.001 -> 0.0025" in text


@pytest.mark.parametrize("name", ["m.keras", "m.irconv"])
def test_the_lines_are_the_same_in_every_format_that_keeps_names(name: str, tmp_path: Path) -> None:
    irconv.convert(RESIDUAL, tmp_path / name)
    first, second = (list(lines(api.read(path)))[1:] for path in (RESIDUAL, tmp_path / name))
    assert first == second


def test_one_number_and_one_setting_change_a_line_each() -> None:
    second = with_layer(with_tensor(network(), "fc1.kernel", next_number), "norm", epsilon=2e-3)
    before, after = list(lines(network())), list(lines(second))
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert [a.split()[0] for a, _ in changed] == ["layer", "kernel:"]
    assert changed[0][1] == "layer norm BatchNorm epsilon=0.002 momentum=0.99"


def test_numbers_that_are_not_finite_are_counted_in_the_line() -> None:
    def planted(w: Any) -> Any:
        w.flat[:3] = np.nan
        return w

    (line,) = (line for line in lines(with_tensor(network(), "fc2.bias", planted)) if line.endswith("not_finite=3"))
    assert line.startswith("  bias: float32 11 ")
