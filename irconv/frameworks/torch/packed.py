"""Weights packed into fewer bits by GPTQ, AWQ or bitsandbytes: recognised by name, and refused.

Their files look like plain tensors of integers, but which numbers these stand for is known to the tool alone that
packed them.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from irconv.errors import MALFORMED, Refused

_CONFIGS = ("config.json", "quantize_config.json", "quant_config.json")
_MOST = 1 << 24
_REMEDY = "Load it with the library that packed it, dequantise it and save plain tensors, or take the original weights."


def refuse_packed(names: Collection[str], path: Path) -> None:
    """Raise `Refused` where the names of a state dict are those of packed weights."""
    stems = {name.rpartition(".")[0] for name in names if name.endswith(".qweight")}
    packed = sorted(stem for stem in stems if {f"{stem}.qzeros", f"{stem}.scales"} & set(names))
    if packed:
        said = _method(path)
        tool = said or ("GPTQ" if any(f"{stem}.g_idx" in names for stem in packed) else "GPTQ or AWQ")
        _refuse(path, packed, tool, "qweight, qzeros, scales")
    marked = {name.partition(".quant_state.")[0] for name in names if ".quant_state." in name}
    marked |= {name.removesuffix(".absmax") for name in names if name.endswith(".absmax")}
    if marked:
        _refuse(path, sorted(marked), "bitsandbytes", "absmax, quant_map, quant_state")
    eight = sorted(name.removesuffix(".SCB") for name in names if name.endswith(".SCB"))
    if eight:
        _refuse(path, eight, "bitsandbytes", "SCB, the scales of 8-bit rows")


def _refuse(path: Path, packed: list[str], tool: str, parts: str) -> None:
    listed = f"{packed[0]} and {len(packed) - 1} more" if len(packed) > 1 else packed[0]
    raise Refused(
        f"{path}: {listed}", f"holds weights packed by {tool} ({parts}), which irconv does not unpack", _REMEDY
    )


def _method(path: Path) -> str:
    """The method that a config beside the file names, in its own word; empty where none does."""
    for name in _CONFIGS:
        file = path.parent / name
        try:
            if not file.is_file() or file.stat().st_size > _MOST:
                continue
            config = json.loads(file.read_bytes())
            said = config.get("quantization_config", config).get("quant_method")
        except (RecursionError, *MALFORMED):
            continue
        if isinstance(said, str) and said.isalnum():
            return said.upper()
    return ""
