"""Tasks from arrays and from Datasets of one's own."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch.utils.data import Dataset, Subset, TensorDataset

import losszoo
from losszoo import DataError, Task, UsageError
from losszoo.cli.main import main
from losszoo.comparison.baselines import compute
from losszoo.tasks.describe_task import describe
from losszoo.training.guard.crash_bundle import read

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 3)).astype(np.float32)
IMAGES = RNG.normal(size=(60, 1, 8, 8)).astype(np.float32) + (np.arange(60) % 3)[:, None, None, None]
THREE = np.arange(60) % 3
PIXELS = (40 * IMAGES + 100).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("targets", "kind", "names"),
    [
        (np.where(ROWS[:, 0] > 0, "up", "down"), "binary", ("down", "up")),
        (ROWS[:, 0] > 0, "binary", ("False", "True")),
        (np.where(ROWS[:, 0] > 0, 1.0, -1.0), "binary", ("-1", "1")),
        (THREE, "multiclass", ("0", "1", "2")),
        (torch.tensor(THREE), "multiclass", ("0", "1", "2")),
        (np.array(["a", "b", "NaN"], object)[THREE], "multiclass", ("NaN", "a", "b")),
        (ROWS[:, :1], "regression", ()),
        (np.arange(60) * 3, "regression", ()),
        (ROWS > 0, "multilabel", ()),
        (ROWS[:, :2], "multi-output", ()),
    ],
)
def test_the_targets_tell_the_kind(targets: Any, kind: str, names: tuple[str, ...]) -> None:
    made = Task.from_arrays(ROWS, targets)
    assert (made.spec.kind, made.class_names) == (kind, names)
    assert [len(part.targets) for part in made.splits(3)] == [38, 10, 12]


@pytest.mark.parametrize(
    ("rows", "metric"), [(slice(4), "average_precision"), (slice(56), "balanced_accuracy"), (slice(30), "accuracy")]
)
def test_a_rare_class_decides_the_metric(rows: slice, metric: str) -> None:
    targets = np.zeros(60, int)
    targets[rows] = 1
    assert Task.from_arrays(ROWS, targets).spec.metric == metric


def test_names_order_the_words_and_name_the_labels() -> None:
    words = np.where(ROWS[:, 0] > 0, "sick", "well")
    made = Task.from_arrays(ROWS, words, class_names=["well", "sick"], test=(ROWS[:20], words[:20]))
    assert made.class_names == ("well", "sick")
    np.testing.assert_array_equal(made.splits().test.targets, words[:20] == "sick")
    np.testing.assert_array_equal(made.splits().test.inputs, ROWS[:20])  # as it was given, not drawn
    assert [len(part.targets) for part in made.splits()] == [48, 12, 20]
    assert Task.from_arrays(ROWS, THREE, class_names=["a", "b", "c"]).class_names == ("a", "b", "c")


def test_bytes_are_pixels_and_images_get_convolutions() -> None:
    made = Task.from_arrays(np.full((60, 3, 8, 8), 255, np.uint8), THREE, class_names=["a", "b", "c"])
    assert made.splits().train.inputs.max() == 1
    assert made.setup("multiclass").trunk == "conv"
    assert made.notes == ("inputs: bytes, taken as pixels from 0 to 1",)
    views = made.augment(torch.rand(5, 3, 8, 8), torch.Generator().manual_seed(0))
    assert views.shape == (5, 3, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((ROWS, THREE[:5]), {}, r"must be inputs of shape \(N, ...\) and N targets, got shapes \(60, 3\) and \(5,\)"),
        ((ROWS[:, 0], THREE), {}, "must be inputs of shape"),
        ((ROWS.astype(str), THREE), {}, "inputs of rows must be numbers, got dtype <U32; losszoo.Task.from_table"),
        ((ROWS, THREE * 0), {}, r"must have at least two values, got \[0\] alone"),
        ((ROWS, THREE * 2), {}, "kind must be given for targets of 3 different whole numbers"),
        ((ROWS, THREE + 0.0), {}, "kind must be given for targets of 3 different whole numbers"),
        ((ROWS, IMAGES), {}, r"kind must be given for targets of shape \(60, 1, 8, 8\); one of segmentation"),
        ((ROWS, ROWS), {"class_names": ["a", "b"]}, "class_names must be one for each of 3 targets, got 2"),
        ((ROWS, ROWS), {"kind": "multilabel"}, "targets of a multilabel task must be 0 or 1, got 0.1"),
        ((ROWS, ROWS.astype(str)), {}, "several targets of a row must be numbers, got dtype <U32"),
        ((ROWS, THREE), {"kind": "multi-output"}, r"several targets must have shape \(N, K\) with one K, got \(60,\)"),
        ((ROWS, np.where(ROWS > 2, np.nan, 1)), {}, "targets must have a value in each row, got none in row"),
        ((ROWS, THREE), {"kind": "multiclas"}, "kind must be one of .*, got 'multiclas'; did you mean multiclass"),
        ((ROWS, THREE), {"kind": "binary"}, "a binary task must have two classes, got 3"),
        ((ROWS, THREE), {"class_names": ["a", "b"]}, "class_names must be as many as classes, 3, got 2"),
        ((ROWS, THREE), {"class_names": "abc"}, "class_names must be a list of names, got 'abc'"),
        ((ROWS, THREE.astype(str)), {"class_names": ["0", "1"]}, "targets must be among class_names, 0, 1, got '2'"),
        ((ROWS, THREE.astype(str)), {"kind": "regression"}, "targets of a regression must be numbers, got words"),
        ((ROWS, np.where(THREE, 0.5, np.nan)), {}, "targets must have a value in each row, got none in row 0"),
        ((ROWS, [None, *THREE[1:]]), {}, "targets must have a value in each row, got none in row 0"),
        ((ROWS, ["a"] * 59 + ["b"]), {}, "class 'b' of the targets must have at least 3 rows, .* got 1"),
        ((ROWS, THREE), {"val": ROWS}, "val must be a pair, inputs and targets, got an ndarray"),
    ],
)
def test_arrays_that_cannot_be(arguments: tuple[Any, Any], options: dict[str, Any], said: str) -> None:
    with pytest.raises((DataError, UsageError), match=said):
        Task.from_arrays(*arguments, **options).splits()


class Images(Dataset[Any]):
    """Rows that are made when they are read; with noise of all three sources of random numbers."""

    def __init__(self, rows: int, noise: float = 0.0, start: int = 0) -> None:
        self.rows, self.noise, self.start = rows, noise, start
        self.read: list[float] = []

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        drawn = self.noise * (torch.randn(()).item() + np.random.normal() + random.random())
        self.read.append(drawn)
        return torch.from_numpy(IMAGES[self.start + row]) + drawn, int(THREE[self.start + row])


def datasets(noise: float = 0.0) -> Task:
    return Task.from_datasets(Images(30, noise), Images(15, noise, 30), Images(15, noise, 45))


def _sampler(name: str, **more: int) -> dict[str, Any]:
    return {"set": {"recipe.sampler": name, **{f"recipe.{key}": value for key, value in more.items()}}}


def test_a_dataset_gives_the_result_of_its_arrays(tmp_path: Path) -> None:
    arrays = Task.from_arrays(
        IMAGES[:30], THREE[:30], val=(IMAGES[30:45], THREE[30:45]), test=(IMAGES[45:], THREE[45:])
    )
    for loss, more in (
        ("cross-entropy", {}),
        ("modern-nca", {}),
        ("sup-con", {"accumulate": 2, "set": {"recipe.batch_size": 6}}),
        ("cross-entropy", {"class_weight": {"1": 3}, "metric": ["f1_macro", "log_loss"], **_sampler("weighted")}),
        ("sup-con", {"class_weight": "balanced", **_sampler("m-per-class", batch_size=6, per_class=2)}),
    ):
        results = [losszoo.run(loss, task, epochs=3, out=tmp_path, **more) for task in (arrays, datasets())]
        assert results[0].metrics == results[1].metrics
        steps = [Path(result.run_dir, "steps.json").read_text() for result in results]
        assert steps[0] == steps[1]


class Weighed(Task):
    """Rows of a Dataset, or those of its arrays, each of which counts as often as its weight."""

    spec = losszoo.TaskSpec(name="weighed", target="x:Weighed", kind="multiclass", summary="Rows.", metric="accuracy")

    def __init__(self, *, lazy: bool) -> None:
        self.lazy = lazy
        self.row_weights = {name: np.arange(rows) % 4 for name, rows in zip(("train", "val"), (30, 15), strict=True)}

    def splits(self, seed: int = 0) -> losszoo.Splits:
        if self.lazy:
            return losszoo.Splits(Images(30), Images(15, start=30), Images(15, start=45))
        return losszoo.Splits(
            *(losszoo.Split(IMAGES[part], THREE[part]) for part in (slice(30), slice(30, 45), slice(45, 60)))
        )

    def setup(self, signature: str) -> losszoo.Setup:
        return losszoo.Setup(trunk="conv", model={"dim": 8}, recipe=losszoo.Recipe(epochs=2, batch_size=16))


@pytest.mark.parametrize("loss", ["cross-entropy", "modern-nca"])
def test_rows_of_a_dataset_have_weights(tmp_path: Path, loss: str) -> None:
    lazy, arrays = (
        losszoo.run(loss, Weighed(lazy=lazy), class_weight="balanced", out=tmp_path) for lazy in (True, False)
    )
    assert lazy.metrics == arrays.metrics
    assert Path(lazy.run_dir, "steps.json").read_text() == Path(arrays.run_dir, "steps.json").read_text()


class Several(Dataset[Any]):
    """Several targets for each row, as a Dataset gives them."""

    def __init__(self, targets: Any) -> None:
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Any, Any]:
        return ROWS[row], self.targets[row]


@pytest.mark.parametrize(
    ("targets", "loss", "known"),
    [
        ((ROWS > 0).astype(float), "focal", {"classes": dict(zip("abc", (ROWS > 0).sum(0).tolist(), strict=True))}),
        (
            ROWS.astype(float),
            "huber",
            {"ranges": {name: [col.min(), col.max()] for name, col in zip("abc", ROWS.T, strict=True)}},
        ),
    ],
)
def test_several_targets_of_arrays_and_of_datasets(
    tmp_path: Path, targets: Any, loss: str, known: dict[str, Any]
) -> None:
    arrays = Task.from_arrays(ROWS, targets, class_names=["a", "b", "c"])
    assert {name: describe(arrays)[name] for name in known} == known
    parts = [Several(targets[part]) for part in (slice(40), slice(20), slice(20))]
    for task in (arrays, Task.from_datasets(*parts, class_names=["a", "b", "c"])):
        result = losszoo.run(loss, task, epochs=1, out=tmp_path)
        assert (task.setup("x").trunk, result.class_names, result.status) == ("mlp", ("a", "b", "c"), "completed")
        assert losszoo.suggest(task).losses


def test_one_1_in_each_row_is_told() -> None:
    (note,) = Task.from_arrays(ROWS, np.eye(3)[THREE]).notes
    assert note == "targets: one 1 in each row, taken as labels that may come together; targets.argmax(1) else"


def test_a_dataset_is_suggested_what_its_arrays_are() -> None:
    arrays = Task.from_arrays(
        IMAGES[:30], THREE[:30], val=(IMAGES[30:45], THREE[30:45]), test=(IMAGES[45:], THREE[45:])
    )
    first, second = (losszoo.suggest(task) for task in (arrays, datasets()))
    assert (first.traits, first.losses, first.inputs) == (second.traits, second.losses, second.inputs)


def test_baselines_take_the_rows_of_a_dataset() -> None:
    arrays = Task.from_arrays(
        IMAGES[:30], THREE[:30], val=(IMAGES[30:45], THREE[30:45]), test=(IMAGES[45:], THREE[45:])
    )
    first, second = (compute("knn", task, {})["metrics"] for task in (arrays, datasets()))
    assert first == second


@pytest.mark.parametrize("of_script", [True, False])
def test_what_no_worker_can_make_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_script: bool) -> None:
    train = Images(30)
    if of_script:
        monkeypatch.setattr(Images, "__module__", "__main__")
    else:
        train.transform = lambda image: image  # type: ignore[attr-defined]
    said = "made of what another process can import, got " + (
        "Images of this script" if of_script else "what cannot be pic"
    )
    with pytest.raises(UsageError, match=said):
        losszoo.compare(["focal"], [Task.from_datasets(train, train, train)], seeds=1, out=tmp_path)


def test_random_rows_stay_random_and_resume_to_the_same_bits(tmp_path: Path) -> None:
    def stop(line: Any) -> None:
        if line["epoch"] == 1:
            raise KeyboardInterrupt

    train = Images(30, noise=0.5)
    task = Task.from_datasets(train, Images(15, 0.5, 30), Images(15, 0.5, 45))
    assert len(train.read) == 31  # once for the targets, and the shape
    whole = losszoo.run("cross-entropy", task, epochs=4, out=tmp_path / "whole")
    assert len(set(train.read[31:])) > 4 * 30  # each time another one, and all evaluations of a row the same
    with pytest.raises(KeyboardInterrupt):
        losszoo.run("cross-entropy", task, epochs=4, out=tmp_path / "a", on_epoch=stop, checkpoint_seconds=0)
    (folder,) = (tmp_path / "a").glob("*/*/*")
    with pytest.raises(UsageError, match="task_identity"):
        losszoo.run(resume=folder, task=Task.from_datasets(train, Images(15, 0.5, 31), Images(15, 0.5, 45)))
    resumed = losszoo.run(resume=folder, task=datasets(0.5))
    assert resumed.metrics == whole.metrics
    assert Path(folder, "steps.json").read_text() == Path(whole.run_dir, "steps.json").read_text()


def test_the_bundle_of_a_failed_step_holds_the_rows_that_were_read(tmp_path: Path) -> None:
    """Read once more they would be other rows, without a fault."""

    class Spoilt(Images):
        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            inputs, target = super().__getitem__(row)
            return inputs * (float("nan") if len(self.read) == 100 else 1), target

    task = Task.from_datasets(Spoilt(30, 0.5), Images(15, 0.5, 30), Images(15, 0.5, 45))
    result = losszoo.run("modern-nca", task, epochs=4, out=tmp_path)
    assert (result.status, result.guard["first"]["where"]) == ("stopped-by-guard", "input")
    batch = read(result.guard["first"]["bundle"])["batch"]
    assert batch["inputs"].isnan().flatten(1).any(1).sum() == 1


class Bytes(Images):
    def __getitem__(self, row: int) -> tuple[Any, int]:
        return PIXELS[self.start + row], int(THREE[self.start + row])


def _tensors(rows: slice) -> TensorDataset:
    return TensorDataset(torch.from_numpy(PIXELS[rows]), torch.from_numpy(THREE[rows]))


@pytest.mark.parametrize("make", ["arrays", "dataset", "tensors"])
@pytest.mark.parametrize("loss", ["cross-entropy", "modern-nca"])
def test_a_trained_run_takes_the_bytes_that_it_was_trained_on(tmp_path: Path, make: str, loss: str) -> None:
    parts = slice(30), slice(30, 45), slice(45, 60)
    given = [(PIXELS[part], THREE[part]) for part in parts]
    task = {
        "arrays": lambda: Task.from_arrays(*given[0], val=given[1], test=given[2]),
        "dataset": lambda: Task.from_datasets(Bytes(30), Bytes(15, start=30), Bytes(15, start=45)),
        "tensors": lambda: Task.from_datasets(*map(_tensors, parts)),
    }[make]()
    result = losszoo.run(loss, task, epochs=2, out=tmp_path)
    trained = losszoo.load_run(result.run_dir)
    assert trained.score(*given[2]) == result.metrics["test"]
    as_numbers = (given[2][0] / 255).astype(np.float32)
    np.testing.assert_array_equal(trained.predict_proba(given[2][0]), trained.predict_proba(as_numbers))


def test_a_tensor_dataset_is_its_arrays() -> None:
    whole = TensorDataset(torch.from_numpy(ROWS), torch.from_numpy(THREE))
    made = Task.from_datasets(Subset(whole, range(30)), Subset(whole, range(30, 45)), Subset(whole, range(45, 60)))
    np.testing.assert_array_equal(made.splits().val.inputs, ROWS[30:45])


class Items(Dataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Any:
        item = self.items[row]
        if isinstance(item, Exception):
            raise item
        return item


GOOD = [(torch.ones(2) * row, row % 2) for row in range(6)]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "train must hold some rows, got an empty Dataset"),
        ([*GOOD, OSError("no such file")], "task datasets: train: row 6 cannot be read: OSError: no such file"),
        ([*GOOD, torch.ones(2)], "row 6: must be a pair, inputs and target, got a Tensor"),
        ([*GOOD, (torch.ones(3), 1)], r"row 6: inputs must be of the shape of row 0, \(2,\), got \(3,\)"),
        ([*GOOD, (torch.ones(2) / 0, 1)], "row 6: inputs must be finite in float32, got NaN or infinity"),
        ([*GOOD, (torch.ones(2), "cat")], "row 6: target must be numbers, got a str"),
        ([(x, y - 1) for x, y in GOOD], "train labels must be whole numbers from 0 up, .* got -1, 0"),
    ],
)
def test_rows_of_a_dataset_that_cannot_be(items: list[Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Task.from_datasets(Items(items), Items(GOOD), Items(GOOD), class_names=["a", "b", "c"])


def test_an_image_without_a_transform_is_told() -> None:
    image = pytest.importorskip("PIL.Image").new("RGB", (8, 8))
    with pytest.raises(DataError, match="row 0: inputs must be numbers, got an image; make a tensor of it"):
        Task.from_datasets(Items([(image, 0)]), Items(GOOD), Items(GOOD))


def test_what_is_no_dataset_is_told() -> None:
    with pytest.raises(UsageError, match=r"val must be a torch\.utils\.data\.Dataset, got a list"):
        Task.from_datasets(Items(GOOD), GOOD, Items(GOOD))


MINE = """
import losszoo, numpy, torch

