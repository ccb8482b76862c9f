"""What a case is compared with: recorded where a processor decides, and a framework's own failure says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from tests.layers.harness import Case
from tests.layers.test_layers import CASES
from tests.layers.wanted import FOLDER, Recorded, results_of

RECORDED = [case for case in CASES if isinstance(case.wanted, Recorded)]


def conv_transpose(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, dilation: tuple[int, ...]) -> np.ndarray:
    """The whole result of stride 1 in float64: ``y[o, p + d k] += x[i, p] kernel[i, o, k]``, and the bias."""
    sizes = [n + (k - 1) * d for n, k, d in zip(x.shape[2:], kernel.shape[2:], dilation, strict=True)]
    y = np.zeros((x.shape[0], kernel.shape[1], *sizes))
    for place in np.ndindex(*kernel.shape[2:]):
        cut = tuple(slice(k * d, k * d + n) for k, d, n in zip(place, dilation, x.shape[2:], strict=True))
        y[(..., *cut)] += np.einsum("ni...,io->no...", x.astype(np.float64), kernel[(..., *place)].astype(np.float64))
    return y + bias.reshape(-1, *(1,) * len(sizes))


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_recorded_results_are_those_of_the_formula_in_float64(case: Case) -> None:
    (got,), dilation = case.wanted().values(), case.layer.dilation  # type: ignore[attr-defined]
    whole = conv_transpose(case.inputs["x"], case.operands["kernel"], case.operands["bias"], dilation)
    surplus = [a - b for a, b in zip(whole.shape[2:], got.shape[2:], strict=True)]
    inside = tuple(slice(n // 2, whole.shape[axis] - (n - n // 2)) for axis, n in enumerate(surplus, 2))
    assert np.abs(whole[(..., *inside)] - got).max() / np.abs(whole).max() < 2e-7


def test_a_recording_is_refused_for_other_numbers() -> None:
    (case, *_) = RECORDED
    assert isinstance(case.wanted, Recorded)
    given = {**case.wanted.given, "kernel": case.wanted.given["kernel"] + 1}
    with pytest.raises(AssertionError) as raised:
        replace(case.wanted, given=given)()
    wanted = f"{case.wanted.file.name} was recorded for another kernel. Run fixtures/layers/make_layers.py."
    assert str(raised.value).splitlines()[0] == wanted


def test_every_recording_belongs_to_a_case() -> None:
    files = {case.wanted.file for case in RECORDED if isinstance(case.wanted, Recorded)}
    assert set(FOLDER.glob("*.npz")) == files


def outcome(against: str, compute: Callable[[], Mapping[str, np.ndarray]]) -> BaseException:
    """What `results_of` raises."""
    with pytest.raises((pytest.fail.Exception, Exception)) as raised:
        results_of(against, compute)
    return raised.value


def test_a_framework_that_fails_itself_is_named_with_its_version_and_operation_in_one_line() -> None:
    import torch

    def compute() -> dict[str, np.ndarray]:
        raise RuntimeError("\x1b[1mno kernel\n\n  for this processor\x1b[0m")

    failure = outcome("torch.nn.functional.conv2d", compute)
    line = compute.__code__.co_firstlineno + 1
    assert isinstance(failure, pytest.fail.Exception)
    assert not failure.pytrace
    assert str(failure) == (
        f"torch {torch.__version__} failed, not irconv: torch.nn.functional.conv2d (test_wanted.py:{line}): "
        "RuntimeError: no kernel for this processor"
    )


def test_a_fault_of_the_test_itself_is_not_the_frameworks() -> None:
    def compute() -> dict[str, np.ndarray]:
        return {"y": np.zeros(3) + np.zeros(4)}

    def contradict() -> dict[str, np.ndarray]:
        raise AssertionError("other numbers")

    assert isinstance(outcome("the formula of its docstring", compute), ValueError)
    assert str(outcome("torch.nn.functional.conv2d", contradict)) == "other numbers"
