"""Running sums and products, of which Keras 3 has one kind, written for it in all their kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.ir.layers.arithmetic import CumSum
from irconv.ir.layers.running import CumProd
from tests.helpers import GOLDEN_ERROR, ROOT, Builder, error

GOLDEN = dict(np.load(ROOT / "fixtures" / "keras_written" / "running.npz"))


@pytest.mark.parametrize("name", [name for name in GOLDEN if name != "x"])
@pytest.mark.parametrize("steps", [5, "T"])
def test_what_keras_3_is_given_runs_as_tensorflow_does(name: str, steps: int | str, tmp_path: Path) -> None:
    kind, exclusive, reverse = name.split()
    layer = CumSum if kind == "CumSum" else CumProd
    made = layer(axis=1, exclusive=exclusive == "True", reverse=reverse == "True")
    irconv.write(Builder(x=("N", steps, 7)).add("y", made, "x").build(), tmp_path / "m.keras")
    back = irconv.read(tmp_path / "m.keras")
    assert all(not (found.exclusive or found.reverse) for found in back.layers.values() if isinstance(found, layer))
    assert error(list(irconv.run(back, [GOLDEN["x"]]).values()), [GOLDEN[name]]) < GOLDEN_ERROR
    assert sum(isinstance(found, layer) for found in back.layers.values()) == 1
