"""The two doors of the suite: a report or one error for a script, one test for each loss and rule under pytest."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import pytest
import torch
from broken import Bare, Locked, anonymous, by_the_batch, reduced, sound

import losszoo
from losszoo import testing
from losszoo.losses.signatures import TABLE

# Compiling is what takes long.
QUICK = ("check_compile", "check_compile_masked")
MINE = """
import torch
def mine(predictions, targets, *, scale: float = 1.0):
    return (predictions - targets).abs() * scale
def broken(predictions, targets):
    return (predictions - targets).abs() * float(predictions.detach().sum())
"""


def test_a_sound_loss_has_a_report() -> None:
    report = testing.check_loss(sound, signature="regression", skip=QUICK)
    assert report.loss == "sound"
    assert "check_gradcheck" in report.passed
    assert report.skipped["check_shrinking"] == "it is no penalty on parameters"
    assert report.skipped["check_compile"] == "left out by the caller"
    assert str(report) == f"sound: {len(report.passed)} passed, {len(report.skipped)} skipped"
    assert {row["status"] for row in report.to_dict()["checks"]} == {"passed", "skipped"}
    assert len(report.outcomes) == len(testing.list_checks())


def test_one_error_names_every_broken_rule() -> None:
    with pytest.raises(testing.ConformanceError, match=r"^by_the_batch: \d+ passed, \d+ skipped, 4 failed\n") as caught:
        testing.check_loss(by_the_batch, signature="regression", skip=QUICK)
    named = [line.split("[")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert named == ["check_weight_two", "check_weight_zero", "check_micro_batches", "check_masked_sample"]


@pytest.mark.parametrize("base", [losszoo.LosszooError, AssertionError])
def test_the_error_is_ours_and_a_failed_assertion(base: type[Exception]) -> None:
    with pytest.raises(base, match="unreduced"):
        testing.check_unreduced(testing.subject_of(reduced, signature="regression"))


def test_what_does_not_concern_a_loss_is_a_skipped_test() -> None:
    with pytest.raises(unittest.SkipTest, match="a penalty has no samples"):
        testing.check_permutation("l2")
    with pytest.raises(testing.NotApplicable, match="returns one number"):
        testing.check_weight_two(testing.subject_of(reduced, signature="regression"))


def excuses_itself(
    predictions: torch.Tensor, targets: torch.Tensor, *, mask: torch.Tensor | None = None
) -> torch.Tensor:
    if mask is not None:
        raise ValueError("mask must be left out, as I say so")
    return (predictions - targets).square()


def test_it_is_the_contract_that_excuses_and_not_the_words_of_an_error() -> None:
    with pytest.raises(testing.ConformanceError, match="as I say so"):
        testing.check_masked_sample(testing.subject_of(excuses_itself, signature="regression"))


class Prototypes(torch.nn.Module):
    """A learned point for each class; not a row function, and so without a mask."""

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.points = torch.nn.Parameter(torch.randn(classes, dim))

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (embeddings - self.points[labels]).square().sum(1)


def test_a_module_with_sizes_and_draws_of_its_own_passes() -> None:
    report = testing.check_loss(Prototypes, signature="embedding", classes=6, dim=4, skip=QUICK)
    assert "check_state_dict" in report.passed
    assert "as the rows of this loss see each other" in report.skipped["check_nan_under_mask"]


@pytest.mark.parametrize(
    ("check", "target", "said"),
    [
        (testing.check_wrong_weights, reduced, "it takes no weight, mask or denominator"),
        (testing.check_micro_batches, "rmse", "this loss has a last step"),
        (testing.check_wrong_numbers, "triplet", "every number is legal"),
        (testing.check_state_dict, "mse", "it has no state"),
        (testing.check_legal_options, "mse", "no parameter has an end or a choice"),
        (testing.check_legal_options, losszoo.create("huber"), "it is made already"),
        (testing.check_announced_parameters, sound, "it is in no registry"),
        (testing.check_shrinking, "uncertainty", "it is no penalty on parameters"),
        (testing.check_learning, "smoothness", "it has no targets to learn"),
        (testing.check_gradcheck, "circle", "a part of it has no gradient by definition"),
        (testing.check_weight_two, "nca", "its value for a sample depends on the others"),
    ],
)
def test_a_skipped_rule_says_why(check: testing.Check, target: Any, said: str) -> None:
    signature = "regression" if target in (reduced, sound) else None
    with pytest.raises(testing.NotApplicable, match=said):
        check(testing.subject_of(target, signature=signature))


def test_a_known_failure_is_reported_with_its_reason() -> None:
    report = testing.check_loss(
        anonymous, signature="regression", known_failures={"check_pickle": "a lambda"}, skip=QUICK
    )
    assert report.known == {"check_pickle": "a lambda"}


def test_a_known_failure_that_passes_is_an_error() -> None:
    with pytest.raises(testing.ConformanceError, match="a known failure must fail, got a pass; take"):
        testing.check_loss(sound, signature="regression", known_failures={"check_pickle": "once"}, skip=QUICK)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"known_failures": {"check_pikle": "x"}},
            "unknown check 'check_pikle': did you mean check_pickle",
        ),
        ({"known_failures": {"check_pickle": " "}}, "check_pickle must have a reason, got ' '; say why"),
        (
            {"known_failures": ["check_pickle"]},
            r"known_failures must be \{check: reason\}, got \[",
        ),
        ({"skip": ["pickle"]}, "skip: unknown check 'pickle': did you mean check_pickle"),
        ({"skip": "check_pickle"}, "skip must hold names of checks, got 'check_pickle'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(losszoo.UsageError, match=said):
        testing.check_loss("mse", **options)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("focl", "did you mean focal"),
        ("bce + dice", "must be given one loss, got 'bce \\+ dice', a sum; give it the terms"),
        (3, "a loss must be a name, .* or an nn\\.Module, got 3 of type int"),
        (sound, "those of binary and of regression: say which, .*signature='binary'"),
    ],
)
def test_what_is_no_loss_is_refused(target: Any, said: str) -> None:
    with pytest.raises(losszoo.UsageError, match=said):
        testing.check_loss(target)


@pytest.mark.parametrize("target", ["huber", "huber(delta=0.5)", "mine.py:mine"])
def test_targets_are_what_create_takes(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    options = {"signature": "regression", "scale": 2.0} if ":" in target else {}
    assert not testing.check_loss(target, **options, skip=QUICK).failed


def test_a_ready_loss_keeps_its_parameters_and_policy() -> None:
    loss = losszoo.create("uncertainty", tasks=2)
    testing.check_loss(loss, skip=QUICK)
    assert torch.equal(loss.function.log_variances, torch.zeros(2))
    assert loss.policy.reduction == "mean"


def test_a_module_of_ones_own_is_not_changed() -> None:
    module = torch.nn.Linear(1, 1)

    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = module

        def forward(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return (self.linear(predictions.unsqueeze(-1)).squeeze(-1) - targets).square()

    before = module.weight.clone()
    testing.check_state_dict(testing.subject_of(Scaled(), signature="regression"))
    assert torch.equal(module.weight, before)
    assert module.weight.dtype == torch.float32


def test_the_checks_of_a_signature_are_listed() -> None:
    names = {check.name for check in testing.list_checks("penalty", tags=("combiner",))}
    assert {"check_gradcheck", "check_pickle"} <= names
    assert not names & {"check_weight_two", "check_shrinking", "check_learning"}
    assert "check_learning" not in {check.name for check in testing.list_checks(tags=("regularizer",))}
    with pytest.raises(losszoo.UsageError, match="unknown signature 'binry': did you mean binary"):
        testing.list_checks("binry")


@pytest.mark.parametrize("check", testing.list_checks(), ids=lambda check: check.name)
def test_every_check_is_public_and_says_its_rule(check: testing.Check) -> None:
    assert getattr(testing, check.name) is check
    assert check.rule.endswith(".")
    assert len(check.rule) < 120
    assert repr(check) == f"<{check.name}: {check.rule}>"
    assert check.because or all(check.concerns(rules) or rules.on_parameters for rules in TABLE.values())


def test_the_public_names_are_these() -> None:
    others = ("Check", "ConformanceError", "NotApplicable", "Outcome", "Report", "Subject")
    doors = ("check_loss", "check_signature", "list_checks", "parametrize_losses", "subject_of")
    assert sorted(testing.__all__) == sorted([*others, *doors, *(check.name for check in testing.list_checks())])


def test_the_suite_needs_no_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; from losszoo.testing import check_loss; "
        f"print(check_loss('mse', skip={QUICK!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("mse: ")


CONFORMANCE = """
from losszoo.testing import parametrize_losses

