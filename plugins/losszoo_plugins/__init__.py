"""The losses that come with losszoo, each family a plugin like anybody's."""
