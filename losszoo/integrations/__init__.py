"""Losses and guard in other people's training loops. A module is named after the library that it imports."""
