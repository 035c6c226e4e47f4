"""All rules, in the order in which their failures are best read."""

from __future__ import annotations

from losszoo.errors import UnknownNameError, UsageError, suggest
from losszoo.registry.registry import installed
from losszoo.testing.check import Check
from losszoo.testing.checks import (
    bad_arguments,
    compiling,
    copies,
    learning,
    low_precision,
    made_options,
    masking,
    reductions,
    row_independence,
    values,
)

CHECKS: tuple[Check, ...] = (
    values.check_ordinary_batch,
    values.check_battery,
    values.check_gradcheck,
    values.check_more_dimensions,
    reductions.check_unreduced,
    reductions.check_sum_and_mean,
    reductions.check_weight_two,
    reductions.check_weight_zero,
    reductions.check_micro_batches,
    reductions.check_permutation,
    reductions.check_no_sample,
    row_independence.check_rows_independent,
    masking.check_masked_sample,
    masking.check_masked_element,
    masking.check_nan_under_mask,
    masking.check_everything_masked,
    low_precision.check_half_precision,
    low_precision.check_double,
    low_precision.check_autocast,
    copies.check_inputs_untouched,
    copies.check_strides,
    copies.check_repeatable,
    copies.check_keeps_nothing,
    copies.check_deepcopy,
    copies.check_pickle,
    copies.check_state_dict,
    compiling.check_compile,
    compiling.check_compile_masked,
    learning.check_descent,
    learning.check_learning,
    learning.check_shrinking,
    bad_arguments.check_wrong_shapes,
    bad_arguments.check_wrong_numbers,
    bad_arguments.check_wrong_weights,
    made_options.check_announced_parameters,
    made_options.check_wrong_options,
    made_options.check_legal_options,
    made_options.check_signature_options,
)


def list_checks(signature: str | None = None, tags: tuple[str, ...] = ()) -> tuple[Check, ...]:
    """The rules, or those that concern a loss of a signature with some tags.

    Args:
        signature: of the loss; None for any.
        tags: of the loss.

    Raises:
        UsageError: there is no such signature.

    Example:
        >>> [check.name for check in list_checks("penalty") if "weight" in check.name]
        []
        >>> list_checks()[0].name
        'check_ordinary_batch'
    """
    if signature is None:
        return tuple(check for check in CHECKS if not set(check.without) & set(tags))
    if signature not in installed().signatures:
        near = suggest(signature, list(installed().signatures))
        raise UnknownNameError(f"unknown signature {signature!r}: {near}")
    return tuple(check for check in CHECKS if check.reason_against(signature, tags) is None)


def known_checks(names: object, what: str) -> frozenset[str]:
    """Names of rules, each of which there is.

    Args:
        names: a collection of names.
        what: whose names these are, for the error.

    Raises:
        UsageError: there is no such rule.
    """
    if isinstance(names, str) or not hasattr(names, "__iter__"):
        raise UsageError(f"{what} must hold names of checks, however: {what}={names!r}")
    known = [check.name for check in CHECKS]
    for name in names:
        if name not in known:
            raise UnknownNameError(f"{what}: unknown check {name!r}: {suggest(str(name), known)}")
    return frozenset(names)
