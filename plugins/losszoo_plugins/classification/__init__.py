"""Losses for classes: cross-entropy and its relatives, margins, sparse predictions, focal losses."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from losszoo import LossSpec, Param, hookimpl

_HERE = "losszoo_plugins.classification"

_CLASS_WEIGHT = Param(
    name="weight", type="floats", range=(0, inf), bounds="[)", summary="one number per class; none weighs all alike"
)
_IGNORE = Param(name="ignore_index", type="int", default=-100, summary="label that takes no part")
_MARGIN = Param(
    name="margin",
    default=1.0,
    range=(0, inf),
    bounds="[)",
    search=(0.1, 10),
    log=True,
    summary="lead that costs nothing",
)
_GAMMA = Param(
    name="gamma", default=2.0, range=(0, inf), bounds="[)", search=(0, 5), summary="discount of easy examples"
)

_GOOD = (
    'Good, "Rational Decisions", Journal of the Royal Statistical Society B 1952, '
    "https://doi.org/10.1111/j.2517-6161.1952.tb00104.x"
)

SPECS = (
    LossSpec(
        name="bce",
        target=f"{_HERE}.binary:bce",
        signature="binary",
        summary="Binary cross-entropy on logits.",
        formula=r"-w\,t \log \sigma(x) - (1 - t) \log \sigma(-x)",
        reference=_GOOD,
        params=(
            Param(
                name="pos_weight",
                type="floats",
                range=(0, inf),
                bounds="()",
                summary="weight of the positive class, one or one per class (dimension 1)",
            ),
        ),
        tags=("probabilistic", "proper"),
    ),
    LossSpec(
        name="bce-probabilities",
        target=f"{_HERE}.binary:bce_probabilities",
        signature="binary",
        summary="Binary cross-entropy on probabilities, at most 100 as in torch.",
        formula=r"-t \max(\log p, -100) - (1 - t) \max(\log(1 - p), -100)",
        reference=_GOOD,
        expects="probabilities",
        tags=("probabilistic", "proper"),
    ),
    LossSpec(
        name="cross-entropy",
        target=f"{_HERE}.cross_entropy:cross_entropy",
        signature="multiclass",
        summary="Cross-entropy on logits, with class weights, label smoothing and an ignored label.",
        formula=r"-\sum_c w_c \left((1 - \varepsilon) q_c + \tfrac{\varepsilon}{C}\right) \log p_c,"
        r" \; p = \mathrm{softmax}(z)",
        reference='Bridle, "Training Stochastic Model Recognition Algorithms as Networks can Lead to '
        'Maximum Mutual Information Estimation of Parameters", NeurIPS 1989, https://mlanthology.org/neurips/1989/bridle1989neurips-training',
        params=(
            _CLASS_WEIGHT,
            Param(
                name="label_smoothing",
                default=0.0,
                range=(0, 1),
                search=(0, 0.3),
                summary="share of the target spread evenly over all classes",
            ),
            _IGNORE,
        ),
        tags=("probabilistic", "proper"),
    ),
    LossSpec(
        name="linear-cross-entropy",
        target=f"{_HERE}.linear:LinearCrossEntropy",
        signature="embedding",
        summary="Cross-entropy from hidden states; the logits never stand in memory together.",
        formula=r"-z_y + \log \sum_c e^{z_c}, \; z = W h + b",
        reference='Wijmans, Huval, Hertzberg, Koltun, Kraehenbuehl, "Cut Your Losses in Large-Vocabulary '
        'Language Models", ICLR 2025, https://arxiv.org/abs/2411.09009',
        params=(
            Param(name="classes", type="int", summary="C; none takes it from the data of a run"),
            Param(name="dim", type="int", summary="D, width of the hidden states; none takes it from the model"),
            Param(name="bias", type="bool", default=True, summary="whether the linear layer has one"),
            Param(name="chunk", type="int", summary="rows at a time; none is as many as fill 16 MB"),
            _IGNORE,
        ),
        tags=("probabilistic", "proper", "memory"),
    ),
    LossSpec(
        name="nll",
        target=f"{_HERE}.cross_entropy:nll",
        signature="multiclass",
        summary="Negative log-likelihood of log-probabilities.",
        formula=r"-\sum_c w_c \, q_c \log p_c",
        reference='Fisher, "On the Mathematical Foundations of Theoretical Statistics", Philosophical '
        "Transactions of the Royal Society A 1922, https://doi.org/10.1098/rsta.1922.0009",
        params=(_CLASS_WEIGHT, _IGNORE),
        expects="log-probabilities",
        tags=("probabilistic", "proper"),
    ),
    LossSpec(
        name="softmax-nll-eps",
        target=f"{_HERE}.cross_entropy:softmax_nll_eps",
        signature="multiclass",
        summary="Cross-entropy in two steps with eps in the logarithm: no gradient where it is most wrong.",
        formula=r"-\sum_c q_c \log(\mathrm{softmax}(z)_c + \epsilon)",
        reference='Goodfellow, Bengio, Courville, "Deep Learning", MIT Press 2016, section 6.2.2.3, '
        "https://www.deeplearningbook.org",
        params=(
            Param(
                name="eps",
                default=1e-8,
                range=(0, 1),
                log=True,
                search=(1e-12, 1e-3),
                summary="number added to the probability",
            ),
        ),
        tags=("probabilistic",),
        status="exhibit",
        stable_twin="cross-entropy",
    ),
    LossSpec(
        name="topk-softmax",
        target=f"{_HERE}.cross_entropy:topk_softmax",
        signature="multiclass",
        summary="Cross-entropy over the k largest logits and the target.",
        formula=r"-z_y + \log \sum_{j \in \mathrm{top}_k(z) \cup \{y\}} e^{z_j}",
        reference='Lapin, Hein, Schiele, "Loss Functions for Top-k Error: Analysis and Insights", CVPR 2016, '
        "https://arxiv.org/abs/1512.00486",
        params=(
            Param(
                name="k",
                type="int",
                default=5,
                range=(1, inf),
                search=(1, 20),
                summary="logits that are kept; from the number of classes on it is cross-entropy",
            ),
        ),
        tags=("probabilistic", "top-k"),
    ),
    LossSpec(
        name="sparsemax",
        target=f"{_HERE}.sparse:sparsemax",
        signature="multiclass",
        summary="Fenchel-Young loss of the Euclidean projection onto the simplex: sparse predictions.",
        formula=r"\langle p - q, z \rangle + \tfrac12 (\|q\|^2 - \|p\|^2), \; p = \mathrm{sparsemax}(z)",
        reference='Martins, Astudillo, "From Softmax to Sparsemax: A Sparse Model of Attention and '
        'Multi-Label Classification", ICML 2016, https://arxiv.org/abs/1602.02068',
        tags=("sparse", "margin", "fenchel-young"),
    ),
    LossSpec(
        name="entmax",
        target=f"{_HERE}.sparse:entmax",
        signature="multiclass",
        summary="Fenchel-Young loss between cross-entropy and sparsemax.",
        formula=r"\langle p - q, z \rangle + H_\alpha(p) - H_\alpha(q), \; p = \alpha\text{-entmax}(z)",
        reference='Peters, Niculae, Martins, "Sparse Sequence-to-Sequence Models", ACL 2019, '
        "https://arxiv.org/abs/1905.05702",
        params=(
            Param(
                name="alpha",
                default=1.5,
                range=(1, inf),
                bounds="()",
                search=(1.05, 3),
                summary="sparsity: towards 1 cross-entropy, 2 sparsemax",
            ),
        ),
        tags=("sparse", "margin", "fenchel-young"),
    ),
    LossSpec(
        name="hinge",
        target=f"{_HERE}.margin:hinge",
        signature="binary",
        summary="Hinge loss of a binary score.",
        formula=r"\max(0, m - (2t - 1) x)",
        reference='Cortes, Vapnik, "Support-Vector Networks", Machine Learning 1995, '
        "https://doi.org/10.1007/BF00994018",
        params=(_MARGIN,),
        tags=("margin",),
    ),
    LossSpec(
        name="squared-hinge",
        target=f"{_HERE}.margin:squared_hinge",
        signature="binary",
        summary="Squared hinge loss of a binary score.",
        formula=r"\max(0, m - (2t - 1) x)^2",
        reference='Chang, Hsieh, Lin, "Coordinate Descent Method for Large-scale L2-loss Linear Support '
        'Vector Machines", JMLR 2008, https://www.jmlr.org/papers/v9/chang08a.html',
        params=(_MARGIN,),
        tags=("margin",),
    ),
    LossSpec(
        name="multiclass-hinge",
        target=f"{_HERE}.margin:multiclass_hinge",
        signature="multiclass",
        summary="Hinge loss of the target against its strongest rival.",
        formula=r"\max(0, m + \max_{j \ne y} z_j - z_y)",
        reference='Crammer, Singer, "On the Algorithmic Implementation of Multiclass Kernel-based Vector '
        'Machines", JMLR 2001, https://www.jmlr.org/papers/v2/crammer01a.html',
        params=(_MARGIN,),
        tags=("margin",),
    ),
    LossSpec(
        name="weston-watkins",
        target=f"{_HERE}.margin:weston_watkins",
        signature="multiclass",
        summary="Hinge loss of the target against every rival.",
        formula=r"\sum_{j \ne y} \max(0, m + z_j - z_y)",
        reference='Weston, Watkins, "Support Vector Machines for Multi-Class Pattern Recognition", ESANN '
        "1999, https://www.esann.org/proceedings/1999",
        params=(_MARGIN,),
        tags=("margin",),
    ),
    LossSpec(
        name="focal",
        target=f"{_HERE}.focal:focal",
        signature="binary",
        summary="Binary cross-entropy that looks away from easy examples.",
        formula=r"-\alpha_t \, (1 - p_t)^{\gamma} \, \log p_t",
        reference='Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", ICCV 2017, '
        "https://arxiv.org/abs/1708.02002",
        params=(
            _GAMMA,
            Param(
                name="alpha",
                range=(0, 1),
                bounds="()",
                summary="weight of the positive class; none weighs both as 1",
            ),
        ),
        tags=("probabilistic", "imbalance"),
    ),
    LossSpec(
        name="softmax-focal",
        target=f"{_HERE}.focal:softmax_focal",
        signature="multiclass",
        summary="Cross-entropy that looks away from easy examples.",
        formula=r"-w_y \, (1 - p_y)^{\gamma} \, \log p_y",
        reference="Mukhoti, Kulharia, Sanyal, Golodetz, Torr, Dokania, "
        '"Calibrating Deep Neural Networks using Focal Loss", NeurIPS 2020, https://arxiv.org/abs/2002.09437',
        params=(_GAMMA, _CLASS_WEIGHT, _IGNORE),
        tags=("probabilistic", "imbalance"),
    ),
)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return SPECS
