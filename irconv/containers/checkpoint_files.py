"""Which files are one checkpoint: any of them may be given, its name without a suffix, or the folder they are in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from irconv.containers import sstable
from irconv.containers.graph_def_kind import kind_of
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, MissingFact

if TYPE_CHECKING:  # every file is asked whether it is a checkpoint's; few are read
    from irconv.containers.tensor_bundle import Checkpoint

STATE = "checkpoint"
"""The file in which TensorFlow notes the newest checkpoint of a folder."""
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The key of the graph of objects, in the checkpoints of `tf.train.Checkpoint`."""
_ALL_SHARDS = re.compile(r"-\?{5}-of-\d{5}\Z")
"""What a state file says of a checkpoint of the first version in several files."""
_MOST_STATE = 1 << 20
_SHARD = re.compile(r"(?P<prefix>.+)\.data-(?P<number>\d{5})-of-\d{5}\Z")
_OLD_SHARD = re.compile(r"(?P<prefix>.+)-\d{5}-of-(?P<count>\d{5})\Z")


@dataclass(frozen=True)
class CheckpointFiles:
    """The files of one checkpoint."""

    prefix: Path
    version: str
    """``V1``, ``V2``; empty where there is a graph alone."""
    meta: Path | None
    """The graph beside it."""
    why: str
    """By what it is known, in words that follow the name of the file that was given."""

    def read(self) -> Checkpoint:
        """The variables. Raises `DamagedFile`."""
        from irconv.containers import tensor_bundle, tensor_bundle_v1

        if self.version == "V2":
            return tensor_bundle.read(self.prefix)
        return tensor_bundle_v1.read(*_old_shards(self.prefix))


def standing_for(path: Path) -> Path:
    """A file of the checkpoint that a name without a suffix means, where there is no file of that name itself."""
    if path.exists():
        return path
    for pattern in (".index", "-00000-of-?????", ".meta"):
        if found := sorted(path.parent.glob(f"{_escaped(path.name)}{pattern}")):
            return found[0]
    return path


def find(path: Path) -> CheckpointFiles | None:
    """The checkpoint that a file or a folder belongs to; None where it is no checkpoint's.

    Raises `MissingFact` for a folder of several checkpoints, and `DamagedFile` for a state file that names none.
    """
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file():
        return None
    if _is_state(path):
        return _stated(path)
    shards = path.parent.glob(f"{_escaped(path.stem)}.data-*")
    if path.suffix == ".index" and (sstable.recognises(path) or any(shards)):
        return _files(path.with_suffix(""), "V2", "is the index of a checkpoint")
    if match := _SHARD.match(path.name):
        return _files(path.with_name(match["prefix"]), "V2", "is a shard of a checkpoint, by its name")
    if path.suffix == ".meta" and kind_of(path) == "MetaGraphDef":
        prefix = path.with_suffix("")
        if Path(f"{prefix}.index").is_file():
            return _files(prefix, "V2", "is the graph of a checkpoint")
        old = standing_for(prefix)
        version = "V1" if old.is_file() and old != path and _is_old(old) else ""
        return CheckpointFiles(old if version else prefix, version, path, "is the graph of a checkpoint")
    if _is_old(path):
        return _files(path, "V1", "is a table of variables, a checkpoint of the first version")
    return None


def _files(prefix: Path, version: str, why: str) -> CheckpointFiles:
    match = _OLD_SHARD.match(prefix.name) if version == "V1" else None
    meta = prefix.with_name(f"{match['prefix'] if match else prefix.name}.meta")
    return CheckpointFiles(prefix, version, meta if meta.is_file() else None, why)


def _old_shards(path: Path) -> list[Path]:
    """A V1 checkpoint in several files is all of them. Raises `DamagedFile` where one is missing."""
    if not (match := _OLD_SHARD.match(path.name)):
        return [path]
    count = int(match["count"])
    found = sorted(path.parent.glob(f"{_escaped(match['prefix'])}-?????-of-{match['count']}"))
    if len(found) != count:
        what = f"expected {count} files of this checkpoint, got {len(found)}"
        raise DamagedFile(str(path), what, "Put all of them into one folder.")
    return found


def _is_old(path: Path) -> bool:
    """Whether a file is a checkpoint of the first version, or part of one."""
    if not sstable.recognises(path):
        return False
    from irconv.containers import tensor_bundle_v1

    return tensor_bundle_v1.recognises(path)


def _is_state(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(22) == b"model_checkpoint_path:"


def _stated(path: Path) -> CheckpointFiles:
    """The newest checkpoint, looked for beside the file that names it: the paths in it are often another machine's."""
    where = str(path)
    if path.stat().st_size > _MOST_STATE:
        raise DamagedFile(where, f"expected the name of a checkpoint, got {path.stat().st_size} bytes")
    from irconv.containers import messages

    state = messages.parse_text("tensorflow", "CheckpointState", path.read_bytes(), where)
    name = _ALL_SHARDS.sub("", Path(state.model_checkpoint_path.replace("\\", "/")).name)
    beside = standing_for(path.parent / name)
    found = find(beside) if name and beside != path and beside.is_file() else None
    if found is None:
        what = f"names the checkpoint {name or 'nothing'}, which is not beside it"
        raise DamagedFile(where, what, "Give one of the checkpoint's own files.")
    return CheckpointFiles(found.prefix, found.version, found.meta, f"names the checkpoint {name}")


def _in_folder(path: Path) -> CheckpointFiles | None:
    if (path / STATE).is_file() and _is_state(path / STATE):
        return _stated(path / STATE)
    found = [file for file in sorted(path.glob("*.index")) if sstable.recognises(file)]
    if len(found) > 1:
        names = ", ".join(file.stem for file in found[:10])
        raise MissingFact(str(path), f"has {len(found)} checkpoints: {names}", "Give the file of one of them.")
    return find(found[0]) if found else None


def _escaped(name: str) -> str:
    """A name as `glob` takes it literally."""
    return re.sub(r"([*?\[])", r"[\1]", name)
