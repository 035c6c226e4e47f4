"""What several test files share."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

# The tests run in parallel: two threads on a core that another test keeps busy are fifteen times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

ABALONE = ("abalone", "abalone.data")
ABALONE_SHA256 = "de37cdcdcaaa50c309d514f248f7c2302a5f1f88c168905eba23fe2fbc78449f"


def pytest_configure(config: pytest.Config) -> None:
    # A job in the background of a script ignores SIGINT, and so would every process that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "needs_abalone: skipped where abalone.data is not on this machine already")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs abalone where it would have to be downloaded: tests use no network."""
    marked = [item for item in items if item.get_closest_marker("needs_abalone")]
    if marked and not abalone_is_here():
        reason = "abalone data not found (set LOSSZOO_DATA to a folder that holds abalone/abalone.data)"
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))


def abalone_is_here() -> bool:
    """Whether a right copy lies in $LOSSZOO_DATA, a shared folder or the cache."""
    from losszoo.common.data_files import data_file
    from losszoo.errors import DataError

    try:
        # Nothing is served there, so that nothing is downloaded.
        data_file(*ABALONE, sha256=ABALONE_SHA256, url="http://127.0.0.1:9/")
    except DataError:
        return False
    return True


@pytest.fixture(params=["kept", "blocks", "sorted blocks", "whole matrix"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every way in which the engine works through the pairs, on data however small: what ``streaming`` is to be."""
    from losszoo.pairs import streaming

    small = streaming.Tuning(few=0, few_rows=0, few_both=0, cpu_rows=3, block_pairs=0)
    tuning = {
        "blocks": small,
        "sorted blocks": replace(small, sort_from=0, class_rows=1),
    }
    monkeypatch.setattr(streaming, "TUNING", tuning.get(request.param, streaming.TUNING))
    return streaming.Streaming(dense=request.param == "whole matrix")
