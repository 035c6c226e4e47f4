"""Forms that are tried at one operation on one line, where no number is wrong."""
