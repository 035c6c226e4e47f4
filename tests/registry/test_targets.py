"""From a target to the object it names, and what is said where there is none."""

from __future__ import annotations

import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import losszoo
from losszoo import UsageError
from losszoo.registry.import_target import resolve


def write(folder: Path, text: str, name: str = "mine.py") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def test_names_in_modules_and_files(tmp_path: Path) -> None:
    path = write(tmp_path, "class Mine:\n    class Inner:\n        k = 3\n", "my losses/a+b.py")
    assert resolve("json:loads") is __import__("json").loads
    assert resolve("json.decoder:JSONDecoder.decode").__name__ == "decode"
    assert resolve(f"{path}:Mine.Inner.k") == 3
    assert resolve("my losses/a+b.py:Mine", base=tmp_path) is resolve(f"{path}:Mine")
    assert pickle.loads(pickle.dumps(resolve(f"{path}:Mine")())).__class__ is resolve(f"{path}:Mine")


def test_relative_paths_start_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "k = 3")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("./mine.py:k") == resolve("mine.py:k") == resolve("~/mine.py:k") == 3


def test_an_edited_file_is_loaded_again(tmp_path: Path) -> None:
    for value in range(5):  # same length, same second
        assert resolve(f"{write(tmp_path, f'k = {value}')}:k") == value
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.py"]


def test_a_file_may_import_its_neighbour_and_shadows_nothing(tmp_path: Path) -> None:
    write(tmp_path, "k = 3", "neighbour_of_mine.py")
    write(tmp_path, "raise RuntimeError", "random.py")
    path = write(tmp_path, "import random\nfrom neighbour_of_mine import k\ndraw = random.random\nprint('talk')")
    assert resolve(f"{path}:k") == 3
    assert 0 <= resolve(f"{path}:draw")() < 1


def test_what_a_file_writes_to_the_descriptor_goes_to_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = "import os, subprocess\nprint(1, flush=True)\nos.write(1, b'2\\n')\nsubprocess.run(['echo', '3'])"
    print("before")
    resolve(f"{write(tmp_path, text)}:__name__")
    print("after")
    assert capfd.readouterr() == ("before\nafter\n", "1\n2\n3\n")


def test_threads_that_load_side_by_side_give_stdout_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The first one to come leads it away, and the last one to go puts it back."""
    body = "import os, pathlib, time\nos.write(1, b'loud ')\npathlib.Path(__file__ + '.here').touch()\n"
    first = body + "while not pathlib.Path(__file__ + '.go').exists(): time.sleep(0.01)\n"
    paths = [write(tmp_path, text, f"{name}.py") for name, text in (("first", first), ("second", first))]

    def wait_for(path: str) -> None:
        while not Path(path).exists():
            time.sleep(0.01)

    with ThreadPoolExecutor(2) as pool:
        loads = []
        for path in paths:
            loads.append(pool.submit(resolve, f"{path}:__name__"))
            wait_for(f"{path}.here")
        for path, load in zip(paths, loads, strict=True):  # who came first goes first
            Path(f"{path}.go").touch()
            load.result()
    print("after")
    assert capfd.readouterr() == ("after\n", "loud loud ")


def test_what_a_file_prints_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resolve(f"{write(tmp_path, 'print(1)')}:__name__")
    assert capsys.readouterr() == ("", "1\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def mine(:\n    pass", r"mine.py cannot be imported: SyntaxError: .*\(\S+/mine.py:1\)"),
        (
            "\n\nimport no_such_module",
            r"No module named 'no_such_module' \(\S+/mine.py:3: import no_such_module\)$",
        ),
        (
            "def f():\n    return 1 / 0\n\nf()",
            r"ZeroDivisionError: division by zero \(\S+/mine.py:2: return 1 / 0\)",
        ),
        ("import json\njson.loads('{')", r"JSONDecodeError: .*\(\S+/mine.py:2: json.loads"),
        ("raise SystemExit(3)", r"SystemExit: 3 \(\S+/mine.py:1"),
        ("\x00", "cannot be imported: (SyntaxError|ValueError): source code"),
        ("class Mien: ...", r"mine.py has no 'Mine': did you mean Mien\?"),
        ("", "mine.py has no 'Mine': it holds no public name"),
        (
            "import sys\ndef __getattr__(name):\n    sys.exit(8)",
            r"mine.py:Mine cannot be loaded: SystemExit: 8 \(",
        ),
        (
            "def __getattr__(name):\n    raise ImportError('lazy')",
            r"mine.py:Mine cannot be loaded: ImportError: lazy \(",
        ),
    ],
)
def test_a_file_that_does_not_load_says_where(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        resolve(f"{write(tmp_path, text)}:Mine")


def test_ctrl_c_is_nobodys_fault(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        resolve(f"{write(tmp_path, 'import signal; signal.raise_signal(signal.SIGINT)')}:Mine")


def test_an_interrupt_of_the_files_own_is_its_fault(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine.py cannot be imported: KeyboardInterrupt \("):
        resolve(f"{write(tmp_path, 'raise KeyboardInterrupt')}:Mine")


ACTS = """
import pathlib, torch

