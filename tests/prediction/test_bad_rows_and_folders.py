"""What cannot be loaded or predicted is refused in words; what training has not seen is predicted, and told."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from trained import churn, run

import losszoo
from losszoo.common.files import read_json, save_atomically, write_json


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(run("cross-entropy", "digits", tmp_path_factory.mktemp("digits"), epochs=1).run_dir)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("pandas")
    folder = tmp_path_factory.mktemp("table")
    task = losszoo.Task.from_table(churn(folder), target="churned", drop=["part"])
    return losszoo.load_run(run("focal", task, folder, epochs=1).run_dir)


def test_a_folder_that_is_no_run(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(losszoo.UsageError, match=r"folder of a run, got .*there is no such folder"):
        losszoo.load_run(tmp_path / "none")
    with pytest.raises(losszoo.UsageError, match=r"it holds no config.json.*; inside it:\nlosszoo predict .*cross-ent"):
        losszoo.load_run(digits.parents[2])
    with pytest.raises(losszoo.UsageError, match="this is a file"):
        losszoo.load_run(digits / "config.json")


def copied(run_dir: Path, to: Path) -> Path:
    return Path(shutil.copytree(run_dir, to / "copy"))


def test_a_folder_of_an_earlier_version_and_one_that_still_trains(digits: Path, tmp_path: Path) -> None:
    folder = copied(digits, tmp_path)
    (folder / "trained.json").unlink()
    with pytest.raises(losszoo.UsageError, match=r"an earlier version of losszoo kept no model.*; train it again"):
        losszoo.load_run(folder)
    (folder / "result.json").unlink()
    with pytest.raises(losszoo.UsageError, match=r"a run must have ended before it predicts.*losszoo run --resume"):
        losszoo.load_run(folder)
    write_json(folder / "config.json", {**read_json(folder / "config.json"), "format": 3})
    with pytest.raises(losszoo.UsageError, match="must be of format 4, got format 3"):
        losszoo.load_run(folder)


@pytest.mark.parametrize("name", ["trained.pt", "trained.json", "config.json"])
def test_a_file_with_one_changed_byte(name: str, digits: Path, tmp_path: Path) -> None:
    path = copied(digits, tmp_path) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(losszoo.UsageError, match=rf"{name} must be as the run has written it, got"):
        losszoo.load_run(path.parent)


def test_files_of_two_moments_and_weights_of_another_run(digits: Path, tmp_path: Path) -> None:
    folder = copied(digits, tmp_path)
    state = torch.load(folder / "trained.pt", weights_only=True)
    save_atomically(folder / "trained.pt", {**state, "steps": 1})
    with pytest.raises(losszoo.UsageError, match="must be of one moment, got two"):
        losszoo.load_run(folder)
    save_atomically(folder / "trained.pt", {**state, "model": {}})
    with pytest.raises(losszoo.UsageError, match="must take the weights"):
        losszoo.load_run(folder)
    save_atomically(folder / "trained.pt", {name: state[name] for name in ("format", "epochs", "steps")})
    with pytest.raises(losszoo.UsageError, match="must be what a run writes"):
        losszoo.load_run(folder)


def test_plain_data_that_a_stranger_has_changed(digits: Path, tmp_path: Path) -> None:
    """The checksum fits; whatever is missing or of another type is refused in words."""
    folder = copied(digits, tmp_path)
    told = read_json(folder / "trained.json")
    changed = [{**told, name: value} for name in told if name not in ("best_epoch", "k") for value in (None, "x")]
    changed += [{**told, "task": {n: v for n, v in told["task"].items() if n != name}} for name in told["task"]]
    changed += [{**told, "signatures": ["evil.py:Signature"]}, {**told, "task": {**told["task"], "kind": "evil:Kind"}}]
    for content in changed:
        write_json(folder / "trained.json", content)
        with pytest.raises(losszoo.UsageError):
            losszoo.load_run(folder)


def test_a_checkpoint_that_is_damaged_is_not_asked_for(digits: Path, tmp_path: Path) -> None:
    folder = copied(digits, tmp_path)
    (folder / "checkpoint.pt").write_bytes(b"nothing")
    losszoo.load_run(folder)


def test_a_network_of_ours_takes_no_other_one(digits: Path) -> None:
    with pytest.raises(losszoo.UsageError, match="model must be left out, as the run has the network"):
        losszoo.load_run(digits, model="my_net.py:Net")


IMAGES = np.zeros((2, 1, 8, 8))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.zeros((2, 1, 8, 9)), r"must have shape \(N, 1, 8, 8\), got \(2, 1, 8, 9\)"),
        (IMAGES[0], r"must have shape \(N, 1, 8, 8\), got \(1, 8, 8\)"),
        (IMAGES[:0], "must hold some rows, got none"),
        (np.full((2, 1, 8, 8), np.inf), "must be finite in float32, got inf in row 0, column 0, 0, 0"),
        (IMAGES.astype(object), "must be numbers, got dtype object"),
        (IMAGES + 1j, "must be real numbers, got dtype complex128"),
        ("rows.csv", r"must be an array or a \.npy file, got rows.csv"),
        ("nowhere.npy", "must be a file that is there"),
    ],
)
def test_arrays_that_cannot_be_predicted(rows: Any, said: str, digits: Path) -> None:
    with pytest.raises((losszoo.UsageError, losszoo.DataError), match=said):
        losszoo.load_run(digits).predict(rows)


def test_numbers_of_any_type_are_the_same(digits: Path, tmp_path: Path) -> None:
    trained = losszoo.load_run(digits)
    rows = np.random.default_rng(0).integers(0, 2, (9, 1, 8, 8))
    expected = trained.predict_proba(rows)
    for dtype in ("float32", "float64", "uint8", "bool", "float16"):
        assert np.array_equal(trained.predict_proba(rows.astype(dtype)), expected)
    np.save(tmp_path / "rows.npy", rows)
    assert np.array_equal(trained.predict_proba(tmp_path / "rows.npy"), expected)
    np.save(tmp_path / "objects.npy", rows.astype(object), allow_pickle=True)
    with pytest.raises(losszoo.DataError, match="must be an array of numpy"):
        trained.predict(tmp_path / "objects.npy")


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([0], "must be one for each of 2 rows"),
        ([0, 10], "must be labels from 0 to 9, got 10"),
        ([0, 0.5], "must be labels from 0 to 9, got 0.5"),
        ([[0], [1]], "must have shape"),
        (None, "y must be given"),
    ],
)
def test_targets_that_cannot_be_scored(targets: Any, said: str, digits: Path) -> None:
    with pytest.raises((losszoo.UsageError, losszoo.DataError), match=said):
        losszoo.load_run(digits).score(IMAGES, targets)


def test_what_makes_no_predictions_says_so(tmp_path: Path) -> None:
    retrieval = losszoo.load_run(run("nca-stable", "digits-retrieval", tmp_path, epochs=1).run_dir)
    with pytest.raises(losszoo.UsageError, match="whose rows find each other; embed gives their embedding"):
        retrieval.predict(IMAGES)
    numbers = losszoo.load_run(run("huber", "diabetes", tmp_path, epochs=1).run_dir)
    with pytest.raises(losszoo.UsageError, match="probabilities must come from"):
        numbers.predict_proba(np.zeros((2, 10)))


def frame(**columns: Any) -> Any:
    import pandas

    usual = {"age": [40.0, 50.0], "income": [1e4, 2e4], "city": ["Rome", "Paris"], "member": ["yes", "no"]}
    return pandas.DataFrame({**usual, **columns})


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"age": ["40", "12 kg"]}, r"column age must hold numbers, as in training, got '12 kg' in row 2"),
        ({"age": [40.0, np.inf]}, "column age must hold finite numbers of float32, got inf in row 2"),
        ({"income": [1e4, 1e300]}, "column income must hold finite numbers of float32, got 1e.300 in row 2"),
        ({"city": [["Rome"], ["Paris"]]}, "column city must hold one value in each row"),
    ],
)
def test_cells_that_cannot_be_predicted(columns: dict[str, Any], said: str, table: Any) -> None:
    with pytest.raises(losszoo.DataError, match=said):
        table.predict(frame(**columns))


def test_a_table_without_a_column_or_rows(table: Any, tmp_path: Path) -> None:
    with pytest.raises(losszoo.UsageError, match="columns of training, got none named 'member'"):
        table.predict(frame().drop(columns="member"))
    with pytest.raises(losszoo.UsageError, match="got none named 'age'; did you mean Age"):
        table.predict(frame().rename(columns={"age": "Age"}))
    with pytest.raises(losszoo.DataError, match="must hold rows, got names alone"):
        table.predict(frame().iloc[:0])
    path = tmp_path / "new.csv"
    path.write_text("", encoding="utf-8")
    with pytest.raises(losszoo.DataError, match="got an empty file"):
        table.predict(path)
    for rows in (np.zeros((2, 4)), "rows.npy"):
        with pytest.raises(losszoo.UsageError, match="columns are known by their names"):
            table.predict(rows)
    with pytest.raises(losszoo.DataError, match="must be one for each of 2 rows, got shape \\(3,\\)"):
        table.score(frame(), ["gone", "stays", "stays"])
    with pytest.raises(losszoo.UsageError, match="y must be given, as the rows of churn have no churned"):
        table.score(frame())


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"city": ["Oslo", "Rome"]}, r"city: 1 of 2 rows with words that training rows have not \('Oslo'\)"),
        ({"member": ["maybe", "no"]}, r"member: neither yes nor no in 1 of 2 rows \(as 'maybe'\), taken as a gap"),
        ({"age": [np.nan, 40]}, "age: 1 gap, of which training rows have none: filled with their median"),
    ],
)
def test_what_training_has_not_seen_is_predicted_and_told(columns: dict[str, Any], said: str, table: Any) -> None:
    with pytest.warns(UserWarning, match=said):
        assert len(table.predict(frame(**columns))) == 2


def test_the_same_cells_in_other_types(table: Any) -> None:
    """Texts, numbers, booleans and categories say the same: a row is predicted as its words, not as its dtype."""
    expected = table.predict_proba(frame())
    other = frame(age=["40", "50"], member=[True, False], income=np.array([10000, 20000]))
    other["city"] = other["city"].astype("category")
    assert np.array_equal(table.predict_proba(other), expected)
    assert np.array_equal(table.predict_proba(frame(member=[1, 0])), expected)


def test_one_row_is_read_as_training_read_its_column(tmp_path: Path) -> None:
    """Alone it would have two readings: 1,234 of thousands, and digits that are words."""
    pytest.importorskip("pandas")
    rows = [f'"{1 + row % 9},{row:03}.5",{row % 3 or "A"},{"yes" if row % 4 else "no"}' for row in range(60)]
    path = tmp_path / "own.csv"
    path.write_text("\n".join(["sum,code,y", *rows]), encoding="utf-8")
    trained = losszoo.load_run(run("bce", losszoo.Task.from_table(path, target="y"), tmp_path, epochs=1).run_dir)
    assert trained.input_names == ("sum", "code = 1", "code = 2", "code = A")
    path.write_text('code,sum\n2,"1,234"\n', encoding="utf-8")
    assert trained.inputs(path).tolist() == [[1234.0, 0.0, 1.0, 0.0]]


def test_rows_whose_class_is_not_known_are_not_scored(table: Any) -> None:
    known = frame(churned=["gone", "stays"])
    with pytest.warns(UserWarning, match="1 row with no churned, or one that is none of the classes: not scored"):
        assert table.score(frame(churned=["gone", "other"])) == table.score(known.iloc[:1])
    with pytest.raises(losszoo.DataError, match="churned must be known in some rows"):
        table.score(frame(churned=["", "other"]))
