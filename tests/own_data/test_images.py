"""Folders of images as tasks, from Python and on the command line."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import losszoo
from losszoo import DataError, Task, UsageError
from losszoo.cli.main import main

Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")
RNG = np.random.default_rng(0)


def save(path: Path, height: int = 8, width: int = 8, mode: str = "RGB", level: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 60, (height, width, 3)).astype(np.uint8)
    pixels[..., level] += 150
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def photos(folder: Path, rows: int = 10, **options: Any) -> Path:
    for level, name in enumerate(("owl", "cat", "dog")):
        for row in range(rows):
            save(folder / name / f"{row}.png", level=level, **options)
    return folder


def ask(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def test_subfolders_are_classes_and_pixels_those_of_pillow(tmp_path: Path) -> None:
    made = Task.from_images(photos(tmp_path / "My photos"))
    assert (made.spec.name, made.spec.kind, made.class_names) == ("my-photos", "multiclass", ("cat", "dog", "owl"))
    train, val, test = made.splits(1)
    assert (len(train) + len(val), len(test)) == (24, 6)
    inputs, targets = test.read(range(len(test)), 0)
    paths = [test.dataset.paths[row] for row in test.dataset.rows]
    assert [path.parent.name for path in paths] == [made.class_names[label] for label in targets]
    expected = np.asarray(Image.open(paths[0])).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(inputs[0], expected, rtol=1e-6)


def test_images_of_other_sizes_and_colors(tmp_path: Path) -> None:
    photos(tmp_path / "a", mode="L")
    gray = Task.from_images(tmp_path / "a")
    assert gray.splits().train.shape == (1, 8, 8)
    wide = save(tmp_path / "a" / "owl" / "wide.png", 20, 40)
    made = Task.from_images(tmp_path / "a", size=(10, 12))
    assert made.splits().train.shape == (3, 10, 12)
    assert "images of 2 sizes are scaled to 64 x 64" in Task.from_images(tmp_path / "a").notes[0]
    train = made.splits().train.dataset
    expected = ImageOps.fit(Image.open(wide), (12, 10), method=Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(train.pixels[train.paths.index(wide)], np.asarray(expected).transpose(2, 0, 1))


def test_sixteen_bits_keep_their_upper_eight_and_turned_images_are_turned(tmp_path: Path) -> None:
    photos(tmp_path / "a", mode="L")
    deep = tmp_path / "a" / "owl" / "deep.png"
    Image.fromarray(np.full((8, 8), 257 * 77, np.uint16)).save(deep)
    turned = tmp_path / "a" / "owl" / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.repeat(np.arange(8, dtype=np.uint8)[:, None] * 30, 8, 1)).save(turned, exif=exif, quality=100)
    made = Task.from_images(tmp_path / "a").splits().train.dataset
    assert set(made.pixels[made.paths.index(deep)].ravel()) == {77}
    pixels = made.pixels[made.paths.index(turned)][0].astype(int)
    assert (np.diff(pixels[4]) < 0).all()  # tag 6: turned by a quarter, so what went down goes left


def test_a_folder_that_says_the_parts(tmp_path: Path) -> None:
    for part, rows in (("train", 6), ("Val", 2), ("test", 3)):
        photos(tmp_path / "a" / part, rows)
    made = Task.from_images(tmp_path / "a")
    assert [len(part) for part in made.splits(3)] == [18, 6, 9]
    for part, rows in (("train", 5), ("test", 3)):
        photos(tmp_path / "b" / part, rows)
    assert [len(part) for part in Task.from_images(tmp_path / "b").splits()] == [12, 3, 9]


def test_a_broken_file_is_left_out_and_counted(tmp_path: Path) -> None:
    photos(tmp_path / "a")
    (tmp_path / "a" / "cat" / "half.png").write_bytes((tmp_path / "a" / "cat" / "0.png").read_bytes()[:90])
    (tmp_path / "a" / "cat" / "none.jpg").write_bytes(b"no image")
    (tmp_path / "a" / "dog" / "list.txt").write_text("0.png")
    (tmp_path / "a" / "dog" / ".hidden.png").write_text("")
    made = Task.from_images(tmp_path / "a")
    assert "30 images" in made.spec.summary
    told = "\n".join(made.notes)
    assert "left out, as it cannot be read: 2 files, cat/half.png (image file is truncated), cat/none.jpg (" in told
    assert "left out, as it is no image by its ending: 1 file, dog/list.txt" in told


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        (["a.png", "b.png"], {}, "must hold a subfolder with images for each of two .*, got 2 images beside no such"),
        (["cat/a.png"], {}, "got images of cat alone"),
        (["train/cat/a.png", "train/dog/a.png"], {}, "must hold train/ and test/, each with images, got train alone"),
        (
            ["train/a/1.png", "train/b/1.png", "test/c/1.png"],
            {},
            "must hold images of every class, got none of c",
        ),
        (["a/1.png", "b/1.png"], {"size": 2}, "size must be pixels from 4 to 4096, or .height, width., got 2"),
        (["a/1.png", "b/1.png", "b/2.png"], {}, "class 'a' of the images in .* must have at least 3 rows"),
    ],
)
def test_a_folder_that_cannot_be(tmp_path: Path, files: list[str], options: dict[str, Any], said: str) -> None:
    for file in files:
        save(tmp_path / file)
    with pytest.raises((DataError, UsageError), match=said):
        Task.from_images(tmp_path, **options).splits()


def test_a_run_a_worker_and_a_resumed_run_meet_the_same_images(tmp_path: Path) -> None:
    folder = photos(tmp_path / "birds")
    made = Task.from_images(folder)
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.splits(2).test.read([0], 0).inputs, made.splits(2).test.read([0], 0).inputs)

    def stop(line: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        losszoo.run("cross-entropy", made, epochs=2, out=tmp_path / "runs", on_epoch=stop)
    (run,) = (tmp_path / "runs").glob("*/*/*")
    spare = (folder / "owl" / "0.png").read_bytes()
    save(folder / "owl" / "0.png")
    with pytest.raises(losszoo.LosszooError, match="must hold the images that it held, got others"):
        losszoo.run(resume=run)
    (folder / "owl" / "0.png").write_bytes(spare)
    result = losszoo.run(resume=run)
    assert result.metrics == losszoo.run("cross-entropy", made, epochs=2, out=tmp_path / "runs").metrics
    assert result.class_names == ("cat", "dog", "owl")
    test = made.splits().test
    pixels = np.stack([np.asarray(Image.open(test.dataset.paths[row])).transpose(2, 0, 1) for row in test.dataset.rows])
    trained = losszoo.load_run(result.run_dir)
    assert trained.score(pixels, test.targets) == result.metrics["test"]
    words = np.array(result.class_names)[test.targets]
    assert trained.score(pixels, words) == result.metrics["test"]
    assert (trained.predict(pixels) == words).mean() == result.metrics["test"]["accuracy"]
    new = tmp_path / "new"
    for row, path in ((row, test.dataset.paths[row]) for row in test.dataset.rows):
        (new / path.parent.name).mkdir(parents=True, exist_ok=True)
        (new / path.parent.name / f"{row}.png").write_bytes(path.read_bytes())
    assert trained.score(new) == result.metrics["test"]
    rows = trained.read(new)
    assert list(rows.files) == sorted(str(path.relative_to(new)) for path in new.rglob("*.png"))
    answers = {name: trained.predict(new / name)[0] for name in rows.files}  # one image at a time
    assert answers == dict(zip(rows.files, trained.predict(rows), strict=True))
    found = losszoo.compare(["focal"], [made], seeds=1, epochs=1, out=tmp_path / "c")
    assert not found.failures


def predicted(folder: Path, run: str) -> None:
    """Its images, and some that lie beside the folders of classes, or are none."""
    save(folder / "new.png", 12, 9)
    done = ask("predict", run, f"{folder}/", "--out", "out.csv", "--proba")
    assert done.exit_code == 0, done.stderr
    lines = Path("out.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "file,prediction,probability_cat,probability_dog,probability_owl"
    files = [line.split(",")[0] for line in lines[1:]]
    assert (files[:2], len(files)) == (["new.png", "cat/0.png"], 19)
    assert "note: left out, as it cannot be read: 1 file, cat/x.png" in done.stderr
    assert "note: 1 image in no folder of a class: not scored" in done.stderr
    assert "of 18 rows with a folder of its class: accuracy " in done.stdout
    one = json.loads(ask("predict", run, str(folder / "new.png"), "--json").stdout)
    assert (one["files"], one["predictions"], one["metrics"]) == (["new.png"], [lines[1].split(",")[1]], {})
    (folder / "none").mkdir()
    for rows, code, said in (
        (str(folder / "none"), 2, "must be an image that can be read, or hold some, got none"),
        (str(folder / "cat" / "x.png"), 2, "must be an image that can be read, or hold some, got x.png: "),
        ("nowhere/", 2, "rows to predict must be a file or folder that is there, got nowhere"),
        ("out.csv", 2, "must be an array, a .npy file, a folder of images or an image that ends with .bmp"),
    ):
        refused = ask("predict", run, rows)
        assert (refused.exit_code, said in refused.stderr) == (code, True), refused.stderr


def test_the_command_line_takes_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "birds", 6)
    save(tmp_path / "birds" / "cat" / "x.png").write_bytes(b"")
    known = json.loads(ask("info", "birds/", "--size", "6", "--json").stdout)
    assert (known["shape"], known["classes"]) == ([3, 6, 6], {"cat": 6, "dog": 6, "owl": 6})
    done = ask("run", "--loss", "cross-entropy", "--task", "birds/", "--size", "6", "--epochs", "1", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["class_names"] == ["cat", "dog", "owl"]
    assert "cat/x.png" in result["notes"][0]
    assert done.stderr.count("note: left out, as it cannot be read: 1 file, cat/x.png") == 1
    assert ask("run", "--resume", result["run_dir"], "--json").exit_code == 0
    predicted(Path("birds"), result["run_dir"])
    suggested = json.loads(ask("suggest", "birds/", "--size", "6", "--json").stdout)
    assert suggested["command"].startswith("losszoo compare --task birds/ --size 6 --loss cross-entropy")
    chosen = ("--class-weight", "owl=3", "--metric", "f1_macro", "--set", "recipe.sampler=weighted", "--epochs", "1")
    done = ask("run", "--loss", "cross-entropy", "--task", "birds/", *chosen, "--json")
    assert list(json.loads(done.stdout)["metrics"]["test"]) == ["f1_macro", "accuracy"]
    for words, said in (
        (("info", "bird/"), "a folder of images must be a folder that is there, got bird; did you mean birds/"),
        (("info", "birds"), "a folder of images is written with a slash, birds/"),
        (("info", "digits", "--size", "8"), "--size must go with a folder of images, as photos/, got digits"),
        (("info", "birds/", "--target", "cat"), "--target must go with a table"),
    ):
        refused = ask(*words)
        assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr


@pytest.mark.parametrize("aim", ["..", ".", "../.."])
def test_a_link_that_leads_above_itself_is_refused(tmp_path: Path, aim: str) -> None:
    folder = photos(tmp_path / "in" / "photos")
    (folder / "all").symlink_to(aim, target_is_directory=True)
    with pytest.raises(losszoo.DataError, match=r"a link in .* must lead to .* elsewhere, got all, which leads to"):
        Task.from_images(folder)


def test_a_class_may_be_a_link_to_a_folder_elsewhere(tmp_path: Path) -> None:
    folder, other = photos(tmp_path / "photos"), tmp_path / "elsewhere"
    save(other / "fox.png")
    for row in range(9):
        save(other / f"{row}.png")
    (folder / "zebra").symlink_to(other, target_is_directory=True)
    assert Task.from_images(folder).class_names[-1] == "zebra"
