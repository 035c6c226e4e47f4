"""Tasks and their data, checked and scaled; what a batch gives to a loss."""
