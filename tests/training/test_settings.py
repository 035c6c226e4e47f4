"""``--set`` and what else a user may choose: what is right arrives, what is wrong is answered with the right keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import losszoo
from losszoo import Recipe, Setup, UsageError
from losszoo.tasks.make_task import make_task
from losszoo.training.settings import apply, parse_overrides, read_value, split_seed

SETUP = Setup(trunk="mlp", model={"dim": 8, "width": 16}, recipe=Recipe(lr=0.1, epochs=3))


def changed(*items: str) -> Setup:
    return apply(SETUP, parse_overrides(items))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("1e-2", 0.01),
        ("3.0", 3.0),
        ("inf", float("inf")),
        ("True", True),
        ("false", False),
        ("none", None),
        ("conv", "conv"),
        ("[1,2.5, -3]", [1, 2.5, -3]),
        ("[7]", [7]),
        ("[1,b]", "[1,b]"),
        ("[1,[2]]", "[1,[2]]"),
        ("[]", "[]"),
        ("", ""),
    ],
)
def test_values(text: str, value: Any) -> None:
    read = read_value(text)
    assert read == value
    assert type(read) is type(value)


def test_a_mapping_says_the_same_as_texts() -> None:
    texts = parse_overrides(["model.dim=64", "recipe.lr = 1e-2", "loss.gamma=2", "task.digit=3", "model.dim=32"])
    assert texts == parse_overrides({"model.dim": 32, "recipe.lr": 0.01, "loss.gamma": 2, "task.digit": 3})
    assert texts.model == {"dim": 32}


def test_a_text_alone_is_refused_as_a_whole() -> None:
    said = r"set must be a list such as \['model.dim=64'\] or a mapping, got 'recipe.lr=1'; write \['recipe.lr=1'\]"
    with pytest.raises(UsageError, match=said):
        losszoo.run("mse", "diabetes", set="recipe.lr=1")


def test_settings_change_the_proposal() -> None:
    assert changed() == SETUP
    setup = changed("model.dim=64", "recipe.optimizer=sgd", "recipe.lr=1", "recipe.patience=0", "recipe.sample_rate=1")
    assert setup.model == {"dim": 64, "width": 16}
    assert setup.recipe == Recipe(optimizer="sgd", lr=1, epochs=3, patience=0, sample_rate=1)


def test_another_trunk_starts_from_its_own_defaults() -> None:
    setup = changed("model.trunk=linear", "model.dim=4")
    assert (setup.trunk, setup.model) == ("linear", {"dim": 4})


@pytest.mark.parametrize(
    ("item", "match"),
    [
        ("model.dim", r"must be group.key=value \(model.dim=64\), got 'model.dim'"),
        ("dim=3", "must start with model., recipe., loss., task., got dim=3"),
        ("models.dim=3", "must start with"),
        ("model.=3", "must start with"),
        (
            "model.dims=3",
            r"trunk mlp has no option 'dims': did you mean dim\?; known: model.trunk, model.dim, model.width",
        ),
        ("model.trunk=vgg", "trunk must be one of linear, mlp, plr, conv, unet, got 'vgg'$"),
        (
            "recipe.learning_rate=1",
            "no recipe.learning_rate: .*known: recipe.optimizer, recipe.lr, recipe.weight_decay",
        ),
        ("recipe.optimizer=lion", "recipe.optimizer must be one of adamw, adam, sgd, got 'lion'"),
        ("recipe.lr=0", r"recipe.lr must be in \(0, inf\), got 0"),
        ("recipe.lr=inf", r"recipe.lr must be in \(0, inf\), got inf"),
        ("recipe.lr=nan", "recipe.lr must be a number, got nan"),
        ("recipe.lr=fast", "recipe.lr must be a number, got 'fast'"),
        ("recipe.lr=none", "recipe.lr must be a number, got None"),
        ("recipe.lr=true", "recipe.lr must be a number"),
        ("recipe.weight_decay=-1", r"recipe.weight_decay must be in \[0, inf\)"),
        ("recipe.batch_size=0", r"recipe.batch_size must be in \[1, inf\)"),
        ("recipe.batch_size=8.0", "recipe.batch_size must be a whole number, got 8.0"),
        ("recipe.epochs=0", r"recipe.epochs must be in \[1, inf\)"),
        ("recipe.patience=-1", r"recipe.patience must be in \[0, inf\)"),
        ("recipe.sample_rate=0", r"recipe.sample_rate must be in \(0, 1\]"),
        ("recipe.sample_rate=1.5", r"recipe.sample_rate must be in \(0, 1\]"),
    ],
)
def test_what_cannot_be_set(item: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        changed(item)


def test_a_task_gets_its_options() -> None:
    task = make_task("digits-rare", {"digit": 3})
    assert task.spec.name == "digits-rare"
    with pytest.raises(UsageError, match=r"task digits-rare has no option 'digits': did you mean digit\?"):
        make_task("digits-rare", {"digits": 3})
    with pytest.raises(UsageError, match="task diabetes has no option 'x': known: split"):
        make_task("diabetes", {"x": 3})
    with pytest.raises(UsageError, match="digit must be a whole number in"):
        make_task("digits-rare", {"digit": "three"})


@pytest.mark.parametrize("value", [-1, 2**32, 1.0, True, "one", None])
def test_the_seed_of_a_split(value: Any) -> None:
    assert split_seed(2**32 - 1) == 2**32 - 1
    with pytest.raises(UsageError, match=r"task.split must be a whole number in \[0, 2\^32\), got "):
        split_seed(value)


@pytest.mark.parametrize(
    ("loss", "task", "options", "match"),
    [
        ("bse", "digits", {}, "unknown loss 'bse': did you mean"),
        ("bce", "digit", {}, "unknown task 'digit': did you mean digits"),
        ("bce", "digits", {"epoch": 3}, r"run has no option 'epoch': did you mean epochs\?"),
        ("bce", "digits", {"seed": -1}, r"seed must be a whole number in \[0, 2\^32\), got -1"),
        ("bce", "digits", {"seed": 1.5}, "seed must be a whole number"),
        ("bce", "digits", {"epochs": 0}, r"recipe.epochs must be in \[1, inf\)"),
        ("bce", "digits", {"on_nonfinite": "ignore"}, "on_nonfinite must be one of raise, skip, rollback"),
        ("bce", "digits", {"clip_norm": 0}, "clip_norm must be a number > 0, got 0"),
        ("bce", "digits", {"device": "abacus"}, "device must be one that this machine has, got 'abacus'"),
        ("bce", "digits", {"signature": "binari"}, "signature must be one of"),
        ("bce", "digits", {"set": ["loss.gamma=2"]}, "bce has no parameter 'gamma'"),
        ("bce", "digits", {"set": ["model.scale=2"]}, "trunk conv has no option 'scale'"),
        (
            "bce",
            "digits",
            {"set": ["model.trunk=plr"]},
            r"inputs of trunk plr must be tabular, of shape \(columns,\), got \(1, 8, 8\)",
        ),
        ("bce", "digits", {"set": ["model.dim=0"]}, "option dim of trunk conv must be in"),
        ("bce", "digits", {"set": ["task.digit=3"]}, "task digits has no option 'digit'"),
        ("bce", "digits", {"set": ["task.split=a"]}, "task.split must be a whole number"),
        ("softmax-focal(gamma=1)", "digits", {"set": ["loss.gamma=3"]}, r"must be given once, got gamma in 'softmax-f"),
        ("mse + bce", "digits", {"set": ["loss.pos_weight=2"]}, "parameters must go with a single loss"),
        ("info-nce", "diabetes", {}, "info-nce is a views loss and does not fit diabetes, a regression task; it fits"),
        ("l2", "digits", {}, "a penalty must stand in a sum with a loss of the data"),
    ],
)
def test_a_run_that_cannot_be(loss: str, task: str, options: dict[str, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=match):
        losszoo.run(loss, task, out=tmp_path, **options)
    assert list(tmp_path.iterdir()) == []
