"""What TensorFlow's names of variables say where no graph does."""

from __future__ import annotations

from irconv.frameworks.conventions import Stored, conventions


def test_kernels_have_their_channels_last_and_tables_stay() -> None:
    shapes = {"kernel": (3, 3, 4, 8), "biases": (8,), "word_embeddings": (30, 8), "depthwise_weights": (3, 3, 4, 1)}
    assert conventions("tensorflow")(None, shapes) == {
        "kernel": Stored("kernel", "*k in out", "out in *k"),
        "biases": Stored("bias"),
        "word_embeddings": Stored("table"),
        "depthwise_weights": Stored("kernel", "*k in (m one)", "(in m) one *k", sizes={"one": 1}),
    }


def test_a_recurrent_cell_keeps_its_doubts() -> None:
    said = conventions("tensorflow")("LSTM", {"kernel": (12, 32), "bias": (32,)})
    assert not said["kernel"].known
    assert not said["bias"].known


def test_other_names_say_nothing() -> None:
    assert conventions("tensorflow")(None, {"step_size": (1,)}) == {"step_size": Stored("step_size", known=False)}
