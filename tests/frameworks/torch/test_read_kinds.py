"""Tensors of every kind: plain types bit for bit to every format that has them, the others in their plain parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv import api
from irconv.errors import Refused
from irconv.options import WriteOptions
from tests.frameworks.torch.test_read import weights
from tests.helpers import rejection

# PyTorch warns that several of these kinds are experimental, or will move to another package.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

FLOAT8 = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")


def saved(tensors: dict[str, Any], tmp_path: Path) -> Path:
    import torch

    torch.save(tensors, tmp_path / "m.pt")
    return tmp_path / "m.pt"


def bits(tensor: Any) -> bytes:
    """The elements of a PyTorch tensor in C order, as bytes."""
    import torch

    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    found: bytes = plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    return found


def plain_tensors() -> dict[str, Any]:
    import torch

    torch.manual_seed(4)
    z = torch.randn(3, 4, dtype=torch.complex128)
    kinds = {name: torch.tensor([0.5, 2.0, 1.0]).to(getattr(torch, name)) for name in FLOAT8}
    return kinds | {
        "complex64": torch.randn(2, 3, dtype=torch.complex64),
        "complex128": z,
        "turned": z.T,
        "conjugated": z.conj(),
        "imaginary": torch.randn(3, dtype=torch.complex128).conj().imag,
        "both": torch._neg_view(z[1:, ::2].conj()),
    }


@pytest.mark.parametrize("suffix", [".irconv", ".pt"])
def test_complex_and_8_bit_numbers_are_kept_bit_for_bit(suffix: str, tmp_path: Path) -> None:
    want = plain_tensors()
    api.convert(saved(want, tmp_path), tmp_path / f"o{suffix}")
    for bundle in (irconv.read(tmp_path / "m.pt"), irconv.read(tmp_path / f"o{suffix}")):
        got = weights(bundle)
        assert got.keys() == want.keys()
        assert {name: str(array.dtype) for name, array in got.items()} == {
            name: str(tensor.dtype).removeprefix("torch.") for name, tensor in want.items()
        }
        assert all(got[name].tobytes() == bits(tensor) for name, tensor in want.items())


def test_pytorch_reads_the_complex_and_8_bit_numbers_that_are_written(tmp_path: Path) -> None:
    import torch

    want = plain_tensors()
    api.convert(saved(want, tmp_path), tmp_path / "o.pt")
    got = torch.load(tmp_path / "o.pt", weights_only=True)
    assert all(got[name].dtype == tensor.dtype and bits(got[name]) == bits(tensor) for name, tensor in want.items())


def test_a_bundle_says_the_shape_of_complex_numbers_and_is_sound(tmp_path: Path) -> None:
    from safetensors import safe_open

    api.convert(saved(plain_tensors(), tmp_path), tmp_path / "o.irconv")
    assert api.check(tmp_path / "o.irconv") == []
    record = irconv.read(tmp_path / "o.irconv").tensors["complex128"].record
    assert (record.dtype, record.shape) == ("complex128", (3, 4))
    with safe_open(tmp_path / "o.irconv" / "weights.safetensors", "np") as opened:
        stored = opened.get_slice("complex128")
        assert (stored.get_dtype(), stored.get_shape()) == ("F64", [3, 4, 2])
        assert opened.get_slice("complex64").get_dtype() == "C64"


def test_safetensors_refuses_the_numbers_that_it_has_no_code_for_by_name(tmp_path: Path) -> None:
    import torch

    source = saved({"w": torch.ones(2), "a": torch.ones(2, dtype=torch.complex128)}, tmp_path)
    text = rejection(lambda: api.convert(source, tmp_path / "o.safetensors"), Refused)
    assert text == (
        "o.safetensors: tensor a: holds complex128 numbers, for which safetensors has no code. "
        "Write another format, such as .pt or .irconv."
    )
    assert not (tmp_path / "o.safetensors").exists()


def in_parts() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Tensors that are kept in parts, and what PyTorch says the parts are."""
    import torch

    x = torch.randn(3, 4)
    one = torch.quantize_per_tensor(x, 0.1, 3, torch.quint8)
    scales, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 2])
    each = torch.quantize_per_channel(x, scales, zeros, 0, torch.qint8)
    coo, csr = torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr()
    half = torch.randn(3, 2, dtype=torch.complex64).to(torch.complex32)
    return {
        "one": (one, {"int": one.int_repr(), "scale": np.float64(0.1), "zero_point": np.int64(3)}),
        "each": (
            each,
            {
                "int": each.int_repr(),
                "scale": each.q_per_channel_scales(),
                "zero_point": each.q_per_channel_zero_points(),
                "axis": np.int64(0),
            },
        ),
        "coo": (
            coo,
            {
                "indices": coo.indices(),
                "values": coo.values(),
                "size": np.array([3, 3]),
                "coalesced": np.True_,
            },
        ),
        "csr": (
            csr,
            {
                "crow_indices": csr.crow_indices(),
                "col_indices": csr.col_indices(),
                "values": csr.values(),
                "size": np.array([3, 3]),
            },
        ),
        "half": (half.T, {"pairs": torch.view_as_real(half.T)}),
    }


