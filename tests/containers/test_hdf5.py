"""HDF5 as plain data; nothing outside the file is followed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from irconv.containers import hdf5, hdf5_kind, hdf5_process
from irconv.containers.files import FileBytes, SourceFile
from irconv.errors import DamagedFile, Refused
from tests.helpers import Array, golden, numbers, rejection


def made(path: Path, fill: Callable[[h5py.File], object], **options: Any) -> Path:
    with h5py.File(path, "w", **options) as file:
        fill(file)
    return path


def only_dataset(path: Path) -> tuple[str, Any]:
    ((name, lazy),) = hdf5.read(path).walk()
    return name, lazy


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2", "<i8", ">i2", "<u4", "u1", "i1", "?"])
@pytest.mark.parametrize("chunked", [False, True])
def test_every_element_type_is_read_as_h5py_reads_it(dtype: str, chunked: bool, tmp_path: Path) -> None:
    array = (numbers(5, 3, 2) * 9).astype(dtype)
    options = {"chunks": (2, 2, 1), "compression": "gzip"} if chunked else {}
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a/b", data=array, **options))
    name, lazy = only_dataset(path)
    assert name == "a/b"
    assert (lazy.dtype, lazy.shape) == (array.dtype.newbyteorder("=").name, (5, 3, 2))
    assert lazy.numpy().tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()


def test_a_contiguous_dataset_is_read_at_its_place(tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=numbers(5, 3)))
    assert isinstance(only_dataset(path)[1].source, FileBytes)


@pytest.mark.parametrize("block", [512, 1024, 4096])
def test_a_user_block_in_front_is_passed_over(block: int, tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=numbers(5, 3)), userblock_size=block)
    with path.open("r+b") as file:
        file.write(b"\xab" * block)
    assert hdf5_kind.recognises(path)
    assert np.array_equal(only_dataset(path)[1].numpy(), numbers(5, 3))


@pytest.mark.parametrize(
    ("array", "shape"), [(np.float32(3.5), ()), (np.zeros((0, 3), "f4"), (0, 3)), (np.zeros((1, 1), "f4"), (1, 1))]
)
def test_scalars_and_empty_arrays_are_read(array: Array, shape: tuple[int, ...], tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=array))
    lazy = only_dataset(path)[1]
    assert lazy.shape == shape
    assert np.array_equal(lazy.numpy(), array)


@pytest.mark.parametrize("fill", [0, 7])
def test_a_dataset_that_was_never_written_holds_its_fill_value(fill: int, tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a", (3, 2), "f4", fillvalue=fill))
    assert np.array_equal(only_dataset(path)[1].numpy(), np.full((3, 2), fill, np.float32))


def test_compact_datasets_are_read(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((3,))
        made = h5py.h5d.create(file.id, b"a", h5py.h5t.IEEE_F32LE, space, plist)
        h5py.Dataset(made)[:] = [1, 2, 3]

    assert only_dataset(made(tmp_path / "x.h5", fill))[1].numpy().tolist() == [1, 2, 3]


def test_groups_attributes_and_order_are_kept(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.attrs["text"] = "tf"
        file.attrs["bytes"] = np.bytes_(b"raw")
        file.attrs["number"] = np.int64(4)
        file.attrs["list"] = np.array([b"a", b"b"])
        file.attrs["nothing"] = h5py.Empty("f")
        file.create_dataset("g/h/x", data=numbers(2))
        file.create_dataset("g/y", data=numbers(3))
        file.create_group("empty")

    root = hdf5.read(made(tmp_path / "x.h5", fill))
    assert root.attributes == {"text": "tf", "bytes": b"raw", "number": 4, "list": [b"a", b"b"], "nothing": None}
    assert sorted(name for name, _ in root.walk()) == ["g/h/x", "g/y"]
    assert list(root.folders) == ["empty", "g"]
    assert root.folders["g"].path == "/g"
    lazy = root.dataset("g/h/x")
    assert lazy is not None
    assert lazy.shape == (2,)
    assert root.dataset("g/h/z") is None
    assert root.dataset("nowhere/z") is None


def test_a_list_of_names_split_over_several_attributes_is_put_together(tmp_path: Path) -> None:
    names = [f"layer_{number}" for number in range(7)]

    def fill(file: h5py.File) -> None:
        for number, start in enumerate(range(0, 7, 3)):
            file.attrs[f"layer_names{number}"] = [name.encode() for name in names[start : start + 3]]
        file.attrs["whole"] = [name.encode() for name in names]

    root = hdf5.read(made(tmp_path / "x.h5", fill))
    assert root.texts("layer_names") == root.texts("whole") == names
    assert root.texts("weight_names") is None


# what is refused ---------------------------------------------------------------------------------------------------


def external_link(file: h5py.File) -> None:
    file["outside"] = h5py.ExternalLink("other.h5", "/a")


def soft_link(file: h5py.File) -> None:
    file["a"] = numbers(3)
    file["alias"] = h5py.SoftLink("/a")


def dangling_link(file: h5py.File) -> None:
    file["alias"] = h5py.SoftLink("/nowhere")


def external_storage(file: h5py.File) -> None:
    file.create_dataset("far", (3,), "f4", external=[("passwords", 0, 12)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "a", (3,))
    file.create_virtual_dataset("far", layout)


REFUSED: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "external link": (
        external_link,
        "{path}: /outside: expected a group or a dataset, got an HDF5 ExternalLink, which irconv does not follow",
    ),
    "soft link": (
        soft_link,
        "{path}: /alias: expected a group or a dataset, got an HDF5 SoftLink, which irconv does not follow",
    ),
    "dangling link": (
        dangling_link,
        "{path}: /alias: expected a group or a dataset, got an HDF5 SoftLink, which irconv does not follow",
    ),
    "external storage": (
        external_storage,
        "{path}: dataset /far: keeps its data in another file, which irconv does not open.",
    ),
    "virtual dataset": (virtual, "{path}: dataset /far: keeps its data in another file, which irconv does not open."),
    "complex numbers": (
        lambda f: f.create_dataset("c", data=np.zeros(3, "c8")),
        "{path}: dataset /c: holds complex64, which is no tensor irconv knows.",
    ),
    "text": (
        lambda f: f.create_dataset("t", data="words"),
        "{path}: dataset /t: holds object, which is no tensor irconv knows.",
    ),
    "records": (
        lambda f: f.create_dataset("r", data=np.zeros(2, [("a", "f4")])),
        "{path}: dataset /r: holds [('a', '<f4')], which is no tensor irconv knows.",
    ),
    "no shape": (
        lambda f: f.create_dataset("n", data=h5py.Empty("f4")),
        "{path}: dataset /n: holds float32, which is no tensor irconv knows.",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_lies_outside_or_is_no_tensor_is_refused_by_name(what: str, tmp_path: Path) -> None:
    fill, reason = REFUSED[what]
    path = made(tmp_path / "x.h5", fill)
    (tmp_path / "passwords").write_bytes(bytes(12))
    made(tmp_path / "other.h5", lambda f: f.create_dataset("a", data=numbers(3)))
    assert rejection(lambda: hdf5.read(path), Refused).startswith(reason.format(path=path))


def test_a_group_that_holds_itself_is_refused(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["loop"] = file["/"]

    path = made(tmp_path / "x.h5", fill)
    text = rejection(lambda: hdf5.read(path), DamagedFile)
    assert text == f"{path}: group /loop: expected a tree of groups, got one that holds itself."


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("case", ["keras2.2.4-theano-conv_valid", "tf2.15-residual"])
def test_a_truncated_file_is_refused_by_name(case: str, share: float, tmp_path: Path) -> None:
    whole = golden(case).model.read_bytes()
    (tmp_path / "x.h5").write_bytes(whole[: int(len(whole) * share)])
    for read in (hdf5.read, partial(hdf5.read, lenient=True)):
        text = rejection(lambda read=read: read(tmp_path / "x.h5"), DamagedFile)
        assert text.startswith(f"{tmp_path / 'x.h5'}: the HDF5 library cannot read it: ")
        assert text.endswith(" Fetch the file again.")


def test_a_compressed_dataset_that_is_damaged_is_refused_when_it_is_read(tmp_path: Path) -> None:
    array = numbers(100, 100)
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=array, chunks=(100, 100), compression="gzip"))
    with h5py.File(path, "r") as file:
        place = file["a"].id.get_chunk_info(0).byte_offset
    with path.open("r+b") as raw:
        raw.seek(place + 100)
        raw.write(b"\x00" * 50)
    lazy = only_dataset(path)[1]
    assert rejection(lazy.numpy, DamagedFile).startswith(f"{path}: dataset /a: cannot be unpacked: ")


def test_a_file_that_vanishes_before_it_is_unpacked_is_refused_by_name(tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=numbers(4), chunks=(2,)))
    lazy = only_dataset(path)[1]
    os.unlink(path)
    assert rejection(lazy.numpy, DamagedFile).startswith(f"{path}: dataset /a: cannot be unpacked: ")


@pytest.mark.parametrize("content", [b"", b"\x89HDF", bytes(2000), b"PK\x03\x04" + bytes(600)])
def test_other_files_are_not_taken_for_hdf5(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(content)
    assert not hdf5_kind.recognises(tmp_path / "x.h5")


def named_type(file: h5py.File) -> None:
    file["t"] = np.dtype("f4")


def foreign_filter(file: h5py.File) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((2,))
    plist.set_filter(40123, h5py.h5z.FLAG_OPTIONAL, (1,))
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(file.id, b"packed", h5py.h5t.IEEE_F32LE, space, plist)


def test_a_named_type_is_refused_by_name(tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", named_type)
    text = rejection(lambda: hdf5.read(path), Refused)
    assert text == f"{path}: /t: expected a group or a dataset, got a named type."


def test_a_filter_that_is_not_the_librarys_own_is_refused_by_name(tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", foreign_filter)
    text = rejection(lambda: hdf5.read(path), Refused)
    assert text == (
        f"{path}: dataset /packed: is packed by the filter 40123, which the HDF5 library has not. Save it without."
    )


def test_groups_nested_very_deep_are_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.create_group("/".join("a" * 70)))
    text = rejection(lambda: hdf5.read(path), DamagedFile)
    assert text == f"{path}: group {'/a' * 65}: expected groups nested at most 64 deep."


def test_attributes_that_take_much_memory_are_refused(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.create_group("g").attrs.create("big", np.zeros(2**23 + 1))

    path = made(tmp_path / "x.h5", fill, libver="latest")
    text = rejection(lambda: hdf5.read(path), DamagedFile)
    assert text == f"{path}: group /g: expected at most 67108864 bytes of attributes in a file."


def test_attributes_that_are_no_plain_data_are_there_without_a_value(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.attrs["reference"] = file.create_group("g").ref
        file.attrs["records"] = np.zeros(2, [("a", "f4"), ("b", "S2")])
        file.attrs["complex"] = 1j

    root = hdf5.read(made(tmp_path / "x.h5", fill))
    assert root.attributes == {"reference": None, "records": [[0.0, b""], [0.0, b""]], "complex": None}


def test_what_lies_outside_or_is_no_tensor_is_noted_where_asked_for(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["soft"], file["far"] = h5py.SoftLink("/a"), h5py.ExternalLink("other.h5", "/a")
        file["a"] = numbers(3)
        named_type(file)

    root = hdf5.read(made(tmp_path / "x.h5", fill), lenient=True)
    assert (root.links, list(root.datasets)) == ({"soft": "/a"}, ["a"])
    wanted = "expected a group or a dataset, got "
    assert root.unread == {
        "far": f"{wanted}an HDF5 ExternalLink, which irconv does not follow",
        "t": f"{wanted}a named type",
    }


def test_a_file_inside_another_is_read_in_place(tmp_path: Path) -> None:
    array = numbers(6, 5)

    def fill(file: h5py.File) -> None:
        file["plain"] = array
        file.create_dataset("chunked", data=array, chunks=(2, 5), compression="gzip")

    inner = made(tmp_path / "x.h5", fill).read_bytes()
    (tmp_path / "whole").write_bytes(b"\x00" * 300 + inner + b"\x00" * 50)
    root = hdf5.read(tmp_path / "named", file=SourceFile(tmp_path / "whole", 300, len(inner)))
    assert all(np.array_equal(tensor.numpy(), array) for tensor in root.datasets.values())
    assert list(root.datasets) == ["chunked", "plain"]


def test_only_the_other_process_imports_the_library(tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=numbers(40), chunks=(20,)))
    code = (
        "import sys; from pathlib import Path; from irconv.containers import hdf5\n"
        f"assert [t.numpy().sum() for _, t in hdf5.read(Path({str(path)!r})).walk()]\n"
        "assert 'h5py' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def worker(path: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of this code in the place of the one with the library, until the test ends."""
    path.write_text(code)
    monkeypatch.setattr(hdf5_process, "_WORKER", path)
    monkeypatch.setattr(hdf5_process, "_RUNNING", {})


