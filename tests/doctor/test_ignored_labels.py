"""Examples that hold ignored labels, as every batch of a language model or of a segmentation does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import losszoo
from losszoo.doctor.subject.sentinel_labels import sentinel_of

Loss = Callable[..., Tensor]


def tokens(sentinel: int = -100) -> Callable[[], tuple[Tensor, Tensor]]:
    def example() -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        labels = torch.randint(0, 11, (4, 9))
        labels[:, :3] = sentinel
        return torch.randn(4, 9, 11), labels

    return example


def maps(sentinel: int = 255) -> Callable[[], tuple[Tensor, Tensor]]:
    def example() -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        labels = torch.randint(0, 3, (2, 5, 5))
        labels[0, 0] = sentinel
        return torch.randn(2, 3, 5, 5), labels

    return example


def rows(sentinel: int = -100) -> Callable[[], tuple[Tensor, Tensor]]:
    def example() -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        return torch.randn(6, 4), torch.tensor([0, 3, sentinel, 1, 2, 0])

    return example


def picked(logits: Tensor, labels: Tensor, keep: Tensor) -> Tensor:
    return F.log_softmax(logits, -1).gather(-1, labels.masked_fill(~keep, 0)[..., None])[..., 0]


def mean_of_each_sequence(logits: Tensor, labels: Tensor) -> Tensor:
    keep = labels != -100
    return (-(picked(logits, labels, keep) * keep).sum(1) / keep.sum(1)).mean()


def mean_of_all(logits: Tensor, labels: Tensor) -> Tensor:
    keep = labels.ne(-100)
    return -picked(logits, labels, keep)[keep].mean()


def shifted(logits: Tensor, labels: Tensor) -> Tensor:
    labels = labels[:, 1:].reshape(-1)
    keep = labels != -100
    return F.cross_entropy(logits[:, :-1].reshape(-1, 11)[keep], labels[keep])


def naive_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    keep = labels != 255
    p = logits.softmax(1).gather(1, labels.masked_fill(~keep, 0)[:, None])[:, 0]
    return -(p.log() * keep).sum() / keep.sum().clamp(min=1)


def dice_per_image(logits: Tensor, labels: Tensor) -> Tensor:
    keep = (labels != 255)[:, None].float()
    hot = F.one_hot(labels.masked_fill(labels == 255, 0), 3).movedim(-1, 1).float() * keep
    p = logits.softmax(1) * keep
    return 1 - (2 * (p * hot).sum((2, 3)) / (p + hot).sum((2, 3))).mean()


def weighted_by_frequency(logits: Tensor, labels: Tensor) -> Tensor:
    keep = labels != -100
    counts = torch.bincount(labels[keep], minlength=4)
    weight = 1 / counts.to(logits.dtype)
    return F.cross_entropy(logits[keep], labels[keep], weight=weight)


@pytest.mark.parametrize(
    ("loss", "example", "op"),
    [
        (mean_of_each_sequence, tokens(), "div"),
        (mean_of_all, tokens(), "mean"),
        (shifted, tokens(), "cross_entropy"),
        (naive_softmax, maps(), "softmax"),
        (dice_per_image, maps(), "div"),
        (weighted_by_frequency, rows(), None),
    ],
)
def test_what_breaks_by_labels_is_found_beside_ignored_ones(loss: Loss, example: Any, op: str | None) -> None:
    found = losszoo.examine(loss, example=example, budget=600.0, effort=4000)
    assert found.verdict == "sick"
    assert op is None or op in {finding.op for finding in found.findings}


def clamped(logits: Tensor, labels: Tensor) -> Tensor:
    keep = labels != -100
    return -(picked(logits, labels, keep) * keep).sum() / keep.sum().clamp(min=1)


def focal_maps(logits: Tensor, labels: Tensor) -> Tensor:
    ce = F.cross_entropy(logits, labels, ignore_index=255, reduction="none")
    return ((1 - torch.exp(-ce)).square() * ce).sum() / (labels != 255).sum().clamp(min=1)


def smooth_dice(logits: Tensor, labels: Tensor) -> Tensor:
    keep = (labels != 255)[:, None].float()
    hot = F.one_hot(labels.clamp(max=2), 3).movedim(-1, 1).float() * keep
    p = logits.softmax(1) * keep
    return 1 - ((2 * (p * hot).sum((2, 3)) + 1) / ((p + hot).sum((2, 3)) + 1)).mean()


def flat_tokens(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten())


def summed_tokens(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / labels.numel()


def causal(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def minus_one(logits: Tensor, labels: Tensor) -> Tensor:
    keep = labels >= 0
    return (F.cross_entropy(logits, labels.clamp(min=0), reduction="none") * keep).sum() / keep.sum().clamp(min=1)


def contrast(embeddings: Tensor, labels: Tensor) -> Tensor:
    keep = (labels != -100).to(embeddings.dtype)
    same = (labels[:, None] == labels[None]).to(embeddings.dtype) * keep[:, None] * keep[None]
    near = torch.cdist(embeddings, embeddings).square()
    return (same * near + (1 - same) * F.relu(2 - near)).mean()


@pytest.mark.parametrize(
    ("loss", "example"),
    [
        (clamped, tokens()),
        (focal_maps, maps()),
        (smooth_dice, maps()),
        (flat_tokens, tokens()),
        (summed_tokens, tokens()),
        (causal, tokens()),
        (minus_one, rows(-1)),
        (nn.CrossEntropyLoss(), rows()),
        (nn.CrossEntropyLoss(label_smoothing=0.1), rows()),
        (nn.CrossEntropyLoss(reduction="sum"), maps(-100)),
        (lambda x, t: F.cross_entropy(x, t), maps(-100)),
        (lambda x, t: F.nll_loss(x.log_softmax(1), t), rows()),
        (lambda x, t: F.cross_entropy(x, t, reduction="none").sum() / x.shape[0], rows()),
        (lambda x, t: F.cross_entropy(x.float(), t.long()).square(), rows()),
        (lambda x, t: F.mse_loss(x[t != -100].sum(), x.new_zeros(())), rows()),
        (lambda x, t: F.multi_margin_loss(x, t.masked_fill(t == -100, 0)), rows()),
    ],
)
def test_healthy_losses_with_ignored_labels_stay_healthy(loss: Loss, example: Any) -> None:
    found = losszoo.examine(loss, example=example, budget=600.0, effort=4000)
    assert not found.findings


@pytest.mark.parametrize(
    ("labels", "sentinel"),
    [
        ([0, 1, -100], -100),
        ([0, 1, 255], 255),
        ([-100, -100], -100),
        ([0, 1, 2], None),
        ([0, -1, 2], None),
        ([-100, -1, 2], None),
        ([0, 230, 255], None),
        ([31_999, -100], -100),
    ],
)
def test_the_number_that_stands_for_no_label(labels: list[int], sentinel: int | None) -> None:
    assert sentinel_of(torch.tensor(labels)) == sentinel


class KeptElsewhere(nn.Module):
    """The ignored label is an argument of the constructor, and compared with a detached copy of the labels."""

    def __init__(self, ignore_index: int = -100, least: int = 0) -> None:
        super().__init__()
        self.left_out, self.least = ignore_index, least

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        label = label.detach().clone()
        gone = label == self.left_out
        rows = -logits.log_softmax(1).gather(1, label.masked_fill(gone, 0)[:, None])[:, 0]
        return rows.masked_fill(gone, 0).sum() / gone.logical_not().sum().clamp(min=self.least)


@pytest.mark.parametrize(("least", "sick"), [(0, True), (1, False)])
def test_an_ignored_label_of_the_constructor_is_tried(least: int, sick: bool) -> None:
    def example() -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        return torch.randn(8, 5), torch.arange(8) % 5

    found = losszoo.examine(KeptElsewhere(least=least), example=example, effort=2500, budget=600.0)
    assert any("-100" in finding.code or "-100" in finding.probe for finding in found.findings) is sick
    assert bool(found.findings) is sick
