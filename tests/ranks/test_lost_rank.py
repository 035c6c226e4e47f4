"""A rank that ends in the middle of a run: the others end too, and say so."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

# The second process ends by itself where the fourth batch is computed: the first one waits for its gradients.
ENDS = """
import os, torch
calls = 0
def ends(predictions, targets):
    global calls
    calls += 1
    if os.environ["RANK"] == "1" and calls == 4:
        os._exit(3)
    return torch.nn.functional.binary_cross_entropy_with_logits(predictions, targets, reduction="none")
"""


@pytest.mark.parametrize("more", [[], ["--accumulate", "2"]], ids=["whole", "accumulated"])
def test_the_others_say_that_it_ended(tmp_path: Path, more: list[str]) -> None:
    tmp_path.joinpath("my.py").write_text(ENDS)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    command = [sys.executable, "-m", "losszoo", "run", "--loss", "my.py:ends", "--signature", "binary", *more]
    command += ["--task", "breast-cancer", "--epochs", "2"]
    # As torchrun starts them, but without torchrun itself, which would end the first process too.
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    ranks = [
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, **shared, "OMP_NUM_THREADS": "1", "RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    said, _ = (process.communicate(timeout=1800)[1] for process in ranks)
    assert [process.returncode for process in ranks] == [2, 3], said
    assert "error: every rank must keep running, got one that ended; its own error says why (" in said
    assert "Traceback" not in said
