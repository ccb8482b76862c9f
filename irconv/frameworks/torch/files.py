"""Tells PyTorch's files and folders from others, without what reads them: every reader is asked about every file."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from irconv.containers import compressed
from irconv.containers.zip import SIGNATURE as ZIP_SIGNATURE
from irconv.containers.zip import archive
from irconv.errors import DamagedFile, Refused
from irconv.frameworks.torch.script_files import mark_of

MAGIC = 0x1950A86A20F9469CFC6C
_MAGIC_BYTES = MAGIC.to_bytes(10, "little")
TAR_MAGIC = b"ustar"
HEAD = 1 << 16
_NAMES = re.compile(rb"\w+(?:\.\w+)*\.(?:weight|bias|running_mean|running_var|num_batches_tracked)(?!s)")
"""Names of a state dict, as the model zoos of detectron2 pickle them with numpy's arrays."""
METADATA, DISTRIBUTED_ENDING = ".metadata", ".distcp"
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
INDEX = ".index.json"
FOLDER_FILES = (
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors",
    *ADAPTER_FILES,
)
"""What a folder of Hugging Face keeps its weights in; the first that is there counts, as in their own loader."""


def recognises(path: Path) -> str:
    """Why this is PyTorch's: a file of ``torch.save``, safetensors, an index of shards, or a folder with one of them;
    empty where it is none."""
    if path.is_dir():
        found = next((name for name in FOLDER_FILES if (path / name).is_file()), "")
        return f"is a folder with {found}" if found else _distributed(path)
    if path.name.endswith(INDEX):
        shards = next((kind for kind in (".safetensors", ".bin") if path.name.endswith(kind + INDEX)), "")
        return f"is an index of {shards} shards" if shards else ""
    return "begins as safetensors does" if is_safetensors(path) else _saved(path)


def is_safetensors(path: Path) -> bool:
    """Whether a file is called safetensors or begins as they do."""
    with path.open("rb") as file:
        head = file.read(9)
    size = int.from_bytes(head[:8], "little")
    return path.suffix == ".safetensors" or (head[8:] == b"{" and 0 < size <= path.stat().st_size - 8)


def _distributed(path: Path) -> str:
    """Why a folder is a distributed checkpoint; empty where it is none."""
    if not (path / METADATA).is_file():
        return ""
    found = any(child.name.endswith(DISTRIBUTED_ENDING) for child in path.iterdir())
    return f"is a folder with {METADATA} and {DISTRIBUTED_ENDING} files" if found else ""


def _saved(path: Path) -> str:
    """Why ``torch.save``, ``torch.jit.save`` or ``torch.export.save`` wrote this, or pickle with tensors in it; empty
    where none did."""
    head = compressed.head(path, HEAD)
    if head[:4] == ZIP_SIGNATURE:
        return _marks_of_zip(path, head)
    if head[257:262] == TAR_MAGIC:
        return "is a tar archive with sys_info, as PyTorch 0.1 wrote" if b"sys_info" in head else ""
    if is_legacy(head):
        return "begins with the magic number of torch.save"
    pickled = head[:1] in (b"\x80", b"(", b"c", b"}", b"]")
    if pickled and b"torch" in head:
        return "is a pickle that names torch"
    of_arrays = pickled and b"numpy" in head and len(set(_NAMES.findall(head))) > 1
    return "is a pickle of numpy arrays with the names of a state dict" if of_arrays else ""


def is_legacy(head: bytes) -> bool:
    """Whether the magic number is the first value: a line of digits up to protocol 1, in a frame from protocol 4 on."""
    return _MAGIC_BYTES in head[:32] or head.startswith(b"L%d" % MAGIC)


def _marks_of_zip(path: Path, head: bytes) -> str:
    try:
        members = archive(path).members
        names = {path: path.rpartition("/")[2] for path in members}
    except (DamagedFile, Refused):
        # Without its end the archive cannot be listed; the first member says whose it is.
        first = PurePosixPath(head[30 : 30 + int.from_bytes(head[26:28], "little")].decode("latin1"))
        named = path.suffix in (".pt", ".pth", ".pt2", ".bin", ".ckpt") or first.name in ("data.pkl", "byteorder")
        return f"is a damaged zip that begins with {first}" if named else ""
    if "archive_format" in names.values():
        return ""  # an exported program, which has a reader of its own
    if mark_of(members):
        return ""  # TorchScript, which has one, too
    marks = ("data.pkl", "model.json")
    found = next((path for path, name in names.items() if name in marks), "")
    return f"is a zip with {found}" if found else ""
