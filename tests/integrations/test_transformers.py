"""The Trainer of transformers on tiny models of random weights: its own loss and ours end alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import losszoo

pytest.importorskip("transformers")
pytest.importorskip("accelerate")

CLASSES, WORDS, LONG = 3, 11, 6


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    before = torch.get_rng_state()
    yield
    torch.set_rng_state(before)
    assert "HF_HUB_OFFLINE" in os.environ


def words(rows: int = 40) -> Tensor:
    return torch.randint(0, WORDS, (rows, LONG), generator=torch.Generator().manual_seed(1))


def causal() -> tuple[nn.Module, list[dict[str, Tensor]]]:
    """A language model, and rows some of whose labels are left out: more of them in some rows than in others."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": WORDS, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    tokens: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    model = LlamaForCausalLM(LlamaConfig(**sizes, **tokens, num_attention_heads=2, max_position_embeddings=LONG))
    rows = words()
    labels = rows.clone()
    for number, row in enumerate(labels):
        row[LONG - number % 5 :] = -100
    return model, [{"input_ids": x, "labels": y} for x, y in zip(rows, labels, strict=True)]


def bert(kind: str, **config: Any) -> nn.Module:
    import transformers

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": WORDS, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "intermediate_size": 8}
    made: nn.Module = getattr(transformers, kind)(transformers.BertConfig(**sizes, **none, **config))
    return made


def classifier() -> tuple[nn.Module, list[dict[str, Tensor]]]:
    rows = words()
    labels = rows.sum(1) % CLASSES
    model = bert("BertForSequenceClassification", num_labels=CLASSES)
    return model, [{"input_ids": x, "labels": y} for x, y in zip(rows, labels, strict=True)]


def tagger() -> tuple[nn.Module, list[dict[str, Tensor]]]:
    rows = words()
    labels = (rows % CLASSES).where(rows > 1, torch.tensor(-100))
    model = bert("BertForTokenClassification", num_labels=CLASSES)
    return model, [{"input_ids": x, "labels": y} for x, y in zip(rows, labels, strict=True)]


def regressor() -> tuple[nn.Module, list[dict[str, Tensor]]]:
    rows = words()
    model = bert("BertForSequenceClassification", num_labels=1)
    return model, [{"input_ids": x, "labels": x.float().mean()} for x in rows]


def many_labels() -> tuple[nn.Module, list[dict[str, Tensor]]]:
    rows = words()
    model = bert("BertForSequenceClassification", num_labels=CLASSES, problem_type="multi_label_classification")
    return model, [{"input_ids": x, "labels": (x[:CLASSES] % 2).float()} for x in rows]


def trainer(model: nn.Module, rows: Any, folder: Path, loss: Any = None, callbacks: Any = (), **options: Any) -> Any:
    from transformers import Trainer, TrainingArguments

    plain: dict[str, Any] = {"report_to": [], "save_strategy": "no", "disable_tqdm": True, "use_cpu": True}
    steps: dict[str, Any] = {"max_steps": 20, "learning_rate": 1e-2, "logging_steps": 1}
    chosen = {"train_sampling_strategy": "sequential", "per_device_train_batch_size": 4, **steps, **options}
    arguments = TrainingArguments(output_dir=str(folder), **plain, **chosen)
    return Trainer(model, arguments, train_dataset=rows, compute_loss_func=loss, callbacks=list(callbacks))


def losses(trained: Any) -> list[float]:
    return [line["loss"] for line in trained.state.log_history if "loss" in line]


@pytest.mark.parametrize(
    ("task", "loss", "every"),
    [
        (causal, "cross-entropy", 1),
        (causal, "cross-entropy", 3),
        (classifier, "cross-entropy", 1),
        (tagger, "cross-entropy", 1),
        (regressor, "mse", 1),
        (many_labels, "bce", 1),
    ],
)
def test_training_ends_as_with_its_own_loss(task: Any, loss: str, every: int, tmp_path: Path) -> None:
    (own, rows), (ours, _) = task(), task()
    steps = 20 if task is causal else 6
    options: dict[str, Any] = {"gradient_accumulation_steps": every, "max_steps": steps}
    first = trainer(own, rows, tmp_path, **options)
    first.train()
    second = trainer(ours, rows, tmp_path, losszoo.hf_loss(loss), **options)
    second.train()
    assert losses(second) == pytest.approx(losses(first), abs=1e-6)
    assert second.evaluate(rows)["eval_loss"] == pytest.approx(first.evaluate(rows)["eval_loss"], abs=1e-6)
    for (name, one), two in zip(own.named_parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-6, msg=name)


