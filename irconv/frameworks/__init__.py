"""The frameworks irconv knows: one line each. Nothing is imported until it is used.

A reader module has ``recognises(path)``, which says why a file is its own, and ``read(path, options)``; where it takes
long to import, a smaller one has ``recognises``, as every reader is asked about every file. A writer is a function
``write(bundle, output, destination, options, progress)``. Both declare which options they honour; others are refused
before anything is read. Third parties add theirs through the entry point ``irconv.frameworks``, whose values are a
`Reader` or a `Writer`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irconv.data_classes import dataclass
from irconv.options import EDITS, OPAQUE, ReadOptions, WriteOptions

if TYPE_CHECKING:  # none of these is needed to list the formats or to recognise a file
    from irconv.codec import NativeModel, Table
    from irconv.containers.files import Progress
    from irconv.containers.outputs import Output
    from irconv.ir.bundle import Bundle
    from irconv.ir.graph import Port
    from irconv.ir.manifest import Fact


@dataclass(frozen=True)
class Reader:
    """Something that can be read."""

    name: str
    module: str
    description: str
    naive: bool = True
    """Whether what it returns still has the transposes of a naive translation."""
    graphs: bool = False
    """Whether it reads graphs, which hold arithmetic where people wrote layers."""
    recogniser: str = ""
    """The module with ``recognises``, where it is not the one that reads."""
    unmarked: bool = False
    """Whether its files carry no mark of a framework, so that it is asked only about what no other reader claims."""
    sizes: bool = True
    """Whether the sizes that the user gives are put into what it returns; else it puts them in while it reads."""
    cuts: tuple[str, ...] = ("inputs", "outputs")
    """At which of the values that the user names what it returns is cut; the others it finds while it reads."""
    options: tuple[str, ...] = ()
    """The fields of `ReadOptions` that it honours, for some of its files at least; those of every reader,
    `OF_EVERY_READER`, are not its own."""

    def recognises(self, path: Path) -> str:
        """Why the content is this reader's, in words that follow the file's name ("has the attribute model_config").

        Empty where it is not. Judged by evidence that no other framework leaves, never by the suffix of a sound file.
        """
        why: str = import_module(self.recogniser or self.module).recognises(path)
        return why

    def read(self, path: Path, options: ReadOptions) -> Bundle:
        """The bundle."""
        read: Callable[[Path, ReadOptions], Bundle] = import_module(self.module).read
        return read(path, options)

    def native(self, path: Path, options: ReadOptions) -> tuple[NativeModel, Table] | None:
        """The model as its framework spells it, and the rules for it; None where the reader keeps no such thing."""
        found: Callable[[Path, ReadOptions], tuple[NativeModel, Table] | None] | None
        found = getattr(import_module(self.module), "native", None)
        return found(path, options) if found is not None else None


class Made(list[Path]):
    """The files that a writer made, data first, and what else there is to say of them."""

    def __init__(
        self,
        files: list[Path],
        dialect: str = "",
        ports: tuple[tuple[Port, ...], ...] = (),
        lost: tuple[Fact, ...] = (),
        optimizer: bool = False,
        merged: tuple[Fact, ...] = (),
    ) -> None:
        super().__init__(files)
        self.dialect = dialect
        """The version of the format that the model is spelt for, where there are several."""
        self.ports = ports
        """Inputs and outputs, where the writer gave them other axes than the bundle has."""
        self.lost = lost
        """What training did and the files do not say, beside what `Writer.trains` leaves out."""
        self.optimizer = optimizer
        """Whether the state of the optimizer is in the files."""
        self.merged = merged
        """What the files hold otherwise than the bundle, though it computes the same."""


@dataclass(frozen=True)
class Writer:
    """Something that can be written, chosen by suffix or by name."""

    name: str
    suffixes: tuple[str, ...]
    module: str
    function: str
    description: str
    channels_first: bool = True
    """Whether images are customarily channels-first there."""
    archives: bool = False
    """Whether it keeps the bundle as it is, whatever the axes of its inputs."""
    stored: bool = False
    """Whether the weights of its layers have to be stored, and cannot be computed."""
    loops: bool = True
    """Whether it has loops; else those of known length are written out, and what is known of their steps is stored."""
    trains: tuple[str, ...] = ()
    """The layers, and the settings of other layers, that act in training alone and that it writes."""
    optimizer: bool = False
    """Whether its files have a place for the state of an optimizer."""
    options: tuple[str, ...] = ()
    """The fields of `WriteOptions` that it honours besides those of every writer, `OF_EVERY_WRITER`."""

    def write(
        self, bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None
    ) -> list[Path]:
        """Write the bundle; returns the files made."""
        function: Callable[..., list[Path]] = getattr(import_module(self.module), self.function)
        return function(bundle, output, destination, options, progress)


_HERE = "irconv.frameworks"

NOISE = ("Dropout", "GaussianNoise", "input_dropout", "trainable")
EVERY_NOISE = (*NOISE, "Augmentation", "recurrent_dropout")

OF_EVERY_READER = ("source_format", "inputs", "outputs")
"""What the API does itself, or every reader does."""
OF_EVERY_WRITER = ("target_format", "force", "dry_run", "merge", "fold_bn", "dtype")
"""What the API does itself, whatever is written."""

READERS = (
    Reader(
        "irconv",
        f"{_HERE}.bundle.read",
        "irconv bundle, folder or zip",
        naive=False,
        recogniser=f"{_HERE}.bundle.kind",
        options=("digests", "input_shape"),
    ),
    Reader(
        "keras",
        f"{_HERE}.keras.read",
        "Keras 1, 2, 3 and tf.keras: HDF5, archives, weights alone",
        recogniser=f"{_HERE}.keras.kind",
        options=("backend", "dim_ordering", "arch", "submodel", "input_shape", "keep_optimizer", *OPAQUE, *EDITS),
    ),
    Reader(
        "torch-program",
        f"{_HERE}.torch.read_program",
        "PyTorch exported programs (.pt2)",
        graphs=True,
        recogniser=f"{_HERE}.torch.program_files",
        options=("input_shape", "plugins", "recompose", *OPAQUE),
    ),
    Reader(
        "torchscript",
        f"{_HERE}.torch.read_script",
        "TorchScript, traced and scripted modules of PyTorch",
        graphs=True,
        recogniser=f"{_HERE}.torch.script_files",
        sizes=False,
        options=("input_shape", "plugins", "recompose", *OPAQUE),
    ),
    Reader(
        "torch",
        f"{_HERE}.torch.read",
        "PyTorch files: torch.save, safetensors, folders of Hugging Face",
        recogniser=f"{_HERE}.torch.files",
        sizes=False,
        options=("key", "ema", "keep_optimizer", "input_shape", "module_map", "module", *EDITS),
    ),
    Reader(
        "tensorflow",
        f"{_HERE}.tensorflow.read",
        "TensorFlow: checkpoints of versions 1 and 2, graphs, SavedModels, pickles of variables",
        graphs=True,
        recogniser=f"{_HERE}.tensorflow.files",
        sizes=False,
        cuts=(),
        options=("ema", "keep_optimizer", "signature", "tags", "fix", "input_shape", "recompose", *OPAQUE, *EDITS),
    ),
    Reader(
        "onnx",
        f"{_HERE}.onnx.read",
        "ONNX models, opsets 7 and later, weights inside or beside them",
        graphs=True,
        recogniser=f"{_HERE}.onnx.files",
        options=("fix", "input_shape", "plugins", "recompose", *OPAQUE),
    ),
    Reader(
        "theano",
        f"{_HERE}.theano.read",
        "Theano and Lasagne arrays: HDF5, npz, npy, pickles, folders of these",
        recogniser=f"{_HERE}.theano.arrays",
        unmarked=True,
        options=("arch", "input_shape", *OPAQUE, *EDITS),
    ),
)
WRITERS = (
    Writer(
        "irconv",
        (".irconv", ".irconv.zip"),
        f"{_HERE}.bundle.write",
        "write",
        "irconv bundle, folder or zip",
        archives=True,
        optimizer=True,
        options=("probe", "probe_input", "probe_output", "meta"),
    ),
    Writer(
        "theano",
        (".theano",),
        f"{_HERE}.theano.write",
        "write_folder",
        "Theano model.py, one HDF5 file an array",
        options=("io",),
    ),
    # before the other names that end in .h5
    Writer(
        "theano-h5",
        (".theano.h5",),
        f"{_HERE}.theano.write",
        "write_file",
        "Theano model.py, one HDF5 file",
        options=("io",),
    ),
    Writer(
        "onnx",
        (".onnx",),
        f"{_HERE}.onnx.write",
        "write",
        "ONNX, weights beside it above 2 GB",
        options=("io", "opset"),
    ),
    Writer(
        "torch-source",
        (".py",),
        f"{_HERE}.torch.write",
        "write_source",
        "PyTorch source and its weights beside it",
        trains=NOISE,
        options=("io",),
    ),
    Writer(
        "torch-program",
        (".pt2",),
        f"{_HERE}.torch.write_program",
        "write_program",
        "PyTorch exported program, by the PyTorch that is installed",
        options=("io",),
    ),
    Writer(
        "torch",
        (".safetensors", ".pt", ".pth"),
        f"{_HERE}.torch.state_dict",
        "write_state_dict",
        "PyTorch state dict: safetensors, or the zip that torch.load reads",
        optimizer=True,
        options=("shard_size", "resume"),
    ),
    Writer(
        "huggingface",
        (".hf",),
        f"{_HERE}.torch.hub",
        "write_folder",
        "folder for the Hugging Face hub: config.json, model.safetensors, model.py, model card",
        trains=NOISE,
        options=("io", "meta", "shard_size", "resume"),
    ),
    Writer(
        "keras",
        (".keras",),
        f"{_HERE}.keras.write",
        "write_archive",
        "Keras 3 archive",
        optimizer=True,
        stored=True,
        loops=False,
        channels_first=False,
        trains=EVERY_NOISE,
        options=("io",),
    ),
    Writer(
        "keras-weights",
        (".weights.h5",),
        f"{_HERE}.keras.write",
        "write_weights",
        "weights of a Keras 3 model",
        stored=True,
        loops=False,
        channels_first=False,
        trains=EVERY_NOISE,
        options=("io",),
    ),
    Writer(
        "keras-config",
        (".json",),
        f"{_HERE}.keras.write",
        "write_config",
        "Keras model.json",
        channels_first=False,
        trains=EVERY_NOISE,
        options=("io", "target_version"),
    ),
    Writer(
        "tensorflow",
        (".ckpt",),
        f"{_HERE}.tensorflow.write",
        "write_checkpoint",
        "TensorFlow checkpoint: .index, .data, checkpoint, and the graph in .meta",
        optimizer=True,
        trains=("trainable",),
        channels_first=False,
        options=("io",),
    ),
    Writer(
        "tensorflow-saved-model",
        (".savedmodel",),
        f"{_HERE}.tensorflow.write",
        "write_saved_model",
        "TensorFlow SavedModel, for TensorFlow 1 and 2",
        trains=("trainable",),
        channels_first=False,
        options=("io",),
    ),
    Writer(
        "tensorflow-graph",
        (".pb",),
        f"{_HERE}.tensorflow.write",
        "write_graph",
        "TensorFlow frozen graph, weights inside",
        channels_first=False,
        options=("io",),
    ),
    # .h5 ends other names, too: it stands last
    Writer(
        "keras-h5",
        (".h5", ".hdf5"),
        f"{_HERE}.keras.write",
        "write_hdf5",
        "HDF5 model of Keras 2 and tf.keras",
        optimizer=True,
        stored=True,
        loops=False,
        channels_first=False,
        trains=EVERY_NOISE,
        options=("io", "target_version"),
    ),
)


def readers() -> tuple[Reader, ...]:
    """Every reader, those of third parties last."""
    return READERS + tuple(found for found in _third_party() if isinstance(found, Reader))


def writers() -> tuple[Writer, ...]:
    """Every writer, those of third parties last."""
    return WRITERS + tuple(found for found in _third_party() if isinstance(found, Writer))


def merged_groups(bundle: Bundle, evaluate: Callable[[Bundle], Any]) -> Bundle:
    """A bundle without a graph, with the weights computed that its framework keeps in parts (weight norm, masks)."""
    if bundle.graph is not None or bundle.source.framework != "torch":
        return bundle
    merged: Callable[[Bundle, Callable[[Bundle], Any]], Bundle] = import_module(f"{_HERE}.torch.merge").merged
    adapted: Callable[[Bundle], Bundle] = import_module(f"{_HERE}.torch.adapters").merged
    return merged(adapted(bundle), evaluate)


def refuse_unmerged(bundle: Bundle) -> None:
    """Raise `Refused` for weights that mean nothing without those that they are to be merged with."""
    if bundle.graph is None and bundle.source.framework == "torch":
        import_module(f"{_HERE}.torch.adapters").refuse_unmerged(bundle)


@cache
def _third_party() -> list[Any]:
    return [entry.load() for entry in entry_points(group="irconv.frameworks")]
