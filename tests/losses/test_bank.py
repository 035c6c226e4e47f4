"""A loss with a memory bank: the values of the batch as if it were the first rows of a larger one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import losszoo
from losszoo import MemoryBank, UsageError

LABELS = torch.tensor([0, 1, 0, 2, 1])
OLD_LABELS = torch.tensor([1, 2, 0, 0])
MAKERS: dict[str, dict[str, Any]] = {
    name: {"classes": 3, "dim": 3}
    for name in (
        *("linear-cross-entropy", "arcface", "sub-center-arcface", "cosface", "sphereface"),
        *("proxy-anchor", "proxy-nca", "soft-triple", "center"),
    )
}


def draw(seed: int, count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, 3, dtype=dtype, generator=torch.Generator().manual_seed(seed))


ROWS, OLD = draw(0, 5), draw(1, 4)


def bank_of(loss: Any, old: tuple[Tensor, Tensor] = (OLD, OLD_LABELS), **options: Any) -> MemoryBank:
    """A bank that holds the old rows and looks at them only."""
    bank = MemoryBank(loss, size=16, **options)
    bank(*old)
    return bank.eval()


def log_share(rows: Tensor, labels: Tensor, old: Tensor, old_labels: Tensor) -> Tensor:
    """Of every row, -log of the share of its own class among all others, by the formula, pair by pair."""
    candidates, classes = torch.cat([rows, old]), torch.cat([labels, old_labels])
    values = []
    for i, row in enumerate(rows):
        closeness = torch.exp(-((row - candidates) ** 2).sum(1))
        others = torch.arange(len(candidates)) != i
        values.append(-torch.log(closeness[others & (classes == labels[i])].sum() / closeness[others].sum()))
    return torch.stack(values)


def test_the_value_is_that_of_the_formula_with_the_older_rows_as_candidates(way: Any) -> None:
    expected = log_share(ROWS, LABELS, OLD, OLD_LABELS)
    weight = torch.tensor([1.0, 2.0, 0.0, 1.0, 0.5], dtype=torch.float64)
    for reduction, value in (
        ("none", expected * weight),
        ("sum", (expected * weight).sum()),
        ("mean", (expected * weight).sum() / weight.sum()),
    ):
        bank = bank_of("nca", reduction=reduction, streaming=way)
        torch.testing.assert_close(bank(ROWS, LABELS, weight=weight), value)


def test_a_masked_row_is_neither_row_nor_candidate(way: Any) -> None:
    mask = torch.tensor([True, True, False, True, True])
    expected = torch.zeros(5, dtype=torch.float64)
    expected[mask] = log_share(ROWS[mask], LABELS[mask], OLD, OLD_LABELS)
    rows = torch.where(mask.unsqueeze(1), ROWS, torch.nan)
    torch.testing.assert_close(bank_of("nca", reduction="none", streaming=way)(rows, LABELS, mask=mask), expected)
    bank = bank_of("nca", streaming=way)
    torch.testing.assert_close(bank(rows, LABELS, mask=mask), expected.sum() / 4)
    assert bank.count(rows, LABELS, mask=mask) == 4
    torch.testing.assert_close(bank(rows, LABELS, mask=mask, denominator=8), expected.sum() / 8)


# proxy-anchor has one value of the whole batch, of which no rows can be dropped.
@pytest.mark.parametrize("name", [s.name for s in losszoo.list_losses("embedding") if s.name != "proxy-anchor"])
def test_every_loss_over_embeddings_has_the_values_of_the_first_rows_of_the_concatenation(name: str) -> None:
    plain = losszoo.create(name, reduction="none", **MAKERS.get(name, {})).double()
    bank = bank_of(plain)
    apart, together = ROWS.clone().requires_grad_(), ROWS.clone().requires_grad_()
    value = bank(apart, LABELS)
    expected = plain(torch.cat([together, OLD]), torch.cat([LABELS, OLD_LABELS]))[:5]
    torch.testing.assert_close(value, expected)
    found = torch.autograd.grad(value.sum(), apart)[0]
    torch.testing.assert_close(found, torch.autograd.grad(expected.sum(), together)[0])
    assert not bank.embeddings.requires_grad


def test_the_gradient_of_the_batch(way: Any) -> None:
    rows = ROWS.clone().requires_grad_()
    for name in ("sup-con", "triplet-all"):
        bank = bank_of(name, streaming=way)
        assert torch.autograd.gradcheck(lambda x, bank=bank: bank(x, LABELS), rows)


def test_a_row_with_a_positive_in_the_bank_alone_takes_part() -> None:
    bank = bank_of("nca")
    alone = torch.tensor([0, 1, 2, 7, 7])
    assert losszoo.create("nca").count(ROWS[:3], alone[:3]) == 0
    assert bank.count(ROWS[:3], alone[:3]) == 3


def test_older_keys_are_negatives(way: Any) -> None:
    queries, keys, old = draw(2, 5), draw(3, 5), draw(4, 4)

    def logits(rows: Tensor, columns: Tensor) -> Tensor:
        return F.normalize(rows) @ F.normalize(columns).T / 0.2

    places = torch.arange(5)
    there = F.cross_entropy(logits(queries, torch.cat([keys, old])), places, reduction="none")
    back = F.cross_entropy(logits(keys, queries), places, reduction="none")
    for symmetric, expected in ((False, there), (True, (there + back) / 2)):
        loss = losszoo.create("info-nce", temperature=0.2, symmetric=symmetric, streaming=way)
        bank = bank_of(loss, (draw(5, 4), old))
        torch.testing.assert_close(bank(queries, keys), expected.mean())
        torch.testing.assert_close(bank(keys=keys, queries=queries), expected.mean())
        mask = torch.tensor([True, True, False, True, True])
        kept = bank(queries[mask], keys[mask])
        torch.testing.assert_close(bank(queries, keys, mask=mask), kept)
        assert torch.autograd.gradcheck(bank, (queries.clone().requires_grad_(), keys.clone().requires_grad_()))


def test_the_oldest_rows_make_place() -> None:
    bank = MemoryBank("nca", size=3)
    numbers = torch.arange(12.0).reshape(6, 2)
    for start, stop, expected in ((0, 2, [0, 1]), (2, 4, [3, 1, 2]), (4, 5, [3, 4, 2]), (0, 6, [3, 4, 5])):
        bank(numbers[start:stop], torch.arange(start, stop))
        assert sorted(bank.labels[: bank.filled].tolist()) == sorted(expected)
        assert torch.equal(bank.embeddings[: bank.filled], numbers[bank.labels[: bank.filled]])
    bank(numbers[:2], torch.tensor([10, 11]))
    assert sorted(bank.labels.tolist()) == [5, 10, 11]


def test_rows_that_are_masked_or_not_finite_are_not_kept() -> None:
    bank = MemoryBank("nca", size=8)
    rows = ROWS.clone()
    rows[1, 0], rows[3, 2] = torch.nan, torch.inf
    bank(rows, LABELS, mask=torch.tensor([True, True, True, True, False]))
    assert torch.equal(bank.embeddings[: bank.filled], ROWS[[0, 2]])
    keys = MemoryBank("info-nce", size=8)
    keys(ROWS, rows)
    assert torch.equal(keys.embeddings[: keys.filled], ROWS[[0, 2, 4]])


def test_nothing_is_kept_in_evaluation_mode_nor_looked_at_in_warmup() -> None:
    bank, plain = MemoryBank("nca", size=16, warmup=2), losszoo.create("nca")
    bank.eval()(OLD, OLD_LABELS)
    assert bank.filled == 0
    bank.train()
    torch.testing.assert_close(bank(OLD, OLD_LABELS), plain(OLD, OLD_LABELS))
    assert bank.filled == 4
    torch.testing.assert_close(bank(ROWS, LABELS), plain(ROWS, LABELS))
    assert bank.filled == 9
    assert bank(ROWS, LABELS) != plain(ROWS, LABELS)
    bank.reset()
    assert bank.filled == 0
    torch.testing.assert_close(bank(ROWS[:, :2], LABELS), plain(ROWS[:, :2], LABELS))


def test_a_batch_of_nothing() -> None:
    bank = bank_of("nca").train()
    rows = torch.zeros(0, 3, requires_grad=True)
    value = bank(rows, LABELS[:0])
    value.backward()
    assert (value, bank.filled) == (0, 4)
    first = MemoryBank("nca")
    assert first(rows, LABELS[:0]) == 0
    assert first(ROWS, LABELS) > 0


@pytest.mark.parametrize("name", ["nca", "info-nce"])
def test_a_run_goes_on_exactly_from_its_state(name: str, tmp_path: Any) -> None:
    def batch(seed: int) -> tuple[Tensor, Tensor]:
        return draw(seed, 5), draw(seed + 50, 5) if name == "info-nce" else LABELS

    bank = MemoryBank(name, size=7, warmup=1)
    bank(*batch(0))
    bank(*batch(1))
    torch.save(bank.state_dict(), tmp_path / "bank.pt")
    fresh = MemoryBank(name, size=7, warmup=1)
    fresh.load_state_dict(torch.load(tmp_path / "bank.pt", weights_only=True))
    again = copy.deepcopy(bank)
    for seed in (2, 3):
        value = bank(*batch(seed))
        assert torch.equal(fresh(*batch(seed)), value)
        assert torch.equal(again(*batch(seed)), value)
    for name, kept in bank.state_dict().items():
        assert (
            kept == fresh.state_dict()[name] if isinstance(kept, dict) else torch.equal(kept, fresh.state_dict()[name])
        )


def test_a_copy_keeps_rows_of_its_own() -> None:
    bank = bank_of("nca").train()
    other = copy.deepcopy(bank)
    other(ROWS, LABELS)
    assert (bank.filled, other.filled) == (4, 9)
    assert torch.equal(bank.embeddings[:4], OLD)


def test_a_state_that_does_not_fit_is_refused() -> None:
    state = bank_of("nca").state_dict()
    with pytest.raises(UsageError, match="size must be that of the memory bank that was saved, 16, got 8"):
        MemoryBank("nca", size=8).load_state_dict(state)
    wide = MemoryBank("nca", size=16)
    wide(torch.zeros(2, 4), LABELS[:2])
    with pytest.raises(UsageError, match=r"memory bank, D=4, got D=3 in what was saved; reset\(\) forgets them"):
        wide.load_state_dict(state)
    wide.reset()
    wide.load_state_dict(state)
    assert torch.equal(wide.embeddings[:4], OLD)


def test_multi_hot_labels() -> None:
    hot, old_hot = F.one_hot(LABELS, 3), F.one_hot(OLD_LABELS, 3)
    expected = log_share(ROWS, LABELS, OLD, OLD_LABELS).mean()
    torch.testing.assert_close(bank_of("nca", (OLD, old_hot))(ROWS, hot), expected)


def test_half_precision_is_kept_in_single() -> None:
    bank = MemoryBank("nca", size=4)
    bank(OLD.half(), OLD_LABELS)
    assert bank.embeddings.dtype == torch.float32
    assert torch.equal(bank.embeddings, OLD.half().float())
    assert bank(ROWS, LABELS).dtype == torch.float64


def test_functions_of_ones_own() -> None:
    """One that is no row function, called with all rows; the sum of squared distances to its class, by hand."""

    def scatter(embeddings: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
        same = (labels[:, None] == labels).to(embeddings.dtype)
        same = same if mask is None else same * mask
        return (same * ((embeddings[:, None] - embeddings) ** 2).sum(2)).sum(1)

    bank = bank_of(scatter, reduction="none")
    rows, labels = torch.cat([ROWS, OLD]), torch.cat([LABELS, OLD_LABELS])
    expected = torch.stack(
        [((row - rows[labels == label]) ** 2).sum() for row, label in zip(ROWS, LABELS, strict=True)]
    )
    torch.testing.assert_close(bank(ROWS, LABELS), expected)
    mask = torch.tensor([False, True, True, True, True])
    torch.testing.assert_close(bank(ROWS, LABELS, mask=mask)[1:], bank(ROWS[1:], LABELS[1:]))
    weight = torch.arange(5.0, dtype=torch.float64)
    torch.testing.assert_close(bank(ROWS, LABELS, weight=weight), expected * weight)


class Proxies(nn.Module):
    """A module with parameters, which learn."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.zeros(classes, 3, dtype=torch.float64))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return ((embeddings - self.centres[labels]) ** 2).sum(1)


