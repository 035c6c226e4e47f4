"""Several batches as one step: the gradient is that of the large batch, for losses that add up and for the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import losszoo
from losszoo import UsageError
from losszoo.common.seeding import isolated
from losszoo.training.accumulate import Zeros, counts_of
from losszoo.training.data.batch_inputs import Step
from losszoo.training.make_plan import make_plan
from losszoo.training.models.forward import Forward
from losszoo.training.run_options import Options
from losszoo.training.step import BatchLoss

# By parts, as a sum: with class weights, an ignored label and a penalty. By their outputs: all the others.
SUMS = ["cross-entropy(label_smoothing=0.1)", "0.5*focal + 2*mse + 1e-2*l2", "topk-softmax(k=3)", "hinge"]
OTHERS = ["sup-con", "triplet", "modern-nca", "info-nce", "rmse", "uncertainty(cross-entropy, bce)", "sup-con + bce"]
TASK = {"info-nce": "digits-views", "hinge": "breast-cancer", "rmse": "diabetes"}


def stepped(loss: str, tmp_path: Path, accumulate: int, rows: int) -> tuple[dict[str, torch.Tensor], float]:
    """Gradients and value of one step on ``rows`` rows."""
    with isolated(0, torch.device("cpu")):
        settings = {"recipe.batch_size": -(-rows // accumulate)}
        plan = make_plan(loss, TASK.get(loss, "digits"), Options(set=settings, accumulate=accumulate, out=tmp_path))
        kept: dict[str, torch.Tensor] = {}
        joint = torch.nn.ModuleList([plan.model, plan.loss])

        def look() -> None:
            kept.update({name: p.grad.clone() for name, p in joint.named_parameters() if p.grad is not None})

        batch = BatchLoss(plan, torch.arange(rows))
        batch._histograms = look  # type: ignore[method-assign]
        plan.scalars = object()  # type: ignore[assignment]
        return kept, batch.step().loss


@pytest.mark.parametrize("rows", [48, 41])
@pytest.mark.parametrize("loss", [*SUMS, *OTHERS])
def test_it_is_the_large_batch(loss: str, rows: int, tmp_path: Path) -> None:
    whole, value = stepped(loss, tmp_path, 1, rows)
    parts, value_of_parts = stepped(loss, tmp_path, 4, rows)
    assert value_of_parts == pytest.approx(value, rel=1e-5)
    assert whole.keys() == parts.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize(("loss", "adds_up"), [*((name, True) for name in SUMS), *((name, False) for name in OTHERS)])
def test_which_add_up(loss: str, adds_up: bool, tmp_path: Path) -> None:
    plan = make_plan(loss, TASK.get(loss, "digits"), Options(out=tmp_path))
    zeros = Zeros(plan.forward(plan.data.train.inputs[:1])[0])
    rows = torch.arange(8).split(4)
    parts = [Step(plan.model, plan.task, plan.data, part, 0.5, plan.randomness.generator, zeros) for part in rows]
    counts = counts_of(plan.loss, parts)
    assert (counts is not None) is adds_up


def test_a_loss_that_reduces_by_itself(tmp_path: Path) -> None:
    """Torch's own module gives one number: nothing can be added up, so it sees all outputs at once."""
    with isolated(0, torch.device("cpu")):
        one = losszoo.run(torch.nn.CrossEntropyLoss(), "digits", epochs=1, out=tmp_path, set={"recipe.batch_size": 128})
        two = losszoo.run(
            torch.nn.CrossEntropyLoss(), "digits", epochs=1, out=tmp_path, accumulate=4, set={"recipe.batch_size": 32}
        )
    assert one.steps == two.steps
    assert two.metrics["test"]["accuracy"] == pytest.approx(one.metrics["test"]["accuracy"], abs=0.01)


def test_dropout_leaves_out_the_same_in_both_passes(tmp_path: Path) -> None:
    """The second pass gives the very outputs of the first one, else the gradient is that of another function."""
    with isolated(0, torch.device("cpu")):
        options = Options(set={"model.dropout": 0.5, "recipe.batch_size": 10}, accumulate=4, out=tmp_path)
        plan = make_plan("sup-con", "breast-cancer", options)
        seen: list[torch.Tensor] = []
        plan.forward.module.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[0].detach()))
        BatchLoss(plan, torch.arange(40)).step()
    assert len(seen) == 8
    for first, second in zip(seen[:4], seen[4:], strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("loss", ["sup-con", "cross-entropy"])
def test_an_investigation_repeats_the_same_draws(loss: str, tmp_path: Path) -> None:
    with isolated(0, torch.device("cpu")):
        options = Options(set={"model.dropout": 0.5, "recipe.batch_size": 10}, accumulate=4, out=tmp_path)
        batch = BatchLoss(make_plan(loss, "breast-cancer", options), torch.arange(40))
        total = batch._accumulated()
        torch.testing.assert_close(batch.again().detach(), total)


def test_a_step_counts_once(tmp_path: Path) -> None:
    result = losszoo.run("cross-entropy", "digits", epochs=2, out=tmp_path, accumulate=3)
    rows = len(losszoo.load_task("digits").splits(0).train.targets)
    assert result.steps == 2 * -(-rows // (3 * 128))


@pytest.mark.parametrize("accumulate", [0, -1, 1.5, True])
def test_what_cannot_be_accumulated(accumulate: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="accumulate must be a whole number >= 1, got "):
        losszoo.run("bce", "digits", accumulate=accumulate, out=tmp_path)


def test_a_bad_part_is_a_bad_step(tmp_path: Path) -> None:
    """The guard acts on the whole, once, and says where."""
    result = losszoo.run("nca-ratio", "digits", set={"recipe.lr": 10.0}, accumulate=2, epochs=20, out=tmp_path)
    assert result.status == "stopped-by-guard"
    assert result.guard["nonfinite"] == 1
    assert result.guard["first"]["op"] is not None


def test_what_stands_in_for_a_pass_promises_no_model() -> None:
    """The outputs of no pass are no Forward, whose module and precision they do not have."""
    zeros = Zeros({"features": torch.ones(1, 3)})
    assert [x["features"].shape for x in zeros(torch.ones(2, 5), torch.ones(4, 5))] == [(2, 3), (4, 3)]
    assert not isinstance(zeros, Forward)