def test_twenty_steps_of_another_loss_end_as_the_same_loop_by_hand(tmp_path: Path) -> None:
    """Plain gradient descent, the rows in order, two batches of four for each step.

    Adam would not do: it makes a step of full length of a gradient that is nothing but rounding.
    """
    (model, rows), (net, _) = causal(), causal()
    options: dict[str, Any] = {"optim": "sgd", "lr_scheduler_type": "constant", "max_grad_norm": 0.0}
    options |= {"gradient_accumulation_steps": 2, "learning_rate": 0.1}
    trainer(model, rows, tmp_path, losszoo.hf_loss("softmax-focal", gamma=1.0), **options).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net.train()
    for step in range(20):
        batch = [rows[(8 * step + place) % 40] for place in range(8)]
        inputs = torch.stack([row["input_ids"] for row in batch])
        labels = torch.stack([row["labels"] for row in batch])[:, 1:].flatten()
        logits = net(input_ids=inputs).logits[:, :-1].flatten(0, 1)[labels != -100]
        # (1 - p)^gamma times the cross-entropy, from torch's own
        entropy = torch.nn.functional.cross_entropy(logits, labels[labels != -100], reduction="none")
        ((1 - torch.exp(-entropy)) * entropy).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    for (name, one), two in zip(model.named_parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("task", [classifier, tagger])
def test_two_batches_of_a_step_are_one_batch_twice_as_large(task: Any, tmp_path: Path) -> None:
    (whole, rows), (parts, _) = task(), task()
    loss = losszoo.hf_loss("cross-entropy")
    trainer(whole, rows, tmp_path, loss, per_device_train_batch_size=8, max_steps=6).train()
    trainer(parts, rows, tmp_path, loss, gradient_accumulation_steps=2, max_steps=6).train()
    for (name, one), two in zip(whole.named_parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-6, msg=name)


def test_a_schedule_follows_the_steps_and_epochs_of_the_trainer(tmp_path: Path) -> None:
    from losszoo.integrations.transformers import ScheduleCallback

    seen: list[tuple[float, int]] = []
    model, rows = classifier()
    function = losszoo.hf_loss("linear(0, 1, epochs=2)*softmax-focal + cross-entropy")

    def watched(*args: Any, **named: Any) -> Tensor:
        seen.append((function.loss.epoch, function.loss.step))
        return function(*args, **named)

    options: dict[str, Any] = {"max_steps": 10, "gradient_accumulation_steps": 2}
    trainer(model, rows, tmp_path, watched, [ScheduleCallback(function)], **options).train()
    assert seen == [(float(step // 5), step) for step in range(10) for _ in range(2)]
    state = SimpleNamespace(global_step=3, epoch=0.6)
    ScheduleCallback(function.loss, within_epochs=True).on_step_begin(None, state, None)
    assert (function.loss.epoch, function.loss.step) == (0.6, 3)


def breaks_beyond_100(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).square() / (targets < 100)


@pytest.mark.parametrize(("loss", "target"), [(breaks_beyond_100, 1e3), (None, torch.nan)])
def test_a_guard_changes_no_good_step_and_leaves_out_a_bad_one(loss: Any, target: float, tmp_path: Path) -> None:
    """Of row 9 the loss is not finite: with two rows in each step, that of the fifth."""
    from losszoo.integrations.transformers import GuardCallback

    (plain, rows), (guarded, _), (skipping, _) = regressor(), regressor(), regressor()
    options: dict[str, Any] = {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 1, "max_steps": 8}
    function = None if loss is None else losszoo.hf_loss(loss, signature="regression")
    trainer(plain, rows, tmp_path, function, **options).train()
    guard = GuardCallback("rollback", loss=function)
    trainer(guarded, rows, tmp_path, function, [guard], **options).train()
    assert guard.guard is not None
    assert (guard.guard.counts.steps, guard.guard.counts.nonfinite) == (8, 0)
    for one, two in zip(plain.parameters(), guarded.parameters(), strict=True):
        assert torch.equal(one, two)
    rows[9] = {**rows[9], "labels": torch.tensor(target)}
    guard = GuardCallback("skip", loss=function)
    trained = trainer(skipping, rows, tmp_path, function, [guard], **options)
    trained.train()
    assert guard.guard is not None
    assert (guard.guard.counts.steps, guard.guard.counts.skipped, trained.state.global_step) == (8, 1, 8)
    assert guard.guard.first is not None
    assert (guard.guard.first.step, guard.guard.first.where) == (5, "gradient" if loss is None else "loss")
    assert all(parameter.isfinite().all() for parameter in skipping.parameters())
    with pytest.raises(losszoo.NonFiniteError):
        trainer(regressor()[0], rows, tmp_path, function, [GuardCallback(loss=function)], **options).train()


@pytest.mark.parametrize("name", ["fp16", "fsdp", "deepspeed"])
def test_a_guard_refuses_gradients_that_are_not_whole(name: str) -> None:
    from losszoo.integrations.transformers import GuardCallback

    with pytest.raises(losszoo.UsageError, match=f"must see the whole gradient, and without a scale, got {name}; "):
        GuardCallback().on_train_begin(SimpleNamespace(**{name: True}), None, None)


def outputs(logits: Tensor, kind: str = "SequenceClassifierOutput") -> Any:
    import transformers.modeling_outputs

    return getattr(transformers.modeling_outputs, kind)(logits=logits)


def test_a_sum_divides_every_term_by_the_labels_of_the_step() -> None:
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, -100])
    function = losszoo.hf_loss("0.5*softmax-focal(gamma=0) + cross-entropy")
    entropy = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    torch.testing.assert_close(function(outputs(logits), labels, num_items_in_batch=12), 1.5 * entropy / 12)
    torch.testing.assert_close(function(outputs(logits), labels), 1.5 * entropy / 3)


def test_weights_of_classes_change_no_denominator() -> None:
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, -100])
    function = losszoo.hf_loss("cross-entropy", weight=(1.0, 2.0, 4.0))
    total = torch.nn.functional.cross_entropy(logits, labels, torch.tensor([1.0, 2.0, 4.0]), reduction="sum")
    torch.testing.assert_close(function(outputs(logits), labels, num_items_in_batch=3), total / 3)


