"""A table as a task: its kind, its parts, what is encoded, and nothing of the test rows in it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_tables import segments, write

import losszoo

pandas = pytest.importorskip("pandas")
from losszoo.tasks.tables.table_task import TableTask  # noqa: E402 (after the look for pandas)


def table(frame: Any, target: str = "y", **options: Any) -> TableTask:
    made = losszoo.Task.from_table(frame if isinstance(frame, Path) else pandas.DataFrame(frame), target, **options)
    assert isinstance(made, TableTask)
    return made


RNG = np.random.default_rng(0)
X = RNG.normal(size=60)


@pytest.mark.parametrize(
    ("target", "kind", "names"),
    [
        (["no", "yes"] * 30, "binary", ("no", "yes")),
        (["No", "yes", "Yes", "YES", "Yes", "No"] * 10, "binary", ("No", "Yes")),
        ([True, False] * 30, "binary", ("False", "True")),
        ([0, 1] * 30, "binary", ("0", "1")),
        ([1.0, 2.0] * 30, "binary", ("1", "2")),
        (["a", "b", "c"] * 20, "multiclass", ("a", "b", "c")),
        (list(X), "regression", ()),
        (list(range(60)), "regression", ()),
    ],
)
def test_the_target_tells_the_kind(target: list[Any], kind: str, names: tuple[str, ...]) -> None:
    made = table({"x": X, "y": target})
    assert (made.spec.kind, made.class_names) == (kind, names)


def test_few_whole_numbers_may_be_labels_or_counts() -> None:
    frame = {"x": X, "y": [1, 2, 3] * 20}
    with pytest.raises(
        losszoo.UsageError, match="kind must be given for y, whose 3 whole numbers may be labels or counts"
    ):
        table(frame)
    assert table(frame, kind="multiclass").class_names == ("1", "2", "3")
    assert table(frame, kind="regression").spec.metric == "rmse"


def test_a_rare_class_is_judged_by_average_precision() -> None:
    assert table({"x": X, "y": ["no"] * 57 + ["yes"] * 3}).spec.metric == "average_precision"


def test_a_rare_negative_class_is_not_hidden_by_average_precision() -> None:
    """ "stays" is the positive class by alphabet: whatever is said of it, its average precision is near 0.95."""
    assert table({"x": X, "y": ["gone"] * 3 + ["stays"] * 57}).spec.metric == "balanced_accuracy"
    assert table({"x": X, "y": ["no"] * 50 + ["yes"] * 10}).spec.metric == "accuracy"


def test_a_class_needs_a_row_for_each_part() -> None:
    with pytest.raises(losszoo.DataError, match="class 'c' of y must have at least 3 rows, one for each part, got 1"):
        table({"x": X, "y": ["a", "b"] * 29 + ["c", "a"]}).parts()


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    made = table({"x": X, "y": ["a", "b", None] * 20})
    assert "20 rows without y: left out" in made.notes
    assert sum(len(part.targets) for part in made.splits()) == 40


def test_the_inputs_are_those_of_scikit_learn() -> None:
    """Its own pipeline, fitted on the training rows, is the independent source."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    rng = np.random.default_rng(3)
    frame = pandas.DataFrame(
        {
            "x": np.where(rng.random(90) < 0.2, np.nan, rng.normal(size=90)),
            "word": rng.choice(["red", "blue", ""], 90),
            "z": rng.lognormal(size=90),
            "y": rng.choice(["a", "b"], 90),
        }
    )
    made = table(frame)
    train, _, test = made.parts(5)
    theirs = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median", add_indicator=True), ["x", "z"]),
            ("words", OneHotEncoder(sparse_output=False), ["word"]),
        ]
    ).fit(frame.iloc[train])
    np.testing.assert_allclose(made.splits(5).test.inputs, theirs.transform(frame.iloc[test]), rtol=1e-6)


