"""Logits over classes against labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losszoo import EdgeCase, OptionCase, Signature, Sizes, Source, Weighed, checks
from losszoo_plugins.signatures import _shared


class Multiclass(Signature):
    """Logits (N, C, ...) against labels (N, ...), or against probabilities (N, C, ...).

    Logits (C,) against one label () are a batch of one.

    Every loss has an ignored label and weights of classes, torch's. A label y counts w_y times. Probabilities q are
    labels of which each is drawn with its share, so they count s times as the shares r of what is drawn then:

    .. math:: \\ell_w(z, q) = s \\, \\ell(z, r), \\quad s = \\sum_c w_c q_c, \\quad r_c = w_c q_c / s

    Of an expectation over the label that is the sum of w_c q_c times the loss of c; of cross-entropy what torch gives.
    """

    name = "multiclass"
    arguments = ("logits", "targets")
    given = ("targets",)
    synonyms: ClassVar = {
        "logits": ("input", "inputs", "output", "outputs", "pred", "preds", "predictions", "scores", "y_pred"),
        "targets": ("target", "label", "labels", "y", "y_true", "classes", "class_labels"),
    }
    fits = ("multiclass", "binary", "semantic-segmentation")
    expects = ("logits", "probabilities", "log-probabilities")
    any_shape = True
    options: ClassVar = {
        "weight": {
            "type": "floats",
            "default": None,
            "range": (0, None),
            "summary": "how many times a label of each class counts; none counts all alike. A mean over labels divides "
            "by their weights, one over probabilities by their number, as in torch",
        },
        "ignore_index": {
            "type": "int",
            "default": -100,
            "summary": "label that takes no part in value, gradient or mean; of labels only, probabilities have none",
        },
    }
    predicting = 90.0
    sizes = Sizes(second="classes", second_default=1000, usual="512x1000,256x32000")
    learns = "the target's logit over the others"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        logits, targets = inputs
        if not isinstance(logits, Tensor) or logits.dtype not in checks.COMPUTED:
            logits = checks.floating("logits", logits)
        if logits.ndim == 1 and isinstance(targets, Tensor) and targets.ndim == 0:
            # A sample without a dimension of the batch is a batch of one.
            logits, targets = logits.unsqueeze(0), targets.unsqueeze(0)
        if logits.ndim < 2 or logits.shape[1] < 1:
            raise checks.BrokenRule("logits", "have shape (N, C, ...) with at least one class", checks.shape_of(logits))
        positions = logits.shape[:1] + logits.shape[2:]
        if isinstance(targets, Tensor) and targets.dtype == torch.int64 and targets.shape == positions:
            return logits, targets
        if isinstance(targets, Tensor) and targets.is_floating_point() and targets.shape != positions:
            return logits, checks.like("targets", targets, logits, "logits")
        return logits, checks.integers("targets", targets, positions)

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        logits, targets = inputs
        classes = logits.shape[1]
        if targets.is_floating_point():
            checks.require(targets >= 0, "targets", "be probabilities", targets)
            total = targets.sum(1)
            checks.require((total - 1).abs() < 1e-3, "targets", "sum to 1 over the classes", total)
        elif targets.numel():
            smallest, largest = torch.aminmax(targets)
            if smallest.item() < 0 or largest.item() >= classes:
                legal = (targets >= 0) & (targets < classes)
                if context.ignore_index is not None:
                    legal |= targets == context.ignore_index
                checks.require(legal, "targets", f"be labels from 0 to {classes - 1}", targets)
        if context.expects == "probabilities":
            checks.probabilities("logits", logits, context)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape
        return shape[:1] + shape[2:]

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        logits, targets = inputs
        wide = mask.unsqueeze(1)
        alike = 1 / logits.shape[1]
        hidden = torch.where(wide, targets, alike) if targets.is_floating_point() else targets * mask
        return torch.where(wide, logits, alike if context.expects == "probabilities" else 0.0), hidden

    def check_options(self, options: Mapping[str, Any]) -> None:
        _shared.check_class_weights(options.get("weight"))

    def present(self, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Tensor | None:
        targets: Tensor = inputs[1]
        ignored = options.get("ignore_index")
        if targets.is_floating_point():
            _shared.refuse_ignored(ignored, inputs[0], "probabilities")
            return None
        return None if ignored is None else targets != ignored

    def weighed(self, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Weighed:
        logits, targets = inputs
        if options.get("weight") is None:
            return Weighed(inputs)
        weight = _shared.class_weights(options["weight"], logits)
        if not targets.is_floating_point():
            times = weight[targets]
            return Weighed(inputs, times, times)
        drawn = targets * weight.reshape(-1, *[1] * (targets.ndim - 2))
        times = drawn.sum(1)
        some = (times > 0).unsqueeze(1)
        shares = torch.where(some, drawn / torch.where(some, times.unsqueeze(1), 1.0), targets)
        return Weighed((logits, shares), times)

    def example(self, source: Source) -> tuple[Any, ...]:
        classes = source.second or source.classes
        return self.link(source.normal(source.rows, classes), source.expects), source.labels(classes=classes)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        outputs, targets = inputs
        classes = outputs.shape[1]
        hot = F.one_hot(targets, classes).float()
        if expects != "probabilities":
            for label, certain, wrong in _shared.sure(hot, expects):
                yield EdgeCase(label, (certain, targets), wrong)
        alike = {"logits": 0.0, "probabilities": 1 / classes, "log-probabilities": -math.log(classes)}[expects]
        yield EdgeCase("all classes alike", (torch.full_like(outputs, alike), targets))
        if expects == "logits":
            masked = outputs.clone()
            masked[:, -1] = -torch.inf
            yield EdgeCase("a class excluded by -inf", (masked, targets % (classes - 1)))
            yield EdgeCase("every other class excluded by -inf", (torch.where(hot > 0, outputs, -torch.inf), targets))
            yield EdgeCase("logits offset by 1e4", (outputs + 1e4, targets))
        yield EdgeCase("one class only", (outputs, torch.zeros_like(targets)))

    def option_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[OptionCase]:
        outputs, labels = inputs
        every, classes, first = torch.arange(len(labels)), outputs.shape[1], labels == 0
        soft = F.one_hot(labels, classes).to(outputs.dtype)
        weight = [2.0, *[1.0] * (classes - 1)]
        none = {"ignore_index": -100}
        yield OptionCase("labels as probabilities", none, (outputs, soft), none, inputs, every)
        left_out = {"ignore_index": classes + 6}
        gone = torch.where(first.unsqueeze(1), torch.nan, outputs), torch.where(first, classes + 6, labels)
        rest = every[~first]
        yield OptionCase("a label that is ignored is absent", left_out, gone, {}, self.rows_of(inputs, rest), rest)
        twice = torch.cat((every, every[first]))
        doubled = self.rows_of(inputs, twice)
        yield OptionCase("a class that counts twice", {"weight": weight}, inputs, {}, doubled, twice)
        alike = {"weight": weight, **none}, (outputs, soft), {"weight": weight}, inputs, every
        yield OptionCase("labels as probabilities, weighed", *alike, reductions=("sum",))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from _shared.wrong_numbers(inputs, "targets", 1, (("a label of 93", 93), ("a label of -7", -7)))
        yield "targets", "probabilities that do not sum to 1", (inputs[0], torch.full_like(inputs[0], 0.9))
        if expects == "probabilities":
            yield from _shared.wrong_numbers(inputs, "logits", 0, (("a probability of 1.5", 1.5),))

    def rightness(self, logits: Tensor, targets: Tensor) -> Tensor:
        return _shared.contrast(logits, F.one_hot(targets, logits.shape[1]).bool())

    def rows_of(self, inputs: tuple[Any, ...], rows: Any) -> tuple[Any, ...]:
        """A table of rows gives inputs of one more dimension; the classes stay the second one."""
        logits, *rest = super().rows_of(inputs, rows)
        further = isinstance(rows, Tensor) and rows.ndim > 1
        return (logits.movedim(-1, 1) if further else logits), *rest

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"logits": "real"} if expects == "logits" else {}

    def link(self, outputs: Tensor, expects: str) -> Tensor:
        if expects == "logits":
            return outputs
        return F.log_softmax(outputs, 1) if expects == "log-probabilities" else F.softmax(outputs, 1)

    def head(self, width: int, data: Any) -> nn.Module:
        dimensions = data.train.targets.ndim - 1
        return _shared.pixel_head(width, data.classes, dimensions) if dimensions else nn.Linear(width, data.classes)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.outputs, batch.targets
