"""A loss of one's own, in no package."""


def ranked(log_hazards, exit_times, died):
    """Pairs in the wrong order cost the difference of their risks."""
    earlier = (exit_times[:, None] < exit_times[None, :]) & (died[:, None] > 0)
    wrong = (log_hazards[None, :] - log_hazards[:, None] + 1).clamp(min=0)
    return (wrong * earlier).sum(1) / earlier.sum(1).clamp(min=1)
