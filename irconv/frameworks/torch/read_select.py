"""Which tensors of a checkpoint are the weights: by rule, refused with a list where the rules leave a choice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from irconv.containers.pickle import Instance
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, MissingFact, Refused
from irconv.frameworks.torch.chunked import Chunked
from irconv.frameworks.torch.modules import Module, is_module, module_tree, state_dict, unsaved
from irconv.frameworks.torch.pickles_tensors import InParts, PickledTensor, Unreadable
from irconv.ir.dtypes import logical_name
from irconv.ir.manifest import Fact, Omitted, chosen_fact, given_fact

_WEIGHTS = re.compile(
    r"((model|net|network|module)(_?state)?(_?dict)?|state_?dict(_model)?|params|weights|parameters)$"
)
_AVERAGED = re.compile(r"(^|[_.])(ema|swa|averaged?|shadow)([_.]|\d*$)")
_OPTIMIZER = re.compile(r"optim|(^|_)opt(_|\d*$)|^opt[GD]?$", re.IGNORECASE)
_TRAINING = re.compile(
    r"optim|(^|_)opt(_|\d*$)|^opt[gd]$|sched|scaler|^amp$|rng|callback|^loops$|hyper|hparams|^epoch|^step|^args$|config"
    r"|loss|criterion|metric|^message_hub$|histor|plugin$|^logs?$|^datamodule$|^meta$|sampler$|^random$|random_state"
)
_PREFIXES = "module.", "_orig_mod.", "_fsdp_wrapped_module."
"""What DataParallel, torch.compile and FSDP put in front of every name."""
_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What torch.compile, FSDP and activation checkpointing put into names wherever they wrap a module."""
_LIGHTNING = "pytorch-lightning_version"
_THE_WEIGHTS = "the part of the file that holds the weights; --key names another"
_DEEPEST = 64
_MOST = 200_000

_TENSOR = (PickledTensor, InParts, Unreadable, Chunked, np.ndarray)


@dataclass(frozen=True)
class Selection:
    """The weights of a file by name, each with the name it has in the file."""

    tensors: dict[str, tuple[str, Any]]
    omitted: tuple[Omitted, ...]
    facts: tuple[Fact, ...]
    module: Module | None
    optimizers: Optimizers | None
    """None where they are not wanted, so that the saved value may go."""


