"""Losses of predictions and targets whose values say the wrong thing: a sign is wrong, or lost."""
