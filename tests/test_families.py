"""Tables in families find what the whole table has, in its order, and import no more than they need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from irconv.families import FamilyTable
from irconv.frameworks.keras.table import TABLE as KERAS
from irconv.frameworks.onnx.table import TABLE as ONNX
from irconv.frameworks.torch.table import TABLE as TORCH

TABLES = pytest.mark.parametrize("table", [KERAS, ONNX, TORCH], ids=lambda table: table.framework)


@TABLES
def test_the_index_is_that_of_the_families(table: FamilyTable) -> None:
    said = "the index of this table is not that of its families: run `make docs`"
    assert table.index_path.read_text() == table.index(), said


@TABLES
def test_each_type_has_the_codecs_of_the_whole_table_in_its_order(table: FamilyTable) -> None:
    assert table.natives == {codec.native for codec in table.codecs}
    for kind in table.natives:
        assert list(table.of_native(kind)) == [codec for codec in table.codecs if codec.native == kind]
    for layer in {codec.layer for codec in table.codecs}:
        assert list(table.of_layer(layer)) == [codec for codec in table.codecs if codec.layer is layer]


@TABLES
def test_an_unknown_type_has_no_codec(table: FamilyTable) -> None:
    assert list(table.of_native("Frobnicate")) == []


def test_a_layer_brings_in_its_own_family_and_no_other() -> None:
    program = (
        "import sys; from irconv.frameworks.keras.table import TABLE; assert TABLE.of_native('Conv2D'); "
        "print(*sorted(m.rpartition('.')[2] for m in sys.modules if m.startswith('irconv.frameworks.keras.table.')))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "convolution" in found
    assert not {"recurrent", "attention", "normalisation", "ops_elementwise", "written"} & set(found)
