"""Low-rank adapters (LoRA) beside their base, as PEFT saves them: ``W + scale B A``, computed where it is asked for.

A base without its adapter is another network, so that a folder with both is written merged or not at all. The scale is
``lora_alpha / r``, or ``lora_alpha / sqrt(r)`` (``use_rslora``), of ``adapter_config.json``; the names in the adapter
are those of the base behind ``base_model.model.`` (PEFT 0.3 to 0.21, ``peft/tuners/lora/layer.py``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from irconv.containers.watch import note
from irconv.data_classes import dataclass
from irconv.errors import MALFORMED, DamagedFile, MissingFact, Problems, Refused
from irconv.frameworks.torch.files import ADAPTER_FILES
from irconv.frameworks.torch.groups import Weight
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.manifest import Fact, Group
from irconv.ir.tensors import LazyTensor

CONFIG = "adapter_config.json"
FACT = "adapter"
_OUTER = "base_model.model."
_PIECE = re.compile(r"(?P<module>.+)\.lora_(?P<kind>embedding_)?(?P<side>[AB])(\.(default|weight))*$")
_MARK = re.compile(r"\.lora_(embedding_)?[AB](\.|$)|\.lora_magnitude_vector")
_MOST = 1 << 24
_UNKNOWN = (
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "megatron_config",
    "velora_config",
    "lora_bias",
    "layer_replication",
)
_ADVICE = "Merge it with PEFT (merge_and_unload) and save that, or lay the base's model.safetensors beside it and give"


def beside(folder: Path) -> Path | None:
    """The adapter in a folder, if there is one."""
    if not (folder / CONFIG).is_file():
        return None
    return next((folder / name for name in ADAPTER_FILES if (folder / name).is_file()), None)


def refuse_alone(names: Mapping[str, Any] | list[str], path: Path) -> None:
    """Raise `Refused` for low-rank pieces without the weights that they are added to."""
    pieces = [name for name in names if _MARK.search(name)]
    if pieces and not any(name for name in names if name not in pieces and name.endswith("weight")):
        what = f"holds low-rank pieces ({pieces[0]}, ...) of a base that is not here"
        raise Refused(str(path), what, f"{_ADVICE} --merge.")


def settings(folder: Path) -> Fact:
    """What the adapter's config says of its scale. Raises `DamagedFile`, and `Refused` for other methods than LoRA."""
    path = folder / CONFIG
    try:
        if path.stat().st_size > _MOST:
            raise ValueError(f"{path.stat().st_size} bytes")
        note(path)
        config = json.loads(path.read_bytes())
        kind = config.get("peft_type")
        kept = {key: config.get(key) for key in ("r", "lora_alpha", "rank_pattern", "alpha_pattern")}
        kept |= {key: bool(config.get(key)) for key in ("use_rslora", "fan_in_fan_out")}
    except (RecursionError, *MALFORMED) as error:
        raise DamagedFile(str(path), f"expected the config of an adapter, got {str(error)[:200]}") from error
    strange = [key for key in _UNKNOWN if config.get(key)]
    if kind != "LORA" or strange:
        what = f"is an adapter of the kind {kind}" + (f" with {', '.join(strange)}" if strange else "")
        raise Refused(str(path), f"{what}, which irconv cannot merge", f"{_ADVICE.partition(', or')[0]}.")
    return Fact(name=FACT, value=json.dumps(kept, sort_keys=True), evidence=CONFIG)


def joined(base: Mapping[str, Weight], adapter: Mapping[str, Weight], path: Path) -> dict[str, Weight]:
    """The weights of the base and the pieces of its adapter, under the base's names. Raises `MissingFact` where the
    base has no such weight."""
    problems, found = Problems(), dict(base)
    for name, weight in adapter.items():
        plain = name.removeprefix(_OUTER)
        match = _PIECE.match(plain)
        target = f"{match['module']}.weight" if match else plain.replace(".modules_to_save.", ".")
        if target not in base:
            problems.add(f"{path}: {name}", f"expected {target} in the base, which has none", kind=MissingFact)
        elif match is None:
            found[target] = weight  # trained whole, in the place of the base's
        else:
            found[f"{match['module']}.lora_{match['kind'] or ''}{match['side']}"] = weight
    problems.raise_any()
    return found


