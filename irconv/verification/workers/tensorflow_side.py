"""A graph of TensorFlow in a session of TensorFlow 1, or of 2 with its sessions of 1.

Of the graph only what the outputs and the restoring of variables need is given to TensorFlow, once every operation in
it has been looked at: none may touch files, the network or Python.
"""

# ruff: noqa: B905, BLE001  (it runs under Python 3.6 and later)

import os
from importlib import import_module
from typing import Any

import numpy as np

_FED = "irconv_feed_"
_PROBES = ((3, (7, 5)), (3, (16, 24)), (3, (64, 96)), (1, (7, 5)), (1, (64, 96)))
"""Sizes of the batch and of what else is open that are tried to find out whether a result is random."""
_STARTS = "__saved_model_init_op"
_LEAST = ("bfloat16", "float16", "float32", "float64")


def library() -> Any:
    """TensorFlow as it was in version 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    tensorflow = import_module("tensorflow")
    one = getattr(getattr(tensorflow, "compat", tensorflow), "v1", tensorflow)
    if hasattr(one, "disable_eager_execution"):
        one.disable_eager_execution()
    return one


def parsed(message: Any, path: str) -> Any:
    """A message of a file, binary or text."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        message.ParseFromString(content)
    except Exception:
        message.Clear()
        import_module("google.protobuf.text_format").Merge(content.decode(), message)
    return message


def opened(tf: Any, path: str, kind: str, tags: Any) -> Any:
    """The MetaGraphDef of a file."""
    if kind == "graph":
        meta = tf.MetaGraphDef()
        meta.graph_def.CopyFrom(parsed(tf.GraphDef(), path))
        return meta
    if kind == "meta_graph":
        return parsed(tf.MetaGraphDef(), path)
    saved = import_module("tensorflow.core.protobuf.saved_model_pb2").SavedModel()
    graphs = parsed(saved, path).meta_graphs
    return next(graph for graph in graphs if set(graph.meta_info_def.tags) == set(tags))


def split(value: str) -> Any:
    """The node and the number of its result."""
    name, colon, number = value.lstrip("^").rpartition(":")
    return (name, int(number)) if colon and number.isdigit() else (value.lstrip("^"), 0)


