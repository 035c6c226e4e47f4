"""Every installed loss as a function. Written by ``python -m losszoo.functional.stubs``: do not edit."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NoReturn

from torch import Tensor

from losszoo.losses.declare import Floats
from losszoo.pairs.streaming import Streaming

def adaptive_robust(
    predictions: Tensor,
    targets: Tensor,
    *,
    alpha: float = 1.0,
    c: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Barron's family: one number goes from the squared error to losses that forget outliers.

    .. math:: \ell = \frac{|\alpha - 2|}{\alpha} \left( \Bigl( \frac{(e / c)^2}{|\alpha - 2|} + 1 \Bigr)^{\alpha /
        2} - 1 \right), \quad e = p - t

    For choosing by a search how robust a regression is to be. alpha of 2 is half the squared error, 1 is
    Charbonnier's, 0 Cauchy's, -2 Geman and McClure's; from -1e9 down it is Welsch's. Below 0 the loss is bounded,
    so the gradient fades on a far outlier, which is what such a loss is for; at Welsch's, $e = 14 c$ has none that
    float32 can hold. Both limits, at 0 and at 2, are the formula's own: kornia's Cauchy and Geman-McClure losses
    give inf and NaN in float32 at an error of 1e20, where the true values are 91.4 and 2.

    Args:
        predictions, targets: of the signature regression.
        alpha: shape; the smaller, the less an outlier counts. Legal: (-inf, 2].
        c: scale, the error at which the loss bends, in the unit of the target. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Barron, "A General and Adaptive Robust Loss Function", CVPR 2019, https://arxiv.org/abs/1701.03077
    """

