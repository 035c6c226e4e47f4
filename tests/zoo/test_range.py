"""Legal finite inputs of any magnitude from 1e-30 to 1e30, mixed: no value or gradient is lost that float32 can hold.

The truth is the same loss in float64, whose own numbers must all be finite. A loss, its signature and its parameters
are found through the registry. What is counted is samples: 10^4 here, and 10^6 under the marker ``sweep``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

import losszoo
from losszoo import LossSpec, Param
from losszoo.losses.signatures.example_inputs import example_inputs
from losszoo.losses.sums.data_sizes import set_sizes
from losszoo.testing.ordinary_inputs import value_and_gradients

STABLE = {spec.name: spec for spec in losszoo.list_losses(plugin="losszoo") if spec.status == "stable"}
SIZES = (1, 1, 2, 3, 5, 8, 17, 40)
# Mostly large ones, which take minutes; from about 720 rows on pairs are streamed.
MANY = (1, 2, 3, 8, 40, 200, 400, 800)
LARGEST = float(torch.finfo(torch.float32).max)


class Source:
    """Numbers of one batch."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.generator = Generator().manual_seed(seed)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.generator, dtype=torch.float64)

    def numbers(self, *shape: int) -> Tensor:
        """Finite numbers, up to 1e30, in one of several patterns."""
        normal = torch.randn(shape, generator=self.generator, dtype=torch.float64)
        rows = [shape[0], *[1] * (len(shape) - 1)]
        exponents = {
            "each": self.uniform(*shape, low=-30, high=30),
            "rows": self.uniform(*rows, low=-30, high=30),
            "large": self.uniform(*shape, low=15, high=30),
            "small": self.uniform(*shape, low=-30, high=-15),
            "ordinary": torch.zeros(shape, dtype=torch.float64),
            "one": torch.full(shape, self.random.uniform(-30, 30), dtype=torch.float64),
            "few": 30 * torch.randint(-1, 2, shape, generator=self.generator).double(),
            "a huge row": torch.where(torch.arange(shape[0]).view(rows) == 0, 30.0, self.random.uniform(-30, 3)),
        }
        pattern = self.random.choice(list(exponents))
        scale = 10.0 ** exponents[pattern]
        found = torch.sign(normal) * scale if pattern == "few" else normal * scale
        if self.random.random() < 0.3:  # zeros
            found = torch.where(self.uniform(*shape) < 0.3, 0.0, found)
        if self.random.random() < 0.3:  # duplicates
            found = found[torch.randint(shape[0], (shape[0],), generator=self.generator)]
        return found.clamp(-1e30, 1e30)

    def labels(self, count: int, classes: int) -> Tensor:
        """Uneven: most are of the first classes."""
        return (self.uniform(count).square() * classes).long()

    def bits(self, *shape: int) -> Tensor:
        share = self.random.choice((0.0, 0.1, 0.5, 1.0))
        return (self.uniform(*shape) < share).double()


Batch = tuple[Any, ...]


def predictions(source: Source, expects: str, *shape: int) -> Tensor:
    numbers = source.numbers(*shape)
    if expects == "logits":
        return numbers
    logs = -numbers.abs()
    return logs if expects == "log-probabilities" else logs.exp()


def binary(source: Source, expects: str, count: int) -> Batch:
    targets = source.bits(count) if source.random.random() < 0.7 else source.uniform(count)
    return predictions(source, expects, count), targets


def multiclass(source: Source, expects: str, count: int) -> Batch:
    classes = source.random.choice((1, 2, 3, 7))
    return predictions(source, expects, count, classes), source.labels(count, classes)


def regression(source: Source, expects: str, count: int) -> Batch:
    targets = source.numbers(count)
    equal = source.random.random() < 0.2
    return targets.clone() if equal else source.numbers(count), targets


def segmentation(source: Source, expects: str, count: int) -> Batch:
    shape = count, source.random.choice((1, 2)), source.random.choice((1, 4)), source.random.choice((1, 3))
    return predictions(source, expects, *shape), source.bits(*shape)


def embedding(source: Source, expects: str, count: int) -> Batch:
    return source.numbers(count, source.random.choice((1, 2, 5))), source.labels(count, source.random.choice((1, 2, 4)))


def several(source: Source, count: int, tensors: int) -> list[Tensor]:
    width = source.random.choice((1, 2, 5))
    found = [source.numbers(count, width) for _ in range(tensors)]
    if source.random.random() < 0.2:
        found[1] = found[0].clone()
    return found


def pair(source: Source, expects: str, count: int) -> Batch:
    return *several(source, count, 2), source.bits(count)


