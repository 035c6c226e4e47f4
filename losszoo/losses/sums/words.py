"""Fixed words of loss expressions, in a file of their own: `losszoo list` needs them without the parser."""

SIMILARITIES = ("euclidean", "squared-euclidean", "cosine", "dot")
# Kinds of a schedule.
KINDS = ("linear", "cosine", "step", "constant")
# Values that are no strings.
WORDS = {"true": True, "false": False, "none": None}
