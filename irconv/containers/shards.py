"""Safetensors in numbered shards with the index that other loaders read, some shards at a time.

A tensor is never split, so that a single large one may exceed the limit of a shard.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event, Lock

from irconv.containers import safetensors
from irconv.containers.files import Progress, SourceFile
from irconv.containers.kept_shards import KeptShards
from irconv.errors import DamagedFile
from irconv.ir.tensors import LazyTensor

_AT_ONCE = 2
"""Shards that are written at a time: the system lets one thread at a time write to a file."""


class _Stopped(Exception):
    """Another shard could not be written."""


def write(
    paths: Callable[[str], Path],
    stem: str,
    tensors: Mapping[str, LazyTensor],
    limit: int,
    progress: Progress | None = None,
    metadata: Mapping[str, str] | None = None,
    kept: KeptShards | None = None,
) -> None:
    """Write ``<stem>.safetensors``; above `limit` bytes, numbered shards and their index.

    `paths` gives the path of a file name. What `kept` has of an earlier run is not written again. Raises `Refused` as
    `safetensors.refuse_others` does.
    """
    safetensors.refuse_others(tensors, f"{stem}.safetensors")
    shards = _parted(tensors, limit)
    if len(shards) == 1:
        safetensors.write(paths(f"{stem}.safetensors"), tensors, metadata, progress)
        return
    names = [f"{stem}-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
    places = [paths(name) for name in names]
    _write_each(places, shards, metadata, progress, kept)
    total = sum(tensor.nbytes for tensor in tensors.values())
    placed = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
    index = {"metadata": {"total_size": total}, "weight_map": placed}
    paths(f"{stem}.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _parted(tensors: Mapping[str, LazyTensor], limit: int) -> list[dict[str, LazyTensor]]:
    shards: list[dict[str, LazyTensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + tensor.nbytes > limit:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += tensor.nbytes
    return shards


def _write_each(
    places: Sequence[Path],
    shards: Sequence[Mapping[str, LazyTensor]],
    metadata: Mapping[str, str] | None,
    progress: Progress | None,
    kept: KeptShards | None,
) -> None:
    """Write shards, some at a time. Where one fails, or the run is to end, the others stop at their next tensor."""
    told = _Told([sum(tensor.nbytes for tensor in shard.values()) for shard in shards], progress)

    def one(number: int) -> None:
        shard, place = shards[number], places[number]
        head, _ = safetensors.framed(shard, metadata)
        if kept is not None and kept.take(place, head, len(head) + told.sizes[number]):
            told(number, told.sizes[number])
            return
        path = place if kept is None else kept.begun(place)
        safetensors.write(path, shard, metadata, lambda done, _: told(number, done), _AT_ONCE)
        if kept is not None:
            kept.finished(place)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            running = [pool.submit(one, number) for number in range(len(shards))]
            ended, _ = wait(running, return_when=FIRST_EXCEPTION)
        except BaseException:
            told.stop.set()
            raise
        if any(future.exception() for future in ended):
            told.stop.set()
    failures = [error for future in running if (error := future.exception()) and not isinstance(error, _Stopped)]
    if failures:
        raise failures[0]
    if kept is not None:
        for place in places:
            kept.give(place)


class _Told:
    """How much of all shards is written, told as one; where the others shall stop it raises `_Stopped`."""

    def __init__(self, sizes: Sequence[int], progress: Progress | None) -> None:
        self.sizes, self.stop = sizes, Event()
        self._done, self._progress, self._lock = [0] * len(sizes), progress, Lock()

    def __call__(self, number: int, done: int) -> None:
        if self.stop.is_set():
            raise _Stopped
        with self._lock:
            self._done[number] = done
            if self._progress:
                self._progress(sum(self._done), sum(self.sizes))


def read(
    open_file: Callable[[str], SourceFile | None], read_text: Callable[[str], str], stem: str, where: str
) -> dict[str, LazyTensor]:
    """The tensors that `write` wrote. Raises `DamagedFile` where index and shards disagree."""
    single = open_file(f"{stem}.safetensors")
    if single is not None:
        return safetensors.read(single)[0]
    try:
        placed = json.loads(read_text(f"{stem}.safetensors.index.json"))["weight_map"]
        shards = {name: open_file(name) for name in sorted(set(placed.values())) if "/" not in name}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(where, f"expected {stem}.safetensors or its index, got {error!r}") from error
    found: dict[str, LazyTensor] = {}
    for name, file in shards.items():
        if file is None:
            raise DamagedFile(where, f"expected the shard {name}, which is missing")
        found |= safetensors.read(file)[0]
    if set(found) != set(placed):
        raise DamagedFile(where, f"the index and the shards differ in {sorted(set(found) ^ set(placed))[:3]}")
    return found