def approx_ndcg(
    item_scores: Tensor,
    relevance: Tensor,
    *,
    temperature: float = 0.1,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""One minus the NDCG in which places are sums of sigmoids.

    .. math:: \ell = 1 - \sum_i \frac{G_i}{\log_2(1 + \hat\pi_i)}, \quad \hat\pi_i = 1 + \sum_{j \ne i}
        \sigma\left(\frac{s_j - s_i}{T}\right)

    The metric itself, made smooth. Scores that are much further apart than the temperature have no gradient left,
    right or wrong: begin near 0, or with a high temperature, or with lambda-loss.

    Args:
        item_scores, relevance: of the signature ranking.
        temperature: T, how far apart scores count as sorted. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Qin, Liu, Li, "A General Approximation Framework for Direct Optimization of Information Retrieval Measures",
        Information Retrieval 2010, https://doi.org/10.1007/s10791-009-9124-x
    """

def arcface(
    embeddings: Tensor,
    labels: Tensor,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    classes: int | None = None,
    dim: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Softmax of cosines to learned class rows, with a margin added to the angle of the own class.

    .. math:: \ell = -\log \frac{e^{s \cos(\theta_y + m)}}{e^{s \cos(\theta_y + m)} + \sum_{c \ne y} e^{s
        \cos\theta_c}}

    For faces and other retrieval with many classes and clean labels: no mining, and the margin is one arc
    everywhere. With wrong labels or several looks of a class take sub-center-arcface. A large margin from the start
    may not converge; lower it, or the scale. Beyond $\theta_y = \pi - m$ the sum would pass $\pi$ and the cosine
    rise again, so there it is $\cos\theta_y - m \sin m$, as in its authors' code: it keeps falling, with a step
    down at the seam. The angle comes from the chords of the two directions, not from an arc cosine. So at an angle
    of exactly 0 or $\pi$ the gradient is finite: that of the own class is 0 there, as no direction is better than
    another. pytorch-metric-learning 2.9 has NaN for all of it. It holds the learned rows: give the optimiser its
    parameters() too, in a run with recipe.loss_lr a rate of their own.

    Args:
        embeddings, labels: of the signature embedding.
        scale: s, of the cosines; the larger, the harder the softmax. Legal: (0, inf).
        margin: m, in radians. Legal: [0, 1.5708).
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Deng, Guo, Xue, Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019,
        https://arxiv.org/abs/1801.07698
    """

def asymmetric(
    predictions: Tensor,
    targets: Tensor,
    *,
    gamma_neg: float = 4.0,
    gamma_pos: float = 1.0,
    clip: float = 0.05,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Focal loss with other exponents for positives and negatives; negatives below a probability count nothing.

    .. math:: \ell = -t \, (1 - p)^{\gamma_+} \log p - (1 - t) \, p_m^{\gamma_-} \log (1 - p_m), \quad p_m = \max(p
        - m, 0)

    For many labels of which few are present. With a clip m above 0 the loss of a negative is at most -log m, and
    its gradient fades where it is surely wrong, as such a label may be missing from the data; with clip=0 it does
    not. A positive keeps its whole gradient: timm, which clamps the logarithm, has exactly 0 at a logit of -100. At
    equal exponents and clip 0 it is focal.

    Args:
        predictions, targets: of the signature binary.
        gamma_neg: focusing parameter of negatives. Legal: [0, inf).
        gamma_pos: focusing parameter of positives. Legal: [0, inf).
        clip: m, what is taken from the probability of a negative. Legal: [0, 1).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Ben-Baruch, Ridnik, Zamir, Noy, Friedman, Protter, Zelnik-Manor, "Asymmetric Loss For Multi-Label
        Classification", ICCV 2021, https://arxiv.org/abs/2009.14119
    """

def barlow_twins(
    queries: Tensor,
    keys: Tensor,
    *,
    weight_off: float = 0.005,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Each column agrees with itself in the other view, and with no other column.

    .. math:: \ell = \sum_i (1 - C_{ii})^2 + w \sum_{i \ne j} C_{ij}^2, \quad C_{ij} = \operatorname{corr}(q_{\cdot
        i}, k_{\cdot j})

    For self-supervised training without negatives, with wide embeddings and batches well beyond a hundred rows. C
    is the correlation itself, of columns that are centred and divided by their length. Others divide by the root of
    the variance plus 1e-5: in lightly 1.6 two equal views of columns with a deviation of 0.01 cost 0.008 per
    column, and not 0. A column without variance has a correlation of 0 to everything, so it costs 1, without a
    gradient.

    Args:
        queries, keys: of the signature views.
        weight_off: w, of the correlations of different columns. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Zbontar, Jing, Misra, LeCun, Deny, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021,
        https://arxiv.org/abs/2103.03230
    """

def bce(
    predictions: Tensor,
    targets: Tensor,
    *,
    pos_weight: Floats | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Binary cross-entropy on logits.

    .. math:: \ell = -w\, t \log \sigma(x) - (1 - t) \log \sigma(-x)

    The default for yes-or-no questions, one or many labels per sample. Exact at any logit. soft-margin is the same
    for labels of -1 and 1, multilabel-soft-margin its mean over the labels of a row.

    Args:
        predictions, targets: of the signature binary.
        pos_weight: weight w of the positive class: a number; or a list or tensor (C,), one per class along dimension 1
            of predictions, (N, C) as in torch and (N, C, H, W) alike; or a tensor of two or more dimensions, such as
            (C, H, W), that broadcasts as in torch. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Good, "Rational Decisions", Journal of the Royal Statistical Society B 1952,
        https://doi.org/10.1111/j.2517-6161.1952.tb00104.x
    """

def bce_probabilities(
    predictions: Tensor,
    targets: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Binary cross-entropy on probabilities; a term is at most 100, as in torch.

    .. math:: \ell = -t \max(\log p, -100) - (1 - t) \max(\log(1 - p), -100)

    For models that end in probabilities. Where logits are at hand use bce, which needs no bounds. As in torch a
    certain and wrong prediction costs 100, not infinity. Its slope there is bounded by 1e12 and points back.

    Args:
        predictions, targets: of the signature binary.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Good, "Rational Decisions", Journal of the Royal Statistical Society B 1952,
        https://doi.org/10.1111/j.2517-6161.1952.tb00104.x
    """

def beta_nll(
    parameters: Tensor,
    targets: Tensor,
    *,
    beta: float = 0.5,
    scale: Literal["softplus", "exp"] = "softplus",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Gaussian likelihood in which rows of a large variance keep their say on the mean.

    .. math:: \ell = \lfloor \sigma^{2 \beta} \rfloor \Bigl( \log \sigma + \tfrac12 \Bigl( \frac{t - \mu}{\sigma}
        \Bigr)^2 \Bigr)

    For gaussian-nll that explains a hard row by a large variance and no longer fits its mean. The factor in
    brackets has no gradient: beta=0 is gaussian-nll, and at 1 the gradient on the mean is that of half the squared
    error. Its values do not compare between models, as their weights differ: judge by gaussian-nll.

    Args:
        parameters, targets: of the signature distribution.
        beta: how much of the division by the variance is taken back. Legal: [0, 1].
        scale: how r becomes the standard deviation: by softplus or exp, plus 1e-6.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Seitzer, Tavakoli, Antic, Martius, "On the Pitfalls of Heteroscedastic Uncertainty Estimation with Probabilistic
        Neural Networks", ICLR 2022, https://arxiv.org/abs/2203.09168
    """

def bi_tempered(
    logits: Tensor,
    targets: Tensor,
    *,
    t1: float = 0.8,
    t2: float = 1.2,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy with two temperatures: one bounds the loss, the other gives the softmax a heavy tail.

    .. math:: \ell = -\log_{t_1} p_y - \frac{1 - \sum_c p_c^{2 - t_1}}{2 - t_1}, \quad p_c = \exp_{t_2}(z_c -
        \lambda(z)), \quad \sum_c p_c = 1

    For wrong labels: with t1 < 1 an outlier far from the boundary costs at most 1/(1 - t1), with t2 > 1 one near
    the boundary pulls less. At t2 = 1 the probabilities are a softmax; at t1 towards 1 the loss is cross-entropy.
    The normalisation is found by bisection, for logits of any size; the fixed point of the authors' code does not
    converge for large ones. For probabilities as targets it differs from the paper by a term of the targets alone.

    Args:
        logits, targets: of the signature multiclass.
        t1: of the logarithm; the smaller, the sooner the loss levels off. Legal: [0, 1).
        t2: of the softmax; the larger, the heavier its tail. Legal: [1, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Amid, Warmuth, Anil, Koren, "Robust Bi-Tempered Logistic Loss Based on Bregman Divergences", NeurIPS 2019,
        https://arxiv.org/abs/1906.03361
    """

def bpr(
    positive: Tensor,
    negatives: Tensor,
    accidental: Tensor | None = None,
    log_q: Tensor | None = None,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Bayesian personalised ranking: the positive beats each drawn negative.

    .. math:: \ell = -\frac{1}{M} \sum_j \log \sigma(s^+ - s^-_j)

    For recommenders that learn from clicks, where what was not clicked is only less liked. Each negative counts
    alike; where most are easy, self-adversarial or sampled-softmax look at the hard ones.

    Args:
        positive, negatives, accidental, log_q: of the signature negatives.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Rendle, Freudenthaler, Gantner, Schmidt-Thieme, "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI
        2009, https://arxiv.org/abs/1205.2618
    """

def bradley_terry(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor | None = None,
    reference_rejected: Tensor | None = None,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    *,
    margin: float = 0.0,
    center: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-likelihood of the Bradley-Terry model: the chosen answer wins by the difference of the rewards.

    .. math:: \ell = -\log \sigma(r_w - r_l - m) + c \, (r_w + r_l)^2

    For reward models, and for any score that is learned from comparisons. Only differences count, so rewards are
    known up to a constant; center keeps them near 0.

    Args:
        chosen, rejected, reference_chosen, reference_rejected, chosen_lengths, rejected_lengths: of the signature
            preference.
        margin: by how much the better must lead. Legal: [0, inf).
        center: weight of the squared sum of the two rewards. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Bradley, Terry, "Rank Analysis of Incomplete Block Designs: I. The Method of Paired Comparisons", Biometrika
        1952, https://doi.org/10.2307/2334029
    """

def brier(
    logits: Tensor,
    targets: Tensor,
    *,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Brier score: squared distance between the predicted probabilities and the label.

    .. math:: \ell = \sum_c (p_c - q_c)^2, \quad p = \operatorname{softmax}(z)

    For calibrated probabilities, and for wrong labels, as it is proper and bounded. On a surely wrong row the
    gradient fades with the probability of the label, so training starts more slowly than with cross-entropy. For
    two classes it is twice what scikit-learn's brier_score_loss gives by default.

    Args:
        logits, targets: of the signature multiclass.
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather Review 1950,
        https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    """

def center(
    embeddings: Tensor,
    labels: Tensor,
    *,
    classes: int | None = None,
    dim: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Half the squared distance of an embedding to the learned centre of its class.

    .. math:: \ell = \tfrac12 \lVert x - c_y \rVert^2

    Beside a loss that keeps classes apart, such as linear-cross-entropy + 0.01*center: alone it is 0 where all
    embeddings and centres are one point. The centres need a faster rate than the model, 0.5 in the paper: in a run
    recipe.loss_lr, elsewhere losszoo.parameter_groups. The authors move a centre by the mean over the rows of its
    class plus one; here it follows its gradient, as every parameter.

    Args:
        embeddings, labels: of the signature embedding.
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016,
        https://doi.org/10.1007/978-3-319-46478-7_31
    """

def charbonnier(
    predictions: Tensor,
    targets: Tensor,
    *,
    delta: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Pseudo-Huber loss: squared near 0 and linear far away, smooth in between.

    .. math:: \ell = \delta^2 \Bigl(\sqrt{1 + (e / \delta)^2} - 1\Bigr), \quad e = p - t

    For outliers, with an optimiser that uses curvature; in image restoration, for sharper results than the squared
    error. Near 0 it is $e^2 / 2$, far away $\delta |e|$. Others write $\sqrt{e^2 + \epsilon^2}$: with $\delta =
    \epsilon$ that is this divided by delta, plus epsilon.

    Args:
        predictions, targets: of the signature regression.
        delta: error at which the loss bends, in the unit of the target. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Charbonnier, Blanc-Feraud, Aubert, Barlaud, "Deterministic edge-preserving regularization in computed imaging",
        IEEE Transactions on Image Processing 1997, https://doi.org/10.1109/83.551699
    """

def ciou(
    predicted_boxes: Tensor,
    target_boxes: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""DIoU, plus the squared difference of the shapes.

    .. math:: \ell = \ell_{\text{DIoU}} + \alpha v, \quad v = \tfrac{4}{\pi^2} \left(\arctan \tfrac{w_t}{h_t} -
        \arctan \tfrac{w_p}{h_p}\right)^2, \quad \alpha = \frac{v}{1 - \text{IoU} + v}

    The usual choice for detectors. $\alpha$ has no gradient. The gradient of v is the true one; the authors' code
    leaves its factor $1/(w^2 + h^2)$ out.

    Args:
        predicted_boxes, target_boxes: of the signature boxes.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Zheng, Wang, Liu, Li, Ye, Ren, "Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression", AAAI
        2020, https://arxiv.org/abs/1911.08287
    """

def circle(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.4,
    gamma: float = 80.0,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "cosine",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Similarities with a pace of their own: what is far from its optimum is pulled most.

    .. math:: \ell_i = \log\Bigl(1 + \sum_n e^{\gamma [s_{in} + m]_+ (s_{in} - m)} \sum_p e^{\gamma [1 + m -
        s_{ip}]_+ (1 - m - s_{ip})}\Bigr)

    For retrieval and faces. The two factors in brackets are weights: as in the paper they have no gradient of their
    own, so the gradient is not the derivative of the value, and a gradient check must fail. Made for cosines, of
    which 1 is the optimum of positives and 0 that of negatives. The authors take a margin of 0.25 and a gamma of
    256 for faces, 128 for persons.

    Args:
        embeddings, labels: of the signature embedding.
        margin: m, how far from their optima similarities are let be. Legal: (0, 1).
        gamma: what the similarities are multiplied by. Legal: (0, inf).
        similarity: s, of two rows; the optima are those of cosines.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Sun, Cheng, Zhang, Zhang, Zheng, Wang, Wei, "Circle Loss: A Unified Perspective of Pair Similarity
        Optimization", CVPR 2020, https://arxiv.org/abs/2002.10857
    """

def cldice(
    logits: Tensor,
    targets: Tensor,
    *,
    iterations: int = 3,
    smooth: float = 1.0,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Centreline Dice: whether the skeleton of each region lies within the other, so that thin lines stay connected.

    .. math:: \ell = 1 - \frac{2 \, T_p T_s}{T_p + T_s}, \quad T_p = \frac{\sum_i s(p)_i t_i + s}{\sum_i s(p)_i +
        s}, \; T_s = \frac{\sum_i s(t)_i p_i + s}{\sum_i s(t)_i + s}

    For vessels, roads and nerves, beside dice: a gap of one pixel costs Dice nothing and this one a lot. The soft
    skeleton is made by repeated erosion and opening; iterations is at least half the width of the thickest line. It
    takes logits: MONAI's takes activated maps, and is silently wrong on logits.

    Args:
        logits, targets: of the signature segmentation.
        iterations: of the skeleton. Legal: [1, inf).
        smooth: s, pixels added. Legal: (0, inf).
        class_weight: how many times the maps of each class (channel) count; none counts all alike. A mean divides by
            the weights. Legal: [0, inf).
        ignore_index: label whose pixels take no part in value, gradient or mean; of labels only, maps have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Shit, Paetzold, Sekuboyina, Ezhov, Unger, Zhylka, Pluim, Bauer, Menze, "clDice - a Novel Topology-Preserving
        Loss Function for Tubular Structure Segmentation", CVPR 2021, https://arxiv.org/abs/2003.07311
    """

def clip(
    queries: Tensor,
    keys: Tensor,
    *,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "cosine",
    temperature: float = 0.07,
    learned_temperature: bool = True,
    symmetric: bool = True,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of the right text of each image and of the right image of each text, with a learned scale: CLIP.

    .. math:: \ell_i = -\tfrac12 \log \frac{e^{t s_{ii}}}{\sum_j e^{t s_{ij}}} - \tfrac12 \log \frac{e^{t
        s_{ii}}}{\sum_j e^{t s_{ji}}}, \quad t = 1/\tau \le 100

    For pairs of two kinds, such as image and text. It is info-nce in both directions, and its temperature is
    learned: the parameter log_temperature starts at the logarithm of 0.07, a scale of 14.3, and is held at 0.01
    from below, as an unbounded scale diverges. Give the optimiser its parameters() too, without weight decay.

    Args:
        queries, keys: of the signature views.
        similarity: s, of a query to a key; a distance is its negative.
        temperature: what the similarities are divided by, at the start where it is learned; 1 over the scale. Legal:
            (0, inf).
        learned_temperature: whether the temperature is learned. Legal: true|false.
        symmetric: mean of queries to keys, and of keys to queries. Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Radford, Kim, Hallacy, Ramesh, Goh, Agarwal, Sastry, Askell, Mishkin, Clark, Krueger, Sutskever, "Learning
        Transferable Visual Models From Natural Language Supervision", ICML 2021, https://arxiv.org/abs/2103.00020
    """

def confidence_penalty(
    logits: Tensor,
    targets: Tensor,
    *,
    beta: float = 0.1,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy minus a share of the entropy of the prediction: being sure costs something.

    .. math:: \ell = -\log p_y + \beta \sum_c p_c \log p_c, \quad p = \operatorname{softmax}(z)

    For overconfident models. Label smoothing pulls all classes towards each other, this one only the sure rows. It
    may be negative, down to about -beta log C.

    Args:
        logits, targets: of the signature multiclass.
        beta: weight of the entropy; 0 is cross-entropy. Legal: [0, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Pereyra, Tucker, Chorowski, Kaiser, Hinton, "Regularizing Neural Networks by Penalizing Confident Output
        Distributions", ICLR 2017 workshop, https://arxiv.org/abs/1701.06548
    """

def contrastive(
    first: Tensor,
    second: Tensor,
    same: Tensor,
    *,
    margin: float = 1.0,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Squared distance of a positive pair, squared hinge of the distance of a negative pair.

    .. math:: \ell = \tfrac12 s\, d^2 + \tfrac12 (1 - s) \max(0, m - d)^2

    For siamese training with labels of pairs only. A negative pair at distance 0 has no direction to move apart, so
    its gradient is 0. Some libraries call it pairwise ranking loss; it is not torch's margin_ranking_loss, which
    compares two scores.

    Args:
        first, second, same: of the signature pair.
        margin: m, the distance from which on a pair that does not belong together costs nothing. Legal: (0, inf).
        similarity: minus the distance d; that of a cosine is one minus it, of a dot product minus it.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006,
        https://doi.org/10.1109/CVPR.2006.100
    """

def coral(
    logits: Tensor,
    labels: Tensor,
    *,
    importance: Floats | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Binary cross-entropy of being above each level, summed.

    .. math:: \ell = -\sum_{k < K - 1} w_k \bigl([y > k] \log \sigma(z_k) + [y \le k] \log \sigma(-z_k)\bigr)

    For grades, stars, ages. A row that is wrong by two levels is wrong in two questions. The logits must come from
    one score less K - 1 cut points, as from the head of a run here: only so the probabilities fall from level to
    level. The predicted level is the number of logits above 0. Labels are levels from 0 to K - 1; coral-pytorch's
    loss, of the same value, takes each as a row of K - 1 zeros and ones.

    Args:
        logits, labels: of the signature ordinal.
        importance: w, one number for each step; none weighs all alike. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Cao, Mirjalili, Raschka, "Rank Consistent Ordinal Regression for Neural Networks with Application to Age
        Estimation", Pattern Recognition Letters 2020, https://arxiv.org/abs/1901.07884
    """

def corn(
    logits: Tensor,
    labels: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Binary cross-entropy of going on from each level, over the rows that have come so far.

    .. math:: \ell = -\sum_{k < \min(y + 1, K - 1)} [y > k] \log \sigma(z_k) + [y = k] \log \sigma(-z_k)

    For ordered classes. The sum of a row is minus the log-probability of its level, a product of conditional
    probabilities, so any logits are consistent and no head has to share its weights. The probability of being above
    a level is the product of the sigmoids up to it. The mean is over all questions that were asked, as in the
    paper's code: a row of level y counts min(y + 1, K - 1) times. A step that no row of the batch has come to
    counts nothing.

    Args:
        logits, labels: of the signature conditional-ordinal.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Shi, Cao, Raschka, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based on Conditional
        Probabilities", Pattern Analysis and Applications 2023, https://arxiv.org/abs/2111.08851
    """

def cosent(
    first: Tensor,
    second: Tensor,
    same: Tensor,
    *,
    scale: float = 20.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cosines in the order of their grades: each pair of a higher grade above each of a lower one.

    .. math:: \ell = \log\Bigl(1 + \sum_{y_i > y_j} e^{\lambda (c_j - c_i)}\Bigr), \quad c_i = \cos(a_i, b_i)

    For graded similarities, such as those of sentences, where the order is known and the cosine itself is not.
    Grades lie in [0, 1]: divide stars of five by five. Two pairs of one grade say nothing to each other. The sum
    over all pairs of pairs is read off a running sum in the order of the grades, so time grows with N log N and
    memory with N; in sentence-transformers, where it comes from, with the square of N.

    Args:
        first, second, same: of the signature pair.
        scale: what the cosines are multiplied by; 1 over a temperature. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Su, "CoSENT: A More Efficient Sentence Vector Scheme than Sentence-BERT", 2022, https://kexue.fm/archives/8847
    """

def cosface(
    embeddings: Tensor,
    labels: Tensor,
    *,
    scale: float = 64.0,
    margin: float = 0.35,
    classes: int | None = None,
    dim: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Softmax of cosines to learned class rows, with a margin taken off the cosine of the own class.

    .. math:: \ell = -\log \frac{e^{s (\cos\theta_y - m)}}{e^{s (\cos\theta_y - m)} + \sum_{c \ne y} e^{s
        \cos\theta_c}}

    As arcface, and easier to train: the margin needs no angle, and falls at every angle alike. The pull fades near
    an angle of 0 and of $\pi$, where a cosine is flat. It holds the learned rows: give the optimiser its
    parameters() too, in a run with recipe.loss_lr a rate of their own.

    Args:
        embeddings, labels: of the signature embedding.
        scale: s, of the cosines; the larger, the harder the softmax. Legal: (0, inf).
        margin: m, taken off the cosine of the own class. Legal: [0, 2].
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Wang, Wang, Zhou, Ji, Gong, Zhou, Li, Liu, "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR
        2018, https://arxiv.org/abs/1801.09414
    """

def cosine_distance(
    vectors: Tensor,
    target_vectors: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""One minus the cosine of the angle between prediction and target, over the last dimension.

    .. math:: \ell = 1 - \frac{\langle p, t \rangle}{\lVert p \rVert \, \lVert t \rVert}

    For targets of which only the direction counts: embeddings of a teacher, normals, word vectors. A zero row has
    no direction: it costs 1, and its gradient is 0, as is that of the exactly opposite direction. The value is half
    the squared distance of the two directions, which keeps its digits where 1 minus a cosine cancels.

    Args:
        vectors, target_vectors: of the signature vectors.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Barz, Denzler, "Deep Learning on Small Datasets without Pre-Training using Cosine Loss", WACV 2020,
        https://arxiv.org/abs/1901.09054
    """

def cosine_embedding(
    first: Tensor,
    second: Tensor,
    same: Tensor,
    *,
    margin: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""One minus the cosine of a positive pair, hinge of the cosine of a negative pair.

    .. math:: \ell = y \, (1 - \cos(a, b)) + (1 - y) \max(0, \cos(a, b) - m)

    For siamese training with labels of pairs only, where the length of an embedding says nothing. It is called as
    in torch.nn: loss(first, second, target) with a target of 1 or -1. A zero row has a cosine of 0 to everything,
    and no direction to move to, so its gradient is 0. One minus the cosine of two rows that are nearly parallel is
    half the squared distance of their directions, which keeps its digits: torch 2.13 gives 0 in float32 for two
    rows that are an angle of 1e-4 apart, instead of 5.0e-9.

    Args:
        first, second, same: of the signature pair.
        margin: m, the cosine up to which a pair that does not belong together costs nothing. Legal: [-1, 1].
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Chopra, Hadsell, LeCun, "Learning a Similarity Metric Discriminatively, with Application to Face Verification",
        CVPR 2005, https://doi.org/10.1109/CVPR.2005.202
    """

def cox(
    risks: Tensor,
    times: Tensor,
    events: Tensor,
    strata: Tensor | None = None,
    *,
    ties: Literal["efron", "breslow"] = "efron",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Minus the partial log-likelihood of a proportional hazards model: who has an event, of all that are still seen.

    .. math:: \ell_i = \log \Bigl(\sum_{t_j \ge t_i} e^{\eta_j} - \tfrac{k_i}{d_i} \sum_{j \in D_i} e^{\eta_j}\Bigr)
        - \eta_i \quad \text{for every event } i

    For times of which some are only known to be longer (censored). It orders rows and tells no time: hazards follow
    with a baseline that is estimated afterwards. D is the set of the d events at one time, of which i is the k-th,
    counted from 0; "breslow" leaves the second sum out, which is the same where no two events are tied. A batch is
    compared in itself, so it needs several events; large batches are better. The sums are cumulative over the
    sorted times, each relative to its own largest risk: N log N numbers, and exact at any risk. pycox adds 1e-7 to
    a risk set whose largest risk it has subtracted over the whole batch, so far below that risk every event costs
    16.1 less its own risk.

    Args:
        risks, times, events, strata: of the signature survival.
        ties: how events at the same time are counted.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Cox, "Regression Models and Life-Tables", JRSS B 1972, https://doi.org/10.1111/j.2517-6161.1972.tb00899.x;
        Efron, "The Efficiency of Cox's Likelihood Function for Censored Data", JASA 1977,
        https://doi.org/10.1080/01621459.1977.10480613
    """

def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    class_weight: Floats | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy on logits, with class weights and label smoothing.

    .. math:: \ell = -\sum_c w_c \left((1 - \varepsilon) q_c + \tfrac{\varepsilon}{C}\right) \log p_c, \quad p =
        \operatorname{softmax}(z)

    The default for one class out of many. Classes may be ruled out by a logit of -inf, unless they are smoothed
    over. Labels are smoothed where label_smoothing asks for it, usually by 0.1.

    Args:
        logits, targets: of the signature multiclass.
        class_weight: w, one number per class; none weighs all alike. A mean over int64 targets divides by the weights
            of the targets. Legal: [0, inf).
        label_smoothing: share of the target spread evenly over all classes. Legal: [0, 1].
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Bridle, "Training Stochastic Model Recognition Algorithms as Networks can Lead to Maximum Mutual Information
        Estimation of Parameters", NeurIPS 1989, https://mlanthology.org/neurips/1989/bridle1989neurips-training; label
        smoothing as in Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception Architecture for Computer
        Vision", CVPR 2016, https://arxiv.org/abs/1512.00567
    """

def crps(
    parameters: Tensor,
    targets: Tensor,
    *,
    form: Literal["normal", "ensemble"] = "normal",
    fair: bool = False,
    scale: Literal["softplus", "exp"] = "softplus",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Continuous ranked probability score: how far a distribution is from a number, in the unit of the target.

    .. math:: \ell = \int (F(y) - 1[y \ge t])^2 \, dy = \sigma \Bigl( z (2 \Phi(z) - 1) + 2 \varphi(z) -
        \tfrac{1}{\sqrt \pi} \Bigr), \quad z = (t - \mu) / \sigma

    For distributions, where outliers must not rule: it grows as the absolute error does, and not as its square, and
    a scale that is far too small costs no more than that. Of an ensemble it is the mean error of its members less
    half their mean distance, $\frac1M \sum_i |x_i - t| - \frac{1}{2 M^2} \sum_{ij} |x_i - x_j|$, by one sort. The
    plain form rewards members that stand too close together; the fair one divides by M (M - 1) and does not. A run
    has two columns: it is for the normal form.

    Args:
        parameters, targets: of the signature distribution.
        form: of the distribution.
        fair: of an ensemble, whether it is judged as a sample of a distribution. Legal: true|false.
        scale: how r becomes the standard deviation: by softplus or exp, plus 1e-6.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Gneiting, Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", Journal of the American
        Statistical Association 2007, https://doi.org/10.1198/016214506000001437
    """

def custom_mse(
    predictions: Tensor,
    targets: Tensor,
    *,
    param1: float = 0.1,
    param2: float = 0.1,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Squared error plus multiples of prediction and target: an example of a loss with parameters.

    .. math:: \ell = (p - t)^2 + a\,p + b\,t

    For teaching: the smallest loss with parameters, with a known answer. A positive param1 biases predictions
    downwards, to $t - a/2$; param2 changes the value and never the gradient. Its mean is the mean squared error
    plus param1 times the mean prediction plus param2 times the mean target, and may be negative.

    Args:
        predictions, targets: of the signature regression.
        param1: a, the multiple of the prediction; moves the minimum to t - a/2. Legal: (-inf, inf).
        param2: b, the multiple of the target; shifts the value, never the gradient. Legal: (-inf, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        The losszoo developers, a teaching example with its minimum at p = t - a/2; the squared error as in Hodson,
        "Root-mean-square error (RMSE) or mean absolute error (MAE): when to use them or not", Geoscientific Model
        Development 2022, https://doi.org/10.5194/gmd-15-5481-2022
    """

def dcl(
    queries: Tensor,
    keys: Tensor,
    *,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "cosine",
    temperature: float = 0.1,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""NT-Xent without the positive in the denominator: it pulls as hard when the other view is near already.

    .. math:: \ell_i = -\tfrac12 \sum_{a \in \{q_i, k_i\}} \log \frac{e^{s_{q_i k_i}/\tau}}{\sum_{b \notin \{q_i,
        k_i\}} e^{s_{ab}/\tau}}

    For self-supervised training with small batches, where the pull of nt-xent fades as soon as the positive is
    nearer than the few negatives. It has no lower bound: a cosine of 1 to the positive and -1 to all negatives
    gives -2 / tau + log(2N - 2). A batch of one row has no negatives, and does not count; lightly 1.6 gives
    -infinity.

    Args:
        queries, keys: of the signature views.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the more the hard negatives count. Legal: (0,
            inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Yeh, Hong, Hsu, Liu, Chen, LeCun, "Decoupled Contrastive Learning", ECCV 2022, https://arxiv.org/abs/2110.06848
    """

def decoupled_kd(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: float = 4.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Distillation in two parts with a weight each: how sure of the own class, and the shares of the other classes.

    .. math:: \ell = T^2 \bigl[\alpha \operatorname{KL}(b^t \Vert b^s) + \beta \operatorname{KL}(\hat q^t \Vert \hat
        q^s)\bigr]

    b are the two probabilities of the own class and of all others together, $\hat q$ the shares of the others among
    themselves. In knowledge-distillation the second part has the weight $1 - q_y$: a sure teacher teaches nothing
    of the others. Here that weight is given. The authors' code masks the own class by subtracting 1000 from its
    logit, and takes logarithms of probabilities that round to 0; here both parts are made of log-sum-exps. With one
    class there are no others, and the value is 0.

    Args:
        student, teacher, labels: of the signature distillation.
        alpha: of the part of the own class. Legal: [0, inf).
        beta: of the part of the others. Legal: [0, inf).
        temperature: T. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Zhao, Cui, Song, Qiu, Liang, "Decoupled Knowledge Distillation", CVPR 2022, https://arxiv.org/abs/2203.08679
    """

def deephit(
    mass_logits: Tensor,
    bins: Tensor,
    events: Tensor,
    *,
    alpha: float = 0.2,
    sigma: float = 0.1,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Likelihood of the interval of an event, and a penalty of pairs whose order is wrong.

    .. math:: \ell_i = -\alpha \log m_i + \frac{1 - \alpha}{N} \sum_{j \text{ later}} e^{-\left(F_i(b_i) -
        F_j(b_i)\right) / \sigma}

    For rankings by risk with a curve of survival. m is the softmax share of the interval of the event, or of all
    later ones of a row that is lost from sight; F is the share of events up to an interval. The softmax has one
    interval more, of logit 0, for later than all. Row j is later than the event of i if its bin is, or if it has
    survived that bin. All shares are logarithms: pycox has log(relu(1 - cumsum) + 1e-7) for who is lost from sight,
    of which no gradient is left where all later shares underflow. The second term is as large as e^(1 / sigma).

    Args:
        mass_logits, bins, events: of the signature survival-masses.
        alpha: share of the likelihood. Legal: [0, 1].
        sigma: how far apart two rows should be. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Lee, Zame, Yoon, van der Schaar, "DeepHit: A Deep Learning Approach to Survival Analysis with Competing Risks",
        AAAI 2018, https://doi.org/10.1609/aaai.v32i1.11842; in the form of Kvamme, Borgan, Scheel, "Time-to-Event
        Prediction with Neural Networks and Cox Regression", JMLR 2019, https://jmlr.org/papers/v20/18-424.html
    """

def dice(
    logits: Tensor,
    targets: Tensor,
    *,
    smooth: float = 1.0,
    over: Literal["map", "image", "batch"] = "map",
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""One minus the soft Dice overlap of each map: a small object counts as much as a large one.

    .. math:: \ell = 1 - \frac{2 \sum_i p_i t_i + s}{\sum_i p_i + \sum_i t_i + s}, \quad p = \sigma(x)

    For small objects on a large background, alone or beside bce (masks) or cross-entropy (labels). What the sums
    run over is over: the pixels of one map, so that each class of each image counts alike (MONAI's default,
    nnU-Net's batch_dice=False); the pixels of all classes of an image; or those of one class in all images of the
    batch (MONAI's batch=True), which is steadier where a class is absent from most images. Of labels p is the
    softmax share of the class. A background that shall not count is left out by a weight of 0. Over an image the
    sums of each class are weighed, which is the generalised Dice loss. Targets between 0 and 1 are shares of a
    pixel. The loss is linear in each p over its denominator, so the best prediction of a share is 0 or 1 and not
    the share itself, which costs more than 0; for calibrated probabilities use bce. Empty targets: with smooth=0
    the loss of an empty map is 1 whatever is predicted (no overlap is possible), so it is 1 with a zero gradient
    here too where every probability underflows to 0 and the fraction reads 0/0. Only smooth > 0 rewards predicting
    nothing: the loss then falls to 0 with $\sum p$. So it is for a class that is absent.

    Args:
        logits, targets: of the signature segmentation.
        smooth: s, pixels added to overlap and sizes; above 0 an empty map can be predicted right. Legal: [0, inf).
        over: what the sums run over, and so what there is one value of: each "map" (a class of an image), each "image",
            or each class over the whole "batch".
        class_weight: how many times the maps of each class (channel) count, one number per class; none counts all
            alike. A mean over maps or classes divides by the weights. Legal: [0, inf).
        ignore_index: label whose pixels take no part in value, gradient or mean; of labels only, maps have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Milletari, Navab, Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
        Segmentation", 3DV 2016, https://arxiv.org/abs/1606.04797; without squares as in Drozdzal, Vorontsov, Chartrand,
        Kadoury, Pal, "The Importance of Skip Connections in Biomedical Image Segmentation", 2016,
        https://arxiv.org/abs/1608.04117; weights of classes over an image as in Sudre, Li, Vercauteren, Ourselin,
        Cardoso, "Generalised Dice Overlap as a Deep Learning Loss Function for Highly Unbalanced Segmentations", DLMIA
        2017, https://arxiv.org/abs/1707.03237
    """

def dino(
    queries: Tensor,
    keys: Tensor,
    *,
    student_temperature: float = 0.1,
    teacher_temperature: float = 0.04,
    momentum: float = 0.9,
    dim: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Cross-entropy of the student's softmax against a sharpened and centred one of a teacher.

    .. math:: \ell_i = -\sum_d t_{id} \log s_{id}, \quad s = \operatorname{softmax}(q / \tau_s), \quad t =
        \operatorname{softmax}\bigl((k - c) / \tau_t\bigr)

    For self-supervised training with a teacher that is a moving average of the student, and sees the other view:
    queries are the student's outputs, keys the teacher's, which get no gradient. The centre c keeps one column from
    winning everywhere, the low temperature keeps all from being alike. The centre moves after each batch in
    training, $c \leftarrow m c + (1 - m) \bar k$: a batch is judged by the centre of those before it. It is the
    buffer center, saved and resumed with the loss; in evaluation, without gradients, and under a transform it
    stays. Both directions are the mean of two calls. With several processes in a loop of your own, give each the
    teacher's outputs of all of them, or average the buffer.

    Args:
        queries, keys: of the signature views.
        student_temperature: of the student's softmax. Legal: (0, inf).
        teacher_temperature: of the teacher's softmax; the lower, the sharper. Legal: (0, inf).
        momentum: m, how much of the centre stays in each step. Legal: [0, 1].
        dim: D, width of the outputs; none takes it from the model of a run, or from the first batch.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Caron, Touvron, Misra, Jegou, Mairal, Bojanowski, Joulin, "Emerging Properties in Self-Supervised Vision
        Transformers", ICCV 2021, https://arxiv.org/abs/2104.14294
    """

def diou(
    predicted_boxes: Tensor,
    target_boxes: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""One minus the IoU, plus the squared distance of the centres as a share of the squared diagonal around both.

    .. math:: \ell = 1 - \text{IoU} + \frac{\rho^2(p, t)}{c^2}

    For boxes that may be apart: the centre goes straight to the other one, faster than by giou. A box of the right
    centre and the wrong shape has the gradient of the IoU alone; ciou looks at the shape.

    Args:
        predicted_boxes, target_boxes: of the signature boxes.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Zheng, Wang, Liu, Li, Ye, Ren, "Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression", AAAI
        2020, https://arxiv.org/abs/1911.08287
    """

def dpo(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor | None = None,
    reference_rejected: Tensor | None = None,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
    robust: bool = False,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Direct preference optimisation: the policy gains on the reference more for the chosen answer.

    .. math:: \ell = -(1 - \epsilon) \log \sigma(\beta \Delta) - \epsilon \log \sigma(-\beta \Delta), \quad \Delta =
        \log \frac{\pi(y_w)}{\pi_{ref}(y_w)} - \log \frac{\pi(y_l)}{\pi_{ref}(y_l)}

    For language models that learn from comparisons without a reward model. Log-probabilities are sums over the
    tokens of an answer; with lengths they become means. With robust, the second term is subtracted and all is
    divided by 1 - 2 epsilon, which makes the loss unbiased where a share epsilon of the comparisons is wrong; it is
    then unbounded below.

    Args:
        chosen, rejected, reference_chosen, reference_rejected, chosen_lengths, rejected_lengths: of the signature
            preference.
        beta: strength of the reference. Legal: (0, inf).
        label_smoothing: share of comparisons that are wrong. Legal: [0, 0.5).
        robust: correct for that share instead of smoothing. Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Rafailov, Sharma, Mitchell, Ermon, Manning, Finn, "Direct Preference Optimization: Your Language Model is
        Secretly a Reward Model", NeurIPS 2023, https://arxiv.org/abs/2305.18290; robust: Chowdhury, Kini, Natarajan,
        "Provably Robust DPO: Aligning Language Models with Noisy Feedback", ICML 2024, https://arxiv.org/abs/2403.00409
    """

def elastic_net(
    parameters: Tensor | Iterable[Tensor],
    *,
    l1_ratio: float = 0.5,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""A mix of l1 and l2: sparse, but correlated parameters stay together.

    .. math:: \ell = r \sum_j |w_j| + \tfrac{1 - r}{2} \sum_j w_j^2

    For sparse parameters where several carry the same information: l1 alone keeps one of them at random. Mixed as
    scikit-learn mixes them.

    Args:
        parameters: of the signature penalty.
        l1_ratio: r, share of the absolute values: 1 is l1, 0 is half of l2. Legal: [0, 1].
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Zou, Hastie, "Regularization and Variable Selection via the Elastic Net", Journal of the Royal Statistical
        Society B 2005, https://doi.org/10.1111/j.1467-9868.2005.00503.x
    """

def emd(
    logits: Tensor,
    targets: Tensor,
    *,
    power: float = 2.0,
    root: bool = False,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Distance between the distribution functions of prediction and label: a near class costs less than a far one.

    .. math:: \ell = \sum_k |P_k - Q_k|^r, \quad P_k = \sum_{c \le k} \operatorname{softmax}(z)_c

    For ordered classes: grades, stars, age groups. At r = 2 it is the ranked probability score, which is proper; at
    1 the least work to move one distribution into the other, in steps between classes. With root the mean over the
    classes is taken and then the r-th root, as in NIMA. It is bounded, so the gradient fades on a surely wrong row.

    Args:
        logits, targets: of the signature multiclass.
        power: r. Legal: [1, inf).
        root: NIMA's form. Legal: true|false.
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Hou, Yu, Samaras, "Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks", 2016,
        https://arxiv.org/abs/1611.05916; Talebi, Milanfar, "NIMA: Neural Image Assessment", IEEE Transactions on Image
        Processing 2018, https://arxiv.org/abs/1709.05424
    """

def entmax(
    logits: Tensor,
    targets: Tensor,
    *,
    alpha: float = 1.5,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Fenchel-Young loss between cross-entropy and sparsemax.

    .. math:: \ell = \langle p - q, z \rangle + H_\alpha(p) - H_\alpha(q), \quad p = \operatorname*{argmax}_{p \in
        \Delta} \langle p, z \rangle + H_\alpha(p), \quad H_\alpha(p) = \frac{1 - \sum_c p_c^\alpha}{\alpha (\alpha
        - 1)}

    For sparse predictions with a smoother edge than sparsemax. The loss is 0, with no gradient, once the target
    leads by $1 / (\alpha - 1)$. The gradient is p - q.

    Args:
        logits, targets: of the signature multiclass.
        alpha: sparsity: towards 1 cross-entropy, 2 is sparsemax. Up to 2 solved by Newton's method, beyond by
            bisection; 1.5 and 2 are fastest. Legal: (1, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Peters, Niculae, Martins, "Sparse Sequence-to-Sequence Models", ACL 2019, https://arxiv.org/abs/1905.05702
    """

def epsilon_insensitive(
    predictions: Tensor,
    targets: Tensor,
    *,
    epsilon: float = 0.1,
    power: int = 1,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Loss of support vector regression: errors up to epsilon cost nothing.

    .. math:: \ell = \max(0, |p - t| - \epsilon)^k

    For targets that are known up to a tolerance. Within it there is no gradient, so predictions stay where they
    are.

    Args:
        predictions, targets: of the signature regression.
        epsilon: tolerance, in the unit of the target. Legal: [0, inf).
        power: k; 1 predicts a median, 2 a mean. Legal: [1, 2].
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Drucker, Burges, Kaufman, Smola, Vapnik, "Support Vector Regression Machines", NIPS 1996
    """

def evidential(
    logits: Tensor,
    targets: Tensor,
    *,
    form: Literal["mse", "log", "digamma"] = "mse",
    kl_weight: float = 0.1,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Evidence for each class, and doubt where there is none: a Dirichlet distribution over the probabilities.

    .. math:: \ell = \sum_c (q_c - \alpha_c / S)^2 + \frac{\alpha_c (S - \alpha_c)}{S^2 (S + 1)} + \lambda \,
        KL(\operatorname{Dir}(\tilde \alpha) \,\|\, \operatorname{Dir}(1)), \quad \alpha = 1 +
        \operatorname{softplus}(z), \; S = \sum_c \alpha_c, \; \tilde \alpha = q + (1 - q) \alpha

    For a model that says how sure it is in one pass: C / S is its doubt. The squared form is above; with form="log"
    the first part is $\sum_c q_c (\log S - \log \alpha_c)$, with "digamma" the same of $\psi$. The divergence takes
    evidence from wrong classes; raise its weight slowly from 0, or all evidence goes. Predictions are those of the
    logits, in the same order as the evidence.

    Args:
        logits, targets: of the signature multiclass.
        form: of the first part.
        kl_weight: lambda. Legal: [0, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Sensoy, Kaplan, Kandemir, "Evidential Deep Learning to Quantify Classification Uncertainty", NeurIPS 2018,
        https://arxiv.org/abs/1806.01768
    """

def evidential_regression(
    parameters: Tensor,
    targets: Tensor,
    *,
    class_weight: float = 0.01,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Deep evidential regression: one network gives the noise of the data and its own doubt.

    .. math:: \ell = -\log \operatorname{St} \Bigl( t; \gamma, \frac{\beta (1 + \nu)}{\nu \alpha}, 2 \alpha \Bigr) +
        \lambda |t - \gamma| (2 \nu + \alpha)

    The network gives a normal-inverse-gamma distribution over mean and variance, whose marginal is Student's t. The
    noise of the data is $\beta / (\alpha - 1)$, the doubt in the mean that divided by $\nu$. The second term takes
    evidence away where the mean is wrong. The first term alone does not fix $\nu$: many values with the same $\beta
    (1 + \nu) / \nu$ are as likely, so compare doubts between rows and not as numbers. It is computed in float64.
    From a raw beta of about -20 down the least one, 1e-6, holds, and the column has next to no gradient, while
    gamma has its own.

    Args:
        parameters, targets: of the signature distribution-evidence.
        class_weight: lambda, of the second term. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Amini, Schwarting, Soleimany, Rus, "Deep Evidential Regression", NeurIPS 2020, https://arxiv.org/abs/1910.02600
    """

def focal(
    predictions: Tensor,
    targets: Tensor,
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Binary cross-entropy with less weight on easy examples.

    .. math:: \ell = -\alpha_t \, (1 - p_t)^{\gamma} \, \log p_t, \quad p_t = \sigma((2t - 1)\, x)

    For dense detection and other heavy imbalance, where easy negatives drown the gradient. Detectors divide the sum
    by the number of positives: call the loss with that denominator. torchvision's default is alpha=0.25. A target
    between 0 and 1 gives the mean of both labels' losses, in the shares t and 1 - t, alpha included; torchvision
    mixes the probabilities first and gives another value.

    Args:
        predictions, targets: of the signature binary.
        gamma: focusing parameter, the discount of easy examples; 0 is cross-entropy. Legal: [0, inf).
        alpha: weight of the positive class, the negative class has the rest; none weighs both as 1. Legal: (0, 1).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", ICCV 2017,
        https://arxiv.org/abs/1708.02002
    """

def forward_correction(
    logits: Tensor,
    targets: Tensor,
    *,
    noise: float = 0.1,
    matrix: Floats | None = None,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of the labels as they were recorded, of which it is known how often each class becomes another.

    .. math:: \ell = -\log \sum_c T_{cy} \, p_c, \quad p = \operatorname{softmax}(z)

    For wrong labels with a known confusion: the softmax then learns the true classes. Without a matrix a share
    noise of the labels of each class is wrong, spread evenly over the others.

    Args:
        logits, targets: of the signature multiclass.
        noise: share of the labels that are wrong. Legal: [0, 1).
        matrix: T, (C, C), or its rows one after the other: in row c the probabilities of each label where c is true. It
            takes the place of noise. Legal: [0, 1].
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Patrini, Rozza, Menon, Nock, Qu, "Making Deep Neural Networks Robust to Label Noise: A Loss Correction
        Approach", CVPR 2017, https://arxiv.org/abs/1609.03683
    """

def gaussian_nll(
    parameters: Tensor,
    targets: Tensor,
    *,
    scale: Literal["softplus", "exp"] = "softplus",
    full: bool = False,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-likelihood of a normal distribution: a mean, and how sure it is, for each row.

    .. math:: \ell = \log \sigma + \tfrac12 \Bigl( \frac{t - \mu}{\sigma} \Bigr)^2 \; (+ \tfrac12 \log 2 \pi), \quad
        \sigma = \operatorname{softplus}(r) + 10^{-6}

    For noise that differs from row to row, and for intervals. It may be negative. Where an error is large its
    gradient on the mean is divided by the variance, so rows that are hard at first may stay so: then use beta-nll.
    torch's gaussian_nll_loss(mean, target, var) takes the variance, and clamps it at 1e-6 unseen by the gradient:
    at an exact fit and a variance of 1e-8 its value is constant, and its gradient 500000. Here the column is any
    number, and the gradient is that of the value. torch's arguments become torch.stack([mean, (var.sqrt() -
    1e-6).log()], -1) with scale="exp".

    Args:
        parameters, targets: of the signature distribution.
        scale: how r becomes the standard deviation: by softplus or exp, plus 1e-6.
        full: whether the constant is added, so that it is the logarithm of a density. Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Nix, Weigend, "Estimating the Mean and Variance of the Target Probability Distribution", ICNN 1994,
        https://doi.org/10.1109/ICNN.1994.374138
    """

def generalized_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    q: float = 0.7,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Between cross-entropy and the absolute error: a label that looks wrong counts less.

    .. math:: \ell = \frac{1 - p_y^q}{q}, \quad p = \operatorname{softmax}(z)

    For wrong labels. Towards q = 0 it is cross-entropy, at 1 the probability of the other classes. It is at most
    1/q, so the gradient of a label that the model finds impossible fades, which is what protects from wrong labels
    and slows the start of training: with many classes take a smaller q.

    Args:
        logits, targets: of the signature multiclass.
        q: 0 is excluded and is cross-entropy; 1 the most robust. Legal: (0, 1].
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Zhang, Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels", NeurIPS
        2018, https://arxiv.org/abs/1805.07836
    """

def generalized_dice(
    logits: Tensor,
    targets: Tensor,
    *,
    weighting: Literal["square", "simple", "uniform"] = "square",
    smooth: float = 1.0,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Dice loss of a whole image in which each class counts by the inverse of its true size.

    .. math:: \ell = 1 - \frac{2 \sum_c w_c I_c + s}{\sum_c w_c (P_c + T_c) + s}, \quad w_c \propto T_c^{-2}

    For classes of very different sizes in one image. The weights are scaled so that the largest is 1, which makes
    the smoothing that of pixels of the smallest class. A class that is absent has the largest weight of those
    present, as in MONAI, and 1 where all are absent.

    Args:
        logits, targets: of the signature segmentation.
        weighting: by the inverse of the "square" of the size, of the size itself ("simple"), or "uniform".
        smooth: s, pixels added to overlap and sizes. Legal: [0, inf).
        class_weight: a further factor of each class (channel). Legal: [0, inf).
        ignore_index: label whose pixels take no part in value, gradient or mean; of labels only, maps have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Sudre, Li, Vercauteren, Ourselin, Cardoso, "Generalised Dice Overlap as a Deep Learning Loss Function for Highly
        Unbalanced Segmentations", DLMIA 2017, https://arxiv.org/abs/1707.03237
    """

def giou(
    predicted_boxes: Tensor,
    target_boxes: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""One minus the IoU, plus the share of the box around both that neither covers.

    .. math:: \ell = 1 - \text{IoU} + \frac{|C| - |P \cup T|}{|C|}, \quad C \text{ the smallest box around both}

    For boxes that may be apart: they approach, if slowly, as the predicted box first grows towards the other. Equal
    boxes without an area cost 0; torchvision 0.28's generalized_box_iou_loss gives 1.

    Args:
        predicted_boxes, target_boxes: of the signature boxes.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Rezatofighi, Tsoi, Gwak, Sadeghian, Reid, Savarese, "Generalized Intersection over Union: A Metric and a Loss
        for Bounding Box Regression", CVPR 2019, https://arxiv.org/abs/1902.09630
    """

def hinge(
    predictions: Tensor,
    targets: Tensor,
    *,
    margin: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Hinge loss of a binary score.

    .. math:: \ell = \max(0,\; m - (2t - 1)\, x)

    The loss of the support vector machine: correct predictions beyond the margin have no say.

    Args:
        predictions, targets: of the signature binary.
        margin: m, the lead that costs nothing. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Cortes, Vapnik, "Support-Vector Networks", Machine Learning 1995, https://doi.org/10.1007/BF00994018
    """

def hinge_embedding(
    distances: Tensor,
    signs: Tensor,
    *,
    margin: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Distance of what belongs together, hinge of the distance of what does not.

    .. math:: \ell = \begin{cases} d & y = 1 \\ \max(0,\; m - d) & y = -1 \end{cases}

    For distances that are at hand, of any kind. The gradient of a pair that belongs together is 1 however near it
    is; contrastive takes embeddings and squares the distance, so that it comes to rest.

    Args:
        distances, signs: of the signature distances.
        margin: m, the distance from which a negative pair costs nothing. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006,
        https://doi.org/10.1109/CVPR.2006.100
    """

def huber(
    predictions: Tensor,
    targets: Tensor,
    *,
    delta: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Squared error within delta, linear beyond: robust to outliers.

    .. math:: \ell = \begin{cases} \tfrac12 e^2 & |e| \le \delta \\ \delta (|e| - \tfrac12 \delta) & |e| > \delta
        \end{cases}, \quad e = p - t

    For regression with some outliers: as efficient as the squared error on the rest, and no gradient exceeds delta.
    Note the factor: inside it is half of mse. smooth-l1 is this divided by delta.

    Args:
        predictions, targets: of the signature regression.
        delta: error beyond which the loss is linear, in the unit of the target. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 1964,
        https://doi.org/10.1214/aoms/1177703732
    """

def info_nce(
    queries: Tensor,
    keys: Tensor,
    *,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "cosine",
    temperature: float = 0.1,
    symmetric: bool = False,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of the positive key of each query among all keys.

    .. math:: \ell_i = -\log \frac{e^{s_{ii}/\tau}}{\sum_j e^{s_{ij}/\tau}}

    For self-supervised training on two views of the same samples, and for pairs of two kinds such as image and
    text. More keys make the task harder, so large batches help, and so do further keys that belong to no query,
    such as hard negatives or the queue of momentum contrast, which leaves out the keys of the other queries; here
    they stay negatives. With symmetric=true and a learned temperature it is clip; with temperature=0.05 multiple
    negatives ranking, whose scale is 20. nt-xent, the loss of SimCLR, sets each view against the other view and
    against the rest of its own one; here the keys are the other view alone.

    Args:
        queries, keys: of the signature views.
        similarity: s, of a query to a key; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the more the hard negatives count. Legal: (0,
            inf).
        symmetric: mean of queries to keys, and of the first N keys to queries. Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018,
        https://arxiv.org/abs/1807.03748
    """

def iou(
    predicted_boxes: Tensor,
    target_boxes: Tensor,
    *,
    form: Literal["linear", "log", "square"] = "linear",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""One minus the intersection over the union of two boxes.

    .. math:: \ell = 1 - \text{IoU}, \quad \text{IoU} = \frac{|P \cap T|}{|P \cup T|}

    For boxes that already overlap: it is the metric itself, whatever the size of the box. Boxes that are apart cost
    1 and have no gradient, however far they are: begin with giou, diou or ciou. "log" is the first form, $-\log
    \max(\text{IoU}, 10^{-6})$, "square" $1 - \text{IoU}^2$.

    Args:
        predicted_boxes, target_boxes: of the signature boxes.
        form: "linear", "log" or "square".
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Yu, Jiang, Wang, Cao, Huang, "UnitBox: An Advanced Object Detection Network", ACM Multimedia 2016,
        https://arxiv.org/abs/1608.01471
    """

def ipo(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor | None = None,
    reference_rejected: Tensor | None = None,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    *,
    tau: float = 0.1,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Identity preference optimisation: the chosen answer leads by 1/(2 tau), and by no more.

    .. math:: \ell = \Bigl(\Delta - \frac{1}{2 \tau}\Bigr)^2

    For comparisons that are all alike certain, on which DPO drives the difference to infinity. The lead is meant
    per token: pass the lengths, or means.

    Args:
        chosen, rejected, reference_chosen, reference_rejected, chosen_lengths, rejected_lengths: of the signature
            preference.
        tau: strength of the reference; the lead that is asked for is 1/(2 tau). Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Azar, Rowland, Piot, Guo, Calandriello, Valko, Munos, "A General Theoretical Paradigm to Understand Learning
        from Human Preferences", AISTATS 2024, https://arxiv.org/abs/2310.12036
    """

def jaccard(
    logits: Tensor,
    targets: Tensor,
    *,
    power: float = 1.0,
    smooth: float = 1.0,
    over: Literal["map", "image", "batch"] = "map",
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""One minus the soft Jaccard index, the intersection over the union, of each map.

    .. math:: \ell = \Bigl(1 - \frac{I + s}{U + s}\Bigr)^{k}, \quad I = \sum_i p_i t_i, \; U = \sum_i p_i + \sum_i
        t_i - I

    For segmentation that is judged by the mean intersection over union. It ranks maps as the Dice loss does and
    punishes bad ones more. An empty map with smooth=0 costs 1 whatever is predicted; with smoothing the loss falls
    to 0 with the predicted region. smp gives 0 and no gradient for an empty map of an invented region.

    Args:
        logits, targets: of the signature segmentation.
        power: k, exponent of the loss. Legal: (0, inf).
        smooth: s, pixels added to intersection and union. Legal: [0, inf).
        over: what the sums run over: each "map" (a class of an image), each "image", or each class over the "batch".
        class_weight: how many times the maps of each class (channel) count. Legal: [0, inf).
        ignore_index: label whose pixels take no part in value, gradient or mean; of labels only, maps have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Rahman, Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation", ISVC 2016,
        https://doi.org/10.1007/978-3-319-50835-1_22
    """

def kl_div(
    log_probabilities: Tensor,
    targets: Tensor,
    *,
    direction: Literal["forward", "reverse", "jensen-shannon"] = "forward",
    share: float = 0.5,
    log_target: bool = False,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Terms of the Kullback-Leibler divergence of a wanted distribution from a predicted one.

    .. math:: \ell = q (\log q - x), \quad x = \log p

    It is called as torch.nn.KLDivLoss: log-probabilities first, then probabilities, one value per element. So its
    mean is over all elements, as torch's default, and smaller than the divergence by the number of classes: take
    reduction="sum" and divide by the rows, or knowledge-distillation on logits, which is a divergence per row.
    "forward" covers all that the targets do; "reverse" keeps to what they do, $p (\log p - \log q)$;
    "jensen-shannon" is bounded, of the mixture $m = \beta q + (1 - \beta) p$, and is $\beta q (\log q - \log m) +
    (1 - \beta) p (\log p - \log m)$. An element that the targets never show costs nothing whatever is predicted:
    torch 2.13 gives NaN at a target of 0 beside a log-probability of -infinity.

    Args:
        log_probabilities, targets: of the signature divergence.
        direction: "forward", "reverse" or "jensen-shannon".
        share: beta, the share of the targets in the mixture of "jensen-shannon". Legal: (0, 1).
        log_target: whether targets are logarithms. Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Kullback, Leibler, "On Information and Sufficiency", Annals of Mathematical Statistics 1951,
        https://doi.org/10.1214/aoms/1177729694; Agarwal et al., "On-Policy Distillation of Language Models", ICLR 2024,
        https://arxiv.org/abs/2306.13649
    """

def kl_standard_normal(
    mean: Tensor,
    log_variance: Tensor,
    *,
    free_bits: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Divergence of a normal distribution with independent columns from the standard normal one.

    .. math:: \ell = \tfrac12 \sum_d \bigl(\mu_d^2 + e^{s_d} - 1 - s_d\bigr), \quad s = \log \sigma^2

    The term of a variational autoencoder beside its reconstruction, and of an information bottleneck; the beta of a
    beta-VAE is its weight in a sum, mse + 0.5*kl-standard-normal. It is a sum over columns and a mean over rows:
    beside a reconstruction that is a mean over pixels it weighs far more than in the paper. Near 0 the exponential
    cancels against 1 + s: there its series stands, so a log-variance of 1e-4 keeps its digits, where float32
    otherwise gives 0. Beyond a log-variance of 88 the value leaves float32.

    Args:
        mean, log_variance: of the signature latent.
        free_bits: a column below so many nats, of one row, costs as many and has no gradient. Others compare the mean
            over the batch. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014, https://arxiv.org/abs/1312.6114
    """

def knowledge_distillation(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor | None = None,
    *,
    temperature: float = 4.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Divergence of the teacher's softened probabilities from the student's, times the temperature squared.

    .. math:: \ell = T^2 \sum_c q_c \log \frac{q_c}{p_c}, \quad q = \operatorname{softmax}(t / T), \quad p =
        \operatorname{softmax}(s / T)

    For training a small model on the answers of a large one, beside the labels: 0.9*knowledge-distillation and a
    tenth of cross-entropy in Hinton's paper. The gradient of the softened divergence shrinks with the square of the
    temperature; the factor undoes that, so the weight of the term keeps its meaning. It is a divergence of each
    row; torch's kl_div with its default mean divides by the classes too. The teacher gets no gradient.

    Args:
        student, teacher, labels: of the signature distillation.
        temperature: T; the higher, the more the small probabilities of the teacher count. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, https://arxiv.org/abs/1503.02531
    """

def koleo(
    embeddings: Tensor,
    labels: Tensor,
    *,
    eps: float = 1e-08,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Minus the logarithm of the distance to the nearest other row: directions spread evenly over the sphere.

    .. math:: \ell_i = -\log\Bigl(\min_{j \ne i} \Bigl\lVert \frac{x_i}{\lVert x_i \rVert} - \frac{x_j}{\lVert x_j
        \rVert} \Bigr\rVert + \epsilon\Bigr)

    A term beside another loss, such as nt-xent or dino, against collapse; an estimate of the entropy of the
    embeddings, up to constants. No label is looked at: any of the right shape will do. Duplicates cost 18.4 each,
    and have no direction to move apart, so their gradient is 0. The distance is that of the two rows themselves,
    found by exact distances: a cosine of nearly 1 has no digits of it.

    Args:
        embeddings, labels: of the signature embedding.
        eps: added to the distance, > 0. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Sablayrolles, Douze, Schmid, Jegou, "Spreading Vectors for Similarity Search", ICLR 2019,
        https://arxiv.org/abs/1806.03198
    """

def kto(
    log_ratios: Tensor,
    desirable: Tensor,
    *,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Kahneman-Tversky optimisation: desirable answers above a baseline, the others below it.

    .. math:: \ell_i = w_i \, \sigma(\mp \beta (r_i - z)), \quad z = \max(0, \operatorname{mean} r)

    For language models where each answer has a thumbs up or down instead of a rival. The upper sign is that of a
    desirable answer. The baseline has no gradient. The loss is bounded, so the gradient fades on an answer that is
    far on the wrong side.

    Args:
        log_ratios, desirable: of the signature feedback.
        beta: strength of the reference. Legal: (0, inf).
        desirable_weight: of the desirable answers. Legal: [0, inf).
        undesirable_weight: of the others. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Ethayarajh, Xu, Muennighoff, Jurafsky, Kiela, "KTO: Model Alignment as Prospect Theoretic Optimization", ICML
        2024, https://arxiv.org/abs/2402.01306
    """

def l1(
    parameters: Tensor | Iterable[Tensor],
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Sum of absolute parameters: drives many of them to zero.

    .. math:: \ell = \sum_j |w_j|

    For sparse parameters, as cross-entropy + 1e-4*l1. The gradient of a parameter at 0 is 0. For the absolute error
    of a prediction see mae.

    Args:
        parameters: of the signature penalty.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Tibshirani, "Regression Shrinkage and Selection via the Lasso", Journal of the Royal Statistical Society B 1996,
        https://doi.org/10.1111/j.2517-6161.1996.tb02080.x
    """

def l2(
    parameters: Tensor | Iterable[Tensor],
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Sum of squared parameters: keeps all of them small.

    .. math:: \ell = \sum_j w_j^2

    For small parameters, as cross-entropy + 1e-4*l2; no factor of one half, and no root. Under plain SGD this is
    the optimiser's weight_decay of twice the weight; under Adam it is not the same thing. For the squared error of
    a prediction see mse.

    Args:
        parameters: of the signature penalty.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Hoerl, Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", Technometrics 1970,
        https://doi.org/10.1080/00401706.1970.10488634
    """

def lambda_loss(
    item_scores: Tensor,
    relevance: Tensor,
    *,
    scheme: Literal["ndcg1", "ndcg2", "ndcg2++", "lambdarank"] = "ndcg2++",
    mu: float = 10.0,
    sigma: float = 1.0,
    k: int = 0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Pairs of items, each weighed by how much the NDCG would change.

    .. math:: \ell = -\sum_{y_i > y_j} w_{ij} \log_2 \sigma\left(\sigma_0 (s_i - s_j)\right)

    For search and recommendation, where the top of a list counts most. With gains G = (2^y - 1) / maxDCG and
    discounts D = log2(1 + place), "lambdarank" weighs by the difference of 1/D times that of G, "ndcg2" by the
    discounts of the distance of the two places in place of their own, and "ndcg2++", the default, by mu times the
    second plus the first. "ndcg1" weighs all pairs of items, ordered or not, by G_i / D_i. Places and weights have
    no gradient, so the value jumps where two scores are equal. Items of equal scores have the places in which they
    stand. allRank's lambdaLoss has no gradient for two items that are in the wrong order by 30 or more: it bounds
    the sigmoid.

    Args:
        item_scores, relevance: of the signature ranking.
        scheme: how pairs are weighed.
        mu: of "ndcg2++". Legal: [0, inf).
        sigma: steepness of the logistic function, sigma_0. Legal: (0, inf).
        k: pairs of the first k places count; 0 for all. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Wang, Li, Golbandi, Bendersky, Najork, "The LambdaLoss Framework for Ranking Metric Optimization", CIKM 2018,
        https://doi.org/10.1145/3269206.3271784
    """

def laplace_nll(
    parameters: Tensor,
    targets: Tensor,
    *,
    scale: Literal["softplus", "exp"] = "softplus",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-likelihood of a Laplace distribution: a median and a scale for each row.

    .. math:: \ell = \frac{|t - \mu|}{b} + \log 2 b, \quad b = \operatorname{softplus}(r) + 10^{-6}

    For noise that differs from row to row, with outliers: the absolute error takes the place of the squared one of
    gaussian-nll. The standard deviation is $\sqrt 2 b$. At an error of 0 the gradient on the median is 0.

    Args:
        parameters, targets: of the signature distribution.
        scale: how r becomes b: by softplus or exp, plus 1e-6.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Kendall, Gal, "What Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?", NeurIPS 2017,
        https://arxiv.org/abs/1703.04977
    """

def ldam(
    logits: Tensor,
    targets: Tensor,
    *,
    class_counts: Floats | None = None,
    max_margin: float = 0.5,
    scale: float = 30.0,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy with a margin that is larger for rarer classes.

    .. math:: \ell = -\log \operatorname{softmax}\bigl(s (z - m_y e_y)\bigr)_y, \quad m_c = M \,
        \frac{n_c^{-1/4}}{\max_k n_k^{-1/4}}

    For a long tail of rare classes. The logits are cosines in the paper, from normalised features and weights;
    plain logits are legal, and the scale is then 1. The largest margin is that of the rarest class, as in the
    authors' code. A run tells the counts of its training rows; without counts all classes have the largest margin.

    Args:
        logits, targets: of the signature multiclass.
        class_counts: n, rows of each class, above 0, in any unit. Legal: (0, inf).
        max_margin: M, the margin of the rarest class. Legal: [0, inf).
        scale: s, what cosines are multiplied by. Legal: (0, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Cao, Wei, Gaidon, Arechiga, Ma, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
        NeurIPS 2019, https://arxiv.org/abs/1906.07413
    """

def lifted_structure(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 1.0,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Each positive pair lifted against all negatives of both ends: the squared hinge of a soft maximum.

    .. math:: \ell_i = \tfrac12 \sum_{j \in P_i} \max\Bigl(0,\; d_{ij} + \log\bigl(\sum_{n \in N_i} e^{m - d_{in}} +
        \sum_{n \in N_j} e^{m - d_{jn}}\bigr)\Bigr)^2

    For retrieval with a few samples of a class in each batch: every positive pair sees the negatives of both of its
    rows, not one of them. Distances grow with the width of the embedding, so divide rows by their length or choose
    the margin by them; pytorch-metric-learning divides by the length unless told otherwise. The sums of
    exponentials are taken in log space: at distances of 100 a plain one is 0, and its logarithm infinite. The
    log-sum-exp of each row is computed first, and the pairs then, each for some rows at a time.

    Args:
        embeddings, labels: of the signature embedding.
        margin: m, how much further the negatives have to be. Legal: [0, inf).
        similarity: minus the distance d; cosine and dot are taken for minus a distance.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Song, Xiang, Jegelka, Savarese, "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016,
        https://arxiv.org/abs/1511.06452
    """

def linear_cross_entropy(
    embeddings: Tensor,
    labels: Tensor,
    *,
    classes: int | None = None,
    dim: int | None = None,
    bias: bool = True,
    chunk: int | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Cross-entropy of a linear layer on hidden states, without storing the matrix of logits.

    .. math:: \ell = -z_y + \log \sum_c e^{z_c}, \quad z = W h + b

    It holds the linear layer. For many classes, such as a vocabulary, where the logits of a batch are far larger
    than hidden states and weights. They are computed for some rows at a time, and once more for the gradient:
    memory grows with chunk times C, not with N times C. It is torch's own linear_cross_entropy where the installed
    torch has it. A gradient with create_graph=True, and the transforms of torch.func, form all logits. Give the
    optimiser its parameters() too.

    Args:
        embeddings, labels: of the signature embedding.
        classes: C; none takes it from the data of a run.
        dim: D, width of the hidden states; none takes it from the model of a run.
        bias: whether the linear layer has one. Legal: true|false.
        chunk: rows whose logits are in memory together, >= 1; none is as many as fill 16 MB in float32.
        ignore_index: label that takes no part in value or gradient.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Wijmans, Huval, Hertzberg, Koltun, Kraehenbuehl, "Cut Your Losses in Large-Vocabulary Language Models", ICLR
        2025, https://arxiv.org/abs/2411.09009
    """

def listmle(
    item_scores: Tensor,
    relevance: Tensor,
    *,
    ties: Literal["stable", "together"] = "stable",
    top: int = 0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-likelihood of the true order under the Plackett-Luce model.

    .. math:: \ell = \sum_i \Bigl(\log \sum_{j \ge i} e^{s_{\pi(j)}} - s_{\pi(i)}\Bigr), \quad y_{\pi(1)} \ge
        y_{\pi(2)} \ge \dots

    For lists with a full order. Items of equal relevance have no order: "stable" takes the one they stand in, so
    shuffle them, or "together" lets each of them compete with all the others, which does not depend on it.

    Args:
        item_scores, relevance: of the signature ranking.
        ties: what becomes of equally relevant items.
        top: places that count; 0 for all. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Xia, Liu, Wang, Zhang, Li, "Listwise Approach to Learning to Rank: Theory and Algorithm", ICML 2008,
        https://doi.org/10.1145/1390156.1390306
    """

def listnet(
    item_scores: Tensor,
    relevance: Tensor,
    *,
    shares: Literal["softmax", "linear"] = "softmax",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of the softmax of the scores against that of the relevance: which item is the first one.

    .. math:: \ell = -\sum_i q_i \log \operatorname{softmax}(s)_i, \quad q = \operatorname{softmax}(y) \text{ or } y
        / \textstyle\sum y

    A smooth loss in one pass over the list. With "softmax", the paper's, an item without relevance has a share too;
    with "linear", as in TF-Ranking, it has none, and one relevant item makes it cross-entropy.

    Args:
        item_scores, relevance: of the signature ranking.
        shares: how relevance becomes probabilities.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Cao, Qin, Liu, Tsai, Li, "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007,
        https://doi.org/10.1145/1273496.1273513
    """

def log_cosh(
    predictions: Tensor,
    targets: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Logarithm of the hyperbolic cosine: like the Huber loss, with smooth derivatives.

    .. math:: \ell = \log \cosh (p - t)

    For outliers, with an optimiser that uses curvature: $e^2 / 2$ near zero, $|e| - \log 2$ far away, gradient
    $\tanh e$, and smooth throughout.

    Args:
        predictions, targets: of the signature regression.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Saleh, Saleh, "Statistical Properties of the log-cosh Loss Function Used in Machine Learning", 2022,
        https://arxiv.org/abs/2208.04564
    """

def logistic_hazard(
    hazard_logits: Tensor,
    bins: Tensor,
    events: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Minus the log-likelihood of hazards of intervals: whether a row that has come so far has its event there.

    .. math:: \ell = -\sum_{j \le b - \delta} \log \sigma(-z_j) - \delta \log \sigma(z_b)

    For a whole curve of survival without an assumption of its form: binary cross-entropy over the intervals that a
    row has come through. Rows are apart, so batches may be small.

    Args:
        hazard_logits, bins, events: of the signature survival-hazards.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Gensheimer, Narasimhan, "A Scalable Discrete-Time Survival Model for Neural Networks", PeerJ 2019,
        https://doi.org/10.7717/peerj.6257; Kvamme, Borgan, "Continuous and Discrete-Time Survival Prediction with
        Neural Networks", Lifetime Data Analysis 2021, https://doi.org/10.1007/s10985-021-09532-6
    """

def logit_adjusted(
    logits: Tensor,
    targets: Tensor,
    *,
    class_counts: Floats | None = None,
    tau: float = 1.0,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of logits to which the logarithms of the classes' shares are added.

    .. math:: \ell = -\log \operatorname{softmax}(z + \tau \log \pi)_y, \quad \pi_c = n_c / \sum_k n_k

    For a long tail of rare classes, where the balanced accuracy counts: the plain logits then predict as if all
    classes were alike, so nothing is added when predicting. At tau = 1 it is the balanced softmax. A run tells the
    counts of its training rows; without counts all classes are alike, and it is cross-entropy.

    Args:
        logits, targets: of the signature multiclass.
        class_counts: n, rows of each class, above 0, in any unit. Legal: (0, inf).
        tau: strength; 0 is cross-entropy. Legal: [0, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Menon, Jayasumana, Rawat, Jain, Veit, Kumar, "Long-Tail Learning via Logit Adjustment", ICLR 2021,
        https://arxiv.org/abs/2007.07314; Ren, Yu, Sheng, Ma, Zhao, Yi, Li, "Balanced Meta-Softmax for Long-Tailed
        Visual Recognition", NeurIPS 2020, https://arxiv.org/abs/2007.10740
    """

def lovasz_hinge(
    logits: Tensor,
    targets: Tensor,
    *,
    per_map: bool = True,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Lovász hinge: the Jaccard loss of hinge errors, sorted from the worst.

    .. math:: \ell = \sum_i \max(0, m_{\pi(i)}) \, g_i, \quad m_i = 1 - (2 t_i - 1) x_i, \; g_i = \Delta_J(\{\pi(1)
        .. \pi(i)\}) - \Delta_J(\{\pi(1) .. \pi(i - 1)\})

    For the intersection over union of regions. It is the tightest convex function above the Jaccard loss of the
    signs, and like a hinge it has no gradient once all pixels are right by 1. Of an empty map it is the largest of
    the hinge errors, so the most confident invented pixel is pulled down until its logit is below -1.

    Args:
        logits, targets: of the signature segmentation.
        per_map: sort each map by itself, or each class over the whole batch. Legal: true|false.
        class_weight: how many times the maps of each class (channel) count. Legal: [0, inf).
        ignore_index: label whose pixels take no part in value, gradient or mean; of labels only, maps have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Berman, Rannen Triki, Blaschko, "The Lovasz-Softmax Loss: A Tractable Surrogate for the Optimization of the
        Intersection-Over-Union Measure in Neural Networks", CVPR 2018, https://arxiv.org/abs/1705.08790
    """

def lovasz_softmax(
    logits: Tensor,
    targets: Tensor,
    *,
    classes: Literal["present", "all"] = "present",
    per_map: bool = True,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Lovász-softmax: the Jaccard loss of the errors of the class probabilities, sorted from the worst.

    .. math:: \ell_c = \sum_i m_{\pi(i)} \, g_i, \quad m_i = |1[y_i = c] - p_{ic}|

    For the mean intersection over union of classes, after a start with cross-entropy or beside it: alone it may
    stay at one half. Classes without a pixel count nothing; with classes="all" each is pushed down by its largest
    probability, on which training often collapses. Of maps p is the sigmoid.

    Args:
        logits, targets: of the signature segmentation.
        classes: that count: "present" in the map, or "all".
        per_map: sort each map by itself, or each class over the whole batch. Legal: true|false.
        class_weight: how many times the maps of each class (channel) count. Legal: [0, inf).
        ignore_index: label whose pixels take no part in value, gradient or mean; of labels only, maps have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Berman, Rannen Triki, Blaschko, "The Lovasz-Softmax Loss: A Tractable Surrogate for the Optimization of the
        Intersection-Over-Union Measure in Neural Networks", CVPR 2018, https://arxiv.org/abs/1705.08790
    """

def mae(
    predictions: Tensor,
    targets: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Absolute error: predicts the median; an outlier has the same gradient at any distance.

    .. math:: \ell = |p - t|

    For targets with outliers, or where the median is wanted. The gradient is 1 even for the smallest error, and 0
    at an error of 0.

    Args:
        predictions, targets: of the signature regression.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Willmott, Matsuura, "Advantages of the mean absolute error (MAE) over the root mean square error (RMSE) in
        assessing average model performance", Climate Research 2005, https://doi.org/10.3354/cr030079
    """

def mape(
    predictions: Tensor,
    targets: Tensor,
    *,
    floor: float = 1e-08,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Absolute error as a share of the target.

    .. math:: \ell = \frac{|p - t|}{\max(|t|, f)}

    For positive targets whose relative error counts. A target near 0 drowns all others: raise floor to the least
    target that is meant. Predictions that are too small cost at most 1, so the loss favours them. A share, not per
    cent; the floor is 1e-7 in keras and 2.2e-16 in scikit-learn.

    Args:
        predictions, targets: of the signature regression.
        floor: the least that is divided by, in the unit of the target. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        de Myttenaere, Golden, Le Grand, Rossi, "Mean Absolute Percentage Error for regression models", Neurocomputing
        2016, https://arxiv.org/abs/1605.02541
    """

def margin(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.2,
    beta: float = 1.2,
    learned: bool = True,
    per_class: bool = False,
    classes: int | None = None,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Positives within a boundary, negatives beyond it, each by a margin; where the boundary lies is learned.

    .. math:: \ell_i = \sum_{p} \max(0, \alpha + d_{ip} - \beta) + \sum_{n} \max(0, \alpha + \beta - d_{in})

    For retrieval. Unlike contrastive it does not ask positives to come to a point, and unlike triplets it needs no
    third row. The boundary is one number, or one of each class, for classes of different width. All pairs of the
    batch count, and the mean is over the terms above 0. As most negatives are far, its authors draw them by their
    distance: without that the positives of a trained embedding outweigh them. Made for rows of length 1, whose
    distances are at most 2. pytorch-metric-learning goes through triplets, so it counts a pair once for each third
    row; on pairs it is the same. Give the optimiser its parameters() too, without weight decay.

    Args:
        embeddings, labels: of the signature embedding.
        margin: alpha, how far from the boundary a pair costs nothing. Legal: [0, inf).
        beta: the boundary at the start. Legal: (-inf, inf).
        learned: whether the boundary is learned. Legal: true|false.
        per_class: whether each class has its own. Legal: true|false.
        classes: number of classes; none takes it from the data of a run.
        similarity: minus the distance d; cosine and dot are taken for minus a distance.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Wu, Manmatha, Smola, Kraehenbuehl, "Sampling Matters in Deep Embedding Learning", ICCV 2017,
        https://arxiv.org/abs/1706.07567
    """

def margin_ranking(
    first: Tensor,
    second: Tensor,
    signs: Tensor,
    *,
    margin: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Hinge of the difference of two scores: the one that should be higher must lead by a margin.

    .. math:: \ell = \max(0,\; m - y (x_1 - x_2))

    For comparisons of two things. With margin 0, torch's default, two constant scores cost nothing: take a margin
    above 0 where scores may collapse, or bradley-terry, which has a gradient for every pair.

    Args:
        first, second, signs: of the signature order.
        margin: m, the lead that costs nothing. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Herbrich, Graepel, Obermayer, "Support Vector Learning for Ordinal Regression", ICANN 1999,
        https://doi.org/10.1049/cp:19991091
    """

def mixture_nll(
    parameters: Tensor,
    targets: Tensor,
    *,
    family: Literal["normal", "laplace"] = "normal",
    scale: Literal["softplus", "exp"] = "softplus",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-likelihood of a mixture density network: several answers, each with a share and a scale.

    .. math:: \ell = -\log \sum_k \pi_k \, N(t; \mu_k, \sigma_k), \quad \pi = \operatorname{softmax}(z)

    For targets with several likely values for the same inputs, of which the mean is none. One component that stands
    on a single target with a scale of 0 would have an infinite likelihood; the least scale, 1e-6, bounds that at
    $-\log(10^6 / \sqrt{2 \pi})$, and it still overfits: watch the validation. A run has five components.

    Args:
        parameters, targets: of the signature distribution-mixture.
        family: of each component.
        scale: how a raw scale becomes the scale: by softplus or exp, plus 1e-6.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Bishop, "Mixture Density Networks", Aston University 1994, https://publications.aston.ac.uk/id/eprint/373/
    """

def mmd(
    first: Tensor,
    second: Tensor,
    *,
    kernel: Literal["gaussian", "laplace", "energy"] = "gaussian",
    bandwidths: Floats = 1.0,
    unbiased: bool = False,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Squared maximum mean discrepancy: how much nearer rows are to their own sample than to the other.

    .. math:: \ell = \overline{k(x, x')} + \overline{k(y, y')} - 2\,\overline{k(x, y)}, \quad k(x, y) = \sum_b
        e^{-\lVert x - y \rVert^2 / 2 b^2}

    For two domains whose features are to have one distribution, and for generators. The bandwidth has to fit the
    distances: far beyond it the kernel is 0 and so is the gradient, so take several, such as (0.5, 1, 2, 4), or the
    "energy" kernel, minus the distance, which has none. "laplace" is $e^{-\lVert x - y \rVert / b}$. It is computed
    from 1 - k, so that samples that nearly agree keep their digits. geomloss gives half of this number.

    Args:
        first, second: of the signature samples.
        kernel: "gaussian", "laplace" or "energy".
        bandwidths: b, one or several, whose kernels are summed; "energy" has none. Legal: (0, inf).
        unbiased: leave out the pairs of a row with itself; the value may then be below 0. Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Gretton, Borgwardt, Rasch, Schoelkopf, Smola, "A Kernel Two-Sample Test", JMLR 2012,
        https://jmlr.org/papers/v13/gretton12a.html
    """

def modern_nca(
    queries: Tensor,
    query_targets: Tensor,
    candidates: Tensor,
    candidate_targets: Tensor,
    own: Tensor | None = None,
    *,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    temperature: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Soft nearest neighbours over sampled candidates, for classification and regression.

    .. math:: \ell_i = -\log \sum_{j: y_j = y_i} w_{ij} \quad\text{or}\quad \Bigl(\sum_j w_{ij} y_j - y_i\Bigr)^2,
        \qquad w_{ij} = \operatorname{softmax}_{j \ne i}(s_{ij} / \tau)

    For tabular data, where it competes with boosted trees: whole-number targets are classes (first form, computed
    without a probability that could underflow), floating ones are numbers (second form). Stochastic neighbour
    sampling belongs to the code that draws the candidates: at each step draw a new share of the training rows with
    sample_neighbors, encode only those and the batch, and give by own the index of each query among them. To
    evaluate, all training rows are candidates.

    Args:
        queries, query_targets, candidates, candidate_targets, own: of the signature neighbors.
        similarity: s, of a query to a candidate; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Ye, Yin, Zhan, Chao, "Revisiting Nearest Neighbor for Tabular Data: A Deep Tabular Baseline Two Decades Later",
        ICLR 2025, https://arxiv.org/abs/2407.03257
    """

def mse(
    predictions: Tensor,
    targets: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Squared error: predicts the mean; right for normal noise, sensitive to outliers.

    .. math:: \ell = (p - t)^2

    For normal noise of one size. The gradient of an outlier grows with its error; with outliers use huber. No
    factor of one half, which optax's l2_loss has.

    Args:
        predictions, targets: of the signature regression.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Hodson, "Root-mean-square error (RMSE) or mean absolute error (MAE): when to use them or not", Geoscientific
        Model Development 2022, https://doi.org/10.5194/gmd-15-5481-2022
    """

def msle(
    predictions: Tensor,
    targets: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Squared difference of the logarithms of 1 + p and 1 + t: relative errors of numbers from 0 on.

    .. math:: \ell = \bigl(\log(1 + p) - \log(1 + t)\bigr)^2

    For counts, prices and other targets from 0 on that span several powers of ten. A prediction of half the target
    costs more than one of twice the target. Below -0.99 the logarithm goes on as its tangent, so that a network
    that predicts -5 is led back: scikit-learn refuses such a prediction, keras cuts it at 0, where it has no
    gradient.

    Args:
        predictions, targets: of the signature regression.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Tofallis, "A Better Measure of Relative Prediction Accuracy for Model Selection and Model Estimation", Journal
        of the Operational Research Society 2015, https://doi.org/10.1057/jors.2014.103
    """

def multi_margin(
    logits: Tensor,
    targets: Tensor,
    *,
    p: int = 1,
    margin: float = 1.0,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Hinge loss of the target class against every other class, or its square, over the number of classes.

    .. math:: \ell = \frac{1}{C} \sum_{j \ne y} \max(0,\; m + z_j - z_y)^p

    weston-watkins as torch has it. With weights of the classes, a mean divides by the weights of the labels, as of
    all losses here; torch's divides by their number.

    Args:
        logits, targets: of the signature multiclass.
        p: power, 1 or 2. Legal: [1, 2].
        margin: m, the lead that costs nothing. Legal: [0, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Weston, Watkins, "Support Vector Machines for Multi-Class Pattern Recognition", ESANN 1999,
        https://www.esann.org/proceedings/1999
    """

def multi_quantile(
    parameters: Tensor,
    targets: Tensor,
    *,
    quantiles: Floats = (0.1, 0.5, 0.9),
    monotone: bool = True,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Pinball loss of several quantiles of one model: an interval without the assumption of a distribution.

    .. math:: \ell = \sum_q \max \bigl( q (t - y_q), \; (q - 1)(t - y_q) \bigr)

    For prediction intervals. Two quantiles from columns of their own may cross; with monotone the first column is
    the first quantile and every further one a step, $y_k = y_{k-1} + \operatorname{softplus}(r_k)$, so they cannot.
    pytorch-forecasting multiplies by 2. A run has a column for each of quantiles, and predicts the one that is
    nearest to the median.

    Args:
        parameters, targets: of the signature distribution-quantiles.
        quantiles: shares of the targets that should lie below; increasing where monotone. Legal: (0, 1).
        monotone: whether columns after the first are steps. Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Wen, Torkkola, Narayanaswamy, Madeka, "A Multi-Horizon Quantile Recurrent Forecaster", 2017,
        https://arxiv.org/abs/1711.11053
    """

def multi_similarity(
    embeddings: Tensor,
    labels: Tensor,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "cosine",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Pulls the positives of a row and pushes its negatives, the hardest of either most.

    .. math:: \ell_i = \tfrac{1}{\alpha} \log\bigl(1 + \sum_{p} e^{-\alpha (s_{ip} - b)}\bigr) + \tfrac{1}{\beta}
        \log\bigl(1 + \sum_{n} e^{\beta (s_{in} - b)}\bigr)

    For retrieval with several samples of a class in each batch. Every pair counts, as the two sums weigh them: the
    authors leave out the easy ones before, by a miner with a margin of 0.1. A row without positives still pushes
    its negatives, and one without negatives still pulls, as in pytorch-metric-learning; with the miner of the
    authors such a row has no loss. At 1e20 times the embeddings pytorch-metric-learning 2.9 gives a gradient of 0,
    as the squares of their length overflow.

    Args:
        embeddings, labels: of the signature embedding.
        alpha: how much the least similar positive counts before the others. Legal: (0, inf).
        beta: how much the most similar negative counts before the others. Legal: (0, inf).
        base: b, the similarity that parts the two. Legal: (-inf, inf).
        similarity: s, of two rows; a distance is its negative.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Wang, Han, Huang, Dong, Scott, "Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning",
        CVPR 2019, https://arxiv.org/abs/1904.06627
    """

def multiclass_hinge(
    logits: Tensor,
    targets: Tensor,
    *,
    margin: float = 1.0,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Hinge loss of the target class against the largest other class.

    .. math:: \ell = \max\left(0,\; m + \max_{j \ne y} z_j - z_y\right)

    The multiclass support vector machine; its value bounds the error rate from above. Rivals that tie share the
    gradient.

    Args:
        logits, targets: of the signature multiclass.
        margin: m, the lead that costs nothing. Legal: [0, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Crammer, Singer, "On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines", JMLR 2001,
        https://www.jmlr.org/papers/v2/crammer01a.html
    """

def multilabel_margin(
    label_logits: Tensor,
    label_lists: Tensor,
    *,
    margin: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Hinge of each label of a row against each class that is none.

    .. math:: \ell = \frac{1}{C} \sum_{j \in Y} \sum_{i \notin Y} \max(0,\; m - (z_j - z_i))

    For rows of several labels where only their order counts, not a threshold; zlpr is smooth and learns the
    threshold too. As in torch the divisor is C, not the number of pairs, so rows of many labels count more. Time
    and memory grow with the square of C.

    Args:
        label_logits, label_lists: of the signature label-lists.
        margin: m, the lead that costs nothing. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Elisseeff, Weston, "A Kernel Method for Multi-labelled Classification", NeurIPS 2001,
        https://proceedings.neurips.cc/paper/2001/hash/39dcaf7a053dc372fbc391d4e6b5d693-Abstract.html
    """

def multilabel_soft_margin(
    label_logits: Tensor,
    has_labels: Tensor,
    *,
    class_weight: Floats | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Mean over the labels of a row of their binary cross-entropy.

    .. math:: \ell = -\frac{1}{C} \sum_c w_c \left(t_c \log \sigma(z_c) + (1 - t_c) \log \sigma(-z_c)\right)

    For rows of several labels, each a question of its own. It is bce with one value per row, so that masks and
    weights of rows are at hand; as in torch the weights of labels do not change the divisor.

    Args:
        label_logits, has_labels: of the signature multilabel.
        class_weight: of each label, (C,). Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Zhang, Zhou, "Multilabel Neural Networks with Applications to Functional Genomics and Text Categorization", IEEE
        TKDE 2006, https://doi.org/10.1109/TKDE.2006.162
    """

def n_pairs(
    queries: Tensor,
    keys: Tensor,
    *,
    l2_reg: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of the own positive among those of the other pairs, by dot products.

    .. math:: \ell_i = \log \Bigl(1 + \sum_{j \ne i} e^{a_i^T p_j - a_i^T p_i}\Bigr) + \tfrac{\lambda}{4}
        \bigl(\lVert a_i \rVert^2 + \lVert p_i \rVert^2\bigr)

    For N pairs of N different classes. Dot products have no scale of their own, so lengths grow; the regulariser
    holds them. The factor of a quarter is that of TensorFlow's. Without regulariser it is info-nce(similarity=dot,
    temperature=1), which also takes candidates from other processes and memory banks. pytorch-metric-learning draws
    the pairs from labels, and divides rows by their length unless told otherwise; here the data has the pairs, and
    a row its length.

    Args:
        queries, keys: of the signature views.
        l2_reg: lambda, of the squared lengths. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", NeurIPS 2016,
        https://papers.nips.cc/paper/6200-improved-deep-metric-learning-with-multi-class-n-pair-loss-objective
    """

def nca(
    embeddings: Tensor,
    labels: Tensor,
    *,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "squared-euclidean",
    temperature: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-probability that a random neighbour has the same class; bounded below.

    .. math:: \ell_i = -\log p_i, \quad p_i = \sum_{j: y_j = y_i} \operatorname{softmax}_{j \ne i}(s_{ij} / \tau)

    For embeddings that a nearest-neighbour rule will classify; s is minus the squared distance, as in the original.
    This is the logarithmic form, the likelihood that all rows are classified right; scikit-learn's NCA maximises
    the sum of the p. As p <= 1 the loss is bounded below by 0, and the gradient of a right row vanishes. The ratio
    P_same / P_diff = p / (1 - p) has no such bound: it grows without limit, so the embedding grows until an
    exponential underflows, and then the plain form is infinite.

    Args:
        embeddings, labels: of the signature embedding.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004,
        https://papers.nips.cc/paper/2566-neighbourhood-components-analysis
    """

def nca_difference(
    embeddings: Tensor,
    labels: Tensor,
    *,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    temperature: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Probability of the other classes minus that of the own class; the gradient vanishes for very wrong rows.

    .. math:: \ell_i = P_i^{\text{diff}} - P_i^{\text{same}}

    P is the softmax of s over the temperature, summed over the other rows of another class, or of the own one.
    Bounded, so neither outliers nor separated classes dominate. But the gradient vanishes for a row deep inside
    another class, as it does for a row that is right. Rows without a positive take no part, as in the rest of the
    family, though the difference would be defined for them. It is $\tanh(\tfrac12 \ell_i)$ of nca-stable.

    Args:
        embeddings, labels: of the signature embedding.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        The losszoo developers; the probabilities of neighbours as in Goldberger, Roweis, Hinton, Salakhutdinov,
        "Neighbourhood Components Analysis", NeurIPS 2004,
        https://papers.nips.cc/paper/2566-neighbourhood-components-analysis
    """

def nca_epsilon(
    embeddings: Tensor,
    labels: Tensor,
    *,
    eps: float = 1e-10,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    temperature: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""The ratio with an epsilon in both sums: finite, but the gradient vanishes for very wrong rows.

    .. math:: \ell_i = -\log \frac{P_i^{\text{same}} + \epsilon}{P_i^{\text{diff}} + \epsilon}

    An exhibit: nca-ratio with an epsilon, which mends only the infinite value. The gradient through a sum P is
    multiplied by P / (P + eps), so it shrinks as P falls below eps, and is exactly 0 once P underflows: a row
    inside another class, where the loss matters most, gets no gradient, and the loss stays at -log(eps). In float32
    an eps below 1e-7 also changes nothing in a sum near 1. Use nca-stable.

    Args:
        embeddings, labels: of the signature embedding.
        eps: added to both sums. Legal: (0, 1).
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        The losszoo developers; the probabilities of neighbours as in Goldberger, Roweis, Hinton, Salakhutdinov,
        "Neighbourhood Components Analysis", NeurIPS 2004,
        https://papers.nips.cc/paper/2566-neighbourhood-components-analysis
    """

def nca_ratio(
    embeddings: Tensor,
    labels: Tensor,
    *,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    temperature: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Logarithm of a ratio of two softmax sums, computed literally: infinite once a sum underflows.

    .. math:: \ell_i = -\log \frac{P_i^{\text{same}}}{P_i^{\text{diff}}}

    P is the softmax of s over the temperature, summed over the other rows of the own class, or of another one. An
    exhibit. Once the classes lie apart by 44 temperatures, the gradient of the quotient overflows in float32; from
    about 100 on a sum is 0, the loss infinite and its gradient NaN. nca-stable is the same number, computed without
    the softmax.

    Args:
        embeddings, labels: of the signature embedding.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        The losszoo developers; the probabilities of neighbours as in Goldberger, Roweis, Hinton, Salakhutdinov,
        "Neighbourhood Components Analysis", NeurIPS 2004,
        https://papers.nips.cc/paper/2566-neighbourhood-components-analysis
    """

def nca_stable(
    embeddings: Tensor,
    labels: Tensor,
    *,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    temperature: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Log odds that a random neighbour has another class; finite for every finite embedding.

    .. math:: \ell_i = \log \sum_{j: y_j \ne y_i} e^{s_{ij}/\tau} - \log \sum_{j \ne i: y_j = y_i} e^{s_{ij}/\tau}

    It is nca-ratio where that is finite, and finite with the right gradient elsewhere: the softmax's normaliser
    cancels, and the two log-sum-exps that remain do not underflow. Like the ratio it has no lower bound: separated
    classes are pushed apart without end, so use it with weight decay, a bounded embedding or few epochs, or use
    nca.

    Args:
        embeddings, labels: of the signature embedding.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        The losszoo developers; the probabilities of neighbours as in Goldberger, Roweis, Hinton, Salakhutdinov,
        "Neighbourhood Components Analysis", NeurIPS 2004,
        https://papers.nips.cc/paper/2566-neighbourhood-components-analysis
    """

def negative_binomial_nll(
    parameters: Tensor,
    targets: Tensor,
    *,
    scale: Literal["softplus", "exp"] = "softplus",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-likelihood of the negative binomial distribution: counts that spread more than Poisson's.

    .. math:: \ell = -\log \frac{\Gamma(t + \frac1\alpha)}{\Gamma(\frac1\alpha) \, t!} + (t + \tfrac1\alpha) \log (1
        + \alpha \mu) - t \log \alpha \mu, \quad \mu = e^m

    For counts whose variance $\mu + \alpha \mu^2$ exceeds their mean: visits, sales, reads of a gene. As the
    dispersion falls to its least value, 1e-6, this becomes Poisson's likelihood, poisson-nll(full=true), and value
    and gradient keep their digits: of 3 at a mean of 2 it is 1.7123 there, and 2.3671 by torch's NegativeBinomial
    in float32. The logarithm of the mean is never exponentiated, so a column of 1e4 costs what the formula says and
    no NaN. It is computed in float64.

    Args:
        parameters, targets: of the signature distribution-counts.
        scale: how the raw dispersion becomes alpha: by softplus or exp, plus 1e-6.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Lawless, "Negative Binomial and Mixed Poisson Regression", Canadian Journal of Statistics 1987,
        https://doi.org/10.2307/3314912
    """

def negative_cosine(
    queries: Tensor,
    keys: Tensor,
    *,
    detach: bool = True,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Minus the cosine of a prediction and of the other view, whose gradient is stopped.

    .. math:: \ell_i = -\cos\bigl(q_i, \operatorname{stop}(k_i)\bigr)

    For SimSiam and BYOL, without negatives: queries are what a predictor makes of one view, keys the projection of
    the other, by the same network or by its slow copy. Without predictor and stopped gradient everything collapses
    to one point. Both papers take both ways, of the two views a and b: the mean of loss(predict(a), b) and
    loss(predict(b), a). BYOL's 2 - 2 cos has twice the gradient. A zero row has a cosine of 0, and no gradient;
    rows of any length have one, while lightly 1.6 gives 0 at rows times 1e20.

    Args:
        queries, keys: of the signature views.
        detach: whether keys are taken for constant. Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Chen, He, "Exploring Simple Siamese Representation Learning", CVPR 2021, https://arxiv.org/abs/2011.10566; Grill
        et al., "Bootstrap Your Own Latent", NeurIPS 2020, https://arxiv.org/abs/2006.07733
    """

def nll(
    logits: Tensor,
    targets: Tensor,
    *,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-likelihood of log-probabilities.

    .. math:: \ell = -\sum_c q_c \log p_c

    For models that end in log_softmax or in another normalised logarithm.

    Args:
        logits, targets: of the signature multiclass.
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Fisher, "On the Mathematical Foundations of Theoretical Statistics", Philosophical Transactions of the Royal
        Society A 1922, https://doi.org/10.1098/rsta.1922.0009
    """

def nt_xent(
    queries: Tensor,
    keys: Tensor,
    *,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "cosine",
    temperature: float = 0.5,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of the other view of each row among all other rows of both views: SimCLR.

    .. math:: \ell_i = -\tfrac12 \sum_{a \in \{q_i, k_i\}} \log \frac{e^{s_{q_i k_i}/\tau}}{\sum_{b \ne a}
        e^{s_{ab}/\tau}}

    For self-supervised training on two augmentations of the same samples. Both views are rows, and each has 2N - 2
    negatives: those of the other view, as in info-nce, and those of its own. A log-sum-exp, so a low temperature
    loses nothing; pytorch-metric-learning 2.9 adds 1.2e-38 to the share, so its loss ends at 87.3, without a
    gradient.

    Args:
        queries, keys: of the signature views.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the more the hard negatives count. Legal: (0,
            inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual Representations", ICML
        2020, https://arxiv.org/abs/2002.05709
    """

def ordered_logit(
    logits: Tensor,
    labels: Tensor,
    *,
    link: Literal["logit", "probit"] = "logit",
    levels: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Negative log-likelihood of an interval of a noisy score: the ordered logit model.

    .. math:: \ell = -\log \bigl(F(c_y - x) - F(c_{y-1} - x)\bigr), \quad c_{-1} = -\infty, \; c_{K-1} = \infty

    For grades that are cut from one scale. It is the model of statsmodels' OrderedModel and R's polr: a score x for
    each row, ordered cut points c, and noise of distribution F. The difference of two nearly equal probabilities is
    never formed, so a score far from its interval has its whole gradient. The cut points are needed to predict, so
    in a run they belong to the head, and the loss is given the logits $x - c_k$. They are taken in descending
    order, whatever order they come in. With levels the loss holds the cut points itself, in cuts(), and takes
    scores (N,) too: give the optimiser its parameters(). Its cut points stay in order after any step. Where two of
    them are equal, the level between has probability 0; below a distance of 1e-12 the logarithm goes on as its
    tangent, which leads them apart.

    Args:
        logits, labels: of the signature ordinal.
        link: "logit", where F is the logistic distribution, or "probit", where it is the normal one.
        levels: K, at least 2, for scores, whose cut points the loss holds; none is for logits. Legal: [2, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        McCullagh, "Regression Models for Ordinal Data", Journal of the Royal Statistical Society B 1980,
        https://doi.org/10.1111/j.2517-6161.1980.tb01109.x
    """

def orpo(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor | None = None,
    reference_rejected: Tensor | None = None,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    *,
    class_weight: float = 0.1,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Odds-ratio preference optimisation: likelihood of the chosen answer, and odds above those of the rejected.

    .. math:: \ell = -\bar\ell_w + \lambda \log\Bigl(1 + \frac{o_l}{o_w}\Bigr), \quad o = \frac{e^{\bar\ell}}{1 -
        e^{\bar\ell}}

    For fine-tuning and preferences in one step, without a reference model. Where the chosen answer is certain,
    TRL's log(1 - exp(x)) is infinite and its gradient NaN; here value and gradient are their limits.

    Args:
        chosen, rejected, reference_chosen, reference_rejected, chosen_lengths, rejected_lengths: of the signature
            preference.
        class_weight: of the term of the odds. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Hong, Lee, Thorne, "ORPO: Monolithic Preference Optimization without Reference Model", EMNLP 2024,
        https://arxiv.org/abs/2403.07691
    """

def poisson_nll(
    log_rates: Tensor,
    counts: Tensor,
    *,
    log_input: bool = True,
    full: bool = False,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-likelihood of the Poisson distribution, of the logarithm of its rate.

    .. math:: \ell = e^z - t z \; (+ \log t!)

    For counts. The network gives the logarithm z of the rate, which may be any number; with log_input=False it
    gives the rate p itself, and the loss is $p - t \log p$. Nothing is added to the rate, as torch adds its eps;
    below 1e-12 the logarithm goes on as its tangent, which leads a rate of 0 or less back. With full the factorial
    is exact, where torch has Stirling's series, and 0 for counts up to 1. Beyond z = 88.7 the true value leaves
    float32.

    Args:
        log_rates, counts: of the signature counts.
        log_input: whether the rates come as logarithms. Legal: true|false.
        full: whether the term of the counts alone is added; it has no gradient. Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Nelder, Wedderburn, "Generalized Linear Models", Journal of the Royal Statistical Society A 1972,
        https://doi.org/10.2307/2344614
    """

def poly_1(
    logits: Tensor,
    targets: Tensor,
    *,
    epsilon: float = 1.0,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy with another weight on the first term of its series.

    .. math:: \ell = -\log p_y + \epsilon \, (1 - p_y), \quad p = \operatorname{softmax}(z)

    For tuning cross-entropy by one number: above 0 the rows that are nearly right count more, below 0 less.

    Args:
        logits, targets: of the signature multiclass.
        epsilon: added to the coefficient of 1 - p; 0 is cross-entropy. Legal: [-1, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Leng, Tan, Liu, Cubuk, Shi, Cheng, Anguelov, "PolyLoss: A Polynomial Expansion Perspective of Classification
        Loss Functions", ICLR 2022, https://arxiv.org/abs/2204.12511
    """

def proxy_anchor(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.1,
    alpha: float = 32.0,
    classes: int | None = None,
    dim: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Each learned proxy of a class pulls its hardest positives and pushes its hardest negatives in the batch.

    .. math:: \ell = \frac{1}{|P^+|} \sum_{p \in P^+} \log\Bigl(1 + \sum_{y_i = p} e^{-\alpha (s_{ip} -
        \delta)}\Bigr) + \frac{1}{|P|} \sum_{p} \log\Bigl(1 + \sum_{y_i \ne p} e^{\alpha (s_{ip} + \delta)}\Bigr)

    For retrieval with more classes than a batch holds: as quick to train as other proxies, and the rows of a batch
    still count against each other. The first mean is over the proxies that have a positive, the second over all.
    The value is one of the whole batch. Give the optimiser its parameters() too: the authors use a rate a hundred
    times that of the model (recipe.loss_lr).

    Args:
        embeddings, labels: of the signature embedding.
        margin: delta, of the cosine s. Legal: (-inf, inf).
        alpha: how much the hardest rows outweigh the others. Legal: (0, inf).
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Kim, Kim, Cho, Kwak, "Proxy Anchor Loss for Deep Metric Learning", CVPR 2020, https://arxiv.org/abs/2003.13911
    """

def proxy_nca(
    embeddings: Tensor,
    labels: Tensor,
    *,
    scale: float = 3.0,
    paper: bool = False,
    classes: int | None = None,
    dim: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Softmax of squared distances to learned proxies of the classes, all of unit length.

    .. math:: \ell = -\log \frac{e^{-s d^2(x, p_y)}}{\sum_{c} e^{-s d^2(x, p_c)}}

    For retrieval: neighbourhood components with one point for each class in place of the other rows, so it needs no
    positives in the batch. The own proxy stands in the denominator, as in ProxyNCA++ and pytorch-metric-learning;
    the first paper leaves it out (paper=true), after which the loss has no lower bound. As a squared distance of
    unit vectors is 2 - 2 cos, it is a softmax of 2 s cos. Give the optimiser its parameters() too, in a run with
    recipe.loss_lr a rate of their own.

    Args:
        embeddings, labels: of the signature embedding.
        scale: s, of the squared distances; 1 over a temperature. Legal: (0, inf).
        paper: leave the own proxy out of the denominator. Legal: true|false.
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Movshovitz-Attias, Toshev, Leung, Ioffe, Singh, "No Fuss Distance Metric Learning using Proxies", ICCV 2017,
        https://arxiv.org/abs/1703.07464; Teh, DeVries, Taylor, "ProxyNCA++", ECCV 2020,
        https://arxiv.org/abs/2004.01113
    """

def quality_focal(
    predictions: Tensor,
    targets: Tensor,
    *,
    beta: float = 2.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy towards a quality between 0 and 1, with less weight where the prediction is near it.

    .. math:: \ell = |t - \sigma(x)|^{\beta} \bigl(-t \log \sigma(x) - (1 - t) \log \sigma(-x)\bigr)

    For detectors whose score is to be the overlap with the true box: one number for class and quality. Below beta=1
    the derivative at the target would be infinite.

    Args:
        predictions, targets: of the signature binary.
        beta: focusing parameter. Legal: [1, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Li, Wang, Wu, Chen, Hu, Li, Tang, Yang, "Generalized Focal Loss: Learning Qualified and Distributed Bounding
        Boxes for Dense Object Detection", NeurIPS 2020, https://arxiv.org/abs/2006.04388
    """

def quantile(
    predictions: Tensor,
    targets: Tensor,
    *,
    quantile: float = 0.5,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Pinball loss: predicts a quantile, for intervals, or if too low costs more than too high.

    .. math:: \ell = \max(q\,e,\ (q - 1)\,e), \quad e = t - p

    For prediction intervals (train one model per end), and where too low costs more than too high or less. At
    quantile=0.5 it is half of mae. The gradient is $-q$ below the target, $1 - q$ above it, and 0 on it, so an
    exact fit does not move.

    Args:
        predictions, targets: of the signature regression.
        quantile: q, the share of the targets that should lie below the prediction. Legal: (0, 1).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Koenker, Bassett, "Regression Quantiles", Econometrica 1978, https://doi.org/10.2307/1913643
    """

def ranknet(
    item_scores: Tensor,
    relevance: Tensor,
    *,
    sigma: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-likelihood that of any two items the more relevant one wins.

    .. math:: \ell = \sum_{y_i > y_j} \log\left(1 + e^{-\sigma (s_i - s_j)}\right)

    For lists whose whole order matters. All pairs count alike, at the top and at the bottom; lambda-loss looks at
    the top. It is a sum over the pairs of a list, so long lists weigh more.

    Args:
        item_scores, relevance: of the signature ranking.
        sigma: steepness of the logistic function. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Burges, Shaked, Renshaw, Lazier, Deeds, Hamilton, Hullender, "Learning to Rank using Gradient Descent", ICML
        2005, https://doi.org/10.1145/1102351.1102363
    """

def rmse(
    predictions: Tensor,
    targets: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Root of the mean squared error: in the unit of the target.

    .. math:: \ell = \sqrt{\tfrac1n \sum_i (p_i - t_i)^2}

    Its gradient does not shrink as the error does, so lower the learning rate towards the end; at zero error it is
    zero. With several outputs the mean goes over all elements, before the root; scikit-learn takes the root of each
    output and then the mean. Errors whose squares leave float32, below 1e-18 and above 1e18, are squared in
    float64, where the loss looks at numbers: on the CPU, or with validate=True.

    Args:
        predictions, targets: of the signature regression.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Chai, Draxler, "Root mean square error (RMSE) or mean absolute error (MAE)? Arguments against avoiding RMSE in
        the literature", Geoscientific Model Development 2014, https://doi.org/10.5194/gmd-7-1247-2014
    """

def sampled_softmax(
    positive: Tensor,
    negatives: Tensor,
    accidental: Tensor | None = None,
    log_q: Tensor | None = None,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of the positive among itself and the drawn negatives, corrected for how they were drawn.

    .. math:: \ell = -s^+ + \log\Bigl(e^{s^+} + \sum_j e^{s^-_j - \log(M q_j)}\Bigr)

    For catalogues of millions, where a softmax over all is too dear. With log_q, a popular candidate that is drawn
    often counts less, and the sum estimates that over the whole catalogue. Without it, the drawn candidates are the
    whole catalogue: plain cross-entropy, as in-batch losses have it, which is biased against popular candidates.

    Args:
        positive, negatives, accidental, log_q: of the signature negatives.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Bengio, Senecal, "Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model",
        IEEE Transactions on Neural Networks 2008, https://doi.org/10.1109/TNN.2007.912312
    """

def seesaw(
    logits: Tensor,
    targets: Tensor,
    *,
    p: float = 0.8,
    q: float = 2.0,
    classes: int | None = None,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Cross-entropy that pushes a rare class down less for frequent ones, and more where it is predicted wrongly.

    .. math:: \ell = \log\Bigl(1 + \sum_{j \ne y} M_{yj} C_{yj} e^{z_j - z_y}\Bigr), \quad M_{yj} = \min\bigl(1, n_j
        / n_y\bigr)^p, \quad C_{yj} = \max\bigl(1, \sigma_j / \sigma_y\bigr)^q

    For a long tail of classes, as in instance segmentation, where nobody knows the counts beforehand: n counts the
    labels that have come in training, this batch included. Mitigation M weakens the push on a rarer class j;
    compensation C strengthens it where j is more probable than the target. Both are weights without a gradient, so
    the gradient is not the derivative of the value. They are formed as logarithms, $q [z_j - z_y]_+$, and the sum
    is one of exponents: mmdetection divides probabilities that it first bounds by eps = 0.01, so its compensation
    stops growing at a ratio of 100. The counts are the buffer counts, saved and resumed with the loss; in
    evaluation, without gradients and under torch.func they stay, and with none all classes are alike. Of
    probabilities the likeliest class is counted. With several processes each counts its own labels: add the buffers
    up where their data differ.

    Args:
        logits, targets: of the signature multiclass.
        p: strength of the mitigation; 0 is none. Legal: [0, inf).
        q: strength of the compensation; 0 is none. Legal: [0, inf).
        classes: C; none takes it from the data of a run, or from the first batch.
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Wang, Zhang, Zang, Cao, Pang, Gong, Chen, Liu, Loy, Lin, "Seesaw Loss for Long-Tailed Instance Segmentation",
        CVPR 2021, https://arxiv.org/abs/2008.10032
    """

def self_adversarial(
    positive: Tensor,
    negatives: Tensor,
    accidental: Tensor | None = None,
    log_q: Tensor | None = None,
    *,
    margin: float = 9.0,
    temperature: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative sampling in which the model's own scores say how much each negative counts.

    .. math:: \ell = -\log \sigma(\gamma + s^+) - \sum_j w_j \log \sigma(-\gamma - s^-_j), \quad w =
        \operatorname{softmax}(\alpha s^-)

    For embeddings of knowledge graphs, where scores are minus a distance and most negatives are easy. The weights
    have no gradient. The authors' code halves the value; this is the paper's.

    Args:
        positive, negatives, accidental, log_q: of the signature negatives.
        margin: gamma, the distance up to which a triple is held to be true. Legal: [0, inf).
        temperature: alpha, sharpness of the weights; 0 weighs all negatives alike. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Sun, Deng, Nie, Tang, "RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space", ICLR 2019,
        https://arxiv.org/abs/1902.10197
    """

def siglip(
    queries: Tensor,
    keys: Tensor,
    *,
    bias: float = -10.0,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "cosine",
    temperature: float = 0.1,
    learned_temperature: bool = True,
    symmetric: bool = False,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Each pair of a query and a key by itself: whether they belong together, with a learned scale and bias: SigLIP.

    .. math:: \ell_i = -\sum_j \log \sigma\bigl(y_{ij} (t s_{ij} + b)\bigr), \quad y_{ii} = 1, \; y_{ij} = -1

    For pairs of two kinds, such as image and text. No softmax, so a pair does not need the other pairs, and small
    batches serve. The value of a query is a sum over all keys, and the mean divides by N, not by N squared, as its
    authors do. The scale t is 1 over the learned temperature, at most 100; the bias begins at -10, so that the many
    negatives of the first steps cost little. Give the optimiser its parameters() too, without weight decay.

    Args:
        queries, keys: of the signature views.
        bias: b at the start. Legal: (-inf, inf).
        similarity: s, of a query to a key; a distance is its negative.
        temperature: 1/t, at the start where it is learned. Legal: (0, inf).
        learned_temperature: whether the temperature is learned. Legal: true|false.
        symmetric: mean of queries to keys, and of keys to queries; of as many of both, the mean over N is the same.
            Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Zhai, Mustafa, Kolesnikov, Beyer, "Sigmoid Loss for Language Image Pre-Training", ICCV 2023,
        https://arxiv.org/abs/2303.15343
    """

def simpo(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor | None = None,
    reference_rejected: Tensor | None = None,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    *,
    beta: float = 2.0,
    gamma: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Simple preference optimisation: mean log-probabilities instead of a reference model, and a margin.

    .. math:: \ell = -\log \sigma(\beta (\bar\ell_w - \bar\ell_l) - \gamma)

    For language models that learn from comparisons, where a reference model costs too much. The mean over the
    tokens keeps long answers from winning by their length.

    Args:
        chosen, rejected, reference_chosen, reference_rejected, chosen_lengths, rejected_lengths: of the signature
            preference.
        beta: scale of the difference. Legal: (0, inf).
        gamma: by how much the scaled difference must lead. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Meng, Xia, Chen, "SimPO: Simple Preference Optimization with a Reference-Free Reward", NeurIPS 2024,
        https://arxiv.org/abs/2405.14734
    """

def sinkhorn(
    first: Tensor,
    second: Tensor,
    *,
    blur: float = 0.05,
    iterations: int = 50,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Debiased entropic cost of moving one sample to the other: 0 where they agree, whatever the blur.

    .. math:: \ell = \operatorname{OT}_\epsilon(x, y) - \tfrac12 \operatorname{OT}_\epsilon(x, x) - \tfrac12
        \operatorname{OT}_\epsilon(y, y), \quad c = \tfrac12 \lVert x - y \rVert^2, \; \epsilon = b^2

    For two samples that are to be one distribution, also where they do not overlap, which mmd does not see. Between
    the transport itself (blur to 0) and the distance of the means (blur to infinity). The potentials are iterated
    in the logarithms, in float64, with an entropy that falls from the diameter to the blur, then iterations times
    at the blur. A blur that is small beside the distances of neighbouring rows needs more; before they have
    converged the value is too small, and may be below 0. The gradient is that at the fixed point, where the
    potentials do not count: no graph goes through the iterations. It cannot be differentiated a second time. Time
    grows with N M.

    Args:
        first, second: of the signature samples.
        blur: b, in units of the rows: details below it are not seen. Legal: (0, inf).
        iterations: at the blur itself. Legal: [1, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Feydy, Sejourne, Vialard, Amari, Trouve, Peyre, "Interpolating between Optimal Transport and MMD using Sinkhorn
        Divergences", AISTATS 2019, https://arxiv.org/abs/1810.08278
    """

def smape(
    predictions: Tensor,
    targets: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Absolute error as a share of the mean size of prediction and target.

    .. math:: \ell = \frac{2 |p - t|}{|p| + |t|}

    For forecasts of positive numbers, some of them 0. It is at most 2, and it is 2 for every prediction of the
    wrong sign: the gradient is 0 there, so start with predictions of the right sign, or use mape with a floor.
    Where both are 0 the value is 0. A share, not per cent.

    Args:
        predictions, targets: of the signature regression.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Makridakis, "Accuracy measures: theoretical and practical concerns", International Journal of Forecasting 1993,
        https://doi.org/10.1016/0169-2070(93)90079-3
    """

def smooth_ap(
    embeddings: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.01,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""One minus the average precision of the others, ranked by their cosine, with a sigmoid in place of each step.

    .. math:: \ell_i = 1 - \frac{1}{|P_i|} \sum_{p \in P_i} \frac{1 + \sum_{j \in P_i \setminus p} \sigma_{jp}} {1 +
        \sum_{j \ne p} \sigma_{jp}}, \quad \sigma_{jp} = \sigma\Bigl(\frac{s_{ij} - s_{ip}}{\tau}\Bigr)

    For retrieval that is judged by average precision, with several samples of a class in each batch. The query is
    one of its own positives, at a cosine of 1, as its authors count. It is bounded, and a sigmoid is flat: a
    positive that is far behind the negatives, by many temperatures, gets no gradient. Begin with a higher
    temperature, or with another loss. pytorch-metric-learning 2.9 gives this number only where there are as many
    classes as rows of a class: it forms the groups by the wrong one of the two, and needs equal classes in a row.
    Here neither is needed, and time and memory grow with the positives of a row, not with all of its pairs.

    Args:
        embeddings, labels: of the signature embedding.
        temperature: tau, the width of a step. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Brown, Xie, Kalogeiton, Zisserman, "Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval", ECCV
        2020, https://arxiv.org/abs/2007.12163
    """

def smooth_l1(
    predictions: Tensor,
    targets: Tensor,
    *,
    beta: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Absolute error with a rounded tip: squared within beta, and a gradient of 1 beyond it.

    .. math:: \ell = \begin{cases} e^2 / (2 \beta) & |e| < \beta \\ |e| - \beta / 2 & |e| \ge \beta \end{cases},
        \quad e = p - t

    For boxes and other regression with outliers. It is huber divided by its delta, so the gradient far away does
    not depend on beta. At beta=0 it is the absolute error.

    Args:
        predictions, targets: of the signature regression.
        beta: error up to which the loss is squared, in the unit of the target. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Girshick, "Fast R-CNN", ICCV 2015, https://arxiv.org/abs/1504.08083
    """

def smooth_segmentation(
    logits: Tensor,
    targets: Tensor,
    *,
    bce_weight: float = 0.7,
    smoothness_weight: float = 0.3,
    activation: Literal["none", "sigmoid"] = "none",
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Binary cross-entropy plus smoothness: favours few, unbroken regions.

    .. math:: \ell = a \operatorname{mean}_i \operatorname{bce}(x_i, t_i) + b \operatorname{smoothness}(x)

    For masks that should be few unbroken regions, and for labels that are noisy pixel by pixel. Differences of
    logits have no bound, so at the default weights a map of thin strokes is cheapest when it is almost flat and
    below every threshold (on digits-segmentation: IoU 0); activation="sigmoid" bounds each difference by 1 (IoU
    0.76 there). Where the targets are labels, each class is set against all others: x is its log odds in the
    softmax over the channels.

    Args:
        logits, targets: of the signature segmentation.
        bce_weight: a, the weight of the cross-entropy. Legal: [0, inf).
        smoothness_weight: b, the weight of the smoothness. Legal: [0, inf).
        activation: what is smoothed: the prediction as it is, or its probability.
        class_weight: how many times the maps of each class (channel) count; none counts all alike. A mean divides by
            the weights. Legal: [0, inf).
        ignore_index: label whose pixels take no part in value, gradient or mean; of labels only, maps have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Javanmardi, Sajjadi, Liu, Tasdizen, "Unsupervised Total Variation Loss for Semi-supervised Deep Learning of
        Semantic Segmentation", 2016, https://arxiv.org/abs/1605.01368
    """

def smoothness(
    logits: Tensor,
    targets: Tensor,
    *,
    activation: Literal["none", "sigmoid"] = "none",
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Mean absolute difference of neighbouring pixels; a term of a sum, independent of the targets.

    .. math:: \ell = \sum_d \operatorname{mean}_i |x_{i + e_d} - x_i|

    The sum runs over the spatial dimensions d, the mean over the pixels i that have a next one along d. For fewer
    specks and holes, as one term of a sum (0.7*bce + 0.3*smoothness): alone, a constant map is its minimum. On raw
    logits it also holds back confident edges; activation="sigmoid" charges an edge between two sure regions at most
    1. Where the targets are labels, x is the log odds of a class in the softmax over the channels, and its
    probability the softmax share.

    Args:
        logits, targets: of the signature segmentation.
        activation: what is smoothed: the prediction as it is, or its probability.
        class_weight: how many times the maps of each class (channel) count; none counts all alike. A mean divides by
            the weights. Legal: [0, inf).
        ignore_index: label whose pixels take no part in value, gradient or mean; of labels only, maps have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Rudin, Osher, Fatemi, "Nonlinear Total Variation Based Noise Removal Algorithms", Physica D 1992,
        https://doi.org/10.1016/0167-2789(92)90242-F
    """

def soft_f1(
    label_logits: Tensor,
    has_labels: Tensor,
    *,
    average: Literal["macro", "micro"] = "macro",
    smooth: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""One minus the F1 score of each label, of probabilities in place of yes and no, over the batch.

    .. math:: \ell_c = \frac{\mathit{fp} + \mathit{fn}}{2 \mathit{tp} + \mathit{fp} + \mathit{fn} + s}, \quad
        \mathit{tp} = \sum_i p_i t_i, \; \mathit{fp} = \sum_i p_i (1 - t_i), \; \mathit{fn} = \sum_i (1 - p_i) t_i,
        \quad p = \sigma(x)

    For rare labels that are judged by F1, in batches that hold each of them several times; bce is steadier, and
    gives probabilities. It is Dice over the batch, written by its errors, so a score near 1 keeps its digits. The
    score of a batch is not the mean of the scores of its parts, so a batch cannot be split to be accumulated. A
    label that no row has costs 1 whatever is predicted, as scikit-learn's F1 is 0 there, and gets no gradient;
    smooth > 0 lets it fall to 0 with the probabilities.

    Args:
        label_logits, has_labels: of the signature multilabel.
        average: "macro" is one score per label, "micro" one score of all labels together.
        smooth: s, rows added to the sizes. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Benedict, Koops, Odijk, de Rijke, "sigmoidF1: A Smooth F1 Score Surrogate Loss for Multilabel Classification",
        TMLR 2022, https://arxiv.org/abs/2108.10566
    """

def soft_margin(
    scores: Tensor,
    signs: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Logistic loss of a score against a sign.

    .. math:: \ell = \log(1 + e^{-y x})

    bce for labels of -1 and 1. torch's soft_margin_loss forms the exponential: measured in float32, it is infinite
    from y x = -89 on. Here it is -y x. Labels of 0 and 1 go to bce.

    Args:
        scores, signs: of the signature signed.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Friedman, Hastie, Tibshirani, "Additive Logistic Regression: A Statistical View of Boosting", Annals of
        Statistics 2000, https://doi.org/10.1214/aos/1016218223
    """

def soft_triple(
    embeddings: Tensor,
    labels: Tensor,
    *,
    centers: int = 10,
    scale: float = 20.0,
    gamma: float = 0.1,
    margin: float = 0.01,
    reg_weight: float = 0.0,
    classes: int | None = None,
    dim: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Softmax over classes of several learned centres, each class as near as a soft choice of its centres.

    .. math:: \ell = -\log \frac{e^{\lambda (S_y - \delta)}}{e^{\lambda (S_y - \delta)} + \sum_{c \ne y} e^{\lambda
        S_c}}, \quad S_c = \sum_k \frac{e^{s_{ck} / \gamma}}{\sum_l e^{s_{cl} / \gamma}} \, s_{ck}

    For classes of several looks, such as a product from all sides, without triplets. s are cosines. As a softmax
    weighs the centres, all of a class learn, unlike the nearest alone in sub-center-arcface. With reg_weight the
    mean distance between the centres of a class is added, so that those that are not needed fall together. It is no
    term of pytorch-metric-learning's; the authors' code takes a root there whose gradient is not finite at equal
    centres, and adds 1e-5 below it. Here that gradient is 0. Give the optimiser its parameters() too.

    Args:
        embeddings, labels: of the signature embedding.
        centers: of each class, >= 1. Legal: [1, inf).
        scale: lambda, of the similarity of a class. Legal: (0, inf).
        gamma: temperature of the choice among the centres of a class. Legal: (0, inf).
        margin: delta, taken off the similarity of the own class. Legal: [0, 2].
        reg_weight: tau, of the mean distance between the centres of a class. Legal: [0, inf).
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Qian, Shang, Sun, Hu, Li, Jin, "SoftTriple Loss: Deep Metric Learning Without Triplet Sampling", ICCV 2019,
        https://arxiv.org/abs/1909.05235
    """

def softmax_focal(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma: float = 2.0,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy with less weight on easy examples.

    .. math:: \ell = -(1 - p_y)^{\gamma} \, \log p_y, \quad p = \operatorname{softmax}(z)

    For imbalanced or noisy classes, and for calibration.

    Args:
        logits, targets: of the signature multiclass.
        gamma: focusing parameter, the discount of easy examples; 0 is cross-entropy. Legal: [0, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Mukhoti, Kulharia, Sanyal, Golodetz, Torr, Dokania, "Calibrating Deep Neural Networks using Focal Loss", NeurIPS
        2020, https://arxiv.org/abs/2002.09437
    """

def softmax_nll_eps(
    logits: Tensor,
    targets: Tensor,
    *,
    eps: float = 1e-08,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy as log(softmax + eps): the gradient vanishes for confident wrong predictions.

    .. math:: \ell = -\sum_c q_c \log(p_c + \epsilon), \quad p = \operatorname{softmax}(z)

    An exhibit, seen in much code and kept to teach: where the softmax underflows the value stops at $-\log
    \epsilon$ and the gradient is gone, just where the prediction is most wrong. Use cross-entropy.

    Args:
        logits, targets: of the signature multiclass.
        eps: number added to the probability. Legal: [0, 1].
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Goodfellow, Bengio, Courville, "Deep Learning", MIT Press 2016, section 6.2.2.3 (why it fails),
        https://www.deeplearningbook.org
    """

def sparsemax(
    logits: Tensor,
    targets: Tensor,
    *,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Fenchel-Young loss of sparsemax, the projection onto the simplex: sparse probabilities.

    .. math:: \ell = \langle p - q, z \rangle + \tfrac12 \|q\|^2 - \tfrac12 \|p\|^2, \quad p =
        \operatorname*{argmin}_{p \in \Delta} \|p - z\|^2

    Cross-entropy's relative for sparse predictions: 0, with no gradient, once the target leads by 1. The gradient
    is p - q.

    Args:
        logits, targets: of the signature multiclass.
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Martins, Astudillo, "From Softmax to Sparsemax: A Sparse Model of Attention and Multi-Label Classification",
        ICML 2016, https://arxiv.org/abs/1602.02068
    """

def sphereface(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: int = 4,
    classes: int | None = None,
    dim: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Softmax over projections on learned class directions, with the angle of the own class multiplied.

    .. math:: \ell = -\log \frac{e^{r \psi(\theta_y)}}{e^{r \psi(\theta_y)} + \sum_{c \ne y} e^{r \cos\theta_c}},
        \quad \psi(\theta) = (-1)^k \cos(m\theta) - 2k, \quad k = \lfloor m\theta / \pi \rfloor

    r is the length of the embedding. The first of the margins on angles; arcface and cosface are easier to train,
    as this margin is wide from the start and vanishes for classes that are near each other. Its authors mix it with
    the plain softmax at first, which here is a sum with a schedule. The angle comes from the chords of the two
    directions, not from a polynomial of the cosine, so it keeps its digits near 0 and $\pi$. An embedding of length
    0 has no angle, and is pushed by the other classes only. Give the optimiser its parameters() too.

    Args:
        embeddings, labels: of the signature embedding.
        margin: m, a whole number; 1 is a softmax of the projections. Legal: [1, inf).
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Liu, Wen, Yu, Li, Raj, Song, "SphereFace: Deep Hypersphere Embedding for Face Recognition", CVPR 2017,
        https://arxiv.org/abs/1704.08063
    """

def squared_hinge(
    predictions: Tensor,
    targets: Tensor,
    *,
    margin: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Squared hinge loss of a binary score.

    .. math:: \ell = \max(0,\; m - (2t - 1)\, x)^2

    The hinge without its kink; large violations weigh more, outliers too.

    Args:
        predictions, targets: of the signature binary.
        margin: m, the lead that costs nothing. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Chang, Hsieh, Lin, "Coordinate Descent Method for Large-scale L2-loss Linear Support Vector Machines", JMLR
        2008, https://www.jmlr.org/papers/v9/chang08a.html
    """

def student_t_nll(
    parameters: Tensor,
    targets: Tensor,
    *,
    scale: Literal["softplus", "exp"] = "softplus",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Negative log-likelihood of Student's t: location, scale, and how heavy the tails are, for each row.

    .. math:: \ell = -\log \frac{\Gamma(\frac{\nu + 1}{2})}{\Gamma(\frac{\nu}{2}) \sqrt{\nu \pi}} + \log \sigma +
        \tfrac{\nu + 1}{2} \log \Bigl( 1 + \frac{(t - \mu)^2}{\nu \sigma^2} \Bigr)

    For noise with outliers whose share is to be learned. Degrees of freedom are above 2, so the variance $\sigma^2
    \nu / (\nu - 2)$ exists. As they grow this becomes gaussian-nll(full=true), and no digit is lost on the way: the
    two logarithms of the gamma function are subtracted before they grow, in float64. torch's StudentT subtracts
    them in float32: at an error of 1 and 1e7 degrees of freedom its value is 0.5, the true one 1.4189. From a raw
    scale of about -20 down the least scale, 1e-6, holds and the column has next to no gradient: 0.006 there at an
    error of 1, 1e-37 at -100. The location still has its own, 3.7, and leads back.

    Args:
        parameters, targets: of the signature distribution-tails.
        scale: how the raw scale becomes the scale: by softplus or exp, plus 1e-6.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Lange, Little, Taylor, "Robust Statistical Modeling Using the t Distribution", Journal of the American
        Statistical Association 1989, https://doi.org/10.1080/01621459.1989.10478852
    """

def sub_center_arcface(
    embeddings: Tensor,
    labels: Tensor,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    centers: int = 3,
    classes: int | None = None,
    dim: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""ArcFace with several learned rows of each class, of which the nearest counts.

    .. math:: \ell = -\log \frac{e^{s \cos(\theta_y + m)}}{e^{s \cos(\theta_y + m)} + \sum_{c \ne y} e^{s
        \cos\theta_c}} , \quad \theta_c = \min_k \theta_{ck}

    For wrong labels and classes of several looks: what does not fit gathers at a row of its own. With clean labels
    one row, arcface, keeps the classes tighter. Where two rows of a class are equally near, each has half of the
    gradient. Everything else is as in arcface: the seam beyond $\pi - m$, and the gradient at an angle of 0.

    Args:
        embeddings, labels: of the signature embedding.
        scale: s, of the cosines. Legal: (0, inf).
        margin: m, in radians. Legal: [0, 1.5708).
        centers: rows of each class, >= 1. Legal: [1, inf).
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Deng, Guo, Liu, Gong, Zafeiriou, "Sub-center ArcFace: Boosting Face Recognition by Large-Scale Noisy Web Faces",
        ECCV 2020, https://doi.org/10.1007/978-3-030-58621-8_43
    """

def sup_con(
    embeddings: Tensor,
    labels: Tensor,
    *,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "cosine",
    temperature: float = 0.1,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of each positive among all other rows, averaged over the positives of a row.

    .. math:: \ell_i = -\frac{1}{|P_i|} \sum_{p \in P_i} \log \frac{e^{s_{ip}/\tau}}{\sum_{j \ne i} e^{s_{ij}/\tau}}

    The supervised contrastive loss in the form that its authors call L_out: the mean over the positives stands
    outside of the logarithm. Their code multiplies it by the temperature over a base temperature of 0.07; here it
    follows the formula. It attracts every positive, while one near positive is enough for nca. Its minimum is
    log(number of positives), not 0.

    Args:
        embeddings, labels: of the signature embedding.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the more the hard negatives count. Legal: (0,
            inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Khosla, Teterwak, Wang, Sarna, Tian, Isola, Maschinot, Liu, Krishnan, "Supervised Contrastive Learning", NeurIPS
        2020, https://arxiv.org/abs/2004.11362
    """

def symmetric_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    alpha: float = 0.1,
    beta: float = 1.0,
    log_zero: float = -4.0,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy in both directions: the reverse one is bounded and forgives wrong labels.

    .. math:: \ell = -\alpha \log p_y - \beta A (1 - p_y), \quad p = \operatorname{softmax}(z)

    For wrong labels, where a bounded loss alone learns too slowly. A stands for the logarithm of 0 in the reverse
    cross-entropy, whose label probabilities are 0 and 1. Other code clamps p, and where it does the gradient of a
    label that looks impossible is exactly 0; here it is that of the formula.

    Args:
        logits, targets: of the signature multiclass.
        alpha: weight of cross-entropy. Legal: [0, inf).
        beta: weight of the reverse cross-entropy. Legal: [0, inf).
        log_zero: A, below 0. Legal: (-inf, 0).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Wang, Ma, Chen, Luo, Yi, Bailey, "Symmetric Cross Entropy for Robust Learning with Noisy Labels", ICCV 2019,
        https://arxiv.org/abs/1908.06112
    """

def topk_softmax(
    logits: Tensor,
    targets: Tensor,
    *,
    k: int = 5,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy over the k largest logits and the target.

    .. math:: \ell = -z_y + \log \sum_{j \in \operatorname{top}_k(z) \cup \{y\}} e^{z_j}

    For many classes, where the gradient should go to the strongest rivals only. A target that ties with the k-th
    largest logit is among the k.

    Args:
        logits, targets: of the signature multiclass.
        k: number of logits that are kept; from the number of classes on it is cross-entropy. Legal: [1, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Lapin, Hein, Schiele, "Loss Functions for Top-k Error: Analysis and Insights", CVPR 2016,
        https://arxiv.org/abs/1512.00486 (truncated top-k entropy and its relatives)
    """

def triplet(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    margin: float = 1.0,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    swap: bool = False,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Hinge loss: the negative must be further from the anchor than the positive by a margin.

    .. math:: \ell = \max(0,\; \|a - p\| - \|a - n\| + m)

    On the Euclidean distance, which is not squared, unless another similarity is chosen. For triplets that the data
    loader draws. With labels, the losses that mine triplets in the batch (such as triplet-batch-hard) use each
    embedding many times.

    Args:
        anchors, positives, negatives: of the signature triplet.
        margin: how much further the negative has to be. Legal: [0, inf).
        similarity: minus the distance; that of a cosine is one minus it, of a dot product minus it.
        swap: whether the negative may be compared with the positive, where it is nearer to that than to the anchor.
            Legal: true|false.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015,
        https://arxiv.org/abs/1503.03832
    """

def triplet_all(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 1.0,
    average: Literal["all", "nonzero"] = "all",
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Triplet loss over all triplets of the batch, or over those that violate the margin.

    .. math:: \ell_i = \sum_{p} \sum_{n} \max(0, d_{ip} - d_{in} + m)

    Smoother than mining. Late in training most triplets are satisfied and make the mean small; "nonzero" then
    divides by the triplets that are not. The sum over negatives is read off their sorted distances, so memory and
    time grow with the pairs, not with the triplets.

    Args:
        embeddings, labels: of the signature embedding.
        margin: m, how much further the negative has to be. Legal: [0, inf).
        average: which triplets the mean counts: all of them, or those with a loss.
        similarity: minus the distance d; cosine and dot are taken for minus a distance.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        https://arxiv.org/abs/1703.07737
    """

def triplet_batch_hard(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 1.0,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Triplet loss of each row with its furthest positive and its closest negative in the batch.

    .. math:: \ell_i = \max\bigl(0, \max_{p} d_{ip} - \min_{n} d_{in} + m\bigr)

    For retrieval and re-identification, with several samples a class in each batch. A wrong label is always the
    hardest one, so it suffers from noisy labels. The embedding can collapse to one point at first, where the loss
    equals the margin; lower the learning rate or start with triplet-all.

    Args:
        embeddings, labels: of the signature embedding.
        margin: m, how much further the closest negative has to be than the furthest positive. Legal: [0, inf).
        similarity: minus the distance d; cosine and dot are taken for minus a distance.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        https://arxiv.org/abs/1703.07737
    """

def triplet_semi_hard(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 1.0,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    streaming: Streaming | None = None,
    relation: Callable[..., Any] | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Triplet loss of each positive pair with the closest negative beyond the positive, else the furthest.

    .. math:: \ell_{ip} = \max\bigl(0, d_{ip} - \min_{n: d_{in} > d_{ip}} d_{in} + m\bigr)

    The closest negative that is still further away than the positive; where there is none, the furthest negative.
    FaceNet looks only at negatives within the margin behind the positive; that band is not applied, so a pair whose
    negative lies beyond it costs nothing and counts in the mean. Easier than the hardest negative, which can
    collapse the embedding early in training.

    Args:
        embeddings, labels: of the signature embedding.
        margin: m, how much further the negative has to be. Legal: [0, inf).
        similarity: minus the distance d; cosine and dot are taken for minus a distance.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        streaming: how the pairs are worked through.
        relation: who is positive to whom, instead of equal labels.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015,
        https://arxiv.org/abs/1503.03832
    """

def tukey_biweight(
    predictions: Tensor,
    targets: Tensor,
    *,
    c: float = 4.685,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Tukey's biweight: an error beyond c is an outlier, counts the same at any distance and has no gradient.

    .. math:: \ell = \frac{c^2}{6} \Bigl(1 - \bigl(1 - \min(1, e^2 / c^2)\bigr)^3\Bigr), \quad e = p - t

    For data with gross errors, from a start that is nearly right: a prediction farther than c from its target never
    moves. Near 0 it is half the squared error. The default has 95 % of the efficiency of the mean where the noise
    is normal with a standard deviation of 1.

    Args:
        predictions, targets: of the signature regression.
        c: error beyond which the gradient is 0, in the unit of the target. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Beaton, Tukey, "The Fitting of Power Series, Meaning Polynomials, Illustrated on Band-Spectroscopic Data",
        Technometrics 1974, https://doi.org/10.2307/1267936
    """

def tversky(
    logits: Tensor,
    targets: Tensor,
    *,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    smooth: float = 1.0,
    over: Literal["map", "image", "batch"] = "map",
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Soft Tversky loss: the Dice loss with a price of its own for invented and for missed pixels.

    .. math:: \ell = \Bigl(1 - \frac{TP + s}{TP + \alpha FP + \beta FN + s}\Bigr)^{\gamma}

    For small objects of which none may be missed: raise beta. At 1/2 and 1/2 it is the Dice loss with half the
    smoothing, at 1 and 1 Jaccard's. With gamma it is the focal Tversky loss: below 1 maps that are nearly right
    count more. An empty map with smooth=0 costs 1 and has no gradient, as with dice; MONAI gives NaN there.

    Args:
        logits, targets: of the signature segmentation.
        alpha: price of an invented pixel. Legal: (0, inf).
        beta: price of a missed pixel. Legal: (0, inf).
        gamma: exponent. Legal: (0, inf).
        smooth: s, pixels added; above 0 an empty map can be predicted right. Legal: [0, inf).
        over: what the sums run over: each "map" (a class of an image), each "image", or each class over the "batch".
        class_weight: how many times the maps of each class (channel) count. Legal: [0, inf).
        ignore_index: label whose pixels take no part in value, gradient or mean; of labels only, maps have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Salehi, Erdogmus, Gholipour, "Tversky Loss Function for Image Segmentation Using 3D Fully Convolutional Deep
        Networks", MLMI 2017, https://arxiv.org/abs/1706.05721; Abraham, Khan, "A Novel Focal Tversky Loss Function with
        Improved Attention U-Net for Lesion Segmentation", ISBI 2019, https://arxiv.org/abs/1810.07842
    """

def tweedie(
    log_rates: Tensor,
    counts: Tensor,
    *,
    power: float = 1.5,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Half the Tweedie deviance of the logarithm of a mean: amounts that are often 0 and otherwise spread widely.

    .. math:: \ell = \frac{t^{2-p}}{(1-p)(2-p)} - \frac{t \, e^{z(1-p)}}{1-p} + \frac{e^{z(2-p)}}{2-p}

    For insurance claims, rainfall and sales. The network gives the logarithm z of the mean. A power of 1 is
    Poisson's deviance and 2 the gamma distribution's; both are the limits of the formula, and near them it is
    computed without its quotients. The constant term is there, as in scikit-learn, so an exact fit costs 0.

    Args:
        log_rates, counts: of the signature counts.
        power: p, of the mean in the variance. Legal: [1, 2].
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Jorgensen, "Exponential Dispersion Models", Journal of the Royal Statistical Society B 1987,
        https://doi.org/10.1111/j.2517-6161.1987.tb01685.x
    """

def uncertainty(
    parameters: Tensor | Iterable[Tensor],
    *,
    tasks: int = 2,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> NoReturn:
    r"""Uncertainty weighting: learned weights of several losses, as in uncertainty(bce, dice).

    .. math:: \ell = \tfrac12 \sum_i \left( e^{-s_i} L_i + s_i \right)

    Uncertainty weighting: a sum of losses, each divided by a noise level that is learned. For several losses on one
    model whose scales differ or drift, in place of weights set by hand: in an expression uncertainty(bce, dice), in
    Python losszoo.create("uncertainty", tasks=2)([loss_a, loss_b]). Give the optimiser its parameters() too,
    without weight decay. At the minimum $s_i = \log L_i$, so each loss is divided by its own size. A loss that
    reaches 0 has no such minimum, and its $s_i$ falls without end. Each loss has the factor of one half that the
    paper has for regression. For classification the paper leaves it out, $e^{-s_i} L_i + \tfrac12 s_i$: that is
    this loss of twice the value. Below $s = -40$ the factor $e^{-s}$ continues as its tangent, $e^{40} (-39 - s)$.
    So a bad step cannot overflow it (the tangent is finite down to $s = -10^{20}$), and unlike a clamp it leaves a
    gradient that leads back.

    Args:
        parameters: of the signature penalty.
        tasks: number of losses that are weighed. The parameter log_variances (tasks,) starts at 0, a weight of 1/2
            each. Legal: [1, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Kendall, Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics",
        CVPR 2018, https://arxiv.org/abs/1705.07115
    """

def vicreg(
    queries: Tensor,
    keys: Tensor,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    eps: float = 0.0001,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Views are near each other, columns vary, and no two columns vary together.

    .. math:: \ell = \frac{\lambda}{N D} \lVert q - k \rVert^2 + \sum_{z \in \{q, k\}} \Bigl[ \frac{\mu}{2 D} \sum_j
        \max\bigl(0, 1 - \sqrt{\operatorname{var} z_j + \epsilon}\bigr) + \frac{\nu}{D} \sum_{i \ne j}
        \operatorname{cov}(z_i, z_j)^2 \Bigr]

    For self-supervised training without negatives, where the two views may come from different networks: each is
    kept from collapse by itself. The variance is that of N - 1. The variance term is halved and the covariance is
    not, as in lightly and pytorch-metric-learning. The covariance grows with the fourth power of the embeddings:
    beyond about 1e9 it leaves float32, where the value is infinite, never NaN (lightly 1.6: NaN, value and
    gradient, from 1e20 on).

    Args:
        queries, keys: of the signature views.
        invariance: lambda, of the squared distance of the two views. Legal: [0, inf).
        variance: mu, of the hinge on the standard deviation of each column. Legal: [0, inf).
        covariance: nu, of the squared covariance of different columns. Legal: [0, inf).
        eps: added to the variance, > 0: at a variance of 0 the root has no derivative. Legal: (0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Bardes, Ponce, LeCun, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning", ICLR
        2022, https://arxiv.org/abs/2105.04906
    """

def weibull_aft(
    scale_and_shape: Tensor,
    times: Tensor,
    events: Tensor,
    *,
    scale: Literal["softplus", "exp"] = "softplus",
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Minus the log-likelihood of a Weibull distribution whose scale and shape are predicted.

    .. math:: \ell = (t / \lambda)^k - \delta \bigl(\log k + k \log (t / \lambda) - \log t \bigr)

    For times of which some are only known to be longer (delta = 0), where the time itself is asked for: the median
    is lambda (log 2)^(1/k). Rows are apart, so batches may be small. The columns are made positive by softplus +
    1e-6; with scale="exp" they are logarithms, as those of WeibullAFTFitter of lifelines are. The power is formed
    as an exponent, k (log t - log lambda). Times should be in units of about their mean. A time of 0 is taken as
    the smallest positive number of the dtype: the likelihood of an event at 0 is infinite for shapes below 1, and 0
    for those above.

    Args:
        scale_and_shape, times, events: of the signature survival-weibull.
        scale: how the columns become positive.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Kalbfleisch, Prentice, "The Statistical Analysis of Failure Time Data", Wiley 2002,
        https://doi.org/10.1002/9781118032985
    """

def weston_watkins(
    logits: Tensor,
    targets: Tensor,
    *,
    margin: float = 1.0,
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Hinge loss of the target class against every other class.

    .. math:: \ell = \sum_{j \ne y} \max(0,\; m + z_j - z_y)

    Every class inside the margin pays, not only the strongest. torch's multi_margin_loss is multi-margin, this
    divided by C.

    Args:
        logits, targets: of the signature multiclass.
        margin: m, the lead that costs nothing. Legal: [0, inf).
        class_weight: how many times a label of each class counts; none counts all alike. A mean over labels divides by
            their weights, one over probabilities by their number, as in torch. Legal: [0, inf).
        ignore_index: label that takes no part in value, gradient or mean; of labels only, probabilities have none.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Weston, Watkins, "Support Vector Machines for Multi-Class Pattern Recognition", ESANN 1999,
        https://www.esann.org/proceedings/1999
    """

def zlpr(
    label_logits: Tensor,
    has_labels: Tensor,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Labels of a row above 0 and above all others, which are below 0: cross-entropy for several labels.

    .. math:: \ell = \log\Bigl(1 + \sum_{i \notin Y} e^{z_i}\Bigr) + \log\Bigl(1 + \sum_{j \in Y} e^{-z_j}\Bigr)

    For rows with few labels out of many: unlike in bce the hardest class has most of the gradient, whatever the
    imbalance. 0 is the threshold; the values are no calibrated probabilities.

    Args:
        label_logits, has_labels: of the signature multilabel.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        weight: >= 0, one number per value or per sample; a mean divides by their sum.
        mask: boolean, or integers of 0 and 1; False takes no part.
        denominator: replaces the count that a mean divides by.

    Returns:
        One number; with reduction="none" the values.

    Reference:
        Su, Zhu, Murtadha, Pan, Wen, Liu, "ZLPR: A Novel Loss for Multi-label Classification", 2022,
        https://arxiv.org/abs/2208.02955
    """

# What a plugin adds is found when it is called.
def __getattr__(name: str) -> Callable[..., Tensor]: ...
