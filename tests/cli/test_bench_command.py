"""``losszoo bench``: real processes at small sizes, and peers that disagree, raise, hang, or eat the memory."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from losszoo.bench import peers
from losszoo.bench.peers import Peer
from losszoo.cli.main import main
from losszoo.cli.tables.bench_table import machine_line

MINE = Path(__file__).parents[1] / "bench" / "mine.py"
FAST = ("--budget", "0.02", "--repeats", "2", "--threads", "1")
CELL = {"name", "status", "said", "seconds", "low", "high", "fastest", "samples", "first_call", "extra_bytes"}
ROW = {
    *("loss", "signature", "size", "first", "second", "dim", "zoo", "peer"),
    *("agreement", "ratio", "memory_ratio"),
}


def bench(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A real process, in a pipe."""
    plain = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    command = [sys.executable, "-m", "losszoo", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False, env=plain, cwd=cwd)


def ask(*arguments: str) -> Any:
    """The exit code and message of what is refused before anything is measured."""
    done = CliRunner().invoke(main, ["bench", *arguments])
    return done.exit_code, done.stderr


def test_bad_peers_stop_nobody() -> None:
    """One loss of the zoo against a good peer and every kind of bad one, in one run: each row says what happened."""
    names = ("right", "wrong", "raises", "hungry")
    against = ",".join(f"{MINE}:{name}" for name in names)
    done = bench("mse", "--sizes", "1000", "--against", against, "--json", "--memory-limit", "500MB", *FAST)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    _check_document(document)
    rows = {row["peer"]["name"].rsplit(":")[-1]: row for row in document["rows"]}
    assert tuple(rows) == names
    _check_agreeing(rows["right"])
    _check_differing(rows["wrong"], done.stderr)
    for name, status, said in (
        ("raises", "raised", r"RuntimeError: no luck \[bold\]here\[/bold\] .*mine.py"),
        ("hungry", "memory", r"a tensor of 1.07 GB more does not fit into the limit of 500 MB"),
    ):
        row = rows[name]
        assert row["peer"]["status"] == status
        assert row["ratio"] is None
        assert row["zoo"]["seconds"] > 0
        assert re.search(said, row["peer"]["said"])
        assert re.search(said, done.stderr)


def test_a_peer_that_hangs_is_stopped() -> None:
    """Alone, since a short timeout stops whatever else is slow on a busy machine; the peer sleeps for ever."""
    done = bench("mse", "--sizes", "1000", "--against", f"{MINE}:hangs", "--json", "--timeout", "8", *FAST)
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["peer"]["status"], row["peer"]["said"], row["ratio"]) == ("timeout", "stopped after 8 s", None)
    assert "stopped after 8 s" in done.stderr


def _check_document(document: dict[str, Any]) -> None:
    assert document["verdict"] == "differs"
    assert document["command"].startswith("losszoo bench mse --sizes 1000")
    assert document["machine"]["threads"] == 1
    assert document["machine"]["versions"]["torch"] == importlib.metadata.version("torch")
    assert document["settings"]["memory_limit"] == 500_000_000
    for row in document["rows"]:
        assert set(row) == ROW
        assert set(row["zoo"]) == set(row["peer"]) == CELL


def _check_agreeing(row: dict[str, Any]) -> None:
    assert row["agreement"]["agrees"]
    assert row["zoo"]["samples"] == row["peer"]["samples"] == row["ratio"]["samples"] == 2
    assert 0 < row["zoo"]["fastest"] <= row["zoo"]["low"] <= row["zoo"]["seconds"] <= row["zoo"]["high"]
    assert row["zoo"]["first_call"] > 0
    assert row["zoo"]["extra_bytes"] >= 0


def _check_differing(row: dict[str, Any], shown: str) -> None:
    """Both numbers are shown, and no ratio is given."""
    assert not row["agreement"]["agrees"]
    assert row["ratio"] is row["memory_ratio"] is row["peer"]["seconds"] is None
    assert row["agreement"]["peer_value"] == pytest.approx(1.5 * row["agreement"]["value"], rel=1e-5)
    told = re.search(rf"1000: losszoo (\S+), \S*{MINE.name}:wrong (\S+); gradients differ by", shown)
    assert told is not None
    assert float(told[1]) == pytest.approx(row["agreement"]["value"], rel=1e-6)


