"""A step that can be computed again, with the same draws; and where a run's chance comes from."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

import losszoo
from losszoo.common.seeding import Randomness, isolated
from losszoo.losses.configured_loss import LossInfo
from losszoo.losses.loss import Loss
from losszoo.losses.sums.sum_loss import SumLoss, Term
from losszoo.training.build_loss import make_prediction
from losszoo.training.make_plan import make_plan
from losszoo.training.run_options import Options
from losszoo.training.step import BatchLoss

CPU = torch.device("cpu")


@pytest.mark.parametrize("loss", ["modern-nca", "contrastive", "triplet", "info-nce", "bce"])
def test_a_step_can_be_computed_again(loss: str, tmp_path: Path) -> None:
    """Dropout, pairs, views and candidates are drawn as they were, and the next step draws as if nothing had been."""
    plan = make_plan(loss, "breast-cancer", Options(set={"model.dropout": 0.5}, out=tmp_path))
    randomness, batch = plan.randomness, BatchLoss(plan, torch.arange(40))
    first, after = batch.total(), randomness.state()
    assert torch.equal(batch.again(), first)
    assert all(torch.equal(now, then) for now, then in zip(randomness.state().values(), after.values(), strict=True))
    assert not torch.equal(batch.total(), first)


def test_randomness_goes_on_from_a_state() -> None:
    with isolated(3, CPU):
        source = Randomness(1, CPU)
        state = source.state()
        drawn = torch.rand(2, generator=source.generator), torch.rand(2)
        source.restore(state)
        again = torch.rand(2, generator=source.generator), torch.rand(2)
    assert torch.equal(torch.cat(drawn), torch.cat(again))


def test_isolation_survives_an_error() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    expected = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)

    def fails() -> None:
        with isolated(2**63 - 1, CPU):
            random.random(), np.random.rand(), torch.rand(())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected


def soft_cosine(queries, query_targets, candidates, candidate_targets, *, similarity="cosine", temperature=0.1):  # type: ignore[no-untyped-def]
    """A loss of neighbors whose defaults are not the usual ones."""


def test_predictions_are_made_as_the_loss_was_made() -> None:
    def prediction(loss: torch.nn.Module) -> tuple[str, float]:
        made = make_prediction(SumLoss([Term("it", loss)]), loss.signature)  # type: ignore[arg-type]
        return made.similarity, made.temperature

    assert prediction(losszoo.create("modern-nca")) == ("euclidean", 1.0)
    assert prediction(losszoo.create("modern-nca", similarity="dot", temperature=2.0)) == ("dot", 2.0)
    assert prediction(losszoo.create("sup-con"))[0] == "cosine"
    assert prediction(losszoo.create("nca", similarity="cosine"))[0] == "cosine"
    assert prediction(Loss(soft_cosine, LossInfo("mine", "neighbors"))) == ("cosine", 0.1)
    assert prediction(Loss(soft_cosine, LossInfo("mine", "neighbors", params={"temperature": 3.0}))) == ("cosine", 3.0)
