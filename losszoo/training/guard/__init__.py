"""The guard of a training step: what is not finite is found, reported and undone."""
