"""Every peer computes what the zoo computes: float64, on inputs of the bench, at default and other parameters."""

from __future__ import annotations

import warnings

import pytest
import torch

import losszoo
from losszoo.bench.agreement import Agreement, agreement_of
from losszoo.bench.contender import ZOO, Side, function_of
from losszoo.bench.peers import NoAnswerError, Peer, every_peer, peer_of
from losszoo.bench.subjects import subject_of
from losszoo.bench.workload import Size, Workload
from losszoo.bench.workload_inputs import make_inputs
from losszoo.errors import UsageError

OTHERWISE = (
    'nca(similarity="cosine", temperature=0.2)',
    'nca(similarity="dot", temperature=8)',
    'nca(similarity="euclidean")',
    "info-nce(symmetric=true)",
    'triplet-all(average="nonzero", margin=0.3)',
    "focal(alpha=0.25, gamma=1.5)",
    "entmax(alpha=2)",
    "entmax(alpha=1.25)",
    "elastic-net(l1_ratio=0.2)",
    'smoothness(activation="sigmoid")',
    "huber(delta=0.3)",
    "cross-entropy(label_smoothing=0.1)",
)
# A weight of its own cannot be a peer's too.
ALONE = ("linear-cross-entropy",)
LOSSES = [
    spec.name
    for spec in losszoo.list_losses(plugin="losszoo")
    if "combiner" not in spec.tags and spec.name not in ALONE
]


def cases() -> list[tuple[str, str]]:
    """Every loss with every peer that may answer for it, installed or not."""
    subjects = [subject_of(text) for text in (*LOSSES, *OTHERWISE)]
    return [(s.text, peer.name) for s in subjects for peer in every_peer() if peer.refusal(s.loss, s.given) is None]


def workload_of(text: str) -> Workload:
    size = Size(12, 20) if subject_of(text).signature == "multiclass" else Size(40)
    return subject_of(text).workload(size, 8, 4, dtype="float64")


@pytest.mark.parametrize(("loss", "name"), cases())
def test_a_peer_computes_the_same(loss: str, name: str) -> None:
    if peer_of(name).version is None:
        pytest.skip(f"{peer_of(name).distribution} is not installed")
    workload = workload_of(loss)
    inputs, leaves = make_inputs(workload)
    values, gradients = [], []
    for side_name in (ZOO, name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a peer warns of itself
            try:
                side = Side(function_of(side_name, workload), inputs, leaves)
            except NoAnswerError as error:
                pytest.skip(str(error))
            side.step()
        values.append(side.value)
        gradients.append(side.gradients())
    agreement = agreement_of((values[0], values[1]), (gradients[0], gradients[1]), "float64")
    assert agreement.agrees, agreement


def test_every_dense_formula_is_of_a_loss() -> None:
    assert set(peer_of("dense").losses) <= set(LOSSES) | set(ALONE)


@pytest.mark.parametrize(
    ("peer", "loss", "given", "reason"),
    [
        ("pml", "contrastive", {}, "pml computes something else for contrastive: its loss of a pair"),
        ("pml", "focal", {}, "pml has no focal"),
        (
            "dense",
            "cross-entropy",
            {"label_smoothing": 0.1},
            "dense has no counterpart of cross-entropy's label_smoothing",
        ),
    ],
)
def test_a_peer_says_why_it_does_not_answer(peer: str, loss: str, given: dict[str, float], reason: str) -> None:
    assert (peer_of(peer).refusal(loss, given) or "").startswith(reason)
    with pytest.raises(NoAnswerError, match=reason):
        peer_of(peer).answer(loss, {}, given)


def test_dense_solves_entmax_at_two_places_alone() -> None:
    with pytest.raises(NoAnswerError, match=r"alpha=1\.5 and 2 alone, got 1\.3"):
        peer_of("dense").answer("entmax", {"alpha": 1.3}, {"alpha": 1.3})


def test_unknown_and_uncallable_peers() -> None:
    with pytest.raises(UsageError, match="unknown peer 'pmI': did you mean pml"):
        peer_of("pmI")
    with pytest.raises(UsageError, match=r"a peer must be callable, got math:pi, a float"):
        peer_of("math:pi")


def test_a_peer_that_is_not_installed_has_no_version() -> None:
    assert Peer("ghost", "no-such-distribution").version is None


@pytest.mark.parametrize(
    ("value", "peer_value", "gradient", "agrees"),
    [
        (2.0, 2.0 * (1 + 5e-6), 5e-5, True),
        (2.0, 2.0 * (1 + 5e-5), 0.0, False),
        (2.0, 2.0, 2e-4, False),
        (1e-9, 0.0, 0.0, True),
        (float("nan"), float("nan"), 0.0, False),
        (float("inf"), float("inf"), 0.0, False),
        (1.0, 1.0, float("nan"), False),
    ],
)
def test_agreement(value: float, peer_value: float, gradient: float, agrees: bool) -> None:
    assert Agreement(value, peer_value, gradient, "float32").agrees is agrees


def test_a_gradient_of_zero_is_compared_absolutely() -> None:
    zero, some = torch.zeros(3), torch.full((3,), 1e-3)
    assert agreement_of((0.0, 0.0), (zero, zero), "float32").agrees
    assert not agreement_of((0.0, 0.0), (some, zero), "float32").agrees
