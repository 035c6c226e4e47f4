"""Fixed words of loss expressions, in a file of their own: `losszoo list` needs them without the parser."""

SIMILARITIES = ("euclidean", "squared-euclidean", "cosine", "dot")
# Which pairs of a row take part, and which values count; "all" of them.
MINERS = ("all", "multi-similarity", "hard", "easy-positive", "semi-hard", "distance-weighted")
REDUCERS = ("all", "nonzero", "hardest", "batch-mean", "per-class")
# What every loss takes beside its own parameters, and what every row function does.
OF_ALL = ("reducer", "reducer_share")
OF_MINING = ("miner", "miner_margin")
# Kinds of a schedule.
KINDS = ("linear", "cosine", "step", "constant")
# Values that are no strings.
WORDS = {"true": True, "false": False, "none": None}
