"""What is searched by default, and what ``--search`` makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from losszoo.errors import UnknownNameError, UsageError
from losszoo.registry.params import Param
from losszoo.tuning.search_options import split_items
from losszoo.tuning.space import dimension
from losszoo.tuning.tuning_options import TuneOptions
from losszoo.tuning.tuning_plan import StudyPlan, make_study_plan


def plan(loss: Any, task: str = "breast-cancer", **options: Any) -> StudyPlan:
    return make_study_plan(loss, task, TuneOptions(**options))


def ranges(made: StudyPlan) -> dict[str, str]:
    return {key: str(dimension) for key, dimension in made.space.items()}


def test_the_ranges_come_from_the_loss_the_recipe_and_the_trunk() -> None:
    """breast-cancer proposes mlp, dim 32, width 64, depth 1, batches of 64, weight decay 1e-3 and lr 1e-3."""
    assert ranges(plan("focal")) == {
        "loss.gamma": "0:5:linear",
        "recipe.lr": "0.0001:0.03:log",
        "recipe.weight_decay": "1e-05:1.0:log",
        "recipe.batch_size": "16,32,64,128,256",
        "model.dim": "8:128:log",
        "model.width": "16:256:log",
        "model.depth": "1:4:linear",
        "model.dropout": "0:0.6:linear",
    }


def test_candidates_are_drawn_for_losses_of_neighbors_alone() -> None:
    assert "recipe.sample_rate" in plan("modern-nca").space
    assert "recipe.sample_rate" not in plan("nca").space


def test_every_loss_of_a_sum_is_searched() -> None:
    found = plan("0.7*focal + 0.3*squared-hinge(margin=2)").space
    assert "loss.focal.gamma" in found
    assert "loss.squared-hinge.margin" not in found, "what the user wrote is kept"
    assert not any(key.startswith("weight.") for key in found)


def test_what_is_set_is_not_searched() -> None:
    found = plan("focal", set=["recipe.lr=0.01", "loss.gamma=1", "model.depth=2"]).space
    assert not {"recipe.lr", "loss.gamma", "model.depth"} & set(found)


def test_another_trunk_has_its_own_options() -> None:
    assert "model.frequencies" in plan("focal", set=["model.trunk=plr"]).space
    assert "model.dropout" not in plan("focal", set=["model.trunk=plr"]).space


def test_of_several_trunks_the_common_options_are_searched() -> None:
    found = ranges(plan("focal", search=["model.trunk=mlp,plr"]))
    assert found["model.trunk"] == "mlp,plr"
    assert {"model.dim", "model.width"} == {key for key in found if key.startswith("model.")} - {"model.trunk"}


@pytest.mark.needs_abalone
def test_a_proposal_outside_the_range_of_the_table_widens_it() -> None:
    """Abalone proposes a weight decay of 35 for losses over embeddings."""
    made = plan("nca-stable", "abalone")
    assert str(made.space["recipe.weight_decay"]) == "1e-05:350.0:log"
    assert made.space["recipe.weight_decay"].holds(made.defaults["recipe.weight_decay"])


def test_every_loss_on_every_task_holds_its_defaults() -> None:
    """The defaults can be told to the sampler as the first trial."""
    for loss, task in (
        ("focal", "breast-cancer"),
        ("huber", "diabetes"),
        ("triplet-batch-hard", "digits"),
        ("dice", "digits-segmentation"),
    ):
        made = plan(loss, task)
        assert all(made.space[key].holds(value) for key, value in made.defaults.items()), (loss, task)


@pytest.mark.parametrize(
    ("param", "made"),
    [
        (Param(name="x", default=1.0, range=(0, float("inf"))), None),
        (Param(name="x", default=0.5, range=(0, 1)), "0:1:linear"),
        (Param(name="x", default=0.5, range=(0, 1), bounds="()"), None),
        (Param(name="x", type="int", default=3, range=(1, 9), log=True), "1:9:log"),
        (Param(name="x", type="bool", default=False), "false,true"),
        (Param(name="x", type="str", default="a", choices=("a", "b")), "a,b"),
        (Param(name="x", type="floats", range=(0, 1)), None),
        (Param(name="x", default=1.0, search=(0, 2), log=True), "0:2:linear"),
    ],
)
def test_a_parameter_makes_a_dimension(param: Param, made: str | None) -> None:
    found = dimension("x", param)
    assert (None if found is None else str(found)) == made


@pytest.mark.parametrize(
    ("item", "made"),
    [
        ("recipe.lr=1e-4:1e-2", "0.0001:0.01:log"),
        ("recipe.lr=1e-4:1e-2:linear", "0.0001:0.01:linear"),
        ("recipe.weight_decay=0:0.1", "0:0.1:linear"),
        ("loss.gamma=1:3", "1:3:linear"),
        ("loss.gamma=1:3:log", "1:3:log"),
        ("model.dim=8:64", "8:64:log"),
        ("model.dim= 8, 16 ,32", "8,16,32"),
        ("recipe.optimizer=adam,sgd", "adam,sgd"),
        ("recipe.patience=2:9", "2:9:linear"),
        ("loss.alpha=0.1:0.9", "0.1:0.9:linear"),
        ("loss.alpha=none,0.25,0.75", "None,0.25,0.75"),
    ],
)
def test_search_replaces_or_adds_a_range(item: str, made: str) -> None:
    key = item.partition("=")[0]
    assert str(plan("focal", search=[item]).space[key]) == made


def test_lists_are_searched_as_choices() -> None:
    tens = "[1, 1, 1, 1, 1, 1, 1, 1, 1, 2]"
    made = plan("softmax-focal", search=[f"loss.weight={tens.replace(' ', '')},0.5,{tens.replace('2', '3')}"])
    space = made.space["loss.weight"]
    assert str(space) == f"{tens},0.5,{tens.replace('2', '3')}"

    class Trial:
        """Answers with the last choice; a storage takes texts and numbers alone."""

        def suggest_categorical(self, _: str, choices: list[object]) -> object:
            assert all(isinstance(choice, str | float) for choice in choices)
            return choices[-1]

    told = {"loss.weight": space.suggest(Trial())}  # type: ignore[arg-type]
    assert made.filled(told)[0] == f"softmax-focal(weight={tens.replace('2', '3')})"
    assert made.filled({"loss.weight": 0.5})[0] == "softmax-focal(weight=0.5)"


def test_a_weight_is_searched_where_it_is_named() -> None:
    made = plan("focal + 0.1*squared-hinge", search={"weight.squared-hinge": "0.01:1:log"})
    assert str(made.space["weight.squared-hinge"]) == "0.01:1:log"
    assert made.defaults["weight.squared-hinge"] == 0.1
    assert made.filled({"weight.squared-hinge": 0.5, "recipe.lr": 0.1}) == (
        "focal + 0.5*squared-hinge",
        {"recipe.lr": 0.1},
    )


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("recipe.lrr=1:2", r"no setting 'recipe\.lrr' to search: did you mean recipe\.lr"),
        ("loss.gama=1:2", r"no setting 'loss\.gama' to search: did you mean loss\.gamma"),
        ("recipe.lr=2:1", r"must have LOW < HIGH, got 2:1"),
        ("recipe.lr=1:1", r"must have LOW < HIGH"),
        ("recipe.lr=-1:1", r"search of recipe\.lr must be in \(0, inf\), got -1"),
        ("model.dropout=0.5:1", r"search of model\.dropout must be in \[0, 1\), got 1"),
        ("recipe.optimizer=adam,lbfgs", r"must be one of adamw, adam, sgd, got 'lbfgs'"),
        ("recipe.optimizer=1:2", r"must be choices out of adamw\|adam\|sgd"),
        ("model.depth=1:2.5", r"must have whole numbers as LOW and HIGH"),
        ("recipe.weight_decay=0:1:log", r"must have LOW > 0"),
        ("recipe.lr=1:2:cubic", r"must be recipe\.lr=LOW:HIGH, recipe\.lr=LOW:HIGH:log or recipe\.lr=a,b,c"),
        ("recipe.lr=a:b", r"must be recipe\.lr=LOW:HIGH"),
        ("recipe.lr=0.1:inf", r"must be recipe\.lr=LOW:HIGH"),
        ("model.dim=8", r"two different choices or more"),
        ("model.dim=8,8", r"two different choices or more"),
        ("model.dim=8,x", r"must be a whole number, got 'x'"),
        ("task.split=0,1", r"task\.split must not be searched: other data"),
        ("recipe.lr", r"search must be KEY=LOW:HIGH"),
        ("model.trunk=mlp,transformer", r"must be one of linear, mlp"),
    ],
)
def test_what_cannot_be_searched_is_refused(item: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan("focal", search=[item])


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (
            "loss.weight=0.5:2",
            r"search of loss.weight must be choices a number or a list each, as 1,\[1, 2\], got 0.5:2",
        ),
        ("loss.weight=[1,2],[1,2]", "two different choices or more"),
        ("loss.weight=[1,2],[1,-2]", r"search of loss.weight must be in \[0, inf\), every entry, got \[1, -2\]"),
        ("loss.ignore_index=1,2.5", "must be a whole number, got 2.5"),
    ],
)
def test_options_of_a_signature_that_cannot_be_searched(item: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan("softmax-focal", search=[item])


def test_an_unknown_key_is_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match=r"recipe\.epoch"):
        plan("focal", search=["recipe.epoch=1:2"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"set": ["recipe.lr=0.1"], "search": ["recipe.lr=0.1:0.2"]}, r"recipe\.lr must be either set or searched"),
        ({"epochs": 3, "search": ["recipe.epochs=1:2"]}, r"recipe\.epochs must be either set or searched"),
        ({"splits": 2, "set": ["task.split=1"]}, r"splits must be 1 where task\.split is set, got 2"),
        ({"trials": 0}, r"trials must be a whole number >= 1, got 0"),
        ({"seeds": 1.5}, r"seeds must be a whole number >= 1"),
        ({"jobs": True}, r"jobs must be a whole number >= 1"),
        ({"seed": -1}, r"seed must be a whole number in \[0, 2\^32\)"),
        ({"timeout": 0}, r"timeout must be a number of seconds > 0"),
        ({"timeout": float("nan")}, r"timeout must be a number of seconds > 0"),
        ({"study": " "}, r"study must be a name that is not empty"),
        (
            {"search": ["recipe.lr=1:2", "recipe.lr=1:3"]},
            r"search must name a key once, got recipe\.lr twice",
        ),
        ({"clip": "sometimes"}, r"clip must be .*got 'sometimes'"),
        ({"precision": "fp8"}, r"precision must be one of fp32, bf16, fp16, got 'fp8'"),
        ({"accumulate": 0}, r"accumulate must be a whole number >= 1, got 0"),
        ({"on_nonfinite": "ignore"}, r"on_nonfinite must be one of"),
        ({"device": "abacus"}, r"device must be one that this machine has"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan("focal", **options)


def test_something_must_be_left_to_search() -> None:
    keys = dict.fromkeys(plan("bce").space, 1)
    with pytest.raises(
        UsageError, match="a search must have at least one key, got none: everything is set; name a range with --search"
    ):
        plan("bce", set=keys | {"recipe.lr": 0.1, "model.dropout": 0.1})


def test_a_loss_of_the_users_own_may_be_searched_by_any_key() -> None:
    mine = f"{__file__.rpartition('/')[0]}/own.py:scaled"
    made = plan(mine, "diabetes", search=["loss.factor=0.6:2"])
    assert str(made.space["loss.factor"]) == "0.6:2:linear"
    assert "loss.factor" not in made.defaults
    assert made.filled({"loss.factor": 0.7})[0] == f"{mine}(factor=0.7)"


def test_items_are_split_at_the_first_equals_sign() -> None:
    assert split_items(["a=1:2", "b= x=y "]) == {"a": "1:2", "b": "x=y"}