def meant(error: Any) -> str:
    """What TensorFlow says of an error, without where it was."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "You must feed" in line), lines[-1] if lines else type(error).__name__)


class Side:
    """The function of one file."""

    name = "tensorflow"

    def __init__(self, path: str, options: Any) -> None:
        self._tf = library()
        self.version = str(import_module("tensorflow").__version__)
        safety = import_module("tensorflow_ops")
        meta = opened(self._tf, path, options["kind"], options["tags"])
        self._values = {feed["value"]: feed["value"] for feed in options["feeds"]}
        nodes = {node.name: node for node in meta.graph_def.node}
        self._cut(nodes, options["feeds"])
        fetches = [fetch["value"] for fetch in options["fetches"]]
        roots = [split(value)[0] for value in [*fetches, *self._values.values(), *options["fixed"]]]
        graph = safety.Graph(meta.graph_def, nodes)
        graph.refuse(roots, "")
        restoring = self._restoring(meta, graph, options["checkpoint"])
        starting = self._starting(meta, graph)
        self._session = self._imported(meta, graph.needed([*roots, *restoring, *starting]), graph.functions())
        self._restore(restoring, starting, options["checkpoint"])
        self._average(options["averages"], options["checkpoint"])
        self._made = set(graph.needed([split(value)[0] for value in fetches]))
        self._fetches = [self._tensor(value) for value in fetches]
        self._feeds = [self._tensor(self._values[feed["value"]]) for feed in options["feeds"]]
        self._fixed = {self._tensor(name): value for name, value in options["fixed"].items()}
        self.inputs = [
            {"name": feed["name"], "shape": feed["shape"], "symbols": feed["symbols"], "dtype": self._dtype(tensor)}
            for feed, tensor in zip(options["feeds"], self._feeds)
        ]
        named = zip(options["fetches"], self._fetches)
        self.outputs = [{"name": one["name"], "shape": None, "dtype": self._dtype(tensor)} for one, tensor in named]
        if graph.draws([split(value)[0] for value in fetches]):
            self._refuse_random()
        kinds = {self._dtype(tensor) for name in self._made for tensor in self._operation(name).outputs}
        self.precision = next((kind for kind in _LEAST if kind in kinds), "float32")

    def _cut(self, nodes: Any, feeds: Any) -> None:
        """Put placeholders where values are fed that other operations make, such as an iterator's."""
        for number, feed in enumerate(feeds):
            name, index = split(feed["value"])
            if nodes[name].op.startswith("Placeholder"):
                continue
            node = self._tf.NodeDef(name=_FED + str(number), op="Placeholder")
            node.attr["dtype"].type = self._tf.as_dtype(feed["dtype"]).as_datatype_enum
            taken = {(name, index)}
            for other in nodes.values():
                data = [one for one in other.input if not one.startswith("^")]
                ends = [one for one in other.input if one.startswith("^")]
                del other.input[:]
                other.input.extend([node.name if split(one) in taken else one for one in data] + ends)
            nodes[node.name] = node
            self._values[feed["value"]] = node.name

    def _restoring(self, meta: Any, graph: Any, checkpoint: Any) -> Any:
        """The operation that gives the variables their values; none where there are none."""
        if not checkpoint:
            return []
        saver = meta.saver_def
        if not saver.restore_op_name:
            raise ValueError("the graph does not say how its variables are restored")
        self._file = saver.filename_tensor_name
        graph.refuse([saver.restore_op_name], split(self._file)[0])
        return [saver.restore_op_name, split(self._file)[0]]

    def _starting(self, meta: Any, graph: Any) -> Any:
        """The operation that fills tables, as far as it may run."""
        for key in ("saved_model_main_op", "legacy_init_op"):
            for found in meta.collection_def[key].node_list.value if key in meta.collection_def else []:
                graph.refuse([split(found)[0]], "")
                return [split(found)[0]]
        found = meta.signature_def.get(_STARTS)
        names = [split(info.name)[0] for info in found.outputs.values()] if found else []
        graph.refuse(names, "")
        return names

    def _imported(self, meta: Any, kept: Any, functions: Any) -> Any:
        part = self._tf.GraphDef()
        part.versions.CopyFrom(meta.graph_def.versions)
        part.library.function.extend(functions)
        for node in kept.values():
            copy = part.node.add()
            copy.CopyFrom(node)
            copy.device = ""
            copy.attr.pop("_class", None)  # places beside nodes that are not here
        graph = self._tf.Graph()
        stripped = meta.meta_info_def.stripped_op_list
        with graph.as_default():
            self._tf.import_graph_def(part, name="", producer_op_list=stripped if len(stripped.op) else None)
        return self._tf.Session(graph=graph, config=self._tf.ConfigProto(device_count={"GPU": 0}))

    def _restore(self, restoring: Any, starting: Any, checkpoint: Any) -> None:
        if restoring:
            self._session.run(self._operation(restoring[0]), {self._tensor(self._file): checkpoint})
        for name in starting:
            self._session.run(self._operation(name))

    def _average(self, averages: Any, checkpoint: Any) -> None:
        """Give variables the values of their moving averages."""
        graph = self._session.graph
        there = [name for name in averages if name in {one.name for one in graph.get_operations()}]
        for name in there:
            variable = self._operation(name)
            value = self._tf.train.load_checkpoint(checkpoint).get_tensor(averages[name])
            with graph.as_default():
                given = self._tf.placeholder(value.dtype, value.shape)
                if variable.type == "VarHandleOp":
                    assigned = self._tf.raw_ops.AssignVariableOp(resource=variable.outputs[0], value=given)
                else:
                    assigned = self._tf.raw_ops.Assign(ref=variable.outputs[0], value=given)
            self._session.run(assigned, {given: value})

    def _refuse_random(self) -> None:
        """Raise `ValueError` where two runs on the same numbers differ: a dropout that is not switched off."""
        said = ""
        for batch, sizes in _PROBES:
            shapes = []
            for one in self.inputs:
                unknown = iter(sizes * len(one["shape"]))
                shapes.append([size or (next(unknown) if axis else batch) for axis, size in enumerate(one["shape"])])
            random = np.random.RandomState(0)
            feeds = [np.asarray(random.rand(*shape), one["dtype"]) for shape, one in zip(shapes, self.inputs)]
            try:
                runs = [self.run(feeds) for _ in range(2)]
            except Exception as error:
                said = said or meant(error)
                continue
            if all(np.allclose(a, b, 1e-3, 1e-5, equal_nan=True) for a, b in zip(*runs)):
                return
            raise ValueError("it draws random numbers, so that two runs differ, as a dropout does that is not off")
        raise ValueError("it draws random numbers, and whether they count could not be tried: " + said)

    def _operation(self, name: str) -> Any:
        return self._session.graph.get_operation_by_name(name)

    def _tensor(self, value: str) -> Any:
        name, index = split(value)
        return self._session.graph.get_tensor_by_name(name + ":" + str(index))

    def _dtype(self, tensor: Any) -> str:
        return str(tensor.dtype.base_dtype.name)

    def _given(self, arrays: Any) -> Any:
        return {**self._fixed, **dict(zip(self._feeds, arrays))}

    def run(self, arrays: Any) -> Any:
        """The outputs in order, from the inputs in order."""
        return self._session.run(self._fetches, self._given(arrays))

    def names(self, arrays: Any) -> Any:
        """What the operations on the way give, without what is inside loops, with what each is made of."""
        loops = import_module("tensorflow_ops").inside_loops(self._session.graph)
        found: Any = []
        behind: Any = {}
        for operation in self._session.graph.get_operations():
            takes = [name for tensor in operation.inputs for name in behind.get(tensor.name, [])]
            for tensor in operation.outputs:
                shown = operation.name in self._made and operation.name not in loops and self._is_made(operation)
                behind[tensor.name] = [tensor.name] if shown and tensor.dtype.is_floating else sorted(set(takes))
                if behind[tensor.name] == [tensor.name]:
                    found.append((tensor.name, takes))
        return found

    def _is_made(self, operation: Any) -> bool:
        """Whether an operation makes a value of the input, and is not the file's or the caller's own."""
        stored = ("Const", "Variable", "VariableV2", "ReadVariableOp", "Placeholder", "PlaceholderWithDefault")
        sources = [operation] if operation.type != "Identity" else [one.op for one in operation.inputs]
        return all(source.type not in stored for source in sources)

    def values(self, arrays: Any, names: Any) -> Any:
        """The values of these names; none of what lies in a branch that is not taken."""
        given = self._given(arrays)
        try:
            found = self._session.run([self._tensor(name) for name in names], given)
        except Exception:
            found = [self._one(name, given) for name in names]
        return [(name, array) for name, array in zip(names, found) if isinstance(array, np.ndarray)]

    def _one(self, name: str, given: Any) -> Any:
        try:
            return self._session.run(self._tensor(name), given)
        except Exception:
            return None
