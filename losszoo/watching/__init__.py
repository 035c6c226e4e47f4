"""A training script that runs unchanged, and is watched: what goes wrong is said while it runs."""
