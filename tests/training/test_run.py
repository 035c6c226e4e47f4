"""Whole runs: equal seeds, the run folder, early stopping, terms, losses of one's own, and odd data."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_runs import Run, history

import losszoo
from losszoo import RunResult, UsageError
from losszoo.common.files import read_json
from losszoo.losses.sums.sum_loss import Term


def checkpoint(result: RunResult) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(Path(result.run_dir, "checkpoint.pt"), weights_only=True)
    return state


def timeless(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


# Each draws something: batches, pairs, views with a generator, candidates, weights of the loss.
DRAWING = [
    ("cross-entropy", "breast-cancer"),
    ("contrastive", "breast-cancer"),
    ("modern-nca", "diabetes"),
    ("info-nce", "digits-views"),
]


@pytest.mark.parametrize(("loss", "task"), DRAWING)
def test_a_seed_decides_everything(run: Run, loss: str, task: str) -> None:
    torch.manual_seed(1)
    first = run(loss, task, epochs=2, seed=7)
    torch.manual_seed(2)
    again, other = run(loss, task, epochs=2, seed=7), run(loss, task, epochs=2, seed=8)
    assert timeless(history(first)) == timeless(history(again))
    assert first.metrics == again.metrics
    for name, tensor in checkpoint(first)["model"].items():
        assert torch.equal(tensor, checkpoint(again)["model"][name])
    assert history(first)[0]["loss"] != history(other)[0]["loss"]
    assert first.run_dir != again.run_dir


class Careless(nn.Module):
    """Draws weights when it is made, and noise from wherever it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.rand(2))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        noise = random.random() + np.random.rand() + torch.rand(()).item()
        return nn.functional.cross_entropy(logits, targets, self.weights.detach()) + noise + self.weights.sum()


def test_a_loss_that_draws_is_seeded_as_well(run_own: Run) -> None:
    first, again = (history(run_own(Careless, epochs=2, seed=3)) for _ in range(2))
    assert timeless(first) == timeless(again)


def test_the_callers_own_randomness_is_left_alone(run_own: Run) -> None:
    for seed in (0, 1):
        random.seed(5)
        np.random.seed(5)
        torch.manual_seed(5)
        run_own(Careless, epochs=1, seed=seed)
        drawn = random.random(), np.random.rand(), torch.rand(()).item()
        random.seed(5)
        np.random.seed(5)
        torch.manual_seed(5)
        assert drawn == (random.random(), np.random.rand(), torch.rand(()).item())


def test_the_model_starts_alike_whether_or_not_the_loss_draws(run: Run, run_own: Run) -> None:
    still = {"epochs": 1, "seed": 1, "set": {"recipe.lr": 1e-12}}
    plain, drawing = history(run("cross-entropy", **still)), history(run_own(Careless, **still))
    assert plain[0]["val"] == drawing[0]["val"]


def test_run_folder(run: Run, tmp_path: Path) -> None:
    lines: list[Any] = []
    result = run("0.7*bce + 0.3*mse", epochs=2, seed=4, clip_norm=1e-3, set=["model.dim=8"], on_epoch=lines.append)
    folder = Path(result.run_dir)
    assert folder.parent == tmp_path / "breast-cancer" / "0.7-bce-0.3-mse"
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.pt",
        "config.json",
        "history.json",
        "result.json",
        "steps.json",
        "trained.json",
        "trained.pt",
    ]
    assert read_json(folder / "result.json") == result.to_dict()
    assert ", ".join(result.to_dict()) == (
        "loss, task, seed, status, metrics, epochs, steps, seconds, guard, run_dir, class_names, per_class"
    )
    assert (result.loss, result.task, result.seed, result.status) == (
        "0.7*bce + 0.3*mse",
        "breast-cancer",
        4,
        "completed",
    )
    assert (result.epochs, result.steps, result.guard["clipped"]) == (2, 12, 12)
    assert history(result) == lines
    config = read_json(folder / "config.json")
    assert config["model"] == {"dim": 8, "width": 64, "depth": 1}
    assert (config["recipe"]["epochs"], config["seed"], config["clip_norm"]) == (2, 4, 1e-3)
    state = checkpoint(result)
    assert set(state) >= {"model", "loss", "optimizer", "guard", "best", "epoch", "random", "config", "under_way"}
    assert state["config"] == config
    assert state["guard"]["counts"]["steps"] == 12


