"""Names of a file are text wherever they are printed: they neither colour a terminal nor break a table."""

from __future__ import annotations

import itertools
import json
import pickle
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import irconv
from irconv.cli import main
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.matrix import Einsum
from irconv.ir.manifest import Fact, SourceFile, SourceRecord
from irconv.terminal import pasted, shown, shown_json
from tests.helpers import Builder, numbers

ANY = st.text(st.characters(exclude_categories=()))
NAMES = {
    "colours": "a\x1b[31mb",
    "a title": "a\x1b]0;owned\x07b",
    "eight-bit controls": "a\x9b31mb",
    "the other direction": "a\u202eb\u2066",
    "an end of a line": "a\n# A heading\r\x85\u2028b",
    "half a character": "a\ud800b",
    "markup": "a[bold red]b[/bold red]",
    "a closing tag": "a[/]b",
    "an emoji": "a:boom:b",
    "a column": "a|b",
    "HTML": "a<script>b`c`",
}


@given(ANY)
def test_what_is_shown_is_printable_and_in_one_line(text: str) -> None:
    assert shown(text).isprintable()
    assert shown(text) == text or not text.isprintable()


@given(st.dictionaries(ANY, ANY))
def test_a_document_is_shown_as_it_is(document: dict[str, str]) -> None:
    text = shown_json(json.dumps(document, ensure_ascii=False, indent=1))
    assert json.loads(text) == document
    assert all(line.isprintable() for line in text.split("\n"))


def bundle(folder: Path, name: str, refused: bool = False) -> Path:
    """A bundle in which everything that has a name is called so."""
    builder = Builder(**{f"in {name}": ("N", 3)}).add(name, Linear(), f"in {name}", kernel=numbers(4, 3))
    last = Einsum(equation="ij->j") if refused else Relu()
    made = builder.add(f"out {name}", last, name).build()
    fact = Fact(name=name, value=name, evidence=name)
    files = (SourceFile(name=name, size=1, sha256=""),)
    source = SourceRecord(framework="handmade", version=name, files=files, facts=(fact,))
    path = folder / "m.irconv"
    irconv.write(replace(made, source=source), path)
    return path


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind != "half a character"])
def test_names_are_printed_as_text_everywhere(kind: str, tmp_path: Path) -> None:
    name = NAMES[kind]
    path = bundle(tmp_path, name)
    ran = {
        "inspect": ["inspect", str(path)],
        "inspect --json": ["inspect", str(path), "--json"],
        "convert": ["convert", str(path), str(tmp_path / "m.onnx")],
        "convert --json": ["convert", str(path), str(tmp_path / "n.onnx"), "--json"],
        "diff": ["diff", str(path), str(path), "--all"],
        "refused": ["convert", str(path), str(tmp_path / "m.onnx")],
    }
    for what, words in ran.items():
        result = CliRunner().invoke(main, words, env={"COLUMNS": "300"})
        assert result.exit_code == (3 if what == "refused" else 0), result.output
        assert all(line.isprintable() for line in result.output.split("\n")), what
        if what in ("inspect", "convert"):
            said = shown(name) if what == "inspect" else pasted(shown(name))
            assert said in result.output


def test_a_name_that_is_copied_into_a_command_runs_nothing(tmp_path: Path) -> None:
    path = bundle(tmp_path, "$(touch x)|y;`z`")
    result = CliRunner().invoke(main, ["convert", str(path), str(tmp_path / "m.onnx")])
    assert "input in \\$(touch x)\\|y\\;\\`z\\`: float32" in result.output


def test_a_shell_takes_what_is_pasted_for_a_word_and_runs_nothing(tmp_path: Path) -> None:
    names = [
        f"a{''.join(middle)}z" for length in (1, 2, 3) for middle in itertools.product("\\|&;<>$`!", repeat=length)
    ]
    script = "\n".join(f"printf '%s\\n' {pasted(name)}" for name in names)
    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (ran.returncode, ran.stderr, list(tmp_path.iterdir())) == (0, "", [])
    assert [line.replace("\\", "") for line in ran.stdout.splitlines()] == [name.replace("\\", "") for name in names]


def test_a_backslash_of_a_name_does_not_undo_that_of_what_is_pasted() -> None:
    assert pasted("a\\|b") == "a\\\\\\|b"
    assert shlex.split(pasted("a\\|b!")) == ["a\\|b!"]


def test_an_output_that_is_called_otherwise_than_its_value_says_which_it_is(tmp_path: Path) -> None:
    path = bundle(tmp_path, "fc")
    made = irconv.read(path)
    assert made.graph is not None
    outputs = tuple(port.model_copy(update={"name": "y"}) for port in made.graph.outputs)
    renamed = replace(made, graph=made.graph.model_copy(update={"outputs": outputs}))
    irconv.write(renamed, tmp_path / "n.irconv")
    result = CliRunner().invoke(main, ["convert", str(tmp_path / "n.irconv"), str(tmp_path / "m.onnx")])
    assert result.output.endswith("output y: float32 (N, 4), which is out fc\n")


@pytest.mark.parametrize("name", ["fc[/]", "fc[bold red]X[/bold red]"])
def test_a_slash_inside_brackets_parts_no_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({name: numbers(3, 2), "b": numbers(2)}, 2))
    result = CliRunner().invoke(main, ["inspect", str(tmp_path / "w.pkl")], env={"COLUMNS": "300"})
    (line,) = [line for line in result.output.split("\n") if line.startswith(f"{name} ")]
    assert " 3x2 " in line


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind != "half a character"])
def test_reasons_of_a_refusal_are_text(kind: str, tmp_path: Path) -> None:
    path = bundle(tmp_path, NAMES[kind], refused=True)
    result = CliRunner().invoke(main, ["convert", str(path), str(tmp_path / "m.theano")])
    assert result.exit_code == 3
    assert result.output == f"{path.name}: layer out {shown(NAMES[kind])} (Einsum): Theano has no layer for it.\n"


def test_the_name_of_a_file_itself_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\u202e\n.h5"
    path.write_bytes(b"no model")
    result = CliRunner().invoke(main, ["inspect", str(path)])
    assert result.exit_code == 3
    assert result.output.startswith(f"{tmp_path}/a\\x1b[31m\\u202e\\n.h5: no reader recognises its content.")


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind != "half a character"])
def test_the_tables_of_a_readme_keep_their_cells(kind: str, tmp_path: Path) -> None:
    text = (bundle(tmp_path, NAMES[kind]) / "README.md").read_text(encoding="utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    assert "\n# A heading" not in text
    assert "<script>" not in text.replace(f"`{NAMES[kind]}`", "").split("\n", 1)[1]
    rows = [line for line in text.split("\n") if line.startswith("| ")]
    cells = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert cells <= {6, 7}
