"""The options of a run that decide its result, one table for run, compare and tune; free of torch."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """What decides a result beside loss, task, seed and settings.

    Args:
        clip_norm: largest gradient norm.
        clip_value: largest absolute gradient entry.
        clip: a bound that adapts: "auto" (a percentile of past norms) or "zscore" (deviations above their mean).
        on_nonfinite: "raise" (stop), "skip" or "rollback".
        accumulate: batches that make one step, >= 1; the result is that of one batch so many times as large.
        precision: of the forward pass of the model: "fp32", "bf16" or "fp16" (with a scaled loss).
        compile: compile the model with ``torch.compile``.
        device: "cpu", "cuda", ...
        signature: of a custom loss.
        expects: of a custom loss.
    """

    clip_norm: float | None = None
    clip_value: float | None = None
    clip: str | None = None
    on_nonfinite: str = "raise"
    accumulate: int = 1
    precision: str = "fp32"
    compile: bool = False
    device: str = "cpu"
    signature: str | None = None
    expects: str | None = None


RESULT_OPTIONS = tuple(field.name for field in fields(ResultOptions))
