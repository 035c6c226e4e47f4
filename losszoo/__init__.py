"""losszoo: a plugin-based zoo of loss functions for PyTorch.

The public API and nothing else. Names are loaded when they are first used, so importing this package,
or listing what is installed, does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from losszoo._version import __version__
from losszoo.losses import signatures as _signatures

if TYPE_CHECKING:
    from losszoo import functional as functional
    from losszoo import sklearn as sklearn
    from losszoo import testing as testing
    from losszoo.api import list_kinds as list_kinds
    from losszoo.api import list_losses as list_losses
    from losszoo.api import list_signatures as list_signatures
    from losszoo.api import list_tasks as list_tasks
    from losszoo.api import load_task as load_task
    from losszoo.common.data_files import data_file as data_file
    from losszoo.comparison.compare import compare as compare
    from losszoo.comparison.comparison import Comparison as Comparison
    from losszoo.crash_replay.replay import replay as replay
    from losszoo.crash_replay.replayed import Replay as Replay
    from losszoo.creation import create as create
    from losszoo.doctor.examine import examine as examine
    from losszoo.doctor.report.examination import Examination as Examination
    from losszoo.doctor.report.examination import Finding as Finding
    from losszoo.errors import DataError as DataError
    from losszoo.errors import LosszooError as LosszooError
    from losszoo.errors import NonFiniteError as NonFiniteError
    from losszoo.errors import UsageError as UsageError
    from losszoo.integrations.huggingface import hf_loss as hf_loss
    from losszoo.losses.declare import Floats as Floats
    from losszoo.losses.declare import Range as Range
    from losszoo.losses.declare import loss as loss
    from losszoo.losses.loss import Loss as Loss
    from losszoo.losses.numerics import differentiable_again as differentiable_again
    from losszoo.losses.numerics import masked_logsumexp as masked_logsumexp
    from losszoo.losses.numerics import safe_sqrt as safe_sqrt
    from losszoo.losses.sampling import sample_neighbors as sample_neighbors
    from losszoo.losses.signatures import checks as checks
    from losszoo.losses.signatures.example_source import Source as Source
    from losszoo.losses.signatures.kind import Kind as Kind
    from losszoo.losses.signatures.paired_rows import PairedRows as PairedRows
    from losszoo.losses.signatures.signature import EdgeCase as EdgeCase
    from losszoo.losses.signatures.signature import OptionCase as OptionCase
    from losszoo.losses.signatures.signature import Signature as Signature
    from losszoo.losses.signatures.signature import Sizes as Sizes
    from losszoo.losses.signatures.signature import Weighed as Weighed
    from losszoo.losses.similarity import pairwise_logits as pairwise_logits
    from losszoo.losses.sums.sum_loss import SumLoss as SumLoss
    from losszoo.losses.unreduced import OverBatch as OverBatch
    from losszoo.losses.unreduced import Unreduced as Unreduced
    from losszoo.losses.unreduced import finish as finish
    from losszoo.losses.unreduced import wide as wide
    from losszoo.memory_bank import MemoryBank as MemoryBank
    from losszoo.pairs.log_odds import log_odds as log_odds
    from losszoo.pairs.pairwise_loss import PairwiseLoss as PairwiseLoss
    from losszoo.pairs.row_functions import pairwise as pairwise
    from losszoo.pairs.row_functions import softmax_row as softmax_row
    from losszoo.pairs.streaming import Streaming as Streaming
    from losszoo.prediction.load_run import load_run as load_run
    from losszoo.prediction.trained_model import TrainedModel as TrainedModel
    from losszoo.registry.from_source.source import losses_in as losses_in
    from losszoo.registry.hookspecs import hookimpl as hookimpl
    from losszoo.registry.params import Param as Param
    from losszoo.registry.signature_specs import KindSpec as KindSpec
    from losszoo.registry.signature_specs import SignatureSpec as SignatureSpec
    from losszoo.registry.specs import LossSpec as LossSpec
    from losszoo.registry.specs import TaskSpec as TaskSpec
    from losszoo.reporting.report import report as report
    from losszoo.suggestion.suggest import suggest as suggest
    from losszoo.suggestion.suggestion import Suggestion as Suggestion
    from losszoo.tasks.task import Recipe as Recipe
    from losszoo.tasks.task import Setup as Setup
    from losszoo.tasks.task import Split as Split
    from losszoo.tasks.task import Splits as Splits
    from losszoo.tasks.task import Task as Task
    from losszoo.training.data.batch_inputs import Batch as Batch
    from losszoo.training.evaluation import metrics as metrics
    from losszoo.training.gradient_cache import accumulate as accumulate
    from losszoo.training.guard.events import Budget as Budget
    from losszoo.training.guard.events import StepReport as StepReport
    from losszoo.training.guard.guard import Guard as Guard
    from losszoo.training.parameter_groups import parameter_groups as parameter_groups
    from losszoo.training.run import run as run
    from losszoo.training.run_result import RunResult as RunResult
    from losszoo.tuning.tune import tune as tune
    from losszoo.tuning.tuning_result import Tuning as Tuning
    from losszoo.watching.watch import watch as watch

_HOME = {
    "Batch": "losszoo.training.data.batch_inputs",
    "Budget": "losszoo.training.guard.guard",
    "Comparison": "losszoo.comparison.comparison",
    "DataError": "losszoo.errors",
    "EdgeCase": "losszoo.losses.signatures.signature",
    "Examination": "losszoo.doctor.report.examination",
    "Finding": "losszoo.doctor.report.examination",
    "Floats": "losszoo.losses.declare",
    "Guard": "losszoo.training.guard.guard",
    "Kind": "losszoo.losses.signatures.kind",
    "KindSpec": "losszoo.registry.signature_specs",
    "Loss": "losszoo.losses.loss",
    "LossSpec": "losszoo.registry.specs",
    "LosszooError": "losszoo.errors",
    "MemoryBank": "losszoo.memory_bank",
    "NonFiniteError": "losszoo.errors",
    "OptionCase": "losszoo.losses.signatures.signature",
    "OverBatch": "losszoo.losses.unreduced",
    "PairedRows": "losszoo.losses.signatures.paired_rows",
    "PairwiseLoss": "losszoo.pairs.pairwise_loss",
    "Param": "losszoo.registry.params",
    "Range": "losszoo.losses.declare",
    "Replay": "losszoo.crash_replay.replayed",
    "Recipe": "losszoo.tasks.task",
    "RunResult": "losszoo.training.run_result",
    "Setup": "losszoo.tasks.task",
    "Signature": "losszoo.losses.signatures.signature",
    "SignatureSpec": "losszoo.registry.signature_specs",
    "Sizes": "losszoo.losses.signatures.signature",
    "Source": "losszoo.losses.signatures.example_source",
    "Split": "losszoo.tasks.task",
    "Splits": "losszoo.tasks.task",
    "StepReport": "losszoo.training.guard.guard",
    "Streaming": "losszoo.pairs.streaming",
    "Suggestion": "losszoo.suggestion.suggestion",
    "SumLoss": "losszoo.losses.sums.sum_loss",
    "Task": "losszoo.tasks.task",
    "TaskSpec": "losszoo.registry.specs",
    "TrainedModel": "losszoo.prediction.trained_model",
    "Tuning": "losszoo.tuning.tuning_result",
    "Unreduced": "losszoo.losses.unreduced",
    "UsageError": "losszoo.errors",
    "Weighed": "losszoo.losses.signatures.signature",
    "accumulate": "losszoo.training.gradient_cache",
    "compare": "losszoo.comparison.compare",
    "create": "losszoo.creation",
    "data_file": "losszoo.common.data_files",
    "differentiable_again": "losszoo.losses.numerics",
    "examine": "losszoo.doctor.examine",
    "finish": "losszoo.losses.unreduced",
    "hf_loss": "losszoo.integrations.huggingface",
    "hookimpl": "losszoo.registry.hookspecs",
    "list_kinds": "losszoo.api",
    "list_losses": "losszoo.api",
    "list_signatures": "losszoo.api",
    "list_tasks": "losszoo.api",
    "load_run": "losszoo.prediction.load_run",
    "load_task": "losszoo.api",
    "log_odds": "losszoo.pairs.log_odds",
    "loss": "losszoo.losses.declare",
    "losses_in": "losszoo.registry.from_source.source",
    "masked_logsumexp": "losszoo.losses.numerics",
    "pairwise": "losszoo.pairs.row_functions",
    "pairwise_logits": "losszoo.losses.similarity",
    "parameter_groups": "losszoo.training.parameter_groups",
    "replay": "losszoo.crash_replay.replay",
    "report": "losszoo.reporting.report",
    "run": "losszoo.training.run",
    "safe_sqrt": "losszoo.losses.numerics",
    "sample_neighbors": "losszoo.losses.sampling",
    "softmax_row": "losszoo.pairs.row_functions",
    "suggest": "losszoo.suggestion.suggest",
    "tune": "losszoo.tuning.tune",
    "watch": "losszoo.watching.watch",
    "wide": "losszoo.losses.unreduced",
}

# Modules that are public as a whole.
_ROOMS = {
    "checks": "losszoo.losses.signatures.checks",
    "functional": "losszoo.functional",
    "metrics": "losszoo.training.evaluation.metrics",
    "sklearn": "losszoo.sklearn",
    "testing": "losszoo.testing",
}

__all__ = ["__version__", *sorted([*_HOME, *_ROOMS])]


def _installed() -> Any:
    """The registry. It stands above the room of the losses, which asks it for a signature by name."""
    return importlib.import_module("losszoo.registry.registry").installed()


_signatures.ask(
    lambda name: _installed().signature(name),
    lambda: _installed().loadable("signature"),
    lambda name: str(_installed().origin("signature", name)),
)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(_ROOMS[name])
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'losszoo' has no attribute {name!r}; its public names are {', '.join(__all__)}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
