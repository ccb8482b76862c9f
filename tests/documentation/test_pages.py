"""Every command of the README and of the pages in docs/ runs, in its order, and ends as the page says; Python too."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from irconv.cli import main
from tests.documentation.stage import OF_PAGE, STAGE
from tests.helpers import ROOT

OTHERS = {"docs/adopt.md": "tests/adoption/test_page.py", "docs/python.md": "tests/test_python_docs.py"}
"""Pages whose commands another test runs, with what they print."""
PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
SETTING = {
    "README.md": ("import torch; import torch.nn.functional as F; from torch import Tensor, nn\n",),
    "docs/torch.md": ("import irconv, torch; module = torch.nn.Softmax(1); x = torch.ones(2, 5)\n",),
    "docs/diff.md": ("import irconv\n",),
    "docs/unet.md": ("import sys; sys.path.insert(0, '')\n",),
}
"""What stands before the Python of a page, and goes without saying there."""
_BLOCK = re.compile(
    r"^```(?P<language>\w*)\n(?P<fenced>.*?)^```$|(?P<indented>(?:^ {4,}\S[^\n]*\n)+)", re.MULTILINE | re.DOTALL
)
_NAME = re.compile(r"[\w.-]+")
_TARGETS = re.compile(r"^([\w -]+):", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A command line, or lines of Python."""

    text: str
    python: bool = False

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text.partition(" #")[0].partition(" | ")[0])

    @property
    def exit_code(self) -> int:
        found = re.search(r"#.*exit code (\d+)", self.text)
        return int(found[1]) if found else 0


def steps(page: str) -> Iterator[Step]:
    """What a page tells the reader to type."""
    for block in _BLOCK.finditer((ROOT / page).read_text()):
        if block["language"] == "python":
            yield Step(block["fenced"], python=True)
        elif block["language"] in ("", None):
            lines = (block["fenced"] or block["indented"]).splitlines()
            yield from (Step(line.strip()) for line in lines if line.strip().startswith("irconv "))


def stage(page: str, wanted: list[Step]) -> None:
    """Lay out the files that the steps name, as the page means them."""
    makers = {**STAGE, **OF_PAGE.get(page, {})}
    for name in dict.fromkeys(word for step in wanted for word in _NAME.findall(step.text)):
        if name in makers and not Path(name).exists():
            makers[name](Path(name))


def clear(step: Step) -> None:
    """Take away what an earlier step wrote where this one writes."""
    words = step.words
    if words[1] == "convert":
        target = [word for word in words[2:] if not word.startswith("-")][1]
    else:
        target = next((words[at + 1] for at, word in enumerate(words) if word in ("-o", "--output", "--html")), "")
    written = (Path(target), Path(target).with_suffix(".safetensors")) if target else ()
    for path in written:
        if path.exists() and str(path) not in words[2:3]:
            (shutil.rmtree if path.is_dir() else Path.unlink)(path)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in OTHERS and any(steps(page))])
def test_what_a_page_tells_to_type_does_what_it_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted, names = list(steps(page)), dict[str, object]()
    stage(page, wanted)
    for step in wanted:
        if step.python:
            text = "".join(SETTING.get(page, ())) + step.text
            exec(compile(text, page, "exec"), names)
            continue
        clear(step)
        result = CliRunner().invoke(main, step.words[1:])
        assert result.exit_code == step.exit_code, f"{page}: {step.text}\n{result.output}"
        stage(page, wanted)  # what a dry run did not write again
        if step.words[1] == "sketch":  # what people complete by hand
            OF_PAGE[page]["arch.json"](Path("arch.json"))


def test_the_number_of_commands_and_blocks_of_python_that_run_is_the_one_that_is_stated() -> None:
    run = [step for page in PAGES for step in steps(page)]
    said = re.search(r"(\d+) command lines and (\d+) blocks", (ROOT / "CONTRIBUTING.md").read_text())
    assert said is not None
    commands, blocks = sum(not step.python for step in run), sum(step.python for step in run)
    assert (int(said[1]), int(said[2])) == (commands, blocks)


def test_no_command_stands_where_nothing_runs_it() -> None:
    """But for those that need a cluster, or a store of somebody's."""
    for page in PAGES:
        for block in _BLOCK.finditer((ROOT / page).read_text()):
            assert block["language"] in (None, "", "python", "json", "text"), f"{page}: {block['language']}"
            if block["language"] in ("text", "json"):
                lines = [line for line in block["fenced"].splitlines() if line.startswith("irconv ")]
                assert all("://" in line for line in lines), f"{page}: {lines}"


def test_every_make_target_that_a_page_names_exists() -> None:
    rules = (ROOT / "Makefile").read_text()
    targets = {name for names in _TARGETS.findall(rules) for name in names.split()}
    for page in (*PAGES, "CONTRIBUTING.md"):
        named = set(re.findall(r"(?:`|^ {4})make ([\w-]+)", (ROOT / page).read_text(), re.MULTILINE))
        assert named - targets == set(), page


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in (*PAGES, "CONTRIBUTING.md"):
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", (ROOT / page).read_text()):
            file = (ROOT / page).parent / target if target else ROOT / page
            assert file.exists(), f"{page}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
                assert anchor in {_slug(heading) for heading in headings}, f"{page}: {target}#{anchor}"


def _slug(heading: str) -> str:
    """What GitHub and mkdocs call a heading in a link."""
    return re.sub(r"[ -]+", "-", re.sub(r"[^\w -]", "", heading.lower())).strip("-")