def triplet(source: Source, expects: str, count: int) -> Batch:
    return tuple(several(source, count, 3))


def views(source: Source, expects: str, count: int) -> Batch:
    return tuple(several(source, count, 2))


def neighbors(source: Source, expects: str, count: int) -> Batch:
    queries, candidates = several(source, count, 2)
    others = source.numbers(source.random.choice(SIZES), queries.shape[1])
    candidates = torch.cat([candidates, others])
    if source.random.random() < 0.5:
        targets: Tensor = source.numbers(len(candidates))
    else:
        targets = source.labels(len(candidates), 3)
    own = torch.where(source.uniform(count) < 0.8, torch.arange(count), -1)
    return queries, targets[:count], candidates, targets, own


def penalty(source: Source, expects: str, count: int) -> Batch:
    return ([source.numbers(count, 2), source.numbers(count)],)


def preference(source: Source, expects: str, count: int) -> Batch:
    chosen, rejected = predictions(source, expects, count), predictions(source, expects, count)
    # The odds of a certain answer are infinite, and refused.
    return chosen, rejected.clamp(max=-1e-30) if expects == "log-probabilities" else rejected


def counts(source: Source, expects: str, count: int) -> Batch:
    """Logarithms of rates that float32 can hold beside counts."""
    return source.numbers(count).clamp(-40, 40), source.labels(count, 9).double() + 1


def distribution(source: Source, expects: str, count: int, width: int = 2) -> Batch:
    """The location is any number; an exponential scale of 1e30 is beyond every dtype."""
    columns = source.numbers(count, width)
    return torch.cat([columns[:, :1], columns[:, 1:].clamp(-40, 40)], 1), source.numbers(count)


def distribution_counts(source: Source, expects: str, count: int) -> Batch:
    return distribution(source, expects, count)[0], source.labels(count, 9).double()


def distribution_mixture(source: Source, expects: str, count: int) -> Batch:
    columns = source.numbers(count, 3 * source.random.choice((1, 2, 5)))
    logits, means, scales = columns.chunk(3, 1)
    return torch.cat([logits, means, scales.clamp(-40, 40)], 1), source.numbers(count)


def distribution_quantiles(source: Source, expects: str, count: int) -> Batch:
    return source.numbers(count, 3), source.numbers(count)


def ordinal(source: Source, expects: str, count: int) -> Batch:
    steps = source.random.choice((1, 2, 5))
    return source.numbers(count, steps), source.labels(count, steps + 1)


def vectors(source: Source, expects: str, count: int) -> Batch:
    return tuple(several(source, count, 2))


def negatives(source: Source, expects: str, count: int) -> Batch:
    return source.numbers(count), source.numbers(count, source.random.choice((1, 2, 5)))


def latent(source: Source, expects: str, count: int) -> Batch:
    """Log-variances whose exponential float32 can hold."""
    mean, log_variance = several(source, count, 2)
    return mean, log_variance.clamp(-1e4, 80)


def samples(source: Source, expects: str, count: int) -> Batch:
    first, second = several(source, count, 2)
    return first, torch.cat([second, source.numbers(2, second.shape[1])])


def distillation(source: Source, expects: str, count: int) -> Batch:
    classes = source.random.choice((1, 2, 5))
    return source.numbers(count, classes), source.numbers(count, classes)


def divergence(source: Source, expects: str, count: int) -> Batch:
    return predictions(source, expects, count), source.uniform(count)


def feedback(source: Source, expects: str, count: int) -> Batch:
    return source.numbers(count), source.bits(count)


def signed(source: Source, expects: str, count: int) -> Batch:
    return source.numbers(count), 2 * source.bits(count) - 1


def order(source: Source, expects: str, count: int) -> Batch:
    return source.numbers(count), *signed(source, expects, count)


def multilabel(source: Source, expects: str, count: int) -> Batch:
    shape = count, source.random.choice((1, 2, 7))
    return source.numbers(*shape), source.bits(*shape)


def label_lists(source: Source, expects: str, count: int) -> Batch:
    logits, hot = multiclass(source, expects, count)[0], source.bits(count)
    classes = logits.shape[1]
    ends = (hot * classes).long().unsqueeze(1)
    return logits, torch.where(torch.arange(classes) < ends, torch.arange(classes), -1)


def boxes(source: Source, expects: str, count: int) -> Batch:
    """Around the origin and far from it; flat ones among them."""

    def some() -> Tensor:
        corners = source.numbers(count, 2)
        sides = source.numbers(count, 2).abs()
        return torch.cat([corners, corners + sides], 1)

    first, second = some(), some()
    return (second.clone() if source.random.random() < 0.2 else first), second


