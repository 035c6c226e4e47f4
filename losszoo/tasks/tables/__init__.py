"""Tasks from a table of yours: a file or a DataFrame with one row for each sample."""