def test_a_leak_that_is_planted_does_not_arrive() -> None:
    """Validation and test rows hold a number and a word that would change every median and every word."""
    frame = pandas.DataFrame({"x": X, "word": ["red", "blue"] * 30, "y": ["a", "b"] * 30})
    clean = table(frame)
    _, val, test = clean.parts(1)
    frame.loc[[*val, *test], "x"] = 1e6
    frame.loc[[*val, *test], "word"] = "planted"
    leaky = table(frame)
    np.testing.assert_array_equal(clean.splits(1).train.inputs, leaky.splits(1).train.inputs)
    assert (leaky.splits(1).test.inputs[:, 1:] == 0).all()  # a word that training has not seen is none of its words


def test_rare_words_are_one() -> None:
    words = [f"w{row}" for row in range(150)] + ["often"] * 150
    frame = {"word": words, "x": RNG.normal(size=300), "y": ["a", "b"] * 150}
    encoded = table(frame).splits().train.inputs
    assert encoded.shape[1] == 1 + 64
    assert set(encoded[:, 1:].sum(1)) == {1.0}


def test_groups_stay_together() -> None:
    groups = np.repeat(np.arange(30), 10)
    made = table({"x": RNG.normal(size=300), "who": groups, "y": ["a", "b"] * 150}, group="who")
    parts = made.parts(4)
    assert sorted(np.concatenate(parts)) == list(range(300))
    seen = [set(groups[rows]) for rows in parts]
    assert sum(map(len, seen)) == 30
    assert all(seen)
    assert len(made.columns) == 1  # the group is no input


def test_the_newest_rows_are_tested() -> None:
    days = pandas.date_range("2020-01-01", periods=300).to_numpy()
    order = np.random.default_rng(0).permutation(300)
    made = table({"x": RNG.normal(size=300), "day": days[order], "y": ["a", "b"] * 150}, time="day")
    train, val, test = made.parts()
    assert days[order][train].max() < days[order][val].min()
    assert days[order][val].max() < days[order][test].min()
    assert [len(train), len(val), len(test)] == pytest.approx([192, 48, 60], abs=2)


def test_a_column_says_the_parts() -> None:
    said = ["train"] * 40 + ["valid"] * 8 + ["Test"] * 12
    made = table({"x": X, "part": said, "y": ["a", "b"] * 30}, split="part")
    assert [list(rows) for rows in made.parts(9)] == [[*range(40)], [*range(40, 48)], [*range(48, 60)]]
    drawn = table({"x": X, "part": ["train"] * 48 + ["test"] * 12, "y": ["a", "b"] * 30}, split="part").parts(9)
    assert [len(rows) for rows in drawn] == [38, 10, 12]
    with pytest.raises(losszoo.DataError, match="split column part must say train, val or test, got 'fold1' in row 2"):
        table({"x": X, "part": ["train", "fold1"] * 30, "y": ["a", "b"] * 30}, split="part").parts()


def test_what_cannot_help_is_left_out_and_told() -> None:
    made = table(
        {
            "Unnamed: 0": range(60),
            "customer_id": np.random.default_rng(0).permutation(10_000)[:60],
            "name": [f"Mr {row}" for row in range(60)],
            "same": [3] * 60,
            "empty": [None] * 60,
            "x": X,
            "copy": ["A", "B"] * 30,
            "y": ["a", "b"] * 30,
        }
    )
    assert [column.name for column in made.columns] == ["x", "copy"]
    told = "\n".join(made.notes)
    for name in ("Unnamed: 0", "customer_id", "name", "same", "empty"):
        assert f"{name}: left out" in told
    assert "copy: each of its values has one value of y" in told


