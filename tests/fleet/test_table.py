"""The table: appended to, taken up, escaped for those who look at it, and never written over another's."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from irconv.errors import OutputExists
from irconv.fleet.job import Job, Row
from irconv.fleet.page import page, reasons
from irconv.fleet.table import Table
from tests.helpers import rejection

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\u202e.h5"


def test_rows_are_there_as_soon_as_they_are_known_and_in_order_at_the_end(tmp_path: Path) -> None:
    jobs = [Job(name, f"{name}.onnx") for name in "abc"]
    with Table(tmp_path, jobs) as table:
        for job in reversed(jobs):
            table.add(Row(job.source, "onnx", "ok", destination=job.destination))
        lines = (tmp_path / "results.jsonl").read_text().splitlines()
        assert [json.loads(line)["source"] for line in lines] == ["c", "b", "a"]
        assert (tmp_path / "results.csv").read_text().count("\n") == 4
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["a", "b", "c"]
    with Table(tmp_path, [Job("d", "d.onnx"), jobs[0]]) as table:
        assert [row.source for row in table.ordered()] == ["b", "c", "a"]  # of other fleets first


def test_a_file_that_is_not_irconvs_is_kept(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("mine")
    text = rejection(lambda: Table(tmp_path, ()).__enter__(), OutputExists)
    assert text == f"{tmp_path / 'results.csv'}: exists already. Move it away, or give another folder."
    (tmp_path / "results.jsonl").write_text('{"mine": 1}\n{"mine": 2}\n')
    text = rejection(lambda: Table(tmp_path, ()).__enter__(), OutputExists)
    assert text.startswith(f"{tmp_path / 'results.jsonl'}: line 1: is no row of irconv's.")
    assert (tmp_path / "results.csv").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.jsonl"]


def test_a_cell_is_no_formula(tmp_path: Path) -> None:
    with Table(tmp_path, ()) as table:
        table.add(Row("=HYPERLINK(1)", "onnx", "refused", message="-1\n@x", files=("a", "b")))
    with (tmp_path / "results.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["source"], row["message"], row["files"]) == ("'=HYPERLINK(1)", "'-1\n@x", "a;b")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


def test_names_are_text_in_the_page() -> None:
    rows = [Row(HOSTILE, HOSTILE, "refused", HOSTILE, HOSTILE, destination=HOSTILE, log=HOSTILE)]
    parser = _Tags()
    text = page(rows, HOSTILE)
    parser.feed(text)
    assert parser.tags.count("script") == 1
    assert "alert(1)</script>" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not re.search(r"(src|href)=", text)


def test_reasons_of_one_class_are_counted_together() -> None:
    what = "irconv has no rule for Keras's Lambda"
    rows = [Row(f"{n}.h5", "onnx", "refused", "Refused", f"{n}.h5: layer lambda_{n} (Lambda): {what}.") for n in "abc"]
    rows.append(Row("d", "onnx", "killed", "Memory", "d: took more than 64 MB of memory."))
    rows.append(Row("e", "onnx", "ok"))
    found = reasons(rows)
    assert [(kind, count) for kind, _, count, _ in found] == [("refused: Refused", 3), ("killed: Memory", 1)]
    assert found[0][1] == f"{what}."


def test_the_table_is_parquet_too_where_that_is_installed(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    with Table(tmp_path, ()) as table:
        table.add(Row("a", "onnx", "ok", error=1e-7, files=("x",)))
        table.summarise("page")
    (row,) = parquet.read_table(tmp_path / "results.parquet").to_pylist()
    assert (row["error"], row["files"]) == (1e-7, ["x"])
