"""The step of a crash bundle, run once more."""
