"""Calls that no rule is for, kept as they are (``--keep-opaque``)."""

from __future__ import annotations

from typing import Any

from irconv.codec import Native, NativeUse
from irconv.containers.exported_program import ELEMENT_TYPES
from irconv.errors import Refused
from irconv.frameworks.torch.aten.program import Call, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor, dimension
from irconv.ir.layers.base import Origin
from irconv.translate.opaque import Hint, plain


def keep(reader: ProgramReader, call: Call) -> None:
    """Keep a call, with what the program says of the types of its results; each tensor that it takes stands in its
    arguments as the slot of the layer.

    Raises `Refused` for one that writes to its arguments, or gives no tensors.
    """
    name = call.op.removeprefix("torch.ops.")
    if any(part.endswith("_") or part == "out" for part in name.split(".")) or not call.outputs:
        raise Refused(call.where, f"irconv has no rule for {name}, and keeps no op that writes to its arguments")
    taken: list[str] = []

    def spelt(argument: Any) -> Any:
        if isinstance(argument, Tensor):
            taken.append(reader.value(argument))
            return f"x{len(taken) - 1}"
        return [spelt(part) for part in argument] if isinstance(argument, list | tuple) else argument

    config = plain({key: spelt(argument) for key, argument in call.arguments.items()}, call.where)
    for result in call.outputs:
        if (meta := reader.meta.get(result)) is not None:
            sizes = tuple(dimension(size) for size in meta["sizes"])
            reader.keeping.hints[result] = Hint(sizes, ELEMENT_TYPES[meta["dtype"]], "the program's own note")
    label = reader.importer.free(call.outputs[0])
    origin = Origin(framework="torch", type=name, name=label, config=config, split_from=None)
    native = Native(name, label, config, origin=origin)
    reader.keeping.add(reader.importer, native, NativeUse(label, tuple(taken), call.outputs), call.where)
    reader.values |= {result: result for result in call.outputs}
