"""A tuning that takes a second: two epochs of a small task, one key searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from losszoo.tuning import study, tune
from losszoo.tuning.tuning_options import TuneOptions
from losszoo.tuning.tuning_plan import StudyPlan, make_study_plan
from losszoo.tuning.tuning_result import Tuning

MINE = str(Path(__file__).with_name("own.py"))
QUICK: dict[str, Any] = {"epochs": 2, "search": ["recipe.lr=1e-3:1e-1"], "set": ["recipe.batch_size=256"]}


def quick(out: str, loss: Any = "huber", task: str = "diabetes", **options: Any) -> Tuning:
    return tune.tune(loss, task, **{**QUICK, "trials": 4, "out": out, **options})


def plan_of(out: str, loss: Any = "huber", task: str = "diabetes", **options: Any) -> StudyPlan:
    return make_study_plan(loss, task, TuneOptions(**{**QUICK, "trials": 4, "out": out, **options}))


def folders(out: str) -> list[str]:
    return sorted(path.name for path in Path(out).glob("*/trial-*"))


def value_alone(loss: str, task: str, settings: list[str], out: str, **options: Any) -> float:
    import losszoo

    result = losszoo.run(loss, task, set=settings, out=f"{out}-alone", **options)
    return result.metrics["val"]["rmse" if task == "diabetes" else "accuracy"]


def trials_of(out: str, *arguments: Any, **options: Any) -> list[Any]:
    return study.open_study(plan_of(out, *arguments, **options)).get_trials()