def test_a_library_that_crashes_is_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=numbers(3)))
    worker(tmp_path / "worker.py", "import os; os._exit(7)", monkeypatch)
    text = rejection(lambda: hdf5.read(path), DamagedFile)
    reason = "the HDF5 library cannot read it: it crashed (exit code 7)"
    assert text == f"{path}: {reason}. Fetch the file again."


def test_a_library_that_hangs_is_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=numbers(3)))
    worker(tmp_path / "worker.py", "import time; time.sleep(600)", monkeypatch)
    monkeypatch.setattr(hdf5, "LIMITS", hdf5_process.Limits(seconds=0))
    text = rejection(lambda: hdf5.read(path), DamagedFile)
    reason = "the HDF5 library cannot read it: it did not finish within 0 seconds"
    assert text == f"{path}: {reason}. Fetch the file again."


def test_a_library_that_takes_too_much_memory_is_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.attrs.create("big", np.zeros(2**19)), libver="latest")
    monkeypatch.setattr(hdf5, "LIMITS", hdf5_process.Limits(memory=2**21))
    text = rejection(lambda: hdf5.read(path), DamagedFile)
    assert text.startswith(f"{path}: the HDF5 library cannot read it: ")
    monkeypatch.undo()
    assert len(hdf5.read(path).attributes["big"]) == 2**19


def test_a_fork_has_a_process_of_its_own(tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=numbers(3)))
    hdf5.read(path)
    mine = hdf5_process._RUNNING[os.getpid()].pid
    code = (
        "import os, sys; from pathlib import Path; from irconv.containers import hdf5, hdf5_process\n"
        f"path = Path({str(path)!r}); hdf5.read(path); here = hdf5_process._RUNNING[os.getpid()].pid\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    hdf5.read(path); os._exit(hdf5_process._RUNNING[os.getpid()].pid == here)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert hdf5.read(path).datasets"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    hdf5.read(path)
    assert hdf5_process._RUNNING[os.getpid()].pid == mine