def test_a_folder_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UsageError, match=r"the run folder must be writable, got .*bce \(Not a directory\); choose another --out"
    ):
        run("bce", out=tmp_path / "file")


def test_files_are_whole_and_readable_by_others(run: Run) -> None:
    folder = Path(run("bce", epochs=1).run_dir)
    (folder / "plain").write_text("")
    modes = {path.stat().st_mode for path in folder.iterdir()}
    assert len(modes) == 1
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("task", ["breast-cancer", "diabetes"])
def test_early_stopping_gives_the_best_state(run: Run, task: str) -> None:
    loss = {"breast-cancer": "bce", "diabetes": "mse"}[task]
    result = run(loss, task, set={"recipe.patience": 3, "recipe.lr": 0.05})
    metric, best_of = {"bce": ("accuracy", max), "mse": ("rmse", min)}[loss]
    values = [line["val"][metric] for line in history(result)]
    best = values.index(best_of(values))
    assert result.status == "stopped-early"
    assert result.stop_reason == f"no better {metric} for 3 epochs"
    assert result.to_dict()["stop_reason"] == result.stop_reason
    assert result.epochs == len(values) == best + 3 + 1
    assert result.metrics["val"][metric] == values[best] != values[-1]
    kept = checkpoint(result)["best"]
    assert (kept["value"], kept["epoch"]) == (values[best], best)


def test_without_patience_it_goes_on(run: Run) -> None:
    result = run("bce", set={"recipe.patience": 0, "recipe.lr": 1e-12}, epochs=15)
    assert (result.status, result.epochs) == ("completed", 15)


def test_terms_and_weights_stand_in_the_history(run: Run) -> None:
    result = run("linear(0, 1, epochs=4)*bce + step(1, 0, epochs=2)*0.5*mse + 1e-4*l2", epochs=4)
    lines = history(result)
    labels = ["bce", "mse", "l2"]
    assert [list(line["terms"]) for line in lines] == [labels] * 4
    assert [line["weights"]["bce"] for line in lines] == [0.0, 0.25, 0.5, 0.75]
    assert [line["weights"]["mse"] for line in lines] == [0.5, 0.5, 0.0, 0.0]
    for line in lines:
        total = sum(line["weights"][label] * line["terms"][label] for label in labels)
        assert line["loss"] == pytest.approx(total, rel=1e-5)


def test_a_single_loss_has_no_terms_but_a_scheduled_one_has_a_weight(run: Run) -> None:
    assert not {"terms", "weights"} & set(history(run("bce", epochs=1))[0])
    lines = history(run("cosine(1, 0, epochs=2)*bce", epochs=2))
    assert [line["weights"] for line in lines] == [{"bce": 1.0}, {"bce": pytest.approx(0.5)}]
    assert "terms" not in lines[0]


def test_learned_task_weights_move_and_do_not_decay(run: Run) -> None:
    result = run("uncertainty(cross-entropy, triplet-batch-hard)", epochs=3, set={"recipe.weight_decay": 0.5})
    state = checkpoint(result)
    learned = state["loss"]["combiner.function.log_variances"]
    assert learned.shape == (2,)
    assert bool((learned != 0).all())
    assert [group["weight_decay"] for group in state["optimizer"]["param_groups"]] == [0.5, 0.0]
    assert list(history(result)[0]["terms"]) == ["cross-entropy", "triplet-batch-hard"]


def test_terms_of_several_signatures(run: Run) -> None:
    result = run("cross-entropy + 0.1*sup-con + 0.1*modern-nca + 0.1*triplet + 1e-5*l1", epochs=2)
    assert len(history(result)[0]["terms"]) == 5
    assert result.metrics["test"]["accuracy"] > 0.8


def test_what_takes_no_signature_of_the_task_is_refused(run: Run) -> None:
    def mine(embeddings: Tensor, labels: Tensor) -> Tensor:
        return embeddings.sum()

    with pytest.raises(UsageError, match=r"mine is a embedding loss and does not fit diabetes.*Try mse, or say --sig"):
        run(mine, "diabetes")
    result = run(lambda a, b: (a - b).abs().mean(), "diabetes", epochs=1)
    assert result.status == "completed"
    probability = run(lambda p, y: (p - y).abs(), signature="binary", expects="probabilities", epochs=8)
    assert probability.metrics["test"]["accuracy"] > 0.8