@dataclass(frozen=True)
class Optimizers:
    """A saved value, and the part of it that holds the weights: what stands beside is read when it is asked for."""

    value: Any
    chosen: Any

    def read(self, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The tensors of optimizers by dotted name; and, as plain data, the keys that lead to the weights and to each
        optimizer, with what that holds. Raises `Refused` for what is no plain data."""
        tensors: dict[str, Any] = {}
        found: dict[str, Any] = {"weights": [], "optimizers": []}
        waiting: list[tuple[tuple[Any, ...], Any]] = [((), self.value)]
        while waiting:
            keys, item = waiting.pop()
            if item is self.chosen:
                found["weights"] = list(keys)
            if keys and _is_optimizer(item):
                name = ".".join(map(str, keys))
                found["optimizers"].append([list(keys), _plain(item, name, tensors, where)])
            elif isinstance(item, dict) and len(keys) < _DEEPEST and not _is_tensor(item):
                waiting += [((*keys, key), part) for key, part in item.items() if isinstance(part, dict | list | tuple)]
        return tensors, found


def _plain(value: Any, name: str, tensors: dict[str, Any], where: str) -> Any:
    """A value as JSON, where a tensor is its name, and keys may be numbers. Raises `Refused` for any other."""
    if _is_tensor(value):
        tensors[name] = value
        return {"tensor": name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {"dict": [[key, _plain(part, f"{name}.{key}", tensors, where)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        parts = [_plain(part, f"{name}.{index}", tensors, where) for index, part in enumerate(value)]
        return {"tuple": parts} if isinstance(value, tuple) else {"list": parts}
    raise Refused(f"{where}: {name}", f"expected plain data in the state of an optimizer, got {type(value).__name__}")


def select(value: Any, sources: Mapping[str, str], where: str, key: str | None, averaged: bool) -> Selection:
    """The weights in a pickled value.

    Raises `MissingFact` listing the choices where several would do, or none, and `DamagedFile`.
    """
    path, chosen = _at_key(value, key, where) if key else _choose(value, "", where, averaged)
    if averaged and not _is_averaged(path, chosen):
        raise MissingFact(f"{where}: --ema", "expected an averaged copy of the weights, but the file holds none")
    module = module_tree(chosen, sources, where) if is_module(chosen) else None
    named, rest = _flat(chosen, where) if module is None else (state_dict(module, where), {})
    if not named and module is None:
        raise MissingFact(f"{where}: {path or 'the saved value'}", "has no tensors", _remedy(value))
    facts = [given_fact("key", path) if key else chosen_fact("key", path, _THE_WEIGHTS)] if path else []
    stripped, told = unwrapped(named, isinstance(value, dict) and _LIGHTNING in value)
    facts += told
    prefix = any(fact.name == "prefix" for fact in told)
    omitted: list[Omitted] = []
    for name, item in rest.items():
        inner = [Omitted(name=full, reason="optimizer state") for full, _ in _tensors(name, item)]
        omitted += inner or [Omitted(name=name, reason="no tensor")]
    if module is not None:
        omitted += [Omitted(name=name, reason="no part of the module's state dict") for name in unsaved(module)]
    if chosen is not value:
        omitted += _outside(value, chosen, path)
    counted = [name for name, (full, _) in stripped.items() if full == "n_averaged" and prefix]
    omitted += [Omitted(name=name, reason="the number of averaged models") for name in counted]
    tensors = {name: found for name, found in stripped.items() if name not in counted}
    return Selection(tensors, tuple(omitted), tuple(facts), module, Optimizers(value, chosen))


def _choose(value: Any, path: str, where: str, averaged: bool, depth: int = 0) -> tuple[str, Any]:
    """Go down from dictionary to dictionary to the one that holds the weights."""
    if not isinstance(value, dict | list | tuple | Instance) or is_module(value) or depth > _DEEPEST:
        return path, value
    entries = dict(_entries(value))
    # Names in a state dict have dots; those of what is saved with one have not.
    direct = [name for name, item in entries.items() if _is_tensor(item) and (_rank(item) > 0 or "." in name)]
    nested = {k: v for k, v in entries.items() if "." not in k and not _is_tensor(v) and _holds_tensors(v)}
    training = {name for name, item in nested.items() if _TRAINING.search(name.lower()) or _is_training(item)}
    beside = bool(training) or len(entries) > len(nested)
    nested = {name: item for name, item in nested.items() if name not in training}
    if not nested or (isinstance(value, list | tuple) and (len(nested) > 1 or direct or not beside)):
        return path, value
    copies = {name for name in nested if _AVERAGED.search(name.lower())}
    pool = [name for name in nested if (name in copies) == averaged] or ([] if averaged else list(copies))
    if _is_tree(nested, entries):
        return path, value
    if direct and not any(_WEIGHTS.search(name.lower()) or name in copies for name in pool):
        return path, value
    if len(pool) != 1:
        what = "holds no averaged copy of the weights" if not pool else f"holds tensors under {', '.join(pool)}"
        raise MissingFact(where + (f": {path}" if path else ""), what, _choices(path, pool or list(nested)))
    return _choose(nested[pool[0]], f"{path}.{pool[0]}".lstrip("."), where, averaged, depth + 1)


def _is_tree(nested: Mapping[str, Any], entries: Mapping[str, Any]) -> bool:
    """Whether several dictionaries are the modules of one network: no name in them, at any depth, has a dot, and there
    is nothing but tensors and such dictionaries."""
    if len(nested) < 2 or len(nested) < len(entries):
        return False
    if any(_WEIGHTS.search(name.lower()) or _AVERAGED.search(name.lower()) for name in nested):
        return False
    waiting: list[tuple[Any, int]] = [(dict(nested), 0)]
    while waiting:
        part, depth = waiting.pop()
        if not isinstance(part, dict) or depth > _DEEPEST or any("." in str(name) for name in part):
            return False
        waiting += [(item, depth + 1) for item in part.values() if not _is_tensor(item)]
    return True


def _is_averaged(path: str, chosen: Any) -> bool:
    """Whether the names on the way to the weights, or the counter of ``AveragedModel`` beside them, say so."""
    counted = "n_averaged" in dict(_entries(chosen)) if not is_module(chosen) else False
    return counted or any(_AVERAGED.search(step.lower()) for step in path.split("."))


def _choices(path: str, names: list[str]) -> str:
    keys = [f"{path}.{name}".lstrip(".") for name in names]
    return f"Give --key with one of them: {', '.join(keys)}."


def _remedy(value: Any) -> str:
    names = [name for name, item in _entries(value) if not _is_tensor(item) and _holds_tensors(item)]
    return _choices("", names) if names else ""


def _at_key(value: Any, key: str, where: str) -> tuple[str, Any]:
    """What stands under a key, or under keys joined by dots."""
    if isinstance(value, dict) and key in value:
        return key, value[key]
    found, rest = value, key.split(".")
    while rest:
        steps = range(len(rest), 0, -1)
        entries = dict(_entries(found))
        taken = next((n for n in steps if ".".join(rest[:n]) in entries), None)
        if taken is None:
            have = ", ".join(entries)[:200] if entries else type(found).__name__
            raise MissingFact(f"{where}: --key {key}", f"there is nothing of this name, but {have}", _remedy(value))
        found, rest = entries[".".join(rest[:taken])], rest[taken:]
    return key, found


def _flat(value: Any, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors of nested dictionaries and lists by dotted name; and what is no tensor."""
    if _is_tensor(value):
        return {"tensor": value}, {}
    named: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    start = "list." if isinstance(value, list | tuple) else ""
    waiting: list[tuple[str, Any, int]] = [(start, value, 0)]
    while waiting:
        prefix, part, depth = waiting.pop()
        if depth > _DEEPEST or len(named) + len(rest) + len(waiting) > _MOST:
            raise DamagedFile(where, f"expected at most {_MOST} tensors, nested at most {_DEEPEST} deep")
        inner: list[tuple[str, Any, int]] = []
        for name, item in _entries(part):
            full = f"{prefix}{name}"
            if _is_tensor(item):
                if full in named:
                    raise DamagedFile(where, f"has two tensors named {full}")
                named[full] = item
            elif is_module(item):
                named |= {f"{full}.{local}": found for local, found in _of_module(item, where).items()}
            elif not _is_optimizer(item) and isinstance(item, dict | list | tuple | Instance) and _holds_tensors(item):
                inner.append((f"{full}.", item, depth + 1))
            else:
                rest[full] = item
        waiting += reversed(inner)
    return named, rest


def _of_module(value: Instance, where: str) -> dict[str, Any]:
    return state_dict(module_tree(value, {}, where), where)


def _is_optimizer(value: Any) -> bool:
    """Whether a value is the state dict of an optimizer, whatever its name, or a list of those."""
    listed = value if isinstance(value, list | tuple) else [value]
    return bool(listed) and all(isinstance(one, dict) and {"state", "param_groups"} <= one.keys() for one in listed)


def _is_training(value: Any) -> bool:
    """Whether a value shows that it is the state of an optimizer or of numpy's random numbers."""
    if isinstance(value, Instance):
        return value.cls.module.startswith("numpy.random")
    random = isinstance(value, tuple) and len(value) == 5 and isinstance(value[0], str)
    return random or _is_optimizer(value)


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value holds by name or number; an object's attributes, or what it was made of where it has none."""
    if isinstance(value, Instance):
        value = value.items or value.attributes or value.elements or value.arguments
    if isinstance(value, dict):
        yield from ((str(name), item) for name, item in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(index), item) for index, item in enumerate(value))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, _TENSOR) and not (isinstance(value, np.ndarray) and logical_name(value.dtype) is None)


