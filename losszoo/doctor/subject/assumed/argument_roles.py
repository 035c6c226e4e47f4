"""What an argument stands for, by the names that the field has for it."""

from __future__ import annotations

import re

# The first role whose words a name has; whole names before parts of names.
_WHOLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("probabilities", ("p", "q", "probs", "proba", "prob")),
    ("target", ("y", "t", "gt", "tgt", "y_true", "ytrue", "targ", "truth", "true", "actual", "expected")),
    ("embeddings", ("z", "z1", "z2", "zi", "zj", "z_i", "z_j", "z_a", "z_b", "h1", "h2", "emb_i", "emb_j")),
    ("embeddings", ("q_i", "k_i", "query", "queries", "key", "keys", "anchor", "anchors", "pos", "neg")),
    ("mean", ("mu", "mean", "loc", "means", "z_mean", "mu1", "mu2")),
    ("log-variance", ("logvar", "log_var", "logvars", "z_log_var", "ln_var", "log_sigma2", "log_variance")),
    ("log-scale", ("log_std", "logstd", "log_sigma", "log_scale", "logsigma")),
    ("positive", ("std", "sigma", "var", "scale", "variance", "rate", "rates", "lambd", "sigma1", "sigma2")),
    ("counts", ("counts", "count")),
    ("number", ("tau", "temp", "temperature", "margin", "alpha", "beta", "gamma", "lam", "lambda_", "eps", "epsilon")),
    ("number", ("smooth", "smoothing", "delta", "kl_weight", "kld_weight", "threshold", "coef", "power", "reduction")),
    ("step", ("epoch", "step", "iteration", "iter", "global_step", "epoch_num", "cur_epoch", "it", "annealing_step")),
    ("classes", ("num_classes", "n_classes", "nclasses", "num_class", "n_class", "class_num", "classes_num", "c")),
    ("width", ("feat_dim", "embedding_size", "embedding_dim", "in_features", "dim", "feature_dim", "embed_dim")),
    ("rows", ("batch_size", "bsz", "bs")),
    ("device", ("device",)),
    ("model", ("model", "net", "network", "critic", "discriminator", "netd", "module", "func", "fn")),
    ("lengths", ("lengths", "lens", "seq_lens", "seq_lengths", "input_lengths", "target_lengths", "length")),
    ("event", ("event", "events", "status", "observed", "censored", "censor", "is_event", "e")),
    ("event", ("done", "dones", "terminal", "terminated")),
    ("time", ("time", "times", "duration", "durations", "survtime")),
    ("prediction", ("x", "x_hat", "yhat")),
    ("similarity", ("sim", "sims", "similarity", "sim_matrix", "similarities", "scores_matrix", "logits_per_image")),
)
_PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("log-probabilities", ("logprob", "log_prob", "logp", "log_softmax")),
    ("log-variance", ("logvar", "log_var")),
    ("log-scale", ("log_std", "logstd", "log_sigma")),
    ("one-hot", ("one_hot", "onehot")),
    ("logits", ("logit",)),
    ("mask", ("mask",)),
    ("boxes", ("box",)),
    ("embeddings", ("embed", "feat", "anchor", "positive", "negative", "query", "view", "repr", "hidden", "vector")),
    ("embeddings", ("proj", "codes", "latent")),
    ("teacher", ("teacher",)),
    ("prediction", ("pred", "output", "student", "y_hat", "yhat", "score", "estimat")),
    ("probabilities", ("prob", "confidence", "softmax")),
    ("number", ("temperature", "margin", "lambda", "alpha", "beta", "gamma")),
    ("labels", ("label", "class", "categor")),
    ("target", ("target", "truth", "true", "annot", "label_map", "ground")),
    ("weight", ("weight",)),
    ("image", ("image", "img", "recon", "x_hat", "xhat", "x_rec", "original")),
    ("mean", ("mean", "mu_", "_mu")),
    ("positive", ("sigma", "std", "variance", "scale", "rate")),
    ("row", ("advantage", "reward", "return", "value")),
    ("prediction", ("input", "student", "fake", "real")),
)


def role_of(name: str) -> str:
    """The role of an argument of that name; "" where the name says nothing.

    Example:
        >>> role_of("y_pred"), role_of("gt_masks"), role_of("log_var"), role_of("foo")
        ('prediction', 'mask', 'log-variance', '')
    """
    if name == "T":  # a temperature; t is a target
        return "number"
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")
    for role, names in _WHOLE:
        if plain in names:
            return role
    if "mask" in plain and any(word in plain for word in ("pred", "logit", "output")):
        return "prediction"
    if "weight" in plain and any(word in plain for word in ("kl", "loss", "reg")):
        return "number"
    role = next((role for role, parts in _PARTS if any(part in plain for part in parts)), "")
    return "log-scale" if role == "positive" and plain.startswith("log_") else role
