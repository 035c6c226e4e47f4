"""Sizes, limits, samples, models: the parts of the bench, each alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from losszoo.bench.bench_result import Cell, Report, Row
from losszoo.bench.contender import Side
from losszoo.bench.cost_model import Point, check, fit, traffic
from losszoo.bench.forecast import forecasts_of
from losszoo.bench.plot import draw
from losszoo.bench.step_memory import available, limit_of
from losszoo.bench.subjects import subject_of, subjects_of_family
from losszoo.bench.timing import Plan, Spread, alternate, ratios
from losszoo.bench.workload import Size, Workload, parse_numbers, parse_sizes
from losszoo.bench.workload_inputs import make_inputs
from losszoo.errors import UsageError
from losszoo.losses.signatures import TABLE


@pytest.mark.parametrize("text", ["0", "-5", "many", "", "8192,", "10x", "512x0", "1.5", "1e3", "9" * 13, "1x2x3"])
def test_wrong_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="sizes must be whole numbers from 1 to 1e12"):
        parse_sizes(text, "multiclass")


def test_a_second_number_needs_a_signature_that_has_one() -> None:
    with pytest.raises(UsageError, match=r"sizes must be one number each for embedding losses, got '512x10'"):
        parse_sizes("512x10", "embedding")


def test_sizes_are_in_order_and_once() -> None:
    assert parse_sizes("4096, 64,4096,512x2", "multiclass") == (Size(512, 2), Size(64), Size(4096))
    assert all(parse_sizes(None, signature) for signature in TABLE)


@pytest.mark.parametrize("text", ["0", "-1", "a", "64,", ""])
def test_wrong_numbers(text: str) -> None:
    with pytest.raises(UsageError, match="dim must be whole numbers >= 1"):
        parse_numbers("dim", text)


@pytest.mark.parametrize("signature", TABLE)
def test_inputs_are_what_the_signature_takes(signature: str) -> None:
    """The zoo's own checks accept them; the same seed gives the same; every leaf gets a gradient."""
    workload = Workload(loss="any", signature=signature, first=7, second=5, dim=3, classes=2)
    inputs, leaves = make_inputs(workload)
    again, _ = make_inputs(workload)
    flat = [x for x in inputs if isinstance(x, torch.Tensor)]
    assert all(torch.equal(x, y) for x, y in zip(flat, again, strict=False) if isinstance(y, torch.Tensor))
    required, optional = TABLE[signature].arguments, TABLE[signature].optional
    assert len(required) <= len(inputs) <= len(required) + len(optional)
    assert leaves
    assert all(leaf.is_leaf and leaf.requires_grad for leaf in leaves)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.7*bce + 0.3*mse", "bench must have single losses"),
        ("2*bce", "bench must have single losses"),
        ("uncertainty(bce, mse)", "bench must have single losses"),
        ("uncertainty", "losses with inputs of their own, got uncertainty, which combines others"),
        ("ncaa", "unknown loss 'ncaa': did you mean nca"),
        ("nca(temperature=-1)", "temperature"),
    ],
)
def test_what_is_no_subject(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        subject_of(text)


def test_signature_goes_with_a_loss_of_ones_own() -> None:
    with pytest.raises(UsageError, match="'nca', which is registered"):
        subject_of("nca", signature="views")


def test_families() -> None:
    assert [subject.loss for subject in subjects_of_family("penalties")] == ["l1", "l2", "elastic-net"]
    with pytest.raises(UsageError, match="unknown family 'nac': did you mean nca"):
        subjects_of_family("nac")


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4e9), ("512MB", 512e6), ("1GiB", 2**30), ("1.5g", 1.5e9), ("2000000000", 2e9), ("1MiB", 2**20)],
)
def test_memory_limits(text: str, size: float) -> None:
    assert limit_of(text, "cpu") == size


def test_a_share_of_what_is_free() -> None:
    assert limit_of("0.5", "cpu") == pytest.approx(available("cpu") / 2, rel=0.5)
    assert limit_of(None, "cpu") == pytest.approx(0.7 * available("cpu"), rel=0.5)


@pytest.mark.parametrize("text", ["", "0", "much", "-1GB", "12", "4XB", "nan"])
def test_wrong_memory_limits(text: str) -> None:
    with pytest.raises(UsageError, match="memory-limit must be a size such as 4GB, or a share such as"):
        limit_of(text, "cpu")


def test_a_gradient_is_new_at_every_step() -> None:
    x = torch.tensor([3.0], requires_grad=True)
    side = Side(lambda y: y.square(), (x,), [x])
    for _ in range(3):
        side.step()
    assert side.gradients().tolist() == [6.0]
    assert side.value == 9.0


def test_sides_take_turns() -> None:
    """The order turns with every sample, so that neither side is always the one that runs second."""
    seen: list[str] = []

    def side(name: str) -> Side:
        x = torch.ones(1, requires_grad=True)

        def called(y: torch.Tensor) -> torch.Tensor:
            seen.append(name)
            return y

        return Side(called, (x,), [x])

    # A first call of over a second needs no warming up.
    samples = alternate([side("a"), side("b")], [2.0, 2.0], Plan(1.0, repeats=3), torch.device("cpu"))
    assert "".join(seen) == "abbaab"
    assert [len(found) for found in samples] == [3, 3]


