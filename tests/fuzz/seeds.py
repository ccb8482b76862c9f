"""The sound files that cases are made of, by reader; a new reader joins by one line of `SOURCES`."""

from __future__ import annotations

import json
import pickle
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import irconv
from irconv import api
from irconv.containers.varints import varint
from irconv.options import ReadOptions
from tests.helpers import ROOT, numbers

FIXTURES = ROOT / "fixtures"
_LARGEST = 2**17
"""Bytes of a file to be changed: what counts is structure, and small files are quick."""


@dataclass(frozen=True)
class Seed:
    """A sound file with what stands beside it."""

    reader: str
    changed: str
    """The file that cases change, below the folder."""
    opened: str
    """What is read."""
    options: ReadOptions = field(default_factory=ReadOptions, compare=False, hash=False)
    """Paths in it are below the folder."""
    folder: Path = FIXTURES
    beside: tuple[str, ...] = ()
    """The other files."""

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return f"{self.folder.name}/{self.changed}"


@dataclass(frozen=True)
class Source:
    """Seeds of one kind: every file that a pattern finds."""

    pattern: str
    opened: str = ""
    """The name of what is read, where it is not the changed file; ``.`` for its folder."""
    beside: str = ""
    """A pattern of companions in the same folder."""
    options: ReadOptions = field(default_factory=ReadOptions)
    arch: str = ""
    """The companion that is given with ``--arch``; ``*`` where it is the changed file that is."""
    root: Path | None = None

    def seeds(self, reader: str) -> Iterator[Seed]:
        """The seeds, smallest files first."""
        paths = sorted((self.root or FIXTURES).glob(self.pattern))
        for path in sorted(paths, key=lambda path: path.stat().st_size):
            if path.stat().st_size > _LARGEST:
                continue
            beside = tuple(
                str(other.relative_to(path.parent))
                for pattern in self.beside.split()
                for other in sorted(path.parent.glob(pattern))
                if other.is_file() and other != path
            )
            options = self.options
            if self.arch:
                options = ReadOptions(arch=Path(path.name if self.arch == "*" else self.arch))
            yield Seed(reader, path.name, self.opened or path.name, options, path.parent, beside)


_NET = ReadOptions(inputs=("x:0",), outputs=("net/y:0",))
_Y = ReadOptions(inputs=("x:0",), outputs=("y:0",))

