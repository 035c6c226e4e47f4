"""Losses over pairs: a function of one row, streamed over blocks of the matrix of pairs."""
