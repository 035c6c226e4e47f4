"""Columns and held-out rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from losszoo.errors import UsageError
from losszoo.sklearn import LossClassifier
from losszoo.sklearn.rows import Columns, Rows, held_out

RANDOM = np.random.default_rng(0)
INPUTS = np.column_stack([RANDOM.normal(5, 3, 40), RANDOM.integers(0, 2, 40), RANDOM.normal(1e9, 2, 40), np.ones(40)])
NAMES = np.array(["age", "sex", "time", "one"], dtype=object)


@pytest.mark.parametrize("numeric", [[0, 2], [2, 0], (True, False, True, False), ["time", "age"], np.array([0, 2])])
def test_numeric_columns_come_first_and_are_scaled(numeric: Any) -> None:
    columns = Columns.fitted(INPUTS, numeric, NAMES)
    expected = np.hstack([StandardScaler().fit_transform(INPUTS[:, [0, 2]]), INPUTS[:, [1, 3]]])
    np.testing.assert_array_equal(columns(INPUTS), expected)


@pytest.mark.parametrize(
    ("numeric", "places"), [(None, [0, 1, 2, 3]), (2, [0, 1]), (0, []), ([], []), (np.int64(4), [0, 1, 2, 3])]
)
def test_all_or_the_leading_columns(numeric: Any, places: list[int]) -> None:
    columns = Columns.fitted(INPUTS, numeric, None)
    assert columns.numeric.tolist() == places
    assert sorted([*columns.numeric, *columns.others]) == [0, 1, 2, 3]
    assert columns(INPUTS).shape == INPUTS.shape


def test_a_constant_column_is_0() -> None:
    assert Columns.fitted(INPUTS, None, None)(INPUTS)[:, 3].tolist() == [0.0] * 40


@pytest.mark.parametrize("numeric", [5, -1, [4], [-1], ["age", "weight"], [True, False], 1.5, True, [[0]], "age"])
def test_columns_that_are_not_there(numeric: Any) -> None:
    rule = "numeric must be None, how many leading columns .* among 4 columns, got "
    with pytest.raises(UsageError, match=rule):
        Columns.fitted(INPUTS, numeric, NAMES)


def test_names_need_names() -> None:
    with pytest.raises(UsageError, match=r"numeric must be .*, got \['age'\]"):
        Columns.fitted(INPUTS, ["age"], None)


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_held_out_in_their_shares(seed: int) -> None:
    labels = np.repeat([0, 1, 2, 3], [500, 300, 199, 1])
    train, val = held_out(labels, 0.2, seed, classes=True)
    assert sorted([*train, *val]) == list(range(1000))
    np.testing.assert_allclose(np.bincount(labels[val], minlength=4), [100, 60, 40, 0], atol=1)


def test_numbers_are_held_out_over_their_whole_range() -> None:
    numbers = np.random.default_rng(0).normal(size=1000)
    _, val = held_out(numbers, 0.1, 0, classes=False)
    assert len(val) == 100
    # One of every ten neighbors in order.
    assert sorted(np.argsort(np.argsort(numbers))[val] // 10) == list(range(100))


@pytest.mark.parametrize(
    ("rows", "fraction", "count"),
    [
        *((47, None, 0), (48, None, 10), (400, None, 80), (900, None, 100), (5000, None, 500)),
        *((47, 0.1, 5), (400, 0, 0), (3, 0.9, 1), (2, 0.9, 0), (10, 0.99, 8)),
    ],
)
def test_how_many_are_held_out(rows: int, fraction: float | None, count: int) -> None:
    train, val = held_out(np.arange(rows) / 7, fraction, 0, classes=False)
    assert (len(train), len(val)) == (rows - count, count)


def test_every_class_stays_in_training() -> None:
    labels = np.arange(20) % 10
    train, val = held_out(labels, 0.9, 0, classes=True)
    assert len(val) == 10
    assert set(labels[train]) == set(range(10))
    assert len(held_out(np.arange(10), 0.5, 0, classes=True)[1]) == 0


def test_another_seed_holds_out_others() -> None:
    labels = np.arange(100) % 2
    first, again, other = (held_out(labels, 0.2, seed, classes=True)[1].tolist() for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(("rows", "batch", "rate"), [(80, 64, 1.0), (2000, 125, 1.0), (50_000, 256, 0.04)])
def test_a_step_stays_cheap_with_many_rows(rows: int, batch: int, rate: float) -> None:
    task = Rows(None, np.zeros((rows, 1)), np.zeros(rows), np.arange(0), 1, 0)  # type: ignore[arg-type]
    recipe = task.setup("neighbors").recipe
    assert (recipe.batch_size, recipe.sample_rate) == (batch, rate)


@pytest.mark.parametrize("made", ["frame", "array"])
def test_a_column_of_words_is_named_with_the_recipe_and_the_recipe_works(made: str) -> None:
    """The text between "make_pipeline" and the last bracket is evaluated as it is printed."""
    pandas = pytest.importorskip("pandas")
    ages = np.random.default_rng(0).normal(size=60)
    frame = pandas.DataFrame({"age": ages, "city": ["Rome", "Paris"] * 30, "plan": "basic"})
    frame.loc[3, "age"] = np.nan
    rows = frame if made == "frame" else frame.to_numpy(dtype=object)
    names = "city, plan ('Rome')" if made == "frame" else "1, 2 ('Rome')"
    labels = np.where(ages > 0, "a", "b")
    with pytest.raises(UsageError, match="X must hold numbers, got words in 2 columns: ") as refused:
        LossClassifier().fit(rows, labels)
    assert names in str(refused.value)
    recipe = str(refused.value).split("encode them in a pipeline: ")[1].split(", as in docs/")[0]
    known = (make_pipeline, make_column_transformer, OneHotEncoder, SimpleImputer, LossClassifier)
    words = {one.__name__: one for one in known}
    pipeline = eval(  # noqa: S307
        recipe.replace("(...)", "(epochs=20, random_state=0)"), words
    )
    assert pipeline.fit(rows, labels).score(rows, labels) > 0.8


def test_words_in_rows_to_predict_are_named_too() -> None:
    model = LossClassifier("cross-entropy", epochs=1, random_state=0).fit(np.eye(20), np.arange(20) % 2)
    with pytest.raises(UsageError, match="got words in 1 column: 4 \\('Paris'\\)"):
        model.predict([["1"] * 4 + ["Paris"] + ["2"] * 15])