MIXED = np.random.default_rng(1).permutation(60)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("CustomerId", 15_000_000 + 7 * MIXED),
        ("customerID", 15_000_000 + 7 * MIXED),
        ("customerid", 15_000_000 + 7 * MIXED),
        ("EmployeeNumber", 3 * MIXED),
        ("Patient Nr.", 3 * MIXED),
        ("No", 3 * MIXED),
        ("id_of_order", 3 * MIXED),
        ("user_id", np.where(MIXED < 3, 0, 5 * MIXED)),  # a few come twice
        ("passenger", 1 + MIXED),  # whole numbers without a gap
    ],
)
def test_an_identifier_is_left_out_and_told(name: str, numbers: Any) -> None:
    made = table({name: numbers, "x": X, "y": ["a", "b"] * 30})
    assert [column.name for column in made.columns] == ["x"]
    assert any(note.startswith(f"{name}: left out, an identifier") for note in made.notes)


@pytest.mark.parametrize("name", ["amount_paid", "grid", "No of rooms", "price", "humid", "Nonsense", "valid"])
def test_different_whole_numbers_are_no_identifier_by_themselves(name: str) -> None:
    assert len(table({name: 7 * MIXED, "x": X, "y": ["a", "b"] * 30}).columns) == 2


def test_numbers_of_rows_are_told_where_some_rows_have_no_target() -> None:
    made = table({"line": range(60), "x": X, "y": ["a", "b", None, "a", "b", "a"] * 10})
    assert "line: left out, a number for each row, one after the other" in made.notes


def test_a_class_that_looks_like_a_gap_is_told() -> None:
    sex = ["male", "female", "NA"] * 20
    said = "'NA' is taken as the name of a class, of 20 rows; where it stands for a gap"
    assert any(said in note for note in table({"x": X, "y": sex}).notes)
    assert any(said in note for note in losszoo.Task.from_arrays(X[:, None], sex).notes)
    with pytest.raises(losszoo.DataError, match=r"class '\?' of y must have at least 3 rows.*leave the target empty"):
        table({"x": X, "y": ["a", "b"] * 29 + ["?", "a"]}).parts()


