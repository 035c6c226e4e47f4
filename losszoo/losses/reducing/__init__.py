"""Which of the unreduced values count."""
