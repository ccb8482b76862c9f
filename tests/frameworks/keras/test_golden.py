"""What reading makes of every file that a real Keras wrote."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from irconv.ir.validate import validate
from tests.helpers import (
    ALL_CASES,
    GOLDEN,
    REFUSED,
    REFUSED_FILES,
    Case,
    datasets,
    error,
    limit,
    name_of,
    read_case,
    rejection,
    used_types,
)

SEQUENCES = ("attention", "bidirectional", "conv_lstm", "group_query", "masked", "multi_head", "recurrent", "time_")
"""How the names of cases of sequences begin."""

KEPT_TRANSPOSES = {"flatten_output": 1, "reshape": 1, "permute": 1}
KEPT_TRANSPOSES |= {"conv_lstm_ranks": 4, "conv_lstm_even": 2, "conv_lstm": 5, "constant_states": 4}
KEPT_TRANSPOSES |= {"time_distributed": 3, "time_distributed_unknown_length": 1}
KEPT_TRANSPOSES |= {"conv1d_causal": 2, "depthwise_conv1d": 2, "separable_conv1d": 2, "conv1d_transpose": 3}
KEPT_TRANSPOSES |= {"locally_connected": 2, "one_axis": 2, "adaptive_pools": 3, "group_normalization": 2, "prelu": 3}
KEPT_TRANSPOSES |= {"noise": 1, "center_crop": 1, "rms_normalization": 1, "ops_shapes": 3, "ops_networks": 1}
KEPT_TRANSPOSES |= {"layer_normalization_axes": 1, "conv1d": 2, "pools_1d": 3}
KEPT_TRANSPOSES |= {"mixed_everywhere": 1, "mixed_attention": 1}
"""A flattened, reshaped or permuted map that is an output, or joins a vector, has an order that nothing after it can
take over; sequences keep their axes at the boundary.
"""

AXES_NOT_IN_THE_FILE = {
    # a normalisation over axis 1 alone reads as one of channels-first maps, which gives the same numbers
    "batch_norm_axis1": ("NCHW", "NCHW"),
    # three axes may be anything
    "dense_3d": ("", ""),
}


LETTERS_BY_RANK_ALONE = {"reshape", "permute", "layer_normalization_axes", "global_pools_keepdims", "leaky_relu_layers"}
LETTERS_BY_RANK_ALONE |= {"cropping", "global_pools", "center_crop", "einsum_dense", "layer_normalization_rms"}
LETTERS_BY_RANK_ALONE |= {"softmax_axes", "normalization_whole", "unit_normalization", "rms_normalization"}
LETTERS_BY_RANK_ALONE |= {case.kind for case in GOLDEN if case.kind.startswith(SEQUENCES)}
LETTERS_BY_RANK_ALONE |= {"mixed_sequences", "pure_float64", "constant_states"}
LETTERS_BY_RANK_ALONE |= {"ops_reductions", "ops_shapes", "ops_networks"}
"""Cases whose recorded letters only follow the rank: no layer says what the axes are."""


def test_there_are_golden_cases_of_five_keras_versions() -> None:
    versions = {"keras2.2.4-theano", "keras2.3.1", "tf1.15", "tf2.15", "keras3.15"}
    assert len(ALL_CASES) > 250
    assert {case.name.rsplit("-", 1)[0] for case in GOLDEN} == versions


def distinct(names: Iterable[str]) -> list[str]:
    """Names as tf.keras makes them distinct; Keras itself names several outputs of one layer alike."""
    found: list[str] = []
    for name in names:
        others = (f"{name}_{number}" for number in count(1))
        found.append(name if name not in found else next(other for other in others if other not in found))
    return found


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_no_transpose_is_left_but_where_an_order_leaves_the_graph(case: Case) -> None:
    kept = KEPT_TRANSPOSES.get(case.name, KEPT_TRANSPOSES.get(case.kind, 0))
    assert used_types(read_case(case)).count("Transpose") == kept


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_the_ports_have_the_names_and_axes_of_the_real_model(case: Case) -> None:
    graph = read_case(case).graph
    assert graph is not None
    for ports, described in ((graph.inputs, case.described["inputs"]), (graph.outputs, case.described["outputs"])):
        assert [port.name for port in ports] == distinct(port["name"] for port in described)
        arrays = case.inputs if ports is graph.inputs else case.outputs
        assert [port.dtype for port in ports] == [array.dtype.name for array in arrays]
        for port, wanted in zip(ports, described, strict=True):
            native = {"NHWC": "NCHW", "NDHWC": "NCDHW"}.get(wanted["axes"], wanted["axes"])
            known = {AXES_NOT_IN_THE_FILE.get(case.kind, (native, wanted["axes"]))}
            if wanted["axes"] == "NTC" or case.kind in LETTERS_BY_RANK_ALONE:
                known = {("", ""), (native, wanted["axes"]), ("NCHW", "NCHW"), ("NCDHW", "NCHWD")}
            assert (port.axes, port.source_axes) in known


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_the_bundle_keeps_all_its_promises(case: Case) -> None:
    assert validate(read_case(case)).all() == ()


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_numpy_alone_predicts_what_keras_predicted(case: Case) -> None:
    got = irconv.run(read_case(case), case.inputs, runtime="numpy")
    assert list(got) == distinct(port["name"] for port in case.described["outputs"])
    assert error(list(got.values()), case.outputs) < limit(case)


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_the_source_record_says_what_wrote_the_file(case: Case) -> None:
    source = read_case(case).source
    assert source.framework == "keras"
    assert case.described["framework"] == "tf.keras" or source.version == case.described["version"]
    told = source.training()  # tests of reports say what stands there
    backend, *model = [(fact.name, fact.value) for fact in source.facts if fact not in told]
    assert backend == ("backend", case.described["backend"])
    assert [name for name, _ in model] == ["model", "training"][: 1 + (case.kind == "sequential_compiled")]
    assert [file.name for file in source.files] == ["model.h5"]
    assert source.files[0].size == case.model.stat().st_size


@pytest.mark.parametrize("case", ALL_CASES, ids=name_of)
def test_every_golden_case_says_what_it_checks_and_was_reloaded_alike(case: Case) -> None:
    assert case.described["checks"].endswith(".")
    failed = "cannot load this file of its own" in case.described["checks"]  # Keras 3.15, and cuDNN without a GPU
    wanted = None if failed else 0.0
    assert case.described["reload_max_diff"] == wanted
    assert all(np.isfinite(array).all() for array in case.inputs + case.outputs)


def test_a_result_that_keras_on_theano_cuts_wrongly_is_not_copied() -> None:
    (case,) = (case for case in REFUSED if case.name in REFUSED_FILES)
    assert rejection(lambda: irconv.read(case.model), Refused) == (
        f"{case.model}: layer separable_conv2d_1 (SeparableConv2D): pads an even kernel as no other framework does: "
        "its result is one larger than its input. irconv does not copy this fault of Keras on Theano."
    )


@pytest.mark.parametrize("case", [case for case in REFUSED if case.name not in REFUSED_FILES], ids=name_of)
def test_a_layer_of_user_code_is_refused_by_name(case: Case) -> None:
    (user_layer,) = set(case.described["native_types"]) - {"Dense", "InputLayer"}
    text = rejection(lambda: irconv.read(case.model), Refused)
    (name,) = (key for key in ("lambda", "lambda_1", "scale_1", "scale") if f"layer {key} " in text)
    assert text.startswith(
        f"{case.model}: layer {name} ({user_layer}): irconv has no rule for Keras's {user_layer}. It has the "
    )
    assert text.endswith(
        ". irconv does not guess: --plugin teaches it, --replace leaves it out, --until stops before it."
    )


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_the_sources_own_tensors_come_back_bit_for_bit(case: Case) -> None:
    left_out = {omitted.name for omitted in read_case(case).omitted}
    wanted = {k: v for k, v in datasets(case.model, "model_weights").items() if k not in left_out}
    got = {name: lazy.numpy() for name, lazy in read_case(case).source_tensors().items()}
    assert sorted(got) == sorted(wanted)
    for name, array in wanted.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
        assert got[name].tobytes() == array.tobytes()
