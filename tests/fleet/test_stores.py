"""Sources and destinations with an address: fetched, put, tried again where the store is busy, refused by name."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import irconv
from irconv.errors import MissingFact, OutputFailed
from irconv.fleet import remote
from irconv.fleet.run import batch
from tests.fleet.fleets import models
from tests.helpers import golden, rejection

HAS = {}
for name in ("fsspec", "moto", "s3fs"):
    try:
        __import__(name)
        HAS[name] = True
    except ImportError:
        HAS[name] = False
NEEDS_FSSPEC = pytest.mark.skipif(not HAS["fsspec"], reason="fsspec is not installed: `make fleet` runs these")
NEEDS_S3 = pytest.mark.skipif(not all(HAS.values()), reason="moto or s3fs is not installed: `make fleet` runs these")
#: The libraries' own.
pytestmark = pytest.mark.filterwarnings("default")


def test_an_address_without_fsspec_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "fsspec"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    text = rejection(lambda: batch("s3://there/m*.h5", tmp_path, "onnx"), MissingFact)
    what = "expected the package fsspec, which reads addresses and is not installed"
    assert text == f"s3://there/m*.h5: {what}. pip install 'irconv[remote]'."


@NEEDS_FSSPEC
def test_an_address_of_a_store_that_is_not_installed_is_refused_by_name(tmp_path: Path) -> None:
    text = rejection(lambda: batch("nosuch://there/m*.h5", tmp_path, "onnx"), MissingFact)
    assert text.startswith("nosuch://there/m*.h5: expected an address that fsspec knows")


@NEEDS_FSSPEC
def test_members_of_a_zip_are_sources(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(golden("tf2.15-residual").model.read_bytes())
    with zipfile.ZipFile(tmp_path / "models.zip", "w") as archive:
        archive.write(tmp_path / "a.h5", "deep/a.h5")
    source = f"zip://deep/a.h5::{tmp_path / 'models.zip'}"
    (row,) = batch(source, tmp_path / "out", "onnx").rows
    assert (row.outcome, Path(row.destination).name) == ("ok", "a.onnx"), row.message
    irconv.convert(tmp_path / "a.h5", tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "out" / row.destination).read_bytes()


class _Busy:
    """A store of one file that does not answer the first times."""

    protocol = "s3"

    def __init__(self, content: bytes, failures: int, error: Exception) -> None:
        self.content, self.failures, self.error, self.asked = content, failures, error, 0

    def info(self, path: str) -> dict[str, Any]:
        return {"name": path, "size": len(self.content), "type": "file", "ETag": "1"}

    def cat_file(self, path: str, start: int, end: int) -> bytes:
        self.asked += 1
        if self.asked <= self.failures:
            raise self.error
        return self.content[start:end]


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def made(*given: Any) -> _Busy:
        store = _Busy(*given)
        monkeypatch.setattr(remote, "_store", lambda address: (store, address.removeprefix("s3://")))
        monkeypatch.setattr(remote, "_PAUSE", 0.001)
        return store

    return made


def test_a_store_that_is_busy_is_asked_again(tmp_path: Path, busy: Any) -> None:
    store = busy(golden("tf2.15-residual").model.read_bytes(), 3, OSError("503 Service Unavailable"))
    (row,) = batch("s3://b/busy.h5", tmp_path, "onnx").rows
    assert (row.outcome, store.asked) == ("ok", 4), row.message


def test_a_store_that_never_answers_is_a_failure_of_that_job(tmp_path: Path, busy: Any) -> None:
    store = busy(b"x" * 10, 99, OSError("503 Service\nUnavailable"))
    (row,) = batch("s3://b/never.h5", tmp_path, "onnx").rows
    assert (row.outcome, row.reason, store.asked) == ("failed", "OutputFailed", 6)
    assert row.message == "s3://b/never.h5: the store did not answer after 6 tries: 503 Service Unavailable."


def test_a_missing_or_forbidden_file_is_not_asked_for_again(tmp_path: Path, busy: Any) -> None:
    for error, reason in ((FileNotFoundError("x"), "NoSuchFile"), (PermissionError("Forbidden"), "OutputFailed")):
        store = busy(b"x" * 10, 99, error)
        (row,) = batch(f"s3://b/{reason}.h5", tmp_path / reason, "onnx").rows
        assert (row.outcome, row.reason, store.asked) == ("failed", reason, 1)


def test_an_answer_that_is_too_short_is_refused(tmp_path: Path, busy: Any) -> None:
    store = busy(b"x" * 10, 0, OSError())
    store.cat_file = lambda path, start, end: b"x" * 4
    (row,) = batch("s3://b/short.h5", tmp_path, "onnx").rows
    assert row.message == "s3://b/short.h5: expected 10 bytes at 0, got 4: it has changed."


class _Full:
    """A store that takes one file, and takes it away again where it may."""

    def __init__(self, may_remove: bool) -> None:
        self.files: list[str] = []
        self.may_remove = may_remove

    def put_file(self, file: str, place: str) -> None:
        if self.files:
            raise PermissionError("quota")
        self.files.append(place)

    def rm_file(self, place: str) -> None:
        if not self.may_remove:
            raise PermissionError("Forbidden")
        self.files.remove(place)


@pytest.mark.parametrize("may_remove", [True, False])
def test_what_was_put_before_a_failure_is_taken_away_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_remove: bool
) -> None:
    files = [tmp_path / "m.data", tmp_path / "m.onnx"]
    for file in files:
        file.write_bytes(b"x")
    store = _Full(may_remove)
    monkeypatch.setattr(remote, "_store", lambda address: (store, address.removeprefix("s3://")))
    text = rejection(lambda: remote.put([str(file) for file in files], "s3://b/m.onnx"), OutputFailed)
    refused = "s3://b/m.onnx: the store refuses it: quota."
    stays = "s3://b/m.onnx: " + refused + " What is there already could not be taken away: b/m.data. Remove it."
    assert (text, store.files) == ((refused, []) if may_remove else (stays, ["b/m.data"]))


# a real server -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """The S3 server of moto on loopback, a bucket, and how fsspec speaks with it."""
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    options = {"key": "k", "secret": "s", "endpoint_url": f"http://{host}:{port}"}
    before = dict(fsspec.config.conf)
    fsspec.config.conf["s3"] = options
    store = fsspec.filesystem("s3")
    store.mkdir("bucket")
    yield store
    fsspec.config.conf.clear()
    fsspec.config.conf.update(before)
    server.stop()


@NEEDS_S3
def test_a_fleet_comes_from_a_store_and_goes_to_it(s3: Any, tmp_path: Path) -> None:
    for path in models(tmp_path / "in"):
        s3.put_file(str(path), f"bucket/in/deep/{path.name}")
    asked = ("s3://bucket/in/**/*.h5", "s3://bucket/out", ("onnx", "py"))
    fleet = batch(*asked, results=tmp_path / "table", jobs=2)
    assert fleet.counts == {"ok": 6}, [row.message for row in fleet.rows]
    assert sorted(s3.find("bucket/out")) == sorted(
        f"bucket/out/deep/m{n}.{suffix}" for n in range(3) for suffix in ("onnx", "py", "safetensors")
    )
    irconv.convert(tmp_path / "in" / "m1.h5", tmp_path / "m1.onnx")
    assert s3.cat_file("bucket/out/deep/m1.onnx") == (tmp_path / "m1.onnx").read_bytes()
    again = batch(*asked, results=tmp_path / "table")
    assert again.kept == 6
    s3.put_file(str(golden("tf2.15-residual").model), "bucket/in/deep/m0.h5")
    changed = batch(*asked, results=tmp_path / "table")
    assert (changed.kept, changed.counts) == (4, {"ok": 4, "failed": 2})
    assert changed.rows[0].message == "s3://bucket/out/deep/m0.onnx: exists already. Give --force to replace it."


@NEEDS_S3
def test_a_folder_comes_from_a_store(s3: Any, tmp_path: Path) -> None:
    irconv.convert(golden("tf2.15-residual").model, tmp_path / "m.irconv")
    s3.put(str(tmp_path / "m.irconv"), "bucket/bundles/m.irconv", recursive=True)
    fleet = batch("s3://bucket/bundles/m.irconv", tmp_path / "out", "onnx")
    assert fleet.counts == {"ok": 1}, fleet.rows[0].message
    assert batch("s3://bucket/bundles/m.irconv", tmp_path / "checked", check=True).counts == {"ok": 1}


@NEEDS_S3
def test_a_large_file_comes_by_ranges(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_BLOCK", 10_000)
    content = io.BytesIO(golden("tf2.15-residual").model.read_bytes()).getvalue()
    s3.pipe_file("bucket/ranged.h5", content)
    with remote.fetched("s3://bucket/ranged.h5") as path:
        assert path.read_bytes() == content
