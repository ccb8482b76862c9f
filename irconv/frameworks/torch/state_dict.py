"""Writes state dicts: ``.safetensors``, in shards where they are large, and the zip that ``torch.load`` reads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from irconv.containers import safetensors, shards, zip_writer
from irconv.containers.files import Progress
from irconv.containers.outputs import Output
from irconv.data_classes import dataclass
from irconv.errors import OutputFailed, Problems
from irconv.frameworks import Made, graphless
from irconv.frameworks.torch.pickles_writer import checkpoint_pickle, state_dict_pickle
from irconv.ir import optimizer
from irconv.ir.bundle import Bundle
from irconv.ir.tensors import LazyTensor
from irconv.options import WriteOptions, refuse_unused, said_size

METADATA = {"format": "pt"}
"""What the safetensors and transformers libraries look for."""
FORMATS = {"tensorflow": "tf"}
"""Another framework -> what the safetensors and transformers libraries call its names and layouts. Its weights without
a graph are written as they are: whoever reads them looks there first, and PyTorch's own files cannot say it."""
TIED = "tied:"
"""In front of a name in the metadata of safetensors: it is a copy of the tensor whose name is the value."""
IN_PARTS = "in parts"
"""The fact that names a tensor of which the bundle has the parts alone (quantised, sparse)."""
SHARD_BYTES = 5 * 10**9
"""Weights above this become numbered shards, as the ecosystem's loaders expect."""
_ALIGNMENT = 64  # what today's torch.save uses, so that storages can be mapped into memory


