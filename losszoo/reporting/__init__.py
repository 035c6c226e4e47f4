"""What many runs have given, as one HTML page."""
