"""``--class-weight`` in run, compare and tune, and in a crash bundle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from sklearn.utils.class_weight import compute_class_weight

import losszoo
from losszoo.cli.main import main
from losszoo.common.seeding import Randomness
from losszoo.crash_replay.rebuild_run import Rebuilder
from losszoo.training.guard.crash_bundle import read
from losszoo.training.make_plan import make_plan
from losszoo.training.run_folder.run_folder import NoRecord
from losszoo.training.run_options import Options
from losszoo.tuning.tuning_options import TuneOptions
from losszoo.tuning.tuning_plan import make_study_plan
from losszoo.tuning.tuning_result import command_line


def test_a_run_and_a_comparison_take_it(tmp_path: Path) -> None:
    common = ["--task", "digits-rare", "--loss", "bce", "--epochs", "1", "--class-weight", "rare=7", "--json"]
    done = CliRunner().invoke(main, ["run", *common, "--out", str(tmp_path / "runs")])
    assert done.exit_code == 0, done.stderr
    config = json.loads(Path(json.loads(done.stdout)["run_dir"], "config.json").read_text())
    assert config["recipe"]["class_weight"] == "rare=7"
    compared = losszoo.compare(
        ["bce"], ["digits-rare"], 1, epochs=1, class_weight={"rare": 7}, out=tmp_path / "compared"
    )
    (cell,) = compared.cells
    assert cell["config"]["class_weight"] == "rare=7"
    assert cell["result"]["metrics"] == json.loads(done.stdout)["metrics"]


def test_a_wrong_class_ends_with_2() -> None:
    done = CliRunner().invoke(
        main, ["run", "--task", "digits-rare", "--loss", "bce", "--class-weight", "rar=7", "--epochs", "1"]
    )
    assert done.exit_code == 2
    assert "class_weight has no class 'rar': did you mean rare?" in done.stderr


def test_a_tuning_keeps_it_in_its_command() -> None:
    plan = make_study_plan("focal", "digits-rare", TuneOptions(class_weight={"rare": 7}))
    assert plan.identity["recipe"]["class_weight"] == "rare=7"
    assert "recipe.class_weight" not in plan.space
    assert "--class-weight rare=7" in command_line(plan, "focal", {}, 1)


def test_labels_of_pixels_are_weighted_by_the_loss() -> None:
    said = r"class_weight must be left out on .* got balanced; give it to the loss as its option weight=\["
    with pytest.raises(losszoo.UsageError, match=said):
        make_plan("cross-entropy", "digits-semantic", Options(class_weight="balanced"), NoRecord())


def test_a_bundle_holds_the_weights_of_its_rows(tmp_path: Path) -> None:
    Path(tmp_path, "bad.py").write_text(
        "import torch\n\n\ndef bad(logits, targets):\n"
        "    return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction='none') / 0.0\n"
    )
    loss = f"{tmp_path}/bad.py:bad"
    result = losszoo.run(loss, "digits-rare", class_weight="balanced", out=tmp_path / "runs", epochs=1)
    bundle = read(Path(result.guard["first"]["bundle"]))
    step = Rebuilder(bundle, Randomness(0, torch.device("cpu")), loss).step(bundle)
    labels = losszoo.load_task("digits-rare").splits(0).train.targets
    weights = compute_class_weight("balanced", classes=np.arange(2), y=labels)
    assert step.batch.weights is not None
    np.testing.assert_allclose(step.batch.weights, weights[bundle["batch"]["targets"]], rtol=1e-6)
