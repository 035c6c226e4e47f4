"""Whole runs: equal seeds, the run folder, early stopping, terms, losses of one's own, and odd data."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import Tiny, labelled, table
from torch import Tensor, nn

import losszoo
from losszoo import RunResult, UsageError
from losszoo.common.files import read_json
from losszoo.losses.sums.sum_loss import Term
from losszoo.registry.registry import Origin, installed
from losszoo.tasks.make_task import make_task
from losszoo.training.data.prepared_data import prepare
from losszoo.training.run import Options, make_plan
from losszoo.training.step import BatchLoss

Run = Callable[..., RunResult]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda loss, task="breast-cancer", **options: losszoo.run(loss, task, **{"out": tmp_path, **options})


@pytest.fixture
def run_own(run: Run) -> Run:
    """For losses of class logits and labels."""
    return lambda loss, *args, **options: run(loss, *args, signature="multiclass", **options)


def strict_json(path: Path) -> Any:
    """NaN and Infinity are no JSON."""

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} in {path.name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def history(result: RunResult) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = strict_json(Path(result.run_dir, "history.json"))
    return lines


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
    ]
    assert read_json(folder / "result.json") == result.to_dict()
    assert list(result.to_dict()) == (
        ["loss", "task", "seed", "status", "metrics", "epochs", "steps", "seconds", "guard", "run_dir"]
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
    with pytest.raises(UsageError, match=r"the run folder must be writable, got Not a directory.*choose another --out"):
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


# Losses of one's own.
def weighed(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, targets, reduction="none")


class Ten(nn.Module):
    """An ordinary module, which knows nothing of losszoo."""

    def __init__(self, power: float = 1.0) -> None:
        super().__init__()
        self.power = power

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        chance = x.softmax(1).gather(1, y.unsqueeze(1))
        return ((1 - chance) ** self.power).mean()


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (weighed, "weighed"),
        (lambda x, y: nn.functional.cross_entropy(x, y), "<lambda>"),
        (Ten, "Ten"),
        (Ten(2.0), "Ten"),
        (nn.CrossEntropyLoss(), "CrossEntropyLoss"),
    ],
    ids=["function", "lambda", "class", "module", "torch"],
)
def test_objects(run_own: Run, loss: Any, name: str) -> None:
    result = run_own(loss, epochs=3)
    assert (result.loss, result.status) == (name, "completed")
    assert result.metrics["test"]["accuracy"] > 0.8


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (losszoo.create("focal", gamma=1.0), "focal(gamma=1.0)"),
        (losszoo.create("0.5*bce + mse"), "0.5*bce + mse"),
    ],
    ids=["one", "sum"],
)
def test_losses_of_the_zoo_that_are_made_already(run: Run, loss: Any, name: str) -> None:
    result = run(loss, epochs=3)
    assert (result.loss, result.status) == (name, "completed")
    assert result.metrics["test"]["accuracy"] > 0.8


OWN = """
import torch
from torch import nn


class MyLoss(nn.Module):
    def __init__(self, power=1.0):
        super().__init__()
        self.power = power

    def forward(self, x, y):
        return nn.functional.cross_entropy(x, y, reduction="none").pow(self.power).mean()


def breaks(x, y):
    return torch.linalg.inv(x)


def divides(logits, targets):
    spread = logits.sum() * 0
    return spread / spread
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "my_loss.py").write_text(OWN)
    return f"{tmp_path}/my_loss.py"


def test_a_file(run: Run, mine: str) -> None:
    result = run(f"{mine}:MyLoss", "digits", epochs=2, set=["loss.power=1.5"])
    assert result.metrics["test"]["accuracy"] > 0.7
    assert Path(result.run_dir).parent.name == "my-loss.py-MyLoss"
    inside = run(f"0.5*{mine}:MyLoss(power=2.0) + bce", epochs=1)
    assert list(history(inside)[0]["terms"]) == [f"{mine}:MyLoss(power=2.0)", "bce"]


