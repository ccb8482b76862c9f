"""``irconv-hook check FILE...`` and ``irconv-hook diff [--base COMMIT] [FILE...]``: what pre-commit and CI call.

``check`` checks the bundles that the files belong to. ``diff`` compares each model with what it was in a commit (HEAD
unless said), of the files given or of all that changed; a model that differs is shown and is no failure, one that
cannot be read any more is. Exit codes as `irconv`'s.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

_BUNDLE = re.compile(r"^.*?\.irconv(?:\.zip)?(?=/|$)")
_MODELS = (".h5", ".hdf5", ".keras", ".onnx", ".pt", ".pth", ".pt2", ".safetensors")


@click.group()
def main() -> None:
    """Check bundles, or show what changed in models: for pre-commit and CI."""


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Check every bundle that one of FILES is, or lies in."""
    found = [_BUNDLE.match(file.as_posix()) for file in files]
    bundles = dict.fromkeys(match[0] for match in found if match)
    sys.exit(max((_irconv("check", "--", bundle) for bundle in bundles), default=0))


@main.command()
@click.option("--base", default="HEAD", help="The commit to compare with.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def diff(base: str, files: tuple[Path, ...]) -> None:
    """Compare each model of FILES, or each that changed, with what it was in a commit."""
    worst = 0
    for file in files or _changed(base):
        if file.suffix.lower() not in _MODELS or _BUNDLE.match(file.as_posix()) or not file.is_file():
            continue
        click.echo(f"## {click.format_filename(file)}\n")
        worst = max(worst, _compared(base, file))
        click.echo("")
    sys.exit(worst)


def _compared(base: str, file: Path) -> int:
    """How `irconv diff` ends; that a model differs is none of its failures, nor that it is new."""
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / file.name
        with before.open("wb") as out:
            wanted = _git("cat-file", "--filters", "--end-of-options", f"{base}:./{file.as_posix()}")
            shown = subprocess.run(wanted, stdout=out, stderr=subprocess.DEVNULL, check=False)
        code = (
            _irconv("diff", "--", str(before), str(file))
            if shown.returncode == 0
            else _irconv("inspect", "--", str(file))
        )
    return 0 if code == 1 else code


def _changed(base: str) -> Sequence[Path]:
    """The files that differ from a commit, as git lists them below the current folder."""
    listed = subprocess.run(
        _git("diff", "--relative", "--name-only", "-z", "--diff-filter=d", "--end-of-options", base, "--"),
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        raise click.ClickException(listed.stderr.decode("utf-8", "replace").strip())
    return [Path(name) for name in listed.stdout.decode("utf-8", "surrogateescape").split("\0") if name]


def _git(*arguments: str) -> list[str]:
    return ["git", *arguments]


def _irconv(*arguments: str) -> int:
    """Run a command of irconv in a process of its own: one model that fails stops no other."""
    return subprocess.run([sys.executable, "-m", "irconv", *arguments], check=False).returncode
