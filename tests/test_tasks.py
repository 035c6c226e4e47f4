"""The bundled tasks: sizes, strata, disjoint parts, determinism, and what their options refuse."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

import losszoo_tasks
from losszoo import Split, Task, TaskSpec, UsageError
from losszoo.registry.registry import installed
from losszoo.training.models.trunks import build_trunk, trunk_options
from losszoo_tasks.abalone import Abalone, AbaloneAge
from losszoo_tasks.digits import Digits, DigitsProperties, DigitsRare, DigitsRetrieval, DigitsViews, varied
from losszoo_tasks.digits import load as load_digits
from losszoo_tasks.segmentation import DigitsSegmentation, DigitsSemantic, compose
from losszoo_tasks.splitting import parts
from losszoo_tasks.tables import BreastCancer, BreastCancerWorst, Diabetes

SPECS = {spec.name: spec for spec in losszoo_tasks.losszoo_tasks()}
OFFLINE = [name for name in SPECS if not name.startswith("abalone")]
NAMES = [pytest.param(name, marks=[] if name in OFFLINE else [pytest.mark.needs_abalone]) for name in SPECS]
needs_abalone = pytest.mark.needs_abalone


def make(name: str, **options: Any) -> Task:
    module, attribute = SPECS[name].target.split(":")
    task: Task = getattr(import_module(module), attribute)(**options)
    return task


def signatures(spec: TaskSpec) -> tuple[str, ...]:
    return installed().taken_by(spec.kind)


def rows(split: Split) -> set[bytes]:
    return {row.tobytes() for row in split.inputs}


def test_announced_tasks() -> None:
    assert list(SPECS) == [
        "abalone",
        "abalone-age",
        "abalone-rings",
        "abalone-levels",
        "abalone-older",
        "abalone-ranking",
        "digits",
        "breast-cancer",
        "digits-rare",
        "diabetes",
        "gbsg2",
        "digits-properties",
        "breast-cancer-worst",
        "digits-boxes",
        "digits-retrieval",
        "digits-views",
        "digits-segmentation",
        "digits-semantic",
    ]
    assert all("https://" in spec.reference for spec in SPECS.values())


def test_announcing_imports_neither_torch_nor_data() -> None:
    code = "import sys, losszoo_tasks as t; t.losszoo_tasks(); print({'torch', 'sklearn'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


def test_published_figures_are_attributed() -> None:
    for name in ("abalone", "abalone-age"):
        sources = {source.split(" ")[0] for *_, source in SPECS[name].published}
        assert sources == {"LAMDA-TALENT", "measured"}
    assert ("ModernNCA, reference code, float32", 0.6503, 0.0065) in {row[:3] for row in SPECS["abalone"].published}


@pytest.mark.parametrize(
    ("name", "sizes", "shape"),
    [
        pytest.param("abalone", (2672, 669, 836), (10,), marks=needs_abalone),
        pytest.param("abalone-age", (2672, 669, 836), (10,), marks=needs_abalone),
        ("digits", (1149, 288, 360), (1, 8, 8)),
        ("breast-cancer", (364, 91, 114), (30,)),
        ("diabetes", (282, 71, 89), (10,)),
        ("gbsg2", (438, 110, 138), (8,)),
        ("digits-properties", (1149, 288, 360), (1, 8, 8)),
        ("breast-cancer-worst", (364, 91, 114), (10,)),
        ("digits-retrieval", (720, 181, 896), (1, 8, 8)),
        ("digits-views", (1149, 288, 360), (1, 8, 8)),
        ("digits-segmentation", (1149, 288, 360), (1, 16, 16)),
        ("digits-semantic", (1149, 288, 360), (1, 16, 16)),
    ],
)
def test_sizes(name: str, sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    splits = make(name).splits()
    assert tuple(len(part.inputs) for part in splits) == sizes
    assert {part.inputs.shape[1:] for part in splits} == {shape}


@pytest.mark.parametrize("name", NAMES)
def test_types_and_ranges(name: str) -> None:
    task, spec = make(name), SPECS[name]
    for part in task.splits():
        assert part.inputs.dtype == np.float32
        assert np.isfinite(part.inputs).all()
        assert len(part.inputs) == len(part.targets)
        assert part.inputs.flags.writeable
        if spec.kind in ("regression", "counts", "preference", "ranking"):
            assert part.targets.dtype == np.float32
            assert part.targets.ndim == 1
        elif spec.kind == "multi-output":
            assert part.targets.dtype == np.float32
            assert part.targets.shape[1:] == (len(task.class_names),)
        elif spec.kind == "survival":
            assert part.targets.shape[1:] == (2,)
            assert part.targets[:, 0].min() > 0
            assert set(np.unique(part.targets[:, 1])) == {0, 1}
        elif spec.kind == "boxes":
            assert part.targets.shape[1:] == (4,)
            assert part.targets.min() >= 0
            assert part.targets.max() <= part.inputs.shape[-1]
        elif spec.kind == "segmentation":
            assert part.targets.dtype == np.float32
            assert part.targets.shape == part.inputs.shape
            assert set(np.unique(part.targets)) == {0, 1}
        else:
            assert part.targets.dtype == np.int64
            assert 0 <= part.targets.min() <= part.targets.max() < len(task.class_names)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name: str) -> None:
    first, again, other = make(name).splits(3), make(name).splits(3), make(name).splits(4)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.inputs, two.inputs)
        np.testing.assert_array_equal(one.targets, two.targets)
    assert not np.array_equal(first.train.inputs, other.train.inputs)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_given_out_can_be_changed_without_harm(name: str) -> None:
    task = make(name)
    before = task.splits().train.inputs.copy()
    task.splits().train.inputs[:] = 7
    np.testing.assert_array_equal(task.splits().train.inputs, before)


@pytest.mark.parametrize("name", NAMES)
def test_no_row_is_in_two_parts(name: str) -> None:
    # Rows of all tasks are distinct, so that equal bytes would be a leak.
    for one, two in combinations(make(name).splits(1), 2):
        assert not rows(one) & rows(two)


@pytest.mark.parametrize("strata", [np.repeat([0, 1, 2], [90, 60, 30]), 180])
def test_parts_are_a_partition(strata: Any) -> None:
    train, val, test = parts(strata, 5)
    assert sorted(np.concatenate([train, val, test])) == list(range(180))
    assert [len(train), len(val), len(test)] == [115, 29, 36]  # a fifth, rounded up, twice


@pytest.mark.parametrize(
    "name", [pytest.param("abalone", marks=needs_abalone), "digits", "breast-cancer", "digits-views"]
)
def test_parts_hold_the_classes_in_the_same_shares(name: str) -> None:
    splits = make(name).splits(2)
    whole = np.bincount(np.concatenate([part.targets for part in splits]))
    for part in splits:
        expected = whole * len(part.targets) / whole.sum()
        assert np.abs(np.bincount(part.targets) - expected).max() <= 1


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits as source

    images, labels = load_digits()
    np.testing.assert_array_equal(images[:, 0] * 16, source().images)
    np.testing.assert_array_equal(labels, source().target)
    assert not images.flags.writeable


@pytest.mark.parametrize("digit", range(10))
def test_rare_positives(digit: int) -> None:
    whole, rare = Digits().splits(1), DigitsRare(digit=digit).splits(1)
    for every, part in zip(whole, rare, strict=True):
        others = np.count_nonzero(every.targets != digit)
        positives = np.count_nonzero(part.targets)
        assert positives == max(5, round(others / 99))  # 1 : 99
        assert len(part.targets) == others + positives
        assert rows(part) <= rows(every)
        assert rows(Split(part.inputs[part.targets == 1], part.targets)) <= rows(
            Split(every.inputs[every.targets == digit], every.targets)
        )


def test_rare_positives_up_to_the_largest_share() -> None:
    for part in DigitsRare(positives=0.09).splits():
        assert part.targets.mean() == pytest.approx(0.09, abs=0.003)


def test_properties_are_those_of_the_digits() -> None:
    primes = [digit for digit in range(2, 10) if all(digit % smaller for smaller in range(2, digit))]
    for digits, part in zip(Digits().splits(1), DigitsProperties().splits(1), strict=True):
        np.testing.assert_array_equal(part.inputs, digits.inputs)
        even, prime, above, loop = part.targets.T
        np.testing.assert_array_equal(even, digits.targets % 2 == 0)
        np.testing.assert_array_equal(prime, np.isin(digits.targets, primes))
        np.testing.assert_array_equal(above, digits.targets > 4)
        assert set(digits.targets[loop == 1]) == {0, 6, 8, 9}


def test_the_largest_values_of_cell_nuclei_are_not_below_their_means() -> None:
    for part in BreastCancerWorst().splits():
        assert part.targets.shape == part.inputs.shape
        assert (part.targets >= part.inputs).all()


def test_retrieval_tests_unseen_digits() -> None:
    train, val, test = DigitsRetrieval().splits()
    assert set(train.targets) == set(val.targets) == {0, 1, 2, 3, 4}
    assert set(test.targets) == {5, 6, 7, 8, 9}


def test_labels_of_pixels_are_digit_clutter_and_background() -> None:
    for masks, semantic in zip(DigitsSegmentation().splits(2), DigitsSemantic().splits(2), strict=True):
        np.testing.assert_array_equal(semantic.inputs, masks.inputs)
        np.testing.assert_array_equal(semantic.targets == 1, masks.targets[:, 0] > 0)
        assert (
            semantic.inputs[:, 0][semantic.targets == 0].max()
            <= 0.3
            < semantic.inputs[:, 0][semantic.targets > 0].min()
        )
    assert set(np.unique(DigitsSemantic(clutter=0).splits().train.targets)) == {0, 1}


def test_views_task_holds_the_rows_of_digits() -> None:
    for one, two in zip(Digits().splits(), DigitsViews().splits(), strict=True):
        np.testing.assert_array_equal(one.inputs, two.inputs)


def images(count: int = 64) -> torch.Tensor:
    return torch.from_numpy(load_digits()[0][:count].copy())


def test_views_come_from_the_generator_alone() -> None:
    first = varied(images(), torch.Generator().manual_seed(1))
    torch.manual_seed(5)
    again = varied(images(), torch.Generator().manual_seed(1))
    other = varied(images(), torch.Generator().manual_seed(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.initial_seed() == 5
    assert torch.equal(DigitsViews().augment(images(), torch.Generator().manual_seed(1)), first)


def test_views_keep_shape_type_and_what_they_show() -> None:
    for dtype in (torch.float32, torch.float64):
        assert varied(images().to(dtype), torch.Generator()).dtype == dtype
    generator = torch.Generator().manual_seed(0)
    every, labels = (torch.from_numpy(array.copy()) for array in load_digits())
    seen = varied(every, generator)
    nearest = torch.cdist(seen.flatten(1), every.flatten(1)).argmin(1)
    # Pixel by pixel a shift of one in eight is far; still most are nearest to their own kind (chance: 0.1).
    assert (labels[nearest] == labels).float().mean() > 0.6


@pytest.fixture
def composed() -> Split:
    return compose(load_digits()[0][:50], 0.8, np.random.RandomState(0))


def test_masks_are_the_digits_own_pixels(composed: Split) -> None:
    for digit, image, mask in zip(load_digits()[0][:50, 0], composed.inputs[:, 0], composed.targets[:, 0], strict=True):
        own = digit > 0.3
        assert mask.sum() == own.sum()
        found = np.argwhere(mask)
        top, left = found.min(0) - np.argwhere(own).min(0)
        np.testing.assert_array_equal(mask[top : top + 8, left : left + 8], own)
        assert (image[top : top + 8, left : left + 8] >= digit - 1e-6).all()


def test_brightness_alone_does_not_find_the_digit(composed: Split) -> None:
    clutter = (composed.targets == 0) & (composed.inputs > 0.3)
    assert clutter.sum() > 0.5 * composed.targets.sum()
    assert composed.inputs.min() >= 0
    assert composed.inputs.max() <= 1


def test_without_clutter_there_is_only_the_digit() -> None:
    for part in DigitsSegmentation(clutter=0).splits():
        np.testing.assert_array_equal(part.inputs > 0.3, part.targets == 1)


def test_segmentation_parts_share_no_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[np.ndarray[Any, Any]] = []

    def watched(digits: Any, *args: Any) -> Split:
        given.append(digits)
        return compose(digits, *args)

    monkeypatch.setattr("losszoo_tasks.segmentation.compose", watched)
    DigitsSegmentation().splits()
    pieces = [{digit.tobytes() for digit in digits} for digits in given]
    assert not any(one & two for one, two in combinations(pieces, 2))


def test_diabetes_is_not_scaled_by_all_rows() -> None:
    # Known of the unscaled table: age in whole years, sex 1 or 2.
    inputs = Diabetes().splits().train.inputs
    assert set(np.unique(inputs[:, 1])) == {1, 2}
    assert inputs[:, 0].min() >= 19
    np.testing.assert_array_equal(inputs[:, 0], np.round(inputs[:, 0]))


def test_breast_cancer_labels() -> None:
    # scikit-learn's description: 212 malignant, 357 benign.
    targets = np.concatenate([part.targets for part in BreastCancer().splits()])
    assert np.bincount(targets).tolist() == [212, 357]
    assert BreastCancer.class_names == ("malignant", "benign")


@pytest.mark.parametrize("name", SPECS)
def test_every_setup_builds(name: str) -> None:
    task, shape = make(name), (10,)
    if name in OFFLINE:
        shape = make(name).splits().train.inputs.shape[1:]
    for signature in signatures(SPECS[name]):
        setup = task.setup(signature)
        assert set(setup.model) <= set(trunk_options(setup.trunk))
        trunk = build_trunk(setup.trunk, shape, task.numeric, **setup.model)
        assert trunk(torch.zeros(2, *shape)).shape[:2] == (2, trunk.dim)


def test_neighbors_on_abalone_are_trained_in_small_batches_with_few_candidates() -> None:
    for task in (Abalone(), AbaloneAge()):
        setup = task.setup("neighbors")
        recipe = setup.recipe
        assert (setup.trunk, setup.model) == ("plr", {})
        assert (recipe.optimizer, recipe.lr, recipe.weight_decay) == ("adamw", 1e-2, 2e-4)
        assert (recipe.batch_size, recipe.epochs, recipe.patience, recipe.sample_rate) == (256, 200, 8, 0.05)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "0", True])
def test_seed_of_a_split(seed: Any) -> None:
    with pytest.raises(UsageError, match=r"seed of a split must be a whole number in \[0, 2\*\*32\), got "):
        Digits().splits(seed)
    with pytest.raises(UsageError, match="seed of a split"):
        DigitsSegmentation().splits(seed)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("digits-rare", {"digit": 10}, r"digit must be a whole number in \[0, 9\], got 10"),
        ("digits-rare", {"digit": -1}, "got -1"),
        ("digits-rare", {"digit": "8"}, "got '8'"),
        ("digits-rare", {"digit": True}, "got True"),
        (
            "digits-rare",
            {"positives": 0.0},
            r"positives must be a number in \(0, 0.09\], got 0.0",
        ),
        ("digits-rare", {"positives": 0.2}, "got 0.2"),
        ("digits-rare", {"positives": float("nan")}, "got nan"),
        ("digits-rare", {"positives": 1}, "got 1"),
        (
            "digits-segmentation",
            {"clutter": 1.5},
            r"clutter must be a number in \[0, 1\], got 1.5",
        ),
        ("digits-segmentation", {"clutter": float("nan")}, "got nan"),
        ("digits-segmentation", {"clutter": "much"}, "got 'much'"),
        ("digits-semantic", {"clutter": 2}, "task digits-semantic: clutter must be a number"),
    ],
)
def test_options_are_checked(name: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        make(name, **options)