def refuse_unmerged(bundle: Bundle) -> None:
    """Raise `Refused` for a base with an adapter that has not been merged into it."""
    if any(fact.name == FACT for fact in bundle.source.facts) and bundle.graph is None:
        where = ", ".join(file.name for file in bundle.source.files)
        what = "holds a base and a low-rank adapter beside it, and either alone is another network"
        raise Refused(where, what, "Give --merge to add the adapter to the base; move it away to convert the base.")


@dataclass(frozen=True)
class _Update:
    weight: str
    down: str
    up: str
    scale: float
    embedding: bool


def merged(bundle: Bundle) -> Bundle:
    """The bundle with every low-rank update added to its weight. Raises `Refused` where shapes do not fit."""
    fact = next((fact for fact in bundle.source.facts if fact.name == FACT), None)
    if fact is None:
        return bundle
    config = json.loads(fact.value)
    problems, tensors = Problems(), dict(bundle.tensors)
    names = {
        f"{group.name}.{local}".lstrip("."): key for group in bundle.groups for local, key in group.tensors.items()
    }
    gone: set[str] = set()
    for update in _updates(names, config):
        with problems.collect():
            key = names[update.weight]
            tensors[key] = _added(tensors[key], tensors[names[update.down]], tensors[names[update.up]], update, config)
        gone |= {names[update.down], names[update.up]}
    problems.raise_any()
    groups = [_without(group, gone) for group in bundle.groups]
    facts = tuple(each for each in bundle.source.facts if each is not fact)
    facts = (*facts, Fact(name="merged", value=f"{len(gone) // 2} low-rank updates", evidence=fact.value))
    kept = {key: tensor for key, tensor in tensors.items() if key not in gone}
    source = bundle.source.model_copy(update={"facts": facts})
    return replace(bundle, source=source, tensors=kept, groups=tuple(group for group in groups if group.tensors))


def _without(group: Group, gone: set[str]) -> Group:
    return replace(group, tensors={n: k for n, k in group.tensors.items() if k not in gone})


def _updates(names: Mapping[str, str], config: Mapping[str, Any]) -> list[_Update]:
    found = []
    for name in names:
        match = _PIECE.match(name)
        if match is None or match["side"] != "A":
            continue
        module, kind = match["module"], match["kind"] or ""
        rank = _of_pattern(config.get("rank_pattern"), module, config["r"])
        alpha = _of_pattern(config.get("alpha_pattern"), module, config["lora_alpha"])
        scale = alpha / (sqrt(rank) if config["use_rslora"] else rank)
        found.append(_Update(f"{module}.weight", name, f"{module}.lora_{kind}B", scale, bool(kind)))
    return found


def _of_pattern(pattern: Any, module: str, usual: float) -> float:
    """A number of its own for modules whose name ends so."""
    for name, value in (pattern or {}).items():
        if module == name or module.endswith(f".{name}"):
            return float(value)
    return float(usual)


def _added(weight: Tensor, down: Tensor, up: Tensor, update: _Update, config: Mapping[str, Any]) -> Tensor:
    w, a, b = (tensor.data.numpy().astype(np.float32) for tensor in (weight, down, up))
    turned = update.embedding or config["fan_in_fan_out"]
    delta = np.einsum("or,ri->io" if turned else "or,ri->oi", b.reshape(b.shape[0], -1), a.reshape(a.shape[0], -1))
    if delta.size != w.size or (w.ndim == 2 and delta.shape != w.shape):
        what = f"expected an update of shape {w.shape}, got {b.shape} times {a.shape}"
        raise Refused(update.weight, what)
    data = LazyTensor.of((w + np.float32(update.scale) * delta.reshape(w.shape)).astype(weight.data.numpy().dtype))
    return Tensor(replace(weight.record, source=None, steps=()), data)
