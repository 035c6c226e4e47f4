"""Maps of logits against masks, or against one label for each pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losszoo import EdgeCase, OptionCase, Signature, Sizes, Source, UsageError, Weighed, checks
from losszoo_plugins.signatures import _shared


class Segmentation(Signature):
    """Logits (N, C, ...) against maps in [0, 1] of the same shape, or against labels (N, ...), with any pixels.

    The form of the targets decides what the channels are. Maps have a dimension of channels: each channel is a yes or
    no of its own, as of overlapping regions, by its sigmoid. Labels are integers and have none: each pixel is of one
    class, by the softmax over the channels. The function of a loss knows maps only: of labels it is given a map for
    each class, and as logit of a class its log odds in the softmax, so that its sigmoid is the softmax share.
    """

    name = "segmentation"
    arguments = ("logits", "targets")
    given = ("targets",)
    synonyms: ClassVar = {
        "logits": ("maps", "pred_masks", "mask_logits"),
        "targets": ("masks", "true_masks", "gt_masks"),
    }
    fits = ("segmentation", "semantic-segmentation")
    expects = ("logits", "probabilities", "log-probabilities")
    stricter_than = ("binary", "regression", "multiclass")
    predicting = 80.0
    options: ClassVar = {
        "weight": {
            "type": "floats",
            "default": None,
            "range": (0, None),
            "summary": "how many times the maps of each class (channel) count; none counts all alike. A mean divides "
            "by the weights",
        },
        "ignore_index": {
            "type": "int",
            "default": -100,
            "summary": "label whose pixels take no part in value, gradient or mean; of labels only, maps have none",
        },
    }
    sizes = Sizes(first="maps", second="pixels along a side", second_default=64, usual="4x64,16x64,64x64")
    learns = "logits where the target is 1 over those where it is 0"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        logits, targets = checks.floating("logits", inputs[0]), inputs[1]
        if logits.ndim < 3:
            rule = "have shape (N, C, ...) with one spatial dimension or more"
            raise checks.BrokenRule("logits", rule, checks.shape_of(logits))
        if isinstance(targets, Tensor) and targets.ndim == logits.ndim - 1:
            return logits, _labels(targets, logits)
        if isinstance(targets, Tensor) and targets.shape != logits.shape:
            rule = (
                f"be maps of the shape of logits, {tuple(logits.shape)}, or integer labels of shape {_pixels(logits)}"
            )
            raise checks.BrokenRule("targets", rule, checks.shape_of(targets))
        return logits, checks.like("targets", targets, logits, "logits")

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        logits, targets = inputs
        if targets.numel():
            highest = logits.shape[1] - 1 if _one_class_each(inputs) else 1
            smallest, largest = torch.aminmax(targets.detach())
            # NaN compares as False.
            if not (smallest.item() >= 0 and largest.item() <= highest):
                legal = (targets >= 0) & (targets <= highest)
                rule = "be in [0, 1]"
                if _one_class_each(inputs):
                    rule = f"be labels from 0 to {highest}"
                    if context.ignore_index is not None:
                        legal |= targets == context.ignore_index
                        rule += f", or ignore_index, {context.ignore_index}"
                checks.require(legal, "targets", rule, targets)
        if context.expects == "probabilities":
            checks.probabilities("logits", logits, context)
            if _one_class_each(inputs):
                total = logits.sum(1)
                checks.require(~((total - 1).abs() > 1e-3), "logits", "be probabilities that sum to 1", total)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape
        return shape

    def spread(self, inputs: tuple[Any, ...], chosen: Tensor) -> Tensor:
        """What has the shape of the labels is one for each pixel, in all of its channels."""
        logits, targets = inputs
        if not _one_class_each(inputs) or chosen.shape != targets.shape:
            return chosen
        if chosen.shape == logits.shape[: chosen.ndim]:
            said = f"got shape {tuple(chosen.shape)} for logits {tuple(logits.shape)}"
            raise UsageError(
                f"mask and weight must have one reading, {said}: x[:, None] is of pixels, x[..., None] not"
            )
        return chosen.unsqueeze(1)

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        if not _one_class_each(inputs):
            return super().hide(inputs, mask, context)
        logits, targets = inputs
        # The softmax reads all channels of a pixel, so it is hidden where none of them is asked for.
        seen = mask.any(1)
        neutral = 1 / logits.shape[1] if context.expects == "probabilities" else 0.0
        return torch.where(seen.unsqueeze(1), logits, neutral), targets * seen

    def present(self, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Tensor | None:
        logits, targets = inputs
        ignored = options.get("ignore_index")
        if not _one_class_each(inputs):
            _shared.refuse_ignored(ignored, logits, "maps")
            return None
        if ignored is None:
            return None
        counts: Tensor = targets != ignored
        return counts.unsqueeze(1).expand(logits.shape)

    def check_options(self, options: Mapping[str, Any]) -> None:
        _shared.check_class_weights(options.get("weight"))

    def weighed(self, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Weighed:
        logits = inputs[0]
        if options.get("weight") is None:
            return Weighed(inputs)
        times = _shared.of_channels(_shared.class_weights(options["weight"], logits), logits)
        return Weighed(inputs, times, times)

    def function_inputs(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        logits, targets = inputs
        if not _one_class_each(inputs):
            return inputs
        maps = torch.zeros_like(logits).scatter(1, targets.unsqueeze(1), 1.0)
        return (one_against_rest(logits) if context.expects == "logits" else logits), maps

    def example(self, source: Source) -> tuple[Any, ...]:
        side = source.second or 4
        shape = (source.rows, 1, side, side)
        return self.link(source.normal(*shape), source.expects), source.bits(*shape)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        logits, targets = inputs
        empty = torch.zeros_like(targets)
        for name, mask in (("empty masks", empty), ("full masks", 1 - empty), ("masks", targets)):
            for label, certain, wrong in _shared.sure(mask, expects):
                yield EdgeCase(f"{name}, {label}", (certain, mask), wrong)
        yield EdgeCase("empty masks", (logits, empty))
        yield EdgeCase("targets of 0.5", (logits, torch.full_like(targets, 0.5)))
        yield EdgeCase("a single pixel", (logits[..., :1, :1], targets[..., :1, :1]))
        yield EdgeCase("no pixel", (logits[..., :0], targets[..., :0]))
        yield EdgeCase("one spatial dimension", (logits[..., 0], targets[..., 0]))
        yield EdgeCase("volumes", tuple(_folded(x) for x in inputs))
        yield from self._labelled_cases(*self._labelled(inputs, expects), expects)

    def _labelled(self, inputs: tuple[Any, ...], expects: str) -> tuple[Tensor, Tensor]:
        """Three classes for each pixel of an ordinary batch, and the labels of its pixels."""
        scores = torch.cat((inputs[0], inputs[0].roll(1, -1), inputs[0].roll(1, -2)), 1)
        if expects != "logits":
            scores = scores.softmax(1) if expects == "probabilities" else scores.log_softmax(1)
        return scores, (inputs[1] + inputs[1].roll(1, -1))[:, 0].long()

    def _labelled_cases(self, logits: Tensor, labels: Tensor, expects: str) -> Iterator[EdgeCase]:
        yield EdgeCase("labels", (logits, labels))
        if expects == "logits":
            hot = F.one_hot(labels, logits.shape[1]).movedim(-1, 1)
            for label, certain, wrong in _shared.sure(hot.to(logits.dtype), expects):
                yield EdgeCase(f"labels, {label}", (certain, labels), wrong)
            yield EdgeCase("labels, logits offset by 1e4", (logits + 1e4, labels))
        yield EdgeCase("labels of one class only", (logits, torch.full_like(labels, 1)))
        yield EdgeCase("labels of a single pixel", (logits[..., :1, :1], labels[..., :1, :1]))
        yield EdgeCase("labels of volumes", (_folded(logits), _folded(labels)))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from _shared.wrong_numbers(inputs, "targets", 1, (("a target of 1.5", 1.5), ("a target of -1", -1.0)))
        labelled = self._labelled(inputs, expects)
        yield from _shared.wrong_numbers(labelled, "targets", 1, (("a label of 93", 93), ("a label of -7", -7)))
        if expects == "probabilities":
            yield from _shared.wrong_numbers(inputs, "logits", 0, (("a probability of 1.5", 1.5),))

    def misshapen(self, inputs: tuple[Any, ...]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from super().misshapen(inputs)
        logits, targets = inputs
        yield "logits", "labels for a single channel", (logits, targets[:, 0].long())
        three = logits.repeat(1, 3, *[1] * (logits.ndim - 2))
        for what, given in {
            "labels as floating numbers": targets[:, 0],
            "a mask without channels": targets[:, 0].bool(),
            "labels with a channel": targets.long(),
            "labels of other pixels": targets[:, 0, :-1].long(),
        }.items():
            yield "targets", what, (three, given)

    def option_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[OptionCase]:
        logits, labels = self._labelled(inputs, expects)
        kept = torch.tensor([row for row in range(len(labels)) if row % 3 != 1])
        ignored = labels.clone()
        ignored[1::3] = 255
        how: dict[str, Any] = {"ignore_index": 255}
        yield OptionCase("an ignored image is absent", how, (logits, ignored), {}, (logits[kept], labels[kept]), kept)
        maps = F.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
        other = (torch.cat((x[:, :2], x[:, :1]), 1) for x in (logits, maps))
        how, every = {"weight": [1.0, 2.0, 0.0]}, torch.arange(len(labels))
        yield OptionCase("a class of weight 0 makes no difference", how, (logits, maps), how, tuple(other), every)

    def rightness(self, logits: Tensor, targets: Tensor) -> Tensor:
        return _shared.contrast(logits, targets > 0.5)

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        kind = {"logits": "real", "probabilities": "probability", "log-probabilities": "log-probability"}[expects]
        return {"logits": kind}

    def head(self, width: int, data: Any) -> nn.Module:
        targets = data.train.targets
        if data.classes:
            return _shared.pixel_head(width, data.classes, targets.ndim - 1)
        return _shared.pixel_head(width, targets.shape[1], targets.ndim - 2)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        if batch.data.classes and batch.expects != "logits":
            # Labels are of one class each, and the softmax of all channels is what says how likely each is.
            outputs = batch.step.outputs[self.name]
            return (F.softmax if batch.expects == "probabilities" else F.log_softmax)(outputs, 1), batch.targets
        return batch.outputs, batch.targets


def one_against_rest(logits: Tensor) -> Tensor:
    r"""The log odds of each class in the softmax over dimension 1: its logit over those of all others together.

    .. math:: x_c = z_c - \log \sum_{j \ne c} e^{z_j}, \quad \sigma(x_c) = \operatorname{softmax}(z)_c

    Example:
        >>> one_against_rest(torch.tensor([[3.0, 1.0]]))
        tensor([[ 2., -2.]])
    """
    largest = torch.zeros_like(logits, dtype=torch.bool).scatter(1, logits.argmax(1, keepdim=True), True)
    # The rest of the largest is summed, as 1 - p rounds to 0 there. A finite number stands in its place, for which a
    # sum over classes that are all excluded, by logits of -inf, still has a gradient.
    others = torch.where(largest, torch.finfo(logits.dtype).min, logits)
    share = torch.where(largest, 0.0, F.softmax(logits, 1))
    rest = logits.logsumexp(1, keepdim=True) + torch.log1p(-share)
    return logits - torch.where(largest, others.logsumexp(1, keepdim=True), rest)


def _one_class_each(inputs: tuple[Any, ...]) -> bool:
    """Whether the targets are labels: they lack the dimension of the channels."""
    return bool(inputs[1].ndim < inputs[0].ndim)


def _folded(x: Tensor) -> Tensor:
    """The same pixels in one dimension more."""
    return x.reshape(*x.shape[:-1], 2, -1)


def _pixels(logits: Tensor) -> tuple[int, ...]:
    return (logits.shape[0], *logits.shape[2:])


def _labels(targets: Tensor, logits: Tensor) -> Tensor:
    """Integer labels of the pixels of logits that have a channel for each class; anything else is not guessed at."""
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        rule = (
            "be integer labels (targets.long()) where they have no dimension of channels, or maps of the shape of "
            f"logits, {tuple(logits.shape)}"
        )
        raise checks.BrokenRule("targets", rule, f"shape {tuple(targets.shape)} and dtype {targets.dtype}")
    if logits.shape[1] < 2:
        rule = (
            "have a channel for each of at least two classes where targets are labels; a mask is targets.unsqueeze(1)"
        )
        raise checks.BrokenRule("logits", rule, checks.shape_of(logits))
    return checks.integers("targets", targets, _pixels(logits))
