"""Weights of classes and of rows in a run, and what a loss is told of the classes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

import losszoo
from losszoo import Split, Splits, UsageError
from losszoo.losses.loss import Loss
from losszoo.training.data.batch_inputs import Calls, Step
from losszoo.training.data.class_weight import as_text, class_weights
from losszoo.training.loop import fit
from losszoo.training.make_plan import make_plan
from losszoo.training.plan import Plan
from losszoo.training.run_folder.run_folder import NoRecord
from losszoo.training.run_options import Options

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(90, 3)).astype(np.float32)
LABELS = np.repeat([0, 1, 2], [60, 20, 10])
NAMES = ("usual", "rare, red", "a=b")


class Three(losszoo.Task):
    """Three classes of different size; a row of the first one may weigh nothing."""

    spec = losszoo.TaskSpec(name="three", target="x:Three", kind="multiclass", summary="Rows.", metric="accuracy")
    class_names = NAMES

    def __init__(self, *, weights: Any = None) -> None:
        self.row_weights = {} if weights is None else {"train": weights}

    def splits(self, seed: int = 0) -> Splits:
        return Splits(Split(ROWS, LABELS), Split(ROWS[::3], LABELS[::3]), Split(ROWS[::2], LABELS[::2]))

    def setup(self, signature: str) -> losszoo.Setup:
        recipe = losszoo.Recipe(batch_size=45, epochs=2, lr=1e-2)
        return losszoo.Setup(trunk="mlp", model={"dim": 4, "width": 8, "depth": 1}, recipe=recipe)


def plan_of(loss: Any, task: Any = None, **options: Any) -> Plan:
    return make_plan(loss, task or Three(), Options(**options), NoRecord())


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(class_weights("balanced", np.bincount(LABELS).tolist(), NAMES), expected)
    found = plan_of("cross-entropy", class_weight="balanced").data.class_weights
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


@pytest.mark.parametrize("given", ["rare, red=3,a=b=0.5", {"rare, red": 3, "a=b": 0.5}, {"a=b": 0.5, "rare, red": 3.0}])
def test_weights_by_name_and_a_class_without_one_has_1(given: Any) -> None:
    text = as_text(given)
    assert text is not None
    assert class_weights(text, [1, 1, 1], NAMES) == [1, 3, 0.5]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "balance",
            "class_weight must be balanced or a weight for classes by their names, .*, got 'balance'",
        ),
        ("usuall=3", "class_weight has no class 'usuall': did you mean usual?"),
        ("usual=-1", "class_weight of usual must be a number >= 0, got '-1'"),
        ("usual=nan", "class_weight of usual must be a number >= 0, got 'nan'"),
        ({"usual": 0, "rare, red": 0, "a=b": 0}, "class_weight must be above 0 for a class that training has"),
        ([1, 2, 3], r"class_weight must be balanced or a weight .*, got \[1, 2, 3\]"),
    ],
)
def test_other_weights_are_refused_in_words(given: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan_of("cross-entropy", class_weight=given)


def test_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"class_weight must be given once, got class_weight and recipe.class_weight"):
        plan_of("cross-entropy", class_weight="balanced", set={"recipe.class_weight": {"usual": 2}})


@pytest.mark.parametrize(
    ("kind", "loss", "setting"),
    [
        ("regression", "mse", {"recipe.class_weight": "balanced"}),
        ("segmentation", "dice", {"recipe.class_weight": "balanced"}),
        ("regression", "mse", {"recipe.sampler": "weighted"}),
        ("segmentation", "dice", {"recipe.sampler": "m-per-class"}),
        ("views", "info-nce", {"recipe.class_weight": "balanced"}),
        ("views", "info-nce", {"recipe.sampler": "m-per-class"}),
    ],
)
def test_a_task_without_labels_refuses_what_goes_by_class(kind: str, loss: str, setting: dict[str, str]) -> None:
    """In training, that is: those of views judge it."""
    name = next(spec.name for spec in losszoo.list_tasks() if spec.kind == kind and "download" not in spec.tags)
    why = "which is trained without labels" if kind == "views" else "whose"
    with pytest.raises(UsageError, match=rf"(class_weight|sampler) must be .* on {name}, a {kind} task, {why}"):
        plan_of(loss, name, set=setting)


def step_of(plan: Plan, rows: Tensor) -> Step:
    return Step(plan.model, plan.task, plan.data, rows, 1.0, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "loss",
    ["cross-entropy", "bce", "mse", "sup-con", "nca-stable", "modern-nca", "contrastive", "triplet", "nt-xent"],
)
def test_a_row_of_weight_0_is_absent_from_the_loss(loss: str) -> None:
    """Of each signature: the value is that of the samples about the other rows, weighed by hand."""
    plan = plan_of(loss, Three(weights=np.r_[np.zeros(5), np.ones(85)]))
    step = step_of(plan, torch.arange(0, 90, 3))
    (term,) = plan.loss.terms
    leaf = term.loss
    assert isinstance(leaf, Loss)
    calls = Calls(step)
    inputs, weight = calls.inputs(leaf), None
    weight = calls.weight(leaf)
    assert weight is not None
    # By hand: the unreduced values of the same inputs, and their weighted mean.
    each = losszoo.create(loss, reduction="none")
    values = each(*inputs)
    counted = weight.expand(values.shape) if weight.ndim == values.ndim else weight
    expected = (values * counted).sum() / counted.sum()
    torch.testing.assert_close(leaf(*inputs, weight=weight), expected, rtol=1e-5, atol=1e-6)
    assert float(weight.min()) == 0
    assert float(weight.max()) == 1


def test_the_weight_of_a_pair_is_that_of_its_first_row() -> None:
    plan = plan_of("contrastive", class_weight="balanced")
    step = step_of(plan, torch.arange(90))
    calls = Calls(step)
    (term,) = plan.loss.terms
    assert isinstance(term.loss, Loss)
    first = calls.inputs(term.loss)[0]
    rows = torch.cdist(first, step.features).argmin(1)
    expected = torch.tensor(compute_class_weight("balanced", classes=np.arange(3), y=LABELS))[LABELS[rows]].float()
    weight = calls.weight(term.loss)
    assert weight is not None
    torch.testing.assert_close(weight, expected)


def curve(plan: Plan) -> list[float]:
    from losszoo.common.interrupt import Interrupt

    with Interrupt() as interrupt:
        progress = fit(plan, interrupt)
    return [line["loss"] for line in progress.history]


def test_class_weights_are_those_of_torch() -> None:
    """The first epoch in one batch: the loss is torch's cross_entropy with ``weight``."""
    plan = plan_of("cross-entropy", class_weight="balanced", set={"recipe.batch_size": 90}, epochs=1)
    with torch.no_grad():
        logits = plan.model.heads["multiclass"](plan.model(plan.data.train.inputs))
    weight = torch.tensor(compute_class_weight("balanced", classes=np.arange(3), y=LABELS), dtype=torch.float32)
    expected = torch.nn.functional.cross_entropy(logits, torch.as_tensor(LABELS), weight=weight)
    assert curve(plan)[0] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("loss", ["cross-entropy", "sup-con"])
