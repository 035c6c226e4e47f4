"""Scalars and gradient histograms for TensorBoard, beside the run folder's own files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from losszoo.errors import UsageError

# Of an epoch's line: what is one number, and what is a number for each name.
_NUMBERS = ("loss", "grad_norm", "lr", "clipped", "bad_steps")
_FAMILIES = ("val", "terms", "weights")
# Where the last bin of TensorBoard's histogram ends.
_LARGEST = 1e20


class Scalars:
    """Writes the course of a run where ``tensorboard --logdir`` looks.

    For watching a run while it goes on. The run folder's JSON files hold the same numbers, so nothing is lost without.

    Args:
        log_dir: folder of the event files, made when it is missing.
        every: steps between histograms of the gradients, >= 1; each costs about as much as a step of a small model.
        purge_step: of a resumed run, the first step that is done again: what an earlier process wrote from there on
            is forgotten.

    Raises:
        UsageError: TensorBoard is not installed, the folder cannot be written, or ``every`` is no such number.

    Example:
        >>> import tempfile
        >>> scalars = Scalars(tempfile.mkdtemp())
        >>> scalars.step(1, {"loss": 0.5})
        >>> scalars.close()
    """

    def __init__(self, log_dir: str | Path, every: int = 50, purge_step: int | None = None) -> None:
        if every < 1:
            raise UsageError(f"every must be >= 1, got {every}")
        self._every = every
        # A run that goes on at the end of an epoch has its last step behind it.
        self._last = None if purge_step is None else purge_step - 1
        self._writer = _writer(log_dir, purge_step)

    def step(self, number: int, values: Mapping[str, float]) -> None:
        """Numbers of one step, each under ``step/<name>``; TensorBoard marks the ones that are not finite."""
        self._last = number
        for name, value in values.items():
            self._writer.add_scalar(f"step/{name}", float(value), number)

    def gradients(self, number: int, named_parameters: Iterable[tuple[str, Tensor]]) -> None:
        """A histogram of each parameter's gradient, at every so many steps.

        Entries that have no place in it, NaN, infinite or beyond 1e20 either way, are counted under
        ``gradient_outside/<parameter>``.
        """
        if number % self._every:
            return
        for name, parameter in named_parameters:
            if parameter.grad is not None:
                self._histogram(name, parameter.grad, number)

    def epoch(self, line: Mapping[str, Any]) -> None:
        """A line of the history: loss, gradient norm, rate, ``val/<metric>``, ``terms/<label>``, ``weights/<label>``.

        It stands at the epoch's last step, so that ``purge_step`` means the same for it; without steps, at its epoch.
        """
        number = int(line["epoch"]) if self._last is None else self._last
        numbers = {f"epoch/{name}": line.get(name) for name in _NUMBERS}
        for family in _FAMILIES:
            numbers |= {f"{family}/{name}": value for name, value in (line.get(family) or {}).items()}
        for name, value in numbers.items():
            if value is not None:
                self._writer.add_scalar(name, float(value), number)
        self._writer.flush()

    def close(self) -> None:
        """Write what is still in memory; the event file is then complete."""
        self._writer.close()

    def _histogram(self, name: str, gradient: Tensor, number: int) -> None:
        held = gradient.coalesce().values() if gradient.is_sparse else gradient
        values = held.detach().to("cpu", torch.float32 if held.dtype.itemsize < 4 else held.dtype).flatten()
        # In float64, where the sum of squares that a histogram keeps cannot overflow.
        held_in = values[values.abs() <= _LARGEST].double()
        if len(held_in) < len(values):
            self._writer.add_scalar(f"gradient_outside/{name}", len(values) - len(held_in), number)
        if len(held_in):
            self._writer.add_histogram(f"gradient/{name}", held_in, number)


def _writer(log_dir: str | Path, purge_step: int | None) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError('TensorBoard is not installed: pip install "losszoo[tensorboard]"') from error
    try:
        return SummaryWriter(str(log_dir), purge_step=purge_step)
    except OSError as error:
        raise UsageError(
            f"log_dir must be a folder that can be written, got {log_dir} ({error.strerror or error})"
        ) from error
