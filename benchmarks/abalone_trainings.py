"""What abalone.py trains, and which of it docs/abalone.md sets beside which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RULES = ("k=3", "k=31", "k chosen", "soft")
PLAIN: Mapping[str, Any] = {
    "task.sex": False,
    "model.trunk": "linear",
    "model.dim": 3,
    "recipe.optimizer": "adam",
    "recipe.lr": 1e-2,
    "recipe.weight_decay": 0.0,
    "recipe.batch_size": 32,
    "recipe.epochs": 10,
    "recipe.patience": 0,
}
SEX = {**PLAIN, "task.sex": True}
WIDE = {**SEX, "model.dim": 128}
PLR = {**WIDE, "model.trunk": "plr"}
AUTHORS: Mapping[str, Any] = {
    "recipe.optimizer": "adamw",
    "recipe.lr": 1e-2,
    "recipe.weight_decay": 2e-4,
    "recipe.batch_size": 1024,
    "recipe.epochs": 200,
    "recipe.patience": 20,
    "recipe.sample_rate": 0.5,
}
SHARE = "nca(similarity=euclidean)"
ROWS = "losszoo_plugins.nca.contrast:"
GROWING = ("stable", "difference", "share")


@dataclass(frozen=True)
class Training:
    """One way to train.

    Args:
        loss: as for ``losszoo run --loss``.
        settings: as for ``--set``.
        similarity: that the soft prediction uses, the loss's own.
        signature: of a row function that is named by its place.
        on_nonfinite: what its guard does.
        slow: left out on the other splits.
    """

    loss: str
    settings: Mapping[str, Any]
    similarity: str = "euclidean"
    signature: str | None = None
    on_nonfinite: str = "raise"
    slow: bool = False


TRAININGS: Mapping[str, Training] = {
    "ratio": Training("nca-ratio", PLAIN),
    "ratio, skipping": Training("nca-ratio", PLAIN, on_nonfinite="skip"),
    "difference": Training("nca-difference", PLAIN),
    "epsilon": Training("nca-epsilon", PLAIN),
    "stable": Training("nca-stable", PLAIN),
    "nca": Training("nca", PLAIN, similarity="squared-euclidean"),
    "share": Training(SHARE, PLAIN),
    "sex": Training(SHARE, SEX),
    "wide": Training(SHARE, WIDE),
    "plr": Training(SHARE, PLR),
    "every row": Training("modern-nca", {**PLR, "recipe.sample_rate": 1.0}, slow=True),
    "half": Training("modern-nca", {**PLR, "recipe.sample_rate": 0.5}),
    "twentieth": Training("modern-nca", {**PLR, "recipe.sample_rate": 0.05}),
    "authors": Training("modern-nca", AUTHORS),
    "zoo": Training("modern-nca", {}),
    "zoo, stable": Training("nca-stable", {}),
    "authors, difference": Training(f"{ROWS}nca_difference", AUTHORS, signature="neighbors"),
    "authors, stable": Training(f"{ROWS}nca_stable", AUTHORS, signature="neighbors"),
    "authors, squared": Training("modern-nca(similarity=squared-euclidean)", AUTHORS, similarity="squared-euclidean"),
    "authors, no sex": Training("modern-nca", {**AUTHORS, "task.sex": False}),
    "authors, narrow": Training("modern-nca", {**AUTHORS, "model.dim": 3}),
    "authors, linear": Training("modern-nca", {**AUTHORS, "model.trunk": "linear", "model.dim": 128}),
    "authors, batch alone": Training(SHARE, AUTHORS),
    "authors, every row": Training("modern-nca", {**AUTHORS, "recipe.sample_rate": 1.0}),
    "authors, twentieth": Training("modern-nca", {**AUTHORS, "recipe.sample_rate": 0.05}),
    "authors, adam": Training("modern-nca", {**AUTHORS, "recipe.optimizer": "adam", "recipe.weight_decay": 0.0}),
}


@dataclass(frozen=True)
class Row:
    """A training, the weights that are kept of it, and the rule that predicts with them.

    Args:
        label: for the reader.
        training: name in ``abalone.TRAININGS``.
        weights: "last", or "best" on validation.
        rule: one of :data:`RULES`.
    """

    label: str
    training: str
    weights: str = "last"
    rule: str = "k=3"


MODERN = Row("**ModernNCA**, its authors' recipe", "authors", "best", "soft")
WALK = (
    Row("the plain recipe: `nca-difference`, kNN k = 3", "difference"),
    Row("loss: minus the log of the own class's share, `nca(similarity=euclidean)`", "share"),
    Row("sex among the features", "sex"),
    Row("embedding of 128 numbers instead of 3", "wide"),
    Row("PLR encoder in place of the linear map", "plr"),
    Row("candidates: all training rows, half of them drawn each step, `modern-nca`", "half"),
    Row("soft prediction instead of kNN k = 3", "half", "last", "soft"),
    Row("AdamW, batch 1024, the best epoch on validation with patience 20: ModernNCA", "authors", "best", "soft"),
    Row("the zoo's recipe: batch 256, 5 % of the rows drawn, patience 8", "zoo", "best", "soft"),
)
# In short, from the second row on.
STEPS = (
    "the form of the loss",
    "sex",
    "the width",
    "the encoder",
    "the candidates",
    "soft prediction",
    "optimizer, batch and stopping",
    "the zoo's recipe",
)
BRANCHES = (
    (Row("candidates: none left out, instead of half", "every row"), WALK[5]),
    (Row("candidates: 5 % drawn, instead of half", "twentieth"), WALK[5]),
    (Row("plain recipe with k = 31 instead of 3", "difference", "last", "k=31"), WALK[0]),
    (Row("plain recipe with k chosen on validation instead of 3", "difference", "last", "k chosen"), WALK[0]),
    (Row("plain recipe with soft prediction instead of k = 3", "difference", "last", "soft"), WALK[0]),
    (Row("k chosen on validation instead of 3, before soft prediction", "half", "last", "k chosen"), WALK[5]),
    (
        Row(
            "`nca-stable` by the zoo's recipe, k chosen, instead of the zoo's ModernNCA",
            "zoo, stable",
            "best",
            "k chosen",
        ),
        WALK[8],
    ),
    (Row("soft prediction instead of k chosen", "half", "last", "soft"), Row("", "half", "last", "k chosen")),
)
LOSSES = (
    Row("`nca-ratio`, stopped by its guard", "ratio"),
    Row("`nca-ratio`, bad steps skipped", "ratio, skipping"),
    Row("`nca-difference`", "difference"),
    Row("`nca-epsilon`", "epsilon"),
    Row("`nca-stable`", "stable"),
    Row("`nca` (squared distances)", "nca"),
    Row("`nca(similarity=euclidean)`", "share"),
)
BACK = (
    Row("kNN k = 3 instead of soft prediction", "authors", "best", "k=3"),
    Row("kNN with k chosen on validation instead of soft prediction", "authors", "best", "k chosen"),
    Row("the weights of the last epoch instead of the best on validation", "authors", "last", "soft"),
    Row("the plain recipe: batch 32, Adam, 10 epochs, the last of them", "half", "last", "soft"),
    Row("Adam without decay instead of AdamW", "authors, adam", "best", "soft"),
    Row("candidates: the batch alone", "authors, batch alone", "best", "soft"),
    Row("candidates: none left out, instead of half", "authors, every row", "best", "soft"),
    Row("candidates: 5 % drawn, instead of half", "authors, twentieth", "best", "soft"),
    Row("linear map in place of the PLR encoder", "authors, linear", "best", "soft"),
    Row("embedding of 3 numbers instead of 128", "authors, narrow", "best", "soft"),
    Row("no sex among the features", "authors, no sex", "best", "soft"),
    Row("squared distances", "authors, squared", "best", "soft"),
    Row("loss: the difference instead of minus the log of the share", "authors, difference", "best", "soft"),
    Row("loss: the (stable) ratio instead of minus the log of the share", "authors, stable", "best", "soft"),
)