#: Reader -> what it reads.
SOURCES: dict[str, tuple[Source, ...]] = {
    "irconv": (
        Source("bundle*.irconv/*.json", ".", "*"),
        Source("bundles/*.irconv/*.json", ".", "*"),
        Source("bundle*.irconv/weights.*", ".", "*"),
        Source("bundle*.irconv/SHA256SUMS", ".", "*"),
        Source("*.irconv.zip"),
    ),
    "keras": (
        Source("keras/*/model.h5"),
        Source("keras_files/*/*.h5"),
        Source("keras_old/*/weights.h5", arch="model.json", beside="model.json"),
        Source("keras_files/*/*.keras"),
        Source("keras_backends/*/*.keras"),
        Source("keras_files/*/model.json", "weights.h5", "weights.h5", arch="*"),
        Source("packed/*.h5"),
    ),
    "torch": (
        Source("torch/*.pt"),
        Source("torch/chain-activations.pt", options=ReadOptions(input_shape=("N,5",))),
        Source("torch/chain-norms.pt", options=ReadOptions(input_shape=("N,4,7,6",))),
        Source("torch/chain-shared.pt", options=ReadOptions(input_shape=("N,4",))),
        Source("torch/made*.pt"),
        Source("torch/made*.safetensors"),
        Source("torch-checkpoints/*/model.*"),
        Source("torch-checkpoints/[bg]*/*config.json", "model.safetensors", "*"),
        Source("torch-checkpoints/lora/model/*", ".", "*"),
        Source("torch-checkpoints/distributed*/model/*", ".", "* .metadata"),
    ),
    "torch-program": (Source("torch-programs/*/*.pt2"),),
    "torchscript": (Source("torch-scripts/*/*.pt"),),
    "tensorflow": (
        Source("tensorflow/checkpoints/v2.ckpt.index", beside="v2.ckpt.*"),
        Source("tensorflow/checkpoints/sharded.ckpt.index", beside="sharded.ckpt.*"),
        Source("tensorflow/checkpoints/v2.ckpt.data*", "v2.ckpt.index", "v2.ckpt.*"),
        Source("tensorflow/checkpoints/v1.ckpt"),
        Source("tensorflow/checkpoints/v1-sharded.ckpt-00000*", beside="v1-sharded.ckpt*"),
        Source("tensorflow/lookups/model.ckpt.index", beside="model.ckpt.*"),
        Source("tensorflow/partitioned/model.ckpt.index", beside="model.ckpt.*"),
        Source("tensorflow/pickled*.pkl"),
        Source("tensorflow/large.pb", options=ReadOptions(outputs=("big:0",))),
        Source("tensorflow/training/momentum.ckpt.meta", "momentum.ckpt.index", "momentum.ckpt.*", _NET),
        Source("tensorflow/training/momentum.ckpt.index", beside="momentum.ckpt.*"),
        Source("tensorflow/graphs/graph.pb", options=_Y),
        Source("tensorflow/graphs/graph.pbtxt", options=_Y),
        Source("tensorflow/[blr]*/*.pb"),
        Source("tensorflow/loops/functions/saved_model.pb", ".", "* variables/*"),
        Source("tensorflow/running/model.ckpt.meta", "model.ckpt.index", "model.ckpt.*"),
        Source("tensorflow/exported/saved_model.pb", ".", "* variables/*"),
        Source("tensorflow/written*/saved_model.pb", ".", "* variables/*"),
        Source("tensorflow/written*.pb"),
        Source("tensorflow/objects/ckpt.*", "ckpt.index", "ckpt.*"),
    ),
    "onnx": (Source("onnx/*/*.onnx", beside="*.bin data/* *.data"),),
    "theano": (
        Source("theano/*/model.h5", arch="arch.json", beside="arch.json"),
        Source("theano/*/model.npz", arch="arch.json", beside="arch.json"),
        Source("theano/*/model.pkl", arch="arch.json", beside="arch.json"),
        Source("theano/*/arch.json", "model.h5", "model.h5", arch="*"),
        Source("theano/*/model.npz"),
        Source("theano/*/model.pkl"),
        Source("theano/*/x.npy"),
        Source("theano/pickled*.pkl"),
        Source("theano-objects/*"),
        Source("joblib/*.joblib"),
    ),
}
#: A network's weights, the network that they are put into, and what the user says of both: see `tests.fuzz.adoptions`.
ADOPT = "adopt"
SOURCES[ADOPT] = (
    Source("adopted*/map.json", "source.keras", "*"),
    Source("adopted*/like.safetensors", "source.keras", "*"),
    Source("adopted*/source.keras", beside="*"),
)


@cache
def made() -> Path:
    """A folder of files that no fixture has: bundles of today's version, packed HDF5, safetensors."""
    folder = Path(tempfile.mkdtemp(prefix="irconv-fuzz-seeds-"))
    for place in ("packed", "torch", "theano", "tensorflow"):
        (folder / place).mkdir()
    _packed(folder / "packed" / "packed.h5")
    for protocol in range(6):
        _pickled(folder, protocol)
    (folder / "tensorflow" / "large.pb").write_bytes(_constant(20_000))
    for number, case in enumerate(("keras2.2.4-theano-conv_valid", "tf2.15-residual", "keras3.15-recurrent_layers")):
        source = FIXTURES / "keras" / case / "model.h5"
        if source.exists():
            irconv.convert(source, folder / f"bundle{number}.irconv")
            irconv.convert(source, folder / f"bundle{number}.irconv.zip")
            irconv.convert(source, folder / "torch" / f"made{number}.safetensors")
            irconv.convert(source, folder / "torch" / f"made{number}.pt")
            irconv.convert(source, folder / "tensorflow" / f"written{number}.pb")
            irconv.convert(source, folder / "tensorflow" / f"written{number}.savedmodel")
    for name in ("flattened", "joined", "sequences"):
        place = folder / f"adopted-{name}"
        place.mkdir()
        (place / "source.keras").write_bytes((FIXTURES / "adoption" / f"{name}.keras").read_bytes())
        api.rename(place / "source.keras", ("^=body.",), place / "like.safetensors")
        api.plan(place / "source.keras", place / "like.safetensors", place / "map.json")
        document = json.loads((place / "map.json").read_text())
        document["rename"] = [["^(.*)$", "body.\\1"]]
        (place / "map.json").write_text(json.dumps(document))
    return folder


