"""Calls with another number of leading axes than layers have: none for the batch, or several."""

from __future__ import annotations

from dataclasses import replace

from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader, Tensor
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.tensor_ops import Reshape
from irconv.ir.shapes import product


def unbatched(spatial: int, handler: Handler, argument: str = "self") -> Handler:
    """A call whose `argument` may be one member of a batch, without the batch's axis."""

    def read(reader: ProgramReader, call: Call) -> None:
        value = call.arguments[argument]
        if len(reader.shape(value)) != spatial + 1:
            handler(reader, call)
            return
        name = f"{call.outputs[0]}/batched"
        reader.values[name] = reader.place(call, Unsqueeze(axes=(0,)), "batched", x=reader.value(value))
        outputs = tuple(f"{output}/one" for output in call.outputs)
        handler(reader, replace(call, arguments={**call.arguments, argument: Tensor(name)}, outputs=outputs))
        for output, made in zip(call.outputs, outputs, strict=True):
            if made in reader.values:
                layer = Squeeze(axes=(0,))
                reader.importer.place(layer, {"x": reader.values[made]}, [output], name=output, where=call.where)
                reader.values[output] = output

    return read


def leading(own: int, handler: Handler) -> Handler:
    """A call with one result that works on the last `own` axes, behind any number of others."""

    def read(reader: ProgramReader, call: Call) -> None:
        value = call.arguments["self"]
        shape = reader.shape(value)
        if len(shape) == own + 1:
            handler(reader, call)
            return
        before, (output,) = shape[:-own], call.outputs
        name, made = f"{output}/batched", f"{output}/one"
        one = Reshape(shape=(product(before).dimension, *shape[-own:]))
        reader.values[name] = reader.place(call, one, "batched", x=reader.value(value))
        handler(reader, replace(call, arguments={**call.arguments, "self": Tensor(name)}, outputs=(made,)))
        result = reader.values[made]
        back = Reshape(shape=(*before, *reader.importer.type_of(result).shape[-own:]))
        reader.importer.place(back, {"x": result}, [output], name=output, where=call.where)
        reader.values[output] = output

    return read