def test_parts_of_a_step_make_the_whole(loss: str) -> None:
    parts = plan_of(loss, class_weight="balanced", accumulate=3, set={"recipe.batch_size": 30})
    whole = plan_of(loss, class_weight="balanced", set={"recipe.batch_size": 90})
    np.testing.assert_allclose(curve(parts), curve(whole), rtol=1e-5)


def test_metrics_of_a_run_are_not_weighed_by_class(tmp_path: Path) -> None:
    """With one class of weight 0, the accuracy is still over all rows."""
    result = losszoo.run("cross-entropy", Three(), class_weight={"a=b": 0}, out=tmp_path, epochs=1)
    assert (result.metrics["train"]["accuracy"] * 90) % 1 == pytest.approx(0, abs=1e-6)


def test_a_run_is_recorded_and_resumed_with_its_weights(tmp_path: Path) -> None:
    first = losszoo.run("cross-entropy", "digits-rare", class_weight={"rare": 3}, epochs=1, out=tmp_path)
    config = json.loads(Path(first.run_dir, "config.json").read_text())
    assert config["recipe"]["class_weight"] == "rare=3"
    Path(first.run_dir, "result.json").unlink()
    Path(first.run_dir, "checkpoint.pt").unlink()
    assert losszoo.run(resume=first.run_dir).metrics == first.metrics


class Proposing(Three):
    """A task whose recipe weighs a class."""

    def setup(self, signature: str) -> losszoo.Setup:
        proposed = super().setup(signature)
        return replace(proposed, recipe=replace(proposed.recipe, class_weight={"a=b": 2}))


def test_a_task_may_propose_weights_and_its_runs_resume(tmp_path: Path) -> None:
    first = losszoo.run("cross-entropy", Proposing(), epochs=1, out=tmp_path)
    Path(first.run_dir, "result.json").unlink()
    assert losszoo.run(resume=first.run_dir, task=Proposing()).metrics == first.metrics


def test_weights_of_rows_are_checked() -> None:
    for wrong in ([1.0, 2.0], np.full(90, -1.0), np.zeros(90), np.full(90, np.nan)):
        with pytest.raises(losszoo.DataError, match="three: row_weights of train must "):
            plan_of("cross-entropy", Three(weights=wrong))


def adjusted(logits: Tensor, targets: Tensor, *, class_counts: Any = None) -> Tensor:
    """Logit adjustment (Menon et al., 2021), which asks for the rows of each class."""
    prior = torch.zeros(()) if class_counts is None else torch.as_tensor(class_counts).float().log()
    return torch.nn.functional.cross_entropy(logits + prior, targets, reduction="none")


class Adjusted(torch.nn.Module):
    """The same as a module."""

    def set_class_counts(self, counts: list[float]) -> None:
        self.counts = counts

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return adjusted(logits, targets, class_counts=self.counts)


def test_a_loss_that_asks_is_told_the_rows_of_each_class() -> None:
    told = plan_of(losszoo.create(adjusted, signature="multiclass"), set={"recipe.batch_size": 90})
    (term,) = told.loss.terms
    assert isinstance(term.loss, Loss)
    assert term.loss.class_counts == [60, 20, 10]
    by_hand = losszoo.create(adjusted, signature="multiclass", class_counts=[60, 20, 10])
    expected = curve(plan_of(by_hand, set={"recipe.batch_size": 90}))
    assert curve(told) == expected
    assert curve(plan_of(Adjusted(), set={"recipe.batch_size": 90}, signature="multiclass")) == expected


def test_counts_that_are_given_stay_and_a_second_task_tells_its_own() -> None:
    given = losszoo.create(adjusted, signature="multiclass", class_counts=[1, 1, 1])
    plan_of(given)
    assert given.class_counts == [1, 1, 1]
    open_ = losszoo.create(adjusted, signature="multiclass")
    plan_of(open_)
    plan_of(open_, "digits-rare")
    assert np.shape(open_.class_counts) == (2,)
    assert "class_counts" not in str(open_)
