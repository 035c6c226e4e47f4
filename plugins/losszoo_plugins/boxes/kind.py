"""Tasks whose targets are boxes."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from losszoo import DataError, Kind
from losszoo_plugins.boxes.overlap import compared


class BoxesTask(Kind):
    """One box for each row, as (left, top, right, bottom)."""

    name = "boxes"
    natural = "boxes"
    metrics = ("mean_iou", "iou_above_50", "iou_above_75")
    target_shape = "(N, 4)"
    target_dims = 2

    def check_targets(self, where: str, targets: Any) -> None:
        super().check_targets(where, targets)
        if targets.shape[1] != 4:
            raise DataError(f"task {where} targets must have shape (N, 4), got {targets.shape}")
        inverted = (targets[:, :2] > targets[:, 2:]).any(1)
        if inverted.any():
            came = targets[inverted][0].tolist()
            raise DataError(f"task {where} targets must be boxes (x1, y1, x2, y2) with x1 <= x2, y1 <= y2, got {came}")

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        """The mean overlap, and the shares of the boxes that overlap more than half and three quarters."""
        overlap = 1 - compared(outputs.double(), targets.double()).missed
        return {
            "mean_iou": overlap.mean().item(),
            "iou_above_50": (overlap > 0.5).double().mean().item(),
            "iou_above_75": (overlap > 0.75).double().mean().item(),
        }
