"""Whole modules: chains become graphs that predict what PyTorch predicts; the rest are weights with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv import api
from irconv.errors import MissingFact, Refused, UnusedOption
from irconv.frameworks.torch.normalise_source import known_form
from irconv.options import ReadOptions
from tests.frameworks.torch.test_read import TORCH
from tests.helpers import GOLDEN_ERROR, error, rejection

CHAINS = sorted(path.stem for path in TORCH.glob("*.pt") if path.stem.endswith("-module") or "chain-" in path.stem)


def _options(name: str, x: Any) -> ReadOptions:
    # The zip of PyTorch 1.4 has no source text in it, so that the user says what Flatten is.
    mapped = ("Flatten=Flatten",) if name == "torch14-zip-module" else ()
    return ReadOptions(input_shape=(",".join(["N", *map(str, x.shape[1:])]),), module_map=mapped)


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_predicts_what_pytorch_predicted(name: str) -> None:
    arrays = np.load(TORCH / f"{name}.npz")
    got = api.run(TORCH / f"{name}.pt", [arrays["x"]], options=_options(name, arrays["x"]))
    assert error(list(got.values()), [arrays["y"]]) < GOLDEN_ERROR


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_goes_out_under_its_own_names(name: str, tmp_path: Path) -> None:
    import torch

    arrays = np.load(TORCH / f"{name}.npz")
    api.convert(TORCH / f"{name}.pt", tmp_path / "m.pt", _options(name, arrays["x"]))
    found = torch.load(tmp_path / "m.pt", weights_only=True)
    assert found.keys() == set(arrays.files) - {"x", "y"}
    assert all(np.array_equal(value.numpy(), arrays[key]) for key, value in found.items())


def test_without_the_shape_that_it_needs_the_flag_is_named(tmp_path: Path) -> None:
    assert irconv.read(TORCH / "torch213-module.pt").graph is None
    text = rejection(lambda: api.convert(TORCH / "torch213-module.pt", tmp_path / "m.onnx"), Refused)
    assert text == (
        "torch213-module.pt: holds weights without a graph, and an ONNX model needs one. The shape of its input is not "
        "in the file, and the size of what it flattens depends on it. Give --input-shape, such as N,1,28,28."
    )


def test_a_class_without_source_is_named_with_its_flag() -> None:
    bundle = irconv.read(TORCH / "torch14-zip-module.pt")
    assert bundle.graph is None
    reason = (
        "module 5 (__main__.Flatten) is a class whose source is not in the file. "
        "Give --module-map Flatten=TYPE, such as Flatten=Flatten"
    )
    assert [fact.evidence for fact in bundle.source.facts if fact.name == "graph"] == [reason]
    options = ReadOptions(input_shape=("N,1,11,8",))
    text = rejection(lambda: irconv.read(TORCH / "torch14-zip-module.pt", options), UnusedOption)
    assert text == (
        f"--input-shape N,1,11,8: has no effect: the module is read without a graph, as {reason}. Or leave it out."
    )


def test_the_groups_of_a_module_say_its_classes() -> None:
    bundle = irconv.read(TORCH / "torch213-module.pt")
    evidence = {group.name: group.evidence for group in bundle.groups}
    assert evidence["6"] == "nn.Linear(in_features=8, out_features=5)"
    assert evidence["0"].startswith("nn.Conv2d(in_channels=1, out_channels=3, kernel_size=(3, 5), stride=(2, 1)")


@pytest.mark.parametrize("text", ["N,1,2x", "1,2;1,3", ""])
def test_an_input_shape_that_is_none_is_refused(text: str) -> None:
    options = ReadOptions(input_shape=(text,))
    found = rejection(lambda: irconv.read(TORCH / "torch213-module.pt", options), MissingFact)
    assert found.startswith(f"--input-shape: expected sizes such as N,1,28,28, got {text!r}.")


@pytest.mark.parametrize("pair", ["Flatten", "=Flatten", "Flatten=Nonsense"])
def test_a_module_map_that_says_nothing_is_refused(pair: str) -> None:
    options = ReadOptions(module_map=(pair,))
    found = rejection(lambda: irconv.read(TORCH / "torch213-module.pt", options), MissingFact)
    assert found == f"--module-map {pair}: expected CLASS=TYPE with a module of torch.nn. Try Net=Flatten."


BODY = "class Net(nn.Module):\n    {}\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("def forward(self, x): return x.view(x.size(0), -1)", "Flatten"),
        ("def forward(self, input):\n        n = input.shape[0]\n        return input.reshape(n, -1)", "Flatten"),
        ("'''Text.'''\n    def forward(self, x):\n        '''More.'''\n        return torch.flatten(x, 1)", "Flatten"),
        (
            "def __init__(self):\n        super().__init__()\n    def forward(self, x): return F.relu(x)",
            "ReLU",
        ),
        ("def forward(self, x): return x * torch.sigmoid(x)", "SiLU"),
        ("def forward(self, x): return x", "Identity"),
        ("def forward(self, x): return x.view(-1, x.size(0))", None),
        ("def forward(self, x): return x.view(x.size(1), -1)", None),
        ("def forward(self, x, y=1): return x", None),
        ("def forward(self, x):\n        print(x)\n        return x", None),
        ("x = 1\n    def forward(self, x): return x", None),
        ("def __call__(self, x): return 0\n    def forward(self, x): return x", None),
        ("@torch.no_grad()\n    def forward(self, x): return x", None),
        ("pass", None),
        ("def forward(self, x: return", None),
    ],
)
def test_source_text_is_known_by_its_form_or_not_at_all(body: str, kind: str | None) -> None:
    found = known_form(BODY.format(body))
    assert (found[0] if found else None) == kind