def write_state_dict(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write the state dict, as safetensors or as ``torch.save`` does: torch's names and layouts.

    PyTorch's own weights keep their names and bytes. Raises `Refused` naming every layer PyTorch cannot express.
    """
    marks = bundle.source.marks()
    metadata = {**METADATA, **marks}
    limit = said_size(options.shard_size) if options.shard_size is not None else None
    if (limit is not None or options.resume) and destination.suffix != ".safetensors":
        reason = f"{destination.suffix} files are whole, and .safetensors have shards"
        refuse_unused(options, ("shard_size", "resume"), reason)
    if bundle.graph is None and bundle.source.framework in FORMATS and destination.suffix == ".safetensors":
        kept = {key: tensor.data for key, tensor in bundle.tensors.items() if tensor.record.role != "optimizer"}
        return write(
            kept, {}, output, destination, progress, {"format": FORMATS[bundle.source.framework], **marks}, limit
        )
    if bundle.graph is None or keeps_names(bundle):
        if bundle.state and destination.suffix != ".safetensors":
            return _write_checkpoint(bundle, output, destination, progress)
        return write(*stored_weights(bundle), output, destination, progress, metadata, limit)
    # The table of layers takes longer to import than most weights to write.
    from irconv.frameworks.torch.write import encoded_weights

    return write(*encoded_weights(bundle), output, destination, progress, metadata, limit)


def _write_checkpoint(bundle: Bundle, output: Output, destination: Path, progress: Progress | None) -> list[Path]:
    """The weights where the source's checkpoint had them, and beside them the state of its optimizers."""
    tensors, ties = stored_weights(bundle)
    state, structure = optimizer.state_of(bundle), optimizer.structure_of(bundle)
    marks = bundle.source.marks()
    try:
        weights, beside = structure["weights"], structure["optimizers"]
        placed = bool(weights) and all(keys and keys[: len(weights)] != weights for keys, _ in beside)
    except (KeyError, TypeError, ValueError):  # a fact of a bundle is any text
        placed = False
    if not placed:
        return write(tensors, ties, output, destination, progress, {**METADATA, **marks})
    place = output.path(destination)
    write_zip(tensors, ties, place, destination.stem, marks, progress, Beside(weights, beside, state))
    return Made([destination], optimizer=True)


def keeps_names(bundle: Bundle) -> bool:
    """Whether a bundle with a graph still has the tensors of a PyTorch file, none computed since."""
    return bundle.source.framework == "torch" and all(t.record.source is not None for t in bundle.tensors.values())


def stored_weights(bundle: Bundle) -> tuple[dict[str, LazyTensor], dict[str, str]]:
    """The tensors of a PyTorch file under the names they have there, bit for bit; and tied name -> name it repeats.

    Raises `Refused` for another framework's, as their axes are unknown, and for tensors that are kept in parts.
    """
    source = bundle.source
    if source.framework != "torch":
        raise graphless.refused(bundle, "so that their axes are not known")
    problems = Problems()
    for fact in source.facts:
        if fact.name == IN_PARTS:
            remedy = "Write .irconv to keep its parts, or save it as a plain tensor."
            problems.add(fact.value, f"is no plain tensor, but {fact.evidence}", remedy)
    problems.raise_any()
    prefix = next((fact.value for fact in source.facts if fact.name == "prefix"), "")
    found: dict[str, LazyTensor] = {}
    grouped = {key for group in bundle.groups for key in group.tensors.values()}
    for key, tensor in bundle.tensors.items():
        if key not in grouped and tensor.record.source is not None:
            found[tensor.record.source.name.removeprefix(prefix)] = tensor.native()
    first: dict[str, str] = {}
    ties: dict[str, str] = {}
    for group in bundle.groups:
        for local, key in group.tensors.items():
            name = f"{group.name}.{local}" if group.name else local
            found[name] = bundle.tensors[key].native()
            if first.setdefault(key, name) != name:
                ties[name] = first[key]
    return found, ties


def write(
    tensors: Mapping[str, LazyTensor],
    ties: Mapping[str, str],
    output: Output,
    destination: Path,
    progress: Progress | None = None,
    metadata: Mapping[str, str] = METADATA,
    limit: int | None = None,
) -> list[Path]:
    """Write tensors by name; tied ones as copies, with the tie in the metadata (``.pt`` keeps them as one storage).

    The suffix chooses: ``.safetensors``, or the zip for any other. Of safetensors, more than `limit` bytes (5 GB where
    it is None) are put into shards; the index that readers begin with is taken away first and placed last.
    Raises `OutputFailed` where a file of the same weights is there that readers would take instead.
    """
    if destination.suffix != ".safetensors":
        more = {key: value for key, value in metadata.items() if key not in METADATA}
        write_zip(tensors, ties, output.path(destination), destination.stem, more, progress)
        return [destination]
    total = sum(tensor.nbytes for tensor in tensors.values())
    limit = SHARD_BYTES if limit is None else limit
    index = destination.with_name(f"{destination.name}.index.json")
    if total <= limit or len(tensors) == 1:
        _refuse_beside(destination, index)
        output.refuse_resuming()
        metadata = {**metadata, **{f"{TIED}{name}": kept for name, kept in ties.items()}}
        safetensors.write(output.path(destination), tensors, metadata, progress)
        return [destination]
    _refuse_beside(index, destination)
    made: list[Path] = []

    def path(name: str) -> Path:
        made.append(destination.with_name(name))
        return output.path(made[-1])

    shards.write(path, destination.stem, tensors, limit, progress, metadata, output.kept_shards(destination))
    return made


def _refuse_beside(made: Path, other: Path) -> None:
    """Raise `OutputFailed` where weights of this name are there in the other form: whole, or in shards."""
    if os.path.lexists(other):
        what = f"is there, and readers would not know which to take: it, or {made.name}"
        raise OutputFailed(str(other), what, "Remove it first, or give another name.")


@dataclass(frozen=True)
class Beside:
    """What stands beside the weights of a checkpoint; see `checkpoint_pickle`."""

    weights: Sequence[Any]
    values: Sequence[Any]
    tensors: Mapping[str, LazyTensor]


def write_zip(
    tensors: Mapping[str, LazyTensor],
    ties: Mapping[str, str],
    path: Path,
    name: str,
    more: Mapping[str, str],
    progress: Progress | None = None,
    beside: Beside | None = None,
) -> None:
    """Write the archive of ``torch.save``: a pickle that names storages, and each storage as a stored member.

    `more` are members with a text, which PyTorch does not look at; `beside` is what stands beside the weights.
    """
    storages = {tensor: str(number) for number, tensor in enumerate(n for n in tensors if n not in ties)}
    keys = {tensor: storages[ties.get(tensor, tensor)] for tensor in tensors}
    described = {n: (keys[n], tensor.dtype, tensor.shape) for n, tensor in tensors.items()}
    pickled, more_storages = state_dict_pickle(described), dict[str, LazyTensor]()
    if beside is not None:
        others = {n: (str(len(storages) + i), t.dtype, t.shape) for i, (n, t) in enumerate(beside.tensors.items())}
        more_storages = {others[n][0]: tensor for n, tensor in beside.tensors.items()}
        pickled = checkpoint_pickle(described, beside.weights, beside.values, others)
    head: list[tuple[str, bytes | LazyTensor]] = [
        (f"{name}/data.pkl", pickled),
        (f"{name}/byteorder", b"little"),
        *((f"{name}/{key}", value.encode()) for key, value in more.items()),
    ]
    data = [(f"{name}/data/{key}", tensors[tensor]) for tensor, key in storages.items()]
    data += [(f"{name}/data/{key}", tensor) for key, tensor in more_storages.items()]
    zip_writer.write(path, [*head, *data, (f"{name}/version", b"3\n")], _ALIGNMENT, progress)
