"""Predictions and the metrics that judge them."""
