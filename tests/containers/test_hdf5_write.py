"""Writing HDF5: what is written reads back, in the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from irconv.containers import hdf5, hdf5_write
from irconv.containers.hdf5 import Folder
from irconv.errors import Refused
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array


def _root() -> Folder:
    kernel = np.arange(12, dtype=np.float32).reshape(3, 4)
    arrays: dict[str, Array] = {
        "kernel:0": kernel,
        "count": np.array(7, np.int64),
        "none": np.zeros((0, 2), np.float32),
    }
    tensors = {name: LazyTensor.of(array) for name, array in arrays.items()}
    return Folder(
        "", {"backend": b"tensorflow"}, {"a": Folder("a", hdf5_write.texts("names", ["x", "y:0"]), {}, tensors)}
    )


def test_groups_attributes_and_datasets_read_back(tmp_path: Path) -> None:
    hdf5_write.write(tmp_path / "m.h5", _root())
    read = hdf5.read(tmp_path / "m.h5")
    assert read.attributes == {"backend": b"tensorflow"} or read.attributes == {"backend": "tensorflow"}
    assert read.folders["a"].texts("names") == ["x", "y:0"]
    found = {name: tensor.numpy() for name, tensor in read.folders["a"].datasets.items()}
    assert found["kernel:0"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert (found["count"].item(), found["count"].dtype.name, found["none"].shape) == (7, "int64", (0, 2))


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        hdf5_write.write(tmp_path / name, _root())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_more_names_than_an_attribute_holds_are_cut_into_parts(tmp_path: Path) -> None:
    names = [f"{'layer' * 20}_{i}" for i in range(2000)]
    hdf5_write.write(tmp_path / "m.h5", Folder("", hdf5_write.texts("layer_names", names)))
    with h5py.File(tmp_path / "m.h5") as file:
        assert sorted(file.attrs) == ["layer_names0", "layer_names1", "layer_names2", "layer_names3"]
    assert hdf5.read(tmp_path / "m.h5").texts("layer_names") == names


def test_bfloat16_is_kept_as_its_bits_with_its_name_beside(tmp_path: Path) -> None:
    import ml_dtypes

    array = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    hdf5_write.write(tmp_path / "m.h5", Folder("", datasets={"x": LazyTensor.of(array)}))
    with h5py.File(tmp_path / "m.h5") as file:
        assert file["x"].attrs["dtype"] == "bfloat16"
        assert file["x"][()].tobytes() == array.tobytes()


def test_an_element_type_that_hdf5_lacks_is_refused(tmp_path: Path) -> None:
    import ml_dtypes

    tensor = LazyTensor.of(np.zeros(2, ml_dtypes.float8_e5m2))
    with pytest.raises(Refused) as refusal:
        hdf5_write.write(tmp_path / "m.h5", Folder("", datasets={"x": tensor}))
    assert str(refusal.value) == "//x: HDF5 has no element type for float8_e5m2."
