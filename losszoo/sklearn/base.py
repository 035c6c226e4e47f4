"""What the estimators share: the parameters, and a fit that writes nothing."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import assert_all_finite, check_is_fitted
from torch import Tensor

from losszoo.common.foreign_code import level_of_user
from losszoo.common.interrupt import Interrupt
from losszoo.common.seeding import isolated
from losszoo.errors import LosszooError, NonFiniteError, UsageError
from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec
from losszoo.sklearn.compat import validate_data
from losszoo.sklearn.fitted import Fitted
from losszoo.sklearn.losses import LossLike, check_fits, fitting_kind, fresh, signature_of_own, with_arguments
from losszoo.sklearn.rows import Array, Columns, Rows, checked_weights, held_out, strata_of, told_of_words
from losszoo.training.build_loss import device_of
from losszoo.training.data.prepared_data import Part
from losszoo.training.loop import fit
from losszoo.training.make_plan import make_plan
from losszoo.training.plan import Plan
from losszoo.training.run_folder.progress import Progress
from losszoo.training.run_folder.run_folder import NoRecord
from losszoo.training.run_options import Options

_NUMBERS = (np.float64, np.float32)
# Where a parameter goes in the settings of a run.
_SETTINGS = {
    "trunk": "model.trunk",
    "dim": "model.dim",
    **{
        name: f"recipe.{name}"
        for name in ("lr", "weight_decay", "batch_size", "epochs", "patience", "sample_rate", "optimizer", "loss_lr")
    },
}
# Leads an argument of the loss in a grid of scikit-learn.
_OF_LOSS = "loss__"
# Training draws from torch's global source, which threads share.
_ALONE = threading.RLock()


@dataclass(eq=False, repr=False)
class LossEstimator(BaseEstimator):  # type: ignore[misc]
    """A network that is trained with a loss of the zoo: what the three estimators have in common.

    What is None has a default that depends on the loss (see ``docs/scikit-learn.md``).

    Args:
        loss: a name, a call, an expression or a target, or a module or function of your own, which is copied.
        trunk: the network: "mlp", "linear" or "plr"; or one of your own: a module, of which a copy is trained, a
            class or function that makes one, or "file.py:Net".
        dim: features that it gives, >= 1.
        lr: learning rate, > 0.
        loss_lr: learning rate of what the loss learns (a temperature, weights of its terms), > 0; None takes ``lr``.
        weight_decay: >= 0.
        batch_size: rows a step, >= 1.
        epochs: most passes over the training rows, >= 1.
        patience: epochs without a better validation metric before it stops; 0 never stops early.
        sample_rate: share of the training rows drawn as candidates each step, in (0, 1] (``neighbors`` losses only).
        optimizer: "adamw", "adam" or "sgd".
        validation_fraction: share of the rows, in [0, 1), that is held out to choose the best epoch, and the number of
            neighbors; 0 holds out none, and trains all epochs. None: 100 rows or a tenth, whichever is more, but at
            most a fifth, and none of fewer than 48 rows.
        numeric: which columns are numbers and are scaled, where the others are 0 and 1: how many leading ones, or their
            mask, places or names. None: all of them.
        clip_norm: largest gradient norm, > 0.
        on_nonfinite: what a loss or gradient that is NaN or infinite does: "raise", "skip" or "rollback".
        device: where it is trained and predicts: "cpu", "cuda", ...
        random_state: of the held-out rows, of weights and batches; an int gives the same predictions again.
        verbose: 1 prints a line for every epoch.

    Attributes:
        model_: the trained network as a module, on the CPU and in float64: from rows as ``predict`` takes them, as a
            tensor, to logits (N, C), or (N, 1) of two classes; to numbers (N,) of a regressor; to the embedding where
            the loss has no head.
        loss_: the loss, with what it has learned.
        history_: a dict for every epoch: loss, gradient norm, metrics of validation (NaN without), seconds.
        guard_: counts of non-finite, skipped, rolled back and clipped steps, and the first that was not finite.
        n_iter_: epochs that were trained.
        n_features_in_: columns of the inputs.
        feature_names_in_: their names, where they have any.
    """

    loss: LossLike = "modern-nca"
    _: KW_ONLY
    trunk: Any = None
    dim: int | None = None
    lr: float | None = None
    loss_lr: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None
    epochs: int | None = None
    patience: int | None = None
    sample_rate: float | None = None
    optimizer: str | None = None
    validation_fraction: float | None = None
    numeric: Any = None
    clip_norm: float | None = None
    on_nonfinite: str = "raise"
    device: str = "cpu"
    random_state: Any = None
    verbose: int = 0

    # The kind of task of y (N,), and what a loss of one's own is taken for that does not say its own.
    _kind: ClassVar[str]
    _default: ClassVar[str]
    # The kind of task of y (N, K); "" where that is refused.
    _kind_of_several: ClassVar[str] = ""

    def _fitting_on(self, kind: str) -> tuple[str, ...]:
        """The signatures that fit a kind of task."""
        return fitting_kind(kind)

    @property
    def _fitting(self) -> tuple[str, ...]:
        """The signatures that fit y (N,)."""
        return self._fitting_on(self._kind)

    @property
    def _takes_several(self) -> bool:
        """Whether the loss fits y (N, K)."""
        try:
            check_fits(self.loss, self._fitting_on(self._kind_of_several), type(self).__name__)
        except LosszooError:
            return False
        return True

    @property
    def _class_weight(self) -> str | None:
        """As a recipe holds it, for classes that are named 0, 1, ...; None: all classes count alike."""
        return None

    def set_params(self, **params: Any) -> Any:
        """As in scikit-learn; ``loss__gamma=0.5`` is an argument of a loss that is given by its name.

        Raises:
            UsageError: the loss is no single name or call; say which.
        """
        nested = {name.removeprefix(_OF_LOSS): params.pop(name) for name in [*params] if name.startswith(_OF_LOSS)}
        super().set_params(**params)
        if nested:
            self.loss = with_arguments(self.loss, nested)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _more_tags(self) -> dict[str, Any]:  # of scikit-learn before 1.6
        return {"requires_y": True}

    def _fit(self, inputs: Array, targets: Array, weights: Array | None, spec: TaskSpec, classes: int) -> None:
        """Train, and keep what is left of it.

        Args:
            inputs: (N, columns), validated.
            targets: (N,) labels from 0, or numbers; (N, K) of 0 and 1, or of numbers.
            weights: (N,) above 0, how often each row counts; None: all alike.
            spec: kind and metric.
            classes: how many labels there are; 0 for numbers and for (N, K).
        """
        several = f" on y of {targets.shape[1]} columns" if targets.ndim > 1 else ""
        check_fits(self.loss, self._fitting_on(spec.kind), f"{type(self).__name__}{several}")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        fraction = _plain(self.validation_fraction)
        if fraction is not None and not (isinstance(fraction, int | float) and 0 <= fraction < 1):
            raise UsageError(f"validation_fraction must be None or a number in [0, 1), got {fraction!r}")
        train, val = held_out(strata_of(targets), fraction, seed, classes=classes > 0)
        of_training = None if weights is None else weights[train]
        columns = Columns.fitted(inputs[train], self.numeric, getattr(self, "feature_names_in_", None), of_training)
        task = Rows(spec, columns(inputs), targets, val, len(columns.numeric), classes, weights)
        with _ALONE, isolated(seed, device_of(self.device)):
            plan = self._plan(task, seed)
            progress = self._trained(plan)
        self._fitted = Fitted.of(plan, columns)
        self.model_, self.loss_ = self._fitted.network(), plan.loss.cpu().eval()
        self.history_, self.guard_ = progress.history, plan.guard.to_dict()
        self.n_iter_ = progress.epoch

    def _plan(self, task: Rows, seed: int) -> Plan:
        kind = task.spec.kind
        default = installed().kinds[kind].natural if kind == self._kind_of_several else self._default
        given = {setting: _plain(getattr(self, name)) for name, setting in _SETTINGS.items()}
        options = Options(
            seed=seed,
            set={setting: fresh(value) for setting, value in given.items() if value is not None},
            clip_norm=_plain(self.clip_norm),
            on_nonfinite=self.on_nonfinite,
            checkpoint_seconds=math.inf,
            device=self.device,
            signature=signature_of_own(self.loss, self._fitting_on(kind), default),
            class_weight=self._class_weight,
        )
        plan = make_plan(fresh(self.loss), task, options, NoRecord())
        for note in plan.notes:
            warnings.warn(note, stacklevel=level_of_user())
        if len(task.val) == 0:
            # All epochs are trained, and the last state stays: nothing says which was the best.
            rows = plan.data.train
            plan.data = replace(plan.data, val=Part(rows.inputs[:0], rows.targets[:0]))
            plan.recipe = replace(plan.recipe, patience=0)
        elif plan.data.class_weights is not None:
            # The epoch that is best for rows that weigh otherwise than in the loss would undo the weights.
            val = plan.data.val
            plan.data = replace(plan.data, val=replace(val, weights=val.weights_with(plan.data.class_weights)))
        return plan

    def _trained(self, plan: Plan) -> Progress:
        metric = plan.deciding[0]

        def tell(line: Mapping[str, Any]) -> None:
            means = f"loss {line['loss']:.6g}, validation {metric} {line['val'][metric]:.6g}"
            print(f"epoch {line['epoch'] + 1}/{line['epochs']}: {means}")

        with Interrupt() as interrupt:
            progress = fit(plan, interrupt, tell if self.verbose else None)
        if progress.status == "interrupted":
            raise KeyboardInterrupt
        if progress.status == "stopped-by-guard":
            raise NonFiniteError(
                f"{type(self).__name__}(loss={plan.config['loss']!r}) stopped after {progress.epoch} epochs: "
                f"{progress.stop_reason}"
            )
        return progress

    def _training_rows(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: Any,
        **checks: Any,
    ) -> tuple[Array, Array, Array | None]:
        """Inputs, targets and weights of a fit, checked as scikit-learn checks them; one row says nothing.

        A row of weight 0 is absent: it is left out before anything looks at it.
        """
        with told_of_words(type(self).__name__, X):
            inputs, targets = validate_data(self, X, y, dtype=_NUMBERS, ensure_min_samples=2, **checks)
        check_range("X", inputs)
        weights = checked_weights(sample_weight, len(inputs))
        if weights is None:
            return inputs, targets, None
        there = weights > 0
        if there.sum() < 2:
            raise UsageError(
                f"sample_weight must be above 0 for at least two rows, of two classes where y holds labels, got "
                f"{there.sum()}"
            )
        inputs, targets, weights = inputs[there], targets[there], weights[there]
        return inputs, targets, None if (weights == 1).all() else weights

    def _rows(self, X: Any) -> Array:  # noqa: N803
        """Rows to predict, checked as scikit-learn checks them."""
        check_is_fitted(self)
        with told_of_words(type(self).__name__, X):
            inputs: Array = validate_data(self, X, reset=False, dtype=_NUMBERS)
        check_range("X", inputs)
        return inputs

    def _outputs(self, X: Any, expects: str = "logits") -> Tensor:  # noqa: N803
        """What is predicted of each row; ``expects``: as what kind of scores."""
        rows = self._rows(X)
        return self._fitted.outputs(rows, device_of(self.device), expects)


def check_range(name: str, values: Array) -> None:
    """Numbers beyond float32, in which the network is trained, are refused in scikit-learn's words."""
    with np.errstate(over="ignore", invalid="ignore"):
        assert_all_finite(np.asarray(values, dtype=np.float32), input_name=name)


def _plain(value: Any) -> Any:
    """A number of numpy, as a parameter grid holds them, as one of Python."""
    return value.item() if isinstance(value, np.generic) else value
