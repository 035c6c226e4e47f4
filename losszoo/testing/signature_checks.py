"""What a signature must do, one function a rule: its example, its edge cases, its masks, and its join to a task."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from losszoo.common.text import in_one_line, kind_name
from losszoo.errors import LosszooError, UsageError
from losszoo.losses.arguments import BrokenRule, CheckContext
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_source import Source
from losszoo.losses.signatures.signature import EdgeCase, Signature
from losszoo.registry.registry import installed
from losszoo.registry.signature_specs import SignatureSpec, spec_of
from losszoo.registry.specs import DOWNLOAD
from losszoo.tasks.make_task import make_task
from losszoo.testing.check import ConformanceError, require
from losszoo.testing.equal import all_equal, in_short
from losszoo.testing.loss_under_test import NotApplicable
from losszoo.testing.signature_options import check_options
from losszoo.testing.suite_report import FAILED, PASSED, SKIPPED, Outcome, Report
from losszoo.training.data.batch_inputs import Batch, Model, Step
from losszoo.training.data.prepared_data import prepare

Rule = Callable[[Signature], None]
_ROWS = 6


def check_signature(signature: str | type[Signature] | Signature) -> Report:
    """Run every rule of a signature.

    Args:
        signature: a name, or a class of your own that need not be registered.

    Returns:
        Which rules hold, and which do not concern it and why.

    Raises:
        ConformanceError: names every broken rule, with what came instead and the next step.
        UsageError: there is no such signature, or it cannot be made.

    Example:
        >>> print(check_signature("triplet"))
        triplet: 9 passed, 3 skipped
    """
    rules = _made(signature)
    outcomes = tuple(_outcome(rule, rules) for rule in RULES)
    report = Report(rules.name or type(rules).__name__, outcomes)
    report.raise_failures()
    return report


def signature_faults(name: str) -> list[str]:
    """What is wrong with an installed signature that can be loaded; one entry for each broken rule."""
    return [one.reason for rule in RULES if (one := _outcome(rule, TABLE[name])).status == FAILED]


def _made(signature: Any) -> Signature:
    if isinstance(signature, str):
        return TABLE[signature]
    if not (isinstance(signature, Signature) or (inspect.isclass(signature) and issubclass(signature, Signature))):
        raise UsageError(f"signature must be a name or a losszoo.Signature, got {signature!r}")
    lacking = sorted(getattr(signature, "__abstractmethods__", ()))
    if lacking:
        raise ConformanceError(f"{signature!r} must define {', '.join(lacking)}, got no such method")
    return signature() if inspect.isclass(signature) else signature


def _outcome(rule: Rule, signature: Signature) -> Outcome:
    name = rule.__name__
    text = (rule.__doc__ or "").splitlines()[0]
    try:
        rule(signature)
    except NotApplicable as why:
        return Outcome(name, SKIPPED, str(why))
    except (ConformanceError, LosszooError, BrokenRule) as error:
        return Outcome(name, FAILED, f"{name}[{signature.name}]: {error}")
    except (Exception, SystemExit) as error:  # whatever the author's code raises is an answer too
        return Outcome(name, FAILED, f"{name}[{signature.name}]: {text} Got {in_one_line(error)}")
    return Outcome(name, PASSED)


def check_attributes(signature: Signature) -> None:
    """Names are kebab-case or Python names, and given, shared, synonyms and expects speak of the arguments."""
    spec_of(signature, SignatureSpec)
    names = signature.names
    require(bool(signature.trained), "some argument must be trained", f"given={signature.given!r}", "shorten given")
    for attribute in ("given", "shared", "synonyms"):
        strange = [name for name in getattr(signature, attribute) if name not in names]
        require(not strange, f"{attribute} must be among {', '.join(names)}", ", ".join(strange), "correct the name")
    for argument, others in signature.synonyms.items():
        is_tuple = isinstance(others, tuple | list) and all(isinstance(name, str) for name in others)
        require(
            is_tuple,
            f"synonyms of {argument} must be a tuple of names",
            f"{others!r}",
            "write ('name',) with the comma",
        )
        taken = [name for name in others if name in names]
        advice = "leave out the names of arguments"
        require(not taken, f"synonyms of {argument} must be other names than the arguments", ", ".join(taken), advice)


def check_example(signature: Signature) -> None:
    """An example of any size is accepted by its own check, in the dtype that was asked for, and is repeatable."""
    for expects in signature.expects:
        for how in ({}, {"rows": 1}, {"rows": 11, "seed": 1}, {"dtype": torch.float64}, {"measured": True, "rows": 9}):
            source: dict[str, Any] = {"rows": _ROWS, **how, "expects": expects}
            inputs = _example(signature, **source)
            _check_accepted(signature, inputs, expects, f"the example of {how or 'the usual size'}")
            for place in signature.trained:
                _check_trained(signature.names[place], inputs[place], source.get("dtype", torch.float32))
            for place in signature.per_sample if not signature.on_parameters else ():
                if place < len(inputs) and isinstance(inputs[place], Tensor):
                    came, name = f"{tuple(inputs[place].shape)}", signature.names[place]
                    alike = inputs[place].shape[:1] == (source["rows"],)
                    advice = "draw source.rows of them, or name it in shared"
                    require(alike, f"{name} must have {source['rows']} rows in the example", came, advice)
            again = _example(signature, **source)
            require(
                all_equal(inputs, again),
                "the same seed must give the same example",
                "a different one",
                "draw from source only",
            )


def _check_trained(name: str, value: Any, dtype: torch.dtype) -> None:
    for x in tree_leaves(value):
        floating = isinstance(x, Tensor) and x.is_floating_point()
        came = f"{x.dtype}" if isinstance(x, Tensor) else kind_name(x)
        advice = "name it in given, or draw it by source.normal"
        require(floating and x.dtype == dtype, f"{name} is trained and must be of {dtype}", came, advice)
        finite = bool(x.isfinite().all())
        require(finite, f"{name} must be finite in the example", "NaN or infinity", "keep the example moderate")


def check_edge_cases(signature: Signature) -> None:
    """Every edge case has a label, is accepted by its own check, and holds no NaN."""
    for expects in signature.expects:
        for case in _edge_cases(signature, expects):
            labelled, advice = isinstance(case.label, str) and bool(case.label), "say in a few words what it tries"
            require(labelled, "label of an edge case must be a text that is not empty", f"{case.label!r}", advice)
            _check_accepted(signature, case.inputs, expects, f"the edge case {case.label!r}")
            known = not any(bool(x.isnan().any()) for x in _tensors(case.inputs) if x.is_floating_point())
            require(known, f"the edge case {case.label!r} must hold no NaN", "one", "a NaN is no legal input")


def check_rows_of(signature: Signature) -> None:
    """One sample, none, and all in another order are accepted by its own check."""
    _needs_samples(signature)
    for expects in signature.expects:
        inputs = _example(signature, rows=_ROWS, expects=expects)
        for what, rows in {
            "one sample": slice(1),
            "no sample": slice(0),
            "the samples in another order": torch.arange(_ROWS - 1, -1, -1),
        }.items():
            _check_accepted(signature, tuple(signature.rows_of(inputs, rows)), expects, what)


def check_hide(signature: Signature) -> None:
    """What is hidden makes no difference, is harmless, and what is not hidden stays."""
    _needs_samples(signature)
    for expects in signature.expects:
        context = CheckContext(expects)
        inputs = signature.check(_example(signature, rows=_ROWS, expects=expects), context)
        shape = signature.element_shape(inputs)
        mask = (torch.arange(shape.numel()) % 3 != 2).reshape(shape)
        hidden = signature.hide(inputs, mask, context)
        _check_accepted(signature, hidden, expects, "the inputs with some elements hidden")
        spoilt = tuple(_spoilt(signature, place, x, mask) for place, x in enumerate(inputs))
        same = all_equal(hidden, signature.hide(spoilt, mask, context))
        require(same, "masked elements must make no difference", "a NaN that still counts", "hide it with torch.where")
        whole = signature.hide(inputs, torch.ones_like(mask), context)
        require(
            all_equal(inputs, whole),
            "elements that are not masked must stay",
            "changed ones",
            "change nothing where the mask is True",
        )


def _spoilt(signature: Signature, place: int, x: Any, mask: Tensor) -> Any:
    """NaN under the mask, in what has one row per sample and is trained."""
    if place not in signature.trained or place not in signature.per_sample or x.ndim < mask.ndim:
        return x
    return torch.where(mask.reshape((*mask.shape, *[1] * (x.ndim - mask.ndim))), x, torch.nan)


def check_refusals(signature: Signature) -> None:
    """Wrong shapes and numbers are refused by the name of their argument."""
    for expects in signature.expects:
        inputs = _example(signature, rows=_ROWS, expects=expects)
        for kind, cases in {
            "shape": signature.misshapen(inputs),
            "number": signature.illegal_values(inputs, expects),
        }.items():
            for name, what, wrong in cases:
                advice = f"raise checks.BrokenRule({name!r}, rule, what came) in check or check_values"
                rule = f"{name} ({what}) must be refused by its name: a wrong {kind}"
                try:
                    _accepted(signature, wrong, expects)
                except BrokenRule as error:
                    require(error.argument == name, rule, f"the error {error}", advice)
                except Exception as error:  # what a check without this rule raises, somewhere inside
                    require(False, rule, f"the error {in_one_line(error)}", advice)
                else:
                    require(False, rule, "no error", advice)


def check_empty(signature: Signature) -> None:
    """The shape of its elements is one, and that of no sample is empty."""
    example = signature.bind(_example(signature, rows=_ROWS), {})  # with None for what was left out
    inputs = signature.check(example, CheckContext(signature.expects[0]))
    shape = signature.element_shape(inputs)
    is_size = isinstance(shape, torch.Size)
    require(is_size, "element_shape must be a torch.Size", f"{shape!r}", "take tensor.shape, or a slice of it")
    advice = "return whether there is no sample"
    require(not signature.is_empty(inputs), "is_empty must be False for an ordinary batch", "True", advice)
    if not signature.on_parameters:
        nothing = signature.rows_of(inputs, slice(0))
        require(signature.is_empty(nothing), "is_empty must be True for a batch without samples", "False", advice)


def check_rightness(signature: Signature) -> None:
    """How right an ordinary prediction is, is one finite number."""
    if not signature.learns:
        raise NotApplicable("it does not say what training must raise")
    value = signature.rightness(*_example(signature, rows=12, seed=1))
    is_number = isinstance(value, Tensor) and value.ndim == 0 and bool(value.isfinite())
    require(is_number, "rightness must be a tensor of one finite number", f"{value!r}", "take a mean")


def check_link(signature: Signature) -> None:
    """The outputs of a head become what a loss expects, and keep their shape."""
    if not signature.has_head:
        raise NotApplicable("it has no head")
    outputs = torch.randn(_ROWS, 3, generator=torch.Generator().manual_seed(0))
    for expects in signature.expects:
        linked = signature.link(outputs, expects)
        require(
            linked.shape == outputs.shape,
            f"link must keep the shape {tuple(outputs.shape)}",
            f"{tuple(linked.shape)}",
            "compute it elementwise, or over a dimension that stays",
        )
        inside = {
            "logits": True,
            "probabilities": bool(((linked >= 0) & (linked <= 1)).all()),
            "log-probabilities": bool((linked <= 0).all()),
        }[expects]
        advice = "end with a sigmoid or softmax, or its logarithm, or leave it out of expects"
        require(inside, f"link must give {expects}", in_short(linked), advice)


def check_pairs(signature: Signature) -> None:
    """Its pairs have one label for each row and each candidate."""
    if not signature.forms_pairs:
        raise NotApplicable("it forms no pairs")
    found = signature.pairs(signature.check(_example(signature, rows=_ROWS), CheckContext()))
    rows, advice = len(found.rows), "compare the shapes that pairs gives to PairedRows"
    labels = len(found.row_labels)
    require(labels == rows, "row_labels must be one for each row", f"{labels} for {rows} rows", advice)
    if found.columns is not None:
        labelled = found.column_labels is not None and len(found.column_labels) == len(found.columns)
        require(labelled, "column_labels must be one for each candidate", f"{found.column_labels!r}", advice)
    if found.own is not None:
        own = len(found.own)
        require(own == rows, "own must be one index for each row", f"{own} for {rows} rows", advice)


def check_training(signature: Signature) -> None:
    """On a task of each kind that it fits, head, loss inputs and prediction are what a loss and the metrics take."""
    kinds = [name for name in installed().kinds if installed().fits(signature.name, name) or name in signature.fits]
    tasks = [task for task in installed().tasks.values() if DOWNLOAD not in task.tags]
    chosen = [next((task for task in tasks if task.kind == kind), None) for kind in kinds]
    joined = [task for task in chosen if task is not None]
    if not joined:
        raise NotApplicable("no task of a kind that it fits is installed")
    for task in joined:
        _check_joined(signature, make_task(task.name, {}), task.name)


def _check_joined(signature: Signature, task: Any, name: str) -> None:
    data = prepare(task, 0, torch.device("cpu"))
    kind = installed().kind(data.kind)
    inputs, targets = data.train.inputs, data.train.targets
    # Features are the numbers of a row; where each place has a target, as of masks and of labels, those of each place.
    places = inputs.shape[2:]
    maps = bool(places) and targets.shape[-len(places) :] == places
    trunk, width = (nn.Identity(), inputs.shape[1]) if maps else (nn.Flatten(), inputs[0].numel())
    head = signature.head(width, data)
    is_module = head is None or isinstance(head, nn.Module)
    require(is_module, "head must be a module or None", kind_name(head), "return an nn.Module")
    model = Model(trunk, {} if head is None else {signature.name: head})
    rows = torch.arange(min(24, len(data.train)))
    for expects in signature.expects:
        step = Step(model, task, data, rows, 0.5, torch.Generator().manual_seed(0))
        loss_inputs = signature.loss_inputs(Batch(step, signature, expects))
        _check_accepted(signature, tuple(loss_inputs), expects, f"loss_inputs on {name}")
        if head is not None:
            with torch.no_grad():
                outputs = signature.link(head(trunk(data.test.inputs)), expects)
                scores = kind.score(signature.predict(outputs, data), data.test.targets, data, expects)
            came = f"{scores!r}"
            named = isinstance(scores, dict) and tuple(scores) == kind.metrics
            require(named, f"predict must give what the metrics of {kind.name} take", came, "compare shapes")
            if kind.target_type:
                answers = kind.answers(signature.predict(outputs, data), data.test.targets, data, expects)
                whole = {"targets", "predict"} <= set(answers)
                require(whole, f"answers of {kind.name} must hold targets and predict", f"{[*answers]}", "add them")
            numbers = all(isinstance(value, float) and not math.isinf(value) for value in scores.values())
            require(numbers, f"the metrics of {kind.name} must be floating numbers", came, "convert them by float(...)")


RULES: Sequence[Rule] = (
    check_attributes,
    check_example,
    check_edge_cases,
    check_rows_of,
    check_hide,
    check_refusals,
    check_empty,
    check_rightness,
    check_link,
    check_pairs,
    check_options,
    check_training,
)


def _needs_samples(signature: Signature) -> None:
    if signature.on_parameters:
        raise NotApplicable("it has no samples")


def _example(signature: Signature, **how: Any) -> tuple[Any, ...]:
    """An example, which has an entry for every argument."""
    inputs = signature.example(Source(**{"expects": signature.expects[0], **how}))
    is_tuple = isinstance(inputs, tuple) and len(signature.arguments) <= len(inputs) <= len(signature.names)
    rule = f"example must return a tuple of {', '.join(signature.names)}"
    require(is_tuple, rule, _size_of(inputs), "return one tensor for each argument")
    return inputs


def _edge_cases(signature: Signature, expects: str) -> Iterator[EdgeCase]:
    for case in signature.edge_cases(_example(signature, rows=_ROWS, expects=expects), expects):
        is_case = isinstance(case, tuple) and len(case) in (2, 3)
        require(is_case, "edge_cases must yield (label, inputs)", f"{case!r}", "yield a pair, or a losszoo.EdgeCase")
        yield EdgeCase(*case)


def _accepted(signature: Signature, inputs: tuple[Any, ...], expects: str) -> tuple[Any, ...]:
    context = CheckContext(expects)
    checked = signature.check(signature.bind(inputs, {}), context)
    signature.check_values(checked, context)
    return checked


def _check_accepted(signature: Signature, inputs: tuple[Any, ...], expects: str, what: str) -> None:
    try:
        checked = _accepted(signature, inputs, expects)
    except BrokenRule as error:
        rule = f"{what} must be accepted by its own check"
        raise ConformanceError(f"{rule}, got the error {error}; make example and check agree") from error
    is_tuple = isinstance(checked, tuple) and len(checked) == len(signature.names)
    rule = f"check must return a tuple of {', '.join(signature.names)}"
    require(is_tuple, rule, _size_of(checked), "return every argument")


def _size_of(value: Any) -> str:
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else kind_name(value)


def _tensors(inputs: tuple[Any, ...]) -> list[Tensor]:
    return [x for x in tree_leaves(inputs) if isinstance(x, Tensor)]
