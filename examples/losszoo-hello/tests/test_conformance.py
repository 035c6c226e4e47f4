"""Each loss of this package keeps the contract."""

import losszoo
from losszoo.testing import parametrize_losses


@parametrize_losses(losszoo.list_losses(plugin="losszoo-hello"))
def test_conformance(loss, check):
    check(loss)
