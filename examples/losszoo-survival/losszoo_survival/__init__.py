"""Survival analysis for losszoo: a signature, a kind of task, two losses and a task."""

from collections.abc import Iterator

import losszoo


@losszoo.hookimpl
def losszoo_signatures() -> Iterator[str]:
    yield "losszoo_survival.signature:Survival"


@losszoo.hookimpl
def losszoo_kinds() -> Iterator[str]:
    yield "losszoo_survival.kind:SurvivalTask"


@losszoo.hookimpl
def losszoo_losses() -> Iterator[losszoo.LossSpec]:
    yield losszoo.LossSpec(
        name="cox-breslow",
        target="losszoo_survival.losses:cox",
        signature="lifetimes",
        summary="Minus the partial log-likelihood of a proportional hazards model.",
        formula=r"\ell_i = \log \sum_{j: t_j \ge t_i} e^{r_j} - r_i \text{ for every event } i",
        reference='Cox, "Regression Models and Life-Tables", JRSS B 1972; Breslow, "Covariance Analysis of Censored '
        'Survival Data", Biometrics 1974, https://doi.org/10.2307/2529620',
    )
    yield losszoo.LossSpec(
        name="exponential-survival",
        target="losszoo_survival.losses:exponential_survival",
        signature="lifetimes",
        summary="Minus the log-likelihood of a constant hazard, the exponential of the risk.",
        formula=r"\ell_i = t_i e^{r_i} - \delta_i r_i",
        reference='Kalbfleisch, Prentice, "The Statistical Analysis of Failure Time Data", Wiley 2002',
    )


@losszoo.hookimpl
def losszoo_tasks() -> Iterator[losszoo.TaskSpec]:
    yield losszoo.TaskSpec(
        name="simulated-survival",
        target="losszoo_survival.task:SimulatedSurvival",
        kind="lifetimes",
        summary="1,200 simulated patients with 6 measurements, of whom about a third are lost from sight.",
        metric="concordance",
    )
