"""What is asked for becomes jobs with names of their own, or is refused before anything is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from irconv.errors import MissingFact, NoSuchFile, Refused, UnknownFormat
from irconv.fleet.job import Job, Limits, Row, digest, stamp
from irconv.fleet.plan import Asked, jobs
from irconv.options import ReadOptions, WriteOptions
from tests.helpers import rejection


def asked(folder: Path, *to: str, **more: Any) -> Asked:
    return Asked(str(folder / "out"), to, **more)


def laid(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def destinations(found: tuple[Job, ...], folder: Path) -> list[str]:
    return [Path(job.destination).relative_to(folder / "out").as_posix() for job in found]


def test_outputs_are_called_after_their_sources_below_the_patterns_folder(tmp_path: Path) -> None:
    laid(tmp_path, "in/a.h5", "in/deep/b.weights.h5", "in/deep/c.2.keras")
    found = jobs([str(tmp_path / "in" / "**" / "*.*5"), str(tmp_path / "in/deep/c.2.keras")], asked(tmp_path, "onnx"))
    assert destinations(found, tmp_path) == ["a.onnx", "deep/b.onnx", "c.2.onnx"]
    several = jobs([str(tmp_path / "in" / "a.h5")], asked(tmp_path, "keras-h5", "py", "tensorflow", "irconv"))
    assert destinations(several, tmp_path) == ["a.h5", "a.py", "a/a.ckpt", "a.irconv"]
    assert [job.write.target_format for job in several] == ["keras-h5", "torch-source", "tensorflow", "irconv"]


def test_two_outputs_of_one_name_are_refused_by_name(tmp_path: Path) -> None:
    laid(tmp_path, "in/a.h5", "in/A.keras")
    names = [str(tmp_path / "in" / name) for name in ("a.h5", "A.keras")]
    text = rejection(lambda: jobs(names, asked(tmp_path, "onnx")), Refused)
    assert text == (
        f"{tmp_path / 'out' / 'A.onnx'}: two outputs would have this name: of {names[0]} and of {names[1]}. "
        "Give one of them a destination in a plan, or convert them apart."
    )
    text = rejection(lambda: jobs(names[:1], asked(tmp_path, "py", "safetensors")), Refused)
    assert "a.safetensors: two outputs would have this name" in text


def test_a_plan_has_options_and_destinations(tmp_path: Path) -> None:
    laid(tmp_path, "plans/in/a.h5", "plans/arch.json")
    lines = [
        {"source": "in/a.h5", "to": ["onnx", "py"], "options": {"until": "dense", "opset": 20, "arch": "arch.json"}},
        {"source": "in/a.h5", "to": "keras", "destination": "deep/other.keras"},
    ]
    (tmp_path / "plans" / "plan.json").write_text(json.dumps({"models": lines}))
    table = "source,to,destination,until,opset,arch\nin/a.h5,onnx;py,,dense,20,arch.json\n"
    (tmp_path / "plans" / "plan.csv").write_text(table + "in/a.h5,keras,deep/other.keras,,,\n")
    for name in ("plan.json", "plan.csv"):
        found = jobs([str(tmp_path / "plans" / name)], asked(tmp_path, "pb"))
        assert destinations(found, tmp_path) == ["in/a.onnx", "in/a.py", "deep/other.keras"]
        assert found[0].read == ReadOptions(until=("dense",), arch=tmp_path / "plans" / "arch.json")
        assert found[0].write == WriteOptions(opset=20, target_format="onnx")
        assert found[2].read == ReadOptions()
        assert found[0].source == str(tmp_path / "plans" / "in" / "a.h5")


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        ({"source": "a.h5", "destination": "../b.onnx"}, Refused, "a.h5: destination ../b.onnx: expected a name below"),
        ({"source": "a.h5", "destination": "/b.onnx"}, Refused, "destination /b.onnx: expected a name below"),
        ({"source": "a.h5", "options": {"bakend": "x"}}, MissingFact, "a.h5: bakend: expected one of source_format"),
        ({"source": "a.h5", "options": {"force": True}}, MissingFact, "a.h5: force: expected one of"),
        ({"source": "a.h5", "options": {"backend": "caffe"}}, MissingFact, "backend: Input should be 'tensorflow',"),
        ({"source": "a.h5", "to": "nothing"}, UnknownFormat, "--to nothing: expected one of irconv"),
        ({"sauce": "a.h5"}, UnknownFormat, "line 0.source: Field required"),
        ({"source": "a.h5", "to": ["onnx", "py"], "destination": "b"}, MissingFact, "expected one target for the dest"),
    ],
)
def test_a_line_that_will_not_do_is_named(line: object, kind: type[Exception], text: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps([line]))
    with pytest.raises(kind) as raised:
        jobs([str(tmp_path / "plan.json")], asked(tmp_path, "onnx"))
    assert text in "\n".join(map(str, raised.value.problems))  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1]", "3", "[" * 100_000, '[{"source": 1}]'])
def test_what_is_no_plan_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(text)
    assert str(tmp_path / "plan.json") in rejection(
        lambda: jobs([str(tmp_path / "plan.json")], asked(tmp_path, "onnx")), UnknownFormat
    )


def test_a_table_with_a_column_too_many_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.csv").write_text("source,to\na.h5,onnx,py\n")
    text = rejection(lambda: jobs([str(tmp_path / "plan.csv")], asked(tmp_path)), UnknownFormat)
    assert text.endswith("plan.csv: expected a plan: line 2: expected 2 columns. See docs/batch.md.")


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    said = [str(tmp_path / "*.h5"), str(tmp_path / "nowhere.json"), str(tmp_path / "a.h5")]
    text = rejection(lambda: jobs(said, asked(tmp_path)), Refused)
    assert [line.split(": ")[0] for line in text.splitlines()] == said
    assert rejection(lambda: jobs(said[:1], asked(tmp_path)), NoSuchFile).endswith("no file or folder is called so.")


def test_a_job_goes_to_another_process_and_back(tmp_path: Path) -> None:
    read, write = ReadOptions(arch=Path("a.json"), until=("x",)), WriteOptions(opset=20)
    job = Job("a.h5", "b.onnx", "onnx", read, write, True, Limits(3, 100, 5), "claim", "folder")
    assert Job.of(json.loads(json.dumps(job.document()))) == job


def test_a_row_that_is_none_is_refused() -> None:
    row = Row("a", "b", "ok", files=("x", "y"), error=1e-7)
    assert Row.of(json.loads(json.dumps(row.document()))) == row
    for change in ({"outcome": "well"}, {"more": 1}, {"source": 3}):
        with pytest.raises((ValueError, TypeError)):
            Row.of({**row.document(), **change})


def test_a_folder_has_a_digest_of_names_and_contents(tmp_path: Path) -> None:
    laid(tmp_path, "m/a", "m/deep/b", "model.ckpt.index", "model.ckpt.data-00000-of-00001")
    before = digest(tmp_path / "m"), stamp(tmp_path / "m"), digest(tmp_path / "model.ckpt")
    assert all(before)
    (tmp_path / "m/deep/b").rename(tmp_path / "m/deep/c")
    (tmp_path / "model.ckpt.index").write_bytes(b"y")
    after = digest(tmp_path / "m"), stamp(tmp_path / "m"), digest(tmp_path / "model.ckpt")
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert (digest(tmp_path / "nowhere"), stamp(tmp_path / "nowhere")) == ("", "")