def test_a_loss_that_raises(run: Run, mine: str) -> None:
    with pytest.raises(
        UsageError, match=r"step 1 of .*:breaks on digits raised .*square.* \(my_loss.py:16\)"
    ) as caught:
        run(f"{mine}:breaks", "digits", epochs=1)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_where_a_loss_of_ones_own_divides_by_zero(run: Run, mine: str) -> None:
    result = run(f"{mine}:divides", "digits", epochs=1)
    first = result.guard["first"]
    assert (result.status, result.steps) == ("stopped-by-guard", 1)
    assert (first["step"], first["epoch"], first["where"]) == (1, 0, "loss")
    assert (first["op"], first["source"]) == ("div", "my_loss.py:21")


@pytest.mark.parametrize(
    ("loss", "match"),
    [
        (lambda x, y: None, "a loss must return a floating point tensor, got .*NoneType"),
        (lambda x, y: 0.5, "a loss must return a floating point tensor, got .*float"),
        (lambda x, y: y.sum(), "a loss must return a floating point tensor, got .*int64"),
        (lambda x, y: (x.argmax(1) == y).float().mean(), "must have a graph, got False"),
        (lambda x, y: x.detach().mean(), "must have a graph"),
    ],
)
def test_a_loss_that_returns_something_else(run_own: Run, loss: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        run_own(loss, epochs=1)


def test_settings_of_a_loss_that_is_made_already(run: Run) -> None:
    with pytest.raises(UsageError, match=r"loss. settings must be left out for a loss that is made, got power"):
        run(Ten(), set={"loss.power": 2})


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


# Odd sizes and odd data.
# A loss of every signature, and a size of batches that leaves one row for the last.
LONELY = [
    ("cross-entropy", "breast-cancer", 121),
    ("bce", "breast-cancer", 121),
    ("mse", "diabetes", 281),
    ("smooth-segmentation", "digits-segmentation", 574),
    ("nca-stable", "breast-cancer", 121),
    ("sup-con", "breast-cancer", 121),
    ("triplet-all", "breast-cancer", 121),
    ("contrastive", "breast-cancer", 121),
    ("triplet", "breast-cancer", 121),
    ("info-nce", "breast-cancer", 121),
    ("modern-nca", "breast-cancer", 121),
    ("modern-nca", "diabetes", 281),
]


@pytest.mark.parametrize(("loss", "task", "size"), LONELY)
def test_a_last_batch_of_one_row(run: Run, loss: str, task: str, size: int) -> None:
    rows = len(make_task(task, {}).splits(0).train.inputs)
    assert rows % size == 1
    result = run(loss, task, epochs=1, set={"recipe.batch_size": size})
    assert (result.status, result.steps, result.guard["nonfinite"]) == ("completed", rows // size + 1, 0)


@pytest.mark.parametrize("loss", ["bce", "nca-stable", "modern-nca", "contrastive", "info-nce"])
def test_a_batch_larger_than_the_data(run: Run, loss: str) -> None:
    assert run(loss, epochs=2, set={"recipe.batch_size": 10**9}).steps == 2


class Odd(Tiny):
    """The task that a test has put into :attr:`given`."""

    given: tuple[str, Any] = ("multiclass", ())

    def __init__(self) -> None:
        kind, part = self.given
        super().__init__(kind, part, part, part)


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def offer(kind: str, part: Any, metric: str | None = None) -> None:
        monkeypatch.setattr(Odd, "given", (kind, part))
        spec = losszoo.TaskSpec(
            name="odd",
            target=f"{__name__}:Odd",
            kind=kind,
            summary="what a test needs",
            metric=metric or Tiny(kind).spec.metric,
            direction="min" if kind == "regression" else "max",
        )
        monkeypatch.setitem(installed().tasks, "odd", spec)
        monkeypatch.setitem(installed().origins, ("task", "odd"), Origin("tests", "odd-tasks", "1"))

    return offer


BY_SIGNATURE = {
    "multiclass": "cross-entropy",
    "binary": "bce",
    "regression": "mse",
    "embedding": "nca-stable",
    "pair": "contrastive",
    "triplet": "triplet",
    "views": "info-nce",
    "neighbors": "modern-nca",
}


@pytest.mark.parametrize("signature", installed().taken_by("multiclass"))
def test_a_class_with_one_row(run: Run, odd: Callable[..., None], signature: str) -> None:
    odd("multiclass", labelled([0, 0, 0, 0, 1, 1, 1, 1, 2]))
    result = run(BY_SIGNATURE[signature], "odd", epochs=3, set={"recipe.batch_size": 4})
    assert (result.status, result.guard["nonfinite"]) == ("completed", 0)
    assert all(math.isfinite(part["accuracy"]) for part in result.metrics.values())


@pytest.mark.parametrize("loss", ["cross-entropy", "nca-stable", "info-nce", "modern-nca"])
def test_two_rows_and_a_constant_column(run: Run, odd: Callable[..., None], loss: str) -> None:
    inputs = np.array([[5.0, 1.0], [5.0, 2.0]], dtype=np.float32)
    odd("binary", (inputs, np.array([0, 1])))
    result = run(loss, "odd", epochs=2)
    assert (result.status, result.guard["nonfinite"]) == ("completed", 0)


def test_equal_rows_and_equal_targets(run: Run, odd: Callable[..., None]) -> None:
    odd("regression", (np.ones((6, 2), np.float32), np.full(6, 3.0, np.float32)))
    for loss in ("mse", "rmse", "modern-nca"):
        result = run(loss, "odd", epochs=2)
        assert (result.status, result.guard["nonfinite"]) == ("completed", 0)
        assert result.metrics["test"]["rmse"] < 3


def test_bad_data_are_named_before_anything_is_trained(run: Run, odd: Callable[..., None], tmp_path: Path) -> None:
    inputs, targets = labelled([0, 1, 0, 1])
    inputs[2, 1] = np.nan
    odd("binary", (inputs, targets))
    with pytest.raises(losszoo.DataError, match=r"task odd: train inputs must be finite.*: row 2, column 1 holds nan"):
        run("bce", "odd")
    assert not list(tmp_path.iterdir())


def test_a_task_whose_metric_nobody_measures(run: Run, odd: Callable[..., None]) -> None:
    odd("binary", labelled([0, 1, 0, 1]), metric="f1")
    with pytest.raises(
        UsageError, match="task odd of plugin tests, odd-tasks 1: metric of a binary task must be one of"
    ):
        run("bce", "odd")


def test_a_metric_that_cannot_be_measured_stops_nothing(run: Run, odd: Callable[..., None]) -> None:
    class NoPositives(Odd):
        def splits(self, seed: int = 0) -> losszoo.Splits:
            train = losszoo.Split(*labelled([0, 1, 0, 1]))
            rest = losszoo.Split(table(3), np.zeros(3, np.int64))
            return losszoo.Splits(train, rest, rest)

    odd("binary", (), metric="average_precision")
    globals()["Odd"], kept = NoPositives, Odd
    try:
        result = run("bce", "odd", epochs=3)
    finally:
        globals()["Odd"] = kept
    assert result.epochs == 3
    assert result.to_dict()["metrics"]["val"]["average_precision"] is None
    assert [line["val"]["average_precision"] for line in history(result)] == [None] * 3


def test_prepared_data_are_those_of_the_split(run: Run) -> None:
    first, other = (prepare(make_task("diabetes", {}), split, torch.device("cpu")) for split in (0, 1))
    assert not torch.equal(first.train.inputs, other.train.inputs)
    assert run("mse", "diabetes", epochs=1, set={"task.split": 1}).to_dict()["task"] == "diabetes"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 1, "set": {"recipe.epochs": 2}}, "epochs must be given once"),
        ({"seed": True}, "seed must be a whole number"),
        ({"seed": 2**32}, r"seed must be a whole number in \[0, 2\^32\)"),
    ],
)
def test_options_that_cannot_be(run: Run, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("mae", "diabetes", **options)


def test_a_loss_of_ones_own_inside_a_combiner(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "inner.py"
    path.write_text("import torch\n\ndef mine(x, y):\n    return torch.nn.functional.cross_entropy(x, y)\n")
    assert run(f"uncertainty({path}:mine, 0.5*cross-entropy)", "digits", epochs=1).status == "completed"


def test_a_term_that_is_off_does_not_take_the_graph_from_the_others(tmp_path: Path) -> None:
    """The first term of the sum weighs 0 in the first epoch: the trunk learns from the second one all the same."""
    plan = make_plan("linear(0, 1, epochs=20)*sup-con + cross-entropy", "digits", Options(out=tmp_path))
    plan.loss.set_epoch(0)
    BatchLoss(plan, torch.arange(40)).total().backward()
    assert all(parameter.grad is not None for parameter in plan.model.parameters())
