"""In Keras 3 on torch: a loss of the zoo as a loss of Keras.

Keras chooses its backend when it is imported. Where that has not been, and KERAS_BACKEND is not set, it is torch.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras

from losszoo.creation import create
from losszoo.errors import UsageError
from losszoo.losses.sums.leaves import leaves


@keras.saving.register_keras_serializable(package="losszoo")
class KerasLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss for ``model.compile(loss=KerasLoss("softmax-focal"))``, where Keras runs on torch.

    It gives Keras the values of the rows, and Keras weighs and averages them: a ``sample_weight`` or ``class_weight``
    multiplies a value, and the mean divides by the number of values, as for any loss of Keras.

    Args:
        loss: name or expression, as in :func:`losszoo.create`, so that a saved model can make it again.
        reduction: of Keras.
        name: of Keras.
        params: hyperparameters.

    Raises:
        UsageError: Keras runs on something else, the loss has parameters of its own, which Keras would not train, or
            it is no mean of values of rows, which is seen in its first call.
    """

    def __init__(
        self, loss: str, *, reduction: str = "sum_over_batch_size", name: str | None = None, **params: Any
    ) -> None:
        if keras.backend.backend() != "torch":
            raise UsageError(
                f"the backend of Keras must be torch, got {keras.backend.backend()}; set KERAS_BACKEND=torch before "
                "keras is imported"
            )
        super().__init__(reduction=reduction, name=name or loss)
        self.loss, self.params = loss, params
        self._values = create(loss, reduction="none", **params)
        self._means = leaves(create(loss, **params))
        self._checked = False
        if any(parameter.requires_grad for parameter in self._values.parameters()):
            raise UsageError(f"a loss of Keras must learn nothing by itself, got {loss!r}; train it in torch")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One value for each row, or pixel: the mean over outputs that have a value each, as Keras's own losses give.

        Weights are multiplied with what is returned, and (N,) weights of rows would fall on the outputs of (N, K).
        """
        inputs = self._inputs(y_true, y_pred)
        if not self._checked and not all(leaf.adds_up(*inputs) for leaf in self._means):
            raise UsageError(
                f"a loss of Keras must be a mean of values of rows, got {self.loss!r}, which is one number of the "
                "whole batch; train it in torch, or by losszoo.run"
            )
        self._checked = True
        values = self._values(*inputs)
        return values.mean(-1) if values.ndim == y_pred.ndim > 1 else values

    def _inputs(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Classes stand last in Keras and second in torch; labels come as float32, and may have a dimension of 1."""
        if any("ignore_index" in leaf.parameter_names for leaf in self._means):
            if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 < y_pred.shape[-1]:
                y_true = y_true.squeeze(-1)
            if y_true.ndim == y_pred.ndim:
                return y_pred.movedim(-1, 1), y_true.movedim(-1, 1)
            return y_pred.movedim(-1, 1), y_true.long()
        if any(leaf.rules.any_shape for leaf in self._means):
            return y_pred, y_true.reshape(y_pred.shape)
        return y_pred, y_true.flatten().long() if y_true.numel() == len(y_true) else y_true

    def get_config(self) -> dict[str, Any]:
        """For a saved model."""
        return {"loss": self.loss, "reduction": self.reduction, "name": self.name, **self.params}
