"""Which operations a graph needs, and whether TensorFlow may run them.

TensorFlow's graphs are programs: some operations read and write files, call Python or talk to other machines. What an
operation is, TensorFlow's own list says. One that keeps nothing between runs may run unless its name or one of its
settings speaks of such things; of those that keep something only the ones named here may.
"""

import re
from importlib import import_module
from typing import Any

_OUTSIDE = re.compile(
    r"(?i:file|path|url|directory|descriptor|address|token|serialized|dataset|pyfunc|debug|save|restore|remote|memory_region"
    r"|distributed|collective|reader|iterator|queue|barrier|accumulator|summary|customcall|mlir|print|dump|symbolicgradient)"
    r"|^_|^Xla|^TPU|^Tpu|^DTensor|TPU|TRT|^Load|^Abort$"
)
"""Words in names and settings of operations that reach beyond the numbers they are given."""
_INNER = {"ParseTensor": "serialized", "CTCBeamSearchDecoder": "top_paths"}
"""Settings that sound like it, and are not."""
_KEEPING = re.compile(
    r"Variable(V2)?|VarHandleOp|(Read|Assign|AssignAdd|AssignSub)VariableOp|VariableShape|VarIsInitializedOp"
    r"|TemporaryVariable|If|While|Case|StatefulPartitionedCall|TensorArray\w*|Stack\w*|GuaranteeConst|Assert|Empty"
    r"|ResourceGather(Nd)?|CheckNumerics(V2)?|(Mutable)?HashTable(OfTensors)?(V2)?|LookupTable(Find|Size|Import|Insert)V2"
    r"|InitializeTableV2|StatelessRandomGetAlg|DisableCopyOnRead|DeviceIndex|Placeholder\w*|DeepCopy|Print"
)
"""Operations that keep something between runs, but nothing outside of the session."""
_RANDOM = re.compile(
    r"Random\w*|(Parameterized)?TruncatedNormal|Multinomial|StatefulUniform\w*|StatefulStandardNormal\w*"
)
_RESTORES = ("Restore", "RestoreV2", "RestoreSlice")
_LOOP = ("Enter", "RefEnter")


class Graph:
    """The operations of a file: those of its graph and those of its functions."""

    def __init__(self, graph: Any, nodes: Any) -> None:
        self._nodes = nodes
        self._functions = {one.signature.name: one for one in graph.library.function}
        registry = import_module("tensorflow.python.framework.op_def_registry")
        listed = registry.get_registered_ops().get if hasattr(registry, "get_registered_ops") else registry.get
        self._known = listed
        self._allowed: Any = set()

    def needed(self, roots: Any) -> Any:
        """The nodes that these need, by name, in the order of the file. Raises `ValueError` for one that is missing."""
        found, waiting = set(), list(roots)
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            if name not in self._nodes:
                raise ValueError("the graph has no node " + name)
            found.add(name)
            waiting += [_node(one) for one in self._nodes[name].input]
        return {name: node for name, node in self._nodes.items() if name in found}

    def refuse(self, roots: Any, file: str) -> None:
        """Raise `ValueError` with every operation that these need and that may not run.

        `file` is the node with the name of the checkpoint, from which variables may be restored; empty for none.
        """
        wrong: Any = {}
        functions: Any = {}
        kept = self.needed(roots)
        for node in kept.values():
            self._look(node, {file} if file else set(), kept, wrong, functions)
        waiting, done = dict(functions), set()
        while waiting:
            name, _ = waiting.popitem()
            if name in done:
                continue
            done.add(name)
            body = self._functions[name]
            names = {argument.name for argument in body.signature.input_arg}
            inner: Any = {}
            nodes = {node.name: node for node in body.node_def}
            for node in body.node_def:
                self._look(node, names if file else set(), nodes, wrong, inner)
            waiting.update(inner)
        if wrong:
            raise ValueError("; ".join(sorted(wrong.values())))
        self._allowed |= done

    def functions(self) -> Any:
        """The functions that were looked at and may run; TensorFlow may put others in their place where it has them."""
        return [self._functions[name] for name in self._functions if name in self._allowed]

    def draws(self, roots: Any) -> bool:
        """Whether these need random numbers, be it in a branch that is not taken."""
        inside = [node for function in self._functions.values() for node in function.node_def]
        return any(_RANDOM.fullmatch(node.op) for node in [*self.needed(roots).values(), *inside])

    def _look(self, node: Any, files: Any, nodes: Any, wrong: Any, functions: Any) -> None:
        """Note what is wrong with a node, once for each operation, and the functions that it calls."""
        for attr in node.attr.values():
            for function in [attr.func, *attr.list.func]:
                if function.name in self._functions:
                    functions[function.name] = True
                elif function.name:
                    wrong[function.name] = (
                        node.name + " (" + node.op + ") calls " + function.name + ", which is not there"
                    )
        if node.op in self._functions:
            functions[node.op] = True
            return
        reason = self._wrong(node, files, nodes)
        if reason and node.op not in wrong:
            wrong[node.op] = node.name + " (" + node.op + ") " + reason

    def _wrong(self, node: Any, files: Any, nodes: Any) -> str:
        if node.op in _RESTORES:
            source = _node(node.input[0])
            while source in nodes and source not in files and nodes[source].op == "Identity":
                source = _node(nodes[source].input[0])
            return "" if source in files else "reads a file of its own"
        known = self._known(node.op)
        if known is None:
            return "is no operation of this TensorFlow"
        if known.is_stateful:
            return (
                ""
                if _KEEPING.fullmatch(node.op) or _RANDOM.fullmatch(node.op)
                else "may touch files, Python or what other runs keep"
            )
        words = [node.op] + [one.name for one in known.input_arg] + [one.name for one in known.attr]
        words = [word for word in words if word != _INNER.get(node.op)]
        return "may touch files or Python" if any(_OUTSIDE.search(word) for word in words) else ""


def _node(value: str) -> str:
    """The node that makes a value."""
    return value.lstrip("^").split(":")[0]


def inside_loops(graph: Any) -> Any:
    """The names of the operations that run once for each turn of a loop."""
    waiting = [one for one in graph.get_operations() if one.type in _LOOP]
    found = set()
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found.add(operation.name)
            if operation.type not in ("Exit", "RefExit"):
                waiting += [user for tensor in operation.outputs for user in tensor.consumers()]
    return found