@parametrize_losses(["mine.py:mine", "mine.py:broken"], signature="regression", {options})
def test_conformance(loss, check):
    check(loss)
"""


def outcome(folder: Path, options: str, *arguments: str) -> tuple[int, str]:
    """Exit code and output of pytest on a third party's test file."""
    (folder / "mine.py").write_text(MINE)
    (folder / "test_mine.py").write_text(CONFORMANCE.format(options=options))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_every_loss_and_rule_is_a_test_with_a_readable_name(tmp_path: Path) -> None:
    code, said = outcome(tmp_path, f"skip={QUICK!r}")
    assert code == 1
    assert "PASSED test_mine.py::test_conformance[check_gradcheck[mine.py:mine]]" in said
    assert "FAILED test_mine.py::test_conformance[check_permutation[mine.py:broken]]" not in said
    assert "FAILED test_mine.py::test_conformance[check_gradcheck[mine.py:broken]] - " in said
    assert "it is no penalty on parameters" in said
    code, said = outcome(tmp_path, "", "-k", "gradcheck and mine.py:mine")
    assert code == 0
    assert "1 passed" in said


def test_known_failures_are_strict_under_pytest(tmp_path: Path) -> None:
    known = "known_failures={'mine.py:broken': {'check_gradcheck': 'float()'}, 'mine.py:mine': {'check_pickle': 'no'}}"
    code, said = outcome(tmp_path, known, "-k", "gradcheck or pickle")
    assert code == 1
    assert "XFAIL test_mine.py::test_conformance[check_gradcheck[mine.py:broken]] - float()" in said
    assert "FAILED test_mine.py::test_conformance[check_pickle[mine.py:mine]]" in said


