"""In which order Keras 3 calls the layers of a Functional model: it matters where a call changes what others see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from irconv.frameworks.keras.calls import Call, Reference

_Node = tuple[str, int]


def run_order(calls: Mapping[str, Sequence[Call]], outputs: Sequence[Reference]) -> list[str]:
    """The layers by their first call: those furthest from the outputs first, and of equal ones the last that a walk
    from the outputs comes to. Layers that no output needs stand last.

    >>> from irconv.frameworks.keras.calls import read_calls
    >>> x = Reference("x", 0, 0)
    >>> calls = {"x": [Call()], "a": [Call((x,))], "b": [Call((x,))]}
    >>> run_order(calls, [Reference("a", 0, 0), Reference("b", 0, 0)])
    ['x', 'b', 'a']
    """
    depths: dict[_Node, int] = {}
    of_layer: dict[str, int] = {}
    for node in reversed(_walked(calls, outputs)):
        depths.setdefault(node, 0)
        depth = max(depths[node], of_layer.get(node[0], 0))
        of_layer[node[0]] = depths[node] = depth
        for parent in _parents(calls, node):
            depths[parent] = max(depth + 1, depths.get(parent, 0))
    found = dict.fromkeys(layer for (layer, _), _ in sorted(depths.items(), key=lambda item: -item[1]))
    return list({**found, **dict.fromkeys(calls)})


def _walked(calls: Mapping[str, Sequence[Call]], outputs: Sequence[Reference]) -> list[_Node]:
    """Every call behind what it takes, from the outputs on."""
    found: dict[_Node, None] = {}
    seen: set[_Node] = set()
    waiting = [((output.layer, output.call), False) for output in reversed(outputs)]
    while waiting:
        node, behind = waiting.pop()
        if behind:
            found[node] = None
        elif node not in seen and node[0] in calls:
            seen.add(node)
            waiting.append((node, True))
            waiting += [(parent, False) for parent in reversed(_parents(calls, node))]
    return list(found)


def _parents(calls: Mapping[str, Sequence[Call]], node: _Node) -> list[_Node]:
    listed = calls[node[0]]
    if node[1] >= len(listed):
        return []
    return [(r.layer, r.call) for r in listed[node[1]].references if r.layer in calls]
