"""Lightning's own Trainer on tiny modules: schedules follow it, the guard steps for it, and nothing else changes."""

from __future__ import annotations

import copy
import json
import logging
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import losszoo

pytest.importorskip("lightning")
pytestmark = pytest.mark.filterwarnings("ignore:The number of training batches")

ROWS, BATCH = 80, 8


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def data() -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    return torch.randn(ROWS, 4, generator=draws), torch.randint(0, 3, (ROWS,), generator=draws)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))


def module(loss: Any, spoil: Any = lambda loss, step: loss, schedule: bool = False) -> Any:
    """A classifier; ``spoil`` gets the loss and the number of the batch."""
    import lightning

    class Classifier(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.loss = network(), loss
            self.seen: list[tuple[int, float, int]] = []

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            if isinstance(self.loss, losszoo.SumLoss):
                self.seen.append((self.current_epoch, self.loss.epoch, self.loss.step))
            value = spoil(self.loss(self.network(batch[0]), batch[1]), batch_idx)
            self.log("loss", value)
            return value

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters(), lr=0.01, weight_decay=0.1)
            if not schedule:
                return optimizer
            rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rates, "interval": "step"}}

    return Classifier()


def fit(classifier: Any, *callbacks: Any, folder: Path | None = None, batches: int = 10, **options: Any) -> Any:
    import lightning

    quietly: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=options.pop("devices", 1),
        enable_checkpointing=options.pop("enable_checkpointing", False),
        max_epochs=options.pop("max_epochs", 2),
        limit_train_batches=batches,
        callbacks=list(callbacks),
        default_root_dir=folder,
        **quietly,
        **options,
    )
    trainer.fit(classifier, DataLoader(TensorDataset(*data()), batch_size=BATCH), ckpt_path=options.get("resume"))
    return trainer


def guard(*args: Any, **options: Any) -> Any:
    from losszoo.integrations.lightning import GuardCallback

    return GuardCallback(*args, **options)


def by_hand(loss: Any, every: int = 1, clip: float | None = None, skip: tuple[int, ...] = ()) -> nn.Module:
    """Twenty batches in two epochs, and nothing of losszoo but the loss."""
    net, (rows, labels) = network(), data()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=0.1)
    for epoch in range(2):
        loss.set_epoch(epoch)
        for number in range(10):
            part = slice(number * BATCH, (number + 1) * BATCH)
            before = copy.deepcopy(net.state_dict())
            (loss(net(rows[part]), labels[part]) / every).backward()
            if number in skip:
                net.load_state_dict(before)
                optimizer.zero_grad()
            elif (number + 1) % every == 0 or number == 9:
                if clip is not None:
                    torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
                optimizer.step()
                optimizer.zero_grad()
    return net


def assert_equal(net: nn.Module, other: nn.Module) -> None:
    for (name, one), two in zip(net.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-6, msg=name)


SCHEDULED = "linear(0, 1, epochs=2)*softmax-focal + cross-entropy"


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize(("every", "clip"), [(1, None), (3, 0.1)])
def test_twenty_batches_end_as_the_same_loop_by_hand(
    every: int, clip: float | None, guarded: bool, tmp_path: Path
) -> None:
    classifier = module(losszoo.create(SCHEDULED))
    watching = [guard(bundles=None)] if guarded else []
    trainer = fit(classifier, *watching, folder=tmp_path, accumulate_grad_batches=every, gradient_clip_val=clip)
    assert_equal(classifier.network, by_hand(losszoo.create(SCHEDULED), every, clip))
    assert trainer.global_step == 2 * math.ceil(10 / every)
    if guarded:
        assert watching[0].guard.counts.steps == trainer.global_step
        assert "step" not in trainer.optimizers[0].__dict__


