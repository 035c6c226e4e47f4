"""Row functions: the value of a row does not depend on the rows beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from losszoo.losses.arguments import CheckContext
from losszoo.losses.reduction import Policy
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import Batch
from losszoo.pairs.pairwise_loss import PairwiseLoss
from losszoo.pairs.row_functions import contract_of
from losszoo.testing.check import check
from losszoo.testing.equal import agree
from losszoo.testing.loss_under_test import NotApplicable, Subject
from losszoo.testing.ordinary_inputs import changed, rows_of

_ADVICE = "take sums, sorts and softmaxes over dimension 1 only: blocks of rows come in any size and order"
# Each row alone, all the other way round, and some of them.
_PARTS = ([0], [1], [2], [3], [4], [5], [5, 4, 3, 2, 1, 0], [1, 2, 4])


@check(concerns=lambda signature: signature.forms_pairs, because="it is no loss over pairs")
def check_rows_independent(subject: Subject) -> None:
    """A row function gives a row the same value whichever rows stand beside it, in whatever order."""
    loss = subject.make("none")
    if not isinstance(loss, PairwiseLoss):
        raise NotApplicable("it is no row function")
    against = _against_candidates(loss)
    for inputs in _batches(loss, subject.batch()):
        among_all = against(*inputs)
        for part in _PARTS:
            rows = torch.tensor(part)
            found = against(*rows_of(inputs, rows, against.signature))
            agree("the values of some rows", found, "those of the same rows among others", among_all[rows], _ADVICE)


def _against_candidates(loss: PairwiseLoss) -> PairwiseLoss:
    """The same row function of queries against candidates, where rows can be absent and yet be candidates."""
    against = next((name for name, rules in TABLE.items() if rules.forms_pairs and rules.draws_candidates), None)
    if against is None:
        raise NotApplicable("no signature of queries against candidates is installed")
    params = {key: value for key, value in loss.identity.params.items() if key != "symmetric"}
    identity = replace(loss.identity, signature=against, params=params)
    return PairwiseLoss(loss.function, identity, Policy("none"), loss.validate, loss.streaming, loss.relation)


def _batches(loss: PairwiseLoss, inputs: Batch) -> Iterator[Batch]:
    """The batch as queries and candidates, and again with numbers for labels where the loss takes them."""
    found = loss.rules.pairs(loss.rules.check(inputs, CheckContext(loss.identity.expects)))
    places = torch.arange(found.rows.shape[0])
    if found.columns is None:
        inputs = found.rows, found.row_labels, found.rows, found.row_labels, places
    else:
        own = torch.full_like(places, -1) if found.own is None else found.own
        inputs = found.rows, found.row_labels, found.columns, found.column_labels, own
    yield inputs
    if contract_of(loss.function).numbers is not None:
        yield changed(inputs, lambda targets: targets.to(inputs[0].dtype), (1, 3))
