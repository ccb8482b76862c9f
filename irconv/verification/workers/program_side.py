"""A program of ``torch.export`` (``.pt2``) in PyTorch, from a copy that holds nothing which PyTorch would execute.

An archive has pickles (sample inputs, odd tensors, objects), and its graph names what is called and writes sizes as
expressions, which PyTorch evaluates as Python. The copy has the graph, with every name and expression looked at, and
tensors as bytes; sample inputs, guards and notes of where things came from are left out, and anything else is refused.
"""

import json
import os
import re
import tempfile
import zipfile
from importlib import import_module
from typing import Any

_CALLED = re.compile(
    r"torch\.ops\.aten\.(_?[A-Za-z]\w*|__(and|or|xor|lshift|rshift)__)(\.[A-Za-z]\w*)?"
    r"|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge)"
)
"""What a node may call: PyTorch's own operations on tensors, and Python's on numbers."""
_OUTSIDE = re.compile(r"file|save|load|print|debug|storage|shared", re.IGNORECASE)
"""Words in the names of operations of PyTorch that reach beyond tensors."""
_WORDS = frozenset(
    "Symbol integer positive nonnegative True False Integer Add Mul Mod Pow Max Min Eq Ne Le Lt Ge Gt FloorDiv CeilDiv "  # noqa: SIM905
    "CleanDiv PythonMod IntTrueDiv FloatTrueDiv ModularIndexing Where And Or Not GreaterThan LessThan "
    "StrictGreaterThan StrictLessThan Equality Unequality Rational Float oo int_oo evaluate".split()
)
_EXPRESSION = re.compile(r"[\w\s+\-*/%(),=<>.']*")
"""The characters of an expression over sizes; every word in it is one of `_WORDS` or the name of a size."""
_SYMBOL = re.compile(r"[szu]\d+|\d+|\d+e\d+")
_NESTED = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
"""What inputs and outputs may lie in; of other types PyTorch would import something."""
_PARTS = ("archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id")
_MOST = 1 << 28


def checked(found: Any) -> Any:
    """A graph without what only explains it. Raises `ValueError` for what PyTorch would execute."""
    if isinstance(found, list):
        return [checked(one) for one in found]
    if not isinstance(found, dict):
        return found
    for key in ("as_custom_obj", "as_operator"):
        if found.get(key):
            raise ValueError("it has an object that PyTorch would call")
    target, expression = found.get("target"), found.get("expr_str")
    if target is not None and (not _CALLED.fullmatch(str(target)) or _OUTSIDE.search(str(target))):
        raise ValueError("it calls " + str(target))
    if expression is not None and not _plain(str(expression)):
        raise ValueError("it has the expression " + str(expression)[:80])
    for key in ("in_spec", "out_spec"):
        _check_nesting(json.loads(found[key])[1] if found.get(key) else {})
    kept = {key: checked(value) for key, value in found.items()}
    return {**kept, "metadata": {}} if "metadata" in found else kept


def _check_nesting(spec: Any) -> None:
    if spec.get("type") not in _NESTED:
        raise ValueError("its inputs or outputs lie in " + str(spec["type"]))
    for one in spec.get("children_spec", ()):
        _check_nesting(one)


def _plain(expression: str) -> bool:
    words = re.findall(r"\w+", expression)
    known = all(word in _WORDS or _SYMBOL.fullmatch(word) for word in words)
    return bool(_EXPRESSION.fullmatch(expression)) and known and not re.search(r"\.\s*[A-Za-z_(]", expression)


