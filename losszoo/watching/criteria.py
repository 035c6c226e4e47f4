"""The criteria of torch, and what each must be given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from losszoo.tracing.authors import Place

# The losses of torch.nn.functional, each with its first two arguments.
_PAIRED = (
    "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits mse_loss l1_loss smooth_l1_loss "
    "huber_loss kl_div poisson_nll_loss gaussian_nll_loss soft_margin_loss hinge_embedding_loss multi_margin_loss "
    "multilabel_margin_loss multilabel_soft_margin_loss"
)
FUNCTIONS: Mapping[str, tuple[str, str]] = dict.fromkeys(_PAIRED.split(), ("input", "target")) | {
    "ctc_loss": ("log_probs", "targets"),
    "cosine_embedding_loss": ("input1", "input2"),
    "margin_ranking_loss": ("input1", "input2"),
    "triplet_margin_loss": ("anchor", "positive"),
    "triplet_margin_with_distance_loss": ("anchor", "positive"),
}
# Nodes of the graph that only arrange, or cast.
_ARRANGING = (
    *("View", "UnsafeView", "_ReshapeAlias", "Squeeze", "Unsqueeze", "Permute", "Transpose", "T", "Clone", "ToCopy"),
    *("Slice", "Expand", "_ReshapeCopy", "Alias", "Select", "Index"),
)
_ACTIVATIONS = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid", "LogSigmoid": "logsigmoid"}


@dataclass(frozen=True)
class Call:
    """One call of a criterion.

    Args:
        name: of the function of torch.nn.functional, or of the module.
        function: to call again.
        args: as they were.
        kwargs: likewise.
        place: the line of the script that has called it.
        result: what came out.
        own: a function of the user.
    """

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    place: Place | None = None
    result: Any = None
    own: bool = False

    def argument(self, name: str, position: int) -> Any:
        """An argument by name or by place."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name)

    @property
    def tensors(self) -> tuple[Any, Any]:
        """The first two arguments."""
        names = FUNCTIONS.get(self.name, ("input", "target"))
        return self.argument(names[0], 0), self.argument(names[1], 1)


def node_name(node: Any) -> str:
    """``SoftmaxBackward0`` as ``Softmax``."""
    return str(node.name()).rpartition("::")[2].partition("Backward")[0] if node is not None else ""


def activation_under(node: Any) -> tuple[str, Any]:
    """The activation that made a tensor, seen through what only arranges; "" where none did."""
    for _ in range(12):
        name = node_name(node)
        if name in _ACTIVATIONS:
            return _ACTIVATIONS[name], node
        if name not in _ARRANGING or not node.next_functions:
            break
        node = node.next_functions[0][0]
    return "", None


def misuses(call: Call, made_at: Callable[[Any], Place | None] = lambda node: None) -> Iterator[tuple[str, str, str]]:
    """What is wrong with the inputs of a criterion: kind, cause, remedy.

    Args:
        call: of the criterion.
        made_at: the line that has made a node of the graph, where it is known.
    """
    predictions, targets = call.tensors
    if not (isinstance(predictions, Tensor) and isinstance(targets, Tensor)):
        return
    activation, node = activation_under(predictions.grad_fn)
    place = made_at(node) if node is not None else None
    made = f"{activation} at {place}" if place is not None and place != call.place else activation
    for cause, remedy in _activations(call.name, predictions, activation, made):
        yield "activation", cause, remedy
    with torch.no_grad():
        yield from _targets(call.name, predictions.detach(), targets.detach(), call)
        yield from _pairing(call.name, predictions, targets)


def _activations(name: str, predictions: Tensor, activation: str, made: str) -> Iterator[tuple[str, str]]:
    squashed = activation in ("softmax", "sigmoid")
    if name == "cross_entropy" and squashed:
        cause = f"cross_entropy is given the output of the {made}, and applies log_softmax to it once more"
        yield cause, f"pass the logits: leave out the {made}"
    if name in ("binary_cross_entropy_with_logits", "multilabel_soft_margin_loss", "soft_margin_loss") and squashed:
        cause = f"{name} is given the output of the {made}, and applies sigmoid to it once more"
        yield cause, f"pass the logits: leave out the {made}"
    if name == "nll_loss" and squashed:
        cause = f"nll_loss takes log-probabilities, and is given probabilities, the output of the {made}"
        yield cause, "pass the logits to cross_entropy, or log_softmax instead of softmax"
    elif name == "nll_loss" and not activation and _has_positive(predictions):
        cause = "nll_loss takes log-probabilities, which are at most 0, and is given values above 0"
        yield cause, "pass the logits to cross_entropy, or apply log_softmax first"
    if name == "kl_div" and (squashed or _has_positive(predictions)):
        given = f"probabilities, the output of the {made}" if activation else "values above 0"
        cause = f"kl_div takes log-probabilities as its first argument, and is given {given}"
        yield cause, "pass torch.log_softmax(logits, dim) as the first argument"
    if name == "binary_cross_entropy" and activation == "softmax" and predictions.shape[-1:] == (1,):
        yield f"the {made} goes over one column, and is 1 whatever the logit", "use sigmoid"