@pytest.mark.parametrize("name", ["one", "each", "coo", "csr", "half"])
def test_quantised_and_sparse_tensors_are_kept_in_their_parts(name: str, tmp_path: Path) -> None:
    import torch

    tensor, parts = in_parts()[name]
    source = saved({"w": torch.ones(2), "odd": tensor}, tmp_path)
    api.convert(source, tmp_path / "o.irconv")
    for bundle in (irconv.read(source), irconv.read(tmp_path / "o.irconv")):
        got = weights(bundle)
        assert got.keys() == {"w", *(f"odd.{part}" for part in parts)}
        for part, value in parts.items():
            raw = bits(value) if isinstance(value, torch.Tensor) else value.tobytes()
            assert (got[f"odd.{part}"].shape, got[f"odd.{part}"].tobytes()) == (tuple(value.shape), raw), part
        evidence = next(group.evidence for group in bundle.groups if group.name == "odd")
        assert [(f.value, f.evidence) for f in bundle.source.facts if f.name == "in parts"] == [("odd", evidence)]


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_state_dict_of_parts_is_refused_by_name(suffix: str, tmp_path: Path) -> None:
    import torch

    parts = in_parts()
    source = saved({"w": torch.ones(2), "one": parts["one"][0], "coo": parts["coo"][0]}, tmp_path)
    text = rejection(lambda: api.convert(source, tmp_path / f"o{suffix}", None, WriteOptions()), Refused)
    remedy = "Write .irconv to keep its parts, or save it as a plain tensor."
    assert text.splitlines() == [
        "one: is no plain tensor, but quantised (quint8): scale * (int - zero_point), one scale for all elements. "
        + remedy,
        "coo: is no plain tensor, but sparse (torch.sparse_coo) of size (3, 3): the elements that are not stored are "
        + f"0. {remedy}",
    ]


def test_a_whole_module_that_is_quantised_is_refused_by_the_name_of_its_part(tmp_path: Path) -> None:
    import torch
    from torch import nn

    quantise: Any = torch.ao.quantization.quantize_dynamic
    quantised = quantise(nn.Sequential(nn.Tanh(), nn.Linear(3, 4)), {nn.Linear})
    torch.save(quantised, tmp_path / "m.pt")
    text = rejection(lambda: irconv.read(tmp_path / "m.pt"), Refused)
    assert (
        "Sequential: its part 1 (torch.ao.nn.quantized.dynamic.modules.linear.Linear) keeps its weights in a form"
        in text
    )


def test_an_array_without_axes_stays_one(tmp_path: Path) -> None:
    import torch

    torch.save({"a": np.array(3.0), "b": np.ones((2, 3), order="F")}, tmp_path / "m.pt")
    assert {name: array.shape for name, array in weights(irconv.read(tmp_path / "m.pt")).items()} == {
        "a": (),
        "b": (2, 3),
    }
