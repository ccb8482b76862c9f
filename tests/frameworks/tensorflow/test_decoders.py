"""Loops of TensorFlow 1.15 that end by what they compute, and graphs whose open sizes have to agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from irconv.ir.bundle import Bundle
from irconv.options import ReadOptions, WriteOptions
from tests.frameworks.tensorflow.running import in_graph
from tests.helpers import GOLDEN_ERROR, ROOT, error, in_torch, rejection

FOLDER = ROOT / "fixtures" / "tensorflow" / "decoders"
NAMES = ("attending", "bert", "ended", "folded", "greedy", "raw", "started", "taught")


def values() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "values.npz") as file:
        return dict(file)


def outputs(name: str) -> tuple[str, ...]:
    return tuple(sorted(key.partition("_")[2] for key in values() if key.startswith(f"{name}_y")))


def read(name: str) -> Bundle:
    return irconv.read(FOLDER / f"{name}.pb", ReadOptions(outputs=outputs(name)))


def feeds(name: str, bundle: Bundle) -> list[np.ndarray]:
    assert bundle.graph is not None
    found = {**values(), **({"x": values()["x"].transpose(1, 0, 2)} if name == "started" else {})}
    return [found[port.name] for port in bundle.graph.inputs]


def wanted(name: str) -> list[np.ndarray]:
    return [values()[f"{name}_{output}"] for output in outputs(name)]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_read_as_tensorflow_computed_it(name: str) -> None:
    bundle = read(name)
    found = list(irconv.run(bundle, feeds(name, bundle)).values())
    assert [value.dtype for value in found] == [value.dtype for value in wanted(name)]
    assert error(found, wanted(name)) < GOLDEN_ERROR


@pytest.mark.parametrize("name", NAMES)
def test_it_comes_back_as_a_graph_that_tensorflow_runs(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    bundle = read(name)
    irconv.write(bundle, tmp_path / "m.pb", WriteOptions(io="source"))
    found = in_graph(tmp_path / "m.pb", feeds(name, bundle), outputs(name))
    assert error(found, wanted(name)) < GOLDEN_ERROR


@pytest.mark.parametrize("name", ["ended", "taught", "raw", "attending"])
def test_pytorch_makes_as_many_steps_as_tensorflow_did(name: str, tmp_path: Path) -> None:
    bundle = read(name)
    irconv.write(bundle, tmp_path / "m.py", WriteOptions(io="source"))
    assert error(in_torch(tmp_path / "m.py", feeds(name, bundle)), wanted(name)) < GOLDEN_ERROR


def test_a_decoder_without_a_most_of_steps_is_refused() -> None:
    text = rejection(lambda: irconv.read(FOLDER / "endless.pb", ReadOptions(outputs=("y0",))), Refused)
    assert "goes on for as long as decoder/while/LogicalNot (LogicalNot) holds, and not up to a number of steps" in text


@pytest.mark.parametrize(
    ("name", "said"),
    [("bert", "T_2 is T"), ("started", "T is N")],
)
def test_open_sizes_that_have_to_agree_are_said_to(name: str, said: str) -> None:
    facts = {fact.name: fact for fact in read(name).source.facts}
    assert said in facts["open sizes"].value
    assert facts["open sizes"].evidence == "the graph's operations do not fit otherwise"


def test_sizes_that_the_user_gives_are_not_changed() -> None:
    options = ReadOptions(outputs=("y0",), input_shape=("words=N,S", "mask=N,T"))
    text = rejection(lambda: irconv.read(FOLDER / "bert.pb", options), Refused)
    assert "does not have as many elements as" in text


def test_bert_with_merged_rows_becomes_attention_with_linear_layers() -> None:
    bundle = read("bert")
    assert bundle.graph is not None
    counts = Counter(bundle.layers[node.layer].type for node in bundle.graph.nodes)
    assert (counts["ScaledDotProductAttention"], counts["Linear"], counts["LayerNorm"]) == (1, 6, 2)
    assert not {"MatMul", "Softmax"} & set(counts)
    assert counts["Reshape"] == 5, "heads apart and together, and the mask"


def test_bert_is_written_with_the_attention_of_pytorch(tmp_path: Path) -> None:
    irconv.write(read("bert"), tmp_path / "m.py", WriteOptions())
    text = (tmp_path / "m.py").read_text()
    assert text.count("F.scaled_dot_product_attention(") == 1
    assert text.count("nn.Linear(6, 6)") == 4
