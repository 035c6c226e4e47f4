"""The losses that come with losszoo; each family is a plugin like any other."""
