"""losszoo: a plugin-based zoo of loss functions for PyTorch.

The public API and nothing else. Names are loaded when they are first used, so importing this package,
or listing what is installed, does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from losszoo import sklearn as sklearn
    from losszoo import testing as testing
    from losszoo.api import list_losses as list_losses
    from losszoo.api import list_tasks as list_tasks
    from losszoo.api import load_task as load_task
    from losszoo.contract.bank import MemoryBank as MemoryBank
    from losszoo.contract.compose import SumLoss as SumLoss
    from losszoo.contract.loss import Loss as Loss
    from losszoo.contract.numerics import differentiable_again as differentiable_again
    from losszoo.contract.numerics import masked_logsumexp as masked_logsumexp
    from losszoo.contract.numerics import safe_sqrt as safe_sqrt
    from losszoo.contract.pairwise import PairwiseLoss as PairwiseLoss
    from losszoo.contract.sampling import sample_neighbors as sample_neighbors
    from losszoo.contract.similarity import pairwise_logits as pairwise_logits
    from losszoo.contract.unreduced import Unreduced as Unreduced
    from losszoo.contract.unreduced import finish as finish
    from losszoo.contract.unreduced import wide as wide
    from losszoo.data import data_file as data_file
    from losszoo.doctor.examination import Examination as Examination
    from losszoo.doctor.examination import Finding as Finding
    from losszoo.doctor.examine import examine as examine
    from losszoo.engine.declare import pairwise as pairwise
    from losszoo.engine.declare import softmax_row as softmax_row
    from losszoo.engine.options import Streaming as Streaming
    from losszoo.engine.softmax import log_odds as log_odds
    from losszoo.errors import DataError as DataError
    from losszoo.errors import LosszooError as LosszooError
    from losszoo.errors import NonFiniteError as NonFiniteError
    from losszoo.errors import UsageError as UsageError
    from losszoo.factory import create as create
    from losszoo.harness.gradient_cache import accumulate as accumulate
    from losszoo.harness.guard import Budget as Budget
    from losszoo.harness.guard import Guard as Guard
    from losszoo.harness.guard import StepReport as StepReport
    from losszoo.harness.replay import replay as replay
    from losszoo.harness.replayed import Replay as Replay
    from losszoo.harness.result import RunResult as RunResult
    from losszoo.harness.task import Recipe as Recipe
    from losszoo.harness.task import Setup as Setup
    from losszoo.harness.task import Split as Split
    from losszoo.harness.task import Splits as Splits
    from losszoo.harness.task import Task as Task
    from losszoo.harness.train import run as run
    from losszoo.registry.hookspecs import hookimpl as hookimpl
    from losszoo.registry.params import Param as Param
    from losszoo.registry.specs import LossSpec as LossSpec
    from losszoo.registry.specs import TaskSpec as TaskSpec
    from losszoo.reporting.report import report as report
    from losszoo.runs.compare import compare as compare
    from losszoo.runs.comparison import Comparison as Comparison
    from losszoo.tuning.result import Tuning as Tuning
    from losszoo.tuning.tune import tune as tune

_HOME = {
    "Budget": "losszoo.harness.guard",
    "Comparison": "losszoo.runs.comparison",
    "DataError": "losszoo.errors",
    "Examination": "losszoo.doctor.examination",
    "Finding": "losszoo.doctor.examination",
    "Guard": "losszoo.harness.guard",
    "Loss": "losszoo.contract.loss",
    "LossSpec": "losszoo.registry.specs",
    "LosszooError": "losszoo.errors",
    "MemoryBank": "losszoo.contract.bank",
    "NonFiniteError": "losszoo.errors",
    "PairwiseLoss": "losszoo.contract.pairwise",
    "Param": "losszoo.registry.params",
    "Replay": "losszoo.harness.replayed",
    "Recipe": "losszoo.harness.task",
    "RunResult": "losszoo.harness.result",
    "Setup": "losszoo.harness.task",
    "Split": "losszoo.harness.task",
    "Splits": "losszoo.harness.task",
    "StepReport": "losszoo.harness.guard",
    "Streaming": "losszoo.engine.options",
    "SumLoss": "losszoo.contract.compose",
    "Task": "losszoo.harness.task",
    "TaskSpec": "losszoo.registry.specs",
    "Tuning": "losszoo.tuning.result",
    "Unreduced": "losszoo.contract.unreduced",
    "UsageError": "losszoo.errors",
    "accumulate": "losszoo.harness.gradient_cache",
    "compare": "losszoo.runs.compare",
    "create": "losszoo.factory",
    "data_file": "losszoo.data",
    "differentiable_again": "losszoo.contract.numerics",
    "examine": "losszoo.doctor.examine",
    "finish": "losszoo.contract.unreduced",
    "hookimpl": "losszoo.registry.hookspecs",
    "list_losses": "losszoo.api",
    "list_tasks": "losszoo.api",
    "load_task": "losszoo.api",
    "log_odds": "losszoo.engine.softmax",
    "masked_logsumexp": "losszoo.contract.numerics",
    "pairwise": "losszoo.engine.declare",
    "pairwise_logits": "losszoo.contract.similarity",
    "replay": "losszoo.harness.replay",
    "report": "losszoo.reporting.report",
    "run": "losszoo.harness.train",
    "safe_sqrt": "losszoo.contract.numerics",
    "sample_neighbors": "losszoo.contract.sampling",
    "softmax_row": "losszoo.engine.declare",
    "tune": "losszoo.tuning.tune",
    "wide": "losszoo.contract.unreduced",
}

# Rooms that are public as a whole.
_ROOMS = ("sklearn", "testing")

__all__ = ["__version__", *sorted([*_HOME, *_ROOMS])]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"losszoo.{name}")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'losszoo' has no attribute {name!r}; its public names are {', '.join(__all__)}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