def _has_positive(values: Tensor) -> bool:
    # Rounding leaves log-probabilities of a certain class a little above 0.
    return bool(values.numel()) and float(values.detach().max()) > 1e-3


def _targets(name: str, predictions: Tensor, targets: Tensor, call: Call) -> Iterator[tuple[str, str, str]]:
    if not targets.numel() or targets.is_complex():
        return
    least, most = float(targets.min()), float(targets.max())
    if name in ("cross_entropy", "nll_loss") and not targets.is_floating_point():
        ignored = call.argument("ignore_index", 4)
        yield from _classes(name, predictions, targets, -100 if ignored is None else int(ignored))
    if name in ("binary_cross_entropy", "binary_cross_entropy_with_logits") and (least < 0 or most > 1):
        cause = f"{name} takes targets in [0, 1], and is given targets from {least:g} to {most:g}"
        yield "labels", cause, "map the targets to 0 and 1"
    if name == "cross_entropy" and targets.is_floating_point() and targets.shape == predictions.shape and least < 0:
        yield "labels", f"cross_entropy takes shares >= 0 as targets, and is given {least:g}", "pass shares >= 0"
    if name == "kl_div" and not call.argument("log_target", 5) and least < 0:
        cause = f"kl_div takes probabilities as its target, and is given {least:g}"
        yield "labels", cause, "pass probabilities, or log_target=True for log-probabilities"
    if name in ("soft_margin_loss", "hinge_embedding_loss"):
        yield from _signs(name, targets)
    if name == "poisson_nll_loss" and least < 0:
        yield "labels", f"poisson_nll_loss takes counts, and is given {least:g}", "pass counts >= 0"


def _signs(name: str, targets: Tensor) -> Iterator[tuple[str, str, str]]:
    if bool(((targets == 0) | (targets == 1)).all()) and bool((targets == 0).any()):
        yield "labels", f"{name} takes targets of -1 and 1, and is given 0 and 1", "pass 2 * targets - 1"


def _classes(name: str, predictions: Tensor, targets: Tensor, ignored: int) -> Iterator[tuple[str, str, str]]:
    classes = predictions.shape[1] if predictions.ndim > 1 else predictions.shape[0]
    counted = targets[targets != ignored]
    if counted.numel() and not (int(counted.min()) >= 0 and int(counted.max()) < classes):
        wrong = int(counted.min()) if int(counted.min()) < 0 else int(counted.max())
        cause = f"{name} has {classes} classes, 0 to {classes - 1}, and is given the label {wrong}"
        more = f", or ignore_index={wrong}" if wrong < 0 or wrong == 255 else ""
        yield (
            "labels",
            cause,
            f"number the classes from 0, or give the model {wrong + 1} outputs" * (wrong >= 0)
            + (more if wrong >= 0 else f"number the classes from 0{more}"),
        )


def _pairing(name: str, predictions: Tensor, targets: Tensor) -> Iterator[tuple[str, str, str]]:
    if name not in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss", "soft_margin_loss"):
        return
    if lost_pairing(predictions.shape, targets.shape):
        shapes = f"{tuple(predictions.shape)} and {tuple(targets.shape)}"
        together = (len(targets), len(targets))
        cause = f"{name} makes {together} of {shapes}: every prediction is compared with every target"
        yield "pairing", cause, "give both the same shape: predictions.squeeze(-1), or targets.unsqueeze(-1)"


def lost_pairing(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether (N, 1) and (N,) meet, in one order or the other: N values each, and N x N together."""
    flat, column = sorted((tuple(one), tuple(other)), key=len)
    return len(flat) == 1 and len(column) == 2 and flat[0] > 1 and column == (flat[0], 1)