def _rank(value: Any) -> int:
    if isinstance(value, PickledTensor):
        return len(value.view.shape)
    if isinstance(value, Chunked):
        return len(value.shape)
    return value.ndim if isinstance(value, np.ndarray) else 1


def _holds_tensors(value: Any) -> bool:
    return any(True for _ in _tensors("", value))


def _tensors(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every tensor anywhere in a value, each object once, so that nothing takes longer than the file is large."""
    seen: dict[int, Any] = {}  # the values themselves, too, as identities are only unique among what is alive
    waiting = [(prefix, value)]
    while waiting:
        name, item = waiting.pop()
        if id(item) in seen:
            continue
        if _is_tensor(item):
            yield name, item
        elif isinstance(item, dict | list | tuple):
            seen[id(item)] = item
            waiting += [(f"{name}.{key}".lstrip("."), part) for key, part in _entries(item)][::-1]
        elif isinstance(item, Instance):
            seen[id(item)] = item
            waiting += [(name, part) for part in (item.items, item.elements, item.arguments, item.attributes)]


def _outside(value: Any, chosen: Any, path: str) -> list[Omitted]:
    """What stands beside the weights, each with the reason why it is not among them."""
    inside = {id(item) for _, item in _tensors("", chosen)}
    found: list[Omitted] = []
    for name, item in _entries(value):
        if item is chosen:
            continue
        tensors = [(full, tensor) for full, tensor in _tensors(name, item) if id(tensor) not in inside]
        reason = "optimizer state" if _is_optimizer(item) else _reason(name, path)
        found += [Omitted(name=full, reason=reason) for full, _ in tensors]
        if not tensors and not path.startswith(f"{name}."):
            found.append(Omitted(name=name, reason="no tensor"))
    return found


def _reason(name: str, path: str) -> str:
    if _OPTIMIZER.search(name):
        return "optimizer state"
    if _TRAINING.search(name.lower()):
        return "state of the training"
    if _AVERAGED.search(name.lower()):
        return "an averaged copy of the weights, which --ema reads"
    return f"not part of {path}"


def unwrapped(named: Mapping[str, Any], lightning: bool = False) -> tuple[dict[str, tuple[str, Any]], list[Fact]]:
    """The names without what wrappers put in front of all of them, or into them; and what was left out."""
    prefix = ""
    while found := next((p for p in _PREFIXES if _all_begin(named, prefix + p)), None):
        prefix += found
    if lightning and _all_begin(named, f"{prefix}model."):
        prefix += "model."
    facts = [Fact(name="prefix", value=prefix, evidence="in front of every name; left out")] if prefix else []
    plain = {name: name.removeprefix(prefix) for name in named}
    within = sorted({step for name in plain.values() for step in name.split(".") if step in _WRAPPERS})
    if within:
        shorter = {name: ".".join(s for s in local.split(".") if s not in _WRAPPERS) for name, local in plain.items()}
        if len(set(shorter.values())) == len(shorter):  # else two modules would share their names
            plain = shorter
            facts.append(Fact(name="wrappers", value=", ".join(within), evidence="in names; left out"))
    return {plain[name]: (name, item) for name, item in named.items()}, facts


def _all_begin(named: Mapping[str, Any], prefix: str) -> bool:
    """Whether all names begin so; the counter that averaging adds has no prefix."""
    others = [name for name in named if name != "n_averaged"]
    return bool(others) and all(name.startswith(prefix) and name != prefix for name in others)
