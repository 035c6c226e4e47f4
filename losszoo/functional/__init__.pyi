"""Every installed loss as a function. Written by ``python -m losszoo.functional.stubs``: do not edit."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NoReturn

from torch import Tensor

from losszoo.losses.declare import Floats
from losszoo.pairs.streaming import Streaming

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

    The default for yes-or-no questions, one or many labels per sample. Exact at any logit. The soft margin loss of
    torch is the same for labels of -1 and 1, its multilabel form the mean over the classes.

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

def contrastive(
    first: Tensor,
    second: Tensor,
    same: Tensor,
    *,
    margin: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
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
    Note the factor: inside it is half of mse. The smooth L1 loss of torch, with its beta, is this divided by delta:
    the same at 1.

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
    they stay negatives. With symmetric=true it is the loss of CLIP; with temperature=0.05 multiple negatives
    ranking, whose scale is 20. NT-Xent, the loss of SimCLR, sets each view against the other view and against the
    rest of its own one; here the keys are the other view alone.

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
    reduction: Literal["mean", "sum", "none"] = "mean",
    empty: Literal["zero", "nan", "raise"] = "zero",
    validate: bool | None = None,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> Tensor:
    r"""Hinge loss: the negative must be further from the anchor than the positive by a margin.

    .. math:: \ell = \max(0,\; \|a - p\| - \|a - n\| + m)

    On the Euclidean distance, which is not squared. For triplets that the data loader draws. With labels, the
    losses that mine triplets in the batch (such as triplet-batch-hard) use each embedding many times.

    Args:
        anchors, positives, negatives: of the signature triplet.
        margin: how much further the negative has to be. Legal: [0, inf).
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
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

    Every class inside the margin pays, not only the strongest. torch's multi_margin_loss is this divided by C.

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

# What a plugin adds is found when it is called.
def __getattr__(name: str) -> Callable[..., Tensor]: ...
