"""Damaged files of TensorFlow: each is read, or refused by name, in bounded time; ``make fuzz`` tries many more."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.containers import messages
from irconv.containers.sstable import Table, table
from irconv.errors import IrconvError
from irconv.options import ReadOptions
from tests.helpers import ROOT

COUNT = int(os.environ.get("IRCONV_FUZZ", "12"))
"""Damaged copies of each file."""
SLOWEST = 20
FOLDER = ROOT / "fixtures" / "tensorflow"
NET = ReadOptions(inputs=("x:0",), outputs=("net/y:0",))
Y = ReadOptions(inputs=("x:0",), outputs=("y:0",))
CELLS = ReadOptions(outputs=("y0:0", "y1:0"))
CASES: dict[str, tuple[str, str, str, ReadOptions]] = {
    "index": ("checkpoints/v2.ckpt.*", "v2.ckpt.index", "v2.ckpt.index", ReadOptions()),
    "shard": ("checkpoints/v2.ckpt.*", "v2.ckpt.data-00000-of-00001", "v2.ckpt.index", ReadOptions()),
    "v1": ("checkpoints/v1.ckpt", "v1.ckpt", "v1.ckpt", ReadOptions()),
    "meta": ("training/momentum.ckpt.*", "momentum.ckpt.meta", "momentum.ckpt.index", NET),
    "graph": ("graphs/graph.pb", "graph.pb", "graph.pb", Y),
    "text": ("graphs/graph.pbtxt", "graph.pbtxt", "graph.pbtxt", Y),
    "saved": ("exported/*", "saved_model.pb", ".", ReadOptions()),
    "loops": ("loops/keras3.pb", "keras3.pb", "keras3.pb", ReadOptions()),
    "functions": ("loops/functions/*", "saved_model.pb", ".", ReadOptions(signature="counted")),
    "cells": ("recurrent/mixed.pb", "mixed.pb", "mixed.pb", CELLS),
    "steps": ("recurrent/unrolled_lengths.pb", "unrolled_lengths.pb", "unrolled_lengths.pb", CELLS),
    "objects": ("objects/ckpt.*", "ckpt.data-00000-of-00001", "ckpt.index", ReadOptions()),
}
"""Name -> (files, the one that is damaged, what is read, how)."""


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """A copy that is cut short, or has some bytes changed."""
    kind = random.integers(4)
    if kind == 0:
        return content[: int(random.integers(1, len(content)))]
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 6))):
        changed[int(random.integers(len(content)))] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF, random.integers(256)]))
    if kind == 3 and len(content) > 128:  # a run from elsewhere
        size = int(random.integers(4, 64))
        here, there = (int(place) for place in random.integers(0, len(content) - size, 2))
        changed[here : here + size] = content[there : there + size]
    return bytes(changed)


def with_sound_checksums(content: bytes, random: np.random.Generator, folder: Path) -> bytes:
    """A table with damaged values, whose blocks say the right checksums."""
    (folder / "sound").write_bytes(content)
    entries = dict(Table(folder / "sound").items())
    for key in random.choice(np.array(sorted(entries), object), 3):
        if entries[key]:
            entries[key] = damaged(entries[key] * 2, random)[: len(entries[key]) + int(random.integers(3))]
    return table(iter(sorted(entries.items())))


def rewired(content: bytes, random: np.random.Generator) -> bytes:
    """A graph that parses, with some inputs, names, operations and numbers of nodes taken from others."""
    graph = messages.parse("tensorflow", "GraphDef", content, "graph")
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    for _ in range(int(random.integers(1, 4))):
        node, other = (nodes[int(place)] for place in random.integers(0, len(nodes), 2))
        kind = int(random.integers(6))
        if kind == 0 and node.input:
            node.input[int(random.integers(len(node.input)))] = other.name
        elif kind == 1 and node.input and other.input:
            node.input[0] = other.input[int(random.integers(len(other.input)))]
        elif kind == 2 and node.input:
            del node.input[int(random.integers(len(node.input)))]
        elif kind == 3:
            node.op = other.op
        elif kind == 4:
            for value in node.attr.values():
                if value.WhichOneof("value") == "i":
                    value.i = int(random.choice([-1, 0, 2**31, 2**62, 3]))
                if value.WhichOneof("value") == "tensor" and value.tensor.tensor_content:
                    value.tensor.tensor_content = value.tensor.tensor_content[::-1]
        else:
            node.attr.MergeFrom(other.attr) if hasattr(node.attr, "MergeFrom") else node.attr.clear()
    return bytes(graph.SerializeToString())


def outcome(path: Path, options: ReadOptions) -> str:
    """What reading all of a file comes to; any other exception than irconv's is raised."""
    try:
        bundle = irconv.read(path, options)
        for tensor in bundle.tensors.values():
            tensor.data.numpy()
    except IrconvError as error:
        return type(error).__name__
    return "read"


def tried(case: str, tmp_path: Path, change: Callable[[bytes, np.random.Generator], bytes]) -> set[str]:
    pattern, target, given, options = CASES[case]
    for file in FOLDER.glob(pattern):
        (shutil.copytree if file.is_dir() else shutil.copy)(file, tmp_path / file.name)
    content = (tmp_path / target).read_bytes()
    seen: set[str] = set()
    seed = int(os.environ.get("IRCONV_FUZZ_SEED", "0"))
    for number in range(seed, seed + COUNT):
        (tmp_path / target).write_bytes(change(content, np.random.default_rng(number)))
        start = time.monotonic()
        seen.add(outcome(tmp_path / given, options))
        assert time.monotonic() - start < SLOWEST, f"{case}, seed {number}"
    return seen


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_file_is_read_or_refused(case: str, tmp_path: Path) -> None:
    seen = tried(case, tmp_path, damaged)
    assert seen <= {"DamagedFile", "Refused", "MissingFact", "UnknownFormat", "UnusedOption", "read"}
    assert seen != {"read"}


@pytest.mark.parametrize("case", ["loops", "cells", "steps"])
def test_a_graph_with_nodes_rewired_is_read_or_refused(case: str, tmp_path: Path) -> None:
    seen = tried(case, tmp_path, rewired)
    assert seen <= {"DamagedFile", "Refused", "MissingFact", "read"}
    assert "Refused" in seen


@pytest.mark.parametrize("case", ["index", "v1"])
def test_a_table_with_damaged_values_and_sound_checksums_is_read_or_refused(case: str, tmp_path: Path) -> None:
    seen = tried(case, tmp_path, lambda content, random: with_sound_checksums(content, random, tmp_path))
    assert seen <= {"DamagedFile", "Refused", "MissingFact", "read"}
    assert "DamagedFile" in seen
