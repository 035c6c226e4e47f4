"""What the tests of a tuning share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def out(tmp_path: Path) -> str:
    """The folder of the studies."""
    return str(tmp_path / "tunings")