def _pickled(folder: Path, protocol: int) -> None:
    """What people pickle: arrays in the containers of Python, by every protocol, and beside them what is no tensor."""
    arrays = {"conv/w:0": numbers(3, 2, 4), "conv/b:0": numbers(4), "n:0": np.arange(3), "half:0": np.float16([1, 2])}
    kinds: list[Any] = [arrays, OrderedDict(arrays), list(arrays.values()), tuple(arrays.items())]
    beside = {"set": {1, 2}, "frozen": frozenset("ab"), "bytes": b"x" * 300, "text": "\xe4" * 300, "big": 2**80}
    beside |= {"complex": 1 + 2j, "scalar": np.float32(3), "range": range(3), "array": bytearray(b"xyz"), "none": None}
    for number, kind in enumerate(kinds):
        content = pickle.dumps({"params": kind, "more": beside} if number == 1 else kind, protocol)
        (folder / "theano" / f"pickled{number}-{protocol}.pkl").write_bytes(content)
    named = {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
    (folder / "tensorflow" / f"pickled{protocol}.pkl").write_bytes(pickle.dumps(named, protocol))


def _constant(count: int) -> bytes:
    """One more node of a GraphDef: a constant of so many numbers, which are left in the file."""

    def field_of(number: int, content: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(content)) + content

    shape = field_of(2, field_of(2, varint(1 << 3) + varint(count)))
    tensor = field_of(8, varint(1 << 3) + varint(1) + shape + field_of(4, numbers(count).tobytes()))
    attributes = field_of(5, field_of(1, b"dtype") + field_of(2, varint(6 << 3) + varint(1)))
    attributes += field_of(5, field_of(1, b"value") + field_of(2, tensor))
    return field_of(1, field_of(1, b"big") + field_of(2, b"Const") + attributes)


def _packed(path: Path) -> None:
    """What Keras files have not: chunks, filters, dense groups and attributes, the newest format, a user block."""
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}
    with h5py.File(path, "w", libver="latest", userblock_size=512, track_order=True) as file:
        for number in range(8):
            group = file.create_group(f"layer_{number}", track_order=True)
            for name in ("kernel", "bias", "mean"):
                group.create_dataset(name, data=numbers(7, 5), chunks=(3, 5), compression="gzip", shuffle=True)
            for attribute in range(9):
                group.attrs[f"note_{attribute}"] = [f"{name}:0".encode() for name in ("kernel", "bias")]
        file.create_dataset("checked", data=numbers(40, 3), chunks=(8, 3), fletcher32=True)
        file.create_dataset("growing", data=numbers(9, 2), maxshape=(None, 2))
        file.attrs["text"] = "word " * 400
        file.attrs["layer_names"] = [f"layer_{number}".encode() for number in range(8)]
        file.attrs["model_config"] = json.dumps(config)


@cache
def seeds(reader: str) -> tuple[tuple[Seed, ...], ...]:
    """The seeds of a reader, those of each source together, so that every kind has its turn."""
    found = []
    for source in SOURCES[reader]:
        here = [*source.seeds(reader), *Source(**{**vars(source), "root": made()}).seeds(reader)]
        if here:
            found.append(tuple(here))
    return tuple(found)