# Bad steps.
def nothing_but_nan(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.sum() * math.nan


@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_a_run_whose_every_step_is_bad(run: Run, policy: str) -> None:
    result = run(nothing_but_nan, on_nonfinite=policy, epochs=40)
    assert (result.status, result.epochs, result.steps) == ("stopped-by-guard", 1, 10)
    assert "10 bad steps in a row; the last: non-finite loss in step 10, epoch 1; first in mul at test_run.py" in (
        result.stop_reason
    )
    count = {"skip": "skipped", "rollback": "rollbacks"}[policy]
    assert (result.guard["nonfinite"], result.guard[count]) == (10, 10)
    assert all(math.isfinite(value) for part in result.metrics.values() for value in part.values())
    (line,) = history(result)
    assert (line["loss"], line["grad_norm"], line["steps"], line["bad_steps"]) == (None, None, 0, 6)
    assert len(list(Path(result.run_dir, "bundles").iterdir())) == 3  # more would say nothing new


class SometimesBad(nn.Module):
    """NaN in one step of twenty-five."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        self.calls += torch.is_grad_enabled() and not torch.is_anomaly_enabled()
        loss = nn.functional.cross_entropy(logits, targets)
        return loss * math.nan if self.calls % 25 == 20 else loss


@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_one_bad_step_enters_no_statistic(run_own: Run, policy: str) -> None:
    result = run_own(SometimesBad(), on_nonfinite=policy, epochs=6)
    lines = history(result)
    assert (result.status, result.guard["nonfinite"]) == ("completed", 1)
    assert [line["bad_steps"] for line in lines] == [0, 0, 0, 1, 0, 0]
    assert [line["steps"] for line in lines] == [6, 6, 6, 5, 6, 6]
    assert all(0 < line["loss"] < 1 and 0 < line["grad_norm"] < 10 for line in lines)
    rates = {line["lr"] for line in lines}
    assert rates == ({1e-3, 5e-4} if policy == "rollback" else {1e-3})


def test_a_term_that_is_off_may_be_nan(run: Run) -> None:
    off = losszoo.create(lambda predictions, targets: predictions.detach() * math.nan, signature="binary")
    loss = losszoo.SumLoss([Term("bce", losszoo.create("bce")), Term("off", off, 0.0)])
    (line,) = history(run(loss, epochs=1))
    assert line["terms"]["off"] is None
    assert line["loss"] == pytest.approx(line["terms"]["bce"])


def test_the_term_that_is_bad_is_named(run: Run) -> None:
    bad = losszoo.create(lambda predictions, targets: predictions * math.inf, signature="binary")
    result = run(losszoo.SumLoss([Term("bce", losszoo.create("bce")), Term("bad", bad)]), epochs=1)
    assert "non-finite loss in step 1, epoch 0: in the term bad; first in mul at test_run.py" in result.stop_reason


@pytest.mark.needs_abalone
@pytest.mark.parametrize("policy", ["raise", "skip", "rollback"])
def test_the_plain_ratio_on_abalone(run: Run, policy: str) -> None:
    result = run("nca-ratio", "abalone", on_nonfinite=policy)
    assert result.status == ("stopped-by-guard" if policy == "raise" else "stopped-early")
    first = result.guard["first"]
    assert (first["where"], first["op"]) == ("gradient", "div")
    assert first["source"].startswith("exhibits.py:")
    assert result.metrics["test"]["accuracy"] > 0.55
    bundle = torch.load(first["bundle"], weights_only=True)
    parts = {"format", "kind", "event", "batch", "model", "loss", "optimizer", "random", "config"}
    assert set(bundle) == parts | {"versions", "left_out"}
    event = {key: bundle["event"][key] for key in ("step", "epoch", "where")}
    assert event == {"step": first["step"], "epoch": first["epoch"], "where": "gradient"}
    assert bundle["batch"]["inputs"].shape == (len(bundle["batch"]["rows"]), 10)
    assert bundle["config"]["loss"] == "nca-ratio"
    if policy == "raise":
        assert result.stop_reason == f"{_said(first)}; first in div at {first['source']}"
        assert result.steps == first["step"]
    if policy == "rollback":  # as the README says
        assert result.guard["rollbacks"] == result.guard["nonfinite"] >= 1


def _said(first: dict[str, Any]) -> str:
    return f"non-finite gradient in step {first['step']}, epoch {first['epoch']}"
