"""A loss for the Trainer of transformers. Nothing of transformers is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import kind_name
from losszoo.creation import create
from losszoo.errors import NotApplicableError, UsageError
from losszoo.losses.sums.leaves import leaves
from losszoo.losses.sums.sum_loss import SumLoss, Summable

# What the Trainer counts no label of.
IGNORED = -100
# Parts of the names of outputs whose labels are the tokens themselves, one place later; and of such in their place.
_SHIFTED = ("CausalLM",)
_IN_PLACE = ("MaskedLM", "Seq2Seq", "TokenClassifier", "SequenceClassifier", "ImageClassifier", "Segmenter")


def hf_loss(
    loss: str | Callable[..., Any], *, shift: bool | None = None, output: str = "logits", **options: Any
) -> HuggingFaceLoss:
    """A loss as ``transformers.Trainer(..., compute_loss_func=...)`` calls it.

    The mean divides by the number of labels that the Trainer has counted in all batches of the step, on all devices
    (``num_items_in_batch``); class weights do not change it. Labels of -100 take no part, where the loss is one of
    labels. Cross-entropy gives what the Trainer computes without ``compute_loss_func``.

    Args:
        loss: as in :func:`losszoo.create`. One that learns parameters is made first, and held by the model too: the
            Trainer's optimizer gets the parameters of the model, and no others.
        shift: whether the labels are the tokens of the input, so that each is predicted one place before, as in a
            causal language model. None: told by the class of the model's outputs, and refused where that does not say.
        output: what of the model's outputs the loss is given, such as "logits" or "pooler_output".
        options: of :func:`losszoo.create`, hyperparameters among them.

    Returns:
        ``f(outputs, labels, num_items_in_batch=None)``. Its ``loss`` is the loss itself.

    Raises:
        UsageError: the loss learns parameters that no optimizer gets, or what :func:`losszoo.create` refuses.

    Example:
        >>> function = hf_loss("softmax-focal", gamma=1.0)
        >>> outputs = {"logits": torch.zeros(2, 2)}
        >>> function(outputs, torch.tensor([0, 1]), num_items_in_batch=4)     # log(2) / 2 of each, over 4
        tensor(0.1733)
    """
    made = create(loss, **options)
    learned = [name for name, parameter in made.named_parameters() if parameter.requires_grad]
    if learned and not isinstance(loss, Summable):
        raise UsageError(
            f"a loss of the Trainer must learn nothing by itself, got {loss!r} with {', '.join(learned)}, which no "
            "optimizer gets: model.loss = losszoo.create(...), then losszoo.hf_loss(model.loss)"
        )
    return HuggingFaceLoss(made, shift, output)


class HuggingFaceLoss:
    """What :func:`losszoo.hf_loss` returns.

    Args:
        loss: of the zoo.
        shift: as in :func:`losszoo.hf_loss`.
        output: as there.

    Attributes:
        on_value: called with the value of each batch that is trained on; None: nothing is.
    """

    on_value: Callable[[Tensor], None] | None = None

    def __init__(self, loss: Any, shift: bool | None = None, output: str = "logits") -> None:
        self.loss, self.shift, self.output = loss, shift, output
        self._leaves = [leaf for leaf in leaves(loss) if not leaf.rules.on_parameters]
        self._adds_up: bool | None = None
        for leaf in self._leaves:
            if "ignore_index" in leaf.parameter_names:
                _ignore(leaf)

    def __call__(self, outputs: Any, labels: Tensor | None, num_items_in_batch: Any = None) -> Tensor:
        """The loss of a batch, as its share of the step.

        Args:
            outputs: of the model.
            labels: as the Trainer has taken them out of the batch.
            num_items_in_batch: labels of the whole step; None for a batch by itself.
        """
        if labels is None:
            raise UsageError(
                "a batch must hold labels for compute_loss_func, got none; name the column 'labels', or its name in "
                "TrainingArguments(label_names=[...])"
            )
        rows = self._chosen(outputs)
        labels = labels.to(rows.device)
        items = _items(num_items_in_batch)
        whole = labels
        if self._shifts(outputs, rows, labels):
            # The last place predicts a token that is not there.
            labels = torch.nn.functional.pad(labels, (0, 1), value=IGNORED)[..., 1:]
        inputs = self._aligned(rows, labels)
        how: dict[str, Any] = {}
        if self._by_element and not labels.is_floating_point():
            how["mask"] = inputs[1] != IGNORED
            inputs = inputs[0], torch.where(how["mask"], inputs[1], 0)
        if items is not None and self._sums(inputs):
            how["denominator"] = self._denominator(items)
        elif items is not None:
            self._check_whole(items, whole, labels)
        value: Tensor = self.loss(*inputs, **how)
        if self.on_value is not None and value.requires_grad:
            self.on_value(value.detach())
        return value

    @property
    def _by_element(self) -> bool:
        """Whether labels are numbers, one for each prediction, and not classes, of which one can be ignored."""
        return any(leaf.rules.any_shape and "ignore_index" not in leaf.parameter_names for leaf in self._leaves)

    def _chosen(self, outputs: Any) -> Tensor:
        held = outputs.get(self.output) if isinstance(outputs, Mapping) else getattr(outputs, self.output, None)
        if not isinstance(held, Tensor):
            names = ", ".join(outputs) if isinstance(outputs, Mapping) else kind_name(outputs)
            raise UsageError(
                f"output must be a tensor of the model's outputs, got {self.output!r} of {names}; "
                "losszoo.hf_loss(..., output='...') names one"
            )
        return held

    def _shifts(self, outputs: Any, rows: Tensor, labels: Tensor) -> bool:
        """Whether the labels of tokens stand one place too far right."""
        if self.shift is not None:
            return self.shift
        name = type(outputs).__name__
        told = [word for word in (*_SHIFTED, *_IN_PLACE) if word in name]
        if told or labels.ndim != 2 or rows.ndim != 3:
            return any(word in _SHIFTED for word in told)
        raise UsageError(
            f"shift must be given where the outputs do not tell it, got {kind_name(outputs)}: losszoo.hf_loss(..., "
            "shift=True) for labels that are the tokens of the input (a causal language model), shift=False for labels "
            "of the tokens"
        )

    def _aligned(self, rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Classes stand in the last dimension in transformers, in the second one in torch; and one class has one."""
        if labels.shape == rows.shape[:-1] and rows.shape[-1] == 1 and self._by_element:
            return rows.squeeze(-1), labels
        if labels.ndim == 2 and rows.ndim == 3 and not self._by_element:
            return rows.flatten(0, 1), labels.flatten()
        return rows, labels

    def _sums(self, inputs: tuple[Tensor, ...]) -> bool:
        """Whether the values of parts of a step add up to that of the whole; tried once, on the first batch."""
        if self._adds_up is None:
            combined = any(isinstance(part, SumLoss) and part.combiner is not None for part in self.loss.modules())
            each = (not leaf.rules.rows_interact and leaf.adds_up(*inputs) for leaf in self._leaves)
            self._adds_up = not combined and all(each)
        return self._adds_up

    def _denominator(self, items: float | Tensor) -> Any:
        """In a sum every term of the data has its own."""
        if not isinstance(self.loss, SumLoss):
            return items
        return {term.label: items for term in self.loss.terms if not term.loss.rules.on_parameters}

    def _check_whole(self, items: float | Tensor, labels: Tensor, shifted: Tensor) -> None:
        """A loss that is no sum over labels is right for a step of one batch on one device, and for no other.

        Of some language models the Trainer also counts the first token, which nothing predicts.
        """
        here = labels.ne(IGNORED).sum().item()
        if float(items) not in (here, shifted.ne(IGNORED).sum().item()):
            names = " + ".join(str(leaf.identity) for leaf in self._leaves)
            raise NotApplicableError(
                f"{names}: a step must be one batch on one device, as this loss is no sum over labels, got a batch of "
                f"{here} labels of {float(items):g}; set gradient_accumulation_steps=1, and take larger batches"
            )


def _ignore(leaf: Any) -> None:
    if leaf.ignore_index not in (None, IGNORED):
        raise UsageError(
            f"{leaf.identity.name}: ignore_index must be {IGNORED} under the Trainer, which counts the others, got "
            f"{leaf.ignore_index}; leave it out, and set labels to {IGNORED}"
        )
    leaf.ignore_index = IGNORED


def _items(counted: Any) -> float | Tensor | None:
    if isinstance(counted, Tensor) and counted.numel() != 1:
        raise UsageError(
            f"num_items_in_batch must be one number, got {counted.numel()}: under torch.nn.DataParallel the Trainer "
            "would scale the loss by the number of devices; start one process for each device (torchrun), or set "
            "CUDA_VISIBLE_DEVICES to one"
        )
    return counted.reshape(()) if isinstance(counted, Tensor) else counted