def test_a_loss_of_ones_own_with_a_picture(tmp_path: Path) -> None:
    """What it prints is not in the document; a family of one file, in the folder where it stands."""
    pytest.importorskip("matplotlib")
    (tmp_path / "mine.py").write_text(MINE.read_text())
    arguments = ("mine.py:talks", "--signature", "regression", "--against", "mine.py:right", "--json")
    done = bench(*arguments, "--sizes", "64,4096", "--plot", "out.svg", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [row["size"] for row in document["rows"]] == ["64", "4096"]
    assert document["verdict"] == "agrees"
    assert "picture: out.svg" in done.stderr
    assert b"mine.py:right" in (tmp_path / "out.svg").read_bytes()


def test_without_a_peer_nothing_is_said_to_agree() -> None:
    done = bench(f"{MINE}:talks", "--signature", "regression", "--sizes", "64", "--json", *FAST)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "not-compared"
    assert re.search(r"^not compared, ", done.stderr, re.MULTILINE)


def test_a_loss_of_ones_own_that_raises_is_a_bad_answer() -> None:
    done = bench(f"{MINE}:raises", "--signature", "regression", "--sizes", "64", *FAST)
    assert done.returncode == 1
    assert "64, losszoo: raised: RuntimeError: no luck [bold]here[/bold]" in done.stdout
    assert "failed" in done.stdout


def test_an_exhibit_and_a_penalty_side_by_side() -> None:
    """An exhibit is said to be one; a penalty takes numbers of parameters; sizes of both kinds in one table."""
    done = bench("nca-ratio", "l2", "--sizes", "48", "--against", "dense", "--dim", "4", "--predict", "1000", *FAST)
    assert done.returncode == 0, done.stderr
    assert "nca-ratio is an exhibit, unstable on purpose; nca-stable is its stable form" in done.stderr
    assert len(re.findall(r"^ *48  dense ", done.stdout, re.MULTILINE)) == 2
    assert "note: l2, losszoo: seconds cannot be predicted from fewer than 4 sizes" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "bench must have a NAME or --family, got neither"),
        (("nca", "--family", "nca"), "bench must have a NAME or --family, got both"),
        (("ncaa",), "unknown loss 'ncaa': did you mean nca"),
        (("--family", "nac"), "unknown family 'nac': did you mean nca?"),
        (("uncertainty",), "losses with inputs of their own, got uncertainty, which combines others"),
        (("bce + mse",), "bench must have single losses, got 'bce + mse'"),
        (("nca(tau=1)",), "nca"),
        (("nca", "--sizes", "0"), "sizes must be whole numbers from 1 to 1e12"),
        (("nca", "--sizes", "-3"), "sizes must be whole numbers from 1 to 1e12"),
        (("nca", "--sizes", "many"), "sizes must be whole numbers from 1 to 1e12"),
        (("nca", "--sizes", "8x8"), "sizes must be one number each for embedding losses"),
        (("nca", "--dim", "0"), "dim must be whole numbers >= 1"),
        (("nca", "--classes", "0"), "--classes"),
        (("nca", "--repeats", "0"), "--repeats"),
        (("nca", "--budget", "0"), "budget must be a number of seconds > 0"),
        (("nca", "--timeout", "nan"), "timeout must be a number of seconds > 0"),
        (("nca", "--memory-limit", "lots"), "memory-limit must be a size such as 4GB"),
        (("nca", "--predict", "soon"), "predict must be whole numbers >= 1"),
        (("nca", "--against", "dens"), "unknown peer 'dens': did you mean dense?"),
        (("nca", "--against", ""), "unknown peer ''"),
        (("nca", "--against", "gone.py:f"), "gone.py"),
        (("nca", "--device", "abacus"), "device must be one that this machine has"),
        (("nca", "--plot", "out.pdf"), "plot must be one of file.html, file.png, file.svg"),
        (("nca", "--plot", "no/such/folder/out.png"), "in a folder that exists"),
        (("nca", "--signature", "views"), "loss of your own, got 'nca', which is registered"),
        (("gone.py:f",), "gone.py"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    code, stderr = ask(*arguments)
    assert code == 2
    assert said in stderr
    assert "Traceback" not in stderr


def test_peers_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was asked for is said, with what to do; where none is left there is nothing to compare with."""
    from losszoo.bench.measure import choose
    from losszoo.bench.subjects import subject_of

    monkeypatch.setattr(peers, "peer_of", _without_pml)
    monkeypatch.setattr("losszoo.bench.measure.peer_of", _without_pml)
    found, notes = choose(("dense", "pml"), [subject_of("nca")])
    assert [peer.name for peer in found] == ["dense"]
    assert notes == ["pml: no-such-distribution is not installed; pip install 'losszoo[bench]'"]
    code, stderr = ask("nca", "--against", "pml")
    assert code == 2
    assert "against must name a peer that is installed, got none: pml: no-such-distribution is not installed" in stderr
    assert choose(None, [subject_of("mse")])[1] == []  # nobody needs it there


def _without_pml(name: str) -> Peer:
    return (
        Peer("pml", "no-such-distribution", formulas={"nca": lambda: torch.zeros(())})
        if name == "pml"
        else _peer_of(name)
    )


_peer_of = peers.peer_of


def test_the_list_imports_neither_torch_nor_matplotlib() -> None:
    code = "from losszoo.cli.main import main; import sys; main(['list'], standalone_mode=False)"
    check = "; print({'torch', 'matplotlib', 'losszoo.bench'} & set(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("set()\n")


def test_one_thread_is_one() -> None:
    machine = {"processor": "abacus", "cores": 1, "threads": 1, "device": "cpu", "versions": {"torch": "2"}}
    assert machine_line(machine) == "abacus, 1 core, 1 thread; torch 2"
    assert machine_line({**machine, "cores": 4, "threads": 2}) == "abacus, 4 cores, 2 threads; torch 2"