def test_a_schedule_follows_epochs_and_steps_of_the_trainer_by_itself(tmp_path: Path) -> None:
    classifier = module(losszoo.create(SCHEDULED))
    fit(classifier, folder=tmp_path, accumulate_grad_batches=5)
    assert classifier.seen == [(e, float(e), 2 * e + n // 5) for e in range(2) for n in range(10)]


def test_a_schedule_may_move_within_an_epoch(tmp_path: Path) -> None:
    from losszoo.integrations.lightning import ScheduleCallback

    classifier = module(losszoo.create(SCHEDULED))
    fit(classifier, ScheduleCallback(within_epochs=True), folder=tmp_path)
    assert [epoch for _, epoch, _ in classifier.seen] == pytest.approx([n / 10 for n in range(20)])


def test_batches_that_nobody_can_count_have_no_share_of_an_epoch(tmp_path: Path) -> None:
    from losszoo.integrations.lightning import ScheduleCallback

    trainer = SimpleNamespace(global_step=0, current_epoch=0, num_training_batches=math.inf)
    with pytest.raises(losszoo.UsageError, match="within_epochs must go with a data loader that has a length"):
        ScheduleCallback(True).on_train_batch_start(trainer, losszoo.create(SCHEDULED), None, 0)


def nan_at(*bad: int) -> Any:
    return lambda loss, number: loss * math.nan if number in bad else loss


def infinite_gradient(loss: Tensor, number: int) -> Tensor:
    """At batch 3 the loss is finite, and its gradient is not: the square root has an infinite one at 0."""
    return loss + (0 * loss).sqrt() if number == 3 else loss


@pytest.mark.parametrize("clipping", [{}, {"gradient_clip_val": 1.0, "gradient_clip_algorithm": "value"}])
@pytest.mark.parametrize("spoil", [nan_at(3), infinite_gradient])
def test_a_bad_step_is_left_out(spoil: Any, clipping: dict[str, Any], tmp_path: Path) -> None:
    classifier, watching = module(losszoo.create("cross-entropy"), spoil), guard("skip", bundles="bad")
    trainer = fit(classifier, watching, folder=tmp_path, **clipping)
    assert watching.guard.to_dict()["skipped"] == 2
    assert trainer.global_step == 20
    assert len(list((tmp_path / "bad").glob("*.pt"))) == 2
    if not clipping:
        assert_equal(classifier.network, by_hand(losszoo.create("cross-entropy"), skip=(3,)))


def test_of_several_batches_of_a_step_one_is_enough_to_leave_it_out(tmp_path: Path) -> None:
    classifier, watching = module(losszoo.create("cross-entropy"), nan_at(1)), guard("skip", bundles="bad")
    trainer = fit(classifier, watching, folder=tmp_path, accumulate_grad_batches=2, max_epochs=1)
    assert (trainer.global_step, watching.guard.counts.skipped) == (5, 1)
    bundle = torch.load(next((tmp_path / "bad").glob("*.pt")), weights_only=True)
    assert [batch[0].shape[0] for batch in bundle["batch"]] == [BATCH, BATCH]


def test_the_error_names_operation_line_and_bundle(tmp_path: Path) -> None:
    classifier, watching = module(losszoo.create("cross-entropy"), infinite_gradient), guard()
    with pytest.raises(losszoo.NonFiniteError, match=r"gradient in step 4, epoch 0; first in sqrt at .*\.py:\d+") as it:
        fit(classifier, watching, folder=tmp_path)
    assert str(tmp_path / "crash-bundles") in str(it.value)
    assert watching.guard.first.op == "sqrt"
    assert "step" not in watching.guard.optimizer.__dict__
    assert all(value.isfinite().all() for value in classifier.state_dict().values())


def test_a_rollback_halves_the_rate_under_a_schedule(tmp_path: Path) -> None:
    classifier = module(losszoo.create("cross-entropy"), nan_at(3), schedule=True)
    watching = guard("rollback", bundles=None)
    trainer = fit(classifier, watching, folder=tmp_path, max_epochs=1)
    assert (watching.guard.counts.rollbacks, watching.guard.lr_scale) == (1, 0.5)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01 / 11)


def test_a_step_without_a_loss_is_no_bad_one(tmp_path: Path) -> None:
    classifier, watching = module(losszoo.create("cross-entropy")), guard(bundles=None)
    step = classifier.training_step

    def none_at_2(batch: Any, batch_idx: int) -> Tensor | None:
        return None if batch_idx == 2 else step(batch, batch_idx)

    classifier.training_step = none_at_2
    with pytest.warns(UserWarning, match="returned `None`"):
        trainer = fit(classifier, watching, folder=tmp_path, max_epochs=1)
    assert (trainer.global_step, watching.guard.counts.steps) == (10, 9)


def test_a_resumed_guard_has_its_counts(tmp_path: Path) -> None:
    import lightning

    watching = guard("skip", bundles=None)
    trainer = fit(module(losszoo.create(SCHEDULED), nan_at(3)), watching, folder=tmp_path, max_epochs=1)
    trainer.save_checkpoint(tmp_path / "it.ckpt")
    again, resumed = module(losszoo.create(SCHEDULED), nan_at(3)), guard("skip", bundles=None)
    options: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    on = lightning.Trainer(accelerator="cpu", max_epochs=2, enable_checkpointing=False, callbacks=[resumed], **options)
    loader = DataLoader(TensorDataset(*data()), batch_size=BATCH)
    on.fit(again, loader, ckpt_path=tmp_path / "it.ckpt", weights_only=True)
    assert (resumed.guard.counts.steps, resumed.guard.counts.skipped) == (20, 2)
    assert resumed.guard.first.step == 4
    assert_equal(again.network, by_hand(losszoo.create(SCHEDULED), skip=(3,)))


def test_a_scale_that_was_too_large_is_no_bad_step(tmp_path: Path) -> None:
    """Half precision on the CPU: float16 ends at 65504, and so does the scaled gradient of the network's outputs."""
    from lightning.pytorch.plugins import MixedPrecision

    half = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**24, growth_interval=1000))
    classifier, watching = module(losszoo.create("cross-entropy"), nan_at(9)), guard("skip", bundles=None)
    fit(classifier, watching, folder=tmp_path, plugins=[half], max_epochs=1)
    told = watching.guard.to_dict()
    assert told["overflows"] > 0
    assert told["skipped"] == 1
    assert watching.guard.first.where == "loss"
    assert half.scaler.get_scale() < 2.0**24
    assert all(value.isfinite().all() for value in classifier.state_dict().values())