@pytest.mark.parametrize(
    ("losses", "options", "said"),
    [
        ("focal", {}, r"losses must be a list, got 'focal'; write \['focal'\]"),
        (["focal"], {"known_failures": {"focl": {}}}, "'focl' is not among the losses: did you mean focal"),
        (["focal"], {"known_failures": {"focal": {"check_x": "r"}}}, r"known_failures\['focal'\]: unknown check"),
        (["focl"], {}, "did you mean focal"),
    ],
)
def test_a_wrong_decorator_is_refused(losses: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(losszoo.UsageError, match=said):
        testing.parametrize_losses(losses, **options)


def test_a_rule_can_be_called_on_a_loss_by_itself() -> None:
    testing.check_deepcopy("focal")
    with pytest.raises(
        testing.ConformanceError, match=r"check_deepcopy\[Locked\]: a loss must be one that can be copied"
    ):
        testing.check_deepcopy(testing.subject_of(Locked, signature="regression"))
    with pytest.raises(testing.ConformanceError, match="check_nan_under_mask"):
        testing.check_nan_under_mask(Bare())


def test_a_loss_whose_calls_move_its_state_is_looked_at_in_evaluation() -> None:
    assert not testing.subject_of("dino").make().training
    assert testing.subject_of("sup-con").make().training
