"""A loss of one's own, in no package."""


def ranked(log_hazards, durations, observed):
    """Pairs in the wrong order cost the difference of their risks."""
    earlier = (durations[:, None] < durations[None, :]) & (observed[:, None] > 0)
    wrong = (log_hazards[None, :] - log_hazards[:, None] + 1).clamp(min=0)
    return (wrong * earlier).sum(1) / earlier.sum(1).clamp(min=1)
