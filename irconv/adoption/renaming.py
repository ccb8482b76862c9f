"""Other names and nothing else: the weights of a file as a state dict, each name changed by regular expressions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from irconv.adoption.mapfile import read, renamed
from irconv.containers.outputs import whole_output
from irconv.containers.watch import check_unchanged
from irconv.errors import MissingFact, Problems, Refused
from irconv.frameworks.torch import state_dict
from irconv.ir.bundle import Bundle
from irconv.ir.tensors import LazyTensor
from irconv.options import WriteOptions

_SUFFIXES = (".pt", ".pth", ".safetensors")


def rename(bundle: Bundle, rules: Sequence[str], output: Path, options: WriteOptions) -> dict[str, str]:
    """Write a state dict under other names; returns old name -> new name of all that changed.

    Raises `MissingFact` for a rule that matches nothing, and `Refused` where two tensors would have one name.
    """
    if output.suffix not in _SUFFIXES:
        remedy = f"Give a name that ends in one of {', '.join(_SUFFIXES)}, or a target with --like."
        raise Refused(str(output), "only the names of a state dict can be changed alone", remedy)
    tensors, ties = _weights(bundle)
    pairs = read(None, rules).renames
    problems = Problems()
    for pattern, _ in pairs:
        if not any(re.search(pattern, name) for name in tensors):
            problems.add(f"--rename {pattern}", "matches no name of the source", kind=MissingFact)
    names = {name: renamed(name, pairs) for name in tensors}
    for name, count in Counter(names.values()).items():
        if count > 1:
            old = ", ".join(before for before, after in names.items() if after == name)
            problems.add(name, f"would be the name of {count} tensors: {old}")
    problems.raise_any()
    with whole_output(options.force, options.dry_run, bundle.opened) as whole:
        values = {names[name]: data for name, data in tensors.items()}
        state_dict.write(values, {names[tied]: names[kept] for tied, kept in ties.items()}, whole, output)
        check_unchanged(bundle.opened)
    return {before: after for before, after in names.items() if before != after}


def _weights(bundle: Bundle) -> tuple[dict[str, LazyTensor], dict[str, str]]:
    if bundle.graph is None or state_dict.keeps_names(bundle):
        return state_dict.stored_weights(bundle)
    from irconv.frameworks.torch.write import encoded_weights

    return encoded_weights(bundle)
