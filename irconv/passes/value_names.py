"""The names of values, once the transposes are gone that they were told apart from."""

from __future__ import annotations

from irconv.ir.graph import Graph


def short_names(graph: Graph) -> Graph:
    """Values named after their layers again: ``conv/y``, once the Transpose after it is gone, becomes ``conv``."""
    names = {port.value: port.value for port in graph.inputs}
    made = [value for node in graph.nodes for value in node.outputs.values()]
    taken = {*names, *(value for value in made if not value.endswith("/y"))}
    for value in made:
        short = value.rsplit("/", maxsplit=1)[0] if value.endswith("/y") else value
        names[value] = value if value != short and short in taken else short
        taken.add(names[value])
    nodes = tuple(
        node.model_copy(
            update={
                "inputs": {slot: names[value] for slot, value in node.inputs.items()},
                "outputs": {slot: names[value] for slot, value in node.outputs.items()},
            }
        )
        for node in graph.nodes
    )
    outputs = tuple(port.model_copy(update={"value": names[port.value]}) for port in graph.outputs)
    return Graph(inputs=graph.inputs, outputs=outputs, nodes=nodes)