def copied(path: str, to: str) -> None:
    """Copy what is no program of an archive. Raises `ValueError` for pickles that are needed."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, "w", zipfile.ZIP_STORED) as target:
        members = {one.filename.split("/", 1)[-1]: one for one in source.infolist()}
        if len(members) != len(source.infolist()) or "models/model.json" not in members:
            raise ValueError("expected one model in the archive")
        for name, member in members.items():
            if name == "models/model.json":
                graph = {**json.loads(_content(source, member)), "guards_code": []}
                target.writestr("model/" + name, json.dumps(checked(graph)))
            elif re.fullmatch(r"data/(weights|constants)/model_\w+_config\.json", name):
                config = json.loads(_content(source, member))
                for tensor, entry in config["config"].items():
                    raw = re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"])
                    if entry.get("use_pickle") is not False or not raw:
                        raise ValueError(tensor + " is kept as a pickle")
                target.writestr("model/" + name, json.dumps(config))
            elif name in _PARTS or re.fullmatch(r"data/(weights/weight|constants/tensor)_\d+", name):
                with source.open(member) as read, target.open("model/" + name, "w", force_zip64=True) as write:
                    while part := read.read(1 << 22):
                        write.write(part)
        target.writestr("model/data/sample_inputs/model.pt", b"")


def _content(archive: Any, member: Any) -> bytes:
    if member.file_size > _MOST:
        raise ValueError(member.filename + " is larger than a graph may be")
    return bytes(archive.read(member))


class Side:
    """The program of one file."""

    name = "torch"

    def __init__(self, path: str, options: Any) -> None:
        self._torch = import_module("torch")
        self.version = str(self._torch.__version__).split("+")[0]
        with tempfile.TemporaryDirectory(prefix="irconv-program-") as folder:
            copy = os.path.join(folder, "model.pt2")
            copied(path, copy)
            program = import_module("torch.export").load(copy)
        self._module, self._spec = program.module(), program.call_spec.in_spec
        self._state = {name: tensor.clone() for name, tensor in self._module.state_dict().items()}
        signature = program.graph_signature
        nodes = {node.name: node for node in program.graph.nodes}
        self.inputs = [self._described(name, nodes[name].meta["val"]) for name in signature.user_inputs]
        outputs = [nodes[name].meta["val"] for name in signature.user_outputs if name in nodes]
        self.outputs = [self._described(name, one) for name, one in zip(signature.user_outputs, outputs, strict=False)]
        kinds = {str(one.dtype).split(".")[-1] for one in self._state.values()}
        least = ("bfloat16", "float16", "float32", "float64")
        self.precision = next((kind for kind in least if kind in kinds), "float32")

    def _described(self, name: str, tensor: Any) -> Any:
        """Name, shape and element type of an input or output."""
        shape = [size if isinstance(size, int) else None for size in tensor.shape]
        symbols = ["" if isinstance(size, int) else str(size) for size in tensor.shape]
        return {"name": name, "shape": shape, "symbols": symbols, "dtype": str(tensor.dtype).split(".")[-1]}

    def _fresh(self) -> None:
        """Undo what a run has written into buffers."""
        self._module.load_state_dict({name: tensor.clone() for name, tensor in self._state.items()})

    def _given(self, arrays: Any) -> Any:
        flat = [self._torch.from_numpy(array) for array in arrays]
        return import_module("torch.utils._pytree").tree_unflatten(flat, self._spec)

    def _array(self, tensor: Any) -> Any:
        tensor = tensor.detach()
        return (tensor.float() if tensor.dtype == self._torch.bfloat16 else tensor).cpu().numpy()

    def run(self, arrays: Any) -> Any:
        """The outputs in order, from the inputs in order."""
        self._fresh()
        placed, named = self._given(arrays)
        with self._torch.no_grad():
            found = self._module(*placed, **named)
        flat = import_module("torch.utils._pytree").tree_leaves(found)
        return [self._array(tensor) for tensor in flat if hasattr(tensor, "detach")]

    def names(self, arrays: Any) -> Any:
        """What every operation of the graph gives, with what it takes."""
        return [(name, takes) for name, takes, _ in self._recorded(arrays, None)]

    def values(self, arrays: Any, names: Any) -> Any:
        """The values of these names, in the order in which they are made."""
        return [(name, self._array(tensor)) for name, _, tensor in self._recorded(arrays, set(names))]

    def _recorded(self, arrays: Any, wanted: Any) -> Any:
        """Name, what it takes, and the tensor of every value, or of those that are wanted."""
        self._fresh()
        found: Any = []
        base: Any = import_module("torch.fx").Interpreter

        class Recorder(base):  # type: ignore[misc]
            def run_node(self, node: Any) -> Any:
                result = super().run_node(node)
                if node.op == "call_function" and hasattr(result, "detach"):
                    takes = [one.name for one in node.all_input_nodes if one.op == "call_function"]
                    if wanted is None or node.name in wanted:
                        found.append((node.name, takes, result.detach().clone() if wanted else None))
                return result

        with self._torch.no_grad():
            Recorder(self._module).run(*[self._torch.from_numpy(array) for array in arrays])
        return found
