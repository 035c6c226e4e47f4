"""The conformance suite: what a loss of the zoo must do, to be run on a loss of one's own.

``check_loss`` runs it in a script, ``parametrize_losses`` makes pytest run it; only the latter needs pytest. Every
``check_*`` is one rule, and can be called on a loss by itself.
"""

from losszoo.testing.check import Check, ConformanceError
from losszoo.testing.checks.bad_arguments import check_wrong_numbers, check_wrong_shapes, check_wrong_weights
from losszoo.testing.checks.compiling import check_compile, check_compile_masked
from losszoo.testing.checks.copies import (
    check_deepcopy,
    check_inputs_untouched,
    check_keeps_nothing,
    check_pickle,
    check_repeatable,
    check_state_dict,
    check_strides,
)
from losszoo.testing.checks.learning import check_descent, check_learning, check_shrinking
from losszoo.testing.checks.low_precision import check_autocast, check_double, check_half_precision
from losszoo.testing.checks.made_options import (
    check_announced_parameters,
    check_legal_options,
    check_signature_options,
    check_wrong_options,
)
from losszoo.testing.checks.masking import (
    check_everything_masked,
    check_masked_element,
    check_masked_sample,
    check_nan_under_mask,
)
from losszoo.testing.checks.reductions import (
    check_micro_batches,
    check_no_sample,
    check_permutation,
    check_sum_and_mean,
    check_unreduced,
    check_weight_two,
    check_weight_zero,
)
from losszoo.testing.checks.row_independence import check_rows_independent
from losszoo.testing.checks.values import check_battery, check_gradcheck, check_more_dimensions, check_ordinary_batch
from losszoo.testing.front_doors import check_loss, parametrize_losses
from losszoo.testing.loss_under_test import NotApplicable, Subject, subject_of
from losszoo.testing.signature_checks import check_signature
from losszoo.testing.suite import list_checks
from losszoo.testing.suite_report import Outcome, Report

__all__ = [
    "Check",
    "ConformanceError",
    "NotApplicable",
    "Outcome",
    "Report",
    "Subject",
    "check_announced_parameters",
    "check_autocast",
    "check_battery",
    "check_compile",
    "check_compile_masked",
    "check_deepcopy",
    "check_descent",
    "check_double",
    "check_everything_masked",
    "check_gradcheck",
    "check_half_precision",
    "check_inputs_untouched",
    "check_keeps_nothing",
    "check_learning",
    "check_legal_options",
    "check_loss",
    "check_masked_element",
    "check_masked_sample",
    "check_micro_batches",
    "check_more_dimensions",
    "check_nan_under_mask",
    "check_no_sample",
    "check_ordinary_batch",
    "check_permutation",
    "check_pickle",
    "check_repeatable",
    "check_rows_independent",
    "check_shrinking",
    "check_signature",
    "check_signature_options",
    "check_state_dict",
    "check_strides",
    "check_sum_and_mean",
    "check_unreduced",
    "check_weight_two",
    "check_weight_zero",
    "check_wrong_numbers",
    "check_wrong_options",
    "check_wrong_shapes",
    "check_wrong_weights",
    "list_checks",
    "parametrize_losses",
    "subject_of",
]
