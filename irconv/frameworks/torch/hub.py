"""Writes a folder as the Hugging Face hub keeps models: ``config.json``, ``model.safetensors``, a card, and the source.

``README.md`` is the card: facts in YAML between two lines of ``---``, then words
(https://huggingface.co/docs/hub/model-cards). ``config.json`` has the labels as the transformers library has them,
``id2label`` and ``label2id``. ``model.py`` is what `irconv.frameworks.torch.write` writes; ``load()`` in it gives the
module with its weights. No code is run by downloading the folder.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from irconv import __version__
from irconv.containers import safetensors, shards
from irconv.containers.files import Progress
from irconv.containers.outputs import Output
from irconv.errors import MALFORMED
from irconv.frameworks.torch.state_dict import METADATA, SHARD_BYTES, TIED, stored_weights
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.manifest import Meta
from irconv.ir.tensors import LazyTensor
from irconv.options import WriteOptions, refuse_unused, said_size
from irconv.terminal import shown

CONFIG, CARD, STEM = "config.json", "README.md", "model"
_MARK = "irconv_version"
_MOST_TEXT = 1 << 24


def write_folder(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write the folder; weights without a graph have no ``model.py``.

    Raises `Refused` naming every layer PyTorch cannot express.
    """
    limit = SHARD_BYTES if options.shard_size is None else said_size(options.shard_size)
    if bundle.graph is not None:
        refuse_unused(
            options, ("shard_size", "resume"), "model.py loads one file, and weights without a graph alone have shards"
        )
    folder = output.folder(destination, own_files)
    config: dict[str, Any] = {_MARK: __version__}
    if bundle.graph is None:
        tensors, ties = stored_weights(bundle)
    else:
        # the emitter takes longer to import than weights alone to write
        from irconv.frameworks.torch.write import emitted

        made = emitted(bundle, STEM)
        tensors, ties = made.tensors, made.ties
        config = {"architectures": [made.class_name], **config}
        (folder / f"{STEM}.py").write_text(made.text, encoding="utf-8")
    metadata = {**METADATA, **bundle.source.marks(), **{f"{TIED}{name}": kept for name, kept in ties.items()}}
    if bundle.graph is None and sum(tensor.nbytes for tensor in tensors.values()) > limit:
        shards.write(folder.joinpath, STEM, tensors, limit, progress, metadata, output.kept_shards(destination))
    else:
        output.refuse_resuming()
        safetensors.write(folder / f"{STEM}.safetensors", tensors, metadata, progress)
    config |= _described(bundle, tensors)
    (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card(bundle), encoding="utf-8")
    return [destination]


def own_files(folder: Path) -> Collection[str] | None:
    """The files of a folder that irconv wrote, as its ``config.json`` says; None for another."""
    config = folder / CONFIG
    try:
        if config.stat().st_size > _MOST_TEXT or _MARK not in json.loads(config.read_bytes()):
            return None
    except (OSError, RecursionError, *MALFORMED):
        return None
    return {CONFIG, CARD, f"{STEM}.py", *(path.name for path in folder.glob(f"{STEM}*.safetensors*"))}


def _described(bundle: Bundle, tensors: dict[str, LazyTensor]) -> dict[str, Any]:
    """What ``config.json`` says beside the class."""
    sizes: dict[str, int] = {}
    for tensor in tensors.values():
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.nbytes
    found: dict[str, Any] = {"torch_dtype": max(sizes, key=lambda dtype: sizes[dtype])} if sizes else {}
    if bundle.graph is not None:
        found["inputs"] = [_port(port) for port in bundle.graph.inputs]
        found["outputs"] = [_port(port) for port in bundle.graph.outputs]
    if bundle.meta is not None and bundle.meta.labels:
        found["id2label"] = {str(index): label for index, label in enumerate(bundle.meta.labels)}
        found["label2id"] = {label: index for index, label in enumerate(bundle.meta.labels)}
    source = bundle.source
    files = [file.name for file in source.files]
    return {**found, "source": {"framework": source.framework, "version": source.version, "files": files}}


def _port(port: Port) -> dict[str, Any]:
    return {"name": port.name, "dtype": port.dtype, "shape": list(port.shape), "axes": port.axes}


def card(bundle: Bundle) -> str:
    """The model card."""
    meta, source = bundle.meta or Meta(), bundle.source
    head: dict[str, Any] = {"library_name": "pytorch", "tags": ["irconv", source.framework]}
    if meta.licence:
        head["license"] = meta.licence
    # JSON is YAML, and quotes whatever a name may hold
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in head.items()), "---", ""]
    made_by = " ".join(part for part in (source.framework, source.version) if part)
    names = ", ".join(_inline(file.name) for file in source.files) or "an unnamed file"
    lines += [f"# {_text(meta.title) or f'A model from {names}'}", "", *_said(meta)]
    lines += [f"Read from {names} ({_text(made_by)}) by irconv {__version__}.", ""]
    return "\n".join([*lines, *_usage(bundle)]).rstrip() + "\n"


def _said(meta: Meta) -> Iterator[str]:
    if meta.description:
        yield from (_text(meta.description), "")
    rows = [("Author", meta.author), ("Source", meta.url), ("Preprocessing", meta.preprocessing)]
    rows += [("Labels", ", ".join(meta.labels))] if meta.labels else []
    for name, value in rows:
        if value:
            yield from (f"**{name}**: {_text(value)}", "")


def _usage(bundle: Bundle) -> Iterator[str]:
    if bundle.graph is None:
        yield "`model.safetensors` holds the weights under the names that they had, and nothing says what they compute."
        return
    yield from ("## Use", "", "`model.py` is readable source; it needs PyTorch and safetensors.", "")
    yield from (
        "```python",
        "from model import load",
        "",
        "model = load()  # in evaluation mode, with its weights",
        "```",
    )
    yield from ("", "| | name | type | shape | axes |", "| --- | --- | --- | --- | --- |")
    for kind, ports in (("input", bundle.graph.inputs), ("output", bundle.graph.outputs)):
        for port in ports:
            shape = " x ".join(map(str, port.shape))
            yield f"| {kind} | {_inline(port.name)} | {port.dtype} | {_text(shape)} | {port.axes} |"


def _text(said: str) -> str:
    """What people said, on one line, as text of Markdown and never as its markup or HTML."""
    found = shown(" ".join(said.split()))
    for mark in "\\`*_{}[]<>#|":
        found = found.replace(mark, f"\\{mark}" if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark])
    return found


def _inline(name: str) -> str:
    return f"`{shown(name).replace('`', chr(39)).replace('|', '/')}`"
