"""Memory that grows with the rows and not with the pairs, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROWS = 20_000
# Of one matrix of all pairs there are 1,526 MiB.
MATRIX = ROWS * ROWS * 4 / 2**20
LIMIT = 150.0

SCRIPT = """
import json, sys
from pathlib import Path

import torch

import losszoo


def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


@losszoo.pairwise(similarity="cosine", temperature=0.1)
def hardest_share(logits, positive, negative):
    best = logits.where(positive, -torch.inf).amax(1)
    return torch.logsumexp(logits.where(positive | negative, -torch.inf), 1) - best


torch.set_num_threads(1)
count = int(sys.argv[1])
rows = torch.randn(count, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
labels = torch.arange(count) % 10
extra = {}
for target in ("nca-stable", "sup-con", "triplet-batch-hard", hardest_share):
    loss = losszoo.create(target, streaming=losszoo.Streaming(memory=64))
    loss(rows[:2000], labels[:2000]).backward()
    rows.grad = None
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmHWM")
    value = loss(rows, labels)
    value.backward()
    assert bool(value.isfinite()) and bool(rows.grad.isfinite().all()) and bool((rows.grad != 0).any())
    rows.grad = None
    extra[loss.identity.name] = resident("VmHWM") - before
for symmetric in (False, True):
    loss = losszoo.create("info-nce", symmetric=symmetric, streaming=losszoo.Streaming(memory=64))
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmHWM")
    value = loss(rows[: count // 10], torch.cat([rows.roll(1, 0)] * 10))
    value.backward()
    assert bool(value.isfinite()) and bool(rows.grad.isfinite().all()) and bool((rows.grad != 0).any())
    rows.grad = None
    extra[f"further keys, {symmetric}"] = resident("VmHWM") - before
print(json.dumps(extra))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of a process cannot be reset here")
def test_twenty_thousand_rows_take_a_tenth_of_one_matrix(tmp_path: Path) -> None:
    script = tmp_path / "measure.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, str(ROWS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    extra = json.loads(done.stdout)
    further = {"further keys, False", "further keys, True"}
    assert set(extra) == {"nca-stable", "sup-con", "triplet-batch-hard", "hardest_share", *further}
    assert max(extra.values()) < LIMIT < MATRIX / 10, extra