class Process:
    def __init__(self, path):
        pathlib.Path(path).touch()
    def __call__(self, predictions, targets): ...

class Leaves(torch.nn.Module):
    def __init__(self):
        raise SystemExit(4)
    def forward(self, predictions, targets): ...

class Speechless(torch.nn.Module):
    def __init__(self):
        class Error(TypeError):
            def __str__(self): raise SystemExit(5)
        raise Error

def exits(predictions, targets):
    raise SystemExit(6)
"""


@pytest.mark.parametrize(
    "name",
    ["create", "examine", "run", "check_loss"],
)
def test_a_class_that_is_no_module_is_refused_unconstructed(tmp_path: Path, name: str) -> None:
    target = f"{write(tmp_path, ACTS)}:Process(path='{tmp_path / 'made'}')"
    call: Any = {
        "create": lambda: losszoo.create(target, signature="regression"),
        "examine": lambda: losszoo.examine(target, signature="regression", budget=1.0),
        "run": lambda: losszoo.run(target, "diabetes", signature="regression", out=tmp_path),
        "check_loss": lambda: losszoo.testing.check_loss(target, signature="regression"),
    }[name]
    with pytest.raises(
        UsageError, match=r"must be a function or an nn.Module class, got .*mine.py:Process.*, the class"
    ):
        call()
    assert not (tmp_path / "made").exists()


def test_the_same_for_an_object(tmp_path: Path) -> None:
    """A class is called to make a loss; an object that can be called is one already, and is taken."""
    kind = resolve(f"{write(tmp_path, ACTS)}:Process")
    with pytest.raises(UsageError, match=r"must be a function or an nn\.Module class"):
        losszoo.create(kind, path=tmp_path / "made")
    assert not (tmp_path / "made").exists()
    assert losszoo.create(kind(tmp_path / "made"), signature="regression").signature == "regression"


def test_a_target_that_exits_ends_nobody(tmp_path: Path) -> None:
    path = write(tmp_path, ACTS)
    with pytest.raises(UsageError, match=r"mine.py:Leaves cannot be made: SystemExit: 4 \(\S+/mine.py:11"):
        losszoo.create(f"{path}:Leaves", signature="regression")
    with pytest.raises(
        UsageError, match=r"cannot be made with \(\): \(its message raises SystemExit\); pass arguments"
    ):
        losszoo.create(f"{path}:Speechless", signature="regression")
    with pytest.raises(UsageError, match=r"step 1 of \S+mine.py:exits on diabetes raised SystemExit: 6"):
        losszoo.run(f"{path}:exits", "diabetes", signature="regression", out=tmp_path)
    with pytest.raises(losszoo.testing.ConformanceError, match="SystemExit: 6"):
        losszoo.testing.check_loss(f"{path}:exits", signature="regression")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("json", "a target must be 'package.module:name' or 'file.py:name', got 'json'"),
        (":name", "a target must be"),
        ("json:", "a target must be"),
        ("json:lods", "json has no 'lods': did you mean loads or load"),
        ("json:loads.nothing", "json has no 'nothing'"),
        (
            "no_such_package.mod:f",
            "No module named 'no_such_package'; it must be installed, or be named by its file",
        ),
        (
            "json.no_such_module:f",
            "json.no_such_module:f cannot be imported: ModuleNotFoundError: .*no_such_module'$",
        ),
        (".relative:f", ".relative:f cannot be imported: TypeError"),
        ("nowhere.py:f", r"there is no file .*nowhere.py \(target 'nowhere.py'\); relative paths start in"),
        ("~no_such_user_/x.py:f", "'~no_such_user_/x.py' is no path of a file"),
        ("a\0b.py:f", "is no path of a file"),
        (f"{'x' * 300}.py:f", "is no path of a file"),
    ],
)
def test_a_target_that_is_not_there(target: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        resolve(target)
