"""Other names of a loss: known wherever a name is taken, shown nowhere as its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

import losszoo
from losszoo import UsageError, create, list_losses
from losszoo.registry.compatibility import own_names
from losszoo.registry.registry import build, installed

# Names that users of torch, keras, optax, timm, kornia, MONAI, sentence-transformers, pytorch-metric-learning and
# scikit-learn look for.
FIELD = {
    "ce": "cross-entropy",
    "categorical-crossentropy": "cross-entropy",
    "softmax-loss": "cross-entropy",
    "log-loss": "cross-entropy",
    "label-smoothing": "cross-entropy",
    "bce-with-logits": "bce",
    "sigmoid-binary-cross-entropy": "bce",
    "logistic": "bce",
    "nll-loss": "nll",
    "svm": "hinge",
    "crammer-singer": "multiclass-hinge",
    "categorical-hinge": "multiclass-hinge",
    "sigmoid-focal": "focal",
    "pinball": "quantile",
    "smooth-l1-loss": "smooth-l1",
    "pseudo-huber": "charbonnier",
    "mean-absolute-percentage-error": "mape",
    "squared-error": "mse",
    "l2-loss": "mse",
    "l1-loss": "mae",
    "logcosh": "log-cosh",
    "lasso": "l1",
    "ridge": "l2",
    "tv": "smoothness",
    "total-variation": "smoothness",
    "soft-dice": "dice",
    "uncertainty-weighting": "uncertainty",
    "ntxent": "nt-xent",
    "simclr": "nt-xent",
    "infonce": "info-nce",
    "clip-loss": "clip",
    "mnr": "info-nce",
    "supcon": "sup-con",
    "triplet-margin": "triplet",
    "hard-triplet": "triplet-batch-hard",
    "triplet-semihard": "triplet-semi-hard",
    "soft-nearest-neighbour": "nca",
}


@pytest.mark.parametrize(("alias", "name"), FIELD.items())
def test_names_of_the_field_lead_to_a_loss(alias: str, name: str) -> None:
    made = create(alias)
    leaf = made.identity if isinstance(made, losszoo.Loss) else None
    assert leaf is not None
    assert leaf.name == name
    assert name in {spec.name for spec in list_losses(search=alias)}


def test_every_alias_of_ours_is_free() -> None:
    registry = installed()
    ours = [name for name in registry.losses if registry.origin("loss", name).distribution == "losszoo"]
    wanted = [alias for name in ours for alias in registry.losses[name].aliases]
    assert len(wanted) == len(set(wanted))
    assert not set(wanted) & {*registry.losses, *registry.tasks}
    assert {alias: registry.own_name(alias) for alias in wanted} == {a: registry.loss(a).name for a in wanted}


def test_an_expression_is_written_with_own_names() -> None:
    text = "0.7*ce + linear(0, 1, 5)*(tv(activation=sigmoid) - svm) + uncertainty-weighting(ce, soft-dice)"
    own = "0.7*cross-entropy + linear(0, 1, 5)*(smoothness(activation=sigmoid) - hinge)"
    assert own_names(text) == f"{own} + uncertainty(cross-entropy, dice)"
    assert own_names("bce + 2*./mine.py:ce") == "bce + 2*./mine.py:ce"
    made = create("svm + 2*bce-with-logits")
    assert [term.label for term in made.terms] == ["hinge", "bce"]  # type: ignore[union-attr]
    inputs = torch.tensor([0.5]), torch.tensor([1.0])
    assert made(*inputs) == create("hinge + 2*bce")(*inputs)


def test_unknown_names_are_told_an_alias_that_is_near() -> None:
    for wrong, said in {
        "pinbal": r"did you mean quantile \(pinball\)",
        "NTXentLoss": "did you mean nt-xent",
        "BCEWithLogitsLoss": r"did you mean bce \(bce-with-logits\)",
        "CrossEntropyLoss": "did you mean cross-entropy",
    }.items():
        with pytest.raises(UsageError, match=said):
            create(wrong)


def losszoo_says(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "losszoo", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def test_a_run_and_its_config_hold_the_own_name(tmp_path: Path) -> None:
    done = losszoo_says(
        tmp_path, "run", "--loss", "0.5*squared-error + lasso", "--task", "diabetes", "--epochs", "1", "--json"
    )
    result = json.loads(done.stdout)
    assert result["loss"] == "0.5*mse + l1"
    config = json.loads((tmp_path / result["run_dir"] / "config.json").read_text())
    assert config["loss"] == "0.5*mse + l1"
    assert "note: 0.5*squared-error + lasso is 0.5*mse + l1 here" in done.stderr
    again = losszoo_says(
        tmp_path, "run", "--resume", result["run_dir"], "--loss", "0.5*squared-error + lasso", "--json"
    )
    assert json.loads(again.stdout)["loss"] == "0.5*mse + l1", again.stderr


def test_info_and_list_know_aliases(tmp_path: Path) -> None:
    document = json.loads(losszoo_says(tmp_path, "info", "pinball", "--json").stdout)
    assert (document["name"], "pinball" in document["aliases"]) == ("quantile", True)
    assert "\\max" in document["formula"]
    page = losszoo_says(tmp_path, "info", "pinball").stdout
    assert page.startswith("quantile\n")
    assert "also called  pinball" in page
    listed = json.loads(losszoo_says(tmp_path, "list", "pinball", "--json").stdout)
    assert sorted(loss["name"] for loss in listed) == ["multi-quantile", "quantile"]


def test_a_comparison_takes_two_names_of_a_loss_for_one(tmp_path: Path) -> None:
    losses = ["--loss", "pinball", "--loss", "quantile"]
    rest = ["--task", "diabetes", "--seeds", "1", "--set", "recipe.epochs=1", "--json"]
    done = losszoo_says(tmp_path, "compare", *losses, *rest)
    assert json.loads(done.stdout)["losses"] == ["quantile"], done.stderr


PLUGIN = """
from losszoo import LossSpec, hookimpl
def spec(name, *aliases):
    texts = {"summary": "s", "formula": "f", "reference": "r"}
    return LossSpec(name=name, target="a:b", signature="regression", aliases=aliases, **texts)
@hookimpl
def losszoo_losses():
    return [
        spec("first", "shared", "mse", "later", "linear", "digits"),
        spec("second", "shared", "own"),
        spec("later"),
        spec("bad", "Not Kebab"),
    ]
"""


def test_a_name_wins_over_an_alias_and_the_first_alias_over_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alias_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    ours = [EntryPoint(name, f"losszoo_{name}", "losszoo") for name in ("tasks", "plugins.signatures")]
    regression = EntryPoint("regression", "losszoo_plugins.regression", "losszoo")
    registry = build([*ours, regression, EntryPoint("alias", "alias_plugin", "losszoo")])
    assert registry.aliases["shared"] == "first"
    assert registry.aliases["own"] == "second"
    assert {"mse", "later", "linear", "digits"} & set(registry.aliases) == set()
    assert registry.loss("later").name == "later"
    reasons = " | ".join(failure.reason for failure in registry.failures)
    assert "loss first: its alias mse belongs to a loss of plugin regression" in reasons
    assert "loss first: its alias later belongs to a loss of plugin alias" in reasons
    assert "loss first: its alias linear belongs to the expression grammar" in reasons
    assert "loss first: its alias digits belongs to a task of plugin tasks" in reasons
    assert "loss second: its alias shared belongs to loss first of plugin alias" in reasons
    assert "bad: aliases must be a tuple of other names, kebab-case" in reasons