def test_a_plan_ends() -> None:
    assert Plan(1.0, deadline=-math.inf).goes_on(0, 0.0)  # one sample in any case
    assert not Plan(1.0, deadline=-math.inf).goes_on(1, 0.0)
    assert not Plan(1e9, repeats=5).goes_on(5, 0.0)


def test_the_ratio_is_the_median_of_pairs() -> None:
    """One disturbed pair changes nothing. Expected: 2, by hand."""
    assert ratios([1.0, 1.0, 50.0], [2.0, 2.0, 100.0]).median == 2.0
    assert Spread.of([4.0]) == Spread(4.0, 4.0, 4.0, 4.0, 1)


def cost(rows: int, dim: int) -> float:
    return 2e-9 * rows * rows * dim + 5e-9 * rows * rows + 1e-8 * rows * dim + 3e-4


def test_a_model_finds_the_coefficients_that_made_its_points() -> None:
    points = [Point(n, d, cost(n, d)) for n in (64, 256, 1024, 4096) for d in (16, 64, 256)]
    model = fit(points)
    assert model.coefficients == pytest.approx(
        {"rows^2*dim": 2e-9, "rows^2": 5e-9, "rows*dim": 1e-8, "1": 3e-4}, rel=1e-6
    )
    assert model.at(10**6, 64) == pytest.approx(cost(10**6, 64))


def test_a_check_uses_no_point_of_the_largest_size() -> None:
    points = [Point(n, 64, cost(n, 64)) for n in (256, 1024, 4096)]
    found = check([*points, Point(16384, 64, 2 * cost(16384, 64))])
    assert found.predicted == pytest.approx(cost(16384, 64), rel=1e-6)
    assert found.error == pytest.approx(-0.5, rel=1e-6)
    with pytest.raises(UsageError, match="must have at least 4 sizes to fit and to check, got 3"):
        check(points)


def test_traffic_of_one_rank_is_nothing() -> None:
    assert traffic(1000, 64, 1, ring=True).sent == 0
    assert traffic(1000, 64, 8, ring=True).held < traffic(1000, 64, 8, ring=False).held


def row(first: int, zoo_seconds: float, zoo_bytes: int, **peer: Any) -> Row:
    other = Cell("<b>pe&er$</b>", **peer) if peer else None
    zoo = Cell("losszoo", seconds=zoo_seconds, fastest=zoo_seconds, extra_bytes=zoo_bytes)
    return Row("nca", "embedding", str(first), first, None, 64, zoo, other)


def test_memory_below_a_megabyte_is_not_told_apart() -> None:
    """A process moves by that much by itself: 100 MB against 10 bytes are at least 95 times, 100e6 / 2^20."""
    assert row(64, 1.0, 10, extra_bytes=100_000_000).memory_ratio == pytest.approx(95.4, abs=0.1)
    assert row(64, 1.0, 10).memory_ratio is None
    assert row(64, 1.0, 139_000, extra_bytes=16_400).memory_ratio is None  # not "1x" beside these two numbers


def test_forecasts_need_four_sizes() -> None:
    notes: list[str] = []
    rows = [row(n, cost(n, 64), 100 * n) for n in (1024, 2048, 4096, 8192)]
    found = {one.what: one for one in forecasts_of(rows, (10**6,), notes)}
    assert found["seconds"].predicted == pytest.approx(cost(10**6, 64), rel=1e-4)
    assert found["extra_bytes"].predicted == pytest.approx(1e8, rel=0.3)
    assert notes == []
    assert forecasts_of(rows[:3], (10**6,), notes) == []
    assert notes[0] == "nca, losszoo: seconds cannot be predicted from fewer than 4 sizes"


@pytest.mark.parametrize("kind", ["png", "svg", "html"])
def test_pictures(kind: str, tmp_path: Path) -> None:
    """Written for one size, for a peer that was lost, and for names that are markup."""
    pytest.importorskip("matplotlib")
    lost = {"status": "memory", "said": "too much"}
    rows = [
        row(256, 0.01, 10**6, seconds=0.02, extra_bytes=10**7),
        row(1024, 0.1, 10**7, **lost),
        row(4096, 1.0, 10**8),
    ]
    for count in (1, 3):
        path = tmp_path / f"out{count}.{kind}"
        draw(Report({}, {}, rows[:count]), str(path), "losszoo bench <nca>", "a machine & its cores")
        written = path.read_bytes()
        assert written.startswith({"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!doctype html>"}[kind])
        if kind != "png":
            assert b"<b>" not in written
            assert b"&lt;b&gt;pe&amp;er$" in written
            assert (b"out of memory" in written) is (count == 3)
        if kind == "html":
            assert b"losszoo bench &lt;nca&gt;" in written
