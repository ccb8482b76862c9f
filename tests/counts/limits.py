"""How much each conversion may do: what it did when this was written. Lower a number where less is done.

A higher one costs every user: raise it in the change that needs it, which says why. A format that becomes readable or
writable joins by one line in each table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Steps:
    """What a reader or a writer does to the whole graph."""

    types: int
    """Inferences of the types of all values."""
    passes: int
    """Times that all nodes are gone through."""


#: By the suffix that is read; a bundle's layout is right already.
READING = {
    ".irconv": Steps(types=0, passes=0),
    ".keras": Steps(types=1, passes=12),  # one for operands that are computed
    ".h5": Steps(types=1, passes=12),
}
#: By the suffix that is written, from a graph in memory. A conversion may do the sum of both.
WRITING = {
    ".irconv": Steps(types=2, passes=11),  # six for the numpy program in its README, which is decomposed and written
    ".onnx": Steps(types=4, passes=31),  # one for layers that ONNX has no op for, three for turns in a row
    ".py": Steps(types=3, passes=29),  # seven for layers of training, kept names and what undone turns left
    ".keras": Steps(types=7, passes=59),  # four for layers of training, and for masks that travel by themselves
    ".h5": Steps(types=7, passes=60),
    ".theano": Steps(types=3, passes=21),  # one for element types that Theano lacks
    ".ckpt": Steps(types=8, passes=60),  # quotients that round, and resizes by any rule
    ".pb": Steps(types=8, passes=60),  # quotients that round, and resizes by any rule
    ".savedmodel": Steps(types=8, passes=60),  # quotients that round, and resizes by any rule
}

#: Source -> target -> (reads, writes) of every byte of the weights. Once each is the floor. Others are checks: an
#: archive has a CRC-32 of its weights, or is to get one; a bundle records the SHA-256 of its source and of itself.
#: What is only copied of a bundle is read to be proved, and then copied by the system: two reads take less time than a
#: read and a write.
BYTES = {
    ".irconv": {".irconv": (3, 1), ".onnx": (2, 1), ".py": (2, 1), ".pt": (3, 1), ".keras": (2, 1), ".h5": (1, 1)},
    ".keras": {".irconv": (4, 1), ".onnx": (2, 1), ".py": (2, 1), ".pt": (3, 1), ".keras": (3, 1), ".h5": (2, 1)},
    ".h5": {".irconv": (3, 1), ".onnx": (1, 1), ".py": (1, 1), ".pt": (2, 1), ".keras": (2, 1), ".h5": (1, 1)},
    ".pt": {".irconv": (4, 1), ".safetensors": (2, 1), ".pt": (2, 1)},
    ".safetensors": {".irconv": (3, 1), ".safetensors": (1, 1), ".pt": (2, 1)},
}
#: What else is read and written, such as structure and the source code, per byte of the weights: the model of
#: `tests.counts.models.heavy` is small enough for it to show.
REST = 0.25


@dataclass(frozen=True)
class Starts:
    """What a command may bring in before it is done."""

    modules: int
    """Modules of irconv, in tens."""
    packages: frozenset[str] = frozenset()
    """Of third parties, besides `CORE`."""
    processes: int = 0


CORE = frozenset(
    {"click", "numpy", "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
)
_ONNX = frozenset({"onnx", "google", "ml_dtypes"})
_HDF5 = frozenset({"h5py", "cython_runtime"})

#: (suffix read, suffix written), or (suffix read, "") for `inspect`. The process is the one of the HDF5 library.
#: `inspect` has a module each for sums and for settings in words; a bundle's README has a numpy
#: program, with the functions of the layers, the pass that decomposes and what writes Python. Every reader is asked
#: about every file: those of ONNX, TensorFlow and programs of PyTorch take twenty modules for it. Keras has a module
#: for each package of layers that it knows, one for attention along any axes, for images that are resized and for
#: kernels of 4 bits. Data classes that are made in a third of the time are a module, and so are the opcodes of pickles,
#: arrays that joblib wrote, files that are packed whole, shards and those that are kept. What training does of Keras'
#: layers is told by a module, and left to Keras by another.
STARTS = {
    (".irconv", ""): Starts(91),
    (".keras", ""): Starts(195, processes=1),
    (".h5", ""): Starts(195, processes=1),
    (".pt", ""): Starts(100),
    (".safetensors", ""): Starts(100),
    (".irconv", ".irconv"): Starts(111),
    (".irconv", ".onnx"): Starts(170, _ONNX),
    (".irconv", ".py"): Starts(201),  # rows, codecs and the importer are rooms of several files each
    (".irconv", ".h5"): Starts(265, _HDF5),  # the same, and rules for every order that Keras has masks in
    (".h5", ".irconv"): Starts(220, processes=1),
    (".h5", ".onnx"): Starts(232, _ONNX, processes=1),
    (".h5", ".py"): Starts(265, processes=1),
    (".h5", ".keras"): Starts(269, _HDF5, processes=1),
    (".pt", ".safetensors"): Starts(100),
    (".safetensors", ".pt"): Starts(100),
}