def ranking(source: Source, expects: str, count: int) -> Batch:
    items = source.random.choice((1, 2, 5))
    relevance = (source.uniform(count, items) * 6).floor() - 1
    return source.numbers(count, items), relevance


def survival(source: Source, expects: str, count: int) -> Batch:
    times = source.numbers(count).abs()
    return source.numbers(count), times if source.random.random() < 0.5 else times.round(), source.bits(count)


def survival_weibull(source: Source, expects: str, count: int) -> Batch:
    """A power t^k that float64 can hold."""
    times = source.numbers(count).abs().clamp(1e-5, 1e5)
    return source.numbers(count, 2).clamp(-2, 2), times, source.bits(count)


def intervals(source: Source, expects: str, count: int) -> Batch:
    width = source.random.choice((1, 2, 7))
    return source.numbers(count, width), source.labels(count, width), source.bits(count)


MAKERS: Mapping[str, Callable[[Source, str, int], Batch]] = {
    make.__name__: make
    for make in (
        *(binary, multiclass, regression, segmentation, embedding, pair, triplet, views, neighbors, penalty),
        *(preference, feedback, negatives, counts, vectors, latent, samples, distillation, divergence),
        *(signed, order, multilabel, distribution, boxes, ranking, ordinal, survival),
    )
} | {
    "distances": signed,
    "conditional-ordinal": ordinal,
    "survival-weibull": survival_weibull,
    "survival-hazards": intervals,
    "survival-masses": intervals,
    "label-lists": label_lists,
    "distribution-tails": partial(distribution, width=3),
    "distribution-evidence": partial(distribution, width=4),
    "distribution-counts": distribution_counts,
    "distribution-mixture": distribution_mixture,
    "distribution-quantiles": distribution_quantiles,
}


def parameter(source: Source, param: Param, classes: int) -> Any:
    """A legal value: the default, an end that belongs to the range, or one inside."""
    # Of a matrix each row sums to 1, and quantiles are as many as columns, which their range does not say.
    if source.random.random() < 0.3 or param.name in ("matrix", "quantiles"):
        return param.default
    if param.choices:
        return source.random.choice(param.choices)
    if param.type == "bool":
        return source.random.random() < 0.5
    if param.range is None:
        return param.default
    low, high = param.range
    ends = [end for end, closed in zip((low, high), ("[" in param.bounds, "]" in param.bounds), strict=True) if closed]
    ends = [end for end in ends if math.isfinite(end)]
    if param.type == "int":
        return source.random.randint(max(int(low), 1), int(min(high, 6)))
    if ends and source.random.random() < 0.3:
        inside = source.random.choice(ends)
    elif math.isfinite(high) and math.isfinite(low):
        inside = source.random.uniform(low + 1e-3 * (high - low), high - 1e-3 * (high - low))
    else:
        size = 10 ** source.random.uniform(-2, 2)
        inside = high - size if math.isfinite(high) else max(low, 0.0) + size
    if param.type == "floats":
        # Weights that are all 0 are refused.
        factors = (1e-3, 1.0, 1e3) if inside else (1.0,)
        numbers = [inside * source.random.choice(factors) for _ in range(classes)] if classes > 1 else [inside]
        return numbers if any(numbers) else param.default
    return float(inside)


def drawn(spec: LossSpec, seed: int, sizes: Sequence[int] = SIZES) -> tuple[dict[str, Any], Batch]:
    """Parameters and a batch."""
    source = Source(seed)
    batch = MAKERS[spec.signature](source, spec.expects, source.random.choice(sizes))
    classes = batch[0].shape[1] if spec.signature == "multiclass" else 1
    params = {param.name: parameter(source, param, classes) for param in spec.params}
    params = {name: value for name, value in params.items() if value is not None}
    if spec.signature != "penalty":
        params["reduction"] = source.random.choice(("mean", "mean", "sum", "none"))
    return params, batch


