"""Operations, recorded as they run: which one made the first number that is not finite, and at which source line."""
