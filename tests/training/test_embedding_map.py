"""The picture of an embedding: scikit-learn's PCA says where the rows stand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from losszoo.errors import UsageError
from losszoo.training.evaluation.pca_map import MOST_ROWS, embedding_map


def rows(count: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    spread = torch.arange(width, 0, -1, dtype=torch.float64)
    return torch.randn(count, width, generator=generator, dtype=torch.float64) * spread + 7


@pytest.mark.parametrize(("count", "width"), [(50, 8), (5, 30), (3, 2), (2, 5), (1000, 64)])
@pytest.mark.parametrize("seed", range(3))
def test_as_scikit_learn_has_it(count: int, width: int, seed: int) -> None:
    features = rows(count, width, seed)
    found = embedding_map(features, torch.arange(count), ["c"] * count)
    expected = PCA(2, svd_solver="full").fit_transform(features.numpy())  # of the same sign rule since 1.5
    # Five digits are kept.
    plane = np.stack([found["x"], found["y"]], 1)
    np.testing.assert_allclose(plane, expected, rtol=5.1e-5, atol=1e-10)
    assert (found["part"], found["method"]) == ("test", "pca")


def test_a_plane_written_by_hand() -> None:
    # Four corners of a rectangle, 4 wide and 2 high: it is its own picture.
    corners = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])
    found = embedding_map(corners + 100, torch.tensor([0, 1, 1, 0]), ["a", "b"])
    assert (found["x"], found["y"]) == ([2.0, 2.0, -2.0, -2.0], [1.0, -1.0, 1.0, -1.0])
    assert (found["targets"], found["classes"]) == ([0, 1, 1, 0], ["a", "b"])


def test_at_most_a_thousand_rows_always_the_same() -> None:
    features, targets = rows(2500, 4), torch.arange(2500)
    found = embedding_map(features, targets, [])
    assert len(found["x"]) == len(found["y"]) == MOST_ROWS
    assert found["targets"] == [i * 2500 // 1000 for i in range(1000)]
    assert found == embedding_map(features, targets, [])


def test_rows_that_are_not_finite_are_left_out() -> None:
    features = rows(6, 3)
    features[1, 2], features[4, 0] = math.nan, math.inf
    found = embedding_map(features, torch.arange(6), [])
    assert found["targets"] == [0, 2, 3, 5]
    assert found["x"] == embedding_map(features[[0, 2, 3, 5]], torch.arange(4), [])["x"]
    nothing = embedding_map(features[[1, 4]], torch.arange(2), [])
    assert (nothing["x"], nothing["y"], nothing["targets"]) == ([], [], [])


def test_a_regression_keeps_its_numbers() -> None:
    found = embedding_map(rows(4, 3), torch.tensor([1.5, 1 / 3, math.nan, -2.0]), [])
    assert found["targets"] == [1.5, 0.33333, -2.0]


@pytest.mark.parametrize("width", [0, 1])
def test_narrow_embeddings_lie_on_a_line(width: int) -> None:
    found = embedding_map(torch.tensor([[1.0], [3.0]])[:, :width], torch.tensor([0, 1]), [])
    assert found["x"] == ([-1.0, 1.0] if width else [0.0, 0.0])
    assert found["y"] == [0.0, 0.0]


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows(count: int) -> None:
    found = embedding_map(torch.full((count, 3), 5.0), torch.zeros(count, dtype=torch.int64), ["a"])
    assert found["x"] == found["y"] == [0.0] * count


def test_a_constant_is_a_point_whatever_rounding_says() -> None:
    found = embedding_map(torch.full((30, 4), 0.1, dtype=torch.float64), torch.zeros(30, dtype=torch.int64), ["a"])
    assert found["x"] == found["y"] == [0.0] * 30


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e150])
def test_scale_changes_nothing_else(scale: float) -> None:
    features = rows(20, 3)
    found, expected = (embedding_map(f, torch.arange(20), []) for f in (features * scale, features))
    np.testing.assert_allclose(np.array(found["x"]) / scale, expected["x"], rtol=1e-4)
    np.testing.assert_allclose(np.array(found["y"]) / scale, expected["y"], rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_any_precision_and_a_graph(dtype: torch.dtype) -> None:
    features = rows(9, 3).to(dtype).requires_grad_()
    found = embedding_map(features, torch.arange(9), [])
    assert found == embedding_map(features.detach().double(), torch.arange(9), [])
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(("features", "targets"), [((3,), (3,)), ((3, 2), (2,)), ((3, 2), (3, 1))])
def test_what_does_not_go_together(features: tuple[int, ...], targets: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"must have the shapes \(N, D\) and \(N,\), got \(3, ?2?\) and \("):
        embedding_map(torch.zeros(features), torch.zeros(targets), [])