def lost(spec: LossSpec, seed: int, sizes: Sequence[int] = SIZES) -> tuple[int, list[str]]:
    """How many samples a batch has, and what of it is not finite although float32 could hold it."""
    params, batch = drawn(spec, seed, sizes)
    if "combiner" in spec.tags:  # of as many losses, which are not negative
        batch = ([x.abs() for x in batch[0]],)
        params["tasks"] = len(batch[0])
    torch.manual_seed(0)
    loss = losszoo.create(spec.name, **params)
    loss.train("stateful" not in spec.tags)  # whose calls in training move its state
    set_sizes(loss, classes=4, dim=batch[0].shape[1] if spec.signature in ("embedding", "views") else 1)
    narrow = to(batch, torch.float32)
    value, gradients = value_and_gradients(loss, narrow, spec.signature)
    # The same numbers, as float32 holds them.
    truth, slopes = value_and_gradients(loss.double(), to(narrow, torch.float64), spec.signature)
    wrong = []
    for name, ours, theirs in zip(("value", *map(str, range(9))), (value, *gradients), (truth, *slopes), strict=False):
        if not theirs.isfinite().all():
            wrong.append(f"{name} in float64")
        if bool((~ours.isfinite() & (theirs.abs() < LARGEST)).any()):
            wrong.append(f"{name} in float32")
    samples = batch[0][0].shape[0] if spec.signature == "penalty" else batch[0].shape[0]
    return samples, wrong


def to(batch: Batch, dtype: torch.dtype) -> Batch:
    if isinstance(batch[0], list):
        return ([x.to(dtype) for x in batch[0]],)
    return tuple(x.to(dtype) if x.is_floating_point() else x for x in batch)


