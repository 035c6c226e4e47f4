"""From inputs that fail to findings: search, shrink, blame, cause."""
