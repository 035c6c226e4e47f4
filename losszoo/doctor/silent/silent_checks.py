"""Every check for a silent fault, in the order in which they run on the ordinary input."""

from __future__ import annotations

from collections.abc import Callable

from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.silent.activation_twice import look_for_misuse
from losszoo.doctor.silent.answers.flat_answer import look_for_flat_answers
from losszoo.doctor.silent.answers.lost_sign import look_for_lost_signs
from losszoo.doctor.silent.answers.unbounded import look_for_unbounded
from losszoo.doctor.silent.batches.batch_softmax import look_for_softmax_over_batch
from losszoo.doctor.silent.batches.diluted_mean import look_for_diluted_means
from losszoo.doctor.silent.batches.early_mean import look_for_early_means
from losszoo.doctor.silent.batches.fixed_batch import look_for_fixed_batch
from losszoo.doctor.silent.driven_exponential import look_for_driven_exponentials
from losszoo.doctor.silent.driven_parameters import look_for_driven_parameters
from losszoo.doctor.silent.gradients.dead_rectifier import look_for_dead_rectifiers
from losszoo.doctor.silent.gradients.lone_class import look_for_lone_classes
from losszoo.doctor.silent.gradients.lost_term import look_for_lost_terms
from losszoo.doctor.silent.gradients.no_gradient import look_for_no_gradient
from losszoo.doctor.silent.gradients.saturated_fusion import look_for_saturated_fusion
from losszoo.doctor.silent.gradients.swallowed_batch import look_for_swallowed_batches
from losszoo.doctor.silent.gradients.untrained_network import look_for_untrained_networks
from losszoo.doctor.silent.gradients.wrong_backward import look_for_wrong_backward
from losszoo.doctor.silent.lost_pairing import look_for_lost_pairing
from losszoo.doctor.silent.written_inputs import look_for_written_inputs
from losszoo.doctor.subject.subject import Subject

# A check adds failures (``search.add``) or notes (``search.note``) about a subject. It computes in float32.
Check = Callable[[Subject, Search], None]

CHECKS: tuple[Check, ...] = (
    look_for_no_gradient,
    look_for_lone_classes,
    look_for_lost_terms,
    look_for_untrained_networks,
    look_for_swallowed_batches,
    look_for_lost_pairing,
    look_for_misuse,
    look_for_saturated_fusion,
    look_for_written_inputs,
    look_for_unbounded,
    look_for_flat_answers,
    look_for_lost_signs,
    look_for_softmax_over_batch,
    look_for_early_means,
    look_for_diluted_means,
    look_for_fixed_batch,
    look_for_driven_parameters,
    look_for_driven_exponentials,
    look_for_dead_rectifiers,
    look_for_wrong_backward,
)