def test_a_module_of_ones_own_learns() -> None:
    bank = bank_of(Proxies)
    value = bank(ROWS, LABELS)
    torch.testing.assert_close(value, (ROWS**2).sum(1).mean())
    value.backward()
    assert [name for name, _ in bank.named_parameters()] == ["loss.function.centres"]
    # Half the gradient by hand: the rows of class 2, of which the batch has one.
    torch.testing.assert_close(next(bank.parameters()).grad[2], -2 * ROWS[3] / 5)


def test_a_sum_of_losses() -> None:
    bank = bank_of("0.5*nca + 2*sup-con")
    expected = 0.5 * bank_of("nca")(ROWS, LABELS) + 2 * bank_of("sup-con")(ROWS, LABELS)
    torch.testing.assert_close(bank(ROWS, LABELS), expected)
    parameter = torch.ones(2, dtype=torch.float64)
    penalised = MemoryBank("linear(1, 0, epochs=4)*nca + 0.1*l2")
    penalised.loss.set_epoch(2)
    value = penalised(ROWS, LABELS, parameters=[parameter])
    penalty = losszoo.create("l2")([parameter])
    torch.testing.assert_close(value, 0.5 * losszoo.create("nca")(ROWS, LABELS) + 0.1 * penalty)
    with pytest.raises(UsageError, match="count must be asked of one loss, got a sum"):
        bank.count(ROWS, LABELS)