class Lazy(torch.utils.data.Dataset):
    def __len__(self):
        return 30
    def __getitem__(self, row):
        return torch.full((1, 8, 8), float(row % 3)) + torch.randn(1, 8, 8), row % 3

lazy = losszoo.Task.from_datasets(Lazy(), Lazy(), Lazy(), class_names=["low", "middle", "high"], name="lazy")
rows = losszoo.Task.from_arrays(numpy.arange(90.0).reshape(30, 3), numpy.arange(30) // 10 * 1.5, kind="multiclass")

class Mine(losszoo.Task):
    spec = losszoo.TaskSpec(name="mine", target="m:Mine", kind="multiclass", summary="Mine.", metric="accuracy")
    def splits(self, seed=0):
        return losszoo.Splits(Lazy(), Lazy(), Lazy())
    def setup(self, signature):
        return losszoo.Setup(trunk="conv", recipe=losszoo.Recipe(epochs=1))
"""


def test_a_file_names_any_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In info, run, and on resume, where an unfinished run gets its task again."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)

    def ask(*words: str) -> Any:
        done = CliRunner().invoke(main, [*words, "--json"])
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    for name, rows, shape in (("lazy", 30, [1, 8, 8]), ("rows", 19, [3]), ("Mine", 30, [1, 8, 8])):
        target = f"mine.py:{name}"
        known = ask("info", target)
        assert (known["rows"]["train"], known["shape"]) == (rows, shape)
        result = ask("run", "--loss", "cross-entropy", "--task", target, "--epochs", "2")
        Path(result["run_dir"], "result.json").unlink()
        assert ask("run", "--resume", result["run_dir"], "--task", target)["metrics"] == result["metrics"]
    assert ask("info", "mine.py:lazy")["classes"] == {"low": 30, "middle": 30, "high": 30}


def test_a_label_that_is_no_whole_number_is_refused_when_it_comes(tmp_path: Path) -> None:
    class Changing(torch.utils.data.Dataset[Any]):
        reads = 0

        def __len__(self) -> int:
            return 12

        def __getitem__(self, row: int) -> tuple[torch.Tensor, float]:
            self.reads += 1
            return torch.full((2,), float(row % 2)), (row % 2 if self.reads <= 40 else row % 2 + 0.5)

    rows = Changing()
    task = losszoo.Task.from_datasets(rows, Changing(), Changing())
    with pytest.raises(losszoo.DataError, match=r"labels must be whole numbers from 0 to 1, got [01].5"):
        losszoo.run("cross-entropy", task, epochs=9, out=tmp_path)
