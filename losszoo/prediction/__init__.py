"""What a run has learned, used on new rows."""
