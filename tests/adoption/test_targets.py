"""Targets of every kind: ONNX files and TensorFlow's checkpoints keep what their owner saved, BERT has other names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import irconv
from irconv import AdoptOptions
from irconv.adoption.result import Adoption
from irconv.errors import Refused
from irconv.layout import Array
from tests.adoption.files import saved
from tests.adoption.random_networks import Spec, network, onnx_file, state, words
from tests.helpers import ROOT

FOLDER = ROOT / "fixtures" / "adoption"
BERT, NET = FOLDER / "bert" / "bert_model.ckpt.index", FOLDER / "bert_net.py"


def two_models(folder: Path) -> tuple[Spec, Path, Path, dict[int, str]]:
    """A network as a source and, with other names and values, as a target, both ONNX files."""
    rng = np.random.default_rng(4)
    spec = network(rng, twins=False, widths=(4, 6))
    names = words(spec, rng)
    like = Spec(tuple(type(op)(op.kind, op.inputs, {r: a + 1 for r, a in op.arrays.items()}) for op in spec.ops))
    return (
        spec,
        onnx_file(spec, words(spec, rng), folder / "src.onnx"),
        onnx_file(like, names, folder / "like.onnx"),
        names,
    )


def initializers(model: Any) -> dict[str, Array]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def without_weights(model: Any) -> bytes:
    del model.graph.initializer[:]
    found: bytes = model.SerializeToString(deterministic=True)
    return found


def test_an_onnx_target_keeps_its_nodes_names_opset_and_metadata(tmp_path: Path) -> None:
    spec, source, like, names = two_models(tmp_path)
    given = onnx.load(like)
    given.producer_name, given.graph.doc_string = "somebody", "mine"
    given.metadata_props.add(key="owner", value="me")
    onnx.save(given, like)
    out = tmp_path / "out.onnx"
    found = irconv.adopt(source, like, out, AdoptOptions(verify=True))
    assert found.first is None
    made = onnx.load(out)
    wanted = state(spec, names)
    assert list(initializers(made)) == list(wanted)
    for name, array in initializers(made).items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)
    assert {placed.name for placed in found.placed} == wanted.keys()
    assert without_weights(made) == without_weights(given)


def test_data_beside_an_onnx_target_are_brought_in(tmp_path: Path) -> None:
    spec, source, like, names = two_models(tmp_path)
    inner = onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [300], np.ones(300, np.float32).tobytes(), raw=True)
    given = onnx.load(like)
    given.graph.node.append(onnx.helper.make_node("Constant", [], ["unused"], value=inner))
    onnx.save(given, tmp_path / "beside.onnx", save_as_external_data=True, location="beside.data", size_threshold=0)
    out = tmp_path / "elsewhere" / "out.onnx"
    out.parent.mkdir()
    irconv.adopt(source, tmp_path / "beside.onnx", out)
    made = onnx.load(out)
    wanted = state(spec, names)
    assert all(np.array_equal(array, wanted[name]) for name, array in initializers(made).items())
    np.testing.assert_array_equal(numpy_helper.to_array(made.graph.node[-1].attribute[0].t), np.ones(300))


def predicted(net: Any) -> list[Array]:
    import torch

    x = np.load(FOLDER / "bert" / "x.npz")
    with torch.no_grad():
        return [y.numpy() for y in net.eval()(*(torch.from_numpy(x[name]) for name in ("ids", "kinds", "mask")))]


def bert(cls: str, **options: Any) -> tuple[Adoption, Any]:
    from irconv.frameworks.torch.live import build

    net = build(NET, cls)
    return irconv.adopt(BERT, net, options=AdoptOptions(**options)), net


def test_bert_of_tensorflow_goes_into_the_names_that_it_has_in_pytorch() -> None:
    found, net = bert("BertForPreTraining")
    wanted, mask = np.load(FOLDER / "bert" / "y.npz"), np.load(FOLDER / "bert" / "x.npz")["mask"].astype(bool)
    scores, following = predicted(net)
    np.testing.assert_allclose(scores[mask], wanted["words"][mask], atol=1e-5)
    np.testing.assert_allclose(following, wanted["following"], atol=1e-5)
    assert (found.untouched, found.left) == ((), ())
    assert {placed.sure for placed in found.placed} <= {"certain", "strong"}


def test_the_heads_of_bert_are_left_out_where_they_are_not_wanted() -> None:
    with pytest.raises(Refused, match=r"source cls/predictions/transform/dense .*: the target has no use for it"):
        bert("BertModel")
    found, net = bert("BertModel", partial=True)
    wanted, mask = np.load(FOLDER / "bert" / "y.npz"), np.load(FOLDER / "bert" / "x.npz")["mask"].astype(bool)
    last, pooled = predicted(net)
    np.testing.assert_allclose(last[mask], wanted["last"][mask], atol=1e-5)
    np.testing.assert_allclose(pooled, wanted["pooled"], atol=1e-5)
    assert len(found.left) == 7
    assert all(name.startswith("cls/") for name in found.left)


def test_a_head_of_the_users_own_stays_as_it_is() -> None:
    from irconv.frameworks.torch.live import build

    net = build(NET, "Classifier")
    before = net.head.weight.detach().clone()
    found = irconv.adopt(BERT, net, options=AdoptOptions(partial=True))
    assert found.untouched == ("head.weight", "head.bias")
    assert bool((net.head.weight == before).all())
    values = irconv.read(BERT).source_tensors()
    table = net.state_dict()["bert.embeddings.word_embeddings.weight"].numpy()
    np.testing.assert_array_equal(table, values["bert/embeddings/word_embeddings"].numpy())


def test_a_checkpoint_of_tensorflow_is_a_target_and_keeps_its_optimiser(tmp_path: Path) -> None:
    found, _ = bert("BertModel", partial=True)
    tensors = {name: data.numpy() + 1 for name, data in found.tensors.items()}
    weights = saved(tmp_path / "weights.safetensors", tensors)
    back = irconv.adopt(weights, BERT, tmp_path / "back.ckpt", AdoptOptions(partial=True))
    assert len(back.untouched) == 7
    given, made = (irconv.read(path).source_tensors() for path in (BERT, tmp_path / "back.ckpt.index"))
    assert given.keys() == made.keys()
    changed = {name for name in given if not np.array_equal(given[name].numpy(), made[name].numpy())}
    assert changed == {placed.name for placed in back.placed}
    kernel = "bert/encoder/layer_1/intermediate/dense/kernel"
    np.testing.assert_array_equal(made[kernel].numpy(), tensors["encoder.layer.1.intermediate.dense.weight"].T)
