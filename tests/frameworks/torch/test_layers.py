"""Every layer type as PyTorch source, against the framework whose result its case records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv.frameworks.torch.blocks import BLOCK
from irconv.frameworks.torch.chains import SEQUENTIAL
from irconv.frameworks.torch.directions import TYPES
from irconv.frameworks.torch.keys import LAYER_NORM
from irconv.frameworks.torch.lower import lower
from irconv.frameworks.torch.spelling import SPELLINGS, spelling
from irconv.frameworks.torch.table import TABLE
from irconv.frameworks.torch.table.saved import SAVED
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import logical_name
from irconv.ir.layers import MODULES
from irconv.ir.layers.convolution import Conv, ConvTranspose
from irconv.ir.layers.patches import Fold
from irconv.translate import encode
from tests.helpers import import_file
from tests.layers.harness import Case, arrays, bundle_of, difference
from tests.layers.test_layers import CASES, WITHOUT_CASES


def tensor(array: np.ndarray) -> Any:
    """An array as PyTorch's tensor of the same element type, bit for bit."""
    import torch

    dtype = logical_name(array.dtype)
    if array.dtype.kind in "biuf":
        return torch.from_numpy(np.array(array, order="C"))
    raw = array.view({1: np.uint8, 2: np.uint16}[array.dtype.itemsize])
    return torch.from_numpy(raw).view(getattr(torch, str(dtype)))


_SIZES = (7, 5, 6)


def _conv_of_computed_kernel(rank: int) -> Case:
    """A convolution whose kernel and bias the graph computes."""
    ones, sizes = (1,) * rank, _SIZES[:rank]
    inputs = arrays(3, x=(2, 4, *sizes), kernel=(6, 2, *(3, 2, 1)[:rank]), bias=(6,))
    layer = Conv(stride=(2, *ones[1:]), dilation=ones, groups=2, padding=((1, 1), *((0, 0),) * (rank - 1)))

    def wanted() -> dict[str, np.ndarray]:
        import torch.nn.functional as functional

        x, kernel, bias = (tensor(array) for array in inputs.values())
        settings = {"stride": layer.stride, "padding": (1, *(0,) * (rank - 1)), "groups": 2}
        return {"y": getattr(functional, f"conv{rank}d")(x, kernel, bias, **settings).numpy()}

    return Case(f"a computed kernel, {rank}d", layer, inputs, wanted, f"torch.nn.functional.conv{rank}d")


def _transpose_of_computed_kernel(rank: int) -> Case:
    """A transposed convolution whose kernel the graph computes; the last axis is longer at the end."""
    ones, sizes = (1,) * rank, _SIZES[:rank]
    inputs = arrays(4, x=(2, 4, *sizes), kernel=(4, 3, *(3, 2, 4)[:rank]))
    more = (*(0,) * (rank - 1), 1)
    layer = ConvTranspose(
        stride=(2,) * rank,
        dilation=ones,
        groups=1,
        padding=((1, 1),) * rank,
        output_padding=more,
        output_size=None,
    )

    def wanted() -> dict[str, np.ndarray]:
        import torch.nn.functional as functional

        x, kernel = (tensor(array) for array in inputs.values())
        settings = {"stride": 2, "padding": 1, "output_padding": more}
        return {"y": getattr(functional, f"conv_transpose{rank}d")(x, kernel, **settings).numpy()}

    return Case(f"a computed kernel, {rank}d", layer, inputs, wanted, f"torch.nn.functional.conv_transpose{rank}d")


def _fold() -> Case:
    """Columns of one axis put back, with more padding before than after: by its formula."""
    inputs = arrays(5, x=(2, 9, 4))
    layer = Fold(output_size=(8,), kernel=(3,), stride=(2,), dilation=(2,), padding=((2, 1),))

    def wanted() -> dict[str, np.ndarray]:
        y = np.zeros((2, 3, 11), np.float32)
        columns = inputs["x"].reshape(2, 3, 3, 4)
        for place in range(3):
            for position in range(4):
                y[:, :, position * 2 + place * 2] += columns[:, :, place, position]
        return {"y": y[:, :, 2:10]}

    return Case("one axis, padded unevenly", layer, inputs, wanted, "the formula of its docstring")


#: Cases for what those of the layers leave out.
MORE = [
    *(_conv_of_computed_kernel(rank) for rank in (1, 3)),
    *(_transpose_of_computed_kernel(rank) for rank in (1, 3)),
    _fold(),
]


@pytest.mark.parametrize("case", [*CASES, *MORE], ids=lambda case: f"{case.layer.type}: {case.name}")
def test_the_source_of_a_layer_computes_what_the_framework_does(case: Case, tmp_path: Path) -> None:
    import torch

    bundle, wanted = bundle_of(case), case.results()
    irconv.write(bundle, tmp_path / "m.py")
    with torch.no_grad():
        got = import_file(tmp_path / "m.py").load()(*map(tensor, case.inputs.values()))
    assert bundle.graph is not None
    names = [port.name for port in bundle.graph.outputs]
    results = dict(zip(names, got if isinstance(got, tuple) else [got], strict=True))
    assert set(wanted) <= set(results)
    worst = max(difference(results[slot].detach().numpy(), array) for slot, array in wanted.items())
    assert worst <= case.tolerance, f"largest difference {worst:.2e} of the largest value"


def natives(bundle: Bundle) -> set[str]:
    """The native types with which a bundle is written."""
    return {layer.type for layer in encode(lower(bundle), TABLE).layers.values()}


def test_every_native_type_of_the_table_is_written_by_a_case() -> None:
    written = set().union(*(natives(bundle_of(case)) for case in [*CASES, *MORE]))
    assert {codec.native for codec in TABLE.codecs} - written == {codec.native for codec in SAVED}


def test_every_module_that_is_written_has_a_form() -> None:
    for native in {codec.native for codec in TABLE.codecs} - {codec.native for codec in SAVED}:
        assert spelling(native), f"{native} has no form: add it to irconv/frameworks/torch/spelling/__init__.py"


def test_every_spelling_is_of_a_native_type() -> None:
    assert (
        set(SPELLINGS) - {codec.native for codec in TABLE.codecs} - {BLOCK, SEQUENTIAL, LAYER_NORM, *TYPES.values()}
        == set()
    )


def test_every_layer_type_is_written() -> None:
    missing = set(MODULES) - {case.layer.type for case in CASES} - WITHOUT_CASES
    assert not missing, f"no source for {', '.join(sorted(missing))}"
