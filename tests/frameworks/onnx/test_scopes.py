"""What PyTorch's exporters turn and fold has the keys and the modules that it had in the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper

import irconv
from irconv.layout import Array
from tests.helpers import import_file, in_torch, numbers


def _file(path: Path, nodes: list[Any], held: dict[str, Array], shape: tuple[int, ...], opset: int = 17) -> None:
    ins = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", ins, outs, [numpy_helper.from_array(a, name) for name, a in held.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="pytorch")
    path.write_bytes(model.SerializeToString())


def test_a_matrix_that_the_exporter_turned_is_that_of_a_linear(tmp_path: Path) -> None:
    x, kernel, bias = numbers(2, 3, 4), numbers(4, 5, seed=1), numbers(5, seed=2)
    nodes = [
        helper.make_node("MatMul", ["x", "onnx::MatMul_7"], ["/mlp/0/MatMul_output_0"], "/mlp/mlp.0/MatMul"),
        helper.make_node("Add", ["mlp.0.bias", "/mlp/0/MatMul_output_0"], ["y"], "/mlp/mlp.0/Add"),
    ]
    _file(tmp_path / "m.onnx", nodes, {"onnx::MatMul_7": kernel, "mlp.0.bias": bias}, x.shape)
    irconv.convert(tmp_path / "m.onnx", tmp_path / "m.py")
    module = import_file(tmp_path / "m.py").load()
    assert isinstance(module.mlp[0], torch.nn.Linear)
    assert np.array_equal(module.mlp[0].weight.detach().numpy(), kernel.T)
    np.testing.assert_allclose(in_torch(tmp_path / "m.py", [x])[0], x @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_the_bias_of_a_norm_that_was_folded_is_that_of_the_convolution(tmp_path: Path) -> None:
    x, kernel, bias = numbers(2, 3, 6, 5), numbers(4, 3, 3, 3, seed=1), numbers(4, seed=2)
    nodes = [helper.make_node("Conv", ["x", "stem.0.weight", "stem.0.weight_bias"], ["y"], "node_conv2d")]
    scopes = nodes[0].metadata_props.add()
    scopes.key, scopes.value = "pkg.torch.onnx.name_scopes", "['', 'stem', 'stem.0', 'conv2d']"
    _file(tmp_path / "m.onnx", nodes, {"stem.0.weight": kernel, "stem.0.weight_bias": bias}, x.shape)
    irconv.convert(tmp_path / "m.onnx", tmp_path / "m.py")
    module = import_file(tmp_path / "m.py").load()
    assert isinstance(module.stem[0], torch.nn.Conv2d)
    assert list(module.state_dict()) == ["stem.0.weight", "stem.0.bias"]
    wanted = torch.nn.functional.conv2d(*map(torch.from_numpy, (x, kernel, bias))).numpy()
    np.testing.assert_allclose(in_torch(tmp_path / "m.py", [x])[0], wanted, rtol=1e-5, atol=1e-6)


def test_rows_of_a_layers_own_table_are_an_embedding_though_they_are_known(tmp_path: Path) -> None:
    x, table = numbers(2, 3, 4), numbers(9, 4, seed=1)
    nodes = [
        helper.make_node("Gather", ["places.weight", "rows"], ["/places/out"], "/places/Gather"),
        helper.make_node("Add", ["x", "/places/out"], ["y"], "/Add"),
    ]
    _file(tmp_path / "m.onnx", nodes, {"places.weight": table, "rows": np.arange(3)[None]}, x.shape)
    irconv.convert(tmp_path / "m.onnx", tmp_path / "m.py")
    assert isinstance(import_file(tmp_path / "m.py").load().places, torch.nn.Embedding)
    np.testing.assert_allclose(in_torch(tmp_path / "m.py", [x])[0], x + table[:3], rtol=1e-6)


def test_what_the_exporters_rewriting_left_without_a_module_stands_with_what_takes_it(tmp_path: Path) -> None:
    x = numbers(2, 6, 5)
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], "node_relu"),
        helper.make_node("Split", ["a"], ["b", "c"], "node_Split_853", axis=1, num_outputs=2),
        helper.make_node("Sigmoid", ["c"], ["d"], "node_sigmoid"),
        helper.make_node("Concat", ["b", "d"], ["y"], "node_cat", axis=1),
    ]
    said = {0: "['', 'first', 'relu']", 2: "['', 'block', 'block.gate', 'sigmoid']", 3: "['', 'block', 'cat']"}
    for place, scopes in said.items():
        entry = nodes[place].metadata_props.add()
        entry.key, entry.value = "pkg.torch.onnx.name_scopes", scopes
    _file(tmp_path / "m.onnx", nodes, {}, x.shape, 18)
    bundle = irconv.read(tmp_path / "m.onnx")
    assert bundle.graph is not None
    scopes_of = {bundle.layers[node.layer].type: node.scope for node in bundle.graph.nodes}
    assert scopes_of == {"Relu": "first", "Split": "block", "Sigmoid": "block/gate", "Concat": "block"}
