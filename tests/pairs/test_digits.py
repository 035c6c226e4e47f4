"""Digits that a product of many numbers loses, and where they are kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import losszoo
from losszoo import Streaming, Unreduced, UsageError


def _written_out(points: Tensor, labels: Tensor, similarity: str) -> Tensor:
    """nca-stable from torch's own distances, each difference by itself."""
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    logits = -distances if similarity == "euclidean" else -(distances * distances)
    same, own = labels.unsqueeze(1) == labels, torch.eye(len(labels), dtype=torch.bool)
    far, near = (logits.masked_fill(out, -torch.inf).logsumexp(1) for out in (same, ~same | own))
    return (far - near).mean()


@pytest.mark.parametrize("gap", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("similarity", ["euclidean", "squared-euclidean"])
def test_gradient_of_clusters_far_apart(similarity: str, gap: float, way: Streaming) -> None:
    """Each point times the sum of its slopes, minus the sum over the others: in float32 nothing of it would be left."""
    points = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    points[::2] += gap
    labels = torch.arange(60) % 5
    wide = points.double().requires_grad_()
    (expected,) = torch.autograd.grad(_written_out(wide, labels, similarity), wide)
    points.requires_grad_()
    loss = losszoo.create("nca-stable", similarity=similarity, streaming=way)
    (found,) = torch.autograd.grad(loss(points, labels), points)
    error = float((found - expected).norm() / expected.norm())
    # The whole matrix is carried back by autograd, from squares in float32 at a small size.
    assert error < (1e-5 if not way.dense else 1e-2)


def test_rows_too_short_to_have_a_direction_are_zero() -> None:
    points = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1e-170, 0.0]], dtype=torch.float64)
    value = losszoo.create("sup-con")(points, torch.tensor([0, 0, 0]))
    zeroed = losszoo.create("sup-con")(points * (points > 1e-100), torch.tensor([0, 0, 0]))
    torch.testing.assert_close(value, zeroed)


def test_a_mask_over_queries_hides_no_candidate(way: Streaming) -> None:
    """As many candidates as queries, and yet other ones."""
    points = torch.randn(40, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels, mask = torch.arange(40) % 3, torch.arange(20) % 4 > 0
    loss = losszoo.create("modern-nca", streaming=way)
    found = loss(points[:20], labels[:20], points[20:], labels[20:], mask=mask)
    torch.testing.assert_close(found, loss(points[:20][mask], labels[:20][mask], points[20:], labels[20:]))


def test_counts_that_depend_on_the_logits_are_refused(way: Streaming) -> None:
    @losszoo.pairwise()
    def weighted(logits: Tensor, positive: Tensor, negative: Tensor) -> Unreduced:
        share = logits.sigmoid()
        return Unreduced((share * logits).sum(1), share.sum(1))

    points = torch.randn(12, 3).requires_grad_()
    with pytest.raises(UsageError, match="counts of a row function must not depend on its logits"):
        losszoo.create(weighted, streaming=way)(points, torch.arange(12) % 3)


def test_an_empty_batch_is_not_shown_to_the_function(way: Streaming) -> None:
    @losszoo.pairwise()
    def hardest(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return logits.amax(1)

    nothing = torch.zeros(0, 3, requires_grad=True)
    value = losszoo.create(hardest, streaming=way)(nothing, torch.zeros(0, dtype=torch.int64))
    assert value == 0
    value.backward()


def test_terms_of_a_sum_are_streamed_where_they_can() -> None:
    points, labels = torch.randn(12, 3), torch.arange(12) % 3
    plain = losszoo.create("nca + 0.1*l2")
    dense = losszoo.create("nca + 0.1*l2", streaming=Streaming(dense=True))
    given = {"parameters": [points]}
    torch.testing.assert_close(plain(points, labels, **given), dense(points, labels, **given))


def test_an_autocast_backward_is_in_full_precision(way: Streaming) -> None:
    if way.dense:
        pytest.skip("the backward of plain operations is torch's own, and not to be put under autocast")
    points, labels = torch.randn(30, 8, generator=torch.Generator().manual_seed(2)) * 1e11, torch.arange(30) % 3
    slopes = []
    for half in (False, True):
        x = points.clone().requires_grad_()
        with torch.autocast("cpu", enabled=half):
            losszoo.create("nca", similarity="dot", temperature=1e22, reduction="none", streaming=way)(
                x, labels
            ).sum().backward()
        slopes.append(x.grad)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-5, atol=0.0)