def test_it_says_what_it_holds() -> None:
    assert "size=16, warmup=0, filled=4" in repr(bank_of("nca"))


def one_number(embeddings: Tensor, labels: Tensor) -> Tensor:
    return embeddings.mean()


def plain_views(queries: Tensor, keys: Tensor) -> Tensor:
    return (queries - keys).sum(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MemoryBank("nca", size=0), "size must be an integer >= 1, got 0"),
        (lambda: MemoryBank("nca", size=2.5), r"size must be an integer >= 1, got 2\.5"),
        (lambda: MemoryBank("nca", warmup=-1), "warmup must be an integer >= 0, got -1"),
        (lambda: MemoryBank("bce"), "must be given a loss of the signature embedding or views, got binary"),
        (lambda: MemoryBank("l2"), "must be given a loss of the signature embedding or views, got penalty"),
        (lambda: MemoryBank("nca + info-nce"), "embedding or views, got embedding and views"),
        (lambda: MemoryBank("nca", signature="neighbors"), "embedding or views, got neighbors"),
        (lambda: MemoryBank(losszoo.create("nca"), reduction="sum"), "is a loss of the zoo already"),
        (lambda: MemoryBank(plain_views), r"a loss over views must be a row function \(losszoo\.pairwise\)"),
        (lambda: MemoryBank(one_number)(ROWS, LABELS), "must return one value per row, .* got one number"),
        (lambda: bank_of("nca")(draw(0, 5)[:, :2], LABELS), r"bank, D=3, got D=2; reset\(\) forgets them"),
        (
            lambda: bank_of("nca")(ROWS, F.one_hot(LABELS)),
            r"labels must be like those in the memory bank, \(N,\) of torch\.int64, got \(N, 3\) of torch\.int64",
        ),
        (lambda: bank_of("nca", warmup=9).train()(draw(0, 5)[:, :2], LABELS), r"bank, D=3, got D=2"),
        (lambda: bank_of("nca")(ROWS), "inputs must be embeddings, labels, got none for labels"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_a_batch_of_inference_is_remembered_for_training() -> None:
    bank = MemoryBank("sup-con", size=8)
    rows, labels = torch.randn(4, 3), torch.tensor([0, 0, 1, 1])
    with torch.inference_mode():
        bank(rows, labels)
    value = bank(rows.requires_grad_(), labels)
    value.backward()
    assert torch.equal(bank.embeddings, torch.cat([rows, rows]).detach())


def test_the_loss_itself_is_called_and_no_copy_of_it() -> None:
    """A hook of the loss inside sees the call; each call used to make another loss of the bank's own."""
    bank = losszoo.MemoryBank("nca-stable", size=4)
    seen = []
    bank.loss.register_forward_hook(lambda loss, inputs, value: seen.append(float(value)))
    rows, labels = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1])
    values = [float(bank(rows, labels)) for _ in range(2)]
    assert seen == values


def test_older_rows_belong_to_losses_whose_rows_see_each_other() -> None:
    older = losszoo.MemoryBank("nca-stable", size=4)._older()
    with pytest.raises(UsageError, match=r"^mse: older must be left out, as the rows of this loss do not see each"):
        losszoo.create("mse")(torch.zeros(2), torch.zeros(2), older=older)
