"""Every check for a silent fault, in the order in which they run on the ordinary input."""

from __future__ import annotations

from collections.abc import Callable

from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.silent.lost_term import look_for_lost_terms
from losszoo.doctor.silent.no_gradient import look_for_no_gradient
from losszoo.doctor.silent.swallowed_batch import look_for_swallowed_batches
from losszoo.doctor.silent.untrained_network import look_for_untrained_networks
from losszoo.doctor.subject.subject import Subject

# A check adds failures (``search.add``) or notes (``search.note``) about a subject. It computes in float32.
Check = Callable[[Subject, Search], None]

CHECKS: tuple[Check, ...] = (
    look_for_no_gradient,
    look_for_lost_terms,
    look_for_untrained_networks,
    look_for_swallowed_batches,
)
