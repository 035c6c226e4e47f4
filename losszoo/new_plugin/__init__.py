"""``losszoo new-plugin``: a package of one's own with a loss, tests, CI and a README."""
