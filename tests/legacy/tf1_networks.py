"""``make test-legacy``: whole networks of Keras, PyTorch and Theano, restored and run by TensorFlow 1.15 and by 2.

Each source is made by its framework, with what the framework makes of an input, and written as a checkpoint and as a
SavedModel. ``--write`` puts the rows into docs/tensorflow.md; names of sources (``theano``) choose some. Theano's
sources need the Python of IRCONV_THEANO_PYTHON (Theano 1.0.5, Keras 2.2.4), TensorFlow 1.15 that of
IRCONV_TENSORFLOW_PYTHON; what is not found is said, and left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import irconv
from irconv.containers.graph_def_read import read_meta_graph
from irconv.options import WriteOptions
from tests.frameworks.tensorflow.running import in_version_2
from tests.helpers import ROOT, Array, error
from tests.legacy.tf1_models import tensorflow_python
from tests.legacy.theano_models import theano_python

PAGE = ROOT / "docs" / "tensorflow.md"
MARKS = ("<!-- networks -->", "<!-- /networks -->")
LIMIT = 1e-5
"""Of a deep network in single precision; the frameworks sum in orders of their own."""
_HEAD = """\
| network | from | transposes | TF 1.15, `m.ckpt` | TF 1.15, `m.savedmodel` | TF 2.21, `m.savedmodel` | tensors TF 2.21 reads |
| --- | --- | --- | --- | --- | --- | --- |"""  # noqa: E501


@dataclass(frozen=True)
class Network:
    """A file that a framework saved, and what the framework makes of an input."""

    name: str
    framework: str
    path: Path
    inputs: Sequence[Array]
    outputs: Sequence[Array]


@dataclass
class Row:
    """What became of a network: errors, or why there is none."""

    network: Network
    transposes: int
    """Of activations, in the graph that was written."""
    tensors: str
    version_2: float
    version_1: Mapping[str, float | str]


def of_keras(folder: Path) -> Iterator[Network]:
    import keras

    from tests.legacy.networks_keras import NETWORKS, randomised

    random = np.random.default_rng(11)
    for name, build in NETWORKS.items():
        model = build(keras)
        randomised(model, random)
        feeds = [random.standard_normal((2, *given.shape[1:]), np.float32) for given in model.inputs]
        if name == "BERT":
            feeds = [random.integers(0, 97, (2, 13), np.int32), np.tile(np.arange(13, dtype=np.int32), (2, 1))]
        model.save(folder / f"{name}.keras")
        wanted = model(feeds if len(feeds) > 1 else feeds[0], training=False)
        yield Network(name, "Keras 3.15", folder / f"{name}.keras", feeds, [np.asarray(wanted)])


def of_torch(folder: Path) -> Iterator[Network]:
    from tests.legacy.networks_torch import NETWORKS, saved

    for name in NETWORKS:
        inputs, outputs = saved(name, folder / f"{name}.pt2")
        yield Network(name, "PyTorch 2.13", folder / f"{name}.pt2", inputs, outputs)


def of_theano(folder: Path) -> Iterator[Network]:
    python = theano_python()
    if python is None:
        return
    flags = f"floatX=float32,optimizer=fast_compile,base_compiledir={folder / 'compiled'}"
    environment = {**os.environ, "THEANO_FLAGS": flags, "PYTHONWARNINGS": "ignore"}
    script = Path(__file__).with_name("theano_networks.py")
    subprocess.run([python, str(script), str(folder)], env=environment, check=True)
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as values:
            yield Network(path.stem, "Theano 1.0.5", path.with_suffix(".h5"), [values["x0"]], [values["y0"]])


SOURCES: Mapping[str, Callable[[Path], Iterator[Network]]] = {
    "keras": of_keras,
    "torch": of_torch,
    "theano": of_theano,
}


def tried(network: Network, folder: Path, python: str | None) -> Row:
    """Write a network in both forms, and let TensorFlow run them."""
    options = WriteOptions(io="source", force=True)
    bundle = irconv.read(network.path)
    written = irconv.write(bundle, folder / "m.ckpt", options)
    irconv.write(bundle, folder / "m.savedmodel", options)
    names = [[port.name for port in ports] for ports in (written.inputs, written.outputs)]
    ops = Counter(node.op for node in read_meta_graph(folder / "m.ckpt.meta").graph.nodes)
    found = in_version_2(folder / "m.savedmodel", network.inputs, names[0], names[1])
    first = _version_1(network, folder, names, python) if python else {}
    return Row(network, ops["Transpose"], _tensors(folder / "m.ckpt"), error(found, network.outputs), first)


def _version_1(network: Network, folder: Path, names: list[list[str]], python: str) -> dict[str, float | str]:
    paths: dict[str, list[str]] = {"inputs": [], "outputs": []}
    for kind, arrays in (("inputs", network.inputs), ("outputs", network.outputs)):
        for number, array in enumerate(arrays):
            np.save(folder / f"{kind}{number}.npy", array)
            paths[kind].append(str(folder / f"{kind}{number}.npy"))
    listed = [{"model": str(folder / f"m{s}"), "names": names, **paths} for s in (".ckpt", ".savedmodel")]
    given, results = folder / "jobs.json", folder / "results.json"
    given.write_text(json.dumps(listed))
    script = Path(__file__).with_name("run_tf1.py")
    subprocess.run([python, "-W", "ignore", str(script), str(given), str(results)], check=True)
    return dict(zip((".ckpt", ".savedmodel"), json.loads(results.read_text()), strict=True))


def _tensors(path: Path) -> str:
    """How many tensors TensorFlow 2 reads of the checkpoint, of how many that irconv reads, bit for bit."""
    import tensorflow

    reader = tensorflow.train.load_checkpoint(str(path))
    mine = {key: lazy.numpy() for key, lazy in irconv.read(path).source_tensors().items()}
    same = [key for key in reader.get_variable_to_shape_map() if np.array_equal(reader.get_tensor(key), mine[key])]
    return f"{len(same)} of {len(mine)}"


def line(row: Row) -> str:
    errors = [row.version_1.get(".ckpt", "-"), row.version_1.get(".savedmodel", "-"), row.version_2]
    texts = [f"{found:.1e}" if isinstance(found, float) else found for found in errors]
    return f"| {row.network.name} | {row.network.framework} | {row.transposes} | {' | '.join(texts)} | {row.tensors} |"


def good(row: Row) -> bool:
    return all(isinstance(found, float) and found < LIMIT for found in (*row.version_1.values(), row.version_2))


def write(lines: Sequence[str]) -> None:
    """Put rows into the page, each in the place of the one for the same network and framework."""
    before, _, rest = PAGE.read_text().partition(MARKS[0])
    table, _, after = rest.partition(MARKS[1])
    kept = {tuple(row.split("|")[1:3]): row for row in (*table.strip().splitlines()[2:], *lines)}
    PAGE.write_text(before + "\n".join([MARKS[0], _HEAD, *kept.values(), MARKS[1]]) + after)


def main(arguments: list[str]) -> int:
    """0 where every network predicts everywhere what its framework did; names of frameworks choose some."""
    python, rows = tensorflow_python(), []
    chosen = [name for name in SOURCES if name in arguments] or list(SOURCES)
    print(_HEAD, flush=True)
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            for network in SOURCES[name](Path(folder)):
                with tempfile.TemporaryDirectory() as scratch:
                    rows.append(tried(network, Path(scratch), python))
                    print(line(rows[-1]), flush=True)
    if "--write" in arguments:
        write([line(row) for row in rows])
    print(f"test-legacy: {sum(map(good, rows))} of {len(rows)} networks predict in TensorFlow what their framework did")
    return int(not all(map(good, rows)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
