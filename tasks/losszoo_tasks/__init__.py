"""The tasks that come with losszoo. Nothing here imports torch or loads data."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import TaskSpec, hookimpl

_TALENT = "LAMDA-TALENT (Liu, Cai, Zhou, Ye, 2024, arXiv:2407.04057): 15 seeds, tuned, its own split"
_MEASURED = "measured on the split of this task (seed 0)"

_ABALONE = (
    'Nash, Sellers, Talbot, Cawthorn, Ford, "Abalone", UCI Machine Learning Repository 1994, '
    "https://doi.org/10.24432/C55C7W"
)
_DIGITS = (
    'Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository 1998, '
    "https://doi.org/10.24432/C50P49"
)

_CANCER = (
    'Wolberg, Mangasarian, Street, Street, "Breast Cancer Wisconsin (Diagnostic)", '
    "UCI Machine Learning Repository 1993, https://doi.org/10.24432/C5DW2B"
)

SPECS = (
    TaskSpec(
        name="abalone",
        target="losszoo_tasks.abalone:Abalone",
        kind="multiclass",
        summary="Age group of 4,177 abalones (rings: <= 8, 9-10, >= 11) from sex and 7 measurements.",
        metric="accuracy",
        published=(
            ("majority", 0.3469, None, _TALENT),
            ("logistic regression", 0.6268, None, _TALENT),
            ("kNN", 0.5957, None, _TALENT),
            ("XGBoost", 0.6152, 0.0040, _TALENT),
            ("CatBoost", 0.6184, 0.0062, _TALENT),
            ("MLP", 0.6315, 0.0056, _TALENT),
            ("ResNet", 0.6357, 0.0103, _TALENT),
            ("TabR", 0.6271, 0.0091, _TALENT),
            ("RealMLP", 0.6325, 0.0070, _TALENT),
            ("ModernNCA", 0.6304, 0.0043, _TALENT),
            ("ModernNCA, reference code, float64", 0.6538, 0.0052, f"{_MEASURED}, 5 seeds"),
            ("ModernNCA, reference code, float32", 0.6503, 0.0065, f"{_MEASURED}, 3 seeds"),
            ("logistic regression, 7 numeric columns", 0.6340, None, _MEASURED),
            ("NCA to 3 dimensions, kNN k=3", 0.598, None, f"{_MEASURED}, scikit-learn"),
            ("NCA to 3 dimensions, kNN k=31", 0.632, None, f"{_MEASURED}, scikit-learn"),
        ),
        reference=_ABALONE,
        tags=("tabular", "download"),
    ),
    TaskSpec(
        name="abalone-age",
        target="losszoo_tasks.abalone:AbaloneAge",
        kind="regression",
        summary="Number of rings of 4,177 abalones from sex and 7 measurements.",
        metric="rmse",
        direction="min",
        published=(
            ("mean", 3.2427, None, _TALENT),
            ("linear regression", 2.2355, None, _TALENT),
            ("kNN", 2.2570, None, _TALENT),
            ("XGBoost", 2.1722, 0.0095, _TALENT),
            ("CatBoost", 2.1789, 0.0170, _TALENT),
            ("MLP", 2.1186, 0.0123, _TALENT),
            ("ResNet", 2.0888, 0.0072, _TALENT),
            ("TabR", 2.1078, 0.0168, _TALENT),
            ("RealMLP", 2.1210, 0.0177, _TALENT),
            ("ModernNCA", 2.0968, 0.0081, _TALENT),
            ("ModernNCA, reference code, float64", 2.0706, 0.0353, f"{_MEASURED}, 5 seeds"),
        ),
        reference=_ABALONE,
        tags=("tabular", "download"),
    ),
    TaskSpec(
        name="abalone-rings",
        target="losszoo_tasks.abalone:AbaloneRings",
        kind="counts",
        summary="Number of rings of 4,177 abalones, as a count, from sex and 7 measurements.",
        metric="poisson_deviance",
        direction="min",
        reference=_ABALONE,
        tags=("tabular", "download"),
    ),
    TaskSpec(
        name="abalone-levels",
        target="losszoo_tasks.abalone:AbaloneLevels",
        kind="ordinal",
        summary="Rings of 4,177 abalones as 12 levels (<= 4, 5, ..., 14, >= 15), from sex and 7 measurements.",
        metric="rank_mae",
        direction="min",
        published=(
            ("median level", 2.1471, None, _MEASURED),
            ("logistic regression", 1.4007, None, f"{_MEASURED}, scikit-learn"),
            ("ridge regression, rounded", 1.3577, None, f"{_MEASURED}, scikit-learn"),
            ("gradient boosting of the absolute error, rounded", 1.3289, None, f"{_MEASURED}, scikit-learn"),
            ("ordered logit, median level", 1.3636, None, f"{_MEASURED}, statsmodels"),
        ),
        reference=_ABALONE,
        tags=("tabular", "download"),
    ),
    TaskSpec(
        name="abalone-older",
        target="losszoo_tasks.abalone:AbaloneOlder",
        kind="preference",
        summary="Which of two abalones has more rings, from sex and 7 measurements.",
        metric="pair_accuracy",
        published=(
            ("weight of the shell", 0.7860, None, _MEASURED),
            ("ridge regression", 0.8095, None, f"{_MEASURED}, scikit-learn"),
            ("gradient boosting", 0.8173, None, f"{_MEASURED}, scikit-learn"),
        ),
        reference=_ABALONE,
        tags=("tabular", "download"),
    ),
    TaskSpec(
        name="abalone-ranking",
        target="losszoo_tasks.abalone:AbaloneRanking",
        kind="ranking",
        summary="Sort lists of 20 abalones by their age in 5 grades, from sex and 7 measurements.",
        metric="ndcg_at_10",
        reference=_ABALONE,
        tags=("tabular", "download"),
    ),
    TaskSpec(
        name="digits",
        target="losszoo_tasks.digits:Digits",
        kind="multiclass",
        summary="1,797 handwritten digits of 8 x 8 pixels.",
        metric="accuracy",
        reference=_DIGITS,
        tags=("images", "bundled"),
    ),
    TaskSpec(
        name="breast-cancer",
        target="losszoo_tasks.tables:BreastCancer",
        kind="binary",
        summary="569 breast masses, malignant (0) or benign (1), from 30 measurements of cell nuclei.",
        metric="accuracy",
        reference=_CANCER,
        tags=("tabular", "bundled"),
    ),
    TaskSpec(
        name="digits-rare",
        target="losszoo_tasks.digits:DigitsRare",
        kind="binary",
        summary="Find one digit that makes up 1 % of the rows.",
        metric="average_precision",
        reference=_DIGITS,
        tags=("images", "bundled", "imbalance"),
    ),
    TaskSpec(
        name="diabetes",
        target="losszoo_tasks.tables:Diabetes",
        kind="regression",
        summary="Progression of diabetes in 442 patients after one year, from 10 measurements.",
        metric="rmse",
        direction="min",
        reference=(
            'Efron, Hastie, Johnstone, Tibshirani, "Least Angle Regression", Annals of Statistics 2004, '
            "https://doi.org/10.1214/009053604000000067"
        ),
        tags=("tabular", "bundled"),
    ),
    TaskSpec(
        name="gbsg2",
        target="losszoo_tasks.breast_cancer_survival:Gbsg2",
        kind="survival",
        summary="How long 686 patients with breast cancer stay well, from age, therapy and 6 findings.",
        metric="concordance",
        published=(
            ("Cox regression", 0.6647, None, f"{_MEASURED}, lifelines 0.30.3"),
            ("Weibull regression", 0.6655, None, f"{_MEASURED}, lifelines 0.30.3"),
            ("random survival forest", 0.6761, None, f"{_MEASURED}, scikit-survival 0.28.0, 300 trees"),
        ),
        reference='Schumacher et al., "Randomized 2 x 2 Trial Evaluating Hormonal Treatment and the Duration of '
        'Chemotherapy in Node-Positive Breast Cancer Patients", Journal of Clinical Oncology 1994, '
        "https://doi.org/10.1200/JCO.1994.12.10.2086",
        tags=("tabular", "bundled"),
    ),
    TaskSpec(
        name="digits-properties",
        target="losszoo_tasks.digits:DigitsProperties",
        kind="multilabel",
        summary="Whether a digit is even, prime, above 4, and has a loop.",
        metric="macro_f1",
        reference=_DIGITS,
        tags=("images", "bundled"),
    ),
    TaskSpec(
        name="breast-cancer-worst",
        target="losszoo_tasks.tables:BreastCancerWorst",
        kind="multi-output",
        summary="Largest values of 10 measurements of cell nuclei in 569 breast masses, from their means.",
        metric="r2",
        reference=_CANCER,
        tags=("tabular", "bundled"),
    ),
    TaskSpec(
        name="digits-boxes",
        target="losszoo_tasks.boxes:DigitsBoxes",
        kind="boxes",
        summary="The box around a digit of any size on a canvas of 32 x 32 pixels.",
        metric="mean_iou",
        reference=_DIGITS,
        tags=("images", "bundled"),
    ),
    TaskSpec(
        name="digits-retrieval",
        target="losszoo_tasks.digits:DigitsRetrieval",
        kind="retrieval",
        summary="Find digits of the same kind among 5 to 9, after training on 0 to 4.",
        metric="recall_at_1",
        reference=_DIGITS,
        tags=("images", "bundled", "unseen-classes"),
    ),
    TaskSpec(
        name="digits-views",
        target="losszoo_tasks.digits:DigitsViews",
        kind="views",
        summary="An embedding of digits learned without labels, from two random views of each.",
        metric="knn_accuracy",
        reference=_DIGITS,
        tags=("images", "bundled", "self-supervised"),
    ),
    TaskSpec(
        name="digits-segmentation",
        target="losszoo_tasks.segmentation:DigitsSegmentation",
        kind="segmentation",
        summary="The pixels of a digit amid fragments of others, in 16 x 16 pixels.",
        metric="iou",
        reference=_DIGITS,
        tags=("images", "bundled"),
    ),
    TaskSpec(
        name="digits-semantic",
        target="losszoo_tasks.segmentation:DigitsSemantic",
        kind="semantic-segmentation",
        summary="Background, digit or fragment of another: what each of 16 x 16 pixels is.",
        metric="mean_iou",
        published=(("all background", 0.2554, None, _MEASURED),),
        reference=_DIGITS,
        tags=("images", "bundled"),
    ),
)


@hookimpl
def losszoo_tasks() -> Iterable[TaskSpec]:
    return SPECS
