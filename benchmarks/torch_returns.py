"""State dicts of the zoo's networks, as written and after a way there and back: which keys are there, bit for bit."""

from __future__ import annotations

from typing import Any


def state(program: Any, module: Any) -> dict[str, Any]:
    """Of the parameters and buffers that inference reads, how many a module has under their key bit for bit, and the
    keys of the rest; `unread`, those that no output depends on; `more`, what the module has besides."""
    import torch

    wanted, got = dict(program.state_dict), dict(module.state_dict())
    needed = _read(program)
    read = [key for key in wanted if key in needed]
    equal = [key for key in read if key in got and got[key].dtype == wanted[key].dtype]
    equal = [key for key in equal if torch.equal(wanted[key], got[key])]
    return {
        "equal": len(equal),
        "read": len(read),
        "missing": [key for key in read if key not in got],
        "unequal": [key for key in read if key in got and key not in equal],
        "unread": [key for key in wanted if key not in read and key not in got],
        "more": [key for key in got if key not in wanted],
    }


def _read(program: Any) -> set[str]:
    """The keys of what an output depends on."""
    needed: set[Any] = set()
    for node in reversed(program.graph.nodes):
        if node.op == "output" or node in needed or _in_place(str(node.target)):
            needed.update(node.all_input_nodes)
    keys = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs if spec.target}
    return {keys[node.name] for node in needed if node.name in keys}


def _in_place(target: str) -> bool:
    parts = target.split(".")
    return len(parts) > 1 and parts[1].endswith("_") and not parts[1].endswith("__")