def test_what_a_guard_cannot_do_is_refused(tmp_path: Path) -> None:
    from lightning.pytorch.plugins import MixedPrecision
    from lightning.pytorch.strategies import FSDPStrategy

    manual = module(losszoo.create("cross-entropy"))
    manual.automatic_optimization = False
    with pytest.raises(losszoo.UsageError, match="must go with automatic optimization"):
        fit(manual, guard(), folder=tmp_path)
    closure = module(losszoo.create("cross-entropy"))
    closure.configure_optimizers = lambda: torch.optim.LBFGS(closure.parameters())
    with pytest.raises(losszoo.UsageError, match="must step without a closure"):
        fit(closure, guard(), folder=tmp_path)
    fused = module(losszoo.create("cross-entropy"))
    fused.configure_optimizers = lambda: torch.optim.Adam(fused.parameters(), fused=True)
    half = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
    with pytest.raises(losszoo.UsageError, match="must see gradients without their scale, got a fused optimizer"):
        fit(fused, guard(), folder=tmp_path, plugins=[half])
    sharded = SimpleNamespace(strategy=FSDPStrategy.__new__(FSDPStrategy), precision_plugin=None, optimizers=[])
    with pytest.raises(losszoo.UsageError, match=r"must go with one device or DDP, .*FSDPStrategy"):
        guard().on_train_start(sharded, module(losszoo.create("cross-entropy")))


def test_under_manual_optimization_a_guard_of_ones_own_counts_steps(tmp_path: Path) -> None:
    import lightning

    class Manual(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.network, self.loss = network(), losszoo.create("cross-entropy")

        def on_train_start(self) -> None:
            self.guard = losszoo.Guard(self.network, self.optimizers(), "skip", bundles=None)

        def training_step(self, batch: Any, batch_idx: int) -> None:
            loss = self.loss(self.network(batch[0]), batch[1])
            self.guard.step(nan_at(3)(loss, batch_idx))

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=0.01, weight_decay=0.1)

    manual = Manual()
    trainer = fit(manual, folder=tmp_path)
    assert manual.guard.counts.skipped == 2
    assert trainer.global_step == 18  # the steps that were taken
    assert_equal(manual.network, by_hand(losszoo.create("cross-entropy"), skip=(3,)))


def test_two_ranks_leave_a_step_out_together(tmp_path: Path) -> None:
    """The batch of one rank alone is bad; each rank tells how many steps it left out, and what it ends with."""

    def bad_on_one(loss: Tensor, number: int) -> Tensor:
        return loss * math.nan if number == 1 and torch.distributed.get_rank() == 1 else loss

    classifier, watching = module(losszoo.create("cross-entropy"), bad_on_one), guard("skip", bundles="bad")

    def on_train_end() -> None:
        told = watching.guard.counts.skipped, [p.sum().item() for p in classifier.network.parameters()]
        (tmp_path / f"rank-{torch.distributed.get_rank()}.json").write_text(json.dumps(told))

    classifier.on_train_end = on_train_end
    fit(classifier, watching, folder=tmp_path, devices=2, strategy="ddp_fork", max_epochs=1)
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert first[0] == 1
    assert sorted(path.parent.name for path in (tmp_path / "bad").rglob("*.pt")) == ["rank-0", "rank-1"]


def test_the_other_name_of_the_library(tmp_path: Path) -> None:
    """``pytorch_lightning`` has classes of its own, and entry points of its own."""
    script = """
import pytorch_lightning, torch, losszoo, sys
from losszoo.integrations.lightning import GuardCallback
class Module(pytorch_lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network, self.loss = torch.nn.Linear(4, 3), losszoo.create("linear(0, 1, epochs=2)*softmax-focal + nll")
    def training_step(self, rows):
        return self.loss(torch.log_softmax(self.network(rows), 1), torch.zeros(8, dtype=torch.long))
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
module, guard = Module(), GuardCallback(bundles=None)
quiet = dict(logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False)
trainer = pytorch_lightning.Trainer(accelerator="cpu", max_epochs=2, callbacks=[guard], **quiet)
trainer.fit(module, torch.utils.data.DataLoader(torch.randn(16, 4), batch_size=8))
print(module.loss.epoch, guard.guard.counts.steps, trainer.global_step, "lightning.pytorch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1.0 4 4 False"