def test_integer_labels_of_numbers_are_left_out_at_minus_100() -> None:
    logits, labels = torch.randn(2, 3), torch.tensor([[0, 1, -100], [1, -100, 1]])
    kept = labels != -100
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits[kept], labels[kept].float())
    torch.testing.assert_close(losszoo.hf_loss("bce")(outputs(logits), labels), entropy)
    torch.testing.assert_close(losszoo.hf_loss("bce")(outputs(logits), labels, num_items_in_batch=8), entropy / 2)


def test_a_loss_over_embeddings_takes_another_output() -> None:
    rows, labels = torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    function = losszoo.hf_loss("sup-con", output="pooler_output")
    expected = losszoo.create("sup-con")(rows, labels)
    assert function({"pooler_output": rows}, labels, num_items_in_batch=torch.tensor(6)) == expected
    with pytest.raises(losszoo.UsageError, match=r"sup-con: a step must be one batch .* 6 labels of 12"):
        function({"pooler_output": rows}, labels, num_items_in_batch=torch.tensor(12))


TOKENS = torch.zeros(2, 3, 5), torch.zeros(2, 3, dtype=torch.long)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: losszoo.hf_loss("uncertainty(cross-entropy, softmax-focal)"), "must learn nothing by itself"),
        (lambda: losszoo.hf_loss("cross-entropy", ignore_index=0), "ignore_index must be -100 under the Trainer"),
        (lambda: losszoo.hf_loss("cross-entropy")({"logits": TOKENS[0]}, TOKENS[1]), "shift must be given"),
        (lambda: losszoo.hf_loss("cross-entropy")({"scores": TOKENS[0]}, TOKENS[1]), "'logits' of scores"),
        (lambda: losszoo.hf_loss("cross-entropy")({"logits": TOKENS[0]}, None), "must hold labels"),
        (
            lambda: losszoo.hf_loss("mse")({"logits": torch.zeros(2)}, torch.zeros(2), torch.ones(2, 1)),
            r"must be one number, got 2: under torch\.nn\.DataParallel",
        ),
        (
            lambda: losszoo.create("cross-entropy")({"logits": TOKENS[0]}, TOKENS[1], num_items_in_batch=6),
            r"got num_items_in_batch; losszoo\.hf_loss",
        ),
    ],
)
def test_what_would_train_something_else_is_refused(call: Any, told: str) -> None:
    with pytest.raises(losszoo.UsageError, match=told):
        call()


def test_a_loss_that_learns_is_taken_from_the_model() -> None:
    learned = losszoo.create("uncertainty(cross-entropy, softmax-focal)")
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    value = losszoo.hf_loss(learned)(outputs(logits), labels, num_items_in_batch=4)
    assert value == learned(logits, labels)


@pytest.mark.parametrize("shift", [True, False])
def test_a_shift_that_is_given_decides(shift: bool) -> None:
    logits, labels = torch.randn(2, 3, 5), torch.randint(0, 5, (2, 3))
    there = (logits[:, :-1], labels[:, 1:]) if shift else (logits, labels)
    expected = torch.nn.functional.cross_entropy(there[0].flatten(0, 1), there[1].flatten())
    function = losszoo.hf_loss("cross-entropy", shift=shift)
    torch.testing.assert_close(function({"logits": logits}, labels), expected)