SIZES = [
    (553, 397, 38, 23, 9, 6, 3, 2, 2, 2),  # planets by method of discovery
    (900, 40, 30, 20, 10),
    (300, 200, 90, 90, 90, 90, 90, 50),
]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("labelled", [False, True])
def test_uneven_groups_are_shared_by_rows(sizes: tuple[int, ...], labelled: bool) -> None:
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = len(groups)
    target = ["a", "b"] * (rows // 2) + ["a"] * (rows % 2) if labelled else np.random.default_rng(1).normal(size=rows)
    made = table({"x": np.random.default_rng(2).normal(size=rows), "who": groups, "y": target}, group="who")
    for seed in range(3):
        parts = made.parts(seed)
        assert sorted(np.concatenate(parts)) == list(range(rows))
        assert sum(len(set(groups[part])) for part in parts) == len(sizes)
        assert min(map(len, parts)) > 0
        assert len(parts[0]) == max(map(len, parts))
        shares = np.array([len(part) / rows for part in parts])
        told = any("too uneven" in note and f"train {len(parts[0])}," in note for note in made.notes)
        assert told == (np.abs(shares - (0.64, 0.16, 0.2)).sum() > 0.2) or seed
        assert sizes is not SIZES[2] or not told


def test_too_few_rows_for_the_classes_are_told() -> None:
    many = [f"c{row % 20}" for row in range(60)]
    said = r"got 60 to draw a fifth of, whose 12 cannot hold 20 classes"
    with pytest.raises(losszoo.DataError, match=said):
        table({"x": X, "y": many}).parts()
    with pytest.raises(losszoo.DataError, match=said):
        losszoo.Task.from_arrays(X[:, None], many).splits()


def test_months_of_years_part_the_rows_by_time() -> None:
    months = [f"{year}-{month:02d}" for year in range(2000, 2005) for month in range(1, 13)]
    train, val, test = table({"x": X, "month": months, "y": ["a", "b"] * 30}, time="month").parts()
    assert [*train, *val, *test] == list(range(60))


def test_a_copy_of_the_target_is_trained_and_told() -> None:
    numbers = RNG.normal(size=60)
    words = np.array(["a", "b"] * 30)
    gaps = RNG.random(60) < 0.2
    made = table({"scaled": 3 - 2 * numbers, "cubed": np.where(gaps, np.nan, numbers**3), "x": X, "y": numbers})
    assert [column.name for column in made.columns] == ["scaled", "cubed", "x"]
    told = [note.partition(":")[0] for note in made.notes if "each of its values has one value of y" in note]
    assert told == ["scaled", "cubed"]
    notes = table({"code": np.where(gaps, "", np.char.upper(words)), "x": X, "y": words}).notes
    assert any(note.startswith("code: each of its values") for note in notes)


def test_a_run_a_resumed_run_and_a_worker_meet_the_same_rows(tmp_path: Path) -> None:
    path = segments(tmp_path)
    made = losszoo.Task.from_table(path, "segment")
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(made.splits(2).test.inputs, again.splits(2).test.inputs)
    run = losszoo.run("cross-entropy", made, epochs=3, out=tmp_path)
    assert losszoo.run(resume=run.run_dir).metrics == run.metrics


def test_a_file_that_changes_between_run_and_resume_is_refused(tmp_path: Path) -> None:
    path = segments(tmp_path)

    def stop(line: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        losszoo.run("cross-entropy", losszoo.Task.from_table(path, "segment"), epochs=3, out=tmp_path, on_epoch=stop)
    (folder,) = tmp_path.glob("own/*/*")
    before = path.read_text()
    path.write_text(before.replace("Rome", "Roma"))
    with pytest.raises(losszoo.LosszooError, match=r"own\.csv must be the file that it was, got another content"):
        losszoo.run(resume=folder)
    path.unlink()
    with pytest.raises(losszoo.LosszooError, match=r"own\.csv must be where it was, got none"):
        losszoo.run(resume=folder)
    path.write_text(before)
    assert losszoo.run(resume=folder).status == "completed"


def test_another_frame_is_not_compared_under_the_same_name(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"x": X, "y": ["a", "b"] * 30})
    compare = {"losses": ["focal"], "seeds": 1, "epochs": 1, "out": tmp_path}
    first = losszoo.compare(tasks=[losszoo.Task.from_table(frame, "y")], **compare)
    assert not first.failures
    frame.loc[0, "x"] += 1
    with pytest.raises(losszoo.UsageError, match="task_source"):
        losszoo.compare(tasks=[losszoo.Task.from_table(frame, "y")], **compare)


def test_a_run_on_a_frame_resumes_with_the_same_rows_alone(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"x": X, "y": ["a", "b"] * 30})

    def stop(line: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        losszoo.run("focal", losszoo.Task.from_table(frame, "y"), epochs=2, out=tmp_path, on_epoch=stop)
    (folder,) = tmp_path.glob("*/*/*")
    with pytest.raises(losszoo.UsageError, match="task_identity"):
        losszoo.run(resume=folder, task=losszoo.Task.from_table(frame.assign(x=X + 1), "y"))
    assert losszoo.run(resume=folder, task=losszoo.Task.from_table(frame, "y")).status == "completed"


def test_compare_and_tune_take_a_table(tmp_path: Path) -> None:
    made = losszoo.Task.from_table(segments(tmp_path), "segment")
    found = losszoo.compare(["cross-entropy", "focal"], [made], seeds=2, epochs=2, out=tmp_path / "c", baselines=True)
    assert not found.failures
    assert {row.loss for row in found.tables["own"]} >= {"cross-entropy", "focal"}
    again = losszoo.compare(["cross-entropy", "focal"], [made], seeds=2, epochs=2, out=tmp_path / "c", baselines=True)
    assert [row.mean for row in again.tables["own"]] == [row.mean for row in found.tables["own"]]
    pytest.importorskip("optuna")
    tuning = losszoo.tune("focal", made, trials=2, epochs=1, out=tmp_path / "t")
    assert f"--task {tmp_path}/own.csv --target segment" in str(tuning.best and tuning.best.command)


def test_a_tuning_of_a_frame_shows_no_command_that_would_not_work(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    made = losszoo.Task.from_table(pandas.DataFrame({"x": X, "y": ["a", "b"] * 30}), "y")
    tuning = losszoo.tune("focal", made, trials=1, epochs=1, out=tmp_path)
    assert tuning.best is not None
    assert tuning.best.command is None


def test_a_task_of_the_script_is_not_sent_to_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")

    class Mine(losszoo.Task):
        spec = losszoo.TaskSpec(name="mine", target="m:Mine", kind="binary", summary="Mine.", metric="accuracy")

    monkeypatch.setattr(Mine, "__module__", "__main__")
    said = "a task must be given so that another process can make it, got Mine of this script; write file.py:Mine"
    with pytest.raises(losszoo.UsageError, match=said):
        losszoo.tune("focal", Mine, jobs=2, out=tmp_path)
    with pytest.raises(losszoo.UsageError, match=said):
        losszoo.compare(["focal"], [Mine], out=tmp_path)


def test_two_tables_of_one_name_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    tables = [losszoo.Task.from_table(segments(folder), "segment") for folder in (tmp_path, tmp_path / "other")]
    with pytest.raises(losszoo.UsageError, match="tasks must have different names, got own twice"):
        losszoo.compare(["focal"], tables, seeds=1, out=tmp_path / "c")


def test_a_table_without_its_target_is_told_how_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(losszoo.UsageError, match=r"a table must be given with its target.*Task\.from_table"):
        losszoo.run("focal", str(segments(tmp_path)))


def test_the_name_of_a_file_makes_the_name_of_a_task(tmp_path: Path) -> None:
    rows = [f"{row}.5,{'ab'[row % 2]}" for row in range(40)]
    made = losszoo.Task.from_table(write(tmp_path / "My data.2024.csv", "x,y", *rows), "y")
    assert made.spec.name == "my-data-2024"


def test_a_class_is_made_the_positive_one(tmp_path: Path) -> None:
    """Its metrics are those of scikit-learn for that class, on resume and at prediction too."""
    from sklearn.metrics import average_precision_score, recall_score

    draws = np.random.default_rng(1)
    path = tmp_path / "left.csv"
    x = draws.normal(size=200)
    for words in (("gone", "stays"), ("No", "Yes"), ("False", "True")):
        cells = np.where(x + draws.normal(size=200) > 1, words[0], words[1])
        path.write_text("x,y\n" + "".join(f"{a:.3f},{b}\n" for a, b in zip(x, cells, strict=True)), encoding="utf-8")
        options = {"positive": words[0]}
        made = table(path, **options)
        assert (made.class_names, made.flags()[-2:]) == (words[::-1], ("--positive", words[0]))
        again = losszoo.Task.from_table(path, "y", positive=words[1])
        assert again.class_names == losszoo.Task.from_table(path, "y").class_names == words
        assert (made.identity()["positive"], "positive" in losszoo.Task.from_table(path, "y").identity()) == (
            words[0],
            False,
        )
        result = losszoo.run("bce", made, epochs=3, metric=["recall"], out=tmp_path)
        trained = losszoo.load_run(result.run_dir)
        assert trained.classes is not None
        test = pandas.read_csv(path).iloc[made.parts()[2]]
        held = test["y"] == trained.classes[1]
        found = result.metrics["test"]
        assert found["recall"] == pytest.approx(recall_score(held, trained.predict(test) == trained.classes[1]))
        assert found["average_precision"] == pytest.approx(
            average_precision_score(held, trained.predict_proba(test)[:, 1])
        )
        assert trained.score(test) == found


def test_only_one_of_two_classes_is_positive() -> None:
    with pytest.raises(
        losszoo.LosszooError, match="positive must be a class of the target, got 'Yes': did you mean yes"
    ):
        table({"x": X, "y": ["no", "yes"] * 30}, positive="Yes")
    with pytest.raises(losszoo.UsageError, match="positive must be left out for a regression task, got '1'"):
        table({"x": X, "y": list(X)}, positive=1)
