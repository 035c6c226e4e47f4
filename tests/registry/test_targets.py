"""From a target to the object it names, and what is said where there is none."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from losszoo import UsageError
from losszoo.registry.targets import resolve


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
