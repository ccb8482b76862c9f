"""Random networks whose truth is known: what is placed is right, what nothing tells apart is refused.

Some seeds run always; `make adoptions` runs as many as IRCONV_ADOPTIONS says.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv import AdoptOptions
from irconv.adoption.result import Adoption
from irconv.errors import Refused
from irconv.layout import Array
from tests.adoption.files import saved
from tests.adoption.random_networks import Spec, module, network, numbered, onnx_file, state, words

SEEDS = range(int(os.environ.get("IRCONV_ADOPTIONS", "20")))
FEW, MANY = (4, 6), tuple(range(4, 40))


def right(found: Adoption, truth: dict[str, Array]) -> None:
    """Every parameter has its own values, bit for bit."""
    assert found.tensors.keys() == truth.keys()
    for name, wanted in truth.items():
        np.testing.assert_array_equal(found.tensors[name].numpy(), wanted, err_msg=name)


def other(spec: Spec, names: dict[int, str], rng: Any) -> dict[str, Array]:
    """The target's own values."""
    return {name: rng.random(a.shape, np.float32) for name, a in state(spec, names).items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_two_graphs_are_enough_whatever_names_and_order_say(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    spec = network(rng, twins=True, widths=FEW)
    source, names = onnx_file(spec, words(spec, rng), tmp_path / "net.onnx"), words(spec, rng)
    net = module(spec, names, [int(layer) for layer in rng.permutation(spec.layers)])
    found = irconv.adopt(source, net, options=AdoptOptions(verify=True))
    assert found.first is None
    assert found.differences == ()
    if not any(placed.exchangeable for placed in found.placed):
        right(found, state(spec, names))


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_in_names_are_enough_without_a_graph(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, 1])
    spec = network(rng, twins=True, widths=FEW)
    sides = [numbered(spec, together=bool(rng.integers(2))) for _ in range(2)]
    source = saved(tmp_path / "source.safetensors", state(spec, sides[0]))
    like = saved(tmp_path / "like.safetensors", other(spec, sides[1], rng))
    right(irconv.adopt(source, like, tmp_path / "out.safetensors"), state(spec, sides[1]))


@pytest.mark.parametrize("graph", [False, True], ids=["weights", "graph"])
@pytest.mark.parametrize("seed", SEEDS)
def test_layers_of_one_shape_are_refused_where_nothing_else_tells_them_apart(
    seed: int, graph: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng([seed, 2, graph])
    spec = network(rng, twins=False, widths=MANY)
    names, wanted = words(spec, rng), words(spec, rng)
    if graph:
        source = onnx_file(spec, names, tmp_path / "net.onnx")
    else:
        source = saved(tmp_path / "source.safetensors", state(spec, names))
    like = saved(tmp_path / "like.safetensors", other(spec, wanted, rng))
    out = tmp_path / "out.safetensors"
    if spec.equal_layers:
        with pytest.raises(Refused, match="types, shapes, graphs, names and order do not tell them apart"):
            irconv.adopt(source, like, out)
        assert not out.exists()
    else:
        right(irconv.adopt(source, like, out), state(spec, wanted))