def search(spec: LossSpec, samples: int, sizes: Sequence[int]) -> None:
    seed = count = 0
    failed: list[str] = []
    while count < samples and len(failed) < 3:
        more, wrong = lost(spec, seed, sizes)
        failed += [f"{spec.name}, seed {seed}, {drawn(spec, seed, sizes)[0]}: {', '.join(wrong)}"] if wrong else []
        count, seed = count + more, seed + 1
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("name", STABLE)
def test_nothing_that_float32_can_hold_is_lost(name: str) -> None:
    search(STABLE[name], 10_000 // len(STABLE), SIZES)


@pytest.mark.sweep
@pytest.mark.parametrize("name", STABLE)
def test_nothing_is_lost_in_a_million(name: str) -> None:
    samples = 1_000_000 // len(STABLE)
    search(STABLE[name], samples // 4, SIZES)
    search(STABLE[name], 3 * samples // 4, MANY)


def test_a_mean_of_squares_fits_where_a_square_does_not() -> None:
    """By hand: one error of 1e20 among a hundred is (1e20)^2 / 100, with the gradient 2e20 / 100."""
    errors, zeros = torch.zeros(100), torch.zeros(100)
    errors[0] = 1e20
    first = torch.stack([errors, zeros], 1)
    cases = {
        "mse": ((errors, zeros), 1e38, 2e18),
        "custom-mse": ((errors, zeros), 1e38, 2e18),
        "squared-hinge": ((errors, zeros), 1e38, 2e18),  # a negative label: (1 + x)^2
        "contrastive": ((first, torch.zeros(100, 2), torch.ones(100)), 5e37, 1e18),
        "rmse": ((errors, zeros), 1e19, 0.1),
    }
    for name, (inputs, value, slope) in cases.items():
        leaf = inputs[0].clone().requires_grad_()
        found = losszoo.create(name)(leaf, *inputs[1:])
        (gradient,) = torch.autograd.grad(found, leaf)
        assert (found.dtype, gradient.dtype) == (torch.float32, torch.float32)
        assert found.item() == pytest.approx(value, rel=1e-6), name
        assert gradient.flatten()[0].item() == pytest.approx(slope, rel=1e-6), name


@pytest.mark.parametrize("size", [1e-30, 1e-19, 1.0, 1e20, 1e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_root_of_a_mean_of_squares_is_as_large_as_the_errors(size: float, dtype: torch.dtype) -> None:
    """Against the length of the errors in float64."""
    errors = (size * torch.tensor([3.0, -0.5, 0.0, 1.0])).to(dtype)
    expected = torch.linalg.vector_norm(errors.double()) / 2
    leaf = errors.clone().requires_grad_()
    value = losszoo.create("rmse")(leaf, torch.zeros_like(leaf))
    value.backward()
    torch.testing.assert_close(value.double(), expected)
    torch.testing.assert_close(leaf.grad, (errors.double() / 4 / expected).to(dtype))
    torch.testing.assert_close(losszoo.create("rmse", reduction="none")(errors, 0 * errors), errors.float().abs())


@pytest.mark.parametrize("name", ["mae", "huber"])
def test_a_mean_does_not_overflow_in_its_sum(name: str) -> None:
    errors = torch.full((8,), 3e38, requires_grad=True)
    loss, zeros, half = losszoo.create(name), torch.zeros(8), torch.full((8,), 0.5)
    mask = torch.arange(8) < 4
    for value in (loss(errors, zeros), loss(errors, zeros, weight=half), loss(errors, zeros, mask=mask)):
        assert value.item() == pytest.approx(3e38, rel=1e-6)
    loss(errors, zeros).backward()
    torch.testing.assert_close(errors.grad, torch.full((8,), 1 / 8))


def difference(predictions: Tensor, targets: Tensor) -> Tensor:
    return predictions - targets


@pytest.mark.parametrize("error", [1.0, 0.01])
def test_weights_whose_sum_overflows_give_the_mean_and_never_0(error: float) -> None:
    """All alike, they change nothing; a transform, which cannot look, gives NaN."""
    x, zero, weight = torch.full((50,), error, requires_grad=True), torch.zeros(50), torch.full((50,), 1e38)
    loss = losszoo.create("mae")
    value = loss(x, zero, weight=weight)
    torch.testing.assert_close(value.detach(), torch.tensor(error))
    torch.testing.assert_close(*torch.autograd.grad(value, x), torch.full((50,), 1 / 50), rtol=1e-3, atol=0.0)
    assert torch.func.grad(lambda x: loss(x, zero, weight=weight))(x.detach()).isnan().all()


@pytest.mark.parametrize("name", ["mae", "hinge", "entmax", "sup-con"])
def test_large_weights_of_large_values_give_the_mean(name: str) -> None:
    """A mean does not change where all weights are multiplied by one number, here a power of two."""
    x, *rest = example_inputs(losszoo.create(name).signature, seed=0)
    x = (x * 1e10).requires_grad_()
    loss, weight = losszoo.create(name), torch.arange(1.0, len(x) + 1)
    weight = weight.view(-1, *[1] * (x.ndim - 1)) if name in ("mae", "hinge") else weight
    for count in (None, 4.0):
        large, plain = (
            loss(x, *rest, weight=weight * scale, denominator=count and count * scale) for scale in (2.0**115, 1.0)
        )
        torch.testing.assert_close(large, plain)
        torch.testing.assert_close(torch.autograd.grad(large, x), torch.autograd.grad(plain, x))


def test_a_sum_does_not_overflow_where_it_cancels() -> None:
    values = torch.tensor([3e38, 3e38, -3e38, -1e38])
    total = losszoo.create(difference, signature="regression", reduction="sum")(values, torch.zeros(4))
    assert total.item() == pytest.approx(2e38, rel=1e-6)


def test_only_a_loss_that_says_so_is_computed_again() -> None:
    """One that is wrong in float32 alone must not be cured in secret."""
    calls = []

    def square(predictions: Tensor, targets: Tensor) -> Tensor:
        calls.append(predictions.dtype)
        return (predictions - targets).square()

    large, zeros = torch.tensor([1e19, 0.0, 0.0, 2e19]), torch.zeros(4)
    assert losszoo.create(square, signature="regression")(large, zeros).isinf()
    assert calls == [torch.float32]
    assert losszoo.create(losszoo.wide(square), signature="regression")(large, zeros).item() == pytest.approx(1.25e38)
    assert calls == [torch.float32, torch.float32, torch.float64]
    # Nothing is gained where an input is not finite, and nobody is asked where no number is looked at.
    bad = torch.tensor([1.0, torch.nan, 0.0, 0.0])
    assert losszoo.create(losszoo.wide(square), signature="regression")(bad, zeros).isnan()
    unseen = losszoo.create(losszoo.wide(square), signature="regression", validate=False)
    assert unseen(large, zeros).isinf()
    assert calls[3:] == [torch.float32, torch.float32]


SOFTMAX = [
    name
    for name, spec in STABLE.items()
    if spec.signature == "multiclass" and spec.expects == "logits" and "probabilistic" in spec.tags
]


@pytest.mark.parametrize("name", SOFTMAX)
def test_an_infinite_logit_is_not_taken_for_certainty(name: str) -> None:
    """As torch's cross-entropy: NaN for a logit of +inf, wherever it stands; -inf rules a class out.

    The cost of a class that is ruled out is infinite but for losses that have a bound.
    """
    bounded = "bounded" in STABLE[name].tags or name in ("forward-correction", "evidential")
    for place in range(3):
        logits = torch.tensor([[0.0, 1.0, 2.0]])
        logits[0, place] = torch.inf
        leaf = logits.clone().requires_grad_()
        value = losszoo.create(name)(leaf, torch.tensor([0]))
        value.backward()
        assert value.isnan()
        assert leaf.grad.isnan().any()
        ruled_out = losszoo.create(name)(-logits.abs(), torch.tensor([0]))
        assert ruled_out.isinf() if place == 0 and not bounded else ruled_out.isfinite()
    assert torch.func.vmap(lambda x: losszoo.create(name)(x.unsqueeze(0), torch.tensor([2])))(logits).isnan().all()
