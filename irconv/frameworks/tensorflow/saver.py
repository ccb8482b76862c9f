"""Variables as nodes that start, read, save and restore them, as `tf.train.Saver` adds them to a graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irconv.containers.graph_def import ElementType, SaverDef, Sizes, VariableDef
from irconv.containers.tensor_protos import StringTensor
from irconv.frameworks.tensorflow.emit import Emitted, Variable
from irconv.frameworks.tensorflow.naming import Names
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.tensors import LazyTensor

_STRING = ElementType("string")
_VERSION = 2  # of checkpoints


def definition(variable: Variable) -> VariableDef:
    """What a collection notes of a variable."""
    return VariableDef(
        name=f"{variable.name}:0",
        snapshot=f"{variable.read}:0",
        resource=True,
        trainable=variable.trainable,
        initial_value=f"{variable.name}/Initializer/zeros:0",
        initializer=f"{variable.name}/Assign",
    )


def add_initializers(made: Emitted) -> None:
    """Zeros for each variable until it is restored, as `tf.zeros_initializer` gives them."""
    for variable in made.variables:
        scope, dtype = f"{variable.name}/Initializer/zeros", ElementType(variable.data.dtype)
        shape = LazyTensor.of(np.asarray(variable.data.shape, np.int32))
        zero = LazyTensor.of(np.zeros((), numpy_dtype(variable.data.dtype)))
        made.add(f"{scope}/shape_as_tensor", "Const", dtype=ElementType("int32"), value=shape)
        made.add(f"{scope}/Const", "Const", dtype=dtype, value=zero)
        inputs = [f"{scope}/shape_as_tensor", f"{scope}/Const"]
        made.add(scope, "Fill", inputs, T=dtype, index_type=ElementType("int32"))
        made.add(f"{variable.name}/Assign", "AssignVariableOp", [variable.name, scope], dtype=dtype)


def add_saver(made: Emitted, names: Names) -> SaverDef:
    """The nodes that save all variables under their names, and restore them; SaveV2 takes one at least."""
    scope = names.unique("save")
    variables = sorted(made.variables, key=lambda variable: variable.name)
    prefix = made.add(f"{scope}/filename/input", "Const", dtype=_STRING, value=_texts(["model"], ()))
    prefix = made.add(f"{scope}/filename", "PlaceholderWithDefault", [prefix], dtype=_STRING, shape=Sizes())
    prefix = made.add(f"{scope}/Const", "PlaceholderWithDefault", [prefix], dtype=_STRING, shape=Sizes())
    keys = _texts([variable.name for variable in variables], (len(variables),))
    whole = _texts([""] * len(variables), (len(variables),))
    types = tuple(ElementType(variable.data.dtype) for variable in variables)

    def keyed(node: str) -> list[str]:
        named = made.add(f"{scope}/{node}/tensor_names", "Const", dtype=_STRING, value=keys)
        return [prefix, named, made.add(f"{scope}/{node}/shape_and_slices", "Const", dtype=_STRING, value=whole)]

    after = [prefix]
    if variables:
        saved = [*keyed("SaveV2"), *(variable.read for variable in variables)]
        after.append(f"^{made.add(f'{scope}/SaveV2', 'SaveV2', saved, dtypes=types)}")
        made.add(f"{scope}/RestoreV2", "RestoreV2", keyed("RestoreV2"), dtypes=types)
    made.add(f"{scope}/control_dependency", "Identity", after, T=_STRING)
    assigned: list[str] = []
    for i, (variable, dtype) in enumerate(zip(variables, types, strict=True)):
        value = made.add(
            f"{scope}/Identity_{i}", "Identity", [f"{scope}/RestoreV2:{i}" if i else f"{scope}/RestoreV2"], T=dtype
        )
        assigned.append(
            made.add(f"{scope}/AssignVariableOp_{i}", "AssignVariableOp", [variable.name, value], dtype=dtype)
        )
    made.add(f"{scope}/restore_all", "NoOp", [f"^{name}" for name in assigned])
    return SaverDef(f"{scope}/Const:0", f"{scope}/control_dependency:0", f"{scope}/restore_all", _VERSION)


def _texts(values: Sequence[str], shape: tuple[int, ...]) -> StringTensor:
    return StringTensor(shape, tuple(value.encode() for value in values))
