"""A number that is not finite: its criterion, called again on this batch, and what is done then."""
